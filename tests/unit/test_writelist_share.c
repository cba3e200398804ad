/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks shared with a source's file, on a model of a device that can; what file systems make of it is seen in
 * tests/suite/share.sh.
 */
#include <errno.h>
#include <fcntl.h>

#include "src/base/progress.h"
#include "src/media/device_test.h"
#include "src/media/writelist.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define DEVICE_SIZE (16 * MIB)
#define FILE_SIZE   (8 * MIB)
#define GRAIN       4096

/* Flat memory: two threads may use different places of it. */
struct sharer {
	struct device d;
	u8 *mem;
	u64 calls, shared, written;
	int error;           /* what sharing gives */
	u64 fails_from;      /* call, counted from 1; 0: never */
	bool interrupt_next; /* as if Ctrl-C had been pressed meanwhile */
};

static int sharer_read(struct device *d, u64 off, void *buf, size_t len)
{
	memcpy(buf, ((struct sharer *)d)->mem + off, len);
	return 0;
}

static int sharer_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct sharer *s = (struct sharer *)d;

	memcpy(s->mem + off, buf, len);
	s->written += len;
	return 0;
}

static u32 sharer_grain(const struct device *d)
{
	(void)d;
	return GRAIN;
}

static int sharer_share(struct device *d, u64 off, int fd, u64 fd_off, u64 len)
{
	struct sharer *s = (struct sharer *)d;

	CHECK(len > 0 && off % GRAIN == 0 && fd_off % GRAIN == 0 && len % GRAIN == 0);
	s->calls++;
	interrupted = s->interrupt_next;
	if (s->fails_from && s->calls >= s->fails_from)
		return -s->error;
	CHECK_U64(pread(fd, s->mem + off, len, (off_t)fd_off), len);
	s->shared += len;
	return 0;
}

static int sharer_read_own(void *d, u64 off, void *buf, size_t len, struct err *e)
{
	(void)e;
	return sharer_read(d, off, buf, len);
}

static void sharer_free(struct device *d)
{
	free(((struct sharer *)d)->mem);
}

static struct device *new_sharer(void)
{
	static const struct device_ops ops = { .read = sharer_read,
		                               .write = sharer_write,
		                               .share_grain = sharer_grain,
		                               .share = sharer_share,
		                               .read_own = sharer_read_own,
		                               .free = sharer_free };
	struct sharer *s = xcalloc(1, sizeof(*s));

	s->d =
	    (struct device){ .ops = &ops, .name = xstrdup("image"), .size = DEVICE_SIZE, .sector_size = 512, .fd = -1 };
	s->mem = xcalloc(DEVICE_SIZE, 1);
	return &s->d;
}

/* A file of noise, and as much of it at once as `piece`. */
struct file {
	char *path;
	u8 *data;
	u64 piece;
};

static void file_write(const struct file *f)
{
	AUTO_CLOSE int fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK_U64(pwrite(fd, f->data, FILE_SIZE, 0), FILE_SIZE);
}

static void file_make(struct file *f, u32 x)
{
	*f = (struct file){ sandbox_path("file"), xcalloc(FILE_SIZE, 1), FILE_SIZE };
	for (size_t i = 0; i < FILE_SIZE; i++)
		f->data[i] = (u8)((x = x * 1664525 + 1013904223) >> 24);
	file_write(f);
}

static void file_free(struct file *f)
{
	free(f->path);
	free(f->data);
}

static int file_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct file *f = ctx;
	AUTO_CLOSE int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	(void)e;
	return pread(fd, buf, len, (off_t)off) == (ssize_t)len ? 0 : -EIO;
}

static int file_place(void *ctx, u64 off, struct input_place *ret)
{
	const struct file *f = ctx;

	*ret = (struct input_place){ open(f->path, O_RDONLY | O_CLOEXEC), off, f->piece - off % f->piece };
	return ret->fd < 0 ? -errno : 0;
}

static struct input input_of(struct file *f)
{
	return (struct input){ .read = file_read, .place = file_place, .ctx = f };
}

static void check_digest(struct sha256 *hash, const u8 *data, u64 len)
{
	u8 is[SHA256_SIZE], want[SHA256_SIZE];

	sha256_of(data, len, want);
	sha256_end(hash, is);
	CHECK(memcmp(is, want, SHA256_SIZE) == 0);
}

