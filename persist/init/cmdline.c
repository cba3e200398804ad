/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/cmdline.h"

/*
 * The next word of `*p` without its quotes in `word`; false at the end. Like the kernel's next_arg(): quotes may begin
 * at the word or at the value, and a word that is too long for us is none of ours: it is left out.
 */
static bool next_word(const char **p, char *word, size_t cap)
{
	for (;;) {
		size_t len = 0;
		bool quoted = false, fits = true;

		*p += strspn(*p, " \t\n");
		if (!**p)
			return false;
		for (; **p && (quoted || !strchr(" \t\n", **p)); ++*p) {
			if (**p == '"')
				quoted = !quoted;
			else if (len + 1 < cap)
				word[len++] = **p;
			else
				fits = false;
		}
		word[len] = '\0';
		if (fits)
			return true;
	}
}

/* "name=value": the value. */
static const char *value_of(const char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static bool is_session(const char *s)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return *s && s[strspn(s, ok)] == '\0' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static bool set_session(struct cmdline *c, const char *value)
{
	c->session[0] = '\0';
	if (!*value || strcmp(value, "resume") == 0)
		value = "default";
	return is_session(value) && text_copy(c->session, sizeof(c->session), value);
}

static bool set_from(struct cmdline *c, const char *value)
{
	c->from[0] = '\0';
	if (!*value || strcmp(value, "/") == 0)
		return true;
	return text_is_clean_path(value) && text_copy(c->from, sizeof(c->from), value);
}

static bool set_boot(struct cmdline *c, const char *value)
{
	return text_copy(c->boot, sizeof(c->boot), value);
}

static bool set_data(struct cmdline *c, const char *value)
{
	return text_copy(c->data, sizeof(c->data), value);
}

static bool set_init(struct cmdline *c, const char *value)
{
	return text_is_clean_path(value) && text_copy(c->init, sizeof(c->init), value);
}

static bool set_load(struct cmdline *c, const char *value)
{
	return text_copy(c->load, sizeof(c->load), value);
}

static bool set_noload(struct cmdline *c, const char *value)
{
	return text_copy(c->noload, sizeof(c->noload), value);
}

static bool set_delay(struct cmdline *c, const char *value)
{
	unsigned n = 0;

	for (; *value >= '0' && *value <= '9' && n <= CMDLINE_DELAY_MAX; value++)
		n = n * 10 + (unsigned)(*value - '0');
	c->delay = MIN(MAX(n, CMDLINE_DELAY), CMDLINE_DELAY_MAX);
	return true;
}

static const struct argument {
	const char *name;
	bool (*set)(struct cmdline *c, const char *value); /* false: the value cannot be used */
} arguments[] = {
	{ "livestick.boot", set_boot }, { "livestick.data", set_data }, { "from", set_from },
	{ "perchdir", set_session },    { "init", set_init },           { "load", set_load },
	{ "noload", set_noload },       { "rootdelay", set_delay },
};

void cmdline_parse(const char *text, struct cmdline *ret)
{
	char word[2048];

	*ret = (struct cmdline){ .session = "default", .delay = CMDLINE_DELAY };
	while (next_word(&text, word, sizeof(word))) {
		ret->perch |= strcmp(word, "perch") == 0;
		ret->toram |= strcmp(word, "toram") == 0;
		ret->debug |= strcmp(word, "debug") == 0;
		for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
			const char *value = value_of(word, arguments[i].name);

			if (value && !arguments[i].set(ret, value))
				ret->wrong = arguments[i].name;
		}
	}
}

static bool same_module(const char *a, const char *b, size_t len)
{
	for (; len; len--, a++, b++)
		if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
			return false;
	return true;
}

void cmdline_module_options(const char *text, const char *module, struct text *options)
{
	size_t len = strlen(module);
	char word[2048];

	while (next_word(&text, word, sizeof(word))) {
		bool blanks = strpbrk(word, " \t") != NULL;

		if (strlen(word) <= len + 1 || word[len] != '.' || !same_module(word, module, len))
			continue;
		text_add(options, "%s%s%s%s", options->len ? " " : "", blanks ? "\"" : "", word + len + 1,
		         blanks ? "\"" : "");
	}
}

bool cmdline_is_ours(const char *word)
{
	static const char *const ours[] = { "perch", "toram",  "perchdir",       "from",
		                            "load",  "noload", "livestick.boot", "livestick.data" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strcmp(word, ours[i]) == 0 || value_of(word, ours[i]))
			return true;
	return false;
}
