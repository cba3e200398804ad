/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From nodes and names to phases: each step is carried out by libext2fs on the overlay, and what it changes there is
 * what its phase writes. A block that is given back in one step is taken again by the following ones at the earliest.
 */
#include "src/fs/ext4_update_private.h"

#include <assert.h>
#include <errno.h>

#include "src/fs/ext4_new.h"

#define INODE_SIZE 256

/* With so many directories in it, a directory no longer says how many they are (dir_nlink). */
#define LINKS_MAX EXT2_LINK_MAX

union raw {
	struct ext2_inode small;
	struct ext2_inode_large large;
	u8 bytes[INODE_SIZE];
};

void ext4_add_piece(struct ext4_phase *p, u64 off, const u8 *data, size_t len)
{
	struct ext4_piece *piece = ARRAY_ADD(p->piece, p->n, p->cap);

	piece->off = off;
	piece->len = len;
	piece->data = memcpy(xcalloc(len, 1), data, len);
}

static int add_change(void *ctx, u64 off, const u8 *data, size_t len)
{
	ext4_add_piece(ctx, off, data, len);
	return 0;
}

/* ---- inodes */

static int failed(const struct ext4_update *x, errcode_t err, const char *what, struct err *e)
{
	return err ? ext4_lib_failed(x, err, what, e) : 0;
}

static int read_inode(struct ext4_update *x, size_t node, union raw *ret, struct err *e)
{
	return failed(x, ext2fs_read_inode_full(x->fs, x->node[node].number, &ret->small, sizeof(*ret)), "inode", e);
}

static int write_inode(struct ext4_update *x, size_t node, union raw *raw, struct err *e)
{
	raw->small.i_ctime = (u32)x->fs->now;
	return failed(x, ext2fs_write_inode_full(x->fs, x->node[node].number, &raw->small, sizeof(*raw)), "inode", e);
}

static void set_blocks(union raw *raw, u64 blocks)
{
	raw->small.i_blocks = (u32)(blocks * (EXT4_BLOCK / 512));
	raw->small.osd2.linux2.l_i_blocks_hi = (u16)(blocks * (EXT4_BLOCK / 512) >> 32);
	raw->small.i_flags &= ~(u32)EXT4_HUGE_FILE_FL;
}

static void set_size(union raw *raw, u64 size)
{
	raw->small.i_size = (u32)size;
	raw->small.i_size_high = (u32)(size >> 32);
}

/* Makes the inode lead to other blocks: all of it lies in one sector. */
static void set_body(const struct ext4_update *x, size_t node, union raw *raw, const struct ext4_body *b, u64 size)
{
	set_size(raw, size);
	set_blocks(raw, ext4_body_blocks(b) + (x->node[node].xattr != NONE));
	raw->small.i_flags |= EXT4_EXTENTS_FL;
	memcpy(raw->small.i_block, b->root, sizeof(b->root));
}

/* ---- empty */

static bool goes(const struct ext4_live *node)
{
	return !node->is_new && node->names_left == 0;
}

static void drop_xattr(struct ext4_update *x, size_t node)
{
	if (x->node[node].xattr == NONE)
		return;
	x->xattr[x->node[node].xattr].owners--;
	x->node[node].xattr = NONE;
}

static int empty_file(struct ext4_update *x, size_t i, struct err *e)
{
	struct ext4_body *b = &x->node[i].body, none = { 0 };
	union raw raw;
	int r = ext4_make_map(x, x->node[i].number, &none, e);

	if (r == 0)
		r = read_inode(x, i, &raw, e);
	if (r < 0)
		return r;
	drop_xattr(x, i);
	raw.small.i_file_acl = 0;
	raw.small.osd2.linux2.l_i_file_acl_high = 0;
	set_body(x, i, &raw, &none, 0);
	ext4_give_back(x, b);
	return write_inode(x, i, &raw, e);
}

static int step_empty(struct ext4_update *x, struct err *e)
{
	int r = ext4_wipe_new_inodes(x, e);

	for (size_t i = 0; i < x->n_found && r == 0; i++) {
		const struct ext4_live *node = &x->node[i];

		if (goes(node) && LINUX_S_ISREG(node->mode) &&
		    (node->size || ext4_body_blocks(&node->body) || node->xattr != NONE))
			r = empty_file(x, i, e);
	}
	return r;
}

/* ---- directories */

