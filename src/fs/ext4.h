/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new ext4 volume, made by libext2fs in memory and handed over as a write list: only blocks that hold something
 * are written (inode tables and journal are left to the kernel's lazy initialisation), in at most five stretches.
 *
 * Blocks of 4096 bytes, metadata checksums, 64-bit block numbers, all tables packed at the start, no blocks reserved
 * for root, no room for growing online. Copies of the superblock lie in the second and in the last group only
 * (sparse_super2; Linux since 3.16, e2fsprogs since 1.43): `e2fsck -b 32768` finds the former. The first 256 KiB are
 * written whole, so that nothing in them tells of another file system any more.
 */
#ifndef LIVESTICK_FS_EXT4_H
#define LIVESTICK_FS_EXT4_H

#include "src/fs/volume.h"
#include "src/media/writelist.h"

struct ext4_options {
	u64 start, size; /* of the partition, bytes on the device; multiples of 4096 */
	char label[17];  /* at most 16 bytes, without control characters */
	u8 uuid[16];     /* new each time: by it the kernel tells an old journal in the same place from this one */
	u8 hash_seed[16];
	i64 time; /* of everything in the volume but the files' mtime: no clock is read. 1 to 2^31-1, else the nearer
	             end */
};

/* Smallest partition that is worth having, and the largest that is made. */
#define EXT4_MIN_SIZE (16 * MIB)
#define EXT4_MAX_SIZE (16384 * GIB)

/*
 * Makes the volume with `files` (small ones: they are held in memory) and adds its blocks to `pass`. The superblock
 * is part of it: without the partition table nobody finds it. Files are read now, in the order of the list; their
 * hashes are fed. A directory that is there already (made as a parent, or "/") only gets mode and time.
 * -EINVAL (sizes, label, a path), -EEXIST (a path twice), -ENOTDIR (a file is also a directory), -ENOSPC.
 * `pass` is added to only on success.
 */
MUST_CHECK int ext4_make(const struct ext4_options *o, const struct volume_files *files, struct writelist *pass,
                         struct err *e);

#endif
