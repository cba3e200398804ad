/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <time.h>

#include "src/media/device_test.h"
#include "src/media/writelist.h"
#include "tests/lib/test.h"

#define DEVICE_SIZE  (24 * MIB)
#define MAX_SEGMENTS 400

/* An input that gives bytes of `data` and checks how it is asked. */
struct source {
	const u8 *data;
	u64 len, next;
	u64 device_off;
	u64 *reached; /* shared by the inputs of a list: the last place on the device that was asked for */
};

static int source_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct source *s = ctx;

	(void)e;
	CHECK_U64(off, s->next);
	CHECK(len > 0 && len <= s->len - off);
	CHECK(s->device_off + off >= *s->reached);
	*s->reached = s->device_off + off;
	s->next = off + len;
	memcpy(buf, s->data + off, len);
	return 0;
}

static struct input source_input(struct source *s)
{
	return (struct input){ .read = source_read, .ctx = s };
}

/* A random layout, what the device must hold after it, and what each input's digest must be. */
struct layout {
	u8 *want;    /* DEVICE_SIZE bytes */
	u8 *covered; /* a byte each sector: it is in a stretch */
	struct writelist *w;
	struct source sources[MAX_SEGMENTS];
	struct sha256 *hashes[MAX_SEGMENTS];
	u64 reached, bytes;
	size_t n_sources, stretches;
};

static void layout_free(struct layout *l)
{
	writelist_free(l->w);
	for (size_t i = 0; i < l->n_sources; i++)
		sha256_free(l->hashes[i]);
	free(l->want);
	free(l->covered);
}

static u64 random_below(u64 limit, unsigned *seed)
{
	u64 n = (u64)rand_r(seed) << 16 ^ (u64)rand_r(seed);

	return n % limit;
}

static void add_segment(struct layout *l, u64 off, u64 len, unsigned *seed)
{
	u8 *data = l->want + off;
	struct source *s = &l->sources[l->n_sources];
	u32 x = (u32)rand_r(seed);

	if (rand_r(seed) % 4 == 0) {
		writelist_add_zero(l->w, off, len);
		memset(data, 0, len);
		return;
	}
	for (u64 i = 0; i < len; i++)
		data[i] = (u8)((x = x * 1664525 + 1013904223) >> 24);
	switch (rand_r(seed) % 3) {
	case 0:
		writelist_add_memory(l->w, off, data, len);
		break;
	case 1:
		writelist_take_memory(l->w, off, memcpy(xcalloc(len, 1), data, len), len);
		break;
	default:
		*s = (struct source){ .data = data, .len = len, .device_off = off, .reached = &l->reached };
		l->hashes[l->n_sources] = rand_r(seed) % 2 ? sha256_new() : NULL;
		writelist_add_input(l->w, off, len, source_input(s), l->hashes[l->n_sources++]);
	}
}

struct piece {
	u64 off, len;
};

static void shuffle(struct piece *p, size_t n, unsigned *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t other = random_below(i, seed);
		struct piece t = p[i - 1];

		p[i - 1] = p[other];
		p[other] = t;
	}
}

/* Stretches of whole sectors with gaps between them; pieces inside a stretch end anywhere. Added in any order. */
static void layout_make(struct layout *l, unsigned seed, u32 sector)
{
	struct piece p[MAX_SEGMENTS];
	u64 largest = 512 << seed % 12, at = random_below(3, &seed) * sector;
	size_t n = 0;

	*l = (struct layout){ .want = xcalloc(DEVICE_SIZE, 1), .w = writelist_new() };
	l->covered = xcalloc(DEVICE_SIZE / 512, 1);
	memset(l->want, 0x55, DEVICE_SIZE);
	while (n + 21 < MAX_SEGMENTS) {
		u64 start = at;

		for (u64 k = random_below(20, &seed) + 1; k > 0; k--, n++) {
			u64 len = random_below(largest, &seed) + (rand_r(&seed) % 8 != 0);

			p[n] = (struct piece){ at, k > 1 ? len : align_up(at + len, sector) - at };
			at += p[n].len;
		}
		if (at > DEVICE_SIZE) {
			while (n > 0 && p[n - 1].off >= start)
				n--;
			break;
		}
		l->stretches += at > start;
		l->bytes += at - start;
		memset(l->covered + start / 512, 1, (at - start) / 512);
		at += (random_below(40, &seed) + 1) * sector;
	}
	shuffle(p, n, &seed);
	for (size_t i = 0; i < n; i++)
		add_segment(l, p[i].off, p[i].len, &seed);
}

