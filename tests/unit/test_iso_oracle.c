/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Images made by xorriso and genisoimage in many shapes, read by us and unpacked by xorriso: both must agree on each
 * path, type, size, target and byte. What xorriso unpacked is then read by us as a directory, and that must agree too.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/base/buf.h"
#include "src/base/sha256.h"
#include "src/source/source.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

/* Runs a shell command in the sandbox. */
static bool sh(const char *command)
{
	AUTO_FREE char *dir = sandbox_path("");

	if (sandbox_run("cd '%s' && %s", dir, command) == 0)
		return true;
	test_fail(__FILE__, __LINE__, "%s: %s", command, sandbox_said());
	return false;
}

static bool has_program(const char *name)
{
	return sandbox_run("command -v %s", name) == 0;
}

/* ---- one line a node, the same from each side */

struct lines {
	char **line;
	size_t n, cap;
	bool fold; /* plain names: xorriso shows them as recorded, we show them as Linux does */
};

static void add_line(struct lines *l, char type, u64 size, const char *path, const char *more)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s %c %llu %s", path, type, (unsigned long long)size, more);
	for (char *p = b.s; l->fold && *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 'a' - 'A');
	*ARRAY_ADD(l->line, l->n, l->cap) = b.s;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i]);
	free(l->line);
}

/* What was read lies where the input says. */
static void check_place(const struct input *in, u64 off, const u8 *want, size_t len)
{
	AUTO_FREE u8 *is = xcalloc(MIB, 1);
	struct input_place place;

	if (input_place(in, off, &place) < 0) {
		test_fail(__FILE__, __LINE__, "byte %llu has no place", (unsigned long long)off);
		return;
	}
	len = (size_t)MIN(len, place.len);
	CHECK(len > 0 && pread(place.fd, is, len, (off_t)place.off) == (ssize_t)len && memcmp(is, want, len) == 0);
	close(place.fd);
}

static void hash_node(const struct node *n, char ret_hex[SHA256_HEX_SIZE])
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *piece = xcalloc(MIB, 1);
	struct sha256 *h = sha256_new();
	struct input in = node_input(n);
	u8 digest[SHA256_SIZE];

	for (u64 off = 0; off < n->size; off += MIB) {
		size_t len = (size_t)MIN(MIB, n->size - off);

		if (!CHECK_OK(input_read(&in, off, piece, len, &e), &e))
			break;
		sha256_add(h, piece, len);
		check_place(&in, off, piece, len);
	}
	sha256_end(h, digest);
	sha256_hex(digest, ret_hex);
}

static int add_our_line(void *ctx, const struct node *n)
{
	AUTO_FREE char *path = node_path(n);
	char hex[SHA256_HEX_SIZE] = "";

	if (n->type == NODE_FILE)
		hash_node(n, hex);
	add_line(ctx, "fdl"[n->type], n -> size, path, n -> type == NODE_SYMLINK ? n -> target : hex);
	return 0;
}

