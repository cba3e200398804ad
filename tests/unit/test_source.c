/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all sources can do, on a directory and on an ISO image of the same tree; and what is no source. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "src/base/buf.h"
#include "src/source/source.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static void make_tree(void)
{
	AUTO_FREE char *dir = sandbox_path("");

	CHECK(sandbox_run(
	          "cd '%s' && chmod -fR u+w tree; rm -rf tree a.iso; mkdir -p tree/live/sub tree/Docs tree/docs && "
	          "cd tree && printf 'kernel\\n' >live/vmlinuz && printf 'x\\0y' >live/zero && : >live/none && "
	          "touch -d @1700000000 live/vmlinuz && "
	          "echo 1 >Docs/Readme && echo 2 >docs/README && echo 3 >docs/readme && "
	          "head -c 5000 /dev/urandom >live/big && "
	          "ln -s vmlinuz live/rel && ln -s /live/vmlinuz abs && ln -s ../../../live up && "
	          "ln -s /etc out && ln -s loop loop && ln -s live/sub/../rel twice && ln -s / root && "
	          "ln -s nowhere dangling && ln -s live/vmlinuz/x through",
	          dir) == 0);
}

static struct source *open_path(const char *name)
{
	AUTO_FREE char *path = sandbox_path(name);
	AUTO_ERR struct err e = { 0 };
	struct source *s = NULL;

	CHECK_OK(source_open(path, &s, &e), &e);
	return s;
}

/* The same tree once as a directory, once as an image. */
static void with_both(void (*check)(struct source *s))
{
	AUTO_SOURCE struct source *dir = NULL;
	AUTO_SOURCE struct source *iso = NULL;
	AUTO_FREE char *path = sandbox_path("");

	make_tree();
	dir = open_path("tree");
	if (dir)
		check(dir);
	if (sandbox_run("command -v xorriso") != 0)
		return;
	CHECK(sandbox_run("cd '%s' && xorriso -as mkisofs -R -o a.iso tree", path) == 0);
	iso = open_path("a.iso");
	if (iso)
		check(iso);
}

static void check_path(const struct source *s, const char *path, const char *want)
{
	const struct node *n = source_find(s, path);
	AUTO_FREE char *got = n ? node_path(n) : NULL;

	if (!want && got)
		test_fail(__FILE__, __LINE__, "%s is %s", path, got);
	if (want && (!got || strcmp(got, want) != 0))
		test_fail(__FILE__, __LINE__, "%s is %s, not %s", path, got ? got : "not there", want);
}

static void check_find(struct source *s)
{
	check_path(s, "/", "/");
	check_path(s, "", "/");
	check_path(s, "/live/vmlinuz", "/live/vmlinuz");
	check_path(s, "live//vmlinuz", "/live/vmlinuz");
	check_path(s, "//live/", "/live");
	check_path(s, "/live/./sub/../vmlinuz", "/live/vmlinuz");
	check_path(s, "/../../live", "/live");
	check_path(s, "/live/vmlinu", NULL);
	check_path(s, "/live/vmlinuzz", NULL);
	check_path(s, "/live/vmlinuz/x", NULL);
	check_path(s, "/live/vmlinuz/.", NULL);
	check_path(s, "/LIVE/VmLinuz", "/live/vmlinuz");
	check_path(s, "/Docs/README", "/Docs/Readme");
	check_path(s, "/docs/readme", "/docs/readme");
	check_path(s, "/docs/ReadMe", NULL); /* two names fit */
	check_path(s, "/DOCS", NULL);
}

TEST(find)
{
	with_both(check_find);
}

static void check_symlinks(struct source *s)
{
	const struct node *n;

	check_path(s, "/live/rel", "/live/vmlinuz");
	check_path(s, "/abs", "/live/vmlinuz");
	check_path(s, "/up", "/live");
	check_path(s, "/up/vmlinuz", "/live/vmlinuz");
	check_path(s, "/twice", "/live/vmlinuz");
	check_path(s, "/root", "/");
	check_path(s, "/root/root/up/../abs", "/live/vmlinuz");
	check_path(s, "/out", NULL);
	check_path(s, "/out/passwd", NULL);
	check_path(s, "/loop", NULL);
	check_path(s, "/dangling", NULL);
	check_path(s, "/through", NULL);
	for (size_t i = 0; i < s->root->n_children; i++) {
		n = s->root->children[i];
		if (strcmp(n->name, "out") == 0) {
			CHECK(n->type == NODE_SYMLINK && n->size == 0);
			CHECK_STR(n->target, "/etc");
		}
	}
}

