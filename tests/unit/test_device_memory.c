/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "src/media/device.h"
#include "src/media/device_test.h"
#include "tests/lib/test.h"

static void fill(u8 *p, size_t len, unsigned *seed)
{
	u32 x = (u32)rand_r(seed) | 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (u8)(x >> 24);
	}
}

/* Numbers below `limit` (at most 16 MiB), small ones as likely as large ones. */
static u64 any_below(u64 limit, unsigned *seed)
{
	u64 n = ((u64)rand_r(seed) << 16 ^ (u64)rand_r(seed)) % (1ULL << rand_r(seed) % 25);

	return n % limit;
}

struct stretches {
	u64 off[8], len[8];
	size_t n, stop_at;
};

static int note_stretch(void *ctx, u64 off, const u8 *data, size_t len)
{
	struct stretches *s = ctx;

	CHECK(data);
	if (s->n < ARRAY_SIZE(s->off)) {
		s->off[s->n] = off;
		s->len[s->n] = len;
	}
	return ++s->n == s->stop_at ? 42 : 0;
}

TEST(memory_is_zeros_until_written)
{
	const u64 size = 4096 * GIB + 1536;
	AUTO_DEVICE struct device *d = device_new_memory("memory", size, 4096);
	AUTO_ERR struct err e = { 0 };
	struct stretches s = { 0 };
	u8 a[6000], b[6000];
	unsigned seed = 1;

	CHECK(!d->is_block && d->fd == -1);
	CHECK_U64(d->sector_size, 4096);
	CHECK_U64(device_memory_each(d, note_stretch, &s), 0);
	CHECK_U64(s.n, 0);
	memset(a, 0xaa, sizeof(a));
	CHECK_OK(device_read(d, 2048 * GIB - 100, a, sizeof(a), &e), &e);
	for (size_t i = 0; i < sizeof(a); i++)
		CHECK(a[i] == 0);

	fill(a, sizeof(a), &seed);
	/* across two pieces and two tables; the same again at the very end, which is half a block */
	CHECK_OK(device_write(d, 256 * MIB - 512, a, sizeof(a), &e), &e);
	CHECK_OK(device_read(d, 256 * MIB - 512, b, sizeof(b), &e), &e);
	CHECK(memcmp(a, b, sizeof(a)) == 0);
	CHECK_OK(device_write(d, size - sizeof(a), a, sizeof(a), &e), &e);
	CHECK_OK(device_read(d, size - sizeof(a), b, sizeof(b), &e), &e);
	CHECK(memcmp(a, b, sizeof(a)) == 0);
	CHECK_OK(device_flush(d, &e), &e);
	CHECK_U64(-device_write(d, size - 1, a, 2, &e), ERANGE);
}

TEST(memory_names_exactly_what_was_written)
{
	AUTO_DEVICE struct device *d = device_new_memory("memory", 4096 * GIB + 1536, 512);
	AUTO_ERR struct err e = { 0 };
	struct stretches s = { 0 };
	u8 sector[512] = { 0 };
	AUTO_FREE u8 *mem = xcalloc(512 * KIB, 1);

	CHECK_OK(device_write(d, 4096 * GIB + 1024, sector, 512, &e), &e); /* last, half a block */
	CHECK_OK(device_write(d, 8192, sector, 512, &e), &e);              /* one block, zeros count */
	CHECK_OK(device_write(d, 12288 + 4095, sector, 1, &e), &e);        /* the next */
	CHECK_OK(device_write(d, 1024 * GIB, mem, 512 * KIB, &e), &e);     /* two pieces */
	CHECK_OK(device_write(d, 3 * GIB + 4096 - 1, sector, 2, &e), &e);  /* two blocks by two bytes */
	CHECK_OK(device_write(d, 5 * GIB, sector, 0, &e), &e);             /* nothing */
	CHECK_U64(device_memory_each(d, note_stretch, &s), 0);
	CHECK_U64(s.n, 5);
	CHECK_U64(s.off[0], 8192);
	CHECK_U64(s.len[0], 8192);
	CHECK_U64(s.off[1], 3 * GIB);
	CHECK_U64(s.len[1], 8192);
	CHECK_U64(s.off[2], 1024 * GIB);
	CHECK_U64(s.len[2], 256 * KIB);
	CHECK_U64(s.off[3], 1024 * GIB + 256 * KIB);
	CHECK_U64(s.len[3], 256 * KIB);
	CHECK_U64(s.off[4], 4096 * GIB);
	CHECK_U64(s.len[4], 1536);

	s = (struct stretches){ .stop_at = 2 };
	CHECK_U64(device_memory_each(d, note_stretch, &s), 42);
	CHECK_U64(s.n, 2);
}

