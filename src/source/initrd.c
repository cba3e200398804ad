/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/source/initrd_private.h"

#include <errno.h>
#include <fnmatch.h>

#include "src/base/progress.h"

struct initrd {
	struct rootfs *fs;
	struct initrd_entry *entry; /* sorted by path */
	size_t n;
	const char *compression;
};

/* ---- the file, read forward */

int feed_need(struct feed *f, size_t n, struct err *e)
{
	size_t room;
	int r;

	if (f->len >= n || f->len == feed_left(f))
		return 0;
	if (interrupted)
		return fail(e, -EINTR, "interrupted");
	if (f->len)
		memmove(f->buffer, f->at, f->len);
	f->at = f->buffer;
	room = (size_t)MIN(FEED_BUFFER - f->len, feed_left(f) - f->len);
	r = input_read(&f->in, f->off + f->len, f->buffer + f->len, room, e);
	if (r == 0)
		f->len += room;
	return r;
}

void feed_use(struct feed *f, size_t n)
{
	f->at += n;
	f->len -= n;
	f->off += n;
}

void feed_skip(struct feed *f, u64 n)
{
	size_t here = (size_t)MIN(n, f->len);

	feed_use(f, here);
	f->off += n - here;
}

int feed_read(struct feed *f, void *buf, size_t n, struct err *e)
{
	u8 *to = buf;

	while (n) {
		size_t here;
		int r = feed_need(f, 1, e);

		if (r < 0)
			return r;
		if (f->len == 0)
			return fail_source(e, -ENODATA, "is cut short");
		here = MIN(n, f->len);
		memcpy(to, f->at, here);
		feed_use(f, here);
		to += here;
		n -= here;
	}
	return 0;
}

/* ---- its parts */

struct reading {
	struct feed feed;
	struct cpio *cpio;
	u64 unpacked;
	const char *compression; /* of the last part that has one */
};

static const struct {
	size_t len;
	const char *magic, *what;
} not_for_kernel[] = {
	{ 4, "\x04\x22\x4d\x18", "an lz4 frame, which the kernel cannot unpack (it wants the format of \"lz4 -l\")" },
	{ 2, "\xc7\x71", "a cpio archive of a kind that the kernel cannot unpack (it wants \"cpio -H newc\")" },
	{ 2, "\x71\xc7", "a cpio archive of a kind that the kernel cannot unpack (it wants \"cpio -H newc\")" },
};

static int fail_unknown(const struct feed *f, struct err *e)
{
	const char *what = "neither a cpio archive nor compressed in a way that the kernel can unpack";

	for (size_t i = 0; i < ARRAY_SIZE(not_for_kernel); i++)
		if (f->len >= not_for_kernel[i].len &&
		    memcmp(f->at, not_for_kernel[i].magic, not_for_kernel[i].len) == 0)
			what = not_for_kernel[i].what;
	if (f->off == 0)
		return fail_source(e, -EINVAL, "is no initrd but %s", what);
	return fail_source(e, -EINVAL, "is damaged: at byte %llu is %s", (unsigned long long)f->off, what);
}

static int take_unpacked(void *ctx, const u8 *data, size_t len, struct err *e)
{
	struct cpio *c = ctx;
	size_t used;
	int r = cpio_push(c, data, len, &used, e);

	if (r < 0 || used == len)
		return r;
	if (cpio_count(c) == 0)
		return fail_source(e, -EINVAL,
		                   "holds no cpio archive, perhaps a file system: initrds of that age are "
		                   "not supported");
	return fail_source(e, -EINVAL, "is damaged: a cpio archive is followed by something else");
}

