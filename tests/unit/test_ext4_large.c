/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files and directories of a size that no small buffer and no single block could hold, and the size of volume that they
 * need. Judges: e2fsck, debugfs and, where mounting is allowed, the kernel.
 */
#include <errno.h>
#include <fcntl.h>

#include "src/base/buf.h"
#include "tests/unit/ext4_image.h"

/* ---- large files: only metadata and a sample of the contents reach the image */

#define MARK 0x5ca1ab1e0ddba11ULL

struct thin {
	struct device d;
	u64 every; /* of so many MiB of content, one is sampled */
	u64 kept;
};

struct thin_file {
	u64 next;
	u64 *mark; /* where in the file marks are */
	size_t n, cap;
};

/* A whole MiB holds nothing but a mark; what it had before in memory is content as good as any. */
static int thin_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct thin_file *f = ctx;

	(void)e;
	CHECK_U64(off, f->next);
	f->next = off + len;
	if (len < MIB) {
		memset(buf, 0, len);
		return 0;
	}
	put_le64(buf, MARK);
	put_le64((u8 *)buf + 8, off);
	*ARRAY_ADD(f->mark, f->n, f->cap) = off;
	return 0;
}

static int thin_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct thin *t = (struct thin *)d;

	if (len == MIB && get_le64(buf) == MARK) {
		if (off / MIB % t->every)
			return 0;
		len = 4096;
	}
	t->kept += len;
	return pwrite(d->fd, buf, len, (off_t)off) == (ssize_t)len ? 0 : -EIO;
}

static int thin_device_read(struct device *d, u64 off, void *buf, size_t len)
{
	return pread(d->fd, buf, len, (off_t)off) == (ssize_t)len ? 0 : -EIO;
}

static void write_thin(const struct made *m, const struct ext4_options *o, u64 every, const char *path)
{
	static const struct device_ops ops = { .read = thin_device_read, .write = thin_write };
	struct thin t = { .d = { .ops = &ops,
		                 .name = (char *)"thin",
		                 .size = o->start + o->size + MIB,
		                 .sector_size = 512,
		                 .fd = -1 },
		          .every = every };
	AUTO_ERR struct err e = { 0 };

	sandbox_make(path, t.d.size);
	t.d.fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK_OK(writelist_run(m->w, &t.d, NULL, &e), &e);
	printf("# %llu KiB of %llu MiB kept\n", (unsigned long long)(t.kept / KIB),
	       (unsigned long long)(writelist_bytes(m->w) / MIB));
	close(t.d.fd);
}

static void add_thin(struct volume_files *v, const char *path, u64 size, struct thin_file *f)
{
	volume_add(v, path, size, (struct input){ .read = thin_read, .ctx = f }, 1600000000);
}

/* The mark of a MiB, if it was kept, is where its offset says, at whichever place of the device. */
static void check_marks(const char *path, const struct thin_file *f)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		u8 mark[16];

		CHECK_U64(pread(fd, mark, sizeof(mark), (off_t)f->mark[i]), sizeof(mark));
		if (get_le64(mark) == 0)
			continue;
		kept++;
		CHECK_U64(get_le64(mark), MARK);
		CHECK_U64(get_le64(mark + 8), f->mark[i]);
	}
	CHECK(kept > f->n / 9);
}

