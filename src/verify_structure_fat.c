/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FAT12, FAT16, FAT32. fsck.fat judges a copy of all that is not contents; what it tells in a breath, or not at all, is
 * looked at here thing by thing. Format: as in fat_name.h.
 */
#include <errno.h>

#include "src/fs/fat_read.h"
#include "src/verify_structure_fs.h"

#define PIECE MIB

#define DIRTY_FAT32                                                                                                    \
	65 /* byte of the boot sector, bit 0: the kernel sets it while the volume is mounted for writing               \
	    */
#define DIRTY_FAT16 37
#define UNKNOWN     0xffffffff

struct fat_look {
	struct look *l;
	struct place *p;
	const struct fs_found *f;
	struct fat_volume *v;
	struct fat_facts facts;
	u8 b[512]; /* the boot sector */
	u32 sector_size;
	bool is_dirty;
	u64 n_free;
};

/* ---- boot sector */

static int check_fields(const struct fat_look *k, struct err *e)
{
	const u8 *b = k->b;
	u64 total = (u64)(get_le16(b + 19) ? get_le16(b + 19) : get_le32(b + 32)) * k->sector_size;
	u64 hidden = (u64)get_le32(b + 28) * k->sector_size;
	bool ours = k->l->s->is_ours;

	if (get_le16(b + 510) != 0xaa55)
		return fail(e, -EUCLEAN, "has no signature");
	if (total > k->p->part->size)
		return fail(e, -EUCLEAN, "says that the volume has %llu bytes, and the partition has %llu",
		            (unsigned long long)total, (unsigned long long)k->p->part->size);
	if (b[0] != 0xe9 && b[0] != 0xeb)
		return fail(e, -EUCLEAN, "does not begin with a jump");
	if (k->facts.bits == 32 && (get_le16(b + 42) != 0 || b[66] != 0x29))
		return fail(e, -EUCLEAN, "has a version or mark that no FAT32 has");
	if (!ours)
		return 0;
	if (k->facts.bits != 32 || k->facts.n_fats != 2 || get_le16(b + 40) != 0 ||
	    k->sector_size != k->l->d->sector_size)
		return fail(e, -EUCLEAN, "is not of a FAT32 that livestick makes");
	if (hidden != k->p->part->start)
		return fail(e, -EUCLEAN, "says that the partition begins at byte %llu, and it begins at %llu",
		            (unsigned long long)hidden, (unsigned long long)k->p->part->start);
	return 0;
}

static void add_fields(struct fat_look *k)
{
	AUTO_ERR struct err why = { 0 };

	if (check_fields(k, &why) < 0)
		checks_add(k->l->c, "boot-sector", CHECK_BAD, "%s: %s", k->p->role, why.text);
	else
		checks_add(k->l->c, "boot-sector", CHECK_OK, "%s: FAT%u, its fields make sense", k->p->role,
		           k->facts.bits);
}

/* A byte that is not the same in the copy, beside the mark of a mounted volume; -1: none. */
static int first_difference(const u8 *a, const u8 *b)
{
	for (int i = 0; i < 512; i++)
		if (i != DIRTY_FAT32 && a[i] != b[i])
			return i;
	return -1;
}

/* Installers of SYSLINUX write into the first one only, so on sticks of others' the code may differ. */
static bool is_in_code(int at)
{
	return at < 11 || (at >= 90 && at < 510);
}

static int add_backup(struct fat_look *k, struct err *e)
{
	u32 at = get_le16(k->b + 50);
	const char *role = k->p->role;
	u8 copy[512];
	int differs, r;

	if (k->facts.bits != 32)
		return 0;
	if (at == 0 || at >= get_le16(k->b + 14)) {
		checks_add(k->l->c, "boot-sector-backup", k->l->s->is_ours || at ? CHECK_BAD : CHECK_OK,
		           "%s: there is none", role);
		return 0;
	}
	r = device_read(k->p->window, (u64)at * k->sector_size, copy, sizeof(copy), e);
	if (r < 0)
		return checks_add_result(k->l->c, "boot-sector-backup", r, false, "", e);
	differs = first_difference(k->b, copy);
	if (differs < 0)
		checks_add(k->l->c, "boot-sector-backup", CHECK_OK, "%s: sector %u is the same", role, at);
	else if (!k->l->s->is_ours && is_in_code(differs) && memcmp(k->b + 11, copy + 11, 54) == 0)
		checks_add(k->l->c, "boot-sector-backup", CHECK_OK,
		           "%s: sector %u is the same but for the loader's code", role, at);
	else
		checks_add(k->l->c, "boot-sector-backup", CHECK_BAD,
		           "%s: sector %u is not as the boot sector, byte %d is %02x there and %02x here", role, at,
		           differs, copy[differs], k->b[differs]);
	return 0;
}