static int read_compressed(struct reading *g, struct err *e)
{
	struct unpack u = { &g->feed, take_unpacked, g->cpio, g->unpacked };
	unsigned long long off = g->feed.off;
	const struct codec *c;
	int r = feed_need(&g->feed, 4, e);

	if (r < 0)
		return r;
	c = g->feed.len < 2 ? NULL : codec_find(g->feed.at);
	if (!c)
		return fail_unknown(&g->feed, e);
	cpio_seek(g->cpio, 0);
	g->compression = c->name;
	r = codec_run(c, &u, e);
	g->unpacked = u.total;
	if (r == 0 && !cpio_is_between(g->cpio))
		r = fail_source(e, -ENODATA, "is cut short, though its %s data are not", c->name);
	return r < 0 && off > 0 ? fail(e, r, "from byte %llu on", off) : r;
}

/* To the end, or to what is not cpio. The data of files that nobody wants are not even read. */
static int read_plain(struct reading *g, struct err *e)
{
	struct feed *f = &g->feed;

	cpio_seek(g->cpio, f->off);
	while (feed_left(f) > 0) {
		u64 skip = MIN(cpio_skippable(g->cpio), feed_left(f));
		size_t used;
		int r;

		feed_skip(f, skip);
		cpio_skip(g->cpio, skip);
		r = feed_need(f, 1, e);
		if (r == 0)
			r = cpio_push(g->cpio, f->at, f->len, &used, e);
		if (r < 0)
			return r;
		feed_use(f, used);
		if (f->len > 0 && cpio_is_between(g->cpio))
			return 0;
	}
	return cpio_is_between(g->cpio) ? 0 : fail_source(e, -ENODATA, "is cut short");
}

static int skip_zeros(struct feed *f, struct err *e)
{
	int r = feed_need(f, 1, e);

	while (r == 0 && f->len && !*f->at) {
		feed_use(f, 1);
		r = feed_need(f, 1, e);
	}
	return r;
}

static int read_parts(struct reading *g, struct err *e)
{
	struct feed *f = &g->feed;
	int r = skip_zeros(f, e);

	while (r == 0 && f->len) {
		r = *f->at == '0' && f->off % 4 == 0 ? read_plain(g, e) : read_compressed(g, e);
		if (r == 0)
			r = skip_zeros(f, e);
	}
	if (r == 0 && cpio_count(g->cpio) == 0)
		return fail_source(e, -EINVAL, "is no initrd: it has nothing in it");
	return r;
}

int initrd_open(struct input in, u64 size, const char *name, const char *const *texts, struct initrd **ret,
                struct err *e)
{
	AUTO_FREE u8 *buffer = xcalloc(FEED_BUFFER, 1);
	struct reading g = { .feed = { in, size, .buffer = buffer, .at = buffer } };
	struct initrd *rd = xcalloc(1, sizeof(*rd));
	int r;

	rd->fs = rootfs_new(texts);
	g.cpio = cpio_new(rd->fs);
	r = read_parts(&g, e);
	cpio_free(g.cpio);
	if (r < 0) {
		initrd_free(rd);
		return fail(e, r, "%s", name);
	}
	rd->entry = rootfs_entries(rd->fs, &rd->n);
	rd->compression = g.compression;
	*ret = rd;
	return 0;
}

void initrd_free(struct initrd *rd)
{
	if (!rd)
		return;
	free(rd->entry);
	rootfs_free(rd->fs);
	free(rd);
}

const char *initrd_compression(const struct initrd *rd)
{
	return rd->compression;
}

/* ---- what was found */

static int by_path(const void *key, const void *entry)
{
	return strcmp(key, ((const struct initrd_entry *)entry)->path);
}

const struct initrd_entry *initrd_find(const struct initrd *rd, const char *path)
{
	const char *real = rootfs_find(rd->fs, path);

	return real ? bsearch(real, rd->entry, rd->n, sizeof(*rd->entry), by_path) : NULL;
}

const struct initrd_entry *initrd_match(const struct initrd *rd, const char *glob, const struct initrd_entry *after)
{
	for (size_t i = after ? (size_t)(after - rd->entry) + 1 : 0; i < rd->n; i++)
		if (fnmatch(glob, rd->entry[i].path, 0) == 0)
			return &rd->entry[i];
	return NULL;
}