TEST(whole_blocks_are_shared_and_the_rest_is_written)
{
	static const struct {
		u64 to, from, len, piece, shared, calls;
		bool compare;
	} row[] = {
		{ MIB, 0, 8 * MIB, FILE_SIZE, 8 * MIB, 1, false },
		{ MIB, 0, 8 * MIB - 700, FILE_SIZE, 8 * MIB - 4096, 1, false },
		{ MIB + 512, 512, 3 * MIB, FILE_SIZE, 3 * MIB - 4096, 1, false },
		{ MIB + 2048, 0, 3 * MIB, FILE_SIZE, 0, 0, false },
		{ MIB, 2048, 3 * MIB, FILE_SIZE, 0, 0, false },
		{ 0, 4096, 256 * KIB, FILE_SIZE, 256 * KIB, 1, false },
		{ 0, 4096, 256 * KIB - 512, FILE_SIZE, 0, 0, false },
		{ 4096 - 512, 4096 - 512, 256 * KIB + 511, FILE_SIZE, 0, 0, false },
		{ 0, 0, 8 * MIB, 3 * MIB, 8 * MIB, 3, false },
		{ 0, 0, 8 * MIB, 4096 + 128 * KIB, 0, 0, false },
		{ MIB, 0, 8 * MIB, FILE_SIZE, 0, 0, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_DEVICE struct device *d = new_sharer();
		const struct sharer *s = (struct sharer *)d;
		u64 end = row[i].to + row[i].len, tail = align_up(end, 512) - end + 4096;
		struct writelist *w = writelist_new();
		struct sha256 *hash = sha256_new();
		AUTO_ERR struct err e = { 0 };
		struct writelist_counts c;
		struct file f;

		file_make(&f, (u32)i);
		f.piece = row[i].piece;
		memset(s->mem, 0x55, DEVICE_SIZE);
		writelist_compare(w, row[i].compare);
		writelist_add_input_at(w, row[i].to, row[i].len, input_of(&f), row[i].from, hash);
		writelist_add_zero(w, end, tail);
		writelist_take_memory(w, 12 * MIB, memset(xcalloc(512, 1), 7, 512), 512);
		CHECK_OK(writelist_finish(w, &e), &e);
		CHECK_OK(writelist_share(w, d, &e), &e);
		CHECK_U64(s->calls, row[i].calls);
		CHECK_U64(s->shared, row[i].shared);
		CHECK_U64(s->written, 0);
		CHECK(writelist_touches(w, row[i].to, 1) && writelist_touches(w, end + tail - 1, 1));
		CHECK(!writelist_touches(w, end + tail, 512));
		CHECK_OK(writelist_run(w, d, NULL, &e), &e);
		c = writelist_counts(w);
		CHECK_U64(c.shared, row[i].shared);
		CHECK_U64(c.written, s->written);
		CHECK_U64(c.written + c.shared + c.spared, writelist_bytes(w));
		CHECK(memcmp(s->mem + row[i].to, f.data + row[i].from, row[i].len) == 0);
		CHECK(mem_is_zero(s->mem + end, tail) && s->mem[end + tail] == 0x55 && s->mem[12 * MIB] == 7);
		CHECK(row[i].to == 0 || s->mem[row[i].to - 1] == 0x55);
		check_digest(hash, f.data + row[i].from, row[i].len);
		writelist_free(w);
		file_free(&f);
	}
}

/* The source is written to between sharing and the pass: what is hashed is what is there. */
TEST(what_was_shared_is_what_is_hashed)
{
	AUTO_DEVICE struct device *d = new_sharer();
	const struct sharer *s = (struct sharer *)d;
	struct writelist *w = writelist_new();
	struct sha256 *hash = sha256_new();
	AUTO_FREE u8 *before = xcalloc(FILE_SIZE, 1);
	AUTO_ERR struct err e = { 0 };
	struct file f;

	file_make(&f, 3);
	memcpy(before, f.data, FILE_SIZE);
	writelist_add_input(w, MIB, FILE_SIZE, input_of(&f), hash);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_OK(writelist_share(w, d, &e), &e);
	memset(f.data, 0x77, FILE_SIZE);
	file_write(&f);
	CHECK_OK(writelist_run(w, d, NULL, &e), &e);
	CHECK(memcmp(s->mem + MIB, before, FILE_SIZE) == 0);
	check_digest(hash, before, FILE_SIZE);
	writelist_free(w);
	file_free(&f);
}

/* Many files, none of which can be shared: it is not tried without end, and all are written. */
TEST(who_refuses_is_not_asked_for_ever)
{
	static const struct {
		int error;
		u64 fails_from, calls, shared;
	} row[] = {
		{ EOPNOTSUPP, 1, 1, 0 },     { EXDEV, 1, 1, 0 },  { ENOTTY, 2, 2, 512 * KIB },
		{ ENOSYS, 1, 1, 0 },         { EINVAL, 1, 8, 0 }, { EIO, 4, 11, 3 * 512 * KIB },
		{ ENOSPC, 13, 13, 6 * MIB },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_DEVICE struct device *d = new_sharer();
		struct sharer *s = (struct sharer *)d;
		struct writelist *w = writelist_new();
		AUTO_ERR struct err e = { 0 };
		struct file f;

		file_make(&f, 5);
		s->error = row[i].error;
		s->fails_from = row[i].fails_from;
		/* With a gap between them, else a stretch could hide a wrong border. */
		for (u64 at = 0; at < 13; at++)
			writelist_add_input_at(w, at * MIB, 512 * KIB, input_of(&f), at * 512 * KIB % FILE_SIZE, NULL);
		CHECK_OK(writelist_finish(w, &e), &e);
		CHECK_OK(writelist_share(w, d, &e), &e);
		CHECK_U64(s->calls, row[i].calls);
		CHECK_OK(writelist_run(w, d, NULL, &e), &e);
		CHECK_U64(writelist_counts(w).shared, row[i].shared);
		CHECK_U64(writelist_counts(w).written, 13 * 512 * KIB - row[i].shared);
		for (u64 at = 0; at < 13; at++)
			CHECK(memcmp(s->mem + at * MIB, f.data + at * 512 * KIB % FILE_SIZE, 512 * KIB) == 0);
		writelist_free(w);
		file_free(&f);
	}
}

TEST(an_interruption_is_obeyed)
{
	AUTO_DEVICE struct device *d = new_sharer();
	struct sharer *s = (struct sharer *)d;
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };
	struct file f;

	file_make(&f, 6);
	s->interrupt_next = true;
	writelist_add_input(w, 0, MIB, input_of(&f), NULL);
	writelist_add_input(w, 2 * MIB, MIB, input_of(&f), NULL);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_U64(-writelist_share(w, d, &e), EINTR);
	CHECK_STR(e.text, "interrupted");
	CHECK_U64(s->calls, 1);
	interrupted = 0;
	writelist_free(w);
	file_free(&f);
}