/* Whether the directory itself changes when what goes is taken out (`then` false), or when what comes is put in. */
static bool dir_changes(const struct ext4_live *node, bool then)
{
	for (size_t i = 0; i < node->n_names; i++) {
		const struct ext4_name *n = &node->name[i];

		if (then ? n->then != NONE && n->then != n->now : n->now != NONE && n->then == NONE)
			return true;
	}
	return false;
}

static bool is_made(const struct ext4_live *node, bool then)
{
	if (!LINUX_S_ISDIR(node->mode) || goes(node))
		return false;
	return dir_changes(node, then) || (then && node->is_new);
}

/* Writes a directory to free blocks, which become its `made`. */
static int make_dir(struct ext4_update *x, size_t i, bool then, struct err *e)
{
	struct ext4_live *node = &x->node[i];
	u64 n, done = 0;
	AUTO_FREE u8 *blocks = ext4_dir_make(x, i, then, &n);
	struct ext4_body b = { 0 };
	errcode_t err = 0;
	int r = ext4_take_blocks(x, n, false, &b.runs);

	if (r < 0)
		return fail(e, r, "%s: is full: a directory needs %llu bytes, %llu are free", x->window->name,
		            (unsigned long long)n * EXT4_BLOCK, (unsigned long long)ext4_blocks_free(x) * EXT4_BLOCK);
	for (size_t k = 0; k < b.runs.n; k++)
		for (u64 at = 0; at < b.runs.run[k].length && !err; at++, done++)
			err = ext2fs_write_dir_block4(x->fs, b.runs.run[k].block + at, blocks + done * EXT4_BLOCK, 0,
			                              node->number);
	r = err ? ext4_lib_failed(x, err, "directory", e) : ext4_make_map(x, node->number, &b, e);
	node->made = xcalloc(1, sizeof(*node->made));
	*node->made = b;
	node->size = n * EXT4_BLOCK;
	return r;
}

/* What was made is what it has. */
static void take_made(struct ext4_live *node)
{
	node->body = *node->made;
	free(TAKE(node->made));
}

static int make_dirs(struct ext4_update *x, bool then, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->n_nodes && r == 0; i++)
		if (is_made(&x->node[i], then))
			r = make_dir(x, i, then, e);
	return r;
}

static u16 links_of_dir(const struct ext4_update *x, size_t i, bool then)
{
	const struct ext4_live *node = &x->node[i];
	u32 n = 2;

	for (size_t k = 0; k < node->n_names; k++) {
		size_t to = then ? node->name[k].then : node->name[k].now;

		n += node->name[k].then != NONE && to != NONE && LINUX_S_ISDIR(x->node[to].mode);
	}
	return n > LINKS_MAX || (!node->is_new && node->links == 1) ? 1 : (u16)n;
}

/* Lets the inodes of directories lead to what was made; what they had is given back in a later step. */
static int switch_dirs(struct ext4_update *x, bool then, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->n_found && r == 0; i++) {
		struct ext4_live *node = &x->node[i];
		union raw raw;

		if (!is_made(node, then))
			continue;
		r = read_inode(x, i, &raw, e);
		if (r < 0)
			return r;
		set_body(x, i, &raw, node->made, node->size);
		raw.small.i_flags &= ~(u32)EXT2_INDEX_FL;
		raw.small.i_links_count = links_of_dir(x, i, then);
		raw.small.i_mtime = (u32)x->fs->now;
		r = write_inode(x, i, &raw, e);
		*ARRAY_ADD(x->old, x->n_old, x->cap_old) = node->body;
		take_made(node);
	}
	return r;
}

static void give_back_old(struct ext4_update *x)
{
	for (size_t i = 0; i < x->n_old; i++)
		ext4_give_back(x, &x->old[i]);
	x->n_old = 0;
}

/* ---- free */

static int wipe_inode(struct ext4_update *x, size_t i, struct err *e)
{
	struct ext4_live *node = &x->node[i];
	union raw zero = { .bytes = { 0 } };

	drop_xattr(x, i);
	ext4_give_back(x, &node->body);
	ext2fs_inode_alloc_stats2(x->fs, node->number, -1, LINUX_S_ISDIR(node->mode));
	return failed(x, ext2fs_write_inode_full(x->fs, node->number, &zero.small, sizeof(zero)), "inode", e);
}

