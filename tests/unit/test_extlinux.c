/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Judges: the real installer on an equal volume that the kernel mounts, and a BIOS that boots what was laid out here.
 */
#include "bootinst/extlinux.h"

#include <errno.h>

#include "tests/unit/ext4_image.h"

#define AUTO_SYSLINUX CLEANUP(syslinux_free)

#define DIR "/livestick"
#define SYS DIR "/ldlinux.sys"

static u8 *read_at(const char *path, u64 off, size_t len)
{
	u8 *data = xcalloc(1, len);
	FILE *f = fopen(path, "re");

	if (!f || fseeko(f, (off_t)off, SEEK_SET) != 0 || fread(data, 1, len, f) != len)
		test_fail(__FILE__, __LINE__, "%s: cannot be read at byte %llu", path, (unsigned long long)off);
	fclose(f);
	return data;
}

static void harvest(struct syslinux *s)
{
	AUTO_ERR struct err e = { 0 };
	int r = syslinux_harvest(s, &e);

	if (r == -ENOENT)
		test_skip(e.text);
	CHECK_OK(r, &e);
}

/* ---- the fields */

TEST(fields_of_the_boot_sector)
{
	struct syslinux s = { 0 };
	AUTO_ERR struct err e = { 0 };
	u8 b[EXTLINUX_BOOT_SIZE];

	memset(s.boot_sector, 0xee, sizeof(s.boot_sector));
	memset(b, 0x77, sizeof(b));
	CHECK_OK(extlinux_boot_sector(&s, 37 * MIB, 20 * GIB, b, &e), &e);
	CHECK(b[0] == 0xee && b[10] == 0xee && b[90] == 0xee && b[511] == 0xee);
	CHECK_U64(get_le16(b + 11), 512);
	CHECK_U64(get_le16(b + 19), 0);
	CHECK_U64(get_le16(b + 24), 63);
	CHECK_U64(get_le16(b + 26), 255);
	CHECK_U64(get_le32(b + 28), 37 * 2048);
	CHECK_U64(get_le32(b + 32), 20 * 1024 * 2048);
	for (size_t i = 36; i < 90; i++)
		CHECK_U64(b[i], 0);
	for (size_t i = 512; i < sizeof(b); i++)
		CHECK_U64(b[i], 0);
	CHECK_OK(extlinux_boot_sector(&s, 0, 65535 * 512, b, &e), &e);
	CHECK_U64(get_le16(b + 19), 65535);
	CHECK_U64(get_le32(b + 32), 65535);
	CHECK_OK(extlinux_boot_sector(&s, 2 * TIB - 512, 3 * TIB, b, &e), &e);
	CHECK_U64(get_le32(b + 28), UINT32_MAX);
	CHECK_U64(get_le32(b + 32), UINT32_MAX);
	CHECK_FAILS(extlinux_boot_sector(&s, 2 * TIB, GIB, b, &e), &e, "must begin below 2 TiB");
	CHECK_FAILS(extlinux_boot_sector(&s, MIB + 1, GIB, b, &e), &e, "does not begin and end at a sector");
	CHECK_FAILS(extlinux_boot_sector(&s, MIB, GIB + 511, b, &e), &e, "does not begin and end at a sector");
}

/* ---- the real installer */

static void need(bool ok, const char *what)
{
	if (!ok)
		test_skip(what);
}

/* A volume of ours with the directory alone, on which extlinux is run; mounted and left again. */
static void install_by_extlinux(const struct ext4_options *o, const char *image, const char *mnt)
{
	struct volume_files v = { 0 };

	volume_add_dir(&v, DIR, 0755, 1);
	write_image(o, &v, image);
	volume_files_free(&v);
	need(geteuid() == 0 && sandbox_run("mkdir %s && mount -t tmpfs none %s && umount %s", mnt, mnt, mnt) == 0,
	     "no right to mount");
	need(sandbox_run("command -v extlinux") == 0, "no extlinux");
	need(sandbox_run("mount -t ext4 -o loop,offset=%llu,sizelimit=%llu %s %s", (unsigned long long)o->start,
	                 (unsigned long long)o->size, image, mnt) == 0,
	     "no loop devices");
	CHECK_U64(sandbox_run("extlinux --install %s" DIR, mnt), 0);
	CHECK_U64(sandbox_run("umount %s", mnt), 0);
	fsck(image);
}

