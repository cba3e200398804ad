/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each phase changes the FAT and the directories in memory, and writes the sectors that are not any more as the phase
 * before left them. Two of them would do no harm together: chains that nothing leads to are lost, with or without
 * their data. But writing data takes minutes, and whoever pulls the stick then shall not lose the room as well.
 */
#include "src/fs/fat_update_private.h"

#include <assert.h>
#include <errno.h>

/* ---- FAT */

static void set_link(struct fat_updater *f, u32 cluster, u32 next)
{
	u8 *p = f->table + 4 * (size_t)cluster;
	u32 was = get_le32(p), is = (was & ~(u32)CLUSTER_MASK) | next;

	put_le32(p, is);
	if (is != was)
		bit_set(f->dirty, 4 * (u64)cluster / f->grain);
}

/* The sectors that have changed, to both FATs. */
static void emit_table(struct fat_updater *f, struct writelist *w)
{
	u64 n_sectors = f->table_len / f->grain;

	for (u64 from = 0, to; from < n_sectors; from = to) {
		u64 len;

		for (to = from; to < n_sectors && bit_get(f->dirty, to); to++)
			bit_clear(f->dirty, to);
		len = (to - from) * f->grain;
		for (u32 i = 0; i < f->n_fats && len > 0; i++)
			writelist_take_memory(w, f->fat + i * f->fat_bytes + from * f->grain,
			                      memcpy(xcalloc(1, len), f->table + from * f->grain, len), len);
		to += len == 0;
	}
}

static void emit_dirs(struct fat_updater *f, struct writelist *w)
{
	for (size_t i = 0; i < f->t.n_dirs; i++)
		fat_dir_emit(f, &f->t.dir[i], w);
}

/* Writes the count of free clusters, if the device has another one. */
static void emit_fsinfo(struct fat_updater *f, u32 count, struct writelist *w)
{
	if (!f->fsinfo || get_le32(f->fsinfo + 488) == count)
		return;
	put_le32(f->fsinfo + 488, count);
	if (f->n_items > 0 && count != UNKNOWN) {
		const struct fat_item *last = &f->item[f->n_items - 1];
		const struct stretch *s = &last->stretch[last->n_stretches - 1];

		put_le32(f->fsinfo + 492, s->first + s->n - 1); /* where to begin to look for a free one */
	}
	writelist_take_memory(w, f->fsinfo_at, memcpy(xcalloc(1, f->grain), f->fsinfo, f->grain), f->grain);
}

/* ---- entries */

static struct fat_dir *dir_of(struct fat_updater *f, u32 old)
{
	return &f->t.dir[f->t.old[old].dir];
}

static u8 *slot_at(struct fat_dir *d, u32 slot)
{
	return d->now + (size_t)slot * FAT_ENTRY_SIZE;
}

static bool same_sector(const struct fat_updater *f, u32 a, u32 b)
{
	return (u64)a * FAT_ENTRY_SIZE / f->grain == (u64)b * FAT_ENTRY_SIZE / f->grain;
}

static i64 newest(const struct volume_files *files)
{
	i64 t = 0;

	for (size_t i = 0; i < files->n; i++)
		t = MAX(t, files->file[i].mtime);
	return t;
}

/* A directory that nobody listed has no time of its own. */
static i64 node_time(const struct fat_updater *f, const struct fat_node *n)
{
	return n->file ? n->file->mtime : f->newest;
}

static u32 first_cluster(const struct fat_updater *f, size_t node)
{
	return f->item_of[node] == NONE ? 0 : f->item[f->item_of[node]].stretch[0].first;
}

/* The 8.3 entry of a node, but for its alias. */
static struct fat_short short_of(const struct fat_updater *f, size_t node)
{
	const struct fat_node *n = &f->tree.node[node];
	struct fat_short s = { .attributes = n->is_dir ? FAT_DIRECTORY : FAT_ARCHIVE, .mtime = node_time(f, n) };

	s.cluster = first_cluster(f, node);
	s.size = n->is_dir ? 0 : (u32)n->file->size;
	if (n->file && n->file->system_file)
		s.attributes |= FAT_READ_ONLY | FAT_HIDDEN | FAT_SYSTEM;
	return s;
}

