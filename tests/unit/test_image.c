/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * System images made by mksquashfs and mke2fs: each path, type, size, time and byte as find and sha256sum have them;
 * and several of them as one tree, as the kernel's overlayfs has it.
 */
#include "src/base/sha256.h"
#include "tests/unit/image_case.h"

/* path, type, permissions, size, time; and a digest for each file */
#define FIND                                                                                                           \
	"(cd tree && find . -mindepth 1 \\( -type f -printf '/%P f %m %s %Ts\\n' -o -type d -printf '/%P d %m 0 "      \
	"%Ts\\n' "                                                                                                     \
	"-o -type l -printf '/%P l %m 0 %Ts\\n' -o -type p -printf '/%P p %m 0 %Ts\\n' \\) && "                        \
	"find . -type f -print0 | xargs -0 sha256sum | LC_ALL=C sed 's|\\(.*\\)  \\.\\(.*\\)|\\2 \\1|') | LC_ALL=C "   \
	"sort >list"

static const char make_tree[] =
    "rm -rf tree && mkdir -p tree/sbin tree/usr/lib/modules/6.1.0 tree/empty tree/dir/sub/deeper && cd tree && "
    "echo hello >dir/hello && : >dir/nothing && head -c 4096 /dev/urandom >dir/page && "
    "seq 1 100000 >dir/text && head -c 300000 /dev/urandom >dir/noise && head -c 400000 /dev/zero >dir/zeros && "
    "(seq 1 50000; head -c 262144 /dev/zero; seq 1 10) >dir/mixed && head -c 131072 /dev/urandom >dir/block && "
    "for i in $(seq 1 700); do echo $i >dir/sub/file-$i; done && mkfifo dir/fifo && chmod 4755 dir/hello && "
    "chmod 640 dir/text && ln -s usr/lib lib && ln -s ../dir/sub/../hello sbin/init && ln -s /dir/hello absolute && "
    "ln -s loop2 loop1 && ln -s loop1 loop2 && ln -s nowhere dangling && ln -s . here && ln dir/hello dir/hard && "
    "printf x >'dir/with blank' && printf y >dir/$(printf '\\303\\244\\377') && "
    "printf z >dir/$(printf 'n%.0s' $(seq 1 255)) && find . -exec touch -h -d @1700000000 {} +";

static void hash(const char *text, size_t len, char ret_hex[SHA256_HEX_SIZE])
{
	u8 digest[SHA256_SIZE];

	sha256_of(text, len, digest);
	sha256_hex(digest, ret_hex);
}

static int add_line(void *ctx, const char *path, const struct image_entry *x)
{
	struct lines *l = ctx;
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	char hex[SHA256_HEX_SIZE];
	struct buf b = { 0 };
	size_t len;

	if (S_ISREG(x->mode) && CHECK_OK(image_load_entry(l->s, x, path, 10 * MIB, &text, &len, &e), &e)) {
		CHECK_U64(len, x->size);
		CHECK(text[len] == '\0');
		hash(text, len, hex);
		buf_addf(&b, "%s %s\n", path, hex);
		*ARRAY_ADD(l->line, l->n, l->cap) = TAKE(b.s);
		b = (struct buf){ 0 };
	}
	buf_addf(&b, "%s %c %o %llu %lld\n", path,
	         S_ISDIR(x->mode)    ? 'd'
	         : S_ISLNK(x->mode)  ? 'l'
	         : S_ISFIFO(x->mode) ? 'p'
	                             : 'f',
	         x->mode & 07777, (unsigned long long)x->size, (long long)x->mtime);
	*ARRAY_ADD(l->line, l->n, l->cap) = b.s;
	return 0;
}

static void check_tree(const char *name, const struct image_stack *s)
{
	struct lines l = { .s = s };
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf want = load("list"), got = { 0 };

	CHECK_OK(image_each(s, "/", NULL, add_line, &l, &e), &e);
	got = join_lines(&l);
	if (strcmp(got.s, want.s) != 0) {
		AUTO_FREE char *path = sandbox_path("got");
		FILE *f = fopen(path, "we");

		fwrite(got.s, 1, got.len, f);
		fclose(f);
		sh("diff -a got list | head -20 >&2; false");
		test_fail(__FILE__, __LINE__, "%s: the listing is not find's", name);
	}
}

