/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A list of files as the directories and entries that FAT needs: parents that nobody listed, aliases, the number of
 * entries of each directory. Places on the medium are fat32.c's matter.
 */
#ifndef LIVESTICK_FS_FAT_TREE_H
#define LIVESTICK_FS_FAT_TREE_H

#include "src/fs/fat_name.h"
#include "src/fs/volume.h"

struct fat_node {
	const char *path; /* borrowed from the list; a parent that nobody listed: the head of a path in it */
	const struct volume_file *file; /* NULL: the root, or a directory that nobody listed */
	u32 path_len, name_off;
	u32 parent;    /* index; the root's is its own */
	u32 n_entries; /* of a directory: 32-byte entries, the label or the two dots included */
	u8 alias[FAT_ALIAS_SIZE];
	bool is_dir, has_long_name;
};

/*
 * node[0] is the root; a directory comes before what it holds, names in one directory are sorted by their folded
 * form, so the order of the list does not matter.
 */
struct fat_tree {
	struct fat_node *node;
	size_t n, cap;
	u32 *of_file; /* index into node[] for each file of the list */
};

/* Errors: see fat32_plan(). `files` must outlive the tree. */
MUST_CHECK int fat_tree_make(const struct volume_files *files, bool has_label, struct fat_tree *ret, struct err *e);

/* The node's long name, in UTF-16; 0 units where the alias is the name. */
size_t fat_node_long_name(const struct fat_node *n, u16 ret_units[FAT_NAME_UNITS]);

void fat_tree_free(struct fat_tree *t);

#endif
