/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/text.h"

#include <fnmatch.h>
#include <stdarg.h>

#include "src/base/utf8.h"

void text_add(struct text *t, const char *fmt, ...)
{
	size_t room = t->cap - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->len, room, fmt, ap);
	va_end(ap);
	if (n < 0) {
		t->s[t->len] = '\0';
		t->cut = true;
	} else if ((size_t)n >= room) {
		t->len = t->cap - 1;
		t->cut = true;
	} else {
		t->len += (size_t)n;
	}
}

/* Control characters, and what Unicode has for turning the direction of text or hiding it. */
static bool harmful(u32 c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

void text_add_escaped(struct text *t, const char *s)
{
	const u8 *end = (const u8 *)s + strlen(s);

	for (const u8 *p = (const u8 *)s; p < end && !t->cut;) {
		u32 c = 0;
		size_t n = utf8_decode(p, end, &c);

		if (n && !harmful(c)) {
			text_add(t, "%.*s", (int)n, (const char *)p);
			p += n;
			continue;
		}
		for (n = n ? n : 1; n; n--)
			text_add(t, "\\x%02x", *p++);
	}
}

void text_add_size(struct text *t, u64 bytes)
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t u = 0;
	u64 scale = KIB;

	if (bytes < KIB) {
		text_add(t, "%u bytes", (unsigned)bytes);
		return;
	}
	while (u + 1 < ARRAY_SIZE(unit) && bytes / scale >= 1024) {
		scale *= 1024;
		u++;
	}
	if (bytes / scale < 100)
		text_add(t, "%u.%u %s", (unsigned)(bytes / scale),
		         (unsigned)(bytes % scale / (scale / 1024) * 10 / 1024), unit[u]);
	else
		text_add(t, "%u %s", (unsigned)(bytes / scale), unit[u]);
}

bool text_copy(char *to, size_t cap, const char *s)
{
	size_t len = strlen(s);

	to[0] = '\0';
	if (len >= cap)
		return false;
	memcpy(to, s, len + 1);
	return true;
}

bool text_list_has(const char *list, const char *name)
{
	char pattern[256];

	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ",");

		if (len > 0 && len < sizeof(pattern)) {
			memcpy(pattern, p, len);
			pattern[len] = '\0';
			if (strpbrk(pattern, "*?[") ? fnmatch(pattern, name, 0) == 0 : strstr(name, pattern) != NULL)
				return true;
		}
		p += len + (p[len] == ',');
	}
	return false;
}

bool text_is_clean_path(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; *p;) {
		size_t len = strcspn(++p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		for (; len; len--, p++)
			if ((u8)*p < 0x20 || *p == 0x7f)
				return false;
	}
	return true;
}
