/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_update_private.h"

#include <errno.h>
#include <stdarg.h>

/* Error numbers of the system are below the tables of the libraries. */
#define ERRNO_MAX 4095

#define SUPERBLOCK_OFFSET 1024

/* What ext4.h gives a volume for a loader. */
#define COMPAT   (EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX | EXT4_FEATURE_COMPAT_SPARSE_SUPER2)
#define INCOMPAT (EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_FLEX_BG)
#define RO_COMPAT                                                                                                      \
	(EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE | EXT4_FEATURE_RO_COMPAT_HUGE_FILE |  \
	 EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM)

#define INODE_SIZE 256

/* Flags of inodes that belong to features which are not there. */
#define ALIEN_FLAGS                                                                                                    \
	(EXT2_IMAGIC_FL | EXT4_ENCRYPT_FL | EXT4_VERITY_FL | EXT4_EA_INODE_FL | EXT4_INLINE_DATA_FL | EXT4_CASEFOLD_FL)

int ext4_unclean(const struct ext4_update *x, struct err *e, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup("it contradicts itself");
	va_end(ap);
	return fail(e, -EUCLEAN, "%s: %s; nothing is changed before that is mended, which e2fsck -f can do",
	            x->window->name, text);
}

int ext4_lib_failed(const struct ext4_update *x, errcode_t err, const char *what, struct err *e)
{
	if (err > 0 && err <= ERRNO_MAX)
		return fail(e, -(int)err, "%s: %s: %s", x->window->name, what, strerror((int)err));
	initialize_ext2_error_table();
	if (err == EXT2_ET_NO_MEMORY)
		return fail(e, -ENOMEM, "%s: %s: %s", x->window->name, what, error_message(err));
	return ext4_unclean(x, e, "%s: %s", what, error_message(err));
}

/* ---- the superblock */

/* It is read here byte by byte before libext2fs takes memory for what its numbers say. */
static int check_kind(const struct ext4_update *x, struct err *e)
{
	const u8 *s = x->super;
	static const struct {
		size_t at;
		u32 want;
		const char *what;
	} row[] = {
		{ offsetof(struct ext2_super_block, s_feature_compat), COMPAT, "compatible features" },
		{ offsetof(struct ext2_super_block, s_feature_incompat), INCOMPAT, "incompatible features" },
		{ offsetof(struct ext2_super_block, s_feature_ro_compat), RO_COMPAT, "features for writing" },
		{ offsetof(struct ext2_super_block, s_log_block_size), 2, "logarithm of the block size" },
		{ offsetof(struct ext2_super_block, s_first_data_block), 0, "first block" },
		{ offsetof(struct ext2_super_block, s_blocks_per_group), 8 * EXT4_BLOCK, "blocks of a group" },
		{ offsetof(struct ext2_super_block, s_rev_level), EXT2_DYNAMIC_REV, "revision" },
		{ offsetof(struct ext2_super_block, s_first_ino), EXT2_GOOD_OLD_FIRST_INO, "first inode" },
	};

	if (get_le16(s + offsetof(struct ext2_super_block, s_magic)) != EXT2_SUPER_MAGIC)
		return fail(e, -EINVAL, "%s: is not an ext2, ext3 or ext4 volume", x->window->name);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		if (get_le32(s + row[i].at) != row[i].want)
			return fail(e, -ENOTSUP,
			            "%s: is not an ext4 volume as livestick makes them (%s: 0x%x, not 0x%x)",
			            x->window->name, row[i].what, get_le32(s + row[i].at), row[i].want);
	if (get_le16(s + offsetof(struct ext2_super_block, s_inode_size)) != INODE_SIZE)
		return fail(e, -ENOTSUP, "%s: is not an ext4 volume as livestick makes them (size of an inode)",
		            x->window->name);
	if ((u64)get_le32(s + offsetof(struct ext2_super_block, s_blocks_count)) * EXT4_BLOCK > x->window->size)
		return ext4_unclean(x, e, "the volume is larger than its partition");
	return 0;
}

static int check_state(const struct ext4_update *x, struct err *e)
{
	const struct ext2_super_block *s = x->fs->super;

	if (s->s_state & EXT2_ERROR_FS)
		return ext4_unclean(x, e, "a system that used the volume found errors in it");
	if (!(s->s_state & EXT2_VALID_FS))
		return ext4_unclean(x, e, "the volume was not unmounted");
	if (s->s_last_orphan)
		return ext4_unclean(x, e, "the volume has files that are deleted and not yet freed");
	return 0;
}

