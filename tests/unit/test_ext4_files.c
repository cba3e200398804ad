/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Volumes for a loader, and what lies in them: contents that are never held, in the order of the list, without holes.
 * Judges: e2fsck, debugfs, dumpe2fs and, where mounting is allowed, the kernel.
 */
#include <errno.h>
#include <fcntl.h>

#include "src/base/buf.h"
#include "tests/unit/ext4_image.h"

/* ---- contents that are made up: each 8 bytes tell where they are, and in which file */

struct pattern {
	u64 key, size, next; /* `next`: it is read in order, without gaps */
};

static u64 pattern_word(u64 key, u64 off)
{
	return (off / 8 + 1) * 0x9e3779b97f4a7c15 ^ key;
}

static void pattern_fill(u64 key, u64 off, void *buf, size_t len)
{
	u8 *p = buf, word[8];

	while (len > 0) {
		size_t n = MIN(len, 8 - off % 8);

		put_le64(word, pattern_word(key, off));
		memcpy(p, word + off % 8, n);
		p += n;
		off += n;
		len -= n;
	}
}

static int pattern_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct pattern *p = ctx;

	(void)e;
	CHECK_U64(off, p->next);
	CHECK(len > 0 && len <= p->size - off);
	p->next = off + len;
	pattern_fill(p->key, off, buf, len);
	return 0;
}

static struct volume_file *add_pattern(struct volume_files *v, const char *path, struct pattern *p)
{
	struct volume_file *f =
	    volume_add(v, path, p->size, (struct input){ .read = pattern_read, .ctx = p }, 1600000000);

	f->hash = sha256_new();
	return f;
}

/* The hash that was fed and the file that debugfs finds are the pattern. */
static void check_pattern(const char *image, struct volume_file *f, const struct pattern *p)
{
	AUTO_FREE char *copy = sandbox_path("copy");
	struct sha256 *h = sha256_new();
	u8 fed[SHA256_SIZE], want[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE], piece[4096];

	for (u64 off = 0; off < p->size; off += sizeof(piece)) {
		size_t n = MIN(sizeof(piece), p->size - off);

		pattern_fill(p->key, off, piece, n);
		sha256_add(h, piece, n);
	}
	sha256_end(h, want);
	sha256_end(TAKE(f->hash), fed);
	CHECK_U64(p->next, p->size);
	CHECK(memcmp(fed, want, SHA256_SIZE) == 0);
	sha256_hex(want, hex);
	CHECK_U64(sandbox_run("rm -f %s; debugfs -R 'dump %s %s' '%s" OFFSET "'; sha256sum %s", copy, f->path, copy,
	                      image, copy),
	          0);
	check_said(__LINE__, hex);
	sandbox_run("rm -f %s", copy);
}

static u64 first_block(const char *image, const char *path)
{
	CHECK_U64(sandbox_run("debugfs -R 'bmap %s 0' '%s" OFFSET "' 2>/dev/null", path, image), 0);
	return strtoull(sandbox_said(), NULL, 10);
}

/* ---- one file of several names */

static void check_pattern_at(const char *image, const struct volume_file *f, const struct pattern *p)
{
	struct volume_file again = { .path = f->path, .hash = sha256_new() };
	AUTO_FREE u8 *bytes = xcalloc(1, p->size);

	pattern_fill(p->key, 0, bytes, p->size);
	sha256_add(again.hash, bytes, p->size);
	check_pattern(image, &again, p);
}

