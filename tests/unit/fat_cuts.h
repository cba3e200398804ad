/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a loss of power may leave of an update: it is recorded sector by sector, and replayed in part. Between two
 * flushes any of the sectors may have arrived and any may not; before the first of the two all have.
 */
#ifndef LIVESTICK_TEST_FAT_CUTS_H
#define LIVESTICK_TEST_FAT_CUTS_H

#include "src/media/device_test.h"
#include "tests/unit/fat_scene.h"

/* ---- a device of plain memory that can be set back */

struct old_sector {
	u64 off;
	u8 data[4096];
};

struct flat {
	struct device d;
	u8 *mem;
	struct old_sector *old; /* what was there, in the order of writing */
	size_t n_old, cap_old;
};

static void flat_put(struct flat *f, u64 off, const u8 *data)
{
	struct old_sector *old = ARRAY_ADD(f->old, f->n_old, f->cap_old);

	old->off = off;
	memcpy(old->data, f->mem + off, f->d.sector_size);
	memcpy(f->mem + off, data, f->d.sector_size);
}

static void flat_back(struct flat *f, size_t to)
{
	for (; f->n_old > to; f->n_old--)
		memcpy(f->mem + f->old[f->n_old - 1].off, f->old[f->n_old - 1].data, f->d.sector_size);
}

/* What has been written stays. */
UNUSED static void flat_forget(struct flat *f)
{
	f->n_old = 0;
}

static int flat_read(struct device *d, u64 off, void *buf, size_t len)
{
	memcpy(buf, ((struct flat *)d)->mem + off, len);
	return 0;
}

static int flat_write(struct device *d, u64 off, const void *buf, size_t len)
{
	for (size_t at = 0; at < len; at += d->sector_size)
		flat_put((struct flat *)d, off + at, (const u8 *)buf + at);
	return 0;
}

static void flat_free(struct device *d)
{
	free(((struct flat *)d)->mem);
	free(((struct flat *)d)->old);
}

UNUSED static struct flat *flat_new(u64 size, u32 sector)
{
	static const struct device_ops ops = { .read = flat_read, .write = flat_write, .free = flat_free };
	struct flat *f = xcalloc(1, sizeof(*f));

	f->d = (struct device){ .ops = &ops, .name = xstrdup("stick"), .size = size, .sector_size = sector, .fd = -1 };
	f->mem = xcalloc(1, size);
	return f;
}

/* ---- the log of an update */

struct sector_write {
	u64 off;
	u8 *data;
	bool is_fat, is_dir; /* of a directory that was there before */
};

#define EPOCHS 6

/* The writes between two flushes; index: enum phase_no. */
struct epoch {
	struct sector_write *w;
	size_t n, cap;
};

enum phase_no { UNLINK, DATA, CHAIN, ENTER, RELEASE };

static const char *const phase_names[] = { "unlink", "data", "chain", "enter", "release" };

struct cuts {
	struct flat *f;
	u64 start, size;
	const struct step *step;
	struct epoch epoch[EPOCHS];
	u8 **before, **after; /* the bytes of the files */
	/* for each file before: what is put in its place, and whether a cut can make it be not there */
	const struct volume_file **put;
	bool *may_miss;
	bool *seen;
	unsigned way;
	u64 seed;

	/* what may be asked for */
	bool until_bad;   /* stop at the first bad state: enough to know that there is one */
	unsigned again;   /* run the update again in one of so many states; 0: never */
	unsigned subsets; /* of the sectors of an epoch, at random */
	bool miscounted;  /* the state at the beginning may have a wrong count of free clusters */
	bool room;        /* it must not be lost while data is written in order: see all_prefixes() */

	u32 cluster;       /* bytes, for what follows */
	const char *image; /* where fsck.fat gets the volume that one in FSCK_EACH of these leaves; NULL: it does not */
	u64 states, bad, reruns, fscked;
	char fault[5000]; /* of the state that is being looked at */
	char why[6000];   /* of the first bad one */
};

static void epoch_add(struct epoch *p, const struct record *r, u32 sector)
{
	for (size_t at = 0; at < r->len; at += sector) {
		struct sector_write *w = ARRAY_ADD(p->w, p->n, p->cap);

		w->off = r->off + at;
		w->data = memcpy(xcalloc(1, sector), r->data + at, sector);
	}
}

static int any_file(void *ctx, const struct judged_file *f)
{
	(void)ctx, (void)f;
	return 0;
}

static int phase_number(const char *name)
{
	for (int i = 0; i < (int)ARRAY_SIZE(phase_names); i++)
		if (strcmp(name, phase_names[i]) == 0)
			return i;
	test_fail(__FILE__, __LINE__, "no phase is called %s", name);
	return 0;
}