static int open_fs(struct ext4_update *x, struct err *e)
{
	errcode_t err;
	int r;

	if (x->window->size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE)
		return fail(e, -EINVAL, "%s: is too small for an ext volume", x->window->name);
	r = device_read(x->window, SUPERBLOCK_OFFSET, x->super, SUPERBLOCK_SIZE, e);
	if (r == 0)
		r = check_kind(x, e);
	if (r < 0)
		return r;
	err = ext4_io_open(x->overlay, EXT2_FLAG_RW, &x->fs);
	if (err)
		return ext4_lib_failed(x, err, "superblock", e);
	x->fs->flags |= EXT2_FLAG_MASTER_SB_ONLY;
	x->fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
	err = ext2fs_allocate_block_bitmap(x->fs, "blocks", &x->fs->block_map);
	if (!err)
		err = ext2fs_allocate_inode_bitmap(x->fs, "inodes", &x->fs->inode_map);
	return err ? ext4_lib_failed(x, err, "bitmaps", e) : check_state(x, e);
}

/* ---- groups */

static int claim_group(struct ext4_update *x, dgrp_t g, struct err *e)
{
	ext2_filsys fs = x->fs;
	char who[48];
	int r;

	if (!ext2fs_group_desc_csum_verify(fs, g))
		return ext4_unclean(x, e, "the checksum of group %u is wrong", g);
	if (ext2fs_bg_itable_unused(fs, g) > fs->super->s_inodes_per_group)
		return ext4_unclean(x, e, "group %u has more unused inodes than inodes", g);
	snprintf(who, sizeof(who), "group %u", g);
	r = ext4_claim(x, ext2fs_block_bitmap_loc(fs, g), 1, who, e);
	if (r == 0)
		r = ext4_claim(x, ext2fs_inode_bitmap_loc(fs, g), 1, who, e);
	if (r == 0)
		r = ext4_claim(x, ext2fs_inode_table_loc(fs, g), fs->inode_blocks_per_group, who, e);
	x->group_flags[g] = ext2fs_bg_flags(fs, g);
	return r;
}

static int claim_groups(struct ext4_update *x, struct err *e)
{
	int r = 0;

	x->group_flags = xcalloc(x->fs->group_desc_count, sizeof(*x->group_flags));
	for (dgrp_t g = 0; g < x->fs->group_desc_count; g++)
		ext2fs_reserve_super_and_bgd(x->fs, g, x->fs->block_map);
	for (dgrp_t g = 0; g < x->fs->group_desc_count && r == 0; g++)
		r = claim_group(x, g, e);
	return r;
}

/* ---- inodes */

/* Its blocks, as the inode counts them. */
static u64 counted_blocks(const struct ext2_inode_large *raw)
{
	u64 n = raw->i_blocks | (u64)raw->osd2.linux2.l_i_blocks_hi << 32;

	return raw->i_flags & EXT4_HUGE_FILE_FL ? n * (EXT4_BLOCK / 512) : n;
}

static void note_xattr(struct ext4_update *x, struct ext4_live *node, u64 block)
{
	/* Which of them are the same is found out when all are known: until then this is the block's number. */
	struct ext4_xattr *a = ARRAY_ADD(x->xattr, x->n_xattrs, x->cap_xattrs);

	a->block = block;
	node->xattr = block;
}

static int check_node(const struct ext4_update *x, const struct ext4_live *node, const struct ext2_inode_large *raw,
                      struct err *e)
{
	bool is_dir = LINUX_S_ISDIR(node->mode), is_link = LINUX_S_ISLNK(node->mode);
	u64 blocks = ext4_body_blocks(&node->body) + (node->xattr != NONE);

	if (raw->i_flags & ALIEN_FLAGS)
		return ext4_unclean(x, e, "inode %u has flags that no file of this volume can have", node->number);
	if (counted_blocks(raw) != blocks * (EXT4_BLOCK / 512))
		return ext4_unclean(x, e, "inode %u has %llu blocks and says something else", node->number,
		                    (unsigned long long)blocks);
	if (node->size > (u64)EXT4_BLOCK << 32 ||
	    (is_dir && (node->size == 0 || node->size % EXT4_BLOCK || !node->is_whole)) ||
	    (is_link && (node->size == 0 || node->size > EXT4_BLOCK)))
		return ext4_unclean(x, e, "inode %u has a size that it cannot have", node->number);
	return 0;
}

static int add_node(struct ext4_update *x, u32 number, const struct ext2_inode_large *raw, struct err *e)
{
	struct ext4_live *node = ARRAY_ADD(x->node, x->n_nodes, x->cap_nodes);
	u64 xattr = raw->i_file_acl | (u64)raw->osd2.linux2.l_i_file_acl_high << 32;
	bool has_map;
	int r = 0;

	*node = (struct ext4_live){ .number = number, .mode = raw->i_mode, .links = raw->i_links_count, .xattr = NONE };
	node->size = LINUX_S_ISREG(raw->i_mode) ? EXT2_I_SIZE(raw) : raw->i_size;
	if (xattr)
		note_xattr(x, node, xattr);
	has_map = LINUX_S_ISREG(raw->i_mode) || LINUX_S_ISDIR(raw->i_mode) ||
	          (LINUX_S_ISLNK(raw->i_mode) && raw->i_flags & EXT4_EXTENTS_FL);
	if (has_map && !(raw->i_flags & EXT4_EXTENTS_FL))
		return fail(e, -ENOTSUP, "%s: inode %u: is mapped without extents, which is not supported",
		            x->window->name, number);
	if (has_map)
		r = ext4_read_map(x, node, (const struct ext2_inode *)raw, e);
	return r < 0 ? r : check_node(x, node, raw, e);
}

