/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/source/same.h"

#include <errno.h>

#include "src/base/progress.h"
#include "src/base/sha256.h"

/* By so much most files of one size differ already. */
#define HEAD (16 * KIB)

struct candidate {
	const struct node *node;
	size_t order;           /* of source_each() */
	struct candidate *same; /* an earlier one; NULL */
	u8 digest[SHA256_SIZE]; /* of the head */
};

struct search {
	struct candidate *file;
	size_t n, cap;
	u8 *mem[2]; /* of MIB each */
};

static int add_candidate(void *ctx, const struct node *n)
{
	struct search *s = ctx;

	if (n->type == NODE_FILE && n->size >= SAME_MIN)
		*ARRAY_ADD(s->file, s->n, s->cap) = (struct candidate){ .node = n };
	return 0;
}

static int compare_numbers(u64 a, u64 b)
{
	return (a > b) - (a < b);
}

static int compare_places(const struct node *a, const struct node *b)
{
	int diff = compare_numbers(a->n_extents, b->n_extents);

	for (size_t i = 0; i < a->n_extents && !diff; i++) {
		diff = compare_numbers(a->extents[i].off, b->extents[i].off);
		diff = diff ? diff : compare_numbers(a->extents[i].len, b->extents[i].len);
	}
	return diff;
}

static int by_size_and_place(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int diff = compare_numbers(x->node->size, y->node->size);

	diff = diff ? diff : compare_places(x->node, y->node);
	return diff ? diff : compare_numbers(x->order, y->order);
}

/* Without an extent nothing is known of where it lies. */
static bool is_same_place(const struct node *a, const struct node *b)
{
	return a->size == b->size && a->n_extents > 0 && compare_places(a, b) == 0;
}

/* ---- by their bytes */

static int by_digest(const void *a, const void *b)
{
	const struct candidate *x = *(struct candidate *const *)a, *y = *(struct candidate *const *)b;
	int diff = memcmp(x->digest, y->digest, SHA256_SIZE);

	return diff ? diff : compare_numbers(x->order, y->order);
}

static bool read_bytes(const struct node *n, u64 off, u8 *buf, size_t len)
{
	const struct input in = node_input(n);
	AUTO_ERR struct err why = { 0 };

	return input_read(&in, off, buf, len, &why) == 0;
}

static bool has_same_bytes(const struct search *s, const struct node *a, const struct node *b)
{
	for (u64 off = 0; off < a->size; off += MIB) {
		size_t len = (size_t)MIN(MIB, a->size - off);

		if (interrupted || !read_bytes(a, off, s->mem[0], len) || !read_bytes(b, off, s->mem[1], len) ||
		    memcmp(s->mem[0], s->mem[1], len) != 0)
			return false;
	}
	return true;
}

/*
 * Of one size. Each is compared with one other only, the last that was another one: so no source, however it is made,
 * is read more than twice.
 */
static void compare_group(struct search *s, struct candidate **c, size_t n)
{
	size_t n_read = 0;

	for (size_t i = 0; i < n && !interrupted; i++) {
		if (!read_bytes(c[i]->node, 0, s->mem[0], HEAD))
			continue;
		sha256_of(s->mem[0], HEAD, c[i]->digest);
		c[n_read++] = c[i];
	}
	if (n_read)
		qsort(c, n_read, sizeof(struct candidate *), by_digest);
	for (size_t i = 1, first = 0; i < n_read && !interrupted; i++) {
		if (memcmp(c[i]->digest, c[first]->digest, SHA256_SIZE) == 0 &&
		    has_same_bytes(s, c[i]->node, c[first]->node))
			c[i]->same = c[first];
		else
			first = i;
	}
}

/* ---- all */

/* The first of each place, by size. */
static struct candidate **group_by_place(struct search *s, size_t *ret_n)
{
	struct candidate **group = xcalloc(s->n, sizeof(struct candidate *));
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (n && is_same_place(group[n - 1]->node, s->file[i].node))
			s->file[i].same = group[n - 1];
		else
			group[n++] = &s->file[i];
	}
	*ret_n = n;
	return group;
}

static void search(struct search *s)
{
	size_t n_groups, end;
	AUTO_FREE struct candidate **group = NULL;

	for (size_t i = 0; i < s->n; i++)
		s->file[i].order = i;
	if (s->n)
		qsort(s->file, s->n, sizeof(*s->file), by_size_and_place);
	group = group_by_place(s, &n_groups);
	for (size_t i = 0; i < n_groups; i = end) {
		for (end = i + 1; end < n_groups && group[end]->node->size == group[i]->node->size; end++)
			;
		if (end - i > 1)
			compare_group(s, group + i, end - i);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct node *x = ((const struct same_file *)a)->node, *y = ((const struct same_file *)b)->node;

	return compare_numbers((uintptr_t)x, (uintptr_t)y);
}

int same_find(const struct source *from, struct same_files *ret, struct err *e)
{
	AUTO_FREE u8 *mem = xcalloc(2, MIB);
	struct search s = { .mem = { mem, mem + MIB } };
	struct same_files found = { 0 };

	source_each(from, add_candidate, &s);
	search(&s);
	for (size_t i = 0; i < s.n; i++) {
		const struct candidate *first = &s.file[i];

		while (first->same)
			first = first->same;
		if (first != &s.file[i])
			*ARRAY_ADD(found.file, found.n, found.cap) = (struct same_file){ s.file[i].node, first->node };
	}
	free(s.file);
	if (found.n)
		qsort(found.file, found.n, sizeof(*found.file), by_address);
	if (interrupted) {
		same_free(&found);
		return fail(e, -EINTR, "interrupted");
	}
	*ret = found;
	return 0;
}

const struct node *same_first(const struct same_files *f, const struct node *n)
{
	const struct same_file key = { .node = n },
	                       *found = f->n ? bsearch(&key, f->file, f->n, sizeof(key), by_address) : NULL;

	return found ? found->first : n;
}

void same_free(struct same_files *f)
{
	free(f->file);
	*f = (struct same_files){ 0 };
}
