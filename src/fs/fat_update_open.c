/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat_update_private.h"

#include <errno.h>

#define PIECE MIB /* of a FAT that is read at once */

int fat_damaged(const struct fat_updater *f, const char *where, const char *what, struct err *e)
{
	return fail(e, -EUCLEAN, "%s: %s: %s; the FAT volume must be repaired first (fsck.fat on its partition)",
	            f->d->name, where, what);
}

/* ---- boot sector */

static bool is_power_of_two(u32 n)
{
	return n && (n & (n - 1)) == 0;
}

/* Bytes; a volume with few sectors may count them in the older field. */
static u64 volume_size(const u8 *b)
{
	return (u64)(get_le16(b + 19) ? get_le16(b + 19) : get_le32(b + 32)) * get_le16(b + 11);
}

/* What must be true before anything else can be asked. */
static int check_kind(const struct fat_updater *f, const u8 *b, u64 size, struct err *e)
{
	u32 ss = get_le16(b + 11);
	const char *name = f->d->name;

	if (get_le16(b + 510) != 0xaa55 || ss < 512 || ss > 4096 || !is_power_of_two(ss) || !is_power_of_two(b[13]) ||
	    get_le16(b + 14) == 0 || b[16] == 0 || (b[21] != 0xf0 && b[21] < 0xf8))
		return fail(e, -EINVAL, "%s: is not a FAT volume", name);
	if (get_le16(b + 22) != 0 || get_le16(b + 17) != 0)
		return fail(e, -ENOTSUP, "%s: is a FAT12 or FAT16 volume; only FAT32 can be changed", name);
	if (ss < f->grain)
		return fail(e, -ENOTSUP, "%s: the FAT volume counts in sectors of %u bytes, the drive in %u", name, ss,
		            f->grain);
	if (b[16] > 2 || (b[40] & 0x80) || get_le16(b + 42) != 0)
		return fail(e, -ENOTSUP,
		            "%s: the FAT volume is of a kind that nobody makes (%u FATs, flags %#x, version %#x)", name,
		            b[16], get_le16(b + 40), get_le16(b + 42));
	if (volume_size(b) > size)
		return fat_damaged(f, "boot sector", "the volume is larger than its partition", e);
	return 0;
}

static int take_geometry(struct fat_updater *f, const u8 *b, struct err *e)
{
	u32 ss = get_le16(b + 11);
	u64 total = volume_size(b), head = (u64)get_le16(b + 14) * ss, clusters;

	f->n_fats = b[16];
	f->media = b[21];
	f->cluster_size = b[13] * ss;
	f->root = get_le32(b + 44) & CLUSTER_MASK;
	f->fat = f->start + head;
	f->fat_bytes = (u64)get_le32(b + 36) * ss;
	f->data = f->fat + f->n_fats * f->fat_bytes;
	if (total < f->data - f->start + f->cluster_size)
		return fat_damaged(f, "boot sector", "the volume is smaller than its own tables", e);
	clusters = (total - (f->data - f->start)) / f->cluster_size;
	f->table_len = align_up((clusters + FIRST_CLUSTER) * 4, f->grain);
	if (clusters > BAD_CLUSTER - FIRST_CLUSTER || f->table_len > f->fat_bytes)
		return fat_damaged(f, "boot sector", "the FAT is too small for all clusters", e);
	if (f->table_len > FAT_TABLE_MAX)
		return fail(e, -ENOTSUP, "%s: has more clusters than can be held in memory", f->d->name);
	f->n_clusters = (u32)clusters;
	if (!fat_is_cluster(f, f->root))
		return fat_damaged(f, "boot sector", "the root directory begins at a cluster that is not there", e);
	return 0;
}

/* 0 or 0xffff: there is none. */
static bool is_sector(u32 n)
{
	return n != 0 && n != 0xffff;
}

/* The fields that say where things are must be the same in the backup; labels and boot code need not. */
static int check_backup(const struct fat_updater *f, const u8 *b, struct err *e)
{
	u32 at = get_le16(b + 50);
	u8 backup[512];
	int r;

	if (!is_sector(at))
		return 0;
	if (at >= get_le16(b + 14))
		return fat_damaged(f, "boot sector", "its backup lies where it cannot be", e);
	r = device_read(f->d, f->start + (u64)at * get_le16(b + 11), backup, sizeof(backup), e);
	if (r < 0)
		return r;
	if (memcmp(b + 11, backup + 11, 52 - 11) != 0 || memcmp(b + 510, backup + 510, 2) != 0)
		return fat_damaged(f, "boot sector", "its backup says something else", e);
	return 0;
}

