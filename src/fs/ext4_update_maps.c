/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_update_private.h"

#include <assert.h>

#define SUPERBLOCK_OFFSET 1024

/* What a bitmap that was found has that the one it should be has not, and the other way round. */
struct difference {
	u64 more, less;
};

static void compare_bits(const u8 *found, const u8 *right, u64 n, struct difference *d)
{
	for (u64 i = 0; i < n / 8 + (n % 8 != 0); i++) {
		u8 mask = i < n / 8 ? 0xff : (u8)((1U << n % 8) - 1);

		d->more += (u64)__builtin_popcount((unsigned)(found[i] & ~right[i] & mask));
		d->less += (u64)__builtin_popcount((unsigned)(~found[i] & right[i] & mask));
	}
}

static u64 count_bits(const u8 *bits, u64 n)
{
	struct difference d = { 0 };
	static const u8 none[EXT4_BLOCK];

	compare_bits(bits, none, n, &d);
	return d.more;
}

/* ---- what was found, against what is in use */

struct check {
	struct ext4_update *x;
	u64 blocks, inodes; /* marked and not in use */
	u64 torn, counts;   /* groups */
};

static u64 blocks_in(ext2_filsys fs, dgrp_t g)
{
	return ext2fs_group_last_block2(fs, g) - ext2fs_group_first_block2(fs, g) + 1;
}

/* One bitmap of a group: `right` is what it should be, `n` its bits, `is_sound` whether its checksum is right. */
static int check_bitmap(struct check *c, dgrp_t g, const u8 *found, const u8 *right, u64 n, bool is_sound, u64 *more,
                        struct err *e)
{
	struct difference d = { 0 };

	compare_bits(found, right, n, &d);
	if (d.less && is_sound)
		return ext4_unclean(c->x, e, "group %u has %llu blocks or inodes in use that are marked as free", g,
		                    (unsigned long long)d.less);
	c->torn += !is_sound;
	*more += d.more;
	return 0;
}

/*
 * The bitmap of a group whose descriptor says that none was written yet: all that is in use there are its own tables
 * and copies of the superblock and the descriptors.
 */
static int bits_of_unused(struct ext4_update *x, dgrp_t g, u8 ret[EXT4_BLOCK], struct err *e)
{
	u64 first = ext2fs_group_first_block2(x->fs, g), last = ext2fs_group_last_block2(x->fs, g);
	u64 table = ext2fs_inode_table_loc(x->fs, g), n = x->fs->inode_blocks_per_group;
	ext2fs_block_bitmap map;
	errcode_t err = ext2fs_allocate_block_bitmap(x->fs, "a group", &map);

	if (err)
		return ext4_lib_failed(x, err, "bitmaps", e);
	ext2fs_reserve_super_and_bgd(x->fs, g, map);
	ext2fs_mark_block_bitmap2(map, ext2fs_block_bitmap_loc(x->fs, g));
	ext2fs_mark_block_bitmap2(map, ext2fs_inode_bitmap_loc(x->fs, g));
	ext2fs_mark_block_bitmap_range2(map, table, (unsigned)n);
	memset(ret, 0xff, EXT4_BLOCK);
	err = ext2fs_get_block_bitmap_range2(map, first, last - first + 1, ret);
	ext2fs_free_block_bitmap(map);
	return err ? ext4_lib_failed(x, err, "bitmaps", e) : 0;
}

static int check_blocks(struct check *c, dgrp_t g, u8 *found, u8 *right, struct err *e)
{
	ext2_filsys fs = c->x->fs;
	u64 n = blocks_in(fs, g), used;
	errcode_t err = ext2fs_get_block_bitmap_range2(fs->block_map, ext2fs_group_first_block2(fs, g), n, right);
	int r = 0;

	if (err)
		return ext4_lib_failed(c->x, err, "bitmaps", e);
	used = count_bits(right, n);
	if (ext2fs_bg_free_blocks_count(fs, g) != n - used)
		c->counts++;
	ext2fs_bg_free_blocks_count_set(fs, g, (u32)(n - used));
	if (c->x->group_flags[g] & EXT2_BG_BLOCK_UNINIT) {
		r = bits_of_unused(c->x, g, found, e);
		if (r == 0 && memcmp(found, right, n / 8) != 0)
			r = ext4_unclean(c->x, e, "group %u is said to be unused and is not", g);
		return r;
	}
	r = device_read(c->x->window, ext2fs_block_bitmap_loc(fs, g) * EXT4_BLOCK, found, EXT4_BLOCK, e);
	if (r < 0)
		return r;
	return check_bitmap(c, g, found, right, n, ext2fs_block_bitmap_csum_verify(fs, g, (char *)found, EXT4_BLOCK),
	                    &c->blocks, e);
}

