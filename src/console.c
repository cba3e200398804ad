/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/console.h"

#include <ctype.h>

/*
 * ECMA-48: ESC [ parameters, a letter; ESC ( one character; ESC ] up to BEL or ESC \; ESC and one character. Some
 * devices forget the end: none is longer than `sequence` holds.
 */
enum { TEXT, ESCAPE, CSI, CHARSET, OSC };

#define LINE_SHOWN 160

static void start_line(struct console *c)
{
	if (c->text.len && c->text.s[c->text.len - 1] != '\n')
		buf_adds(&c->text, "\n");
}

static void move_cursor(struct console *c)
{
	unsigned row = 1, col = 1;

	/* without numbers it is the first place of all */
	if (sscanf(c->sequence, "%u;%u", &row, &col) < 1)
		row = col = 1;
	if (!c->moved)
		c->text_end = c->cursor;
	c->moved = true;
	c->cursor = (struct console_place){ row, row, col };
}

/*
 * Text after the cursor went elsewhere is another line; unless it went to where it was, or further on in the same line.
 * SeaBIOS moves it in the middle of words, when its timer finds it between two of its programs: one place back, and on
 * again. So only the last of some moves counts.
 */
static void end_move(struct console *c)
{
	const struct console_place *was = &c->text_end, *now = &c->cursor;

	if (!c->moved)
		return;
	c->moved = false;
	if (now->row < was->row_min || now->row > was->row || now->col < was->col)
		start_line(c);
	else if (now->col > was->col)
		buf_adds(&c->text, " ");
}

static void end_sequence(struct console *c, char byte)
{
	if (byte == 'H' || byte == 'f')
		move_cursor(c);
	else if (byte == 'J')
		start_line(c);
}

static void add_escape(struct console *c, char byte)
{
	int state = c->escape;

	if (state == ESCAPE) {
		if (byte == 'c') /* the terminal begins anew */
			c->cursor = (struct console_place){ 1, 1, 1 };
		c->sequence_len = 0;
		c->sequence[0] = '\0';
		c->escape = byte == '[' ? CSI : byte == ']' ? OSC : byte == '(' || byte == ')' ? CHARSET : TEXT;
	} else if (state == CHARSET) {
		c->escape = TEXT;
	} else if (state == OSC) {
		c->escape = byte == '\a' ? TEXT : byte == '\033' ? ESCAPE : OSC;
	} else if (byte >= '@' && byte <= '~') {
		c->escape = TEXT;
		end_sequence(c, byte);
		return;
	}
	if (c->sequence_len + 1 == sizeof(c->sequence)) {
		c->escape = TEXT;
		return;
	}
	c->sequence[c->sequence_len++] = byte;
	c->sequence[c->sequence_len] = '\0';
	if (state == ESCAPE)
		c->sequence_len = 0;
}

static void add_text(struct console *c, char byte)
{
	struct console_place *at = &c->cursor;

	if (byte == '\r' || byte == '\b') {
		at->col = byte == '\r' ? 1 : at->col - (at->col > 1);
		return;
	}
	if (byte == '\n') {
		/* In the last row the screen goes up in its place. */
		at->row += at->row != 0;
		c->moved = false;
	} else if (((u8)byte & 0xc0) != 0x80) {
		end_move(c);
		at->col += at->col != 0; /* not for the rest of a character in UTF-8 */
	}
	buf_add(&c->text, &byte, 1);
}

static void forget_old(struct console *c)
{
	size_t drop = c->text.len / 2;

	memmove(c->text.s, c->text.s + drop, c->text.len - drop + 1);
	c->text.len -= drop;
	c->dropped += drop;
}

void console_add(struct console *c, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (c->escape != TEXT)
			add_escape(c, bytes[i]);
		else if (bytes[i] == '\033')
			c->escape = ESCAPE;
		else if (bytes[i] != '\0')
			add_text(c, bytes[i]);
		if (c->text.len > CONSOLE_MAX)
			forget_old(c);
	}
}

void console_free(struct console *c)
{
	buf_free(&c->text);
	*c = (struct console){ 0 };
}

u64 console_end(const struct console *c)
{
	return c->dropped + c->text.len;
}

const char *console_since(const struct console *c, u64 since)
{
	if (!c->text.s || since >= console_end(c))
		return "";
	return c->text.s + (since > c->dropped ? since - c->dropped : 0);
}

const char *console_line(const struct console *c, u64 since)
{
	const char *text = console_since(c, since), *end = strrchr(text, '\n');

	return end ? end + 1 : text;
}

/* Up to the blanks at its end. */
static size_t trimmed(const char *line)
{
	size_t len = strlen(line);

	while (len && line[len - 1] == ' ')
		len--;
	return len;
}

bool console_wants_login(const char *line)
{
	static const char word[] = "login:";
	size_t len = trimmed(line), n = sizeof(word) - 1;

	return len >= n && strncasecmp(line + len - n, word, n) == 0;
}

bool console_wants_command(const char *line)
{
	size_t len = trimmed(line);

	return len && len < 200 && (line[len - 1] == '#' || line[len - 1] == '$');
}

/* Frames that are drawn round a menu are no words. */
static bool has_words(const char *from, const char *end)
{
	while (from < end && !isalnum((unsigned char)*from))
		from++;
	return from < end;
}

/* At most LINE_SHOWN bytes, and no half of a character in UTF-8. */
static void add_cut(struct buf *out, const char *line, size_t len)
{
	if (len > LINE_SHOWN) {
		len = LINE_SHOWN;
		while (len && ((u8)line[len] & 0xc0) == 0x80)
			len--;
	}
	while (len && line[len - 1] == ' ')
		len--;
	buf_add(out, line, len);
}

char *console_tail(const struct console *c, u64 until, unsigned n, const char *between)
{
	const char *text = console_since(c, 0), *last = console_since(c, until);
	const char *end = *last ? last + strcspn(last, "\n") : text + strlen(text), *from = end;
	struct buf out = { 0 };
	unsigned lines = 0;

	/* `from` goes back to where the nth line with words begins */
	for (const char *line_end = end; from > text && lines < n; line_end = from) {
		while (from > text && from[-1] != '\n')
			from--;
		lines += has_words(from, line_end);
		if (from > text && lines < n)
			from--;
	}
	buf_adds(&out, "");
	while (from < end) {
		size_t len = strcspn(from, "\n");

		if (has_words(from, from + len)) {
			buf_adds(&out, out.len ? between : "");
			add_cut(&out, from, len);
		}
		from += len + (from[len] == '\n');
	}
	return out.s;
}
