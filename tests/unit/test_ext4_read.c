/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading ext volumes: our own, those of mke2fs and of the kernel; and what is none. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "src/base/buf.h"
#include "tests/unit/ext4_volume.h"

/* ---- volumes of ours */

static void check_ours(const struct ext4_options *o)
{
	AUTO_BENCH struct bench b = { .path = sandbox_path("ours.img") };
	AUTO_FREE u8 *data = xcalloc(3, MIB), *same = xcalloc(3, MIB);
	AUTO_DEVICE struct device *part = NULL;
	AUTO_FREE char *text = NULL;
	struct volume_files files = { 0 };
	struct ext4_entry entry;
	size_t len;

	for (size_t i = 0; i < 3 * MIB; i++)
		data[i] = (u8)(i * 37 >> 5);
	add_text(&files, "/livestick/a.manifest", "what is on it");
	volume_add(&files, "/live/system", 3 * MIB - 1, input_memory(data), 1)->mode = 0600;
	volume_add_dir(&files, "/dir", 01777, 1);
	write_image(o, &files, b.path);
	CHECK_OK(device_open(b.path, false, &b.d, &b.e), &b.e);
	part = device_new_window(b.d, "boot", o->start, o->size);
	if (!CHECK_OK(ext4_open(part, &b.v, &b.e), &b.e))
		return;
	CHECK_STR(ext4_get_facts(b.v)->label, o->label);
	CHECK(memcmp(ext4_get_facts(b.v)->uuid, o->uuid, 16) == 0);
	CHECK_U64(ext4_get_facts(b.v)->size, o->size);
	CHECK(!ext4_get_facts(b.v)->was_not_clean && !ext4_get_facts(b.v)->needs_recovery);
	CHECK_U64(sandbox_run("dumpe2fs -h '%s" OFFSET "' 2>/dev/null | sed -n 's/^Free blocks: *//p'", b.path), 0);
	CHECK_U64(ext4_get_facts(b.v)->free_bytes, strtoull(sandbox_said(), NULL, 10) * 4096);
	if (CHECK_OK(ext4_load(b.v, "livestick/a.manifest", 13, &text, &len, &b.e), &b.e))
		CHECK_STR(text, "what is on it");
	entry = get(b.v, "/live/system");
	CHECK(entry.is_file && !entry.is_dir && !entry.target);
	CHECK_U64(entry.mode, 0600);
	CHECK_U64(entry.size, 3 * MIB - 1);
	CHECK_OK(ext4_read_file(b.v, &entry, 0, same, entry.size, &b.e), &b.e);
	CHECK(memcmp(data, same, entry.size) == 0);
	entry = get(b.v, "/dir");
	CHECK(entry.is_dir && !entry.is_file);
	CHECK_U64(entry.mode, 01777);
	CHECK_U64(entry.size, 0);
	ext4_close(TAKE(b.v));
	volume_files_free(&files);
}

TEST(ours)
{
	struct ext4_options data = options_for(200 * MIB), boot = loader_options(64 * MIB);

	check_ours(&data);
	check_ours(&boot);
}

/* ---- volumes of others, compared with the tree that they were made from */

struct comparison {
	const char *tree;
	struct ext4_volume *v;
	u64 random;
	size_t n;
};

static void compare_bytes(struct comparison *c, const struct ext4_entry *entry, int fd, u64 off, size_t len)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *want = xcalloc(1, len + 1), *have = xcalloc(1, len + 1);

	if (pread(fd, want, len, (off_t)off) != (ssize_t)len)
		test_fail(__FILE__, __LINE__, "%s: the original is shorter", entry->path);
	if (CHECK_OK(ext4_read_file(c->v, entry, off, have, len, &e), &e) && memcmp(want, have, len) != 0)
		test_fail(__FILE__, __LINE__, "%s: %zu bytes at %llu differ", entry->path, len,
		          (unsigned long long)off);
}

static void compare_contents(struct comparison *c, const struct ext4_entry *entry, const char *path)
{
	static const u64 places[] = { 0, 300 * MIB, 4 * GIB - 9000, 4 * GIB + 5, 5 * GIB - 9000 };
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_ERR struct err e = { 0 };
	u8 byte;

	if (entry->size < 2 * MIB)
		compare_bytes(c, entry, fd, 0, entry->size);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (entry->size > places[i])
			compare_bytes(c, entry, fd, places[i], MIN(entry->size - places[i], 9000));
	for (size_t i = 0; i < 8 && entry->size > 0; i++) {
		u64 off;

		c->random = c->random * 6364136223846793005 + 1442695040888963407;
		off = (c->random >> 20) % entry->size;
		compare_bytes(c, entry, fd, off, MIN(entry->size - off, 1 + c->random % 70000));
	}
	CHECK_OK(ext4_read_file(c->v, entry, entry->size, &byte, 0, &e), &e);
	CHECK_U64(ext4_read_file(c->v, entry, entry->size, &byte, 1, &e), -ERANGE);
}