static int check_inodes(struct check *c, dgrp_t g, u8 *found, u8 *right, struct err *e)
{
	ext2_filsys fs = c->x->fs;
	u32 n = fs->super->s_inodes_per_group, used;
	errcode_t err = ext2fs_get_inode_bitmap_range2(fs->inode_map, g * (u64)n + 1, n, right);
	int r = 0;

	if (err)
		return ext4_lib_failed(c->x, err, "bitmaps", e);
	used = (u32)count_bits(right, n);
	if (ext2fs_bg_free_inodes_count(fs, g) != n - used)
		c->counts++;
	ext2fs_bg_free_inodes_count_set(fs, g, n - used);
	if (c->x->group_flags[g] & EXT2_BG_INODE_UNINIT)
		return 0;
	r = device_read(c->x->window, ext2fs_inode_bitmap_loc(fs, g) * EXT4_BLOCK, found, EXT4_BLOCK, e);
	if (r < 0)
		return r;
	return check_bitmap(c, g, found, right, n, ext2fs_inode_bitmap_csum_verify(fs, g, (char *)found, (int)(n / 8)),
	                    &c->inodes, e);
}

static void tell(struct check *c)
{
	if (c->blocks)
		update_tell(&c->x->u, "%llu blocks (%llu KiB) belong to no file", (unsigned long long)c->blocks,
		            (unsigned long long)(c->blocks * (EXT4_BLOCK / KIB)));
	if (c->inodes)
		update_tell(&c->x->u, "%llu inodes are marked as used and are not", (unsigned long long)c->inodes);
	if (c->torn)
		update_tell(&c->x->u, "%llu bitmaps do not have their checksums", (unsigned long long)c->torn);
	if (c->counts)
		update_tell(&c->x->u, "%llu counts of what is free are wrong", (unsigned long long)c->counts);
}

static void count_dirs(struct check *c)
{
	ext2_filsys fs = c->x->fs;
	AUTO_FREE u32 *n = xcalloc(fs->group_desc_count, sizeof(*n));

	for (size_t i = 0; i < c->x->n_found; i++)
		if (LINUX_S_ISDIR(c->x->node[i].mode))
			n[ext2fs_group_of_ino(fs, c->x->node[i].number)]++;
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		c->counts += ext2fs_bg_used_dirs_count(fs, g) != n[g];
		ext2fs_bg_used_dirs_count_set(fs, g, n[g]);
	}
}

static void count_all(struct check *c)
{
	ext2_filsys fs = c->x->fs;
	u64 blocks = 0, inodes = 0;

	count_dirs(c);
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		blocks += ext2fs_bg_free_blocks_count(fs, g);
		inodes += ext2fs_bg_free_inodes_count(fs, g);
		ext2fs_group_desc_csum_set(fs, g);
	}
	c->counts += ext2fs_free_blocks_count(fs->super) != blocks || fs->super->s_free_inodes_count != inodes;
	ext2fs_free_blocks_count_set(fs->super, blocks);
	fs->super->s_free_inodes_count = (u32)inodes;
}

int ext4_check_maps(struct ext4_update *x, struct err *e)
{
	struct check c = { .x = x };
	AUTO_FREE u8 *found = xcalloc(1, EXT4_BLOCK), *right = xcalloc(1, EXT4_BLOCK);
	int r = 0;

	for (dgrp_t g = 0; g < x->fs->group_desc_count && r == 0; g++) {
		r = check_blocks(&c, g, found, right, e);
		if (r == 0)
			r = check_inodes(&c, g, found, right, e);
	}
	if (r < 0)
		return r;
	count_all(&c);
	tell(&c);
	return 0;
}

/* ---- writing */

#define CHECKSUM_AT  offsetof(struct ext2_super_block, s_checksum)
#define BALANCE_AT   offsetof(struct ext2_super_block, s_kbytes_written)
#define FIRST_SECTOR 512

static_assert(BALANCE_AT + 4 <= FIRST_SECTOR, "what changes lies in one sector");

static u32 checksum_with(u8 *super, u32 balance)
{
	put_le32(super + BALANCE_AT, balance);
	return ext2fs_crc32c_le(~0U, super, CHECKSUM_AT);
}

