/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4.h"

#include <errno.h>

#include "src/base/buf.h"
#include "src/fs/ext4_io.h"

#define BLOCK      4096
#define INODE_SIZE 256

/* The marks of other file systems at this place lie in here; btrfs has the last one, at 64 KiB. */
#define HEAD (256 * KIB)

/* Written stretches that are no further apart become one: the zeros cost less than a second start. */
#define GAP (256 * KIB)

/*
 * After the first mount the kernel writes all inode tables in the background: on a stick, few inodes are better. The
 * journal is lazy too, so its size costs room but no time. The last row whose `from` is reached counts.
 */
static const struct sizing {
	u64 from; /* size of the volume */
	u32 bytes_per_inode, journal;
} sizings[] = {
	{ 0, 16 * KIB, 4 * MIB },           { 256 * MIB, 32 * KIB, 16 * MIB },   { 16 * GIB, 64 * KIB, 64 * MIB },
	{ 128 * GIB, 128 * KIB, 64 * MIB }, { 1024 * GIB, 256 * KIB, 64 * MIB },
};

struct maker {
	const struct ext4_options *o;
	const struct sizing *sizing;
	struct device *memory;
	ext2_filsys fs;
	struct err *e;
};

/* Times go into 32 bits without the bits for later epochs, which libext2fs does not write; 0 would mean the clock. */
static u32 clamp_time(i64 t)
{
	return (u32)MAX(1, MIN(t, INT32_MAX));
}

static int failed(const struct maker *m, errcode_t err, const char *what)
{
	int r = -EIO;

	if (err == EXT2_ET_BLOCK_ALLOC_FAIL || err == EXT2_ET_INODE_ALLOC_FAIL || err == EXT2_ET_TOOSMALL)
		r = -ENOSPC;
	else if (err == EXT2_ET_NO_MEMORY || err == ENOMEM)
		r = -ENOMEM;
	initialize_ext2_error_table();
	return fail(m->e, r, "%s: %s", what, error_message(err));
}

static int check_options(const struct ext4_options *o, struct err *e)
{
	if (o->start % BLOCK || o->size % BLOCK)
		return fail(e, -EINVAL, "a partition of %llu bytes at byte %llu is not made of blocks of 4096 bytes",
		            (unsigned long long)o->size, (unsigned long long)o->start);
	if (o->size < EXT4_MIN_SIZE || o->size > EXT4_MAX_SIZE)
		return fail(e, -EINVAL, "a partition of %llu bytes is too %s: 16 MiB to 16 TiB are possible",
		            (unsigned long long)o->size, o->size < EXT4_MIN_SIZE ? "small" : "large");
	if (!memchr(o->label, '\0', sizeof(o->label)))
		return fail(e, -EINVAL, "the label is longer than 16 bytes");
	for (const char *p = o->label; *p; p++)
		if ((u8)*p < 0x20 || *p == 0x7f)
			return fail(e, -EINVAL, "the label \"%s\" contains a control character", o->label);
	return 0;
}

static const struct sizing *choose_sizing(u64 size)
{
	const struct sizing *s = sizings;

	for (size_t i = 0; i < ARRAY_SIZE(sizings); i++)
		if (size >= sizings[i].from)
			s = &sizings[i];
	return s;
}

static void set_features(struct ext2_super_block *s)
{
	ext2fs_set_feature_xattr(s);
	ext2fs_set_feature_dir_index(s);
	ext2fs_set_feature_journal(s);
	ext2fs_set_feature_sparse_super2(s);
	ext2fs_set_feature_filetype(s);
	ext2fs_set_feature_extents(s);
	ext2fs_set_feature_64bit(s);
	ext2fs_set_feature_flex_bg(s);
	ext2fs_set_feature_sparse_super(s);
	ext2fs_set_feature_large_file(s);
	ext2fs_set_feature_huge_file(s);
	ext2fs_set_feature_dir_nlink(s);
	ext2fs_set_feature_extra_isize(s);
	ext2fs_set_feature_metadata_csum(s);
}