/* After names were taken away. */
static int mend_links(struct ext4_update *x, size_t i, struct err *e)
{
	const struct ext4_live *node = &x->node[i];
	union raw raw;
	int r;

	if (LINUX_S_ISDIR(node->mode) || node->links == node->names_left)
		return 0;
	r = read_inode(x, i, &raw, e);
	if (r < 0)
		return r;
	raw.small.i_links_count = (u16)node->names_left;
	return write_inode(x, i, &raw, e);
}

/* Counters of blocks with attributes; one that nobody has is given back. Its counter and checksum lie in one sector. */
static int mend_xattrs(struct ext4_update *x, struct err *e)
{
	errcode_t err = 0;

	for (size_t i = 0; i < x->n_xattrs && !err; i++) {
		struct ext4_xattr *a = &x->xattr[i];

		if (a->count == a->owners)
			continue;
		if (a->owners == 0)
			ext2fs_block_alloc_stats_range(x->fs, a->block, 1, -1);
		else
			err = ext2fs_adjust_ea_refcount3(x->fs, a->block, NULL, (int)(a->owners - a->count), NULL, 0);
		a->count = a->owners;
	}
	return failed(x, err, "attributes", e);
}

static int step_free(struct ext4_update *x, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->n_found && r == 0; i++)
		r = goes(&x->node[i]) ? wipe_inode(x, i, e) : mend_links(x, i, e);
	return r < 0 ? r : mend_xattrs(x, e);
}

/* ---- data */

static u64 blocks_wanted(const struct ext4_update *x, size_t i)
{
	const struct volume_file *f = &x->wanted->put.file[i];

	return x->put[i].how < HOW_NEW || f->is_hole ? 0 : div_round_up(f->size, EXT4_BLOCK);
}

static int check_room(const struct ext4_update *x, struct err *e)
{
	u64 need = 0, have = ext4_blocks_free(x);

	for (size_t i = 0; i < x->n_put; i++) {
		u64 n = blocks_wanted(x, i);

		need = n > UINT64_MAX / EXT4_BLOCK - need ? UINT64_MAX / EXT4_BLOCK : need + n;
	}
	if (need <= have)
		return 0;
	return fail(e, -ENOSPC, "%s: has no room for what is new: that needs %llu bytes, and %llu are free",
	            x->window->name, (unsigned long long)need * EXT4_BLOCK, (unsigned long long)have * EXT4_BLOCK);
}

static int place_file(struct ext4_update *x, size_t i, struct err *e)
{
	const struct volume_file *f = &x->wanted->put.file[i];
	struct ext4_put *p = &x->put[i];
	u64 n = blocks_wanted(x, i), have = ext4_blocks_free(x);

	if (p->how < HOW_NEW)
		return 0;
	if (f->size > (u64)EXT4_BLOCK << 32)
		return fail_source(e, -EINVAL, "%s: is larger than a file can be", f->path);
	if (ext4_take_blocks(x, n, f->system_file, &p->body.runs) < 0)
		return fail(e, -ENOSPC, "%s: does not fit%s: has %llu bytes, %llu are left", f->path,
		            n <= have ? " in one piece" : "", (unsigned long long)f->size,
		            (unsigned long long)have * EXT4_BLOCK);
	return ext4_make_map(x, x->node[p->node].number, &p->body, e);
}

static int step_data(struct ext4_update *x, struct err *e)
{
	int r = check_room(x, e);

	for (size_t i = 0; i < x->n_put && r == 0; i++)
		r = place_file(x, i, e);
	if (r == 0)
		r = make_dirs(x, true, e);
	for (size_t i = x->n_found; i < x->n_nodes; i++)
		ext2fs_inode_alloc_stats2(x->fs, x->node[i].number, +1, LINUX_S_ISDIR(x->node[i].mode));
	return r < 0 ? r : ext4_write_maps(x, e);
}

/* ---- chain and fill */

static int write_new_inode(struct ext4_update *x, size_t i, struct err *e)
{
	struct ext4_live *node = &x->node[i];
	bool is_dir = LINUX_S_ISDIR(node->mode);
	union raw raw = { .small = { .i_mode = node->mode, .i_links_count = (u16)node->names_left } };
	struct ext4_body none = { 0 };
	int r = ext4_make_map(x, node->number, &none, e);

	if (r < 0)
		return r;
	raw.small.i_mtime = ext4_clamp_time(node->mtime);
	if (is_dir)
		raw.small.i_links_count = links_of_dir(x, i, true);
	set_body(x, i, &raw, is_dir ? node->made : &none, is_dir ? node->size : 0);
	if (is_dir)
		take_made(node);
	return failed(x, ext2fs_write_new_inode(x->fs, node->number, &raw.small), "inode", e);
}

