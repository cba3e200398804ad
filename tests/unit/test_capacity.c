/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sticks that are to be wiped: each kind of fake is found, at any real size; honest ones are not accused. */
#include "tests/lib/test.h"

#include <errno.h>

#include "src/capacity.h"
#include "src/capacity_parts.h"
#include "src/media/device_test.h"
#include "tests/lib/fake.h"

struct stick_case {
	u64 claimed;
	u32 sector_size;
	struct device *memory, *fake;
};

static void begin(struct stick_case *x, u64 claimed, u32 sector_size, struct fake fake)
{
	*x = (struct stick_case){ .claimed = claimed, .sector_size = sector_size };
	x->memory = device_new_memory("stick", claimed, sector_size);
	x->fake = device_new_fake(x->memory, fake);
}

static void end(struct stick_case *x)
{
	device_free(x->fake);
	device_free(x->memory);
}

/* Something that is on the stick and must be there afterwards. */
static void put_text(struct device *d, u64 off, const char *text)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *block = xcalloc(1, MARK_SIZE);

	memcpy(block, text, strlen(text));
	CHECK_OK(device_write(d, off, block, MARK_SIZE, &e), &e);
}

static bool has_text(struct device *d, u64 off, const char *text)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *block = xcalloc(1, MARK_SIZE);

	return device_read(d, off, block, MARK_SIZE, &e) == 0 && strcmp((char *)block, text) == 0;
}

static int is_zero(void *ctx, u64 off, const u8 *data, size_t len)
{
	(void)ctx;
	(void)off;
	return data[0] != 0 || memcmp(data, data + 1, len - 1) != 0;
}

static struct capacity probe(struct device *d)
{
	AUTO_ERR struct err e = { 0 };
	struct capacity_test *t = NULL;
	struct capacity c = { 0 };

	CHECK_OK(capacity_begin(d, NULL, &t, &c, &e), &e);
	CHECK((t != NULL) == (c.kind == CAPACITY_GOOD));
	CHECK_U64(c.claimed, d->size);
	capacity_free(t);
	return c;
}

static const u64 real_sizes[] = {
	8 * GIB, 7 * GIB + 300 * MIB + 7 * KIB + 512, GIB, 100 * MIB, 32 * GIB, 40 * GIB + 512, 63 * GIB + 1000 * MIB
};

#define ALL ARRAY_SIZE(real_sizes)

/* Of the first `n` real sizes. */
static void check_fake(struct fake fake, size_t n, enum capacity_kind kind, const char *words)
{
	for (size_t i = 0; i < n; i++) {
		struct stick_case x;
		struct capacity c;
		AUTO_FREE char *sentence = NULL;

		fake.real = real_sizes[i];
		begin(&x, 64 * GIB, 512, fake);
		c = probe(x.fake);
		sentence = capacity_sentence(&c);
		if (c.kind != kind || !strstr(sentence, words))
			test_fail(__FILE__, __LINE__, "real %llu: kind %d: %s", (unsigned long long)fake.real, c.kind,
			          sentence);
		if (kind == CAPACITY_WRAPS) {
			CHECK_U64(c.real, fake.real);
		} else {
			CHECK(c.real <= fake.real && c.limit >= c.real);
			CHECK(fake.real - c.real <= 2 * GIB / 64 + MARK_SIZE);
			CHECK(c.limit + 2 * MARK_SIZE > fake.real);
		}
		/* Refused before anything is lost: all zeros as before. */
		device_fake_replug(x.fake);
		CHECK_U64(device_memory_each(x.memory, is_zero, NULL), 0);
		end(&x);
	}
}

TEST(wraps_around)
{
	check_fake((struct fake){ .kind = FAKE_WRAPS }, ALL, CAPACITY_WRAPS,
	           "ends up at the beginning (it wraps around)");
}

TEST(wraps_around_behind_a_cache)
{
	check_fake((struct fake){ .kind = FAKE_WRAPS, .cache = 15 * MIB }, 4, CAPACITY_WRAPS,
	           "ends up at the beginning");
}

TEST(loses_and_reads_zeros)
{
	check_fake((struct fake){ .kind = FAKE_LOSES }, ALL, CAPACITY_LOSES, "loses what is written beyond about");
}

TEST(loses_and_reads_ones)
{
	check_fake((struct fake){ .kind = FAKE_LOSES, .fill = FILL_ONES }, 2, CAPACITY_LOSES, "it is a fake");
}

