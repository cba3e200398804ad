/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Initrds made by cpio and the compressors, and by distributions; and what is none. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/source/source.h"
#include "tests/lib/sandbox.h"
#include "tests/unit/initrd_image.h"

/* Runs a shell command in the sandbox. */
static bool sh(const char *command)
{
	AUTO_FREE char *dir = sandbox_path("");

	if (sandbox_run("cd '%s' && %s", dir, command) == 0)
		return true;
	test_fail(__FILE__, __LINE__, "%s: %s", command, sandbox_said());
	return false;
}

static struct buf load(const char *name)
{
	AUTO_FREE char *path = sandbox_path(name);
	FILE *f = fopen(path, "re");
	struct buf b = { 0 };
	char piece[4096];

	if (!f)
		test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	for (size_t n; f && (n = fread(piece, 1, sizeof(piece), f)) > 0;)
		buf_add(&b, piece, n);
	if (f)
		fclose(f);
	return b;
}

/* ---- listings: the same lines from us and from find(1) */

#define FIND(time)                                                                                                     \
	"find . -mindepth 1 \\( -type f -printf '%P f %m %s " time " \\n' -o -type d -printf '%P d %m 0 " time         \
	" \\n' "                                                                                                       \
	"-o -type l -printf '%P l %m 0 " time " %l\\n' \\) | LC_ALL=C sort"
#define LIST FIND("%Ts")

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct buf listing(const struct initrd *rd, bool with_times)
{
	struct buf b = { 0 };
	char **line = NULL;
	size_t n = 0, cap = 0;

	for (const struct initrd_entry *x = NULL; rd && (x = initrd_match(rd, "*", x));) {
		struct buf l = { 0 };

		buf_addf(&l, "%s %c %o %llu %u %s\n", x->path,
		         S_ISDIR(x->mode)   ? 'd'
		         : S_ISLNK(x->mode) ? 'l'
		                            : 'f',
		         x->mode & 07777, (unsigned long long)x->size, with_times ? x->mtime : 0,
		         x->target ? x->target : "");
		*ARRAY_ADD(line, n, cap) = l.s;
	}
	if (n)
		qsort(line, n, sizeof(*line), by_text);
	for (size_t i = 0; i < n; i++) {
		buf_adds(&b, line[i]);
		free(line[i]);
	}
	free(line);
	return b;
}

static void check_listing(const struct buf *image, const struct buf *expected, const char *what)
{
	AUTO_INITRD struct initrd *rd = open_good(image, NULL);
	AUTO_BUF struct buf got = listing(rd, true);

	if (!got.s || strcmp(got.s, expected->s) != 0)
		test_fail(__FILE__, __LINE__, "%s:\n%s--- wanted:\n%s", what, got.s ? got.s : "", expected->s);
}

#define CPIO "find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible"

/* Trees "early", "main" and "more", and their archives; what they are together in lists 1 (early + main) and 2. */
#define TREES                                                                                                          \
	"rm -rf * && mkdir -p early/kernel/x86/microcode main/scripts/empty main/usr/lib/live main/sbin more/scripts " \
	"more/opt && head -c 5000 /dev/urandom >early/kernel/x86/microcode/GenuineIntel.bin && echo 1 "                \
	">early/early_cpio "                                                                                           \
	"&& cd main && ln -s usr/lib lib && echo 'mount it' >scripts/live && chmod 755 scripts/live && "               \
	"seq 100000 >usr/lib/numbers && printf x >usr/lib/live/one && ln usr/lib/numbers sbin/hard && "                \
	"ln sbin/hard sbin/harder && ln -s ../scripts/live sbin/live && : >\"sbin/$(printf 'a\\033[31m b')\" && "      \
	"chmod 1777 scripts/empty && cd .. && echo another >more/scripts/live && echo new >more/opt/new && "           \
	"find early main more -exec touch -hd @1800000000 {} + && "                                                    \
	"touch -d @1700000001 more/scripts/live main/usr/lib/live/one && "                                             \
	"for t in early main more; do (cd $t && " CPIO " >../$t.cpio) || exit 1; done && "                             \
	"cp -a early both && cp -a main/. both && (cd both && " LIST ") >list1 && "                                    \
	"cp -a more/. both && (cd both && " LIST ") >list2 && (cd main && " LIST ") >list0"

