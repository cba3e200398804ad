/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A write list as writelist.c keeps it and writelist_run.c writes it. */
#ifndef LIVESTICK_MEDIA_WRITELIST_PRIVATE_H
#define LIVESTICK_MEDIA_WRITELIST_PRIVATE_H

#include "src/media/writelist.h"

/* What belongs at `off`: `len` bytes of content, then `zeros`. So a file and the rest of its last cluster are one. */
struct segment {
	u64 off, len, zeros;
	struct input in;
	u64 in_off;          /* where in `in` it begins */
	struct sha256 *hash; /* of the content */
	bool owned;          /* the memory that `in` is */
	bool compare;
	bool shared; /* it is there already; `in` reads it from the device */
};

struct writelist {
	struct segment *segments;
	size_t n, cap;
	bool finished, compare;
	size_t side_by_side; /* lists that run at the same time, or 0 */
	u64 bytes;
	size_t stretches;
	struct writelist_counts counts;
};

/*
 * How much of the segment's content is alike from `at` on, which lies inside it: a hole in its file, or (probably) not
 * zeros. Asks the file system.
 */
u64 segment_look(const struct segment *s, u64 at, bool *ret_hole);

static inline u64 segment_end(const struct segment *s)
{
	return s->off + s->len + s->zeros;
}

#endif
