/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/pool.h"

#define ALIGNMENT  8
#define FIRST_SIZE 1024
/* So large that the kernel gets it back as soon as it is freed. */
#define MAX_SIZE (256 * KIB)

struct pool_block {
	struct pool_block *before;
	u8 bytes[]; /* given out from the end to the start */
};

static void add_block(struct pool *p, size_t at_least)
{
	size_t size = MAX(p->size ? p->size : FIRST_SIZE, at_least);
	struct pool_block *b = xcalloc(1, sizeof(*b) + size);

	b->before = p->block;
	p->block = b;
	p->left = size;
	p->size = MIN(2 * size, MAX_SIZE);
}

static void *take(struct pool *p, size_t size, size_t alignment)
{
	if (size > p->left)
		add_block(p, size + ALIGNMENT);
	p->left = (p->left - size) & ~(alignment - 1);
	return p->block->bytes + p->left;
}

void *pool_alloc(struct pool *p, size_t size)
{
	return take(p, size, ALIGNMENT);
}

char *pool_text(struct pool *p, const char *s, size_t len)
{
	char *to = take(p, len + 1, 1);

	memcpy(to, s, len);
	to[len] = '\0';
	return to;
}

char *pool_strdup(struct pool *p, const char *s)
{
	return pool_text(p, s, strlen(s));
}

void pool_free(struct pool *p)
{
	for (struct pool_block *b = p->block, *before; b; b = before) {
		before = b->before;
		free(b);
	}
	*p = (struct pool){ 0 };
}
