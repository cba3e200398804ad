/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu.h"

#include <errno.h>
#include <stdio.h>

#include "tests/lib/test.h"

#define AUTO_MENU CLEANUP(menu_free)

/* ---- a loader of texts in memory; for real configurations see test_menu_corpus.c */

struct text {
	const char *path, *text; /* text NULL: a directory */
};

/* Ends with a row of NULLs. */
static int load_from_texts(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	for (const struct text *t = ctx; t->path; t++) {
		if (strcmp(t->path, path) != 0)
			continue;
		if (!t->text)
			return -EISDIR;
		*ret_text = xstrdup(t->text);
		*ret_len = strlen(t->text);
		return 0;
	}
	return fail(e, -ENOENT, "%s: is not there", path);
}

static int read_texts(const struct text *t, struct menu *ret, struct err *e)
{
	const struct menu_loader l = { load_from_texts, (void *)t };

	return menu_read_grub(&l, t->path, ret, e);
}

static int read_text(const char *text, struct menu *ret, struct err *e)
{
	const struct text t[] = {
		{ "/boot/grub/grub.cfg", text }, { "/there", "x" }, { "/empty", "" }, { "/dir", NULL }, { NULL, NULL },
	};

	return read_texts(t, ret, e);
}

/* ---- the language, one rule a row: the arguments that `linux /k ...` gets */

static const char *args_of(const struct menu *m, size_t i)
{
	return i < m->n ? m->entry[i].args : "(no such entry)";
}

static void check_args(const char *before, const char *words, const char *want)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	buf_addf(&text, "%s\nmenuentry t {\nlinux /k %s\n}\n", before, words);
	if (!CHECK_OK(read_text(text.s, &m, &e), &e))
		return;
	if (strcmp(args_of(&m, 0), want) != 0)
		test_fail(__FILE__, __LINE__, "%s | %s: \"%s\", not \"%s\"", before, words, args_of(&m, 0), want);
}