/* All entries of a new node to `p`; returns where the next one goes. */
static u8 *put_node(const struct fat_updater *f, size_t node, u8 *p)
{
	struct fat_short s = short_of(f, node);
	u16 units[FAT_NAME_UNITS];

	memcpy(s.alias, f->tree.node[node].alias, FAT_ALIAS_SIZE);
	return fat_entry_put(p, units, fat_node_long_name(&f->tree.node[node], units), &s);
}

/*
 * ---- 1. entries of what goes, the 8.3 entry with what lies in its sector; both FATs say the same, before anything is
 * written to clusters that are free in the one that is right
 */

static bool is_top_of_what_goes(const struct fat_updater *f, size_t old)
{
	return f->t.old[old].goes && !f->t.old[f->t.old[old].parent].goes;
}

static void delete_slot(struct fat_updater *f, struct fat_dir *d, u32 slot)
{
	fat_dir_touch(f, d);
	*slot_at(d, slot) = FAT_DELETED;
}

static void unlink_phase(struct fat_updater *f, struct writelist *w)
{
	for (size_t i = 1; i < f->t.n; i++) {
		const struct fat_old *o = &f->t.old[i];
		u32 last = o->slot + o->n_slots - 1;

		if (!is_top_of_what_goes(f, i))
			continue;
		for (u32 slot = o->slot; slot <= last; slot++)
			if (same_sector(f, slot, last))
				delete_slot(f, dir_of(f, o->parent), slot);
	}
	emit_dirs(f, w);
	emit_table(f, w);
	if (f->moves_clusters)
		emit_fsinfo(f, UNKNOWN, w);
}

/* ---- 2. clusters of what has gone or belonged to nobody are free, the rest of long names goes */

static void free_all(struct fat_updater *f)
{
	for (size_t i = 1; i < f->t.n; i++)
		if (is_top_of_what_goes(f, i))
			for (u32 k = 0; k < f->t.old[i].n_slots; k++)
				delete_slot(f, dir_of(f, f->t.old[i].parent), f->t.old[i].slot + k);
	for (size_t i = 0; i < f->t.n_dirs; i++)
		for (u32 slot = 0; slot < fat_slots_in(f, f->t.dir[i].n_old); slot++)
			if (f->t.dir[i].kind[slot] == SLOT_ORPHAN)
				delete_slot(f, &f->t.dir[i], slot);
	for (u32 c = FIRST_CLUSTER; fat_is_cluster(f, c); c++)
		if (!bit_get(f->t.used, c) && fat_get(f->table, c) != BAD_CLUSTER)
			set_link(f, c, 0);
}

/* ---- and data; directories that nobody can reach yet; pieces of long names that belong to nobody yet */

static void emit_stretches(const struct fat_updater *f, const struct volume_file *file, const struct stretch *s,
                           size_t n, struct writelist *w)
{
	u64 done = 0;

	for (size_t i = 0; i < n; i++) {
		u64 off = fat_cluster_off(f, s[i].first), room = (u64)s[i].n * f->cluster_size;
		u64 len = MIN(room, file->size - done);

		if (file->is_hole)
			writelist_add_zero(w, off, len);
		else
			writelist_add_input_at(w, off, len, file->input, done, file->hash);
		writelist_add_zero(w, off + len, room - len);
		done += len;
	}
}

static void emit_file(struct fat_updater *f, size_t node, struct writelist *w)
{
	const struct volume_file *file = f->tree.node[node].file;
	bool in_place = f->fate[node] == FATE_IN_PLACE;
	const struct fat_item *item = f->item_of[node] == NONE ? NULL : &f->item[f->item_of[node]];
	AUTO_FREE struct stretch *chain = NULL;
	size_t n;

	if (in_place)
		chain = fat_chain_stretches(f, f->t.old[f->old[node]].first, f->t.old[f->old[node]].n_clusters, &n);
	writelist_compare(w, in_place);
	if (in_place)
		emit_stretches(f, file, chain, n, w);
	else if (item)
		emit_stretches(f, file, item->stretch, item->n_stretches, w);
	writelist_compare(w, false);
}