/* Tells the sectors of the FATs and of directories apart. */
static void mark_sectors(struct cuts *c)
{
	AUTO_FREE struct judge *j = xcalloc(1, sizeof(*j));
	AUTO_FREE u8 *dirs = xcalloc(1, c->size / 512);

	j->d = &c->f->d;
	j->start = c->start;
	j->file = any_file;
	j->dirs = dirs;
	CHECK(judge_run(j) == 0);
	for (size_t i = 0; i < EPOCHS; i++)
		for (size_t k = 0; k < c->epoch[i].n; k++) {
			struct sector_write *w = &c->epoch[i].w[k];
			u64 off = w->off - c->start;

			w->is_fat = off >= j->tables && off < j->data;
			w->is_dir = off >= j->data && dirs[(off - j->data) / j->cluster + 2];
		}
}

/* Records the update, and sets the device back. False: it cannot be done at all. */
UNUSED static bool cuts_record(struct cuts *c)
{
	struct volume_update update = c->step->update;
	AUTO_DEVICE struct device *recorder = device_new_recorder(&c->f->d, true);
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	const struct update_phase *phase;
	size_t n, n_log, old = c->f->n_old;

	if (!CHECK_OK(fat_update_open(&c->f->d, c->start, c->size, &u, &e), &e) || update_plan(u, &update, &e) < 0 ||
	    !CHECK_OK(update_phases(u, &phase, &n, &e), &e))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct record *log;

		device_records_clear(recorder);
		CHECK_OK(writelist_run(phase[i].list, recorder, NULL, &e), &e);
		log = device_records(recorder, &n_log);
		/* A flush, at the end and only there. */
		for (size_t k = 0; k < n_log; k++) {
			CHECK(log[k].is_flush == (k + 1 == n_log));
			if (!log[k].is_flush)
				epoch_add(&c->epoch[phase_number(phase[i].name)], &log[k], c->f->d.sector_size);
		}
	}
	flat_back(c->f, old);
	mark_sectors(c);
	return true;
}

static u8 **contents(const struct volume_files *v)
{
	u8 **all = xcalloc(v->n, sizeof(*all));

	for (size_t i = 0; i < v->n; i++) {
		all[i] = xcalloc(1, v->file[i].size);
		if (!v->file[i].is_dir)
			made_up_read(v->file[i].input.ctx, 0, all[i], v->file[i].size, NULL);
	}
	return all;
}

static bool may_miss(const struct step *s, const struct volume_file *f, const struct volume_file *put)
{
	if (!volume_find(&s->after, f->path))
		return true;
	return !f->is_dir && put && !put->is_dir && !put->replace && put->size != f->size;
}

UNUSED static void cuts_begin(struct cuts *c, struct flat *f, u64 start, u64 size, const struct step *s, u64 seed)
{
	*c = (struct cuts){ .f = f, .start = start, .size = size, .step = s, .seed = seed };
	c->before = contents(s->before);
	c->after = contents(&s->after);
	c->seen = xcalloc(s->before->n, sizeof(*c->seen));
	c->put = xcalloc(s->before->n, sizeof(*c->put));
	c->may_miss = xcalloc(s->before->n, sizeof(*c->may_miss));
	for (size_t i = 0; i < s->before->n; i++) {
		c->put[i] = scene_find(&s->update.put, s->before->file[i].path);
		c->may_miss[i] = may_miss(s, &s->before->file[i], c->put[i]);
	}
}

UNUSED static void cuts_end(struct cuts *c)
{
	for (size_t i = 0; i < EPOCHS; i++) {
		for (size_t k = 0; k < c->epoch[i].n; k++)
			free(c->epoch[i].w[k].data);
		free(c->epoch[i].w);
	}
	for (size_t i = 0; i < c->step->before->n; i++)
		free(c->before[i]);
	for (size_t i = 0; i < c->step->after.n; i++)
		free(c->after[i]);
	free(c->before);
	free(c->after);
	free(c->seen);
	free(c->put);
	free(c->may_miss);
}

/* ---- is a state as promised? */

static bool holds(const struct judged_file *f, const struct volume_file *want, const u8 *data)
{
	return want && f->is_dir == want->is_dir && f->size == (want->is_dir ? 0 : want->size) &&
	       (f->size == 0 || memcmp(f->data, data, f->size) == 0);
}

/* Each sector old or new. */
static bool is_mixture(const struct cuts *c, const struct judged_file *f, const u8 *a, const u8 *b)
{
	u32 sector = c->f->d.sector_size;

	for (u64 at = 0; at < f->size; at += sector) {
		size_t n = MIN(sector, f->size - at);

		if (memcmp(f->data + at, a + at, n) != 0 && memcmp(f->data + at, b + at, n) != 0)
			return false;
	}
	return true;
}

