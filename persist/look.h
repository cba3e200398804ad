/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What several families look for: directories of a tree by what is in them, values in scripts. */
#ifndef LIVESTICK_PERSIST_LOOK_H
#define LIVESTICK_PERSIST_LOOK_H

#include "persist/inside.h"

/* A sentence for refuse() and doubt(); the caller frees. */
MUST_CHECK char *look_sentence(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Whether the directory at `path` holds something whose name matches `glob`. */
static inline bool look_has(const struct source *s, const char *path, const char *glob)
{
	return inside_has(s, path, &glob, 1);
}

/*
 * The first directory in the root that holds such a name, or in its subdirectory `sub` ("" for itself): its name.
 * NULL: none. Borrowed from the source.
 */
const char *look_dir(const struct source *s, const char *sub, const char *glob);

/* What a shell script, or a file of settings, assigns to `name` at the start of a line, without quotes; NULL: nothing,
 * or what is no plain word. The caller frees. */
MUST_CHECK char *look_assigned(const char *text, const char *name);

/* Whether a script of the initrd is there and has `words` in it. */
bool look_initrd_says(const struct family_facts *f, const char *path, const char *words);

/* inside_dir(), with `other` for NULL, "", and what no script would take for one word. The caller frees. */
MUST_CHECK char *look_path(const char *value, const char *slot, const char *other);

#endif
