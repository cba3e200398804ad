/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat_update_private.h"

#include <errno.h>

/* A new name in a directory that is there already. */
struct entering {
	u32 parent, node; /* of the wanted tree */
	u32 n_slots;
};

static int compare_entering(const void *a, const void *b)
{
	const struct entering *x = a, *y = b;

	if (x->parent != y->parent)
		return (x->parent > y->parent) - (x->parent < y->parent);
	return (x->node > y->node) - (x->node < y->node);
}

/* Sorted by directory; there are as many as *ret_n. */
static struct entering *list_entering(const struct fat_updater *f, size_t *ret_n)
{
	struct entering *list = NULL;
	size_t cap = 0, n = 0;

	for (size_t i = 1; i < f->tree.n; i++) {
		const struct fat_node *node = &f->tree.node[i];
		u16 units[FAT_NAME_UNITS];

		if (f->fate[i] != FATE_NEW || f->fate[node->parent] != FATE_STAYS)
			continue;
		*ARRAY_ADD(list, n, cap) =
		    (struct entering){ (u32)node->parent, (u32)i, fat_entry_count(fat_node_long_name(node, units)) };
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), compare_entering);
	*ret_n = n;
	return list;
}

/* A byte each slot, of as many as can be needed: it is not free when what goes has gone. */
static bool *busy_slots(const struct fat_updater *f, u32 old, u32 n_slots, u32 n_more)
{
	const struct fat_dir *d = &f->t.dir[f->t.old[old].dir];
	bool *busy = xcalloc(n_slots + (size_t)n_more, sizeof(*busy));

	for (u32 i = 0; i < n_slots; i++)
		busy[i] = d->kind[i] == SLOT_LIVE;
	FOR_EACH_CHILD(&f->t, old, i)
	{
		const struct fat_old *o = &f->t.old[f->t.by_name[i].index];

		if (o->goes)
			memset(busy + o->slot, false, o->n_slots * sizeof(*busy));
	}
	return busy;
}

/* The first row of `want` free slots at or behind *from, which moves behind it. */
static u32 take_row(bool *busy, u32 *from, u32 want)
{
	u32 row = 0, at = *from;

	for (; row < want; at++)
		row = busy[at] ? 0 : row + 1;
	memset(busy + at - want, true, want * sizeof(*busy));
	*from = at;
	return at - want;
}

/* All new names of one directory. */
static int place_in_dir(struct fat_updater *f, const struct entering *list, size_t n, struct err *e)
{
	u32 old = f->old[list->parent], from[ENTRIES_MOST + 1] = { 0 }, n_more = 0;
	struct fat_dir *d = &f->t.dir[f->t.old[old].dir];
	u32 n_slots = fat_slots_in(f, d->n_clusters);
	AUTO_FREE bool *busy = NULL;

	for (size_t i = 0; i < n; i++)
		n_more += list[i].n_slots;
	busy = busy_slots(f, old, n_slots, n_more);
	for (size_t i = 0; i < n; i++) {
		u32 want = list[i].n_slots;
		/* Rows are only ever used up: where none was found for as many, there is none now. */
		u32 at = take_row(busy, &from[want], want);

		f->slot[list[i].node] = at;
		d->last = MAX(d->last, at + want);
	}
	if (d->last > FAT_DIR_ENTRIES) {
		AUTO_FREE char *path = fat_old_path(&f->t, old);

		return fail(e, -EFBIG, "%s: would have more names in it than a directory on FAT can hold", path);
	}
	if (d->last > n_slots)
		fat_add_item(f, list->parent, div_round_up(d->last, fat_slots_in(f, 1)) - d->n_clusters);
	return 0;
}

int fat_dir_places(struct fat_updater *f, struct err *e)
{
	size_t n;
	AUTO_FREE struct entering *list = list_entering(f, &n);
	int r = 0;

	for (size_t from = 0, to; from < n && r == 0; from = to) {
		for (to = from + 1; to < n && list[to].parent == list[from].parent;)
			to++;
		r = place_in_dir(f, list + from, to - from, e);
	}
	return r;
}

/* ---- content */

void fat_dir_touch(const struct fat_updater *f, struct fat_dir *d)
{
	size_t len = (size_t)d->n_old * f->cluster_size;

	if (!d->disk)
		d->disk = memcpy(xcalloc(1, len), d->now, len);
}

void fat_dir_grow(const struct fat_updater *f, struct fat_dir *d, const struct fat_item *item)
{
	u8 *now = xcalloc(d->n_clusters + item->n, f->cluster_size);
	size_t cap = d->n_clusters, n = d->n_clusters;

	fat_dir_touch(f, d);
	memcpy(now, d->now, (size_t)d->n_clusters * f->cluster_size);
	free(d->now);
	d->now = now;
	for (size_t i = 0; i < item->n_stretches; i++)
		for (u32 k = 0; k < item->stretch[i].n; k++)
			*ARRAY_ADD(d->cluster, n, cap) = item->stretch[i].first + k;
	d->n_clusters = (u32)n;
	d->fresh = true;
}

static u64 dir_off(const struct fat_updater *f, const struct fat_dir *d, size_t at)
{
	return fat_cluster_off(f, d->cluster[at / f->cluster_size]) + at % f->cluster_size;
}

static bool must_write(const struct fat_updater *f, const struct fat_dir *d, size_t at)
{
	if (at >= (size_t)d->n_old * f->cluster_size)
		return d->fresh;
	return memcmp(d->now + at, d->disk + at, f->grain) != 0;
}

void fat_dir_emit(const struct fat_updater *f, struct fat_dir *d, struct writelist *w)
{
	size_t old_len = (size_t)d->n_old * f->cluster_size, len = (size_t)d->n_clusters * f->cluster_size, n;

	if (!d->disk)
		return;
	for (size_t at = 0; at < len; at += n) {
		u64 off = dir_off(f, d, at);

		n = 0;
		while (at + n < len && must_write(f, d, at + n) && dir_off(f, d, at + n) == off + n)
			n += f->grain;
		if (n > 0)
			writelist_take_memory(w, off, memcpy(xcalloc(1, n), d->now + at, n), n);
		else
			n = f->grain;
	}
	memcpy(d->disk, d->now, old_len);
	d->fresh = false;
}