TEST(words_are_quoted_and_escaped)
{
	static const char *const row[][3] = {
		{ "", "a  b\tc", "a b c" },
		{ "", "a\\ b", "\"a b\"" },
		{ "", "'a b'c\"d\"", "\"a bcd\"" },
		{ "", "x=\"\" y='' z", "x= y= z" },
		{ "", "'$a' \"\\$a\" \\$a", "$a $a $a" },
		{ "", "a#b # c", "a#b" },
		{ "", "a \\\n  b\\\nc", "a bc" },
		{ "", "a \\\r\n  b\r", "a b" },
		{ "", "CentOS\\x207 \"CentOS\\x207\" a\\bc", "CentOS\\x207 CentOS\\x207 abc" },
		{ "", "'a\"b'", "a\\\"b" },
		{ "", "'it'\\''s'", "it\\'s" },
		{ "", "a; linux /k b", "b" },
		{ "", "$\"a $x\"", "\"a \"" },
		{ "", "--- quiet -- splash", "--- quiet -- splash" },
		{ "", "a$ b$% c${ d}", "a$ b$% c$" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		check_args(row[i][0], row[i][1], row[i][2]);
}

TEST(variables_are_expanded)
{
	static const char *const row[][3] = {
		{ "set a=1", "$a ${a}2 $a2 x${b}y \"$b\" $b z", "1 12 xy z" },
		{ "a='x  y z'", "$a \"$a\" p${a}q", "x y z \"x  y z\" px y zq" },
		{ "a=x; unset a", "[$a]", "[]" },
		{ "a=1; b=a; eval \"$b=2\"", "$a", "2" },
		{ "set a=b c=d", "$a$c", "b" },
		{ "set root=(hd0,1)", "$root", "hd0,1" },
		{ "", "$root $prefix $grub_platform $grub_cpu $feature_anything_at_all",
		  "cd0 (cd0)/boot/grub efi x86_64 y" },
		{ "", "$config_directory ${config_file}", "(cd0)/boot/grub (cd0)/boot/grub/grub.cfg" },
		{ "false; s=$?", "$s \"$#\" $1 $2", "1 1 t" },
		{ "", "iso-scan/filename=$iso_path findiso=${iso_path} img_dev=UUID=$u img_loop=\"$i\" $isoboot x=$y",
		  "x=" },
		{ "iso_path=/a.iso", "iso-scan/filename=$iso_path", "iso-scan/filename=/a.iso" },
		{ "", "BOOT_IMAGE=/x initrd=/y my.initrd=z", "my.initrd=z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		check_args(row[i][0], row[i][1], row[i][2]);
}

/* What tests say: `if CONDITION` is y or n. */
static void check_condition(const char *condition, char want)
{
	AUTO_BUF struct buf before = { 0 };
	char letter[2] = { want };

	buf_addf(&before, "a=x; e=''; n=10\nif %s; then r=y; else r=n; fi", condition);
	check_args(before.s, "$r", letter);
}

TEST(conditions_are_evaluated)
{
	static const struct {
		const char *condition;
		char want;
	} row[] = {
		{ "true", 'y' },
		{ "false", 'n' },
		{ "! false", 'y' },
		{ "! true", 'n' },
		{ "unknown_command --with args", 'y' },
		{ "cpuid -l", 'y' },
		{ "[ $a = x ]", 'y' },
		{ "[ \"$a\" == y ]", 'n' },
		{ "[ $a != y ]", 'y' },
		{ "test $a = x", 'y' },
		{ "[ -n \"$a\" ]", 'y' },
		{ "[ -z \"$e\" ]", 'y' },
		{ "[ -z \"$a\" ]", 'n' },
		{ "[ x$e = x ]", 'y' },
		{ "[ \"$e\" ]", 'n' },
		{ "[ ]", 'y' },
		{ "[ $a = x -a $n = 10 ]", 'y' },
		{ "[ $a = y -o $n = 10 ]", 'y' },
		{ "[ $a = y -o $n = 11 ]", 'n' },
		{ "[ ! $a = y -a ! -z $a ]", 'y' },
		{ "[ ( $a = y -o $a = x ) -a ( $n = 10 ) ]", 'y' },
		{ "[ $n -eq 0xa ]", 'y' },
		{ "[ $n -gt 9 ]", 'y' },
		{ "[ $n '<' 9 ]", 'y' },
		{ "[ $n -le 9 ]", 'n' },
		{ "[ -1 -lt 9 ]", 'y' },
		{ "[ vmlinuz-2 -plt vmlinuz-11 ]", 'y' },
		{ "[ vmlinuz-12 -plt vmlinuz-11 ]", 'n' },
		{ "[ -f /there ]", 'y' },
		{ "[ -f ($root)/there -a -s (cd0)/there ]", 'y' },
		{ "[ -s /empty ]", 'n' },
		{ "[ -e /empty ]", 'y' },
		{ "[ -f /dir ]", 'n' },
		{ "[ -d /dir -a -e /dir/ ]", 'y' },
		{ "[ -e /nowhere ]", 'n' },
		{ "[ -e /../there ]", 'n' },
		{ "[ cpuid -l ]", 'y' },
		{ "search --no-floppy --file --set=r /there", 'y' },
		{ "search --no-floppy --file --set=r /nowhere", 'n' },
		{ "search.file /there r", 'y' },
		{ "source /nowhere", 'n' },
		{ "regexp '^(.)$' $a", 'y' },
		{ "regexp '^a+$' $a", 'n' },
		{ "regexp 'x{1}' $a", 'n' },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		check_condition(row[i].condition, row[i].want);
}

TEST(statements_are_run)
{
	static const char *const row[][3] = {
		{ "if false; then a=1; elif true; then a=2; elif true; then a=3; else a=4; fi", "$a", "2" },
		{ "if false\nthen a=1\nelse\na=4\nfi", "$a", "4" },
		{ "if true; then if false; then a=1; else a=2; fi; else a=3; fi", "$a", "2" },
		{ "for i in 1 2 \"3 4\"; do a=\"$a<$i>\"; done", "\"$a\"", "\"<1><2><3 4>\"" },
		{ "l='p q'; for i in $l; do for j in 1 2; do a=$a$i$j; done; done", "$a", "p1p2q1q2" },
		{ "for i in 1 2 3 4; do if [ $i = 2 ]; then continue; fi; if [ $i = 4 ]; then break; fi; a=$a$i; done",
		  "$a", "13" },
		{ "while [ x$a != xaaa ]; do a=a$a; done", "$a", "aaa" },
		{ "until [ x$a = xaa ]; do a=a$a; done", "$a", "aa" },
		{ "while true; do n=$n.; if [ $n = ... ]; then break; fi; done", "$n", "..." },
		{ "function f { a=\"$# $2 $1\"; return 3; a=no; }\nf x y; b=$?", "$a $b", "2 y x 3" },
		{ "function f {\nfor i in \"$@\"; do a=\"$a[$i]\"; done\n}\nf 'x y' z", "\"$a\"", "\"[x y][z]\"" },
		{ "function f { b=in; }\nfunction f { b=again; }\nf", "$b", "again" },
		{ "regexp --set=1:v '^/(.+)/([^/]+)$' /x/y/z; regexp --set w 'x(y|a)z' xyz", "$v $w", "x/y y" },
		{ "search --set -f /there; search --label --set=dev X", "$root$dev", "cd0cd0" },
		{ "return; a=1; break; b=2; function f { break; c=3; }; for i in 1 2; do f; d=$d$i; done", "$a$b$c$d",
		  "12312" },
		{ "function f { eval 'return 1; a=1'; b=2; }; f; c=$?", "$a-$b-$c", "--1" },
		{ "for i in 1 2; do eval 'break; a=1'; b=2; done", "$i$a$b", "1" },
		{ "eval 'a=1; eval \"b=2\"'", "$a$b", "12" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		check_args(row[i][0], row[i][1], row[i][2]);
}

TEST(exit_ends_the_configuration_but_not_its_entries)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("menuentry a { linux /k $x }\nx=1\nif true; then exit; fi\nx=2\nmenuentry b { linux /b }",
	                   &m, &e),
	         &e);
	CHECK_U64(m.n, 1);
	CHECK_STR(args_of(&m, 0), "1");
}

TEST(what_is_not_finished_is_not_run)
{
	static const char *const ends[] = {
		"if true; then menuentry b { linux /k b }",
		"menuentry b { linux /k b\nif true; then linux /k c",
		"for i in 1; do menuentry b { linux /k b }",
		"while true; do menuentry b { linux /k b }",
		"function f {\nmenuentry b { linux /k b }\n",
		"menuentry \"b { linux /k b }",
		"menuentry 'b { linux /k b }\n",
		"linux /k \\",
		"if",
		"for",
		"function",
		"$",
		"}",
		"fi; done; }; then; do",
		"!",
		"menuentry",
		"eval \"menuentry b {\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		AUTO_BUF struct buf text = { 0 };
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		buf_addf(&text, "menuentry a { linux /k a }\n%s", ends[i]);
		CHECK_OK(read_text(text.s, &m, &e), &e);
		if (m.n != 1 || strcmp(args_of(&m, 0), "a") != 0)
			test_fail(__FILE__, __LINE__, "%s: %zu entries", ends[i], m.n);
	}
}

/* ---- the menu */

TEST(bodies_are_run_with_the_last_values_and_their_own_arguments)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("for i in 1 2; do menuentry \"t $i\" $i { x=$x$2; linux /k $1 $2 $i $x $late; }; done\n"
	                   "late=yes; x=0",
	                   &m, &e),
	         &e);
	CHECK_U64(m.n, 2);
	CHECK_STR(args_of(&m, 0), "t 1 1 2 01 yes");
	CHECK_STR(args_of(&m, 1), "t 2 2 2 02 yes");
	CHECK_STR(m.entry[1].title, "t 2");
	CHECK_STR(m.entry[1].id, "t-2");
}

TEST(options_of_an_entry_are_no_arguments)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("menuentry --class x 'T' --id=the-id --users '' --hotkey=k --unrestricted --class=y p {\n"
	                   "linux /k $# $1 $2\n}\nmenuentry U --id { linux /k u }",
	                   &m, &e),
	         &e);
	CHECK_U64(m.n, 2);
	CHECK_STR(args_of(&m, 0), "2 T p");
	CHECK_STR(m.n ? m.entry[0].id : "", "the-id");
	CHECK_STR(m.n > 1 ? m.entry[1].id : "", "u");
}

TEST(submenus_and_their_files_stand_in_their_place)
{
	static const struct text t[] = {
		{ "/EFI/BOOT/grub.cfg", "menuentry a { linux /a }\nsubmenu s { source $prefix/s.cfg }\n"
		                        "menuentry c { configfile (hd9,1)/c.cfg }\nmenuentry d { linux /d }\n" },
		{ "/EFI/BOOT/s.cfg",
		  "menuentry b { linux /b }\nsubmenu s2 { menuentry b2 { linux /b2 $config_file } }" },
		{ "/c.cfg", "timeout=1\nmenuentry c1 { linux /c1 $config_file }\n"
		            "menuentry back { configfile /EFI/BOOT/grub.cfg }\n menuentry self { configfile /c.cfg }" },
		{ NULL, NULL },
	};
	static const char *const ids[] = { "a", "b", "b2", "c1", "d" };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_texts(t, &m, &e), &e);
	CHECK_U64(m.n, ARRAY_SIZE(ids));
	for (size_t i = 0; i < m.n && i < ARRAY_SIZE(ids); i++)
		CHECK_STR(m.entry[i].id, ids[i]);
	CHECK_U64(m.timeout_ds, 0);
	CHECK(m.n && m.entry[0].is_default);
	CHECK(e.text == NULL);
}

