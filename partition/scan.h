/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is on a device now, told by libblkid: the table, the partitions, the file systems in them. For "what will be
 * lost" before a stick is wiped and for `inspect`. Reads only. All texts are untrusted, and none is NULL.
 */
#ifndef LIVESTICK_PARTITION_SCAN_H
#define LIVESTICK_PARTITION_SCAN_H

#include "src/media/device.h"

struct scan_part {
	unsigned number; /* as the table counts, from 1; 0: the file system fills the whole device */
	u64 start, size; /* bytes */
	char *type;      /* as the table says: "0x0c", a GUID in lower case; "" */
	char *name;      /* GPT name, "" */
	char *uuid;      /* of the partition entry, lower case; MBR: what the kernel calls PARTUUID; "" */
	bool active;     /* MBR active flag, GPT legacy-boot attribute */
	char *fs;        /* "vfat", "ext4", "iso9660"; "" when libblkid knows nothing */
	char *label;     /* of the file system, "" */
	char *fs_uuid;   /* "" */
};

struct scan {
	char *table; /* "dos", "gpt", "" for none */
	char *id;    /* of the table: "deadbeef", a GUID in lower case; "" */
	struct scan_part
	    *part; /* the whole device first, where it has a file system: a hybrid ISO has this and a table */
	size_t n_parts, cap_parts;
};

/*
 * 0 also for an empty device (no table, no part). The device must have a descriptor that can be read from at any
 * offset and length (-ENOTSUP in memory). -EIO: could not be read. At most 128 partitions are reported; entries
 * that reach outside of the device are left out.
 */
MUST_CHECK int scan_device(struct device *d, struct scan *ret, struct err *e);
void scan_free(struct scan *s);

#endif
