/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of a source with the same bytes: what is found of them, and how much is read for it. */
#include "src/source/same.h"

#include <errno.h>

#include "src/base/buf.h"
#include "src/base/progress.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define HEAD (16 * KIB)
#define SIZE (3 * MIB + 5)

/* ---- a source that counts what is read of it */

/* All bytes are `fill`, but the last one. */
struct row {
	const char *path;
	u64 size, place;
	char fill, last;
};

struct counted {
	const struct row *row;
	size_t n;
	u64 bytes;
};

static int each(void *ctx, int (*add)(void *source, const struct source_listed *entry, struct err *e), void *source,
                struct err *e)
{
	struct counted *c = ctx;
	int r = 0;

	for (size_t i = 0; i < c->n && r == 0; i++) {
		const struct source_listed entry = {
			.path = c->row[i].path, .type = NODE_FILE, .size = c->row[i].size, .place = c->row[i].place
		};

		r = add(source, &entry, e);
	}
	return r;
}

static int read_row(void *ctx, u64 place, u64 size, u64 off, void *buf, size_t len, struct err *e)
{
	struct counted *c = ctx;
	size_t i = 0;

	while (c->row[i].place != place)
		i++;
	c->bytes += len;
	if (!c->row[i].fill)
		return fail_source(e, -EIO, "Input/output error");
	memset(buf, c->row[i].fill, len);
	if (off + len == size)
		((char *)buf)[len - 1] = c->row[i].last;
	return 0;
}