/* The kernel finds one inode, and counts its blocks once. */
static void check_mounted(const char *image)
{
	AUTO_FREE char *dir = sandbox_path("mnt");

	if (geteuid() != 0 || sandbox_run("mkdir -p %s && mount -t tmpfs none %s && umount %s", dir, dir, dir) != 0)
		return;
	CHECK_U64(sandbox_run("for i in $(seq 50); do mount -o ro,loop,offset=%llu %s %s && break; sleep 0.2; done; "
	                      "cd %s && stat -c %%h live/vmlinuz boot/a/vmlinuz live/vmlinuz-6 other | tr '\\n' ' ' && "
	                      "stat -c %%i live/vmlinuz boot/a/vmlinuz live/vmlinuz-6 | sort -u | wc -l && "
	                      "cmp live/vmlinuz boot/a/vmlinuz; r=$?; cd / && umount %s; exit $r",
	                      (unsigned long long)START, image, dir, dir, dir),
	          0);
	CHECK_SAID("3 3 3 1 1\n");
}

TEST(a_file_of_several_names_is_written_once)
{
	struct ext4_options o = loader_options(64 * MIB);
	AUTO_FREE char *path = sandbox_path("same.img");
	struct pattern p = { 1, 1300017, 0 }, other = { 2, 1300017, 0 };
	u64 left[2], sizes[2];

	for (int same = 0; same < 2; same++) {
		struct volume_files v = { 0 };
		AUTO_MADE struct made m = { 0 };

		add_pattern(&v, "/live/vmlinuz", &p);
		volume_add(&v, "/boot/a/vmlinuz", p.size, v.file[0].input, 1600000000)->same_as = same;
		volume_add_dir(&v, "/empty", 0755, 1600000000);
		add_pattern(&v, "/other", &other);
		volume_add(&v, "/live/vmlinuz-6", p.size, v.file[0].input, 1600000000)->same_as = same;
		sizes[same] = ext4_size_for(&v, 20 * MIB, true);
		m = make(&o, &v);
		left[same] = ext4_free_bytes(m.x);
		if (same) {
			CHECK(v.file[0].device_off && v.file[0].device_off == v.file[1].device_off);
			CHECK_U64(v.file[4].device_off, v.file[0].device_off);
			write_made(&m, &o, path);
			fsck(path);
			check_pattern(path, &v.file[0], &p);
			check_pattern(path, &v.file[3], &other);
			check_pattern_at(path, &v.file[1], &p);
			check_pattern_at(path, &v.file[4], &p);
			check_stat(path, "/boot/a/vmlinuz", "Links: 3 ");
			check_stat(path, "/other", "Links: 1 ");
			check_mounted(path);
		}
		sha256_free(v.file[0].hash);
		sha256_free(v.file[3].hash);
		volume_files_free(&v);
	}
	CHECK_U64(left[1] - left[0], 2 * div_round_up(1300017, 4096) * 4096);
	CHECK(sizes[1] < sizes[0]);
}

TEST(names_that_cannot_be)
{
	struct ext4_options o = loader_options(64 * MIB);
	static const struct {
		size_t file;
		u32 same_as;
	} bad[] = { { 0, 1 }, { 1, 2 }, { 1, 3 }, { 1, 99 }, { 2, 1 }, { 3, 3 }, { 4, 1 }, { 5, 4 } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct volume_files v = { 0 };

		for (size_t k = 0; k < 6; k++) {
			const char *name[] = { "/a", "/b", "/dir", "/c", "/other-size", "/d" };

			if (k == 2)
				volume_add_dir(&v, name[k], 0755, 1);
			else
				volume_add(&v, name[k], k == 4 ? 3 : 4, input_memory("text"), 1);
		}
		v.file[3].same_as = 1;
		v.file[bad[i].file].same_as = bad[i].same_as;
		CHECK_NOT_MADE(o, v, -EINVAL, "cannot be another name of a file");
		volume_files_free(&v);
	}
}

TEST(an_inode_has_65000_names)
{
	struct ext4_options o = loader_options(512 * MIB);
	AUTO_FREE char *path = sandbox_path("names.img");
	struct volume_files v = { 0 };
	char name[32];

	for (int i = 0; i < VOLUME_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "/%d/%d", i / 1000, i);
		volume_add(&v, name, 4, input_memory("text"), 1)->same_as = i > 0;
	}
	write_image(&o, &v, path);
	fsck(path);
	check_stat(path, "/64/64999", "Links: 65000 ");
	volume_add(&v, "/last", 4, input_memory("text"), 1)->same_as = 1;
	CHECK_NOT_MADE(o, v, -EMLINK, "/0/0: has more than 65000 names");
	volume_files_free(&v);
}

