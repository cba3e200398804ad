/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A set of names, for asking often whether one is in it: filled first, then asked.
 */
#ifndef LIVESTICK_BASE_NAME_SET_H
#define LIVESTICK_BASE_NAME_SET_H

#include "src/base/util.h"

struct name_set {
	const char **name;
	size_t n, cap;
	bool is_sorted;
};

/* `name` is borrowed until name_set_free(); one that is there already does no harm. */
void name_set_add(struct name_set *s, const char *name);
/* The first call after one was added sorts. Letters match exactly. */
bool name_set_has(struct name_set *s, const char *name);
void name_set_free(struct name_set *s);

#define AUTO_NAME_SET CLEANUP(name_set_free)

#endif