/*
 * The kernel does not mount a superblock with a wrong checksum, and this lies in another sector than the counts. A CRC
 * is linear: each bit of the bytes ever written flips its own set of bits in it, and these sets are independent (32
 * bits in a row can bring about any checksum). Elimination finds the bits that bring back the one that is there.
 */
static void balance(u8 *super)
{
	u32 base = checksum_with(super, 0), want = get_le32(super + CHECKSUM_AT) ^ base, found = 0;
	u32 flips[32], bits[32]; /* what a set of bits flips, by the highest bit that it flips */

	memset(flips, 0, sizeof(flips));
	for (unsigned i = 0; i < 32; i++) {
		u32 bit = 1U << i, flip = checksum_with(super, bit) ^ base;

		while (flip) {
			unsigned top = 31 - (unsigned)__builtin_clz(flip);

			if (!flips[top]) {
				flips[top] = flip;
				bits[top] = bit;
				break;
			}
			flip ^= flips[top];
			bit ^= bits[top];
		}
	}
	for (unsigned top = 32; top-- > 0;)
		if (want >> top & 1) {
			want ^= flips[top];
			found ^= bits[top];
		}
	put_le32(super + BALANCE_AT, found);
}

static int write_super(struct ext4_update *x, struct err *e)
{
	u8 super[SUPERBLOCK_SIZE];

	memcpy(super, x->super, sizeof(super));
	put_le32(super + offsetof(struct ext2_super_block, s_free_blocks_count), x->fs->super->s_free_blocks_count);
	put_le32(super + offsetof(struct ext2_super_block, s_free_inodes_count), x->fs->super->s_free_inodes_count);
	if (memcmp(super, x->super, sizeof(super)) != 0)
		balance(super);
	return device_write(x->overlay, SUPERBLOCK_OFFSET, super, sizeof(super), e);
}

/* ---- bitmaps that are not there yet */

/*
 * Such a group says so in its descriptor, and its bitmap and its table of inodes may hold anything. The descriptor and
 * these are several writes: so that nothing is believed before it is there, the first phase writes a bitmap without
 * files, and wipes the inodes that are used first: once the descriptor counts them in, e2fsck believes what was there.
 * (The bitmap of inodes may be anything until one of them is in use, which is a phase later.)
 */
int ext4_wipe_new_inodes(struct ext4_update *x, struct err *e)
{
	u32 zero[EXT4_BLOCK / 4] = { 0 };
	errcode_t err = 0;

	for (size_t i = x->n_found; i < x->n_nodes && !err; i++)
		if (!ext2fs_test_inode_bitmap2(x->fs->inode_map, x->node[i].number))
			err = ext2fs_write_inode_full(x->fs, x->node[i].number, (struct ext2_inode *)(void *)zero,
			                              EXT2_INODE_SIZE(x->fs->super));
	return err ? ext4_lib_failed(x, err, "inodes", e) : 0;
}

/* Of the groups that are used since the maps were written last. What is on the medium is then known. */
static int prepare_block_maps(struct ext4_update *x, struct err *e)
{
	u8 bits[EXT4_BLOCK];
	int r = 0;

	for (dgrp_t g = 0; g < x->fs->group_desc_count && r == 0; g++) {
		u64 off = ext2fs_block_bitmap_loc(x->fs, g) * EXT4_BLOCK;

		if (!(x->group_flags[g] & EXT2_BG_BLOCK_UNINIT) || ext2fs_bg_flags_test(x->fs, g, EXT2_BG_BLOCK_UNINIT))
			continue;
		x->group_flags[g] &= (u16)~EXT2_BG_BLOCK_UNINIT;
		r = bits_of_unused(x, g, bits, e);
		if (r == 0)
			r = device_overlay_mark(x->overlay, off, sizeof(bits), e);
		if (r == 0)
			ext4_add_piece(&x->phase[PHASE_EMPTY], off, bits, sizeof(bits));
	}
	return r;
}

int ext4_write_maps(struct ext4_update *x, struct err *e)
{
	errcode_t err;
	int r;

	/* They may differ from what is on the medium although nobody changed them: an interrupted update did. */
	ext2fs_mark_bb_dirty(x->fs);
	ext2fs_mark_ib_dirty(x->fs);
	err = ext2fs_write_bitmaps(x->fs);
	if (!err)
		err = ext2fs_flush2(x->fs, EXT2_FLAG_FLUSH_NO_SYNC);
	r = err ? ext4_lib_failed(x, err, "bitmaps", e) : write_super(x, e);
	return r < 0 ? r : prepare_block_maps(x, e);
}
