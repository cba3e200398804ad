/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat_update_private.h"

#include <errno.h>

struct scan {
	struct fat_updater *f;
	const u8 *table;
	struct fat_olds *t;
	u64 dir_bytes; /* of all directories so far */

	/* the directory that is being read */
	u32 node, dir;
	struct fat_long_name long_name;
};

char *fat_old_path(const struct fat_olds *t, u32 old)
{
	u32 trail[FAT_DEPTH_MAX + 1];
	struct buf b = { 0 };
	unsigned n = 0;

	for (; old != 0 && n < ARRAY_SIZE(trail); old = t->old[old].parent)
		trail[n++] = old;
	if (n == 0)
		buf_adds(&b, "/");
	while (n > 0)
		buf_addf(&b, "/%s", t->old[trail[--n]].name);
	return b.s;
}

static int damaged(const struct scan *s, u32 node, const char *what, struct err *e)
{
	AUTO_FREE char *path = fat_old_path(s->t, node);

	return fat_damaged(s->f, path, what, e);
}

/* ---- chains */

static int bad_link(const struct scan *s, u32 node, u32 cluster, struct err *e)
{
	return damaged(s, node,
	               cluster == 0             ? "its chain of clusters leads to one that is free"
	               : cluster == BAD_CLUSTER ? "its chain of clusters leads to a bad one"
	                                        : "its chain of clusters leads to one that is not there",
	               e);
}

static int take_cluster(struct scan *s, u32 node, u32 cluster, struct err *e)
{
	if (!fat_is_cluster(s->f, cluster))
		return bad_link(s, node, cluster, e);
	if (bit_get(s->t->used, cluster))
		return damaged(s, node, "shares clusters with another file, or its chain leads back into itself", e);
	bit_set(s->t->used, cluster);
	s->t->n_used++;
	return 0;
}

/* A chain of exactly as many clusters as the size wants. */
static int check_file(struct scan *s, u32 node, struct err *e)
{
	struct fat_old *o = &s->t->old[node];
	u32 cluster = o->first;

	o->n_clusters = (u32)div_round_up(o->size, s->f->cluster_size);
	o->ascends = o->one_stretch = true;
	if (o->n_clusters == 0)
		return cluster ? damaged(s, node, "is empty and has clusters all the same", e) : 0;
	for (u32 i = 0; i < o->n_clusters; i++) {
		int r = take_cluster(s, node, cluster, e);
		u32 next;

		if (r < 0)
			return r;
		next = fat_get(s->table, cluster);
		if (IS_END(next) != (i + 1 == o->n_clusters))
			return fat_is_cluster(s->f, next)
			           ? damaged(s, node, "its chain of clusters is longer than the file", e)
			       : IS_END(next) ? damaged(s, node, "its chain of clusters is shorter than the file", e)
			                      : bad_link(s, node, next, e);
		o->ascends = o->ascends && next > cluster;
		o->one_stretch = o->one_stretch && (IS_END(next) || next == cluster + 1);
		cluster = next;
	}
	return 0;
}

/* The clusters of a directory, in order. */
static int check_dir_chain(struct scan *s, u32 node, struct fat_dir *d, struct err *e)
{
	u32 most = MAX((u32)(FAT_DIR_ENTRIES * FAT_ENTRY_SIZE / s->f->cluster_size), 1), cluster;
	size_t cap = 0, n = 0;

	for (cluster = s->t->old[node].first; !IS_END(cluster); cluster = fat_get(s->table, cluster)) {
		int r = take_cluster(s, node, cluster, e);

		if (r < 0)
			return r;
		if (n == most)
			return damaged(s, node, "the directory is larger than FAT allows", e);
		*ARRAY_ADD(d->cluster, n, cap) = cluster;
		d->n_clusters = d->n_old = (u32)n;
	}
	/* An end where the first one should be is no chain at all. */
	return n == 0 ? damaged(s, node, "the directory has no clusters", e) : 0;
}

