/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_table.h"

#include <errno.h>

#include "src/fs/ext4_new.h"

errcode_t ext4_file_inode(const struct ext4_inodes *x, const struct volume_file *f, struct ext2_inode *ret)
{
	*ret = (struct ext2_inode){
		.i_mode = (u16)(LINUX_S_IFREG | (f->mode & 07777)),
		.i_links_count = x->tree->n_names[f - x->files->file],
		.i_flags = f->system_file ? EXT2_IMMUTABLE_FL : 0,
		.i_mtime = ext4_clamp_time(f->mtime),
	};
	return ext2fs_inode_size_set(x->space->fs, ret, f->size);
}

bool ext4_is_plain(const struct volume_file *f, const struct ext4_run *run, size_t n)
{
	u64 blocks = 0;

	for (size_t i = 0; i < n; i++)
		blocks += run[i].length;
	return !f->selinux && ext4_map_blocks(blocks, n) == 0;
}

/* The runs of a file. */
static const struct ext4_run *runs_of(const struct ext4_inodes *x, size_t file, size_t *ret_n)
{
	size_t low = 0, high = x->runs->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (x->runs->run[middle].file < file)
			low = middle + 1;
		else
			high = middle;
	}
	for (*ret_n = 0; low + *ret_n < x->runs->n && x->runs->run[low + *ret_n].file == file; ++*ret_n)
		;
	return *ret_n ? &x->runs->run[low] : NULL;
}

/* As ext2fs_write_new_inode() makes it. */
static errcode_t make_inode(const struct ext4_inodes *x, u32 number, const struct volume_file *f, u8 *to)
{
	ext2_filsys fs = x->space->fs;
	struct ext2_inode_large raw = { 0 };
	struct ext2_inode inode;
	size_t n;
	const struct ext4_run *run = runs_of(x, (size_t)(f - x->files->file), &n);
	errcode_t err;

	if (!ext4_is_plain(f, run, n))
		return 0; /* it is there */
	err = ext4_file_inode(x, f, &inode);
	if (!err)
		err = ext4_fill_inode(x->space, number, &inode, run, n);
	memcpy(&raw, &inode, sizeof(inode));
	raw.i_atime = raw.i_ctime = raw.i_crtime = (u32)fs->now;
	raw.i_extra_isize = sizeof(raw) - EXT2_GOOD_OLD_INODE_SIZE;
	memcpy(to, &raw, sizeof(raw));
	return err ? err : ext2fs_inode_csum_set(fs, number, (struct ext2_inode_large *)(void *)to);
}

static int make_block(const struct ext4_table *t, u64 off, u8 *block, struct err *e)
{
	const struct ext4_inodes *x = t->inodes;
	const size_t size = EXT2_INODE_SIZE(x->space->fs->super);
	const u32 first = t->first + (u32)(off / size);
	int r = device_read(x->memory, t->off + off, block, EXT4_BLOCK, e);

	for (u32 i = 0; r == 0 && i < EXT4_BLOCK / size; i++) {
		const struct ext4_node *n = ext4_tree_node(x->tree, first + i);
		errcode_t err = n && !n->is_dir ? make_inode(x, first + i, n->file, block + i * size) : 0;

		if (err)
			r = ext4_failed(e, err, "inodes");
	}
	return r;
}

static int read_table(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct ext4_table *t = ctx;
	_Alignas(u64) u8 block[EXT4_BLOCK];
	u8 *to = buf;

	for (size_t n; len > 0; off += n, to += n, len -= n) {
		int r = make_block(t, align_down(off, EXT4_BLOCK), block, e);

		if (r < 0)
			return r;
		n = MIN(len, EXT4_BLOCK - off % EXT4_BLOCK);
		memcpy(to, block + off % EXT4_BLOCK, n);
	}
	return 0;
}

struct input ext4_table_input(const struct ext4_table *t)
{
	return (struct input){ .read = read_table, .ctx = (void *)t };
}

void ext4_find_tables(struct ext4_inodes *x)
{
	const struct ext2_super_block *s = x->space->fs->super;
	u32 each = s->s_inodes_per_group, last = ext4_tree_last_inode(x->tree);

	x->n_tables = div_round_up(last, each);
	x->table = xcalloc(x->n_tables, sizeof(*x->table));
	for (size_t i = 0; i < x->n_tables; i++) {
		u32 first = (u32)i * each + 1;
		u64 bytes = (u64)MIN(each, last - first + 1) * EXT2_INODE_SIZE(s);

		x->table[i] = (struct ext4_table){
			.inodes = x,
			.first = first,
			.off = ext2fs_inode_table_loc(x->space->fs, (dgrp_t)i) * EXT4_BLOCK,
			.len = align_up(bytes, EXT4_BLOCK),
		};
	}
}