static void check_found(const struct image_stack *s, const char *path, const char *text)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *got = NULL;
	struct image_entry x;
	int r = image_find(s, path, &x, &e);

	if (r != (text ? 1 : 0))
		test_fail(__FILE__, __LINE__, "%s: %d %s", path, r, e.text ? e.text : "");
	if (r != 1 || !text)
		return;
	if (*text == '/') {
		CHECK(S_ISDIR(x.mode));
		return;
	}
	CHECK_OK(image_load(s, path, 100, &got, NULL, &e), &e);
	CHECK_STR(got, text);
}

static void check_paths(const struct image_stack *s)
{
	check_found(s, "/dir/hello", "hello\n");
	check_found(s, "dir//./hello", "hello\n");
	check_found(s, "/../../dir/../dir/hello", "hello\n");
	check_found(s, "/sbin/init", "hello\n");
	check_found(s, "/here/here/absolute", "hello\n");
	check_found(s, "/dir/with blank", "x");
	check_found(s, "/dir/\303\244\377", "y");
	check_found(s, "/dir/sub/file-700", "700\n");
	check_found(s, "/lib/modules/6.1.0", "/");
	check_found(s, "/", "/");
	check_found(s, "", "/");
	check_found(s, "/loop1", NULL);
	check_found(s, "/dangling", NULL);
	check_found(s, "/dir/hell", NULL);
	check_found(s, "/dir/hello2", NULL);
	check_found(s, "/dir/hello/x", NULL);
	check_found(s, "/nothing/at/all", NULL);
}

static int count(void *ctx, const char *path, const struct image_entry *x)
{
	size_t *n = ctx;

	(void)x;
	CHECK(strncmp(path, "/dir/sub/file-", 14) == 0);
	return ++*n == 600 ? 42 : 0;
}

static void check_globs(const struct image_stack *s)
{
	AUTO_ERR struct err e = { 0 };
	size_t n = 0;

	CHECK_OK(image_each(s, "/dir", "file-1?", count, &n, &e), &e);
	CHECK_U64(n, 10);
	CHECK_OK(image_list(s, "/here/dir/sub/deeper", count, &n, &e), &e);
	CHECK_OK(image_each(s, "/nowhere", "*", count, &n, &e), &e);
	CHECK_OK(image_each(s, "/dir/hello", "*", count, &n, &e), &e);
	CHECK_U64(n, 10);
	n = 0;
	CHECK_U64(image_each(s, "dir/sub/", "file-*", count, &n, &e), 42);
	CHECK_U64(n, 600);
}

static void check_image(const char *name, const char *type, const char *compressor)
{
	struct buf b = { 0 };
	AUTO_IMAGE struct image *im = open_good(name, &b);
	struct image_stack s = { &im, 1 };

	if (im) {
		CHECK_STR(image_get_kind(im)->type, type);
		CHECK(compressor ? strcmp(image_get_kind(im)->compressor, compressor) == 0
		                 : !image_get_kind(im)->compressor);
		CHECK_STR(image_name(im), name);
		check_tree(name, &s);
		check_paths(&s);
		check_globs(&s);
	}
	image_close(TAKE(im));
	buf_free(&b);
}

static void check_squashfs(const char *compressor, const char *options)
{
	AUTO_BUF struct buf command = { 0 };

	buf_addf(&command,
	         "mksquashfs tree x.%s -all-root -noappend -quiet -no-progress -processors 2 -comp %s %s >/dev/null",
	         compressor, compressor, options);
	if (sh(command.s)) {
		AUTO_BUF struct buf name = { 0 };

		buf_addf(&name, "x.%s", compressor);
		check_image(name.s, "squashfs", compressor);
	}
}

TEST(squashfs_of_each_compressor)
{
	static const char *const compressors[] = { "gzip", "xz", "lz4", "zstd", "lzo" };

	if (!sh(make_tree) || !sh(FIND))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(compressors); i++)
		check_squashfs(compressors[i], "");
	check_squashfs("xz", "-Xbcj x86 -b 1M");
	check_squashfs("lz4", "-Xhc");
}

TEST(squashfs_with_other_options)
{
	static const char *const options[] = {
		"-no-xattrs",
		"-no-fragments",
		"-always-use-fragments -b 4096",
		"-noI -noD -noF -noX",
		"-noId",
		"-b 1M -tailends",
		"-no-duplicates -no-exports -no-sparse -nopad",
		"-Xstrategy default,filtered,huffman_only -Xwindow-size 9",
	};

	if (!sh(make_tree) || !sh(FIND))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		check_squashfs("gzip", options[i]);
}

