/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/writelist_private.h"

#include <assert.h>
#include <errno.h>

#include "src/base/hole.h"

struct writelist *writelist_new(void)
{
	return xcalloc(1, sizeof(struct writelist));
}

static void free_owned(struct segment *s)
{
	if (s->owned)
		free((void *)s->in.mem);
}

void writelist_free(struct writelist *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		free_owned(&w->segments[i]);
	free(w->segments);
	free(w);
}

static void add(struct writelist *w, struct segment s)
{
	if (s.len + s.zeros == 0) {
		free_owned(&s);
		return;
	}
	s.compare = w->compare;
	*ARRAY_ADD(w->segments, w->n, w->cap) = s;
	w->finished = false;
}

void writelist_add_zero(struct writelist *w, u64 off, u64 len)
{
	struct segment *last = w->n && !w->finished ? &w->segments[w->n - 1] : NULL;

	if (last && last->compare == w->compare && last->zeros == 0 && last->off + last->len == off)
		last->zeros = len;
	else
		add(w, (struct segment){ .off = off, .zeros = len });
}

void writelist_add_memory(struct writelist *w, u64 off, const void *mem, u64 len)
{
	add(w, (struct segment){ .off = off, .len = len, .in = input_memory(mem) });
}

void writelist_take_memory(struct writelist *w, u64 off, void *mem, u64 len)
{
	add(w, (struct segment){ .off = off, .len = len, .in = input_memory(mem), .owned = true });
}

void writelist_add_input(struct writelist *w, u64 off, u64 len, struct input in, struct sha256 *hash)
{
	writelist_add_input_at(w, off, len, in, 0, hash);
}

void writelist_add_input_at(struct writelist *w, u64 off, u64 len, struct input in, u64 in_off, struct sha256 *hash)
{
	add(w, (struct segment){ .off = off, .len = len, .in = in, .in_off = in_off, .hash = hash });
}

void writelist_side_by_side(struct writelist *w, size_t n)
{
	w->side_by_side = n;
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

		if (s->len > UINT64_MAX - s->off || s->zeros > UINT64_MAX - s->off - s->len)
			return fail(e, -ERANGE, "layout: %llu and %llu bytes at byte %llu lie outside every device",
			            (unsigned long long)s->len, (unsigned long long)s->zeros,
			            (unsigned long long)s->off);
		if (i > 0 && s->off < end)
			return fail(e, -EEXIST, "layout: byte %llu is wanted twice", (unsigned long long)s->off);
		if (i == 0 || s->off > end)
			w->stretches++;
		w->bytes += s->len + s->zeros;
		end = segment_end(s);
	}
	w->finished = true;
	return 0;
}

u64 segment_look(const struct segment *s, u64 at, bool *ret_hole)
{
	struct input_place place;
	u64 len = s->len - at;

	*ret_hole = false;
	if (len < HOLE_MIN || input_place(&s->in, s->in_off + at, &place) < 0)
		return len;
	len = hole_look(place.fd, place.off, MIN(place.len, len), ret_hole);
	close(place.fd);
	return len;
}

/* Of a stretch of zeros, what becomes a hole wherever it begins. */
static u64 whole_pieces(u64 len)
{
	return len < 2 * HOLE_MIN ? 0 : align_down(len - HOLE_MIN, HOLE_MIN);
}

u64 writelist_holes(const struct writelist *w)
{
	u64 sum = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct segment *s = &w->segments[i];
		bool hole;

		for (u64 at = 0, n; at < s->len; at += n) {
			n = segment_look(s, at, &hole);
			sum += hole ? whole_pieces(n) : 0;
		}
		sum += whole_pieces(s->zeros);
	}
	return sum;
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

		const struct segment *s = &w->segments[middle];

		if (s->off + s->len + s->zeros <= off)
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