TEST(entries_know_their_submenu)
{
	static const struct text t[] = {
		{ "/a.cfg",
		  "menuentry a { linux /a }\nsubmenu 'One  \n two' { source /s.cfg\nmenuentry a2 { linux /a2 } }\n"
		  "menuentry 'Opens a file' { configfile /c.cfg }\nsubmenu '' { menuentry e { linux /e } }\n"
		  "for i in x y; do submenu \"Loop $i\" $i { menuentry l$2 $2 { linux /$2 } }; done\n" },
		{ "/s.cfg", "menuentry s { linux /s }\nsubmenu Inner --class=x { menuentry i { linux /i } }\n" },
		{ "/c.cfg", "menuentry c { linux /c }\nmenuentry again { linux /a }\n" },
		{ NULL, NULL },
	};
	static const char *const want[][2] = {
		{ "a", "(none)" },       { "s", "One two" }, { "i", "One two: Inner" }, { "a2", "One two" },
		{ "c", "Opens a file" }, { "e", "..." },     { "lx", "Loop x" },        { "ly", "Loop y" },
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

TEST(devices_in_paths_are_passed_over)
{
	static const char *const names[][2] = {
		{ "($root)/k", "/k" },
		{ "(cd0)/k", "/k" },
		{ "(loop)/k", "/k" },
		{ "(memdisk)/k", "/k" },
		{ "(hd0)/k", "/k" },
		{ "(hd1,gpt2)/boot/../k", "/k" },
		{ "(hd0)k", "/k" },
		{ "(unclosed/k", "/(unclosed/k" },
		{ "(hd0)(hd1)/k", "/(hd1)/k" },
		{ "/(hd0)/k", "/(hd0)/k" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_BUF struct buf text = { 0 };
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		buf_addf(&text, "menuentry a { linux \"%s\" }", names[i][0]);
		CHECK_OK(read_text(text.s, &m, &e), &e);
		CHECK_STR(m.n ? m.entry[0].kernel : "(none)", names[i][1]);
	}
}

TEST(what_is_no_linux_is_left_out)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text(
	             "menuentry a { chainloader /EFI/x.efi }\nmenuentry b { linux16 /boot/memtest86+.bin }\n"
	             "menuentry c { fwsetup }\nmenuentry d { halt }\nmenuentry e { linux }\nmenuentry f { initrd /i }\n"
	             "menuentry g { linux /k ; linux16 (cd0)/k2 2 ; initrd /a /b ; initrd16 /i ''; boot; linux /k3 }\n"
	             "menuentry h { linux \"\" }\nmenuentry '' { linuxefi vmlinuz ; initrdefi (x)/i }",
	             &m, &e),
	         &e);
	CHECK_U64(m.n, 2);
	if (m.n < 2)
		return;
	CHECK_STR(m.entry[0].kernel, "/k2");
	CHECK_STR(m.entry[0].args, "2");
	CHECK_U64(m.entry[0].n_initrds, 1);
	CHECK_STR(m.entry[0].initrds[0], "/i");
	CHECK_STR(m.entry[1].kernel, "/vmlinuz");
	CHECK_STR(m.entry[1].title, "entry");
	CHECK_STR(m.entry[1].initrds[0], "/i");
}

TEST(the_same_twice_is_kept_once)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(
	    read_text("default=2\nmenuentry a { linux /k x; initrd /i }\nmenuentry b { linux /k x; initrd /i /j }\n"
	              "menuentry c { linux //./k  x; initrd /i }\nmenuentry b { linux /k y; initrd /i }",
	              &m, &e),
	    &e);
	CHECK_U64(m.n, 3);
	CHECK(m.n == 3 && m.entry[0].is_default && !m.entry[2].is_default);
	CHECK_STR(m.n == 3 ? m.entry[2].id : "", "b-2");
}

