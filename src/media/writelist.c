/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/writelist.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define CHUNK     MIB
#define CHUNKS    4
#define ALIGNMENT 4096 /* of a chunk's memory: what O_DIRECT wants at most */
/* Equal bytes between two that differ, below which one write costs a stick less than two: a page of its flash. */
#define WORTH_SPARING (16 * KIB)

enum segment_kind { SEGMENT_ZERO, SEGMENT_MEMORY, SEGMENT_INPUT };

struct segment {
	enum segment_kind kind;
	u64 off, len;
	struct input in;
	u64 in_off; /* where in `in` it begins */
	struct sha256 *hash;
	void *owned;
	bool compare;
};

struct writelist {
	struct segment *segments;
	size_t n, cap;
	bool finished, compare;
	u64 bytes;
	size_t stretches;
	struct writelist_counts counts;
};

struct chunk {
	u8 *mem;
	u64 off;
	size_t len;
	bool compare;
};

/* Where the reader thread is in the list: `at` bytes into segment `i`. */
struct cursor {
	const struct writelist *w;
	size_t i;
	u64 at;
};

/* What the reader thread and the writer share. Chunk number n lives in ring[n % CHUNKS]. */
struct pipeline {
	struct cursor cursor; /* the reader's */
	struct chunk ring[CHUNKS];
	u8 *old; /* the writer's: what the device holds where a chunk is to be compared; NULL: none is */
	struct writelist_counts counts;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under `lock` */
	u64 filled, emptied; /* chunks */
	bool stop;           /* the writer needs no more */
	bool ended;          /* the reader gives no more */
	int r;               /* why it ended */
	struct err err;      /* its sentence; the reader's until `ended` */
};

struct writelist *writelist_new(void)
{
	return xcalloc(1, sizeof(struct writelist));
}

void writelist_free(struct writelist *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		free(w->segments[i].owned);
	free(w->segments);
	free(w);
}

static void add(struct writelist *w, struct segment s)
{
	if (s.len == 0) {
		free(s.owned);
		return;
	}
	s.compare = w->compare;
	*ARRAY_ADD(w->segments, w->n, w->cap) = s;
	w->finished = false;
}

void writelist_add_zero(struct writelist *w, u64 off, u64 len)
{
	add(w, (struct segment){ .kind = SEGMENT_ZERO, .off = off, .len = len });
}

void writelist_add_memory(struct writelist *w, u64 off, const void *mem, u64 len)
{
	add(w, (struct segment){ .kind = SEGMENT_MEMORY, .off = off, .len = len, .in = input_memory(mem) });
}

void writelist_take_memory(struct writelist *w, u64 off, void *mem, u64 len)
{
	add(w,
	    (struct segment){ .kind = SEGMENT_MEMORY, .off = off, .len = len, .in = input_memory(mem), .owned = mem });
}

void writelist_add_input(struct writelist *w, u64 off, u64 len, struct input in, struct sha256 *hash)
{
	writelist_add_input_at(w, off, len, in, 0, hash);
}

void writelist_add_input_at(struct writelist *w, u64 off, u64 len, struct input in, u64 in_off, struct sha256 *hash)
{
	add(w, (struct segment){
	           .kind = SEGMENT_INPUT, .off = off, .len = len, .in = in, .in_off = in_off, .hash = hash });
}

void writelist_compare(struct writelist *w, bool on)
{
	w->compare = on;
}

static int by_offset(const void *a, const void *b)
{
	u64 x = ((const struct segment *)a)->off, y = ((const struct segment *)b)->off;

	return (x > y) - (x < y);
}

int writelist_finish(struct writelist *w, struct err *e)
{
	u64 end = 0;

	if (w->n > 1)
		qsort(w->segments, w->n, sizeof(*w->segments), by_offset);
	w->bytes = 0;
	w->stretches = 0;
	for (size_t i = 0; i < w->n; i++) {
		const struct segment *s = &w->segments[i];

		if (s->len > UINT64_MAX - s->off)
			return fail(e, -ERANGE, "layout: %llu bytes at byte %llu lie outside every device",
			            (unsigned long long)s->len, (unsigned long long)s->off);
		if (i > 0 && s->off < end)
			return fail(e, -EEXIST, "layout: byte %llu is wanted twice", (unsigned long long)s->off);
		if (i == 0 || s->off > end)
			w->stretches++;
		w->bytes += s->len;
		end = s->off + s->len;
	}
	w->finished = true;
	return 0;
}