static void check_equal(const u8 *theirs, const u8 *ours, size_t len, const char *what)
{
	for (size_t i = 0; i < len; i++) {
		if (theirs[i] == ours[i])
			continue;
		test_fail(__FILE__, __LINE__, "%s differs first at byte %zu: theirs %02x, ours %02x", what, i,
		          theirs[i], ours[i]);
		return;
	}
}

/* Sectors of the file, all in one stretch, from the start of the partition. */
static u64 first_sector(const char *image, size_t len)
{
	u64 first, last;

	CHECK_U64(sandbox_run("debugfs -R 'bmap " SYS " 0' '%s" OFFSET "' 2>/dev/null", image), 0);
	first = strtoull(sandbox_said(), NULL, 10);
	CHECK_U64(sandbox_run("debugfs -R 'bmap " SYS " %zu' '%s" OFFSET "' 2>/dev/null", (len - 1) / 4096, image), 0);
	last = strtoull(sandbox_said(), NULL, 10);
	if (last - first != (len - 1) / 4096)
		test_skip("the kernel gave ldlinux.sys several stretches");
	return first * 8;
}

TEST(writes_what_extlinux_writes)
{
	AUTO_FREE char *image = sandbox_path("extlinux.img"), *mnt = sandbox_path("mnt"), *copy = sandbox_path("copy");
	AUTO_FREE u8 *boot = NULL, *sys = NULL, *c32 = NULL;
	AUTO_SYSLINUX struct syslinux s = { 0 };
	struct ext4_options o = options_for(300 * MIB);
	AUTO_ERR struct err e = { 0 };
	u8 ours[EXTLINUX_BOOT_SIZE];

	o.for_loader = true;
	harvest(&s);
	install_by_extlinux(&o, image, mnt);
	CHECK_OK(syslinux_patch(&s, first_sector(image, s.sys.len), DIR, &e), &e);
	CHECK_OK(extlinux_boot_sector(&s, o.start, o.size, ours, &e), &e);

	CHECK_U64(sandbox_run("debugfs -R 'dump " SYS " %s' '%s" OFFSET "'; stat -c %%s %s", copy, image, copy), 0);
	CHECK_U64(
	    strtoull(strrchr(sandbox_said(), '\n') ? sandbox_said() + strcspn(sandbox_said(), "\n") : "", NULL, 10),
	    s.sys.len);
	sys = read_at(copy, 0, s.sys.len);
	check_equal(sys, s.sys.data, s.sys.len, "ldlinux.sys");
	CHECK_U64(sandbox_run("rm %s; debugfs -R 'dump " DIR "/ldlinux.c32 %s' '%s" OFFSET "'", copy, copy, image), 0);
	c32 = read_at(copy, 0, s.c32.len);
	check_equal(c32, s.c32.data, s.c32.len, "ldlinux.c32");

	boot = read_at(image, START, sizeof(ours));
	/* It asks the device for its geometry. */
	memcpy(boot + 24, ours + 24, 4);
	check_equal(boot, ours, sizeof(ours), "boot sectors");
	CHECK_U64(sandbox_run("debugfs -R 'stat " SYS "' '%s" OFFSET "' 2>/dev/null | tr -s ' '", image), 0);
	CHECK_SAID("Flags: 0x80010");
}

/* ---- a BIOS boots it */

static void write_at(const char *path, u64 off, const void *data, size_t len)
{
	FILE *f = fopen(path, "r+e");

	if (!f || fseeko(f, (off_t)off, SEEK_SET) != 0 || fwrite(data, 1, len, f) != len || fclose(f) != 0)
		test_fail(__FILE__, __LINE__, "%s: cannot be written", path);
}

