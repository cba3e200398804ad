/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the ext4 updater share. The volume is read into memory but for the contents of files: each inode
 * in use is a node, each entry of a directory a name. The update is decided on these; then libext2fs carries it out on
 * an overlay, step by step, and what each step changes there is a phase.
 */
#ifndef LIVESTICK_FS_EXT4_UPDATE_PRIVATE_H
#define LIVESTICK_FS_EXT4_UPDATE_PRIVATE_H

#include "src/fs/ext4_file.h"
#include "src/fs/ext4_io.h"
#include "src/fs/ext4_update.h"

#define NONE SIZE_MAX

/* An entry of a directory: to which node it leads now, and will lead after the update; NONE: it is not there. */
struct ext4_name {
	size_t at; /* in the text of all names */
	u8 len;
	bool wanted; /* the update names it, or what is in it */
	bool is_put; /* and has made it what it is */
	size_t now, then;
};

/* Blocks that something has or is given, and the root of the tree of extents that leads to them. */
struct ext4_body {
	struct ext4_runs runs;   /* in_file ascends */
	struct ext4_runs map;    /* blocks of the tree */
	u32 root[EXT2_N_BLOCKS]; /* only of one that was made */
};

struct ext4_live {
	u32 number; /* the inode */
	u16 mode, links;
	u64 size;
	struct ext4_body body;
	bool is_whole; /* no holes, nothing that was allocated and never written */
	size_t xattr;  /* index of the block with its attributes; NONE */
	bool is_reached;
	bool is_new;
	i64 mtime; /* of a new one */

	u32 names_now, names_left; /* that lead to it, and those of them and of new ones that stay */

	/* Of a directory. */
	size_t parent;
	struct ext4_name *name;
	size_t n_names, cap_names;
	struct ext4_body *made; /* what it was given last in this update; NULL: nothing */
};

/* A block with attributes, which several inodes may share. */
struct ext4_xattr {
	u64 block;
	u32 owners, count; /* that there are, and as the block says */
};

enum ext4_how {
	HOW_KEEP,    /* nothing to do: it is there, or has no bytes */
	HOW_PLACE,   /* new bytes over the old */
	HOW_NEW,     /* a new inode, which is filled at the end */
	HOW_REPLACE, /* new blocks for the inode that is there */
};

/* What happens to put.file[i] of the update. */
struct ext4_put {
	enum ext4_how how;
	size_t node;
	u32 n_names; /* that the update wants it to have; 0: it is another name of an earlier one, or a directory */
	u32 n_there; /* of these, which lead to the file that its own name leads to now */
	struct ext4_body body; /* of HOW_NEW and HOW_REPLACE */
};

/* What a phase writes, but for the contents of files. */
struct ext4_phase {
	const char *name;
	struct ext4_piece {
		u64 off; /* of the volume */
		u8 *data;
		size_t len;
	} * piece;
	size_t n, cap;
};

enum {
	PHASE_EMPTY,
	PHASE_SHRINK,
	PHASE_UNLINK,
	PHASE_FREE,
	PHASE_DATA,
	PHASE_CHAIN,
	PHASE_ENTER,
	PHASE_FILL,
	PHASE_RELEASE,
	N_PHASES
};

struct ext4_update {
	struct updater u;
	u64 start; /* of the volume, on the device */
	struct device *window, *overlay;
	ext2_filsys fs; /* on the overlay; its bitmaps and counts are what they should be, not what was found */
	u8 super[SUPERBLOCK_SIZE]; /* as found */
	u16 *group_flags;          /* as found */
	struct buf text;           /* of names */

	struct ext4_live *node; /* as found: ascending by inode; behind them, from n_found on, new ones */
	size_t n_nodes, cap_nodes, n_found;
	struct ext4_xattr *xattr; /* ascending by block */
	size_t n_xattrs, cap_xattrs;

	struct volume_update *wanted;
	struct ext4_put *put;
	size_t n_put;
	struct ext4_phase phase[N_PHASES];
	struct ext4_body *old; /* of directories, until it can be given back */
	size_t n_old, cap_old;
	u64 next; /* block where the search for free ones goes on */
};