/* More names than 256 in a header, more than a block of metadata, directories with an index. */
TEST(squashfs_with_many_files)
{
	if (!sh("rm -rf tree && mkdir -p tree/many tree/few && cd tree/many && "
	        "seq -f 'a-name-that-is-not-short-%06g' 1 20000 | xargs touch -d @1700000000 && "
	        "echo end >zzz && touch -d @1700000000 zzz . ../few ..") ||
	    !sh(FIND) || !sh("mksquashfs tree x.many -all-root -noappend -quiet -no-progress -processors 2 >/dev/null"))
		return;
	struct buf b = { 0 };
	struct image *im = open_good("x.many", &b);
	struct image_stack s = { &im, 1 };

	if (im) {
		check_tree("x.many", &s);
		check_found(&s, "/many/zzz", "end\n");
		check_found(&s, "/many/a-name-that-is-not-short-020001", NULL);
	}
	image_close(im);
	buf_free(&b);
}

static void check_ext(const char *type, const char *options)
{
	AUTO_BUF struct buf command = { 0 };

	buf_addf(&command,
	         "rm -f x.ext && mke2fs -q -F -t %s %s -d tree x.ext 24M >/dev/null && "
	         "debugfs -w -R 'rmdir lost+found' x.ext 2>/dev/null",
	         type, options);
	if (sh(command.s))
		check_image("x.ext", type, NULL);
}

TEST(ext_of_each_kind)
{
	/* mke2fs keeps no setuid bit of a file whose owner it changes; and no times of directories that it fills. */
	if (!sh(make_tree) || !sh("chmod 755 tree/dir/hello && find tree -exec touch -h -d @1700000000 {} +") ||
	    !sh(FIND))
		return;
	check_ext("ext2", "");
	check_ext("ext3", "");
	check_ext("ext4", "");
	/* Of a file that is one hole, mke2fs says that it is in its inode. */
	if (sh("rm tree/dir/zeros && touch -d @1700000000 tree/dir") && sh(FIND))
		check_ext("ext4", "-b 1024 -O inline_data,^has_journal");
}

/* ---- what is one of the others, or nothing */

static void check_kind(const void *data, size_t len, const char *type, bool can_open)
{
	AUTO_ERR struct err e = { 0 };
	struct image_kind k = { 0 };

	if (!CHECK_OK(image_identify(input_memory(data), len, "x", &k, &e), &e))
		return;
	if (!type)
		CHECK(!k.type);
	else
		CHECK_STR(k.type, type);
	CHECK(k.can_open == can_open);
}

static void check_not_opened(const void *data, size_t len, int errno_wanted, const char *sentence)
{
	AUTO_ERR struct err e = { 0 };
	struct image *im = NULL;
	int r = image_open(input_memory(data), len, "/live/x.img", &im, &e);

	CHECK_U64((u64)-r, (u64)-errno_wanted);
	CHECK(!im && e.code == EXIT_SOURCE);
	CHECK_STR(e.text, sentence);
}

