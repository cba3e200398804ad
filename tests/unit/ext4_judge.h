/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A reader of ext4 that shares nothing with src/fs: it looks at a volume in memory as strictly as a kernel that mounts
 * it for reading (each checksum on the way is checked), and at what must hold whatever was written last:
 *
 *  - no block belongs to two;
 *  - what is in use is marked as used, whether or not the bitmap has its checksum, which has only 16 bits;
 *  - an inode without a name has no contents, and none counts fewer names than it has;
 *  - a name leads to an inode in use.
 *
 * Only for what ext4.h makes for a loader: blocks of 4096 bytes, inodes of 256, descriptors of 32.
 * Format: Linux, Documentation/filesystems/ext4.
 */
#ifndef LIVESTICK_TEST_EXT4_JUDGE_H
#define LIVESTICK_TEST_EXT4_JUDGE_H

#include <stdarg.h>

#include "src/base/buf.h"

#define J_BLOCK  4096U
#define J_INODE  256U
#define J_GROUP  32768U
#define J_META   9 /* in `owned`: the volume's own */
#define J_UNUSED __attribute__((unused))

struct judge {
	const u8 *v; /* the volume */
	u64 size;
	u32 blocks, inodes, per_group, groups, seed;
	u8 *owned;     /* a byte for each block */
	u8 *named;     /* for each inode: how many names it has, at most 255 */
	char why[256]; /* "" : all is well */
	int (*file)(void *ctx, const char *path, const struct judge *j, const u8 *inode, u64 size);
	void *ctx;
	u32 now; /* inode of the file that it is called for */
};

J_UNUSED static u32 j_crc(u32 crc, const void *data, size_t len)
{
	static u32 table[8][256];
	const u8 *p = data;

	if (!table[0][1]) {
		for (u32 i = 0; i < 256; i++) {
			u32 c = i;

			for (int k = 0; k < 8; k++)
				c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
			table[0][i] = c;
		}
		for (u32 i = 0; i < 256; i++)
			for (int k = 1; k < 8; k++)
				table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
	}
	for (; len >= 8; p += 8, len -= 8) {
		u32 a = crc ^ get_le32(p), b = get_le32(p + 4);

		crc = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^ table[4][a >> 24] ^
		      table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^ table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
	}
	for (; len > 0; p++, len--)
		crc = table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
	return crc;
}

PRINTF_LIKE(2, 3) J_UNUSED static bool j_no(struct judge *j, const char *fmt, ...)
{
	va_list ap;

	if (j->why[0])
		return false;
	va_start(ap, fmt);
	vsnprintf(j->why, sizeof(j->why), fmt, ap);
	va_end(ap);
	return false;
}

J_UNUSED static const u8 *j_block(const struct judge *j, u64 block)
{
	static const u8 nothing[J_BLOCK];

	return block < j->blocks ? j->v + block * J_BLOCK : nothing;
}

J_UNUSED static const u8 *j_desc(const struct judge *j, u32 g)
{
	return j->v + J_BLOCK + g * 32;
}

J_UNUSED static const u8 *j_inode(const struct judge *j, u32 number)
{
	const u8 *d = j_desc(j, (number - 1) / j->per_group);
	u64 at = get_le32(d + 8) * (u64)J_BLOCK + (number - 1) % j->per_group * (u64)J_INODE;

	return at + J_INODE <= j->size ? j->v + at : j_block(j, UINT64_MAX);
}

J_UNUSED static u32 j_inode_seed(const struct judge *j, u32 number, const u8 *inode)
{
	u8 le[4];
	u32 crc;

	put_le32(le, number);
	crc = j_crc(j->seed, le, 4);
	return j_crc(crc, inode + 100, 4);
}

J_UNUSED static bool j_inode_is_good(const struct judge *j, u32 number, const u8 *inode)
{
	u8 copy[J_INODE];
	bool has_high = get_le16(inode + 128) >= 4;
	u32 crc, found = get_le16(inode + 124);

	memcpy(copy, inode, sizeof(copy));
	put_le16(copy + 124, 0);
	if (has_high) {
		found |= (u32)get_le16(inode + 130) << 16;
		put_le16(copy + 130, 0);
	}
	crc = j_crc(j_inode_seed(j, number, inode), copy, sizeof(copy));
	return (has_high ? crc : crc & 0xffff) == found;
}

