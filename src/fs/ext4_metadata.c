/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_metadata.h"

#include <errno.h>
#include <sys/stat.h>

#include "src/base/progress.h"
#include "src/fs/ext4_inode.h"
#include "src/fs/ext4_read.h"

#define BYTES_MAX (8 * GIB)

/* Offsets in an inode as it is on the medium, and its map. */
#define INODE_MODE        0
#define INODE_SIZE_LOW    4
#define INODE_LINKS       26
#define INODE_BLOCKS      28
#define INODE_FLAGS       32
#define INODE_MAP         40
#define INODE_MAP_SIZE    60
#define INODE_ACL         104
#define INODE_ACL_HIGH    118
#define EXTENT_MAGIC      0xf30a
#define EXTENT_SIZE       12 /* of the header too */
#define EXTENT_UNWRITTEN  32768
#define EXTENT_DEPTH_MAX  5
#define TABLE_LEVELS      3
#define TABLE_FIRST_LEVEL 12 /* number in the inode's map of the table of blocks; tables of tables follow */

/* What of an inode's blocks is metadata beside its map. */
enum content { CONTENT_NONE, CONTENT_FIRST, CONTENT_ALL };

struct walk {
	struct device *d;
	ext2_filsys fs;
	int (*fn)(void *ctx, u64 off, u64 len);
	void *ctx;
	struct err *e;
	enum ext4_metadata what;
	u64 budget;                  /* bytes */
	u8 *level[EXTENT_DEPTH_MAX]; /* blocks of maps, one for each level below the inode */
	u8 *table;                   /* a block of an inode table */
};

/* What reaches outside of the volume is left out. */
static int tell(struct walk *w, u64 block, u64 n)
{
	u64 count = ext2fs_blocks_count(w->fs->super), len = n * w->fs->blocksize;

	if (n == 0 || block >= count || n > count - block)
		return 0;
	if (interrupted)
		return fail(w->e, -EINTR, "interrupted");
	if (len > w->budget)
		return fail(w->e, -EFBIG, "%s: has more metadata than %llu GiB", w->d->name, BYTES_MAX / GIB);
	w->budget -= len;
	return w->fn(w->ctx, block * w->fs->blocksize, len);
}

/* Tells a block of a map and reads it; 1: it is there. */
static int map_block(struct walk *w, unsigned level, u64 block)
{
	int r;

	if (block == 0 || block >= ext2fs_blocks_count(w->fs->super))
		return 0;
	r = tell(w, block, 1);
	if (r == 0)
		r = device_read(w->d, block * w->fs->blocksize, w->level[level], w->fs->blocksize, w->e);
	return r == 0 ? 1 : r;
}

/* ---- extents */

static int tell_extent(struct walk *w, const u8 *x, enum content content)
{
	u64 block = get_le32(x + 8) | (u64)get_le16(x + 6) << 32, n = get_le16(x + 4);

	if (n > EXTENT_UNWRITTEN || content == CONTENT_NONE || (content == CONTENT_FIRST && get_le32(x) != 0))
		return 0;
	return tell(w, block, content == CONTENT_FIRST ? 1 : n);
}

/* A node of `room` bytes. The depth shrinks with each level, whatever the blocks say. */
static int walk_extents(struct walk *w, const u8 *node, size_t room, unsigned max_depth, enum content content)
{
	unsigned n = get_le16(node + 2), depth = get_le16(node + 6);
	int r = 0;

	if (get_le16(node) != EXTENT_MAGIC || n > room / EXTENT_SIZE - 1 || depth > max_depth)
		return 0;
	for (unsigned i = 0; r == 0 && i < n; i++) {
		const u8 *x = node + (i + 1) * EXTENT_SIZE;

		if (depth == 0) {
			r = tell_extent(w, x, content);
			continue;
		}
		r = map_block(w, depth - 1, get_le32(x + 4) | (u64)get_le16(x + 8) << 32);
		if (r > 0)
			r = walk_extents(w, w->level[depth - 1], w->fs->blocksize, depth - 1, content);
	}
	return r;
}

/* ---- tables of blocks, as ext2 and ext3 have */

