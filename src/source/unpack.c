/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/source/unpack.h"

#include <errno.h>

#include "src/source/initrd_private.h"

const char *unpack_name(const u8 *data, size_t len)
{
	const struct codec *c = len < 2 ? NULL : codec_find(data);

	return c ? c->name : NULL;
}

int unpack(struct input in, u64 size, const char *name, unpack_sink *sink, void *ctx, struct err *e)
{
	AUTO_FREE u8 *buffer = xcalloc(FEED_BUFFER, 1);
	struct feed f = { in, size, .buffer = buffer, .at = buffer };
	struct unpack u = { &f, sink, ctx, 0 };
	const struct codec *c;
	int r = feed_need(&f, 2, e);

	if (r < 0)
		return fail(e, r, "%s", name);
	c = f.len < 2 ? NULL : codec_find(f.at);
	if (!c)
		return fail_source(e, -EINVAL, "%s: is not compressed in a way that the kernel can unpack", name);
	r = codec_run(c, &u, e);
	return r < 0 ? fail(e, r, "%s", name) : 0;
}

struct memory {
	struct buf *b;
	size_t max;
};

static int add(void *ctx, const u8 *data, size_t len, struct err *e)
{
	struct memory *m = ctx;

	if (len > m->max)
		return fail_source(e, -EFBIG, "unpacks to more than makes sense");
	m->max -= len;
	buf_add(m->b, data, len);
	return 0;
}

int unpack_to(struct input in, u64 size, const char *name, size_t max, struct buf *ret, struct err *e)
{
	struct memory m = { ret, max };

	return unpack(in, size, name, add, &m, e);
}
