/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/name_set.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void name_set_add(struct name_set *s, const char *name)
{
	*ARRAY_ADD(s->name, s->n, s->cap) = name;
	s->is_sorted = false;
}

bool name_set_has(struct name_set *s, const char *name)
{
	if (s->n && !s->is_sorted)
		qsort(s->name, s->n, sizeof(*s->name), compare);
	s->is_sorted = true;
	return s->n && bsearch(&name, s->name, s->n, sizeof(*s->name), compare);
}

void name_set_free(struct name_set *s)
{
	free(s->name);
	*s = (struct name_set){ 0 };
}
