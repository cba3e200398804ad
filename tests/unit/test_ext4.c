/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sys/resource.h>

#include "tests/unit/ext4_image.h"

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
		AUTO_MADE struct made m = { 0 };
		struct ext4_options o = options_for(sizes[i]);

		o.start = 0;
		m = make(&o, &v);
		sandbox_make(path, o.size);
		CHECK_OK(device_open(path, true, &d, &e), &e);
		CHECK_OK(writelist_run(m.w, d, NULL, &e), &e);
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
		AUTO_MADE struct made m = { 0 };

		add_text(&v, "/persistence.conf", "/ union\n");
		m = make(&o, &v);
		printf("# %llu MiB: %zu stretches, %llu KiB\n", (unsigned long long)(o.size / MIB),
		       writelist_stretches(m.w), (unsigned long long)(writelist_bytes(m.w) / KIB));
		CHECK(writelist_stretches(m.w) <= 5);
		CHECK(writelist_bytes(m.w) < row[i].bytes);
		volume_files_free(&v);
	}
}

TEST(huge_volumes_are_cheap)
{
	static const u64 sizes[] = { 2 * TIB, EXT4_MAX_SIZE };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ext4_options o = options_for(sizes[i]);
		struct volume_files v = { 0 };
		struct rusage before, after;
		AUTO_MADE struct made m = { 0 };
		double begin = seconds();

		getrusage(RUSAGE_SELF, &before);
		m = make(&o, &v);
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

TEST(bad_options)
{
	struct volume_files v = { 0 };
	struct ext4_options o = options_for(16 * MIB - 4096);

	CHECK_NOT_MADE(o, v, -EINVAL, "too small");
	o = options_for(EXT4_MAX_SIZE + 4096);
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
		{ "/a", "/a", -EEXIST, "/a: is there twice" }, { "/a", "/a/b", -ENOTDIR, "\"a\" is a file" },
		{ "/a/b", "/a", -ENOTDIR, "\"a\" is a file" }, { "/a", "/../b", -EINVAL, "/../b: is not a path" },
		{ "/a", "/x/./b", -EINVAL, "is not a path" },  { "/a", "/", -EINVAL, "is not a path" },
		{ "/a", "", -EINVAL, "is not a path" },        { "/a", "/lost+found", -EEXIST, "is there twice" },
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
		if (len == 255) {
			AUTO_MADE struct made m = make(&o, &v);

			CHECK(m.x != NULL);
		} else {
			CHECK_NOT_MADE(o, v, -EINVAL, "is not a path");
		}
		volume_files_free(&v);
	}
}

TEST(oversized_files)
{
	struct ext4_options o = options_for(16 * MIB);
	struct volume_files v = { 0 };

	volume_add(&v, "/big", 12 * MIB, input_memory(""), 0);
	v.file[0].device_off = 77;
	CHECK_NOT_MADE(o, v, -ENOSPC, "ext4: /big: does not fit: has 12582912 bytes");
	v.file[0].size = UINT64_MAX;
	CHECK_NOT_MADE(o, v, -ENOSPC, "/big: does not fit: has 18446744073709551615 bytes");
	CHECK_U64(v.file[0].device_off, 77);
	volume_files_free(&v);

	/* More names than blocks, and so than inodes. */
	for (int i = 0; i < 5000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/%d", i);
		add_text(&v, name, "");
	}
	CHECK_NOT_MADE(o, v, -ENOSPC, "5001 files and directories do not fit: there is room for 4086");
	volume_files_free(&v);
}

/* A volume that is full to the last block is still sound. */
TEST(exactly_full)
{
	AUTO_FREE char *path = sandbox_path("full.img");
	AUTO_FREE u8 *mem = xcalloc(1, 16 * MIB);

	for (int loader = 0; loader < 2; loader++) {
		struct ext4_options o = options_for(16 * MIB);
		struct volume_files v = { 0 };
		AUTO_ERR struct err e = { 0 };
		struct ext4 *x;
		u64 room;

		o.for_loader = loader;
		if (!CHECK_OK(ext4_plan(&o, &v, &x, &e), &e))
			return;
		room = ext4_free_bytes(x);
		ext4_free(x);
		CHECK(room > 10 * MIB);
		volume_add(&v, "/big", room + 1, input_memory(mem), 0);
		CHECK_NOT_MADE(o, v, -ENOSPC, "/big: does not fit");
		v.file[0].size = room;
		write_image(&o, &v, path);
		fsck(path);
		CHECK_U64(sandbox_run("dumpe2fs -h '%s" OFFSET "' 2>/dev/null | tr -s ' '", path), 0);
		CHECK_SAID("Free blocks: 0\n");
		volume_files_free(&v);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
