/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of ext4 share: volumes that are laid out, written on a soiled image, and judged. */
#ifndef LIVESTICK_TEST_EXT4_IMAGE_H
#define LIVESTICK_TEST_EXT4_IMAGE_H

#include <stdio.h>
#include <time.h>

#include "src/fs/ext4.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define UNUSED __attribute__((unused))

#define TIB    (1024 * GIB)
#define START  (3 * MIB)
#define OFFSET "?offset=3145728"

UNUSED static struct ext4_options options_for(u64 size)
{
	struct ext4_options o = { .start = START, .size = size, .label = "persistence", .time = 1700000000 };

	for (u8 i = 0; i < 16; i++) {
		o.uuid[i] = (u8)(0x10 + i);
		o.hash_seed[i] = (u8)(0xf0 - i);
	}
	return o;
}

UNUSED static struct ext4_options loader_options(u64 size)
{
	struct ext4_options o = options_for(size);

	memcpy(o.label, "BOOT", 5);
	o.for_loader = true;
	return o;
}

UNUSED static void add_text(struct volume_files *v, const char *path, const char *text)
{
	volume_add(v, path, strlen(text), input_memory(text), 1600000000);
}

/* A volume alone: its plan and the finished list. */
struct made {
	struct ext4 *x;
	struct writelist *w;
};

UNUSED static struct made make(const struct ext4_options *o, struct volume_files *files)
{
	AUTO_ERR struct err e = { 0 };
	struct made m = { .w = writelist_new() };

	if (CHECK_OK(ext4_plan(o, files, &m.x, &e), &e)) {
		ext4_emit(m.x, m.w);
		CHECK_OK(writelist_finish(m.w, &e), &e);
	}
	return m;
}

UNUSED static void made_free(struct made *m)
{
	writelist_free(m->w);
	ext4_free(m->x);
}

#define AUTO_MADE CLEANUP(made_free)

/* Puts 0xa5 where the old content of a stick would be: on the first 64 MiB, and around the copies. */
UNUSED static void soil(struct device *d, u64 start, u64 size)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *old = xcalloc(1, MIB);

	memset(old, 0xa5, MIB);
	for (u64 off = 0; off < MIN(64 * MIB, size); off += MIB)
		CHECK_OK(device_write(d, start + off, old, MIN(MIB, size - off), &e), &e);
	for (size_t i = 0; i < 2; i++) {
		u64 group = i == 0 ? 128 * MIB : align_down(size - 1, 128 * MIB);

		if (group < size)
			CHECK_OK(device_write(d, start + group, old, MIN(MIB, size - group), &e), &e);
	}
}

UNUSED static void write_made(const struct made *m, const struct ext4_options *o, const char *path)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;

	sandbox_make(path, o->start + o->size + MIB);
	if (!CHECK_OK(device_open(path, true, &d, &e), &e))
		return;
	soil(d, o->start, o->size);
	CHECK_OK(writelist_run(m->w, d, NULL, &e), &e);
}

UNUSED static void write_image(const struct ext4_options *o, struct volume_files *files, const char *path)
{
	AUTO_MADE struct made m = make(o, files);

	if (m.x)
		write_made(&m, o, path);
}

UNUSED static void check_said(int line, const char *words)
{
	if (!strstr(sandbox_said(), words))
		test_fail(__FILE__, line, "\"%s\" is not in: %s", words, sandbox_said());
}

#define CHECK_SAID(words) check_said(__LINE__, words)

UNUSED static void fsck(const char *path)
{
	if (sandbox_run("e2fsck -fn '%s" OFFSET "'", path) != 0)
		test_fail(__FILE__, __LINE__, "e2fsck: %s", sandbox_said());
}

UNUSED static void debugfs(const char *path, const char *command)
{
	CHECK_U64(sandbox_run("debugfs -R '%s' '%s" OFFSET "' 2>/dev/null", command, path), 0);
}

UNUSED static void check_stat(const char *path, const char *name, const char *words)
{
	CHECK_U64(sandbox_run("TZ=UTC debugfs -R 'stat %s' '%s" OFFSET "' 2>/dev/null | tr -s ' '", name, path), 0);
	check_said(__LINE__, words);
}

UNUSED static unsigned n_extents(const char *image, const char *path)
{
	CHECK_U64(sandbox_run("debugfs -R 'ex %s' '%s" OFFSET "' 2>/dev/null | "
	                      "awk 'NR > 1 { split($2, a, \"/\"); if ($1 + 0 == a[1] + 0) n++ } END { print n + 0 }'",
	                      path, image),
	          0);
	return (unsigned)strtoul(sandbox_said(), NULL, 10);
}

#define CHECK_NOT_MADE(o, v, r, words)                                                                                 \
	({                                                                                                             \
		AUTO_ERR struct err e_ = { 0 };                                                                        \
		struct ext4 *x_ = NULL;                                                                                \
		CHECK_U64(ext4_plan(&(o), &(v), &x_, &e_), r);                                                         \
		if (!e_.text || !strstr(e_.text, words))                                                               \
			test_fail(__FILE__, __LINE__, "says: %s", e_.text);                                            \
		CHECK(!x_);                                                                                            \
	})

UNUSED static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
