/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of the initrd's reader share. */
#ifndef LIVESTICK_TESTS_INITRD_IMAGE_H
#define LIVESTICK_TESTS_INITRD_IMAGE_H

#include "src/base/buf.h"
#include "src/source/initrd.h"
#include "tests/lib/test.h"

static const char *const all_texts[] = { "*", NULL };

static inline struct initrd *open_good(const struct buf *b, const char *const *texts)
{
	struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(initrd_open(input_memory(b->s), b->len, "x.img", texts, &rd, &e), &e);
	return rd;
}

/* Both -errno and sentence are as wanted, and the sentence begins with the name. */
static inline void check_bad(const struct buf *b, int errno_wanted, const char *words)
{
	AUTO_INITRD struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };
	int r = initrd_open(input_memory(b->s), b->len, "x.img", all_texts, &rd, &e);

	if (r != errno_wanted)
		test_fail(__FILE__, __LINE__, "\"%s\": %d, not %d", words, r, errno_wanted);
	CHECK(r < 0 && !rd && e.code == EXIT_SOURCE && e.text && strncmp(e.text, "x.img: ", 7) == 0);
	CHECK_FAILS(r, &e, words);
}

static inline void zeros(struct buf *b, size_t n)
{
	static const char some[4096];

	for (size_t piece; n; n -= piece) {
		piece = MIN(n, sizeof(some));
		buf_add(b, some, piece);
	}
}

#endif
