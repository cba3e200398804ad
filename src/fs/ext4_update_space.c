/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_update_private.h"

#include <errno.h>

u64 ext4_blocks_free(const struct ext4_update *x)
{
	return ext2fs_free_blocks_count(x->fs->super);
}

/* The free run that begins at or behind block `at`; false: there is none. */
static bool free_run(const struct ext4_update *x, u64 at, struct ext4_run *ret)
{
	u64 end = ext2fs_blocks_count(x->fs->super) - 1;
	blk64_t first, used;

	if (at > end || ext2fs_find_first_zero_block_bitmap2(x->fs->block_map, at, end, &first) != 0)
		return false;
	if (ext2fs_find_first_set_block_bitmap2(x->fs->block_map, first, end, &used) != 0)
		used = end + 1;
	*ret = (struct ext4_run){ .block = first, .length = used - first };
	return true;
}

/* The first from block `from` to `to` that has `n` blocks. */
static bool whole_run(const struct ext4_update *x, u64 from, u64 to, u64 n, struct ext4_run *ret)
{
	for (u64 at = from; at < to && free_run(x, at, ret); at = ret->block + ret->length)
		if (ret->length >= n) {
			ret->length = n;
			return true;
		}
	return false;
}

static int by_length(const void *a, const void *b)
{
	u64 x = ((const struct ext4_run *)a)->length, y = ((const struct ext4_run *)b)->length;

	return (x < y) - (x > y);
}

static int by_block(const void *a, const void *b)
{
	u64 x = ((const struct ext4_run *)a)->block, y = ((const struct ext4_run *)b)->block;

	return (x > y) - (x < y);
}

/* The longest ones that together have `n` blocks, in the order in which they lie. */
static int scattered_runs(const struct ext4_update *x, u64 n, struct ext4_runs *ret)
{
	struct ext4_run run;

	for (u64 at = 0; free_run(x, at, &run); at = run.block + run.length)
		*ARRAY_ADD(ret->run, ret->n, ret->cap) = run;
	if (ret->n)
		qsort(ret->run, ret->n, sizeof(*ret->run), by_length);
	for (size_t i = 0; i < ret->n && n > 0; i++) {
		ret->run[i].length = MIN(ret->run[i].length, n);
		n -= ret->run[i].length;
		if (n == 0)
			ret->n = i + 1;
	}
	if (n > 0)
		return -ENOSPC;
	qsort(ret->run, ret->n, sizeof(*ret->run), by_block);
	return 0;
}

/* New files shall lie behind each other: the search goes on where the last one ended. */
int ext4_take_blocks(struct ext4_update *x, u64 n, bool in_one, struct ext4_runs *ret)
{
	struct ext4_run run;
	u64 in_file = 0;
	int r = 0;

	if (n == 0)
		return 0;
	if (whole_run(x, x->next, UINT64_MAX, n, &run) || whole_run(x, 0, x->next, n, &run)) {
		*ARRAY_ADD(ret->run, ret->n, ret->cap) = run;
		x->next = run.block + n;
	} else {
		r = in_one ? -ENOSPC : scattered_runs(x, n, ret);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < ret->n; i++) {
		struct ext4_run *p = &ret->run[i];

		p->in_file = in_file;
		in_file += p->length;
		ext2fs_block_alloc_stats_range(x->fs, p->block, (blk_t)p->length, +1);
	}
	return 0;
}

static void give_back_runs(struct ext4_update *x, const struct ext4_runs *runs)
{
	for (size_t i = 0; i < runs->n; i++)
		ext2fs_block_alloc_stats_range(x->fs, runs->run[i].block, (blk_t)runs->run[i].length, -1);
}

void ext4_give_back(struct ext4_update *x, struct ext4_body *b)
{
	give_back_runs(x, &b->runs);
	give_back_runs(x, &b->map);
	ext4_body_free(b);
	x->next = 0;
}

int ext4_make_map(struct ext4_update *x, u32 inode, struct ext4_body *b, struct err *e)
{
	struct ext4_space s = { .fs = x->fs, .left = ext4_blocks_free(x) };
	struct ext2_inode raw = { 0 };
	errcode_t err = ext4_write_map(&s, inode, &raw, b->runs.run, b->runs.n, &b->map);

	if (err == EXT2_ET_BLOCK_ALLOC_FAIL)
		return fail(e, -ENOSPC, "%s: is full: there is no block left for the map of a file in many pieces",
		            x->window->name);
	memcpy(b->root, raw.i_block, sizeof(b->root));
	return err ? ext4_lib_failed(x, err, "extents", e) : 0;
}