static void hash_file(const char *path, char ret_hex[SHA256_HEX_SIZE])
{
	AUTO_FREE u8 *piece = xcalloc(MIB, 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct sha256 *h = sha256_new();
	u8 digest[SHA256_SIZE];
	ssize_t n;

	while ((n = read(fd, piece, MIB)) > 0)
		sha256_add(h, piece, (size_t)n);
	sha256_end(h, digest);
	sha256_hex(digest, ret_hex);
}

static void add_their_lines(struct lines *l, const char *root, const char *path)
{
	AUTO_BUF struct buf full = { 0 };
	struct dirent *entry;
	DIR *d;

	buf_addf(&full, "%s%s", root, path);
	d = opendir(full.s);
	while (d && (entry = readdir(d))) {
		AUTO_BUF struct buf below = { 0 };
		AUTO_BUF struct buf file = { 0 };
		char more[4097] = "";
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		buf_addf(&below, "%s/%s", path, entry->d_name);
		buf_addf(&file, "%s%s", root, below.s);
		CHECK(lstat(file.s, &st) == 0);
		if (S_ISLNK(st.st_mode))
			CHECK(readlink(file.s, more, sizeof(more) - 1) > 0);
		if (S_ISREG(st.st_mode))
			hash_file(file.s, more);
		add_line(l,
		         S_ISDIR(st.st_mode)   ? 'd'
		         : S_ISLNK(st.st_mode) ? 'l'
		                               : 'f',
		         S_ISREG(st.st_mode) ? (u64)st.st_size : 0, below.s, more);
		if (S_ISDIR(st.st_mode))
			add_their_lines(l, root, below.s);
	}
	if (d)
		closedir(d);
}

static size_t check_same(struct lines *ours, struct lines *theirs)
{
	size_t differ = 0;

	if (ours->n)
		qsort(ours->line, ours->n, sizeof(char *), by_text);
	if (theirs->n)
		qsort(theirs->line, theirs->n, sizeof(char *), by_text);
	for (size_t i = 0, j = 0; i < ours->n || j < theirs->n;) {
		int r = i == ours->n ? 1 : j == theirs->n ? -1 : strcmp(ours->line[i], theirs->line[j]);

		if (r && differ++ < 5)
			test_fail(__FILE__, __LINE__, "only %s: %s", r < 0 ? "ours" : "theirs",
			          r < 0 ? ours->line[i] : theirs->line[j]);
		i += r <= 0;
		j += r >= 0;
	}
	return ours->n;
}

/* Compares a source with a directory; returns the number of nodes. */
static size_t compare(const char *source, const char *root, bool fold)
{
	struct lines ours = { .fold = fold }, theirs = { .fold = fold };
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };
	size_t n = 0;

	if (CHECK_OK(source_open(source, &s, &e), &e)) {
		source_each(s, add_our_line, &ours);
		add_their_lines(&theirs, root, "");
		n = check_same(&ours, &theirs);
		CHECK_U64(n, s->n_nodes);
		CHECK_OK(source_changed(s, &e), &e);
	}
	lines_free(&ours);
	lines_free(&theirs);
	return n;
}

/* ---- images */

static void start(void)
{
	if (!has_program("xorriso"))
		test_skip("xorriso is not installed");
	sh("rm -rf tree out a.iso efi.img");
}

/* Unpacks `image` below out/ and compares. libisofs leaves the empty directory that relocated ones were in. */
static size_t check_image(const char *image, bool fold)
{
	AUTO_FREE char *out = sandbox_path("out");
	AUTO_BUF struct buf command = { 0 };

	buf_addf(&command,
	         "rm -rf out && osirrox -stdio_sync off -indev '%s' -extract / out && chmod -R u+w out && "
	         "{ rmdir out/rr_moved || true; }",
	         image);
	if (!sh(command.s))
		return 0;
	return compare(image, out, fold);
}

/* `command` makes a.iso from tree/; it must have `nodes` nodes, 0: those of the tree. */
static void check_shape(const char *command, size_t nodes, bool fold)
{
	AUTO_FREE char *image = sandbox_path("a.iso"), *out = sandbox_path("out"), *tree = sandbox_path("tree");
	size_t n;

	if (!sh(command))
		return;
	n = check_image(image, fold);
	CHECK_U64(compare(out, out, false), n);
	if (nodes)
		CHECK_U64(n, nodes);
	else
		CHECK(compare(image, tree, false) == n && n > 0);
	sh("rm -f a.iso");
}

/* 14 files and directories with all that names and links can have, but nothing that needs Rock Ridge. */
#define SIMPLE_TREE                                                                                                    \
	"mkdir -p tree/live tree/empty tree/sub/dir && cd tree && echo kernel >live/vmlinuz && "                       \
	"head -c 300001 /dev/urandom >live/root.sfs && head -c 2048 /dev/urandom >one && : >none && "                  \
	"ln live/vmlinuz hard && echo b >sub/dir/b.txt && echo c >sub/noext && head -c 2049 /dev/urandom"              \
	" >sub/two.bin && ln one sub/dir/other && cd .. "

#define NAMES_TREE                                                                                                     \
	"mkdir -p 'tree/with space/.hidden' && cd tree && echo 1 >'a file with spaces.text' && "                       \
	"echo 2 >'with space/.hidden/.x' && echo 3 >'\303\234n\303\257 \342\230\203.txt' && "                          \
	"echo 4 >'UPPER and lower' && echo 5 >'upper and LOWER' && echo 6 >a.b.c.d && echo 7 >'tr.;2'"                 \
	" && cd .. "