u64 writelist_bytes(const struct writelist *w)
{
	assert(w->finished || w->n == 0);
	return w->bytes;
}

size_t writelist_stretches(const struct writelist *w)
{
	assert(w->finished || w->n == 0);
	return w->stretches;
}

bool writelist_touches(const struct writelist *w, u64 off, u64 len)
{
	size_t low = 0, high = w->n;

	assert(w->finished || w->n == 0);
	/* The first that ends behind `off`. */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (w->segments[middle].off + w->segments[middle].len <= off)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->n && w->segments[low].off < off + len;
}

struct writelist_counts writelist_counts(const struct writelist *w)
{
	return w->counts;
}

/* All that can be known before the first byte is written. */
static int check_against(const struct writelist *w, const struct device *d, struct err *e)
{
	u64 end = 0;

	for (size_t i = 0; i <= w->n; i++) {
		const struct segment *s = i < w->n ? &w->segments[i] : NULL;
		bool border = i == 0 || !s || s->off > end || s->compare != s[-1].compare;

		if (border && (end % d->sector_size || (s && s->off % d->sector_size)))
			return fail(e, -EINVAL, "layout: a stretch starts or ends at byte %llu, inside a sector of %s",
			            (unsigned long long)(end % d->sector_size ? end : s->off), d->name);
		if (s)
			end = s->off + s->len;
	}
	if (end > d->size)
		return fail(e, -ERANGE, "layout: ends at byte %llu, but %s has %llu bytes", (unsigned long long)end,
		            d->name, (unsigned long long)d->size);
	return 0;
}

static int read_segment(const struct segment *s, u64 at, u8 *mem, size_t len, struct err *e)
{
	int r;

	if (s->kind == SEGMENT_ZERO) {
		memset(mem, 0, len);
		return 0;
	}
	r = input_read(&s->in, s->in_off + at, mem, len, e);
	if (r == 0 && s->hash)
		sha256_add(s->hash, mem, len);
	return r;
}

/*
 * Fills the next chunk: up to the next multiple of CHUNK on the device, up to a gap, or up to where it changes whether
 * to compare. Length 0: that was all.
 */
static int read_chunk(struct cursor *c, struct chunk *k, struct err *e)
{
	k->len = 0;
	while (c->i < c->w->n) {
		const struct segment *s = &c->w->segments[c->i];
		size_t n;
		int r;

		if (k->len == 0) {
			k->off = s->off + c->at;
			k->compare = s->compare;
		} else if (k->off + k->len != s->off + c->at || (k->off + k->len) % CHUNK == 0 ||
		           k->compare != s->compare) {
			break;
		}
		n = MIN(s->len - c->at, CHUNK - (k->off + k->len) % CHUNK);
		/* Looked at here too: a chunk may be many small files of a slow source, and the writer waits for it. */
		r = interrupted ? -EINTR : read_segment(s, c->at, k->mem + k->len, n, e);
		if (r < 0)
			return r;
		k->len += n;
		c->at += n;
		if (c->at == s->len) {
			c->i++;
			c->at = 0;
		}
	}
	return 0;
}

/* False: the writer wants no more. */
static bool wait_for_room(struct pipeline *p)
{
	bool stop;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && p->filled - p->emptied == CHUNKS)
		pthread_cond_wait(&p->changed, &p->lock);
	stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	return !stop;
}

