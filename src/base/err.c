/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/err.h"

#include <stdarg.h>
#include <stdio.h>

static void put_in_front(struct err *e, const char *fmt, va_list ap)
{
	AUTO_FREE char *words = NULL;
	char *all = NULL;

	if (vasprintf(&words, fmt, ap) < 0) {
		words = NULL;
		return;
	}
	if (e->text) {
		if (asprintf(&all, "%s: %s", words, e->text) < 0)
			return;
	} else {
		all = TAKE(words);
	}
	free(e->text);
	e->text = all;
}

int fail(struct err *e, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_in_front(e, fmt, ap);
	va_end(ap);
	return r;
}

int fail_as(struct err *e, enum exit_code code, int r, const char *fmt, ...)
{
	va_list ap;

	if (e->code == EXIT_OK)
		e->code = code;
	va_start(ap, fmt);
	put_in_front(e, fmt, ap);
	va_end(ap);
	return r;
}

void err_clear(struct err *e)
{
	free(e->text);
	*e = (struct err){ 0 };
}
