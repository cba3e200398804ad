/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Initrds made by cpio and the compressors, by hand, and by distributions; and what is none. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/base/buf.h"
#include "src/base/progress.h"
#include "src/source/initrd.h"
#include "src/source/source.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static const char *const all_texts[] = { "*", NULL };

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

static struct initrd *open_good(const struct buf *b, const char *const *texts)
{
	struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(initrd_open(input_memory(b->s), b->len, "x.img", texts, &rd, &e), &e);
	return rd;
}

/* Both -errno and sentence are as wanted, and the sentence begins with the name. */
static void check_bad(const struct buf *b, int errno_wanted, const char *words)
{
	AUTO_INITRD struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };
	int r = initrd_open(input_memory(b->s), b->len, "x.img", all_texts, &rd, &e);

	if (r != errno_wanted)
		test_fail(__FILE__, __LINE__, "\"%s\": %d, not %d", words, r, errno_wanted);
	CHECK(r < 0 && !rd && e.code == EXIT_SOURCE && e.text && strncmp(e.text, "x.img: ", 7) == 0);
	CHECK_FAILS(r, &e, words);
}

static void zeros(struct buf *b, size_t n)
{
	static const char some[4096];

	for (size_t piece; n; n -= piece) {
		piece = MIN(n, sizeof(some));
		buf_add(b, some, piece);
	}
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
	const char *name, *command;
} compressors[] = {
	{ "plain", "cat" },
	{ "gzip", "gzip -9n" },
	{ "bzip2", "bzip2" },
	{ "xz", "xz --check=crc32" },
	{ "xz, many blocks", "xz --block-size=65536 --check=sha256" },
	{ "lzma", "xz --format=lzma" },
	{ "lzop", "lzop -9" },
	{ "lzop, CRC", "lzop --crc32" },
	{ "lz4", "lz4 -l -9" },
	{ "zstd", "zstd -q -19 --check" },
	{ "zstd, long", "zstd -q --ultra -22 --long=27" },
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

/* ---- archives by hand */

struct odd {
	const char *name;
	u32 mode;
	const char *body;
	u32 ino; /* not 0: two names */
};

static void add_sized(struct buf *b, const struct odd *o, u32 name_size, u32 size, u32 mtime)
{
	buf_addf(b, "070701%08X%08X%08X%08X%08X%08X%08x%08X%08X%08X%08X%08X%08X", o->ino, o->mode, 0, 0, o->ino ? 2 : 1,
	         mtime, size, 8, 1, 0, 0, name_size, 0);
	buf_add(b, o->name, strlen(o->name) + 1);
	zeros(b, (4 - b->len % 4) % 4);
	if (o->body)
		buf_add(b, o->body, strlen(o->body));
	zeros(b, (4 - b->len % 4) % 4);
}

static void add(struct buf *b, const struct odd *o)
{
	add_sized(b, o, (u32)strlen(o->name) + 1, o->body ? (u32)strlen(o->body) : 0, 7);
}

#define TRAILER                                                                                                        \
	{                                                                                                              \
		"TRAILER!!!", 0, NULL, 0                                                                               \
	}

/* The paths that come out, each with what it is, in order: "d=dir a=file text b>link target". */
static void check_rules(const struct odd *o, size_t n, const char *expected)
{
	AUTO_BUF struct buf b = { 0 }, got = { 0 };

	for (size_t i = 0; i < n; i++)
		add(&b, &o[i]);
	add(&b, &(struct odd)TRAILER);
	AUTO_INITRD struct initrd *rd = open_good(&b, all_texts);

	buf_adds(&got, "");
	for (const struct initrd_entry *x = NULL; rd && (x = initrd_match(rd, "*", x));) {
		buf_addf(&got, "%s%s", got.len ? " " : "", x->path);
		if (x->target)
			buf_addf(&got, ">%s", x->target);
		else if (S_ISREG(x->mode))
			buf_addf(&got, "=%s", x->text);
		else
			buf_adds(&got, S_ISDIR(x->mode) ? "/" : "!");
	}
	CHECK_STR(got.s, expected);
}

#define RULES(expected, ...)                                                                                           \
	({                                                                                                             \
		static const struct odd o_[] = { __VA_ARGS__ };                                                        \
		check_rules(o_, ARRAY_SIZE(o_), expected);                                                             \
	})

enum { D = S_IFDIR | 0755, F = S_IFREG | 0644, L = S_IFLNK | 0777, C = S_IFCHR | 0600 };

#define DIR(name)                                                                                                      \
	{                                                                                                              \
		name, D, NULL, 0                                                                                       \
	}
#define FILE(name, body)                                                                                               \
	{                                                                                                              \
		name, F, body, 0                                                                                       \
	}
#define LINK(name, target)                                                                                             \
	{                                                                                                              \
		name, L, target, 0                                                                                     \
	}
#define HARD(name, body)                                                                                               \
	{                                                                                                              \
		name, F, body, 5                                                                                       \
	}

/* Each is what init/initramfs.c and ramfs do, read there by hand. */
TEST(rules_of_names)
{
	RULES("a/ a/b=1", DIR("a"), FILE("a/b", "1"));
	RULES("a/ a/b=1", DIR("/a"), FILE("//a/./b", "1"));
	RULES("a=1", DIR("."), DIR(".."), FILE("../../a", "1"));
	RULES("b=1", FILE("a/b", "2"), FILE("b", "1"));              /* no directory: not made */
	RULES("b=1 c/", FILE("b", "1"), FILE("b/x", "2"), DIR("c")); /* nor in a file */
	RULES("c/ d=3", DIR("c"), FILE("c/../d", "3"), FILE(".", ""), FILE("", "2"), LINK("..", "c"));
	RULES("c!", { "c", C, "", 0 }, { "x", 0, "", 0 }, { "y", S_IFMT | 0777, "", 0 });
	RULES("a\001\x9b\n=1", FILE("a\001\x9b\n", "1"));
}

TEST(rules_of_replacing)
{
	RULES("a=22", FILE("a", "1"), FILE("a", "22"));
	RULES("a=", FILE("a", "1"), FILE("a", ""));
	RULES("a/", FILE("a", "1"), DIR("a"));
	RULES("a=1", DIR("a"), FILE("a", "1"));
	RULES("a/ a/b=2", DIR("a"), FILE("a/b", "2"), FILE("a", "1"), LINK("a", "b"), { "a", C, "", 0 });
	RULES("a>c", LINK("a", "b"), LINK("a", "c"));
	RULES("a=1", LINK("a", "b"), FILE("a", "1"));
	RULES("a/", DIR("a"), LINK("a", ""), DIR("a"));
	RULES("a!", FILE("a", "1"), { "a", C, "", 0 });
	/* What was in a directory does not come back with it. */
	RULES("a/ a/b>x a/c=3", DIR("a"), DIR("a/b"), FILE("a/b", "1"), LINK("a/b", "x"), FILE("a/c", "3"));
	RULES("a/ b/", DIR("a"), DIR("b"), FILE("a", "1"), DIR("a"));
}

TEST(rules_of_symlinks)
{
	RULES("l>u u/ u/x=1", DIR("u"), LINK("l", "u"), FILE("l/x", "1"));
	RULES("l>/u/v u/ u/v/ u/x=1", DIR("u"), DIR("u/v"), LINK("l", "/u/v"), FILE("l/../x", "1"));
	/* A directory takes the place of a symlink: what was to be found through it is lost. */
	RULES("l/ l/y=2 u/ u/x=1", DIR("u"), LINK("l", "u"), FILE("l/x", "1"), DIR("l"), FILE("l/y", "2"));
	RULES("a>b b>a", LINK("a", "b"), LINK("b", "a"), FILE("a/x", "1"));
	RULES("a>a/a", LINK("a", "a/a"), FILE("a/x", "1"));
	RULES("l>nowhere", LINK("l", "nowhere"), FILE("l/x", "1"), LINK("m", ""));
	RULES("u/ u/l>../../.. u/v=1", DIR("u"), LINK("u/l", "../../.."), FILE("u/l/u/v", "1"));
}

TEST(rules_of_hard_links)
{
	RULES("a=1 b=1", HARD("a", ""), HARD("b", "1"));
	RULES("a=1 b=1", HARD("a", "1"), HARD("b", ""));
	RULES("a=3 b=3", HARD("a", "1"), HARD("b", ""), FILE("a", "3")); /* written into the file of both */
	RULES("a=1 b=2", HARD("a", "1"), TRAILER, HARD("b", "2"));
	RULES("a=1 b=2", HARD("a", "1"), { "b", F, "2", 6 });
	RULES("b=2", HARD("b", "1"), HARD("b", "9"), FILE("b", "2")); /* the second cannot be linked to itself */
	RULES("a/ b/", HARD("a", "1"), DIR("a"), DIR("b"), HARD("c", "2"));
	RULES("a! b!", { "a", C, "", 5 }, { "b", C, "", 5 });
	RULES("a/ b=1", HARD("a", "1"), HARD("b", ""), DIR("a"));
}

TEST(odd_names_are_passed_over)
{
	AUTO_BUF struct buf b = { 0 }, name = { 0 }, path = { 0 }, no_end = { 0 };

	add_sized(&no_end, &(struct odd)FILE("abcdefg", "1234"), 7, 4, 0);
	check_bad(&no_end, -EINVAL, "the name before has no end");
	add_sized(&b, &(struct odd){ "", F, "12", 0 }, 0, 4, 0);
	for (int i = 0; i < 256; i++)
		buf_adds(&name, "n");
	add(&b, &(struct odd){ name.s, F, "x", 0 });
	name.s[255] = '\0';
	add(&b, &(struct odd){ name.s, D, NULL, 0 });
	for (int i = 0; i < 16; i++)
		buf_addf(&path, "%s/", name.s);
	buf_adds(&path, "x");
	add(&b, &(struct odd){ path.s, F, "x", 0 });
	add(&b, &(struct odd){ "last", L, path.s, 0 });
	add(&b, &(struct odd)TRAILER);
	AUTO_INITRD struct initrd *rd = open_good(&b, all_texts);
	const struct initrd_entry *x = rd ? initrd_match(rd, "*", NULL) : NULL;

	CHECK_STR(x ? x->path : NULL, name.s);
	CHECK(x && !initrd_match(rd, "*", x));
	CHECK(rd && !initrd_find(rd, path.s) && !initrd_find(rd, "last/x"));
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

TEST(numbers_beyond_the_file)
{
	AUTO_BUF struct buf b = { 0 }, c = { 0 };

	add_sized(&b, &(struct odd){ "a", F, "1", 0 }, 2, 0xffffffff, 0);
	check_bad(&b, -ENODATA, "is cut short");
	add_sized(&c, &(struct odd){ "a", F, "1", 0 }, 0xffffffff, 0xffffffff, 0);
	check_bad(&c, -ENODATA, "is cut short");
	c.s[10] = 'g';
	check_bad(&c, -EINVAL, "should be the header of an entry");
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

TEST(number_of_entries_is_bounded)
{
	AUTO_BUF struct buf b = { 0 };
	char name[16];

	for (unsigned i = 0; i <= 200000; i++) {
		snprintf(name, sizeof(name), "%u", i);
		add(&b, &(struct odd){ name, F, NULL, 0 });
		if (i == 199999) {
			AUTO_INITRD struct initrd *rd = open_good(&b, NULL);
			CHECK(rd && initrd_find(rd, "199999"));
		}
	}
	check_bad(&b, -EFBIG, "has more entries than any initrd has");
}

TEST(size_of_names_is_bounded)
{
	AUTO_BUF struct buf b = { 0 };
	static char target[4096];
	char name[16];

	memset(target, 't', 4095);
	for (unsigned i = 0; i < 17000; i++) {
		snprintf(name, sizeof(name), "%u", i);
		add(&b, &(struct odd){ name, L, target, 0 });
	}
	check_bad(&b, -EFBIG, "has more names than any initrd has");
}

/* Links to links with long ways between: each entry costs the reader a thousand times its length. */
TEST(work_is_bounded)
{
	AUTO_BUF struct buf b = { 0 }, dots = { 0 };
	char name[16];

	for (int i = 0; i < 2000; i++)
		buf_adds(&dots, "./");
	for (unsigned i = 0; i < 39; i++) {
		AUTO_BUF struct buf target = { 0 };

		buf_addf(&target, "%sl%u", dots.s, i + 1);
		snprintf(name, sizeof(name), "l%u", i);
		add(&b, &(struct odd){ name, L, target.s, 0 });
	}
	add(&b, &(struct odd){ "l39", D, NULL, 0 });
	for (unsigned i = 0; i < 200000; i++)
		add(&b, &(struct odd){ "l0/x", F, NULL, 0 });
	check_bad(&b, -EFBIG, "has more symlinks and directories than any initrd has");
}

TEST(texts_are_bounded)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *body = xcalloc(1, MIB + 2);
	size_t n_texts = 0;
	char name[16];

	memset(body, 'x', MIB + 1);
	add(&b, &(struct odd){ "larger", F, body, 0 });
	body[MIB] = '\0';
	for (unsigned i = 0; i < 70; i++) {
		snprintf(name, sizeof(name), "%u", i % 66);
		add(&b, &(struct odd){ name, F, body, 0 });
	}
	AUTO_INITRD struct initrd *rd = open_good(&b, all_texts);

	for (const struct initrd_entry *x = NULL; rd && (x = initrd_match(rd, "*", x));)
		n_texts += x->text && strlen(x->text) == MIB;
	CHECK_U64(n_texts, 64);
	CHECK(rd && !initrd_find(rd, "larger")->text);
}

/* ---- the input */

struct counted {
	const struct buf *b;
	u64 bytes, fail_at;
};

static int counted_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct counted *c = ctx;

	if (off > c->b->len || len > c->b->len - off || off + len > c->fail_at)
		return fail_source(e, -EIO, "cannot be read at byte %llu", (unsigned long long)off);
	memcpy(buf, c->b->s + off, len);
	c->bytes += len;
	return 0;
}

TEST(reads_once_and_only_what_it_needs)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *body = xcalloc(1, 10 * MIB + 1);
	AUTO_INITRD struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };
	struct counted c = { &b, 0, UINT64_MAX };
	struct input in = { .read = counted_read, .ctx = &c };

	memset(body, 'x', 10 * MIB);
	add(&b, &(struct odd){ "large", F, body, 0 });
	add(&b, &(struct odd){ "small", F, "1", 0 });
	CHECK_OK(initrd_open(in, b.len, "x.img", all_texts, &rd, &e), &e);
	CHECK(rd && initrd_find(rd, "small") && c.bytes <= MIB);
	initrd_free(TAKE(rd));
	c.fail_at = MIB;
	CHECK_U64(-initrd_open(in, b.len, "x.img", all_texts, &rd, &e), EIO);
	CHECK_STR(e.text, "x.img: cannot be read at byte 10485876");
	err_clear(&e);

	interrupted = 1;
	CHECK_U64(-initrd_open(in, b.len, "x.img", all_texts, &rd, &e), EINTR);
	interrupted = 0;
	CHECK(!rd && e.code == EXIT_OK);
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
