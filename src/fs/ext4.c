/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4.h"

#include <assert.h>
#include <errno.h>

#include "src/fs/ext4_file.h"
#include "src/fs/ext4_new.h"
#include "src/fs/ext4_table.h"

/* The marks of other file systems at this place lie in here; btrfs has the last one, at 64 KiB. */
#define HEAD (256 * KIB)

/* Written stretches that are no further apart become one: the zeros cost less than a second start. */
#define GAP (256 * KIB)

static_assert(HEAD <= GAP, "the zeros of a gap make the head whole");

/* With so many directories in it, a directory no longer says how many they are (dir_nlink). */
#define LINKS_MAX EXT2_LINK_MAX

/* Runs of one file at most: only the copies of the superblock, in two groups, lie between the free blocks. */
#define RUNS_MAX 3

struct ext4 {
	struct ext4_options o;
	const struct volume_files *files;
	struct ext4_tree tree;
	struct device *memory;   /* all that is no content, but for the inodes of plain files */
	struct ext4_runs runs;   /* of the contents, ascending */
	struct ext4_space space; /* nothing is given out any more once the volume is planned */
	struct ext4_inodes inodes;
};

static int check_options(const struct ext4_options *o, struct err *e)
{
	if (o->start % EXT4_BLOCK || o->size % EXT4_BLOCK)
		return fail(e, -EINVAL, "a partition of %llu bytes at byte %llu is not made of blocks of 4096 bytes",
		            (unsigned long long)o->size, (unsigned long long)o->start);
	if (o->size < EXT4_MIN_SIZE || o->size > EXT4_MAX_SIZE)
		return fail(e, -EINVAL, "a partition of %llu bytes is too %s: 16 MiB to almost 16 TiB are possible",
		            (unsigned long long)o->size, o->size < EXT4_MIN_SIZE ? "small" : "large");
	if (!memchr(o->label, '\0', sizeof(o->label)))
		return fail(e, -EINVAL, "the label is longer than 16 bytes");
	for (const char *p = o->label; *p; p++)
		if ((u8)*p < 0x20 || *p == 0x7f)
			return fail(e, -EINVAL, "the label \"%s\" contains a control character", o->label);
	return 0;
}

/* ---- planning */

static errcode_t write_dir_blocks(struct ext4 *x, size_t dir, const struct ext4_runs *runs, u64 n)
{
	AUTO_FREE u8 *blocks = xcalloc(n, EXT4_BLOCK);
	u8 *p = blocks;
	errcode_t err = 0;

	ext4_tree_dir_fill(&x->tree, dir, blocks);
	for (size_t i = 0; i < runs->n; i++)
		for (u64 k = 0; k < runs->run[i].length && !err; k++, p += EXT4_BLOCK)
			err = ext2fs_write_dir_block4(x->space.fs, runs->run[i].block + k, p, 0,
			                              ext4_tree_inode(&x->tree, dir));
	return err;
}

static errcode_t write_dir(struct ext4 *x, size_t dir)
{
	const struct ext4_node *node = &x->tree.node[dir];
	u64 n = ext4_tree_dir_blocks(&x->tree, dir);
	struct ext2_inode inode = {
		.i_mode = LINUX_S_IFDIR | (dir == x->tree.lost_found ? 0700 : 0755),
		.i_links_count = (u16)(node->n_dirs + 2 > LINKS_MAX ? 1 : node->n_dirs + 2),
		.i_mtime = (u32)x->space.fs->now,
	};
	struct ext4_runs runs = { 0 };
	errcode_t err;

	if (node->file) {
		inode.i_mode = (u16)(LINUX_S_IFDIR | (node->file->mode & 07777));
		inode.i_mtime = ext4_clamp_time(node->file->mtime);
	}
	err = ext4_take(&x->space, 0, n, false, &runs) < 0 ? EXT2_ET_BLOCK_ALLOC_FAIL : 0;
	if (!err)
		err = ext2fs_inode_size_set(x->space.fs, &inode, n * EXT4_BLOCK);
	if (!err)
		err = ext4_write_node(&x->space, ext4_tree_inode(&x->tree, dir), &inode, runs.run, runs.n);
	if (!err)
		err = write_dir_blocks(x, dir, &runs, n);
	if (!err && node->file)
		err = ext4_set_selinux(&x->space, ext4_tree_inode(&x->tree, dir), node->file->selinux);
	free(runs.run);
	return err;
}