/*
 * What the menu includes lies behind the copy of the superblock, and among a thousand names. There is no kernel: that
 * it is looked for is enough, and quick.
 */
static void add_boot_files(struct volume_files *v, struct syslinux *s, void *filler)
{
	volume_add(v, SYS, s->sys.len, input_memory(s->sys.data), 1)->system_file = true;
	volume_add(v, DIR "/ldlinux.c32", s->c32.len, input_memory(s->c32.data), 1);
	add_text(v, DIR "/syslinux.cfg", "SERIAL 0\nINCLUDE /names/behind.cfg\n");
	for (int i = 0; i < 1000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/names/%d-which-is-a-name-of-some-length", i);
		add_text(v, name, "x");
	}
	volume_add(v, "/filler", 130 * MIB, input_memory(filler), 1);
	add_text(v, "/names/behind.cfg", "DEFAULT x\nLABEL x\nLINUX /far/behind\n");
}

static bool lay_out(const char *image, struct syslinux *s, bool gpt)
{
	struct ext4_options o = options_for(200 * MIB);
	AUTO_FREE void *filler = xcalloc(1, 130 * MIB);
	u8 mbr[MBR_CODE_SIZE], sectors[EXTLINUX_BOOT_SIZE];
	struct volume_files v = { 0 };
	AUTO_MADE struct made m = { .w = writelist_new() };
	AUTO_ERR struct err e = { 0 };
	bool ok;

	o.for_loader = true;
	add_boot_files(&v, s, filler);
	ok = CHECK_OK(ext4_plan(&o, &v, &m.x, &e), &e) &&
	     CHECK_OK(syslinux_patch(s, (v.file[0].device_off - START) / 512, DIR, &e), &e) &&
	     CHECK_OK(extlinux_boot_sector(s, o.start, o.size, sectors, &e), &e) &&
	     CHECK_OK(mbr_code_load(gpt, mbr, &e), &e);
	if (ok) {
		ext4_set_boot_sectors(m.x, sectors);
		ext4_emit(m.x, m.w);
		CHECK_OK(writelist_finish(m.w, &e), &e);
		write_made(&m, &o, image);
		fsck(image);
		check_stat(image, SYS, "Flags: 0x80010");
		if (gpt)
			sandbox_run("echo '6144,407552,L,*' | sfdisk -q --wipe never -X gpt '%s' && "
			            "sfdisk -q --part-attrs '%s' 1 LegacyBIOSBootable",
			            image, image);
		else
			sandbox_run("echo '6144,409600,L,*' | sfdisk -q --wipe never -X dos '%s'", image);
		write_at(image, 0, mbr, sizeof(mbr));
	}
	volume_files_free(&v);
	return ok;
}

static void boots(bool gpt)
{
	AUTO_FREE char *image = sandbox_path("stick"), *serial = sandbox_path("serial");
	AUTO_SYSLINUX struct syslinux s = { 0 };

	if (sandbox_run("command -v qemu-system-x86_64 sfdisk") != 0)
		test_skip("no qemu-system-x86_64 or sfdisk");
	harvest(&s);
	if (!lay_out(image, &s, gpt))
		return;
	sandbox_make(serial, 0);
	sandbox_run("qemu-system-x86_64 -accel tcg -m 64 -display none -vga none -monitor none -nodefaults "
	            "-serial 'file:%s' -drive 'file=%s,format=raw,if=ide,snapshot=on' -no-reboot & p=$!; "
	            "for i in $(seq 200); do grep -qaF 'No such file' '%s' && break; sleep 0.1; done; "
	            "kill $p; wait $p; tr -c '[:print:]\\n' ' ' <'%s' | tail -c 3000",
	            serial, image, serial, serial);
	CHECK_SAID("/far/behind... failed: No such file");
}

TEST(a_bios_boots_from_mbr)
{
	boots(false);
}

TEST(a_bios_boots_from_gpt)
{
	boots(true);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