TEST(a_file_of_five_gib)
{
	const u64 size = 5 * GIB + 12345;
	struct ext4_options o = loader_options(6 * GIB);
	AUTO_FREE char *path = sandbox_path("five.img"), *dir = sandbox_path("mnt5"),
	               *file = sandbox_path("mnt5/live/filesystem.squashfs");
	struct volume_files v = { 0 };
	struct thin_file big = { 0 }, small = { 0 };
	AUTO_MADE struct made m = { 0 };

	add_thin(&v, "/live/filesystem.squashfs", size, &big);
	add_thin(&v, "/live/vmlinuz", 8 * MIB, &small);
	m = make(&o, &v);
	CHECK(writelist_bytes(m.w) > size && writelist_bytes(m.w) < size + 16 * MIB);
	CHECK(writelist_stretches(m.w) <= 5);
	write_thin(&m, &o, 8, path);
	CHECK_U64(big.next, size);
	CHECK(big.n > 5000);
	fsck(path);
	check_stat(path, "/live/filesystem.squashfs", "Size: 5368721465");
	/* 1310724 blocks and one of the map, in sectors: every block of the file has a place. */
	check_stat(path, "/live/filesystem.squashfs", "Blockcount: 10485800\n");
	check_stat(path, "/live/filesystem.squashfs", "(ETB0):");
	CHECK_U64(n_extents(path, "/live/filesystem.squashfs"), 41);
	CHECK(v.file[1].device_off >= v.file[0].device_off + size);
	volume_files_free(&v);
	if (geteuid() == 0 && sandbox_run("mkdir %s && mount -t ext4 -o ro,loop,offset=%llu %s %s", dir,
	                                  (unsigned long long)START, path, dir) == 0) {
		check_marks(file, &big);
		CHECK_U64(sandbox_run("umount %s", dir), 0);
	} else {
		printf("# not seen by the kernel: no right to mount, or no loop devices\n");
	}
	free(big.mark);
	free(small.mark);
}

