/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plain files and holes: where they are, what becomes one, what of a source is not read. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "src/base/hole.h"
#include "src/media/device_test.h"
#include "src/media/writelist.h"
#include "src/source/source.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define DEVICE_SIZE (16 * MIB)

static void fill(u8 *p, size_t len, u32 x)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (u8)((x = x * 1664525 + 1013904223) >> 24 | 1);
}

/* A file of `size` bytes with data in pieces of 4 KiB at `at`; 0 ends the list. */
static char *sparse_file(const char *name, u64 size, const u64 *at)
{
	char *path = sandbox_path(name);
	u8 data[4096];
	int fd;

	sandbox_make(path, size);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	for (; *at; at++) {
		fill(data, sizeof(data), (u32)*at);
		CHECK(pwrite(fd, data, sizeof(data), (off_t)*at) == sizeof(data));
	}
	CHECK(fsync(fd) == 0);
	close(fd);
	return path;
}

static u64 blocks(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (u64)st.st_blocks * 512 : UINT64_MAX;
}

/* False: everything in this file system is data. */
static bool has_holes(void)
{
	AUTO_FREE char *path = sparse_file("try", MIB, (u64[]){ 0 });
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool hole;

	return hole_look(fd, 0, MIB, &hole) == MIB && hole;
}

TEST(holes_of_a_file_are_found)
{
	static const struct {
		u64 off, len, alike;
		bool hole;
	} row[] = {
		{ 0, MIB, MIB, true },
		{ 0, 3 * MIB, MIB, true },
		{ MIB - HOLE_MIN, 2 * MIB, HOLE_MIN, true },
		{ MIB - HOLE_MIN + 1, 2 * MIB, HOLE_MIN + 4095, false }, /* too small for one, then data */
		{ MIB, 3 * MIB, 4096, false },
		{ MIB + 4096, HOLE_MIN - 1, HOLE_MIN - 1, false },
		{ MIB + 4096, HOLE_MIN, HOLE_MIN, true },
		{ 4 * MIB, 2 * MIB, 3 * 4096, false }, /* the hole of 4 KiB in it is not worth it */
		{ 6 * MIB, 2 * MIB, 2 * MIB, true },
		{ 6 * MIB, 2 * MIB + 1, 2 * MIB + 1, false }, /* not inside the file */
		{ 9 * MIB, MIB, MIB, false },
		{ 0, 0, 0, false },
	};
	AUTO_FREE char *path = sparse_file("file", 8 * MIB, (u64[]){ MIB, 4 * MIB, 4 * MIB + 8192, 0 });
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC), none = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int many = -1;
	AUTO_FREE char *path_of_many = NULL;
	u64 at[1501] = { 0 };
	bool hole;

	if (!has_holes())
		test_skip("$TMPDIR has no holes");
	/* Data in every third block: not all of it is gone through at once. */
	for (size_t i = 0; i < 1500; i++)
		at[i] = 8 * KIB + i * 12 * KIB;
	path_of_many = sparse_file("many", 18 * MIB, at);
	many = open(path_of_many, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		CHECK_U64(hole_look(fd, row[i].off, row[i].len, &hole), row[i].alike);
		CHECK(hole == row[i].hole);
	}
	CHECK_U64(hole_look(many, 0, 18 * MIB, &hole), 12000 * KIB);
	CHECK_U64(hole_look(many, 12000 * KIB, 6432 * KIB, &hole), 6000 * KIB);
	CHECK(!hole);
	CHECK_U64(hole_look(none, 0, MIB, &hole), MIB);
	CHECK(!hole);
	CHECK_U64(hole_look(-1, 0, MIB, &hole), MIB);
	CHECK(!hole);
}

/* ---- the file that is written */

/* Data, zeros that are known, zeros in memory, and pieces that only end in zeros; `want` is what must be there then. */
static struct writelist *make_list(u8 *want, u64 *ret_holes)
{
	struct writelist *w = writelist_new();
	const u64 mixed = 8 * MIB, uneven = 12 * MIB + 512;

	writelist_add_zero(w, 0, 3 * MIB);
	memset(want, 0, 3 * MIB);
	fill(want + 3 * MIB, MIB, 1);
	writelist_add_memory(w, 3 * MIB, want + 3 * MIB, MIB);
	/* Of every other 64 KiB all are zeros, of the others the first half. */
	memset(want + mixed, 0, 2 * MIB);
	for (u64 at = mixed; at < mixed + 2 * MIB; at += 2 * HOLE_MIN)
		fill(want + at + HOLE_MIN / 2, HOLE_MIN / 2, 2);
	writelist_add_memory(w, mixed, want + mixed, 2 * MIB);
	fill(want + uneven, 1000, 3);
	memset(want + uneven + 1000, 0, 2 * MIB - 1000);
	writelist_add_memory(w, uneven, want + uneven, 1000);
	writelist_add_zero(w, uneven + 1000, 2 * MIB - 1000);
	*ret_holes = 3 * MIB + MIB + (2 * MIB - HOLE_MIN);
	return w;
}