/* Ascending, once, inside, large where there is room, and one flush at the end. */
static void check_records(const struct layout *l, const struct device *recorder)
{
	size_t n;
	const struct record *log = device_records(recorder, &n);
	u64 end = 0, bytes = 0;

	CHECK(n > 0 && log[n - 1].is_flush);
	for (size_t i = 0; i + 1 < n; i++) {
		const struct record *w = &log[i];

		CHECK(!w->is_flush && w->len > 0);
		CHECK(w->off >= end && w->off % 512 == 0 && w->len % 512 == 0);
		CHECK(w->off / MIB == (w->off + w->len - 1) / MIB);
		/* Only a gap or a multiple of 1 MiB begins another write. */
		CHECK(w->off > end || w->off % MIB == 0);
		for (u64 at = w->off; at < w->off + w->len; at += 512)
			CHECK(l->covered[at / 512]);
		end = w->off + w->len;
		bytes += w->len;
	}
	CHECK_U64(bytes, l->bytes);
}

static void check_hashes(struct layout *l)
{
	for (size_t i = 0; i < l->n_sources; i++) {
		u8 is[SHA256_SIZE], want[SHA256_SIZE];

		CHECK_U64(l->sources[i].next, l->sources[i].len);
		if (!l->hashes[i])
			continue;
		sha256_end(TAKE(l->hashes[i]), is);
		sha256_of(l->sources[i].data, l->sources[i].len, want);
		CHECK(memcmp(is, want, sizeof(is)) == 0);
	}
}

static void fill_device(struct device *d)
{
	AUTO_FREE u8 *mem = xcalloc(MIB, 1);
	AUTO_ERR struct err e = { 0 };

	memset(mem, 0x55, MIB);
	for (u64 off = 0; off < DEVICE_SIZE; off += MIB)
		CHECK_OK(device_write(d, off, mem, MIB, &e), &e);
}

TEST(random_lists_are_written_once_and_in_order)
{
	AUTO_FREE u8 *is = xcalloc(DEVICE_SIZE, 1);

	alarm(200);
	for (unsigned seed = 0; seed < 48; seed++) {
		u32 sector = seed % 2 ? 512 : 4096;
		AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, sector);
		AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
		AUTO_FREE struct layout *memory = xcalloc(1, sizeof(*memory));
		struct layout *l = memory;
		AUTO_ERR struct err e = { 0 };

		layout_make(l, seed, sector);
		fill_device(d);
		CHECK_OK(writelist_finish(l->w, &e), &e);
		CHECK_U64(writelist_bytes(l->w), l->bytes);
		CHECK_U64(writelist_stretches(l->w), l->stretches);
		CHECK_OK(writelist_run(l->w, recorder, NULL, &e), &e);
		check_records(l, recorder);
		check_hashes(l);
		CHECK_OK(device_read(d, 0, is, DEVICE_SIZE, &e), &e);
		CHECK(memcmp(is, l->want, DEVICE_SIZE) == 0);
		layout_free(l);
	}
	alarm(0);
}

TEST(empty_list_only_flushes)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", MIB, 512);
	AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };
	size_t n;

	writelist_add_zero(w, 77, 0);
	writelist_add_memory(w, 77, "", 0);
	writelist_take_memory(w, 77, xcalloc(1, 1), 0);
	writelist_add_input(w, 77, 0, input_memory(""), NULL);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_U64(writelist_bytes(w), 0);
	CHECK_U64(writelist_stretches(w), 0);
	CHECK_OK(writelist_run(w, recorder, NULL, &e), &e);
	CHECK(device_records(recorder, &n)->is_flush);
	CHECK_U64(n, 1);
	writelist_free(w);
	writelist_free(NULL);
}

TEST(overlapping_segments_are_found)
{
	static const struct {
		u64 off[3], len[3];
		int r;
		const char *words;
	} rows[] = {
		{ { 0, 512, 1024 }, { 512, 512, 512 }, 0, NULL },
		{ { 0, 511, 1024 }, { 512, 513, 512 }, -EEXIST, "layout: byte 511 is wanted twice" },
		{ { 1024, 0, 512 }, { 512, 512, 513 }, -EEXIST, "layout: byte 1024 is wanted twice" },
		{ { 512, 0, 512 }, { 512, 512, 512 }, -EEXIST, "layout: byte 512 is wanted twice" },
		{ { 0, 512, 1024 }, { 8192, 1, 1 }, -EEXIST, "layout: byte 512 is wanted twice" },
		{ { 0, UINT64_MAX - 511, 1024 }, { 512, 511, 512 }, 0, NULL },
		{ { 0, UINT64_MAX - 511, 1024 }, { 512, 512, 512 }, -ERANGE, "lie outside every device" },
		{ { 0, 512, 4 * MIB }, { 512, UINT64_MAX, 512 }, -ERANGE, "lie outside every device" },
	};
	AUTO_ERR struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct writelist *w = writelist_new();
		int r;

		for (size_t k = 0; k < 3; k++)
			writelist_add_zero(w, rows[i].off[k], rows[i].len[k]);
		r = writelist_finish(w, &e);
		CHECK_U64(-r, -rows[i].r);
		if (rows[i].words)
			CHECK_FAILS(r, &e, rows[i].words);
		writelist_free(w);
	}
}

