/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/base/utf8.h"

static void room(struct buf *b, size_t more)
{
	b->s = array_grow(b->s, b->len + more + 1, &b->cap, 1);
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	room(b, len);
	memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		room(b, (size_t)n);
		vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

/* Control characters, and what Unicode has for turning the direction of text or hiding it. */
static bool harmful(u32 c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

void buf_add_escaped(struct buf *b, const char *s)
{
	const u8 *end = (const u8 *)s + strlen(s);

	for (const u8 *p = (const u8 *)s; p < end;) {
		u32 c = 0;
		size_t n = utf8_decode(p, end, &c);

		if (n && !harmful(c)) {
			buf_add(b, p, n);
			p += n;
			continue;
		}
		for (n = n ? n : 1; n; n--)
			buf_addf(b, "\\x%02x", *p++);
	}
}

void buf_add_size(struct buf *b, u64 bytes)
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = (double)bytes;
	int u = -1;

	if (bytes < KIB) {
		buf_addf(b, "%u bytes", (unsigned)bytes);
		return;
	}
	while (n >= 1024 && u < 5) {
		n /= 1024;
		u++;
	}
	buf_addf(b, n < 10 ? "%.2f %s" : n < 100 ? "%.1f %s" : "%.0f %s", n, unit[u]);
}

bool buf_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->s, b->s, a->len) == 0);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->s)
		b->s[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->s);
	*b = (struct buf){ 0 };
}

char *escaped(const char *s)
{
	struct buf b = { 0 };

	buf_adds(&b, "");
	buf_add_escaped(&b, s);
	return b.s;
}

char *size_text(u64 bytes)
{
	struct buf b = { 0 };

	buf_add_size(&b, bytes);
	return b.s;
}
