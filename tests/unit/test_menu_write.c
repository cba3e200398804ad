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
		{ "7 days", "entry-7-days" },
		{ "-2", "entry-2-2" },
		{ "-_2", "_2" },
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

static struct menu_entry *add_entry(struct menu *m, const char *id, const char *title, const char *kernel,
                                    const char *initrd, const char *args)
{
	struct menu_entry *n = menu_add(m);

	n->id = xstrdup(id);
	n->title = xstrdup(title);
	n->kernel = xstrdup(kernel);
	n->args = xstrdup(args);
	if (initrd)
		menu_entry_add_initrd(n, initrd);
	return n;
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
	CHECK_STR(text.s, "MENU TITLE Boot menu\n"
	                  "LABEL a-live\n"
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
		buf_addf(&want, "MENU TITLE Boot menu\nLABEL a-id\n  MENU LABEL %s\n  LINUX /k\n", row[i].want);
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

TEST(the_top_for_syslinux)
{
	AUTO_BUF struct buf text = { 0 };

	menu_write_syslinux_top(50, true, &text);
	CHECK_STR(text.s, "SERIAL 0 115200\nUI menu.c32\nPROMPT 0\nTIMEOUT 50\nINCLUDE /livestick/switch.cfg\n");
	buf_clear(&text);
	menu_write_syslinux_top(0, false, &text);
	CHECK_STR(text.s, "UI menu.c32\nPROMPT 0\nTIMEOUT 0\nINCLUDE /livestick/switch.cfg\n");
}

TEST(the_switch_is_one_sector_of_text)
{
	static const struct {
		struct menu_switch s;
		const char *want;
	} row[] = {
		{ { "a1", 'a', 0 }, "DEFAULT a1\nINCLUDE /livestick/a.cfg\n" },
		{ { "b-live", 'b', 'a' },
		  "DEFAULT b-live\nINCLUDE /livestick/b.cfg\nMENU BEGIN\nMENU LABEL Previous system\nTIMEOUT 0\nINCLUDE /livestick/a.cfg\n"
		  "LABEL ..\nMENU LABEL Back\nMENU EXIT\nMENU END\n" },
		{ { "a12345678901234567890123456789-_", 'a', 'b' },
		  "DEFAULT a12345678901234567890123456789-_\nINCLUDE /livestick/a.cfg\nMENU BEGIN\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_ERR struct err e = { 0 };
		char sector[MENU_SWITCH_SIZE];
		struct menu_switch again;
		size_t len = strlen(row[i].want);

		menu_write_switch(&row[i].s, sector);
		CHECK(memcmp(sector, row[i].want, len) == 0);
		CHECK(sector[511] == '\n' && sector[510] == ' ' && !memchr(sector, 0, sizeof(sector)));
		CHECK_OK(menu_read_switch(sector, sizeof(sector), &again, &e), &e);
		CHECK_STR(again.default_id, row[i].s.default_id);
		CHECK(again.slot == row[i].s.slot && again.previous == row[i].s.previous);
		/* Any byte that is another is told, but for the name of the entry. */
		for (size_t k = 0; k < sizeof(sector); k++) {
			sector[k] ^= 0x20;
			CHECK(menu_read_switch(sector, sizeof(sector), &again, &e) == -EINVAL ||
			      (k >= 8 && k < 8 + strlen(row[i].s.default_id)));
			sector[k] ^= 0x20;
			err_clear(&e);
		}
		CHECK_FAILS(menu_read_switch(sector, 511, &again, &e), &e, "is not as livestick writes it");
	}
}

TEST(a_bad_switch)
{
	static const char *const row[][2] = {
		{ "", "does not name what is to start" },
		{ "DEFAULT a1\n", "does not name what is to start" },
		{ "DEFAULT A1\nINCLUDE /livestick/a.cfg\n", "does not name what is to start" },
		{ "DEFAULT a1\nINCLUDE /livestick/c.cfg\n", "names slots that there are not" },
		{ "DEFAULT a1\nINCLUDE /livestick/a.cfg\nMENU BEGIN\nMENU LABEL Previous system\nTIMEOUT 0\nINCLUDE /livestick/a.cfg\n",
		  "names slots that there are not" },
		{ "DEFAULT a1\nINCLUDE /livestick/a.cfg\nINCLUDE /livestick/b.cfg\n", "is not as livestick writes it" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_ERR struct err e = { 0 };
		struct menu_switch s;

		CHECK_FAILS(menu_read_switch(row[i][0], strlen(row[i][0]), &s, &e), &e, row[i][1]);
	}
}

/* ---- submenus */

static void add_in(struct menu *m, const char *id, const char *submenu)
{
	struct menu_entry *n = add_entry(m, id, id, "/k", NULL, id);

	n->submenu = submenu ? xstrdup(submenu) : NULL;
}

/* The default is the last but one; two of "More" are apart. */
static void make_submenus(struct menu *m)
{
	add_in(m, "a", NULL);
	add_in(m, "b", "More");
	add_in(m, "c", "More: Ev\xc3\xa9n more");
	add_in(m, "d", "More");
	add_in(m, "e", NULL);
	add_in(m, "f", "More");
	add_in(m, "g", "Last");
	menu_set_default(m, 5);
}

#define SYSLINUX_ENTRY(id) "LABEL " id "\n  MENU LABEL " id "\n  LINUX /k\n  APPEND " id "\n"
#define SYSLINUX_BEGIN(t)  "MENU BEGIN\n  MENU TITLE " t "\n  TIMEOUT 0\n"
#define SYSLINUX_END       "LABEL ..\n  MENU LABEL Back\n  MENU EXIT\nMENU END\n"

TEST(submenus_for_syslinux)
{
	AUTO_MENU struct menu m = { 0 }, again = { 0 };
	AUTO_BUF struct buf text = { 0 };
	AUTO_ERR struct err e = { 0 };

	make_submenus(&m);
	CHECK_OK(menu_write_syslinux(&m, &text, &e), &e);
	CHECK_STR(text.s, "MENU TITLE Boot menu\n" SYSLINUX_ENTRY("a") SYSLINUX_BEGIN("More") SYSLINUX_ENTRY("b")
	                      SYSLINUX_ENTRY("d") SYSLINUX_END SYSLINUX_BEGIN("More: Even more") SYSLINUX_ENTRY("c")
	                          SYSLINUX_END SYSLINUX_ENTRY("e") SYSLINUX_ENTRY("f") SYSLINUX_BEGIN("Last")
	                              SYSLINUX_ENTRY("g") SYSLINUX_END);
	const struct menu_loader l = { load_text, text.s };

	CHECK_OK(menu_read_syslinux(&l, "/livestick/a.cfg", &again, &e), &e);
	CHECK_U64(again.n, 7);
	CHECK_STR(again.n == 7 ? again.entry[6].submenu : "", "Last");
	CHECK(again.n == 7 && !again.entry[5].submenu && strcmp(again.entry[5].id, "f") == 0);
}

#define GRUB_ENTRY(id) "menuentry '" id "' --id " id " {\n\t$linux /k " id "\n}\n"

TEST(submenus_for_grub)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_BUF struct buf text = { 0 }, warnings = { 0 };
	AUTO_ERR struct err e = { 0 };

	make_submenus(&m);
	CHECK_OK(menu_write_grub(&m, &text, &warnings, &e), &e);
	CHECK_STR(text.s,
	          GRUB_ENTRY("a") "submenu 'More' {\n" GRUB_ENTRY("b")
	              GRUB_ENTRY("d") "}\nsubmenu 'More: Ev\xc3\xa9n more' {\n" GRUB_ENTRY("c") "}\n" GRUB_ENTRY("e")
	                  GRUB_ENTRY("f") "submenu 'Last' {\n" GRUB_ENTRY("g") "}\n");
	CHECK_U64(warnings.len, 0);
}

/* ---- GRUB */

TEST(an_entry_for_grub)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_BUF struct buf text = { 0 }, warnings = { 0 };
	AUTO_ERR struct err e = { 0 };

	add_entry(&m, "a1", "It's {here}", "/live/vm linuz", "/boot/u.img", "boot=live  a=\"b c\" --- $x");
	menu_entry_add_initrd(&m.entry[0], "/it's");
	CHECK_OK(menu_write_grub(&m, &text, &warnings, &e), &e);
	CHECK_STR(text.s,
	          "menuentry 'It'\\''s {here}' --id a1 {\n\t$linux '/live/vm linuz' boot=live 'a=b c' --- '$x'\n"
	          "\t$initrd /boot/u.img '/it'\\''s'\n}\n");
	CHECK_U64(warnings.len, 0);
}

/* The words after the kernel, and what Linux gets instead of what (NULL: just that). */
TEST(arguments_for_grub)
{
	static const char *const row[][4] = {
		{ "quiet  splash", " quiet splash", NULL, NULL },
		{ "", "", NULL, NULL },
		{ "\"\"", "", NULL, NULL },
		{ "a=", " a=", NULL, NULL },
		{ "a=\"\"", " a=", NULL, NULL },
		{ "a=\"b\"", " a=b", NULL, NULL },
		{ "a=\"b c\" d", " 'a=b c' d", NULL, NULL },
		{ "\"a=b c\"", " 'a=b c'", NULL, NULL },
		{ "\"a b\"=c", " 'a b=c'", "a b=c", "a b\"=c" },
		{ "a=b\"c d\"", " 'a=bc d'", "a=bc d", "a=b\"c d\"" },
		{ "a=\"b c", " 'a=b c'", NULL, NULL },
		{ "a=b;c", " 'a=b;c'", NULL, NULL },
		{ "{a} <b> |c &d", " '{a}' '<b>' '|c' '&d'", NULL, NULL },
		{ "$a ${b} `c`", " '$a' '${b}' '`c`'", NULL, NULL },
		{ "#a ! [ ]", " '#a' '!' '[' ']'", NULL, NULL },
		{ "root=live:CDLABEL=A-1_2.3 x@y:1,2+3%4", " root=live:CDLABEL=A-1_2.3 x@y:1,2+3%4", NULL, NULL },
		{ "x=\xc3\xa4", " 'x=\xc3\xa4'", NULL, NULL },
		{ "it's", " 'it'\\''s'", "it\\'s", "it's" },
		{ "it\\'s", " 'it'\\''s'", NULL, NULL },
		{ "a\\\\b", " 'a\\b'", NULL, NULL },
		{ "a\\b", " 'a\\b'", "a\\\\b", "a\\b" },
		{ "LABEL=A\\x20B", " 'LABEL=A\\x20B'", "LABEL=A\\\\x20B", "LABEL=A\\x20B" },
		{ "a\\", " 'a\\'", "a\\\\", "a\\" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MENU struct menu m = { 0 };
		AUTO_BUF struct buf text = { 0 }, warnings = { 0 }, want = { 0 }, warning = { 0 };
		AUTO_ERR struct err e = { 0 };

		add_entry(&m, "a1", "t", "/k", NULL, row[i][0]);
		buf_addf(&want, "menuentry 't' --id a1 {\n\t$linux /k%s\n}\n", row[i][1]);
		buf_adds(&warning, "");
		if (row[i][2])
			buf_addf(&warning, "menu entry a1: started by GRUB, Linux gets the argument %s instead of %s\n",
			         row[i][2], row[i][3]);
		CHECK_OK(menu_write_grub(&m, &text, &warnings, &e), &e);
		CHECK_STR(text.s, want.s);
		CHECK_STR(warnings.s ? warnings.s : "", warning.s);
	}
}

TEST(titles_for_grub)
{
	static const char *const row[][2] = {
		{ "\xd0\x9f\xd1\x83\xd1\x81\xd0\xba", "'\xd0\x9f\xd1\x83\xd1\x81\xd0\xba'" },
		{ "a\n}\nmenuentry\x1b[2J", "'a } menuentry [2J'" },
		{ "'; halt; '", "''\\''; halt; '\\'''" },
		{ "--class x", "' --class x'" },
		{ "bad \xff\xc3 utf", "'bad ?? utf'" },
		{ "\xc2\x9b", "'a1'" },
		{ "", "'a1'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MENU struct menu m = { 0 };
		AUTO_BUF struct buf text = { 0 }, warnings = { 0 }, want = { 0 };
		AUTO_ERR struct err e = { 0 };

		add_entry(&m, "a1", row[i][0], "/k", NULL, "");
		buf_addf(&want, "menuentry %s --id a1 {\n\t$linux /k\n}\n", row[i][1]);
		CHECK_OK(menu_write_grub(&m, &text, &warnings, &e), &e);
		CHECK_STR(text.s, want.s);
	}
}

TEST(what_no_loader_can_be_given_is_refused)
{
	static const char *const bad[][3] = {
		{ "/k\n", NULL, "" }, { "/k", "/i\t", "" }, { "/k", NULL, "a=\"b\nc\"" }, { "/k", NULL, "a\x7f" }
	};
	AUTO_MENU struct menu longest = { 0 };
	AUTO_BUF struct buf out = { 0 }, warnings = { 0 }, args = { 0 };
	AUTO_ERR struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_MENU struct menu m = { 0 };

		add_entry(&m, "a1", "t", bad[i][0], bad[i][1], bad[i][2]);
		CHECK(menu_write_grub(&m, &out, &warnings, &e) == -EINVAL);
		CHECK_FAILS(-1, &e, "menu entry a1: has a control character in");
		CHECK(menu_write_syslinux(&m, &out, &e) == -EINVAL);
		CHECK_FAILS(-1, &e, "menu entry a1: has a control character in");
	}
	/* "BOOT_IMAGE=/k " is 14, and the backslash that GRUB adds is one more */
	buf_addf(&args, "%02031d'", 0);
	add_entry(&longest, "a1", "t", "/k", NULL, args.s);
	CHECK_OK(menu_write_grub(&longest, &out, &warnings, &e), &e);
	buf_adds(&args, "0");
	free(longest.entry[0].args);
	longest.entry[0].args = xstrdup(args.s);
	CHECK(menu_write_grub(&longest, &out, &warnings, &e) == -E2BIG);
	CHECK_FAILS(-1, &e, "menu entry a1: its command line has 2048 bytes, the kernel takes 2047");
}

TEST(top_and_stub_for_grub)
{
	static const struct {
		unsigned timeout_ds;
		const char *want;
	} row[] = { { 50, "set timeout=5\n" },
		    { 51, "set timeout=6\n" },
		    { 1, "set timeout=1\n" },
		    { 0, "set timeout=-1\n" } };
	AUTO_BUF struct buf stub = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_BUF struct buf top = { 0 };

		menu_write_grub_top(row[i].timeout_ds, i % 2 ? "linuxefi" : "linux", &top);
		CHECK(strncmp(top.s, row[i].want, strlen(row[i].want)) == 0);
		CHECK(strstr(top.s, i % 2 ? "set linux=linuxefi\nset initrd=initrdefi\n"
		                          : "set linux=linux\nset initrd=initrd\n"));
		CHECK(strstr(top.s, "function DEFAULT {\n\tset default=\"$1\"\n}\n"));
		CHECK(strstr(top.s, "source /livestick/switch.cfg\nsource \"/livestick/$first\"\n"));
	}
	menu_write_grub_stub("ABCD-1234", &stub);
	CHECK(strncmp(stub.s, "search --no-floppy --fs-uuid --set=root ABCD-1234\n", 50) == 0);
	CHECK(strstr(stub.s, "\tconfigfile /livestick/grub.cfg\n"));
}

TEST(titles_are_one_line_of_bounded_length)
{
	static const char *const row[][3] = {
		/* outer, title, name */
		{ NULL, " a\t \n b\x1b\x7f ", "a b" },
		{ NULL, "", "..." },
		{ NULL, "\xc2\x85\xc2\xa0", "\xc2\xa0" },
		{ "A", "b", "A: b" },
		{ "A: b", "\xff", "A: b: ?" },
	};
	AUTO_BUF struct buf text = { 0 }, wide = { 0 };
	AUTO_FREE char *cut = NULL, *cut_wide = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_FREE char *name = menu_submenu(row[i][0], row[i][1]);

		CHECK_STR(name, row[i][2]);
	}
	buf_addf(&text, "%0255d", 0);
	cut = menu_one_line(text.s);
	CHECK_STR(cut, text.s);
	free(cut);
	buf_adds(&text, " x");
	cut = menu_one_line(text.s);
	CHECK_U64(strlen(cut), MENU_TITLE_MAX);
	for (int i = 0; i < 200; i++)
		buf_adds(&wide, "\xc3\xa4");
	cut_wide = menu_one_line(wide.s);
	CHECK_U64(strlen(cut_wide), 254);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
