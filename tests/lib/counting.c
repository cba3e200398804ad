/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/counting.h"

static int counting_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct counting *c = (struct counting *)d;

	c->bytes_read += len;
	return c->under->ops->read(c->under, off, buf, len);
}

static int counting_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct device *under = ((struct counting *)d)->under;

	return under->ops->write(under, off, buf, len);
}

void counting_init(struct counting *ret, struct device *under)
{
	static const struct device_ops ops = { .read = counting_read, .write = counting_write };

	*ret = (struct counting){ .under = under };
	ret->d.ops = &ops;
	ret->d.name = under->name;
	ret->d.size = under->size;
	ret->d.sector_size = under->sector_size;
	ret->d.fd = -1;
}
