/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way for a stick that is in use. What can be seen by reading is looked for first, because on a fake even a free
 * block may be another name for one that is not: the stick's content a second time (it wraps around), and the copies of
 * DATA's superblock, of which one was written near the end when it was made. Only when both say nothing are marks
 * written, to free places.
 */
#include <errno.h>

#include "src/base/buf.h"
#include "src/capacity_free.h"

#define CHECK_ID "capacity"

/* The superblock of ext4 and its fields: Linux, Documentation/filesystems/ext4/super.rst. */
#define SUPER_OFFSET   1024
#define SUPER_SIZE     1024
#define SPARSE_SUPER   0x1
#define SPARSE_SUPER2  0x200
#define INCOMPAT_64BIT 0x80

struct volume {
	u64 start, size;
	u8 super[SUPER_SIZE];
	bool two_copies;
	u64 block, per_group, first, groups;
};

/* False: no ext volume whose copies would be where they usually are. */
static bool parse_super(struct volume *v)
{
	const u8 *s = v->super;
	u64 blocks = get_le32(s + 4);

	v->two_copies = get_le32(s + 92) & SPARSE_SUPER2;
	if (get_le16(s + 56) != 0xef53 || get_le32(s + 24) > 6 ||
	    (!v->two_copies && !(get_le32(s + 100) & SPARSE_SUPER)))
		return false;
	if (get_le32(s + 96) & INCOMPAT_64BIT)
		blocks |= (u64)get_le32(s + 0x150) << 32;
	v->block = 1024ULL << get_le32(s + 24);
	v->first = get_le32(s + 20);
	v->per_group = get_le32(s + 32);
	if (!v->per_group || v->first >= blocks || blocks > v->size / v->block)
		return false;
	v->groups = div_round_up(blocks - v->first, v->per_group);
	return true;
}

/* The group of the next copy: group 1 and the powers of 3, 5 and 7, or two that the superblock names. */
static u64 next_copy(const struct volume *v, u64 group)
{
	u64 next = UINT64_MAX;

	for (u64 base = 3; base <= 7 && !v->two_copies; base += 2) {
		u64 n = 1;

		while (n <= group)
			n *= base;
		next = MIN(next, n);
	}
	for (size_t i = 0; i < 2 && v->two_copies; i++) {
		u64 named = get_le32(v->super + 0x24c + 4 * i);

		if (named > group)
			next = MIN(next, named);
	}
	return next;
}

/* Whether a copy is there is CAPACITY_GOOD or CAPACITY_LOSES; that it cannot be read, CAPACITY_ENDS. */
static int read_copy(struct device *d, const struct volume *v, u64 group, enum capacity_kind *ret, u64 *ret_off,
                     struct err *e)
{
	u8 copy[SUPER_SIZE];
	int r;

	*ret_off = v->start + (v->first + group * v->per_group) * v->block;
	*ret = CAPACITY_GOOD;
	r = device_read(d, *ret_off, copy, sizeof(copy), e);
	if (r < 0 && device_place_fails(r)) {
		err_clear(e);
		*ret = CAPACITY_ENDS;
		return 0;
	}
	if (r == 0 && (get_le16(copy + 56) != 0xef53 || memcmp(copy + 104, v->super + 104, 16) != 0 ||
	               get_le16(copy + 90) != (group & 0xffff)))
		*ret = CAPACITY_LOSES;
	return r;
}

/* Into *ret what the copies of DATA's superblock tell, as trial_read() would. */
static int read_copies(struct device *d, const struct stick *s, struct capacity *ret, struct err *e)
{
	const struct scan_part *data = s ? stick_data(s) : NULL;
	struct volume v = { .start = data ? data->start : 0, .size = data ? data->size : 0 };
	bool good_beyond = false;
	int r = 0;

	*ret = (struct capacity){ .claimed = d->size, .real = v.start };
	if (v.size >= SUPER_OFFSET + SUPER_SIZE)
		r = device_read(d, v.start + SUPER_OFFSET, v.super, SUPER_SIZE, e);
	if (r < 0 || !parse_super(&v))
		return r;
	for (u64 g = next_copy(&v, 0); g < v.groups && r == 0; g = next_copy(&v, g)) {
		enum capacity_kind kind;
		u64 off;

		r = read_copy(d, &v, g, &kind, &off, e);
		if (r < 0)
			break;
		ret->tried++;
		if (kind == CAPACITY_GOOD && !ret->bad)
			ret->real = off + SUPER_SIZE;
		good_beyond = good_beyond || (kind == CAPACITY_GOOD && ret->bad);
		if (kind != CAPACITY_GOOD && !ret->bad++) {
			ret->limit = off;
			ret->kind = kind;
		}
	}
	if (good_beyond) /* some are damaged, and others behind them are not: no matter of size */
		ret->kind = CAPACITY_GOOD;
	return r;
}

/* ---- proof */

/* A free place and the free place that it would be another name for; false: there are none. */
static bool find_pair(const struct free_places *f, u64 distance, u64 size, u64 *ret)
{
	for (size_t i = 0; i < f->n; i++) {
		for (u64 at = f->run[i].off; at < f->run[i].off + f->run[i].len; at += MIB) {
			if (at + distance + MARK_SIZE > size)
				return false;
			if (free_places_pick((void *)f, at + distance, at + distance + MARK_SIZE) == at + distance) {
				*ret = at;
				return true;
			}
		}
	}
	return false;
}

