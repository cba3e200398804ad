/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which blocks an inode has: its tree of extents (Linux, Documentation/filesystems/ext4/ifork.rst). Each block is
 * claimed once, so that no tree, however it is made, costs more than the volume has blocks.
 */
#include "src/fs/ext4_update_private.h"

#include <errno.h>

#define MAGIC      0xf30a
#define ENTRY_SIZE 12 /* of the header too */
#define UNWRITTEN  32768
#define LEVELS     5 /* below the inode, at most */
#define ROOT_SIZE  (EXT2_N_BLOCKS * 4)
#define BLOCKS_MAX (1ULL << 32) /* of a file */

/* Where the reading of one node of the tree is. */
struct level {
	u8 *data;
	unsigned n, next, depth;
};

struct walk {
	struct ext4_update *x;
	struct ext4_live *node;
	struct level level[LEVELS + 1];
	u8 block[LEVELS][EXT4_BLOCK];
	u64 at;         /* block of the file where the next extent may begin */
	bool unwritten; /* there are extents that were allocated and never written */
	char who[32];
};

int ext4_claim(struct ext4_update *x, u64 block, u64 n, const char *who, struct err *e)
{
	u64 count = ext2fs_blocks_count(x->fs->super);

	if (block >= count || n > count - block || n == 0)
		return ext4_unclean(x, e, "%s has blocks outside the volume", who);
	if (!ext2fs_test_block_bitmap_range2(x->fs->block_map, block, (unsigned)n))
		return ext4_unclean(x, e, "%s has blocks that something else has too (%llu and following)", who,
		                    (unsigned long long)block);
	ext2fs_mark_block_bitmap_range2(x->fs->block_map, block, (unsigned)n);
	return 0;
}

static int begin_level(struct walk *w, unsigned i, u8 *data, size_t room, unsigned depth, struct err *e)
{
	struct level *l = &w->level[i];
	unsigned max = get_le16(data + 4);

	*l = (struct level){ .data = data, .n = get_le16(data + 2), .depth = get_le16(data + 6) };
	if (get_le16(data) != MAGIC || l->n > max || max > room / ENTRY_SIZE - 1 || l->depth > LEVELS ||
	    (i > 0 && (l->depth != depth || l->n == 0)))
		return ext4_unclean(w->x, e, "%s: its extents are no tree", w->who);
	return 0;
}

/* Of a hundred thousand files nearly all lie in one stretch: room for more would be most of what is kept of them. */
static void add_run(struct ext4_runs *runs, struct ext4_run run)
{
	if (runs->n == 0) {
		runs->run = array_resize(runs->run, 1, sizeof(*runs->run));
		runs->cap = 1;
	}
	*ARRAY_ADD(runs->run, runs->n, runs->cap) = run;
}

static int add_extent(struct walk *w, const u8 *entry, struct err *e)
{
	u64 at = get_le32(entry), n = get_le16(entry + 4), block = get_le32(entry + 8) | (u64)get_le16(entry + 6) << 32;
	struct ext4_runs *runs = &w->node->body.runs;
	struct ext4_run *last = runs->n ? &runs->run[runs->n - 1] : NULL;
	bool unwritten = n > UNWRITTEN;
	int r;

	n -= unwritten ? UNWRITTEN : 0;
	if (n == 0 || at < w->at || at + n > BLOCKS_MAX)
		return ext4_unclean(w->x, e, "%s: its extents are not in order", w->who);
	r = ext4_claim(w->x, block, n, w->who, e);
	if (r < 0)
		return r;
	w->at = at + n;
	w->unwritten |= unwritten;
	if (last && last->in_file + last->length == at && last->block + last->length == block)
		last->length += n;
	else
		add_run(runs, (struct ext4_run){ .in_file = at, .block = block, .length = n });
	return 0;
}

/* Goes down to the node that level `i` has as its next entry. */
static int descend(struct walk *w, unsigned i, const u8 *entry, struct err *e)
{
	struct ext4_runs *map = &w->node->body.map;
	u64 block = get_le32(entry + 4) | (u64)get_le16(entry + 8) << 32;
	u8 *data = w->block[i];
	int r = ext4_claim(w->x, block, 1, w->who, e);

	if (r == 0)
		r = device_read(w->x->window, block * EXT4_BLOCK, data, EXT4_BLOCK, e);
	if (r == 0)
		r = begin_level(w, i + 1, data, EXT4_BLOCK, w->level[i].depth - 1, e);
	if (r < 0)
		return r;
	if (!ext2fs_extent_block_csum_verify(w->x->fs, w->node->number, (void *)data))
		return ext4_unclean(w->x, e, "%s: the checksum of its extents is wrong", w->who);
	*ARRAY_ADD(map->run, map->n, map->cap) = (struct ext4_run){ .block = block, .length = 1 };
	return 0;
}

static int walk_tree(struct walk *w, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0;) {
		struct level *l = &w->level[i];
		const u8 *entry = l->data + ENTRY_SIZE * (1 + l->next);

		if (l->next == l->n) {
			if (i-- == 0)
				break;
			continue;
		}
		l->next++;
		if (l->depth == 0)
			r = add_extent(w, entry, e);
		else
			r = descend(w, i++, entry, e);
	}
	return r;
}

int ext4_read_map(struct ext4_update *x, struct ext4_live *node, const struct ext2_inode *raw, struct err *e)
{
	AUTO_FREE struct walk *w = xcalloc(1, sizeof(*w));
	const struct ext4_runs *runs = &node->body.runs;
	u8 root[ROOT_SIZE];
	u64 n = 0;
	int r;

	w->x = x;
	w->node = node;
	snprintf(w->who, sizeof(w->who), "inode %u", node->number);
	memcpy(root, raw->i_block, sizeof(root)); /* libext2fs leaves the numbers of a tree as they are on the medium */
	r = begin_level(w, 0, root, sizeof(root), 0, e);
	if (r == 0)
		r = walk_tree(w, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < runs->n && runs->run[i].in_file == n; i++)
		n += runs->run[i].length;
	node->is_whole = !w->unwritten && n >= div_round_up(node->size, EXT4_BLOCK);
	return 0;
}

u64 ext4_body_blocks(const struct ext4_body *b)
{
	u64 n = b->map.n;

	for (size_t i = 0; i < b->runs.n; i++)
		n += b->runs.run[i].length;
	return n;
}

u64 ext4_body_place(const struct ext4_body *b)
{
	return b->runs.n == 1 ? b->runs.run[0].block : 0;
}

void ext4_body_free(struct ext4_body *b)
{
	free(b->runs.run);
	free(b->map.run);
	*b = (struct ext4_body){ 0 };
}
