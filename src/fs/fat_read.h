/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading a FAT12, FAT16 or FAT32 volume that anybody may have made: the EFI image in an ISO, a stick. Nothing in it
 * is trusted; a volume that contradicts itself ends the call with -EUCLEAN, never in a loop or beyond a buffer.
 * Format: as in fat_name.h; the kind is told apart as Linux does, by the 16-bit FAT size being 0 for FAT32.
 *
 *	r = fat_open(window, &v, e);
 *	r = fat_load(v, "/livestick/a.manifest", MIB, &text, &len, e);
 *	fat_close(v);
 */
#ifndef LIVESTICK_FS_FAT_READ_H
#define LIVESTICK_FS_FAT_READ_H

#include "src/fs/fat_name.h"
#include "src/media/device.h"

/* More files and directories than this are not listed. */
#define FAT_ENTRIES_MAX 1000000

struct fat_volume;

struct fat_entry {
	const char *path; /* "/EFI/BOOT/BOOTX64.EFI", UTF-8; good only during the call, no part of it is "." or ".." */
	u64 size;         /* 0 for a directory */
	bool is_dir;
	u8 attributes; /* FAT_READ_ONLY... */
	u32 first_cluster;
};

/* `d` must outlive the volume; it begins where the volume does (device_new_window). -EINVAL: this is not a FAT. */
MUST_CHECK int fat_open(struct device *d, struct fat_volume **ret, struct err *e);
void fat_close(struct fat_volume *v);

/*
 * Calls `fn` for each file and directory, a directory before what is in it, in the order they have on the medium. A
 * value other than 0 from `fn` ends the listing and is returned. Letters of a code page in a name without a long form
 * come as U+FFFD. -EFBIG: more than FAT_ENTRIES_MAX; -EUCLEAN: damaged, or deeper than FAT_DEPTH_MAX.
 */
MUST_CHECK int fat_each(struct fat_volume *v, int (*fn)(void *ctx, const struct fat_entry *entry), void *ctx,
                        struct err *e);

/* Reads `len` bytes at `off`, which must lie inside the file (-ERANGE). A kept copy of an entry needs a path of its
 * own. */
MUST_CHECK int fat_read_file(struct fat_volume *v, const struct fat_entry *entry, u64 off, void *buf, size_t len,
                             struct err *e);

/*
 * A whole file of at most `max` bytes, with a NUL behind; the caller frees. Letters of either case match. -ENOENT:
 * there is none, or it is a directory; -EFBIG: it is larger.
 */
MUST_CHECK int fat_load(struct fat_volume *v, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e);

struct fat_facts {
	unsigned bits; /* of an entry in the FAT: 12, 16 or 32 */
	unsigned n_fats;
	u64 fat, fat_bytes; /* where the first one is; the others follow */
	u64 data;           /* where clusters begin */
	u32 cluster_size, n_clusters;
};

void fat_get_facts(const struct fat_volume *v, struct fat_facts *ret);

/* Where byte `off` of a file is on the device, and how many of its bytes follow there in a row: at least 1. -ERANGE. */
MUST_CHECK int fat_where(struct fat_volume *v, const struct fat_entry *entry, u64 off, u64 *ret_off, u64 *ret_len,
                         struct err *e);

/*
 * Calls `fn` for each stretch that is not contents of files: all before the clusters, then the directories. Stops at
 * nonzero, which is returned. Errors are those of fat_each(): what was told until then is right.
 */
MUST_CHECK int fat_each_metadata(struct fat_volume *v, int (*fn)(void *ctx, u64 off, u64 len), void *ctx,
                                 struct err *e);

/*
 * Calls `fn` for each stretch of free clusters, ascending; offsets are bytes in the volume. As with fat_each() a value
 * other than 0 from `fn` ends it.
 */
MUST_CHECK int fat_each_free(struct fat_volume *v, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e);

static inline void fat_closep(struct fat_volume **v)
{
	fat_close(*v);
}

#define AUTO_FAT CLEANUP(fat_closep)

#endif