/* ---- the tables */

static u32 entry_at(const struct fat_look *k, const u8 *piece, u64 i)
{
	return k->facts.bits == 32 ? get_le32(piece + 4 * i) & 0x0fffffff : get_le16(piece + 2 * i);
}

/* The entries in a piece of the first table that begins with the entry `first`. */
static void count_free(struct fat_look *k, const u8 *piece, u64 len, u64 first)
{
	for (u64 i = 0; i < len * 8 / k->facts.bits; i++)
		if (first + i >= 2 && first + i < (u64)k->facts.n_clusters + 2)
			k->n_free += entry_at(k, piece, i) == 0;
}

/* Compares all tables with the first; *ret_at is the byte in which one differs, or UINT64_MAX. */
static int compare_tables(struct fat_look *k, u64 *ret_at, unsigned *ret_number, struct err *e)
{
	const u64 len = k->facts.fat_bytes;
	AUTO_FREE u8 *first = xcalloc(1, PIECE), *other = xcalloc(1, PIECE);
	int r = 0;

	*ret_at = UINT64_MAX;
	for (u64 at = 0; r == 0 && at < len; at += PIECE) {
		u64 n = MIN(PIECE, len - at);

		r = interrupted ? fail(e, -EINTR, "interrupted")
		                : device_read(k->p->window, k->facts.fat + at, first, n, e);
		if (r == 0 && k->facts.bits == 32)
			count_free(k, first, n, at / 4);
		for (unsigned i = 1; r == 0 && i < k->facts.n_fats && *ret_at == UINT64_MAX; i++) {
			r = device_read(k->p->window, k->facts.fat + i * len + at, other, n, e);
			for (u64 b = 0; r == 0 && b < n && *ret_at == UINT64_MAX; b++)
				if (first[b] != other[b]) {
					*ret_at = at + b;
					*ret_number = i + 1;
				}
		}
	}
	return r;
}

static int add_tables(struct fat_look *k, struct err *e)
{
	u64 at = 0;
	unsigned number = 0;
	int r = compare_tables(k, &at, &number, e);

	if (r < 0)
		return checks_add_result(k->l->c, "fat-copies", r, false, "", e);
	if (at == UINT64_MAX)
		checks_add(k->l->c, "fat-copies", CHECK_OK, "%s: %u, all the same", k->p->role, k->facts.n_fats);
	else if (k->l->is_unfinished && k->f->leftover.len)
		checks_add(k->l->c, "fat-copies", CHECK_OK,
		           "%s: are not the same, as an upgrade that was cut leaves them", k->p->role);
	else
		checks_add(k->l->c, "fat-copies", CHECK_BAD,
		           "%s: number %u differs from the first in byte %llu (cluster %llu)", k->p->role, number,
		           (unsigned long long)at, (unsigned long long)(at * 8 / k->facts.bits));
	return 0;
}

/* What a mount for writing keeps in memory may be old after a power cut. */
static int check_info(const struct fat_look *k, const u8 *s, struct err *e)
{
	u32 count = get_le32(s + 488), next = get_le32(s + 492);

	if (get_le32(s) != 0x41615252 || get_le32(s + 484) != 0x61417272 || get_le32(s + 508) != 0xaa550000)
		return fail(e, -EUCLEAN, "has not its marks");
	if (count != UNKNOWN && count != k->n_free && !k->is_dirty)
		return fail(e, -EUCLEAN, "says that %u clusters are free, and %llu are", count,
		            (unsigned long long)k->n_free);
	if (next != UNKNOWN && next >= k->facts.n_clusters + 2)
		return fail(e, -EUCLEAN, "says that cluster %u is free, and there is none of that number", next);
	return 0;
}

static int add_info(struct fat_look *k, struct err *e)
{
	u32 at = get_le16(k->b + 48);
	AUTO_ERR struct err why = { 0 };
	u8 s[512];
	int r;

	if (k->facts.bits != 32)
		return 0;
	if (at == 0 || at >= get_le16(k->b + 14)) {
		checks_add(k->l->c, "fat-info", k->l->s->is_ours ? CHECK_BAD : CHECK_OK, "%s: there is none",
		           k->p->role);
		return 0;
	}
	r = device_read(k->p->window, (u64)at * k->sector_size, s, sizeof(s), e);
	if (r < 0)
		return checks_add_result(k->l->c, "fat-info", r, false, "", e);
	if (check_info(k, s, &why) < 0)
		checks_add(k->l->c, "fat-info", CHECK_BAD, "%s: %s", k->p->role, why.text);
	else
		checks_add(k->l->c, "fat-info", CHECK_OK, "%s: %llu clusters are free", k->p->role,
		           (unsigned long long)k->n_free);
	return 0;
}

