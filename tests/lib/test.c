/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

static struct test *tests;
static bool failed;
static jmp_buf skip_to;
static const char *skip_why;

void test_register(struct test *t)
{
	struct test **end = &tests;

	while (*end)
		end = &(*end)->next;
	*end = t;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	failed = true;
	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void test_skip(const char *why)
{
	skip_why = why;
	longjmp(skip_to, 1);
}

static bool wanted(const struct test *t, int argc, char **argv)
{
	if (argc < 2)
		return true;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], t->name) == 0)
			return true;
	return false;
}

/* In a function of its own: what setjmp() comes back to must not rely on the caller's variables. */
static void run(struct test *t)
{
	failed = false;
	skip_why = NULL;
	if (setjmp(skip_to) == 0)
		t->fn();
	if (skip_why)
		printf("skip %s: %s\n", t->name, skip_why);
	else
		printf("%s %s\n", failed ? "not ok" : "ok", t->name);
}

int test_main(int argc, char **argv)
{
	bool any_failed = false;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct test *t = tests; t; t = t->next) {
		if (!wanted(t, argc, argv))
			continue;
		run(t);
		any_failed = any_failed || failed;
	}
	return any_failed;
}
