/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of which parts are compared with what the device holds: only what differs is written. */
#include <errno.h>

#include "src/media/device_test.h"
#include "src/media/writelist.h"
#include "tests/lib/counting.h"
#include "tests/lib/test.h"

#define DEVICE_SIZE   (8 * MIB)
#define WORTH_SPARING (16 * KIB) /* as in writelist.c: what lies between two differing sectors and is not written */

static u64 random_below(u64 limit, unsigned *seed)
{
	u64 n = (u64)rand_r(seed) << 16 ^ (u64)rand_r(seed);

	return n % limit;
}

static void fill_random(u8 *p, u64 len, unsigned seed)
{
	u32 x = seed;

	for (u64 i = 0; i < len; i++)
		p[i] = (u8)((x = x * 1664525 + 1013904223) >> 24);
}

/* An input that must be read from its start to its end. */
struct source {
	const u8 *data;
	u64 len, next;
	struct sha256 *hash;
};

static int source_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct source *s = ctx;

	(void)e;
	CHECK_U64(off, s->next);
	CHECK(len <= s->len - off);
	s->next = off + len;
	memcpy(buf, s->data + off, len);
	return 0;
}

static void source_add(struct writelist *w, struct source *s, u64 off, const u8 *data, u64 len)
{
	*s = (struct source){ .data = data, .len = len, .hash = sha256_new_sized(len) };
	writelist_add_input(w, off, len, (struct input){ .read = source_read, .ctx = s }, s->hash);
}

static void source_check(struct source *s)
{
	u8 is[SHA256_SIZE], want[SHA256_SIZE];

	CHECK_U64(s->next, s->len);
	sha256_end(s->hash, is);
	sha256_of(s->data, s->len, want);
	CHECK(memcmp(is, want, sizeof(is)) == 0);
}

#define N_FILES 60

/* One random list over a device that holds nearly the same; what is there, what is wanted, what is compared. */
struct layout {
	u8 *old, *want;
	bool *compared; /* a sector each */
	bool *covered;
	u32 sector;
	struct writelist *w;
	struct source source[N_FILES];
	size_t n;
};

/* Some sectors are changed in one byte, alone, in rows, or rather none. */
static void change(struct layout *l, unsigned *seed)
{
	unsigned every = 1U << random_below(10, seed);

	for (u64 at = 0; at < DEVICE_SIZE; at += l->sector) {
		if (random_below(every, seed) != 0)
			continue;
		for (u64 row = random_below(8, seed) + 1; row > 0 && at < DEVICE_SIZE; row--, at += l->sector)
			l->old[at + random_below(l->sector, seed)] ^= 1;
	}
}

static void layout_make(struct layout *l, unsigned seed)
{
	u64 at = 0;

	*l = (struct layout){ .sector = seed % 2 ? 512 : 4096, .w = writelist_new() };
	l->old = xcalloc(DEVICE_SIZE, 1);
	l->want = xcalloc(DEVICE_SIZE, 1);
	l->compared = xcalloc(DEVICE_SIZE / 512, 1);
	l->covered = xcalloc(DEVICE_SIZE / 512, 1);
	fill_random(l->want, DEVICE_SIZE, seed);
	memcpy(l->old, l->want, DEVICE_SIZE);
	change(l, &seed);
	while (l->n < N_FILES) {
		u64 len = random_below(400 * KIB, &seed) + 1, end = align_up(at + len, l->sector);
		bool compare = random_below(3, &seed) > 0;

		if (end > DEVICE_SIZE)
			break;
		writelist_compare(l->w, compare);
		source_add(l->w, &l->source[l->n++], at, l->want + at, len);
		writelist_add_zero(l->w, at + len, end - at - len);
		memset(l->want + at + len, 0, end - at - len);
		memset(l->covered + at / 512, true, (end - at) / 512);
		memset(l->compared + at / 512, compare, (end - at) / 512);
		at = end + random_below(2, &seed) * random_below(5, &seed) * l->sector;
	}
}

static void layout_free(struct layout *l)
{
	free(l->old);
	free(l->want);
	free(l->compared);
	free(l->covered);
	writelist_free(l->w);
}

static bool sector_differs(const struct layout *l, u64 at)
{
	return memcmp(l->old + at, l->want + at, l->sector) != 0;
}

