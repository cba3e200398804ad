/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define TIB   (1024 * GIB)
#define START (3 * MIB)

static struct ext4_options options_for(u64 size)
{
	struct ext4_options o = { .start = START, .size = size, .label = "persistence", .time = 1700000000 };

	for (u8 i = 0; i < 16; i++) {
		o.uuid[i] = (u8)(0x10 + i);
		o.hash_seed[i] = (u8)(0xf0 - i);
	}
	return o;
}

static void add_text(struct volume_files *v, const char *path, const char *text)
{
	volume_add(v, path, strlen(text), input_memory(text), 1600000000);
}

/* Makes the volume alone: the finished list, or NULL. */
static struct writelist *make(const struct ext4_options *o, const struct volume_files *files)
{
	AUTO_ERR struct err e = { 0 };
	struct writelist *w = writelist_new();

	CHECK_OK(ext4_make(o, files, w, &e), &e);
	CHECK_OK(writelist_finish(w, &e), &e);
	return w;
}

/* Puts 0xa5 where the old content of a stick would be: on the first 64 MiB, and around the copies. */
static void soil(struct device *d, u64 size)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *old = xcalloc(1, MIB);

	memset(old, 0xa5, MIB);
	for (u64 off = 0; off < MIN(64 * MIB, size); off += MIB)
		CHECK_OK(device_write(d, START + off, old, MIN(MIB, size - off), &e), &e);
	for (size_t i = 0; i < 2; i++) {
		u64 group = i == 0 ? 128 * MIB : align_down(size - 1, 128 * MIB);

		if (group < size)
			CHECK_OK(device_write(d, START + group, old, MIN(MIB, size - group), &e), &e);
	}
}

static void write_image(const struct ext4_options *o, const struct volume_files *files, const char *path)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	struct writelist *w = make(o, files);

	sandbox_make(path, START + o->size + MIB);
	if (CHECK_OK(device_open(path, true, &d, &e), &e)) {
		soil(d, o->size);
		CHECK_OK(writelist_run(w, d, NULL, &e), &e);
	}
	writelist_free(w);
}

#define OFFSET "?offset=3145728"

static void check_said(int line, const char *words)
{
	if (!strstr(sandbox_said(), words))
		test_fail(__FILE__, line, "\"%s\" is not in: %s", words, sandbox_said());
}

#define CHECK_SAID(words) check_said(__LINE__, words)

static void fsck(const char *path)
{
	if (sandbox_run("e2fsck -fn '%s" OFFSET "'", path) != 0)
		test_fail(__FILE__, __LINE__, "e2fsck: %s", sandbox_said());
}

static void debugfs(const char *path, const char *command)
{
	CHECK_U64(sandbox_run("debugfs -R '%s' '%s" OFFSET "' 2>/dev/null", command, path), 0);
}

TEST(clean_at_every_size)
{
	static const u64 sizes[] = { 16 * MIB,         17 * MIB,  100 * MIB, 127 * MIB, 128 * MIB,  129 * MIB,
		                     255 * MIB + 4096, 256 * MIB, 257 * MIB, GIB,       5843 * MIB, 60 * GIB };
	AUTO_FREE char *path = sandbox_path("size.img");

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ext4_options o = options_for(sizes[i]);
		struct volume_files v = { 0 };

		add_text(&v, "/persistence.conf", "/ union\n");
		write_image(&o, &v, path);
		fsck(path);
		debugfs(path, "cat /persistence.conf");
		CHECK_STR(sandbox_said(), "/ union\n");
		volume_files_free(&v);
	}
}