/* More than a directory's block of names, long ones, and links that take several fields. */
#define RR_TREE                                                                                                        \
	"cd tree && long=$(printf 'n%.0s' $(seq 196)) && for i in $(seq 100 220); do echo $i >$long.$i; "              \
	"done && ln -s live/vmlinuz rel && ln -s /live/vmlinuz abs && ln -s ../../up sub/up && "                       \
	"ln -s . dot && ln -s / root && ln -s ./a/../b/. dots && ln -s nowhere dangling && "                           \
	"l=$(printf 'l%.0s' $(seq 80)) && ln -s $l/$l/../$l/$l/$l/$l/$l/x long && cd .. "

#define DEEP_TREE                                                                                                      \
	"p=tree; for i in $(seq 1 14); do p=$p/d$i; mkdir -p $p/e; echo $i >$p/file$i; done; "                         \
	"q=tree/d1/d2/d3/d4/d5/d6/d7; mkdir -p $q/x/y/z $q/x2/y; echo x >$q/x/y/z/f; echo y >$q/x2/y/f"

TEST(rock_ridge)
{
	start();
	CHECK(sh(SIMPLE_TREE) && sh(NAMES_TREE) && sh(RR_TREE));
	check_shape("xorriso -stdio_sync off -as mkisofs -R -o a.iso tree", 0, false);
	check_shape("xorriso -stdio_sync off -as mkisofs -r -no-pad -iso-level 1 -o a.iso tree", 0, false);
	check_shape("xorriso -stdio_sync off -as mkisofs -R -J -joliet-long -iso-level 3 -o a.iso tree", 0, false);
	check_shape("xorriso -compliance new_rr -rockridge on -stdio_sync off -outdev a.iso -map tree / -commit", 0,
	            false);
	check_shape("xorriso -xattr on -acl on -stdio_sync off -outdev a.iso -map tree / "
	            "-setfattr_r user.long \"$(printf 'v%.0s' $(seq 5000))\" / -- -commit",
	            0, false);
	sh("rm tree/long"); /* genisoimage records links of more than 250 bytes wrong */
	if (has_program("genisoimage")) {
		check_shape("genisoimage -R -allow-limited-size -o a.iso tree", 0, false);
		check_shape("genisoimage -r -U -o a.iso tree", 0, false);
	}
}

TEST(deep_directories)
{
	start();
	CHECK(sh(DEEP_TREE));
	check_shape("xorriso -stdio_sync off -as mkisofs -R -D -o a.iso tree", 0, false);
	check_shape(
	    "xorriso -compliance deep_paths_off -rockridge on -stdio_sync off -outdev a.iso -map tree / -commit", 0,
	    false);
	if (has_program("genisoimage"))
		check_shape("genisoimage -R -o a.iso tree", 0, false);
}

TEST(joliet_only)
{
	start();
	CHECK(sh(SIMPLE_TREE) && sh("cp -a tree/sub tree/Sub2; " NAMES_TREE));
	check_shape("xorriso -stdio_sync off -as mkisofs --norock -J -joliet-long -o a.iso tree", 28, false);
	if (has_program("genisoimage"))
		check_shape("genisoimage -J -joliet-long -input-charset utf-8 -o a.iso tree", 28, false);
}

TEST(plain_names)
{
	start();
	CHECK(sh(SIMPLE_TREE));
	check_shape("xorriso -stdio_sync off -as mkisofs --norock -iso-level 1 -o a.iso tree", 13, true);
	check_shape("xorriso -stdio_sync off -as mkisofs --norock -iso-level 3 -o a.iso tree", 13, true);
	if (has_program("genisoimage")) {
		check_shape("genisoimage -iso-level 1 -o a.iso tree", 13, true);
		check_shape("genisoimage -iso-level 4 -o a.iso tree", 13, true);
	}
}

#define MBR_CODE "/usr/lib/ISOLINUX/isohdpfx.bin"
#define EFI_FILE                                                                                                       \
	"truncate -s 1474560 efi.img && mkfs.fat efi.img && mkdir -p tree/isolinux tree/boot && "                      \
	"head -c 3000 /dev/urandom >tree/isolinux/isolinux.bin && "

