/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/source/newc.h"

#include <sys/stat.h>

#define ALIGN 4
#define HEAD  512

static void pad(struct buf *b, u64 align)
{
	static const char zeros[HEAD];

	buf_add(b, zeros, align_up(b->len, align) - b->len);
}

/* Thirteen numbers of eight hexadecimal digits: inode, mode, owner, group, links, time, size, device, name, checksum.
 */
static void add(struct newc *c, const char *path, u32 mode, const void *data, size_t len)
{
	static const char zeros[HEAD];
	struct buf *b = &c->data;

	if (!b->len)
		buf_add(b, zeros, HEAD);
	buf_addf(b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08zX%08X", ++c->n, mode, 0, 0, 1, c->mtime,
	         (u32)len, 0, 0, 0, 0, strlen(path) + 1, 0);
	buf_add(b, path, strlen(path) + 1);
	pad(b, ALIGN);
	buf_add(b, data, len);
	pad(b, ALIGN);
}

void newc_add(struct newc *c, const char *path, u16 mode, const void *data, size_t len)
{
	add(c, path, S_IFREG | mode, data, len);
}

void newc_end(struct newc *c)
{
	u32 mtime = c->mtime;

	if (!c->data.len)
		return;
	c->mtime = 0;
	add(c, "TRAILER!!!", 0, "", 0);
	c->mtime = mtime;
	pad(&c->data, HEAD);
}

void newc_free(struct newc *c)
{
	buf_free(&c->data);
	*c = (struct newc){ 0 };
}
