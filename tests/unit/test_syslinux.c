/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Judges: the real installer on an equal volume, byte by byte, and a BIOS that boots what was patched here. */
#include "bootinst/syslinux.h"

#include <errno.h>
#include <stdio.h>

#include "bootinst/menu.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define AUTO_SYSLINUX CLEANUP(syslinux_free)

static void need(bool ok, const char *what)
{
	if (!ok) {
		printf("# cannot go on: %s\n# %s\n", what, sandbox_said());
		exit(99);
	}
}

static u8 *read_at(const char *path, u64 off, size_t len)
{
	u8 *data = xcalloc(1, len);
	FILE *f = fopen(path, "r");

	need(f && fseeko(f, (off_t)off, SEEK_SET) == 0 && fread(data, 1, len, f) == len, path);
	fclose(f);
	return data;
}

static void write_at(const char *path, u64 off, const void *data, size_t len)
{
	FILE *f = fopen(path, "r+");

	need(f && fseeko(f, (off_t)off, SEEK_SET) == 0 && fwrite(data, 1, len, f) == len, path);
	need(fclose(f) == 0, path);
}

/* The first sector of a file that lies in one stretch of a FAT32 volume at byte `off` of an image; from its start. */
static u64 first_sector(const char *image, u64 off, const char *name)
{
	AUTO_FREE u8 *b = read_at(image, off, 512);
	unsigned cluster, last;
	const char *said;

	need(sandbox_run("mshowfat -i '%s@@%llu' '::%s'", image, (unsigned long long)off, name) == 0, "mshowfat");
	said = strchr(sandbox_said(), '<');
	need(said && sscanf(said, "<%u-%u>", &cluster, &last) == 2 && !strchr(said + 1, '<'), "one stretch");
	return get_le16(b + 14) + (u64)b[16] * get_le32(b + 36) + (u64)(cluster - 2) * b[13];
}

static bool harvest(struct syslinux *s)
{
	AUTO_ERR struct err e = { 0 };

	if (syslinux_harvest(s, &e) == -ENOENT)
		test_skip(e.text);
	return CHECK_OK(e.text ? -1 : 0, &e);
}

/* Installs by the real program and compares what it wrote with what we would write in the same place. */
static void compare_with_installer(const char *before, const char *dir_option, const char *dir)
{
	AUTO_FREE char *image = sandbox_path("fat32");
	AUTO_FREE u8 *sys = NULL, *c32 = NULL, *boot = NULL;
	AUTO_SYSLINUX struct syslinux s = { 0 };
	AUTO_BUF struct buf name = { 0 };
	AUTO_ERR struct err e = { 0 };
	u64 first;

	if (!harvest(&s))
		return;
	sandbox_make(image, 64 * MIB);
	need(sandbox_run("mkfs.fat -F 32 '%s'", image) == 0, "mkfs.fat");
	need(sandbox_run("export I='%s'; %s", image, before) == 0, before);
	need(sandbox_run("syslinux %s --install '%s'", dir_option, image) == 0, "syslinux");
	buf_addf(&name, "%s/ldlinux.sys", strcmp(dir, "/") == 0 ? "" : dir);
	first = first_sector(image, 0, name.s);
	CHECK_OK(syslinux_patch(&s, first, dir, &e), &e);
	sys = read_at(image, first * 512, s.sys.len);
	CHECK(memcmp(sys, s.sys.data, s.sys.len) == 0);
	for (size_t i = 0; i < s.sys.len; i++) {
		if (sys[i] != s.sys.data[i]) {
			test_fail(__FILE__, __LINE__, "ldlinux.sys differs first at byte %zu: theirs %02x ours %02x", i,
			          sys[i], s.sys.data[i]);
			break;
		}
	}
	boot = read_at(image, 0, 512);
	CHECK(memcmp(boot, s.boot_sector, 11) == 0);
	CHECK(memcmp(boot + 90, s.boot_sector + 90, 420) == 0);
	buf_clear(&name);
	buf_addf(&name, "%s/ldlinux.c32", strcmp(dir, "/") == 0 ? "" : dir);
	c32 = read_at(image, first_sector(image, 0, name.s) * 512, s.c32.len);
	CHECK(memcmp(c32, s.c32.data, s.c32.len) == 0);
}

TEST(patches_as_the_installer_does)
{
	compare_with_installer("true", "", "/");
}

TEST(patches_as_the_installer_does_in_a_directory)
{
	compare_with_installer("mmd -i \"$I\" ::/livestick", "-d /livestick", "/livestick");
}

