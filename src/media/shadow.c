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
	int fd;
	char path[64];
	u8 *piece;
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
	/* Not /proc/self: a program that is started has other descriptors. */
	snprintf(s->path, sizeof(s->path), "/proc/%d/fd/%d", (int)getpid(), fd);
	*ret = s;
	return 0;
}

void shadow_free(struct shadow *s)
{
	if (!s)
		return;
	util_close(&s->fd);
	free(s->piece);
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

static int apply_stretch(struct shadow *s, struct device *to, u64 off, u64 end, struct err *e)
{
	u8 now[GRAIN];
	int r = 0;

	for (size_t n; r == 0 && off < end; off += n) {
		n = MIN(GRAIN, end - off);
		r = shadow_read(s, off, s->piece, n, e);
		if (r == 0)
			r = device_read(to, off, now, n, e);
		if (r == 0 && memcmp(now, s->piece, n) != 0)
			r = device_write(to, off, s->piece, n, e);
	}
	return r;
}

int shadow_apply(struct shadow *s, struct device *to, struct err *e)
{
	off_t from = 0, end;

	while ((from = lseek(s->fd, from, SEEK_DATA)) >= 0) {
		int r;

		end = lseek(s->fd, from, SEEK_HOLE);
		if (end < 0)
			break;
		r = apply_stretch(s, to, align_down((u64)from, GRAIN), MIN((u64)end, s->size), e);
		if (r < 0)
			return r;
		from = end;
	}
	return errno == ENXIO ? 0 : fail(e, -errno, "a temporary file: %s", strerror(errno));
}

const char *shadow_path(const struct shadow *s)
{
	return s->path;
}

int shadow_fd(const struct shadow *s)
{
	return s->fd;
}

u64 shadow_copied(const struct shadow *s)
{
	return s->copied;
}