static int start(struct maker *m)
{
	struct ext2_super_block s = {
		.s_rev_level = EXT2_DYNAMIC_REV,
		.s_log_block_size = 2, /* 1024 << 2 */
		.s_inode_size = INODE_SIZE,
		.s_desc_size = EXT2_MIN_DESC_SIZE_64BIT,
		.s_inodes_count = (u32)(m->o->size / m->sizing->bytes_per_inode),
		.s_log_groups_per_flex = 4,
		.s_errors = EXT2_ERRORS_CONTINUE,
		.s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL,
		.s_max_mnt_count = (u16)-1,
		.s_backup_bgs = { 1, UINT32_MAX }, /* the library takes the last group for too large a number */
	};
	errcode_t err;

	set_features(&s);
	ext2fs_blocks_count_set(&s, m->o->size / BLOCK);
	err = ext4_io_initialize(m->memory, &s, &m->fs);
	return err ? failed(m, err, "superblock") : 0;
}

static void set_identity(struct maker *m)
{
	struct ext2_super_block *s = m->fs->super;

	m->fs->now = clamp_time(m->o->time);
	s->s_mkfs_time = s->s_lastcheck = (u32)m->fs->now;
	s->s_mkfs_time_hi = s->s_lastcheck_hi = 0;
	memcpy(s->s_uuid, m->o->uuid, sizeof(s->s_uuid));
	memcpy(s->s_hash_seed, m->o->hash_seed, sizeof(s->s_hash_seed));
	memcpy(s->s_volume_name, m->o->label, sizeof(s->s_volume_name));
	s->s_def_hash_version = EXT2_HASH_HALF_MD4;
	s->s_checksum_type = EXT2_CRC32C_CHKSUM;
	ext2fs_init_csum_seed(m->fs);
}

typedef void (*set_location_fn)(ext2_filsys fs, dgrp_t group, blk64_t block);

/* Gives `n` blocks at or behind `*at` to a bitmap or a table of the group. */
static errcode_t place(ext2_filsys fs, dgrp_t group, blk_t n, set_location_fn set, blk64_t *at)
{
	errcode_t err = ext2fs_get_free_blocks2(fs, *at, ext2fs_blocks_count(fs->super) - 1, (int)n, NULL, at);

	if (err)
		return err;
	ext2fs_block_alloc_stats_range(fs, *at, n, +1);
	set(fs, group, *at);
	*at += n;
	return 0;
}

/*
 * Packs bitmaps and inode tables behind the group descriptors. Of all of them only these hold something, so they come
 * first: the inode bitmap of group 0, the block bitmaps of the last group (the bits behind the end) and of the groups
 * that the tables fill, the inode table of group 0.
 */
static errcode_t place_tables(ext2_filsys fs)
{
	dgrp_t last = fs->group_desc_count - 1;
	blk64_t at = 0;
	errcode_t err = place(fs, 0, 1, ext2fs_inode_bitmap_loc_set, &at);

	if (!err)
		err = place(fs, last, 1, ext2fs_block_bitmap_loc_set, &at);
	for (dgrp_t i = 0; i < last && !err; i++)
		err = place(fs, i, 1, ext2fs_block_bitmap_loc_set, &at);
	if (!err)
		err = place(fs, 0, fs->inode_blocks_per_group, ext2fs_inode_table_loc_set, &at);
	for (dgrp_t i = 1; i <= last && !err; i++)
		err = place(fs, i, 1, ext2fs_inode_bitmap_loc_set, &at);
	for (dgrp_t i = 1; i <= last && !err; i++)
		err = place(fs, i, fs->inode_blocks_per_group, ext2fs_inode_table_loc_set, &at);
	for (dgrp_t i = 0; i <= last && !err; i++)
		ext2fs_group_desc_csum_set(fs, i);
	return err;
}

