/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of FAT share: a folder for images, commands that judge them, files with contents that are made up. */
#ifndef LIVESTICK_TEST_FAT_IMAGE_H
#define LIVESTICK_TEST_FAT_IMAGE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "src/base/buf.h"
#include "src/fs/volume.h"
#include "src/media/device.h"
#include "src/media/writelist.h"
#include "tests/lib/test.h"

#define UNUSED __attribute__((unused))

/* xorshift64*: the same numbers everywhere. */
UNUSED static u64 rnd(u64 *state)
{
	u64 x = *state ? *state : 0x9e3779b97f4a7c15;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1d;
}

UNUSED static u64 below(u64 *state, u64 n)
{
	return rnd(state) % n;
}

UNUSED static char *make_folder(void)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s/livestick-fat-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(b.s))
		test_fail(__FILE__, __LINE__, "%s: %s", b.s, strerror(errno));
	return b.s;
}

UNUSED static void remove_folder(char **folder)
{
	AUTO_BUF struct buf b = { 0 };

	buf_addf(&b, "chmod -R u+w '%s' && rm -rf '%s'", *folder, *folder);
	if (system(b.s) != 0)
		test_fail(__FILE__, __LINE__, "%s stays", *folder);
	free(*folder);
}

#define AUTO_FOLDER CLEANUP(remove_folder)

/* Runs a command of a shell; gives its exit status and, in *out (may be NULL), what it printed. */
PRINTF_LIKE(2, 3) UNUSED static int shell(struct buf *out, const char *fmt, ...)
{
	AUTO_FREE char *command = NULL;
	char piece[4096];
	va_list ap;
	size_t n;
	FILE *f;
	int st;

	va_start(ap, fmt);
	if (vasprintf(&command, fmt, ap) < 0)
		abort();
	va_end(ap);
	f = popen(command, "r");
	if (!f)
		return -1;
	if (out) {
		buf_clear(out);
		buf_adds(out, "");
	}
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		if (out)
			buf_add(out, piece, n);
	st = pclose(f);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

struct dump {
	int fd;
	u64 start, size;
};

static int dump_piece(void *ctx, u64 off, const u8 *data, size_t len)
{
	const struct dump *to = ctx;
	u64 from = MAX(off, to->start), end = MIN(off + len, to->start + to->size);

	if (from >= end)
		return 0;
	return pwrite(to->fd, data + (from - off), end - from, (off_t)(from - to->start)) == (ssize_t)(end - from)
	           ? 0
	           : -EIO;
}

/* Writes a stretch of a memory device to a sparse file. */
UNUSED static void dump_device(struct device *d, u64 start, u64 size, const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct dump to = { fd, start, size };

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	CHECK(device_memory_each(d, dump_piece, &to) == 0);
}

/* fsck.fat finds nothing at all to say but the counts, which it gives back. */
UNUSED static void check_clean(const char *image, u64 *ret_files, u64 *ret_used, u64 *ret_clusters)
{
	AUTO_BUF struct buf out = { 0 };
	unsigned long long files = 0, used = 0, clusters = 0;
	const char *line;
	int rc = shell(&out, "fsck.fat -n '%s' 2>&1", image);

	line = strchr(out.s, '\n');
	if (rc != 0 || !line || strncmp(out.s, "fsck.fat ", 9) != 0 || strchr(line + 1, '\n') != strrchr(out.s, '\n') ||
	    !strstr(line, image) ||
	    sscanf(strrchr(line, ':'), ": %llu files, %llu/%llu clusters", &files, &used, &clusters) != 3)
		test_fail(__FILE__, __LINE__, "fsck.fat: exit %d: %s", rc, out.s);
	*ret_files = files;
	*ret_used = used;
	*ret_clusters = clusters;
}

/* Bytes that depend on the place in the file and on a number that each file has, which is the context. */
UNUSED static int made_up_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	u8 *to = buf;

	(void)e;
	for (size_t i = 0; i < len; i++) {
		u64 at = off + i;
		u64 x = (at / 8 + 1) * 0x9e3779b97f4a7c15 ^ (u64)(uintptr_t)ctx * 0xc4ceb9fe1a85ec53;

		to[i] = (u8)((x ^ x >> 29) * 0xff51afd7ed558ccd >> (8 * (at % 8)));
	}
	return 0;
}

UNUSED static struct input made_up(u64 number)
{
	return (struct input){ .read = made_up_read, .ctx = (void *)(uintptr_t)number };
}

/* `data` are the `len` bytes at `off` of the made-up file. */
UNUSED static bool is_made_up(const struct volume_file *f, u64 off, const u8 *data, size_t len)
{
	AUTO_FREE u8 *want = xcalloc(1, len);

	made_up_read(f->input.ctx, off, want, len, NULL);
	return memcmp(want, data, len) == 0;
}

#endif
