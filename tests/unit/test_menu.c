/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu.h"

#include <errno.h>
#include <stdio.h>

#include "tests/lib/test.h"

#define AUTO_MENU CLEANUP(menu_free)

/* ---- a loader of texts in memory; for real configurations see test_menu_corpus.c */

struct text {
	const char *path, *text;
};

/* Ends with a row of NULLs. */
static int load_from_texts(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	(void)e;
	for (const struct text *t = ctx; t->path; t++) {
		if (strcmp(t->path, path) == 0) {
			*ret_text = xstrdup(t->text);
			*ret_len = strlen(t->text);
			return 0;
		}
	}
	return -ENOENT;
}

static int read_texts(const struct text *t, struct menu *ret, struct err *e)
{
	const struct menu_loader l = { load_from_texts, (void *)t };

	return menu_read_syslinux(&l, t->path, ret, e);
}

static int read_text(const char *text, struct menu *ret, struct err *e)
{
	const struct text t[] = { { "/isolinux/isolinux.cfg", text }, { NULL, NULL } };

	return read_texts(t, ret, e);
}

/* ---- the grammar, one rule a test */

static const char *args_of(const struct menu *m, size_t i)
{
	return i < m->n ? m->entry[i].args : "(no such entry)";
}

TEST(append_of_a_label_replaces_the_global_one)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("append first\nappend global  x\n"
	                   "label a\nkernel k\n"
	                   "label b\nkernel k\nappend own\n"
	                   "label c\nappend -\nkernel k\n"
	                   "label d\nkernel k\nappend\n"
	                   "label e\nkernel k from=kernel\nappend own\nappend last\n",
	                   &m, &e),
	         &e);
	CHECK_U64(m.n, 5);
	CHECK_STR(args_of(&m, 0), "global x");
	CHECK_STR(args_of(&m, 1), "own");
	CHECK_STR(args_of(&m, 2), "");
	CHECK_STR(args_of(&m, 3), "");
	CHECK_STR(args_of(&m, 4), "from=kernel last");
}

TEST(first_initrd_of_append_counts)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("label a\nkernel k\ninitrd kw\nappend BOOT_IMAGE=/x initrd=a.img,,../b.img  q initrd=c\n"
	                   "label b\nkernel k\ninitrd ::/u.img,i.img ignored\nappend  my.initrd=kept\n",
	                   &m, &e),
	         &e);
	CHECK_U64(m.n, 2);
	CHECK_U64(m.entry[0].n_initrds, 2);
	CHECK_STR(m.entry[0].initrds[0], "/isolinux/a.img");
	CHECK_STR(m.entry[0].initrds[1], "/b.img");
	CHECK_STR(args_of(&m, 0), "q");
	CHECK_U64(m.entry[1].n_initrds, 2);
	CHECK_STR(m.entry[1].initrds[0], "/u.img");
	CHECK_STR(m.entry[1].initrds[1], "/isolinux/i.img");
	CHECK_STR(args_of(&m, 1), "my.initrd=kept");
}

TEST(what_is_no_linux_is_left_out)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("label a\nkernel x.c32\nlabel b\nkernel boot.BIN\nlabel c\nkernel pxelinux.0\n"
	                   "label d\nkernel /boot/memtest\nlabel e\nlinux MEMDISK\ninitrd dos.img\n"
	                   "label f\nlocalboot 0\nlabel g\nboot k\nlabel h\nlabel i\nmenu hide\nkernel k\n"
	                   "label j\nmenu disable\nkernel k\nlabel k\nlinux odd.img\nlabel l\nkernel k\nconfig x.cfg\n"
	                   "label m\nlinux /live/..\nlabel n\nlinux /live/\nlabel o\nlinux .\nlabel p\nlinux /\n",
	                   &m, &e),
	         &e);
	CHECK_U64(m.n, 1);
	CHECK_STR(m.entry[0].kernel, "/isolinux/odd.img");
}

static size_t default_of(const char *text)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };
	size_t which = 99, n = 0;

	CHECK_OK(read_text(text, &m, &e), &e);
	for (size_t i = 0; i < m.n; i++) {
		if (m.entry[i].is_default) {
			which = i;
			n++;
		}
	}
	CHECK_U64(n, 1);
	return which;
}

