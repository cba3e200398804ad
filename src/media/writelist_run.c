/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>

#include "src/base/hole.h"
#include "src/base/thread.h"
#include "src/media/writelist_private.h"

#define CHUNK      MIB
#define CHUNK_MIN  (64 * KIB)
#define CHUNKS     4
#define CHUNKS_MAX (24 * MIB) /* bytes, of all that run side by side */
#define ALIGNMENT  4096       /* of a chunk's memory: what O_DIRECT wants at most */
/* So many bytes in which nothing was equal, and from then on only one of so many chunks is looked at. */
#define FUTILE (16 * MIB)
#define LOOK   4
/* Equal bytes between two that differ, below which one write costs a stick less than two: a page of its flash. */
#define WORTH_SPARING (16 * KIB)
/* Below it is not worth it to wake another thread for hashing. */
#define WORTH_HANDING_OVER (256 * KIB)

struct chunk {
	u8 *mem;        /* of its own */
	const u8 *data; /* `mem`, or zeros that all chunks share */
	u64 off;
	size_t len;
	bool compare, shared;
};

/*
 * One piece is hashed while the reader fetches the next. It is done before another is handed over, and before anything
 * else is read than the rest of its segment: then all of that may be used. So it needs no chunk of its own.
 */
struct hasher {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under `lock` */
	struct sha256 *hash; /* NULL: nothing to do */
	const u8 *mem;
	size_t len;
	bool stop;
};

/* Where the reader thread is in the list: `at` bytes into segment `i`. */
struct cursor {
	const struct writelist *w;
	size_t i;
	u64 at;
	u64 alike; /* to here the segment's content is a hole of its file, or is not */
	bool hole;
	const u8 *zeros; /* a chunk of them */
	size_t chunk;    /* bytes */
	struct hasher *hasher;
};