static void check_default(const char *value, size_t want)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };
	size_t which = 99, n = 0;

	buf_addf(
	    &text,
	    "%s\nmenuentry zero { linux /0 }\nmenuentry mem { linux16 /memtest }\nmenuentry 'Two words' --id two { "
	    "linux "
	    "/2 }\nsubmenu More --id more {\nmenuentry x { reboot }\nmenuentry m1 { linux /m1 }\nmenuentry m2 --id M { "
	    "linux /m2 }\n}\nmenuentry 2th { linux /4 }\n",
	    value);
	CHECK_OK(read_text(text.s, &m, &e), &e);
	for (size_t i = 0; i < m.n; i++) {
		if (m.entry[i].is_default) {
			which = i;
			n++;
		}
	}
	if (n != 1 || which != want)
		test_fail(__FILE__, __LINE__, "%s: entry %zu of %zu, not %zu", value, which, n, want);
}

TEST(the_default_is_a_number_an_id_or_a_title)
{
	static const struct {
		const char *value;
		size_t want;
	} row[] = {
		{ "", 0 },
		{ "default=0", 0 },
		{ "default=2", 1 },
		{ "default=4", 4 },
		{ "default=5", 0 },
		{ "default=99999999999999999999999", 0 },
		{ "default=1", 0 },
		{ "default=two", 1 },
		{ "default='Two words'", 1 },
		{ "default=2th", 1 },
		{ "default=0x4", 4 },
		{ "default=3", 2 },
		{ "default='3>2'", 3 },
		{ "default='more>M'", 3 },
		{ "default='More>m1'", 2 },
		{ "default='3>0'", 0 },
		{ "default='3>9'", 0 },
		{ "default=nobody", 0 },
		{ "default=saved", 0 },
		{ "default='>'", 0 },
		{ "set default=\"${saved_entry}\"", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		check_default(row[i].value, row[i].want);
}

TEST(timeouts_are_bounded)
{
	static const struct {
		const char *text;
		unsigned want;
	} row[] = {
		{ "", 0 },
		{ "timeout=5", 50 },
		{ "set timeout=\"15\"", 150 },
		{ "timeout=-1", 0 },
		{ "timeout=0", 10 },
		{ "timeout=", 0 },
		{ "timeout=x", 0 },
		{ "timeout=3600", 36000 },
		{ "timeout=99999999999999999999", 36000 },
		{ "timeout=-99999999999999999999", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_OK(read_text(row[i].text, &m, &e), &e);
		CHECK_U64(m.timeout_ds, row[i].want);
	}
}

TEST(a_menu_for_a_bios_is_read_when_there_is_no_other)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("if [ $grub_platform = pc ]; then menuentry a { linux /k $grub_cpu }\nelse timeout=9; fi",
	                   &m, &e),
	         &e);
	CHECK_STR(args_of(&m, 0), "i386");
	CHECK_U64(m.timeout_ds, 0);
}

TEST(a_menu_without_entries_is_empty)
{
	static const char *const texts[] = { "", "\n\n;;\n", "# only\n", "menuentry a { reboot }",
		                             "linux /k\ninitrd /i\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_OK(read_text(texts[i], &m, &e), &e);
		CHECK_U64(m.n, 0);
	}
}

TEST(control_characters_do_not_get_into_titles_and_arguments)
{
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_text("menuentry '\x1b[31mRed\tone\n \x7f' --id 'a\x1b[2J' { linux /k a\x01\x0c\x02"
	                   "b 'c\nd' }",
	                   &m, &e),
	         &e);
	CHECK_U64(m.n, 1);
	if (!m.n)
		return;
	CHECK_STR(m.entry[0].title, "[31mRed one");
	CHECK_STR(m.entry[0].id, "a-2j");
	CHECK_STR(m.entry[0].args, "a b c d");
}