static int load_fsinfo(struct fat_updater *f, const u8 *b, struct err *e)
{
	u32 at = get_le16(b + 48);
	int r;

	if (!is_sector(at))
		return 0;
	if (at >= get_le16(b + 14))
		return fat_damaged(f, "boot sector", "FSInfo lies where it cannot be", e);
	f->fsinfo_at = f->start + (u64)at * get_le16(b + 11);
	f->fsinfo = xcalloc(1, f->grain);
	r = device_read(f->d, f->fsinfo_at, f->fsinfo, f->grain, e);
	if (r < 0)
		return r;
	if (get_le32(f->fsinfo) != 0x41615252 || get_le32(f->fsinfo + 484) != 0x61417272 ||
	    get_le32(f->fsinfo + 508) != 0xaa550000)
		return fat_damaged(f, "FSInfo", "has none of its marks", e);
	return 0;
}

static int load_head(struct fat_updater *f, u64 size, struct err *e)
{
	u8 b[512];
	int r;

	if (size < sizeof(b) || f->start % f->grain || f->start > f->d->size || size > f->d->size - f->start)
		return fail(e, -EINVAL, "%s: the partition cannot hold a FAT volume", f->d->name);
	r = device_read(f->d, f->start, b, sizeof(b), e);
	if (r == 0)
		r = check_kind(f, b, size, e);
	if (r == 0)
		r = take_geometry(f, b, e);
	if (r == 0)
		r = check_backup(f, b, e);
	return r < 0 ? r : load_fsinfo(f, b, e);
}

/* ---- the two FATs */

static int load_table(const struct fat_updater *f, u32 number, u8 **ret, struct err *e)
{
	AUTO_FREE u8 *table = xcalloc(1, f->table_len);
	int r = device_read(f->d, f->fat + number * f->fat_bytes, table, f->table_len, e);

	if (r == 0)
		*ret = TAKE(table);
	return r;
}

/* Marks the sectors in which the second FAT is not as the first, and says whether there are any. */
static int compare_tables(struct fat_updater *f, bool *ret_differ, struct err *e)
{
	AUTO_FREE u8 *piece = xcalloc(1, PIECE);

	f->dirty = xcalloc(f->table_len / f->grain / 8 + 1, 1);
	*ret_differ = false;
	for (u64 at = 0; f->n_fats > 1 && at < f->table_len; at += PIECE) {
		u64 len = MIN(PIECE, f->table_len - at);
		int r = device_read(f->d, f->fat + f->fat_bytes + at, piece, len, e);

		if (r < 0)
			return r;
		for (u64 i = 0; i < len; i += f->grain)
			if (memcmp(piece + i, f->table + at + i, f->grain) != 0) {
				bit_set(f->dirty, (at + i) / f->grain);
				*ret_differ = true;
			}
	}
	return 0;
}

/* A directory that was being extended: one FAT says that it ends, the other one that it goes on. */
static bool is_growth(const struct fat_updater *f, u32 a, u32 b)
{
	return (IS_END(a) && fat_is_cluster(f, b)) || (IS_END(b) && fat_is_cluster(f, a));
}

/* Do both FATs tell the same of all files, but for directories of which one was extended? */
static bool tell_the_same(const struct fat_updater *f, const u8 *other)
{
	AUTO_FREE u8 *in_dir = xcalloc((f->n_clusters + FIRST_CLUSTER) / 8 + 1, 1);

	for (size_t i = 0; i < f->t.n_dirs; i++)
		for (u32 k = 0; k < f->t.dir[i].n_clusters; k++)
			bit_set(in_dir, f->t.dir[i].cluster[k]);
	for (u32 c = FIRST_CLUSTER; c - FIRST_CLUSTER < f->n_clusters; c++) {
		u32 a = fat_get(f->table, c), b = fat_get(other, c);

		if (a == b || !bit_get(f->t.used, c) || (IS_END(a) && IS_END(b)))
			continue;
		if (!bit_get(in_dir, c) || !is_growth(f, a, b))
			return false;
	}
	return true;
}