TEST(symlinks_stay_in_the_tree)
{
	with_both(check_symlinks);
}

static int collect(void *ctx, const struct node *n)
{
	AUTO_FREE char *path = node_path(n);

	buf_addf(ctx, "%s\n", path);
	return strcmp(path, "/live/none") == 0 ? 7 : 0;
}

static void check_each(struct source *s)
{
	AUTO_BUF struct buf b = { 0 };

	CHECK_U64(source_each(s, collect, &b), 7);
	CHECK_STR(b.s, "/Docs\n/Docs/Readme\n/abs\n/dangling\n/docs\n/docs/README\n/docs/readme\n/live\n/live/big\n"
	               "/live/none\n");
	CHECK_U64(s->n_nodes, 20);
}

TEST(each_in_order_until_nonzero)
{
	with_both(check_each);
}

static void check_load(struct source *s)
{
	AUTO_FREE char *kernel = NULL, *zero = NULL, *none = NULL, *other = NULL;
	AUTO_ERR struct err e = { 0 };
	size_t len;

	CHECK_OK(node_load(source_find(s, "/live/vmlinuz"), 7, &kernel, &len, &e), &e);
	CHECK_STR(kernel, "kernel\n");
	CHECK_U64(len, 7);
	CHECK(source_find(s, "/live/vmlinuz")->mtime == 1700000000);
	CHECK_OK(node_load(source_find(s, "/live/zero"), 100, &zero, &len, &e), &e);
	CHECK(len == 3 && memcmp(zero, "x\0y", 4) == 0);
	CHECK_OK(node_load(source_find(s, "/live/none"), 0, &none, NULL, &e), &e);
	CHECK_STR(none, "");
	CHECK_U64(-node_load(source_find(s, "/live/vmlinuz"), 6, &other, &len, &e), 27);
	CHECK(e.code == EXIT_SOURCE);
	CHECK_FAILS(-1, &e, "/live/vmlinuz: has 7 bytes, more than the 6 expected");
	CHECK_FAILS(node_load(source_find(s, "/live"), 10, &other, &len, &e), &e, "/live: is not a file");
	CHECK(!other);
}

TEST(load)
{
	with_both(check_load);
}

static void check_read(struct source *s)
{
	const struct node *n = source_find(s, "/live/big");
	AUTO_FREE char *path = sandbox_path("tree/live/big");
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_ERR struct err e = { 0 };
	struct input in = node_input(n);
	u8 want[5000], got[5000];
	static const u64 ranges[][2] = { { 0, 5000 }, { 0, 0 }, { 5000, 0 }, { 4999, 1 }, { 2047, 2 }, { 100, 4000 } };

	CHECK_U64(pread(fd, want, 5000, 0), 5000);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		CHECK_OK(input_read(&in, ranges[i][0], got, ranges[i][1], &e), &e);
		CHECK(memcmp(got, want + ranges[i][0], ranges[i][1]) == 0);
	}
	CHECK_FAILS(input_read(&in, 5000, got, 1, &e), &e, "/live/big: 1 bytes at 5000 are asked for, it has 5000");
	CHECK_FAILS(input_read(&in, 1, got, 5000, &e), &e, "5000 bytes at 1 are asked for");
	CHECK_FAILS(input_read(&in, UINT64_MAX, got, 1, &e), &e, "are asked for");
}

TEST(read)
{
	with_both(check_read);
}

/* ---- changes */