static int plan_dirs(struct ext4 *x, struct err *e)
{
	for (size_t i = 0; i < x->tree.n; i++) {
		errcode_t err = x->tree.node[i].is_dir ? write_dir(x, i) : 0;

		if (err)
			return ext4_failed(e, err, "directories");
	}
	return 0;
}

static int plan_file(struct ext4 *x, size_t i, struct err *e)
{
	const struct volume_file *f = &x->files->file[i];
	u64 left = x->space.left, n = f->is_hole ? 0 : div_round_up(f->size, EXT4_BLOCK);
	ext2_ino_t number = ext4_tree_inode(&x->tree, x->tree.of_file[i]);
	size_t before = x->runs.n;
	const struct ext4_run *run;
	struct ext2_inode inode;
	errcode_t err;

	if (ext4_take(&x->space, i, n, f->system_file, &x->runs) < 0)
		return fail(e, -ENOSPC, "%s: does not fit%s: has %llu bytes, %llu are left", f->path,
		            n <= left ? " in one piece" : "", (unsigned long long)f->size,
		            (unsigned long long)left * EXT4_BLOCK);
	run = x->runs.n > before ? &x->runs.run[before] : NULL;
	if (ext4_is_plain(f, run, x->runs.n - before)) {
		ext4_count_inode(&x->space, number, false);
		return 0;
	}
	err = ext4_file_inode(&x->inodes, f, &inode);
	if (!err)
		err = ext4_write_node(&x->space, number, &inode, run, x->runs.n - before);
	if (!err)
		err = ext4_set_selinux(&x->space, number, f->selinux);
	return err ? ext4_failed(e, err, f->path) : 0;
}

static int fill(struct ext4 *x, struct err *e)
{
	u64 free_blocks = ext2fs_free_blocks_count(x->space.fs->super), journal = ext4_journal_blocks(&x->o);
	u64 inodes = x->space.fs->super->s_inodes_count - (EXT2_GOOD_OLD_FIRST_INO - 1);
	int r;

	if (x->tree.n - 1 > inodes)
		return fail(e, -ENOSPC, "%zu files and directories do not fit: there is room for %llu", x->tree.n - 1,
		            (unsigned long long)inodes);
	x->space.left = free_blocks > journal ? free_blocks - journal : 0;
	r = plan_dirs(x, e);
	for (size_t i = 0; i < x->files->n && r == 0; i++)
		if (x->tree.n_names[i])
			r = plan_file(x, i, e);
	return r == 0 ? ext4_add_journal(&x->o, x->space.fs, e) : r;
}

static int lay_out(struct ext4 *x, struct err *e)
{
	errcode_t err;
	int r = ext4_new(&x->o, x->tree.n, x->memory, &x->space.fs, e);

	if (r == 0)
		r = fill(x, e);
	if (r < 0)
		return r;
	x->space.left = ext2fs_free_blocks_count(x->space.fs->super);
	ext4_find_tables(&x->inodes);
	err = ext2fs_flush(x->space.fs);
	return err ? ext4_failed(e, err, "end") : 0;
}

