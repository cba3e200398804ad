/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a serial console has said, as text: without escape sequences, bounded, in lines. Whoever is at its other end may
 * be anybody: it is looked through for words, and escaped where it is shown.
 */
#ifndef LIVESTICK_CONSOLE_H
#define LIVESTICK_CONSOLE_H

#include "src/base/buf.h"

/* Older text is forgotten when there is more than this. */
#define CONSOLE_MAX (512 * KIB)

/* On the screen, from 1; 0: unknown. It may have scrolled: then it is any row from `row_min` to `row`. */
struct console_place {
	unsigned row_min, row, col;
};

struct console {
	struct buf text; /* without NULs, carriage returns and escape sequences; positions in it count from `dropped` */
	u64 dropped;     /* bytes that were forgotten */
	int escape;      /* inside which kind of sequence, see console.c */
	char sequence[65];
	size_t sequence_len;
	struct console_place cursor;
	struct console_place text_end; /* with `moved`: where the cursor was after the last of the text */
	bool moved;
};

/* Adds what came. */
void console_add(struct console *c, const char *bytes, size_t len);
void console_free(struct console *c);

/* Where the text ends now: what comes later begins there. */
u64 console_end(const struct console *c);
/* The text from `since` on, as far as it is still known. Never NULL, borrowed until console_add(). */
const char *console_since(const struct console *c, u64 since);
/* The line that is not ended yet: a prompt is one. Empty when there is none from `since` on. Borrowed. */
const char *console_line(const struct console *c, u64 since);
/* Whether that line asks for a name, or for a command. */
bool console_wants_login(const char *line);
bool console_wants_command(const char *line);
/*
 * `n` lines with words in them, each cut at 160 bytes, between them `between`: the last one is that in which `until`
 * lies. The caller frees.
 */
MUST_CHECK char *console_tail(const struct console *c, u64 until, unsigned n, const char *between);

#endif
