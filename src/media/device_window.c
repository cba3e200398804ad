/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "src/media/device.h"

struct window {
	struct device d;
	struct device *under;
	u64 off;
};

/*
 * The place in the device below. The window's own range has been checked by device.c; whether the window itself lies
 * inside the device below is asked here, because where a partition is comes from a table that may be anything.
 */
static int under_offset(const struct window *w, u64 off, size_t len, u64 *ret_off)
{
	const u64 size = w->under->size;

	if (w->off > size || off > size - w->off || len > size - w->off - off)
		return -ERANGE;
	*ret_off = w->off + off;
	return 0;
}

static int window_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct window *w = (struct window *)d;
	int r = under_offset(w, off, len, &off);

	return r < 0 ? r : w->under->ops->read(w->under, off, buf, len);
}

static int window_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct window *w = (struct window *)d;
	int r = under_offset(w, off, len, &off);

	return r < 0 ? r : w->under->ops->write(w->under, off, buf, len);
}

static int window_flush(struct device *d)
{
	struct device *under = ((struct window *)d)->under;

	return under->ops->flush ? under->ops->flush(under) : 0;
}

static const struct device_ops window_ops = {
	.read = window_read,
	.write = window_write,
	.flush = window_flush,
};

struct device *device_new_window(struct device *under, const char *name, u64 off, u64 size)
{
	struct window *w = xcalloc(1, sizeof(*w));

	w->d = (struct device){
		.ops = &window_ops,
		.name = xstrdup(name),
		.size = size,
		.sector_size = under->sector_size,
		.is_block = under->is_block,
		.part_of = under,
		.part_off = off,
		.fd = -1,
	};
	w->under = under;
	w->off = off;
	return &w->d;
}
