/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "src/base/progress.h"
#include "src/base/scratch.h"

#define PIECE MIB
#define GRAIN 4096 /* zeros are told from data in this */

struct shadow {
	struct device *under;
	u64 start, size, copied;
	u64 whole; /* all up to here was copied */
	int fd;
	u8 *piece, *other;
};

/* Memory is the second choice: the metadata of a large file system may be more than there is of it. */
static int make_file(u64 size)
{
	int fd = scratch_file(scratch_parent());

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		return fd;
	util_close(&fd);
	fd = memfd_create("shadow", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		return fd;
	util_close(&fd);
	return -1;
}

int shadow_new(struct device *under, u64 start, u64 size, struct shadow **ret, struct err *e)
{
	struct shadow *s;
	int fd;

	if (start > under->size || size > under->size - start)
		return fail(e, -ERANGE, "%s: ends before byte %llu", under->name, (unsigned long long)(start + size));
	fd = make_file(size);
	if (fd < 0)
		return fail(e, -errno, "a temporary file of %llu bytes with holes: %s", (unsigned long long)size,
		            strerror(errno));
	s = xcalloc(1, sizeof(*s));
	*s = (struct shadow){ .under = under, .start = start, .size = size, .fd = fd };
	s->piece = xcalloc(1, PIECE);
	s->other = xcalloc(1, PIECE);
	*ret = s;
	return 0;
}

void shadow_free(struct shadow *s)
{
	if (!s)
		return;
	util_close(&s->fd);
	free(s->piece);
	free(s->other);
	free(s);
}

int shadow_put(struct shadow *s, u64 off, const void *data, size_t len, struct err *e)
{
	if (off > s->size || len > s->size - off)
		return fail(e, -ERANGE, "a temporary file ends before byte %llu", (unsigned long long)(off + len));
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(s->fd, (const u8 *)data + done, len - done, (off_t)(off + done));

		if (n <= 0)
			return fail(e, n < 0 ? -errno : -EIO, "a temporary file: %s", strerror(n < 0 ? errno : EIO));
		done += (size_t)n;
	}
	s->copied += len;
	return 0;
}

/* What is not zeros in a piece. The last grain may be short. */
static int put_data(struct shadow *s, u64 off, size_t len, struct err *e)
{
	for (size_t at = 0, n; at < len; at += n) {
		int r;

		n = MIN(GRAIN, len - at);
		if (mem_is_zero(s->piece + at, n))
			continue;
		r = shadow_put(s, off + at, s->piece + at, n, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int shadow_copy(struct shadow *s, u64 off, u64 len, struct err *e)
{
	if (off >= s->size)
		return 0;
	len = MIN(len, s->size - off);
	while (len > 0) {
		size_t n = MIN(len, PIECE);
		int r = interrupted ? fail(e, -EINTR, "interrupted") : 0;

		if (r == 0)
			r = device_read(s->under, s->start + off, s->piece, n, e);
		if (r == 0)
			r = put_data(s, off, n, e);
		if (r < 0)
			return r;
		if (s->whole == off)
			s->whole += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* ---- what others wrote */

int shadow_read(const struct shadow *s, u64 off, void *buf, size_t len, struct err *e)
{
	if (off > s->size || len > s->size - off)
		return fail(e, -ERANGE, "a temporary file ends before byte %llu", (unsigned long long)(off + len));
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(s->fd, (u8 *)buf + done, len - done, (off_t)(off + done));

		if (n <= 0)
			return fail(e, n < 0 ? -errno : -EIO, "a temporary file: %s", strerror(n < 0 ? errno : EIO));
		done += (size_t)n;
	}
	return 0;
}

struct comparison {
	struct device *d;
	shadow_change *fn;
	void *ctx;
};

/* Of one piece: the sectors that differ, those beside each other together. */
static int compare_piece(struct shadow *s, const struct comparison *c, u64 off, size_t len, struct err *e)
{
	const u8 *was = s->other, *now = s->piece;
	size_t sector = c->d->sector_size;

	for (size_t at = 0, end; at < len; at = end + sector) {
		int r;

		for (end = at; end < len && memcmp(was + end, now + end, sector) != 0;)
			end += sector;
		r = end > at ? c->fn(c->ctx, off + at, was + at, now + at, end - at, e) : 0;
		if (r != 0)
			return r;
	}
	return 0;
}

static int compare_stretch(struct shadow *s, const struct comparison *c, u64 off, u64 end, struct err *e)
{
	int r = 0;

	for (size_t n; r == 0 && off < end; off += n) {
		n = MIN(PIECE, end - off);
		r = interrupted ? fail(e, -EINTR, "interrupted") : shadow_read(s, off, s->piece, n, e);
		if (r == 0)
			r = device_read(c->d, off, s->other, n, e);
		if (r == 0)
			r = compare_piece(s, c, off, n, e);
	}
	return r;
}

int shadow_changes(struct shadow *s, struct device *d, shadow_change *fn, void *ctx, struct err *e)
{
	const struct comparison c = { .d = d, .fn = fn, .ctx = ctx };
	int r = compare_stretch(s, &c, 0, s->whole, e);
	off_t from = (off_t)s->whole, end;

	while (r == 0 && (from = lseek(s->fd, from, SEEK_DATA)) >= 0) {
		end = lseek(s->fd, from, SEEK_HOLE);
		if (end < 0)
			break;
		r = compare_stretch(s, &c, MAX(align_down((u64)from, GRAIN), s->whole), MIN((u64)end, s->size), e);
		from = end;
	}
	return r != 0 || errno == ENXIO ? r : fail(e, -errno, "a temporary file: %s", strerror(errno));
}

static int apply_change(void *to, u64 off, const u8 *was, const u8 *now, size_t len, struct err *e)
{
	(void)was;
	return device_write(to, off, now, len, e);
}

int shadow_apply(struct shadow *s, struct device *to, struct err *e)
{
	return shadow_changes(s, to, apply_change, to, e);
}

const char *shadow_path(const struct shadow *s)
{
	(void)s;
	return "/proc/self/fd/3";
}

int shadow_fd(const struct shadow *s)
{
	return s->fd;
}

u64 shadow_copied(const struct shadow *s)
{
	return s->copied;
}