static int cut_file(void *ctx, const struct judged_file *f)
{
	struct cuts *c = ctx;
	const struct volume_file *was = volume_find(c->step->before, f->path),
	                         *is = volume_find(&c->step->after, f->path);
	const u8 *old = was ? c->before[was - c->step->before->file] : NULL;
	const u8 *new = is ? c->after[is - c->step->after.file] : NULL;
	const struct volume_file *put = was ? c->put[was - c->step->before->file] : NULL;
	const char *what = NULL;

	if (!was && !is)
		what = "nobody wrote that";
	else if (was && c->seen[was - c->step->before->file])
		what = "is there twice";
	else if (holds(f, was, old) || holds(f, is, new))
		what = NULL;
	else if (!was || !is || f->is_dir || f->size != was->size || f->size != is->size || was->is_dir || is->is_dir)
		what = "is neither what it was nor what it shall be";
	else if (!put || put->replace || !is_mixture(c, f, old, new))
		what = "has bytes of both, or of neither";
	if (was)
		c->seen[was - c->step->before->file] = true;
	if (what)
		snprintf(c->fault, sizeof(c->fault), "%s: %s", f->path, what);
	return what ? -1 : 0;
}

/* One way to read it. */
static bool is_good_this_way(struct cuts *c, bool may_miscount, u32 *ret_lost)
{
	AUTO_FREE struct judge *j = xcalloc(1, sizeof(*j));

	j->d = &c->f->d;
	j->start = c->start;
	j->copy = c->way & 1;
	j->goes_on = c->way & 2;
	j->file = cut_file;
	j->ctx = c;
	c->fault[0] = '\0';
	memset(c->seen, 0, c->step->before->n * sizeof(*c->seen));
	if (judge_run(j) < 0) {
		if (j->why[0])
			memcpy(c->fault, j->why, sizeof(c->fault));
		return false;
	}
	for (size_t i = 0; i < c->step->before->n; i++) {
		const struct volume_file *f = &c->step->before->file[i];

		if (c->seen[i] || c->may_miss[i])
			continue;
		snprintf(c->fault, sizeof(c->fault), "%s: is missing", f->path);
		return false;
	}
	/* While clusters change hands the count is unknown. */
	if (c->way == 0 && j->count != 0xffffffff && j->count != j->n_free && !may_miscount) {
		snprintf(c->fault, sizeof(c->fault), "%u clusters are free, FSInfo says %u", j->n_free, j->count);
		return false;
	}
	*ret_lost = j->lost;
	return true;
}

/* *ret_lost: clusters that are taken for nothing, as the first FAT has it. */
static bool is_good(struct cuts *c, const char *state, bool may_miscount, u32 *ret_lost)
{
	u32 lost[4];

	for (c->way = 0; c->way < 4; c->way++)
		if (!is_good_this_way(c, may_miscount, &lost[c->way])) {
			if (!c->why[0])
				snprintf(c->why, sizeof(c->why), "%s, way %u: %s", state, c->way, c->fault);
			return false;
		}
	*ret_lost = lost[0];
	return true;
}

#define FSCK_EACH 5