TEST(window_is_a_part_of_another_device)
{
	AUTO_DEVICE struct device *under = device_new_memory("stick", 64 * MIB, 4096);
	AUTO_DEVICE struct device *recorder = device_new_recorder(under, false);
	AUTO_DEVICE struct device *w = device_new_window(recorder, "stick: partition 1", MIB, 2 * MIB);
	AUTO_ERR struct err e = { 0 };
	u8 a[4096], b[4096];
	const struct record *log;
	size_t n;

	memset(a, 1, sizeof(a));
	CHECK_U64(w->size, 2 * MIB);
	CHECK_U64(w->sector_size, 4096);
	CHECK_STR(w->name, "stick: partition 1");
	CHECK_U64(w->fd, -1);
	CHECK_OK(device_write(w, 2 * MIB - 4096, a, 4096, &e), &e);
	CHECK_OK(device_read(under, 3 * MIB - 4096, b, 4096, &e), &e);
	CHECK(memcmp(a, b, 4096) == 0);
	memset(b, 0, 4096);
	CHECK_OK(device_read(w, 2 * MIB - 4096, b, 4096, &e), &e);
	CHECK(memcmp(a, b, 4096) == 0);
	CHECK_U64(-device_write(w, 2 * MIB - 4096, a, 4097, &e), ERANGE);
	CHECK_FAILS(-1, &e, "stick: partition 1: ");
	CHECK_OK(device_flush(w, &e), &e);
	log = device_records(recorder, &n);
	CHECK_U64(n, 2);
	CHECK(!log[0].is_flush && log[0].off == 3 * MIB - 4096 && log[0].len == 4096 && !log[0].data);
	CHECK(log[1].is_flush);
}

/* A damaged table can name any place. */
TEST(window_that_leaves_the_device_is_an_error)
{
	static const struct {
		u64 off, size, at;
	} rows[] = {
		{ 63 * MIB, 2 * MIB, MIB },
		{ 64 * MIB, 512, 0 },
		{ UINT64_MAX - 511, 4096, 0 },
		{ UINT64_MAX - 511, 4096, 512 },
		{ 512, UINT64_MAX, UINT64_MAX - 512 },
	};
	AUTO_DEVICE struct device *under = device_new_memory("stick", 64 * MIB, 512);
	AUTO_ERR struct err e = { 0 };
	u8 sector[512] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_DEVICE struct device *w = device_new_window(under, "part", rows[i].off, rows[i].size);

		CHECK_U64(-device_read(w, rows[i].at, sector, 512, &e), ERANGE);
		CHECK_FAILS(-1, &e, "stick: read at byte");
		CHECK_U64(-device_write(w, rows[i].at, sector, 512, &e), ERANGE);
		err_clear(&e);
	}
}

TEST(recorder_log_replays_to_the_same_device)
{
	AUTO_DEVICE struct device *under = device_new_memory("stick", MIB, 512);
	AUTO_DEVICE struct device *again = device_new_memory("again", MIB, 512);
	AUTO_DEVICE struct device *recorder = device_new_recorder(under, true);
	AUTO_FREE u8 *a = xcalloc(MIB, 1), *b = xcalloc(MIB, 1);
	AUTO_ERR struct err e = { 0 };
	const struct record *log;
	unsigned seed = 3;
	size_t n;

	for (int i = 0; i < 100; i++) {
		u64 off = any_below(MIB, &seed) / 512 * 512;
		size_t len = any_below(MIB - off, &seed) / 512 * 512 + 512;

		fill(a, len, &seed);
		CHECK_OK(device_write(recorder, off, a, len, &e), &e);
		if (i % 10 == 9)
			CHECK_OK(device_flush(recorder, &e), &e);
	}
	log = device_records(recorder, &n);
	CHECK_U64(n, 110);
	CHECK(log[10].is_flush && !log[9].is_flush && log[109].is_flush);
	for (size_t i = 0; i < n; i++)
		CHECK_OK(device_write(again, log[i].off, log[i].data, log[i].len, &e), &e);
	CHECK_OK(device_read(recorder, 0, a, MIB, &e), &e);
	CHECK_OK(device_read(again, 0, b, MIB, &e), &e);
	CHECK(memcmp(a, b, MIB) == 0);
	device_records_clear(recorder);
	device_records(recorder, &n);
	CHECK_U64(n, 0);
}

TEST(failing_device_breaks_once_or_for_good)
{
	AUTO_DEVICE struct device *under = device_new_memory("stick", MIB, 512);
	AUTO_DEVICE struct device *once = device_new_failing(under, (struct fault){ .at_write = 2, .error = EIO });
	AUTO_DEVICE struct device *gone =
	    device_new_failing(under, (struct fault){ .at_write = 1, .error = ENOSPC, .torn = 100, .dies = true });
	AUTO_DEVICE struct device *flush = device_new_failing(under, (struct fault){ .at_flush = 2, .error = EIO });
	AUTO_ERR struct err e = { 0 };
	u8 a[512], b[512];

	memset(a, 7, sizeof(a));
	CHECK_OK(device_write(once, 0, a, 512, &e), &e);
	CHECK_U64(-device_write(once, 512, a, 512, &e), EIO);
	CHECK_FAILS(-1, &e, "stick: write at byte 512: Input/output error");
	CHECK_OK(device_write(once, 1024, a, 512, &e), &e);
	CHECK_OK(device_flush(once, &e), &e);

	CHECK_U64(-device_write(gone, 2048, a, 512, &e), ENOSPC);
	err_clear(&e);
	CHECK_U64(-device_write(gone, 2048, a, 512, &e), ENODEV);
	err_clear(&e);
	CHECK_U64(-device_read(gone, 2048, a, 512, &e), ENODEV);
	err_clear(&e);
	CHECK_U64(-device_flush(gone, &e), ENODEV);
	CHECK_FAILS(-1, &e, "stick: flush: No such device");
	CHECK_OK(device_read(under, 2048, b, 512, &e), &e);
	CHECK(b[99] == 7 && b[100] == 0);
	CHECK_OK(device_read(under, 512, b, 512, &e), &e);
	CHECK(b[0] == 0);

	CHECK_OK(device_flush(flush, &e), &e);
	CHECK_U64(-device_flush(flush, &e), EIO);
	err_clear(&e);
	CHECK_OK(device_flush(flush, &e), &e);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