TEST(patches_as_the_installer_does_far_behind)
{
	compare_with_installer("head -c 40000001 /dev/zero >\"$I.big\" && mcopy -i \"$I\" \"$I.big\" ::/big", "", "/");
}

TEST(harvest_leaves_nothing_behind)
{
	AUTO_FREE char *dir = sandbox_path("tmp");
	AUTO_SYSLINUX struct syslinux s = { 0 };
	const char *old = getenv("TMPDIR");
	AUTO_FREE char *saved = old ? xstrdup(old) : NULL;

	need(sandbox_run("mkdir '%s'", dir) == 0, "mkdir");
	setenv("TMPDIR", dir, 1);
	harvest(&s);
	CHECK_U64(s.sys.len % 512, 0);
	CHECK(s.sys.len > 32 * KIB && s.c32.len > 64 * KIB);
	CHECK(memcmp(s.c32.data, "\177ELF", 4) == 0);
	CHECK(s.boot_sector[510] == 0x55 && s.boot_sector[511] == 0xaa);
	CHECK_U64(sandbox_run("test -z \"$(ls -A '%s')\"", dir), 0);
	if (saved)
		setenv("TMPDIR", saved, 1);
	else
		unsetenv("TMPDIR");
}

TEST(patching_again_forgets_the_first_time)
{
	AUTO_SYSLINUX struct syslinux a = { 0 }, b = { 0 };
	AUTO_ERR struct err e = { 0 };

	if (!harvest(&a) || !harvest(&b))
		return;
	CHECK_OK(syslinux_patch(&a, 123456789, "/a/long/directory/name", &e), &e);
	CHECK_OK(syslinux_patch(&a, 4000, "/x", &e), &e);
	CHECK_OK(syslinux_patch(&b, 4000, "/x", &e), &e);
	CHECK(a.sys.len == b.sys.len && memcmp(a.sys.data, b.sys.data, a.sys.len) == 0);
	CHECK(memcmp(a.boot_sector + 90, b.boot_sector + 90, 420) == 0);
}

TEST(what_was_patched_tells_where_it_leads)
{
	static const u64 place[] = { 1, 4000, 0x123456789 };
	AUTO_SYSLINUX struct syslinux s = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *release = NULL, *none = NULL;
	u64 first = 0;

	if (!harvest(&s))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		CHECK_OK(syslinux_patch(&s, place[i], "/x", &e), &e);
		CHECK_OK(syslinux_leads_to(&s, &first, &e), &e);
		CHECK_U64(first, place[i]);
	}
	release = syslinux_release(&s.sys);
	CHECK(strncmp(release, "6.0", 3) == 0 && strspn(release, "0123456789.") == strlen(release));
	memset(s.sys.data, 0, 4096);
	none = syslinux_release(&s.sys);
	CHECK_STR(none, "");
	CHECK_FAILS(syslinux_leads_to(&s, &first, &e), &e, "is not of a SYSLINUX release");
}

TEST(what_cannot_be_patched_is_refused)
{
	AUTO_SYSLINUX struct syslinux s = { 0 };
	AUTO_BUF struct buf dir = { 0 };
	AUTO_ERR struct err e = { 0 };
	size_t len;

	if (!harvest(&s))
		return;
	buf_addf(&dir, "/%0300d", 0);
	CHECK_FAILS(syslinux_patch(&s, 1, dir.s, &e), &e, "is longer than");
	CHECK_FAILS(syslinux_patch(&s, UINT64_MAX - 10, "/", &e), &e, "lies outside");
	len = s.sys.len;
	s.sys.len = len - 1;
	CHECK_FAILS(syslinux_patch(&s, 1, "/", &e), &e, "is not of a SYSLINUX release");
	s.sys.len = 1024;
	CHECK_FAILS(syslinux_patch(&s, 1, "/", &e), &e, "is not of a SYSLINUX release");
	s.sys.len = 0;
	CHECK_FAILS(syslinux_patch(&s, 1, "/", &e), &e, "is not of a SYSLINUX release");
	s.sys.len = len;
	memset(s.sys.data, 0, 4096);
	CHECK_FAILS(syslinux_patch(&s, 1, "/", &e), &e, "is not of a SYSLINUX release");
}