static const struct {
	const char *name, *command, *told;
} compressors[] = {
	{ "plain", "cat", "none" },
	{ "gzip", "gzip -9n", "gzip" },
	{ "bzip2", "bzip2", "bzip2" },
	{ "xz", "xz --check=crc32", "xz" },
	{ "xz, many blocks", "xz --block-size=65536 --check=sha256", "xz" },
	{ "lzma", "xz --format=lzma", "lzma" },
	{ "lzop", "lzop -9", "LZO" },
	{ "lzop, CRC", "lzop --crc32", "LZO" },
	{ "lz4", "lz4 -l -9", "lz4" },
	{ "zstd", "zstd -q -19 --check", "zstd" },
	{ "zstd, long", "zstd -q --long=27", "zstd" },
};

#define N_QUICK (ARRAY_SIZE(compressors) - 1) /* the last takes 128 MiB of memory */

static struct buf compressed(const char *command, const char *file)
{
	AUTO_BUF struct buf b = { 0 };

	buf_addf(&b, "%s <%s >packed", command, file);
	sh(b.s);
	return load("packed");
}

/* What a loader makes of several files: each at a multiple of 4, here with `n` zeros more. */
static void append(struct buf *image, const struct buf *part, size_t n)
{
	zeros(image, (4 - image->len % 4) % 4 + n);
	buf_add(image, part->s, part->len);
}

TEST(every_compression_alone_and_among_others)
{
	static const size_t gaps[] = { 4, 8, 508, 512, 70000 };

	if (!sh(TREES))
		return;
	AUTO_BUF struct buf early = load("early.cpio"), more = load("more.cpio");
	AUTO_BUF struct buf list0 = load("list0"), list1 = load("list1"), list2 = load("list2");

	for (size_t i = 0; i < ARRAY_SIZE(compressors); i++) {
		const char *name = compressors[i].name, *command = compressors[i].command;
		AUTO_BUF struct buf packed = compressed(command, "main.cpio"),
		                    packed_more = compressed(command, "more.cpio");
		AUTO_BUF struct buf tight = { 0 };

		check_listing(&packed, &list0, name);
		append(&tight, &early, 0);
		append(&tight, &packed, 0);
		check_listing(&tight, &list1, name);
		for (size_t k = 0; k < ARRAY_SIZE(gaps); k++) {
			AUTO_BUF struct buf image = { 0 }, other = { 0 };

			zeros(&image, gaps[k]);
			append(&image, &early, gaps[k]);
			append(&image, &packed, gaps[k]);
			buf_add(&other, image.s, image.len);
			append(&image, &more, gaps[k]);
			zeros(&image, gaps[k]);
			check_listing(&image, &list2, name);
			append(&other, &packed_more, gaps[k]);
			zeros(&other, k);
			check_listing(&other, &list2, name);
		}
	}
}

TEST(compression_is_told)
{
	if (!sh(TREES))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(compressors); i++) {
		AUTO_BUF struct buf image = load("early.cpio");
		AUTO_BUF struct buf packed = compressed(compressors[i].command, "main.cpio");

		append(&image, &packed, 0);
		AUTO_INITRD struct initrd *rd = open_good(&image, NULL);
		const char *told = rd ? initrd_compression(rd) : NULL;

		CHECK_STR(told ? told : "none", compressors[i].told);
	}
}

/* Without zeros between, at whatever offset: allowed for compressed parts, whose end is known. */
TEST(parts_without_zeros_between)
{
	if (!sh(TREES))
		return;
	AUTO_BUF struct buf early = load("early.cpio"), more = load("more.cpio"), list2 = load("list2");

	for (size_t i = 0; i < ARRAY_SIZE(compressors); i++) {
		AUTO_BUF struct buf image = compressed(compressors[i].command, "main.cpio"), first = { 0 };
		AUTO_BUF struct buf zst = compressed("zstd -q", "more.cpio");

		buf_add(&first, early.s, early.len);
		buf_add(&first, image.s, image.len);
		buf_add(&first, zst.s, zst.len);
		if (strcmp(compressors[i].name, "lz4") == 0)
			check_bad(&first, -EINVAL,
			          "lz4 data: is damaged, or is followed by something without four zeros");
		else if (strcmp(compressors[i].name, "plain") != 0 || early.len % 4 == 0)
			check_listing(&first, &list2, compressors[i].name);
	}
	/* A plain archive must begin at a multiple of 4. */
	AUTO_BUF struct buf image = compressed("gzip -n", "main.cpio");

	zeros(&image, (4 - image.len % 4) % 4 + 2);
	buf_add(&image, more.s, more.len);
	check_bad(&image, -EINVAL, "neither a cpio archive nor compressed");
	/* And so must a compressed part after a plain one. */
	AUTO_BUF struct buf odd = { 0 }, packed = compressed("gzip -n", "main.cpio");

	buf_add(&odd, early.s, early.len);
	zeros(&odd, 2);
	buf_add(&odd, packed.s, packed.len);
	check_bad(&odd, -EINVAL, "the padding is wrong");
}