/* Inodes 1 to 10: free of content, but with good checksums and marked as used; the root marks itself later. */
static errcode_t reserve_inodes(ext2_filsys fs)
{
	u8 zero[INODE_SIZE] = { 0 };
	errcode_t err = 0;

	for (ext2_ino_t i = 1; i < EXT2_FIRST_INODE(fs->super) && !err; i++) {
		if (i != EXT2_ROOT_INO)
			ext2fs_inode_alloc_stats2(fs, i, +1, 0);
		err = ext2fs_write_inode_full(fs, i, (struct ext2_inode *)zero, INODE_SIZE);
	}
	return err;
}

static errcode_t set_attributes(ext2_filsys fs, ext2_ino_t ino, u16 mode, i64 mtime)
{
	struct ext2_inode inode;
	errcode_t err = ext2fs_read_inode(fs, ino, &inode);

	if (err)
		return err;
	inode.i_mode = (u16)((inode.i_mode & ~07777) | (mode & 07777));
	inode.i_mtime = clamp_time(mtime);
	return ext2fs_write_inode(fs, ino, &inode);
}

static errcode_t link_name(ext2_filsys fs, ext2_ino_t dir, const char *name, ext2_ino_t ino, int type)
{
	errcode_t err = ext2fs_link(fs, dir, name, ino, type);

	if (err != EXT2_ET_DIR_NO_SPACE)
		return err;
	err = ext2fs_expand_dir(fs, dir);
	return err ? err : ext2fs_link(fs, dir, name, ino, type);
}

static errcode_t make_dir(ext2_filsys fs, ext2_ino_t parent, const char *name, u16 mode, i64 mtime, ext2_ino_t *ret)
{
	errcode_t err = ext2fs_new_inode(fs, parent, LINUX_S_IFDIR, NULL, ret);

	if (!err)
		err = ext2fs_mkdir(fs, parent, *ret, NULL);
	if (!err)
		err = link_name(fs, parent, name, *ret, EXT2_FT_DIR);
	return err ? err : set_attributes(fs, *ret, mode, mtime);
}

/* The kernel never makes lost+found larger while e2fsck needs it: 16 KiB, as mke2fs gives it. */
static errcode_t make_first_dirs(ext2_filsys fs)
{
	ext2_ino_t lost;
	errcode_t err = ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL);

	if (!err)
		err = make_dir(fs, EXT2_ROOT_INO, "lost+found", 0700, fs->now, &lost);
	for (int i = 0; i < 3 && !err; i++)
		err = ext2fs_expand_dir(fs, lost);
	return err;
}

/*
 * Splits the next name off `*path` into `name`, which has room for EXT2_NAME_LEN + 1 bytes; empty: there was none
 * left. -EINVAL: no name that ext4 or anybody could use.
 */
static int next_name(const char **path, char *name)
{
	const char *from = *path + strspn(*path, "/");
	size_t len = strcspn(from, "/");

	if (len > EXT2_NAME_LEN || (len == 1 && from[0] == '.') || (len == 2 && from[0] == '.' && from[1] == '.'))
		return -EINVAL;
	memcpy(name, from, len);
	name[len] = '\0';
	*path = from + len + strspn(from + len, "/");
	return 0;
}

/* Goes from `*dir` into `name`, which is made if it is missing. */
static int enter(struct maker *m, const char *name, ext2_ino_t *dir)
{
	ext2_ino_t ino;
	errcode_t err = ext2fs_lookup(m->fs, *dir, name, (int)strlen(name), NULL, &ino);

	if (err == EXT2_ET_FILE_NOT_FOUND)
		err = make_dir(m->fs, *dir, name, 0755, m->o->time, &ino);
	else if (!err && ext2fs_check_directory(m->fs, ino) == EXT2_ET_NO_DIRECTORY)
		return fail(m->e, -ENOTDIR, "\"%s\" is a file and cannot hold others", name);
	if (err)
		return failed(m, err, "directory");
	*dir = ino;
	return 0;
}

