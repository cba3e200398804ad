/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text in a buffer of fixed size: process 1 must not end for want of memory. What does not fit is cut, and `cut` says
 *so: whoever builds a path or mount options looks at it, whoever builds a message need not.
 *
 *	TEXT(path, 256);
 *	text_add(&path, "/dev/%s", name);
 *	if (!path.cut)
 *		open(path.s, ...)
 */
#ifndef LIVESTICK_INIT_TEXT_H
#define LIVESTICK_INIT_TEXT_H

#include "src/base/util.h"

struct text {
	char *s; /* ends in a NUL, always */
	size_t cap, len;
	bool cut;
};

#define TEXT(name, size)                                                                                               \
	char name##_buffer[size] = "";                                                                                 \
	struct text name = { name##_buffer, size, 0, false }

void text_add(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Adds `s` with what could harm a terminal (see base/buf.h) as \xNN. */
void text_add_escaped(struct text *t, const char *s);

/* Adds "15.9 GiB", "640 KiB", "17 bytes". */
void text_add_size(struct text *t, u64 bytes);

/* Copies `s` into `to`; false when it does not fit: `to` is then empty. */
MUST_CHECK bool text_copy(char *to, size_t cap, const char *s);

/*
 * Does a pattern of the list "A,B,..." fit the name? A pattern with * ? or [ is a shell's and must fit all of it,
 * another one must be a part of it.
 */
bool text_list_has(const char *list, const char *name);

/* "/a/b.c": begins with '/', no component is empty, "." or "..", no control characters. */
bool text_is_clean_path(const char *path);

#endif
