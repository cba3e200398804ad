/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a stick may be written without touching anything of anybody's. For capacity*.c only. */
#ifndef LIVESTICK_CAPACITY_FREE_H
#define LIVESTICK_CAPACITY_FREE_H

#include "src/capacity_parts.h"

struct free_places {
	struct run *run; /* ascending, whole multiples of MARK_SIZE on the device */
	size_t n, cap;
	char *note; /* what could not be looked into, and why; NULL: nothing */
};

/* Of BOOT and DATA what their file systems say is free, and of the last MiB what no partition and no table has. */
MUST_CHECK int free_places_find(struct device *d, const struct stick *s, struct free_places *ret, struct err *e);
void free_places_free(struct free_places *f);

/* For trial.pick; `ctx` is the struct. */
u64 free_places_pick(void *ctx, u64 wanted, u64 limit);
/* The first stretch of `len` bytes; where there is none, the longest. */
struct run free_places_run(const struct free_places *f, u64 len);

#endif
