/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new ext4 volume, laid out by libext2fs in memory and handed over as a write list. Only what holds something is
 * written (inode tables and journal are left to the kernel's lazy initialisation), in few stretches; contents of files
 * are never held: they go to the list as inputs, in the order of `files`, at ascending places.
 *
 *	r = ext4_plan(&options, &files, &ext4, e);      names, blocks, inodes; nothing is read
 *	... files.file[i].device_off is known now; loaders are patched; ext4_set_boot_sectors() ...
 *	ext4_emit(ext4, pass);
 *
 * Blocks of 4096 bytes, metadata checksums, all tables packed at the start, no blocks reserved for root, no room for
 * growing online. Copies of the superblock lie in the second and in the last group only (sparse_super2; Linux since
 * 3.16, e2fsprogs since 1.43): `e2fsck -b 32768` finds the former. The first 256 KiB are written whole, so that nothing
 * in them tells of another file system any more. Directories are linear, whatever their size.
 *
 * For a loader (`for_loader`): nothing that GRUB 2.02 or EXTLINUX 6.04 cannot read. No 64-bit block numbers, and no
 * journal, for neither replays one; fewer inodes.
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
	bool for_loader;
};

struct ext4;

/* Smallest partition that is worth having, and the largest that is made. */
#define EXT4_MIN_SIZE (16 * MIB)
#define EXT4_MAX_SIZE (16384 * GIB - MIB)

/*
 * Lays the volume out. Files keep the list's order on the medium, each in as few stretches as there can be (the copies
 * of the superblock split them) and without holes; those marked system_file lie in one. A directory that is there
 * already (made as a parent, or "/") only gets mode, time and context. Errors name the file: -EINVAL (sizes, label, a
 * path), -EEXIST (a path twice), -ENOTDIR (a file is also a directory), -ENOSPC. `files` is borrowed until ext4_free();
 * device_off is set in it only when all went well: where the first stretch of the file begins.
 */
MUST_CHECK int ext4_plan(const struct ext4_options *o, struct volume_files *files, struct ext4 **ret, struct err *e);

#define EXT4_BOOT_SIZE 1024
/* The first bytes of the volume are a loader's and not part of ext4; without this call they are zeros. */
void ext4_set_boot_sectors(struct ext4 *x, const u8 code[EXT4_BOOT_SIZE]);

/*
 * All that has to be written. The superblock is part of it: without the partition table nobody finds it. `pass` refers
 * to `x` and to the inputs and hashes of the files, which must live until it has run.
 */
void ext4_emit(struct ext4 *x, struct writelist *pass);

u64 ext4_free_bytes(const struct ext4 *x);

/*
 * A partition that surely holds `files` plus `extra` bytes of later files (as one file: rounding and names of many are
 * the caller's to add), as small as can be told, a multiple of 1 MiB; with for_loader a larger partition holds them
 * too. What ext4_plan() will refuse is not refused here: more than EXT4_MAX_SIZE may come out.
 */
u64 ext4_size_for(const struct volume_files *files, u64 extra, bool for_loader);

void ext4_free(struct ext4 *x);

#endif
