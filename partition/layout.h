/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the partitions of a stick lie. Pure arithmetic: no I/O.
 *
 *	LBA 0    boot code, disk id, table (GPT: protective MBR, header, entries)
 *	1 MiB    ESP      FAT32: the UEFI loaders, when BOOT is ext4 and so no firmware can read it; else absent
 *	         BOOT     FAT32 or ext4: loaders, kernel, initrd, squashfs, menus, manifest
 *	         DATA     ext4: the persistence partition (may be absent)
 *	last MiB never part of a partition: zeros, or the backup GPT
 *
 * How the room is shared: BOOT gets what one system needs, or two; DATA gets `data_size`, or all that is left. What
 * DATA leaves (because its size was given, or because there is none) goes to BOOT, up to what its file system can be.
 * An MBR counts sectors in 32 bits: with one, nothing lies beyond 2^32 sectors (2 TiB with sectors of 512 bytes),
 * and the rest of the device stays unused. That is refused only if the sizes asked for do not fit below.
 */
#ifndef LIVESTICK_PARTITION_LAYOUT_H
#define LIVESTICK_PARTITION_LAYOUT_H

#include "src/base/err.h"

enum table_type { TABLE_MBR, TABLE_GPT };
enum part_role { PART_ESP, PART_BOOT, PART_DATA };
#define N_PART_ROLES 3

struct part {
	enum part_role role;
	u64 start, size; /* bytes; multiples of 1 MiB */
};

struct layout {
	enum table_type table;
	u32 sector_size;
	u64 device_size;
	struct part part[N_PART_ROLES]; /* in the order of the table */
	size_t n_parts;
	unsigned slots; /* systems that BOOT was made for: 1 or 2 */
};

struct layout_request {
	enum table_type table;
	u32 sector_size; /* 512 or 4096 */
	u64 device_size;
	u64 esp;                /* an EFI system partition of this size in front of BOOT; 0: BOOT is it */
	u64 boot_one, boot_two; /* what BOOT must have for one system, and for two */
	u64 boot_max;           /* the most that BOOT's file system can be; 0: 2 TiB, as FAT32 */
	/*
	 * 1 or 2 wanted. 0: two, if DATA still gets `data_size`; or, where that is 0, at least `data_min` and
	 * at least as much as one system takes (2 GiB are enough, whatever it takes). A persistence partition smaller
	 * than the system it serves is worth less than the second slot.
	 */
	unsigned slots;
	bool data;     /* a persistence partition is wanted */
	u64 data_min;  /* smallest useful one */
	u64 data_size; /* as the user asked; 0: all that is left */
};

/* The first MiB and the last MiB of the device stay outside of the partitions. */
#define LAYOUT_HEAD MIB
#define LAYOUT_TAIL MIB

/*
 * Sizes of the request are rounded up to whole MiB. -ENOSPC: does not fit, the sentence says what is missing in bytes;
 * -EINVAL: a sector size that is neither 512 nor 4096. Both are refusals (EXIT_REFUSED).
 */
MUST_CHECK int layout_make(const struct layout_request *q, struct layout *ret, struct err *e);

/* The smallest device for this request with one slot (and `data_min` or `data_size` if DATA is wanted). */
u64 layout_smallest(const struct layout_request *q);

/* NULL: there is none. */
const struct part *layout_part(const struct layout *l, enum part_role role);

#endif
