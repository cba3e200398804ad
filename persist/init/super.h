/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What file system is on a device, from its first bytes. Devices are untrusted: nothing is taken for granted.
 * Formats: Microsoft's FAT specification 1.03 (serial numbers as blkid and udev write them), the kernel's
 * Documentation/filesystems/ext4 (superblock), for the others their magic numbers.
 */
#ifndef LIVESTICK_INIT_SUPER_H
#define LIVESTICK_INIT_SUPER_H

#include "src/base/util.h"

#define SUPER_BYTES (64 * KIB + 4096) /* all superblocks that we know lie in these */

struct super {
	const char *type; /* as mount(8) and blkid call it; NULL: nothing that we know */
	char uuid[37];    /* "ABCD-1234", or 36 characters in lower case; "": none, or not read */
	char label[33];   /* untrusted bytes; "": none */
	bool is_ext, clean, errors,
	    recover; /* of ext2, ext3, ext4: the state; recover: its journal has to be replayed */
};

/* `len` bytes from the device's beginning; SUPER_BYTES or less. */
void super_read(const u8 *bytes, size_t len, struct super *ret);

/* Is it the file system that a kernel argument names? Case does not matter. */
bool super_has_uuid(const struct super *s, const char *uuid);

#endif
