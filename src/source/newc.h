/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a cpio archive ("newc") that a boot loader loads behind a distribution's initrd: its files go over those of the
 * initrd. Format and rules: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. It begins with zeros, so
 * that it may follow a part that is compressed by lz4 (see initrd.h).
 */
#ifndef LIVESTICK_SOURCE_NEWC_H
#define LIVESTICK_SOURCE_NEWC_H

#include "src/base/buf.h"

struct newc {
	struct buf data;
	u32 n;     /* entries so far */
	u32 mtime; /* of all of them */
};

/* `path` without a slash in front: "hooks/miso". Directories on the way must be in the initrd already. */
void newc_add(struct newc *c, const char *path, u16 mode, const void *data, size_t len);
/* To be called once, after the last file, if there was any. */
void newc_end(struct newc *c);
void newc_free(struct newc *c);

#endif