TEST(the_default_is_what_starts_by_itself)
{
	static const char a[] = "label a\nkernel k\n", b[] = "label b\nkernel k\n", c[] = "label c\nkernel k\n";
	static const struct {
		const char *before, *in_b, *in_c;
		size_t want;
	} row[] = {
		{ "", "", "", 0 },
		{ "default b\n", "", "", 1 },
		{ "default c with=args\n", "menu default\n", "", 2 },
		{ "default vesamenu.c32\n", "menu default\n", "", 1 },
		{ "default B\n", "menu default\n", "menu default\n", 2 },
		{ "default b\nontimeout c\n", "", "", 2 },
		{ "ontimeout nobody\n", "", "menu default\n", 2 },
		{ "", "menu begin x\n", "menu default\n", 0 },
		{ "menu default\n", "", "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_BUF struct buf text = { 0 };

		buf_addf(&text, "%s%s%s%s%s%s", row[i].before, a, b, row[i].in_b, c, row[i].in_c);
		if (default_of(text.s) != row[i].want)
			test_fail(__FILE__, __LINE__, "row %zu: not entry %zu", i, row[i].want);
	}
}

TEST(includes_count_from_the_first_file)
{
	static const struct text t[] = {
		{ "/boot/isolinux/isolinux.cfg",
		  "INCLUDE sub/a.cfg\nINCLUDE missing.cfg\nmenu include /top.cfg Submenu\n" },
		{ "/boot/isolinux/sub/a.cfg", "include b.cfg\ninclude c.cfg\ninclude nowhere.cfg\ninclude\n"
		                              "label a\nkernel k\n" },
		{ "/boot/isolinux/b.cfg", "label b\nkernel k\n" },
		{ "/boot/isolinux/sub/b.cfg", "label wrong\nkernel k\n" },
		{ "/boot/isolinux/sub/c.cfg", "label c\nkernel k\n" },
		{ "/top.cfg", "label top\nmenu default\nkernel k\ntimeout 99\n" },
		{ NULL, NULL },
	};
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_texts(t, &m, &e), &e);
	CHECK_U64(m.n, 4);
	CHECK_STR(m.entry[0].id, "b");
	CHECK_STR(m.entry[1].id, "c");
	CHECK_STR(m.entry[2].id, "a");
	CHECK_STR(m.entry[2].kernel, "/boot/isolinux/k");
	CHECK_STR(m.entry[3].id, "top");
	CHECK(m.entry[0].is_default);
	CHECK_U64(m.timeout_ds, 0);
	CHECK(e.text == NULL);
}

/* The submenu of the only entry, when what is in `row` stands around it. */
static void check_submenu(const char *before, const char *after, const char *want)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };
	const char *got;

	buf_addf(&text, "%s\nlabel a\nkernel k\n%s\n", before, after);
	CHECK_OK(read_text(text.s, &m, &e), &e);
	CHECK_U64(m.n, 1);
	got = m.n && m.entry[0].submenu ? m.entry[0].submenu : "(none)";
	if (strcmp(got, want) != 0)
		test_fail(__FILE__, __LINE__, "%s ... %s: in \"%s\", not \"%s\"", before, after, got, want);
}

TEST(entries_know_their_submenu)
{
	static const char *const row[][3] = {
		{ "", "", "(none)" },
		{ "menu begin", "menu end", "..." },
		{ "menu begin ^Tag  x", "menu end", "Tag x" },
		{ "menu begin ^Tag", "", "Tag" },
		{ "menu begin tag\nmenu title A ^title", "", "A title" },
		{ "menu begin tag\nmenu title first\nmenu title second", "", "first" },
		{ "menu begin tag\nmenu label ^Name\nmenu title title", "", "Name" },
		{ "menu begin tag\nmenu title title\nmenu label ^Name", "", "Name" },
		{ "menu begin tag\nmenu label Name\nmenu label Last", "", "Last" },
		{ "menu begin tag", "menu label of the entry\nmenu title late", "late" },
		{ "menu begin tag\nmenu label \x1b\t", "", "..." },
		{ "menu begin a\nmenu begin b\nmenu end\nmenu begin c", "menu end\nmenu end", "a: c" },
		{ "menu begin a\nmenu begin b\nmenu end", "menu title t", "t" },
		{ "menu begin a\nmenu end\nmenu end", "", "(none)" },
		{ "label x\nmenu begin a", "menu end\nmenu title top", "a" },
		{ "menu begin a\nlabel x\nmenu label X\nlocalboot 0\nmenu separator\nmenu label Named", "", "Named" },
		{ "menu label of nothing\nmenu begin a", "", "a" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		check_submenu(row[i][0], row[i][1], row[i][2]);
}

TEST(included_submenus_end_with_their_file)
{
	static const struct text t[] = {
		{ "/a.cfg", "menu begin one\ninclude b.cfg\nmenu include c.cfg Tag of c\nlabel a\nkernel k\nmenu end\n"
		            "label b\nkernel k\n" },
		{ "/b.cfg", "menu label Name of one\nlabel x\nkernel k\n" },
		{ "/c.cfg",
		  "menu title Title of c\nlabel c\nkernel k\nmenu begin\nmenu title inner\nlabel d\nkernel k\n"
		  "menu end\n" },
		{ NULL, NULL },
	};
	static const char *const want[][2] = {
		{ "x", "Name of one" },
		{ "c", "Name of one: Title of c" },
		{ "d", "Name of one: Title of c: inner" },
		{ "a", "Name of one" },
		{ "b", "(none)" },
	};
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_texts(t, &m, &e), &e);
	CHECK_U64(m.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < m.n && i < ARRAY_SIZE(want); i++) {
		CHECK_STR(m.entry[i].id, want[i][0]);
		CHECK_STR(m.entry[i].submenu ? m.entry[i].submenu : "(none)", want[i][1]);
	}
}

/* SYSLINUX knows no devices: this is the name of a file, which the source will not have. */
TEST(a_device_in_a_path_is_a_part_of_it)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("label a\nkernel (hd1)/vmlinuz\n", &m, &e), &e);
	CHECK_STR(m.n ? m.entry[0].kernel : "", "/isolinux/(hd1)/vmlinuz");
}

