/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_inode.h"

#include <errno.h>

#define INLINE_SIZE sizeof(((struct ext2_inode *)NULL)->i_block)

/* A tree of extents: each node is a header and entries of the same size; see ifork.rst, "Extent Tree". */
#define EXTENT_MAGIC     0xf30a
#define EXTENT_SIZE      12 /* of the header too */
#define EXTENT_UNWRITTEN 32768

/* Error numbers of the system are below the tables of the libraries. */
#define ERRNO_MAX 4095

int ext4_damaged(const struct device *d, const char *where, const char *what, struct err *e)
{
	return fail(e, -EUCLEAN, "%s: %s: %s; the ext volume is damaged", d->name, where, what);
}

int ext4_not_read(const struct device *d, const char *where, errcode_t err, struct err *e)
{
	if (err == ERANGE)
		return ext4_damaged(d, where, "lies outside the volume", e);
	if (err > 0 && err <= ERRNO_MAX)
		return fail(e, -(int)err, "%s: %s: %s", d->name, where, strerror((int)err));
	if (err == EXT2_ET_NO_MEMORY)
		return fail(e, -ENOMEM, "%s: %s: not enough memory", d->name, where);
	initialize_ext2_error_table();
	return ext4_damaged(d, where, error_message(err), e);
}

void ext4_inode_init(struct ext4_inode *in, struct device *d, ext2_filsys fs)
{
	in->d = d;
	in->fs = fs;
	in->raw = xcalloc(1, MAX(EXT2_INODE_SIZE(fs->super), sizeof(*in->raw)));
	for (size_t i = 0; i < EXT4_MAP_LEVELS; i++)
		in->level[i].data = xcalloc(1, fs->blocksize);
}

void ext4_inode_free(struct ext4_inode *in)
{
	free(in->raw);
	for (size_t i = 0; i < EXT4_MAP_LEVELS; i++)
		free(in->level[i].data);
	*in = (struct ext4_inode){ 0 };
}

static u64 size_of(const struct ext4_inode *in)
{
	const struct ext2_inode_large *raw = in->raw;

	/* The upper half was something else before directories could be large. */
	if (LINUX_S_ISREG(raw->i_mode) || (LINUX_S_ISDIR(raw->i_mode) && ext2fs_has_feature_largedir(in->fs->super)))
		return EXT2_I_SIZE(raw);
	return raw->i_size;
}

int ext4_inode_load(struct ext4_inode *in, u32 number, const char *where, struct err *e)
{
	errcode_t err = EXT2_ET_BAD_INODE_NUM;

	if (number && in->number == number)
		return 0;
	in->number = 0;
	for (size_t i = 0; i < EXT4_MAP_LEVELS; i++)
		in->level[i].block = 0;
	if (number && number <= in->fs->super->s_inodes_count) {
		if (!ext2fs_group_desc_csum_verify(in->fs, ext2fs_group_of_ino(in->fs, number)))
			return ext4_damaged(in->d, where, "the checksum of its group is wrong", e);
		err = ext2fs_read_inode_full(in->fs, number, (struct ext2_inode *)in->raw,
		                             EXT2_INODE_SIZE(in->fs->super));
	}
	if (err) {
		/* After a failure the cache of libext2fs may hold bytes under the number of another inode. */
		ext2fs_flush_icache(in->fs);
		return ext4_not_read(in->d, where, err, e);
	}
	in->size = size_of(in);
	if (in->size > (u64)in->fs->blocksize << 32)
		return ext4_damaged(in->d, where, "is larger than a file can be", e);
	in->number = number;
	return 0;
}

/* ---- the map */

static bool are_blocks(const struct ext4_inode *in, u64 block, u64 n)
{
	u64 count = ext2fs_blocks_count(in->fs->super);

	return block > in->fs->super->s_first_data_block && block < count && n <= count - block;
}

/* The block of the map at a level, which is kept until another is wanted. *ret_fresh: it was read now. */
static int map_block(struct ext4_inode *in, unsigned level, u64 block, bool *ret_fresh, const char *where,
                     struct err *e)
{
	int r;

	if (!are_blocks(in, block, 1))
		return ext4_damaged(in->d, where, "its map lies outside the volume", e);
	*ret_fresh = in->level[level].block != block;
	if (!*ret_fresh)
		return 0;
	in->level[level].block = 0;
	r = device_read(in->d, block * in->fs->blocksize, in->level[level].data, in->fs->blocksize, e);
	if (r == 0)
		in->level[level].block = block;
	return r;
}

struct node {
	u8 *data; /* the header, then the entries */
	unsigned n, max, depth;
};

