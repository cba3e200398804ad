/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that are no menu, or were made to do harm: both readers end soon, with one sentence that names the file or with
 * a clean menu.
 */
#include <errno.h>
#include <time.h>

#include "bootinst/menu.h"
#include "src/base/utf8.h"
#include "tests/lib/test.h"

#define AUTO_MENU CLEANUP(menu_free)

typedef int read_fn(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e);

struct file {
	const char *text; /* of every path that ends in "cfg" */
	size_t len;
};

static int load(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	const struct file *f = ctx;

	(void)e;
	if (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "cfg") != 0)
		return -ENOENT;
	*ret_text = xcalloc(1, f->len + 1);
	memcpy(*ret_text, f->text, f->len);
	*ret_len = f->len;
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool is_clean_line(const char *s)
{
	const u8 *end = (const u8 *)s + strlen(s);

	for (const u8 *p = (const u8 *)s; p < end;) {
		u32 c;
		size_t n = utf8_decode(p, end, &c);

		if (!n || c < ' ' || (c >= 0x7f && c < 0xa0))
			return false;
		p += n;
	}
	return strlen(s) <= MENU_TITLE_MAX;
}

static void check_clean(const char *what, const struct menu *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct menu_entry *n = &m->entry[i];
		bool clean = is_clean_line(n->title) && (!n->submenu || (*n->submenu && is_clean_line(n->submenu))) &&
		             n->kernel[0] == '/' && !strstr(n->kernel, "/../") && strlen(n->args) <= MENU_ARGS_MAX;

		for (const char *c = n->args; *c; c++)
			clean &= (u8)*c >= ' ' && *c != 0x7f;
		if (!clean)
			test_fail(__FILE__, __LINE__, "%s: entry %s is not clean", what, n->id);
	}
}

/* `words`: of the error; NULL: there is none, and the menu has `n` entries. */
static void check(const char *what, read_fn *read, const struct buf *text, const char *words, size_t n)
{
	struct file file = { text->s, text->len };
	const struct menu_loader l = { load, &file };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };
	double start = now();
	int r = read(&l, "/boot/a.cfg", &m, &e);

	if (now() - start > 5)
		test_fail(__FILE__, __LINE__, "%s: took %.1f s", what, now() - start);
	if (words && (r >= 0 || !e.text || !strstr(e.text, words) || e.code != EXIT_SOURCE || m.n))
		test_fail(__FILE__, __LINE__, "%s: %d, \"%.200s\"; wanted \"%s\"", what, r, e.text ? e.text : "",
		          words);
	if (!words && (r < 0 || e.text || m.n != n))
		test_fail(__FILE__, __LINE__, "%s: %d, %zu entries, \"%.200s\"", what, r, m.n, e.text ? e.text : "");
	check_clean(what, &m);
}

static void add_times(struct buf *b, size_t n, const char *text)
{
	size_t len = strlen(text);
	AUTO_BUF struct buf block = { 0 };

	for (size_t i = 0; i < 1000; i++)
		buf_add(&block, text, len);
	for (; n >= 1000; n -= 1000)
		buf_add(b, block.s, block.len);
	buf_add(b, block.s, n * len);
}

struct row {
	const char *what, *before;
	size_t times;
	const char *text, *after;
	const char *words;
	size_t n;
};

static void check_rows(const struct row *row, size_t n, read_fn *read)
{
	for (; n--; row++) {
		AUTO_BUF struct buf text = { 0 };

		buf_adds(&text, row->before);
		add_times(&text, row->times, row->text);
		buf_adds(&text, row->after);
		check(row->what, read, &text, row->words, row->n);
	}
}

