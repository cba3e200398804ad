/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules are those of grub-core/script/yylex.l and parser.y in GRUB 2.06. */
#include "bootinst/menu_grub.h"

#include <errno.h>

#define MAX_TOKENS 500000

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A name, a number, or one of ? # * @. */
static size_t name_length(const char *s)
{
	size_t n = 0;

	if (*s && strchr("?#*@", *s))
		return 1;
	if (is_digit(*s)) {
		while (is_digit(s[n]))
			n++;
		return n;
	}
	if (!is_name_start(*s))
		return 0;
	while (is_name_start(s[n]) || is_digit(s[n]))
		n++;
	return n;
}

size_t grub_variable_length(const char *s, const char **ret_name, size_t *ret_len)
{
	bool braces = s[1] == '{';
	size_t n = name_length(s + 1 + braces);

	if (!n || (braces && s[2 + n] != '}'))
		return 1;
	*ret_name = s + 1 + braces;
	*ret_len = n;
	return 1 + braces + n + braces;
}

/* Behind the quote that closes the one at `s`; NULL: none does. */
static const char *quoted_end(const char *s)
{
	char quote = *s++;

	for (; *s && *s != quote; s++)
		if (quote == '"' && *s == '\\' && s[1])
			s++;
	return *s ? s + 1 : NULL;
}

/* NULL: a quote is not closed. */
static const char *word_end(const char *s)
{
	const char *name;
	size_t len;

	while (s && *s && !strchr(" \t\r\n;{}", *s)) {
		if (*s == '\\' && s[1])
			s += 2;
		else if (*s == '\'' || *s == '"')
			s = quoted_end(s);
		else
			s += *s == '$' ? grub_variable_length(s, &name, &len) : 1;
	}
	return s;
}

/* Blanks, comments, and backslashes at the end of a line. */
static const char *skip_to_token(const char *s, unsigned *line)
{
	for (;;) {
		if (*s == ' ' || *s == '\t' || *s == '\r') {
			s++;
		} else if (s[0] == '\\' && s[1] == '\n') {
			s += 2;
			++*line;
		} else if (s[0] == '\\' && s[1] == '\r' && s[2] == '\n') {
			s += 3;
			++*line;
		} else if (*s == '#') {
			s += strcspn(s, "\n");
		} else {
			return s;
		}
	}
}

static bool command_can_follow(const struct grub_text *t)
{
	enum grub_type last = t->n ? t->token[t->n - 1].type : GRUB_SEPARATOR;

	return last != GRUB_WORD && last != GRUB_FOR && last != GRUB_FUNCTION;
}

static enum grub_type word_type(const char *s, size_t len)
{
	static const struct {
		const char *word;
		enum grub_type type;
	} reserved[] = {
		{ "if", GRUB_IF },
		{ "then", GRUB_THEN },
		{ "elif", GRUB_ELIF },
		{ "else", GRUB_ELSE },
		{ "fi", GRUB_FI },
		{ "for", GRUB_FOR },
		{ "do", GRUB_DO },
		{ "done", GRUB_DONE },
		{ "while", GRUB_WHILE },
		{ "until", GRUB_UNTIL },
		{ "function", GRUB_FUNCTION },
	};

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (strlen(reserved[i].word) == len && memcmp(s, reserved[i].word, len) == 0)
			return reserved[i].type;
	return GRUB_WORD;
}

/* Which token an earlier one must be for the statement to go on at this one; 0: a statement does not go on there. */
#define BIT(type) (1U << (type))
static const unsigned continues[] = {
	[GRUB_CLOSE] = BIT(GRUB_OPEN),
	[GRUB_THEN] = BIT(GRUB_IF) | BIT(GRUB_ELIF),
	[GRUB_ELIF] = BIT(GRUB_THEN),
	[GRUB_ELSE] = BIT(GRUB_THEN),
	[GRUB_FI] = BIT(GRUB_THEN) | BIT(GRUB_ELSE),
	[GRUB_DO] = BIT(GRUB_FOR) | BIT(GRUB_WHILE) | BIT(GRUB_UNTIL),
	[GRUB_DONE] = BIT(GRUB_DO),
	[GRUB_FUNCTION] = 0,
};
#define OPENERS (BIT(GRUB_OPEN) | BIT(GRUB_IF) | BIT(GRUB_FOR) | BIT(GRUB_WHILE) | BIT(GRUB_UNTIL))
#define CLOSERS (BIT(GRUB_CLOSE) | BIT(GRUB_FI) | BIT(GRUB_DONE))

/* Sets `next`. What has no end, or no beginning, leads nowhere and is passed over when the text is run. */
static void link_statements(struct grub_text *t)
{
	AUTO_FREE u32 *open = xcalloc(t->n, sizeof(*open));
	size_t n = 0, braces = 0;

	for (u32 i = 0; i < t->n; i++) {
		enum grub_type type = t->token[i].type;

		if (BIT(type) & OPENERS) {
			open[n++] = i;
			braces += type == GRUB_OPEN;
			continue;
		}
		if (!continues[type] || !n || (type == GRUB_CLOSE && !braces))
			continue;
		while (type == GRUB_CLOSE && t->token[open[n - 1]].type != GRUB_OPEN)
			n--;
		if (!(continues[type] & BIT(t->token[open[n - 1]].type)))
			continue;
		t->token[open[n - 1]].next = i;
		open[n - 1] = i;
		braces -= type == GRUB_CLOSE;
		n -= (BIT(type) & CLOSERS) != 0;
	}
}

static unsigned count_lines(const char *s, const char *end)
{
	unsigned n = 0;

	while ((s = memchr(s, '\n', (size_t)(end - s)))) {
		n++;
		s++;
	}
	return n;
}

int grub_lex(struct grub_text *t, unsigned line, struct err *e)
{
	const char *s = t->text;

	while (*(s = skip_to_token(s, &line))) {
		enum grub_type type = *s == '{' ? GRUB_OPEN : *s == '}' ? GRUB_CLOSE : GRUB_SEPARATOR;
		const char *end = strchr("{}\n;", *s) ? s + 1 : word_end(s);
		struct grub_token *token;

		if (!end)
			break;
		if (t->n >= MAX_TOKENS)
			return fail_source(e, -E2BIG, "%s:%u: is too long for a boot menu", t->path, line);
		if (!strchr("{}\n;", *s))
			type = command_can_follow(t) ? word_type(s, (size_t)(end - s)) : GRUB_WORD;
		if (type != GRUB_SEPARATOR || (t->n && t->token[t->n - 1].type != GRUB_SEPARATOR)) {
			token = ARRAY_ADD(t->token, t->n, t->cap);
			token->off = (u32)(s - t->text);
			token->len = (u32)(end - s);
			token->line = line;
			token->type = type;
		}
		line += count_lines(s, end);
		s = end;
	}
	link_statements(t);
	return 0;
}