static void check_changed(const char *source, const char *command, const char *words)
{
	AUTO_FREE char *dir = sandbox_path("");
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };

	make_tree();
	CHECK(sandbox_run("cd '%s' && touch -d @1700000000 tree tree/live tree/live/sub && cat tree/live/big >x",
	                  dir) == 0);
	if (strcmp(source, "a.iso") == 0)
		CHECK(sandbox_run("cd '%s' && xorriso -as mkisofs -R -o a.iso tree", dir) == 0);
	s = open_path(source);
	if (!s)
		return;
	CHECK_OK(source_changed(s, &e), &e);
	CHECK(sandbox_run("cd '%s' && %s", dir, command) == 0);
	if (!words) {
		CHECK_OK(source_changed(s, &e), &e);
		return;
	}
	CHECK(source_changed(s, &e) < 0 && e.code == EXIT_SOURCE);
	CHECK_FAILS(-1, &e, words);
}

TEST(a_changed_directory_is_noticed)
{
	check_changed("tree", "cat tree/live/vmlinuz", NULL);
	check_changed("tree", "echo >>tree/live/vmlinuz", "tree: /live/vmlinuz: was changed while it was in use");
	check_changed("tree", "touch tree/live/vmlinuz", "/live/vmlinuz: was changed while it was in use");
	check_changed("tree", "rm tree/live/vmlinuz", "/live: was changed while it was in use");
	check_changed("tree", "echo >tree/live/sub/new", "/live/sub: was changed while it was in use");
	check_changed("tree", "echo >tree/new", "/: was changed while it was in use");
}

TEST(a_changed_image_is_noticed)
{
	if (sandbox_run("command -v xorriso") != 0)
		test_skip("xorriso is not installed");
	check_changed("a.iso", "cat a.iso", NULL);
	check_changed("a.iso", "echo >>a.iso", "a.iso: was changed while it was in use");
	check_changed("a.iso", "touch a.iso", "a.iso: was changed while it was in use");
	check_changed("a.iso", "rm a.iso", NULL); /* what was opened is still there */
}

/* A link that comes to stand where a file was is not followed, nor is one in the way to it. */
TEST(files_of_a_directory_are_not_exchanged)
{
	AUTO_FREE char *dir = sandbox_path("");
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };
	struct input in;
	u8 got[7];

	make_tree();
	s = open_path("tree");
	if (!s)
		return;
	in = node_input(source_find(s, "/live/vmlinuz"));
	CHECK_OK(input_read(&in, 0, got, 7, &e), &e);
	CHECK(sandbox_run("cd '%s/tree' && cp -p live/vmlinuz other && rm live/vmlinuz && ln -s ../other live/vmlinuz",
	                  dir) == 0);
	CHECK_FAILS(input_read(&in, 0, got, 7, &e), &e, "tree: /live/vmlinuz: ");
	CHECK(sandbox_run("cd '%s/tree' && rm live/vmlinuz && cp -p other live/vmlinuz", dir) == 0);
	CHECK_OK(input_read(&in, 0, got, 7, &e), &e);
	CHECK(sandbox_run("cd '%s/tree' && mv live Live && ln -s Live live", dir) == 0);
	CHECK_FAILS(input_read(&in, 0, got, 7, &e), &e, "tree: /live/vmlinuz: ");
	CHECK(sandbox_run("cd '%s/tree' && rm live && mkdir live && mkfifo live/vmlinuz", dir) == 0);
	CHECK_FAILS(input_read(&in, 0, got, 7, &e), &e, "tree: /live/vmlinuz: was changed while it was in use");
}

/* ---- directories that are refused */

static void check_bad_dir(const char *command, const char *words)
{
	AUTO_FREE char *dir = sandbox_path(""), *path = sandbox_path("bad");
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };
	int r;

	CHECK(sandbox_run("cd '%s' && rm -rf bad && mkdir bad && cd bad && %s", dir, command) == 0);
	r = source_open(path, &s, &e);
	CHECK(e.code == EXIT_SOURCE);
	CHECK_FAILS(r, &e, words);
}