TEST(one_tib_is_clean)
{
	struct ext4_options o = options_for(TIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("tib.img");

	write_image(&o, &v, path);
	fsck(path);
}

TEST(profile)
{
	struct ext4_options o = options_for(5843 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("profile.img");

	write_image(&o, &v, path);
	CHECK_U64(sandbox_run("TZ=UTC dumpe2fs -h '%s" OFFSET "' 2>/dev/null | tr -s ' '", path), 0);
	CHECK_SAID("Filesystem volume name: persistence\n");
	CHECK_SAID("Filesystem UUID: 10111213-1415-1617-1819-1a1b1c1d1e1f\n");
	CHECK_SAID("Directory Hash Seed: f0efeeed-eceb-eae9-e8e7-e6e5e4e3e2e1\n");
	CHECK_SAID("Filesystem features: has_journal ext_attr dir_index sparse_super2 filetype extent 64bit flex_bg "
	           "sparse_super large_file huge_file dir_nlink extra_isize metadata_csum\n");
	CHECK_SAID("Default mount options: user_xattr acl\n");
	CHECK_SAID("Filesystem state: clean\n");
	CHECK_SAID("Errors behavior: Continue\n");
	CHECK_SAID("Inode count: 187680\n");
	CHECK_SAID("Block count: 1495808\n");
	CHECK_SAID("Reserved block count: 0\n");
	CHECK_SAID("Block size: 4096\n");
	CHECK_SAID("Inode size:\t 256\n");
	CHECK_SAID("Maximum mount count: -1\n");
	CHECK_SAID("Check interval: 0 (<none>)\n");
	CHECK_SAID("Filesystem created: Tue Nov 14 22:13:20 2023\n");
	CHECK_SAID("Last write time: Tue Nov 14 22:13:20 2023\n");
	CHECK_SAID("Last checked: Tue Nov 14 22:13:20 2023\n");
	CHECK_SAID("Total journal size: 16M\n");
	CHECK_SAID("Checksum type: crc32c\n");
	CHECK_SAID("Journal inode: 8\n");
}

/*
 * The copies are in two groups, and e2fsck finds the first one by itself when the superblock is lost. (Only in a file
 * without an offset: it forgets the offset when it looks for copies.)
 */
TEST(backup_superblocks)
{
	static const u64 sizes[] = { 130 * MIB, 6 * GIB };
	static const char *const at[] = { "32768\n", "32768\n1540096\n" };
	AUTO_FREE char *path = sandbox_path("backup.img");
	struct volume_files v = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO_ERR struct err e = { 0 };
		AUTO_DEVICE struct device *d = NULL;
		struct ext4_options o = options_for(sizes[i]);
		struct writelist *w;

		o.start = 0;
		w = make(&o, &v);
		sandbox_make(path, o.size);
		CHECK_OK(device_open(path, true, &d, &e), &e);
		CHECK_OK(writelist_run(w, d, NULL, &e), &e);
		writelist_free(w);
		CHECK_U64(sandbox_run(
		              "dumpe2fs %s 2>/dev/null | sed -n 's/.*Backup superblock at \\([0-9]*\\).*/\\1/p'", path),
		          0);
		CHECK_STR(sandbox_said(), at[i]);
		CHECK_U64(sandbox_run("dd if=/dev/zero of=%s bs=4096 count=1 conv=notrunc", path), 0);
		CHECK_U64(sandbox_run("e2fsck -fy %s", path), 1);
		CHECK_U64(sandbox_run("e2fsck -fn %s", path), 0);
	}
}

TEST(few_stretches_and_few_bytes)
{
	static const struct {
		u64 size, bytes;
	} row[] = { { 16 * MIB, MIB }, { GIB, MIB },           { 6 * GIB, MIB }, { 12 * GIB, MIB },
		    { 60 * GIB, MIB }, { 250 * GIB, 2 * MIB }, { TIB, 4 * MIB } };

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct ext4_options o = options_for(row[i].size);
		struct volume_files v = { 0 };
		struct writelist *w;

		add_text(&v, "/persistence.conf", "/ union\n");
		w = make(&o, &v);
		printf("# %llu MiB: %zu stretches, %llu KiB\n", (unsigned long long)(o.size / MIB),
		       writelist_stretches(w), (unsigned long long)(writelist_bytes(w) / KIB));
		CHECK(writelist_stretches(w) <= 5);
		CHECK(writelist_bytes(w) < row[i].bytes);
		writelist_free(w);
		volume_files_free(&v);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(huge_volumes_are_cheap)
{
	static const u64 sizes[] = { 2 * TIB, 16 * TIB };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ext4_options o = options_for(sizes[i]);
		struct volume_files v = { 0 };
		struct rusage before, after;
		double begin = seconds();

		getrusage(RUSAGE_SELF, &before);
		writelist_free(make(&o, &v));
		getrusage(RUSAGE_SELF, &after);
		printf("# %llu TiB: %.2f s, %ld KiB more at most\n", (unsigned long long)(sizes[i] / TIB),
		       seconds() - begin, after.ru_maxrss - before.ru_maxrss);
		CHECK(seconds() - begin < 10);
		CHECK(after.ru_maxrss - before.ru_maxrss < 150 * 1024);
	}
}

TEST(same_input_gives_same_bytes)
{
	struct ext4_options o = options_for(300 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *a = sandbox_path("a.img"), *b = sandbox_path("b.img");

	add_text(&v, "/persistence.conf", "/ union\n");
	add_text(&v, "/live/one/two", "deep");
	write_image(&o, &v, a);
	sleep(1);
	setenv("E2FSPROGS_FAKE_TIME", "1234567890", 1);
	write_image(&o, &v, b);
	unsetenv("E2FSPROGS_FAKE_TIME");
	CHECK_U64(sandbox_run("cmp %s %s", a, b), 0);
	o.uuid[0]++;
	write_image(&o, &v, b);
	CHECK_U64(sandbox_run("cmp -s %s %s", a, b), 1);
	volume_files_free(&v);
}

static void check_stat(const char *path, const char *name, const char *words)
{
	CHECK_U64(sandbox_run("TZ=UTC debugfs -R 'stat %s' '%s" OFFSET "' 2>/dev/null | tr -s ' '", name, path), 0);
	check_said(__LINE__, words);
}

TEST(files_and_directories)
{
	struct ext4_options o = options_for(200 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("files.img"), *copy = sandbox_path("copy"), *orig = sandbox_path("orig");
	AUTO_FREE u8 *big = xcalloc(1, 5 * MIB + 17);
	struct volume_file *f;
	u8 digest[SHA256_SIZE], expected[SHA256_SIZE];
	FILE *out;

	for (size_t i = 0; i < 5 * MIB + 17; i++)
		big[i] = i / MIB == 2 ? 0 : (u8)(i * 31 >> 3);
	volume_add_dir(&v, "/", 0700, 1500000000);
	volume_add_dir(&v, "/upper/dir", 01777, 1500000001);
	f = volume_add(&v, "/upper/dir/secret", 3, input_memory("abc"), 1500000002);
	f->mode = 0600;
	f = volume_add(&v, "/ldlinux.sys", 5 * MIB + 17, input_memory(big), 1500000003);
	f->system_file = true;
	f->hash = sha256_new();
	volume_add(&v, "//empty", 0, input_memory(""), -5);
	add_text(&v, "/sp ace/\xc3\xa4\xe2\x82\xac.txt", "names");
	write_image(&o, &v, path);
	sha256_end(v.file[3].hash, digest);
	sha256_of(big, 5 * MIB + 17, expected);
	CHECK_U64(memcmp(digest, expected, SHA256_SIZE), 0);
	fsck(path);

	check_stat(path, "/", "Mode: 0700");
	check_stat(path, "/", "mtime: 0x59682f00");
	check_stat(path, "/upper", "Mode: 0755");
	check_stat(path, "/upper", "mtime: 0x6553f100");
	check_stat(path, "/upper/dir", "Mode: 01777");
	check_stat(path, "/upper/dir/secret", "Type: regular Mode: 0600");
	check_stat(path, "/upper/dir/secret", "User: 0 Group: 0");
	check_stat(path, "/upper/dir/secret", "mtime: 0x59682f02");
	check_stat(path, "/upper/dir/secret", "crtime: 0x6553f100");
	check_stat(path, "/ldlinux.sys", "Flags: 0x80010");
	check_stat(path, "/empty", "mtime: 0x00000001");
	check_stat(path, "/lost+found", "Mode: 0700");
	check_stat(path, "/lost+found", "Size: 16384");
	/* One extent without a hole, although a MiB of it is zeros: a loader reads it. */
	check_stat(path, "/ldlinux.sys", "EXTENTS:\n(0-1280):");
	debugfs(path, "cat \"/sp ace/\xc3\xa4\xe2\x82\xac.txt\"");
	CHECK_STR(sandbox_said(), "names");

	out = fopen(orig, "we");
	fwrite(big, 1, 5 * MIB + 17, out);
	fclose(out);
	debugfs(path, "cat /ldlinux.sys");
	CHECK_U64(sandbox_run("debugfs -R 'dump /ldlinux.sys %s' '%s" OFFSET "'; cmp %s %s", copy, path, copy, orig),
	          0);
	volume_files_free(&v);
}

TEST(many_files_in_one_directory)
{
	struct ext4_options o = options_for(300 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("many.img");

	for (int i = 0; i < 3000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/d%d/a-rather-long-name-of-a-file-%d", i % 2, i);
		add_text(&v, name, "x");
	}
	for (int i = 0; i < 300; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/d0/a-directory-among-the-files-%d", i);
		volume_add_dir(&v, name, 0755, 1);
	}
	write_image(&o, &v, path);
	fsck(path);
	debugfs(path, "ls /d0");
	CHECK_SAID("a-rather-long-name-of-a-file-2998");
	CHECK_SAID("a-directory-among-the-files-299");
	volume_files_free(&v);
}

/* The kernel's own driver fills it, and e2fsck agrees with what is left. Group tables are initialised on the way. */
TEST(kernel_mounts_and_fills_it)
{
	static const u64 sizes[] = { 16 * MIB, 5843 * MIB };
	AUTO_FREE char *path = sandbox_path("mount.img"), *dir = sandbox_path("mnt");

	if (geteuid() != 0 || sandbox_run("mkdir %s && mount -t tmpfs none %s && umount %s", dir, dir, dir) != 0)
		test_skip("no right to mount");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ext4_options o = options_for(sizes[i]);
		struct volume_files v = { 0 };
		int n = sizes[i] > GIB ? 2000 : 200;

		add_text(&v, "/persistence.conf", "/ union\n");
		write_image(&o, &v, path);
		volume_files_free(&v);
		if (sandbox_run("mount -t ext4 -o loop,offset=%llu,sizelimit=%llu %s %s", (unsigned long long)START,
		                (unsigned long long)o.size, path, dir) != 0)
			test_skip("no loop devices");
		CHECK_U64(sandbox_run("cat %s/persistence.conf", dir), 0);
		CHECK_STR(sandbox_said(), "/ union\n");
		CHECK_U64(
		    sandbox_run("cd %s && mkdir d && for i in $(seq %d); do mkdir -p d/$((i %% 37)) && "
		                "echo $i > d/$((i %% 37))/$i || exit; done; dd if=/dev/zero of=big bs=1M count=5; "
		                "df --output=size,used -k . | tail -1",
		                dir, n),
		    0);
		CHECK_U64(sandbox_run("umount %s", dir), 0);
		fsck(path);
		debugfs(path, "cat /d/1/38");
		CHECK_STR(sandbox_said(), "38\n");
	}
}

#define CHECK_NOT_MADE(o, v, r, words)                                                                                 \
	({                                                                                                             \
		AUTO_ERR struct err e_ = { 0 };                                                                        \
		struct writelist *w_ = writelist_new();                                                                \
		CHECK_U64(ext4_make(&(o), &(v), w_, &e_), r);                                                          \
		if (!e_.text || !strstr(e_.text, words))                                                               \
			test_fail(__FILE__, __LINE__, "says: %s", e_.text);                                            \
		CHECK_OK(writelist_finish(w_, &e_), &e_);                                                              \
		CHECK_U64(writelist_bytes(w_), 0);                                                                     \
		writelist_free(w_);                                                                                    \
	})

TEST(bad_options)
{
	struct volume_files v = { 0 };
	struct ext4_options o = options_for(16 * MIB - 4096);

	CHECK_NOT_MADE(o, v, -EINVAL, "too small");
	o = options_for(16 * TIB + 4096);
	CHECK_NOT_MADE(o, v, -EINVAL, "too large");
	o = options_for(64 * MIB + 512);
	CHECK_NOT_MADE(o, v, -EINVAL, "blocks of 4096 bytes");
	o = options_for(64 * MIB);
	o.start += 512;
	CHECK_NOT_MADE(o, v, -EINVAL, "blocks of 4096 bytes");
	o = options_for(64 * MIB);
	memcpy(o.label, "seventeen letters", 17);
	CHECK_NOT_MADE(o, v, -EINVAL, "longer than 16 bytes");
	memcpy(o.label, "a\nb", 4);
	CHECK_NOT_MADE(o, v, -EINVAL, "control character");
}

TEST(bad_paths)
{
	static const struct {
		const char *first, *second;
		int r;
		const char *words;
	} row[] = {
		{ "/a", "/a", -EEXIST, "/a: is there twice" },   { "/a", "/a/b", -ENOTDIR, "\"a\" is a file" },
		{ "/a/b", "/a", -EEXIST, "/a: is there twice" }, { "/a", "/../b", -EINVAL, "/../b: is not a path" },
		{ "/a", "/x/./b", -EINVAL, "is not a path" },    { "/a", "/", -EINVAL, "is not a path" },
		{ "/a", "", -EINVAL, "is not a path" },          { "/a", "/lost+found", -EEXIST, "is there twice" },
	};
	struct ext4_options o = options_for(64 * MIB);
	char name[300];

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct volume_files v = { 0 };

		add_text(&v, row[i].first, "x");
		add_text(&v, row[i].second, "x");
		CHECK_NOT_MADE(o, v, row[i].r, row[i].words);
		volume_files_free(&v);
	}
	for (int len = 255; len <= 256; len++) {
		struct volume_files v = { 0 };

		memset(name, 'n', sizeof(name));
		name[0] = '/';
		name[len + 1] = '\0';
		add_text(&v, name, "x");
		if (len == 255)
			writelist_free(make(&o, &v));
		else
			CHECK_NOT_MADE(o, v, -EINVAL, "is not a path");
		volume_files_free(&v);
	}
}

static int read_fails(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	(void)ctx, (void)off, (void)buf, (void)len;
	return fail(e, -EIO, "the cable is out");
}

TEST(unreadable_and_oversized_files)
{
	struct ext4_options o = options_for(16 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE u8 *mem = xcalloc(1, 12 * MIB);

	volume_add(&v, "/f", 5, (struct input){ .read = read_fails }, 0);
	CHECK_NOT_MADE(o, v, -EIO, "ext4: /f: the cable is out");
	volume_files_free(&v);
	volume_add(&v, "/big", 12 * MIB, input_memory(mem), 0);
	CHECK_NOT_MADE(o, v, -ENOSPC, "/big: does not fit: has 12582912 bytes");
	v.file[0].size = UINT64_MAX;
	CHECK_NOT_MADE(o, v, -ENOSPC, "/big: does not fit");
	volume_files_free(&v);

	/* More files than inodes. */
	for (int i = 0; i < 2000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/%d", i);
		add_text(&v, name, "");
	}
	CHECK_NOT_MADE(o, v, -ENOSPC, "ext4: /10");
	volume_files_free(&v);
}

/* A volume that is full to the last block is still sound. */
TEST(exactly_full)
{
	struct ext4_options o = options_for(16 * MIB);
	AUTO_FREE char *path = sandbox_path("full.img");
	AUTO_FREE u8 *mem = xcalloc(1, 16 * MIB);
	u64 fits = 8 * MIB;

	for (u64 step = 2 * MIB; step >= 4096; step /= 2) {
		struct volume_files v = { 0 };
		AUTO_ERR struct err e = { 0 };
		struct writelist *w = writelist_new();

		volume_add(&v, "/big", fits + step, input_memory(mem), 0);
		if (ext4_make(&o, &v, w, &e) == 0)
			fits += step;
		writelist_free(w);
		volume_files_free(&v);
	}
	struct volume_files v = { 0 };

	volume_add(&v, "/big", fits, input_memory(mem), 0);
	write_image(&o, &v, path);
	fsck(path);
	CHECK_U64(sandbox_run("dumpe2fs -h '%s" OFFSET "' 2>/dev/null | tr -s ' '", path), 0);
	CHECK_SAID("Free blocks: 0\n");
	volume_files_free(&v);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
