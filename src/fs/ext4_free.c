/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What no file has: by the bitmap of blocks. */
#include <errno.h>

#include "src/fs/ext4_inode.h"
#include "src/fs/ext4_read.h"

static int tell_free(struct ext4_volume *v, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e)
{
	ext2_filsys fs = ext4_volume_fs(v);
	u64 end = ext2fs_blocks_count(fs->super), at = fs->super->s_first_data_block;
	int r = 0;

	while (r == 0 && at < end) {
		blk64_t first, used = end;
		errcode_t err = ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end - 1, &first);

		if (err == ENOENT)
			break;
		if (!err &&
		    (err = ext2fs_find_first_set_block_bitmap2(fs->block_map, first, end - 1, &used)) == ENOENT) {
			used = end;
			err = 0;
		}
		if (err)
			return ext4_not_read(ext4_volume_device(v), "bitmap of blocks", err, e);
		r = fn(ctx, first * fs->blocksize, (used - first) * fs->blocksize);
		at = used;
	}
	return r;
}

int ext4_each_free(struct ext4_volume *v, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e)
{
	ext2_filsys fs = ext4_volume_fs(v);
	const struct device *d = ext4_volume_device(v);
	errcode_t err;

	if (ext4_get_facts(v)->was_not_clean)
		return fail(e, -EBUSY, "%s: was not unmounted, so what is free in it is not known", d->name);
	err = fs->block_map ? 0 : ext2fs_read_block_bitmap(fs);
	return err ? ext4_not_read(d, "bitmap of blocks", err, e) : tell_free(v, fn, ctx, e);
}
