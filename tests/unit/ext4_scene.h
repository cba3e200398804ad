/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An update in the tests of lost power (ext4_cuts.h): the volume before it, what it shall do, and what it wrote. */
#ifndef LIVESTICK_TEST_EXT4_SCENE_H
#define LIVESTICK_TEST_EXT4_SCENE_H

#include <sys/mman.h>

#include "src/media/device_test.h"
#include "tests/unit/ext4_changed.h"

#define SECTOR 512U

/* What a file of the volume may be in a state. */
enum fate {
	STAYS,    /* whole */
	GOES,     /* whole, empty or not there */
	COMES,    /* the same, of the new version */
	REMADE,   /* either version, empty or not there */
	REPLACED, /* either version, whole */
	IN_PLACE, /* a mixture */
	LEFT,     /* a mixture (in a second run), empty or not there */
};

struct fated {
	enum fate fate;
	const struct text *old, *new;
	u8 *old_bytes, *new_bytes;
	bool seen;
};

struct sector {
	u64 off;
	const u8 *data;
};

/* What is written between two flushes. */
struct epoch {
	const char *phase;
	struct sector *sector;
	size_t n, cap;
};

struct scene {
	const char *name;
	u64 size; /* of the volume, which begins at START */
	struct shelf before, after;
	bool full;                        /* not a block is free */
	void (*prepare)(struct scene *s); /* what happens before the update; NULL */
	struct change change;

	u8 *mem, *work; /* before the update, and the state that is judged */
	struct epoch *epoch;
	size_t n_epochs, cap_epochs;
	struct device *recorder;
	size_t n_seen; /* of its records */
	struct flat flat;

	struct fated *fated;
	size_t n_fated, cap_fated;
	unsigned seed;
	u64 n_states, n_bad, n_fscked, n_again, n_twice, n_mounted;
	char first_bad[300];
	unsigned fsck_every, again_every, grub_every, kernel_every, twice_every; /* states */
};

#define AREA(s) (START + (s)->size)