/* The first FAT is what everybody reads; the second one is asked only where the first cannot be right. */
static int choose_table(struct fat_updater *f, bool differ, struct err *e)
{
	AUTO_ERR struct err ignored = { 0 };
	struct fat_olds other_tree = { 0 };
	AUTO_FREE u8 *other = NULL;
	int r = fat_olds_read(f, f->table, &f->t, e), other_r;

	if (!differ || (r < 0 && r != -EUCLEAN))
		return r;
	other_r = load_table(f, 1, &other, r < 0 ? &ignored : e);
	if (other_r < 0)
		return r < 0 ? r : other_r;
	if (r == 0 && tell_the_same(f, other))
		return 0;
	other_r = fat_olds_read(f, other, &other_tree, &ignored);
	if (r < 0 && other_r == 0) {
		err_clear(e);
		f->t = other_tree;
		free(f->table);
		f->table = TAKE(other);
		return 0;
	}
	fat_olds_free(&other_tree);
	if (r == 0 && other_r == 0)
		return fat_damaged(f, "FATs", "the two say different things of the same files", e);
	return r;
}

/* ---- what is left over */

static void count_clusters(struct fat_updater *f)
{
	for (u32 c = FIRST_CLUSTER; c - FIRST_CLUSTER < f->n_clusters; c++) {
		u32 next = fat_get(f->table, c);

		if (bit_get(f->t.used, c) || next == BAD_CLUSTER)
			continue;
		f->n_free++;
		f->n_lost += next != 0;
	}
}

static void tell_leftovers(struct fat_updater *f, bool differ)
{
	u32 count = f->fsinfo ? get_le32(f->fsinfo + 488) : UNKNOWN;

	if (f->n_lost > 0) {
		AUTO_FREE char *size = size_text((u64)f->n_lost * f->cluster_size);

		update_tell(&f->u, "%u clusters (%s) belong to no file", f->n_lost, size);
	}
	if (differ)
		update_tell(&f->u, "the two FATs are not the same");
	if (f->t.n_orphans > 0)
		update_tell(&f->u, "%u pieces of long names belong to no file", f->t.n_orphans);
	if (count != UNKNOWN && count != f->n_free - f->n_lost)
		update_tell(&f->u, "the count of free clusters is %u, not %u", count, f->n_free - f->n_lost);
}

static int load(struct fat_updater *f, u64 size, struct err *e)
{
	bool differ = false;
	int r = load_head(f, size, e);

	if (r == 0)
		r = load_table(f, 0, &f->table, e);
	if (r == 0)
		r = compare_tables(f, &differ, e);
	if (r == 0)
		r = choose_table(f, differ, e);
	if (r < 0)
		return r;
	count_clusters(f);
	tell_leftovers(f, differ);
	f->u.numbers.free_before = (u64)f->n_free * f->cluster_size;
	return 0;
}

/* ---- the updater */

static int find(struct updater *u, const char *path, struct update_entry *ret, struct err *e)
{
	const struct fat_updater *f = (const struct fat_updater *)u;
	u32 at = fat_old_find(&f->t, path);
	const struct fat_old *o;

	if (at == NONE)
		return fail(e, -ENOENT, "%s: has no %s", f->d->name, path);
	o = &f->t.old[at];
	*ret = (struct update_entry){ .is_dir = o->is_dir, .size = o->size };
	if (!o->is_dir && o->n_clusters > 0 && o->one_stretch)
		ret->off = fat_cluster_off(f, o->first);
	return 0;
}

static void close_updater(struct updater *u)
{
	struct fat_updater *f = (struct fat_updater *)u;

	for (size_t i = 0; i < f->n_items; i++)
		free(f->item[i].stretch);
	free(f->item);
	free(f->fate);
	free(f->old);
	free(f->slot);
	free(f->item_of);
	fat_tree_free(&f->tree);
	fat_olds_free(&f->t);
	free(f->table);
	free(f->dirty);
	free(f->fsinfo);
	free(f);
}

static const struct updater_ops ops = { .find = find, .plan = fat_plan, .emit = fat_emit, .close = close_updater };

int fat_update_open(struct device *d, u64 start, u64 size, struct updater **ret, struct err *e)
{
	struct fat_updater *f = xcalloc(1, sizeof(*f));
	AUTO_UPDATER struct updater *u = &f->u;
	int r;

	u->ops = &ops;
	u->kind = "FAT32";
	f->d = d;
	f->start = start;
	f->grain = d->sector_size;
	r = load(f, size, e);
	if (r == 0)
		*ret = TAKE(u);
	return r;
}