/* ---- bad input */

TEST(errors_name_file_and_line)
{
	static const struct text t[] = {
		{ "/a.cfg", "\n\nsource /b.cfg\n" },
		{ "/b.cfg", "function f {\n  source /../x\n}\n\nif true; then\n f\nfi" },
		{ NULL, NULL },
	};
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK(read_texts(t, &m, &e) == -EINVAL && e.code == EXIT_SOURCE);
	CHECK_FAILS(-1, &e, "/a.cfg:3: /b.cfg:6: /b.cfg:2: the path /../x leads out of the tree");
	CHECK_FAILS(read_text("\nmenuentry 'A b' {\n linux ../../x\n}", &m, &e), &e,
	            "/boot/grub/grub.cfg:2: the path ../../x leads out of the tree");
	CHECK_FAILS(read_text("\nmenuentry 'A b' {\n linux /x\ninitrd (cd0)/../i\n}", &m, &e), &e,
	            "/boot/grub/grub.cfg:2: the path /../i leads out of the tree");
	CHECK_U64(m.n, 0);
}

TEST(a_missing_first_file_is_an_error)
{
	static const struct text t[] = { { "/a.cfg", "" }, { NULL, NULL } };
	const struct menu_loader l = { load_from_texts, (void *)t };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK(menu_read_grub(&l, "/b.cfg", &m, &e) == -ENOENT && e.code == EXIT_SOURCE);
	CHECK_FAILS(-1, &e, "/b.cfg: no such file");
}

