/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_update_private.h"

#include <errno.h>

#include "src/fs/ext4_read.h"

/* Of a block with names; its last 12 bytes look like an entry and hold the checksum. */
#define DIR_ROOM (EXT4_BLOCK - sizeof(struct ext2_dir_entry_tail))

#define ENTRY_HEADER offsetof(struct ext2_dir_entry, name)

struct ext4_name *ext4_add_name(struct ext4_update *x, size_t dir, const char *s, size_t len)
{
	struct ext4_live *node = &x->node[dir];
	struct ext4_name *n = ARRAY_ADD(node->name, node->n_names, node->cap_names);

	*n = (struct ext4_name){ .at = x->text.len, .len = (u8)len, .now = NONE, .then = NONE };
	buf_add(&x->text, s, len);
	return n;
}

const char *ext4_name_text(const struct ext4_update *x, const struct ext4_name *n)
{
	return x->text.s + n->at;
}

size_t ext4_find_name(const struct ext4_update *x, size_t dir, const char *s, size_t len, bool then)
{
	const struct ext4_live *node = &x->node[dir];

	for (size_t i = 0; i < node->n_names; i++) {
		const struct ext4_name *n = &node->name[i];

		if (n->len == len && (then ? n->then : n->now) != NONE && memcmp(ext4_name_text(x, n), s, len) == 0)
			return i;
	}
	return NONE;
}

/* The name of a directory's own entry, or of the one file that `node` is, in its parent. */
static const struct ext4_name *name_in(const struct ext4_update *x, size_t dir, size_t node)
{
	for (size_t i = 0; i < x->node[dir].n_names; i++)
		if (x->node[dir].name[i].now == node || x->node[dir].name[i].then == node)
			return &x->node[dir].name[i];
	return NULL;
}

char *ext4_path_of(const struct ext4_update *x, size_t node)
{
	char *path = xstrdup("");

	for (size_t at = node; at != x->node[at].parent; at = x->node[at].parent) {
		const struct ext4_name *n = name_in(x, x->node[at].parent, at);
		AUTO_BUF struct buf longer = { 0 };

		buf_adds(&longer, "/");
		if (n)
			buf_add(&longer, ext4_name_text(x, n), n->len);
		buf_adds(&longer, path);
		free(path);
		path = TAKE(longer.s);
	}
	if (*path)
		return path;
	free(path);
	return xstrdup("/");
}

/* ---- reading */

struct reading {
	struct ext4_update *x;
	size_t dir; /* node */
	u64 n;      /* entries of the directory so far */
	u64 total;  /* of all */
	size_t *queue;
	size_t n_queue, cap_queue;
};

static int damaged(const struct reading *d, const char *what, struct err *e)
{
	AUTO_FREE char *path = ext4_path_of(d->x, d->dir);

	return ext4_unclean(d->x, e, "%s %s", path, what);
}

static int by_number(const void *a, const void *b)
{
	u32 x = ((const struct ext4_live *)a)->number, y = ((const struct ext4_live *)b)->number;

	return (x > y) - (x < y);
}

static size_t node_of(const struct ext4_update *x, u32 number)
{
	struct ext4_live key = { .number = number };
	struct ext4_live *found = x->n_found ? bsearch(&key, x->node, x->n_found, sizeof(key), by_number) : NULL;

	return found ? (size_t)(found - x->node) : NONE;
}

/* A name leads to the node. */
static int reach(struct reading *d, size_t index, struct err *e)
{
	struct ext4_live *node = &d->x->node[index];

	node->names_now++;
	if (node->is_reached && LINUX_S_ISDIR(node->mode))
		return damaged(d, "has a directory that lies in another one too", e);
	if (node->is_reached)
		return 0;
	node->is_reached = true;
	node->parent = d->dir;
	if (LINUX_S_ISDIR(node->mode))
		*ARRAY_ADD(d->queue, d->n_queue, d->cap_queue) = index;
	return 0;
}

/* "." and "..", which come first. */
static int check_dots(struct reading *d, const char *name, size_t len, u32 inode, struct err *e)
{
	const struct ext4_update *x = d->x;
	u32 want = d->n == 0 ? x->node[d->dir].number : x->node[x->node[d->dir].parent].number;

	if (len != d->n + 1 || memcmp(name, "..", len) != 0 || inode != want)
		return damaged(d, "does not begin with the entries for itself and its parent", e);
	return 0;
}