TEST(text_is_skipped_until_endtext)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("label a\nkernel k\ntext help\nlabel x\nkernel y\n  ENDTEXT\nappend z\n", &m, &e), &e);
	CHECK_U64(m.n, 1);
	CHECK_STR(args_of(&m, 0), "z");
}

TEST(a_menu_without_entries_is_empty)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("label a\nconfig isolinux2.cfg\nlabel b\nlocalboot 0\n", &m, &e), &e);
	CHECK_U64(m.n, 0);
	CHECK_OK(read_text("", &m, &e), &e);
	CHECK_U64(m.n, 0);
	CHECK_OK(read_text("label", &m, &e), &e);
	CHECK_U64(m.n, 0);
}

/* Two configurations that lead to each other and have no entry. */
TEST(a_circle_of_configs_ends)
{
	static const struct text t[] = {
		{ "/a.cfg", "label x\nconfig b.cfg\n" },
		{ "/b.cfg", "label x\nconfig a.cfg\n" },
		{ NULL, NULL },
	};
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_texts(t, &m, &e), &e);
	CHECK_U64(m.n, 0);
}

TEST(timeouts_are_bounded)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("timeout 999999999999999999999\n", &m, &e), &e);
	CHECK_U64(m.timeout_ds, 36000);
	menu_free(&m);
	CHECK_OK(read_text("timeout -5\n", &m, &e), &e);
	CHECK_U64(m.timeout_ds, 0);
	menu_free(&m);
	CHECK_OK(read_text("timeout 50\nmenu begin\ntimeout 70\nmenu end\n", &m, &e), &e);
	CHECK_U64(m.timeout_ds, 50);
}

TEST(menu_programs_lead_to_other_files)
{
	static const char *const first[] = {
		"ui vesamenu.c32 live.cfg\n",
		"default menu.c32 live.cfg\n",
		"label x\nkernel /boot/vesamenu.c32\nappend live.cfg\n",
		"default x\nlabel y\nconfig other.cfg\nlabel x\ncom32 menu.c32\nappend live.cfg\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		const struct text t[] = {
			{ "/a/a.cfg", first[i] },
			{ "/a/live.cfg", "label live\nkernel k\n" },
			{ "/a/other.cfg", "label other\nkernel k\n" },
			{ NULL, NULL },
		};
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_OK(read_texts(t, &m, &e), &e);
		CHECK_U64(m.n, 1);
		CHECK_STR(m.n ? m.entry[0].id : "", "live");
	}
}

/* ---- bad input */

TEST(paths_out_of_the_tree_are_refused)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK(read_text("label a\nkernel ../../x\n", &m, &e) == -EINVAL && e.code == EXIT_SOURCE);
	CHECK_FAILS(-1, &e, "/isolinux/isolinux.cfg: label a: the path ../../x leads out of the tree");
	CHECK_FAILS(read_text("label a\nkernel x\ninitrd /../x\nlabel b\n", &m, &e), &e,
	            "/isolinux/isolinux.cfg:4: label a: the path /../x leads out");
	CHECK_FAILS(read_text("include ../../etc/passwd\n", &m, &e), &e, "isolinux.cfg:1: the path ../../etc/passwd");
	CHECK_OK(read_text("label a\nkernel ../.././boot//x\n", &m, &e) == -EINVAL ? 0 : -1, &e);
	CHECK_U64(m.n, 0);
}