#define NEST  "submenu s { submenu s { submenu s { submenu s { "
#define CLOSE "} } } } "

TEST(endless_configurations_end)
{
	static const struct {
		const char *text, *words;
	} row[] = {
		{ "source /boot/grub/grub.cfg", "/boot/grub/grub.cfg: included more than 16 deep" },
		{ "function f {\nf\n}\nf", "f: called more than 16 deep" },
		{ "a='eval \"$a\"'; eval \"$a\"", "eval: included more than 16 deep" },
		{ "while true; do while true; do while true; do true; done; done; done", "within 200000 steps" },
		{ "until false; do until false; do until false; do done; done; done", "within 200000 steps" },
		{ "a=0123456789; while true; do a=$a$a; done", "the value of a is longer than 65536 bytes" },
		{ "a=0123456789\nfor i in 1 2 3 4 5 6 7 8 9 10; do a=$a$a; done\nwhile true; do echo $a $a $a $a $a $a "
		  "$a $a; "
		  "done",
		  "grub.cfg:3: the configuration does not come to an end within 200000 steps" },
		{ "function f { submenu s { f } }\nf", "f: called more than 16 deep" },
		{ NEST NEST NEST NEST " true " CLOSE CLOSE CLOSE CLOSE, "menus more than 16 deep" },
		{ "while true; do while true; do source /there; done; done", "/there: too many files" },
		{ "while true; do while true; do if [ -f /there ]; then true; fi; done; done",
		  "/there: too many files" },
		{ "while true; do while true; do menuentry a { linux /k }; done; done",
		  "a menu of more than 4000 lines" },
		{ "[ ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( a ) ) ) ) ) ) ) ) ) ) ) ) ) ) ) ) ]",
		  "parentheses more than 16 deep" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK(read_text(row[i].text, &m, &e) < 0 && e.code == EXIT_SOURCE && m.n == 0);
		CHECK_FAILS(-1, &e, row[i].words);
	}
}

TEST(a_loop_that_waits_for_a_key_is_left)
{
	check_args("a=1; while true; do sleep --interruptible 1; done; a=2", "$a", "2");
}

TEST(files_entries_and_arguments_are_bounded)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	buf_addf(&text, "menuentry a { linux /k %02047d }", 0);
	CHECK_OK(read_text(text.s, &m, &e), &e);
	CHECK_U64(strlen(args_of(&m, 0)), 2047);
	menu_free(&m);
	buf_clear(&text);
	buf_addf(&text, "menuentry a { linux /k %02048d }", 0);
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "grub.cfg:1: entry a: kernel arguments of 2048 bytes");

	buf_clear(&text);
	buf_adds(&text, "menuentry a { linux /k; initrd ");
	for (int i = 0; i < 33; i++)
		buf_adds(&text, " x");
	buf_adds(&text, " }");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "entry a: more than 32 initrds");

	buf_clear(&text);
	for (int i = 0; i < 1000; i++)
		buf_addf(&text, "menuentry a%d { linux /k %d }\n", i, i);
	CHECK_OK(read_text(text.s, &m, &e), &e);
	CHECK_U64(m.n, 1000);
	menu_free(&m);
	buf_adds(&text, "menuentry last { linux /k }\n");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "more than 1000 menu entries");

	buf_clear(&text);
	for (int i = 0; i < 1001; i++)
		buf_addf(&text, "v%d=1\n", i);
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "more than 1000 variables");

	buf_clear(&text);
	for (int i = 0; i < 101; i++)
		buf_adds(&text, "if true; then\n");
	for (int i = 0; i < 101; i++)
		buf_adds(&text, "fi\n");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "statements more than 100 deep");

	buf_clear(&text);
	while (text.len < MIB)
		buf_adds(&text, "a ");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "grub.cfg:1: is too long for a boot menu");
	buf_adds(&text, "b");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "/boot/grub/grub.cfg: is too large for a boot menu");
}