static int compare_entry(void *ctx, const struct ext4_entry *entry)
{
	struct comparison *c = ctx;
	AUTO_BUF struct buf path = { 0 };
	char target[PATH_MAX] = "";
	struct stat st;

	if (strcmp(entry->path, "/lost+found") == 0)
		return 0;
	c->n++;
	buf_addf(&path, "%s%s", c->tree, entry->path);
	if (lstat(path.s, &st) < 0) {
		test_fail(__FILE__, __LINE__, "%s: is not in the tree", entry->path);
		return 0;
	}
	CHECK(entry->is_dir == S_ISDIR(st.st_mode));
	CHECK(entry->is_file == S_ISREG(st.st_mode));
	CHECK(!entry->target == !S_ISLNK(st.st_mode));
	CHECK_U64(entry->mode, st.st_mode & 07777);
	CHECK_U64(entry->size, entry->is_file ? (u64)st.st_size : 0);
	if (entry->target && readlink(path.s, target, sizeof(target) - 1) > 0)
		CHECK_STR(entry->target, target);
	if (entry->is_file)
		compare_contents(c, entry, path.s);
	return 0;
}

static void compare(struct bench *b, const char *tree)
{
	struct comparison c = { .tree = tree };

	if (!CHECK_OK(open_again(b), &b->e))
		return;
	c.v = b->v;
	CHECK_OK(ext4_each(b->v, compare_entry, &c, &b->e), &b->e);
	COMMAND("find %s -mindepth 1 ! -name lost+found | wc -l", tree);
	CHECK_U64(c.n, strtoull(sandbox_said(), NULL, 10));
	CHECK(c.n > 0);
}

/* Files of every size around a border, in holes, in pieces; symlinks of both kinds; 400 files in one directory. */
static const char tree_script[] =
    "export LC_ALL=C.UTF-8; mkdir -p %1$s/a/b/c %1$s/empty %1$s/many %1$s/few && cd %1$s &&"
    "for n in 0 1 59 60 61 99 100 156 157 200 1023 1024 1025 4095 4096 4097 12288 12289 70000 274432 274433 1000003;"
    "do head -c $n /dev/urandom >a/b/$n; done && echo x >few/x && echo y >few/y && chmod 2750 few && chmod 4711 a/b/1 "
    "&&"
    "for i in $(seq 400); do echo $i >\"many/a rather long name of a file $i\"; done &&"
    "echo n >'a/Gr\u00fc\u00dfe aus K\u00f6ln.txt' && echo n >\"a/$(printf 'n%%.0s' $(seq 255))\" && mkfifo pipe &&"
    "for n in 1 58 59 60 61 200 1000; do ln -s \"$(printf 'x%%.0s' $(seq $n))\" a/link$n; done &&"
    "perl -e 'open F, \">frag\"; for (0..700) { seek F, $_ * 8192, 0; print F \"x$_\" x 700 }' &&"
    "perl -e 'open F, \">hole\"; for (2345678, 5000000) { seek F, $_, 0; print F \"middle\" }'";

static const char sparse_script[] =
    "cd %s && truncate -s 5G sparse && for at in 300M 4294967301 5368709000; do "
    "head -c 5000 /dev/urandom | head -c $([ $at = 5368709000 ] && echo 120 || echo 5000) | "
    "dd of=sparse conv=notrunc oflag=seek_bytes seek=$at status=none; done";

static const struct {
	const char *options;
	bool no_sparse; /* it cannot hold 5 GiB */
} makers[] = {
	{ "-t ext2 -b 1024", false },
	{ "-t ext2 -b 2048", false },
	{ "-t ext2 -b 4096", false },
	{ "-t ext2 -b 1024 -O ^filetype,^dir_index,^resize_inode", false },
	{ "-t ext2 -r 0 -b 1024", true },
	{ "-t ext3 -b 1024", false },
	{ "-t ext3 -b 4096", false },
	{ "-t ext4 -b 1024", false },
	{ "-t ext4 -b 2048", false },
	{ "-t ext4 -b 4096", false },
	{ "-t ext4 -b 65536", false },
	{ "-t ext4 -O ^64bit,^metadata_csum,uninit_bg", false },
	{ "-t ext4 -O ^extent,^64bit -b 4096", false },
	{ "-t ext4 -O inline_data -I 256 -b 1024", false },
	{ "-t ext4 -O inline_data,^metadata_csum -I 1024 -b 4096", false },
	{ "-t ext4 -O bigalloc -C 16384 -b 4096", false },
	{ "-t ext4 -O meta_bg,^resize_inode,^flex_bg -b 1024 -g 1024", false },
	{ "-t ext4 -O metadata_csum_seed,orphan_file,sparse_super2,large_dir,ea_inode,verity", false },
	{ "-t ext4 -O encrypt,mmp,quota,project -I 512", false },
	{ "-t ext4 -O casefold -E encoding=utf8", false },
	{ "-t ext4 -I 128 -O ^metadata_csum -b 1024", false },
};