static int add_entry(struct reading *d, const char *name, size_t len, u32 inode, struct err *e)
{
	struct ext4_name *n;
	size_t node;

	if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len) || (len <= 2 && memcmp(name, "..", len) == 0))
		return damaged(d, "has an entry with a name that no file can have", e);
	node = node_of(d->x, inode);
	if (node == NONE || inode < EXT2_GOOD_OLD_FIRST_INO)
		return damaged(d, "has an entry for a file that is not there", e);
	if (d->total++ == EXT4_ENTRIES_MAX)
		return fail(e, -EFBIG, "%s: has more than %d files", d->x->window->name, EXT4_ENTRIES_MAX);
	n = ext4_add_name(d->x, d->dir, name, len);
	n->now = n->then = node;
	return reach(d, node, e);
}

static int read_block(struct reading *d, u8 *block, struct err *e)
{
	int r = 0;

	for (size_t at = 0; at < EXT4_BLOCK && r == 0;) {
		struct ext2_dir_entry *entry = (struct ext2_dir_entry *)(void *)(block + at);
		unsigned size = 0, len;

		if (EXT4_BLOCK - at >= ENTRY_HEADER)
			ext2fs_get_rec_len(d->x->fs, entry, &size);
		if (size < ENTRY_HEADER || size % 4 || size > EXT4_BLOCK - at)
			return damaged(d, "has an entry with a wrong length", e);
		len = (unsigned)ext2fs_dirent_name_len(entry);
		if (entry->inode && len > size - ENTRY_HEADER)
			return damaged(d, "has a name that is longer than its entry", e);
		if (entry->inode) {
			r = d->n < 2 ? check_dots(d, entry->name, len, entry->inode, e)
			             : add_entry(d, entry->name, len, entry->inode, e);
			d->n++;
		}
		at += size;
	}
	return r;
}

static int read_dir(struct reading *d, struct err *e)
{
	u32 block[EXT4_BLOCK / 4];
	u32 number = d->x->node[d->dir].number;
	int r = 0;

	d->n = 0;
	for (u64 i = 0, run = 0; r == 0 && i < d->x->node[d->dir].size / EXT4_BLOCK; i++) {
		const struct ext4_run *at = &d->x->node[d->dir].body.runs.run[run];
		errcode_t err = ext2fs_read_dir_block4(d->x->fs, at->block + (i - at->in_file), block, 0, number);

		if (err > 0 && err < 4096)
			return ext4_lib_failed(d->x, err, "directory", e);
		if (err)
			return damaged(d, "cannot be read: its checksum or an entry is wrong", e);
		r = read_block(d, (u8 *)block, e);
		run += i + 1 == at->in_file + at->length;
	}
	return r < 0 || d->n >= 2 ? r : damaged(d, "has no entries for itself and its parent", e);
}

/* ---- what cannot be reached, and links */

static bool is_empty_file(const struct ext4_live *node)
{
	return !LINUX_S_ISREG(node->mode) || (node->size == 0 && ext4_body_blocks(&node->body) == 0);
}

/* They go with the next update: nothing has to be done for that than to leave their names at none. */
static int look_at_lost(struct ext4_update *x, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < x->n_found; i++) {
		if (x->node[i].is_reached)
			continue;
		if (!is_empty_file(&x->node[i]))
			return ext4_unclean(x, e, "a file of %llu bytes has no name (inode %u)",
			                    (unsigned long long)x->node[i].size, x->node[i].number);
		n++;
	}
	if (n)
		update_tell(&x->u, "%zu empty files or directories have no name", n);
	return 0;
}

static u32 links_of_dir(const struct ext4_update *x, size_t dir)
{
	u32 n = 2;

	for (size_t i = 0; i < x->node[dir].n_names; i++)
		n += LINUX_S_ISDIR(x->node[x->node[dir].name[i].now].mode);
	return n;
}

static int check_links(struct ext4_update *x, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < x->n_found; i++) {
		const struct ext4_live *node = &x->node[i];
		bool is_dir = LINUX_S_ISDIR(node->mode);
		u32 want = is_dir ? links_of_dir(x, i) : node->names_now;
		AUTO_FREE char *path = NULL;

		if (!node->is_reached || node->links == want || (is_dir && node->links == 1))
			continue;
		n++;
		if (!is_dir && node->links > want)
			continue;
		path = ext4_path_of(x, i);
		return ext4_unclean(x, e, "%s counts %u links and has %u", path, node->links, want);
	}
	if (n)
		update_tell(&x->u, "%zu files count more names than they have", n);
	return 0;
}