TEST(number_of_files_is_bounded)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	for (int i = 0; i < 63; i++)
		buf_adds(&text, "source /there\n");
	CHECK_OK(read_text(text.s, &m, &e), &e);
	buf_adds(&text, "source /there\n");
	CHECK_FAILS(read_text(text.s, &m, &e), &e, "grub.cfg:64: /there: too many files are included");
}

/* ---- entries of the Boot Loader Specification */

static int read_bls(const struct text *t, const char *default_name, struct menu *ret, struct err *e)
{
	const struct menu_loader l = { load_from_texts, (void *)t };
	const char *paths[16];
	size_t n = 0;

	for (; t[n].path; n++)
		paths[n] = t[n].path;
	return menu_read_bls(&l, paths, n, default_name, ret, e);
}

TEST(boot_entries_are_in_the_order_of_systemd_boot)
{
	static const struct text t[] = {
		{ "/loader/entries/b-9.conf", "linux /k b9\n" },
		{ "/loader/entries/b-10.conf", "title no key, higher\nlinux /k\noptions b10\n" },
		{ "/loader/entries/x.conf", "sort-key os\nversion 6.9\nlinux x1\n" },
		{ "/loader/entries/y.conf", "sort-key os\nversion 6.10\nlinux x2\n" },
		{ "/loader/entries/z.conf", "sort-key a\nlinux x3\n" },
		{ NULL, NULL },
	};
	static const char *const ids[] = { "z", "y", "x", "b-10", "b-9" };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_bls(t, "B-1*", &m, &e), &e);
	CHECK_U64(m.n, ARRAY_SIZE(ids));
	for (size_t i = 0; i < m.n && i < ARRAY_SIZE(ids); i++)
		CHECK_STR(m.entry[i].id, ids[i]);
	CHECK(m.n > 3 && m.entry[3].is_default && !m.entry[0].is_default);
}

TEST(lines_of_a_boot_entry)
{
	static const struct text t[] = {
		{ "/a.conf",
		  "# a comment\r\n\r\n\ttitle \t A  system \r\nlinux\t/k\r\ninitrd /u\ninitrd /i\ninitrd\n"
		  "options  root=\"a  b\" \noptions quiet initrd=/x\nnovalue\nunknown x\narchitecture X64\n" },
		{ "/b.conf", "title arm\nlinux /k\narchitecture aa64\n" },
		{ "/c.conf", "title shell\nefi /shellx64.efi" },
		{ "/d.conf", "linux /memtest.efi" },
		{ "/e.conf", "linux /live/.." },
		{ NULL, NULL },
	};
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(read_bls(t, NULL, &m, &e), &e);
	CHECK_U64(m.n, 1);
	if (m.n != 1)
		return;
	CHECK_STR(m.entry[0].title, "A system");
	CHECK_STR(m.entry[0].kernel, "/k");
	CHECK_U64(m.entry[0].n_initrds, 2);
	CHECK_STR(m.entry[0].initrds[1], "/i");
	CHECK_STR(m.entry[0].args, "root=\"a  b\" quiet");
	CHECK(m.entry[0].is_default);
}

