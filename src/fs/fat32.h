/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new FAT32 volume, laid out in memory and handed over as a write list: every file in one stretch, in the order
 * of the list, so that the whole volume is written in one ascending pass. Format: Microsoft's "FAT32 File System
 * Specification" 1.03 (2000), long names with the checksum of its section "FAT Long Directory Entries".
 *
 *	r = fat32_plan(&options, &files, &fat, e);      sizes, names, places; nothing is read
 *	... files.file[i].device_off is known now; loaders are patched; fat32_set_boot_code() ...
 *	fat32_emit(fat, pass, commit);                  the boot sector goes to `commit`, all else to `pass`
 */
#ifndef LIVESTICK_FS_FAT32_H
#define LIVESTICK_FS_FAT32_H

#include "src/fs/volume.h"
#include "src/media/writelist.h"

struct fat32_options {
	u64 start, size;  /* of the partition, bytes on the device; start is also the "hidden sectors" */
	u32 sector_size;  /* 512 or 4096 */
	u32 cluster_size; /* bytes; 0: the largest up to 32 KiB that keeps 65,525 clusters and holds the files */
	char label[12];   /* at most 11 characters of A-Z 0-9 _ - and blank, upper case; "": none */
	u32 serial;       /* the volume id that udev shows as ABCD-1234 */
	i64 time;         /* of the label entry and of directories that nobody listed */
};

struct fat32;

/*
 * Lays the volume out. Names become long names with an 8.3 alias, files keep the list's order on the medium,
 * directories come before them. The data area begins at a multiple of 1 MiB of the device; in a volume that is too
 * small for that, at a smaller power of two. Errors, each naming the file: -EFBIG (4 GiB or more, or a directory
 * with too many names), -EEXIST (two names that are one on FAT), -EINVAL (a name that FAT cannot hold, or an option
 * that cannot be), -ENOSPC (does not fit: says by how much), -ENOTSUP (too few clusters for FAT32). `files` is
 * borrowed until fat32_free(); device_off is set in it only when all went well.
 */
MUST_CHECK int fat32_plan(const struct fat32_options *o, struct volume_files *files, struct fat32 **ret, struct err *e);

/* The loader's part of the boot sector: bytes 0-10 and 90-509 of `code` (syslinux keeps the fields between). */
void fat32_set_boot_code(struct fat32 *f, const u8 code[512]);

/*
 * All that has to be written: one stretch from the second sector to the last used cluster goes to `pass`, the boot
 * sector alone to `commit`; its backup is kept equal. Both lists refer to `f`, which must live until they have run.
 */
void fat32_emit(struct fat32 *f, struct writelist *pass, struct writelist *commit);

/* What a plan wants to say about it. */
u32 fat32_cluster_size(const struct fat32 *f);
u64 fat32_free_bytes(const struct fat32 *f);

/*
 * Smallest partition that surely holds `files` plus `extra` bytes of later files (as one file: rounding and names of
 * many are the caller's to add), for a layout that has to choose the size: a multiple of 1 MiB, for a partition that
 * begins at one and has a label; a larger partition holds them too. What fat32_plan() will refuse is not refused here.
 */
u64 fat32_size_for(const struct volume_files *files, u64 extra, u32 sector_size);
/* The same for `n` different rests. */
void fat32_sizes_for(const struct volume_files *files, const u64 *extra, size_t n, u32 sector_size, u64 *ret_size);

void fat32_free(struct fat32 *f);

#endif
