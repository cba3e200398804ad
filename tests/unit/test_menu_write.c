/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu.h"

#include <errno.h>

#include "tests/lib/test.h"

#define AUTO_MENU CLEANUP(menu_free)

/* ---- the model */

TEST(ids_are_clean_and_unique)
{
	static const struct {
		const char *label, *id;
	} row[] = {
		{ "Live (amd64)", "live-amd64" },
		{ "live.amd64!", "live-amd64-2" },
		{ "LIVE/AMD64", "live-amd64-3" },
		{ "", "entry" },
		{ "***", "entry-2" },
		{ "\xc3\xa9t\xc3\xa9_1", "t-_1" },
		{ "a23456789012345678901234567890xyz", "a23456789012345678901234567890xy" },
		{ "a23456789012345678901234567890xya", "a23456789012345678901234567890-2" },
	};
	AUTO_MENU struct menu m = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct menu_entry *n = menu_add(&m);

		n->id = menu_new_id(&m, row[i].label);
		CHECK_STR(n->id, row[i].id);
	}
}

TEST(paths_are_resolved_within_the_tree)
{
	static const struct {
		const char *dir, *path, *want;
	} row[] = {
		{ "/isolinux", "vmlinuz", "/isolinux/vmlinuz" },
		{ "/isolinux", "/live//vmlinuz", "/live/vmlinuz" },
		{ "", "::/live/./vmlinuz", "/live/vmlinuz" },
		{ "/a/b", "../../x", "/x" },
		{ "/a/b", "::x", "/a/b/x" },
		{ "/a", "..", "/" },
		{ "/a", "", "/a" },
		{ "/a", "..x/...", "/a/..x/..." },
		{ "/a", "../..", NULL },
		{ "/a", "/../a", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *got = NULL;
		int r = menu_path(row[i].dir, row[i].path, &got, &e);

		if (row[i].want)
			CHECK_STR(got, row[i].want);
		else
			CHECK(r == -EINVAL && !got);
	}
}

/* ---- what we write */

static void add_entry(struct menu *m, const char *id, const char *title, const char *kernel, const char *initrd,
                      const char *args)
{
	struct menu_entry *n = menu_add(m);

	n->id = xstrdup(id);
	n->title = xstrdup(title);
	n->kernel = xstrdup(kernel);
	n->args = xstrdup(args);
	if (initrd)
		menu_entry_add_initrd(n, initrd);
}

static int load_text(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	(void)path;
	(void)e;
	*ret_text = xstrdup(ctx);
	*ret_len = strlen(ctx);
	return 0;
}

TEST(writes_what_it_reads)
{
	AUTO_MENU struct menu m = { 0 }, again = { 0 };
	AUTO_BUF struct buf text = { 0 };
	AUTO_ERR struct err e = { 0 };

	add_entry(&m, "a-live", "Live", "/live/vmlinuz", "/boot/ucode.img", "boot=live  x=\"a b\"");
	menu_entry_add_initrd(&m.entry[0], "/live/initrd.img");
	add_entry(&m, "a-bare", "Bare", "/k", NULL, "");
	CHECK_OK(menu_write_syslinux(&m, &text, &e), &e);
	CHECK_STR(text.s, "LABEL a-live\n"
	                  "  MENU LABEL Live\n"
	                  "  LINUX /live/vmlinuz\n"
	                  "  INITRD /boot/ucode.img,/live/initrd.img\n"
	                  "  APPEND boot=live x=\"a b\"\n"
	                  "LABEL a-bare\n"
	                  "  MENU LABEL Bare\n"
	                  "  LINUX /k\n");
	const struct menu_loader l = { load_text, text.s };

	CHECK_OK(menu_read_syslinux(&l, "/livestick/a.cfg", &again, &e), &e);
	CHECK_U64(again.n, 2);
	CHECK_STR(again.entry[0].initrds[1], "/live/initrd.img");
	CHECK_STR(again.entry[0].args, "boot=live x=\"a b\"");
}

TEST(titles_are_written_in_ascii)
{
	static const struct {
		const char *title, *want;
	} row[] = {
		{ "D\xc3\xa9marrer \xe2\x80\x93 \xe2\x80\x9c"
		  "fran\xc3\xa7"
		  "ais\xe2\x80\x9d\xe2\x80\xa6",
		  "Demarrer - \"francais\"..." },
		{ "Stra\xc3\x9f"
		  "e \xc5\x81\xc3\xb3"
		  "d\xc5\xba ^x",
		  "Strase Lodz x" },
		{ "Live\n  KERNEL evil", "Live   KERNEL evil" },
		{ "bad \xff\xc3 utf", "bad ?? utf" },
		{ "\xd0\x9f\xd1\x83\xd1\x81\xd0\xba", "a-id" },
		{ "", "a-id" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MENU struct menu m = { 0 };
		AUTO_BUF struct buf text = { 0 }, want = { 0 };
		AUTO_ERR struct err e = { 0 };

		add_entry(&m, "a-id", row[i].title, "/k", NULL, "");
		CHECK_OK(menu_write_syslinux(&m, &text, &e), &e);
		buf_addf(&want, "LABEL a-id\n  MENU LABEL %s\n  LINUX /k\n", row[i].want);
		CHECK_STR(text.s, want.s);
	}
}

TEST(what_syslinux_cannot_load_is_refused)
{
	AUTO_MENU struct menu blank = { 0 }, comma = { 0 }, longest = { 0 };
	AUTO_BUF struct buf out = { 0 }, args = { 0 };
	AUTO_ERR struct err e = { 0 };

	add_entry(&blank, "a", "t", "/live/vm linuz", NULL, "");
	CHECK_FAILS(menu_write_syslinux(&blank, &out, &e), &e, "menu entry a: SYSLINUX cannot load /live/vm linuz");
	add_entry(&comma, "a", "t", "/k", "/a,b", "");
	CHECK_FAILS(menu_write_syslinux(&comma, &out, &e), &e, "cannot load /a,b");
	/* BOOT_IMAGE=/k and initrd=/i, each with a blank, take 14 + 10 */
	buf_addf(&args, "%02023d", 0);
	add_entry(&longest, "a", "t", "/k", "/i", args.s);
	CHECK_OK(menu_write_syslinux(&longest, &out, &e), &e);
	buf_adds(&args, "0");
	free(longest.entry[0].args);
	longest.entry[0].args = xstrdup(args.s);
	CHECK_FAILS(menu_write_syslinux(&longest, &out, &e), &e, "has 2048 bytes, the kernel takes 2047");
}

TEST(top_and_switch)
{
	char sector[MENU_SWITCH_SIZE];
	AUTO_BUF struct buf text = { 0 };
	struct menu m = { .timeout_ds = 50, .title = (char *)"Debian 12" };

	menu_write_syslinux_top(&m, true, &text);
	CHECK_STR(text.s, "SERIAL 0 115200\nUI menu.c32\nPROMPT 0\nTIMEOUT 50\nMENU TITLE Debian 12\n"
	                  "INCLUDE switch.cfg\nINCLUDE a.cfg\nINCLUDE b.cfg\n");
	buf_clear(&text);
	m = (struct menu){ 0 };
	menu_write_syslinux_top(&m, false, &text);
	CHECK_STR(text.s, "UI menu.c32\nPROMPT 0\nTIMEOUT 0\nMENU TITLE Boot menu\n"
	                  "INCLUDE switch.cfg\nINCLUDE a.cfg\nINCLUDE b.cfg\n");
	menu_write_switch("a-live", sector);
	CHECK(memcmp(sector, "DEFAULT a-live\n ", 16) == 0);
	CHECK(sector[511] == '\n' && sector[510] == ' ');
	CHECK(memchr(sector, 0, sizeof(sector)) == NULL);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
