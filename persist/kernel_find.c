/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Version and configuration in an unpacked kernel: init/version-timestamp.c has "Linux version ...", and
 * kernel/configs.c the configuration, compressed by gzip, between two marks.
 */
#include "persist/kernel_private.h"

#define BANNER       "Linux version "
#define CONFIG_START "IKCFG_ST"
#define CONFIG_END   "IKCFG_ED"
#define MARK_LEN     8
#define GZIP         "\x1f\x8b"

#define VERSION_MAX    64 /* uname's, with the NUL */
#define PACKED_MAX     (2 * MIB)
#define WINDOW_OVERLAP (sizeof(BANNER) + VERSION_MAX) /* nothing that is looked for is longer */

size_t kernel_version_length(const char *s, size_t len)
{
	size_t n = 0;

	/* It becomes a part of paths, so there is no "/" in it. */
	while (n < len && s[n] > ' ' && s[n] < 0x7f && s[n] != '/')
		n++;
	if (n == 0 || n >= VERSION_MAX || n == len || (s[n] && s[n] != ' '))
		return 0;
	return s[0] >= '0' && s[0] <= '9' ? n : 0;
}

static const char *find(const struct buf *b, size_t from, const char *mark, size_t len)
{
	return from < b->len ? memmem(b->s + from, b->len - from, mark, len) : NULL;
}

static void find_version(struct kernel_finder *f)
{
	const char *end = f->window.s + f->window.len;

	for (size_t at = 0; !f->version;) {
		const char *p = find(&f->window, at, BANNER, sizeof(BANNER) - 1);
		size_t len;

		if (!p)
			return;
		p += sizeof(BANNER) - 1;
		len = kernel_version_length(p, (size_t)(end - p));
		if (len)
			f->version = xstrndup(p, len);
		at = (size_t)(p - f->window.s);
	}
}

/* Takes the configuration's bytes out of the window. */
static void take_config(struct kernel_finder *f)
{
	const char *end = find(&f->window, 0, CONFIG_END, MARK_LEN);
	size_t len = end ? (size_t)(end - f->window.s) : f->window.len - MIN(f->window.len, MARK_LEN - 1);

	buf_add(&f->packed, f->window.s, len);
	memmove(f->window.s, f->window.s + len, f->window.len - len);
	f->window.len -= len;
	f->has_config = end != NULL;
	f->in_config = !end && f->packed.len <= PACKED_MAX;
}

static void find_config(struct kernel_finder *f)
{
	for (size_t at = 0; !f->in_config && !f->has_config;) {
		const char *p = find(&f->window, at, CONFIG_START GZIP, MARK_LEN + 2);

		if (!p)
			return;
		at = (size_t)(p - f->window.s) + MARK_LEN;
		f->in_config = true;
		buf_clear(&f->packed);
		memmove(f->window.s, f->window.s + at, f->window.len - at);
		f->window.len -= at;
		take_config(f);
		at = 0;
	}
}

int kernel_find(void *ctx, const u8 *data, size_t len, struct err *e)
{
	struct kernel_finder *f = ctx;
	size_t here = MIN(len, sizeof(f->head) - f->head_len), old;

	(void)e;
	memcpy(f->head + f->head_len, data, here);
	f->head_len += here;
	buf_add(&f->window, data, len);
	if (!f->version)
		find_version(f);
	if (f->in_config)
		take_config(f);
	if (!f->in_config && !f->has_config)
		find_config(f);
	old = f->in_config ? 0 : f->window.len - MIN(f->window.len, WINDOW_OVERLAP);
	if (old) {
		memmove(f->window.s, f->window.s + old, f->window.len - old);
		f->window.len -= old;
	}
	return 0;
}

void kernel_finder_free(struct kernel_finder *f)
{
	free(f->version);
	buf_free(&f->packed);
	buf_free(&f->window);
}