J_UNUSED static bool j_own(struct judge *j, u64 block, u64 n, u32 who)
{
	for (u64 i = block; i < block + n; i++) {
		if (i >= j->blocks)
			return j_no(j, "inode %u has block %llu, outside", who, (unsigned long long)i);
		if (j->owned[i]++)
			return j_no(j, "inode %u has block %llu, which belongs to two", who, (unsigned long long)i);
	}
	return true;
}

/* ---- extents */

/* Calls fn for each extent of an inode. */
struct j_extent {
	u64 at, block, n;
};

J_UNUSED static bool j_tree(struct judge *j, u32 number, const u8 *inode, const u8 *node, unsigned room, bool own,
                            bool (*fn)(void *ctx, struct j_extent x), void *ctx)
{
	unsigned n = get_le16(node + 2), depth = get_le16(node + 6);

	if (get_le16(node) != 0xf30a || n > room || depth > 5)
		return j_no(j, "inode %u has no tree of extents", number);
	if (room > 4 && j_crc(j_inode_seed(j, number, inode), node, J_BLOCK - 4) != get_le32(node + J_BLOCK - 4))
		return j_no(j, "inode %u: checksum of extents", number);
	for (unsigned i = 0; i < n; i++) {
		const u8 *p = node + 12 + i * 12;
		struct j_extent x = { get_le32(p), get_le32(p + 8), get_le16(p + 4) };
		u32 child = get_le32(p + 4);

		if (depth > 0) {
			if ((own && !j_own(j, child, 1, number)) ||
			    !j_tree(j, number, inode, j_block(j, child), 340, own, fn, ctx))
				return false;
			continue;
		}
		if (own && !j_own(j, x.block, x.n, number))
			return false;
		if (fn && !fn(ctx, x))
			return false;
	}
	return true;
}

struct j_read {
	const struct judge *j;
	u8 *to;
	u64 size, got;
};

J_UNUSED static bool j_copy(void *ctx, struct j_extent x)
{
	struct j_read *r = ctx;

	for (u64 i = 0; i < x.n; i++) {
		u64 off = (x.at + i) * J_BLOCK;

		if (off >= r->size)
			break;
		memcpy(r->to + off, j_block(r->j, x.block + i), MIN(J_BLOCK, r->size - off));
		r->got += MIN(J_BLOCK, r->size - off);
	}
	return true;
}

/* The first `size` bytes of a file; the caller frees. */
J_UNUSED static u8 *j_content(const struct judge *j, const u8 *inode, u64 size)
{
	struct judge quiet = *j;
	struct j_read r = { j, xcalloc(1, size), size, 0 };

	j_tree(&quiet, j->now, inode, inode + 40, 4, false, j_copy, &r);
	return r.to;
}

/* ---- directories */

struct j_dir {
	struct judge *j;
	u32 number, parent;
	const char *path;
	const u8 *inode;
	u64 got;
	unsigned depth;
};

J_UNUSED static bool j_walk(struct judge *j, u32 number, u32 parent, const char *path, unsigned depth);

J_UNUSED static bool j_entry(struct j_dir *d, u32 number, const char *name, size_t len)
{
	struct judge *j = d->j;
	AUTO_BUF struct buf path = { 0 };

	if (number < 11 || number > j->inodes)
		return j_no(j, "%s has an entry for inode %u", d->path, number);
	buf_adds(&path, d->path);
	buf_adds(&path, "/");
	buf_add(&path, name, len);
	return j_walk(j, number, d->number, path.s, d->depth + 1);
}