int ext4_plan(const struct ext4_options *o, struct volume_files *files, struct ext4 **ret, struct err *e)
{
	struct ext4 *x;
	int r = check_options(o, e);

	if (r < 0)
		return fail(e, r, "ext4");
	x = xcalloc(1, sizeof(*x));
	x->o = *o;
	x->files = files;
	x->memory = device_new_memory("new volume", o->size, EXT4_BLOCK);
	x->inodes = (struct ext4_inodes){ files, &x->tree, &x->runs, &x->space, x->memory, NULL, 0 };
	r = ext4_tree_make(files, &x->tree, e);
	if (r == 0)
		r = lay_out(x, e);
	if (r < 0) {
		ext4_free(x);
		return fail(e, r, "ext4");
	}
	for (size_t i = 0; i < files->n; i++)
		files->file[i].device_off = 0;
	for (size_t i = 0; i < x->runs.n; i++)
		if (x->runs.run[i].in_file == 0)
			files->file[x->runs.run[i].file].device_off = o->start + x->runs.run[i].block * EXT4_BLOCK;
	for (size_t i = 0; i < files->n; i++)
		if (files->file[i].same_as)
			files->file[i].device_off = files->file[files->file[i].same_as - 1].device_off;
	*ret = x;
	return 0;
}

void ext4_set_boot_sectors(struct ext4 *x, const u8 code[EXT4_BOOT_SIZE])
{
	AUTO_ERR struct err e = { 0 };
	int r = device_write(x->memory, 0, code, EXT4_BOOT_SIZE, &e);

	assert(r == 0); /* it is memory, and larger */
	(void)r;
}

u64 ext4_free_bytes(const struct ext4 *x)
{
	return x->space.left * EXT4_BLOCK;
}

void ext4_free(struct ext4 *x)
{
	if (!x)
		return;
	if (x->space.fs)
		ext2fs_free(x->space.fs);
	ext4_tree_free(&x->tree);
	device_free(x->memory);
	free(x->runs.run);
	free(x->inodes.table);
	free(x);
}

/* ---- the write list */

struct piece {
	u64 off, end; /* bytes of the volume */
};

struct emitter {
	const struct ext4_inodes *inodes;
	struct writelist *pass;
	u64 start; /* of the partition */
	struct piece *piece;
	size_t n, cap;
};

/* Files lie one behind the other, so that of most of them nothing is kept. */
static void add_piece(struct emitter *m, u64 off, u64 len)
{
	struct piece *last = m->n ? &m->piece[m->n - 1] : NULL;

	if (last && last->end == off) {
		last->end += len;
		return;
	}
	*ARRAY_ADD(m->piece, m->n, m->cap) = (struct piece){ off, off + len };
}

static void emit_bytes(struct emitter *m, u64 off, const u8 *data, u64 len)
{
	if (len == 0)
		return;
	writelist_add_memory(m->pass, m->start + off, data, len);
	add_piece(m, off, len);
}

/* But for what lies in the inode tables: that is in their inputs. */
static int emit_memory(void *ctx, u64 off, const u8 *data, size_t len)
{
	struct emitter *m = ctx;
	u64 end = off + len;

	for (size_t i = 0; i < m->inodes->n_tables && off < end; i++) {
		const struct ext4_table *t = &m->inodes->table[i];
		u64 skip_from = MIN(MAX(t->off, off), end), skip_to = MIN(MAX(t->off + t->len, off), end);

		emit_bytes(m, off, data, skip_from - off);
		data += skip_to - off;
		off = skip_to;
	}
	emit_bytes(m, off, data, end - off);
	return 0;
}

static void emit_tables(struct emitter *m)
{
	for (size_t i = 0; i < m->inodes->n_tables; i++) {
		const struct ext4_table *t = &m->inodes->table[i];

		writelist_add_input(m->pass, m->start + t->off, t->len, ext4_table_input(t), NULL);
		add_piece(m, t->off, t->len);
	}
}

static void emit_run(struct emitter *m, const struct ext4_run *run, const struct volume_file *f)
{
	u64 off = run->block * EXT4_BLOCK, len = run->length * EXT4_BLOCK, in_file = run->in_file * EXT4_BLOCK;
	u64 content = MIN(len, f->size - in_file);

	writelist_add_input_at(m->pass, m->start + off, content, f->input, in_file, f->hash);
	writelist_add_zero(m->pass, m->start + off + content, len - content);
	add_piece(m, off, len);
}