static int never_changed(void *ctx, struct err *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

static void leave(void *ctx)
{
	(void)ctx;
}

/* "b=a d=c": each file that is the same as an earlier one. */
static char *found_in(const struct source *s)
{
	AUTO_ERR struct err e = { 0 };
	struct same_files f = { 0 };
	struct buf words = { 0 };

	buf_adds(&words, "");
	CHECK_OK(same_find(s, &f, &e), &e);
	for (size_t i = 0; i < s->root->n_children; i++) {
		const struct node *n = s->root->children[i], *first = same_first(&f, n);

		if (first != n)
			buf_addf(&words, "%s%s=%s", words.len ? " " : "", n->name, first->name);
	}
	same_free(&f);
	return words.s;
}

static void check_rows(const struct row *row, size_t n, const char *want, u64 bytes, int line)
{
	struct counted c = { .row = row, .n = n };
	const struct source_lister lister = {
		.ctx = &c, .each = each, .read = read_row, .changed = never_changed, .free = leave
	};
	AUTO_ERR struct err e = { 0 };
	AUTO_SOURCE struct source *s = NULL;
	AUTO_FREE char *words = NULL;

	if (!CHECK_OK(source_open_listed("stick", "ext", "LABEL", lister, &s, &e), &e))
		return;
	words = found_in(s);
	if (strcmp(words, want) != 0 || c.bytes != bytes)
		test_fail(__FILE__, line, "\"%s\", %llu bytes read; wanted: \"%s\", %llu", words,
		          (unsigned long long)c.bytes, want, (unsigned long long)bytes);
}

#define CHECK_ROWS(rows, want, bytes) check_rows(rows, ARRAY_SIZE(rows), want, bytes, __LINE__)

TEST(what_lies_in_one_place_is_not_read)
{
	static const struct row rows[] = {
		{ "/a", SIZE, 7, 'x', 'y' },
		{ "/b", SAME_MIN, 8, 'x', 'y' },
		{ "/c", SIZE, 7, 'x', 'y' },
		{ "/d", SIZE, 7, 'x', 'y' },
		{ "/small", SAME_MIN - 1, 9, 'x', 'y' },
		{ "/small-2", SAME_MIN - 1, 9, 'x', 'y' },
	};

	CHECK_ROWS(rows, "c=a d=a", 0);
}

TEST(bytes_of_equal_sizes_are_compared)
{
	static const struct row same[] = { { "/a", SIZE, 1, 'x', 'y' },
		                           { "/b", SIZE, 2, 'x', 'y' },
		                           { "/c", SIZE + 1, 3, 'x', 'y' } };
	static const struct row head[] = { { "/a", SIZE, 1, 'x', 'z' }, { "/b", SIZE, 2, 'y', 'z' } };
	static const struct row tail[] = { { "/a", SIZE, 1, 'x', 'y' }, { "/b", SIZE, 2, 'x', 'z' } };
	static const struct row bad[] = { { "/a", SIZE, 1, 'x', 'y' },
		                          { "/b", SIZE, 2, 0, 0 },
		                          { "/c", SIZE, 3, 'x', 'y' } };
	static const struct row both[] = {
		{ "/a", SIZE, 1, 'x', 'y' }, { "/b", SIZE, 2, 'z', 'y' }, { "/c", SIZE, 3, 'x', 'y' },
		{ "/d", SIZE, 2, 'z', 'y' }, { "/e", SIZE, 3, 'x', 'y' }, { "/f", SIZE, 5, 'z', 'y' },
	};

	CHECK_ROWS(same, "b=a", 2 * HEAD + 2 * SIZE);
	CHECK_ROWS(head, "", 2 * HEAD);
	CHECK_ROWS(tail, "", 2 * HEAD + 2 * SIZE);
	CHECK_ROWS(bad, "c=a", 3 * HEAD + 2 * SIZE);
	CHECK_ROWS(both, "c=a d=b e=a f=b", 4 * HEAD + 4 * SIZE);
}

/* However many have one size and one beginning, nothing is read more than twice. */
TEST(a_source_of_many_alike)
{
	enum { N = 60 };
	struct row row[N];
	char name[N][8];

	for (unsigned i = 0; i < N; i++) {
		snprintf(name[i], sizeof(name[i]), "/%02u", i);
		row[i] = (struct row){ name[i], SAME_MIN, i + 1, 'x', (char)('0' + i) };
	}
	check_rows(row, N, "", N * HEAD + 2 * (N - 1) * SAME_MIN, __LINE__);
}

/* ---- sources of both kinds */

static void check_opened(const char *name, const char *want, bool same_place)
{
	AUTO_FREE char *path = sandbox_path(name), *words = NULL;
	AUTO_ERR struct err e = { 0 };
	AUTO_SOURCE struct source *s = NULL;
	const struct node *a, *b;

	if (!CHECK_OK(source_open(path, &s, &e), &e))
		return;
	words = found_in(s);
	CHECK_STR(words, want);
	a = source_find(s, "/a");
	b = source_find(s, "/b");
	CHECK(a && b && a->n_extents == b->n_extents);
	CHECK((a->n_extents == 1 && a->extents[0].off == b->extents[0].off) == same_place);
	CHECK_OK(source_changed(s, &e), &e);
}

TEST(hard_links_and_copies)
{
	AUTO_FREE char *dir = sandbox_path("");

	CHECK_U64(sandbox_run("cd '%s' && mkdir -p linked copied && head -c 200000 /dev/urandom >linked/a && "
	                      "ln linked/a linked/b && cp linked/a copied/a && cp linked/a copied/b && "
	                      "xorriso -as mkisofs -quiet -R --hardlinks -o linked.iso linked && "
	                      "xorriso -as mkisofs -quiet -R -o copied.iso copied",
	                      dir),
	          0);
	check_opened("linked", "b=a", true);
	check_opened("copied", "b=a", false);
	check_opened("linked.iso", "b=a", true);
	check_opened("copied.iso", "b=a", false);
}

/* A name that leads to another file now would be written with the bytes of the first. */
TEST(a_name_that_leads_elsewhere_is_a_change)
{
	AUTO_FREE char *dir = sandbox_path("moved"), *words = NULL;
	AUTO_ERR struct err e = { 0 };
	AUTO_SOURCE struct source *s = NULL;
	u8 byte;

	CHECK_U64(sandbox_run("mkdir '%1$s' && cd '%1$s' && head -c 200000 /dev/zero >a && ln a b", dir), 0);
	if (!CHECK_OK(source_open(dir, &s, &e), &e))
		return;
	words = found_in(s);
	CHECK_STR(words, "b=a");
	CHECK_U64(sandbox_run("cd '%s' && tr '\\0' x <a >c && touch -r a c && mv c b", dir), 0);
	CHECK_FAILS(source_changed(s, &e), &e, "was changed while it was in use");
	{
		const struct input in = node_input(source_find(s, "/b"));

		CHECK_FAILS(input_read(&in, 0, &byte, 1, &e), &e, "was changed while it was in use");
	}
}

TEST(an_interrupt_ends_it)
{
	AUTO_FREE char *dir = sandbox_path("interrupted");
	AUTO_ERR struct err e = { 0 };
	AUTO_SOURCE struct source *s = NULL;
	struct same_files f = { 0 };

	CHECK_U64(sandbox_run("mkdir '%1$s' && cd '%1$s' && head -c 200000 /dev/zero >a && cp a b", dir), 0);
	if (!CHECK_OK(source_open(dir, &s, &e), &e))
		return;
	interrupted = 1;
	CHECK_U64(same_find(s, &f, &e), -EINTR);
	interrupted = 0;
	CHECK_U64(f.n, 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
