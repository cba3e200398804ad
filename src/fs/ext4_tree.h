/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A list of files as the directories that ext4 needs: parents that nobody listed, lost+found, and the blocks in which a
 * directory names what it holds. Where these lie is ext4.c's matter.
 */
#ifndef LIVESTICK_FS_EXT4_TREE_H
#define LIVESTICK_FS_EXT4_TREE_H

#include <ext2fs/ext2fs.h>

#include "src/base/buf.h"
#include "src/fs/volume.h"

#define EXT4_BLOCK 4096

struct ext4_node {
	const char *name;               /* in the path of a file that was listed; not ended by a NUL */
	const struct volume_file *file; /* NULL: a directory that nobody listed */
	u32 parent;                     /* index; the root's is its own */
	u32 first, last, next;          /* what a directory holds, by name: indexes, 0 after the last */
	u32 n_dirs;                     /* directories in it */
	u32 same;                       /* of another name of a file: its first one's index; else 0 */
	u8 name_len;                    /* the root's is 0 */
	bool is_dir;
};

/* node[0] is the root; a directory comes before what it holds. */
struct ext4_tree {
	struct ext4_node *node;
	size_t n, cap;
	u32 *of_file; /* index into node[] for each file of the list */
	u16 *n_names; /* of each file of the list; 0: it is another name, or a directory */
	size_t lost_found;
};

/* Errors: -EINVAL, -EMLINK, -EEXIST, -ENOTDIR of ext4_plan(). `files` must outlive the tree. */
MUST_CHECK int ext4_tree_make(const struct volume_files *files, struct ext4_tree *ret, struct err *e);

/*
 * The inode that a node has: they are numbered in the order of the tree. Another name has that of the first one, and
 * its own number stays free.
 */
ext2_ino_t ext4_tree_inode(const struct ext4_tree *t, size_t node);
/* The last number, whether it is free or not. */
ext2_ino_t ext4_tree_last_inode(const struct ext4_tree *t);
/* The node that has this inode; NULL: it is free, or the root's. */
const struct ext4_node *ext4_tree_node(const struct ext4_tree *t, ext2_ino_t inode);

/* Blocks of a directory, and what they hold; the checksums at their ends are left to who writes them. */
u64 ext4_tree_dir_blocks(const struct ext4_tree *t, size_t dir);
void ext4_tree_dir_fill(const struct ext4_tree *t, size_t dir, u8 *ret_blocks);

void ext4_tree_free(struct ext4_tree *t);

#endif
