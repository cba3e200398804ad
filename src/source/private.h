/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kinds of source share; nothing outside this folder includes it. A kind makes the tree with source_add(),
 * ends with source_sort(), and hands over a whole source or nothing.
 */
#ifndef LIVESTICK_SOURCE_PRIVATE_H
#define LIVESTICK_SOURCE_PRIVATE_H

#include "src/source/source.h"

/*
 * Live media hold some hundred files, install media some ten thousand, none deeper than 20. These bounds keep what a
 * hostile source can take at some 50 MB and a second, and let code that walks a tree recurse.
 */
#define SOURCE_NODES_MAX    200000
#define SOURCE_DEPTH_MAX    64
#define SOURCE_WARNINGS_MAX 20
#define SOURCE_TEXT_MAX     (8 * MIB) /* of all names and targets; some 40 bytes are usual */

/* Linux' PATH_MAX: no symlink leads further. */
#define SOURCE_TARGET_MAX 4096

/* Makes the common part of `s`, with an empty root. */
void source_init(struct source *s, const struct source_ops *ops, const char *path, const char *format);

/*
 * Adds an entry of `dir`. The name has `len` bytes, which may be any: it is checked here. Fails too when there are
 * too many nodes. The new node is a file of no bytes.
 */
MUST_CHECK int source_add(struct node *dir, const char *name, size_t len, struct node **ret, struct err *e);

/* Makes `n` a symlink to `target`, after a check. */
MUST_CHECK int source_set_target(struct node *n, const char *target, size_t len, struct err *e);

/* One more stretch of a file, behind those that it has. */
void source_add_extent(struct node *n, u64 off, u64 len);

/* Takes away an entry that has none itself. */
void source_remove(struct node *n);

/* Sorts all directories; fails when a name is there twice. */
MUST_CHECK int source_sort(struct source *s, struct err *e);

/* From SOURCE_WARNINGS_MAX on, warnings are dropped. */
void source_warn(struct source *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Takes `fd`, also on failure: a directory; a file or block device. `path` is for messages. */
MUST_CHECK int dir_open_fd(int fd, const char *path, struct source **ret, struct err *e);
MUST_CHECK int iso_open_fd(int fd, const char *path, struct source **ret, struct err *e);

/* What a file of `size` bytes that is not an ISO 9660 image is, as the rest of a sentence: "is empty". */
const char *kind_of(int fd, u64 size);

/* The tree is what a Windows medium shows to those who cannot read its UDF file system. */
bool kind_is_windows(const struct source *s);

#endif