/* ---- ext4_update_scan.c: what is in use, and by whom */

/* Opens the file system and reads all inodes in use; each block is claimed by one. */
MUST_CHECK int ext4_scan(struct ext4_update *x, struct err *e);

/* -EUCLEAN, with advice. */
int ext4_unclean(const struct ext4_update *x, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* fail() for an error of libext2fs. */
int ext4_lib_failed(const struct ext4_update *x, errcode_t err, const char *what, struct err *e);

/* ---- ext4_update_map.c: which blocks an inode has */

/* Reads the tree of extents of a node whose inode is `raw`. */
MUST_CHECK int ext4_read_map(struct ext4_update *x, struct ext4_live *node, const struct ext2_inode *raw,
                             struct err *e);
/* Marks blocks as used; -EUCLEAN if they lie outside or somebody has them already. `who` is for the sentence. */
MUST_CHECK int ext4_claim(struct ext4_update *x, u64 block, u64 n, const char *who, struct err *e);

u64 ext4_body_blocks(const struct ext4_body *b);
/* Where it begins, when it lies in one stretch; else 0. */
u64 ext4_body_place(const struct ext4_body *b);
void ext4_body_free(struct ext4_body *b);

/* ---- ext4_update_dir.c: directories */

/* Reads those that can be reached, counts names, and sees what cannot be reached. */
MUST_CHECK int ext4_read_dirs(struct ext4_update *x, struct err *e);

struct ext4_name *ext4_add_name(struct ext4_update *x, size_t dir, const char *s, size_t len);
const char *ext4_name_text(const struct ext4_update *x, const struct ext4_name *n);
/* Index in the directory's names, of those that are there now or (`then`) after the update; NONE. */
size_t ext4_find_name(const struct ext4_update *x, size_t dir, const char *s, size_t len, bool then);
/* The path of a node that can be reached, for sentences; the caller frees. */
MUST_CHECK char *ext4_path_of(const struct ext4_update *x, size_t node);

/* The directory as blocks: `then`, as it is in the end, or without what goes. The caller frees; *ret_n are blocks. */
MUST_CHECK u8 *ext4_dir_make(const struct ext4_update *x, size_t dir, bool then, u64 *ret_n);

/* ---- ext4_update_maps.c: bitmaps, descriptors, superblock */

/* Compares them with what is in use, and makes them right in memory. */
MUST_CHECK int ext4_check_maps(struct ext4_update *x, struct err *e);
/* In the first step: no inode that is used later holds anything. */
MUST_CHECK int ext4_wipe_new_inodes(struct ext4_update *x, struct err *e);
/* Writes all to the overlay; what has to be written before that goes to the first phase. */
MUST_CHECK int ext4_write_maps(struct ext4_update *x, struct err *e);

/* ---- ext4_update_want.c: what the update means for nodes and names */

MUST_CHECK int ext4_want(struct ext4_update *x, struct err *e);
/* The node that a path leads to now. -ENOENT. */
MUST_CHECK int ext4_find_path(struct ext4_update *x, const char *path, size_t *ret, struct err *e);

/* ---- ext4_update_space.c: free blocks */

u64 ext4_blocks_free(const struct ext4_update *x);
/* Takes `n` blocks for a file or directory, in as few runs as there can be. -ENOSPC; `in_one`: in one run. */
MUST_CHECK int ext4_take_blocks(struct ext4_update *x, u64 n, bool in_one, struct ext4_runs *ret);
void ext4_give_back(struct ext4_update *x, struct ext4_body *b);
/* Makes the tree of extents, and writes those of its blocks that do not lie in the inode to the overlay. */
MUST_CHECK int ext4_make_map(struct ext4_update *x, u32 inode, struct ext4_body *b, struct err *e);

/* ---- ext4_update_steps.c: from nodes and names to phases */

MUST_CHECK int ext4_carry_out(struct ext4_update *x, struct err *e);

void ext4_add_piece(struct ext4_phase *p, u64 off, const u8 *data, size_t len);

#endif