/* The two dots; 0 stands for the root as a parent. */
static u8 *put_dots(const struct fat_updater *f, size_t node, u8 *p)
{
	const struct fat_node *n = &f->tree.node[node];
	struct fat_short s = { .attributes = FAT_DIRECTORY, .mtime = node_time(f, n) };

	memcpy(s.alias, ".          ", FAT_ALIAS_SIZE);
	s.cluster = first_cluster(f, node);
	p = fat_entry_put(p, NULL, 0, &s);
	s.alias[1] = '.';
	if (n->parent == 0)
		s.cluster = 0;
	else
		s.cluster =
		    f->fate[n->parent] == FATE_NEW ? first_cluster(f, n->parent) : f->t.old[f->old[n->parent]].first;
	return fat_entry_put(p, NULL, 0, &s);
}

/* Takes `mem`, which has all entries and nothing else. */
static void emit_new_dir(const struct fat_updater *f, size_t node, u8 *mem, struct writelist *w)
{
	const struct fat_item *item = &f->item[f->item_of[node]];
	u64 size = (u64)f->tree.node[node].n_entries * FAT_ENTRY_SIZE, done = 0;

	for (size_t i = 0; i < item->n_stretches; i++) {
		u64 off = fat_cluster_off(f, item->stretch[i].first), room = (u64)item->stretch[i].n * f->cluster_size;
		u64 len = MIN(room, size - done);

		writelist_take_memory(w, off, memcpy(xcalloc(1, len), mem + done, len), len);
		writelist_add_zero(w, off + len, room - len);
		done += len;
	}
	free(mem);
}

/* A directory stands before what it holds. */
static void emit_new_dirs(struct fat_updater *f, struct writelist *w)
{
	AUTO_FREE u8 **mem = xcalloc(f->tree.n, sizeof(*mem)), **at = xcalloc(f->tree.n, sizeof(*at));

	for (size_t i = 1; i < f->tree.n; i++) {
		const struct fat_node *n = &f->tree.node[i];

		if (f->fate[i] != FATE_NEW)
			continue;
		if (f->fate[n->parent] == FATE_NEW)
			at[n->parent] = put_node(f, i, at[n->parent]);
		if (!n->is_dir)
			continue;
		mem[i] = xcalloc(n->n_entries, FAT_ENTRY_SIZE);
		at[i] = put_dots(f, i, mem[i]);
	}
	for (size_t i = 1; i < f->tree.n; i++)
		if (mem[i])
			emit_new_dir(f, i, mem[i], w);
}

/*
 * Where new names reach behind the end of a directory in several sectors, the end is moved behind them first, so that
 * it does not matter in which order these sectors arrive.
 */
static void move_end(struct fat_updater *f, struct fat_dir *d)
{
	u32 n_old = fat_slots_in(f, d->n_old);

	if (d->last <= d->end || same_sector(f, d->end, d->last - 1))
		return;
	for (u32 slot = d->end; slot < MIN(d->last, n_old); slot++)
		delete_slot(f, d, slot);
}

/* Writes those entries of a new name whose time has come: in this phase, or (`all`) in all but the last. */
static void put_entering(struct fat_updater *f, size_t node, bool all)
{
	struct fat_dir *d = dir_of(f, f->old[f->tree.node[node].parent]);
	u8 entries[ENTRIES_MOST * FAT_ENTRY_SIZE];
	u32 n = (u32)(put_node(f, node, entries) - entries) / FAT_ENTRY_SIZE, first = f->slot[node];

	fat_dir_touch(f, d);
	for (u32 slot = first; slot < first + n; slot++)
		if (all || slot >= fat_slots_in(f, d->n_old) || !same_sector(f, slot, first + n - 1))
			memcpy(slot_at(d, slot), entries + (slot - first) * FAT_ENTRY_SIZE, FAT_ENTRY_SIZE);
}

static bool is_entering(const struct fat_updater *f, size_t node)
{
	return node > 0 && f->fate[node] == FATE_NEW && f->fate[f->tree.node[node].parent] == FATE_STAYS;
}

static void data_phase(struct fat_updater *f, struct writelist *w)
{
	free_all(f);
	for (size_t i = 0; i < f->n_items; i++)
		if (f->fate[f->item[i].node] == FATE_STAYS)
			fat_dir_grow(f, dir_of(f, f->old[f->item[i].node]), &f->item[i]);
	for (size_t i = 0; i < f->t.n_dirs; i++)
		move_end(f, &f->t.dir[i]);
	for (size_t i = 0; i < f->tree.n; i++)
		if (is_entering(f, i))
			put_entering(f, i, false);
	emit_table(f, w);
	emit_dirs(f, w);
	emit_new_dirs(f, w);
	for (size_t i = 0; i < f->tree.n; i++)
		if (!f->tree.node[i].is_dir)
			emit_file(f, i, w);
}

