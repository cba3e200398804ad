/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The drives of this machine as the kernel shows them in sysfs: what they are, what rests on them. Facts only;
 * whether one may be written is guard.h's matter. Nothing is opened, so this needs no rights and wakes no drive.
 *
 * Facts of the format: /sys/block/X/size counts units of 512 bytes whatever the sector size is; `holders` names the
 * device-mapper, md and bcache devices above a block device, but neither loop devices nor file systems.
 */
#ifndef LIVESTICK_MEDIA_DRIVES_H
#define LIVESTICK_MEDIA_DRIVES_H

#include "src/media/sysfs.h"

enum drive_kind {
	DRIVE_DISK,
	DRIVE_CD,
	DRIVE_FLOPPY,
	DRIVE_MEMORY,    /* ram0, zram0 */
	DRIVE_MAPPED,    /* dm-0 */
	DRIVE_RAID,      /* md127 */
	DRIVE_BCACHE,    /* bcache0 */
	DRIVE_BOOT_AREA, /* mmcblk0boot0: a part of an eMMC chip that is a device of its own */
};

enum block_kind { BLOCK_DISK, BLOCK_PARTITION, BLOCK_HOLDER };

/* A block device that is the drive, lies on it or rests on it, at any height. */
struct block {
	enum block_kind kind;
	char *name; /* as in /sys/class/block: "sdb", "sdb1", "dm-0" */
	char *role; /* of a holder, with its own name: "carries the LVM volume vg-root"; else "" */
	dev_t dev;
	u64 size;     /* bytes */
	size_t under; /* index of the block it rests on */
};

struct drive {
	enum drive_kind kind;
	char *name; /* "sdb" */
	char *path; /* "/dev/sdb" */
	dev_t dev;
	u64 size; /* bytes; 0: no medium */
	u32 sector_size;
	u64 diskseq; /* another number each time a medium comes; 0: a kernel before 5.15 */
	bool removable, read_only;
	const char *transport; /* "usb", "sd", "emmc", "nvme", "sata", "scsi", "virtio", "loop" ...; "" unknown */
	char *vendor, *model, *serial; /* untrusted; "" without one */
	char *backing;                 /* of a loop device: the file it shows; else "" */

	struct block *stack; /* [0] the drive itself, then its partitions, then what rests on these */
	size_t n_stack, cap_stack;

	char **reasons; /* why it must not be written, each a part of a sentence that follows the path (guard.h) */
	size_t n_reasons, cap_reasons;
};

struct drives {
	struct drive *drive; /* sorted by name */
	size_t n, cap;
};

/*
 * All whole drives except memory, floppies, what the kernel hides, and virtual ones without a size (a loop device
 * without a file). A drive that vanishes meanwhile is left out.
 */
MUST_CHECK int drives_list(const struct drives_roots *roots, struct drives *ret, struct err *e);
void drives_free(struct drives *d);

/* The drive (any kind) with this number. -ENOENT: there is none, or the number is a partition's. */
MUST_CHECK int drive_read(const struct drives_roots *roots, dev_t dev, struct drive *ret, struct err *e);
void drive_free(struct drive *d);

/* The path of the whole drive that the partition `dev` belongs to, or NULL if it is none. The caller frees. */
MUST_CHECK char *drive_of_partition(const struct drives_roots *roots, dev_t dev);

/* The block of the drive's stack with this number, or NULL. */
const struct block *drive_block(const struct drive *d, dev_t dev);

/* A reason more; the drive owns `reason` from now on. */
void drive_refuse(struct drive *d, char *reason);

#define AUTO_DRIVES CLEANUP(drives_free)
#define AUTO_DRIVE  CLEANUP(drive_free)

#endif