static errcode_t write_content(ext2_filsys fs, ext2_ino_t ino, const u8 *content, u64 size)
{
	ext2_file_t file;
	errcode_t err = ext2fs_file_open(fs, ino, EXT2_FILE_WRITE, &file), close_err;

	if (err)
		return err;
	while (size && !err) {
		unsigned n = (unsigned)MIN(size, MIB);

		err = ext2fs_file_write(file, content, n, &n);
		content += n;
		size -= n;
	}
	close_err = ext2fs_file_close(file);
	return err ? err : close_err;
}

static errcode_t make_file(ext2_filsys fs, ext2_ino_t dir, const char *name, const struct volume_file *f,
                           const u8 *content)
{
	struct ext2_inode inode = {
		.i_mode = (u16)(LINUX_S_IFREG | (f->mode & 07777)),
		.i_links_count = 1,
		.i_flags = EXT4_EXTENTS_FL | (f->system_file ? EXT2_IMMUTABLE_FL : 0),
		.i_mtime = clamp_time(f->mtime),
	};
	ext2_extent_handle_t extents;
	ext2_ino_t ino;
	errcode_t err = ext2fs_new_inode(fs, dir, LINUX_S_IFREG, NULL, &ino);

	if (!err)
		err = link_name(fs, dir, name, ino, EXT2_FT_REG_FILE);
	if (err)
		return err;
	ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
	/* Puts the header of an empty list of extents into the inode. */
	err = ext2fs_extent_open2(fs, ino, &inode, &extents);
	if (err)
		return err;
	ext2fs_extent_free(extents);
	err = ext2fs_write_new_inode(fs, ino, &inode);
	return err ? err : write_content(fs, ino, content, f->size);
}

static int add_file(struct maker *m, ext2_ino_t dir, const char *name, const struct volume_file *f)
{
	AUTO_FREE u8 *content = xcalloc(1, f->size + 1);
	ext2_ino_t ino;
	errcode_t err;
	int r;

	if (ext2fs_lookup(m->fs, dir, name, (int)strlen(name), NULL, &ino) == 0)
		return fail(m->e, -EEXIST, "is there twice");
	r = input_read(&f->input, 0, content, f->size, m->e);
	if (r < 0)
		return r;
	if (f->hash)
		sha256_add(f->hash, content, f->size);
	err = make_file(m->fs, dir, name, f, content);
	return err ? failed(m, err, "file") : 0;
}

static int add(struct maker *m, const struct volume_file *f)
{
	char name[EXT2_NAME_LEN + 1];
	const char *rest = f->path;
	ext2_ino_t dir = EXT2_ROOT_INO;
	errcode_t err;

	do {
		int r = next_name(&rest, name);

		if (r < 0 || (!*name && !f->is_dir))
			return fail(m->e, -EINVAL, "is not a path that ext4 can hold");
		if (!*rest && !f->is_dir)
			return add_file(m, dir, name, f);
		r = *name ? enter(m, name, &dir) : 0;
		if (r < 0)
			return r;
	} while (*rest);
	err = set_attributes(m->fs, dir, f->mode, f->mtime);
	return err ? failed(m, err, "directory") : 0;
}

/* Tells by how much the files are too large; what they need besides their content is found out on the way. */
static int check_room(struct maker *m, const struct volume_files *files)
{
	u64 room = ext2fs_free_blocks_count(m->fs->super) * BLOCK - m->sizing->journal, need = 0;

	for (size_t i = 0; i < files->n; i++) {
		const struct volume_file *f = &files->file[i];

		if (f->size > room || align_up(f->size, BLOCK) > room - need)
			return fail(m->e, -ENOSPC, "%s: does not fit: has %llu bytes, %llu are left", f->path,
			            (unsigned long long)f->size, (unsigned long long)(room - need));
		need += align_up(f->size, BLOCK);
	}
	return 0;
}