static const struct boot_image *image_of(const struct source *s, int platform)
{
	static const struct boot_image none;

	for (size_t i = 0; i < s->n_boot_images; i++)
		if ((int)s->boot_images[i].platform == platform)
			return &s->boot_images[i];
	test_fail(__FILE__, __LINE__, "no boot image of platform %d", platform);
	return &none;
}

/* The EFI image at the place that was found is the FAT file system that was put in. */
static void check_boot_images(bool from_table, size_t count)
{
	AUTO_SOURCE struct source *s = NULL;
	AUTO_FREE char *iso_path = sandbox_path("a.iso"), *efi_path = sandbox_path("efi.img");
	AUTO_CLOSE int iso = open(iso_path, O_RDONLY | O_CLOEXEC), img = open(efi_path, O_RDONLY | O_CLOEXEC);
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *efi = xcalloc(1474560, 1), *got = xcalloc(1474560, 1);
	const struct boot_image *b;

	if (!CHECK_OK(source_open(iso_path, &s, &e), &e))
		return;
	CHECK_U64(s->n_boot_images, count);
	CHECK_U64(s->n_warnings, 0);
	b = image_of(s, BOOT_IMAGE_EFI);
	CHECK(b->from_table == from_table);
	CHECK(b->len >= 1474560 && b->len < 1474560 + 64 * KIB);
	CHECK_U64(pread(iso, got, 1474560, (off_t)b->off), 1474560);
	CHECK_U64(pread(img, efi, 1474560, 0), 1474560);
	CHECK(memcmp(got, efi, 1474560) == 0);
}

TEST(hybrid_images)
{
	AUTO_FREE char *image = sandbox_path("a.iso");

	start();
	if (!has_program("mkfs.fat") || access(MBR_CODE, R_OK) != 0) {
		test_skip("dosfstools or isolinux is not installed");
	}
	CHECK(sh(SIMPLE_TREE) && sh(EFI_FILE "true"));
	/* As live-build: the EFI image is a file, both are in the catalogue. */
	CHECK(sh(
	    "cp efi.img tree/boot/ && xorriso -stdio_sync off -as mkisofs -R -J -isohybrid-mbr " MBR_CODE
	    " -partition_offset 16 -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 "
	    "-boot-info-table -eltorito-alt-boot -e boot/efi.img -no-emul-boot -isohybrid-gpt-basdat -o a.iso tree"));
	check_boot_images(false, 2);
	/* As Ubuntu and Arch: the EFI image is a partition behind the ISO, and in the catalogue. */
	CHECK(sh("rm tree/boot/efi.img; xorriso -stdio_sync off -as mkisofs -R -isohybrid-mbr " MBR_CODE
	         " -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "
	         "-append_partition 2 0xef efi.img -eltorito-alt-boot -e --interval:appended_partition_2:all:: "
	         "-no-emul-boot -o a.iso tree"));
	check_boot_images(false, 2);
	/* The same in a GPT, and not in the catalogue. */
	CHECK(sh("xorriso -stdio_sync off -as mkisofs -R -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot "
	         "-boot-load-size 4 "
	         "-appended_part_as_gpt -append_partition 2 C12A7328-F81F-11D2-BA4B-00A0C93EC93B efi.img "
	         "-o a.iso tree"));
	check_boot_images(true, 2);
	CHECK_U64(check_image(image, false), 17);
}

/* The largest of the images that tests/iso made. */
static char *real_image(void)
{
	AUTO_BUF struct buf pattern = { 0 };
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *best = NULL;
	off_t size = 0;
	struct stat st;
	glob_t g;

	buf_addf(&pattern, "%s%s/livestick/*.iso", cache ? cache : home ? home : "", cache ? "" : "/.cache");
	if (glob(pattern.s, 0, NULL, &g) != 0)
		return NULL;
	for (size_t i = 0; i < g.gl_pathc; i++)
		if (stat(g.gl_pathv[i], &st) == 0 && st.st_size > size) {
			free(best);
			best = xstrdup(g.gl_pathv[i]);
			size = st.st_size;
		}
	globfree(&g);
	return best;
}

TEST(a_real_image)
{
	AUTO_FREE char *image = real_image();

	if (!image)
		test_skip("no image in the cache");
	start();
	CHECK(check_image(image, false) > 20);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
