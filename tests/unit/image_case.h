/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of system images share. */
#ifndef LIVESTICK_TESTS_IMAGE_CASE_H
#define LIVESTICK_TESTS_IMAGE_CASE_H

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "persist/image.h"
#include "src/base/buf.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

/* Runs a shell command in the sandbox. */
static inline bool sh(const char *command)
{
	AUTO_FREE char *dir = sandbox_path("");

	if (sandbox_run("cd '%s' && PATH=$PATH:/sbin:/usr/sbin && %s", dir, command) == 0)
		return true;
	test_fail(__FILE__, __LINE__, "%s: %s", command, sandbox_said());
	return false;
}

static inline bool has_program(const char *name)
{
	return sandbox_run("PATH=$PATH:/sbin:/usr/sbin command -v %s", name) == 0;
}

/* A file of the sandbox, or from elsewhere. */
static inline struct buf load(const char *name)
{
	AUTO_FREE char *path = name[0] == '/' ? xstrdup(name) : sandbox_path(name);
	FILE *f = fopen(path, "re");
	struct buf b = { 0 };
	char piece[65536];

	if (!f)
		test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	for (size_t n; f && (n = fread(piece, 1, sizeof(piece), f)) > 0;)
		buf_add(&b, piece, n);
	if (f)
		fclose(f);
	return b;
}

/* The image in a file of the sandbox; its bytes stay in `b`. */
static inline struct image *open_good(const char *name, struct buf *b)
{
	struct image *im = NULL;
	AUTO_ERR struct err e = { 0 };

	*b = load(name);
	CHECK_OK(image_open(input_memory(b->s), b->len, name, &im, &e), &e);
	return im;
}

/* A line for each thing, sorted; see FIND. */
struct lines {
	char **line;
	size_t n, cap;
	const struct image_stack *s;
};

static inline int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline struct buf join_lines(struct lines *l)
{
	struct buf b = { 0 };

	buf_adds(&b, "");
	if (l->n)
		qsort(l->line, l->n, sizeof(*l->line), by_line);
	for (size_t i = 0; i < l->n; i++) {
		buf_adds(&b, l->line[i]);
		free(l->line[i]);
	}
	free(l->line);
	return b;
}

#endif