J_UNUSED static bool j_dir_block(struct j_dir *d, const u8 *block)
{
	struct judge *j = d->j;
	size_t seen = 0;

	if (j_crc(j_inode_seed(j, d->number, d->inode), block, J_BLOCK - 12) != get_le32(block + J_BLOCK - 4))
		return j_no(j, "%s/: checksum of a block", d->path);
	for (size_t at = 0; at < J_BLOCK;) {
		u32 number = get_le32(block + at);
		size_t size = get_le16(block + at + 4), len = block[at + 6];
		const char *name = (const char *)block + at + 8;

		if (size < 8 || size % 4 || size > J_BLOCK - at || len + 8 > size)
			return j_no(j, "%s/: an entry", d->path);
		if (number && d->got == 0 && seen < 2) {
			if (len != seen + 1 || number != (seen ? d->parent : d->number))
				return j_no(j, "%s/: dots", d->path);
			seen++;
		} else if (number && !j_entry(d, number, name, len)) {
			return false;
		}
		at += size;
	}
	d->got += J_BLOCK;
	return true;
}

J_UNUSED static bool j_dir_extent(void *ctx, struct j_extent x)
{
	struct j_dir *d = ctx;

	for (u64 i = 0; i < x.n; i++)
		if (d->got != (x.at + i) * J_BLOCK || !j_dir_block(d, j_block(d->j, x.block + i)))
			return j_no(d->j, "%s/: has a hole", d->path);
	return true;
}

J_UNUSED static bool j_walk(struct judge *j, u32 number, u32 parent, const char *path, unsigned depth)
{
	const u8 *inode = j_inode(j, number), *desc = j_desc(j, (number - 1) / j->per_group);
	u64 size = get_le32(inode + 4) | (u64)get_le32(inode + 108) << 32;
	struct j_dir d = { j, number, parent, path, inode, 0, depth };
	unsigned type = get_le16(inode) >> 12;

	if (get_le16(desc + 18) & 1 || (number - 1) % j->per_group >= j->per_group - get_le16(desc + 28))
		return j_no(j, "%s: inode %u is one that nobody made", path, number);
	if (!j_inode_is_good(j, number, inode) || get_le16(inode + 26) == 0 || depth > 50)
		return j_no(j, "%s: inode %u is not sound", path, number);
	j->named[number] += j->named[number] < 255;
	if (type == 4) {
		if (j->named[number] > 1)
			return j_no(j, "%s: is in two places", path);
		if (!j_tree(j, number, inode, inode + 40, 4, false, j_dir_extent, &d))
			return false;
		if (d.got != size)
			return j_no(j, "%s/: has a wrong size", path);
	} else if (type == 8 && !j_tree(j, number, inode, inode + 40, 4, false, NULL, NULL)) {
		return false;
	}
	j->now = number;
	if (number != 2 && j->file && j->file(j->ctx, path, j, inode, type == 4 ? UINT64_MAX : type == 8 ? size : 0))
		return j_no(j, "%s: is not what it shall be", path);
	return true;
}

/* ---- what is in use */

J_UNUSED static bool j_own_inode(struct judge *j, u32 number)
{
	const u8 *inode = j_inode(j, number);
	unsigned type = get_le16(inode) >> 12;
	u64 size = get_le32(inode + 4) | (u64)get_le32(inode + 108) << 32;

	if (get_le16(inode + 26) == 0)
		return true;
	if (!j_inode_is_good(j, number, inode))
		return j_no(j, "inode %u is in use and not sound", number);
	if (!j->named[number] && type == 8 && (size || get_le32(inode + 28)))
		return j_no(j, "inode %u has contents and no name", number);
	if (type != 4 && get_le16(inode + 26) < j->named[number])
		return j_no(j, "inode %u counts %u names and has %u", number, get_le16(inode + 26), j->named[number]);
	if (get_le32(inode + 104) && !j_own(j, get_le32(inode + 104), 1, number))
		return false;
	return (type != 4 && type != 8 && !(get_le32(inode + 32) & 0x80000)) ||
	       j_tree(j, number, inode, inode + 40, 4, true, NULL, NULL);
}

J_UNUSED static bool j_bit(const u8 *map, u64 n)
{
	return map[n / 8] >> n % 8 & 1;
}

