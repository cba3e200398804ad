/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/syslinux_map.h"

#include <ctype.h>
#include <errno.h>

#include "bootinst/syslinux_format.h"

#define BANNER "SYSLINUX " /* also EXTLINUX, ISOLINUX: the same letters behind */

/* Where the code of a boot sector is. */
#define FIELDS    11
#define CODE      90
#define SIGNATURE 510

/* What is in one ldlinux.sys, all checked to lie inside it. */
struct areas {
	const u8 *sys;
	size_t len;
	const u8 *patch, *ext;
	size_t n_code, n_adv;
	const u8 *adv, *dir, *extents;
	size_t dir_size, n_extents;
	u16 low, high; /* offsets into the boot sector */
};

static const u8 *inside(const struct areas *a, u32 off, u64 len)
{
	return off && off <= a->len && len <= a->len - off ? a->sys + off : NULL;
}

static const u8 *find_patch(const struct areas *a)
{
	for (size_t off = 0; off < MAGIC_WITHIN && off + PATCH_SIZE <= a->len; off += 4)
		if (get_le32(a->sys + off) == LDLINUX_MAGIC)
			return a->sys + off;
	return NULL;
}

static bool find_areas(const u8 *sys, size_t len, struct areas *a)
{
	*a = (struct areas){ .sys = sys, .len = len };
	a->patch = find_patch(a);
	a->ext = a->patch ? inside(a, get_le16(a->patch + PATCH_EXTENDED), EXT_SIZE) : NULL;
	if (!a->ext || len % LDLINUX_SECTOR || len > LDLINUX_MAX)
		return false;
	a->n_code = get_le16(a->patch + PATCH_DATA_SECTORS);
	a->n_adv = get_le16(a->patch + PATCH_ADV_SECTORS);
	a->dir_size = get_le16(a->ext + EXT_DIR_SIZE);
	a->n_extents = get_le16(a->ext + EXT_N_EXTENTS);
	a->adv = inside(a, get_le16(a->ext + EXT_ADV_POINTERS), ADV_SECTORS * 8);
	a->dir = inside(a, get_le16(a->ext + EXT_DIR), a->dir_size);
	a->extents = inside(a, get_le16(a->ext + EXT_EXTENTS), a->n_extents * EXTENT_SIZE);
	a->low = get_le16(a->ext + EXT_BOOT_LOW);
	a->high = get_le16(a->ext + EXT_BOOT_HIGH);
	return a->adv && a->dir && a->extents && a->low <= LDLINUX_SECTOR - 4 && a->high <= LDLINUX_SECTOR - 4;
}

static int not_known(struct err *e)
{
	return fail(e, -EINVAL, "ldlinux.sys: is not of a SYSLINUX release whose map of sectors is known");
}

/* All words together give the magic number. */
static bool sum_is_right(const struct areas *a)
{
	u64 n = get_le32(a->patch + PATCH_DWORDS);
	u32 sum = 0;

	if (n == 0 || n * 4 > a->n_code * LDLINUX_SECTOR)
		return false;
	for (size_t i = 0; i < n; i++)
		sum += get_le32(a->sys + 4 * i);
	return sum == LDLINUX_MAGIC;
}

static void read_release(const struct areas *a, struct syslinux_map *m)
{
	const u8 *p = memmem(a->sys, MIN(a->len, 64), BANNER, strlen(BANNER));
	size_t n = 0;

	if (!p)
		return;
	for (p += strlen(BANNER); n + 1 < sizeof(m->release) && (isdigit(p[n]) || p[n] == '.'); n++)
		m->release[n] = (char)p[n];
}

/* The code's sectors after the first, which the boot sector leads to. */
static bool read_extents(const struct areas *a, struct syslinux_map *m)
{
	size_t at = 1;

	for (size_t i = 0; i < a->n_extents && at < a->n_code; i++) {
		u64 sector = get_le64(a->extents + i * EXTENT_SIZE);
		size_t n = get_le16(a->extents + i * EXTENT_SIZE + 8);

		if (n == 0 || n > a->n_code - at)
			return false;
		for (; n > 0; n--)
			m->sector[at++] = sector++;
	}
	return at == a->n_code;
}

static int read_map(const struct areas *a, const u8 *boot_sector, struct syslinux_map *m, struct err *e)
{
	if (a->n_code < 2 || a->n_adv != ADV_SECTORS || (a->n_code + a->n_adv) * LDLINUX_SECTOR != a->len)
		return fail(e, -EUCLEAN, "ldlinux.sys: has %zu sectors, and says that it has %zu and %zu",
		            a->len / LDLINUX_SECTOR, a->n_code, a->n_adv);
	m->n_code = a->n_code;
	m->n = a->n_code + a->n_adv;
	m->sector = xcalloc(m->n, sizeof(*m->sector));
	m->sector[0] = get_le32(boot_sector + a->low) | (u64)get_le32(boot_sector + a->high) << 32;
	if (!read_extents(a, m))
		return fail(e, -EUCLEAN, "ldlinux.sys: its map does not name each of its sectors once");
	for (size_t i = 0; i < a->n_adv; i++)
		m->sector[a->n_code + i] = get_le64(a->adv + 8 * i);
	m->dir = xstrndup((const char *)a->dir, a->dir_size);
	m->sum_is_right = sum_is_right(a);
	read_release(a, m);
	return 0;
}

int syslinux_map_read(const u8 *sys, size_t len, const u8 *boot_sector, struct syslinux_map *ret, struct err *e)
{
	struct syslinux_map m = { 0 };
	struct areas a;
	int r;

	if (!find_areas(sys, len, &a))
		return not_known(e);
	r = read_map(&a, boot_sector, &m, e);
	if (r < 0) {
		syslinux_map_free(&m);
		return r;
	}
	*ret = m;
	return 0;
}

void syslinux_map_free(struct syslinux_map *m)
{
	free(m->sector);
	free(m->dir);
	*m = (struct syslinux_map){ 0 };
}

int syslinux_boot_digest(const u8 *sys, size_t len, const u8 *boot_sector, u8 ret_digest[SHA256_SIZE], struct err *e)
{
	u8 code[LDLINUX_SECTOR];
	struct areas a;

	if (!find_areas(sys, len, &a))
		return not_known(e);
	memcpy(code, boot_sector, sizeof(code));
	memset(code + FIELDS, 0, CODE - FIELDS);
	memset(code + SIGNATURE, 0, sizeof(code) - SIGNATURE);
	put_le32(code + a.low, 0);
	put_le32(code + a.high, 0);
	sha256_of(code, sizeof(code), ret_digest);
	return 0;
}