TEST(loses_and_reads_noise)
{
	check_fake((struct fake){ .kind = FAKE_LOSES, .fill = FILL_NOISE }, 2, CAPACITY_LOSES, "it is a fake");
}

TEST(loses_behind_a_cache)
{
	check_fake((struct fake){ .kind = FAKE_LOSES, .cache = 31 * MIB }, ALL, CAPACITY_LOSES, "it is a fake");
}

TEST(everything_beyond_is_the_last_block)
{
	check_fake((struct fake){ .kind = FAKE_LAST }, ALL, CAPACITY_MIXES, "overwrites something else");
}

TEST(fails_beyond)
{
	check_fake((struct fake){ .kind = FAKE_FAILS }, ALL, CAPACITY_ENDS, "cannot be read or written beyond about");
}

TEST(a_hole_with_good_flash_behind_is_no_matter_of_size)
{
	struct stick_case x;
	struct capacity c;

	begin(&x, 64 * GIB, 512, (struct fake){ .kind = FAKE_HOLE, .real = 9 * GIB, .hole = 20 * GIB });
	c = probe(x.fake);
	CHECK_U64(c.kind, CAPACITY_BROKEN);
	CHECK(c.limit >= 9 * GIB && c.limit < 29 * GIB);
	end(&x);
}

TEST(other_sizes_and_sectors)
{
	static const struct {
		u64 claimed, real;
		u32 sector_size;
	} row[] = {
		{ 16 * GIB + 512, 4 * GIB, 512 },
		{ 2 * GIB, 511 * MIB, 512 },
		{ 64 * MIB, 20 * MIB, 512 },
		{ 32 * GIB, 8 * GIB, 4096 },
		{ 1000 * GIB, 31 * GIB + 12345 * 512, 512 },
		{ 16384 * GIB, 64 * GIB, 4096 },
		{ 2048 * GIB, 512 * GIB, 512 },
		{ 15376318464, 3 * GIB + 512, 512 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		static const enum fake_kind kinds[] = { FAKE_WRAPS, FAKE_LOSES, FAKE_LAST, FAKE_FAILS };

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct stick_case x;
			struct capacity c;

			begin(&x, row[i].claimed, row[i].sector_size, (struct fake){ kinds[k], .real = row[i].real });
			c = probe(x.fake);
			if (c.kind == CAPACITY_GOOD)
				test_fail(__FILE__, __LINE__, "row %zu, kind %zu: not found", i, k);
			if (kinds[k] == FAKE_WRAPS)
				CHECK_U64(c.real, row[i].real);
			end(&x);
		}
	}
}

TEST(honest_sticks_are_not_accused)
{
	static const u64 sizes[] = { 64 * GIB,  15376318464, 16 * GIB + 512, 4 * GIB + 4096 - 512,
		                     600 * MIB, 64 * MIB,    16384 * GIB,    1000204886016 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (u32 sector = 512; sector <= 4096; sector *= 8) {
			struct stick_case x;
			AUTO_FREE char *sentence = NULL;
			struct capacity c;

			if (sizes[i] % sector)
				continue;
			begin(&x, sizes[i], sector, (struct fake){ .cache = i % 2 ? 5 * MIB : 0 });
			c = probe(x.fake);
			sentence = capacity_sentence(&c);
			CHECK_U64(c.kind, CAPACITY_GOOD);
			CHECK(strstr(sentence, "as far as"));
			end(&x);
		}
	}
}

TEST(a_device_that_is_too_small_for_marks_is_left_alone)
{
	struct device *d = device_new_memory("small", MIB, 512);
	struct capacity_test *t = NULL;
	struct capacity c;
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(capacity_begin(d, NULL, &t, &c, &e), &e);
	CHECK(!t && c.kind == CAPACITY_GOOD);
	CHECK_U64(device_memory_each(d, is_zero, NULL), 0);
	device_free(d);
}

/* ---- the second look, after the stick was written */

static bool is_written(void *ctx, u64 off, size_t len)
{
	const struct run *pass = ctx;

	return off < pass->off + pass->len && pass->off < off + len;
}

static void write_pass(struct device *d, struct run pass)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *data = xcalloc(1, MIB);

	memset(data, 0x5a, MIB);
	for (u64 at = 0; at < pass.len; at += MIB)
		CHECK_OK(device_write(d, pass.off + at, data, MIN(MIB, pass.len - at), &e), &e);
	CHECK_OK(device_flush(d, &e), &e);
}