static int walk_table(struct walk *w, u64 block, unsigned levels, enum content content)
{
	int r;

	if (levels == 0)
		return content == CONTENT_ALL && block ? tell(w, block, 1) : 0;
	r = map_block(w, levels - 1, block);
	for (size_t i = 0; r > 0 && i < w->fs->blocksize / 4; i++) {
		u32 below = get_le32(w->level[levels - 1] + 4 * i);
		/* Of the last level there is nothing to be told but contents. */
		int told =
		    below && (levels > 1 || content == CONTENT_ALL) ? walk_table(w, below, levels - 1, content) : 0;

		if (told != 0)
			return told;
	}
	return MIN(r, 0);
}

static int walk_tables(struct walk *w, const u8 *map, enum content content)
{
	int r = 0;

	if (content == CONTENT_FIRST && get_le32(map))
		r = tell(w, get_le32(map), 1);
	for (size_t i = 0; r == 0 && i < TABLE_FIRST_LEVEL; i++)
		r = walk_table(w, get_le32(map + 4 * i), 0, content);
	for (unsigned i = 0; r == 0 && i < TABLE_LEVELS; i++)
		r = walk_table(w, get_le32(map + 4 * (TABLE_FIRST_LEVEL + i)), i + 1, content);
	return r;
}

/* ---- inodes */

/* Of those that the file system keeps for itself all is metadata; but an empty journal is only its first block. */
static enum content content_of(const struct walk *w, u32 number, const u8 *inode)
{
	const struct ext2_super_block *s = w->fs->super;
	u16 mode = get_le16(inode + INODE_MODE);

	if (number == s->s_journal_inum)
		return w->what == EXT4_METADATA_REPLAY ? CONTENT_ALL : CONTENT_FIRST;
	if ((number < EXT2_FIRST_INODE(s) && number != EXT2_BAD_INO) || number == s->s_usr_quota_inum ||
	    number == s->s_grp_quota_inum || number == s->s_prj_quota_inum || number == s->s_orphan_file_inum)
		return CONTENT_ALL;
	if (S_ISDIR(mode) || S_ISLNK(mode) || (get_le32(inode + INODE_FLAGS) & EXT4_EA_INODE_FL))
		return CONTENT_ALL;
	return CONTENT_NONE;
}

/* Others have text or numbers where a map would be. */
static bool has_map(u32 number, const u8 *inode)
{
	u16 mode = get_le16(inode + INODE_MODE);
	u32 flags = get_le32(inode + INODE_FLAGS);

	if (flags & EXT4_INLINE_DATA_FL)
		return false;
	if (S_ISLNK(mode))
		return (flags & EXT4_EXTENTS_FL) || get_le32(inode + INODE_SIZE_LOW) >= INODE_MAP_SIZE;
	return S_ISDIR(mode) || S_ISREG(mode) || number == EXT2_BAD_INO;
}

static int walk_inode(struct walk *w, u32 number, const u8 *inode)
{
	u64 attributes = get_le32(inode + INODE_ACL) | (u64)get_le16(inode + INODE_ACL_HIGH) << 32;
	enum content content = content_of(w, number, inode);
	int r = 0;

	/* Neither used nor one that was deleted while it was open. */
	if (get_le16(inode + INODE_LINKS) == 0 && get_le32(inode + INODE_BLOCKS) == 0)
		return 0;
	if (attributes)
		r = tell(w, attributes, 1);
	if (r < 0 || !has_map(number, inode))
		return r;
	if (get_le32(inode + INODE_FLAGS) & EXT4_EXTENTS_FL)
		return walk_extents(w, inode + INODE_MAP, INODE_MAP_SIZE, EXTENT_DEPTH_MAX, content);
	return walk_tables(w, inode + INODE_MAP, content);
}

