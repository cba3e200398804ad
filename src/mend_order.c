/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sources of the layouts: Microsoft's FAT32 specification; Documentation/filesystems/ext4 of Linux. */
#include "src/mend_parts.h"

#include <errno.h>

/* ---- FAT32: offsets in the boot sector */

#define FAT_SECTOR      11
#define FAT_PER_CLUSTER 13
#define FAT_RESERVED    14
#define FAT_TABLES      16
#define FAT_TABLE_SIZE  36
#define FAT_CLUSTER     0x0fffffff

/* ---- ext4: in the superblock */

#define SUPER_AT         1024
#define SUPER_SIZE       1024
#define SUPER_BLOCKS     4
#define SUPER_FIRST      20
#define SUPER_BLOCK_SIZE 24
#define SUPER_PER_GROUP  32
#define SUPER_INODES     40
#define SUPER_INODE_SIZE 88
#define SUPER_INCOMPAT   96
#define INCOMPAT_META_BG 0x10
#define INCOMPAT_64BIT   0x80
#define DESCRIPTOR       32

struct mend_order {
	struct device *boot;
	bool is_ext4;
	/* FAT32 */
	u64 table, table_size, data, cluster;
	/* ext4: of each block; 0: MEND_NEW */
	u8 *step;
	u64 n_blocks, block;
};

static int read_fat(struct mend_order *o, const struct shadow *c, struct err *e)
{
	u8 b[512];
	int r = shadow_read(c, 0, b, sizeof(b), e);
	u64 sector = get_le16(b + FAT_SECTOR);

	if (r < 0)
		return r;
	o->cluster = sector * b[FAT_PER_CLUSTER];
	o->table = sector * get_le16(b + FAT_RESERVED);
	o->table_size = sector * get_le32(b + FAT_TABLE_SIZE);
	o->data = o->table + o->table_size * b[FAT_TABLES];
	return o->cluster ? 0 : fail(e, -EUCLEAN, "its boot sector says nothing");
}

static void set_steps(struct mend_order *o, u64 first, u64 n, unsigned step)
{
	for (u64 i = first; i < o->n_blocks && i - first < n; i++)
		o->step[i] = (u8)step;
}

/* Backups begin a group, where it has some; bitmaps and inodes are never where they would be. */
static int read_groups(struct mend_order *o, const struct shadow *c, const u8 *super, struct err *e)
{
	u64 per_group = get_le32(super + SUPER_PER_GROUP), first = get_le32(super + SUPER_FIRST);
	u64 itable = div_round_up((u64)get_le32(super + SUPER_INODES) * get_le16(super + SUPER_INODE_SIZE), o->block);
	u64 n = div_round_up(o->n_blocks - first, per_group), tables = div_round_up(n * DESCRIPTOR, o->block);

	for (u64 g = 1; g < n; g++)
		set_steps(o, first + g * per_group, 1 + tables, MEND_BACKUPS);
	for (u64 g = 0; g < n; g++) {
		u8 d[DESCRIPTOR];
		int r = shadow_read(c, (first + 1) * o->block + g * DESCRIPTOR, d, sizeof(d), e);

		if (r < 0)
			return r;
		set_steps(o, get_le32(d), 1, MEND_MAPS);
		set_steps(o, get_le32(d + 4), 1, MEND_MAPS);
		set_steps(o, get_le32(d + 8), itable, MEND_INODES);
	}
	set_steps(o, first + 1, tables, MEND_GROUPS);
	return 0;
}

static int read_ext4(struct mend_order *o, const struct shadow *c, struct err *e)
{
	u8 super[SUPER_SIZE];
	int r = shadow_read(c, SUPER_AT, super, sizeof(super), e);
	unsigned shift = get_le32(super + SUPER_BLOCK_SIZE);

	if (r < 0)
		return r;
	o->n_blocks = get_le32(super + SUPER_BLOCKS);
	if (shift > 6 || (get_le32(super + SUPER_INCOMPAT) & (INCOMPAT_META_BG | INCOMPAT_64BIT)) ||
	    get_le32(super + SUPER_PER_GROUP) == 0 || get_le32(super + SUPER_FIRST) >= o->n_blocks ||
	    o->n_blocks * (SUPER_AT << shift) > o->boot->size)
		return fail(e, -ENOTSUP, "is of a kind that is not mended here");
	o->block = SUPER_AT << shift;
	o->step = xcalloc(o->n_blocks, 1);
	return read_groups(o, c, super, e);
}

int mend_order_new(const struct shadow *c, struct device *boot, bool ext4, struct mend_order **ret, struct err *e)
{
	struct mend_order *o = xcalloc(1, sizeof(*o));
	int r;

	o->boot = boot;
	o->is_ext4 = ext4;
	r = ext4 ? read_ext4(o, c, e) : read_fat(o, c, e);
	if (r < 0)
		mend_order_free(o);
	else
		*ret = o;
	return r;
}

void mend_order_free(struct mend_order *o)
{
	if (!o)
		return;
	free(o->step);
	free(o);
}

u32 mend_order_sector(const struct mend_order *o)
{
	return o->boot->sector_size;
}

/* Of the data area: whether its cluster was free. */
static int fat_data_step(const struct mend_order *o, u64 off, unsigned *ret, struct err *e)
{
	u64 entry = o->table + 4 * (2 + (off - o->data) / o->cluster);
	u8 was[4];
	int r = device_read(o->boot, entry, was, sizeof(was), e);

	if (r == 0)
		*ret = get_le32(was) & FAT_CLUSTER ? MEND_DIRECTORIES : MEND_NEW;
	return r;
}

int mend_order_step(const struct mend_order *o, u64 off, unsigned *ret, struct err *e)
{
	u64 sector = o->boot->sector_size;

	if (o->is_ext4 && off < SUPER_AT + SUPER_SIZE)
		*ret = off + sector > SUPER_AT ? MEND_SUPER : MEND_NEW;
	else if (o->is_ext4)
		*ret = off / o->block < o->n_blocks ? o->step[off / o->block] : MEND_NEW;
	else if (off >= o->data)
		return fat_data_step(o, off, ret, e);
	else if (off >= o->table)
		*ret = off >= o->table + o->table_size ? MEND_COPIES : off > o->table ? MEND_ENTRIES : MEND_FIRST;
	else
		*ret = off ? MEND_RESERVED : MEND_SUPER;
	return 0;
}

bool mend_order_before(const struct mend_order *o, unsigned step, u64 off, const u8 *was, const u8 *now, size_t len,
                       u8 **ret)
{
	bool any = false;
	u8 *first;

	if (step != MEND_ENTRIES && step != MEND_FIRST)
		return false;
	first = xcalloc(1, len);
	memcpy(first, was, len);
	/* The first two entries are of no cluster: they say whether the table is good. */
	for (size_t at = off == o->table ? 8 : 0; at < len; at += 4) {
		if ((get_le32(was + at) & FAT_CLUSTER) || memcmp(was + at, now + at, 4) == 0)
			continue;
		memcpy(first + at, now + at, 4);
		any = true;
	}
	if (!any)
		free(first);
	else
		*ret = first;
	return any;
}
