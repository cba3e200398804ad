/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A growing string. `s` is never NULL after the first use of a buf_add*() and always ends in a NUL that `len` does
 * not count. Start with `struct buf b = { 0 };`, end with buf_free() or take `s` with TAKE(b.s).
 */
#ifndef LIVESTICK_BASE_BUF_H
#define LIVESTICK_BASE_BUF_H

#include "src/base/util.h"

struct buf {
	char *s;
	size_t len, cap;
};

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Adds `s` so that a terminal cannot be harmed by it: control characters, invalid UTF-8, and the characters that
 * change the direction of writing come out as \xNN. For everything that was read from an ISO or a stick.
 */
void buf_add_escaped(struct buf *b, const char *s);

/* Adds "1.5 GiB", "640 KiB", "17 bytes". */
void buf_add_size(struct buf *b, u64 bytes);

bool buf_same(const struct buf *a, const struct buf *b);
void buf_clear(struct buf *b);
void buf_free(struct buf *b);

#define AUTO_BUF CLEANUP(buf_free)

/* The same two as newly allocated strings; the caller frees. */
MUST_CHECK char *escaped(const char *s);
MUST_CHECK char *size_text(u64 bytes);

#endif
