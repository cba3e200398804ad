/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/util.h"

#include <stdio.h>

static void *need(void *p)
{
	if (!p) {
		fputs("livestick: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	return need(calloc(n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return need(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return need(strndup(s, n));
}

void *array_resize(void *array, size_t n, size_t size)
{
	return need(reallocarray(array, n, size));
}

void *array_grow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = MAX(2 * *cap, n + 8);
	return array_resize(array, *cap, size);
}
