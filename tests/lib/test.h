/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A unit test is a program of TEST()s. It prints "ok NAME" or "not ok NAME" a test, which tests/run counts.
 *
 *	TEST(cluster_size_grows_with_the_volume)
 *	{
 *		CHECK_U64(fat32_cluster_size(f), 8192);
 *	}
 *	int main(int argc, char **argv) { return test_main(argc, argv); }     arguments: names of the tests to run
 */
#ifndef LIVESTICK_TEST_H
#define LIVESTICK_TEST_H

#include "src/base/err.h"

struct test {
	const char *name;
	void (*fn)(void);
	struct test *next;
};

void test_register(struct test *t);
int test_main(int argc, char **argv);

/* Says what went wrong; the test goes on and counts as failed. */
void test_fail(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Leaves the running test as skipped. */
void test_skip(const char *why);

#define TEST(name)                                                                                                     \
	static void test_##name(void);                                                                                 \
	__attribute__((constructor)) static void test_register_##name(void)                                            \
	{                                                                                                              \
		static struct test t = { #name, test_##name, NULL };                                                   \
		test_register(&t);                                                                                     \
	}                                                                                                              \
	static void test_##name(void)

#define CHECK(cond) ((cond) ? (void)0 : test_fail(__FILE__, __LINE__, "not true: %s", #cond))
#define CHECK_U64(a, b)                                                                                                \
	({                                                                                                             \
		u64 a_ = (u64)(a), b_ = (u64)(b);                                                                      \
		if (a_ != b_)                                                                                          \
			test_fail(__FILE__, __LINE__, "%s is %llu, not %llu", #a, (unsigned long long)a_,              \
			          (unsigned long long)b_);                                                             \
	})
#define CHECK_STR(a, b)                                                                                                \
	({                                                                                                             \
		const char *a_ = (a), *b_ = (b);                                                                       \
		if (!a_ || strcmp(a_, b_) != 0)                                                                        \
			test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, a_ ? a_ : "(null)", b_);         \
	})
/* `r` is 0, else says the error's text. */
#define CHECK_OK(r, err)                                                                                               \
	({                                                                                                             \
		int r_ = (r);                                                                                          \
		if (r_ < 0)                                                                                            \
			test_fail(__FILE__, __LINE__, "%s: %d: %s", #r, r_, (err)->text ? (err)->text : "");           \
		r_ >= 0;                                                                                               \
	})
/* The call failed and its sentence contains `words`. */
#define CHECK_FAILS(r, err, words)                                                                                     \
	({                                                                                                             \
		int r_ = (r);                                                                                          \
		if (r_ >= 0 || !(err)->text || !strstr((err)->text, words))                                            \
			test_fail(__FILE__, __LINE__, "%s: %d, \"%s\"; wanted a failure that says \"%s\"", #r, r_,     \
			          (err)->text ? (err)->text : "", words);                                              \
		err_clear(err);                                                                                        \
	})

#endif
