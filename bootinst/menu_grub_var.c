/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules are those of grub-core/script/execute.c (grub_script_arglist_to_argv) in GRUB 2.06. */
#include "bootinst/menu_grub.h"

#include <errno.h>

#define MAX_VARS 1000

int grub_charge(struct grub *g, size_t bytes, struct err *e)
{
	size_t steps = 1 + bytes / 64;

	if (steps > GRUB_MAX_STEPS - g->steps)
		return fail_source(e, -ELOOP, "the configuration does not come to an end within %d steps",
		                   GRUB_MAX_STEPS);
	g->steps += (unsigned)steps;
	return 0;
}

/* ---- words */

void grub_words_add(struct grub_words *words, const char *s, size_t len)
{
	*ARRAY_ADD(words->w, words->n, words->cap) = xstrndup(s, len);
}

void grub_words_free(struct grub_words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->w[i]);
	free(words->w);
	*words = (struct grub_words){ 0 };
}

/* ---- variables */

static u32 hash_name(const char *name)
{
	u32 h = 2166136261U;

	for (; *name; name++)
		h = (h ^ (u8)*name) * 16777619U;
	return h;
}

static struct grub_var *find(const struct grub *g, const char *name)
{
	u32 hash = hash_name(name);

	for (size_t i = 0; i < g->n_vars; i++)
		if (g->vars[i].hash == hash && strcmp(g->vars[i].name, name) == 0)
			return &g->vars[i];
	return NULL;
}

const char *grub_get(const struct grub *g, const char *name)
{
	const struct grub_var *v = find(g, name);

	if (v && v->value)
		return v->value;
	return strncmp(name, "feature_", 8) == 0 ? "y" : NULL;
}

int grub_set(struct grub *g, const char *name, const char *value, struct err *e)
{
	struct grub_var *v = find(g, name), *old;
	size_t len = value ? strlen(value) : 0;
	int r = grub_charge(g, len, e);

	if (r < 0)
		return r;
	if (len > GRUB_MAX_VALUE)
		return fail_source(e, -E2BIG, "the value of %s is longer than %llu bytes", name, GRUB_MAX_VALUE);
	if (!v) {
		if (g->n_vars >= MAX_VARS)
			return fail_source(e, -E2BIG, "more than %d variables", MAX_VARS);
		v = ARRAY_ADD(g->vars, g->n_vars, g->cap_vars);
		v->hash = hash_name(name);
		v->name = xstrdup(name);
	}
	old = ARRAY_ADD(g->undo, g->n_undo, g->cap_undo);
	old->name = xstrdup(name);
	old->value = v->value;
	v->value = value ? xstrdup(value) : NULL;
	return 0;
}

void grub_undo(struct grub *g, size_t n)
{
	while (g->n_undo > n) {
		struct grub_var *old = &g->undo[--g->n_undo], *v = find(g, old->name);

		free(v->value);
		v->value = old->value;
		free(old->name);
	}
}

/* ---- expansion */

struct expansion {
	struct grub *g;
	struct grub_words *out;
	struct buf word;
	bool is_word; /* even if it is empty: something was quoted */
};

static void end_word(struct expansion *x)
{
	if (x->word.len || x->is_word)
		grub_words_add(x->out, x->word.len ? x->word.s : "", x->word.len);
	buf_clear(&x->word);
	x->is_word = false;
}

static int add_value(struct expansion *x, const char *value, bool quoted, struct err *e)
{
	int r = grub_charge(x->g, strlen(value), e);

	if (r < 0)
		return r;
	if (quoted) {
		buf_adds(&x->word, value);
		return 0;
	}
	while (*value) {
		size_t n = strcspn(value, " \t\n\r\v\f");

		buf_add(&x->word, value, n);
		value += n;
		n = strspn(value, " \t\n\r\v\f");
		value += n;
		if (n)
			end_word(x);
	}
	return 0;
}

