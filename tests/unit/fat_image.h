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
#include "src/fs/fat32.h"
#include "src/media/device.h"
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

#define NOW 1700000000

UNUSED static struct fat32_options options(u64 start, u64 size)
{
	return (struct fat32_options){
		.start = start,
		.size = size,
		.sector_size = 512,
		.label = "LIVESTICK",
		.serial = 0x1234abcd,
		.time = NOW,
	};
}

/* A device with a volume on it that was written in one pass; `device` has 1 MiB more than the volume needs. */
struct made {
	struct fat32 *fat;
	struct device *device;
	u64 bytes;
};

UNUSED static void made_free(struct made *m)
{
	fat32_free(m->fat);
	device_free(m->device);
}

#define AUTO_MADE CLEANUP(made_free)

/* Writes over what the device holds; checks that the pass is one stretch and begins with the second sector. */
UNUSED static bool write_volume(struct made *m, const struct fat32_options *o, struct err *e)
{
	struct writelist *pass = writelist_new(), *commit = writelist_new();
	u8 before[4096], after[4096];
	bool ok;

	fat32_emit(m->fat, pass, commit);
	ok = CHECK_OK(writelist_finish(pass, e), e) && CHECK_OK(writelist_finish(commit, e), e) &&
	     CHECK_OK(device_read(m->device, o->start, before, o->sector_size, e), e) &&
	     CHECK_OK(writelist_run(pass, m->device, NULL, e), e) &&
	     CHECK_OK(device_read(m->device, o->start, after, o->sector_size, e), e);
	if (ok) {
		CHECK_U64(writelist_stretches(pass), 1);
		CHECK_U64(writelist_bytes(commit), o->sector_size);
		CHECK(memcmp(before, after, o->sector_size) == 0);
		m->bytes = writelist_bytes(pass);
		ok = CHECK_OK(writelist_run(commit, m->device, NULL, e), e);
	}
	writelist_free(pass);
	writelist_free(commit);
	return ok;
}

UNUSED static bool make(struct made *m, const struct fat32_options *o, struct volume_files *files, struct err *e)
{
	if (!CHECK_OK(fat32_plan(o, files, &m->fat, e), e))
		return false;
	if (!m->device)
		m->device = device_new_memory("stick", o->start + o->size + MIB, o->sector_size);
	return write_volume(m, o, e);
}

/* Dirt where the volume will be: what the writer leaves out would show. */
UNUSED static void soil(struct made *m, const struct fat32_options *o, u64 len)
{
	AUTO_FREE u8 *dirt = xcalloc(1, MIB);
	struct err e = { 0 };

	memset(dirt, 0xa5, MIB);
	m->device = device_new_memory("stick", o->start + o->size + MIB, o->sector_size);
	for (u64 off = 0; off < len; off += MIB)
		CHECK_OK(device_write(m->device, o->start + off, dirt, MIN(MIB, len - off), &e), &e);
}

UNUSED static void check_contents(const struct made *m, const struct volume_files *files)
{
	struct err e = { 0 };

	for (size_t i = 0; i < files->n; i++) {
		const struct volume_file *f = &files->file[i];
		AUTO_FREE u8 *data = xcalloc(1, f->size);

		if (f->size == 0) {
			CHECK_U64(f->device_off, 0);
			continue;
		}
		CHECK_OK(device_read(m->device, f->device_off, data, f->size, &e), &e);
		if (!is_made_up(f, 0, data, f->size))
			test_fail(__FILE__, __LINE__, "%s: device_off is not where its bytes are", f->path);
	}
}

#endif