static int by_offset(const void *a, const void *b)
{
	u64 x = ((const struct piece *)a)->off, y = ((const struct piece *)b)->off;

	return (x > y) - (x < y);
}

void ext4_emit(struct ext4 *x, struct writelist *pass)
{
	struct emitter m = { .inodes = &x->inodes, .pass = pass, .start = x->o.start };
	u64 end = 0;

	device_memory_each(x->memory, emit_memory, &m);
	emit_tables(&m);
	for (size_t i = 0; i < x->runs.n; i++)
		emit_run(&m, &x->runs.run[i], &x->files->file[x->runs.run[i].file]);
	add_piece(&m, HEAD, 0);
	qsort(m.piece, m.n, sizeof(*m.piece), by_offset);
	for (size_t i = 0; i < m.n; i++) {
		const struct piece *p = &m.piece[i];

		if (p->off > end && p->off - end <= GAP)
			writelist_add_zero(pass, m.start + end, p->off - end);
		end = MAX(end, p->end);
	}
	free(m.piece);
}

/* ---- how large a volume must be */

/* What cannot be held by any volume counts as just too much, so that no sum overflows. */
static u64 blocks_of(u64 size)
{
	u64 n = div_round_up(MIN(size, EXT4_MAX_SIZE + 1), EXT4_BLOCK);

	return n + ext4_map_blocks(n, RUNS_MAX);
}

static u64 blocks_needed(const struct volume_files *files, const struct ext4_tree *t)
{
	u64 n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->node[i].is_dir)
			n += blocks_of(ext4_tree_dir_blocks(t, i) * EXT4_BLOCK);
	for (size_t i = 0; i < files->n; i++)
		n += files->file[i].is_hole || files->file[i].same_as ? 0 : blocks_of(files->file[i].size);
	return n;
}

struct room {
	u64 blocks, nodes;
};

/* What an empty volume of that size has room for. */
static struct room room_in(u64 size, u64 n_nodes, bool loader)
{
	const struct ext4_options o = { .size = size, .for_loader = loader };
	AUTO_DEVICE struct device *memory = device_new_memory("new volume", size, EXT4_BLOCK);
	AUTO_ERR struct err ignored = { 0 };
	struct room room = { 0 };
	ext2_filsys fs;

	if (ext4_new(&o, n_nodes, memory, &fs, &ignored) < 0)
		return room;
	room.blocks = ext2fs_free_blocks_count(fs->super);
	room.blocks -= MIN(room.blocks, ext4_journal_blocks(&o));
	room.nodes = fs->super->s_inodes_count - (EXT2_GOOD_OLD_FIRST_INO - 1);
	ext2fs_free(fs);
	return room;
}

u64 ext4_size_for(const struct volume_files *files, u64 extra, bool loader)
{
	AUTO_ERR struct err ignored = { 0 };
	CLEANUP(ext4_tree_free) struct ext4_tree t = { 0 };
	u64 need, size;

	if (ext4_tree_make(files, &t, &ignored) < 0)
		err_clear(&ignored);
	need = blocks_needed(files, &t) + blocks_of(extra);
	size = MAX(align_up(need * EXT4_BLOCK, MIB), EXT4_MIN_SIZE);
	while (size <= EXT4_MAX_SIZE) {
		struct room room = room_in(size, t.n, loader);
		/* A larger volume with one group more may have some blocks less. */
		u64 want = need + 64 + 2 * (size / (128 * MIB)), missing = want > room.blocks ? want - room.blocks : 0;

		if (t.n > room.nodes)
			missing = MAX(missing, t.n - room.nodes);
		if (!missing)
			break;
		size += align_up(missing * EXT4_BLOCK, MIB);
	}
	return size;
}