/* False: no node of a tree fits here. `room` is in bytes. */
static bool parse_node(u8 *data, size_t room, struct node *ret)
{
	*ret = (struct node){ .data = data, .n = get_le16(data + 2), .max = get_le16(data + 4) };
	ret->depth = get_le16(data + 6);
	return get_le16(data) == EXTENT_MAGIC && ret->n <= ret->max && ret->max <= room / EXTENT_SIZE - 1;
}

/*
 * The last entry that begins at or before block `at` of the file; NULL: all begin later. What is behind ends at *end
 * at the latest, which is made smaller where the next entry says so.
 */
static const u8 *find_entry(const struct node *node, u64 at, u64 *end)
{
	const u8 *found = NULL, *p = node->data + EXTENT_SIZE;

	for (unsigned i = 0; i < node->n; i++, p += EXTENT_SIZE) {
		if (get_le32(p) > at) {
			*end = MIN(*end, get_le32(p));
			break;
		}
		found = p;
	}
	return found;
}

/* The node below an entry. `depth` is how many levels must follow it. */
static int child_node(struct ext4_inode *in, const u8 *entry, unsigned depth, struct node *ret, const char *where,
                      struct err *e)
{
	u64 block = get_le32(entry + 4) | (u64)get_le16(entry + 8) << 32;
	bool fresh;
	int r = map_block(in, depth, block, &fresh, where, e);

	if (r < 0)
		return r;
	if (!parse_node(in->level[depth].data, in->fs->blocksize, ret) || ret->depth != depth || ret->n == 0)
		return ext4_damaged(in->d, where, "its extents are no tree", e);
	if (fresh && !ext2fs_extent_block_csum_verify(in->fs, in->number, (void *)ret->data)) {
		in->level[depth].block = 0;
		return ext4_damaged(in->d, where, "the checksum of its extents is wrong", e);
	}
	return 0;
}

static int map_extents(struct ext4_inode *in, u64 at, struct ext4_stretch *ret, const char *where, struct err *e)
{
	u64 end = 1ULL << 32, first, length, block;
	struct node node;
	const u8 *entry;

	if (!parse_node((u8 *)in->raw->i_block, INLINE_SIZE, &node) || node.depth > EXT4_MAP_LEVELS)
		return ext4_damaged(in->d, where, "its extents are no tree", e);
	entry = find_entry(&node, at, &end);
	while (entry && node.depth > 0) {
		int r = child_node(in, entry, node.depth - 1, &node, where, e);

		if (r < 0)
			return r;
		entry = find_entry(&node, at, &end);
	}
	*ret = (struct ext4_stretch){ 0, end - at };
	if (!entry)
		return 0;
	first = get_le32(entry);
	length = get_le16(entry + 4);
	block = get_le32(entry + 8) | (u64)get_le16(entry + 6) << 32;
	if (length == 0)
		return ext4_damaged(in->d, where, "has an extent of no length", e);
	if (length > EXTENT_UNWRITTEN) {
		length -= EXTENT_UNWRITTEN;
		block = 0;
	} else if (!are_blocks(in, block, length)) {
		return ext4_damaged(in->d, where, "has an extent outside the volume", e);
	}
	if (at - first < length)
		*ret = (struct ext4_stretch){ block ? block + (at - first) : 0, MIN(end, first + length) - at };
	return 0;
}

/* The numbers that follow entry `i` in a table of `n` block numbers, as far as they are one stretch. */
static struct ext4_stretch stretch_in(const u8 *table, u64 i, u64 n)
{
	struct ext4_stretch s = { get_le32(table + 4 * i), 1 };

	while (i + s.length < n && get_le32(table + 4 * (i + s.length)) == (s.block ? s.block + s.length : 0))
		s.length++;
	return s;
}

/* What ext2 and ext3 have instead: 12 numbers of blocks, then those of a table, a table of tables, and once more. */
static int map_indirect(struct ext4_inode *in, u64 at, struct ext4_stretch *ret, const char *where, struct err *e)
{
	u64 per_table = in->fs->blocksize / 4, span = 1; /* blocks below one entry */
	u8 root[INLINE_SIZE];
	const u8 *table = root;
	u64 i = at, n = EXT2_NDIR_BLOCKS;
	unsigned depth = 0;

	for (size_t k = 0; k < EXT2_N_BLOCKS; k++)
		put_le32(root + 4 * k,
		         in->raw->i_block[k]); /* libext2fs has turned them into numbers of this machine */
	if (at >= EXT2_NDIR_BLOCKS) {
		at -= EXT2_NDIR_BLOCKS;
		for (depth = 1, span = per_table; at >= span; depth++, span *= per_table) {
			if (depth == 3)
				return ext4_damaged(in->d, where, "is larger than its map can be", e);
			at -= span;
		}
		i = EXT2_IND_BLOCK + depth - 1;
		n = i + 1;
	}
	for (; depth > 0; depth--) {
		u32 block = get_le32(table + 4 * i);
		bool fresh;
		int r;

		if (block == 0) {
			*ret = (struct ext4_stretch){ 0, span - at % span };
			return 0;
		}
		r = map_block(in, depth, block, &fresh, where, e);
		if (r < 0)
			return r;
		table = in->level[depth].data;
		span /= per_table;
		i = at / span % per_table;
		n = per_table;
	}
	*ret = stretch_in(table, i, n);
	if (ret->block && !are_blocks(in, ret->block, ret->length))
		return ext4_damaged(in->d, where, "has a block outside the volume", e);
	return 0;
}

