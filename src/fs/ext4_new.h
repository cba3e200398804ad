/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An ext4 volume that holds nothing yet, not even a root: superblock, group descriptors, bitmaps and inode tables,
 * which ext4.c fills.
 */
#ifndef LIVESTICK_FS_EXT4_NEW_H
#define LIVESTICK_FS_EXT4_NEW_H

#include "src/fs/ext4.h"
#include "src/fs/ext4_io.h"

/*
 * Makes it in `memory`, with inodes for `n_nodes` files and directories where it has room for them; the first that are
 * theirs is EXT2_GOOD_OLD_FIRST_INO. The options must be good. To be ended with ext2fs_close_free() or ext2fs_free().
 */
MUST_CHECK int ext4_new(const struct ext4_options *o, u64 n_nodes, struct device *memory, ext2_filsys *ret,
                        struct err *e);

/* 0: it gets no journal. */
u64 ext4_journal_blocks(const struct ext4_options *o);

/* To be called last: the journal lies behind everything else, so its one block that is written is no stretch of its
 * own. */
MUST_CHECK int ext4_add_journal(const struct ext4_options *o, ext2_filsys fs, struct err *e);

/* fail() for an error of libext2fs. */
int ext4_failed(struct err *e, errcode_t err, const char *what);

/* Times go into 32 bits without the bits for later epochs, which libext2fs does not write; 0 would mean the clock. */
u32 ext4_clamp_time(i64 t);

#endif