TEST(mke2fs)
{
	AUTO_BENCH struct bench b = { .path = sandbox_path("other.img") };
	AUTO_FREE char *tree = sandbox_path("tree"), *sparse = sandbox_path("tree/sparse");

	COMMAND(tree_script, tree);
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		double begin = seconds();

		if (makers[i].no_sparse)
			COMMAND("rm -f %s", sparse);
		else if (access(sparse, F_OK) != 0)
			COMMAND(sparse_script, tree);
		COMMAND("rm -f %2$s && mke2fs -q -F %1$s -L 'a label' -d %3$s %2$s 100M", makers[i].options, b.path,
		        tree);
		compare(&b, tree);
		CHECK_STR(ext4_get_facts(b.v)->label, "a label");
		CHECK(!ext4_get_facts(b.v)->was_not_clean);
		printf("# %s: %.2f s\n", makers[i].options, seconds() - begin);
	}
}

/* A tree of three levels, so that each kind of map is known to have been read. */
TEST(maps_are_deep)
{
	AUTO_BENCH struct bench b = { .path = sandbox_path("deep.img") };
	AUTO_FREE char *tree = sandbox_path("deep");

	COMMAND("mkdir %1$s && cd %1$s && perl -e 'open F, \">frag\"; "
	        "for (0..30000) { seek F, $_ * 3072, 0; print F \"x$_\" }'",
	        tree);
	COMMAND("mke2fs -q -F -t ext4 -b 1024 -d %s %s 100M", tree, b.path);
	COMMAND("debugfs -R 'ex /frag' %s 2>/dev/null | sed -n 2p", b.path);
	CHECK_SAID("0/ 3");
	compare(&b, tree);
	COMMAND("rm %s; mke2fs -q -F -t ext2 -b 1024 -d %s %s 100M", b.path, tree, b.path);
	COMMAND("debugfs -R 'stat /frag' %s 2>/dev/null", b.path);
	CHECK_SAID("(TIND)");
	compare(&b, tree);
}

TEST(hashed_directories)
{
	static const char *const options[] = { "-t ext4 -b 1024", "-t ext3 -b 1024", "-t ext4 -b 4096" };
	AUTO_BENCH struct bench b = { .path = sandbox_path("hashed.img") };
	AUTO_FREE char *tree = sandbox_path("hashed");

	COMMAND("mkdir -p %1$s/d && cd %1$s/d && for i in $(seq 2000); do "
	        "echo >\"a long name of which not so many fit into a block, number $i\"; done",
	        tree);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		COMMAND("rm -f %2$s; mke2fs -q -F %1$s -N 2200 -d %3$s %2$s 100M", options[i], b.path, tree);
		CHECK(sandbox_run("e2fsck -fyD %s", b.path) <= 1);
		COMMAND("debugfs -R 'htree_dump /d' %s 2>/dev/null | head -9", b.path);
		CHECK_SAID("Indirect levels: ");
		compare(&b, tree);
	}
}

/*
 * What the kernel's own driver leaves: indexed directories that shrank again, files that grew in turn, inline data. In
 * a mount namespace of its own: nobody else can hold the mount, and nothing of it can stay behind.
 */
static const char kernel_script[] =
    "unshare -m sh -e <<'END'\n"
    "mount -o loop %1$s %2$s\n"
    "cd %2$s; mkdir d s\n"
    "for i in $(seq 3000); do echo $i >d/file-of-the-kernel-$i; done; rm d/*[02468]\n"
    "for i in $(seq 300); do for f in 1 2 3; do head -c 3000 /dev/urandom >>f$f; done; done\n"
    "mv d/*77 s; ln -s f1 s/l; ln -s $(printf 'x/%%.0s' $(seq 100)) s/l2; mkdir s/e s/t\n"
    "echo in >s/t/a; echo in >s/t/another; mknod s/null c 1 3; ln f1 s/f; truncate -s 20M f2\n"
    "fallocate -l 1M f3 || true\n" /* ext2 cannot */
    "sync; cp -a . %3$s; cp %1$s %4$s\n"
    "cd /; umount %2$s\n"
    "END\n";