/* Damage in and around the patch areas: no access outside, which the sanitizers would see. */
TEST(a_damaged_loader_does_no_harm)
{
	AUTO_SYSLINUX struct syslinux s = { 0 };
	AUTO_FREE u8 *good = NULL;
	size_t refused = 0, area = 0;
	u64 first;
	u32 seed = 1;

	if (!harvest(&s))
		return;
	good = xcalloc(1, s.sys.len);
	memcpy(good, s.sys.data, s.sys.len);
	while (area < 4096 && get_le32(good + area) != 0x3eb202fe)
		area += 4;
	need(area < 4096, "patch area");
	for (int i = 0; i < 20000; i++) {
		AUTO_ERR struct err e = { 0 };
		u8 *ext = s.sys.data + get_le16(good + area + 22);

		memcpy(s.sys.data, good, s.sys.len);
		for (int k = 0; k < 3; k++) {
			seed = seed * 1664525 + 1013904223;
			if (k == 0 && i % 4 == 0)
				s.sys.data[area + 22 + (seed >> 16) % 2] = (u8)(seed >> 24);
			else
				ext[(seed >> 16) % 20] = (u8)(seed >> 24);
		}
		if (syslinux_leads_to(&s, &first, &e) < 0)
			err_clear(&e);
		refused += syslinux_patch(&s, seed, "/livestick", &e) < 0;
	}
	CHECK(refused > 1000 && refused < 20000);
}

TEST(modules_and_mbr_code)
{
	AUTO_ERR struct err e = { 0 };
	struct blob menu = { 0 };
	u8 mbr[MBR_CODE_SIZE], gpt[MBR_CODE_SIZE];
	AUTO_FREE u8 *file = NULL;

	if (syslinux_module("menu.c32", &menu, &e) == -ENOENT)
		test_skip(e.text);
	CHECK_OK(e.text ? -1 : 0, &e);
	CHECK(menu.len > 1000 && memcmp(menu.data, "\177ELF", 4) == 0);
	free(menu.data);
	CHECK_FAILS(syslinux_module("nosuch.c32", &menu, &e), &e, "apt-get install syslinux-common");
	CHECK_FAILS(syslinux_module("../menu.c32", &menu, &e), &e, "is not the name of a SYSLINUX module");
	CHECK_FAILS(syslinux_module(".c32", &menu, &e), &e, "is not the name");
	CHECK_FAILS(syslinux_module("menu.c32x", &menu, &e), &e, "is not the name");
	CHECK_OK(mbr_code_load(false, mbr, &e), &e);
	CHECK_OK(mbr_code_load(true, gpt, &e), &e);
	file = read_at("/usr/lib/syslinux/mbr/mbr.bin", 0, MBR_CODE_SIZE);
	CHECK(memcmp(mbr, file, MBR_CODE_SIZE) == 0 && memcmp(mbr, gpt, MBR_CODE_SIZE) != 0);
}

TEST(files_of_the_host_are_bounded)
{
	AUTO_FREE char *path = sandbox_path("blob");
	AUTO_ERR struct err e = { 0 };
	struct blob b = { 0 };

	sandbox_make(path, 100);
	CHECK_OK(blob_load(path, 100, "x", &b, &e), &e);
	CHECK_U64(b.len, 100);
	free(b.data);
	CHECK_FAILS(blob_load(path, 99, "x", &b, &e), &e, "is not a file of at most 99 bytes");
	CHECK_FAILS(blob_load("/dev/zero", 99, "x", &b, &e), &e, "is not a file of at most 99 bytes");
	CHECK_FAILS(blob_load("/nowhere/x", 99, "pack", &b, &e), &e, "/nowhere/x is missing: apt-get install pack");
}

/* ---- a BIOS boots it */

#define PART (1 * MIB)

static void add_slot(const char *dir, const char *slot)
{
	struct menu_entry entry = { .id = (char *)"", .title = (char *)"Live", .args = (char *)"quiet" };
	const struct menu m = { .entry = &entry, .n = 1 };
	AUTO_BUF struct buf id = { 0 }, kernel = { 0 }, text = { 0 }, path = { 0 };
	AUTO_ERR struct err e = { 0 };

	buf_addf(&id, "%s-live", slot);
	buf_addf(&kernel, "/slot-%s/vmlinuz", slot);
	entry.id = id.s;
	entry.kernel = kernel.s;
	need(menu_write_syslinux(&m, &text, &e) == 0, "menu_write_syslinux");
	buf_addf(&path, "%s/%s.cfg", dir, slot);
	sandbox_make(path.s, 0);
	write_at(path.s, 0, text.s, text.len);
}