/* Maps of more than one level: 43 GiB need two blocks at the lowest, 171 GiB a third level. */
TEST(maps_of_several_levels)
{
	static const struct {
		u64 size;
		const char *map[3];
	} row[] = {
		{ 512 * MIB, { "(0-" } },
		{ 40 * GIB, { "(ETB0):" } },
		{ 43 * GIB, { "(ETB0):" } },
		{ 180 * GIB, { "(ETB0):", "(ETB1):" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct ext4_options o = loader_options(row[i].size + GIB);
		AUTO_FREE char *path = sandbox_path("levels.img");
		struct volume_files v = { 0 };
		struct thin_file f = { 0 };
		AUTO_MADE struct made m = { 0 };
		double begin = seconds();

		add_thin(&v, "/f", row[i].size, &f);
		m = make(&o, &v);
		printf("# %llu MiB: planned in %.3f s\n", (unsigned long long)(row[i].size / MIB), seconds() - begin);
		write_thin(&m, &o, 4096, path);
		fsck(path);
		for (size_t k = 0; k < ARRAY_SIZE(row[i].map) && row[i].map[k]; k++)
			check_stat(path, "/f", row[i].map[k]);
		volume_files_free(&v);
		free(f.mark);
	}
}

/* ---- many files */

static void plan_many(bool one_dir, const char *path)
{
	struct volume_files v = { 0 };
	AUTO_MADE struct made m = { 0 };
	struct ext4_options o;
	double begin;
	u64 size;

	for (int i = 0; i < 100000; i++) {
		char name[64];

		if (one_dir)
			snprintf(name, sizeof(name), "/d/file-number-%d", i * 7919 % 100000);
		else
			snprintf(name, sizeof(name), "/d%d/file-number-%d", i * 7919 % 1000, i);
		add_text(&v, name, "x");
	}
	begin = seconds();
	size = ext4_size_for(&v, 0, true);
	printf("# %llu MiB for 100000 files: said in %.2f s,", (unsigned long long)(size / MIB), seconds() - begin);
	o = loader_options(size);
	begin = seconds();
	m = make(&o, &v);
	printf(" planned in %.2f s, %zu stretches\n", seconds() - begin, writelist_stretches(m.w));
	CHECK(seconds() - begin < 10);
	write_made(&m, &o, path);
	fsck(path);
	CHECK_SAID(one_dir ? "100012/" : "101011/");
	debugfs(path, one_dir ? "cat /d/file-number-77777" : "cat /d7/file-number-93");
	volume_files_free(&v);
}

TEST(a_hundred_thousand_files)
{
	AUTO_FREE char *path = sandbox_path("many.img");

	plan_many(false, path);
}

TEST(a_hundred_thousand_files_in_one_directory)
{
	AUTO_FREE char *path = sandbox_path("many.img");

	plan_many(true, path);
	CHECK_STR(sandbox_said(), "x");
	check_stat(path, "/d", "Links: 2");
}

/* Above 65000 links a directory says 1. */
TEST(more_directories_than_can_be_counted)
{
	static const struct {
		int n;
		const char *links;
	} row[] = { { 64998, "Links: 65000 " }, { 64999, "Links: 1 " } };
	AUTO_FREE char *path = sandbox_path("dirs.img");

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct volume_files v = { 0 };
		struct ext4_options o;

		for (int k = 0; k < row[i].n; k++) {
			char name[32];

			snprintf(name, sizeof(name), "/d/%d", k);
			volume_add_dir(&v, name, 0755, 1);
		}
		o = loader_options(ext4_size_for(&v, 0, true));
		write_image(&o, &v, path);
		fsck(path);
		check_stat(path, "/d", row[i].links);
		volume_files_free(&v);
	}
}

/* ---- how large */

static void holds(const struct ext4_options *o, struct volume_files *v)
{
	AUTO_ERR struct err e = { 0 };
	struct ext4 *x;

	if (CHECK_OK(ext4_plan(o, v, &x, &e), &e))
		ext4_free(x);
	else
		printf("# in %llu MiB\n", (unsigned long long)(o->size / MIB));
}

TEST(the_size_that_is_told_holds_and_larger_ones_too)
{
	static const struct {
		u64 n, each, extra;
		bool loader;
	} row[] = {
		{ 0, 0, 0, true },
		{ 1, 100 * MIB, 0, true },
		{ 1, 127 * MIB, 0, true },
		{ 1, 127 * MIB - 200 * KIB, 0, true },
		{ 30, 4 * MIB + 1, 700 * MIB, true },
		{ 20000, 1, 0, true },
		{ 20000, 0, 0, true },
		{ 3000, 4096, 100 * MIB, true },
		{ 2, 5 * GIB, 6 * GIB, true },
		{ 3, 50 * GIB, 150 * GIB, true },
		{ 1, 8, 0, false },
		{ 1, 300 * MIB, 0, false },
		{ 1, 30 * GIB, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct volume_files v = { 0 };
		struct ext4_options o = options_for(0);
		AUTO_ERR struct err e = { 0 };
		u64 bytes = row[i].n * align_up(row[i].each, 4096) + row[i].extra;
		u64 size;

		for (u64 k = 0; k < row[i].n; k++) {
			char name[32];

			snprintf(name, sizeof(name), "/d%d/%d", (int)k % 7, (int)k);
			volume_add(&v, name, row[i].each, input_memory(""), 1);
		}
		size = ext4_size_for(&v, row[i].extra, row[i].loader);
		printf("# %llu MiB for %llu MiB\n", (unsigned long long)(size / MIB),
		       (unsigned long long)(bytes / MIB));
		CHECK_U64(size % MIB, 0);
		CHECK(size <= bytes + bytes / 32 + 80 * MIB);
		if (row[i].extra)
			volume_add(&v, "/later", row[i].extra, input_memory(""), 1);
		o.for_loader = row[i].loader;
		for (u64 more = 0; more<(row[i].loader ? 300 * MIB : 1); more += row[i].n> 100 ? 23 * MIB : MIB) {
			o.size = size + more;
			holds(&o, &v);
		}
		volume_files_free(&v);
	}
}

TEST(sizes_that_nobody_has)
{
	static const u64 sizes[] = { EXT4_MAX_SIZE, 17 * TIB, UINT64_MAX - 4096, UINT64_MAX };
	struct volume_files v = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK(ext4_size_for(&v, sizes[i], true) > EXT4_MAX_SIZE);
		volume_add(&v, "/f", sizes[i], input_memory(""), 1);
		CHECK(ext4_size_for(&v, 0, true) > EXT4_MAX_SIZE);
		volume_files_free(&v);
	}
	for (int i = 0; i < 1000; i++)
		volume_add(&v, "/f", UINT64_MAX, input_memory(""), 1);
	CHECK(ext4_size_for(&v, UINT64_MAX, true) > EXT4_MAX_SIZE);
	volume_files_free(&v);
}

TEST(the_largest_volume)
{
	struct ext4_options o = loader_options(EXT4_MAX_SIZE);
	struct volume_files v = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct ext4 *x;

	volume_add(&v, "/f", 15 * TIB, input_memory(""), 1);
	if (CHECK_OK(ext4_plan(&o, &v, &x, &e), &e)) {
		CHECK(ext4_free_bytes(x) > 900 * GIB && ext4_free_bytes(x) < TIB);
		ext4_free(x);
	}
	volume_files_free(&v);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
