/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and lines of checksum lists. The lines are those of coreutils (md5sum(1)):
 *
 *	HASH  path          HASH *path          \HASH  path with \\ and \n           # anything
 *	MD5 (path) = HASH   \MD5 (path with \\) = HASH
 *
 * and what their checkers take, too: one blank or many ("md5 -r", casper-md5check), openssl's "MD5(path)= HASH".
 */
#include "src/source/sums_private.h"

#include <strings.h>

/* In names of lists and of the programs that make them. */
static const struct {
	const char *word;
	enum digest_kind kind;
} words[] = {
	{ "md5", DIGEST_MD5 },       { "sha1", DIGEST_SHA1 },     { "sha224", DIGEST_SHA224 },
	{ "sha256", DIGEST_SHA256 }, { "sha384", DIGEST_SHA384 }, { "sha512", DIGEST_SHA512 },
	{ "b2", DIGEST_BLAKE2B },
};

/* What BSD's programs and openssl write in front. */
static const struct {
	const char *tag;
	enum digest_kind kind;
} tags[] = {
	{ "MD5", DIGEST_MD5 },         { "SHA1", DIGEST_SHA1 },       { "SHA224", DIGEST_SHA224 },
	{ "SHA256", DIGEST_SHA256 },   { "SHA384", DIGEST_SHA384 },   { "SHA512", DIGEST_SHA512 },
	{ "BLAKE2b", DIGEST_BLAKE2B }, { "SHA2-224", DIGEST_SHA224 }, { "SHA2-256", DIGEST_SHA256 },
	{ "SHA2-384", DIGEST_SHA384 }, { "SHA2-512", DIGEST_SHA512 },
};

static bool is_word(const char *p, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

/* "md5", and "md5sum", "md5sums" unless `bare` only is meant. */
static bool kind_of_word(const char *p, size_t len, bool bare, enum digest_kind *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].word);

		if (len < n || strncasecmp(p, words[i].word, n) != 0)
			continue;
		if ((bare && len == n) || is_word(p + n, len - n, "sum") || is_word(p + n, len - n, "sums")) {
			*ret = words[i].kind;
			return true;
		}
	}
	return false;
}

struct sums_name sums_name(const char *name)
{
	size_t len = strlen(name), stem;
	struct sums_name n = { 0 };

	if (len > 4 && strcasecmp(name + len - 4, ".txt") == 0)
		len -= 4;
	for (stem = len; stem > 0 && name[stem - 1] != '.'; stem--)
		;
	if (is_word(name, len, "CHECKSUMS") || is_word(name, len, "isoroot_checksums"))
		n = (struct sums_name){ .is_list = true, .of_any_kind = true };
	else if (is_word(name, len, "isoroot_b2sums"))
		n = (struct sums_name){ .is_list = true, .kind = DIGEST_BLAKE2B };
	else if (stem == 0)
		n.is_list = kind_of_word(name, len, false, &n.kind);
	else if (stem > 1)
		n.is_list = kind_of_word(name + stem, len - stem, true, &n.kind);
	if (n.is_list && stem > 1)
		n.beside = stem - 1;
	return n;
}

/* ---- lines */

struct text {
	const char *p, *end;
};

static size_t count_hex(const struct text *t)
{
	size_t n = 0;

	while (t->p + n < t->end && ((t->p[n] >= '0' && t->p[n] <= '9') || (t->p[n] >= 'a' && t->p[n] <= 'f') ||
	                             (t->p[n] >= 'A' && t->p[n] <= 'F')))
		n++;
	return n;
}

static void skip_blanks(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

static bool take(struct text *t, char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

/* SHA-512 and BLAKE2b are as long as each other; a list of the latter is named so. */
static bool kind_of_length(size_t hex_len, enum digest_kind *ret)
{
	for (size_t i = 0; i < DIGEST_KINDS; i++) {
		if (i != DIGEST_BLAKE2B && 2 * digest_size((enum digest_kind)i) == hex_len) {
			*ret = (enum digest_kind)i;
			return true;
		}
	}
	return false;
}

static bool take_digest(struct text *t, struct sums_line *ret)
{
	size_t size = digest_size(ret->kind);

	if (count_hex(t) != 2 * size || !digest_from_hex(t->p, size, ret->digest))
		return false;
	t->p += 2 * size;
	return true;
}

static bool take_path(const char *p, const char *end, bool is_escaped, struct sums_line *ret)
{
	size_t n = 0;

	while (p < end) {
		char c = *p++;

		if (c == '\\' && is_escaped) {
			c = p < end ? *p++ : '\0';
			c = c == '\\' ? '\\' : c == 'n' ? '\n' : c == 'r' ? '\r' : '\0';
		}
		if (c == '\0' || n + 1 >= sizeof(ret->path))
			return false;
		ret->path[n++] = c;
	}
	ret->path[n] = '\0';
	return true;
}

static bool hash_first(struct text t, bool is_escaped, const struct sums_name *list, struct sums_line *ret)
{
	const char *after;

	ret->kind = list->kind;
	if (list->of_any_kind && !kind_of_length(count_hex(&t), &ret->kind))
		return false;
	if (!take_digest(&t, ret))
		return false;
	after = t.p;
	skip_blanks(&t);
	if (t.p == after && t.p != t.end)
		return false;
	take(&t, '*');
	if (t.end - t.p == 1 && *t.p == '-')
		t.p++;
	return take_path(t.p, t.end, is_escaped, ret);
}

static bool tag_first(struct text t, bool is_escaped, struct sums_line *ret)
{
	const char *open = memchr(t.p, '(', (size_t)(t.end - t.p)), *close, *end = open;
	size_t i = 0;

	if (!open)
		return false;
	while (end > t.p && end[-1] == ' ')
		end--;
	while (i < ARRAY_SIZE(tags) && !is_word(t.p, (size_t)(end - t.p), tags[i].tag))
		i++;
	close = memrchr(open, ')', (size_t)(t.end - open));
	if (i == ARRAY_SIZE(tags) || !close)
		return false;
	ret->kind = tags[i].kind;
	t.p = close + 1;
	skip_blanks(&t);
	if (!take(&t, '='))
		return false;
	skip_blanks(&t);
	if (!take_digest(&t, ret) || t.p != t.end)
		return false;
	return close > open + 1 && take_path(open + 1, close, is_escaped, ret);
}

bool sums_line(const char *line, size_t len, const struct sums_name *list, struct sums_line *ret)
{
	struct text t = { line, line + len };
	bool is_escaped;

	while (t.end > t.p && t.end[-1] == '\r')
		t.end--;
	skip_blanks(&t);
	is_escaped = take(&t, '\\');
	return hash_first(t, is_escaped, list, ret) || tag_first(t, is_escaped, ret);
}
