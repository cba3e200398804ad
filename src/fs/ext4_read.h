/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading an ext2, ext3 or ext4 volume that anybody may have made. Nothing in it is trusted; a volume that contradicts
 * itself, or whose checksums are wrong, ends the call with -EUCLEAN, never in a loop or beyond a buffer. Nothing is
 * written: a journal is not replayed, so a volume with needs_recovery is read as it was some seconds before its end.
 *
 *	r = ext4_open(window, &v, e);
 *	r = ext4_load(v, "/livestick/a.manifest", MIB, &text, &len, e);
 *	ext4_close(v);
 */
#ifndef LIVESTICK_FS_EXT4_READ_H
#define LIVESTICK_FS_EXT4_READ_H

#include "src/media/device.h"

/* Bounds of ours: more files and directories than this are not listed, nor what lies deeper in each other. */
#define EXT4_ENTRIES_MAX 1000000
#define EXT4_DEPTH_MAX   256

struct ext4_volume;

struct ext4_facts {
	char label[17]; /* bytes as they are on the medium */
	u8 uuid[16];
	u64 size, free_bytes; /* as the superblock has it; the kernel brings free_bytes up to date when it unmounts */
	bool needs_recovery;  /* its journal has not been replayed */
	bool was_not_clean;   /* that, or it was not unmounted, or the kernel found errors in it */
};

struct ext4_entry {
	const char *path; /* "/live/vmlinuz"; good only during the call, no part of it is "." or ".." */
	const char
	    *target; /* of a symlink, as recorded: it may lead anywhere; NULL for all else. Good as long as path */
	u64 size;    /* of a file, 0 for all else */
	bool is_dir, is_file; /* neither: a symlink, a device, a FIFO, a socket */
	u16 mode;             /* permissions: 07777 at most */
	u32 inode;
};

/*
 * `d` must outlive the volume; it begins where the volume does (device_new_window). -EINVAL: this is no ext volume;
 * -ENOTSUP: it has a feature that is not known, which the sentence names; -EUCLEAN: damaged, or larger than `d`.
 */
MUST_CHECK int ext4_open(struct device *d, struct ext4_volume **ret, struct err *e);
void ext4_close(struct ext4_volume *v);

const struct ext4_facts *ext4_get_facts(const struct ext4_volume *v);

/*
 * Calls `fn` for each file and directory, a directory before what is in it, in the order they have on the medium. A
 * value other than 0 from `fn` ends the listing and is returned. Paths and targets are valid UTF-8: U+FFFD stands for
 * each byte that is none and for control characters, so that two paths may be alike (and ext4_load() finds neither);
 * names in encrypted directories are of that kind. -EFBIG: more than EXT4_ENTRIES_MAX; -EUCLEAN: damaged, or deeper
 * than EXT4_DEPTH_MAX.
 */
MUST_CHECK int ext4_each(struct ext4_volume *v, int (*fn)(void *ctx, const struct ext4_entry *entry), void *ctx,
                         struct err *e);

/*
 * Reads `len` bytes at `off`, which must lie inside the file (-ERANGE). -ENOTSUP: it is encrypted. A kept copy of an
 * entry needs a path of its own.
 */
MUST_CHECK int ext4_read_file(struct ext4_volume *v, const struct ext4_entry *entry, u64 off, void *buf, size_t len,
                              struct err *e);

/*
 * A whole file of at most `max` bytes, with a NUL behind; the caller frees. Letters match exactly, symlinks are not
 * followed. -ENOENT: there is none, or it is no file; -EFBIG: it is larger.
 */
MUST_CHECK int ext4_load(struct ext4_volume *v, const char *path, size_t max, char **ret, size_t *ret_len,
                         struct err *e);

/*
 * Where byte `off` of a file is on the device, and how many of its bytes follow there in a row: at least 1. -ERANGE;
 * -ENOTSUP: it is in a hole, or in the inode.
 */
MUST_CHECK int ext4_where(struct ext4_volume *v, const struct ext4_entry *entry, u64 off, u64 *ret_off, u64 *ret_len,
                          struct err *e);

/*
 * Calls `fn` for each stretch of free blocks, ascending; offsets are bytes in the volume. As with ext4_each() a value
 * other than 0 from `fn` ends it. -EBUSY: what is free is not known, because it was not unmounted (was_not_clean).
 */
MUST_CHECK int ext4_each_free(struct ext4_volume *v, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e);

/* ---- step by step, for those who follow paths by themselves; `where` is what a sentence calls the thing */

#define EXT4_ROOT_INODE 2

struct ext4_thing {
	u32 mode;   /* type and permissions, as in st_mode */
	u64 size;   /* of a file; else 0 */
	i64 mtime;  /* seconds since 1970, UTC */
	u64 device; /* of a device: its numbers as they are on the medium; else 0 */
};

MUST_CHECK int ext4_look(struct ext4_volume *v, u32 inode, const char *where, struct ext4_thing *ret, struct err *e);

/*
 * Calls `fn` for each name in one directory, but "." and "..", in the order they have on the medium: `len` bytes, any
 * but "/" and NUL, and none behind. A value other than 0 from `fn` ends the listing and is returned. -ENOTDIR.
 */
MUST_CHECK int ext4_names(struct ext4_volume *v, u32 inode, const char *where,
                          int (*fn)(void *ctx, const char *name, size_t len, u32 inode), void *ctx, struct err *e);

/* A symlink's target, as recorded: the caller frees. -EINVAL: it is no symlink. */
MUST_CHECK int ext4_target(struct ext4_volume *v, u32 inode, const char *where, char **ret, size_t *ret_len,
                           struct err *e);

static inline void ext4_closep(struct ext4_volume **v)
{
	ext4_close(*v);
}

#define AUTO_EXT4 CLEANUP(ext4_closep)

#endif
