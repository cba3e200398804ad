/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks that a source's file and the file that is written can share. They are shared before the pass, which then reads
 * them from the file that is written, and hashes that: so what was hashed is what is there, whatever becomes of the
 * source meanwhile.
 */
#include "src/base/progress.h"
#include "src/media/writelist_private.h"

#define SHARE_MIN    (256 * KIB) /* less is written as fast as it is shared, and leaves the file in fewer pieces */
#define PIECE        (256 * MIB) /* between two of them an interruption is obeyed */
#define REFUSALS_MAX 8           /* of single files; then it is no use to go on */

/* Bytes of a segment's content that are shared. */
struct piece {
	size_t segment;
	u64 at, len;
};

struct sharing {
	struct writelist *w;
	struct device *d;
	u64 grain;
	struct piece *piece; /* ascending */
	size_t n, cap;
	int refusals;
};

/* Whether it speaks of the two file systems, and not of one file or one place. */
static bool is_final(int r)
{
	return r == -EOPNOTSUPP || r == -EXDEV || r == -ENOTTY || r == -ENOSYS;
}

/* As much of whole blocks as can be had. -EINTR. */
static int share_blocks(struct sharing *x, const struct input_place *from, u64 to, u64 *ret_len, struct err *e)
{
	u64 n = 0;

	for (int r = 0; n < from->len && r == 0;) {
		u64 len = MIN(PIECE, from->len - n);

		if (interrupted)
			return fail(e, -EINTR, "interrupted");
		r = device_share(x->d, to + n, from->fd, from->off + n, len);
		if (r == 0)
			n += len;
		else
			x->refusals = is_final(r) ? REFUSALS_MAX : x->refusals + 1;
	}
	*ret_len = n;
	return 0;
}

/* `from` is `len` bytes of the content of segment `i` from `at` on. */
static int share_place(struct sharing *x, size_t i, u64 at, struct input_place from, struct err *e)
{
	const u64 to = x->w->segments[i].off + at, before = align_up(to, x->grain) - to;
	u64 len = 0;
	int r;

	if ((to ^ from.off) & (x->grain - 1) || from.len < before + SHARE_MIN)
		return 0;
	from.off += before;
	from.len = align_down(from.len - before, x->grain);
	r = share_blocks(x, &from, to + before, &len, e);
	if (r == 0 && len > 0)
		*ARRAY_ADD(x->piece, x->n, x->cap) = (struct piece){ i, at + before, len };
	return r;
}

static int share_segment(struct sharing *x, size_t i, struct err *e)
{
	const struct segment *s = &x->w->segments[i];
	int r = 0;

	for (u64 at = 0; r == 0 && s->len - at >= SHARE_MIN && x->refusals < REFUSALS_MAX;) {
		struct input_place place;

		if (s->compare || input_place(&s->in, s->in_off + at, &place) < 0)
			break;
		place.len = MIN(place.len, s->len - at);
		r = share_place(x, i, at, place, e);
		close(place.fd);
		at += place.len;
	}
	return r;
}

/* ---- the list afterwards */

static struct segment part(const struct segment *s, u64 at, u64 len)
{
	struct segment p = *s;

	p.off += at;
	p.in_off += at;
	p.len = len;
	p.zeros = 0;
	return p;
}

/* Each segment becomes what is left before a shared piece, that piece, and so on; the last rest has its zeros. */
static void divide(struct sharing *x)
{
	struct writelist *w = x->w;
	struct segment *all = xcalloc(w->n + 2 * x->n, sizeof(*all));
	size_t n = 0, k = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct segment *s = &w->segments[i];
		u64 at = 0;

		for (; k < x->n && x->piece[k].segment == i; k++) {
			const struct piece *p = &x->piece[k];

			if (p->at > at)
				all[n++] = part(s, at, p->at - at);
			all[n] = part(s, p->at, p->len);
			all[n].shared = true;
			all[n].in = device_own_input(x->d);
			all[n].in_off = all[n].off;
			n++;
			at = p->at + p->len;
		}
		all[n] = part(s, at, s->len - at);
		all[n].zeros = s->zeros;
		n += s->len - at + s->zeros > 0;
	}
	free(w->segments);
	w->segments = all;
	w->cap = w->n + 2 * x->n;
	w->n = n;
}

int writelist_share(struct writelist *w, struct device *d, struct err *e)
{
	struct sharing x = { .w = w, .d = d, .grain = device_share_grain(d) };
	int r = 0;

	for (size_t i = 0; r == 0 && x.grain && i < w->n && x.refusals < REFUSALS_MAX; i++)
		r = share_segment(&x, i, e);
	if (r == 0 && x.n > 0)
		divide(&x);
	free(x.piece);
	return r;
}