/* ---- the judge */

/* The mark of a mounted volume would be a finding, and is told by fs-clean. */
static int clear_dirty(const struct fat_look *k, struct shadow *s, struct err *e)
{
	size_t at = k->facts.bits == 32 ? DIRTY_FAT32 : DIRTY_FAT16;
	u8 clean = k->b[at] & ~1;

	return k->is_dirty ? shadow_put(s, at, &clean, 1, e) : 0;
}

/* Of a damaged tree what can be reached is copied: fsck.fat will say what is wrong. */
static int judge(const struct fat_look *k, struct buf *findings, struct err *e)
{
	AUTO_SHADOW struct shadow *s = NULL;
	struct fs_copy copy = { .e = e };
	int r = shadow_new(k->p->window, 0, k->p->window->size, &s, e);

	copy.shadow = s;
	if (r == 0)
		r = fat_each_metadata(k->v, fs_copy_stretch, &copy, e);
	if (r == -EUCLEAN) {
		err_clear(e);
		r = 0;
	}
	if (r == 0)
		r = clear_dirty(k, s, e);
	if (r < 0)
		return r;
	const char *const argv[] = { "fsck.fat", "-n", shadow_path(s), NULL };

	return fs_judge(s, argv, "dosfstools", findings, e);
}

static int add_judged(struct fat_look *k, struct err *e)
{
	AUTO_BUF struct buf findings = { 0 };
	const char *role = k->p->role;
	int r = judge(k, &findings, e);

	if (r < 0) {
		fail(e, r, "%s", role);
		return checks_add_result(k->l->c, "fs-check", r, true, "", e);
	}
	if (r == 0)
		checks_add(k->l->c, "fs-check", CHECK_OK, "%s: fsck.fat finds nothing", role);
	else if (k->l->is_unfinished && k->f->leftover.len)
		checks_add(k->l->c, "fs-check", CHECK_OK,
		           "%s: an upgrade that was cut left: %s; the next one mends that", role, k->f->leftover.s);
	else
		checks_add(k->l->c, "fs-check", CHECK_BAD, "%s: fsck.fat says: %s%s", role, findings.s,
		           fs_harmless(k->f));
	return 0;
}

static void add_clean(struct fat_look *k)
{
	k->is_dirty = k->b[k->facts.bits == 32 ? DIRTY_FAT32 : DIRTY_FAT16] & 1;
	checks_add(k->l->c, "fs-clean", CHECK_OK, "%s: %s", k->p->role,
	           k->is_dirty ? "was not unmounted; fs-check tells how it is" : "was unmounted");
}

static int look_opened(struct fat_look *k, struct err *e)
{
	int r;

	fat_get_facts(k->v, &k->facts);
	add_fields(k);
	add_clean(k);
	r = add_backup(k, e);
	if (r == 0)
		r = add_tables(k, e);
	if (r == 0)
		r = add_info(k, e);
	return r == 0 ? add_judged(k, e) : r;
}

/* A boot sector that is none any more may have a copy. */
static void add_no_fat(struct fat_look *k, const struct err *why)
{
	AUTO_ERR struct err ignored = { 0 };
	struct device *window = k->p->window;
	const u32 ss = window->sector_size;
	u8 copy[512] = { 0 };
	bool has_copy = window->size > 7 * (u64)ss &&
	                device_read(window, 6 * (u64)ss, copy, sizeof(copy), &ignored) == 0 &&
	                get_le16(copy + 510) == 0xaa55 && get_le16(copy + 11) == ss;

	checks_add(k->l->c, "boot-sector", CHECK_BAD, "%s%s", why->text,
	           has_copy ? "; the copy in sector 6 looks whole" : "");
}

int look_fat(struct look *l, struct place *p, const struct fs_found *f, struct err *e)
{
	struct fat_look k = { .l = l, .p = p, .f = f };
	AUTO_ERR struct err why = { 0 };
	int r = p->window->size < sizeof(k.b) ? fail(e, -EINVAL, "%s: is too small", p->role)
	                                      : device_read(p->window, 0, k.b, sizeof(k.b), e);

	if (r < 0)
		return checks_add_result(l->c, "boot-sector", r, false, "", e);
	k.sector_size = get_le16(k.b + 11);
	if (fat_open(p->window, &k.v, &why) < 0) {
		add_no_fat(&k, &why);
		return 0;
	}
	r = look_opened(&k, e);
	fat_close(k.v);
	return r;
}