static int load_dir(struct scan *s, struct fat_dir *d, struct err *e)
{
	u32 size = s->f->cluster_size;

	s->dir_bytes += (u64)d->n_clusters * size;
	if (s->dir_bytes > FAT_DIRS_MAX)
		return fail(e, -ENOTSUP, "%s: has more than %llu MiB of directories", s->f->d->name,
		            FAT_DIRS_MAX / MIB);
	d->now = xcalloc(d->n_clusters, size);
	for (u32 i = 0, n; i < d->n_clusters; i += n) {
		int r;

		for (n = 1; i + n < d->n_clusters && d->cluster[i + n] == d->cluster[i] + n;)
			n++;
		r = device_read(s->f->d, fat_cluster_off(s->f, d->cluster[i]), d->now + (size_t)i * size,
		                (size_t)n * size, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- entries */

static void orphan(struct scan *s, u32 slot)
{
	s->t->dir[s->dir].kind[slot] = SLOT_ORPHAN;
	s->t->n_orphans++;
}

/* The pieces before this entry have found whom they belong to. */
static u32 claim_pieces(struct scan *s, u32 slot, const u8 *p)
{
	u32 n = fat_long_name_pieces(&s->long_name, p);

	for (u32 i = 1; i <= n; i++)
		s->t->dir[s->dir].kind[slot - i] = SLOT_LIVE;
	s->t->n_orphans -= n;
	s->t->dir[s->dir].kind[slot] = SLOT_LIVE;
	return n;
}

static void add_key(struct fat_olds *t, struct fat_old *o)
{
	AUTO_BUF struct buf key = { 0 };
	u16 units[FAT_NAME_UNITS];
	const char *why;
	int n = fat_name_units(o->name, strlen(o->name), units, &why);

	/* A name that was read is always one; an empty key would be equal to no other either. */
	buf_adds(&key, "");
	fat_name_add_folded(&key, units, n > 0 ? (size_t)n : 0);
	o->key = pool_text(&t->names, key.s, key.len);
}

static int read_entry(struct scan *s, u32 slot, const u8 *p, struct err *e)
{
	AUTO_BUF struct buf name = { 0 };
	u32 pieces = claim_pieces(s, slot, p), index = (u32)s->t->n;
	struct fat_old *o;

	if (!fat_slot_name(&s->long_name, p, &name))
		return damaged(s, s->node, "the directory has an entry without a name", e);
	if (s->t->n == FAT_FILES_MAX)
		return fail(e, -ENOTSUP, "%s: has more than %d files", s->f->d->name, FAT_FILES_MAX);
	if (s->t->old[s->node].depth == FAT_DEPTH_MAX)
		return fail(e, -ENOTSUP, "%s: has more than %d directories in each other", s->f->d->name,
		            FAT_DEPTH_MAX);
	o = ARRAY_ADD(s->t->old, s->t->n, s->t->cap);
	o->parent = s->node;
	o->name = pool_text(&s->t->names, name.s, name.len);
	add_key(s->t, o);
	memcpy(o->alias, p, sizeof(o->alias));
	o->depth = s->t->old[s->node].depth + 1;
	o->nt_case = p[12];
	o->is_dir = p[11] & FAT_DIRECTORY;
	o->first = fat_slot_cluster(p);
	o->size = o->is_dir ? 0 : get_le32(p + 28);
	o->slot = slot - pieces;
	o->n_slots = pieces + 1;
	o->dir = NONE;
	return o->is_dir ? 0 : check_file(s, index, e);
}

/* Both dots, where they belong, leading where they should. 0 stands for the root, but some write its number. */
static int check_dots(struct scan *s, const struct fat_dir *d, struct err *e)
{
	const struct fat_old *o = &s->t->old[s->node];
	u32 parent = s->t->old[o->parent].first, up;

	if (s->node == 0)
		return 0;
	if (memcmp(d->now, ".          ", FAT_ALIAS_SIZE) != 0 ||
	    memcmp(d->now + FAT_ENTRY_SIZE, "..         ", FAT_ALIAS_SIZE) != 0)
		return damaged(s, s->node, "the directory does not begin with \".\" and \"..\"", e);
	up = fat_slot_cluster(d->now + FAT_ENTRY_SIZE);
	if (fat_slot_cluster(d->now) != o->first || (up != parent && (o->parent != 0 || up != 0)))
		return damaged(s, s->node, "\".\" or \"..\" leads to another directory", e);
	return 0;
}

static int read_slot(struct scan *s, u32 slot, const u8 *p, struct err *e)
{
	u8 attributes = p[11] & 0x3f;
	int r = 0;

	if (p[0] != FAT_DELETED && attributes == FAT_LONG_NAME) {
		orphan(s, slot);
		fat_long_name_take(&s->long_name, p);
		return 0;
	}
	if (p[0] == FAT_DELETED)
		s->t->dir[s->dir].kind[slot] = SLOT_FREE;
	else if (attributes & FAT_LABEL)
		s->t->dir[s->dir].kind[slot] = SLOT_LIVE;
	else if (fat_slot_is_dots(p) && s->node != 0 && slot < 2)
		s->t->dir[s->dir].kind[slot] = SLOT_LIVE;
	else if (fat_slot_is_dots(p))
		r = damaged(s, s->node, "the directory has \".\" or \"..\" at a wrong place", e);
	else
		r = read_entry(s, slot, p, e);
	fat_long_name_drop(&s->long_name);
	return r;
}

/* No program repairs that. */
static int refuse_hidden(const struct scan *s, struct err *e)
{
	AUTO_FREE char *path = fat_old_path(s->t, s->node);

	return fail(e, -EUCLEAN,
	            "%s: %s: the directory has entries behind its end, which only some systems see; copy away what you "
	            "need of it and remove it",
	            s->f->d->name, path);
}

/*
 * Some systems stop at the first entry that begins with 0, some go on: they would not agree on what there is, and what
 * one of them has put there must not be overwritten. Pieces of long names are nothing to either.
 */
static int check_behind_end(struct scan *s, const struct fat_dir *d, u32 n_slots, struct err *e)
{
	for (u32 slot = d->end; slot < n_slots; slot++) {
		const u8 *p = d->now + (size_t)slot * FAT_ENTRY_SIZE;

		if (p[0] == 0 || p[0] == FAT_DELETED)
			continue;
		if ((p[11] & 0x3f) != FAT_LONG_NAME)
			return refuse_hidden(s, e);
		orphan(s, slot);
	}
	return 0;
}

static int read_dir(struct scan *s, u32 node, struct err *e)
{
	struct fat_dir *d = ARRAY_ADD(s->t->dir, s->t->n_dirs, s->t->cap_dirs);
	u32 n_slots;
	int r;

	s->node = node;
	s->dir = s->t->old[node].dir = (u32)s->t->n_dirs - 1;
	fat_long_name_drop(&s->long_name);
	r = check_dir_chain(s, node, d, e);
	if (r == 0)
		r = load_dir(s, d, e);
	if (r == 0)
		r = check_dots(s, d, e);
	if (r < 0)
		return r;
	s->t->old[node].n_clusters = d->n_clusters;
	n_slots = fat_slots_in(s->f, d->n_clusters);
	d->kind = xcalloc(n_slots, 1);
	while (d->end < n_slots && d->now[(size_t)d->end * FAT_ENTRY_SIZE] != 0) {
		r = read_slot(s, d->end, d->now + (size_t)d->end * FAT_ENTRY_SIZE, e);
		if (r < 0)
			return r;
		d->end++;
	}
	return check_behind_end(s, d, n_slots, e);
}

/* ---- names */

static int compare_names(const void *a, const void *b)
{
	const struct fat_name_index *x = a, *y = b;

	return x->parent != y->parent ? (x->parent > y->parent) - (x->parent < y->parent) : strcmp(x->key, y->key);
}

static int sort_names(struct scan *s, struct err *e)
{
	struct fat_olds *t = s->t;

	t->by_name = xcalloc(t->n, sizeof(*t->by_name));
	for (u32 i = 1; i < t->n; i++)
		t->by_name[i - 1] = (struct fat_name_index){ t->old[i].parent, i, t->old[i].key };
	qsort(t->by_name, t->n - 1, sizeof(*t->by_name), compare_names);
	for (size_t i = 1; i + 1 < t->n; i++)
		if (compare_names(&t->by_name[i - 1], &t->by_name[i]) == 0)
			return damaged(s, t->by_name[i].index, "is there twice", e);
	return 0;
}

static int check_aliases(struct scan *s, struct err *e)
{
	struct fat_aliases *a = fat_aliases_new(s->t->n);
	int r = 0;

	for (u32 i = 1; i < s->t->n && r == 0; i++)
		if (!fat_aliases_add(a, s->t->old[i].parent, s->t->old[i].alias))
			r = damaged(s, i, "has the short name of another file", e);
	fat_aliases_free(a);
	return r;
}

size_t fat_first_child(const struct fat_olds *t, u32 parent)
{
	size_t low = 0, high = t->n - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->by_name[middle].parent < parent)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

u32 fat_old_child(const struct fat_olds *t, u32 parent, const char *key)
{
	const struct fat_name_index want = { .parent = parent, .key = key }, *found;

	found = bsearch(&want, t->by_name, t->n - 1, sizeof(want), compare_names);
	return found ? found->index : NONE;
}

u32 fat_old_find(const struct fat_olds *t, const char *path)
{
	u32 at = 0;

	for (const char *p = path + (*path == '/'); *p && at != NONE;) {
		AUTO_BUF struct buf key = { 0 };
		size_t len = strcspn(p, "/");
		u16 units[FAT_NAME_UNITS];
		const char *why;
		int n = fat_name_units(p, len, units, &why);

		if (n < 0)
			return NONE; /* nothing on the volume has a name that FAT cannot hold */
		fat_name_add_folded(&key, units, (size_t)n);
		at = fat_old_child(t, at, key.s);
		p += len;
		p += *p == '/';
	}
	return at;
}

/* ---- all */

static int read_all(struct scan *s, struct err *e)
{
	struct fat_old *root = ARRAY_ADD(s->t->old, s->t->n, s->t->cap);
	int r = 0;

	root->name = "";
	root->key = "";
	root->is_dir = true;
	root->first = s->f->root;
	if (fat_get(s->table, 0) % 0x100 != s->f->media)
		return damaged(s, 0, "the FAT does not begin with the kind of medium", e);
	for (u32 i = 0; i < s->t->n && r == 0; i++)
		if (s->t->old[i].is_dir)
			r = read_dir(s, i, e);
	if (r == 0)
		r = sort_names(s, e);
	return r < 0 ? r : check_aliases(s, e);
}

int fat_olds_read(struct fat_updater *f, const u8 *table, struct fat_olds *ret, struct err *e)
{
	struct fat_olds t = { .used = xcalloc((f->n_clusters + FIRST_CLUSTER) / 8 + 1, 1) };
	struct scan s = { .f = f, .table = table, .t = &t };
	int r = read_all(&s, e);

	if (r < 0) {
		fat_olds_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void fat_olds_free(struct fat_olds *t)
{
	for (size_t i = 0; i < t->n_dirs; i++) {
		free(t->dir[i].cluster);
		free(t->dir[i].kind);
		free(t->dir[i].now);
		free(t->dir[i].disk);
	}
	free(t->old);
	free(t->dir);
	free(t->by_name);
	free(t->used);
	pool_free(&t->names);
	*t = (struct fat_olds){ 0 };
}