TEST(several_archives_in_one_compressed_part)
{
	if (!sh(TREES " && head -c 512 /dev/zero >zero && cat early.cpio zero main.cpio zero more.cpio >three"))
		return;
	AUTO_BUF struct buf list2 = load("list2");

	for (size_t i = 0; i < ARRAY_SIZE(compressors); i++) {
		AUTO_BUF struct buf packed = compressed(compressors[i].command, "three");
		AUTO_INITRD struct initrd *rd = open_good(&packed, NULL);
		const struct initrd_entry *x;

		check_listing(&packed, &list2, compressors[i].name);
		x = rd ? initrd_find(rd, "early_cpio") : NULL;
		CHECK(x && x->archive == 0);
		x = rd ? initrd_find(rd, "usr/lib/live/one") : NULL;
		CHECK(x && x->archive == 1);
		x = rd ? initrd_find(rd, "scripts/live") : NULL;
		CHECK(x && x->archive == 2);
	}
}

TEST(texts_and_finding)
{
	static const char *const texts[] = { "scripts/*", "*/one", "sbin/harder", NULL };

	if (!sh(TREES))
		return;
	AUTO_BUF struct buf image = compressed("zstd -q", "main.cpio"), more = load("more.cpio"),
	                    numbers = load("main/usr/lib/numbers");

	append(&image, &more, 4);
	AUTO_INITRD struct initrd *rd = open_good(&image, texts);
	const struct initrd_entry *x;

	if (!rd)
		return;
	x = initrd_find(rd, "/sbin/live"); /* through the link, and the later one of two */
	CHECK(x && strcmp(x->path, "scripts/live") == 0 && x->mtime == 1700000001 && x->mode == (S_IFREG | 0644));
	CHECK_STR(x ? x->text : NULL, "another\n");
	x = initrd_find(rd, "lib/live//./one/");
	CHECK(x && strcmp(x->path, "usr/lib/live/one") == 0 && x->size == 1);
	CHECK_STR(x ? x->text : NULL, "x");
	x = initrd_find(rd, "opt/new");
	CHECK(x && !x->text);
	/* Three names, one file; the middle one was wanted, the last one in the archive has the contents. */
	x = initrd_find(rd, "sbin/hard");
	CHECK(x && x->size == numbers.len && x->text && memcmp(x->text, numbers.s, numbers.len + 1) == 0);
	CHECK(x && initrd_find(rd, "usr/lib/numbers")->text == x->text);
	CHECK(!initrd_find(rd, "scripts/liv") && !initrd_find(rd, "scripts/live/x") && !initrd_find(rd, "/"));
	CHECK(initrd_find(rd, "../../scripts/../lib/live"));
	x = initrd_match(rd, "lib/*", NULL);
	CHECK(!x);
	x = initrd_match(rd, "usr/lib/*", NULL);
	CHECK_STR(x ? x->path : NULL, "usr/lib/live");
	x = initrd_match(rd, "usr/lib/*", x);
	CHECK_STR(x ? x->path : NULL, "usr/lib/live/one");
}

TEST(archives_with_checksums)
{
	if (!sh(TREES " && cd main && find . | LC_ALL=C sort | cpio -o -H crc --quiet --reproducible >../crc.cpio"))
		return;
	AUTO_BUF struct buf image = load("crc.cpio"), list0 = load("list0"), packed = compressed("xz", "crc.cpio");
	char *text = memmem(image.s, image.len, "mount it", 8);

	check_listing(&image, &list0, "crc");
	check_listing(&packed, &list0, "crc");
	*text = 'M';
	check_bad(&image, -EINVAL, "the checksum of the file before is wrong");
}

/* ---- what is no initrd */

static void check_bad_text(const char *text, int errno_wanted, const char *words)
{
	AUTO_BUF struct buf b = { 0 };

	buf_adds(&b, text);
	check_bad(&b, errno_wanted, words);
}

