/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "src/media/device.h"

struct input_device {
	struct device d;
	struct input in;
};

static int input_device_read(struct device *d, u64 off, void *buf, size_t len)
{
	AUTO_ERR struct err e = { 0 };

	return input_read(&((struct input_device *)d)->in, off, buf, len, &e);
}

static int input_device_write(struct device *d, u64 off, const void *buf, size_t len)
{
	(void)d;
	(void)off;
	(void)buf;
	(void)len;
	return -EROFS;
}

static const struct device_ops input_ops = {
	.read = input_device_read,
	.write = input_device_write,
};

struct device *device_new_input(const char *name, struct input in, u64 size)
{
	struct input_device *i = xcalloc(1, sizeof(*i));

	i->d = (struct device){
		.ops = &input_ops,
		.name = xstrdup(name),
		.size = size,
		.sector_size = 512,
		.fd = -1,
	};
	i->in = in;
	return &i->d;
}