static void check_file(const char *path, const u8 *want)
{
	AUTO_FREE u8 *is = xcalloc(DEVICE_SIZE, 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK_U64(pread(fd, is, DEVICE_SIZE, 0), DEVICE_SIZE);
	CHECK(memcmp(is, want, DEVICE_SIZE) == 0);
}

/* Onto a new file, or onto one whose bytes are all something else: the same bytes, and no more of them than must be. */
static void write_file(bool is_new, bool recorded)
{
	AUTO_FREE u8 *want = xcalloc(DEVICE_SIZE, 1);
	AUTO_FREE char *path = sandbox_path("stick.img");
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	AUTO_DEVICE struct device *recorder = NULL;
	struct writelist_counts counts;
	struct writelist *w;
	u64 before, holes;
	int fd;

	sandbox_make(path, DEVICE_SIZE);
	memset(want, is_new ? 0 : 0x55, DEVICE_SIZE);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(is_new || pwrite(fd, want, DEVICE_SIZE, 0) == DEVICE_SIZE);
	CHECK(fsync(fd) == 0);
	close(fd);
	before = blocks(path);
	CHECK_OK(device_open(path, true, &d, &e), &e);
	recorder = device_new_recorder(d, false);
	CHECK(device_has_holes(d) && !device_has_holes(recorder));
	w = make_list(want, &holes);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_U64(writelist_holes(w), 3 * MIB - HOLE_MIN + 2 * MIB - 2 * HOLE_MIN);
	CHECK_OK(writelist_run(w, recorded ? recorder : d, NULL, &e), &e);
	counts = writelist_counts(w);
	CHECK_U64(counts.spared, recorded ? 0 : holes);
	CHECK_U64(counts.written + counts.spared, writelist_bytes(w));
	check_file(path, want);
	if (!recorded) {
		u64 least = is_new ? counts.written : before - counts.spared;

		/* Blocks at both ends of a stretch, and one that lists the pieces. */
		CHECK(blocks(path) >= least && blocks(path) <= least + 4 * 4096);
	}
	writelist_free(w);
}

TEST(zeros_are_holes_of_a_plain_file)
{
	if (!has_holes())
		test_skip("$TMPDIR has no holes");
	write_file(true, false);
	write_file(false, false);
	/* What stands in front of a file sees every byte. */
	write_file(true, true);
	write_file(false, true);
}

/* In a process of its own: fallocate() fails with `error`, or with 0 does nothing and says that it has. */
static void without_punching(int error, void (*fn)(void))
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

		if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO((u32)error), SCMP_SYS(fallocate), 0) < 0 ||
		    seccomp_load(ctx) < 0)
			_exit(77);
		seccomp_release(ctx);
		fn();
		_exit(0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_U64(status, 0);
}

static void write_over_data(void)
{
	AUTO_FREE u8 *want = xcalloc(DEVICE_SIZE, 1);
	AUTO_FREE char *path = sandbox_path("stick.img");
	AUTO_FREE u8 *is = xcalloc(DEVICE_SIZE, 1);
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	struct writelist *w;
	u64 holes;

	if (device_open(path, true, &d, &e) < 0)
		_exit(1);
	memset(want, 0x55, DEVICE_SIZE);
	w = make_list(want, &holes);
	if (writelist_finish(w, &e) < 0 || writelist_run(w, d, NULL, &e) < 0 ||
	    device_read(d, 0, is, DEVICE_SIZE, &e) < 0 || memcmp(is, want, DEVICE_SIZE) != 0)
		_exit(2);
	if (writelist_counts(w).written != writelist_bytes(w))
		_exit(3);
	writelist_free(w);
}

/* A file system that cannot, and one that says that it has and has not: zeros are written. */
TEST(zeros_are_written_where_nothing_can_be_punched)
{
	static const int error[] = { EOPNOTSUPP, ENOSYS, EIO, 0 };
	AUTO_FREE char *path = sandbox_path("stick.img");
	AUTO_FREE u8 *old = xcalloc(DEVICE_SIZE, 1);

	if (!has_holes())
		test_skip("$TMPDIR has no holes");
	memset(old, 0x55, DEVICE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(error); i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		CHECK_U64(pwrite(fd, old, DEVICE_SIZE, 0), DEVICE_SIZE);
		CHECK(fsync(fd) == 0);
		close(fd);
		without_punching(error[i], write_over_data);
	}
}

TEST(only_files_have_holes)
{
	AUTO_DEVICE struct device *memory = device_new_memory("memory", DEVICE_SIZE, 512);
	AUTO_DEVICE struct device *overlay = device_new_overlay(memory);
	AUTO_FREE char *path = sparse_file("file", MIB, (u64[]){ 4096, 0 });
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;

	CHECK(!device_has_holes(memory) && !device_make_hole(memory, 0, MIB));
	CHECK(!device_has_holes(overlay) && !device_make_hole(overlay, 0, MIB));
	CHECK_OK(device_open(path, true, &d, &e), &e);
	CHECK(!device_make_hole(d, MIB, HOLE_MIN));
	CHECK(!device_make_hole(d, MIB - HOLE_MIN, 2 * HOLE_MIN));
	CHECK(!device_make_hole(d, 0, UINT64_MAX));
	CHECK_U64(blocks(path), 4096);
}

