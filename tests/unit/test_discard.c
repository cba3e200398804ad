/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a drive is told to forget, on a model that is full of other bytes there afterwards. */
#include <errno.h>

#include "src/base/progress.h"
#include "src/discard.h"
#include "src/media/device_test.h"
#include "tests/lib/test.h"

struct forgetful {
	struct device d;
	struct device *under;
	u64 calls, bytes, end, longest;
	u64 fails_at, interrupted_at; /* calls, counted from 1; 0: never */
};

static int forgetful_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct device *under = ((struct forgetful *)d)->under;

	return under->ops->read(under, off, buf, len);
}

static int forgetful_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct device *under = ((struct forgetful *)d)->under;

	return under->ops->write(under, off, buf, len);
}

static int forgetful_discard(struct device *d, u64 off, u64 len)
{
	struct forgetful *f = (struct forgetful *)d;
	u8 others[4096];

	CHECK(len > 0 && off >= f->end && off % MIB == 0 && len % MIB == 0);
	CHECK(off >= MIB && off + len <= d->size - MIB);
	if (++f->calls == f->fails_at)
		return -EIO;
	interrupted = f->calls == f->interrupted_at;
	memset(others, 0xee, sizeof(others));
	/* The ends are enough to see whether a mark is there. */
	for (u64 at = off; at < off + len; at += len < 8 * MIB ? sizeof(others) : MIB)
		CHECK(forgetful_write(d, at, others, sizeof(others)) == 0);
	f->end = off + len;
	f->bytes += len;
	f->longest = MAX(f->longest, len);
	return 0;
}

static struct device *new_forgetful(struct device *under)
{
	static const struct device_ops ops = { .read = forgetful_read,
		                               .write = forgetful_write,
		                               .discard = forgetful_discard };
	struct forgetful *f = xcalloc(1, sizeof(*f));

	f->d = (struct device){ .ops = &ops,
		                .name = xstrdup("drive"),
		                .size = under->size,
		                .sector_size = 512,
		                .is_block = true,
		                .fd = -1 };
	f->under = under;
	return &f->d;
}

TEST(all_but_both_ends_is_forgotten_once)
{
	static const struct {
		u64 size, bytes, calls;
	} row[] = {
		{ GIB, GIB - 2 * MIB, 4 },         { 258 * MIB, 256 * MIB, 1 },
		{ 259 * MIB, 257 * MIB, 2 },       { 259 * MIB + 512, 257 * MIB, 2 },
		{ 259 * MIB - 512, 256 * MIB, 1 }, { 3 * MIB, MIB, 1 },
		{ 3 * MIB - 512, 0, 0 },           { 512, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_DEVICE struct device *memory = device_new_memory("memory", row[i].size, 512);
		AUTO_DEVICE struct device *d = new_forgetful(memory);
		const struct forgetful *f = (struct forgetful *)d;
		AUTO_ERR struct err e = { 0 };

		CHECK_OK(discard_drive(d, NULL, NULL, &e), &e);
		CHECK_U64(f->bytes, row[i].bytes);
		CHECK_U64(f->calls, row[i].calls);
		CHECK(f->longest <= 256 * MIB);
	}
}

static bool nothing_was_written(void *ctx, u64 off, size_t len)
{
	(void)ctx;
	(void)off;
	(void)len;
	return false;
}

TEST(marks_of_the_capacity_stay)
{
	static const u64 sizes[] = { 64 * MIB, 300 * MIB + 512, 8 * GIB };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO_DEVICE struct device *memory = device_new_memory("memory", sizes[i], 512);
		AUTO_DEVICE struct device *d = new_forgetful(memory);
		const struct forgetful *f = (struct forgetful *)d;
		struct capacity_test *marks;
		AUTO_ERR struct err e = { 0 };
		struct capacity c;

		CHECK_OK(capacity_begin(d, NULL, &marks, &c, &e), &e);
		CHECK(marks && c.kind == CAPACITY_GOOD);
		CHECK_OK(discard_drive(d, marks, NULL, &e), &e);
		/* A MiB is lost to each mark, at most two beside the run, and the run itself is nobody's. */
		CHECK(f->bytes >= sizes[i] - (sizes[i] < GIB ? sizes[i] / 2 : 256 * MIB));
		CHECK_OK(capacity_end(marks, nothing_was_written, NULL, &c, &e), &e);
		CHECK(c.kind == CAPACITY_GOOD && c.tried > 10);
		capacity_free(marks);
	}
}

static int count_gap(void *ctx, u64 off, u64 len)
{
	u64 *sum = ctx;

	CHECK(len > 0 && off >= *sum);
	*sum += len;
	return *sum >= 5 * MIB ? 7 : 0;
}

TEST(gaps_without_marks_are_one)
{
	u64 sum = 0;

	CHECK_U64(capacity_each_gap(NULL, 512, 4 * MIB, count_gap, &sum), 0);
	CHECK_U64(sum, 4 * MIB - 512);
	CHECK_U64(capacity_each_gap(NULL, 8 * MIB, 8 * MIB, count_gap, &sum), 0);
	CHECK_U64(capacity_each_gap(NULL, 8 * MIB, 16 * MIB, count_gap, &sum), 7);
}

TEST(a_drive_that_refuses_is_not_asked_again)
{
	for (u64 at = 1; at <= 3; at++) {
		AUTO_DEVICE struct device *memory = device_new_memory("memory", GIB, 512);
		AUTO_DEVICE struct device *d = new_forgetful(memory);
		struct forgetful *f = (struct forgetful *)d;
		AUTO_ERR struct err e = { 0 };

		f->fails_at = at;
		CHECK_OK(discard_drive(d, NULL, NULL, &e), &e);
		CHECK_U64(f->calls, at);
	}
}

TEST(an_interruption_is_obeyed_between_two_pieces)
{
	AUTO_DEVICE struct device *memory = device_new_memory("memory", GIB, 512);
	AUTO_DEVICE struct device *d = new_forgetful(memory);
	struct forgetful *f = (struct forgetful *)d;
	AUTO_ERR struct err e = { 0 };

	f->interrupted_at = 2;
	CHECK_U64(-discard_drive(d, NULL, NULL, &e), EINTR);
	CHECK_STR(e.text, "interrupted");
	CHECK_U64(f->calls, 2);
	interrupted = 0;
}

/* A file, and what stands in front of one and does not pass it on. */
TEST(only_drives_are_told)
{
	AUTO_DEVICE struct device *memory = device_new_memory("memory", GIB, 512);
	AUTO_DEVICE struct device *d = new_forgetful(memory);
	AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
	AUTO_DEVICE struct device *failing = device_new_failing(d, (struct fault){ 0 });
	struct forgetful *f = (struct forgetful *)d;
	AUTO_ERR struct err e = { 0 };
	size_t n;

	CHECK_OK(discard_drive(failing, NULL, NULL, &e), &e);
	CHECK_OK(discard_drive(memory, NULL, NULL, &e), &e);
	CHECK_U64(-device_discard(memory, 0, MIB), EOPNOTSUPP);
	CHECK_U64(-device_discard(d, GIB, MIB), ERANGE);
	CHECK_U64(-device_discard(d, MIB, UINT64_MAX), ERANGE);
	CHECK_U64(f->calls, 0);
	CHECK_OK(discard_drive(recorder, NULL, NULL, &e), &e);
	CHECK(device_records(recorder, &n)->is_discard);
	CHECK_U64(n, 4);
	CHECK_U64(f->calls, 4);
	d->is_block = false;
	CHECK_OK(discard_drive(d, NULL, NULL, &e), &e);
	CHECK_U64(f->calls, 4);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
