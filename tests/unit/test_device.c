/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "src/media/device.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define IMAGE_SIZE (8 * MIB)
#define NOBODY     65534

/* A file of `size` bytes in the test's directory; the caller frees the path. */
static char *image_new(u64 size)
{
	char *path = sandbox_path("stick.img");

	sandbox_make(path, size);
	return path;
}

/* O_DIRECT is refused when there is no room for its descriptor: the program then works through the page cache. */
static int open_buffered(const char *path, struct device **ret, struct err *e)
{
	struct rlimit before, one_more;
	int r, next = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(next);
	getrlimit(RLIMIT_NOFILE, &before);
	one_more = (struct rlimit){ (rlim_t)next + 1, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &one_more);
	r = device_open(path, true, ret, e);
	setrlimit(RLIMIT_NOFILE, &before);
	return r;
}

static int open_as(bool buffered, const char *path, struct device **ret, struct err *e)
{
	return buffered ? open_buffered(path, ret, e) : device_open(path, true, ret, e);
}

/* Descriptors of this process on `path` that have O_DIRECT. */
static unsigned direct_descriptors(const char *path)
{
	struct stat file, st;
	unsigned n = 0;

	stat(path, &file);
	for (int fd = 3; fd < 100; fd++)
		if (fstat(fd, &st) == 0 && st.st_ino == file.st_ino && st.st_dev == file.st_dev &&
		    fcntl(fd, F_GETFL) & O_DIRECT)
			n++;
	return n;
}

