/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a stick is as large as it says. Fakes say more than they have: what is written beyond their flash ends up at
 * the beginning again, or at one place, or nowhere, or fails; some hold the last of it in a cache for a while.
 *
 * create, on a stick that is going to be wiped:
 *
 *	r = capacity_begin(d, progress, &test, &c, e);         marks are on the stick, if c.kind is CAPACITY_GOOD
 *	... the stick is written, and discarded where capacity_each_gap() says that no mark is ...
 *	r = capacity_end(test, was_written, ctx, &c, e);       what was not written since is as it was before
 *	capacity_free(test);
 *
 * verify: capacity_probe(), which writes only to places that no file has, and puts back what was there.
 *
 * What is found, and what is not: docs/capacity.md.
 */
#ifndef LIVESTICK_CAPACITY_H
#define LIVESTICK_CAPACITY_H

#include "src/base/checks.h"
#include "src/base/progress.h"
#include "src/media/device.h"
#include "src/stick.h"

enum capacity_kind {
	CAPACITY_GOOD,   /* nothing was found */
	CAPACITY_WRAPS,  /* an address is taken modulo the real size */
	CAPACITY_LOSES,  /* what is written beyond the real size is not there */
	CAPACITY_MIXES,  /* it is at a place where something else was written */
	CAPACITY_ENDS,   /* reading or writing fails beyond it */
	CAPACITY_BROKEN, /* something is not there, but what is beyond it is */
};

struct capacity {
	enum capacity_kind kind;
	u64 claimed;
	u64 real;          /* WRAPS: exact; LOSES, MIXES, ENDS: what it has at least; else 0 */
	u64 limit;         /* LOSES, MIXES, ENDS: it has less than this; BROKEN: the first bad place */
	size_t bad, tried; /* places */
	bool spoilt;       /* what was there could not be put back */
};

/* "says it has 64 GiB, but ...": follows the name of the stick. The caller frees. */
MUST_CHECK char *capacity_sentence(const struct capacity *c);

struct capacity_test;

/*
 * Marks the stick and reads the marks back, past the page cache. Unless *ret is CAPACITY_GOOD, and after every failure,
 * what was there has been put back and *ret_test is NULL. A device that cannot hold marks is good (less than 1 MiB).
 * -EINTR; failures of a device that has gone, or of putting back ("..., and what was there could not be put back").
 */
MUST_CHECK int capacity_begin(struct device *d, struct progress *p, struct capacity_test **ret_test,
                              struct capacity *ret, struct err *e);

/*
 * Calls `fn` for each stretch between `from` and `to` that has no mark, ascending; `t` NULL: there are none. Stops at
 * nonzero and returns it.
 */
int capacity_each_gap(const struct capacity_test *t, u64 from, u64 to, int (*fn)(void *ctx, u64 off, u64 len),
                      void *ctx);

/*
 * Reads again those marks that `written` is false for: all that was written since has driven them out of any cache that
 * is smaller than that. Then puts back what was there before.
 */
MUST_CHECK int capacity_end(struct capacity_test *t, bool (*written)(void *ctx, u64 off, size_t len), void *ctx,
                            struct capacity *ret, struct err *e);
void capacity_free(struct capacity_test *t);

/*
 * Adds the check "capacity". `d` is the whole stick, opened for writing (else only what can be seen by reading is
 * looked for); `s` is what was read from it, NULL when nothing could be. Used blocks are never written; what was in the
 * free ones is put back, also when it is interrupted (-EINTR).
 */
MUST_CHECK int capacity_probe(struct device *d, const struct stick *s, struct progress *p, struct checks *c,
                              struct err *e);

#endif
