/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inode tables of a new volume. The inode of a plain file is made when the table is written: of a hundred thousand
 * files they have 25 MB. Others (directories, what has a large map or a security context) are in the memory that the
 * rest of the volume is made in, at their places in the tables.
 */
#ifndef LIVESTICK_FS_EXT4_TABLE_H
#define LIVESTICK_FS_EXT4_TABLE_H

#include "src/fs/ext4_file.h"
#include "src/media/device.h"

struct ext4_inodes;

/* That part of a group's table which holds something. */
struct ext4_table {
	const struct ext4_inodes *inodes;
	u32 first;    /* inode */
	u64 off, len; /* bytes of the volume; whole blocks */
};

/* All but `table` is borrowed, and must not move until the tables were written. */
struct ext4_inodes {
	const struct volume_files *files;
	const struct ext4_tree *tree;
	const struct ext4_runs *runs; /* of the files' contents, in the order of the files */
	struct ext4_space *space;
	struct device *memory;
	struct ext4_table *table; /* ascending */
	size_t n_tables;
};

/* What is known of a file's inode without its map. */
errcode_t ext4_file_inode(const struct ext4_inodes *x, const struct volume_file *f, struct ext2_inode *ret);

/* Whether its inode is made when the table is written, with run[0..n) as its contents. */
bool ext4_is_plain(const struct volume_file *f, const struct ext4_run *run, size_t n);

/* To be called when all inodes have been given out. */
void ext4_find_tables(struct ext4_inodes *x);
/* The bytes of one: table[i].len. */
struct input ext4_table_input(const struct ext4_table *t);

#endif