TEST(bad_directories)
{
	check_bad_dir("mkdir a && touch a/\"$(printf 'x\\ny')\"",
	              "bad: /a: has a name \"x\\x0ay\", with a control character in it: it is damaged or hostile");
	check_bad_dir("touch \"$(printf '\\344')\"", "bad: /: has a name \"\\xe4\", that is not UTF-8");
	check_bad_dir("mkdir -p \"$(printf 'd/%.0s' $(seq 65))\"", "is deeper than 64 directories");
	check_bad_dir("ln -s \"$(printf '\\033[2J')\" l",
	              "bad: /l: has a symlink to \"\\x1b[2J\", with a control character");
	if (geteuid() != 0)
		check_bad_dir("mkdir a && touch a/b && chmod 0 a/b", "bad: /a/b: Permission denied");
}

TEST(special_files_are_left_out)
{
	AUTO_FREE char *dir = sandbox_path("");
	AUTO_SOURCE struct source *s = NULL;

	make_tree();
	CHECK(sandbox_run("cd '%s' && mkfifo tree/pipe tree/live/pipe", dir) == 0);
	s = open_path("tree");
	CHECK(s && s->n_nodes == 20 && s->n_warnings == 1);
	if (s) {
		CHECK_STR(s->format, "directory");
		CHECK_STR(s->volume_id, "");
		CHECK_STR(s->created, "");
		CHECK(s->size == 0 && s->n_boot_images == 0);
		CHECK_STR(s->warnings[0], "2 devices, pipes or sockets in it are left out");
	}
}

/* ---- what is no source */

struct piece {
	u64 off;
	const char *bytes;
	size_t len;
	u64 size; /* of the file */
	const char *words;
};

static const struct piece pieces[] = {
	{ 0, "", 0, 0, "is empty" },
	{ 0, "<!DOCTYPE html>", 15, 500, "is a web page (HTML)" },
	{ 0, "\xef\xbb\xbf\r\n  <HTML>", 13, 60000, "is a web page (HTML)" },
	{ 0, "\x1f\x8b\x08", 3, 60000, "is compressed by gzip: unpack it first" },
	{ 0,
	  "\xfd"
	  "7zXZ\0",
	  6, 60000, "is compressed by xz: unpack it first" },
	{ 0, "\x28\xb5\x2f\xfd", 4, 60000, "is compressed by zstd" },
	{ 0, "BZh9", 4, 60000, "is compressed by bzip2" },
	{ 0, "PK\3\4", 4, 60000, "is a zip archive" },
	{ 0, "7z\xbc\xaf\x27\x1c", 6, 60000, "is a 7z archive" },
	{ 257, "ustar", 5, 60000, "is a tar archive" },
	{ 0, "QFI\xfb", 4, 60000, "is a disk image of QEMU" },
	{ 0, "KDMV", 4, 60000, "is a disk image of VMware" },
	{ 0, "vhdxfile", 8, 60000, "is a disk image of Hyper-V" },
	{ 65536 - 512, "conectix", 8, 65536, "is a disk image of Virtual PC" },
	{ 0, "hsqs", 4, 60000, "is a bare system image (squashfs)" },
	{ 1080, "\x53\xef", 2, 60000, "is an ext2, ext3 or ext4 file system" },
	{ 510, "\x55\xaa", 2, 60000, "is a raw disk image with a partition table (MBR)" },
	{ 510, "\x55\xaa", 2, 30000, "is too short for an ISO image" },
	{ 512, "EFI PART", 8, 60000, "is a raw disk image with a partition table (GPT)" },
	{ 32769, "BEA01", 5, 60000, "is a UDF image, as those of Windows are" },
	{ 0, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", 12, 60000, "is a raw copy of a CD" },
	{ 0,
	  "\x7f"
	  "ELF",
	  4, 60000, "is a program (ELF)" },
	{ 0, "%PDF-1.4", 8, 60000, "is a PDF document" },
	{ 0, "d8:announce", 11, 200, "is a torrent" },
	{ 0, "404 Not Found\n", 14, 14, "is a text" },
	{ 0, "", 0, 60000, "has only zeros where an ISO image begins" },
	{ 0, "\0", 1, 1, "has only zeros where an ISO image begins" },
	{ 0, "\1\2\3", 3, 60000, "is not an ISO 9660 image" },
};

TEST(kinds_of_files)
{
	AUTO_FREE char *path = sandbox_path("file");

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		const struct piece *p = &pieces[i];
		AUTO_SOURCE struct source *s = NULL;
		AUTO_ERR struct err e = { 0 };
		AUTO_BUF struct buf want = { 0 };
		int r;

		sandbox_make(path, p->size);
		AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
		CHECK(pwrite(fd, p->bytes, p->len, (off_t)p->off) == (ssize_t)p->len);
		buf_addf(&want, "%s: %s", path, p->words);
		r = source_open(path, &s, &e);
		CHECK(e.code == EXIT_SOURCE);
		CHECK_FAILS(r, &e, want.s);
	}
}

