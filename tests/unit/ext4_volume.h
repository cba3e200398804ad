/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests that read ext volumes share. */
#ifndef LIVESTICK_TEST_EXT4_VOLUME_H
#define LIVESTICK_TEST_EXT4_VOLUME_H

#include <errno.h>
#include <stdarg.h>

#include "src/fs/ext4_read.h"
#include "tests/unit/ext4_image.h"

/* An image file and the volume in it. */
struct bench {
	char *path;
	struct device *d;
	struct ext4_volume *v;
	struct err e;
};

UNUSED static void bench_free(struct bench *b)
{
	ext4_close(b->v);
	device_free(b->d);
	free(b->path);
	err_clear(&b->e);
}

#define AUTO_BENCH CLEANUP(bench_free)

UNUSED static int open_again(struct bench *b)
{
	ext4_close(TAKE(b->v));
	device_free(TAKE(b->d));
	if (!CHECK_OK(device_open(b->path, false, &b->d, &b->e), &b->e))
		return -EIO;
	return ext4_open(b->d, &b->v, &b->e);
}

PRINTF_LIKE(2, 3) UNUSED static void check_command(int line, const char *fmt, ...)
{
	AUTO_FREE char *command = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&command, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (sandbox_run("%s", command) != 0)
		test_fail(__FILE__, line, "%s: %s", command, sandbox_said());
}

#define COMMAND(...) check_command(__LINE__, __VA_ARGS__)

/* Changes the image as debugfs does: checksums come out right. It says nothing when all went well. */
UNUSED static void change(int line, const struct bench *b, const char *command)
{
	check_command(line, "debugfs -w -R '%s' %s 2>&1 | grep -v '^debugfs 1' | grep . && exit 1 || exit 0", command,
	              b->path);
}

#define CHANGE(b, command) change(__LINE__, b, command)

UNUSED static int ignore_entry(void *ctx, const struct ext4_entry *entry)
{
	(void)ctx;
	(void)entry;
	return 0;
}

UNUSED static int list_again(struct bench *b)
{
	int r = open_again(b);

	return r < 0 ? r : ext4_each(b->v, ignore_entry, NULL, &b->e);
}

UNUSED static int load_again(struct bench *b, const char *path)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = open_again(b);

	return r < 0 ? r : ext4_load(b->v, path, 16 * MIB, &text, &len, &b->e);
}

#define CHECK_DAMAGED(call, b, words)                                                                                  \
	({                                                                                                             \
		int r_ = (call);                                                                                       \
		if (r_ != -EUCLEAN || !strstr((b)->e.text, words))                                                     \
			test_fail(__FILE__, __LINE__, "%d: %s", r_, (b)->e.text ? (b)->e.text : "");                   \
		err_clear(&(b)->e);                                                                                    \
	})

struct found {
	const char *path;
	struct ext4_entry entry;
};

UNUSED static int find_entry(void *ctx, const struct ext4_entry *entry)
{
	struct found *f = ctx;

	if (strcmp(entry->path, f->path) != 0)
		return 0;
	f->entry = *entry;
	f->entry.path = f->path;
	return 1;
}

UNUSED static struct ext4_entry get(struct ext4_volume *v, const char *path)
{
	AUTO_ERR struct err e = { 0 };
	struct found f = { path, { .path = path } };

	CHECK_U64(ext4_each(v, find_entry, &f, &e), 1);
	return f.entry;
}

/* A volume of 1 MiB in blocks of 1 KiB: directories, a manifest, a file in pieces, symlinks of both kinds. */
UNUSED static void small_image(struct bench *b, const char *options)
{
	AUTO_FREE char *tree = sandbox_path("small");

	if (!b->path)
		b->path = sandbox_path("small.img");
	COMMAND(
	    "rm -rf %1$s && mkdir -p %1$s/livestick %1$s/dir/sub %1$s/many && cd %1$s && "
	    "printf 'what is on it' >livestick/a.manifest && head -c 70000 /dev/urandom >file && "
	    "for i in $(seq 40); do echo >many/$(printf '%%040d' $i); done && echo x >dir/sub/x && ln -s file fast && "
	    "ln -s $(printf '%%0100d' 7) slow && perl -e 'open F, \">frag\"; "
	    "for (0..9) { seek F, $_ * 8192, 0; print F \"x$_\" x 700 }'",
	    tree);
	COMMAND("rm -f %2$s && mke2fs -q -F -b 1024 -N 128 %1$s -d %3$s %2$s 1M", options, b->path, tree);
}

#endif