static void *reader(void *arg)
{
	struct pipeline *p = arg;
	u64 n = 0;
	int r = 0;

	while (wait_for_room(p)) {
		struct chunk *k = &p->ring[n++ % CHUNKS];

		r = read_chunk(&p->cursor, k, &p->err);
		if (r < 0 || k->len == 0)
			break;
		pthread_mutex_lock(&p->lock);
		p->filled++;
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_lock(&p->lock);
	p->r = r;
	p->ended = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* 0 and the next chunk, or NULL when there is none left. -EINTR, or what stopped the reader. */
static int next_chunk(struct pipeline *p, const struct chunk **ret)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	while (p->filled == p->emptied && !p->ended)
		pthread_cond_wait(&p->changed, &p->lock);
	if (interrupted)
		r = -EINTR;
	else if (p->ended && p->r < 0)
		r = p->r; /* at once: what has been read before it is of no use */
	else
		*ret = p->filled > p->emptied ? &p->ring[p->emptied % CHUNKS] : NULL;
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int write_piece(struct pipeline *p, struct device *d, const struct chunk *k, size_t from, size_t to,
                       struct err *e)
{
	int r = device_write(d, k->off + from, k->mem + from, to - from, e);

	if (r == 0)
		p->counts.written += to - from;
	return r;
}

/* Writes from the first sector that differs to the last, but for those rows of equal ones that are worth it. */
static int write_differing(struct pipeline *p, struct device *d, const struct chunk *k, struct err *e)
{
	size_t from = 0, to = 0; /* differ, or lie between some that do */

	for (size_t at = 0; at < k->len; at += d->sector_size) {
		int r = 0;

		if (memcmp(k->mem + at, p->old + at, d->sector_size) == 0)
			continue;
		if (to > from && at - to >= WORTH_SPARING) {
			r = write_piece(p, d, k, from, to, e);
			if (r < 0)
				return r;
			from = to;
		}
		if (to == from)
			from = at;
		to = at + d->sector_size;
	}
	return to > from ? write_piece(p, d, k, from, to, e) : 0;
}

static int write_chunk(struct pipeline *p, struct device *d, const struct chunk *k, struct err *e)
{
	AUTO_ERR struct err unreadable = { 0 };
	u64 before = p->counts.written;
	int r;

	/* What cannot be read is written: that often makes a medium replace a bad sector. */
	if (k->compare && device_read(d, k->off, p->old, k->len, &unreadable) == 0)
		r = write_differing(p, d, k, e);
	else
		r = write_piece(p, d, k, 0, k->len, e);
	if (r == 0)
		p->counts.spared += k->len - (p->counts.written - before);
	return r;
}

static int write_chunks(struct pipeline *p, struct device *d, struct progress *progress, struct err *e)
{
	for (;;) {
		const struct chunk *k;
		int r = next_chunk(p, &k);

		if (r < 0 || !k)
			return r;
		r = write_chunk(p, d, k, e);
		if (r < 0)
			return r;
		progress_add(progress, k->len);
		pthread_mutex_lock(&p->lock);
		p->emptied++;
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
}

/* Signals are left to the calling thread: no system call of a source is cut short by one. */
static int start_reader(struct pipeline *p, pthread_t *ret)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret, NULL, reader, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void stop_reader(struct pipeline *p, pthread_t thread)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(thread, NULL);
}

/* The reader's error is the run's error, unless writing failed: that has its sentence in `e` already. */
static int settle(struct pipeline *p, int r, struct err *e)
{
	if (r == 0 || e->text)
		return r;
	if (r == -EINTR && interrupted)
		return fail(e, r, "interrupted");
	return fail_as(e, p->err.code, r, "%s", p->err.text ? p->err.text : strerror(-r));
}

static bool compares(const struct writelist *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->segments[i].compare)
			return true;
	return false;
}

static int run(struct pipeline *p, struct device *d, struct progress *progress, struct err *e)
{
	pthread_t thread;
	int r;

	pthread_cond_init(&p->changed, NULL);
	pthread_mutex_init(&p->lock, NULL);
	r = start_reader(p, &thread);
	if (r == 0) {
		r = write_chunks(p, d, progress, e);
		stop_reader(p, thread);
	}
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	return settle(p, r, e);
}

int writelist_run(struct writelist *w, struct device *d, struct progress *p, struct err *e)
{
	struct pipeline pipeline = { .cursor = { .w = w } };
	bool compare = compares(w);
	AUTO_FREE void *mem = NULL;
	int r;

	assert(w->finished || w->n == 0);
	r = check_against(w, d, e);
	if (r < 0)
		return r;
	r = posix_memalign(&mem, ALIGNMENT, (CHUNKS + compare) * CHUNK);
	if (r != 0)
		return fail(e, -r, "no memory for writing: %s", strerror(r));
	for (size_t i = 0; i < CHUNKS; i++)
		pipeline.ring[i].mem = (u8 *)mem + i * CHUNK;
	pipeline.old = compare ? (u8 *)mem + CHUNKS * CHUNK : NULL;
	r = run(&pipeline, d, p, e);
	w->counts = pipeline.counts;
	err_clear(&pipeline.err);
	return r < 0 ? r : device_flush(d, e);
}