TEST(not_files)
{
	AUTO_FREE char *path = sandbox_path("pipe"), *none = sandbox_path("none");
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };

	CHECK_U64(-source_open(none, &s, &e), 2);
	CHECK(e.code == EXIT_SOURCE);
	CHECK_FAILS(-1, &e, "none: No such file or directory");
	CHECK(sandbox_run("mkfifo '%s'", path) == 0);
	CHECK_FAILS(source_open(path, &s, &e), &e, "pipe: is a pipe, not an ISO image or a directory");
	CHECK_FAILS(source_open("/dev/null", &s, &e), &e, "/dev/null: is a character device, not an ISO image");
	CHECK(!s);
}

/* Judges that are real: what mkfs, mksquashfs and tar make is named as what it is. */
TEST(kinds_of_real_files)
{
	static const struct {
		const char *program, *command, *words;
	} made[] = {
		{ "mkfs.ext4", "truncate -s 1M f && mkfs.ext4 -q f", "is an ext2, ext3 or ext4 file system" },
		{ "mkfs.fat", "truncate -s 1M f && mkfs.fat f", "is a FAT file system" },
		{ "mkfs.fat", "truncate -s 40M f && mkfs.fat -F 32 f", "is a FAT file system" },
		{ "mksquashfs", "mksquashfs tree f -quiet -no-progress", "is a bare system image (squashfs)" },
		{ "sfdisk", "truncate -s 4M f && echo 1M | sfdisk f",
		  "is a raw disk image with a partition table (MBR)" },
		{ "sfdisk", "truncate -s 4M f && echo ',1M' | sfdisk -X gpt f",
		  "is a raw disk image with a partition table (GPT)" },
		{ "qemu-img", "qemu-img create -f qcow2 f 1M", "is a disk image of QEMU (qcow)" },
		{ "qemu-img", "qemu-img create -f vmdk f 1M", "is a disk image of VMware (VMDK)" },
		{ "qemu-img", "qemu-img create -f vpc f 1M", "is a disk image of Virtual PC (VHD)" },
		{ "qemu-img", "qemu-img create -f vpc -o subformat=fixed f 1M", "is a disk image of Virtual PC (VHD)" },
		{ "qemu-img", "qemu-img create -f vhdx f 1M", "is a disk image of Hyper-V (VHDX)" },
		{ "qemu-img", "qemu-img create -f vdi f 1M", "is a disk image of VirtualBox (VDI)" },
		{ "tar", "tar cf f tree", "is a tar archive" },
		{ "gzip", "gzip -c tree/live/big >f", "is compressed by gzip" },
		{ "xz", "xz -c tree/live/big >f", "is compressed by xz" },
		{ "zstd", "zstd -qc tree/live/big >f", "is compressed by zstd" },
		{ "bzip2", "bzip2 -c tree/live/big >f", "is compressed by bzip2" },
		{ "ls", "cp /bin/ls f", "is a program (ELF)" },
	};
	AUTO_FREE char *dir = sandbox_path(""), *path = sandbox_path("f");

	make_tree();
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		AUTO_SOURCE struct source *s = NULL;
		AUTO_ERR struct err e = { 0 };

		if (sandbox_run("PATH=$PATH:/usr/sbin; command -v %s", made[i].program) != 0)
			continue;
		CHECK(sandbox_run("PATH=$PATH:/usr/sbin; cd '%s' && rm -f f && %s", dir, made[i].command) == 0);
		CHECK_FAILS(source_open(path, &s, &e), &e, made[i].words);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
