/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu_write.h"

#include <errno.h>

#include "src/base/args.h"
#include "src/base/utf8.h"

/* U+00C0 to U+017F without their accents. */
static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTs"
                            "aaaaaaaceeeeiiiidnooooo/ouuuuyty"
                            "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGg"
                            "GgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
                            "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSs"
                            "SsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

static const struct {
	u32 first, last;
	const char *text;
} punctuation[] = {
	{ 0x00a0, 0x00a0, " " }, { 0x00a9, 0x00a9, "(C)" }, { 0x00ae, 0x00ae, "(R)" },
	{ 0x2010, 0x2015, "-" }, { 0x2018, 0x201b, "'" },   { 0x201c, 0x201f, "\"" },
	{ 0x2022, 0x2022, "*" }, { 0x2026, 0x2026, "..." }, { 0x2122, 0x2122, "(TM)" },
};

static void add_ascii_char(struct buf *out, u32 c)
{
	char one[2] = { '?', '\0' };

	for (size_t i = 0; i < ARRAY_SIZE(punctuation); i++) {
		if (c >= punctuation[i].first && c <= punctuation[i].last) {
			buf_adds(out, punctuation[i].text);
			return;
		}
	}
	if (c >= 0xc0 && c < 0xc0 + sizeof(latin) - 1)
		one[0] = latin[c - 0xc0];
	else if (c < 0x80 && c != 0x7f)
		one[0] = c < ' ' ? ' ' : (char)c;
	buf_adds(out, one);
}

/* Code page 437 on a screen and anything on a serial line: ASCII is what both show. '^' would mark a hotkey. */
static void add_title(struct buf *out, const char *title, const char *otherwise)
{
	const u8 *end = (const u8 *)title + strlen(title);
	AUTO_BUF struct buf ascii = { 0 };
	size_t unknown = 0;

	buf_adds(&ascii, "");
	for (const u8 *p = (const u8 *)title; p < end;) {
		u32 c = 0xfffd; /* what is not UTF-8 counts byte by byte */
		size_t n = utf8_decode(p, end, &c);

		p += n ? n : 1;
		if (c != '^')
			add_ascii_char(&ascii, c);
	}
	for (size_t i = 0; i < ascii.len; i++)
		unknown += ascii.s[i] == '?';
	buf_adds(out, unknown * 2 < ascii.len ? ascii.s : otherwise);
}

static int check_path(const struct menu_entry *entry, const char *path, struct err *e)
{
	for (const char *p = path; *p; p++)
		if (*p == ' ' || *p == ',')
			return fail(e, -EINVAL,
			            "menu entry %s: SYSLINUX cannot load %s: its name has a blank or a comma",
			            entry->id, path);
	return 0;
}

static int write_entry(void *ctx, const struct menu_entry *entry, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf args = { 0 }, initrds = { 0 };
	size_t total = strlen("BOOT_IMAGE= ") + strlen(entry->kernel);
	int r = check_path(entry, entry->kernel, e);

	(void)ctx;
	args_without(entry->args, NULL, 0, &args);
	for (size_t i = 0; r == 0 && i < entry->n_initrds; i++) {
		r = check_path(entry, entry->initrds[i], e);
		buf_addf(&initrds, "%s%s", i ? "," : " initrd=", entry->initrds[i]);
	}
	if (r < 0)
		return r;
	total += args.len + initrds.len;
	if (total > MENU_ARGS_MAX)
		return fail(e, -E2BIG, "menu entry %s: its command line has %zu bytes, the kernel takes %d", entry->id,
		            total, MENU_ARGS_MAX);

	buf_addf(out, "LABEL %s\n  MENU LABEL ", entry->id);
	add_title(out, entry->title, entry->id);
	buf_addf(out, "\n  LINUX %s\n", entry->kernel);
	if (initrds.len)
		buf_addf(out, "  INITRD %s\n", initrds.s + strlen(" initrd="));
	if (args.len)
		buf_addf(out, "  APPEND %s\n", args.s);
	return 0;
}

/* The timeout of the menu around it would be taken over, and start whatever comes first. */
static void begin_submenu(const char *title, struct buf *out)
{
	buf_adds(out, "MENU BEGIN\n  MENU TITLE ");
	add_title(out, title, "...");
	buf_adds(out, "\n  TIMEOUT 0\n");
}

/* The label is none that an entry can have. */
static void end_submenu(struct buf *out)
{
	buf_adds(out, "LABEL ..\n  MENU LABEL Back\n  MENU EXIT\nMENU END\n");
}

int menu_write_syslinux(const struct menu *m, struct buf *out, struct err *e)
{
	static const struct menu_dialect dialect = { write_entry, begin_submenu, end_submenu };

	buf_adds(out, "MENU TITLE ");
	add_title(out, m->title ? m->title : "", "Boot menu");
	buf_adds(out, "\n");
	return menu_write_entries(m, &dialect, NULL, out, e);
}

void menu_write_syslinux_top(unsigned timeout_ds, bool serial, struct buf *out)
{
	if (serial)
		buf_adds(out, "SERIAL 0 115200\n");
	buf_addf(out, "UI menu.c32\nPROMPT 0\nTIMEOUT %u\nINCLUDE /livestick/switch.cfg\n", timeout_ds);
}
