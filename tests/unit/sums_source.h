/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For the tests of checksums: sources that are made by a shell, read and checked. */
#ifndef LIVESTICK_TESTS_SUMS_SOURCE_H
#define LIVESTICK_TESTS_SUMS_SOURCE_H

#include <fcntl.h>

#include "src/source/sums.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

/* A source and what it says of itself. */
struct medium {
	struct source *s;
	struct sums *sums;
};

/* Runs a shell command in the sandbox. */
static inline bool sh(const char *command)
{
	AUTO_FREE char *dir = sandbox_path("");

	if (sandbox_run("cd '%s' && %s", dir, command) == 0)
		return true;
	test_fail(__FILE__, __LINE__, "%s: %s", command, sandbox_said());
	return false;
}

static inline void medium_close(struct medium *m)
{
	sums_free(m->sums);
	source_free(m->s);
	*m = (struct medium){ 0 };
}

#define AUTO_MEDIUM CLEANUP(medium_close)

/* `name` in the sandbox. */
static inline struct medium medium_open(const char *name)
{
	AUTO_FREE char *path = sandbox_path(name);
	AUTO_ERR struct err e = { 0 };
	struct medium m = { 0 };

	if (CHECK_OK(source_open(path, &m.s, &e), &e))
		CHECK_OK(sums_read(m.s, &m.sums, &e), &e);
	return m;
}

static inline void check_good(struct medium *m)
{
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(sums_check(m->sums, NULL, NULL, NULL, &e), &e);
}

/* The whole check fails, and its sentence is that of the source's name and `words`. */
static inline void check_bad(struct medium *m, const char *words)
{
	AUTO_ERR struct err e = { 0 };
	int r = sums_check(m->sums, NULL, NULL, NULL, &e);
	size_t len = strlen(m->s->path);

	CHECK(r == -EBADMSG && e.code == EXIT_SOURCE);
	if (r == 0 || strncmp(e.text, m->s->path, len) != 0 || strncmp(e.text + len, ": ", 2) != 0)
		test_fail(__FILE__, __LINE__, "%d: %s", r, r ? e.text : "good");
	else
		CHECK_STR(e.text + len + 2, words);
}

/* The strongest that is said of a file. */
static inline const struct sum *sum_of(const struct medium *m, const char *path)
{
	const struct node *n = source_find(m->s, path);

	CHECK(n != NULL);
	return n ? sums_for(m->sums, n) : NULL;
}

static inline void check_sum(const struct medium *m, const char *path, enum digest_kind kind, const char *list)
{
	const struct sum *sum = sum_of(m, path);
	AUTO_FREE char *by = sum ? node_path(sum->list) : NULL;

	if (!sum || sum->kind != kind || strcmp(by, list) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s by %s", path, sum ? digest_name(sum->kind) : "nothing",
		          by ? by : "");
}

/* All warnings, a line each. */
static inline void check_warnings(const struct medium *m, const char *want)
{
	AUTO_BUF struct buf is = { 0 };

	buf_adds(&is, "");
	for (size_t i = 0; i < m->sums->n_warnings; i++)
		buf_addf(&is, "%s\n", m->sums->warnings[i]);
	CHECK_STR(is.s, want);
}

/* Changes one bit of a file in the sandbox. */
static inline void flip(const char *name, u64 off)
{
	AUTO_FREE char *path = sandbox_path(name);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
	u8 byte = 0;

	CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)off) == 1);
	byte ^= 0x10;
	CHECK(pwrite(fd, &byte, 1, (off_t)off) == 1);
}

#endif