static int add_files(struct maker *m, const struct volume_files *files)
{
	int r = check_room(m, files);

	for (size_t i = 0; i < files->n && r == 0; i++) {
		r = add(m, &files->file[i]);
		if (r < 0)
			fail(m->e, r, "%s", files->file[i].path);
	}
	return r;
}

/*
 * Of the journal only its first block is written: behind the files it costs no stretch of its own. What the stick held
 * in the others is not mistaken for transactions, because their checksums begin with the volume's UUID.
 */
static errcode_t add_journal(ext2_filsys fs, u32 size)
{
	struct ext2fs_journal_params params = { .num_journal_blocks = size / BLOCK };
	blk64_t goal;
	errcode_t err = ext2fs_new_block2(fs, 0, NULL, &goal);

	return err ? err
	           : ext2fs_add_journal_inode3(fs, &params, goal,
	                                       EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK);
}

static int fill(struct maker *m, const struct volume_files *files)
{
	ext2_filsys fs = m->fs;
	blk64_t overhead;
	errcode_t err = place_tables(fs);
	int r;

	if (!err)
		err = ext2fs_count_used_clusters(fs, 0, ext2fs_blocks_count(fs->super) - 1, &overhead);
	if (!err)
		err = reserve_inodes(fs);
	if (!err)
		err = make_first_dirs(fs);
	if (err)
		return failed(m, err, "tables");
	r = add_files(m, files);
	if (r < 0)
		return r;
	err = add_journal(fs, m->sizing->journal);
	if (err)
		return failed(m, err, "journal");
	fs->super->s_overhead_clusters = (u32)(overhead + m->sizing->journal / BLOCK);
	return 0;
}

static int make(struct maker *m, const struct volume_files *files)
{
	AUTO_FREE u8 *zero = xcalloc(1, HEAD);
	errcode_t err;
	int r = device_write(m->memory, 0, zero, HEAD, m->e);

	if (r == 0)
		r = start(m);
	if (r < 0)
		return r;
	set_identity(m);
	r = fill(m, files);
	if (r < 0) {
		ext2fs_free(m->fs);
		return r;
	}
	err = ext2fs_close_free(&m->fs);
	return err ? failed(m, err, "end") : 0;
}

struct collector {
	struct writelist *pass;
	u64 start; /* of the partition */
	u64 off;   /* of `data` in it */
	struct buf data;
};

static void hand_over(struct collector *c)
{
	if (c->data.len)
		writelist_take_memory(c->pass, c->start + c->off, TAKE(c->data.s), c->data.len);
	c->data = (struct buf){ 0 };
}

static int collect(void *ctx, u64 off, const u8 *data, size_t len)
{
	static const u8 zero[BLOCK];
	struct collector *c = ctx;

	if (off - (c->off + c->data.len) > GAP)
		hand_over(c);
	if (!c->data.len)
		c->off = off;
	while (c->off + c->data.len < off)
		buf_add(&c->data, zero, MIN(sizeof(zero), off - (c->off + c->data.len)));
	buf_add(&c->data, data, len);
	return 0;
}

int ext4_make(const struct ext4_options *o, const struct volume_files *files, struct writelist *pass, struct err *e)
{
	struct maker m = { .o = o, .sizing = choose_sizing(o->size), .e = e };
	struct collector c = { .pass = pass, .start = o->start };
	int r = check_options(o, e);

	if (r < 0)
		return fail(e, r, "ext4");
	m.memory = device_new_memory("new volume", o->size, BLOCK);
	r = make(&m, files);
	if (r == 0) {
		device_memory_each(m.memory, collect, &c);
		hand_over(&c);
	}
	device_free(m.memory);
	return r < 0 ? fail(e, r, "ext4") : 0;
}