/* Ascending, no byte twice; a compared piece begins and ends with what differs, and has no long row of equal ones. */
static void check_writes(const struct layout *l, const struct device *recorder)
{
	struct writelist_counts counts = writelist_counts(l->w);
	u64 end = 0, written = 0;
	size_t n;
	const struct record *log = device_records(recorder, &n);

	for (size_t i = 0; i + 1 < n; i++) {
		const struct record *r = &log[i];
		u64 equal = 0;

		CHECK(!r->is_flush && r->off >= end && r->off % l->sector == 0 && r->len % l->sector == 0);
		end = r->off + r->len;
		written += r->len;
		for (u64 at = r->off; at < end; at += l->sector) {
			CHECK(l->covered[at / 512]);
			if (!l->compared[at / 512])
				continue;
			equal = sector_differs(l, at) ? 0 : equal + l->sector;
			CHECK(equal < WORTH_SPARING);
		}
		if (l->compared[r->off / 512])
			CHECK(equal == 0 && sector_differs(l, r->off));
	}
	CHECK(n > 0 && log[n - 1].is_flush);
	CHECK_U64(counts.written, written);
	CHECK_U64(counts.written + counts.spared, writelist_bytes(l->w));
}

static void check_content(const struct layout *l, struct device *d)
{
	AUTO_FREE u8 *is = xcalloc(DEVICE_SIZE, 1);
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(device_read(d, 0, is, DEVICE_SIZE, &e), &e);
	for (u64 at = 0; at < DEVICE_SIZE; at += 512)
		if (memcmp(is + at, (l->covered[at / 512] ? l->want : l->old) + at, 512) != 0) {
			test_fail(__FILE__, __LINE__, "wrong bytes at %llu", (unsigned long long)at);
			return;
		}
}

TEST(only_what_differs_is_written)
{
	for (unsigned seed = 0; seed < 60; seed++) {
		AUTO_FREE struct layout *l = xcalloc(1, sizeof(*l));
		AUTO_DEVICE struct device *d = NULL, *recorder = NULL;
		AUTO_ERR struct err e = { 0 };

		layout_make(l, seed);
		d = device_new_memory("stick", DEVICE_SIZE, l->sector);
		CHECK_OK(device_write(d, 0, l->old, DEVICE_SIZE, &e), &e);
		recorder = device_new_recorder(d, false);
		CHECK_OK(writelist_finish(l->w, &e), &e);
		if (CHECK_OK(writelist_run(l->w, recorder, NULL, &e), &e)) {
			check_writes(l, recorder);
			check_content(l, d);
			for (size_t i = 0; i < l->n; i++)
				source_check(&l->source[i]);
		}
		layout_free(l);
	}
}

TEST(nothing_is_written_over_the_same)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
	AUTO_FREE u8 *data = xcalloc(DEVICE_SIZE, 1);
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };
	size_t n;

	fill_random(data, DEVICE_SIZE, 3);
	CHECK_OK(device_write(d, 0, data, DEVICE_SIZE, &e), &e);
	writelist_compare(w, true);
	writelist_add_memory(w, 512, data + 512, DEVICE_SIZE - 512);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_OK(writelist_run(w, recorder, NULL, &e), &e);
	device_records(recorder, &n);
	CHECK_U64(n, 1); /* the flush */
	CHECK_U64(writelist_counts(w).written, 0);
	CHECK_U64(writelist_counts(w).spared, DEVICE_SIZE - 512);
	writelist_free(w);
}

/* A device of which a part cannot be read until it has been written, as a stick with a bad sector. */
struct unreadable {
	struct device d;
	struct device *under;
	u64 from, to;
};

static int unreadable_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct unreadable *u = (struct unreadable *)d;

	return off < u->to && off + len > u->from ? -EIO : u->under->ops->read(u->under, off, buf, len);
}

static int unreadable_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct unreadable *u = (struct unreadable *)d;

	return u->under->ops->write(u->under, off, buf, len);
}

