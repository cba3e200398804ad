/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Statements. What is not finished at the end of a text is not run, as in GRUB. */
#include "bootinst/menu_grub.h"

#include <errno.h>

#define MAX_NESTING 100  /* statements within statements, over all texts */
#define MAX_ROUNDS  1000 /* of a while: some wait for a key */

static int expand_range(struct grub *g, const struct grub_text *t, size_t from, size_t to, struct grub_words *words,
                        struct err *e)
{
	int r = 0;

	for (; from < to && r == 0; from++)
		if (t->token[from].type != GRUB_SEPARATOR)
			r = grub_expand(g, t->text + t->token[from].off, t->token[from].len, words, e);
	return r;
}

/* Innermost only: `break 2` is not known. */
static bool must_leave_loop(struct grub *g)
{
	bool leave = g->leave != LEAVE_NOTHING && g->leave != LEAVE_CONTINUE;

	if (g->leave == LEAVE_BREAK || g->leave == LEAVE_CONTINUE)
		g->leave = LEAVE_NOTHING;
	return leave;
}

/* `pos` is at the "if" and goes behind the "fi". */
static int run_if(struct grub *g, const struct grub_text *t, size_t *pos, size_t to, struct err *e)
{
	size_t at = *pos, end, body, body_end;
	bool done = false;
	int r = 0;

	for (end = at; t->token[end].next && t->token[end].type != GRUB_FI;)
		end = t->token[end].next;
	if (t->token[end].type != GRUB_FI) {
		*pos = to;
		return 0;
	}
	*pos = end + 1;
	for (; at != end && r == 0 && !done && !g->leave; at = body_end) {
		body = at;
		done = t->token[at].type == GRUB_ELSE;
		if (!done) {
			body = t->token[at].next;
			r = grub_run(g, t, at + 1, body, e);
			done = g->status == 0;
		}
		body_end = t->token[body].next;
		if (r == 0 && !g->leave && done)
			r = grub_run(g, t, body + 1, body_end, e);
	}
	if (!done)
		g->status = 0;
	return r;
}

/* The "done" of the loop at `pos`, which goes behind it; 0: there is none. */
static size_t loop_end(const struct grub_text *t, size_t *pos, size_t to, size_t *ret_do)
{
	size_t end;

	*ret_do = t->token[*pos].next;
	end = *ret_do ? t->token[*ret_do].next : 0;
	*pos = end ? end + 1 : to;
	return end;
}

static int run_for(struct grub *g, const struct grub_text *t, size_t *pos, size_t to, struct err *e)
{
	CLEANUP(grub_words_free) struct grub_words words = { 0 };
	size_t at = *pos, body, end = loop_end(t, pos, to, &body);
	int r;

	if (!end || body < at + 3)
		return 0;
	r = expand_range(g, t, at + 1, at + 2, &words, e);
	if (r == 0 && words.n != 1)
		return 0;
	if (r == 0)
		r = expand_range(g, t, at + 3, body, &words, e);
	g->loops++;
	for (size_t i = 1; i < words.n && r == 0; i++) {
		r = grub_set(g, words.w[0], words.w[i], e);
		if (r == 0)
			r = grub_run(g, t, body + 1, end, e);
		if (must_leave_loop(g))
			break;
	}
	g->loops--;
	return r;
}

static int run_while(struct grub *g, const struct grub_text *t, size_t *pos, size_t to, struct err *e)
{
	bool until = t->token[*pos].type == GRUB_UNTIL;
	size_t at = *pos, body, end = loop_end(t, pos, to, &body);
	int r = 0;

	g->loops++;
	for (unsigned i = 0; end && r == 0 && i < MAX_ROUNDS; i++) {
		r = grub_charge(g, 0, e);
		if (r == 0)
			r = grub_run(g, t, at + 1, body, e);
		if (r < 0 || (!g->leave && (g->status == 0) == until))
			break;
		if (!g->leave)
			r = grub_run(g, t, body + 1, end, e);
		if (must_leave_loop(g))
			break;
	}
	g->loops--;
	return r;
}

/* "function NAME { ... }" */
static void define_function(struct grub *g, const struct grub_text *t, size_t *pos, size_t to)
{
	size_t at = *pos, open = at + 2, close;
	struct grub_function *f;

	while (open < to && t->token[open].type == GRUB_SEPARATOR)
		open++;
	close = open < to && t->token[open].type == GRUB_OPEN ? t->token[open].next : 0;
	*pos = close ? close + 1 : to;
	if (!close || t->token[at + 1].type != GRUB_WORD)
		return;
	f = ARRAY_ADD(g->functions, g->n_functions, g->cap_functions);
	f->name = xstrndup(t->text + t->token[at + 1].off, t->token[at + 1].len);
	f->text = t;
	f->from = open + 1;
	f->to = close;
}

