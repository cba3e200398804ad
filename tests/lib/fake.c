/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/fake.h"

#include <errno.h>

#define SECTOR 512
#define NONE   UINT32_MAX

/* A sector in the cache; they leave in the order in which they came. */
struct cached {
	u64 at;   /* sector number as it was claimed */
	u32 next; /* in its bucket */
	bool used;
	u8 data[SECTOR];
};

struct fake_device {
	struct device d;
	struct device *under;
	struct fake fake;
	struct cached *cached;
	u32 *bucket;
	u32 n, oldest;
};

static u32 *bucket_of(struct fake_device *f, u64 at)
{
	return &f->bucket[at * 0x9e3779b97f4a7c15ULL % f->n];
}

static struct cached *find(struct fake_device *f, u64 at)
{
	u32 i = f->n ? *bucket_of(f, at) : NONE;

	while (i != NONE && f->cached[i].at != at)
		i = f->cached[i].next;
	return i == NONE ? NULL : &f->cached[i];
}

static bool is_there(const struct fake_device *f, u64 off)
{
	if (f->fake.kind == FAKE_HOLE)
		return off < f->fake.real || off >= f->fake.real + f->fake.hole;
	return f->fake.kind == FAKE_HONEST || off < f->fake.real;
}

/* Where the sector is in the flash; false: nowhere. */
static bool place(const struct fake_device *f, u64 off, u64 *ret)
{
	*ret = off;
	if (is_there(f, off))
		return true;
	if (f->fake.kind == FAKE_WRAPS)
		*ret = off % f->fake.real;
	else if (f->fake.kind == FAKE_LAST)
		*ret = f->fake.real - SECTOR;
	return f->fake.kind == FAKE_WRAPS || f->fake.kind == FAKE_LAST;
}

static int to_flash(struct fake_device *f, u64 off, const u8 *data)
{
	u64 at;

	return place(f, off, &at) ? f->under->ops->write(f->under, at, data, SECTOR) : 0;
}

static void unlink_cached(struct fake_device *f, struct cached *c)
{
	u32 *link = bucket_of(f, c->at), i = (u32)(c - f->cached);

	while (*link != i)
		link = &f->cached[*link].next;
	*link = c->next;
	c->used = false;
}

static int write_sector(struct fake_device *f, u64 off, const u8 *data)
{
	struct cached *c = find(f, off / SECTOR);
	int r = 0;

	if (!f->n)
		return to_flash(f, off, data);
	if (!c) {
		c = &f->cached[f->oldest];
		f->oldest = (f->oldest + 1) % f->n;
		if (c->used) {
			r = to_flash(f, c->at * SECTOR, c->data);
			unlink_cached(f, c);
		}
		c->at = off / SECTOR;
		c->used = true;
		c->next = *bucket_of(f, c->at);
		*bucket_of(f, c->at) = (u32)(c - f->cached);
	}
	memcpy(c->data, data, SECTOR);
	return r;
}

static void fill(const struct fake_device *f, u8 *data)
{
	static u64 noise = 88172645463325252ULL;

	for (size_t i = 0; i < SECTOR; i++) {
		noise ^= noise << 13;
		noise ^= noise >> 7;
		noise ^= noise << 17;
		data[i] = f->fake.fill == FILL_ZEROS ? 0 : f->fake.fill == FILL_ONES ? 0xff : (u8)noise;
	}
}

static int read_sector(struct fake_device *f, u64 off, u8 *data)
{
	struct cached *c = find(f, off / SECTOR);
	u64 at;

	if (c)
		memcpy(data, c->data, SECTOR);
	else if (place(f, off, &at))
		return f->under->ops->read(f->under, at, data, SECTOR);
	else
		fill(f, data);
	return 0;
}

static bool fails(const struct fake_device *f, u64 off, size_t len)
{
	return f->fake.kind == FAKE_FAILS && off + len > f->fake.real;
}

static int fake_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct fake_device *f = (struct fake_device *)d;
	size_t before = off % SECTOR;
	u8 sector[SECTOR], *to = buf;
	int r = fails(f, off, len) ? -EIO : 0;

	while (r == 0 && len > 0) {
		size_t n = MIN(len, SECTOR - before);

		r = read_sector(f, off - before, sector);
		memcpy(to, sector + before, n);
		off += n;
		to += n;
		len -= n;
		before = 0;
	}
	return r;
}

static int fake_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct fake_device *f = (struct fake_device *)d;
	int r = fails(f, off, len) || (off | len) % SECTOR ? -EIO : 0;

	for (size_t i = 0; r == 0 && i < len; i += SECTOR)
		r = write_sector(f, off + i, (const u8 *)buf + i);
	return r;
}

static int fake_flush(struct device *d)
{
	struct device *under = ((struct fake_device *)d)->under;

	return under->ops->flush ? under->ops->flush(under) : 0;
}

void device_fake_replug(struct device *d)
{
	struct fake_device *f = (struct fake_device *)d;

	for (u32 i = 0; i < f->n; i++) {
		struct cached *c = &f->cached[(f->oldest + i) % f->n];

		if (c->used && to_flash(f, c->at * SECTOR, c->data) == 0)
			unlink_cached(f, c);
	}
}

static void fake_free(struct device *d)
{
	struct fake_device *f = (struct fake_device *)d;

	free(f->cached);
	free(f->bucket);
}

static const struct device_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.free = fake_free,
};

struct device *device_new_fake(struct device *under, struct fake fake)
{
	struct fake_device *f = xcalloc(1, sizeof(*f));

	f->d = (struct device){
		.ops = &fake_ops,
		.name = xstrdup(under->name),
		.size = under->size,
		.sector_size = under->sector_size,
		.is_block = under->is_block,
		.fd = under->fd,
	};
	f->under = under;
	f->fake = fake;
	f->n = (u32)(fake.cache / SECTOR);
	f->cached = xcalloc(f->n, sizeof(*f->cached));
	f->bucket = xcalloc(f->n, sizeof(*f->bucket));
	for (u32 i = 0; i < f->n; i++)
		f->bucket[i] = NONE;
	return &f->d;
}
