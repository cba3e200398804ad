/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/capacity.h"

#include <errno.h>

#include "src/base/buf.h"
#include "src/capacity_parts.h"

/* The first MiB is left alone: the table is there. */
#define FIRST_PLACE MIB

struct capacity_test {
	struct trial trial;
};

char *capacity_sentence(const struct capacity *c)
{
	AUTO_FREE char *claimed = size_text(c->claimed), *real = size_text(c->real), *limit = size_text(c->limit);
	struct buf b = { 0 };

	switch (c->kind) {
	case CAPACITY_GOOD:
		buf_addf(&b, "has the %s that it says, as far as %zu places tell", claimed, c->tried);
		break;
	case CAPACITY_WRAPS:
		buf_addf(&b,
		         "says it has %s, but what is written beyond %s ends up at the beginning (it wraps around): "
		         "it is a fake",
		         claimed, real);
		break;
	case CAPACITY_LOSES:
		buf_addf(&b, "says it has %s, but loses what is written beyond about %s: it is a fake", claimed, real);
		break;
	case CAPACITY_MIXES:
		buf_addf(&b,
		         "says it has %s, but what is written beyond about %s overwrites something else: it is a fake",
		         claimed, real);
		break;
	case CAPACITY_ENDS:
		buf_addf(&b, "says it has %s, but cannot be read or written beyond about %s: it is broken, or a fake",
		         claimed, real);
		break;
	case CAPACITY_BROKEN:
		buf_addf(&b,
		         "does not keep what is written to it (%zu of %zu places, the first at %s): it is "
		         "broken, or a fake of %s",
		         c->bad, c->tried, limit, claimed);
		break;
	}
	return b.s;
}

static void put_back(struct trial *t, int *r, struct capacity *c, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int back = marks_put_back(t->marks, NULL, NULL, &why);

	if (back == 0)
		return;
	c->spoilt = true;
	if (*r == 0) {
		AUTO_FREE char *words = capacity_sentence(c);

		*r = fail(e, -EUCLEAN, "%s", words);
	}
	*r = fail(e, *r, "what was there could not be put back (%s)", why.text);
}

int capacity_begin(struct device *d, struct progress *p, struct capacity_test **ret_test, struct capacity *ret,
                   struct err *e)
{
	struct capacity_test *t = xcalloc(1, sizeof(*t));
	struct seed seed;
	int r = seed_random(&seed, e);

	*ret_test = NULL;
	*ret = (struct capacity){ .claimed = d->size };
	t->trial = (struct trial){ .d = d, .p = p, .run = { FIRST_PLACE, capacity_run_length(d->size) } };
	if (r == 0 && t->trial.run.off + t->trial.run.len < d->size / 2) {
		t->trial.marks = marks_new(d, &seed);
		trial_choose(&t->trial, &seed);
		r = trial_run(&t->trial, true, ret, e);
		if (r == 0 && ret->kind == CAPACITY_GOOD)
			*ret_test = t;
		else
			put_back(&t->trial, &r, ret, e);
	}
	if (!*ret_test)
		capacity_free(t);
	return r;
}

/* The first mark that ends behind `at`, or all of the run; else *ret stays. */
static void find_mark(const struct trial *t, u64 at, struct run *ret)
{
	if (t->run.off + t->run.len > at)
		*ret = t->run;
	for (size_t i = 0; i < t->n; i++)
		if (t->place[i] + MARK_SIZE > at && t->place[i] < ret->off)
			*ret = (struct run){ t->place[i], MARK_SIZE };
}

int capacity_each_gap(const struct capacity_test *t, u64 from, u64 to, int (*fn)(void *ctx, u64 off, u64 len),
                      void *ctx)
{
	int r = 0;

	while (from < to && r == 0) {
		struct run mark = { to, 0 };

		if (t)
			find_mark(&t->trial, from, &mark);
		if (mark.off > from)
			r = fn(ctx, from, MIN(mark.off, to) - from);
		from = mark.off + mark.len;
	}
	return r;
}

int capacity_end(struct capacity_test *t, bool (*written)(void *ctx, u64 off, size_t len), void *ctx,
                 struct capacity *ret, struct err *e)
{
	int r = trial_read(&t->trial, written, ctx, ret, e);

	return r < 0 ? r : marks_put_back(t->trial.marks, written, ctx, e);
}

void capacity_free(struct capacity_test *t)
{
	if (!t)
		return;
	trial_free(&t->trial);
	free(t);
}