/* Nothing is shared, and nobody asks where a file lies. */
TEST(only_files_share)
{
	AUTO_DEVICE struct device *memory = device_new_memory("memory", DEVICE_SIZE, 512);
	AUTO_DEVICE struct device *drive = new_sharer();
	AUTO_DEVICE struct device *recorder = NULL;
	AUTO_DEVICE struct device *image = new_sharer();
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };

	drive->is_block = true;
	recorder = device_new_recorder(image, false);
	CHECK_U64(device_share_grain(memory), 0);
	CHECK_U64(device_share_grain(drive), 0);
	CHECK_U64(device_share_grain(recorder), 0);
	CHECK_U64(device_share_grain(image), GRAIN);
	CHECK_U64(-device_share(memory, 0, 0, 0, GRAIN), EOPNOTSUPP);
	CHECK_U64(-device_share(image, DEVICE_SIZE, 0, 0, GRAIN), ERANGE);
	CHECK_U64(-device_share(image, GRAIN, 0, 0, UINT64_MAX), ERANGE);
	writelist_add_input(w, 0, MIB, (struct input){ .read = file_read }, NULL);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_OK(writelist_share(w, memory, &e), &e);
	CHECK_OK(writelist_share(w, drive, &e), &e);
	CHECK_OK(writelist_share(w, recorder, &e), &e);
	CHECK_U64(((struct sharer *)image)->calls, 0);
	writelist_free(w);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