static bool can_mount(void)
{
	AUTO_FREE char *image = sandbox_path("try.img"), *dir = sandbox_path("mnt");

	COMMAND("mkdir %s && mke2fs -q %s 1M", dir, image);
	return geteuid() == 0 && sandbox_run("unshare -m mount -o loop %s %s", image, dir) == 0;
}

static void compare_with_kernel(void)
{
	static const char *const options[] = { "-t ext4", "-t ext4 -b 1024 -O inline_data", "-t ext2 -b 1024" };
	AUTO_BENCH struct bench b = { .path = sandbox_path("kernel.img") };
	AUTO_FREE char *dir = sandbox_path("mnt"), *tree = sandbox_path("copy"), *live = sandbox_path("live.img");

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int r;

		COMMAND("rm -rf %2$s %3$s; mke2fs -q -F %1$s %2$s 64M", options[i], b.path, tree);
		COMMAND(kernel_script, b.path, dir, tree, live);
		COMMAND("e2fsck -fn %s", b.path);
		compare(&b, tree);
		CHECK(!ext4_get_facts(b.v)->was_not_clean);
		/* The copy that was made while it was mounted: what is in the journal only is missing. */
		COMMAND("mv %s %s", live, b.path);
		r = list_again(&b);
		CHECK(r == 0 || r == -EUCLEAN);
		err_clear(&b.e);
		if (!b.v)
			continue;
		CHECK(ext4_get_facts(b.v)->was_not_clean);
		CHECK(ext4_get_facts(b.v)->needs_recovery == !strstr(options[i], "ext2"));
	}
}

TEST(kernel)
{
	if (!can_mount())
		test_skip("no right to mount, or no loop devices");
	compare_with_kernel();
}

/* ---- what is asked for and is not there */

TEST(load)
{
	AUTO_BENCH struct bench b = { 0 };
	AUTO_FREE char *text = NULL, *left_alone = NULL;
	static const char *const none[] = { "/livestick", "/livestick/", "/nothing",    "/file/x", "",
		                            "/",          "//file",      "/file/",      "/fast",   "/FILE",
		                            "/.",         "/..",         "/dir/../file" };
	size_t len = 0;

	small_image(&b, "-t ext4");
	CHECK_OK(open_again(&b), &b.e);
	if (CHECK_OK(ext4_load(b.v, "/livestick/a.manifest", 13, &text, &len, &b.e), &b.e))
		CHECK_STR(text, "what is on it");
	CHECK_U64(len, 13);
	CHECK_U64(ext4_load(b.v, "/livestick/a.manifest", 12, &left_alone, &len, &b.e), -EFBIG);
	CHECK_FAILS(-1, &b.e, "/livestick/a.manifest: has 13 bytes, and at most 12 make sense");
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		CHECK_U64(ext4_load(b.v, none[i], 12, &left_alone, &len, &b.e), -ENOENT);
		CHECK_FAILS(-1, &b.e, ": has no file ");
	}
	CHECK(left_alone == NULL);
}

static int stop_at_second(void *ctx, const struct ext4_entry *entry)
{
	(void)entry;
	return ++*(int *)ctx == 2 ? 42 : 0;
}

TEST(listing_ends_when_asked)
{
	AUTO_BENCH struct bench b = { 0 };
	int n = 0;

	small_image(&b, "-t ext2");
	CHECK_OK(open_again(&b), &b.e);
	CHECK_U64(ext4_each(b.v, stop_at_second, &n, &b.e), 42);
	CHECK_U64(n, 2);
}

TEST(names_that_are_not_utf8)
{
	AUTO_BENCH struct bench b = { .path = sandbox_path("names.img") };
	AUTO_FREE char *tree = sandbox_path("names");

	COMMAND(
	    "mkdir %1$s && cd %1$s && touch \"$(printf 'a\\377b')\" && mkdir \"$(printf 'c\\033[2J')\" && "
	    "touch \"$(printf 'c\\033[2J/\\303\\244\\n\\355\\240\\200')\" && ln -s \"$(printf 'x\\301\\200')\" link && "
	    "mke2fs -q -F -d . %2$s 1M",
	    tree, b.path);
	CHECK_OK(list_again(&b), &b.e);
	CHECK(get(b.v, "/a\xef\xbf\xbd"
	               "b")
	          .is_file);
	CHECK(get(b.v, "/c\xef\xbf\xbd[2J").is_dir);
	CHECK(get(b.v, "/c\xef\xbf\xbd[2J/\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd").is_file);
	CHECK(get(b.v, "/link").target != NULL);
}

