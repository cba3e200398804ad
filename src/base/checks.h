/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `verify` has looked at: each thing once, whether it is as it should be, and a sentence. That something could not
 * be looked at is a result of its own; nobody may take it for a good one.
 *
 *	checks_add(c, "table", CHECK_OK, "MBR, 2 partitions");
 *	checks_add(c, "boot-code", CHECK_BAD, "sector 0: is not the code that was written");
 *	checks_add(c, "fsck-boot", CHECK_UNKNOWN, "fsck.fat is not installed: package dosfstools");
 */
#ifndef LIVESTICK_BASE_CHECKS_H
#define LIVESTICK_BASE_CHECKS_H

#include "src/base/err.h"

enum check_result { CHECK_OK, CHECK_BAD, CHECK_UNKNOWN };

struct check {
	const char *id; /* a word of ours: a-z 0-9 -; the same id may come several times */
	enum check_result result;
	char *detail; /* one sentence without the id in front; texts from the stick are in it as they are */
};

struct checks {
	struct check *check;
	size_t n, cap;
};

/* `id` is borrowed for ever. */
void checks_add(struct checks *c, const char *id, enum check_result result, const char *fmt, ...) PRINTF_LIKE(4, 5);

/*
 * What a call that was the check has said: 0 adds `id` as good, with `good` as its sentence; a failure adds it with the
 * sentence in *e, which is forgotten: as CHECK_BAD, or as CHECK_UNKNOWN where it is `unknown`. -EINTR is returned, with
 * nothing added; else 0.
 */
MUST_CHECK int checks_add_result(struct checks *c, const char *id, int r, bool unknown, const char *good,
                                 struct err *e);

/* How many have this result. */
size_t checks_count(const struct checks *c, enum check_result result);
void checks_free(struct checks *c);

#endif