static size_t cached_pages(const char *path, size_t size)
{
	unsigned char present[IMAGE_SIZE / 4096 + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	size_t n = 0;

	CHECK(map != MAP_FAILED && mincore(map, size, present) == 0);
	for (size_t i = 0; i < size / 4096; i++)
		n += present[i] & 1;
	munmap(map, size);
	close(fd);
	return n;
}

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

static void check_content(const char *path, const u8 *want, size_t size, const char *tail)
{
	AUTO_FREE u8 *is = xcalloc(size + 100, 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK_U64(read(fd, is, size + 100), size + strlen(tail));
	CHECK(memcmp(is, want, size) == 0);
	CHECK(memcmp(is + size, tail, strlen(tail)) == 0);
}

/* Sectors are written and bytes are read at random, also behind the device's back by the descriptor for libraries. */
static void play(struct device *d, u8 *want, unsigned seed)
{
	AUTO_FREE u8 *buf = xcalloc(IMAGE_SIZE + 64, 1);
	AUTO_ERR struct err e = { 0 };

	for (int round = 0; round < 100; round++) {
		u64 off = any_below(d->size, &seed) / 512 * 512;
		size_t len = any_below(d->size - off, &seed) / 512 * 512 + 512;
		u8 *p = buf + rand_r(&seed) % 2 * (rand_r(&seed) % 64);

		fill(p, len, &seed);
		memcpy(want + off, p, len);
		CHECK_OK(device_write(d, off, p, len, &e), &e);
		off = any_below(d->size, &seed);
		len = any_below(d->size - off, &seed) + 1;
		memset(p, 0, len);
		if (round % 3)
			CHECK_OK(device_read(d, off, p, len, &e), &e);
		else
			CHECK_U64(pread(d->fd, p, len, (off_t)off), len);
		if (memcmp(p, want + off, len) != 0)
			test_fail(__FILE__, __LINE__, "round %d: wrong bytes in %zu at %llu", round, len,
			          (unsigned long long)off);
		if (round % 25 == 24)
			CHECK_OK(device_flush(d, &e), &e);
	}
}

/* A size that is not whole sectors, and whose sectors are not whole blocks. */
static void play_on_file(const char *path, bool buffered, unsigned seed)
{
	const size_t size = IMAGE_SIZE + 3 * 512;
	AUTO_FREE u8 *want = xcalloc(size, 1);
	AUTO_ERR struct err e = { 0 };
	struct device *d;
	int fd;

	sandbox_make(path, size);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	CHECK(write(fd, "tail", 4) == 4);
	close(fd);
	if (!CHECK_OK(open_as(buffered, path, &d, &e), &e))
		return;
	CHECK_U64(d->size, size);
	CHECK_U64(d->sector_size, 512);
	CHECK(!d->is_block && d->fd >= 0);
	CHECK_STR(d->name, path);
	if (buffered)
		CHECK_U64(direct_descriptors(path), 0);
	play(d, want, seed);
	CHECK_OK(device_flush(d, &e), &e);
	device_free(d);
	check_content(path, want, size, "tail");
}

TEST(file_keeps_what_was_written)
{
	AUTO_FREE char *path = sandbox_path("stick.img");

	for (unsigned seed = 0; seed < 3; seed++) {
		play_on_file(path, false, seed);
		play_on_file(path, true, seed);
	}
}

TEST(file_on_tmpfs_keeps_what_was_written)
{
	char path[] = "/dev/shm/livestick-test.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		test_skip("no /dev/shm");
	close(fd);
	play_on_file(path, false, 7);
	play_on_file(path, true, 8);
	unlink(path);
}

TEST(file_is_written_and_read_past_the_page_cache)
{
	AUTO_FREE char *path = image_new(IMAGE_SIZE);
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *buf = xcalloc(IMAGE_SIZE + 1, 1);
	struct device *d;
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	close(fd);
	if (fd < 0)
		test_skip("no O_DIRECT below $TMPDIR");
	CHECK_OK(device_open(path, true, &d, &e), &e);
	CHECK_U64(direct_descriptors(path), 1);
	CHECK_OK(device_write(d, 0, buf + 1, IMAGE_SIZE, &e), &e);
	CHECK_OK(device_write(d, 512, buf, 512, &e), &e);
	CHECK_OK(device_read(d, 0, buf, IMAGE_SIZE, &e), &e);
	CHECK_U64(cached_pages(path, IMAGE_SIZE), 0);
	device_free(d);
	CHECK_U64(direct_descriptors(path), 0);

	CHECK_OK(open_buffered(path, &d, &e), &e);
	CHECK_OK(device_write(d, 0, buf, IMAGE_SIZE, &e), &e);
	CHECK(cached_pages(path, IMAGE_SIZE) > 0);
	CHECK_OK(device_flush(d, &e), &e);
	CHECK_U64(cached_pages(path, IMAGE_SIZE), 0);
	device_free(d);
}

/* cachestat(2), Linux 6.5: how much of a file waits for being written. */
static i64 dirty_bytes(int fd)
{
	struct {
		u64 off, len;
	} range = { 0, 0 };
	struct {
		u64 cache, dirty, writeback, evicted, recently_evicted;
	} stat;

	if (syscall(451, fd, &range, &stat, 0) < 0)
		return -1;
	return (i64)((stat.dirty + stat.writeback) * (u64)sysconf(_SC_PAGESIZE));
}

TEST(page_cache_never_holds_much_unwritten)
{
	const u64 size = 64 * MIB;
	AUTO_FREE char *path = image_new(size);
	AUTO_FREE u8 *mem = xcalloc(MIB, 1);
	AUTO_ERR struct err e = { 0 };
	struct device *d;
	i64 most = 0;

	CHECK_OK(open_buffered(path, &d, &e), &e);
	if (dirty_bytes(d->fd) < 0) {
		device_free(d);
		test_skip("no cachestat(2)");
	}
	for (u64 off = 0; off < size; off += MIB) {
		CHECK_OK(device_write(d, off, mem, MIB, &e), &e);
		most = MAX(most, dirty_bytes(d->fd));
	}
	CHECK(most > 0 && most <= (i64)(8 * MIB));
	CHECK_OK(device_flush(d, &e), &e);
	CHECK_U64(dirty_bytes(d->fd), 0);
	device_free(d);
}

TEST(ranges_end_with_the_device)
{
	AUTO_FREE char *path = image_new(IMAGE_SIZE);
	AUTO_ERR struct err e = { 0 };
	u8 sector[512] = { 0 };
	struct device *d;

	CHECK_OK(device_open(path, true, &d, &e), &e);
	CHECK_U64(-device_write(d, IMAGE_SIZE - 511, sector, 512, &e), ERANGE);
	CHECK_FAILS(-1, &e, "stick.img: 512 bytes at byte 8388097 lie outside its 8388608 bytes");
	CHECK_U64(-device_read(d, IMAGE_SIZE, sector, 1, &e), ERANGE);
	err_clear(&e);
	CHECK_U64(-device_read(d, UINT64_MAX, sector, 512, &e), ERANGE);
	err_clear(&e);
	CHECK_U64(-device_read(d, 512, sector, SIZE_MAX, &e), ERANGE);
	err_clear(&e);
	CHECK_OK(device_write(d, IMAGE_SIZE - 512, sector, 512, &e), &e);
	CHECK_OK(device_read(d, IMAGE_SIZE, sector, 0, &e), &e);
	device_free(d);
	CHECK_U64(direct_descriptors(path), 0);
}

TEST(reading_only_cannot_write_and_lets_others_read)
{
	AUTO_FREE char *path = image_new(IMAGE_SIZE);
	AUTO_ERR struct err e = { 0 };
	u8 sector[512] = { 0 };
	struct device *d, *other;

	CHECK_OK(device_open(path, false, &d, &e), &e);
	CHECK_OK(device_open(path, false, &other, &e), &e);
	CHECK_OK(device_read(other, 512, sector, 512, &e), &e);
	CHECK_FAILS(device_write(d, 0, sector, 512, &e), &e, "stick.img: write at byte 0: ");
	device_free(other);
	device_free(d);
}

TEST(what_is_no_medium_is_refused)
{
	AUTO_FREE char *path = image_new(0);
	AUTO_FREE char *dir = sandbox_path("");
	AUTO_ERR struct err e = { 0 };
	struct device *d = NULL;

	for (int writable = 0; writable < 2; writable++) {
		CHECK_U64(-device_open("/nowhere/at/all", writable, &d, &e), ENOENT);
		CHECK_U64(e.code, EXIT_OK);
		CHECK_FAILS(-1, &e, "/nowhere/at/all: no such file or device");
		CHECK(device_open(dir, writable, &d, &e) < 0);
		CHECK_U64(e.code, EXIT_REFUSED);
		CHECK_FAILS(-1, &e, writable ? "is a directory" : "is neither a file nor a block device");
		CHECK(device_open("/dev/null", writable, &d, &e) < 0);
		CHECK_U64(e.code, EXIT_REFUSED);
		CHECK_FAILS(-1, &e, "/dev/null: is neither a file nor a block device");
	}
	/* Nobody will ever write into this pipe. */
	unlink(path);
	CHECK(mkfifo(path, 0600) == 0);
	alarm(20);
	CHECK_FAILS(device_open(path, false, &d, &e), &e, "is neither a file nor a block device");
	CHECK_FAILS(device_open(path, true, &d, &e), &e, "is neither a file nor a block device");
	alarm(0);
	unlink(path);
	CHECK_FAILS(device_open(path, true, &d, &e), &e, "no such file or device");
	CHECK(access(path, F_OK) < 0 && d == NULL);
}

TEST(missing_rights_are_named)
{
	AUTO_FREE char *path = image_new(IMAGE_SIZE);
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *dir = sandbox_path("");
	bool root = geteuid() == 0;
	struct device *d;

	CHECK(chmod(dir, 0755) == 0 && chmod(path, 0444) == 0);
	if (root)
		CHECK(seteuid(NOBODY) == 0);
	if (CHECK_OK(device_open(path, false, &d, &e), &e))
		device_free(d);
	CHECK_FAILS(device_open(path, true, &d, &e), &e, "stick.img: no right to write it");
	if (root)
		CHECK(seteuid(0) == 0);
	CHECK(chmod(path, 0) == 0);
	if (root)
		CHECK(seteuid(NOBODY) == 0);
	CHECK_FAILS(device_open(path, false, &d, &e), &e, "stick.img: no right to read it");
	if (root)
		CHECK(seteuid(0) == 0);
	unlink(path);
}

/* Another process locks the file, says so, and keeps it for some time. */
static pid_t lock_elsewhere(const char *path, unsigned ms)
{
	int ready[2];
	pid_t pid;
	char c;

	CHECK(pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		_exit(flock(fd, LOCK_SH) < 0 || write(ready[1], "x", 1) != 1 || nanosleep(&t, NULL) < 0);
	}
	close(ready[1]);
	CHECK(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	return pid;
}

TEST(a_short_lock_is_waited_for_and_a_long_one_refused)
{
	AUTO_FREE char *path = image_new(IMAGE_SIZE);
	AUTO_ERR struct err e = { 0 };
	struct device *d, *second;
	pid_t pid = lock_elsewhere(path, 300);

	CHECK_OK(device_open(path, true, &d, &e), &e);
	waitpid(pid, NULL, 0);
	CHECK_U64(-device_open(path, true, &second, &e), EBUSY);
	CHECK_U64(e.code, EXIT_REFUSED);
	CHECK_FAILS(-1, &e, "stick.img: is in use by the system or another program");
	device_free(d);
	if (CHECK_OK(device_open(path, true, &d, &e), &e))
		device_free(d);
}

TEST(a_file_that_gets_shorter_is_an_error)
{
	AUTO_FREE char *path = image_new(IMAGE_SIZE);
	AUTO_FREE u8 *mem = xcalloc(IMAGE_SIZE, 1);
	AUTO_ERR struct err e = { 0 };

	for (int buffered = 0; buffered < 2; buffered++) {
		struct device *d;

		CHECK(truncate(path, IMAGE_SIZE) == 0);
		CHECK_OK(open_as(buffered, path, &d, &e), &e);
		CHECK(truncate(path, 5 * MIB + 17) == 0);
		CHECK_U64(-device_read(d, 0, mem, IMAGE_SIZE, &e), EIO);
		CHECK_FAILS(-1, &e, "stick.img: read at byte 0: ");
		CHECK_OK(device_read(d, 5 * MIB, mem, 17, &e), &e);
		CHECK_U64(-device_read(d, 5 * MIB, mem, 18, &e), EIO);
		err_clear(&e);
		device_free(d);
	}
}

/* The rest needs root and a kernel that gives loop devices; elsewhere it is skipped. */
static char *loop_new(const char *options, const char *image)
{
	char *path;

	if (sandbox_run("PATH=$PATH:/sbin:/usr/sbin; losetup --find --show %s '%s'", options, image) != 0)
		return NULL;
	path = xstrdup(sandbox_said());
	path[strcspn(path, "\n")] = '\0';
	return path;
}

/* Called before anything that would have to be freed: a skipped test's scope is left without its cleanup. */
static char *loop_or_skip(const char *options)
{
	char *image = image_new(IMAGE_SIZE), *path = loop_new(options, image);

	free(image);
	if (!path)
		test_skip("no loop device to be had");
	return path;
}

static void loop_end(char **path)
{
	CHECK(sandbox_run("PATH=$PATH:/sbin:/usr/sbin; losetup --detach %s", *path) == 0);
	free(*path);
}

#define AUTO_LOOP CLEANUP(loop_end)

static void play_on_block(bool buffered, u32 sector)
{
	AUTO_LOOP char *loop = loop_or_skip(sector == 512 ? "" : "--sector-size 4096");
	AUTO_FREE char *image = sandbox_path("stick.img");
	AUTO_FREE u8 *want = xcalloc(IMAGE_SIZE, 1);
	AUTO_ERR struct err e = { 0 };
	struct device *d;

	if (!CHECK_OK(open_as(buffered, loop, &d, &e), &e))
		return;
	CHECK_U64(d->size, IMAGE_SIZE);
	CHECK_U64(d->sector_size, sector);
	CHECK(d->is_block);
	CHECK_U64(direct_descriptors(loop), !buffered);
	play(d, want, sector);
	CHECK_OK(device_flush(d, &e), &e);
	device_free(d);
	check_content(image, want, IMAGE_SIZE, "");
}

TEST(block_device_keeps_what_was_written)
{
	play_on_block(false, 512);
	play_on_block(false, 4096);
	play_on_block(true, 512);
	play_on_block(true, 4096);
}

/* Larger sectors than the device said it had: O_DIRECT gives EINVAL in the midst of things. */
TEST(direct_access_that_fails_later_is_given_up)
{
	AUTO_LOOP char *loop = loop_or_skip("");
	AUTO_FREE char *image = sandbox_path("stick.img");
	AUTO_FREE u8 *want = xcalloc(IMAGE_SIZE, 1);
	AUTO_ERR struct err e = { 0 };
	struct device *d;

	CHECK_OK(device_open(loop, true, &d, &e), &e);
	CHECK_U64(direct_descriptors(loop), 1);
	if (ioctl(d->fd, LOOP_SET_BLOCK_SIZE, 4096UL) == 0) {
		play(d, want, 5);
		CHECK_U64(direct_descriptors(loop), 0);
		CHECK_OK(device_flush(d, &e), &e);
		check_content(image, want, IMAGE_SIZE, "");
	}
	device_free(d);
}

TEST(block_device_in_use_is_refused)
{
	AUTO_LOOP char *loop = loop_or_skip("");
	AUTO_ERR struct err e = { 0 };
	struct device *d;
	int fd = open(loop, O_RDWR | O_EXCL | O_CLOEXEC);

	CHECK_U64(-device_open(loop, true, &d, &e), EBUSY);
	CHECK_U64(e.code, EXIT_REFUSED);
	CHECK_FAILS(-1, &e, "is in use by the system or another program");
	close(fd);
	if (!CHECK_OK(device_open(loop, true, &d, &e), &e))
		return;
	CHECK(open(loop, O_RDWR | O_EXCL | O_CLOEXEC) < 0 && errno == EBUSY);
	device_free(d);
}

TEST(mounted_block_device_may_only_be_looked_at)
{
	AUTO_LOOP char *loop = loop_or_skip("");
	AUTO_FREE char *dir = sandbox_path("mounted");
	AUTO_ERR struct err e = { 0 };
	struct device *d;

	if (sandbox_run("PATH=$PATH:/sbin:/usr/sbin; mkdir %s; mkfs.ext4 -q %s; mount %s %s", dir, loop, loop, dir))
		return;
	CHECK_U64(-device_open(loop, true, &d, &e), EBUSY);
	CHECK_FAILS(-1, &e, "is in use by the system or another program");
	if (CHECK_OK(device_open(loop, false, &d, &e), &e))
		device_free(d);
	CHECK(sandbox_run("umount %s", dir) == 0);
	if (CHECK_OK(device_open(loop, true, &d, &e), &e))
		device_free(d);
}

TEST(write_protected_block_device_is_refused)
{
	AUTO_LOOP char *loop = loop_or_skip("--read-only");
	AUTO_ERR struct err e = { 0 };
	struct device *d;

	CHECK_U64(-device_open(loop, true, &d, &e), EROFS);
	CHECK_U64(e.code, EXIT_REFUSED);
	CHECK_FAILS(-1, &e, ": is write-protected");
	if (CHECK_OK(device_open(loop, false, &d, &e), &e))
		device_free(d);
}

TEST(block_device_without_a_medium_is_refused)
{
	char *loop = loop_or_skip("");
	AUTO_FREE char *path = xstrdup(loop);
	AUTO_ERR struct err e = { 0 };
	struct device *d;

	loop_end(&loop);
	CHECK(device_open(path, true, &d, &e) < 0);
	CHECK_U64(e.code, EXIT_REFUSED);
	CHECK_FAILS(-1, &e, ": has no medium");
}

static int write_ones(const char *path, bool buffered, struct device **ret, struct err *e)
{
	AUTO_FREE u8 *mem = xcalloc(IMAGE_SIZE, 1);

	memset(mem, 1, IMAGE_SIZE);
	if (!CHECK_OK(open_as(buffered, path, ret, e), e))
		exit(1);
	return device_write(*ret, 0, mem, IMAGE_SIZE, e);
}

/* `image` lies on a file system of half its size: the second half of this "stick" cannot be written. */
static void fill_up(const char *image)
{
	AUTO_LOOP char *loop = loop_new("", image);
	AUTO_ERR struct err e = { 0 };
	struct device *d;
	int r;

	/* By the page cache it is heard late, but never forgotten. */
	write_ones(loop, true, &d, &e);
	err_clear(&e);
	for (int i = 0; i < 3; i++) {
		r = device_flush(d, &e);
		CHECK(r == -EIO || r == -ENOSPC);
		CHECK_FAILS(r, &e, "flush: ");
	}
	device_free(d);
	r = write_ones(loop, false, &d, &e);
	CHECK(r == -EIO || r == -ENOSPC);
	CHECK_FAILS(r, &e, ": write at byte 0: ");
	device_free(d);
	CHECK_U64(-write_ones(image, false, &d, &e), ENOSPC);
	CHECK_FAILS(-1, &e, "stick.img: write at byte 0: No space left on device");
	device_free(d);
}

TEST(failed_writing_is_told_and_never_forgotten)
{
	char *loop = loop_or_skip(""), *image;
	AUTO_FREE char *dir = sandbox_path("small");

	loop_end(&loop);
	if (sandbox_run("mkdir %s; mount -t tmpfs -o size=4m livestick-test %s", dir, dir) != 0)
		return;
	image = sandbox_path("small/stick.img");
	sandbox_make(image, IMAGE_SIZE);
	fill_up(image);
	free(image);
	CHECK(sandbox_run("umount %s", dir) == 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