int ext4_inode_map(struct ext4_inode *in, u64 at, struct ext4_stretch *ret, const char *where, struct err *e)
{
	return in->raw->i_flags & EXT4_EXTENTS_FL ? map_extents(in, at, ret, where, e)
	                                          : map_indirect(in, at, ret, where, e);
}

/* ---- contents */

/* The value of the attribute "system.data", in which inline data goes on; *ret_len is 0 without it. */
static const u8 *find_data_attribute(const struct ext4_inode *in, size_t *ret_len)
{
	const u8 *p = (const u8 *)in->raw + EXT2_GOOD_OLD_INODE_SIZE, *first;
	size_t room = EXT2_INODE_SIZE(in->fs->super) - EXT2_GOOD_OLD_INODE_SIZE;
	u32 magic;

	*ret_len = 0;
	if (room < sizeof(magic) || in->raw->i_extra_isize > room - sizeof(magic))
		return p;
	memcpy(&magic, p + in->raw->i_extra_isize, sizeof(magic));
	if (magic != EXT2_EXT_ATTR_MAGIC)
		return p;
	room -= in->raw->i_extra_isize + sizeof(magic);
	first = p + in->raw->i_extra_isize + sizeof(magic);
	for (size_t at = 0; at + sizeof(struct ext2_ext_attr_entry) + 4 <= room;) {
		struct ext2_ext_attr_entry x;

		memcpy(&x, first + at, sizeof(x));
		if (x.e_name_len == 0 && x.e_name_index == 0 && x.e_value_offs == 0)
			break;
		if (x.e_name_index == 7 && x.e_name_len == 4 && memcmp(first + at + sizeof(x), "data", 4) == 0) {
			if (x.e_value_inum == 0 && x.e_value_offs <= room && x.e_value_size <= room - x.e_value_offs)
				*ret_len = x.e_value_size;
			return *ret_len ? first + x.e_value_offs : p;
		}
		at += EXT2_EXT_ATTR_LEN(x.e_name_len);
	}
	return p;
}

static int read_inline(const struct ext4_inode *in, u64 off, u8 *buf, size_t len, const char *where, struct err *e)
{
	const u8 *start = (const u8 *)in->raw->i_block, *more;
	size_t n_more, here = off < INLINE_SIZE ? MIN(len, INLINE_SIZE - off) : 0;

	more = find_data_attribute(in, &n_more);
	if (off + len > INLINE_SIZE + n_more)
		return ext4_damaged(in->d, where, "has less data in its inode than it says", e);
	if (here)
		memcpy(buf, start + off, here);
	if (here < len)
		memcpy(buf + here, more + (off + here - INLINE_SIZE), len - here);
	return 0;
}

static int read_blocks(struct ext4_inode *in, u64 off, u8 *buf, size_t len, const char *where, struct err *e)
{
	const u64 size = in->fs->blocksize;
	int r = 0;

	while (len > 0 && r == 0) {
		struct ext4_stretch s;
		size_t n;

		r = ext4_inode_map(in, off / size, &s, where, e);
		if (r < 0)
			break;
		n = MIN(len, s.length * size - off % size);
		if (s.block)
			r = device_read(in->d, s.block * size + off % size, buf, n, e);
		else
			memset(buf, 0, n);
		off += n;
		buf += n;
		len -= n;
	}
	return r;
}

int ext4_inode_read(struct ext4_inode *in, u64 off, void *buf, size_t len, const char *where, struct err *e)
{
	if (off > in->size || len > in->size - off)
		return fail(e, -ERANGE, "%s: %s: is shorter than what is asked of it", in->d->name, where);
	if (in->raw->i_flags & EXT4_INLINE_DATA_FL)
		return read_inline(in, off, buf, len, where, e);
	if (!ext2fs_is_fast_symlink((struct ext2_inode *)in->raw))
		return read_blocks(in, off, buf, len, where, e);
	memcpy(buf, (const u8 *)in->raw->i_block + off, len);
	return 0;
}
