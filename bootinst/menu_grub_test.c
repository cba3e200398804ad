/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `[` and `test`, with the meaning of grub-core/commands/test.c in GRUB 2.06: words are joined by and, -o begins a new
 * alternative, -a says nothing, and nothing at all is true.
 */
#include "bootinst/menu_grub.h"

#include <errno.h>

#define MAX_PARENTHESES 16

struct test {
	struct grub *g;
	char *const *w;
	size_t n, pos;
	unsigned depth;
};

enum file_kind { FILE_NONE, FILE_EMPTY, FILE_FULL, FILE_DIRECTORY };

/* A file that cannot be loaded as a menu, for its size, is there. */
static int look_at(struct grub *g, const char *name, enum file_kind *ret, struct err *e)
{
	AUTO_FREE char *path = NULL, *text = NULL;
	int r = grub_load(g, name, &path, &text, e);

	if (r == -E2BIG)
		return r;
	*ret = r == -ENOENT || r == -EINVAL ? FILE_NONE
	       : r == -EISDIR               ? FILE_DIRECTORY
	       : r == 0 && !*text           ? FILE_EMPTY
	                                    : FILE_FULL;
	err_clear(e);
	return 0;
}

static int test_file(struct grub *g, char op, const char *name, bool *ret, struct err *e)
{
	enum file_kind kind;
	int r = look_at(g, name, &kind, e);

	if (r < 0)
		return r;
	*ret = op == 'e'   ? kind != FILE_NONE
	       : op == 'd' ? kind == FILE_DIRECTORY
	       : op == 's' ? kind == FILE_FULL
	                   : kind == FILE_EMPTY || kind == FILE_FULL;
	return 0;
}

/* Numbers as in the names of kernels: what is the same in front does not count, except for digits. */
static int compare_versions(const char *a, const char *b)
{
	size_t i = 0;
	unsigned long x, y;

	while (a[i] && a[i] == b[i])
		i++;
	while (i && a[i - 1] >= '0' && a[i - 1] <= '9')
		i--;
	x = strtoul(a + i, NULL, 10);
	y = strtoul(b + i, NULL, 10);
	return x < y ? -1 : x > y;
}

/* A op B. Returns false if there is no such operator. */
static bool compare(const char *a, const char *op, const char *b, bool *ret)
{
	enum { TEXT, NUMBER, VERSION };
	enum { LT = 1, EQ = 2, GT = 4 };
	static const struct {
		const char *op;
		int what;
		unsigned want;
	} row[] = {
		{ "=", TEXT, EQ },          { "==", TEXT, EQ },      { "!=", TEXT, LT | GT },    { "<", TEXT, LT },
		{ "<=", TEXT, LT | EQ },    { ">", TEXT, GT },       { ">=", TEXT, GT | EQ },    { "-eq", NUMBER, EQ },
		{ "-ne", NUMBER, LT | GT }, { "-lt", NUMBER, LT },   { "-le", NUMBER, LT | EQ }, { "-gt", NUMBER, GT },
		{ "-ge", NUMBER, GT | EQ }, { "-plt", VERSION, LT }, { "-pgt", VERSION, GT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		long long x = 0, y = 0;
		int order;

		if (strcmp(row[i].op, op) != 0)
			continue;
		if (row[i].what == NUMBER) {
			x = strtoll(a, NULL, 0);
			y = strtoll(b, NULL, 0);
		}
		order = row[i].what == TEXT      ? strcmp(a, b)
		        : row[i].what == VERSION ? compare_versions(a, b)
		        : x < y                  ? -1
		                                 : x > y;
		*ret = row[i].want & (order < 0 ? LT : order > 0 ? GT : EQ);
		return true;
	}
	return false;
}

/* One condition that is no modifier. Returns how many words it took, 0 for none, or -errno. */
static int simple(struct test *t, bool *ret, struct err *e)
{
	char *const *w = t->w + t->pos;
	size_t left = t->n - t->pos;
	int r;

	if (left >= 3 && compare(w[0], w[1], w[2], ret))
		return 3;
	if (left < 2 || w[0][0] != '-' || !w[0][1] || w[0][2])
		return 0;
	if (w[0][1] == 'n' || w[0][1] == 'z') {
		*ret = (w[0][1] == 'n') == (*w[1] != '\0');
		return 2;
	}
	if (!strchr("defs", w[0][1]))
		return 0;
	r = test_file(t->g, w[0][1], w[1], ret, e);
	return r < 0 ? r : 2;
}

static int parse(struct test *t, bool *ret, struct err *e)
{
	bool all = true, any = false, invert = false, value = false;

	if (t->depth++ >= MAX_PARENTHESES)
		return fail_source(e, -ELOOP, "parentheses more than %d deep", MAX_PARENTHESES);
	while (t->pos < t->n) {
		int r = simple(t, &value, e);
		const char *w = t->w[t->pos];

		if (r < 0)
			return r;
		t->pos += r ? (size_t)r : 1;
		if (!r && strcmp(w, ")") == 0)
			break;
		if (!r && strcmp(w, "!") == 0) {
			invert = !invert;
			continue;
		}
		if (!r && strcmp(w, "-o") == 0) {
			any |= all;
			all = true;
		}
		if (!r && (strcmp(w, "-o") == 0 || strcmp(w, "-a") == 0))
			continue;
		if (!r && strcmp(w, "(") == 0)
			r = parse(t, &value, e);
		else if (!r)
			value = *w;
		if (r < 0)
			return r;
		all = all && value != invert;
		invert = false;
	}
	t->depth--;
	*ret = any || all;
	return 0;
}

int grub_test(struct grub *g, char *const *w, size_t n, bool *ret, struct err *e)
{
	struct test t = { .g = g, .w = w, .n = n };

	return parse(&t, ret, e);
}
