/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What menu_read_syslinux.c (files and lines) and menu_syslinux_label.c (labels) share. For nobody else. */
#ifndef LIVESTICK_BOOTINST_MENU_SYSLINUX_H
#define LIVESTICK_BOOTINST_MENU_SYSLINUX_H

#include <strings.h>

#include "bootinst/menu.h"

#define SYSLINUX_MAX_DEPTH 16 /* of files, and of submenus */
#define SYSLINUX_TOP       SIZE_MAX

enum label_type { TYPE_NONE, TYPE_KERNEL, TYPE_LINUX, TYPE_CONFIG, TYPE_OTHER };

struct syslinux_label {
	char *name; /* NULL: no label has begun */
	enum label_type type;
	char *kernel, *append, *initrd, *title;
	bool left_out; /* hidden, disabled, or an action of the menu program */
	bool is_default;
};

/* What a submenu is called: by its MENU LABEL, else the first MENU TITLE, else the words after MENU BEGIN. */
struct syslinux_submenu {
	size_t outer; /* or SYSLINUX_TOP */
	char *tag, *title, *label;
};

/* What an entry of the menu is in the configuration. */
struct syslinux_origin {
	char *label;
	size_t submenu; /* or SYSLINUX_TOP */
};

/* A configuration that the menu leads to, by a label. */
struct syslinux_link {
	char *label, *file, *dir;
};

struct syslinux_parser {
	const struct menu_loader *loader;
	struct menu menu;
	struct syslinux_origin *origins; /* one an entry */
	size_t n_origins, cap_origins;
	struct syslinux_submenu *submenus;
	size_t n_submenus, cap_submenus;
	struct syslinux_link *links;
	size_t n_links, cap_links;

	char *dir; /* relative paths count from here */
	struct syslinux_label label;
	char *append, *default_name, *timeout_name, *whichsys_name;
	size_t submenu; /* the one that is open, or SYSLINUX_TOP */

	const char *open_files[SYSLINUX_MAX_DEPTH];
	unsigned depth, n_files, n_tried;
};

/* Ends the label under way: makes a menu entry or a link of it, if it is one. */
MUST_CHECK int syslinux_finish_label(struct syslinux_parser *p, struct err *e);
void syslinux_clear_label(struct syslinux_label *l);

/* Notes that the menu leads to another configuration; of `file` and `dir` the first word counts. */
void syslinux_add_link(struct syslinux_parser *p, const char *label, const char *file, const char *dir);

/* A title without hotkey marks. The caller frees. */
MUST_CHECK char *syslinux_title(const char *text);

static inline bool is_blank(char c)
{
	return c && (u8)c <= ' ';
}

static inline const char *skip_blanks(const char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

static inline size_t word_length(const char *s)
{
	size_t n = 0;

	while (s[n] && !is_blank(s[n]))
		n++;
	return n;
}

/* Replaces a string by a copy of `value` (NULL: by nothing). */
static inline void set_string(char **s, const char *value)
{
	free(*s);
	*s = value ? xstrdup(value) : NULL;
}

/* Whether a name of `len` bytes ends so, in any case. */
static inline bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && strncasecmp(s + len - n, end, n) == 0;
}

#endif