TEST(no_initrd)
{
	AUTO_BUF struct buf b = { 0 };

	buf_adds(&b, "");
	check_bad(&b, -EINVAL, "has nothing in it");
	zeros(&b, 100000);
	check_bad(&b, -EINVAL, "has nothing in it");
	check_bad_text("<html>", -EINVAL, "is no initrd but neither a cpio archive nor compressed");
	check_bad_text("0", -ENODATA, "is cut short");
	check_bad_text("\x1f", -EINVAL, "is no initrd");
	check_bad_text("\x04\x22\x4d\x18", -EINVAL, "an lz4 frame, which the kernel cannot unpack");
	for (size_t n = 0; n < 110; n++)
		buf_adds(&b, "\xfd");
	check_bad(&b, -EINVAL, "at byte 100000");
	if (!sh(TREES
	        " && cd main && find . | cpio -o -H odc --quiet >../odc; find . | cpio -o -H bin --quiet >../bin; "
	        "cd .. && PATH=$PATH:/usr/sbin mkfs.ext2 -q ext2 1M"))
		return;
	AUTO_BUF struct buf odc = load("odc"), old = load("bin"), ext2 = compressed("gzip", "ext2");
	AUTO_BUF struct buf frame = compressed("lz4 -q", "main.cpio"), binary = compressed("xz", "/bin/sh");

	check_bad(&odc, -EINVAL, "the kernel cannot unpack (it wants \"cpio -H newc\")");
	check_bad(&old, -EINVAL, "the kernel cannot unpack (it wants \"cpio -H newc\")");
	check_bad(&frame, -EINVAL, "an lz4 frame");
	check_bad(&ext2, -EINVAL, "perhaps a file system");
	check_bad(&binary, -EINVAL, "holds no cpio archive");
}

static int try_open(const struct buf *b, struct err *e)
{
	AUTO_INITRD struct initrd *rd = NULL;
	AUTO_FREE u8 *exact = malloc(b->len ? b->len : 1); /* for the address sanitizer */
	int r;

	memcpy(exact, b->s, b->len);
	r = initrd_open(input_memory(exact), b->len, "x", all_texts, &rd, e);
	CHECK(r < 0 ? e->text && e->code == EXIT_SOURCE : rd && !e->text);
	return r;
}

/* A small archive, so that all lengths can be tried. */
#define SMALL "rm -rf * && mkdir -p t/d && echo hello >t/d/f && seq 300 >t/g && (cd t && " CPIO ") >small.cpio"

TEST(cut_anywhere)
{
	if (!sh(SMALL))
		return;
	for (size_t i = 0; i < N_QUICK; i++) {
		AUTO_BUF struct buf b = compressed(compressors[i].command, "small.cpio");
		size_t whole = b.len, good = 0, bad = 0;

		for (b.len = 1; b.len < whole; b.len++) {
			AUTO_ERR struct err e = { 0 };
			int r = try_open(&b, &e);

			good += r == 0;
			bad += r == -ENODATA && strstr(e.text, "is cut short");
		}
		/* Plain, the end of each entry is a good one, and zeros after; else nothing but the end is. */
		if (strcmp(compressors[i].name, "plain") == 0)
			CHECK(good >= 4 && good < 600 && good + bad == whole - 1);
		else if (good > 0 || bad != whole - 2) /* of the first byte alone nothing can be told */
			test_fail(__FILE__, __LINE__, "%s: %zu good, %zu bad of %zu", compressors[i].name, good, bad,
			          whole);
	}
}

TEST(cut_before_it_was_compressed)
{
	if (!sh(SMALL " && head -c 300 small.cpio >cut.cpio"))
		return;
	for (size_t i = 1; i < N_QUICK; i++) {
		AUTO_BUF struct buf b = compressed(compressors[i].command, "cut.cpio");

		check_bad(&b, -ENODATA, "is cut short, though its ");
	}
}

TEST(any_byte_changed)
{
	if (!sh(SMALL))
		return;
	for (size_t i = 0; i < N_QUICK; i++) {
		AUTO_BUF struct buf b = compressed(compressors[i].command, "small.cpio");
		size_t good = 0;

		for (size_t at = 0; at < b.len; at++) {
			char was = b.s[at];
			AUTO_ERR struct err e = { 0 };

			b.s[at] = (char)(was + 1 + at % 255);
			good += try_open(&b, &e) == 0;
			b.s[at] = was;
		}
		CHECK(good < b.len);
	}
}

