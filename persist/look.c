/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/look.h"

#include <stdarg.h>

char *look_sentence(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return text;
}

const char *look_dir(const struct source *s, const char *sub, const char *glob)
{
	for (size_t i = 0; i < s->root->n_children; i++) {
		const struct node *n = s->root->children[i];
		AUTO_FREE char *path = look_sentence("/%s/%s", n->name, sub);

		if (n->type == NODE_DIR && look_has(s, path, glob))
			return n->name;
	}
	return NULL;
}

/* The value that begins at `v`, up to the end of the word. What has a "$" or "@" in it is made at run time. */
static char *plain_word(const char *v)
{
	char quote = *v == '"' || *v == '\'' ? *v : '\0';
	size_t n;

	v += quote != '\0';
	n = quote ? strcspn(v, (const char[]){ quote, '\n', '\0' }) : strcspn(v, " \t\r\n;#&|");
	if (n == 0 || (quote && v[n] != quote) || memchr(v, '$', n) || memchr(v, '@', n) || memchr(v, '`', n))
		return NULL;
	return xstrndup(v, n);
}

char *look_assigned(const char *text, const char *name)
{
	size_t n = strlen(name);
	char *value = NULL;

	for (const char *line = text; line && !value; line = strchr(line, '\n')) {
		line += strspn(line, " \t\r\n");
		if (strncmp(line, name, n) == 0 && line[n] == '=')
			value = plain_word(line + n + 1);
	}
	return value;
}

bool look_initrd_says(const struct family_facts *f, const char *path, const char *words)
{
	const char *text = family_initrd_text(f, path);

	return text && strstr(text, words);
}

char *look_path(const char *value, const char *slot, const char *other)
{
	AUTO_FREE char *path = inside_dir(value ? value : "", slot);

	return *path && !strpbrk(path, " \t") ? TAKE(path) : xstrdup(other);
}