static void fsck_this(struct cuts *c, const struct updater *u)
{
	AUTO_CLOSE int fd = open(c->image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	u64 files, used, clusters;

	CHECK(fd >= 0 && write(fd, c->f->mem + c->start, c->size) == (ssize_t)c->size);
	fsck_clean(c->image, &files, &used, &clusters);
	CHECK_U64(files, c->step->after.n);
	/* All room is there again that no file has. */
	CHECK_U64(u->numbers.free_after, (clusters - used) * c->cluster);
	c->fscked++;
}

/* The update is run again on what is there; afterwards all is as it shall be, and nothing is left over. */
static void run_again(struct cuts *c, const char *state)
{
	AUTO_UPDATER struct updater *u = NULL, *second = NULL;
	struct volume_update update = c->step->update;
	size_t old = c->f->n_old;
	AUTO_ERR struct err e = { 0 };

	c->reruns++;
	if (fat_update_open(&c->f->d, c->start, c->size, &u, &e) < 0 || update_plan(u, &update, &e) < 0 ||
	    update_run(u, &c->f->d, NULL, &e) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", state, e.text);
	else if (holds_exactly(&c->f->d, c->start, &c->step->after, state) &&
	         CHECK_OK(fat_update_open(&c->f->d, c->start, c->size, &second, &e), &e)) {
		for (size_t i = 0; i < second->n_leftover; i++)
			test_fail(__FILE__, __LINE__, "%s: left over: %s", state, second->leftover[i]);
		CHECK_U64(u->numbers.free_after, second->numbers.free_before);
		if (c->image && c->reruns % FSCK_EACH == 0)
			fsck_this(c, u);
	}
	flat_back(c->f, old);
}

/* False: that is enough. */
static bool look(struct cuts *c, const char *state, unsigned epoch, u32 *ret_lost)
{
	c->states++;
	/* Old chains and the count after them are written together: a wrong count is told, and harms nobody. */
	if (!is_good(c, state, epoch == RELEASE || (c->miscounted && epoch == UNLINK), ret_lost)) {
		c->bad++;
		return !c->until_bad;
	}
	if (c->again && below(&c->seed, c->again) == 0)
		run_again(c, state);
	return true;
}

/* ---- all states */

#define ALL_SUBSETS 8 /* of so many sectors */

static bool try_subset(struct cuts *c, const struct epoch *p, unsigned epoch, const bool *arrives, const char *how)
{
	size_t old = c->f->n_old;
	u32 lost;
	char state[160];
	bool go_on;

	for (size_t i = 0; i < p->n; i++)
		if (arrives[i])
			flat_put(c->f, p->w[i].off, p->w[i].data);
	snprintf(state, sizeof(state), "epoch %u: %s", epoch, how);
	go_on = look(c, state, epoch, &lost);
	flat_back(c->f, old);
	return go_on;
}

static bool all_subsets(struct cuts *c, const struct epoch *p, unsigned epoch)
{
	bool arrives[ALL_SUBSETS];

	for (unsigned set = 0; set < 1U << p->n; set++) {
		char how[80];

		for (size_t i = 0; i < p->n; i++)
			arrives[i] = set >> i & 1;
		snprintf(how, sizeof(how), "subset %#x", set);
		if (!try_subset(c, p, epoch, arrives, how))
			return false;
	}
	return true;
}

/* One lost, only one arrived, and some at random: many, half, few. */
static bool some_subsets(struct cuts *c, const struct epoch *p, unsigned epoch)
{
	AUTO_FREE bool *arrives = xcalloc(p->n, sizeof(*arrives));
	char how[80];

	for (size_t k = 0; k < 2 * p->n; k++) {
		/* Of very many sectors (data), not each. */
		if (p->n > 4 * (size_t)c->subsets && below(&c->seed, p->n) > 4 * (size_t)c->subsets)
			continue;
		memset(arrives, k < p->n, p->n * sizeof(*arrives));
		arrives[k % p->n] = k >= p->n;
		snprintf(how, sizeof(how), "%s sector %zu of %zu", k < p->n ? "all but" : "only", k % p->n, p->n);
		if (!try_subset(c, p, epoch, arrives, how))
			return false;
	}
	for (unsigned k = 0; k < c->subsets; k++) {
		u64 percent = k % 3 == 0 ? 50 : k % 3 == 1 ? 90 : 10;

		for (size_t i = 0; i < p->n; i++)
			arrives[i] = below(&c->seed, 100) < percent;
		snprintf(how, sizeof(how), "random %u", k);
		if (!try_subset(c, p, epoch, arrives, how))
			return false;
	}
	return true;
}

/*
 * In the order of writing, cut before each sector, which is each write torn at each sector too. While data is being
 * written, room must not be lost: that takes minutes, and the stick may be used before the next update.
 */
static bool all_prefixes(struct cuts *c, const struct epoch *p, unsigned epoch)
{
	size_t old = c->f->n_old;
	bool go_on = true;

	for (size_t i = 0; i <= p->n && go_on; i++) {
		u32 lost = 0;
		char state[160];

		snprintf(state, sizeof(state), "epoch %u: the first %zu of %zu sectors", epoch, i, p->n);
		go_on = look(c, state, epoch, &lost);
		if (go_on && c->room && epoch == DATA && lost > 0 && i > 0 && !p->w[i - 1].is_fat) {
			c->bad++;
			if (!c->why[0])
				snprintf(c->why, sizeof(c->why), "%s: %u clusters are lost while data is written",
				         state, lost);
			go_on = !c->until_bad;
		}
		if (i < p->n)
			flat_put(c->f, p->w[i].off, p->w[i].data);
	}
	flat_back(c->f, old);
	return go_on;
}

/* Through the epochs in the order given, -1 at the end. The device is set back. */
UNUSED static void cuts_enumerate(struct cuts *c, const int *order)
{
	size_t old = c->f->n_old;
	bool go_on = true;

	for (; *order >= 0 && go_on; order++) {
		const struct epoch *p = &c->epoch[*order];

		if (p->n == 0)
			continue;
		go_on =
		    all_prefixes(c, p, (unsigned)*order) &&
		    (p->n <= ALL_SUBSETS ? all_subsets(c, p, (unsigned)*order) : some_subsets(c, p, (unsigned)*order));
		for (size_t i = 0; i < p->n; i++)
			flat_put(c->f, p->w[i].off, p->w[i].data);
	}
	flat_back(c->f, old);
}

#endif
