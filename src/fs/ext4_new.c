/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_new.h"

#include <errno.h>

#include "src/fs/ext4_tree.h"

#define INODE_SIZE 256

/* Inodes above what the files need, for small volumes. */
#define SPARE_INODES 512

/*
 * After the first mount the kernel writes all inode tables in the background: on a stick, few inodes are better. The
 * journal is lazy too, so its size costs room but no time. The last row whose `from` is reached counts.
 */
static const struct sizing {
	u64 from; /* size of the volume */
	u32 bytes_per_inode, journal;
} sizings[] = {
	{ 0, 16 * KIB, 4 * MIB },           { 256 * MIB, 32 * KIB, 16 * MIB },   { 16 * GIB, 64 * KIB, 64 * MIB },
	{ 128 * GIB, 128 * KIB, 64 * MIB }, { 1024 * GIB, 256 * KIB, 64 * MIB },
}, for_loader = { 0, 256 * KIB, 0 };

u32 ext4_clamp_time(i64 t)
{
	return (u32)MAX(1, MIN(t, INT32_MAX));
}

int ext4_failed(struct err *e, errcode_t err, const char *what)
{
	int r = -EIO;

	if (err == EXT2_ET_BLOCK_ALLOC_FAIL || err == EXT2_ET_INODE_ALLOC_FAIL || err == EXT2_ET_TOOSMALL)
		r = -ENOSPC;
	else if (err == EXT2_ET_NO_MEMORY || err == ENOMEM)
		r = -ENOMEM;
	initialize_ext2_error_table();
	return fail(e, r, "%s: %s", what, error_message(err));
}

static const struct sizing *sizing_of(const struct ext4_options *o)
{
	const struct sizing *s = o->for_loader ? &for_loader : sizings;

	for (size_t i = 0; !o->for_loader && i < ARRAY_SIZE(sizings); i++)
		if (o->size >= sizings[i].from)
			s = &sizings[i];
	return s;
}

/* At most one of each block: more than that only empty files could use. */
static u32 n_inodes(const struct ext4_options *o, u64 n_nodes)
{
	u64 n = MAX(o->size / sizing_of(o)->bytes_per_inode, 2 * n_nodes + SPARE_INODES);

	return (u32)MIN(n, o->size / EXT4_BLOCK);
}

static void set_features(struct ext2_super_block *s, bool loader)
{
	ext2fs_set_feature_xattr(s);
	ext2fs_set_feature_dir_index(s);
	ext2fs_set_feature_sparse_super2(s);
	ext2fs_set_feature_filetype(s);
	ext2fs_set_feature_extents(s);
	ext2fs_set_feature_flex_bg(s);
	ext2fs_set_feature_sparse_super(s);
	ext2fs_set_feature_large_file(s);
	ext2fs_set_feature_huge_file(s);
	ext2fs_set_feature_dir_nlink(s);
	ext2fs_set_feature_extra_isize(s);
	ext2fs_set_feature_metadata_csum(s);
	if (loader)
		return;
	ext2fs_set_feature_journal(s);
	ext2fs_set_feature_64bit(s);
	s->s_desc_size = EXT2_MIN_DESC_SIZE_64BIT;
}

static errcode_t start(const struct ext4_options *o, u64 n_nodes, struct device *memory, ext2_filsys *ret)
{
	struct ext2_super_block s = {
		.s_rev_level = EXT2_DYNAMIC_REV,
		.s_log_block_size = 2, /* 1024 << 2 */
		.s_inode_size = INODE_SIZE,
		.s_inodes_count = n_inodes(o, n_nodes),
		.s_log_groups_per_flex = 4,
		.s_errors = EXT2_ERRORS_CONTINUE,
		.s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL,
		.s_max_mnt_count = (u16)-1,
		.s_backup_bgs = { 1, UINT32_MAX }, /* the library takes the last group for too large a number */
	};

	set_features(&s, o->for_loader);
	ext2fs_blocks_count_set(&s, o->size / EXT4_BLOCK);
	return ext4_io_initialize(memory, &s, ret);
}

static void set_identity(const struct ext4_options *o, ext2_filsys fs)
{
	struct ext2_super_block *s = fs->super;

	fs->now = ext4_clamp_time(o->time);
	s->s_mkfs_time = s->s_lastcheck = (u32)fs->now;
	s->s_mkfs_time_hi = s->s_lastcheck_hi = 0;
	memcpy(s->s_uuid, o->uuid, sizeof(s->s_uuid));
	memcpy(s->s_hash_seed, o->hash_seed, sizeof(s->s_hash_seed));
	memcpy(s->s_volume_name, o->label, sizeof(s->s_volume_name));
	s->s_def_hash_version = EXT2_HASH_HALF_MD4;
	s->s_checksum_type = EXT2_CRC32C_CHKSUM;
	ext2fs_init_csum_seed(fs);
}

