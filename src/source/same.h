/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files of a source that have the same bytes, for file systems that can hold a file under several names. Known for
 * certain without reading: names of one inode in a directory, files of an image in the same place (xorriso writes hard
 * links so). Of others those with the same size are read and compared; so few are that only by chance, that this costs
 * little more than reading what is the same.
 */
#ifndef LIVESTICK_SOURCE_SAME_H
#define LIVESTICK_SOURCE_SAME_H

#include "src/source/source.h"

/* Smaller files are not worth it: who edits one of them means only that one. */
#define SAME_MIN (64 * KIB)

struct same_file {
	const struct node *node, *first; /* `first` comes before `node` in the order of source_each() */
};

struct same_files {
	struct same_file *file; /* ascending by address of `node`; only those that have a first one */
	size_t n, cap;
};

/* What cannot be read is the same as nothing: who needs it will say so. -EINTR. */
MUST_CHECK int same_find(const struct source *s, struct same_files *ret, struct err *e);

/* The first file with the bytes of `n`; `n` itself when there is no other. */
const struct node *same_first(const struct same_files *f, const struct node *n);

void same_free(struct same_files *f);

#endif
