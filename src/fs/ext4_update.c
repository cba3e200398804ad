/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_update_private.h"

#include <errno.h>

/* ---- opening and closing */

static void close_update(struct updater *u)
{
	struct ext4_update *x = (struct ext4_update *)u;

	for (size_t i = 0; i < x->n_nodes; i++) {
		ext4_body_free(&x->node[i].body);
		if (x->node[i].made)
			ext4_body_free(x->node[i].made);
		free(x->node[i].made);
		free(x->node[i].name);
	}
	for (size_t i = 0; i < x->n_put; i++)
		ext4_body_free(&x->put[i].body);
	for (size_t i = 0; i < x->n_old; i++)
		ext4_body_free(&x->old[i]);
	for (size_t i = 0; i < N_PHASES; i++) {
		for (size_t k = 0; k < x->phase[i].n; k++)
			free(x->phase[i].piece[k].data);
		free(x->phase[i].piece);
	}
	free(x->old);
	free(x->put);
	free(x->node);
	free(x->xattr);
	free(x->group_flags);
	buf_free(&x->text);
	if (x->fs)
		ext2fs_free(x->fs);
	device_free(x->overlay);
	device_free(x->window);
	free(x);
}

static int find(struct updater *u, const char *path, struct update_entry *ret, struct err *e)
{
	struct ext4_update *x = (struct ext4_update *)u;
	const struct ext4_live *node;
	size_t index;
	u64 block;
	int r = ext4_find_path(x, path, &index, e);

	if (r < 0)
		return r;
	node = &x->node[index];
	*ret = (struct update_entry){ .is_dir = LINUX_S_ISDIR(node->mode) };
	if (!LINUX_S_ISREG(node->mode))
		return 0;
	ret->size = node->size;
	block = node->is_whole && node->size ? ext4_body_place(&node->body) : 0;
	ret->off = block ? x->start + block * EXT4_BLOCK : 0;
	return 0;
}

/* ---- planning */

static void set_places(struct ext4_update *x)
{
	struct volume_files *put = &x->wanted->put;

	for (size_t i = 0; i < put->n; i++) {
		const struct ext4_put *p = &x->put[i];
		u64 block = 0;

		if (p->how == HOW_PLACE)
			block = ext4_body_place(&x->node[p->node].body);
		else if (p->how != HOW_KEEP)
			block = ext4_body_place(&p->body);
		put->file[i].device_off = block ? x->start + block * EXT4_BLOCK : 0;
		if (put->file[i].same_as)
			put->file[i].device_off = put->file[put->file[i].same_as - 1].device_off;
	}
}

static void set_numbers(struct ext4_update *x)
{
	struct update_numbers *n = &x->u.numbers;

	n->free_after = ext4_blocks_free(x) * EXT4_BLOCK;
	for (size_t i = 0; i < x->n_put; i++)
		if (x->put[i].how == HOW_PLACE)
			n->in_place += align_up(x->wanted->put.file[i].size, EXT4_BLOCK);
}

static int plan(struct updater *u, struct volume_update *wanted, struct err *e)
{
	struct ext4_update *x = (struct ext4_update *)u;
	int r;

	x->wanted = wanted;
	r = ext4_want(x, e);
	if (r == 0)
		r = ext4_carry_out(x, e);
	if (r < 0)
		return r;
	set_places(x);
	set_numbers(x);
	return 0;
}

/* ---- the phases */

/* The contents of one file; behind its end, zeros up to the end of the block. */
static void add_content(const struct ext4_update *x, size_t i, struct writelist *w)
{
	const struct volume_file *f = &x->wanted->put.file[i];
	const struct ext4_put *p = &x->put[i];
	const struct ext4_runs *runs = p->how == HOW_PLACE ? &x->node[p->node].body.runs : &p->body.runs;

	if (p->how == HOW_KEEP)
		return;
	writelist_compare(w, p->how == HOW_PLACE);
	for (size_t k = 0; k < runs->n; k++) {
		const struct ext4_run *run = &runs->run[k];
		u64 off = x->start + run->block * EXT4_BLOCK, in_file = run->in_file * EXT4_BLOCK, len, content;

		if (in_file >= f->size)
			break;
		len = MIN(run->length * EXT4_BLOCK, align_up(f->size, EXT4_BLOCK) - in_file);
		content = MIN(len, f->size - in_file);
		writelist_add_input_at(w, off, content, f->input, in_file, f->hash);
		writelist_add_zero(w, off + content, len - content);
	}
}

static int emit(struct updater *u, struct err *e)
{
	struct ext4_update *x = (struct ext4_update *)u;
	int r = 0;

	for (size_t i = 0; i < N_PHASES && r == 0; i++) {
		struct writelist *w = writelist_new();

		for (size_t k = 0; k < x->phase[i].n; k++)
			writelist_add_memory(w, x->start + x->phase[i].piece[k].off, x->phase[i].piece[k].data,
			                     x->phase[i].piece[k].len);
		for (size_t k = 0; i == PHASE_DATA && k < x->n_put; k++)
			add_content(x, k, w);
		r = update_add_phase(u, x->phase[i].name, w, e);
	}
	return r;
}

static const struct updater_ops ops = {
	.find = find,
	.plan = plan,
	.emit = emit,
	.close = close_update,
};

/* Of what an interrupted update left without a name. */
static u64 lost_blocks(const struct ext4_update *x)
{
	u64 n = 0;

	for (size_t i = 0; i < x->n_found; i++)
		n += x->node[i].is_reached ? 0 : ext4_body_blocks(&x->node[i].body);
	return n;
}

int ext4_update_open(struct device *d, u64 start, u64 size, struct updater **ret, struct err *e)
{
	struct ext4_update *x = xcalloc(1, sizeof(*x));
	int r;

	x->u.ops = &ops;
	x->u.kind = "ext4";
	x->start = start;
	x->window = device_new_window(d, d->name, start, size);
	x->overlay = device_new_overlay(x->window);
	r = ext4_scan(x, e);
	if (r == 0)
		r = ext4_read_dirs(x, e);
	if (r == 0)
		r = ext4_check_maps(x, e);
	if (r < 0) {
		update_close(&x->u);
		return r;
	}
	x->u.numbers.free_before = (ext4_blocks_free(x) + lost_blocks(x)) * EXT4_BLOCK;
	*ret = &x->u;
	return 0;
}