static int fill_file(struct ext4_update *x, size_t i, struct err *e)
{
	const struct volume_file *f = &x->wanted->put.file[i];
	struct ext4_put *p = &x->put[i];
	union raw raw;
	int r = read_inode(x, p->node, &raw, e);

	if (r < 0)
		return r;
	set_body(x, p->node, &raw, &p->body, f->size);
	raw.small.i_mode = (u16)(LINUX_S_IFREG | (f->mode & 07777));
	raw.small.i_flags &= ~(u32)EXT2_IMMUTABLE_FL;
	raw.small.i_flags |= f->system_file ? EXT2_IMMUTABLE_FL : 0;
	raw.small.i_mtime = ext4_clamp_time(f->mtime);
	raw.large.i_mtime_extra = 0;
	return write_inode(x, p->node, &raw, e);
}

static int step_chain(struct ext4_update *x, struct err *e)
{
	u64 before = ext4_blocks_free(x);
	int r = 0;

	for (size_t i = x->n_found; i < x->n_nodes && r == 0; i++)
		r = write_new_inode(x, i, e);
	for (size_t i = 0; i < x->n_put && r == 0; i++) {
		const struct volume_file *f = &x->wanted->put.file[i];

		if (x->put[i].node >= x->n_found && f->selinux && !f->same_as)
			r = failed(x,
			           ext4_set_selinux(&(struct ext4_space){ .fs = x->fs }, x->node[x->put[i].node].number,
			                            f->selinux),
			           f->path, e);
	}
	/* It would have to be marked as used in a phase that is over. */
	if (r == 0 && ext4_blocks_free(x) != before)
		r = fail(e, -EINVAL, "%s: a security context is too long", x->window->name);
	return r;
}

static int step_fill(struct ext4_update *x, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->n_put && r == 0; i++)
		if (x->put[i].how == HOW_NEW || x->put[i].how == HOW_REPLACE)
			r = fill_file(x, i, e);
	return r;
}

/* ---- all of it */

static const char *const phase_names[] = { "empty", "shrink", "unlink", "free",   "data",
	                                   "chain", "enter",  "fill",   "release" };

/* What the step before changed is what its phase writes. */
static void end_step(struct ext4_update *x, unsigned phase)
{
	static_assert(ARRAY_SIZE(phase_names) == N_PHASES, "a name for each phase");
	x->phase[phase].name = phase_names[phase];
	device_overlay_changes(x->overlay, add_change, &x->phase[phase]);
}

/* The old system out of the way: what goes, and all that an interrupted update left. */
static int take_away(struct ext4_update *x, struct err *e)
{
	int r = step_empty(x, e);
	bool shrinks = false;

	end_step(x, PHASE_EMPTY);
	for (size_t i = 0; i < x->n_found; i++)
		shrinks |= is_made(&x->node[i], false);
	if (r == 0)
		r = make_dirs(x, false, e);
	if (r == 0 && shrinks)
		r = ext4_write_maps(x, e);
	end_step(x, PHASE_SHRINK);
	if (r == 0)
		r = switch_dirs(x, false, e);
	end_step(x, PHASE_UNLINK);
	give_back_old(x);
	if (r == 0)
		r = step_free(x, e);
	end_step(x, PHASE_FREE);
	return r;
}

static int bring_in(struct ext4_update *x, struct err *e)
{
	int r = step_data(x, e);

	end_step(x, PHASE_DATA);
	if (r == 0)
		r = step_chain(x, e);
	end_step(x, PHASE_CHAIN);
	if (r == 0)
		r = switch_dirs(x, true, e);
	end_step(x, PHASE_ENTER);
	if (r == 0)
		r = step_fill(x, e);
	end_step(x, PHASE_FILL);
	for (size_t i = 0; i < x->n_put; i++)
		if (x->put[i].how == HOW_REPLACE)
			ext4_give_back(x, &x->node[x->put[i].node].body);
	give_back_old(x);
	if (r == 0)
		r = ext4_write_maps(x, e);
	end_step(x, PHASE_RELEASE);
	return r;
}

int ext4_carry_out(struct ext4_update *x, struct err *e)
{
	int r = take_away(x, e);

	return r < 0 ? r : bring_in(x, e);
}