TEST(kinds_that_cannot_be_looked_into)
{
	u8 *x = xcalloc(1, 40000);

	check_kind(x, 40000, NULL, false);
	check_kind(x, 0, NULL, false);
	check_not_opened(x, 40000, -EINVAL, "/live/x.img: is no system image (squashfs, ext4)");
	check_not_opened(x, 0, -EINVAL, "/live/x.img: is no system image (squashfs, ext4)");
	memcpy(x, "\x45\x3d\xcd\x28", 4);
	check_kind(x, 40000, "cramfs", false);
	check_kind(x, 4, "cramfs", false);
	check_kind(x, 3, NULL, false);
	check_not_opened(x, 40000, -ENOTSUP,
	                 "/live/x.img: is a system image of the kind cramfs, which cannot be looked into");
	memset(x, 0, 4);
	memcpy(x + 1024, "\xe2\xe1\xf5\xe0", 4);
	check_kind(x, 40000, "erofs", false);
	memset(x + 1024, 0, 4);
	memcpy(x, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0", 45);
	check_kind(x, 40000, "cloop", false);
	memset(x, 0, 45);
	memcpy(x + 32769, "CD001", 5);
	check_kind(x, 40000, "iso9660", false);
	check_kind(x, 32773, NULL, false);
	free(x);
}

TEST(squashfs_that_linux_cannot_mount)
{
	u8 x[200] = "hsqs";

	put_le16(x + 20, 1);
	put_le16(x + 28, 3);
	put_le16(x + 30, 1);
	check_not_opened(x, sizeof(x), -ENOTSUP, "/live/x.img: is a squashfs of version 3.1, and Linux knows 4.0 only");
	put_le16(x + 28, 4);
	put_le16(x + 30, 0);
	put_le16(x + 20, 7);
	check_not_opened(x, sizeof(x), -ENOTSUP,
	                 "/live/x.img: is a squashfs compressed by number 7, which is not known");
	memcpy(x, "sqsh\0\0\0\0", 8);
	memcpy(x + 28, "\0\3\0\0", 4);
	check_not_opened(x, sizeof(x), -ENOTSUP,
	                 "/live/x.img: is a squashfs of version 3.0 (big-endian), and Linux knows 4.0 only");
}

/* ---- several as one */

struct stack {
	struct buf bytes[3];
	struct image *image[3];
	struct image_stack s;
};

static bool open_stack(struct stack *t, const char *const *names, size_t n)
{
	*t = (struct stack){ .s = { t->image, n } };
	for (size_t i = 0; i < n; i++) {
		t->image[i] = open_good(names[i], &t->bytes[i]);
		if (!t->image[i])
			return false;
	}
	return true;
}

static void close_stack(struct stack *t)
{
	for (size_t i = 0; i < 3; i++) {
		image_close(t->image[i]);
		buf_free(&t->bytes[i]);
	}
}

static const char make_layers[] =
    "rm -rf a b c && printf '/gone c 644 0 0 0 0\\n/etc/four c 644 0 0 0 0\\n' >hide && mkdir -p a/etc/sub "
    "a/usr/lib/modules a/sbin a/gone a/x b/etc c/etc b/opt c/opt && "
    "echo a >a/etc/one && echo a >a/etc/two && echo a >a/etc/sub/three && echo a >a/gone/file && "
    "ln -s ../opt/init a/sbin/init && ln -s usr/lib a/lib && echo a >a/x/file && "
    "echo b >b/etc/two && echo b >b/opt/init && echo b >b/x && echo b >b/etc/four && "
    "echo c >c/opt/init && "
    "for i in a b c; do mksquashfs $i $i.sfs -all-root -noappend -quiet -no-progress -processors 2 "
    "$(test $i = c && echo -pf hide) >/dev/null || exit 1; done";

static int add_path(void *ctx, const char *path, const struct image_entry *x)
{
	buf_addf(ctx, "%s%s %c\n", path, S_ISDIR(x->mode) ? "/" : "", "abc"[x->in]);
	return 0;
}

TEST(several_images_are_one_tree)
{
	static const char *const names[] = { "a.sfs", "b.sfs", "c.sfs" };
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf got = { 0 };
	struct stack t;

	if (!sh(make_layers) || !open_stack(&t, names, 3))
		return;
	CHECK_OK(image_each(&t.s, "/", NULL, add_path, &got, &e), &e);
	CHECK_STR(got.s, "/etc/ c\n/etc/one a\n/etc/sub/ a\n/etc/sub/three a\n/etc/two b\n/lib a\n/opt/ c\n"
	                 "/opt/init c\n/sbin/ a\n/sbin/init a\n/usr/ a\n/usr/lib/ a\n/usr/lib/modules/ a\n/x b\n");
	check_found(&t.s, "/etc/one", "a\n");
	check_found(&t.s, "/etc/two", "b\n");
	check_found(&t.s, "/etc/sub/three", "a\n");
	check_found(&t.s, "/etc/four", NULL);
	check_found(&t.s, "/gone", NULL);
	check_found(&t.s, "/gone/file", NULL);
	check_found(&t.s, "/sbin/init", "c\n"); /* a link in one image to what another has */
	check_found(&t.s, "/x", "b\n");
	check_found(&t.s, "/x/file", NULL);
	check_found(&t.s, "/lib/modules/../../../opt/init", "c\n");
	close_stack(&t);
}

TEST(files_that_are_not_there)
{
	static const char *const names[] = { "a.sfs", "b.sfs" };
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	struct stack t;

	if (!sh(make_layers) || !open_stack(&t, names, 2))
		return;
	CHECK_U64((u64)-image_load(&t.s, "/etc/none", 10, &text, NULL, &e), ENOENT);
	CHECK_STR(e.text, "b.sfs: has no file /etc/none");
	err_clear(&e);
	CHECK_U64((u64)-image_load(&t.s, "/etc", 10, &text, NULL, &e), ENOENT);
	CHECK_STR(e.text, "b.sfs: /etc: is no file");
	err_clear(&e);
	CHECK_U64((u64)-image_load(&t.s, "/etc/one", 1, &text, NULL, &e), EFBIG);
	CHECK_STR(e.text, "a.sfs: /etc/one: has 2 bytes, and at most 1 make sense");
	CHECK(!text);
	close_stack(&t);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
