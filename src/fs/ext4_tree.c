/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sorted by path, a directory stands directly before what it holds, and a path that is there twice beside itself: no
 * table of names is needed, and no list can make it slow.
 */
#include "src/fs/ext4_tree.h"

#include <errno.h>
#include <limits.h>

#define LOST_FOUND        "lost+found"
#define LOST_FOUND_BLOCKS 4 /* the kernel never makes it larger while e2fsck needs it: 16 KiB, as mke2fs gives it */

#define DEPTH_MAX (PATH_MAX / 2)

/* Of a block with names; its last 12 bytes look like an entry and hold the checksum. */
#define DIR_ROOM (EXT4_BLOCK - sizeof(struct ext2_dir_entry_tail))

struct key {
	const char *path;            /* slashes may repeat */
	const struct volume_file *f; /* NULL: lost+found */
};

static int check_path(const struct volume_file *f, struct err *e)
{
	const char *p = f->path + strspn(f->path, "/");
	bool bad = strlen(p) >= PATH_MAX || (!*p && !f->is_dir);

	while (*p && !bad) {
		size_t len = strcspn(p, "/");

		bad = len > EXT2_NAME_LEN || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.');
		p += len + strspn(p + len, "/");
	}
	return bad ? fail_source(e, -EINVAL, "%s: is not a path that ext4 can hold", f->path) : 0;
}

/* The end of a path sorts before a slash, and that before all that names have. Slashes at the end are no part of it. */
static int rank(const char *p)
{
	return *p == '\0' || (*p == '/' && !p[strspn(p, "/")]) ? 0 : *p == '/' ? 1 : (u8)*p + 2;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	const char *p = x->path, *q = y->path;

	while (*p && *p == *q) {
		size_t n = *p == '/' ? strspn(p, "/") : 1, m = *q == '/' ? strspn(q, "/") : 1;

		p += n;
		q += m;
	}
	return rank(p) != rank(q) ? rank(p) - rank(q) : (x->f > y->f) - (x->f < y->f);
}

static int sort_keys(const struct volume_files *files, struct key **ret, struct err *e)
{
	AUTO_FREE struct key *keys = xcalloc(files->n + 1, sizeof(*keys));

	for (size_t i = 0; i < files->n; i++) {
		const char *path = files->file[i].path;
		int r = check_path(&files->file[i], e);

		if (r < 0)
			return r;
		keys[i] = (struct key){ path + strspn(path, "/"), &files->file[i] };
	}
	keys[files->n] = (struct key){ LOST_FOUND, NULL };
	qsort(keys, files->n + 1, sizeof(*keys), compare_keys);
	*ret = TAKE(keys);
	return 0;
}

static u32 add_node(struct ext4_tree *t, u32 parent, const char *name, size_t len, bool is_dir)
{
	struct ext4_node *n = ARRAY_ADD(t->node, t->n, t->cap);
	u32 index = (u32)(t->n - 1);
	struct ext4_node *dir = &t->node[parent];

	*n = (struct ext4_node){ .name = name, .name_len = (u8)len, .is_dir = is_dir, .parent = parent };
	if (index == 0)
		return 0;
	if (dir->first)
		t->node[dir->last].next = index;
	else
		dir->first = index;
	dir->last = index;
	dir->n_dirs += is_dir;
	return index;
}

/* The node of name[0..len) in `dir`, which is made if the last one there has another name. */
static u32 step(struct ext4_tree *t, u32 dir, const char *name, size_t len, bool is_dir, bool *ret_is_new)
{
	u32 last = t->node[dir].last;

	*ret_is_new = !last || t->node[last].name_len != len || memcmp(t->node[last].name, name, len) != 0;
	return *ret_is_new ? add_node(t, dir, name, len, is_dir) : last;
}

static int add_path(struct ext4_tree *t, const struct volume_files *files, const struct key *k, struct err *e)
{
	bool is_dir = !k->f || k->f->is_dir, is_new = false;
	u32 at = 0;

	for (const char *p = k->path; *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (!t->node[at].is_dir)
			return fail_source(e, -ENOTDIR, "/%s: \"%.*s\" is a file and cannot hold others", k->path,
			                   t->node[at].name_len, t->node[at].name);
		at = step(t, at, p, len, p[len + strspn(p + len, "/")] || is_dir, &is_new);
		p += len;
	}
	if (!is_new && !(is_dir && t->node[at].is_dir))
		return fail_source(e, -EEXIST, "/%s: is there twice", k->path);
	if (!k->f) {
		t->lost_found = at;
		return 0;
	}
	t->node[at].file = k->f;
	t->of_file[k->f - files->file] = at;
	return 0;
}