/* The cache is larger than the run, so nothing is seen at first; it is not larger than what create writes. */
TEST(a_large_cache_is_driven_out_by_the_pass)
{
	static const enum fake_kind kinds[] = { FAKE_LOSES, FAKE_WRAPS };

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct run pass = { 0, 150 * MIB };
		struct stick_case x;
		struct capacity_test *t = NULL;
		struct capacity c;
		AUTO_ERR struct err e = { 0 };

		begin(&x, 64 * GIB, 512, (struct fake){ kinds[k], .real = 8 * GIB, .cache = 64 * MIB });
		CHECK_OK(capacity_begin(x.fake, NULL, &t, &c, &e), &e);
		CHECK_U64(c.kind, CAPACITY_GOOD);
		write_pass(x.fake, pass);
		if (t)
			CHECK_OK(capacity_end(t, is_written, &pass, &c, &e), &e);
		CHECK(c.kind != CAPACITY_GOOD);
		capacity_free(t);
		end(&x);
	}
}

static int is_pass(void *ctx, u64 off, const u8 *data, size_t len)
{
	const struct run *pass = ctx;

	for (size_t i = 0; i < len; i++)
		if (data[i] != (off + i >= pass->off && off + i < pass->off + pass->len ? 0x5a : 0))
			return 1;
	return 0;
}

/* The stick is what it would be without the marks, to the sector. */
TEST(what_was_not_written_is_as_it_was)
{
	struct run pass = { 3 * MIB + 512, 5 * MIB + 1536 };
	struct stick_case x;
	struct capacity_test *t = NULL;
	struct capacity c;
	AUTO_ERR struct err e = { 0 };

	begin(&x, 15376318464, 512, (struct fake){ 0 });
	put_text(x.memory, 1 * GIB, "somebody's");
	put_text(x.memory, 2 * MIB, "in the run");
	CHECK_OK(capacity_begin(x.fake, NULL, &t, &c, &e), &e);
	CHECK(!has_text(x.memory, 1 * GIB, "somebody's") && !has_text(x.memory, 2 * MIB, "in the run"));
	write_pass(x.fake, pass);
	if (CHECK_OK(capacity_end(t, is_written, &pass, &c, &e), &e))
		CHECK_U64(c.kind, CAPACITY_GOOD);
	CHECK(has_text(x.memory, 1 * GIB, "somebody's") && has_text(x.memory, 2 * MIB, "in the run"));
	put_text(x.memory, 1 * GIB, "");
	put_text(x.memory, 2 * MIB, "");
	CHECK_U64(device_memory_each(x.memory, is_pass, &pass), 0);
	capacity_free(t);
	end(&x);
}

/* ---- what goes wrong on the way */

TEST(an_interruption_puts_everything_back)
{
	struct stick_case x;
	struct capacity_test *t = NULL;
	struct capacity c;
	AUTO_ERR struct err e = { 0 };

	begin(&x, 8 * GIB, 512, (struct fake){ 0 });
	put_text(x.memory, 1 * GIB, "somebody's");
	interrupted = 1;
	CHECK(capacity_begin(x.fake, NULL, &t, &c, &e) == -EINTR);
	interrupted = 0;
	CHECK(!t && !c.spoilt);
	CHECK(has_text(x.memory, 1 * GIB, "somebody's"));
	end(&x);
}

/* Whatever breaks: a stick that is gone is no fake, and what was marked is put back or said to be spoilt. */
TEST(failures_are_told_and_nothing_is_left)
{
	for (u64 at = 1; at < 140; at += 3) {
		static const int errors[] = { ENODEV, EIO, EROFS };
		int error = errors[at % 3];
		struct stick_case x;
		struct device *failing;
		struct capacity_test *t = NULL;
		struct capacity c;
		AUTO_ERR struct err e = { 0 };
		int r;

		begin(&x, 8 * GIB, 512, (struct fake){ 0 });
		put_text(x.memory, 1 * GIB, "somebody's");
		failing = device_new_failing(x.fake, (struct fault){ .at_write = at, .error = error, .dies = at % 2 });
		r = capacity_begin(failing, NULL, &t, &c, &e);
		if (r < 0 && (at % 2) && at > 1)
			CHECK(c.spoilt && strstr(e.text, "what was there could not be put back"));
		if (r < 0 && !(at % 2))
			CHECK(!c.spoilt && has_text(x.memory, 1 * GIB, "somebody's"));
		if (error != EIO && at < 80)
			CHECK(r == -error && !t);
		if (error != EIO)
			CHECK(c.kind == CAPACITY_GOOD);
		capacity_free(t);
		device_free(failing);
		end(&x);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
