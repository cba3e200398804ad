/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory that is given out in small pieces and taken back all at once: for what there is a hundred thousand of and
 *lives as long as its owner. A piece costs its size and nothing more.
 *
 *	struct pool p = { 0 };
 *	struct node *n = pool_alloc(&p, sizeof(*n));
 *	n->name = pool_text(&p, name, len);
 *	pool_free(&p);
 */
#ifndef LIVESTICK_BASE_POOL_H
#define LIVESTICK_BASE_POOL_H

#include "src/base/util.h"

struct pool_block;

struct pool {
	struct pool_block *block; /* the newest */
	size_t left;              /* bytes of it */
	size_t size;              /* of the next one */
};

/* Zeros, aligned for everything that has no larger parts than pointers and u64. */
MUST_CHECK void *pool_alloc(struct pool *p, size_t size);
/* The first `len` bytes of `s`, and a NUL. */
MUST_CHECK char *pool_text(struct pool *p, const char *s, size_t len);
MUST_CHECK char *pool_strdup(struct pool *p, const char *s);
void pool_free(struct pool *p);

#endif
