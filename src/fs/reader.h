/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading a volume without asking which file system it has: FAT12, FAT16, FAT32, ext2, ext3 or ext4. Untrusted, as
 * fat_read.h and ext4_read.h say; bounds and error numbers are theirs.
 *
 *	r = reader_open(window, &reader, e);
 *	r = reader_load(reader, "/livestick/a.manifest", MIB, &text, &len, e);
 *	reader_close(reader);
 */
#ifndef LIVESTICK_FS_READER_H
#define LIVESTICK_FS_READER_H

#include "src/media/device.h"

struct reader;

struct reader_entry {
	const char *path; /* "/live/vmlinuz", UTF-8; good only during the call, no part of it is "." or ".." */
	const char
	    *target; /* of a symlink, as recorded: it may lead anywhere; NULL for all else. Good as long as path */
	u64 size;    /* of a file, 0 for all else */
	bool is_dir, is_file; /* neither: a symlink, a device, a FIFO, a socket */
	u16 mode;             /* permissions; FAT has none: 0755 for a directory, 0644 for a file */
	u32 place;            /* the file system's own number of it */
};

struct reader_ops {
	int (*each)(struct reader *r, int (*fn)(void *ctx, const struct reader_entry *entry), void *ctx, struct err *e);
	int (*read)(struct reader *r, const struct reader_entry *entry, u64 off, void *buf, size_t len, struct err *e);
	int (*load)(struct reader *r, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e);
	int (*where)(struct reader *r, const struct reader_entry *entry, u64 off, u64 *ret_off, u64 *ret_len,
	             struct err *e);
	int (*each_free)(struct reader *r, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e);
	void (*close)(struct reader *r);
};

/* Each kind of reader has this as its first member. */
struct reader {
	const struct reader_ops *ops;
	const char *kind;   /* "FAT", "ext" */
	bool was_not_clean; /* ext: what is there may be older than what was written last (ext4_read.h) */
};

/*
 * `d` must outlive the reader; it begins where the volume does (device_new_window). -EINVAL: neither FAT nor ext. What
 * could be both is FAT: who makes an ext volume wipes the boot sector, and that of EXTLINUX is no FAT's.
 */
MUST_CHECK int reader_open(struct device *d, struct reader **ret, struct err *e);
void reader_close(struct reader *r);

/*
 * Calls `fn` for each file and directory, a directory before what is in it. A value other than 0 from `fn` ends the
 * listing and is returned. U+FFFD stands for what the volume's name has and UTF-8 has not.
 */
MUST_CHECK int reader_each(struct reader *r, int (*fn)(void *ctx, const struct reader_entry *entry), void *ctx,
                           struct err *e);

/* Reads `len` bytes at `off`, which must lie inside the file (-ERANGE). A kept copy of an entry needs a path of its
 * own. */
MUST_CHECK int reader_read(struct reader *r, const struct reader_entry *entry, u64 off, void *buf, size_t len,
                           struct err *e);

/*
 * A whole file of at most `max` bytes, with a NUL behind; the caller frees. In FAT letters of either case match.
 * -ENOENT: there is none, or it is no file; -EFBIG: it is larger.
 */
MUST_CHECK int reader_load(struct reader *r, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e);

/*
 * Where byte `off` of a file is on the device, and how many of its bytes follow there in a row: at least 1. -ERANGE;
 * -ENOTSUP: it is nowhere by itself (ext: a hole, or data in the inode).
 */
MUST_CHECK int reader_where(struct reader *r, const struct reader_entry *entry, u64 off, u64 *ret_off, u64 *ret_len,
                            struct err *e);

/*
 * Calls `fn` for each stretch that no file has, ascending; offsets are bytes in the volume. A value other than 0 from
 * `fn` ends it and is returned. -EBUSY: an ext volume that was not unmounted does not tell.
 */
MUST_CHECK int reader_each_free(struct reader *r, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e);

static inline void reader_closep(struct reader **r)
{
	reader_close(*r);
}

#define AUTO_READER CLEANUP(reader_closep)

#endif
