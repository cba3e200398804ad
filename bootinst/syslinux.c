/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/syslinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bootinst/syslinux_format.h"
#include "src/base/scratch.h"
#include "src/base/spawn.h"

#define MODULES_DIR "/usr/lib/syslinux/modules/bios"

#define SECTOR     LDLINUX_SECTOR
#define FLOPPY     (1440 * KIB)
#define MAX_LOADER LDLINUX_MAX
#define MAX_MODULE (2 * MIB)

#define EXTENT_MAX 127U /* sectors */

void syslinux_free(struct syslinux *s)
{
	free(s->sys.data);
	free(s->c32.data);
	*s = (struct syslinux){ 0 };
}

int blob_load(const char *path, size_t max, const char *package, struct blob *ret, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE u8 *data = NULL;
	struct stat st;
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0 && errno == ENOENT)
		return fail(e, -ENOENT, "%s is missing: apt-get install %s", path, package);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (u64)st.st_size > max)
		return fail(e, -EINVAL, "%s: is not a file of at most %zu bytes", path, max);
	data = xcalloc(1, (size_t)st.st_size);
	while (have < (size_t)st.st_size && n > 0) {
		n = read(fd, data + have, (size_t)st.st_size - have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (have < (size_t)st.st_size)
		return fail(e, -EIO, "%s: cannot be read", path);
	*ret = (struct blob){ TAKE(data), have };
	return 0;
}

/* ---- harvest */

/* A floppy's FAT with SYSLINUX on it, whose files are then copied beside it. */
static int install_on_scratch(const char *dir, const char *image, struct err *e)
{
	AUTO_BUF struct buf to = { 0 };
	AUTO_CLOSE int fd = open(image, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0 || ftruncate(fd, FLOPPY) < 0)
		return fail(e, -errno, "%s: %s", image, strerror(errno));
	buf_addf(&to, "%s/", dir);
	const char *const format[] = { "mformat", "-i", image, "-f", "1440", "::", NULL };
	const char *const install[] = { "syslinux", "--install", image, NULL };
	const char *const copy[] = { "mcopy", "-n", "-i", image, "::/ldlinux.sys", "::/ldlinux.c32", to.s, NULL };
	const struct spawn step[] = {
		{ .argv = format, .package = "mtools", .tmpdir = dir, .seconds = 30 },
		{ .argv = install, .package = "syslinux", .tmpdir = dir, .seconds = 30 },
		{ .argv = copy, .package = "mtools", .tmpdir = dir, .seconds = 30 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(step); i++)
		if ((r = spawn_run(&step[i], NULL, e)) < 0)
			return r;
	return 0;
}

static int load_from_scratch(const char *dir, const char *image, struct syslinux *s, struct err *e)
{
	AUTO_BUF struct buf sys = { 0 }, c32 = { 0 };
	struct blob floppy = { 0 };
	int r;

	buf_addf(&sys, "%s/ldlinux.sys", dir);
	buf_addf(&c32, "%s/ldlinux.c32", dir);
	r = blob_load(sys.s, MAX_LOADER, "syslinux", &s->sys, e);
	if (r == 0)
		r = blob_load(c32.s, MAX_MODULE, "syslinux", &s->c32, e);
	if (r == 0)
		r = blob_load(image, FLOPPY, "syslinux", &floppy, e);
	if (r < 0)
		return r;
	memcpy(s->boot_sector, floppy.data, SECTOR);
	free(floppy.data);
	return 0;
}

int syslinux_harvest(struct syslinux *ret, struct err *e)
{
	AUTO_SCRATCH struct buf dir = { 0 };
	CLEANUP(syslinux_free) struct syslinux s = { 0 };
	AUTO_BUF struct buf image = { 0 };
	int r = scratch_make(&dir, e);

	if (r == 0) {
		buf_addf(&image, "%s/fat", dir.s);
		r = install_on_scratch(dir.s, image.s, e);
	}
	if (r == 0)
		r = load_from_scratch(dir.s, image.s, &s, e);
	/* Patching once, for anywhere, is the test whether this is a ldlinux.sys that we know how to install. */
	if (r == 0)
		r = syslinux_patch(&s, 1, "/", e);
	if (r < 0)
		return fail(e, r, "getting the boot loader SYSLINUX");
	*ret = s;
	s = (struct syslinux){ 0 };
	return 0;
}

/* ---- patching */

/* Where things are in one ldlinux.sys, all checked to lie inside it. */
struct patch {
	u8 *code; /* ldlinux.sys without its ADV */
	size_t code_len;
	u8 *area, *adv_pointers, *dir, *extents, *boot_low, *boot_high;
	u8 *subvol;
	size_t dir_size, subvol_size, n_extents;
};

static u8 *inside(const struct patch *p, u32 off, u64 len)
{
	return off <= p->code_len && len <= p->code_len - off ? p->code + off : NULL;
}

static u8 *find_area(const struct patch *p)
{
	for (size_t off = 0; off < MAGIC_WITHIN && off + PATCH_SIZE <= p->code_len; off += 4)
		if (get_le32(p->code + off) == LDLINUX_MAGIC)
			return p->code + off;
	return NULL;
}

static bool locate(struct syslinux *s, struct patch *p)
{
	const u8 *ext;
	u16 low, high;

	if (s->sys.len % SECTOR || s->sys.len > MAX_LOADER || s->sys.len < (ADV_SECTORS + 2) * SECTOR)
		return false;
	*p = (struct patch){ .code = s->sys.data, .code_len = s->sys.len - ADV_SECTORS * SECTOR };
	p->area = find_area(p);
	ext = p->area ? inside(p, get_le16(p->area + PATCH_EXTENDED), EXT_SIZE) : NULL;
	if (!ext)
		return false;
	p->dir_size = get_le16(ext + EXT_DIR_SIZE);
	p->subvol_size = get_le16(ext + EXT_SUBVOL_SIZE);
	p->n_extents = get_le16(ext + EXT_N_EXTENTS);
	p->adv_pointers = inside(p, get_le16(ext + EXT_ADV_POINTERS), ADV_SECTORS * 8);
	p->dir = inside(p, get_le16(ext + EXT_DIR), p->dir_size);
	p->subvol = inside(p, get_le16(ext + EXT_SUBVOL), p->subvol_size);
	p->extents = inside(p, get_le16(ext + EXT_EXTENTS), p->n_extents * EXTENT_SIZE);
	low = get_le16(ext + EXT_BOOT_LOW);
	high = get_le16(ext + EXT_BOOT_HIGH);
	if (low > SECTOR - 4 || high > SECTOR - 4)
		return false;
	p->boot_low = s->boot_sector + low;
	p->boot_high = s->boot_sector + high;
	return p->adv_pointers && p->dir && p->subvol && p->extents;
}

/*
 * The map of the sectors after the first, which is one stretch on the medium: pieces that are shorter than 64 KiB, for
 * the loader reads each to an address of its own segment.
 */
static bool put_extents(const struct patch *p, u64 sector, size_t n_sectors)
{
	u8 *x = p->extents;

	memset(p->extents, 0, p->n_extents * EXTENT_SIZE);
	for (size_t used = 0; n_sectors; used++, x += EXTENT_SIZE) {
		size_t n = MIN(n_sectors, EXTENT_MAX);

		if (used == p->n_extents)
			return false;
		put_le64(x, sector);
		put_le16(x + 8, (u16)n);
		sector += n;
		n_sectors -= n;
	}
	return true;
}

/* The sum of all dwords, the magic number taken off, becomes zero. */
static void put_checksum(const struct patch *p)
{
	u32 sum = LDLINUX_MAGIC;

	put_le32(p->area + PATCH_CHECKSUM, 0);
	for (size_t off = 0; off < p->code_len; off += 4)
		sum -= get_le32(p->code + off);
	put_le32(p->area + PATCH_CHECKSUM, sum);
}

int syslinux_patch(struct syslinux *s, u64 first_sector, const char *dir, struct err *e)
{
	const char *name = strcmp(dir, "/") == 0 ? "" : dir; /* as the installer does */
	struct patch p;
	size_t n;

	if (!locate(s, &p))
		return fail(e, -EINVAL, "ldlinux.sys: is not of a SYSLINUX release that livestick can install");
	n = p.code_len / SECTOR;
	if (first_sector > UINT64_MAX - n - ADV_SECTORS)
		return fail(e, -EINVAL, "ldlinux.sys: lies outside of the partition");
	if (strlen(name) >= p.dir_size)
		return fail(e, -ENAMETOOLONG, "ldlinux.sys: the name of its directory %s is longer than %zu bytes", dir,
		            p.dir_size - 1);
	if (!put_extents(&p, first_sector + 1, n - 1))
		return fail(e, -EINVAL, "ldlinux.sys: has room for %zu extents only", p.n_extents);
	put_le32(p.boot_low, (u32)first_sector);
	put_le32(p.boot_high, (u32)(first_sector >> 32));
	put_le16(p.area + PATCH_DATA_SECTORS, (u16)n);
	put_le16(p.area + PATCH_ADV_SECTORS, ADV_SECTORS);
	put_le32(p.area + PATCH_DWORDS, (u32)(p.code_len / 4));
	for (u64 i = 0; i < ADV_SECTORS; i++)
		put_le64(p.adv_pointers + 8 * i, first_sector + n + i);
	memset(p.dir, 0, p.dir_size);
	memcpy(p.dir, name, strlen(name));
	memset(p.subvol, 0, p.subvol_size);
	put_checksum(&p);
	return 0;
}

int syslinux_leads_to(struct syslinux *s, u64 *ret_first_sector, struct err *e)
{
	struct patch p;

	if (!locate(s, &p))
		return fail(e, -EINVAL, "ldlinux.sys: is not of a SYSLINUX release that livestick can install");
	*ret_first_sector = get_le32(p.boot_low) | (u64)get_le32(p.boot_high) << 32;
	return 0;
}

char *syslinux_release(const struct blob *sys)
{
	static const char head[] = "\r\nSYSLINUX ", digits[] = "0123456789.";
	size_t at = strlen(head), n = 0;

	if (sys->len <= at || memcmp(sys->data, head, at) != 0)
		return xstrdup("");
	while (at + n < sys->len && sys->data[at + n] && strchr(digits, sys->data[at + n]))
		n++;
	return xstrndup((const char *)sys->data + at, n);
}

int syslinux_module(const char *name, struct blob *ret, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t stem = strspn(name, letters);
	AUTO_BUF struct buf path = { 0 };

	if (!stem || strcmp(name + stem, ".c32") != 0)
		return fail(e, -EINVAL, "%s: is not the name of a SYSLINUX module", name);
	buf_addf(&path, "%s/%s", MODULES_DIR, name);
	return blob_load(path.s, MAX_MODULE, "syslinux-common", ret, e);
}