J_UNUSED static bool j_group(struct judge *j, u32 g)
{
	const u8 *d = j_desc(j, g), *blocks = j_block(j, get_le32(d)), *inodes = j_block(j, get_le32(d + 4));
	u32 used = get_le16(d + 18) & 1 ? 0 : j->per_group - get_le16(d + 28);

	for (u64 i = (u64)g * J_GROUP; i < MIN((u64)(g + 1) * J_GROUP, j->blocks); i++) {
		if (!j->owned[i] || (get_le16(d + 18) & 2 && j->owned[i] == J_META))
			continue;
		if (get_le16(d + 18) & 2)
			return j_no(j, "block %llu is used, in a group that is not", (unsigned long long)i);
		if (!j_bit(blocks, i % J_GROUP))
			return j_no(j, "block %llu is used and marked as free", (unsigned long long)i);
	}
	for (u32 i = 0; i < used; i++)
		if (get_le16(j_inode(j, g * j->per_group + i + 1) + 26) && !j_bit(inodes, i))
			return j_no(j, "inode %u is used and marked as free", g * j->per_group + i + 1);
	return true;
}

/* Superblock, descriptors, their copies, bitmaps, tables. */
J_UNUSED static bool j_own_meta(struct judge *j)
{
	u32 descs = 1 + (j->groups * 32 + J_BLOCK - 1) / J_BLOCK, copies[3] = { 0 };
	bool ok = true;

	copies[1] = get_le32(j->v + 1024 + 0x24c);
	copies[2] = get_le32(j->v + 1024 + 0x250);
	for (int i = 0; i < 3 && ok; i++)
		ok = (i > 0 && copies[i] == 0) || j_own(j, (u64)copies[i] * J_GROUP, descs, 0);
	for (u32 g = 0; g < j->groups && ok; g++) {
		const u8 *d = j_desc(j, g);

		ok = j_own(j, get_le32(d), 1, 0) && j_own(j, get_le32(d + 4), 1, 0) &&
		     j_own(j, get_le32(d + 8), j->per_group * J_INODE / J_BLOCK, 0);
	}
	for (u32 i = 0; i < j->blocks; i++)
		j->owned[i] = j->owned[i] ? J_META : 0;
	return ok;
}

J_UNUSED static bool j_super(struct judge *j)
{
	const u8 *s = j->v + 1024;
	u8 le[4];

	if (get_le16(s + 56) != 0xef53 || j_crc(~0U, s, 1020) != get_le32(s + 1020))
		return j_no(j, "superblock: checksum");
	j->blocks = get_le32(s + 4);
	j->inodes = get_le32(s);
	j->per_group = get_le32(s + 40);
	j->groups = (j->blocks + J_GROUP - 1) / J_GROUP;
	if ((u64)j->blocks * J_BLOCK > j->size)
		return j_no(j, "superblock: size");
	j->seed = j_crc(~0U, s + 104, 16);
	for (u32 g = 0; g < j->groups; g++) {
		u8 desc[32];
		u32 crc;

		memcpy(desc, j_desc(j, g), sizeof(desc));
		put_le16(desc + 30, 0);
		put_le32(le, g);
		crc = j_crc(j_crc(j->seed, le, 4), desc, sizeof(desc));
		if ((crc & 0xffff) != get_le16(j_desc(j, g) + 30))
			return j_no(j, "group %u: checksum", g);
	}
	return true;
}

/* True: all is well, and `file` was called for each file (size UINT64_MAX: a directory); its nonzero is a failure. */
J_UNUSED static bool judge_volume(struct judge *j)
{
	bool ok = j_super(j);

	if (!ok)
		return false;
	j->owned = xcalloc(j->blocks, 1);
	j->named = xcalloc(j->inodes + 1, 1);
	ok = j_own_meta(j) && j_walk(j, 2, 2, "", 0);
	for (u32 g = 0; g < j->groups && ok; g++) {
		u32 used = get_le16(j_desc(j, g) + 18) & 1 ? 0 : j->per_group - get_le16(j_desc(j, g) + 28);

		for (u32 i = 0; i < used && ok; i++)
			ok = j_own_inode(j, g * j->per_group + i + 1);
	}
	for (u32 g = 0; g < j->groups && ok; g++)
		ok = j_group(j, g);
	free(j->owned);
	free(j->named);
	return ok;
}

#endif