TEST(deep_directories)
{
	AUTO_BENCH struct bench b = { .path = sandbox_path("depth.img") };
	AUTO_FREE char *tree = sandbox_path("depth");

	COMMAND("mkdir %1$s && cd %1$s && perl -e 'for (1..255) { mkdir \"d\"; chdir \"d\" } mkdir \"e\"' && "
	        "mke2fs -q -F -N 300 -d . %2$s 4M",
	        tree, b.path);
	CHECK_OK(list_again(&b), &b.e);
	COMMAND("cd %1$s && perl -e 'for (1..255) { chdir \"d\" } mkdir \"e/f\"' && rm %2$s && "
	        "mke2fs -q -F -N 300 -d . %2$s 4M",
	        tree, b.path);
	CHECK_DAMAGED(list_again(&b), &b, "directories lie too deep in each other");
}

/* ---- what is no volume, or not one that can be read */

TEST(what_is_no_ext)
{
	AUTO_DEVICE struct device *tiny = device_new_memory("tiny", 1536, 512), *zero = NULL, *old = NULL;
	AUTO_BENCH struct bench b = { .path = sandbox_path("no.img") };
	struct ext4_volume *v = NULL;
	u8 noise[4096];

	CHECK_U64(ext4_open(tiny, &v, &b.e), -EINVAL);
	CHECK_FAILS(-1, &b.e, "tiny: is too small for an ext volume");
	zero = device_new_memory("zero", MIB, 512);
	CHECK_U64(ext4_open(zero, &v, &b.e), -EINVAL);
	CHECK_FAILS(-1, &b.e, "zero: is not an ext2, ext3 or ext4 volume");
	old = device_new_memory("what?offset=0", MIB, 512);
	memset(noise, 0xff, sizeof(noise));
	CHECK_OK(device_write(old, 0, noise, sizeof(noise), &b.e), &b.e);
	CHECK_U64(ext4_open(old, &v, &b.e), -EINVAL);
	err_clear(&b.e);
	COMMAND("truncate -s 1M %1$s && mkfs.fat %1$s", b.path);
	CHECK_U64(open_again(&b), -EINVAL);
	CHECK(v == NULL);
}

TEST(features_that_are_not_known)
{
	AUTO_BENCH struct bench b = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	static const struct {
		u32 bit;
		const char *words;
	} bad[] = {
		{ 0x1, "with the feature \"compression\", which is not supported" },
		{ 0x8, "holds the journal of an ext volume, not the volume" },
		{ 0x1000, "with the feature \"dirdata\", which is not supported" },
		{ 0x40000, "with a feature (incompatible, 0x40000) that is not known" },
	};

	small_image(&b, "-t ext2");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		u8 bits[4];

		CHECK_OK(device_open(b.path, true, &d, &b.e), &b.e);
		CHECK_OK(device_read(d, 1024 + 96, bits, 4, &b.e), &b.e);
		put_le32(bits, get_le32(bits) ^ bad[i].bit);
		COMMAND("printf '\\%03o\\%03o\\%03o\\%03o' | dd of=%s bs=1 seek=1120 conv=notrunc status=none", bits[0],
		        bits[1], bits[2], bits[3], b.path);
		device_free(TAKE(d));
		CHECK_U64(open_again(&b), -ENOTSUP);
		CHECK_FAILS(-1, &b.e, bad[i].words);
		small_image(&b, "-t ext2");
	}
	COMMAND("mke2fs -q -F -O journal_dev %s 4M", b.path);
	CHECK_U64(open_again(&b), -ENOTSUP);
	CHECK_FAILS(-1, &b.e, "holds the journal");
}

TEST(cut_short)
{
	AUTO_BENCH struct bench b = { 0 };

	small_image(&b, "-t ext4");
	COMMAND("truncate -s 1047552 %s", b.path);
	CHECK_DAMAGED(open_again(&b), &b,
	              "is cut short: has 1047552 bytes, and its ext volume has 1024 blocks of 1024");
}

TEST(what_was_not_clean)
{
	AUTO_BENCH struct bench b = { 0 };

	small_image(&b, "-t ext2");
	CHANGE(&b, "ssv state 0");
	CHECK_OK(open_again(&b), &b.e);
	CHECK(ext4_get_facts(b.v)->was_not_clean && !ext4_get_facts(b.v)->needs_recovery);
	CHANGE(&b, "ssv state 3");
	CHECK_OK(open_again(&b), &b.e);
	CHECK(ext4_get_facts(b.v)->was_not_clean);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