TEST(syslinux_repeated)
{
	static const struct row rows[] = {
		{ "100 MB", "", 5000000, "label a\nkernel k\n# \n", "", "/boot/a.cfg: is too large for a boot menu",
		  0 },
		{ "a file of 1 MiB that is one line", "", 1048576, "a", "", "/boot/a.cfg:1: the line is longer than",
		  0 },
		{ "100,000 labels", "", 100000, "label a\n", "", NULL, 0 },
		{ "a file of 100,000 labels that includes itself", "", 100000, "label a\n", "include b0.cfg\n",
		  "b0.cfg includes itself", 0 },
		{ "1000 labels of one name", "", 1000, "label a\nkernel k\n", "", NULL, 1000 },
		{ "1001 labels of one name", "", 1001, "label a\nkernel k\n", "", "more than 1000 menu entries", 0 },
		{ "50,000 labels that lead elsewhere", "", 50000, "label a\nconfig x\n", "", NULL, 0 },
		{ "menus in menus", "", 1000, "menu begin\n", "label a\nkernel k\n",
		  "/boot/a.cfg:17: submenus more than 16 deep", 0 },
		{ "16 menus in menus", "", 16, "menu begin x\nmenu title yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n",
		  "label a\nkernel k\n", NULL, 1 },
		{ "1001 menus", "", 1001, "menu begin\nmenu end\n", "", "a.cfg:2001: more than 1000 submenus", 0 },
		{ "100,000 ends of menus", "", 100000, "menu end\n", "label a\nkernel k\n", NULL, 1 },
		{ "a menu that includes itself", "", 1, "menu include a.cfg Again\n", "", "/boot/a.cfg includes itself",
		  0 },
		{ "help without an end", "text help\n", 100000, "menu x\n", "", NULL, 0 },
		{ "a long title", "label a\nkernel k\nmenu label ", 4000, "x", "", NULL, 1 },
		{ "a long title of 2-byte characters", "label a\nkernel k\nmenu label x", 2000, "\xc3\xa4", "", NULL,
		  1 },
		{ "a long label", "label ", 4000, "^", "\nkernel k\n", NULL, 1 },
		{ "a path of dots", "label a\nkernel ", 1300, "../", "k\n", "leads out of the tree", 0 },
		{ "a long path", "label a\nkernel ", 4000, "/", "k\n", NULL, 1 },
	};

	check_rows(rows, ARRAY_SIZE(rows), menu_read_syslinux);
}

TEST(grub_repeated)
{
	static const struct row rows[] = {
		{ "100 MB", "", 5000000, "menuentry a { true }\n", "", "/boot/a.cfg: is too large for a boot menu", 0 },
		{ "a file of 1 MiB that is one word", "", 1048576, "a", "", NULL, 0 },
		{ "a title of 1 MiB", "menuentry '", 1000000, "a", "' { linux /k }", NULL, 1 },
		{ "a submenu with a title of 1 MiB", "submenu '", 1000000, "a", "' { menuentry b { linux /k } }", NULL,
		  1 },
		{ "a path of 1 MiB", "menuentry a { linux ", 500000, "/.", "/k }", NULL, 1 },
		{ "a path of dots", "menuentry a { linux ", 300000, "/..", "/k }", "leads out of the tree", 0 },
		{ "40,000 entries", "", 40000, "menuentry a { linux /k }\n", "", "a menu of more than 4000 lines", 0 },
		{ "4000 entries that are one", "", 4000, "menuentry a { linux /k }\n", "", NULL, 1 },
		{ "1000 submenus in each other", "", 1000, "submenu s {\n", "menuentry a { linux /k }", NULL, 0 },
		{ "200,000 ends", "", 200000, "}\n", "menuentry a { linux /k }", NULL, 1 },
		{ "100,000 beginnings", "", 100000, "if true; ", "menuentry a { linux /k }", NULL, 0 },
		{ "50,000 functions", "", 30000, "function f {\n}\n", "menuentry a { linux /k }", NULL, 1 },
		{ "1000 arguments", "menuentry a { linux /k", 900, " a", " }", NULL, 1 },
		{ "30,000 arguments", "menuentry a { linux /k", 30000, " a", " }", "kernel arguments of", 0 },
		{ "a file that sources itself twice", "", 2, "source /boot/a.cfg\n", "", "included more than 16 deep",
		  0 },
		{ "a menu that opens itself", "", 2, "menuentry a { configfile /boot/a.cfg }\n", "", NULL, 0 },
	};

	check_rows(rows, ARRAY_SIZE(rows), menu_read_grub);
}

