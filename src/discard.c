/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/discard.h"

#include <errno.h>

#define GRAIN MIB         /* smaller pieces than its own blocks a flash cannot forget */
#define PIECE (256 * MIB) /* between two of them an interruption is obeyed */

struct discarding {
	struct device *d;
	struct progress *p;
	bool begun;
	struct err *e;
};

/* 1: the device does not want any more. */
static int discard_piece(struct discarding *x, u64 off, u64 len)
{
	if (interrupted)
		return fail(x->e, -EINTR, "interrupted");
	if (device_discard(x->d, off, len) < 0)
		return 1;
	if (!x->begun)
		progress_begin(x->p, "discard", x->d->size);
	x->begun = true;
	progress_add(x->p, len);
	return 0;
}

static int discard_gap(void *ctx, u64 off, u64 len)
{
	u64 end = align_down(off + len, GRAIN);
	int r = 0;

	for (off = align_up(off, GRAIN); off < end && r == 0; off += PIECE)
		r = discard_piece(ctx, off, MIN(PIECE, end - off));
	return r;
}

int discard_drive(struct device *d, const struct capacity_test *marks, struct progress *p, struct err *e)
{
	struct discarding x = { .d = d, .p = p, .e = e };
	int r;

	if (!d->is_block || d->size < 3 * GRAIN)
		return 0;
	r = capacity_each_gap(marks, GRAIN, d->size - GRAIN, discard_gap, &x);
	if (r == 0 && x.begun)
		progress_end(p);
	return MIN(r, 0);
}