/* ---- the file that is read */

struct thin {
	const char *path;
	u64 read; /* bytes */
};

static int thin_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct thin *t = ctx;
	AUTO_CLOSE int fd = open(t->path, O_RDONLY | O_CLOEXEC);

	(void)e;
	t->read += len;
	return pread(fd, buf, len, (off_t)off) == (ssize_t)len ? 0 : -EIO;
}

static int thin_place(void *ctx, u64 off, struct input_place *ret)
{
	const struct thin *t = ctx;
	struct stat st;

	*ret = (struct input_place){ .fd = open(t->path, O_RDONLY | O_CLOEXEC), .off = off };
	CHECK(fstat(ret->fd, &st) == 0);
	/* Files may lie in several pieces. */
	ret->len = MIN((u64)st.st_size - off, 3 * MIB - off % (3 * MIB));
	return 0;
}

static void check_digest(struct sha256 *hash, const char *path, u64 off, u64 len)
{
	AUTO_FREE u8 *mem = xcalloc(len, 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	u8 is[SHA256_SIZE], want[SHA256_SIZE];

	CHECK_U64(pread(fd, mem, len, (off_t)off), len);
	sha256_of(mem, len, want);
	sha256_end(hash, is);
	CHECK(memcmp(is, want, SHA256_SIZE) == 0);
}

static void check_copy(struct device *d, u64 to, const char *path, u64 from, u64 len)
{
	AUTO_FREE u8 *is = xcalloc(len, 1), *want = xcalloc(len, 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_ERR struct err e = { 0 };

	CHECK_U64(pread(fd, want, len, (off_t)from), len);
	CHECK_OK(device_read(d, to, is, len, &e), &e);
	CHECK(memcmp(is, want, len) == 0);
}

/* At any place of the device, from any place of the file on. */
TEST(holes_of_a_source_are_hashed_but_not_read)
{
	static const u64 at[] = { MIB + 4096, 4 * MIB - 4096, 4 * MIB, 6 * MIB + 12288, 0 };
	static const struct {
		u64 to, from, len;
	} row[] = { { 0, 0, 8 * MIB },
		    { MIB, 0, 8 * MIB - 700 },
		    { 512, 700, 7 * MIB },
		    { MIB - 512, 4 * MIB, 2 * MIB },
		    { 3 * MIB + 4096, 2 * MIB, MIB } };
	AUTO_FREE char *path = sparse_file("file", 8 * MIB, at);
	AUTO_FREE u8 *old = xcalloc(DEVICE_SIZE, 1);

	if (!has_holes())
		test_skip("$TMPDIR has no holes");
	memset(old, 0x55, DEVICE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
		struct thin t = { .path = path };
		struct writelist *w = writelist_new();
		struct sha256 *hash = sha256_new();
		u64 end = row[i].to + row[i].len;
		AUTO_ERR struct err e = { 0 };

		CHECK_OK(device_write(d, 0, old, DEVICE_SIZE, &e), &e);
		writelist_add_input_at(w, row[i].to, row[i].len,
		                       (struct input){ .read = thin_read, .place = thin_place, .ctx = &t }, row[i].from,
		                       hash);
		writelist_add_zero(w, end, align_up(end, 512) - end);
		CHECK_OK(writelist_finish(w, &e), &e);
		CHECK(writelist_holes(w) <= row[i].len && writelist_holes(w) + 16 * HOLE_MIN >= row[i].len);
		CHECK_OK(writelist_run(w, d, NULL, &e), &e);
		CHECK(t.read <= 5 * HOLE_MIN);
		CHECK_U64(writelist_counts(w).written, writelist_bytes(w));
		check_copy(d, row[i].to, path, row[i].from, row[i].len);
		check_digest(hash, path, row[i].from, row[i].len);
		writelist_free(w);
	}
}

/* A tree with such a file: where it lies is told as long as it is the file that was found. */
TEST(a_tree_tells_where_its_files_lie)
{
	AUTO_FREE char *tree = sandbox_path("tree"), *path = sandbox_path("tree/large");
	AUTO_ERR struct err e = { 0 };
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct input_place place;
	struct source *s = NULL;
	struct input in;

	CHECK(mkdir(tree, 0700) == 0);
	free(sparse_file("tree/large", 2 * MIB, (u64[]){ MIB, 0 }));
	if (!CHECK_OK(source_open(tree, &s, &e), &e))
		return;
	in = node_input(source_find(s, "/large"));
	CHECK_OK(input_place(&in, 4096, &place), &e);
	CHECK_U64(place.off, 4096);
	CHECK_U64(place.len, 2 * MIB - 4096);
	close(place.fd);
	CHECK(input_place(&in, 2 * MIB, &place) < 0);
	CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
	CHECK_U64(-input_place(&in, 4096, &place), ESTALE);
	source_free(s);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
