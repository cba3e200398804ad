/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/checks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void checks_add(struct checks *c, const char *id, enum check_result result, const char *fmt, ...)
{
	struct check *k = ARRAY_ADD(c->check, c->n, c->cap);
	va_list ap;

	*k = (struct check){ .id = id, .result = result };
	va_start(ap, fmt);
	if (vasprintf(&k->detail, fmt, ap) < 0)
		abort();
	va_end(ap);
}

int checks_add_result(struct checks *c, const char *id, int r, bool unknown, const char *good, struct err *e)
{
	if (r == -EINTR)
		return r;
	if (r < 0)
		checks_add(c, id, unknown ? CHECK_UNKNOWN : CHECK_BAD, "%s", e->text ? e->text : strerror(-r));
	else
		checks_add(c, id, CHECK_OK, "%s", good);
	err_clear(e);
	return 0;
}

size_t checks_count(const struct checks *c, enum check_result result)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->check[i].result == result;
	return n;
}

void checks_free(struct checks *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->check[i].detail);
	free(c->check);
	*c = (struct checks){ 0 };
}
