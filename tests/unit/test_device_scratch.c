/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>

#include "src/media/device_test.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

/* No multiple of the blocks that a scratch counts in. */
#define SIZE (MIB + 1536)

static u8 model[SIZE], before[SIZE];

static const char *dir(void)
{
	static char *path;

	if (!path) {
		path = sandbox_path("tmp");
		CHECK_U64(sandbox_run("mkdir -p '%s'", path), 0);
	}
	return path;
}

struct seen {
	u64 end, bytes;
};

static int check_block(void *ctx, u64 off, const u8 *data, size_t len)
{
	struct seen *s = ctx;

	CHECK(off >= s->end && off % 4096 == 0 && len == MIN(4096, SIZE - off));
	CHECK(memcmp(data, model + off, len) == 0);
	/* What nobody wrote is as before, and is not told. */
	CHECK(memcmp(before + s->end, model + s->end, off - s->end) == 0);
	s->end = off + len;
	s->bytes += 4096;
	return 0;
}

TEST(what_is_written_stays_above_in_any_size_and_place)
{
	AUTO_DEVICE struct device *under = device_new_memory("under", SIZE, 512);
	AUTO_DEVICE struct device *recorder = device_new_recorder(under, false);
	AUTO_DEVICE struct device *d = NULL;
	AUTO_FREE u8 *found = xcalloc(1, SIZE);
	AUTO_ERR struct err e = { 0 };
	struct seen seen = { 0 };
	unsigned seed = 11;
	size_t n;

	for (size_t i = 0; i < SIZE; i++)
		model[i] = before[i] = (u8)(i * 13 >> 4);
	CHECK_OK(device_write(under, 0, model, SIZE, &e), &e);
	if (!CHECK_OK(device_new_scratch(recorder, dir(), &d, &e), &e))
		return;
	CHECK_U64(device_scratch_written(d, 0, SIZE), 0);
	for (int i = 0; i < 400; i++) {
		size_t len = (size_t)rand_r(&seed) % 9000 + 1, at;
		u64 off = i == 0 ? SIZE - len : (u64)rand_r(&seed) % (SIZE / (i < 200 ? 2 : 1) - len);

		for (at = 0; at < len; at++)
			model[off + at] = (u8)rand_r(&seed);
		CHECK_OK(device_write(d, off, model + off, len, &e), &e);
		len = (size_t)rand_r(&seed) % 60000 + 1;
		off = (u64)rand_r(&seed) % (SIZE - len);
		CHECK_OK(device_read(d, off, found, len, &e), &e);
		CHECK(memcmp(found, model + off, len) == 0);
	}
	CHECK_OK(device_read(d, 0, found, SIZE, &e), &e);
	CHECK(memcmp(found, model, SIZE) == 0);
	CHECK(device_scratch_each(d, 0, SIZE, check_block, &seen) == 0);
	CHECK(memcmp(before + seen.end, model + seen.end, SIZE - seen.end) == 0);
	CHECK_U64(device_scratch_written(d, 0, SIZE), seen.bytes);
	CHECK_U64(device_scratch_failed(d), 0);
	CHECK_OK(device_flush(d, &e), &e);
	device_records(recorder, &n);
	CHECK_U64(n, 0);
}

TEST(only_what_is_written_takes_room)
{
	AUTO_DEVICE struct device *under = device_new_memory("under", 1024 * GIB, 512), *d = NULL;
	AUTO_ERR struct err e = { 0 };
	const u8 byte = 1;

	if (!CHECK_OK(device_new_scratch(under, dir(), &d, &e), &e))
		return;
	CHECK_OK(device_write(d, 1024 * GIB - 1, &byte, 1, &e), &e);
	CHECK_U64(device_scratch_written(d, 0, 1024 * GIB), 4096);
	CHECK_U64(device_scratch_written(d, 0, 512 * GIB), 0);
	/* and nothing has a name there */
	CHECK_U64(sandbox_run("test -z \"$(ls -A '%s')\"", dir()), 0);
}

TEST(an_error_below_is_told_and_none_of_the_file)
{
	AUTO_DEVICE struct device *under = device_new_memory("under", MIB, 512);
	AUTO_DEVICE struct device *d = NULL;
	AUTO_ERR struct err e = { 0 };
	u8 byte = 1;

	CHECK_FAILS(device_new_scratch(under, "/proc", &d, &e), &e, "/proc: a temporary file cannot be made");
	CHECK_FAILS(device_new_scratch(under, "/nowhere", &d, &e), &e, "/nowhere: a temporary file cannot be made");
	if (!CHECK_OK(device_new_scratch(under, dir(), &d, &e), &e))
		return;
	CHECK(device_write(d, MIB, &byte, 1, &e) == -ERANGE);
	CHECK_U64(device_scratch_failed(d), 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
