/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/device.h"

#include <assert.h>

#define PIECE 4096

struct piece {
	u64 off;
	u8 now[PIECE], before[PIECE];
};

struct overlay {
	struct device d;
	struct device *under;
	struct piece **piece; /* ascending; only what was written */
	size_t n, cap;
};

/* Index of the first piece at `off` or behind. */
static size_t find_piece(const struct overlay *o, u64 off)
{
	size_t low = 0, high = o->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (o->piece[mid]->off < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int overlay_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct overlay *o = (struct overlay *)d;
	int r = o->under->ops->read(o->under, off, buf, len);

	for (size_t i = find_piece(o, align_down(off, PIECE)); r == 0 && i < o->n && o->piece[i]->off < off + len;
	     i++) {
		const struct piece *p = o->piece[i];
		u64 from = MAX(p->off, off), to = MIN(p->off + PIECE, off + len);

		memcpy((u8 *)buf + (from - off), p->now + (from - p->off), to - from);
	}
	return r;
}

/* The piece at `off`, which takes what the device below has when it is new. */
static int make_piece(struct overlay *o, u64 off, struct piece **ret)
{
	size_t at = find_piece(o, off);
	struct piece *p;
	int r;

	if (at < o->n && o->piece[at]->off == off) {
		*ret = o->piece[at];
		return 0;
	}
	p = xcalloc(1, sizeof(*p));
	p->off = off;
	r = o->under->ops->read(o->under, off, p->now, MIN(PIECE, o->d.size - off));
	if (r < 0) {
		free(p);
		return r;
	}
	memcpy(p->before, p->now, PIECE);
	*ARRAY_ADD(o->piece, o->n, o->cap) = NULL;
	memmove(&o->piece[at + 1], &o->piece[at], (o->n - 1 - at) * sizeof(o->piece[0]));
	o->piece[at] = p;
	*ret = p;
	return 0;
}

static int overlay_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct overlay *o = (struct overlay *)d;
	const u8 *from = buf;

	while (len > 0) {
		size_t at = off % PIECE, n = MIN(len, PIECE - at);
		struct piece *p;
		int r = make_piece(o, off - at, &p);

		if (r < 0)
			return r;
		memcpy(p->now + at, from, n);
		off += n;
		from += n;
		len -= n;
	}
	return 0;
}

int device_overlay_mark(struct device *d, u64 off, size_t len, struct err *e)
{
	struct overlay *o = (struct overlay *)d;

	for (u64 at = align_down(off, PIECE); at < off + len; at += PIECE) {
		struct piece *p;
		int r = make_piece(o, at, &p);

		if (r < 0)
			return fail(e, r, "%s: read at byte %llu: %s", d->name, (unsigned long long)at, strerror(-r));
		for (u64 i = MAX(at, off) - at; i < MIN(at + PIECE, off + len) - at; i++)
			p->before[i] = (u8)~p->now[i];
	}
	return 0;
}

static bool is_changed(const struct overlay *o, const struct piece *p, size_t at)
{
	return memcmp(p->now + at, p->before + at, o->d.sector_size) != 0;
}

int device_overlay_changes(struct device *d, int (*fn)(void *ctx, u64 off, const u8 *data, size_t len), void *ctx)
{
	struct overlay *o = (struct overlay *)d;
	size_t sector = d->sector_size;

	for (size_t i = 0; i < o->n; i++) {
		struct piece *p = o->piece[i];

		for (size_t at = 0, end; at < PIECE; at = end) {
			bool changed = is_changed(o, p, at);
			int r;

			for (end = at + sector; end < PIECE && is_changed(o, p, end) == changed; end += sector)
				;
			if (!changed)
				continue;
			r = fn(ctx, p->off + at, p->now + at, end - at);
			if (r != 0)
				return r;
			memcpy(p->before + at, p->now + at, end - at);
		}
	}
	return 0;
}

static void overlay_free(struct device *d)
{
	struct overlay *o = (struct overlay *)d;

	for (size_t i = 0; i < o->n; i++)
		free(o->piece[i]);
	free(o->piece);
}

static const struct device_ops overlay_ops = {
	.read = overlay_read,
	.write = overlay_write,
	.free = overlay_free,
};

struct device *device_new_overlay(struct device *under)
{
	struct overlay *o = xcalloc(1, sizeof(*o));

	assert(PIECE % under->sector_size == 0);
	o->d = (struct device){
		.ops = &overlay_ops,
		.name = xstrdup(under->name),
		.size = under->size,
		.sector_size = under->sector_size,
		.fd = -1,
	};
	o->under = under;
	return &o->d;
}
