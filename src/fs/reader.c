/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/reader.h"

#include <errno.h>

#include "src/fs/ext4_read.h"
#include "src/fs/fat_read.h"

/* Who listens to a listing. */
struct listener {
	int (*fn)(void *ctx, const struct reader_entry *entry);
	void *ctx;
};

/* ---- FAT */

struct fat_reader {
	struct reader r;
	struct fat_volume *v;
};

static int tell_fat_entry(void *ctx, const struct fat_entry *entry)
{
	const struct listener *to = ctx;
	const struct reader_entry told = {
		.path = entry->path,
		.size = entry->size,
		.is_dir = entry->is_dir,
		.is_file = !entry->is_dir,
		.mode = entry->is_dir ? 0755 : 0644,
		.place = entry->first_cluster,
	};

	return to->fn(to->ctx, &told);
}

static int fat_reader_each(struct reader *r, int (*fn)(void *ctx, const struct reader_entry *entry), void *ctx,
                           struct err *e)
{
	struct listener to = { fn, ctx };

	return fat_each(((struct fat_reader *)r)->v, tell_fat_entry, &to, e);
}

static int fat_reader_read(struct reader *r, const struct reader_entry *entry, u64 off, void *buf, size_t len,
                           struct err *e)
{
	const struct fat_entry same = { .path = entry->path, .size = entry->size, .first_cluster = entry->place };

	return fat_read_file(((struct fat_reader *)r)->v, &same, off, buf, len, e);
}

static int fat_reader_load(struct reader *r, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	return fat_load(((struct fat_reader *)r)->v, path, max, ret, ret_len, e);
}

static int fat_reader_where(struct reader *r, const struct reader_entry *entry, u64 off, u64 *ret_off, u64 *ret_len,
                            struct err *e)
{
	const struct fat_entry same = { .path = entry->path, .size = entry->size, .first_cluster = entry->place };

	return fat_where(((struct fat_reader *)r)->v, &same, off, ret_off, ret_len, e);
}

static int fat_reader_each_free(struct reader *r, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e)
{
	return fat_each_free(((struct fat_reader *)r)->v, fn, ctx, e);
}

static void fat_reader_close(struct reader *r)
{
	fat_close(((struct fat_reader *)r)->v);
	free(r);
}

static const struct reader_ops fat_reader_ops = {
	.each = fat_reader_each,
	.read = fat_reader_read,
	.load = fat_reader_load,
	.where = fat_reader_where,
	.each_free = fat_reader_each_free,
	.close = fat_reader_close,
};

static int open_fat(struct device *d, struct reader **ret, struct err *e)
{
	struct fat_volume *v;
	struct fat_reader *f;
	int r = fat_open(d, &v, e);

	if (r < 0)
		return r;
	f = xcalloc(1, sizeof(*f));
	f->r = (struct reader){ .ops = &fat_reader_ops, .kind = "FAT" };
	f->v = v;
	*ret = &f->r;
	return 0;
}

/* ---- ext */

struct ext_reader {
	struct reader r;
	struct ext4_volume *v;
};

static int tell_ext_entry(void *ctx, const struct ext4_entry *entry)
{
	const struct listener *to = ctx;
	const struct reader_entry told = {
		.path = entry->path,
		.target = entry->target,
		.size = entry->size,
		.is_dir = entry->is_dir,
		.is_file = entry->is_file,
		.mode = entry->mode,
		.place = entry->inode,
	};

	return to->fn(to->ctx, &told);
}

static int ext_reader_each(struct reader *r, int (*fn)(void *ctx, const struct reader_entry *entry), void *ctx,
                           struct err *e)
{
	struct listener to = { fn, ctx };

	return ext4_each(((struct ext_reader *)r)->v, tell_ext_entry, &to, e);
}

static int ext_reader_read(struct reader *r, const struct reader_entry *entry, u64 off, void *buf, size_t len,
                           struct err *e)
{
	const struct ext4_entry same = { .path = entry->path, .size = entry->size, .inode = entry->place };

	return ext4_read_file(((struct ext_reader *)r)->v, &same, off, buf, len, e);
}

static int ext_reader_load(struct reader *r, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	return ext4_load(((struct ext_reader *)r)->v, path, max, ret, ret_len, e);
}

static int ext_reader_where(struct reader *r, const struct reader_entry *entry, u64 off, u64 *ret_off, u64 *ret_len,
                            struct err *e)
{
	const struct ext4_entry same = { .path = entry->path, .size = entry->size, .inode = entry->place };

	return ext4_where(((struct ext_reader *)r)->v, &same, off, ret_off, ret_len, e);
}

static int ext_reader_each_free(struct reader *r, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e)
{
	return ext4_each_free(((struct ext_reader *)r)->v, fn, ctx, e);
}

static void ext_reader_close(struct reader *r)
{
	ext4_close(((struct ext_reader *)r)->v);
	free(r);
}

static const struct reader_ops ext_reader_ops = {
	.each = ext_reader_each,
	.read = ext_reader_read,
	.load = ext_reader_load,
	.where = ext_reader_where,
	.each_free = ext_reader_each_free,
	.close = ext_reader_close,
};

static int open_ext(struct device *d, struct reader **ret, struct err *e)
{
	struct ext4_volume *v;
	struct ext_reader *x;
	int r = ext4_open(d, &v, e);

	if (r < 0)
		return r;
	x = xcalloc(1, sizeof(*x));
	x->r = (struct reader){
		.ops = &ext_reader_ops,
		.kind = "ext",
		.was_not_clean = ext4_get_facts(v)->was_not_clean,
	};
	x->v = v;
	*ret = &x->r;
	return 0;
}

/* ---- either */

int reader_open(struct device *d, struct reader **ret, struct err *e)
{
	static int (*const opens[])(struct device * d, struct reader * *ret, struct err * e) = { open_fat, open_ext };
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(opens) && r == -EINVAL; i++) {
		err_clear(e);
		r = opens[i](d, ret, e);
	}
	if (r != -EINVAL)
		return r;
	err_clear(e);
	return fail(e, r, "%s: is neither a FAT nor an ext2, ext3 or ext4 volume", d->name);
}

void reader_close(struct reader *r)
{
	if (r)
		r->ops->close(r);
}

int reader_each(struct reader *r, int (*fn)(void *ctx, const struct reader_entry *entry), void *ctx, struct err *e)
{
	return r->ops->each(r, fn, ctx, e);
}

int reader_read(struct reader *r, const struct reader_entry *entry, u64 off, void *buf, size_t len, struct err *e)
{
	return r->ops->read(r, entry, off, buf, len, e);
}

int reader_load(struct reader *r, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	return r->ops->load(r, path, max, ret, ret_len, e);
}

int reader_where(struct reader *r, const struct reader_entry *entry, u64 off, u64 *ret_off, u64 *ret_len, struct err *e)
{
	return r->ops->where(r, entry, off, ret_off, ret_len, e);
}

int reader_each_free(struct reader *r, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e)
{
	return r->ops->each_free(r, fn, ctx, e);
}