/* ---- the profile */

TEST(loader_profile)
{
	struct ext4_options o = loader_options(5843 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("profile.img");

	write_image(&o, &v, path);
	fsck(path);
	CHECK_U64(sandbox_run("TZ=UTC dumpe2fs -h '%s" OFFSET "' 2>/dev/null | tr -s ' '", path), 0);
	CHECK_SAID("Filesystem volume name: BOOT\n");
	CHECK_SAID("Filesystem features: ext_attr dir_index sparse_super2 filetype extent flex_bg sparse_super "
	           "large_file huge_file dir_nlink extra_isize metadata_csum\n");
	CHECK_SAID("Block count: 1495808\n");
	CHECK_SAID("Inode count: 23552\n");
	CHECK_SAID("Reserved block count: 0\n");
	CHECK_SAID("Filesystem state: clean\n");
	CHECK(!strstr(sandbox_said(), "Journal"));
}

TEST(loader_volumes_are_clean_at_every_size)
{
	static const u64 sizes[] = { 16 * MIB,  17 * MIB,  127 * MIB, 128 * MIB, 129 * MIB, 130 * MIB,
		                     255 * MIB, 257 * MIB, GIB,       9 * GIB,   130 * GIB, TIB };
	AUTO_FREE char *path = sandbox_path("size.img");
	AUTO_FREE u8 *head = xcalloc(1, MIB);
	u8 code[EXT4_BOOT_SIZE];

	for (size_t i = 0; i < sizeof(code); i++)
		code[i] = (u8)(i * 7 + 1);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ext4_options o = loader_options(sizes[i]);
		struct volume_files v = { 0 };
		struct pattern p = { i, 3 * MIB + 17, 0 };
		AUTO_MADE struct made m = { 0 };
		AUTO_ERR struct err e = { 0 };
		AUTO_CLOSE int fd = -1;

		add_pattern(&v, "/live/filesystem.squashfs", &p);
		if (!CHECK_OK(ext4_plan(&o, &v, &m.x, &e), &e))
			return;
		ext4_set_boot_sectors(m.x, code);
		m.w = writelist_new();
		ext4_emit(m.x, m.w);
		CHECK_OK(writelist_finish(m.w, &e), &e);
		CHECK(writelist_bytes(m.w) < 8 * MIB);
		write_made(&m, &o, path);
		fsck(path);
		check_pattern(path, &v.file[0], &p);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK_U64(pread(fd, head, MIB, START), MIB);
		CHECK(memcmp(head, code, sizeof(code)) == 0);
		/* Of what was there before, nothing is left in the first 256 KiB. */
		for (size_t k = 0; k < 256 * KIB; k += 4096)
			CHECK(get_le64(head + k + 4000) != 0xa5a5a5a5a5a5a5a5);
		volume_files_free(&v);
	}
}

