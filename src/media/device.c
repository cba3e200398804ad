/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/device.h"

#include <errno.h>

static int check_range(const struct device *d, u64 off, size_t len, struct err *e)
{
	if (off <= d->size && len <= d->size - off)
		return 0;
	return fail(e, -ERANGE, "%s: %zu bytes at byte %llu lie outside its %llu bytes", d->name, len,
	            (unsigned long long)off, (unsigned long long)d->size);
}

/* Of a partition too it is the byte of the whole stick that helps. */
static int fail_at(const struct device *d, u64 off, int r, const char *what, struct err *e)
{
	for (; d->part_of; d = d->part_of)
		off += d->part_off;
	return fail(e, r, "%s: %s at byte %llu: %s", d->name, what, (unsigned long long)off, strerror(-r));
}

int device_read(struct device *d, u64 off, void *buf, size_t len, struct err *e)
{
	int r = check_range(d, off, len, e);

	if (r < 0)
		return r;
	r = d->ops->read(d, off, buf, len);
	return r < 0 ? fail_at(d, off, r, "read", e) : 0;
}

int device_write(struct device *d, u64 off, const void *buf, size_t len, struct err *e)
{
	int r = check_range(d, off, len, e);

	if (r < 0)
		return r;
	r = d->ops->write(d, off, buf, len);
	return r < 0 ? fail_at(d, off, r, "write", e) : 0;
}

int device_flush(struct device *d, struct err *e)
{
	int r = d->ops->flush ? d->ops->flush(d) : 0;

	return r < 0 ? fail(e, r, "%s: flush: %s", d->name, strerror(-r)) : 0;
}

bool device_has_holes(const struct device *d)
{
	return d->ops->make_hole != NULL && !d->is_block;
}

bool device_make_hole(struct device *d, u64 off, u64 len)
{
	return device_has_holes(d) && off <= d->size && len <= d->size - off && d->ops->make_hole(d, off, len);
}

int device_discard(struct device *d, u64 off, u64 len)
{
	if (!d->is_block || !d->ops->discard)
		return -EOPNOTSUPP;
	return off <= d->size && len <= d->size - off ? d->ops->discard(d, off, len) : -ERANGE;
}

u32 device_share_grain(const struct device *d)
{
	return d->ops->share_grain && !d->is_block ? d->ops->share_grain(d) : 0;
}

int device_share(struct device *d, u64 off, int fd, u64 fd_off, u64 len)
{
	if (device_share_grain(d) == 0)
		return -EOPNOTSUPP;
	return off <= d->size && len <= d->size - off ? d->ops->share(d, off, fd, fd_off, len) : -ERANGE;
}

struct input device_own_input(struct device *d)
{
	return (struct input){ .read = d->ops->read_own, .place = d->ops->place_own, .ctx = d };
}

void device_free(struct device *d)
{
	if (!d)
		return;
	if (d->ops->free)
		d->ops->free(d);
	free(d->name);
	free(d);
}