/* ---- 3. chains of what comes, which nothing leads to yet */

static void chain_phase(struct fat_updater *f, struct writelist *w)
{
	for (size_t i = 0; i < f->n_items; i++) {
		const struct fat_item *item = &f->item[i];

		for (size_t k = 0; k < item->n_stretches; k++) {
			const struct stretch *s = &item->stretch[k];

			for (u32 c = 0; c + 1 < s->n; c++)
				set_link(f, s->first + c, s->first + c + 1);
			set_link(f, s->first + s->n - 1, k + 1 < item->n_stretches ? s[1].first : END_OF_CHAIN);
		}
	}
	emit_table(f, w);
}

/* ---- 4. entries of what comes; directories reach their new clusters */

/* One entry, in one sector: it leads to the new chain, or to the old one. */
static void replace_entry(struct fat_updater *f, size_t node)
{
	const struct fat_old *o = &f->t.old[f->old[node]];
	struct fat_dir *d = dir_of(f, o->parent);
	u8 *p = slot_at(d, o->slot + o->n_slots - 1);
	struct fat_short s = short_of(f, node);

	fat_dir_touch(f, d);
	memcpy(s.alias, o->alias, FAT_ALIAS_SIZE);
	fat_entry_put(p, NULL, 0, &s);
	p[12] = o->nt_case;
}

static bool releases(const struct fat_updater *f, size_t node)
{
	return f->fate[node] == FATE_REPLACE && f->t.old[f->old[node]].n_clusters > 0;
}

static void enter_phase(struct fat_updater *f, struct writelist *w)
{
	bool more_to_come = false;

	for (size_t i = 0; i < f->tree.n; i++) {
		if (is_entering(f, i))
			put_entering(f, i, true);
		else if (f->fate[i] == FATE_REPLACE)
			replace_entry(f, i);
		more_to_come = more_to_come || releases(f, i);
	}
	for (size_t i = 0; i < f->n_items; i++)
		if (f->fate[f->item[i].node] == FATE_STAYS) {
			const struct fat_dir *d = dir_of(f, f->old[f->item[i].node]);

			set_link(f, d->cluster[d->n_old - 1], d->cluster[d->n_old]);
		}
	emit_dirs(f, w);
	emit_table(f, w);
	if (!more_to_come)
		emit_fsinfo(f, f->free_after, w);
}

/* ---- 5. old chains of what was replaced */

static void release_phase(struct fat_updater *f, struct writelist *w)
{
	for (size_t i = 0; i < f->tree.n; i++) {
		if (!releases(f, i))
			continue;
		for (u32 c = f->t.old[f->old[i]].first, n = f->t.old[f->old[i]].n_clusters, next; n > 0;
		     n--, c = next) {
			next = fat_get(f->table, c);
			set_link(f, c, 0);
		}
	}
	emit_table(f, w);
	emit_fsinfo(f, f->free_after, w);
}

/* ---- all */

static const struct {
	const char *name;
	void (*fill)(struct fat_updater *f, struct writelist *w);
} phases[] = {
	{ "unlink", unlink_phase }, { "data", data_phase },       { "chain", chain_phase },
	{ "enter", enter_phase },   { "release", release_phase },
};

static bool moves_clusters(const struct fat_updater *f)
{
	bool moves = f->n_lost > 0 || f->n_items > 0;

	for (size_t i = 1; i < f->t.n && !moves; i++)
		moves = f->t.old[i].goes && f->t.old[i].n_clusters > 0;
	for (size_t i = 0; i < f->tree.n && !moves; i++)
		moves = releases(f, i);
	return moves;
}

int fat_emit(struct updater *u, struct err *e)
{
	struct fat_updater *f = (struct fat_updater *)u;

	assert(f->wanted);
	f->newest = newest(&f->wanted->put);
	f->moves_clusters = moves_clusters(f);
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		struct writelist *w = writelist_new();
		int r;

		phases[i].fill(f, w);
		r = update_add_phase(u, phases[i].name, w, e);
		if (r < 0)
			return r;
	}
	return 0;
}
