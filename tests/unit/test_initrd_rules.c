/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Archives made by hand: the kernel's rules for entries, and the reader's bounds. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/base/progress.h"
#include "tests/unit/initrd_image.h"

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
	RULES("u/ u/l>/v v/ v/x=1", DIR("u"), DIR("v"), LINK("u/l", "/v"), FILE("u/l/x", "1"));
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

/* ---- bounds */

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
	AUTO_FREE char *body = xcalloc(1, INITRD_TEXT_MAX + 2);
	size_t n_texts = 0;
	char name[16];

	memset(body, 'x', INITRD_TEXT_MAX + 1);
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
	AUTO_FREE char *body = xcalloc(1, 20 * MIB + 1);
	AUTO_INITRD struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };
	struct counted c = { &b, 0, UINT64_MAX };
	struct input in = { .read = counted_read, .ctx = &c };

	memset(body, 'x', 20 * MIB);
	add(&b, &(struct odd){ "large", F, body, 0 });
	add(&b, &(struct odd){ "small", F, "1", 0 });
	CHECK_OK(initrd_open(in, b.len, "x.img", all_texts, &rd, &e), &e);
	CHECK(rd && initrd_find(rd, "small") && c.bytes <= MIB);
	initrd_free(TAKE(rd));
	c.fail_at = MIB;
	CHECK_U64(-initrd_open(in, b.len, "x.img", all_texts, &rd, &e), EIO);
	CHECK_STR(e.text, "x.img: cannot be read at byte 20971636");
	err_clear(&e);

	interrupted = 1;
	CHECK_U64(-initrd_open(in, b.len, "x.img", all_texts, &rd, &e), EINTR);
	interrupted = 0;
	CHECK(!rd && e.code == EXIT_OK);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
