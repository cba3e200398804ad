/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "src/capacity_parts.h"

#define PIECE        MIB /* of the run: one write */
#define RUN_MAX      (64 * MIB)
#define STEPS_MAX    8192 /* readings of a search */
#define NOWHERE      UINT64_MAX
#define HITS_ENOUGH  32
#define BETWEEN      3  /* places by chance between two powers of two */
#define PARTS        16 /* into which the uncertain stretch is divided each time */
#define ROUNDS_MAX   6
#define SMALLEST_FIT MIB /* a smaller common divisor is no size but chance */

int capacity_interrupted(struct err *e)
{
	return interrupted ? fail(e, -EINTR, "interrupted") : 0;
}

u64 greatest_divisor(u64 a, u64 b)
{
	while (b) {
		u64 rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Its square is about 16 KiB times the size: writing it takes as long as searching for it. */
u64 capacity_run_length(u64 device_size)
{
	u64 len = 64 * KIB;

	while (len < RUN_MAX && len * len / (16 * KIB) < device_size)
		len *= 2;
	return len;
}

u64 capacity_search_end(u64 device_size)
{
	return MIN(device_size, capacity_run_length(device_size) / 2 * STEPS_MAX);
}

/* ---- places */

static u64 pick(const struct trial *t, u64 wanted, u64 limit)
{
	wanted = align_up(wanted, MARK_SIZE);
	if (t->pick)
		wanted = t->pick(t->ctx, wanted, limit);
	return wanted < limit && limit - wanted >= MARK_SIZE ? wanted : NOWHERE;
}

static void add_place(struct trial *t, u64 wanted, u64 limit)
{
	u64 at = pick(t, wanted, limit);

	if (at != NOWHERE && (at + MARK_SIZE <= t->run.off || at >= t->run.off + t->run.len))
		*ARRAY_ADD(t->place, t->n, t->cap) = at;
}

static int ascending(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/*
 * Of each octave: its first block, the one that an address cut off there leads into the run, some by chance, its last.
 * The last octave ends with the device.
 */
void trial_choose(struct trial *t, const struct seed *seed)
{
	const u64 size = align_down(t->d->size, MARK_SIZE);
	u64 chance = get_le64(seed->bytes) | 1;
	size_t n = 0;

	for (u64 from = MIB; from < size; from *= 2) {
		u64 end = MIN(2 * from, size);

		add_place(t, from, end);
		add_place(t, from + MIB, end);
		for (int i = 0; i < BETWEEN; i++) {
			chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
			add_place(t, from + align_down((chance >> 16) % (end - from), MARK_SIZE), end);
		}
		add_place(t, end - MARK_SIZE, end);
	}
	qsort(t->place, t->n, sizeof(*t->place), ascending);
	for (size_t i = 0; i < t->n; i++)
		if (n == 0 || t->place[n - 1] != t->place[i])
			t->place[n++] = t->place[i];
	t->n = n;
}

/* ---- marking */

static int mark_run(struct trial *t, struct err *e)
{
	int r = 0;

	for (u64 at = 0; at < t->run.len && r == 0; at += PIECE) {
		size_t len = MIN(PIECE, t->run.len - at);

		r = capacity_interrupted(e);
		if (r == 0)
			r = marks_write(t->marks, t->run.off + at, len, e);
		progress_add(t->p, len);
	}
	return r;
}

/* Whether the stick is there at all: a mark that was written already can be read. */
static int still_there(struct trial *t, u64 place, int r, struct err *e)
{
	AUTO_ERR struct err again = { 0 };
	struct mark_found found;

	if (marks_read(t->marks, place, MARK_SIZE, &found, &again) < 0 || found.state == MARK_FAILS)
		return r;
	err_clear(e);
	return 0;
}

static int mark_places(struct trial *t, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		int r = capacity_interrupted(e);

		if (r == 0)
			r = marks_write(t->marks, t->place[i], MARK_SIZE, e);
		if (r < 0 && device_place_fails(r) && i > 0 && still_there(t, t->place[0], r, e) == 0) {
			t->fails_at = t->place[i];
			t->fails_once = marks_write(t->marks, t->place[t->n - 1], MARK_SIZE, e) == 0;
			err_clear(e);
			t->n = i;
			return 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- reading */

/* Only of the run: of two single marks one may simply have been written over the other. */
static void note_distance(struct trial *t, const struct mark_found *f)
{
	if (f->state != MARK_OTHER || f->from - t->run.off >= t->run.len)
		return;
	t->common = greatest_divisor(t->common, f->at > f->from ? f->at - f->from : f->from - f->at);
	t->hits++;
}

/* What reading the single marks tells: `real` and `limit` are the good one before the first bad one, and that one. */
int trial_read(struct trial *t, bool (*skip)(void *ctx, u64 off, size_t len), void *ctx, struct capacity *ret,
               struct err *e)
{
	struct capacity c = { .claimed = t->d->size, .limit = t->fails_at };
	bool good_beyond = false, mixed = false, fails = t->fails_at != NOWHERE;

	for (size_t i = 0; i < t->n; i++) {
		struct mark_found found = { 0 };
		int r = skip && skip(ctx, t->place[i], MARK_SIZE) ? 1 : capacity_interrupted(e);

		if (r == 0)
			r = marks_read(t->marks, t->place[i], MARK_SIZE, &found, e);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		c.tried++;
		note_distance(t, &found);
		if (found.state == MARK_OWN && !c.bad)
			c.real = t->place[i] + MARK_SIZE;
		good_beyond = good_beyond || (found.state == MARK_OWN && c.bad);
		mixed = mixed || found.state == MARK_OTHER;
		fails = fails || found.state == MARK_FAILS;
		if (found.state != MARK_OWN && !c.bad++)
			c.limit = t->place[i];
	}
	c.bad += t->fails_at != NOWHERE;
	c.tried += t->fails_at != NOWHERE;
	if (mixed)
		c.kind = CAPACITY_MIXES;
	else if (good_beyond || t->fails_once)
		c.kind = CAPACITY_BROKEN;
	else if (fails)
		c.kind = CAPACITY_ENDS;
	else if (c.bad)
		c.kind = CAPACITY_LOSES;
	*ret = c;
	return 0;
}

/* The run itself: it was written last, so it is whole on every stick that has this room once. */
static int read_run(struct trial *t, struct capacity *c, struct err *e)
{
	for (u64 at = 0; at < t->run.len; at += PIECE) {
		struct mark_found found;
		size_t len = MIN(PIECE, t->run.len - at);
		int r = capacity_interrupted(e);

		if (r == 0)
			r = marks_read(t->marks, t->run.off + at, len, &found, e);
		if (r < 0)
			return r;
		c->tried++;
		if (found.state == MARK_OWN)
			continue;
		c->bad++;
		if (c->kind == CAPACITY_GOOD || c->kind == CAPACITY_LOSES)
			c->kind = found.state == MARK_OTHER ? CAPACITY_MIXES : CAPACITY_BROKEN;
		c->limit = MIN(c->limit, t->run.off + at);
		c->real = MIN(c->real, t->run.off);
	}
	return 0;
}

/*
 * The run is met by reading at every half of its length, wherever it is a second time. What all distances have in
 * common is the real size.
 */
static int search(struct trial *t, struct capacity *c, struct err *e)
{
	const u64 step = t->run.len / 2, end = capacity_search_end(t->d->size);
	int r = 0;

	for (u64 at = 0; at + MARK_SIZE <= end && r == 0 && t->hits < HITS_ENOUGH; at += step) {
		struct mark_found found = { 0 };

		if (at >= t->fails_at)
			break;
		r = capacity_interrupted(e);
		if (r == 0)
			r = marks_read(t->marks, at, MARK_SIZE, &found, e);
		progress_add(t->p, MARK_SIZE);
		if (r == 0)
			note_distance(t, &found);
	}
	if (r == 0 && t->common >= SMALLEST_FIT) {
		c->kind = CAPACITY_WRAPS;
		c->real = t->common;
	} else if (r == 0 && t->hits) {
		c->kind = CAPACITY_MIXES;
	}
	return r;
}

/* ---- how large it is */

/* Marks the stretch between the last good place and the first bad one, and makes it smaller. */
static int narrow(struct trial *t, struct capacity *c, struct err *e)
{
	const u64 low = c->real, high = c->limit;
	u64 place[PARTS];
	size_t n = 0;
	int r = 0;

	for (u64 i = 1; i < PARTS; i++) {
		u64 at = pick(t, low + (high - low) / PARTS * i, high);

		if (at != NOWHERE && (n == 0 || at > place[n - 1]))
			place[n++] = at;
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		r = capacity_interrupted(e);
		if (r == 0)
			r = marks_write(t->marks, place[i], MARK_SIZE, e);
		if (r < 0 && device_place_fails(r)) {
			err_clear(e);
			r = 0;
			c->limit = place[i];
			n = i;
		}
	}
	/* Where all places beyond the end are one, the mark that is known to be bad takes it from the others. */
	if (r == 0 && c->kind == CAPACITY_MIXES)
		r = marks_write(t->marks, high, MARK_SIZE, e);
	if (r == 0 && c->kind != CAPACITY_ENDS)
		r = mark_run(t, e);
	if (r == 0)
		r = device_flush(t->d, e);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct mark_found found;

		r = marks_read(t->marks, place[i], MARK_SIZE, &found, e);
		if (r == 0 && found.state != MARK_OWN) {
			c->limit = place[i];
			break;
		}
		c->real = place[i] + MARK_SIZE;
	}
	return r;
}

static int find_size(struct trial *t, struct capacity *c, struct err *e)
{
	int r = 0;

	for (int i = 0; i < ROUNDS_MAX && r == 0; i++) {
		u64 before = c->limit - c->real;

		if (c->limit <= c->real || before <= MAX(MIB, c->claimed / 4096))
			break;
		r = narrow(t, c, e);
		if (r == 0 && c->limit > c->real && c->limit - c->real >= before)
			break;
	}
	return r;
}

int trial_run(struct trial *t, bool want_search, struct capacity *ret, struct err *e)
{
	struct capacity c = { 0 };
	u64 steps = t->run.len ? capacity_search_end(t->d->size) / (t->run.len / 2) : 0;
	int r;

	t->fails_at = NOWHERE;
	progress_begin(t->p, "probe", t->run.len + (want_search ? steps * MARK_SIZE : 0));
	r = mark_places(t, e);
	if (r == 0)
		r = mark_run(t, e);
	if (r == 0)
		r = device_flush(t->d, e);
	if (r == 0)
		r = trial_read(t, NULL, NULL, &c, e);
	if (r == 0)
		r = read_run(t, &c, e);
	if (r == 0 && t->run.len && ((want_search && c.kind == CAPACITY_GOOD) || c.kind == CAPACITY_MIXES))
		r = search(t, &c, e);
	if (r == 0 && (c.kind == CAPACITY_LOSES || c.kind == CAPACITY_MIXES || c.kind == CAPACITY_ENDS))
		r = find_size(t, &c, e);
	if (r < 0)
		return r;
	progress_end(t->p);
	*ret = c;
	return 0;
}

void trial_free(struct trial *t)
{
	marks_free(t->marks);
	free(t->place);
}