static u8 *new_area(u64 size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

/* ---- fates */

/* Larger files are looked at in their first block only; that nothing is written over them is checked once for all. */
#define LOOKED_AT MIB

static u8 *bytes_of(const struct text *t)
{
	u64 n = t->size > LOOKED_AT ? J_BLOCK : t->size;
	u8 *bytes = xcalloc(1, n);

	text_bytes(t, 0, bytes, n);
	return bytes;
}

static void add_fate(struct scene *s, enum fate fate, const struct text *old, const struct text *new)
{
	*ARRAY_ADD(s->fated, s->n_fated, s->cap_fated) = (struct fated){
		fate, old, new, old ? bytes_of(old) : NULL, new ? bytes_of(new) : NULL, false,
	};
}

static const struct text *put_of(const struct scene *s, const char *path, bool *replace)
{
	for (size_t i = 0; i < s->change.n_put; i++)
		if (strcmp(s->change.put[i].path, path) == 0) {
			*replace = s->change.replace[i];
			return &s->change.put[i];
		}
	return NULL;
}

static bool is_removed(const struct scene *s, const char *path)
{
	for (size_t i = 0; i < s->change.n_remove; i++)
		if (strcmp(s->change.remove[i], path) == 0)
			return true;
	return false;
}

static void set_fates(struct scene *s)
{
	for (size_t i = 0; i < s->before.n; i++) {
		const struct text *t = &s->before.text[i];
		bool replace = false;
		const struct text *put = put_of(s, t->path, &replace);

		if (put)
			add_fate(s,
			         replace                ? REPLACED
			         : put->is_left         ? LEFT
			         : put->size == t->size ? IN_PLACE
			                                : REMADE,
			         t, put);
		else
			add_fate(s, is_removed(s, t->path) ? GOES : STAYS, t, NULL);
	}
	for (size_t i = 0; i < s->change.n_put; i++)
		if (!shelf_find(&s->before, s->change.put[i].path))
			add_fate(s, COMES, NULL, &s->change.put[i]);
}

/* ---- recording */

static void add_epoch(struct scene *s, const char *phase)
{
	struct epoch *p = ARRAY_ADD(s->epoch, s->n_epochs, s->cap_epochs);
	size_t n;
	const struct record *r = device_records(s->recorder, &n);

	p->phase = phase;
	for (size_t i = s->n_seen; i < n; i++)
		CHECK(r[i].is_flush == (i + 1 == n));
	for (size_t i = s->n_seen; i < n; i++)
		for (size_t at = 0; at < r[i].len; at += SECTOR)
			*ARRAY_ADD(p->sector, p->n, p->cap) = (struct sector){ r[i].off + at, r[i].data + at };
	s->n_seen = n;
}

/* Runs the update, each phase an epoch. */
static bool record_phases(struct scene *s)
{
	AUTO_UPDATER struct updater *u = NULL;
	const struct update_phase *phase = NULL;
	struct change c = s->change;
	AUTO_ERR struct err e = { 0 };
	size_t n = 0;
	bool ok = CHECK_OK(ext4_update_open(&s->flat.d, START, s->size, &u, &e), &e) &&
	          CHECK_OK(update_plan(u, change_begin(&c), &e), &e) && CHECK_OK(update_phases(u, &phase, &n, &e), &e);

	for (size_t i = 0; i < n && ok; i++) {
		ok = CHECK_OK(writelist_run(phase[i].list, s->recorder, NULL, &e), &e);
		add_epoch(s, phase[i].name);
	}
	update_close(TAKE(u));
	change_end(&c);
	return ok;
}

/* No sector of a file that stays is written at all. */
struct untouched {
	const struct scene *s;
	const char *path;
};

static bool check_untouched(void *ctx, struct j_extent x)
{
	const struct untouched *t = ctx;

	for (size_t i = 0; i < t->s->n_epochs; i++)
		for (size_t k = 0; k < t->s->epoch[i].n; k++) {
			u64 block = (t->s->epoch[i].sector[k].off - START) / J_BLOCK;

			if (block >= x.block && block < x.block + x.n)
				test_fail(__FILE__, __LINE__, "%s is written over", t->path);
		}
	return true;
}

static int check_stays(void *ctx, const char *path, const struct judge *j, const u8 *inode, u64 size)
{
	const struct scene *s = ctx;
	struct untouched t = { s, path };
	struct judge quiet = *j;

	for (size_t i = 0; i < s->n_fated && size != UINT64_MAX; i++)
		if (s->fated[i].fate == STAYS && strcmp(s->fated[i].old->path, path) == 0)
			j_tree(&quiet, j->now, inode, inode + 40, 4, false, check_untouched, &t);
	return 0;
}

/* A file that takes all that is left. */
static void add_hog(struct scene *s, const struct ext4_options *o)
{
	struct volume_files v = { 0 };
	struct made m;

	shelf_put(&s->before, "/hog", 0, 1);
	for (size_t i = 0; i < s->before.n; i++)
		add_versioned(&v, &s->before.text[i]);
	m = make(o, &v);
	shelf_put(&s->before, "/hog", ext4_free_bytes(m.x), 1);
	made_free(&m);
	volume_files_free(&v);
}

/* Lays the volume out as it is before the update. */
static void lay_out_scene(struct scene *s)
{
	struct ext4_options o = loader_options(s->size);
	struct volume_files v = { 0 };
	AUTO_MADE struct made m = { 0 };
	AUTO_ERR struct err e = { 0 };

	if (s->full)
		add_hog(s, &o);

	s->mem = new_area(AREA(s));
	s->work = new_area(AREA(s));
	memset(s->mem, 0xa5, START + MIN(s->size, 16 * MIB));
	s->flat = flat_over(s->mem, AREA(s));
	for (size_t i = 0; i < s->before.n; i++)
		add_versioned(&v, &s->before.text[i]);
	m = make(&o, &v);
	CHECK_OK(writelist_run(m.w, &s->flat.d, NULL, &e), &e);
	volume_files_free(&v);
	if (s->prepare)
		s->prepare(s);
}

/* An update before the one that is cut. */
UNUSED static void prepare_by(struct scene *s, struct change *c)
{
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(change_run(c, &s->flat.d, START, s->size, &e), &e);
	for (size_t i = 0; i < c->n_remove; i++)
		shelf_drop(&s->before, c->remove[i]);
	for (size_t i = 0; i < c->n_put; i++)
		shelf_put(&s->before, c->put[i].path, c->put[i].size, c->put[i].version);
}

/* Runs the update once, and keeps what it wrote. */
static bool record_scene(struct scene *s)
{
	const struct change *c = &s->change;
	struct judge j = { .v = s->mem + START, .size = s->size, .file = check_stays, .ctx = s };
	char why[256];

	for (size_t i = 0; i < s->before.n; i++)
		*ARRAY_ADD(s->after.text, s->after.n, s->after.cap) = s->before.text[i];
	for (size_t i = 0; i < c->n_remove; i++)
		if (!put_of(s, c->remove[i], &(bool){ false }))
			shelf_drop(&s->after, c->remove[i]);
	for (size_t i = 0; i < c->n_put; i++)
		shelf_set(&s->after, &c->put[i]);
	set_fates(s);
	memcpy(s->work, s->mem, AREA(s));
	s->flat = flat_over(s->work, AREA(s));
	s->recorder = device_new_recorder(&s->flat.d, true);
	if (!record_phases(s))
		return false;
	if (!holds_exactly(s->work + START, s->size, &s->after, UINT64_MAX, why))
		test_fail(__FILE__, __LINE__, "%s: %s", s->name, why);
	CHECK(judge_volume(&j));
	return true;
}

static void free_scene(struct scene *s)
{
	for (size_t i = 0; i < s->n_epochs; i++)
		free(s->epoch[i].sector);
	for (size_t i = 0; i < s->n_fated; i++) {
		free(s->fated[i].old_bytes);
		free(s->fated[i].new_bytes);
	}
	free(s->epoch);
	free(s->fated);
	device_free(s->recorder);
	munmap(s->mem, AREA(s));
	munmap(s->work, AREA(s));
	shelf_free(&s->before);
	shelf_free(&s->after);
}

#endif
