/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one error value of a run. A function that fails says why with fail(); each caller may put its own words in
 * front; only main() prints the sentence, once.
 *
 *	int r = device_write(d, 0, code, 440, e);      "/dev/sdb: write at byte 0: Input/output error"
 *	if (r < 0)
 *		return fail(e, r, "boot code");         "boot code: /dev/sdb: write at byte 0: Input/output error"
 *
 * Text from an ISO or a stick may be put into the sentence as it is: main() escapes the whole before printing.
 */
#ifndef LIVESTICK_BASE_ERR_H
#define LIVESTICK_BASE_ERR_H

#include "src/base/util.h"

/* Exit codes, for ever the same (docs/livestick.md). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,  /* something went wrong on the way */
	EXIT_USAGE = 2,   /* the command line makes no sense */
	EXIT_REFUSED = 3, /* refused as unsafe */
	EXIT_DIFFERS = 4, /* verify found a difference */
	EXIT_SOURCE = 5,  /* the source cannot be used */
};

struct err {
	char *text;          /* NULL: no error */
	enum exit_code code; /* what main() exits with; EXIT_OK: nobody has classed it, main() takes EXIT_FAILED */
};

/*
 * Puts "words: " in front of what is there (or "words" when nothing is). Returns `r` (a negative errno), so that it
 * can be returned at once. fail_as() also classes the error, unless a deeper level has done so.
 */
int fail(struct err *e, int r, const char *fmt, ...) PRINTF_LIKE(3, 4);
int fail_as(struct err *e, enum exit_code code, int r, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Shorthands for the two classes that most checks need; both return `r`. */
#define fail_source(e, r, ...)  fail_as(e, EXIT_SOURCE, r, __VA_ARGS__)
#define fail_refused(e, r, ...) fail_as(e, EXIT_REFUSED, r, __VA_ARGS__)

/* Forgets the error, for a caller that has another way. */
void err_clear(struct err *e);

#define AUTO_ERR CLEANUP(err_clear)

#endif