int ext4_tree_make(const struct volume_files *files, struct ext4_tree *ret, struct err *e)
{
	CLEANUP(ext4_tree_free) struct ext4_tree t = { 0 };
	AUTO_FREE struct key *keys = NULL;
	int r = volume_count_names(files, &t.n_names, e);

	if (r == 0)
		r = sort_keys(files, &keys, e);
	if (r < 0)
		return r;
	t.of_file = xcalloc(files->n, sizeof(*t.of_file));
	add_node(&t, 0, "", 0, true);
	for (size_t i = 0; i <= files->n; i++) {
		r = add_path(&t, files, &keys[i], e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < files->n; i++)
		if (files->file[i].same_as)
			t.node[t.of_file[i]].same = t.of_file[files->file[i].same_as - 1];
	*ret = t;
	t = (struct ext4_tree){ 0 };
	return 0;
}

void ext4_tree_free(struct ext4_tree *t)
{
	free(t->node);
	free(t->of_file);
	free(t->n_names);
	*t = (struct ext4_tree){ 0 };
}

static ext2_ino_t number(size_t node)
{
	return node == 0 ? EXT2_ROOT_INO : (ext2_ino_t)(EXT2_GOOD_OLD_FIRST_INO - 1 + node);
}

ext2_ino_t ext4_tree_inode(const struct ext4_tree *t, size_t node)
{
	return number(t->node[node].same ? t->node[node].same : node);
}

ext2_ino_t ext4_tree_last_inode(const struct ext4_tree *t)
{
	return number(t->n - 1);
}

const struct ext4_node *ext4_tree_node(const struct ext4_tree *t, ext2_ino_t inode)
{
	size_t i = inode >= EXT2_GOOD_OLD_FIRST_INO ? inode - (EXT2_GOOD_OLD_FIRST_INO - 1) : t->n;

	return i < t->n && !t->node[i].same ? &t->node[i] : NULL;
}

/* ---- what a directory's blocks hold */

struct writer {
	u8 *blocks; /* NULL: only counted */
	u64 last;   /* where the last entry begins */
	u64 end;    /* behind it */
};

static struct ext2_dir_entry *entry_at(const struct writer *w, u64 at)
{
	return (struct ext2_dir_entry *)(void *)(w->blocks + at);
}

/* The last entry of a block reaches up to the tail. */
static void end_block(struct writer *w)
{
	u64 begin = align_down(w->last, EXT4_BLOCK);

	w->end = begin + EXT4_BLOCK;
	if (!w->blocks)
		return;
	entry_at(w, w->last)->rec_len = (u16)(begin + DIR_ROOM - w->last);
	entry_at(w, begin + DIR_ROOM)->rec_len = sizeof(struct ext2_dir_entry_tail);
	entry_at(w, begin + DIR_ROOM)->name_len = EXT2_DIR_NAME_LEN_CSUM;
}

/* Inode 0: an entry that is free. */
static void put(struct writer *w, ext2_ino_t inode, int type, const char *name, size_t len)
{
	u64 size = align_up(offsetof(struct ext2_dir_entry, name) + len, 4);
	struct ext2_dir_entry *d;

	if (w->end % EXT4_BLOCK + size > DIR_ROOM)
		end_block(w);
	w->last = w->end;
	w->end += size;
	if (!w->blocks)
		return;
	d = entry_at(w, w->last);
	d->inode = inode;
	d->rec_len = (u16)size;
	ext2fs_dirent_set_name_len(d, (int)len);
	ext2fs_dirent_set_file_type(d, type);
	memcpy(d->name, name, len);
}

/* `blocks` are zeros, or NULL to count them. */
static u64 put_dir(const struct ext4_tree *t, size_t dir, u8 *blocks)
{
	const struct ext4_node *n = &t->node[dir];
	struct writer w = { .blocks = blocks };

	put(&w, ext4_tree_inode(t, dir), EXT2_FT_DIR, ".", 1);
	put(&w, ext4_tree_inode(t, n->parent), EXT2_FT_DIR, "..", 2);
	for (size_t i = n->first; i; i = t->node[i].next)
		put(&w, ext4_tree_inode(t, i), t->node[i].is_dir ? EXT2_FT_DIR : EXT2_FT_REG_FILE, t->node[i].name,
		    t->node[i].name_len);
	end_block(&w);
	while (dir == t->lost_found && w.end < LOST_FOUND_BLOCKS * EXT4_BLOCK) {
		put(&w, 0, EXT2_FT_UNKNOWN, "", 0);
		end_block(&w);
	}
	return w.end / EXT4_BLOCK;
}

u64 ext4_tree_dir_blocks(const struct ext4_tree *t, size_t dir)
{
	return put_dir(t, dir, NULL);
}

void ext4_tree_dir_fill(const struct ext4_tree *t, size_t dir, u8 *ret_blocks)
{
	memset(ret_blocks, 0, ext4_tree_dir_blocks(t, dir) * EXT4_BLOCK);
	put_dir(t, dir, ret_blocks);
}