/* The inodes in one block of a table; `first` is the number of the first. */
static int walk_table_block(struct walk *w, u64 block, u32 first, u32 n)
{
	const size_t size = EXT2_INODE_SIZE(w->fs->super);
	int r = tell(w, block, 1);

	if (r == 0 && block < ext2fs_blocks_count(w->fs->super))
		r = device_read(w->d, block * w->fs->blocksize, w->table, w->fs->blocksize, w->e);
	for (u32 i = 0; r == 0 && i < n && (i + 1) * size <= w->fs->blocksize; i++)
		if (w->what == EXT4_METADATA_ALL || first + i == w->fs->super->s_journal_inum)
			r = walk_inode(w, first + i, w->table + i * size);
	return r;
}

static u32 used_inodes(const struct walk *w, dgrp_t group)
{
	u32 n = w->fs->super->s_inodes_per_group, unused = ext2fs_bg_itable_unused(w->fs, group);

	/* Whose checksum is wrong is not believed by e2fsck either. */
	if (!ext2fs_has_group_desc_csum(w->fs) || !ext2fs_group_desc_csum_verify(w->fs, group))
		return n;
	if (ext2fs_bg_flags_test(w->fs, group, EXT2_BG_INODE_UNINIT))
		return 0;
	return unused < n ? n - unused : n;
}

static int walk_inode_table(struct walk *w, dgrp_t group)
{
	const u32 per_block = EXT2_INODES_PER_BLOCK(w->fs->super), n = used_inodes(w, group);
	const u32 first = group * w->fs->super->s_inodes_per_group + 1, journal = w->fs->super->s_journal_inum;
	u64 table = ext2fs_inode_table_loc(w->fs, group);
	int r = 0;

	for (u32 i = 0; r == 0 && i < n; i += per_block) {
		bool is_wanted =
		    w->what == EXT4_METADATA_ALL || (journal >= first + i && journal - first - i < per_block);

		if (is_wanted)
			r = walk_table_block(w, table + i / per_block, first + i, MIN(per_block, n - i));
	}
	return r;
}

/* ---- groups */

static int walk_descriptors(struct walk *w, dgrp_t group)
{
	const struct ext2_super_block *s = w->fs->super;
	blk64_t super = 0, old = 0, new = 0;
	int r = 0;

	ext2fs_super_and_bgd_loc2(w->fs, group, &super, &old, &new, NULL);
	if (super || group == 0)
		r = tell(w, super, 1);
	if (r == 0 && old)
		r = tell(w, old, w->fs->desc_blocks + (u64)s->s_reserved_gdt_blocks);
	if (r == 0 && new)
		r = tell(w, new, 1);
	return r;
}

static int walk_group(struct walk *w, dgrp_t group)
{
	int r = walk_descriptors(w, group);

	if (r == 0 && w->what == EXT4_METADATA_ALL)
		r = tell(w, ext2fs_block_bitmap_loc(w->fs, group), 1);
	if (r == 0 && w->what == EXT4_METADATA_ALL)
		r = tell(w, ext2fs_inode_bitmap_loc(w->fs, group), 1);
	return r == 0 ? walk_inode_table(w, group) : r;
}

static int walk_volume(struct walk *w)
{
	int r = tell(w, 0, 1);

	if (r == 0 && w->fs->super->s_mmp_block)
		r = tell(w, w->fs->super->s_mmp_block, 1);
	for (dgrp_t i = 0; r == 0 && i < w->fs->group_desc_count; i++)
		r = walk_group(w, i);
	return r;
}

int ext4_each_metadata(struct device *d, enum ext4_metadata what, int (*fn)(void *ctx, u64 off, u64 len), void *ctx,
                       struct err *e)
{
	AUTO_EXT4 struct ext4_volume *v = NULL;
	struct walk w = { .d = d, .fn = fn, .ctx = ctx, .e = e, .what = what, .budget = BYTES_MAX };
	int r = ext4_open(d, &v, e);

	if (r < 0)
		return r;
	w.fs = ext4_volume_fs(v);
	for (size_t i = 0; i < EXTENT_DEPTH_MAX; i++)
		w.level[i] = xcalloc(1, w.fs->blocksize);
	w.table = xcalloc(1, w.fs->blocksize);
	r = walk_volume(&w);
	for (size_t i = 0; i < EXTENT_DEPTH_MAX; i++)
		free(w.level[i]);
	free(w.table);
	return r;
}
