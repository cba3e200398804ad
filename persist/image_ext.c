/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ext2, ext3 and ext4 images, by src/fs/ext4_read.h. */
#include <errno.h>
#include <sys/stat.h>

#include "persist/image_private.h"
#include "src/base/progress.h"
#include "src/fs/ext4_read.h"

struct ext_image {
	struct image image;
	struct device *device;
	struct ext4_volume *volume;
};

static struct ext4_volume *volume_of(struct image *im)
{
	return ((struct ext_image *)im)->volume;
}

static int ext_stat(struct image *im, u64 place, const char *where, struct image_node *ret, struct err *e)
{
	struct ext4_thing t;
	int r = interrupted ? fail(e, -EINTR, "interrupted") : ext4_look(volume_of(im), (u32)place, where, &t, e);

	if (r < 0)
		return r;
	*ret = (struct image_node){
		.mode = t.mode,
		.size = t.size,
		.mtime = t.mtime,
		.hides = S_ISCHR(t.mode) && t.device == 0,
	};
	return 0;
}

struct names {
	image_name_fn *fn;
	void *ctx;
	struct err *e;
};

static int tell_name(void *ctx, const char *name, size_t len, u32 inode)
{
	const struct names *n = ctx;

	return n->fn(n->ctx, name, len, inode, n->e);
}

static int ext_names(struct image *im, u64 dir, const char *where, image_name_fn *fn, void *ctx, struct err *e)
{
	struct names n = { fn, ctx, e };

	return ext4_names(volume_of(im), (u32)dir, where, tell_name, &n, e);
}

static int ext_target(struct image *im, u64 link, const char *where, char **ret, size_t *ret_len, struct err *e)
{
	return ext4_target(volume_of(im), (u32)link, where, ret, ret_len, e);
}

static int ext_read(struct image *im, u64 file, const char *where, void *buf, u64 size, struct err *e)
{
	const struct ext4_entry entry = { .path = where, .size = size, .inode = (u32)file };

	return ext4_read_file(volume_of(im), &entry, 0, buf, size, e);
}

static void ext_close(struct image *im)
{
	struct ext_image *x = (struct ext_image *)im;

	ext4_close(x->volume);
	device_free(x->device);
	free(x);
}

static const struct image_ops ext_ops = {
	.stat = ext_stat,
	.names = ext_names,
	.target = ext_target,
	.read = ext_read,
	.close = ext_close,
};

int image_open_ext(struct input in, u64 size, const char *name, struct image **ret, struct err *e)
{
	struct ext_image *x = xcalloc(1, sizeof(*x));
	int r;

	x->image = (struct image){ .ops = &ext_ops, .name = xstrdup(name), .root = EXT4_ROOT_INODE };
	x->device = device_new_input(name, in, size);
	r = ext4_open(x->device, &x->volume, e);
	if (r < 0) {
		image_close(&x->image);
		return r;
	}
	*ret = &x->image;
	return 0;
}