TEST(what_cannot_be_read_is_written)
{
	static const struct device_ops ops = { .read = unreadable_read, .write = unreadable_write };
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_FREE u8 *data = xcalloc(DEVICE_SIZE, 1), *is = xcalloc(DEVICE_SIZE, 1);
	char name[] = "stick";
	struct unreadable bad = { .d = { .ops = &ops, .name = name, .size = DEVICE_SIZE, .sector_size = 512, .fd = -1 },
		                  .under = d };
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };

	bad.from = 3 * MIB + 7 * 512;
	bad.to = bad.from + 512;
	fill_random(data, DEVICE_SIZE, 4);
	CHECK_OK(device_write(d, 0, data, DEVICE_SIZE, &e), &e);
	data[5 * MIB] ^= 1;
	writelist_compare(w, true);
	writelist_add_memory(w, 0, data, DEVICE_SIZE);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_OK(writelist_run(w, &bad.d, NULL, &e), &e);
	CHECK_U64(writelist_counts(w).written, MIB + 512); /* the piece with the bad sector, and the other one */
	CHECK_OK(device_read(d, 0, is, DEVICE_SIZE, &e), &e);
	CHECK(memcmp(is, data, DEVICE_SIZE) == 0);
	writelist_free(w);
}

/* Where comparing begins or ends, a sector must begin: it is written, or it is not. */
TEST(compared_parts_are_whole_sectors)
{
	static const struct {
		u64 border;
		u32 sector;
		int r;
	} rows[] = { { 1024, 512, 0 }, { 1000, 512, -EINVAL }, { 1024, 4096, -EINVAL }, { 4096, 4096, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int first = 0; first < 2; first++) {
			AUTO_DEVICE struct device *d = device_new_memory("stick", MIB, rows[i].sector);
			AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
			struct writelist *w = writelist_new();
			AUTO_ERR struct err e = { 0 };
			size_t n;

			writelist_compare(w, first);
			writelist_add_zero(w, 0, rows[i].border);
			writelist_compare(w, !first);
			writelist_add_zero(w, rows[i].border, 8192 - rows[i].border);
			CHECK_OK(writelist_finish(w, &e), &e);
			CHECK_U64(-writelist_run(w, recorder, NULL, &e), -rows[i].r);
			device_records(recorder, &n);
			if (rows[i].r)
				CHECK_FAILS(rows[i].r, &e, "inside a sector of stick");
			CHECK_U64(n, rows[i].r ? 0 : 2);
			writelist_free(w);
		}
}

/* After each failing write the counts say what was done until then, and nothing is flushed. */
TEST(failing_writes_are_told)
{
	AUTO_FREE u8 *data = xcalloc(DEVICE_SIZE, 1);

	for (u64 i = 0; i < 8; i++)
		data[i * MIB + 70000 * i] = 1;
	for (u64 at = 1; at <= 9; at++) {
		const struct fault fault = { .at_write = at, .error = EIO };
		AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
		AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
		AUTO_DEVICE struct device *failing = device_new_failing(recorder, fault);
		struct writelist *w = writelist_new();
		AUTO_ERR struct err e = { 0 };
		size_t n;
		int r;

		writelist_compare(w, true);
		writelist_add_memory(w, 0, data, DEVICE_SIZE);
		CHECK_OK(writelist_finish(w, &e), &e);
		r = writelist_run(w, failing, NULL, &e);
		device_records(recorder, &n);
		CHECK_U64(-r, at <= 8 ? EIO : 0);
		if (r < 0)
			CHECK_FAILS(r, &e, "stick: write at byte ");
		CHECK_U64(n, at <= 8 ? at - 1 : 9);
		CHECK_U64(writelist_counts(w).written, 512 * MIN(at - 1, 8));
		writelist_free(w);
	}
}

/* The first 64 MiB are not zeros. */
static int read_front(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	(void)ctx;
	(void)e;
	memset(buf, off < 64 * MIB ? 'x' : 0, len);
	return 0;
}

TEST(where_all_is_different_a_part_is_looked_at)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", 96 * MIB, 512);
	struct counting c;
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *piece = xcalloc(1, MIB);

	counting_init(&c, d);
	writelist_compare(w, true);
	writelist_add_input(w, 0, 96 * MIB, (struct input){ .read = read_front }, NULL);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_OK(writelist_run(w, &c.d, NULL, &e), &e);
	/* 16 MiB, of the other 48 each fourth; three are passed until it is seen that the rest is equal. */
	CHECK_U64(c.bytes_read, (16 + 12 + 29) * MIB);
	CHECK_U64(writelist_counts(w).written, (64 + 3) * MIB);
	CHECK_U64(writelist_counts(w).spared, 29 * MIB);
	for (u64 at = 0; at < 96 * MIB; at += MIB) {
		CHECK_OK(device_read(d, at, piece, MIB, &e), &e);
		CHECK(piece[0] == (at < 64 * MIB ? 'x' : 0) && memcmp(piece, piece + 1, MIB - 1) == 0);
	}
	writelist_free(w);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
