/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What both ways of looking at a stick's capacity share. For capacity*.c only. */
#ifndef LIVESTICK_CAPACITY_PARTS_H
#define LIVESTICK_CAPACITY_PARTS_H

#include "src/capacity.h"
#include "src/media/marks.h"

struct run {
	u64 off, len;
};

/* Single marks, and a run of them that is long enough to be met by a search in large steps. */
struct trial {
	struct device *d;
	struct progress *p;
	struct marks *marks;
	u64 *place; /* of single marks, ascending */
	size_t n, cap;
	struct run run; /* length 0: there is none */
	/* The first place from `wanted` on, below `limit`, that may be marked; UINT64_MAX: none. NULL: any. */
	u64 (*pick)(void *ctx, u64 wanted, u64 limit);
	void *ctx;
	u64 fails_at;    /* a mark that could not be written; UINT64_MAX: all could */
	bool fails_once; /* but the last place of all could */
	u64 common; /* what all distances, at which marks of the run were met again, have in common; 0: none was met */
	size_t hits;
};

/* Length of the run, and of the steps in which it is searched for: two in a run. */
u64 capacity_run_length(u64 device_size);
/* As far as a search goes. */
u64 capacity_search_end(u64 device_size);

/* Chooses the places for single marks: around each power of two, and by chance between them. */
void trial_choose(struct trial *t, const struct seed *seed);

/*
 * Writes all marks, single ones first, so that the run drives them out of a cache; reads all; searches for the run
 * where it must not be, if `search`. Nothing is put back.
 */
MUST_CHECK int trial_run(struct trial *t, bool search, struct capacity *ret, struct err *e);
/* Reads the single marks again, but those that `skip` is true for. */
MUST_CHECK int trial_read(struct trial *t, bool (*skip)(void *ctx, u64 off, size_t len), void *ctx,
                          struct capacity *ret, struct err *e);
void trial_free(struct trial *t);

int capacity_interrupted(struct err *e);
u64 greatest_divisor(u64 a, u64 b);

/*
 * Looks for what is on the stick a second time where an address modulo a smaller size would be: by reading only.
 * *ret_real is the size, or 0. *ret_searched: whether there was anything to search for.
 */
MUST_CHECK int capacity_find_twin(struct device *d, const struct stick *s, struct progress *p, u64 *ret_real,
                                  bool *ret_searched, struct err *e);

#endif
