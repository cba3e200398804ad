/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes that somebody can read at any offset: a file inside an ISO, a piece of memory, a text made at the last
 * moment. What they are for: the layout of a stick names its contents by inputs, and nothing is read before writing.
 */
#ifndef LIVESTICK_BASE_INPUT_H
#define LIVESTICK_BASE_INPUT_H

#include <errno.h>

#include "src/base/err.h"

/* A stretch of a file of this machine. */
struct input_place {
	int fd; /* open for reading; whoever has asked closes it */
	u64 off, len;
};

struct input {
	/* Reads exactly `len` bytes at `off`; 0 or -errno. NULL: the bytes are `mem`. */
	int (*read)(void *ctx, u64 off, void *buf, size_t len, struct err *e);
	/*
	 * Where the bytes from `off` on lie one after the other: for those who can do better than reading, with holes
	 * or with blocks that two files share. -errno: nowhere. NULL: never.
	 */
	int (*place)(void *ctx, u64 off, struct input_place *ret);
	union { /* borrowed */
		void *ctx;
		const void *mem;
	};
};

static inline struct input input_memory(const void *mem)
{
	return (struct input){ .mem = mem };
}

MUST_CHECK static inline int input_read(const struct input *in, u64 off, void *buf, size_t len, struct err *e)
{
	if (in->read)
		return in->read(in->ctx, off, buf, len, e);
	memcpy(buf, (const u8 *)in->mem + off, len);
	return 0;
}

MUST_CHECK static inline int input_place(const struct input *in, u64 off, struct input_place *ret)
{
	return in->place ? in->place(in->ctx, off, ret) : -EOPNOTSUPP;
}

#endif
