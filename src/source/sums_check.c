/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the source and compares. */
#include <errno.h>

#include "src/source/sums_private.h"

enum { PIECE = 1024 * 1024 };

static int feed(struct digest *d, struct input in, u64 size, struct progress *progress, struct err *e)
{
	AUTO_FREE u8 *piece = xcalloc(1, (size_t)MIN(size, (u64)PIECE));

	for (u64 off = 0; off < size; off += PIECE) {
		size_t len = (size_t)MIN(size - off, (u64)PIECE);
		int r = interrupted ? fail(e, -EINTR, "interrupted") : input_read(&in, off, piece, len, e);

		if (r < 0)
			return r;
		digest_add(d, piece, len);
		progress_add(progress, len);
	}
	return 0;
}

static int digest_of(enum digest_kind kind, struct input in, u64 size, u8 *ret_digest, struct progress *progress,
                     struct err *e)
{
	struct digest *d = digest_new(kind);
	int r = feed(d, in, size, progress, e);

	if (r < 0) {
		digest_free(d);
		return r;
	}
	digest_end(d, ret_digest);
	return 0;
}

int sums_check_image(struct sums *sums, struct progress *progress, struct err *e)
{
	const struct sums_image *m = &sums->image;
	u8 digest[DIGEST_SIZE_MAX];
	int r;

	if (!m->is_there)
		return 0;
	r = digest_of(m->kind, sums_image_input(sums), m->size + m->n_zeros, digest, progress, e);
	if (r == 0 && memcmp(digest, m->digest, digest_size(m->kind)) != 0)
		r = fail_source(e, -EBADMSG, "%s: is damaged: its %s is not the one implanted in it",
		                sums->source->path, digest_name(m->kind));
	return r;
}

static int fail_damaged(const struct sums *sums, const struct sum *sum, struct err *e)
{
	AUTO_FREE char *path = node_path(sum->node), *list = node_path(sum->list);
	const char *what = sums->source->ops->read_image ? "is damaged" : "is damaged, or was changed";

	return fail_source(e, -EBADMSG, "%s: %s: %s: its %s is not the one in %s", sums->source->path, path, what,
	                   digest_name(sum->kind), list);
}

static void warn_of_stale(struct sums *sums, const struct sum *wrong, const struct sum *right)
{
	AUTO_FREE char *path = node_path(wrong->node), *one = node_path(wrong->list), *other = node_path(right->list);

	sums_warn(sums, "%s: its %s is not the one in %s, but its %s is the one in %s", path, digest_name(wrong->kind),
	          one, digest_name(right->kind), other);
}

int sums_check_node(struct sums *sums, const struct node *n, struct progress *progress, struct err *e)
{
	const struct sum *strongest = sums_for(sums, n);
	u8 digest[DIGEST_KINDS][DIGEST_SIZE_MAX];
	bool has[DIGEST_KINDS] = { false };

	for (const struct sum *sum = strongest; sum; sum = sum->weaker) {
		if (!has[sum->kind]) {
			int r = digest_of(sum->kind, node_input(n), n->size, digest[sum->kind],
			                  sum == strongest ? progress : NULL, e);

			if (r < 0)
				return r;
			has[sum->kind] = true;
		}
		if (memcmp(digest[sum->kind], sum->digest, digest_size(sum->kind)) != 0)
			continue;
		if (sum != strongest)
			warn_of_stale(sums, strongest, sum);
		return 0;
	}
	return strongest ? fail_damaged(sums, strongest, e) : 0;
}

/* ---- all */

static bool is_first(const struct sums *sums, size_t i)
{
	return i == 0 || sums->sum[i].node != sums->sum[i - 1].node;
}

/* In an image in ascending order; else in that of reading, which is the order of the list. */
static int by_place(const void *a, const void *b)
{
	const struct sum *x = *(const struct sum *const *)a, *y = *(const struct sum *const *)b;
	u64 at = x->node->n_extents ? x->node->extents[0].off : 0;
	u64 to = y->node->n_extents ? y->node->extents[0].off : 0;

	return at != to ? (at < to ? -1 : 1) : x->order < y->order ? -1 : x->order > y->order;
}

static int check_each(struct sums *sums, const struct sum *const *sum, size_t n, struct progress *progress,
                      struct err *e)
{
	AUTO_ERR struct err first = { 0 };
	size_t n_bad = 0;

	for (size_t i = 0; i < n; i++) {
		AUTO_ERR struct err one = { 0 };
		int r = sums_check_node(sums, sum[i]->node, progress, &one);

		if (r < 0 && r != -EBADMSG) {
			*e = one;
			one = (struct err){ 0 };
			return r;
		}
		if (r == -EBADMSG && n_bad++ == 0) {
			first = one;
			one = (struct err){ 0 };
		}
	}
	if (n_bad == 1)
		return fail_source(e, -EBADMSG, "%s", first.text);
	if (n_bad)
		return fail_source(e, -EBADMSG, "%s (and %zu more)", first.text, n_bad - 1);
	return 0;
}

int sums_check(struct sums *sums, bool (*wanted)(void *ctx, const struct node *n), void *ctx, struct progress *progress,
               struct err *e)
{
	AUTO_FREE const struct sum **sum = NULL;
	size_t n = 0;

	if (sums->image.is_there)
		return sums_check_image(sums, progress, e);
	sum = xcalloc(sums->n_sums, sizeof(const struct sum *));
	for (size_t i = 0; i < sums->n_sums; i++)
		if (is_first(sums, i) && (!wanted || wanted(ctx, sums->sum[i].node)))
			sum[n++] = &sums->sum[i];
	if (n)
		qsort(sum, n, sizeof(*sum), by_place);
	return check_each(sums, sum, n, progress, e);
}

u64 sums_bytes(const struct sums *sums, bool (*wanted)(void *ctx, const struct node *n), void *ctx)
{
	u64 bytes = 0;

	if (sums->image.is_there)
		return sums->image.size + sums->image.n_zeros;
	for (size_t i = 0; i < sums->n_sums; i++)
		if (is_first(sums, i) && (!wanted || wanted(ctx, sums->sum[i].node)))
			bytes += sums->sum[i].node->size;
	return bytes;
}