/* /livestick with everything SYSLINUX needs, as files of the sandbox. */
static void make_files(const char *dir, const struct syslinux *s, const struct menu_switch *which)
{
	static const char *const modules[] = { "menu.c32", "libutil.c32", "libcom32.c32" };
	AUTO_BUF struct buf text = { 0 }, path = { 0 };
	char sector[MENU_SWITCH_SIZE];

	need(sandbox_run("rm -rf '%s' && mkdir '%s' && touch '%s'/ldlinux.sys '%s'/ldlinux.c32 '%s'/syslinux.cfg "
	                 "'%s'/switch.cfg",
	                 dir, dir, dir, dir, dir, dir) == 0,
	     "mkdir");
	buf_addf(&path, "%s/ldlinux.sys", dir);
	write_at(path.s, 0, s->sys.data, s->sys.len);
	buf_clear(&path);
	buf_addf(&path, "%s/ldlinux.c32", dir);
	write_at(path.s, 0, s->c32.data, s->c32.len);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		need(sandbox_run("cp /usr/lib/syslinux/modules/bios/%s '%s'", modules[i], dir) == 0, modules[i]);
	menu_write_syslinux_top(5, true, &text);
	buf_clear(&path);
	buf_addf(&path, "%s/syslinux.cfg", dir);
	write_at(path.s, 0, text.s, text.len);
	menu_write_switch(which, sector);
	buf_clear(&path);
	buf_addf(&path, "%s/switch.cfg", dir);
	write_at(path.s, 0, sector, sizeof(sector));
}

static void install(const char *image, struct syslinux *s)
{
	AUTO_FREE u8 *boot = read_at(image, PART, 512);
	AUTO_ERR struct err e = { 0 };
	u8 mbr[MBR_CODE_SIZE];
	u64 first = first_sector(image, PART, "/livestick/ldlinux.sys");

	need(syslinux_patch(s, first, "/livestick", &e) == 0, "syslinux_patch");
	write_at(image, PART + first * 512, s->sys.data, s->sys.len);
	memcpy(boot, s->boot_sector, 11);
	memcpy(boot + 90, s->boot_sector + 90, 420);
	write_at(image, PART, boot, 512);
	need(mbr_code_load(false, mbr, &e) == 0, "mbr_code_load");
	write_at(image, 0, mbr, sizeof(mbr));
}

static void boots_to(const struct menu_switch *which, const char *wanted)
{
	AUTO_FREE char *image = sandbox_path("stick"), *dir = sandbox_path("livestick"),
	               *serial = sandbox_path("serial");
	AUTO_SYSLINUX struct syslinux s = { 0 };

	if (sandbox_run("command -v qemu-system-x86_64 mkfs.fat mshowfat sfdisk") != 0)
		test_skip("no qemu-system-x86_64, mkfs.fat, mshowfat or sfdisk");
	if (!harvest(&s))
		return;
	make_files(dir, &s, which);
	add_slot(dir, "a");
	add_slot(dir, "b");
	sandbox_make(image, 65 * MIB);
	need(sandbox_run("echo '2048,131072,c,*' | sfdisk -q '%s'", image) == 0, "sfdisk");
	need(sandbox_run("mkfs.fat -F 32 --offset 2048 -h 2048 '%s' 65536", image) == 0, "mkfs.fat");
	need(sandbox_run("mcopy -s -i '%s@@1048576' '%s' ::/", image, dir) == 0, "mcopy");
	install(image, &s);
	sandbox_make(serial, 0);
	CHECK_U64(
	    sandbox_run("qemu-system-x86_64 -accel tcg -m 64 -display none -vga none -monitor none -nodefaults "
	                "-serial 'file:%s' -drive 'file=%s,format=raw,if=ide,snapshot=on' -no-reboot & p=$!; r=1; "
	                "for i in $(seq 150); do grep -qaF '%s' '%s' && r=0 && break; sleep 0.1; done; "
	                "kill $p; wait $p; exit $r",
	                serial, image, wanted, serial),
	    0);
	sandbox_run("tr -c '[:print:]\\n' ' ' <'%s' | tail -c 3000", serial);
	if (!strstr(sandbox_said(), "Previous system"))
		test_fail(__FILE__, __LINE__, "no menu on the serial line: %s", sandbox_said());
}

/* There is no kernel: that it is looked for is enough, and quick. */
TEST(a_bios_boots_the_slot_that_the_switch_names)
{
	static const struct menu_switch b = { "b-live", 'b', 'a' };

	boots_to(&b, "/slot-b/vmlinuz failed: No such file");
}

TEST(a_bios_boots_the_first_slot_again)
{
	static const struct menu_switch a = { "a-live", 'a', 'b' };

	boots_to(&a, "/slot-a/vmlinuz failed: No such file");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