TEST(many_entries_with_one_name_are_told_apart_soon)
{
	AUTO_BUF struct buf text = { 0 };

	for (int i = 0; i < 1000; i++)
		buf_addf(&text, "menuentry 'The same name for all of them and longer than an id' { linux /k %d }\n", i);
	check("one name", menu_read_grub, &text, NULL, 1000);
}

/* Bytes that no text has, in the places where words of the file are kept. */
TEST(bytes_that_are_no_text)
{
	static const char syslinux[] = "menu title \xff\xfe\0x\nlabel \x80\xc0\xaf\nmenu label A\xed\xa0\x80 \xc2\x9b"
	                               "1m\x1b[2J\0B\nkernel /k\0junk\nappend a=\x01\xff\"b\tc\x7f\"\0 d\n"
	                               "menu begin \xf5\x1b\nlabel b\nkernel k\nappend \"a\x1b\x7f";
	static const char grub[] = "menuentry 'A\xed\xa0\x80 \xc2\x9b"
	                           "1m\x1b[2J\0B' --id \xff {\nlinux /k\0 'a=\x01\xff\nb\x7f' \"c\td\"\n}\n"
	                           "submenu '\xf5\x1b' { menuentry '\x7f\n' { linux /k2 \xff } }\0";
	AUTO_BUF struct buf text = { 0 };

	buf_add(&text, syslinux, sizeof(syslinux));
	check("syslinux", menu_read_syslinux, &text, NULL, 2);
	check("grub read as syslinux", menu_read_grub, &text, NULL, 0);
	buf_clear(&text);
	buf_add(&text, grub, sizeof(grub));
	check("grub", menu_read_grub, &text, NULL, 2);
	check("syslinux read as grub", menu_read_syslinux, &text, NULL, 0);
}

TEST(every_byte_alone_and_in_every_place)
{
	static const char *const frames[] = { "label a%skernel k\nmenu label x%sy\nappend a%sb\n",
		                              "menuentry a%s { linux /k a%sb 'c%sd' }\n" };

	for (unsigned c = 0; c < 256; c++) {
		for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
			AUTO_BUF struct buf text = { 0 };
			struct file file;
			const struct menu_loader l = { load, &file };
			AUTO_MENU struct menu m = { 0 };
			AUTO_ERR struct err e = { 0 };

			for (const char *s = frames[i]; *s; s++) {
				buf_add(&text, *s == '%' ? (const char[]){ (char)c } : s, 1);
				s += *s == '%';
			}
			file = (struct file){ text.s, text.len };
			CHECK_OK((i ? menu_read_grub : menu_read_syslinux)(&l, "/boot/a.cfg", &m, &e), &e);
			check_clean("a byte", &m);
		}
	}
}

static int load_error(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	(void)ret_text;
	(void)ret_len;
	return fail_source(e, -*(int *)ctx, "%s: cannot be read", path);
}

TEST(what_the_loader_refuses_is_the_error)
{
	static int errors[] = { EIO, EFBIG, ELOOP, EACCES };
	static read_fn *const readers[] = { menu_read_syslinux, menu_read_grub };

	for (size_t i = 0; i < ARRAY_SIZE(errors) * ARRAY_SIZE(readers); i++) {
		const struct menu_loader l = { load_error, &errors[i / 2] };
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK(readers[i % 2](&l, "/boot/a.cfg", &m, &e) == -errors[i / 2]);
		CHECK_FAILS(-1, &e, "/boot/a.cfg: cannot be read");
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
