/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat_update_private.h"

#include <assert.h>
#include <errno.h>

static int check_sizes(const struct volume_files *files, struct err *e)
{
	for (size_t i = 0; i < files->n; i++)
		if (files->file[i].size >= 4 * GIB)
			return fail(e, -EFBIG, "%s: has %llu bytes, and a file on FAT32 ends below 4 GiB",
			            files->file[i].path, (unsigned long long)files->file[i].size);
	return 0;
}

/* ---- what goes, what stays */

static void node_key(const struct fat_node *n, struct buf *ret)
{
	u16 units[FAT_NAME_UNITS];
	const char *why;
	int n_units = fat_name_units(n->path + n->name_off, n->path_len - n->name_off, units, &why);

	buf_clear(ret);
	buf_adds(ret, "");
	fat_name_add_folded(ret, units, n_units > 0 ? (size_t)n_units : 0);
}

static enum fate fate_of(const struct fat_node *n, const struct fat_old *o)
{
	if (n->is_dir)
		return FATE_STAYS;
	if (n->file->replace)
		return FATE_REPLACE;
	/* Its hash must get the bytes in order, and they are written in ascending order. */
	return o->size == n->file->size && o->ascends ? FATE_IN_PLACE : FATE_NEW;
}

/* Finds what is wanted among what is there. What is there as the other kind is not found, and must go. */
static void match_wanted(struct fat_updater *f)
{
	AUTO_BUF struct buf key = { 0 };

	f->fate[0] = FATE_STAYS;
	f->t.old[0].wanted = true;
	for (size_t i = 1; i < f->tree.n; i++) {
		const struct fat_node *n = &f->tree.node[i];
		u32 at = NONE;

		f->old[i] = NONE;
		if (f->old[n->parent] != NONE) {
			node_key(n, &key);
			at = fat_old_child(&f->t, f->old[n->parent], key.s);
		}
		if (at == NONE || f->t.old[at].is_dir != n->is_dir)
			continue;
		f->fate[i] = fate_of(n, &f->t.old[at]);
		f->t.old[at].wanted = f->fate[i] != FATE_NEW;
		f->t.old[at].listed = f->fate[i] == FATE_NEW;
		f->old[i] = f->fate[i] == FATE_NEW ? NONE : at;
	}
}

static void list_removed(struct fat_updater *f)
{
	for (size_t i = 0; i < f->wanted->n_remove; i++) {
		u32 at = fat_old_find(&f->t, f->wanted->remove[i]);

		if (at != NONE)
			f->t.old[at].listed = true;
	}
}

/* A directory comes before what it holds: from the end on, all that a directory holds has been decided before it. */
static void decide_what_goes(struct fat_updater *f)
{
	for (size_t i = f->t.n - 1; i > 0; i--) {
		struct fat_old *o = &f->t.old[i], *parent = &f->t.old[o->parent];

		o->goes = !o->wanted && !o->keeps_some && (o->listed || o->lost_some);
		parent->lost_some = parent->lost_some || o->goes;
		parent->keeps_some = parent->keeps_some || !o->goes;
	}
}

/* What is wanted as a file and stays as a directory, or the other way round. */
static int check_kinds(struct fat_updater *f, struct err *e)
{
	AUTO_BUF struct buf key = { 0 };

	for (size_t i = 1; i < f->tree.n; i++) {
		const struct fat_node *n = &f->tree.node[i];
		u32 at;

		if (f->old[i] != NONE || f->old[n->parent] == NONE)
			continue;
		node_key(n, &key);
		at = fat_old_child(&f->t, f->old[n->parent], key.s);
		if (at == NONE || f->t.old[at].goes)
			continue;
		if (n->is_dir)
			return fail(e, -ENOTDIR, "%.*s: is a file on the volume, and a directory is wanted",
			            (int)n->path_len, n->path);
		return fail(e, -EISDIR, "%.*s: is a directory on the volume with something in it, and a file is wanted",
		            (int)n->path_len, n->path);
	}
	return 0;
}

/* ---- short names */

static void add_old_aliases(const struct fat_updater *f, size_t dir, struct fat_aliases *a)
{
	FOR_EACH_CHILD(&f->t, f->old[dir], i)
	{
		const struct fat_old *o = &f->t.old[f->t.by_name[i].index];
		u8 like[FAT_ALIAS_SIZE];
		u16 units[FAT_NAME_UNITS];
		const char *why;
		int n = fat_name_units(o->name, strlen(o->name), units, &why);

		if (o->goes)
			continue;
		fat_aliases_add(a, (u32)dir, o->alias);
		/* A long name that looks like a short one must not be the short one of something else. */
		if (n > 0 && fat_alias_of(units, (size_t)n, like) != FAT_ALIAS_LOSSY)
			fat_aliases_add(a, (u32)dir, like);
	}
}

/* Names that keep theirs come first, so that no number can take it from them. */
static int set_aliases(struct fat_updater *f, struct fat_aliases *a, struct err *e)
{
	AUTO_FREE u32 *counter = xcalloc(f->tree.n, sizeof(*counter));
	AUTO_FREE bool *lossy = xcalloc(f->tree.n, sizeof(*lossy));

	for (size_t i = 1; i < f->tree.n; i++) {
		struct fat_node *n = &f->tree.node[i];
		u16 units[FAT_NAME_UNITS];
		const char *why;
		int n_units = fat_name_units(n->path + n->name_off, n->path_len - n->name_off, units, &why);

		if (f->fate[i] != FATE_NEW || n_units <= 0)
			continue;
		lossy[i] = fat_alias_of(units, (size_t)n_units, n->alias) == FAT_ALIAS_LOSSY;
		if (!lossy[i] && !fat_aliases_add(a, (u32)n->parent, n->alias))
			return fail(e, -EEXIST, "%.*s: is the short name of another file on the volume",
			            (int)n->path_len, n->path);
	}
	for (size_t i = 1; i < f->tree.n; i++)
		if (lossy[i])
			fat_aliases_choose(a, (u32)f->tree.node[i].parent, &counter[f->tree.node[i].parent],
			                   f->tree.node[i].alias);
	return 0;
}

