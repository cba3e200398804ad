/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each path gets a key: its names folded, with 0x01 for the slash, which no name has and which sorts before all that
 * names have. Sorted by key, a directory stands directly before what it holds, and names that are one on FAT stand
 * beside each other: no table of names is needed, and no list can make it slow.
 */
#include "src/fs/fat_tree.h"

#include <errno.h>

#define SLASH '\1'

struct key {
	const char *key; /* into the one buffer of all keys */
	size_t index;    /* of the file in the list */
};

static int refuse_name(const struct volume_file *f, const char *name, size_t len, const char *why, struct err *e)
{
	return fail_source(e, -EINVAL, "%s: FAT cannot hold the name \"%.*s\": %s", f->path, (int)MIN(len, KIB), name,
	                   why);
}

static int add_key(struct buf *keys, const struct volume_file *f, struct err *e)
{
	const char *p = f->path, *why = NULL;
	bool is_root = f->is_dir && strcmp(p, "/") == 0;
	u16 units[FAT_NAME_UNITS];

	for (unsigned depth = 0; !is_root && (depth == 0 || *p); depth++) {
		size_t len;
		int n;

		if (*p != '/')
			return fail(e, -EINVAL, "%s: does not begin with a slash", f->path);
		len = strcspn(++p, "/");
		n = fat_name_units(p, len, units, &why);
		if (n < 0)
			return refuse_name(f, p, len, why, e);
		if (depth == FAT_DEPTH_MAX)
			return fail_source(e, -EINVAL, "%s: lies more than %d directories deep", f->path,
			                   FAT_DEPTH_MAX);
		buf_add(keys, (char[]){ SLASH }, 1);
		fat_name_add_folded(keys, units, (size_t)n);
		p += len;
	}
	buf_add(keys, "", 1);
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The keys of all files, sorted; they point into `text`. */
static int sort_keys(const struct volume_files *files, struct buf *text, struct key **ret, struct err *e)
{
	AUTO_FREE struct key *keys = xcalloc(files->n, sizeof(*keys));
	AUTO_FREE size_t *at = xcalloc(files->n, sizeof(*at));

	for (size_t i = 0; i < files->n; i++) {
		int r;

		at[i] = text->len;
		r = add_key(text, &files->file[i], e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < files->n; i++)
		keys[i] = (struct key){ text->s + at[i], i };
	qsort(keys, files->n, sizeof(*keys), compare_keys);
	*ret = TAKE(keys);
	return 0;
}

/* The names that lead to what was added last: the one at each depth, with its folded form. */
struct trail {
	size_t depth;
	struct {
		size_t node, key_len;
		const char *key;
	} at[FAT_DEPTH_MAX];
};

static int refuse_pair(const struct fat_node *a, const char *path, size_t len, struct err *e)
{
	if (a->path_len == len && memcmp(a->path, path, len) == 0)
		return fail_source(e, -EEXIST, "%.*s: is there twice", (int)len, path);
	return fail_source(e, -EEXIST, "%.*s and %.*s: FAT takes the two names for one", (int)a->path_len, a->path,
	                   (int)len, path);
}

/* One name of a path: bytes path[name_off..path_len) of `f`; the last one is the file itself. */
struct step {
	const struct volume_file *f;
	size_t name_off, path_len;
	const char *key;
	size_t key_len, depth;
	bool is_last;
};

/* The name is there already: both must be the same directory. */
static int meet(struct fat_node *old, const struct step *s, struct err *e)
{
	size_t len = s->path_len - s->name_off;
	bool same = old->path_len - old->name_off == len &&
	            memcmp(old->path + old->name_off, s->f->path + s->name_off, len) == 0;

	if (!same || !old->is_dir || (s->is_last && !s->f->is_dir))
		return refuse_pair(old, s->f->path, s->path_len, e);
	if (s->is_last)
		old->file = s->f;
	return 0;
}

static void add_node(struct fat_tree *t, struct trail *trail, const struct step *s)
{
	struct fat_node *n = ARRAY_ADD(t->node, t->n, t->cap);

	n->path = s->f->path;
	n->path_len = (u32)s->path_len;
	n->name_off = (u32)s->name_off;
	n->parent = s->depth ? (u32)trail->at[s->depth - 1].node : 0;
	n->file = s->is_last ? s->f : NULL;
	n->is_dir = !s->is_last || s->f->is_dir;
	trail->at[s->depth].node = t->n - 1;
	trail->at[s->depth].key = s->key;
	trail->at[s->depth].key_len = s->key_len;
}

/* Adds one path with the parents that are not there yet; returns through *ret_node where it is. */
static int add_path(struct fat_tree *t, struct trail *trail, const struct volume_file *f, const char *key,
                    u32 *ret_node, struct err *e)
{
	struct step s = { .f = f };

	*ret_node = 0;
	for (; *key; s.depth++, key += s.key_len) {
		bool known;
		int r;

		s.key = ++key;
		s.key_len = strcspn(key, (char[]){ SLASH, 0 });
		s.name_off = s.path_len + 1;
		s.path_len = s.name_off + strcspn(f->path + s.name_off, "/");
		s.is_last = f->path[s.path_len] == '\0';
		known = s.depth < trail->depth && trail->at[s.depth].key_len == s.key_len &&
		        memcmp(trail->at[s.depth].key, key, s.key_len) == 0;
		if (known) {
			r = meet(&t->node[trail->at[s.depth].node], &s, e);
			if (r < 0)
				return r;
		} else {
			add_node(t, trail, &s);
			trail->depth = s.depth + 1;
		}
		*ret_node = (u32)trail->at[s.depth].node;
	}
	trail->depth = s.depth;
	return 0;
}

static int add_all(struct fat_tree *t, const struct volume_files *files, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_FREE struct key *keys = NULL;
	struct trail trail = { 0 };
	int r = sort_keys(files, &text, &keys, e);

	ARRAY_ADD(t->node, t->n, t->cap)->is_dir = true;
	t->of_file = xcalloc(files->n, sizeof(*t->of_file));
	for (size_t i = 0; i < files->n && r == 0; i++)
		r = add_path(t, &trail, &files->file[keys[i].index], keys[i].key, &t->of_file[keys[i].index], e);
	return r;
}

static size_t node_units(const struct fat_node *n, u16 units[FAT_NAME_UNITS])
{
	const char *why;
	int n_units = fat_name_units(n->path + n->name_off, n->path_len - n->name_off, units, &why);

	return n_units < 0 ? 0 : (size_t)n_units; /* the key could not have been made */
}

size_t fat_node_long_name(const struct fat_node *n, u16 ret_units[FAT_NAME_UNITS])
{
	return n->has_long_name ? node_units(n, ret_units) : 0;
}

/* Names that keep their alias come first, so that no number can take it from them. */
static void set_aliases(struct fat_tree *t)
{
	AUTO_FREE u32 *counter = xcalloc(t->n, sizeof(*counter));
	AUTO_FREE bool *lossy = xcalloc(t->n, sizeof(*lossy));
	struct fat_aliases *a = fat_aliases_new(t->n);
	u16 units[FAT_NAME_UNITS];

	for (size_t i = 1; i < t->n; i++) {
		struct fat_node *n = &t->node[i];
		size_t n_units = node_units(n, units);
		enum fat_alias_kind kind = fat_alias_of(units, n_units, n->alias);

		n->has_long_name = kind != FAT_ALIAS_SAME;
		lossy[i] = kind == FAT_ALIAS_LOSSY;
		if (!lossy[i])
			fat_aliases_add(a, (u32)n->parent, n->alias);
		t->node[n->parent].n_entries += fat_entry_count(n->has_long_name ? n_units : 0);
	}
	for (size_t i = 1; i < t->n; i++)
		if (lossy[i] && t->node[t->node[i].parent].n_entries <= FAT_DIR_ENTRIES)
			fat_aliases_choose(a, (u32)t->node[i].parent, &counter[t->node[i].parent], t->node[i].alias);
	fat_aliases_free(a);
}

static int check_sizes(const struct fat_tree *t, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct fat_node *n = &t->node[i];

		if (n->n_entries > FAT_DIR_ENTRIES)
			return fail_source(e, -EFBIG, "%.*s: has more names in it than a directory on FAT can hold",
			                   i ? (int)n->path_len : 1, i ? n->path : "/");
	}
	return 0;
}

int fat_tree_make(const struct volume_files *files, bool has_label, struct fat_tree *ret, struct err *e)
{
	struct fat_tree t = { 0 };
	int r = add_all(&t, files, e);

	if (r == 0) {
		for (size_t i = 0; i < t.n; i++)
			t.node[i].n_entries = i ? 2 : has_label;
		set_aliases(&t);
		r = check_sizes(&t, e);
	}
	if (r < 0) {
		fat_tree_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void fat_tree_free(struct fat_tree *t)
{
	free(t->node);
	free(t->of_file);
	*t = (struct fat_tree){ 0 };
}