/* Nothing of a list that does not fit the device is written. */
TEST(lists_that_do_not_fit_are_refused_before_writing)
{
	static const struct {
		u64 off[2], len[2];
		u32 sector;
		int r;
		const char *words;
	} rows[] = {
		{ { 0, 4096 }, { 512, 512 }, 512, 0, NULL },
		{ { 0, 512 }, { 512, 4096 - 512 }, 4096, 0, NULL },
		{ { 0, 5 }, { 5, 507 }, 512, 0, NULL },
		{ { 0, 4096 }, { 512, 512 }, 4096, -EINVAL, "starts or ends at byte 512, inside a sector of stick" },
		{ { 0, 4097 }, { 512, 511 }, 512, -EINVAL, "at byte 4097, inside" },
		{ { 0, 4096 }, { 511, 512 }, 512, -EINVAL, "at byte 511, inside" },
		{ { 0, 4096 }, { 512, 513 }, 512, -EINVAL, "at byte 4609, inside" },
		{ { 1, 4096 }, { 511, 512 }, 512, -EINVAL, "at byte 1, inside" },
		{ { 0, MIB - 512 }, { 512, 512 }, 512, 0, NULL },
		{ { 0, MIB - 512 }, { 512, 1024 }, 512, -ERANGE, "ends at byte 1049088, but stick has 1048576 bytes" },
		{ { 0, MIB }, { 512, 512 }, 512, -ERANGE, "ends at byte 1049088" },
	};
	AUTO_ERR struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_DEVICE struct device *d = device_new_memory("stick", MIB, rows[i].sector);
		AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
		struct writelist *w = writelist_new();
		size_t n;
		int r;

		for (size_t k = 0; k < 2; k++)
			writelist_add_zero(w, rows[i].off[k], rows[i].len[k]);
		CHECK_OK(writelist_finish(w, &e), &e);
		r = writelist_run(w, recorder, NULL, &e);
		CHECK_U64(-r, -rows[i].r);
		device_records(recorder, &n);
		if (rows[i].words) {
			CHECK_FAILS(r, &e, rows[i].words);
			CHECK_U64(n, 0);
		}
		writelist_free(w);
	}
}

/* The order of reading is a promise: the last input knows what the ones before it were. */
struct manifest {
	struct sha256 **hash;
	u8 digest[SHA256_SIZE];
};

static int manifest_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct manifest *m = ctx;

	(void)e;
	if (off == 0)
		sha256_end(TAKE(*m->hash), m->digest);
	memset(buf, 0, len);
	memcpy(buf, m->digest, SHA256_SIZE);
	return 0;
}

TEST(an_input_may_depend_on_those_before_it)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_FREE u8 *data = xcalloc(3 * MIB, 1);
	struct writelist *w = writelist_new();
	struct sha256 *hash = sha256_new();
	struct manifest m = { .hash = &hash };
	AUTO_ERR struct err e = { 0 };
	u8 is[SHA256_SIZE], want[SHA256_SIZE];

	memset(data, 9, 3 * MIB);
	writelist_add_input(w, 8 * MIB, 512, (struct input){ .read = manifest_read, .ctx = &m }, NULL);
	writelist_add_input(w, 512, 3 * MIB, input_memory(data), hash);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_OK(writelist_run(w, d, NULL, &e), &e);
	CHECK(!hash);
	sha256_of(data, 3 * MIB, want);
	CHECK_OK(device_read(d, 8 * MIB, is, SHA256_SIZE, &e), &e);
	CHECK(memcmp(is, want, SHA256_SIZE) == 0);
	writelist_free(w);
}