TEST(without_a_loader_the_first_sectors_are_zeros)
{
	static const u8 zero[EXT4_BOOT_SIZE];
	struct ext4_options o = loader_options(20 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("zeros.img");
	AUTO_CLOSE int fd = -1;
	u8 head[EXT4_BOOT_SIZE];

	write_image(&o, &v, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_U64(pread(fd, head, sizeof(head), START), sizeof(head));
	CHECK(memcmp(head, zero, sizeof(head)) == 0);
}

TEST(same_input_gives_same_bytes)
{
	AUTO_FREE char *a = sandbox_path("a.img"), *b = sandbox_path("b.img");
	struct ext4_options o = loader_options(300 * MIB);

	for (int i = 0; i < 2; i++) {
		struct volume_files v = { 0 };
		struct pattern p = { 1, 5 * MIB + 1, 0 };

		add_pattern(&v, "/live/squashfs", &p);
		add_text(&v, "/livestick/syslinux.cfg", "x");
		write_image(&o, &v, i ? b : a);
		sha256_free(v.file[0].hash);
		volume_files_free(&v);
	}
	CHECK_U64(sandbox_run("cmp %s %s", a, b), 0);
}

/* ---- places and contents */

TEST(files_lie_in_the_order_of_the_list)
{
	static const struct {
		const char *path;
		u64 size;
	} row[] = {
		{ "/z/last", 10000 },    { "/boot/one", 1 },       { "/empty", 0 },        { "/boot/block", 4096 },
		{ "/a/b/c/d", 4097 },    { "/a/b/big", 3 * MIB },  { "/a/b/c/e", 8191 },   { "/0", 12 * MIB + 4095 },
		{ "/boot/more", 65536 }, { "/boot/zzz", 100 * 7 }, { "/a/b/c/f", 123456 },
	};
	struct ext4_options o = loader_options(64 * MIB);
	AUTO_FREE char *path = sandbox_path("order.img");
	struct pattern p[ARRAY_SIZE(row)];
	struct volume_files v = { 0 };
	AUTO_CLOSE int fd = -1;
	u64 end = 0;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		p[i] = (struct pattern){ i, row[i].size, 0 };
		add_pattern(&v, row[i].path, &p[i])->device_off = 1;
	}
	v.file[1].mode = 0755;
	v.file[5].system_file = true;
	write_image(&o, &v, path);
	fsck(path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < v.n; i++) {
		const struct volume_file *f = &v.file[i];
		u64 tail = f->device_off + f->size;
		u8 behind[4096];

		check_pattern(path, &v.file[i], &p[i]);
		if (!f->size) {
			CHECK_U64(f->device_off, 0);
			continue;
		}
		CHECK(f->device_off >= end);
		if (end)
			CHECK_U64(f->device_off, end);
		end = align_up(tail, 4096);
		CHECK_U64(first_block(path, f->path) * 4096 + START, f->device_off);
		CHECK_U64(n_extents(path, f->path), 1);
		CHECK_U64(pread(fd, behind, end - tail, (off_t)tail), end - tail);
		for (u64 k = 0; k < end - tail; k++)
			CHECK(behind[k] == 0);
	}
	check_stat(path, "/boot/one", "Mode: 0755");
	check_stat(path, "/boot/one", "Blockcount: 8\n");
	check_stat(path, "/boot/block", "Mode: 0644");
	check_stat(path, "/a/b/big", "Flags: 0x80010");
	check_stat(path, "/empty", "Blockcount: 0\n");
	volume_files_free(&v);
}

/* The copy of the superblock at 128 MiB splits a file; its hash is still fed in order, and a loader's lies behind. */
TEST(the_copy_of_the_superblock_splits_a_file)
{
	AUTO_FREE char *path = sandbox_path("split.img");
	struct ext4_options o = loader_options(300 * MIB);

	for (int system_file = 0; system_file < 2; system_file++) {
		struct pattern first = { 1, 120 * MIB, 0 }, second = { 2, 20 * MIB + 3, 0 }, third = { 3, 5, 0 };
		struct volume_files v = { 0 };

		add_pattern(&v, "/first", &first);
		add_pattern(&v, "/second", &second);
		add_pattern(&v, "/third", &third);
		v.file[1].system_file = system_file;
		write_image(&o, &v, path);
		fsck(path);
		for (size_t i = 0; i < v.n; i++)
			CHECK_U64(first_block(path, v.file[i].path) * 4096 + START, v.file[i].device_off);
		check_pattern(path, &v.file[0], &first);
		check_pattern(path, &v.file[1], &second);
		check_pattern(path, &v.file[2], &third);
		CHECK_U64(n_extents(path, "/first"), 1);
		CHECK_U64(n_extents(path, "/second"), system_file ? 1 : 2);
		CHECK((v.file[1].device_off > START + 128 * MIB) == system_file);
		CHECK_U64(v.file[2].device_off > v.file[1].device_off + second.size, true);
		volume_files_free(&v);
	}
}

TEST(no_stretch_is_long_enough)
{
	struct ext4_options o = loader_options(200 * MIB);
	struct volume_files v = { 0 };

	volume_add(&v, "/first", 60 * MIB, input_memory(""), 0);
	volume_add(&v, "/ldlinux.sys", 100 * MIB, input_memory(""), 0)->system_file = true;
	CHECK_NOT_MADE(o, v, -ENOSPC, "ext4: /ldlinux.sys: does not fit in one piece: has 104857600 bytes");
	v.file[1].system_file = false;
	made_free(&(struct made[]){ make(&o, &v) }[0]);
	volume_files_free(&v);
}

static int read_fails(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	(void)ctx, (void)off, (void)buf, (void)len;
	return fail(e, -EIO, "the cable is out");
}

TEST(nothing_is_read_before_writing)
{
	struct ext4_options o = loader_options(20 * MIB);
	struct volume_files v = { 0 };
	AUTO_DEVICE struct device *d = device_new_memory("stick", 24 * MIB, 512);
	AUTO_MADE struct made m = { 0 };
	AUTO_ERR struct err e = { 0 };

	volume_add(&v, "/f", 5, (struct input){ .read = read_fails }, 0);
	m = make(&o, &v);
	CHECK_FAILS(writelist_run(m.w, d, NULL, &e), &e, "the cable is out");
	volume_files_free(&v);
}

/* ---- names */

/* Names of every length, so that the ends of blocks are met in every way. */
TEST(names_of_every_length)
{
	struct ext4_options o = loader_options(64 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("names.img");
	char name[300];

	for (int len = 3; len <= 255; len++) {
		for (int k = 0; k < 4; k++) {
			snprintf(name, sizeof(name), "/%c%c/%d", 'a' + len % 26, 'a' + len / 26, k);
			memset(name + strlen(name), 'n', sizeof(name) - strlen(name));
			name[4 + len] = '\0';
			add_text(&v, name, "x");
		}
		name[4 + len - 1] = '%';
		volume_add_dir(&v, name, 0700, 1);
	}
	write_image(&o, &v, path);
	fsck(path);
	for (size_t i = 0; i < v.n; i += 37) {
		AUTO_BUF struct buf command = { 0 };

		buf_addf(&command, "stat %s", v.file[i].path);
		debugfs(path, command.s);
		CHECK_SAID(v.file[i].is_dir ? "Type: directory" : "Type: regular");
	}
	volume_files_free(&v);
}

/* Sorting by path must not be fooled by what sorts before or after a slash. */
TEST(names_around_the_slash)
{
	static const char *const paths[] = { "/a/x", "/a!",    "/a.d/y",   "/a-/z",      "/a/x!",
		                             "/A",   "/a0/\1", "/\1\2/\1", "/\xff/\xff", "/q/r" };
	struct ext4_options o = loader_options(20 * MIB);
	struct volume_files v = { 0 };
	AUTO_FREE char *path = sandbox_path("slash.img");

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		add_text(&v, paths[i], paths[i]);
	volume_add_dir(&v, "/a", 0711, 1500000001);
	volume_add_dir(&v, "/lost+found", 0755, 1500000001);
	add_text(&v, "/lost+found/found", "x");
	add_text(&v, "//q//s", "y");
	write_image(&o, &v, path);
	fsck(path);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		AUTO_BUF struct buf command = { 0 };

		buf_addf(&command, "cat %s", paths[i]);
		debugfs(path, command.s);
		CHECK_STR(sandbox_said(), paths[i]);
	}
	check_stat(path, "/a", "Mode: 0711");
	check_stat(path, "/lost+found", "Mode: 0755");
	check_stat(path, "/lost+found", "Size: 16384");
	debugfs(path, "cat /lost+found/found");
	CHECK_STR(sandbox_said(), "x");
	debugfs(path, "cat /q/s");
	CHECK_STR(sandbox_said(), "y");
	volume_files_free(&v);
}

/* A store for changes is larger than what it holds; a system with SELinux looks at the contexts of what it mounts. */
TEST(holes_and_contexts)
{
	static const char root_t[] = "system_u:object_r:root_t:s0";
	AUTO_FREE char *path = sandbox_path("holes.img");
	struct ext4_options o = options_for(100 * MIB);
	struct volume_files v = { 0 };
	u64 with_hole;

	volume_add_hole(&v, "/overlay.img", 5 * GIB, 1600000000)->selinux = root_t;
	volume_add_dir(&v, "/overlay", 0755, 1600000000)->selinux = root_t;
	volume_add_dir(&v, "/ovlwork", 0755, 1600000000);
	with_hole = ext4_size_for(&v, 0, false);
	CHECK(with_hole < 40 * MIB);
	write_image(&o, &v, path);
	fsck(path);
	check_stat(path, "/overlay.img", "Size: 5368709120");
	check_stat(path, "/overlay.img", "Blockcount: 0");
	debugfs(path, "ea_get /overlay security.selinux");
	CHECK_SAID("system_u:object_r:root_t:s0\\000");
	debugfs(path, "ea_get /overlay.img security.selinux");
	CHECK_SAID("system_u:object_r:root_t:s0\\000");
	debugfs(path, "ea_list /ovlwork");
	CHECK(!strstr(sandbox_said(), "selinux"));
	volume_files_free(&v);
}

/* ---- the kernel's driver */

TEST(kernel_reads_writes_and_deletes)
{
	AUTO_FREE char *path = sandbox_path("kernel.img"), *dir = sandbox_path("mntk");
	struct ext4_options o = loader_options(300 * MIB);
	struct pattern big = { 1, 150 * MIB + 5, 0 }, small = { 2, 70000, 0 };
	struct volume_files v = { 0 };

	if (geteuid() != 0 || sandbox_run("mkdir %s && mount -t tmpfs none %s && umount %s", dir, dir, dir) != 0)
		test_skip("no right to mount");
	add_pattern(&v, "/live/big", &big);
	add_pattern(&v, "/live/small", &small);
	write_image(&o, &v, path);
	fsck(path);
	if (sandbox_run("mount -t ext4 -o loop,offset=%llu,sizelimit=%llu %s %s", (unsigned long long)START,
	                (unsigned long long)o.size, path, dir) != 0)
		test_skip("no loop devices");
	for (size_t i = 0; i < 2; i++) {
		u8 digest[SHA256_SIZE];
		char hex[SHA256_HEX_SIZE];

		sha256_end(TAKE(v.file[i].hash), digest);
		sha256_hex(digest, hex);
		CHECK_U64(sandbox_run("sha256sum %s%s", dir, v.file[i].path), 0);
		check_said(__LINE__, hex);
	}
	CHECK_U64(sandbox_run("cd %s && cp live/small live/copy && mkdir d && for i in $(seq 500); do "
	                      "echo $i > d/$i || exit; done && truncate -s 135M live/big && rm live/small",
	                      dir),
	          0);
	CHECK_U64(sandbox_run("umount %s", dir), 0);
	fsck(path);
	CHECK_U64(sandbox_run("mount -t ext4 -o loop,offset=%llu,sizelimit=%llu %s %s && rm %s/live/big && "
	                      "dd if=/dev/zero of=%s/new bs=1M count=200 && umount %s",
	                      (unsigned long long)START, (unsigned long long)o.size, path, dir, dir, dir, dir),
	          0);
	fsck(path);
	volume_files_free(&v);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