TEST(include_loops_are_refused)
{
	static const struct text t[] = {
		{ "/a.cfg", "\ninclude b.cfg\n" },
		{ "/b.cfg", "include ../a.cfg\ninclude ./a.cfg\n" },
		{ NULL, NULL },
	};
	static const struct text self[] = { { "/a.cfg", "include //a.cfg\n" }, { NULL, NULL } };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_FAILS(read_texts(t, &m, &e), &e, "/a.cfg:2: /b.cfg:1: the path ../a.cfg leads out of the tree");
	CHECK(read_texts(self, &m, &e) == -ELOOP);
	CHECK_FAILS(-1, &e, "/a.cfg:1: /a.cfg includes itself");
}

static int load_endless(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	struct buf text = { 0 };

	(void)path;
	(void)e;
	buf_addf(&text, ctx ? "include %s/x\n" : "include %sx\ninclude %sy\n", path, path);
	*ret_text = text.s;
	*ret_len = text.len;
	return 0;
}

TEST(number_and_depth_of_files_are_bounded)
{
	const struct menu_loader deep = { load_endless, (void *)"" };
	static const struct text wide[] = { { "/a.cfg", "include b.cfg\n" }, { "/b.cfg", "" }, { NULL, NULL } };
	AUTO_BUF struct buf many = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_FAILS(menu_read_syslinux(&deep, "/x", &m, &e), &e, "included more than 16 deep");
	CHECK_OK(read_texts(wide, &m, &e), &e);
	for (int i = 0; i < 63; i++)
		buf_adds(&many, "include b.cfg\n");
	struct text t[] = { { "/a.cfg", many.s }, { "/b.cfg", "" }, { NULL, NULL } };

	CHECK_OK(read_texts(t, &m, &e), &e);
	buf_adds(&many, "include b.cfg\n");
	t[0].text = many.s;
	CHECK_FAILS(read_texts(t, &m, &e), &e, "/a.cfg:64: /b.cfg: too many files");
	buf_clear(&many);
	for (int i = 0; i < 1100; i++)
		buf_addf(&many, "include missing%d.cfg\n", i);
	t[0].text = many.s;
	CHECK_FAILS(read_texts(t, &m, &e), &e, "too many files");
}

TEST(lines_entries_and_arguments_are_bounded)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	buf_addf(&text, "# %04094d\n", 0);
	CHECK_OK(read_text(text.s, &m, &e), &e);
	buf_clear(&text);
	buf_addf(&text, "\n#  %04094d\n", 0);
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "/isolinux/isolinux.cfg:2: the line is longer than 4096 bytes");

	buf_clear(&text);
	buf_addf(&text, "label a\nkernel k\nappend %02047d   initrd=x", 0);
	CHECK_OK(read_text(text.s, &m, &e), &e);
	CHECK_U64(strlen(args_of(&m, 0)), 2047);
	menu_free(&m);
	buf_clear(&text);
	buf_addf(&text, "label a\nkernel k\nappend %02048d", 0);
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "label a: kernel arguments of 2048 bytes");

	buf_clear(&text);
	for (int i = 0; i < 1000; i++)
		buf_addf(&text, "label a%d\nkernel k\n", i);
	CHECK_OK(read_text(text.s, &m, &e), &e);
	CHECK_U64(m.n, 1000);
	menu_free(&m);
	buf_adds(&text, "label last\nkernel k\n");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "more than 1000 menu entries");

	buf_clear(&text);
	buf_adds(&text, "label a\nkernel k\ninitrd x");
	for (int i = 0; i < 32; i++)
		buf_adds(&text, ",x");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "label a: more than 32 initrds");

	buf_clear(&text);
	while (text.len <= MIB)
		buf_adds(&text, "# a line of a file that is no menu\n");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "isolinux.cfg: is too large for a boot menu");
}

TEST(a_missing_first_file_is_an_error)
{
	static const struct text t[] = { { "/a.cfg", "" }, { NULL, NULL } };
	const struct menu_loader l = { load_from_texts, (void *)t };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK(menu_read_syslinux(&l, "/b.cfg", &m, &e) == -ENOENT);
	CHECK_FAILS(-1, &e, "/b.cfg: no such file");
}

TEST(control_characters_do_not_get_into_titles_and_arguments)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("label a\x1b[2J\nmenu label \x1b[31mRed\tone \x7f\nkernel k\nappend a\x01\x0c\tb\n", &m, &e),
	         &e);
	CHECK_U64(m.n, 1);
	CHECK_STR(m.entry[0].title, "[31mRed one");
	CHECK_STR(m.entry[0].id, "a-2j");
	CHECK_STR(args_of(&m, 0), "a b");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