/* $@ and $*; within quotes $* is one word. */
static int add_all_args(struct expansion *x, bool one_word, bool quoted, struct err *e)
{
	const struct grub_words *args = x->g->args;
	int r = 0;

	for (size_t i = 1; args && i < args->n && r == 0; i++) {
		if (i > 1 && one_word && quoted)
			buf_adds(&x->word, " ");
		else if (i > 1)
			end_word(x);
		x->is_word |= quoted;
		r = add_value(x, args->w[i], quoted, e);
	}
	return r;
}

static int add_variable(struct expansion *x, const char *name, size_t len, bool quoted, struct err *e)
{
	AUTO_FREE char *key = xstrndup(name, len);
	const struct grub_words *args = x->g->args;
	const char *value = NULL;
	char number[24];

	if (*key == '@' || *key == '*')
		return add_all_args(x, *key == '*', quoted, e);
	if (*key == '#' || *key == '?') {
		snprintf(number, sizeof(number), "%zu",
		         *key == '?'       ? (size_t)x->g->status
		         : args && args->n ? args->n - 1
		                           : 0);
		value = number;
	} else if (*key >= '0' && *key <= '9') {
		unsigned long n = strtoul(key, NULL, 10);

		value = args && n < args->n ? args->w[n] : NULL;
	} else {
		value = grub_get(x->g, key);
	}
	return add_value(x, value ? value : "", quoted, e);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Outside of quotes; "\x20" is kept as it is: only Red Hat's GRUB does so, but only files for that one have it. */
static size_t add_escape(struct expansion *x, const char *s, const char *end)
{
	if (end - s >= 4 && s[1] == 'x' && is_hex(s[2]) && is_hex(s[3])) {
		buf_add(&x->word, s, 4);
		return 4;
	}
	if (end - s < 2)
		return 1;
	if (s[1] != '\n')
		buf_add(&x->word, s + 1, 1);
	return 2;
}

/* From behind the opening quote to behind the closing one. */
static int add_quoted(struct expansion *x, const char **pos, const char *end, struct err *e)
{
	const char *s = *pos, *name;
	size_t used, len;
	int r = 0;

	x->is_word = true;
	for (; r == 0 && s < end && *s != '"'; s += used) {
		used = 1;
		if (*s == '\\' && end - s > 1 && strchr("$\\\"\n", s[1])) {
			used = 2;
			if (s[1] != '\n')
				buf_add(&x->word, s + 1, 1);
		} else if (*s == '$' && (used = grub_variable_length(s, &name, &len)) > 1) {
			r = add_variable(x, name, len, true, e);
		} else {
			buf_add(&x->word, s, 1);
		}
	}
	*pos = s + (s < end);
	return r;
}

/* Up to a part that is not plain text. */
static int add_part(struct expansion *x, const char **pos, const char *end, struct err *e)
{
	const char *s = *pos, *name, *quote;
	size_t len, used;
	int r = 0;

	if (*s == '\\') {
		*pos += add_escape(x, s, end);
	} else if (*s == '\'') {
		quote = memchr(s + 1, '\'', (size_t)(end - s - 1));
		buf_add(&x->word, s + 1, (size_t)(quote - s - 1));
		x->is_word = true;
		*pos = quote + 1;
	} else if (*s == '"' || (*s == '$' && end - s > 1 && s[1] == '"')) {
		/* $"..." would be translated */
		*pos += *s == '$' ? 2 : 1;
		r = add_quoted(x, pos, end, e);
	} else if (*s == '$' && (used = grub_variable_length(s, &name, &len)) > 1) {
		*pos += used;
		r = add_variable(x, name, len, false, e);
	} else {
		buf_add(&x->word, s, 1);
		*pos += 1;
	}
	return r;
}

int grub_expand(struct grub *g, const char *raw, size_t len, struct grub_words *out, struct err *e)
{
	struct expansion x = { .g = g, .out = out };
	const char *end = raw + len;
	int r = 0;

	while (r == 0 && raw < end)
		r = add_part(&x, &raw, end, e);
	if (r == 0)
		end_word(&x);
	buf_free(&x.word);
	return r;
}