static int choose_aliases(struct fat_updater *f, struct err *e)
{
	struct fat_aliases *a = fat_aliases_new(f->tree.n + 2 * f->t.n);
	int r;

	for (size_t i = 0; i < f->tree.n; i++)
		if (f->fate[i] == FATE_STAYS)
			add_old_aliases(f, i, a);
	r = set_aliases(f, a, e);
	fat_aliases_free(a);
	return r;
}

/* ---- clusters */

static void free_chain(struct fat_updater *f, const struct fat_old *o)
{
	for (u32 c = o->first, i = 0; i < o->n_clusters; i++, c = fat_get(f->table, c))
		bit_clear(f->t.used, c);
	f->t.n_used -= o->n_clusters;
	f->n_free += o->n_clusters;
}

void fat_add_item(struct fat_updater *f, size_t node, u64 clusters)
{
	if (clusters == 0)
		return;
	f->item_of[node] = (u32)f->n_items;
	*ARRAY_ADD(f->item, f->n_items, f->cap_items) = (struct fat_item){ .node = (u32)node, .n = (u32)clusters };
}

/* Directories first, then files in the order of the list. */
static void add_new_items(struct fat_updater *f)
{
	for (size_t i = 0; i < f->tree.n; i++) {
		const struct fat_node *n = &f->tree.node[i];

		if (n->is_dir && f->fate[i] == FATE_NEW)
			fat_add_item(f, i, div_round_up((u64)n->n_entries * FAT_ENTRY_SIZE, f->cluster_size));
	}
	for (size_t i = 0; i < f->wanted->put.n; i++) {
		size_t node = f->tree.of_file[i];

		if (!f->tree.node[node].is_dir && f->fate[node] != FATE_IN_PLACE)
			fat_add_item(f, node, div_round_up(f->wanted->put.file[i].size, f->cluster_size));
	}
}

static int check_room(struct fat_updater *f, struct err *e)
{
	u64 need = 0, replaced = 0;

	for (size_t i = 0; i < f->n_items; i++)
		need += f->item[i].n;
	for (size_t i = 0; i < f->tree.n; i++)
		if (f->fate[i] == FATE_REPLACE)
			replaced += f->t.old[f->old[i]].n_clusters;
	if (need > f->n_free)
		return fail(e, -ENOSPC,
		            "%s: the update needs %llu bytes, and %llu are free or become free first: %llu are missing",
		            f->d->name, (unsigned long long)(need * f->cluster_size),
		            (unsigned long long)f->n_free * f->cluster_size,
		            (unsigned long long)((need - f->n_free) * f->cluster_size));
	f->free_after = (u32)(f->n_free - need + replaced);
	return 0;
}

/* ---- all */

static void set_results(struct fat_updater *f)
{
	struct volume_files *put = &f->wanted->put;

	f->u.numbers.free_after = (u64)f->free_after * f->cluster_size;
	for (size_t i = 0; i < put->n; i++) {
		size_t node = f->tree.of_file[i];
		const struct fat_old *o = f->old[node] == NONE ? NULL : &f->t.old[f->old[node]];
		const struct fat_item *item = f->item_of[node] == NONE ? NULL : &f->item[f->item_of[node]];

		put->file[i].device_off = 0;
		if (put->file[i].is_dir || put->file[i].size == 0)
			continue;
		if (f->fate[node] == FATE_IN_PLACE) {
			f->u.numbers.in_place += put->file[i].size;
			put->file[i].device_off = o->one_stretch ? fat_cluster_off(f, o->first) : 0;
		} else if (item->n_stretches == 1) {
			put->file[i].device_off = fat_cluster_off(f, item->stretch[0].first);
		}
	}
}

static int decide(struct fat_updater *f, struct err *e)
{
	int r;

	list_removed(f);
	match_wanted(f);
	decide_what_goes(f);
	r = check_kinds(f, e);
	if (r < 0)
		return r;
	for (size_t i = 1; i < f->t.n; i++)
		if (f->t.old[i].goes)
			free_chain(f, &f->t.old[i]);
	/* Before the aliases: a directory that has room for a name has a number for it too. */
	r = fat_dir_places(f, e);
	return r < 0 ? r : choose_aliases(f, e);
}

int fat_plan(struct updater *u, struct volume_update *wanted, struct err *e)
{
	struct fat_updater *f = (struct fat_updater *)u;
	int r = check_sizes(&wanted->put, e);

	assert(!f->wanted);
	if (r == 0)
		r = fat_tree_make(&wanted->put, false, &f->tree, e);
	if (r < 0)
		return r;
	f->wanted = wanted;
	f->fate = xcalloc(f->tree.n, sizeof(*f->fate));
	f->old = xcalloc(f->tree.n, sizeof(*f->old));
	f->slot = xcalloc(f->tree.n, sizeof(*f->slot));
	f->item_of = xcalloc(f->tree.n, sizeof(*f->item_of));
	memset(f->item_of, 0xff, f->tree.n * sizeof(*f->item_of));
	r = decide(f, e);
	if (r < 0)
		return r;
	add_new_items(f);
	r = check_room(f, e);
	if (r < 0)
		return r;
	fat_room_give(f);
	set_results(f);
	return 0;
}
