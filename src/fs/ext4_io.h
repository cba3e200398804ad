/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libext2fs over a struct device instead of a path: no descriptor, no cache, no clock, nothing behind our back. What
 * goes wrong on the device comes back as an errno in the errcode_t. The device must outlive the file system.
 */
#ifndef LIVESTICK_FS_EXT4_IO_H
#define LIVESTICK_FS_EXT4_IO_H

#include <ext2fs/ext2fs.h>

#include "src/media/device.h"

/*
 * ext2fs_initialize() for a file system that fills `d`. To be ended with ext2fs_close_free() or, to give up,
 * ext2fs_free().
 */
errcode_t ext4_io_initialize(struct device *d, struct ext2_super_block *param, ext2_filsys *ret);

/* ext2fs_open2() for reading what fills `d`, with `flags` more (EXT2_FLAG_...). To be ended with ext2fs_free(). */
errcode_t ext4_io_open(struct device *d, int flags, ext2_filsys *ret);

#endif
