/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "src/base/buf.h"
#include "src/media/shadow.h"
#include "tests/lib/test.h"

#define START (4 * KIB)
#define SIZE  (3 * MIB)

/* Bytes that tell where they are; the last MiB is zeros. */
static struct device *make_device(void)
{
	struct device *d = device_new_memory("stick", START + SIZE + MIB, 512);
	AUTO_ERR struct err e = { 0 };
	u32 sector[128];

	for (u64 off = 0; off < START + 2 * MIB; off += sizeof(sector)) {
		for (size_t i = 0; i < ARRAY_SIZE(sector); i++)
			sector[i] = (u32)(off + i) * 2654435761U | 1;
		CHECK(device_write(d, off, sector, sizeof(sector), &e) == 0);
	}
	return d;
}

/* As another program would. */
static void change(const struct shadow *s, u64 off, const void *data, size_t len)
{
	AUTO_CLOSE int fd = open(shadow_path(s), O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && pwrite(fd, data, len, (off_t)off) == (ssize_t)len);
}

static void wipe(const struct shadow *s, u64 off, size_t len)
{
	AUTO_CLOSE int fd = open(shadow_path(s), O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0);
}

static int note(void *ctx, u64 off, const u8 *was, const u8 *now, size_t len, struct err *e)
{
	(void)e;
	CHECK(memcmp(was, now, len) != 0);
	buf_addf(ctx, "%llu+%zu ", (unsigned long long)off, len);
	return 0;
}

static void check_changes(struct shadow *s, struct device *part, const char *want)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf got = { 0 };

	buf_adds(&got, "");
	CHECK(shadow_changes(s, part, note, &got, &e) == 0);
	CHECK_STR(got.s, want);
}

TEST(what_was_changed_is_found_in_whole_sectors)
{
	AUTO_DEVICE struct device *d = make_device(), *part = device_new_window(d, "part", START, SIZE);
	AUTO_DEVICE struct device *over = device_new_overlay(part);
	AUTO_ERR struct err e = { 0 };
	AUTO_SHADOW struct shadow *s = NULL;
	AUTO_FREE u8 *is = xcalloc(1, SIZE), *want = xcalloc(1, SIZE);

	CHECK(shadow_new(d, START, SIZE, &s, &e) == 0);
	CHECK(shadow_copy(s, 0, MIB, &e) == 0 && shadow_copy(s, MIB, 9 * MIB, &e) == 0);
	check_changes(s, part, "");
	change(s, 0, "x", 1);
	change(s, 1535, "xyz", 3);
	change(s, MIB - 1, "xy", 2);
	change(s, SIZE - 1, "x", 1);
	change(s, 2 * MIB + 5 * KIB, "\0\0", 2);
	/* Zeros that the program has put by making a hole are a change as any other. */
	wipe(s, 64 * KIB, 8 * KIB);
	check_changes(s, part, "0+512 1024+1024 65536+8192 1048064+512 1048576+512 3145216+512 ");
	CHECK(shadow_apply(s, over, &e) == 0);
	CHECK(device_read(over, 0, is, SIZE, &e) == 0 && shadow_read(s, 0, want, SIZE, &e) == 0);
	CHECK(memcmp(is, want, SIZE) == 0);
	check_changes(s, over, "");
}

/* What was not copied counts only where somebody has written. */
TEST(of_some_stretches_only_what_was_written)
{
	AUTO_DEVICE struct device *d = make_device(), *part = device_new_window(d, "part", START, SIZE);
	AUTO_ERR struct err e = { 0 };
	AUTO_SHADOW struct shadow *s = NULL;

	CHECK(shadow_new(d, START, SIZE, &s, &e) == 0);
	CHECK(shadow_copy(s, 0, 4 * KIB, &e) == 0 && shadow_copy(s, 512 * KIB, 8 * KIB, &e) == 0);
	check_changes(s, part, "");
	change(s, 513 * KIB, "x", 1);
	wipe(s, 0, 4 * KIB);
	check_changes(s, part, "0+4096 525312+512 ");
}

static int refuse(void *ctx, u64 off, const u8 *was, const u8 *now, size_t len, struct err *e)
{
	(void)off, (void)was, (void)now, (void)len;
	return ++*(int *)ctx == 2 ? fail(e, -EDOM, "enough") : 0;
}

TEST(it_ends_where_it_is_told_to)
{
	AUTO_DEVICE struct device *d = make_device(), *part = device_new_window(d, "part", START, SIZE);
	AUTO_ERR struct err e = { 0 };
	AUTO_SHADOW struct shadow *s = NULL;
	int n = 0;

	CHECK(shadow_new(d, START, SIZE, &s, &e) == 0 && shadow_copy(s, 0, SIZE, &e) == 0);
	for (u64 off = 0; off < 5 * 4096; off += 4096)
		change(s, off, "x", 1);
	CHECK(shadow_changes(s, part, refuse, &n, &e) == -EDOM);
	CHECK(n == 2);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