int ext4_read_dirs(struct ext4_update *x, struct err *e)
{
	struct reading d = { .x = x };
	size_t root = node_of(x, EXT2_ROOT_INO);
	int r = 0;

	if (root == NONE || !LINUX_S_ISDIR(x->node[root].mode))
		return ext4_unclean(x, e, "there is no directory at the top");
	x->node[root].is_reached = true;
	x->node[root].parent = root;
	x->node[root].names_now = 1;
	*ARRAY_ADD(d.queue, d.n_queue, d.cap_queue) = root;
	for (size_t i = 0; i < d.n_queue && r == 0; i++) {
		d.dir = d.queue[i];
		r = read_dir(&d, e);
	}
	free(d.queue);
	if (r == 0)
		r = look_at_lost(x, e);
	return r < 0 ? r : check_links(x, e);
}

/* ---- making */

struct writer {
	u8 *blocks;
	size_t last, end, cap; /* bytes: where the last entry begins, where the next may, and what there is */
};

static struct ext2_dir_entry *entry_at(const struct writer *w, size_t at)
{
	return (struct ext2_dir_entry *)(void *)(w->blocks + at);
}

/* The last entry of a block reaches up to the tail. */
static void end_block(struct writer *w)
{
	size_t begin = align_down(w->last, EXT4_BLOCK);

	entry_at(w, w->last)->rec_len = (u16)(begin + DIR_ROOM - w->last);
	entry_at(w, begin + DIR_ROOM)->rec_len = sizeof(struct ext2_dir_entry_tail);
	entry_at(w, begin + DIR_ROOM)->name_len = EXT2_DIR_NAME_LEN_CSUM;
	w->end = begin + EXT4_BLOCK;
}

/* Room for the block in which the next entry goes. */
static void begin_block(struct writer *w)
{
	if (w->end % EXT4_BLOCK || w->end + EXT4_BLOCK <= w->cap)
		return;
	w->blocks = array_grow(w->blocks, w->end + EXT4_BLOCK, &w->cap, 1);
	memset(w->blocks + w->end, 0, w->cap - w->end);
}

static void put(struct writer *w, u32 inode, int type, const char *name, size_t len)
{
	size_t size = align_up(ENTRY_HEADER + len, 4);
	struct ext2_dir_entry *d;

	if (w->end % EXT4_BLOCK + size > DIR_ROOM)
		end_block(w);
	begin_block(w);
	w->last = w->end;
	w->end += size;
	d = entry_at(w, w->last);
	d->inode = inode;
	d->rec_len = (u16)size;
	ext2fs_dirent_set_name_len(d, (int)len);
	ext2fs_dirent_set_file_type(d, type);
	memcpy(d->name, name, len);
}

static int entry_type(u16 mode)
{
	static const u8 types[16] = {
		[1] = EXT2_FT_FIFO,     [2] = EXT2_FT_CHRDEV,   [4] = EXT2_FT_DIR,  [6] = EXT2_FT_BLKDEV,
		[8] = EXT2_FT_REG_FILE, [10] = EXT2_FT_SYMLINK, [12] = EXT2_FT_SOCK
	};

	return types[mode >> 12];
}

u8 *ext4_dir_make(const struct ext4_update *x, size_t dir, bool then, u64 *ret_n)
{
	const struct ext4_live *node = &x->node[dir];
	struct writer w = { 0 };

	put(&w, node->number, EXT2_FT_DIR, ".", 1);
	put(&w, x->node[node->parent].number, EXT2_FT_DIR, "..", 2);
	for (size_t i = 0; i < node->n_names; i++) {
		const struct ext4_name *n = &node->name[i];
		size_t to = then ? n->then : n->now;

		if (n->then != NONE && to != NONE)
			put(&w, x->node[to].number, entry_type(x->node[to].mode), ext4_name_text(x, n), n->len);
	}
	end_block(&w);
	*ret_n = w.end / EXT4_BLOCK;
	return w.blocks;
}
