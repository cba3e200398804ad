/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/device_test.h"

#include <errno.h>

struct recorder {
	struct device d;
	struct device *under;
	bool keep_data;
	struct record *records;
	size_t n, cap;
};

struct failing {
	struct device d;
	struct device *under;
	struct fault fault;
	u64 writes, flushes;
	bool dead;
};

static struct device like(const struct device *under, const struct device_ops *ops)
{
	return (struct device){
		.ops = ops,
		.name = xstrdup(under->name),
		.size = under->size,
		.sector_size = under->sector_size,
		.is_block = under->is_block,
		.fd = under->fd,
	};
}

static int flush_under(struct device *under)
{
	return under->ops->flush ? under->ops->flush(under) : 0;
}

static int recorder_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct device *under = ((struct recorder *)d)->under;

	return under->ops->read(under, off, buf, len);
}

static int recorder_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct recorder *c = (struct recorder *)d;
	int r = c->under->ops->write(c->under, off, buf, len);
	struct record *record;

	if (r < 0)
		return r;
	record = ARRAY_ADD(c->records, c->n, c->cap);
	record->off = off;
	record->len = len;
	if (c->keep_data)
		record->data = memcpy(xcalloc(len, 1), buf, len);
	return 0;
}

static int recorder_flush(struct device *d)
{
	struct recorder *c = (struct recorder *)d;
	int r = flush_under(c->under);

	if (r == 0)
		ARRAY_ADD(c->records, c->n, c->cap)->is_flush = true;
	return r;
}

static int recorder_discard(struct device *d, u64 off, u64 len)
{
	struct recorder *c = (struct recorder *)d;
	int r = device_discard(c->under, off, len);

	if (r == 0)
		*ARRAY_ADD(c->records, c->n, c->cap) = (struct record){ .is_discard = true, .off = off, .len = len };
	return r;
}

void device_records_clear(struct device *recorder)
{
	struct recorder *c = (struct recorder *)recorder;

	for (size_t i = 0; i < c->n; i++)
		free(c->records[i].data);
	c->n = 0;
}

static void recorder_free(struct device *d)
{
	device_records_clear(d);
	free(((struct recorder *)d)->records);
}

static const struct device_ops recorder_ops = {
	.read = recorder_read,
	.write = recorder_write,
	.flush = recorder_flush,
	.discard = recorder_discard,
	.free = recorder_free,
};

struct device *device_new_recorder(struct device *under, bool keep_data)
{
	struct recorder *c = xcalloc(1, sizeof(*c));

	c->d = like(under, &recorder_ops);
	c->under = under;
	c->keep_data = keep_data;
	return &c->d;
}

const struct record *device_records(const struct device *recorder, size_t *ret_n)
{
	const struct recorder *c = (const struct recorder *)recorder;

	*ret_n = c->n;
	return c->records;
}

static int failing_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct failing *f = (struct failing *)d;

	return f->dead ? -ENODEV : f->under->ops->read(f->under, off, buf, len);
}

static int failing_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct failing *f = (struct failing *)d;
	int r = 0;

	if (f->dead)
		return -ENODEV;
	if (++f->writes != f->fault.at_write)
		return f->under->ops->write(f->under, off, buf, len);
	f->dead = f->fault.dies;
	if (f->fault.torn > 0)
		r = f->under->ops->write(f->under, off, buf, MIN(len, f->fault.torn));
	return r < 0 ? r : -f->fault.error;
}

static int failing_flush(struct device *d)
{
	struct failing *f = (struct failing *)d;

	if (f->dead)
		return -ENODEV;
	if (++f->flushes != f->fault.at_flush)
		return flush_under(f->under);
	f->dead = f->fault.dies;
	return -f->fault.error;
}

static const struct device_ops failing_ops = {
	.read = failing_read,
	.write = failing_write,
	.flush = failing_flush,
};

struct device *device_new_failing(struct device *under, struct fault fault)
{
	struct failing *f = xcalloc(1, sizeof(*f));

	f->d = like(under, &failing_ops);
	f->under = under;
	f->fault = fault;
	return &f->d;
}