static int call(struct grub *g, const struct grub_function *f, const struct grub_words *words, struct err *e)
{
	const struct grub_words *args = g->args;
	unsigned loops = g->loops;
	int r;

	if (g->depth >= GRUB_MAX_DEPTH)
		return fail_source(e, -ELOOP, "%s: called more than %d deep", f->name, GRUB_MAX_DEPTH);
	g->depth++;
	g->args = words;
	g->loops = 0;
	r = grub_run(g, f->text, f->from, f->to, e);
	g->args = args;
	g->loops = loops;
	g->depth--;
	if (g->leave == LEAVE_RETURN)
		g->leave = LEAVE_NOTHING;
	return r;
}

static int execute(struct grub *g, const struct grub_words *words, struct err *e)
{
	bool known;
	int r = grub_command(g, words, &known, e);

	if (r < 0 || known)
		return r;
	for (size_t i = g->n_functions; i-- > 0;)
		if (strcmp(g->functions[i].name, words->w[0]) == 0)
			return call(g, &g->functions[i], words, e);
	g->status = 0;
	if (strchr(words->w[0], '=')) {
		const struct grub_words set = { (char *[]){ (char *)"set", words->w[0] }, 2, 2 };

		r = grub_command(g, &set, &known, e);
	}
	return r;
}

/* A command and its words, up to a separator; the body of a menu entry belongs to it. */
static int run_command(struct grub *g, const struct grub_text *t, size_t *pos, size_t to, struct err *e)
{
	CLEANUP(grub_words_free) struct grub_words words = { 0 };
	size_t at = *pos, end = at, open;
	bool invert;
	int r;

	while (end < to && t->token[end].type == GRUB_WORD)
		end++;
	open = end < to && t->token[end].type == GRUB_OPEN ? end : 0;
	*pos = !open ? end : t->token[open].next ? t->token[open].next + 1U : to;
	if (open && !t->token[open].next)
		return 0;
	r = grub_charge(g, 0, e);
	if (r == 0)
		r = expand_range(g, t, at, end, &words, e);
	if (r < 0 || !words.n)
		return r;
	invert = strcmp(words.w[0], "!") == 0;
	if (invert) {
		free(words.w[0]);
		memmove(words.w, words.w + 1, --words.n * sizeof(*words.w));
	}
	if (!words.n)
		return 0;
	if (open && (strcmp(words.w[0], "menuentry") == 0 || strcmp(words.w[0], "submenu") == 0))
		r = grub_add_item(g, &words, t, open + 1, t->token[open].next, e);
	else
		r = execute(g, &words, e);
	if (invert)
		g->status = !g->status;
	return r;
}

/* A file that reads itself has said so already. */
static int say_where(const struct grub_text *t, unsigned line, int r, struct err *e)
{
	AUTO_BUF struct buf place = { 0 };

	buf_addf(&place, "%s:%u: ", t->path, line);
	return e->text && strncmp(e->text, place.s, place.len) == 0 ? r : fail(e, r, "%s:%u", t->path, line);
}

static int run_statement(struct grub *g, const struct grub_text *t, size_t *pos, size_t to, struct err *e)
{
	const struct grub_token *token = &t->token[*pos];
	int r;

	switch (token->type) {
	case GRUB_WORD:
		r = run_command(g, t, pos, to, e);
		/* errors of what is inside of the others have said where already */
		return r < 0 ? say_where(t, token->line, r, e) : 0;
	case GRUB_IF:
		return run_if(g, t, pos, to, e);
	case GRUB_FOR:
		return run_for(g, t, pos, to, e);
	case GRUB_WHILE:
	case GRUB_UNTIL:
		return run_while(g, t, pos, to, e);
	case GRUB_FUNCTION:
		define_function(g, t, pos, to);
		return 0;
	default:
		++*pos;
		return 0;
	}
}

int grub_run(struct grub *g, const struct grub_text *t, size_t from, size_t to, struct err *e)
{
	int r = 0;

	if (g->nesting >= MAX_NESTING)
		return fail_source(e, -ELOOP, "%s: statements more than %d deep", t->path, MAX_NESTING);
	g->nesting++;
	while (from < to && r == 0 && !g->leave)
		r = run_statement(g, t, &from, to, e);
	g->nesting--;
	return r;
}
