/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a new file system shall hold: the list that fat32.h and ext4.h make a volume of.
 */
#ifndef LIVESTICK_FS_VOLUME_H
#define LIVESTICK_FS_VOLUME_H

#include "src/base/input.h"
#include "src/base/pool.h"
#include "src/base/sha256.h"

struct volume_file {
	const char *path; /* "/live/vmlinuz"; the list's. Missing parent directories are made. */
	u64 size;
	struct input input;  /* the bytes; what it refers to is borrowed */
	struct sha256 *hash; /* gets the bytes while they are written; borrowed, may be NULL */
	i64 mtime;           /* seconds since 1970, UTC */
	const char *selinux; /* ext4: security.selinux; borrowed, NULL: none */
	u64 device_off;      /* set by the layout: where on the device the bytes lie, in one stretch; 0 for no bytes */
	/*
	 * ext4: 0, or one more than the index of an earlier file of the list: this is another name of that one (a hard
	 * link), of which it has the size, the bytes and all else. FAT has no way: it must be 0 there.
	 */
	u32 same_as;
	u16 mode;        /* ext4: permissions, owner is root; FAT has none */
	bool owns_input; /* the memory that `input` is goes with the list */
	bool is_dir;
	bool is_hole;     /* no input: reads as zeros and takes no room, where the file system can (ext4) */
	bool system_file; /* FAT: read-only, hidden, system, as loaders mark their own; ext4: immutable */
	bool replace;     /* only in an update of a volume that exists: see update.h */
};

struct volume_files {
	struct volume_file *file;
	size_t n, cap;
	struct pool paths;
};

/* Adds a file; `path` is copied. The pointer is good until the next one is added. */
struct volume_file *volume_add(struct volume_files *v, const char *path, u64 size, struct input input, i64 mtime);
/* The same with bytes from malloc(), which the list frees. */
struct volume_file *volume_add_owned(struct volume_files *v, const char *path, void *bytes, u64 size, i64 mtime);
struct volume_file *volume_add_dir(struct volume_files *v, const char *path, u16 mode, i64 mtime);
/* A file of zeros; only ext4 can hold one without writing it. */
struct volume_file *volume_add_hole(struct volume_files *v, const char *path, u64 size, i64 mtime);
/* NULL if there is none; letters match exactly. */
struct volume_file *volume_find(const struct volume_files *v, const char *path);
/*
 * `path` in the spelling that the list has already: on FAT, names that differ only in the case of letters are one.
 * Directories that are not in the list keep theirs. The caller frees.
 */
MUST_CHECK char *volume_spelling(const struct volume_files *v, const char *path);
/* An inode of ext4 has at most so many names. */
#define VOLUME_NAMES_MAX 65000
/*
 * How many names each file of the list has, for the first of them: 0 stands for those that are another name, and for
 * directories. The caller frees. -EINVAL: a `same_as` that cannot be; -EMLINK: a file has too many names.
 */
MUST_CHECK int volume_count_names(const struct volume_files *v, u16 **ret, struct err *e);
void volume_files_free(struct volume_files *v);

#endif
