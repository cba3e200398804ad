/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An inode of an ext2, ext3 or ext4 volume that anybody may have made, and the bytes that belong to it: part of
 * ext4_read.h. libext2fs finds the inode and checks its checksum; which blocks are its is found out here, in as few and
 * as large reads as there can be, with every number checked.
 * Format: Linux, Documentation/filesystems/ext4/{inodes,ifork,inlinedata,attributes}.rst.
 */
#ifndef LIVESTICK_FS_EXT4_INODE_H
#define LIVESTICK_FS_EXT4_INODE_H

#include "src/fs/ext4_io.h"

/* Levels of a map below the inode: five of a tree of extents, three of indirect blocks. */
#define EXT4_MAP_LEVELS 5

struct ext4_inode {
	struct device *d; /* borrowed, as is `fs` */
	ext2_filsys fs;
	u32 number;                   /* 0: none */
	struct ext2_inode_large *raw; /* as many bytes as an inode of this volume has */
	u64 size;                     /* bytes */
	struct {
		u64 block; /* 0: none */
		u8 *data;
	} level[EXT4_MAP_LEVELS]; /* the blocks of the map that were used last */
};

/* Blocks in one row; block 0: there are none, zeros are meant. */
struct ext4_stretch {
	u64 block, length;
};

void ext4_inode_init(struct ext4_inode *in, struct device *d, ext2_filsys fs);
void ext4_inode_free(struct ext4_inode *in);

/* Makes `number` the inode. `where` in this and the following is for the sentence: the path of the thing. */
MUST_CHECK int ext4_inode_load(struct ext4_inode *in, u32 number, const char *where, struct err *e);

/* Where block number `at` of the contents is, and how many follow it in a row: at least 1. Not for inline data. */
MUST_CHECK int ext4_inode_map(struct ext4_inode *in, u64 at, struct ext4_stretch *ret, const char *where,
                              struct err *e);

/* Reads `len` bytes at `off`. -ERANGE: they do not lie inside. */
MUST_CHECK int ext4_inode_read(struct ext4_inode *in, u64 off, void *buf, size_t len, const char *where, struct err *e);

struct ext4_volume;

/* What a volume that was opened by ext4_open() is to libext2fs; borrowed. */
ext2_filsys ext4_volume_fs(const struct ext4_volume *v);
const struct device *ext4_volume_device(const struct ext4_volume *v);

/* The failures of a volume that contradicts itself (-EUCLEAN), and of libext2fs. */
int ext4_damaged(const struct device *d, const char *where, const char *what, struct err *e);
int ext4_not_read(const struct device *d, const char *where, errcode_t err, struct err *e);

#endif