typedef void (*set_location_fn)(ext2_filsys fs, dgrp_t group, blk64_t block);

/* Gives `n` blocks at or behind `*at` to a bitmap or a table of the group. */
static errcode_t place(ext2_filsys fs, dgrp_t group, blk_t n, set_location_fn set, blk64_t *at)
{
	errcode_t err = ext2fs_get_free_blocks2(fs, *at, ext2fs_blocks_count(fs->super) - 1, (int)n, NULL, at);

	if (err)
		return err;
	ext2fs_block_alloc_stats_range(fs, *at, n, +1);
	set(fs, group, *at);
	*at += n;
	return 0;
}

/*
 * Packs bitmaps and inode tables behind the group descriptors. Of all of them only these hold something, so they come
 * first: the inode bitmap of group 0, the block bitmaps of the last group (the bits behind the end) and of the groups
 * that the tables fill, the inode table of group 0.
 */
static errcode_t place_tables(ext2_filsys fs)
{
	dgrp_t last = fs->group_desc_count - 1;
	blk64_t at = 0;
	errcode_t err = place(fs, 0, 1, ext2fs_inode_bitmap_loc_set, &at);

	if (!err)
		err = place(fs, last, 1, ext2fs_block_bitmap_loc_set, &at);
	for (dgrp_t i = 0; i < last && !err; i++)
		err = place(fs, i, 1, ext2fs_block_bitmap_loc_set, &at);
	if (!err)
		err = place(fs, 0, fs->inode_blocks_per_group, ext2fs_inode_table_loc_set, &at);
	for (dgrp_t i = 1; i <= last && !err; i++)
		err = place(fs, i, 1, ext2fs_inode_bitmap_loc_set, &at);
	for (dgrp_t i = 1; i <= last && !err; i++)
		err = place(fs, i, fs->inode_blocks_per_group, ext2fs_inode_table_loc_set, &at);
	for (dgrp_t i = 0; i <= last && !err; i++)
		ext2fs_group_desc_csum_set(fs, i);
	return err;
}

/* Inodes 1 to 10: free of content, but with good checksums and marked as used; the root marks itself later. */
static errcode_t reserve_inodes(ext2_filsys fs)
{
	u8 zero[INODE_SIZE] = { 0 };
	errcode_t err = 0;

	for (ext2_ino_t i = 1; i < EXT2_FIRST_INODE(fs->super) && !err; i++) {
		if (i != EXT2_ROOT_INO)
			ext2fs_inode_alloc_stats2(fs, i, +1, 0);
		err = ext2fs_write_inode_full(fs, i, (struct ext2_inode *)zero, INODE_SIZE);
	}
	return err;
}

int ext4_new(const struct ext4_options *o, u64 n_nodes, struct device *memory, ext2_filsys *ret, struct err *e)
{
	blk64_t overhead = 0;
	ext2_filsys fs;
	errcode_t err = start(o, n_nodes, memory, &fs);

	if (err)
		return ext4_failed(e, err, "superblock");
	set_identity(o, fs);
	err = place_tables(fs);
	if (!err)
		err = ext2fs_count_used_clusters(fs, 0, ext2fs_blocks_count(fs->super) - 1, &overhead);
	if (!err)
		err = reserve_inodes(fs);
	if (err) {
		ext2fs_free(fs);
		return ext4_failed(e, err, "tables");
	}
	fs->super->s_overhead_clusters = (u32)(overhead + ext4_journal_blocks(o));
	*ret = fs;
	return 0;
}

u64 ext4_journal_blocks(const struct ext4_options *o)
{
	return sizing_of(o)->journal / EXT4_BLOCK;
}

/*
 * Of the journal only its first block is written. What the stick held in the others is not mistaken for transactions,
 * because their checksums begin with the volume's UUID.
 */
int ext4_add_journal(const struct ext4_options *o, ext2_filsys fs, struct err *e)
{
	struct ext2fs_journal_params params = { .num_journal_blocks = (blk_t)ext4_journal_blocks(o) };
	blk64_t goal;
	errcode_t err;

	if (!params.num_journal_blocks)
		return 0;
	err = ext2fs_new_block2(fs, 0, NULL, &goal);
	if (!err)
		err =
		    ext2fs_add_journal_inode3(fs, &params, goal, EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK);
	return err ? ext4_failed(e, err, "journal") : 0;
}
