/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EXTLINUX reads what was updated: a BIOS starts it, and it finds its way through new directories and files in pieces.
 */
#include "bootinst/extlinux.h"
#include "tests/unit/ext4_changed.h"

#define AUTO_SYSLINUX CLEANUP(syslinux_free)

#define DIR  "/livestick"
#define SYS  DIR "/ldlinux.sys"
#define SIZE (40 * MIB)

/* Single blocks become free later, and the hog has the rest. */
#define SCRAPS 40

static char scrap[SCRAPS][20];

static bool lay_out(struct device *d, struct syslinux *s, u64 hog, u64 *ret_free)
{
	struct ext4_options o = loader_options(SIZE);
	AUTO_FREE void *filler = xcalloc(1, hog + 4096);
	struct volume_files v = { 0 };
	AUTO_MADE struct made m = { .w = writelist_new() };
	u8 sectors[EXTLINUX_BOOT_SIZE];
	AUTO_ERR struct err e = { 0 };
	bool ok;

	volume_add(&v, SYS, s->sys.len, input_memory(s->sys.data), 1)->system_file = true;
	volume_add(&v, DIR "/ldlinux.c32", s->c32.len, input_memory(s->c32.data), 1);
	add_text(&v, DIR "/syslinux.cfg", "SERIAL 0\nSAY old\n");
	for (int i = 0; i < SCRAPS; i++) {
		snprintf(scrap[i], sizeof(scrap[i]), "/scrap/%d", i);
		volume_add(&v, scrap[i], 4096, input_memory(filler), 1);
	}
	volume_add(&v, "/hog", hog, input_memory(filler), 1);
	ok = CHECK_OK(ext4_plan(&o, &v, &m.x, &e), &e) &&
	     CHECK_OK(syslinux_patch(s, (v.file[0].device_off - START) / 512, DIR, &e), &e) &&
	     CHECK_OK(extlinux_boot_sector(s, START, SIZE, sectors, &e), &e);
	if (ok) {
		*ret_free = ext4_free_bytes(m.x);
		ext4_set_boot_sectors(m.x, sectors);
		ext4_emit(m.x, m.w);
		ok = CHECK_OK(writelist_finish(m.w, &e), &e) && CHECK_OK(writelist_run(m.w, d, NULL, &e), &e);
	}
	volume_files_free(&v);
	return ok;
}

static bool run(struct device *d, struct volume_update *w)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	bool ok = CHECK_OK(ext4_update_open(d, START, SIZE, &u, &e), &e) && CHECK_OK(update_plan(u, w, &e), &e) &&
	          CHECK_OK(update_run(u, d, NULL, &e), &e);

	update_close(TAKE(u));
	volume_files_free(&w->put);
	return ok;
}

/* The menu leads through a chain of files; the last one is long and lies in pieces. */
static bool update(struct device *d)
{
	static char text[9 * 4096];
	const char *remove[SCRAPS / 2];
	struct volume_update w = { .remove = remove, .n_remove = SCRAPS / 2 };
	char name[80];

	for (int i = 0; i < SCRAPS / 2; i++)
		remove[i] = scrap[2 * i];
	if (!run(d, &w))
		return false;
	w = (struct volume_update){ 0 };
	memset(text, '\n', sizeof(text) - 1);
	memcpy(text + sizeof(text) - 60, "DEFAULT x\nLABEL x\nLINUX /far/behind\n", 36);
	volume_add(&w.put, DIR "/syslinux.cfg", 36, input_memory("SERIAL 0\nINCLUDE /slot-b/next.cfg\n\n\n"), 5)
	    ->replace = true;
	add_text(&w.put, "/slot-b/next.cfg", "INCLUDE /slot-b/deep/er/pieces.cfg\n");
	volume_add(&w.put, "/slot-b/deep/er/pieces.cfg", sizeof(text) - 1, input_memory(text), 5);
	for (int i = 0; i < 90; i++) {
		snprintf(name, sizeof(name), "/slot-b/deep/a-name-of-some-length-so-that-blocks-are-filled-%d", i);
		add_text(&w.put, name, "");
	}
	return run(d, &w);
}

TEST(a_bios_boots_what_was_updated)
{
	AUTO_FREE char *image = sandbox_path("stick"), *serial = sandbox_path("serial");
	AUTO_FREE u8 *mem = xcalloc(1, START + SIZE);
	struct flat flat = flat_over(mem, START + SIZE);
	AUTO_SYSLINUX struct syslinux s = { 0 };
	AUTO_ERR struct err e = { 0 };
	u64 left;
	int r;

	if (sandbox_run("command -v qemu-system-x86_64 sfdisk") != 0)
		test_skip("no qemu-system-x86_64 or sfdisk");
	r = syslinux_harvest(&s, &e);
	if (r == -ENOENT)
		test_skip(e.text);
	if (!CHECK_OK(r, &e) || !lay_out(&flat.d, &s, 0, &left) || !lay_out(&flat.d, &s, left, &left) ||
	    !update(&flat.d))
		return;
	CHECK_OK(mbr_code_load(false, mem, &e), &e);
	save(image, mem, START + SIZE);
	fsck(image);
	CHECK(n_extents(image, "/slot-b/deep/er/pieces.cfg") > 4);
	sandbox_run("echo '6144,%llu,L,*' | sfdisk -q --wipe never -X dos '%s'", (unsigned long long)(SIZE / 512),
	            image);
	sandbox_make(serial, 0);
	sandbox_run("timeout 60 qemu-system-x86_64 -accel tcg -m 64 -display none -vga none -monitor none -nodefaults "
	            "-serial 'file:%s' -drive 'file=%s,format=raw,if=ide,snapshot=on' -no-reboot & p=$!; "
	            "for i in $(seq 400); do grep -qaF 'No such file' '%s' && break; sleep 0.1; done; "
	            "kill $p; wait $p; tr -c '[:print:]\\n' ' ' <'%s' | tail -c 3000",
	            serial, image, serial, serial);
	CHECK_SAID("/far/behind... failed: No such file");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