static int scan_inode(struct ext4_update *x, u32 number, struct err *e)
{
	struct ext2_inode_large raw[INODE_SIZE / sizeof(struct ext2_inode_large) + 1];
	errcode_t err = ext2fs_read_inode_full(x->fs, number, (struct ext2_inode *)raw, INODE_SIZE);
	char what[32];

	if (err) {
		/* After a failure the cache of libext2fs may hold bytes under the number of another inode. */
		ext2fs_flush_icache(x->fs);
		snprintf(what, sizeof(what), "inode %u", number);
		return ext4_lib_failed(x, err, what, e);
	}
	if (number != EXT2_ROOT_INO && number < EXT2_GOOD_OLD_FIRST_INO) {
		ext2fs_mark_inode_bitmap2(x->fs->inode_map, number);
		if (raw->i_links_count || raw->i_blocks || raw->i_mode)
			return fail(e, -ENOTSUP,
			            "%s: uses inode %u (bad blocks, quota, a journal), which is not supported",
			            x->window->name, number);
		return 0;
	}
	if (raw->i_links_count == 0)
		return 0;
	ext2fs_mark_inode_bitmap2(x->fs->inode_map, number);
	return add_node(x, number, raw, e);
}

static int scan_group(struct ext4_update *x, dgrp_t g, struct err *e)
{
	u32 per_group = x->fs->super->s_inodes_per_group, n = per_group - ext2fs_bg_itable_unused(x->fs, g);
	int r = 0;

	if (x->group_flags[g] & EXT2_BG_INODE_UNINIT)
		return 0;
	for (u32 i = 0; i < n && r == 0; i++)
		r = scan_inode(x, g * per_group + i + 1, e);
	return r;
}

/* ---- blocks with attributes */

static int by_block(const void *a, const void *b)
{
	u64 x = ((const struct ext4_xattr *)a)->block, y = ((const struct ext4_xattr *)b)->block;

	return (x > y) - (x < y);
}

static int read_xattr(struct ext4_update *x, struct ext4_xattr *a, struct err *e)
{
	u32 data[EXT4_BLOCK / 4];
	struct ext2_ext_attr_header *h = (void *)data;
	char who[48];
	int r;

	snprintf(who, sizeof(who), "the attributes in block %llu", (unsigned long long)a->block);
	r = ext4_claim(x, a->block, 1, who, e);
	if (r == 0)
		r = device_read(x->window, a->block * EXT4_BLOCK, data, EXT4_BLOCK, e);
	if (r < 0)
		return r;
	a->count = get_le32((u8 *)&h->h_refcount);
	if (get_le32((u8 *)&h->h_magic) != EXT2_EXT_ATTR_MAGIC ||
	    !ext2fs_ext_attr_block_csum_verify(x->fs, 0, a->block, h) || a->count < a->owners)
		return ext4_unclean(x, e, "%s are damaged", who);
	if (a->count > a->owners)
		update_tell(&x->u, "%s belong to %u files, and %u are counted", who, a->owners, a->count);
	return 0;
}

/* Each block once, and nodes by their index in the list. */
static int settle_xattrs(struct ext4_update *x, struct err *e)
{
	size_t n = 0;
	int r = 0;

	if (x->n_xattrs == 0)
		return 0;
	qsort(x->xattr, x->n_xattrs, sizeof(*x->xattr), by_block);
	for (size_t i = 0; i < x->n_xattrs; i++) {
		if (n == 0 || x->xattr[n - 1].block != x->xattr[i].block)
			x->xattr[n++] = (struct ext4_xattr){ .block = x->xattr[i].block };
		x->xattr[n - 1].owners++;
	}
	x->n_xattrs = n;
	for (size_t i = 0; i < n && r == 0; i++)
		r = read_xattr(x, &x->xattr[i], e);
	for (size_t i = 0; i < x->n_nodes && r == 0; i++) {
		struct ext4_xattr key = { .block = x->node[i].xattr };

		if (x->node[i].xattr != NONE)
			x->node[i].xattr =
			    (size_t)((struct ext4_xattr *)bsearch(&key, x->xattr, n, sizeof(key), by_block) - x->xattr);
	}
	return r;
}

int ext4_scan(struct ext4_update *x, struct err *e)
{
	int r = open_fs(x, e);

	if (r == 0)
		r = claim_groups(x, e);
	for (dgrp_t g = 0; r == 0 && g < x->fs->group_desc_count; g++)
		r = scan_group(x, g, e);
	x->n_found = x->n_nodes;
	return r < 0 ? r : settle_xattrs(x, e);
}
