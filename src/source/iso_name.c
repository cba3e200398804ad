/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/source/iso_name.h"

#include <errno.h>

#include "src/base/utf8.h"

static void add_utf8(struct buf *b, u32 c)
{
	u8 s[4];

	buf_add(b, s, utf8_encode(c, s));
}

static u32 get_be16(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

static int add_utf16(struct buf *b, const u8 *p, size_t len, struct err *e)
{
	if (len % 2)
		return fail_source(e, -EINVAL, "has a Joliet name of half a letter: it is damaged");
	for (size_t i = 0; i < len; i += 2) {
		u32 c = get_be16(p + i), low;

		if (c >= 0xd800 && c < 0xe000) { /* the first of two surrogates, or a fault */
			low = i + 2 < len ? get_be16(p + i + 2) : 0;
			if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
				return fail_source(e, -EINVAL, "has a Joliet name that is not UTF-16: it is damaged");
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		}
		add_utf8(b, c);
	}
	return 0;
}

static void add_small(struct buf *b, const u8 *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 'a' - 'A' : p[i]);

		buf_add(b, &c, 1);
	}
}

int iso_name(bool joliet, const u8 *id, size_t len, struct buf *name, struct err *e)
{
	int r = 0;

	if (joliet)
		r = add_utf16(name, id, len, e);
	else
		add_small(name, id, len);
	if (r < 0)
		return r;
	if (name->len >= 2 && memcmp(name->s + name->len - 2, ";1", 2) == 0)
		name->len -= 2;
	if (name->len >= 1 && name->s[name->len - 1] == '.')
		name->len--;
	return 0;
}
