/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "src/media/device_test.h"
#include "tests/lib/test.h"

#define SIZE (1 * MIB)

static u8 model[SIZE], before[SIZE];

struct told {
	u64 end;
	size_t n, stop_at;
};

/* Each stretch is whole sectors, ascending, with what the model has, and has a difference in each sector. */
static int check_stretch(void *ctx, u64 off, const u8 *data, size_t len)
{
	struct told *t = ctx;

	CHECK(off >= t->end && off % 512 == 0 && len % 512 == 0 && len > 0 && off + len <= SIZE);
	CHECK(memcmp(data, model + off, len) == 0);
	for (size_t at = 0; at < len; at += 512)
		CHECK(memcmp(data + at, before + off + at, 512) != 0);
	memcpy(before + off, data, len);
	t->end = off + len;
	return ++t->n == t->stop_at ? 42 : 0;
}

static void any_write(struct device *d, unsigned *seed)
{
	u8 data[9000];
	size_t len = (size_t)rand_r(seed) % sizeof(data) + 1;
	u64 off = (u64)rand_r(seed) % (SIZE - len);
	AUTO_ERR struct err e = { 0 };

	for (size_t i = 0; i < len; i++)
		data[i] = rand_r(seed) % 3 ? model[off + i] : (u8)rand_r(seed);
	CHECK_OK(device_write(d, off, data, len, &e), &e);
	memcpy(model + off, data, len);
}

TEST(what_is_written_stays_above)
{
	AUTO_DEVICE struct device *under = device_new_memory("under", SIZE, 512);
	AUTO_DEVICE struct device *recorder = device_new_recorder(under, false);
	AUTO_DEVICE struct device *d = NULL;
	AUTO_FREE u8 *found = xcalloc(1, SIZE);
	AUTO_ERR struct err e = { 0 };
	unsigned seed = 7;
	size_t n;

	for (size_t i = 0; i < SIZE; i++)
		model[i] = (u8)(i * 7 >> 5);
	memcpy(before, model, SIZE);
	CHECK_OK(device_write(under, 0, model, SIZE, &e), &e);
	d = device_new_overlay(recorder);
	CHECK_U64(d->size, SIZE);
	CHECK_STR(d->name, "under");
	for (int round = 0; round < 50; round++) {
		struct told t = { 0 };

		for (int i = rand_r(&seed) % 12; i > 0; i--)
			any_write(d, &seed);
		for (int i = 0; i < 5; i++) {
			size_t len = (size_t)rand_r(&seed) % 20000 + 1;
			u64 off = (u64)rand_r(&seed) % (SIZE - len);

			CHECK_OK(device_read(d, off, found, len, &e), &e);
			CHECK(memcmp(found, model + off, len) == 0);
		}
		CHECK_U64(device_overlay_changes(d, check_stretch, &t), 0);
		CHECK(memcmp(before, model, SIZE) == 0);
	}
	CHECK_OK(device_flush(d, &e), &e);
	device_records(recorder, &n);
	CHECK_U64(n, 0);
}

TEST(what_was_not_told_is_told_again)
{
	AUTO_DEVICE struct device *under = device_new_memory("under", SIZE, 512);
	AUTO_DEVICE struct device *d = device_new_overlay(under);
	AUTO_ERR struct err e = { 0 };
	struct told t = { .stop_at = 2 };
	u8 x = 1;

	memset(model, 0, SIZE);
	memset(before, 0, SIZE);
	for (u64 off = 600; off < 5 * 4096; off += 4096) {
		CHECK_OK(device_write(d, off, &x, 1, &e), &e);
		model[off] = 1;
	}
	CHECK_U64(device_overlay_changes(d, check_stretch, &t), 42);
	memset(before + 4096, 0, 4096); /* the one at which it stopped */
	t = (struct told){ 0 };
	CHECK_U64(device_overlay_changes(d, check_stretch, &t), 0);
	CHECK_U64(t.n, 4);
	x = 0;
	CHECK_OK(device_write(d, 600, &x, 1, &e), &e);
	model[600] = 0;
	t = (struct told){ 0 };
	CHECK_U64(device_overlay_changes(d, check_stretch, &t), 0);
	CHECK_U64(t.n, 1);
}

TEST(what_is_marked_counts_as_changed)
{
	AUTO_DEVICE struct device *under = device_new_memory("under", SIZE, 512);
	AUTO_DEVICE struct device *d = device_new_overlay(under);
	AUTO_ERR struct err e = { 0 };
	struct told t = { 0 };

	memset(model, 0, SIZE);
	memset(before, 9, SIZE);
	CHECK_OK(device_overlay_mark(d, 4096 - 512, 4096, &e), &e);
	CHECK_U64(device_overlay_changes(d, check_stretch, &t), 0);
	CHECK_U64(t.n, 2);
	CHECK_U64(t.end, 8192 - 512);
	CHECK_U64(device_overlay_changes(d, check_stretch, &t), 0);
	CHECK_U64(t.n, 2);
}

TEST(sectors_of_4096_bytes_and_errors_below)
{
	AUTO_DEVICE struct device *under = device_new_memory("under", SIZE, 4096);
	AUTO_DEVICE struct device *dead =
	    device_new_failing(under, (struct fault){ .at_write = 1, .error = EIO, .dies = true });
	AUTO_DEVICE struct device *d = device_new_overlay(under), *over_dead = device_new_overlay(dead);
	AUTO_ERR struct err e = { 0 };
	struct told t = { 0 };
	u8 x[4096] = { 1 };

	memset(model, 0, SIZE);
	memset(before, 0, SIZE);
	model[5000] = 1;
	for (size_t i = 0; i < 8; i++) /* check_stretch() wants a difference in each 512 bytes */
		before[4096 + 512 * i] = 9;
	CHECK_OK(device_write(d, 5000, x, 1, &e), &e);
	CHECK_U64(device_overlay_changes(d, check_stretch, &t), 0);
	CHECK_U64(t.end, 8192);
	CHECK_FAILS(device_write(dead, 0, x, sizeof(x), &e), &e, "Input/output error");
	CHECK_FAILS(device_write(over_dead, 100, x, 1, &e), &e, "write at byte 100: No such device");
	CHECK_FAILS(device_read(over_dead, 100, x, 1, &e), &e, "read at byte 100: No such device");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