/* What the reader thread and the writer share. Chunk number n lives in ring[n % CHUNKS]. */
struct pipeline {
	struct cursor cursor; /* the reader's */
	struct chunk ring[CHUNKS];
	u8 *old;       /* the writer's: what the device holds where a chunk is to be compared; NULL: none is */
	u64 futile;    /* the writer's: bytes looked at, one chunk after the other, in which nothing was equal */
	size_t passed; /* chunks since then */
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

/* All that can be known before the first byte is written. */
static int check_against(const struct writelist *w, const struct device *d, struct err *e)
{
	u64 end = 0;

	for (size_t i = 0; i <= w->n; i++) {
		const struct segment *s = i < w->n ? &w->segments[i] : NULL;
		bool border = i == 0 || !s || s->off > end || s->compare != s[-1].compare || s->shared != s[-1].shared;

		if (border && (end % d->sector_size || (s && s->off % d->sector_size)))
			return fail(e, -EINVAL, "layout: a stretch starts or ends at byte %llu, inside a sector of %s",
			            (unsigned long long)(end % d->sector_size ? end : s->off), d->name);
		if (s)
			end = segment_end(s);
	}
	if (end > d->size)
		return fail(e, -ERANGE, "layout: ends at byte %llu, but %s has %llu bytes", (unsigned long long)end,
		            d->name, (unsigned long long)d->size);
	return 0;
}

static void *hasher(void *arg)
{
	struct hasher *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		while (!h->hash && !h->stop)
			pthread_cond_wait(&h->changed, &h->lock);
		if (!h->hash)
			break;
		pthread_mutex_unlock(&h->lock);
		sha256_add(h->hash, h->mem, h->len);
		pthread_mutex_lock(&h->lock);
		h->hash = NULL;
		pthread_cond_signal(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* Waits for the piece before; `hash` NULL: only that. */
static void hand_over(struct hasher *h, struct sha256 *hash, const u8 *mem, size_t len)
{
	if (!h->has_thread)
		return;
	pthread_mutex_lock(&h->lock);
	while (h->hash)
		pthread_cond_wait(&h->changed, &h->lock);
	h->hash = hash;
	h->mem = mem;
	h->len = len;
	if (hash)
		pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static void hash_piece(struct hasher *h, struct sha256 *hash, const u8 *mem, size_t len)
{
	if (h->has_thread && len >= WORTH_HANDING_OVER) {
		hand_over(h, hash, mem, len);
		return;
	}
	hand_over(h, NULL, NULL, 0);
	sha256_add(hash, mem, len);
}

/* Where the segment's content changes from data to a hole, or back. */
static void look_for_holes(struct cursor *c)
{
	if (c->at == 0 || c->at == c->alike)
		c->alike = c->at + segment_look(&c->w->segments[c->i], c->at, &c->hole);
}

/* Room for `n` bytes at the end of a chunk; `zeros` as they are where nothing else comes into it. */
static u8 *take_room(struct chunk *k, size_t n)
{
	u8 *mem = k->mem + k->len;

	k->len += n;
	return mem;
}

static const u8 *take_zeros(const struct cursor *c, struct chunk *k, size_t n)
{
	if (k->len == 0 && (k->off + n) % c->chunk == 0) {
		k->data = c->zeros;
		k->len = n;
		return k->data;
	}
	return memset(take_room(k, n), 0, n);
}

/* The next bytes of a segment, `max` at most, into the chunk. */
static int read_segment(struct cursor *c, struct chunk *k, size_t max, struct err *e)
{
	const struct segment *s = &c->w->segments[c->i];
	const u8 *data;
	size_t n;
	int r = 0;

	if (c->at == 0 || c->at >= s->len)
		hand_over(c->hasher, NULL, NULL, 0);
	if (c->at >= s->len) {
		n = (size_t)MIN(s->len + s->zeros - c->at, max);
		take_zeros(c, k, n);
		c->at += n;
		return 0;
	}
	look_for_holes(c);
	n = (size_t)MIN(c->alike - c->at, max);
	if (c->hole) {
		data = take_zeros(c, k, n);
	} else {
		u8 *mem = take_room(k, n);

		r = input_read(&s->in, s->in_off + c->at, mem, n, e);
		data = mem;
	}
	if (r == 0 && s->hash)
		hash_piece(c->hasher, s->hash, data, n);
	c->at += n;
	return r;
}

/*
 * Fills the next chunk: up to the next multiple of its size on the device, up to a gap, or up to where it changes
 * whether to compare, or whether it is shared. Length 0: that was all.
 */
static int read_chunk(struct cursor *c, struct chunk *k, struct err *e)
{
	k->len = 0;
	k->data = k->mem;
	while (c->i < c->w->n) {
		const struct segment *s = &c->w->segments[c->i];
		int r;

		if (k->len == 0) {
			k->off = s->off + c->at;
			k->compare = s->compare;
			k->shared = s->shared;
		} else if (k->off + k->len != s->off + c->at || (k->off + k->len) % c->chunk == 0 ||
		           k->compare != s->compare || k->shared != s->shared) {
			break;
		}
		/* Looked at here too: a chunk may be many small files of a slow source, and the writer waits for it. */
		r = interrupted ? -EINTR : read_segment(c, k, c->chunk - (k->off + k->len) % c->chunk, e);
		if (r < 0)
			return r;
		if (c->at == s->len + s->zeros) {
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
	hand_over(p->cursor.hasher, NULL, NULL, 0);
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
	int r = device_write(d, k->off + from, k->data + from, to - from, e);

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

		if (memcmp(k->data + at, p->old + at, d->sector_size) == 0)
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

static int write_alike(struct pipeline *p, struct device *d, const struct chunk *k, size_t from, size_t to, bool zeros,
                       struct err *e)
{
	if (zeros && device_make_hole(d, k->off + from, to - from))
		return 0;
	return write_piece(p, d, k, from, to, e);
}

/* Row by row of pieces that are zeros, or are not; they are counted from the start of the device. */
static int write_with_holes(struct pipeline *p, struct device *d, const struct chunk *k, struct err *e)
{
	bool zeros = false;
	size_t from = 0;

	for (size_t at = 0, end; at < k->len; at = end) {
		bool now;
		int r;

		end = MIN(k->len, align_down(k->off + at, HOLE_MIN) + HOLE_MIN - k->off);
		now = end - at == HOLE_MIN && (k->data == p->cursor.zeros || mem_is_zero(k->data + at, HOLE_MIN));
		if (at > from && now != zeros) {
			r = write_alike(p, d, k, from, at, zeros, e);
			if (r < 0)
				return r;
			from = at;
		}
		zeros = now;
	}
	return write_alike(p, d, k, from, k->len, zeros, e);
}

/*
 * Where nothing is equal, as in a system image that was packed anew, looking costs a stick one reading for each
 * writing.
 */
static bool is_worth_looking(struct pipeline *p)
{
	return p->futile < FUTILE || p->passed++ % LOOK == LOOK - 1;
}

static int write_chunk(struct pipeline *p, struct device *d, const struct chunk *k, struct err *e)
{
	AUTO_ERR struct err unreadable = { 0 };
	u64 before = p->counts.written;
	bool look = k->compare && is_worth_looking(p);
	int r;

	if (k->shared) {
		p->counts.shared += k->len;
		return 0;
	}
	/* What cannot be read is written: that often makes a medium replace a bad sector. */
	if (look && device_read(d, k->off, p->old, k->len, &unreadable) == 0)
		r = write_differing(p, d, k, e);
	else if (device_has_holes(d))
		r = write_with_holes(p, d, k, e);
	else
		r = write_piece(p, d, k, 0, k->len, e);
	if (r < 0)
		return r;
	p->counts.spared += k->len - (p->counts.written - before);
	if (look)
		p->futile = p->counts.written - before < k->len ? 0 : p->futile + k->len;
	return 0;
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

static void start_hasher(struct hasher *h)
{
	pthread_cond_init(&h->changed, NULL);
	pthread_mutex_init(&h->lock, NULL);
	h->has_thread = thread_start(&h->thread, hasher, h) == 0; /* without it the reader hashes */
}

static void stop_hasher(struct hasher *h)
{
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
	if (h->has_thread)
		pthread_join(h->thread, NULL);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
}

static int run(struct pipeline *p, struct device *d, struct progress *progress, struct err *e)
{
	struct hasher h = { .stop = false };
	pthread_t thread;
	int r;

	pthread_cond_init(&p->changed, NULL);
	pthread_mutex_init(&p->lock, NULL);
	start_hasher(&h);
	p->cursor.hasher = &h;
	r = thread_start(&thread, reader, p);
	if (r == 0) {
		r = write_chunks(p, d, progress, e);
		stop_reader(p, thread);
	}
	stop_hasher(&h);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	return settle(p, r, e);
}

static size_t chunk_size(const struct writelist *w)
{
	size_t size = CHUNK;

	while (size > CHUNK_MIN && size * CHUNKS * w->side_by_side > CHUNKS_MAX)
		size /= 2;
	return size;
}

int writelist_run(struct writelist *w, struct device *d, struct progress *p, struct err *e)
{
	const size_t chunk = chunk_size(w);
	struct pipeline pipeline = { .cursor = { .w = w, .chunk = chunk } };
	bool compare = compares(w);
	AUTO_FREE u8 *zeros = NULL;
	AUTO_FREE void *mem = NULL;
	int r;

	assert(w->finished || w->n == 0);
	r = check_against(w, d, e);
	if (r < 0)
		return r;
	r = posix_memalign(&mem, ALIGNMENT, (CHUNKS + compare) * chunk);
	if (r != 0)
		return fail(e, -r, "no memory for writing: %s", strerror(r));
	for (size_t i = 0; i < CHUNKS; i++)
		pipeline.ring[i].mem = (u8 *)mem + i * chunk;
	pipeline.old = compare ? (u8 *)mem + CHUNKS * chunk : NULL;
	/* Only read: as the C library gets it from the kernel, all of it is one page. */
	zeros = xcalloc(chunk + ALIGNMENT, 1);
	pipeline.cursor.zeros = (u8 *)align_up((uintptr_t)zeros, ALIGNMENT);
	r = run(&pipeline, d, p, e);
	w->counts = pipeline.counts;
	err_clear(&pipeline.err);
	return r < 0 ? r : device_flush(d, e);
}
