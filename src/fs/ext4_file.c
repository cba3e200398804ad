/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_file.h"

#include <errno.h>

/*
 * The map of a file is a tree whose leaves are extents. A node is a header and entries, which begin with the block of
 * the file from which they count and have the same size at every level; the root lies in the inode.
 */
#define HEADER_SIZE    12
#define ENTRY_SIZE     12
#define MAGIC          0xf30a
#define ROOT_ENTRIES   4
#define NODE_ENTRIES   340 /* what a block has room for, with 4 bytes for its checksum at the end */
#define EXTENT_MAX_LEN 32768

/* The next free run of at most `want` blocks, not yet taken. */
static int find_run(struct ext4_space *s, u64 want, struct ext4_run *ret)
{
	u64 end = ext2fs_blocks_count(s->fs->super) - 1, last;
	blk64_t first, used;

	if (want > s->left || s->next > end ||
	    ext2fs_find_first_zero_block_bitmap2(s->fs->block_map, s->next, end, &first) != 0)
		return -ENOSPC;
	last = MIN(first + want - 1, end);
	if (ext2fs_find_first_set_block_bitmap2(s->fs->block_map, first, last, &used) != 0)
		used = last + 1;
	*ret = (struct ext4_run){ .block = first, .length = used - first };
	s->next = used;
	s->left -= ret->length;
	return 0;
}

static void mark_run(struct ext4_space *s, const struct ext4_run *run)
{
	ext2fs_block_alloc_stats_range(s->fs, run->block, (blk_t)run->length, +1);
}

int ext4_take(struct ext4_space *s, size_t file, u64 length, bool in_one, struct ext4_runs *runs)
{
	u64 done = 0;

	while (done < length) {
		struct ext4_run run;
		int r = find_run(s, length - done, &run);

		if (r < 0)
			return r;
		if (in_one && run.length < length)
			continue;
		mark_run(s, &run);
		run.file = file;
		run.in_file = done;
		done += run.length;
		*ARRAY_ADD(runs->run, runs->n, runs->cap) = run;
	}
	return 0;
}

u64 ext4_map_blocks(u64 length, u64 n_runs)
{
	u64 n = 0;

	for (u64 entries = length / EXTENT_MAX_LEN + n_runs; entries > ROOT_ENTRIES; n += entries)
		entries = div_round_up(entries, NODE_ENTRIES);
	return n;
}

static void add_extents(struct buf *entries, const struct ext4_run *run)
{
	for (u64 at = 0, n; at < run->length; at += n) {
		u64 block = run->block + at;
		u8 x[ENTRY_SIZE];

		n = MIN(run->length - at, EXTENT_MAX_LEN);
		put_le32(x, (u32)(run->in_file + at));
		put_le16(x + 4, (u16)n);
		put_le16(x + 6, (u16)(block >> 32));
		put_le32(x + 8, (u32)block);
		buf_add(entries, x, sizeof(x));
	}
}

static void put_map_node(u8 *p, const char *entries, size_t len, u16 max, u16 depth)
{
	put_le16(p, MAGIC);
	put_le16(p + 2, (u16)(len / ENTRY_SIZE));
	put_le16(p + 4, max);
	put_le16(p + 6, depth);
	memcpy(p + HEADER_SIZE, entries, len);
}

/* Puts the entries into blocks, and in their place one entry for each of these. */
static errcode_t add_level(struct ext4_space *s, ext2_ino_t number, struct buf *entries, u16 depth,
                           struct ext4_runs *map)
{
	AUTO_BUF struct buf index = { 0 };
	errcode_t err = 0;

	for (size_t at = 0, len; at < entries->len && !err; at += len) {
		u8 block[EXT4_BLOCK] = { 0 }, x[ENTRY_SIZE] = { 0 };
		struct ext4_run run;

		len = MIN(entries->len - at, NODE_ENTRIES * ENTRY_SIZE);
		if (find_run(s, 1, &run) < 0)
			return EXT2_ET_BLOCK_ALLOC_FAIL;
		mark_run(s, &run);
		*ARRAY_ADD(map->run, map->n, map->cap) = run;
		put_map_node(block, entries->s + at, len, NODE_ENTRIES, depth);
		/* The library looks into the inode for its generation: a new one is still empty, and will have none. */
		err = ext2fs_extent_block_csum_set(s->fs, number, (struct ext3_extent_header *)(void *)block);
		if (!err)
			err = io_channel_write_blk64(s->fs->io, run.block, 1, block);
		memcpy(x, entries->s + at, 4);
		put_le32(x + 4, (u32)run.block);
		put_le16(x + 8, (u16)(run.block >> 32));
		buf_add(&index, x, sizeof(x));
	}
	buf_free(entries);
	*entries = index;
	index = (struct buf){ 0 };
	return err;
}

errcode_t ext4_write_map(struct ext4_space *s, ext2_ino_t number, struct ext2_inode *inode, const struct ext4_run *run,
                         size_t n, struct ext4_runs *map)
{
	AUTO_BUF struct buf entries = { 0 };
	errcode_t err = 0;
	u16 depth = 0;

	for (size_t i = 0; i < n; i++)
		add_extents(&entries, &run[i]);
	for (; entries.len > ROOT_ENTRIES * ENTRY_SIZE && !err; depth++)
		err = add_level(s, number, &entries, depth, map);
	if (err)
		return err;
	put_map_node((u8 *)inode->i_block, entries.s ? entries.s : "", entries.len, ROOT_ENTRIES, depth);
	return 0;
}

errcode_t ext4_fill_inode(struct ext4_space *s, ext2_ino_t number, struct ext2_inode *inode, const struct ext4_run *run,
                          size_t n)
{
	struct ext4_runs map = { 0 };
	errcode_t err = ext4_write_map(s, number, inode, run, n, &map);
	u64 blocks = map.n;

	free(map.run);
	for (size_t i = 0; i < n; i++)
		blocks += run[i].length;
	inode->i_flags |= EXT4_EXTENTS_FL;
	return err ? err : ext2fs_iblk_set(s->fs, inode, blocks);
}

void ext4_count_inode(struct ext4_space *s, ext2_ino_t number, bool is_dir)
{
	ext2fs_inode_alloc_stats2(s->fs, number, +1, is_dir);
}

errcode_t ext4_write_node(struct ext4_space *s, ext2_ino_t number, struct ext2_inode *inode, const struct ext4_run *run,
                          size_t n)
{
	errcode_t err = ext4_fill_inode(s, number, inode, run, n);

	if (err)
		return err;
	ext4_count_inode(s, number, LINUX_S_ISDIR(inode->i_mode));
	return ext2fs_write_new_inode(s->fs, number, inode);
}

errcode_t ext4_set_selinux(struct ext4_space *s, ext2_ino_t number, const char *context)
{
	struct ext2_xattr_handle *h;
	errcode_t err, close_err;

	if (!context)
		return 0;
	err = ext2fs_xattrs_open(s->fs, number, &h);
	if (err)
		return err;
	/* With its NUL, as the kernel stores it. */
	err = ext2fs_xattr_set(h, "security.selinux", context, strlen(context) + 1);
	close_err = ext2fs_xattrs_close(&h);
	return err ? err : close_err;
}
