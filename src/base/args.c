/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/args.h"

static bool is_blank(char c)
{
	return (u8)c <= ' ';
}

const char *args_next(const char **pos, size_t *ret_len)
{
	const char *word = *pos, *end;
	bool quoted = false;

	while (*word && is_blank(*word))
		word++;
	for (end = word; *end && (quoted || !is_blank(*end)); end++)
		if (*end == '"')
			quoted = !quoted;
	*pos = end;
	*ret_len = (size_t)(end - word);
	return end > word ? word : NULL;
}

/* The kernel takes a word that is quoted as a whole for what is inside. */
static bool matches(const char *word, size_t len, const char *token)
{
	size_t n = strlen(token);

	if (len && *word == '"') {
		word++;
		len -= len > 1 && word[len - 2] == '"' ? 2 : 1;
	}
	if (n && token[n - 1] == '=')
		return len >= n && memcmp(word, token, n) == 0;
	if (n && token[n - 1] == '*')
		return len >= n - 1 && memcmp(word, token, n - 1) == 0;
	return len == n && memcmp(word, token, n) == 0;
}

bool args_has(const char *args, const char *token)
{
	const char *word;
	size_t len;

	while ((word = args_next(&args, &len)))
		if (matches(word, len, token))
			return true;
	return false;
}

char *args_value(const char *args, const char *key)
{
	struct buf value = { 0 };
	const char *word;
	size_t len;

	while ((word = args_next(&args, &len))) {
		const char *end = word + len;

		if (!matches(word, len, key))
			continue;
		buf_clear(&value);
		buf_adds(&value, "");
		for (word = strchr(word, '=') + 1; word < end; word++)
			if (*word != '"')
				buf_add(&value, word, 1);
	}
	return value.s;
}

static bool matches_any(const char *word, size_t len, const char *const *tokens, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (matches(word, len, tokens[i]))
			return true;
	return false;
}

static void add_word(struct buf *out, const char *word, size_t len)
{
	if (out->len)
		buf_adds(out, " ");
	buf_add(out, word, len);
}

void args_without(const char *args, const char *const *drop, size_t n_drop, struct buf *out)
{
	struct buf kept = { 0 };
	const char *word;
	size_t len;

	buf_adds(&kept, "");
	while ((word = args_next(&args, &len)))
		if (!matches_any(word, len, drop, n_drop))
			add_word(&kept, word, len);
	buf_add(out, kept.s, kept.len);
	buf_free(&kept);
}

static size_t n_quotes(const char *s)
{
	size_t n = 0;

	for (; s && *s; s++)
		n += *s == '"';
	return n;
}

void args_add(struct buf *args, const char *words)
{
	AUTO_BUF struct buf all = { 0 };
	const char *pos = args->len ? args->s : "", *word;
	bool added = false;
	size_t len;

	while ((word = args_next(&pos, &len))) {
		if (!added && (matches(word, len, "--") || matches(word, len, "---"))) {
			add_word(&all, words, strlen(words));
			added = true;
		}
		add_word(&all, word, len);
	}
	/* A quote that nobody closed ends with the line; what comes behind it now is no part of that word. */
	if (!added && n_quotes(all.s) % 2)
		buf_adds(&all, "\"");
	if (!added)
		add_word(&all, words, strlen(words));
	buf_clear(args);
	buf_add(args, all.s, all.len);
}
