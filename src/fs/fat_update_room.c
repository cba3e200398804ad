/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who needs most comes first, and gets the first of the free stretches that holds it, the largest of them being first.
 * What no stretch holds gets the largest ones whole, and the rest in the same way. Within a stretch the order is that
 * of the list: where all has room in one, the files lie as they were listed.
 */
#include "src/fs/fat_update_private.h"

struct hole {
	u32 first, n; /* clusters */
	u32 left;     /* that nobody has got yet */
};

struct share {
	u32 item, hole, n;
};

struct room {
	struct hole *hole; /* the largest first */
	size_t n_holes, cap_holes;
	u32 *most; /* a tree: most[1] is the most that is left in any hole, most[i] that of most[2i] and most[2i + 1] */
	size_t n_leaves;
	struct share *share;
	size_t n_shares, cap_shares;
};

static void find_holes(const struct fat_updater *f, struct room *m)
{
	u32 row = 0;

	for (u32 c = FIRST_CLUSTER; c - FIRST_CLUSTER <= f->n_clusters; c++) {
		if (fat_is_cluster(f, c) && !bit_get(f->t.used, c) && fat_get(f->table, c) != BAD_CLUSTER) {
			row++;
			continue;
		}
		if (row > 0)
			*ARRAY_ADD(m->hole, m->n_holes, m->cap_holes) = (struct hole){ c - row, row, row };
		row = 0;
	}
}

static int larger_first(const void *a, const void *b)
{
	const struct hole *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : (x->first > y->first) - (x->first < y->first);
}

static void make_tree(struct room *m)
{
	m->n_leaves = 1;
	while (m->n_leaves < m->n_holes)
		m->n_leaves *= 2;
	m->most = xcalloc(2 * m->n_leaves, sizeof(*m->most));
	for (size_t i = 0; i < m->n_holes; i++)
		m->most[m->n_leaves + i] = m->hole[i].left;
	for (size_t i = m->n_leaves - 1; i > 0; i--)
		m->most[i] = MAX(m->most[2 * i], m->most[2 * i + 1]);
}

/* The first hole in which `n` are left; the caller knows that there is one. */
static size_t first_with(const struct room *m, u32 n)
{
	size_t i = 1;

	while (i < m->n_leaves)
		i = m->most[2 * i] >= n ? 2 * i : 2 * i + 1;
	return i - m->n_leaves;
}

static void give(struct room *m, u32 item, size_t hole, u32 n)
{
	size_t i = m->n_leaves + hole;

	*ARRAY_ADD(m->share, m->n_shares, m->cap_shares) = (struct share){ item, (u32)hole, n };
	m->most[i] = m->hole[hole].left -= n;
	for (i /= 2; i > 0; i /= 2)
		m->most[i] = MAX(m->most[2 * i], m->most[2 * i + 1]);
}

struct wish {
	u32 item, n;
};

static int most_first(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : (x->item > y->item) - (x->item < y->item);
}

static void share_out(const struct fat_updater *f, struct room *m)
{
	AUTO_FREE struct wish *wish = xcalloc(f->n_items, sizeof(*wish));

	for (size_t i = 0; i < f->n_items; i++)
		wish[i] = (struct wish){ (u32)i, f->item[i].n };
	qsort(wish, f->n_items, sizeof(*wish), most_first);
	for (size_t i = 0; i < f->n_items; i++) {
		u32 rest = wish[i].n;

		for (; rest > m->most[1]; rest -= m->share[m->n_shares - 1].n)
			give(m, wish[i].item, first_with(m, m->most[1]), m->most[1]);
		if (rest > 0)
			give(m, wish[i].item, first_with(m, rest), rest);
	}
}

static int in_order(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return x->hole != y->hole ? (x->hole > y->hole) - (x->hole < y->hole)
	                          : (x->item > y->item) - (x->item < y->item);
}

static int ascending(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void lay_out(struct fat_updater *f, struct room *m)
{
	u32 used = 0;

	qsort(m->share, m->n_shares, sizeof(*m->share), in_order);
	for (size_t i = 0; i < m->n_shares; i++) {
		const struct share *s = &m->share[i];
		struct fat_item *item = &f->item[s->item];

		used = i > 0 && s->hole == s[-1].hole ? used : 0;
		*ARRAY_ADD(item->stretch, item->n_stretches, item->cap_stretches) =
		    (struct stretch){ m->hole[s->hole].first + used, s->n };
		used += s->n;
	}
	for (size_t i = 0; i < f->n_items; i++)
		qsort(f->item[i].stretch, f->item[i].n_stretches, sizeof(struct stretch), ascending);
}

void fat_room_give(struct fat_updater *f)
{
	struct room m = { 0 };

	if (f->n_items == 0)
		return;
	find_holes(f, &m);
	qsort(m.hole, m.n_holes, sizeof(*m.hole), larger_first);
	make_tree(&m);
	share_out(f, &m);
	lay_out(f, &m);
	free(m.hole);
	free(m.most);
	free(m.share);
}

struct stretch *fat_chain_stretches(const struct fat_updater *f, u32 first, u32 n, size_t *ret_n)
{
	struct stretch *s = NULL;
	size_t cap = 0, n_stretches = 0;

	for (u32 c = first; n > 0; n--, c = fat_get(f->table, c)) {
		if (s && s[n_stretches - 1].first + s[n_stretches - 1].n == c)
			s[n_stretches - 1].n++;
		else
			*ARRAY_ADD(s, n_stretches, cap) = (struct stretch){ c, 1 };
	}
	*ret_n = n_stretches;
	return s;
}