/* A mark is written to the one, and looked for at the other. */
static int prove_twin(struct device *d, struct marks *m, const struct free_places *f, struct capacity *c,
                      bool *ret_proven, struct err *e)
{
	struct mark_found found = { 0 };
	u64 at = 0;
	int r;

	*ret_proven = false;
	if (!find_pair(f, c->real, d->size, &at))
		return 0;
	r = marks_write(m, at, MARK_SIZE, e);
	if (r == 0)
		r = device_flush(d, e);
	if (r == 0)
		r = marks_read(m, at + c->real, MARK_SIZE, &found, e);
	if (r == 0 && found.state == MARK_OTHER && found.from == at)
		*ret_proven = true;
	else if (r == 0)
		c->kind = CAPACITY_GOOD;
	return r;
}

/* ---- together */

struct probe {
	struct device *d;
	const struct stick *s;
	struct progress *p;
	struct free_places free;
	struct trial trial;
	struct capacity found;
	bool unproven; /* it wraps around, by what was read; there was no place to prove it */
	bool wrote;
};

static bool is_not_writable(int r)
{
	return r == -EBADF || r == -EROFS || r == -EPERM || r == -EACCES;
}

static int write_marks(struct probe *x, bool search, struct err *e)
{
	const u64 len = capacity_run_length(x->d->size);
	struct seed seed;
	int r = seed_random(&seed, e);

	if (r < 0)
		return r;
	x->trial = (struct trial){ .d = x->d, .p = x->p, .pick = free_places_pick, .ctx = &x->free };
	x->trial.marks = marks_new(x->d, &seed);
	if (x->found.kind == CAPACITY_WRAPS) {
		bool proven;

		r = prove_twin(x->d, x->trial.marks, &x->free, &x->found, &proven, e);
		x->unproven = r == 0 && !proven;
		if (r < 0 || x->found.kind == CAPACITY_WRAPS)
			return r;
		x->unproven = false;
	}
	/* The first free stretch is surely in the flash; what is behind it is free only if the stick does not wrap
	 * around. */
	x->trial.run = free_places_run(&x->free, len);
	if (search && x->trial.run.len == len)
		r = trial_run(&x->trial, true, &x->found, e);
	if (r < 0 || x->found.kind != CAPACITY_GOOD)
		return r;
	trial_choose(&x->trial, &seed);
	x->wrote = x->trial.n > 0;
	return x->wrote ? trial_run(&x->trial, false, &x->found, e) : 0;
}

/* What was read decides whether anything is written. */
static int look(struct probe *x, struct err *e)
{
	bool searched = false;
	u64 real = 0;
	int r = capacity_find_twin(x->d, x->s, x->p, &real, &searched, e);

	if (r == 0 && real)
		x->found = (struct capacity){ .kind = CAPACITY_WRAPS, .claimed = x->d->size, .real = real };
	else if (r == 0)
		r = read_copies(x->d, x->s, &x->found, e);
	if (r < 0 || x->found.kind == CAPACITY_LOSES || x->found.kind == CAPACITY_ENDS)
		return r;
	if (!x->s || !x->s->is_ours)
		return 0;
	r = free_places_find(x->d, x->s, &x->free, e);
	return r < 0 ? r : write_marks(x, !searched, e);
}

static void tell(struct probe *x, struct checks *c)
{
	AUTO_FREE char *words = capacity_sentence(&x->found), *claimed = size_text(x->d->size);
	AUTO_FREE char *real = size_text(x->found.real);

	if (x->unproven)
		checks_add(
		    c, CHECK_ID, CHECK_UNKNOWN,
		    "says it has %s, and holds the same things again beyond %s, as fakes do; there is no free place "
		    "to prove it by",
		    claimed, real);
	else if (x->found.kind == CAPACITY_LOSES && !x->trial.marks)
		checks_add(
		    c, CHECK_ID, CHECK_BAD,
		    "says it has %s, but what was written near its end when it was made is not there: it is a fake, or "
		    "damaged",
		    claimed);
	else if (x->found.kind != CAPACITY_GOOD)
		checks_add(c, CHECK_ID, CHECK_BAD, "%s", words);
	else if (!x->wrote)
		checks_add(c, CHECK_ID, CHECK_UNKNOWN,
		           "nothing speaks against its %s, but there is no place that may be written to find out%s%s",
		           claimed, x->free.note ? ": " : "", x->free.note ? x->free.note : "");
	else
		checks_add(c, CHECK_ID, CHECK_OK, "%s%s%s", words, x->free.note ? "; " : "",
		           x->free.note ? x->free.note : "");
}

/* What is wrong with the stick, so that looking failed, is a result. */
static int tell_failure(struct probe *x, int r, struct checks *c, struct err *e)
{
	if (is_not_writable(r)) {
		AUTO_FREE char *claimed = size_text(x->d->size);

		checks_add(c, CHECK_ID, CHECK_UNKNOWN,
		           "nothing speaks against its %s as far as reading tells; it could not be opened for writing",
		           claimed);
		err_clear(e);
		return 0;
	}
	return checks_add_result(c, CHECK_ID, r, false, "", e);
}

int capacity_probe(struct device *d, const struct stick *s, struct progress *p, struct checks *c, struct err *e)
{
	struct probe x = { .d = d, .s = s, .p = p, .found = { .claimed = d->size } };
	AUTO_ERR struct err why = { 0 };
	int r = look(&x, e), back = 0;

	if (x.trial.marks)
		back = marks_put_back(x.trial.marks, NULL, NULL, &why);
	if (r < 0)
		r = tell_failure(&x, r, c, e);
	else
		tell(&x, c);
	if (back < 0 && !is_not_writable(back))
		checks_add(c, CHECK_ID, CHECK_BAD, "what was in free places could not be put back: %s", why.text);
	trial_free(&x.trial);
	free_places_free(&x.free);
	return r;
}