TEST(the_default_of_boot_entries_is_a_pattern)
{
	static const struct text t[] = {
		{ "/c.conf", "linux /c" }, { "/ab.conf", "linux /ab" }, { "/a.conf", "linux /a" }, { NULL, NULL }
	};
	static const struct {
		const char *pattern;
		size_t want;
	} row[] = {
		{ NULL, 0 },       { "", 0 },         { "c", 0 },       { "ab", 1 },     { "AB.conf", 1 },
		{ "a*", 1 },       { "?", 0 },        { "a.*", 2 },     { "*b*", 1 },    { "@saved", 0 },
		{ "a?*.c*nf", 1 }, { "?b.conf?", 0 }, { "*a*a*a*", 0 }, { "a.conf", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MENU struct menu m = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_OK(read_bls(t, row[i].pattern, &m, &e), &e);
		CHECK_U64(m.n, 3);
		if (m.n == 3 && !m.entry[row[i].want].is_default)
			test_fail(__FILE__, __LINE__, "%s: not entry %zu", row[i].pattern, row[i].want);
	}
}

TEST(bad_boot_entries_are_refused)
{
	struct text t[] = { { "/a.conf", "title A\nlinux /../k" }, { NULL, NULL } };
	const char *const missing[] = { "/nowhere.conf" };
	const struct menu_loader l = { load_from_texts, t };
	AUTO_BUF struct buf text = { 0 };
	AUTO_MENU struct menu m = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_FAILS(read_bls(t, NULL, &m, &e), &e, "a.conf: entry A: the path /../k leads out of the tree");
	CHECK(menu_read_bls(&l, missing, 1, NULL, &m, &e) == -ENOENT);
	CHECK_FAILS(-1, &e, "/nowhere.conf");
	buf_addf(&text, "linux /k\noptions %04096d", 0);
	t[0].text = text.s;
	CHECK_FAILS(read_bls(t, NULL, &m, &e), &e, "/a.conf:2: the line is longer than 4096 bytes");
	buf_clear(&text);
	buf_addf(&text, "linux /k\noptions %02048d", 0);
	t[0].text = text.s;
	CHECK_FAILS(read_bls(t, NULL, &m, &e), &e, "a.conf: entry a: kernel arguments of 2048 bytes");
	CHECK_OK(menu_read_bls(&l, NULL, 0, NULL, &m, &e), &e);
	CHECK_U64(m.n, 0);
}

TEST(loader_conf_may_be_missing_or_odd)
{
	static const struct {
		const char *text, *default_name;
		unsigned timeout_ds;
	} row[] = {
		{ NULL, NULL, 10 },
		{ "", NULL, 10 },
		{ "timeout 0\ndefault  a b \n", "a b", 10 },
		{ "# timeout 9\ntimeout 3\ndefault x\ndefault y", "y", 30 },
		{ "timeout menu-force", NULL, 0 },
		{ "timeout menu-hidden", NULL, 10 },
		{ "timeout 999999999999", NULL, 36000 },
		{ "timeout", NULL, 10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const struct text t[] = { { row[i].text ? "/l" : "/other", row[i].text }, { NULL, NULL } };
		const struct menu_loader l = { load_from_texts, (void *)t };
		AUTO_FREE char *name = NULL;
		AUTO_ERR struct err e = { 0 };
		unsigned timeout_ds = 1;

		CHECK_OK(menu_read_loader_conf(&l, "/l", &name, &timeout_ds, &e), &e);
		CHECK_STR(name ? name : "(none)", row[i].default_name ? row[i].default_name : "(none)");
		CHECK_U64(timeout_ds, row[i].timeout_ds);
		CHECK(e.text == NULL);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