/* While it is hashed, the memory of a piece is not used for what follows: zeros without number, and other files. */
TEST(what_follows_does_not_disturb_the_hash)
{
	static const u64 len[] = { MIB, 3 * MIB / 2, 700000, 300, 2 * MIB + 1 };
	AUTO_FREE u8 *data = xcalloc(3 * MIB, 1);
	u32 x = 9;

	for (u64 i = 0; i < 3 * MIB; i++)
		data[i] = (u8)((x = x * 1664525 + 1013904223) >> 24);
	for (unsigned round = 0; round < 8; round++) {
		AUTO_DEVICE struct device *d = device_new_memory("stick", 64 * MIB, 512);
		struct writelist *w = writelist_new();
		struct sha256 *hash[ARRAY_SIZE(len)];
		AUTO_ERR struct err e = { 0 };
		u64 off = 0;

		for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
			u64 room = align_up(len[i], MIB) + (round & 1 ? 9 * MIB : 0);

			hash[i] = sha256_new_sized(len[i]);
			writelist_add_input(w, off, len[i], input_memory(data + i), hash[i]);
			writelist_add_zero(w, off + len[i], room - len[i]);
			off += room;
		}
		CHECK_OK(writelist_finish(w, &e), &e);
		CHECK_U64(writelist_bytes(w), off);
		CHECK_U64(writelist_stretches(w), 1);
		CHECK_OK(writelist_run(w, d, NULL, &e), &e);
		for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
			u8 is[SHA256_SIZE], want[SHA256_SIZE];

			sha256_end(hash[i], is);
			sha256_of(data + i, len[i], want);
			CHECK(memcmp(is, want, SHA256_SIZE) == 0);
		}
		writelist_free(w);
	}
}

/* A file that must be read from start to end. */
struct whole {
	const u8 *data;
	u64 next;
};

static int whole_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct whole *f = ctx;

	(void)e;
	CHECK_U64(off, f->next);
	f->next = off + len;
	memcpy(buf, f->data + off, len);
	return 0;
}

TEST(a_file_may_lie_in_several_stretches)
{
	/* In the file, in the order of adding; the lengths end anywhere. */
	static const struct {
		u64 at, off, len;
	} rows[] = { { 700001, 9 * MIB, 2000000 }, { 0, 512, 700001 }, { 2700001, 20 * MIB, 445727 } };
	const u64 size = 3145728;
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_FREE u8 *data = xcalloc(size, 1), *is = xcalloc(size, 1);
	struct whole f = { .data = data };
	struct input in = { .read = whole_read, .ctx = &f };
	struct writelist *w = writelist_new();
	struct sha256 *hash = sha256_new_sized(size);
	AUTO_ERR struct err e = { 0 };
	u8 fed[SHA256_SIZE], want[SHA256_SIZE];
	u32 x = 5;

	for (u64 i = 0; i < size; i++)
		data[i] = (u8)((x = x * 1664525 + 1013904223) >> 24);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 end = rows[i].off + rows[i].len;

		writelist_add_input_at(w, rows[i].off, rows[i].len, in, rows[i].at, hash);
		writelist_add_zero(w, end, align_up(end, 512) - end);
	}
	writelist_add_input_at(w, 23 * MIB, 0, in, 77, hash);
	writelist_add_input_at(w, 22 * MIB, 512, input_memory(data), 1000, NULL);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_U64(writelist_stretches(w), 4);
	CHECK_OK(writelist_run(w, d, NULL, &e), &e);
	writelist_free(w);
	CHECK_U64(f.next, size);
	sha256_end(hash, fed);
	sha256_of(data, size, want);
	CHECK(memcmp(fed, want, sizeof(fed)) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_OK(device_read(d, rows[i].off, is + rows[i].at, rows[i].len, &e), &e);
	CHECK(memcmp(is, data, size) == 0);
	CHECK_OK(device_read(d, 22 * MIB, is, 512, &e), &e);
	CHECK(memcmp(is, data + 1000, 512) == 0);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(a_hundred_thousand_files)
{
	const size_t n = 100000;
	AUTO_DEVICE struct device *d = device_new_memory("stick", GIB, 512);
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };
	double begun = seconds();
	u8 sector[512];

	memset(sector, 3, sizeof(sector));
	/* From the end to the start, each with a tail of zeros: one stretch. */
	for (size_t i = n; i-- > 0;) {
		writelist_add_zero(w, i * 512 + 500, 12);
		writelist_add_memory(w, i * 512, sector, 500);
	}
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_U64(writelist_stretches(w), 1);
	CHECK_OK(writelist_run(w, d, NULL, &e), &e);
	CHECK(seconds() - begun < 5);
	writelist_free(w);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
