/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files and directories of a new ext4 volume: the blocks they get, and the inode that says which.
 * Format of extents: Linux, Documentation/filesystems/ext4/ifork.rst ("Extent Tree").
 */
#ifndef LIVESTICK_FS_EXT4_FILE_H
#define LIVESTICK_FS_EXT4_FILE_H

#include "src/fs/ext4_tree.h"

/* The free blocks of a volume. They are given out in ascending order, and none that was passed over is seen again. */
struct ext4_space {
	ext2_filsys fs;
	u64 next; /* block where the search goes on */
	u64 left; /* blocks that may be given out */
};

struct ext4_run {
	size_t file;       /* index in the list of files */
	u64 in_file;       /* blocks */
	u64 block, length; /* blocks of the volume */
};

struct ext4_runs {
	struct ext4_run *run;
	size_t n, cap;
};

/* Adds the runs of `length` blocks for `file` to the list. -ENOSPC; `in_one`: in one run. */
MUST_CHECK int ext4_take(struct ext4_space *s, size_t file, u64 length, bool in_one, struct ext4_runs *runs);

/* Blocks that hold the map of a file of so many blocks, in at most so many runs. */
u64 ext4_map_blocks(u64 length, u64 n_runs);

/*
 * Makes the map of run[0..n): the root goes into `inode`, the rest into blocks from the space, which are added to `map`
 * one by one. The inode on the medium must have its generation already, which is part of their checksums.
 */
errcode_t ext4_write_map(struct ext4_space *s, ext2_ino_t number, struct ext2_inode *inode, const struct ext4_run *run,
                         size_t n, struct ext4_runs *map);

/* Puts into `inode` where the contents are, run[0..n), and how many blocks that is: see ext4_write_map(). */
errcode_t ext4_fill_inode(struct ext4_space *s, ext2_ino_t number, struct ext2_inode *inode, const struct ext4_run *run,
                          size_t n);

/* Counts the inode of a file or directory as used. */
void ext4_count_inode(struct ext4_space *s, ext2_ino_t number, bool is_dir);

/*
 * Writes the inode of a file or directory whose blocks are run[0..n). Mode with type, links, flags, size and mtime come
 * from `inode`; blocks for the map are taken from the space.
 */
errcode_t ext4_write_node(struct ext4_space *s, ext2_ino_t number, struct ext2_inode *inode, const struct ext4_run *run,
                          size_t n);

/* Gives an inode that was written a security context; NULL: none. */
errcode_t ext4_set_selinux(struct ext4_space *s, ext2_ino_t number, const char *context);

#endif