/* ---- bounds */

TEST(bombs)
{
	/* 300 MB of zeros. */
	if (!sh("rm -rf * && mkdir t && truncate -s 300000000 t/zeros && (cd t && " CPIO ") >bomb.cpio"))
		return;
	AUTO_BUF struct buf gz = compressed("gzip -9", "bomb.cpio"), zst = compressed("zstd -q -1", "bomb.cpio");

	CHECK(gz.len < 300000 && zst.len < 30000);
	check_bad(&gz, -EFBIG, "unpacks to more than any initrd holds");
	check_bad(&zst, -EFBIG, "unpacks to more than any initrd holds");
}

TEST(memory_for_xz_is_bounded)
{
	if (!sh(SMALL))
		return;
	AUTO_BUF struct buf b = compressed("xz --format=lzma", "small.cpio");

	put_le32((u8 *)b.s + 1, 0x40000000); /* size of the dictionary */
	check_bad(&b, -EFBIG, "needs more than 256 MiB of memory");
}

/* ---- real ones, as the distribution's own tool unpacks them */

/* unmkinitramfs does not keep times. */
static bool unpack(const char *iso, const char *path)
{
	AUTO_BUF struct buf b = { 0 };

	buf_addf(&b, "rm -rf * && xorriso -osirrox on -indev '%s' -extract '%s' x.img && unmkinitramfs x.img out && ",
	         iso, path);
	buf_adds(&b, "if [ -d out/main ]; then mv out parts; mkdir out; cp -a parts/early/. parts/main/. out; fi && "
	             "(cd out && " FIND("0") ") >list");
	return sh(b.s);
}

static void compare_texts(const struct initrd *rd)
{
	size_t n_texts = 0;

	for (const struct initrd_entry *x = NULL; (x = initrd_match(rd, "*", x));) {
		AUTO_BUF struct buf path = { 0 };

		if (!x->text)
			continue;
		buf_addf(&path, "out/%s", x->path);
		AUTO_BUF struct buf text = load(path.s);

		CHECK(text.len == x->size && memcmp(text.s ? text.s : "", x->text, x->size) == 0);
		n_texts++;
	}
	CHECK(n_texts > 30);
}

static void check_real(const char *iso, const char *path)
{
	static const char *const texts[] = { "scripts/*", "*lib/live/boot/*", "*.conf", NULL };
	AUTO_SOURCE struct source *s = NULL;
	AUTO_INITRD struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };
	const struct node *n;
	const struct initrd_entry *x;

	if (!CHECK_OK(source_open(iso, &s, &e), &e))
		return;
	n = source_find(s, path);
	if (!n || !CHECK_OK(initrd_open(node_input(n), n->size, path, texts, &rd, &e), &e))
		return;
	x = initrd_find(rd, "/lib/live/boot/9990-overlay.sh");
	CHECK(x && x->text && strstr(x->text, "persistence"));
	CHECK(initrd_find(rd, "scripts/live") && !initrd_find(rd, "scripts/casper"));
	CHECK(initrd_match(rd, "*lib/modules/*/overlay.ko*", NULL));
	if (!unpack(iso, path))
		return;
	AUTO_BUF struct buf list = load("list"), got = listing(rd, false);

	CHECK(got.len > 1000);
	CHECK_STR(got.s, list.s);
	compare_texts(rd);
}

TEST(real_initrds)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	AUTO_BUF struct buf pattern = { 0 };
	char small[4096] = "";
	FILE *p = popen("tests/iso/small.sh 2>/dev/null | tail -n 1", "r");
	glob_t g = { 0 };

	if (p && fgets(small, sizeof(small), p))
		small[strcspn(small, "\n")] = '\0';
	if (!p || pclose(p) != 0 || !*small)
		test_skip("tests/iso/small.sh makes no ISO");
	if (sandbox_run("command -v unmkinitramfs") != 0)
		test_skip("initramfs-tools-core is not installed");
	check_real(small, "/live/initrd.img");
	buf_addf(&pattern, "%s%s/livestick/debian-*.iso", cache ? cache : home ? home : "", cache ? "" : "/.cache");
	if (glob(pattern.s, 0, NULL, &g) == 0)
		check_real(g.gl_pathv[g.gl_pathc - 1], "/live/initrd.img");
	globfree(&g);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
