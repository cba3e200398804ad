/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small FAT32 volume of mkfs.fat on a device, whose bytes a test may change. */
#ifndef LIVESTICK_TEST_FAT_SMALL_H
#define LIVESTICK_TEST_FAT_SMALL_H

#include "tests/unit/fat_scene.h"

struct small {
	struct device *d;
	u64 start, size;
	char *image;
	u64 fat, fat_bytes, data; /* on the device */
	u32 cluster, sector, root;
};

static u8 small_byte(const struct small *s, u64 off)
{
	AUTO_ERR struct err e = { 0 };
	u8 b = 0;

	CHECK_OK(device_read(s->d, off, &b, 1, &e), &e);
	return b;
}

UNUSED static void small_poke(struct small *s, u64 off, const void *bytes, size_t len)
{
	AUTO_FREE u8 *sector = xcalloc(1, s->d->sector_size);
	AUTO_ERR struct err e = { 0 };

	for (size_t i = 0; i < len; i++) {
		u64 at = align_down(off + i, s->d->sector_size);

		CHECK_OK(device_read(s->d, at, sector, s->d->sector_size, &e), &e);
		sector[off + i - at] = ((const u8 *)bytes)[i];
		CHECK_OK(device_write(s->d, at, sector, s->d->sector_size, &e), &e);
	}
}

UNUSED static void small_poke32(struct small *s, u64 off, u32 n)
{
	u8 b[4];

	put_le32(b, n);
	small_poke(s, off, b, 4);
}

UNUSED static u32 small_link(const struct small *s, u32 copy, u32 cluster)
{
	u64 off = s->fat + copy * s->fat_bytes + 4 * (u64)cluster;

	return small_byte(s, off) | (u32)small_byte(s, off + 1) << 8 | (u32)small_byte(s, off + 2) << 16 |
	       (u32)small_byte(s, off + 3) << 24;
}

/* In FAT 0, in FAT 1, or (2) in both. */
UNUSED static void small_set_link(struct small *s, u32 copy, u32 cluster, u32 next)
{
	for (u32 i = 0; i < 2; i++)
		if (copy == 2 || copy == i)
			small_poke32(s, s->fat + i * s->fat_bytes + 4 * (u64)cluster, next);
}

UNUSED static u64 small_cluster(const struct small *s, u32 cluster)
{
	return s->data + (u64)(cluster - 2) * s->cluster;
}

UNUSED static void small_dump(const struct small *s)
{
	dump_device(s->d, s->start, s->size, s->image);
}

UNUSED static void small_load(struct small *s)
{
	AUTO_CLOSE int fd = open(s->image, O_RDONLY | O_CLOEXEC);
	AUTO_FREE u8 *all = xcalloc(1, s->size);
	AUTO_ERR struct err e = { 0 };

	CHECK(fd >= 0 && read(fd, all, s->size) == (ssize_t)s->size);
	CHECK_OK(device_write(s->d, s->start, all, s->size, &e), &e);
}

/* `options` go to mkfs.fat. */
UNUSED static void small_make(struct small *s, const char *folder, u32 drive_sector, u64 size, const char *options)
{
	AUTO_BUF struct buf image = { 0 }, out = { 0 };
	u8 b[512];
	struct err e = { 0 };

	buf_addf(&image, "%s/small.img", folder);
	*s = (struct small){ .start = 64 * KIB, .size = size, .image = TAKE(image.s) };
	s->d = device_new_memory("stick", s->start + s->size + 64 * KIB, drive_sector);
	if (shell(&out, "rm -f '%s' && truncate -s %llu '%s' && mkfs.fat -i 1234abcd %s '%s' 2>&1", s->image,
	          (unsigned long long)size, s->image, options, s->image) != 0)
		test_fail(__FILE__, __LINE__, "mkfs.fat: %s", out.s);
	small_load(s);
	CHECK_OK(device_read(s->d, s->start, b, sizeof(b), &e), &e);
	s->sector = get_le16(b + 11);
	s->cluster = s->sector * b[13];
	s->fat = s->start + (u64)get_le16(b + 14) * s->sector;
	s->fat_bytes = (u64)get_le32(b + 36) * s->sector;
	s->data = s->fat + b[16] * s->fat_bytes;
	s->root = get_le32(b + 44);
}

UNUSED static void small_free(struct small *s)
{
	device_free(s->d);
	unlink(s->image);
	free(s->image);
}

#define AUTO_SMALL CLEANUP(small_free)

/* Puts files and removes others; gives what the updater says. */
UNUSED static int small_update(struct small *s, struct volume_update *u, struct update_numbers *ret, struct err *e)
{
	AUTO_UPDATER struct updater *up = NULL;
	int r = fat_update_open(s->d, s->start, s->size, &up, e);

	if (r == 0)
		r = update_plan(up, u, e);
	if (r == 0)
		r = update_run(up, s->d, NULL, e);
	if (r == 0 && ret)
		*ret = up->numbers;
	return r;
}

UNUSED static void small_put(struct small *s, const struct volume_files *files)
{
	struct volume_update u = { .put = *files };
	struct err e = { 0 };

	CHECK_OK(small_update(s, &u, NULL, &e), &e);
}

/* fsck.fat has nothing to say, and exactly these files are there. */
UNUSED static void small_check(struct small *s, const struct volume_files *files, const char *what)
{
	u64 n, used, clusters;

	small_dump(s);
	fsck_clean(s->image, &n, &used, &clusters);
	holds_exactly(s->d, s->start, files, what);
}

#endif
