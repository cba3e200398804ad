/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands that decide what the menu is. All others do nothing, and do it well: their status is 0. */
#include "bootinst/menu_grub.h"

#include <errno.h>
#include <regex.h>

typedef int grub_command_fn(struct grub *g, const struct grub_words *w, struct err *e);

/* ---- variables */

static int cmd_set(struct grub *g, const struct grub_words *w, struct err *e)
{
	char *name = w->n > 1 ? w->w[1] : NULL, *equals = name ? strchr(name, '=') : NULL, *value;
	size_t len;

	if (!equals)
		return 0;
	*equals = '\0';
	value = equals + 1;
	len = strlen(value);
	if (strcmp(name, "root") == 0 && len > 1 && *value == '(' && value[len - 1] == ')') {
		value[len - 1] = '\0';
		value++;
	}
	return grub_set(g, name, value, e);
}

static int cmd_unset(struct grub *g, const struct grub_words *w, struct err *e)
{
	return w->n > 1 && grub_get(g, w->w[1]) ? grub_set(g, w->w[1], NULL, e) : 0;
}

/* ---- conditions */

static int cmd_true(struct grub *g, const struct grub_words *w, struct err *e)
{
	(void)g;
	(void)w;
	(void)e;
	return 0;
}

static int cmd_false(struct grub *g, const struct grub_words *w, struct err *e)
{
	(void)w;
	(void)e;
	g->status = 1;
	return 0;
}

static int cmd_test(struct grub *g, const struct grub_words *w, struct err *e)
{
	size_t n = w->n - 1;
	bool value;
	int r;

	if (n && strcmp(w->w[n], "]") == 0)
		n--;
	r = grub_test(g, w->w + 1, n, &value, e);
	g->status = r == 0 && value ? 0 : 1;
	return r;
}

/* The C library's matcher is not for patterns of strangers: short ones, without repeat counts and back references. */
static bool match(const char *pattern, const char *s, regmatch_t *ret_m, size_t n)
{
	regex_t re;
	bool found;

	if (strlen(pattern) > 128 || strlen(s) > 1024 || strpbrk(pattern, "{\\"))
		return false;
	if (regcomp(&re, pattern, REG_EXTENDED) != 0)
		return false;
	found = regexec(&re, s, n, ret_m, 0) == 0;
	regfree(&re);
	return found;
}

/* regexp [--set=[NUMBER:]NAME] PATTERN STRING */
static int cmd_regexp(struct grub *g, const struct grub_words *w, struct err *e)
{
	const char *set = NULL, *colon;
	regmatch_t m[10];
	unsigned long group;
	size_t i = 1;
	int r = 0;

	if (w->n > 1 && strncmp(w->w[1], "--set=", 6) == 0) {
		set = w->w[1] + 6;
		i = 2;
	} else if (w->n > 2 && (strcmp(w->w[1], "--set") == 0 || strcmp(w->w[1], "-s") == 0)) {
		set = w->w[2];
		i = 3;
	}
	g->status = i + 2 == w->n && match(w->w[i], w->w[i + 1], m, ARRAY_SIZE(m)) ? 0 : 1;
	if (g->status || !set)
		return 0;
	colon = strchr(set, ':');
	group = colon ? strtoul(set, NULL, 10) : 1;
	if (group < ARRAY_SIZE(m) && m[group].rm_so >= 0) {
		AUTO_FREE char *value =
		    xstrndup(w->w[i + 1] + m[group].rm_so, (size_t)(m[group].rm_eo - m[group].rm_so));

		r = grub_set(g, colon ? colon + 1 : set, value, e);
	}
	return r;
}

/* ---- the medium: there is one */

/*
 * search [--file|--label|--fs-uuid] [--set[=NAME]] WHAT, and search.file WHAT [NAME]. Labels and UUIDs are those of the
 * source, which need not be ours.
 */
static int cmd_search(struct grub *g, const struct grub_words *w, struct err *e)
{
	const char *dot = strchr(w->w[0], '.'), *set = dot ? "root" : NULL, *what = "";
	bool is_file = dot && strcmp(dot, ".file") == 0, value;
	int r = 0;

	for (size_t i = 1; i < w->n; i++) {
		const char *arg = w->w[i];

		if (dot && i == 2)
			set = arg;
		else if (dot && i == 1)
			what = arg;
		else if (strncmp(arg, "--set=", 6) == 0)
			set = arg + 6;
		else if (strcmp(arg, "--set") == 0 || strcmp(arg, "-s") == 0)
			set = "root";
		else if (strcmp(arg, "--file") == 0 || strcmp(arg, "-f") == 0)
			is_file = true;
		else if (*arg != '-')
			what = arg;
	}
	value = *what;
	if (value && is_file) {
		char *const test[] = { (char *)"-e", (char *)what };

		r = grub_test(g, test, ARRAY_SIZE(test), &value, e);
	}
	g->status = !value;
	return r == 0 && value && set ? grub_set(g, set, "cd0", e) : r;
}

/* ---- other files */

static int file_result(struct grub *g, int r)
{
	g->status = g->status || r < 0;
	return r == -ENOENT || r == -EISDIR ? 0 : r;
}

static int cmd_source(struct grub *g, const struct grub_words *w, struct err *e)
{
	return file_result(g, w->n > 1 ? grub_source(g, w->w[1], e) : -ENOENT);
}

static int cmd_configfile(struct grub *g, const struct grub_words *w, struct err *e)
{
	return file_result(g, w->n > 1 ? grub_configfile(g, w->w[1], e) : -ENOENT);
}

static int cmd_eval(struct grub *g, const struct grub_words *w, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };

	for (size_t i = 1; i < w->n; i++)
		buf_addf(&text, "%s%s", i > 1 ? " " : "", w->w[i]);
	return text.len ? grub_eval(g, text.s, e) : 0;
}

/* ---- loading Linux */

void grub_unload(struct grub *g)
{
	free(g->kernel);
	free(g->cmdline);
	g->kernel = g->cmdline = NULL;
	grub_words_free(&g->initrds);
}

static bool is_hex_escape(const char *s)
{
	static const char hex[] = "0123456789abcdefABCDEF";

	return s[0] == '\\' && s[1] == 'x' && s[2] && strchr(hex, s[2]) && s[3] && strchr(hex, s[3]);
}

void grub_add_arg(struct buf *line, const char *word, bool keep_hex)
{
	bool quote = strchr(word, ' ') != NULL;

	buf_adds(line, quote ? "\"" : "");
	for (const char *s = word; *s; s++) {
		if (strchr("\\'\"", *s) && !(keep_hex && is_hex_escape(s)))
			buf_adds(line, "\\");
		buf_add(line, s, 1);
	}
	buf_adds(line, quote ? "\"" : "");
}

static int cmd_linux(struct grub *g, const struct grub_words *w, struct err *e)
{
	struct buf line = { 0 };

	(void)e;
	g->status = w->n < 2;
	if (w->n < 2)
		return 0;
	grub_unload(g);
	buf_adds(&line, "");
	for (size_t i = 2; i < w->n; i++) {
		if (!*w->w[i])
			continue;
		buf_adds(&line, line.len ? " " : "");
		grub_add_arg(&line, w->w[i], true);
	}
	g->kernel = xstrdup(w->w[1]);
	g->cmdline = line.s;
	return 0;
}

static int cmd_initrd(struct grub *g, const struct grub_words *w, struct err *e)
{
	(void)e;
	g->status = !g->kernel || w->n < 2;
	if (g->status)
		return 0;
	grub_words_free(&g->initrds);
	for (size_t i = 1; i < w->n; i++)
		if (*w->w[i])
			grub_words_add(&g->initrds, w->w[i], strlen(w->w[i]));
	return 0;
}

/* ---- the way on */

/* Of a function or the body of an entry; a file cannot return. */
static int cmd_return(struct grub *g, const struct grub_words *w, struct err *e)
{
	(void)e;
	g->status = w->n > 1 ? (int)(strtoul(w->w[1], NULL, 10) & 0xffff) : 0;
	if (g->args)
		g->leave = LEAVE_RETURN;
	return 0;
}

static int cmd_break(struct grub *g, const struct grub_words *w, struct err *e)
{
	(void)e;
	if (g->loops)
		g->leave = strcmp(w->w[0], "break") == 0 ? LEAVE_BREAK : LEAVE_CONTINUE;
	return 0;
}

static int cmd_exit(struct grub *g, const struct grub_words *w, struct err *e)
{
	(void)w;
	(void)e;
	g->leave = LEAVE_ALL;
	return 0;
}

static int cmd_boot(struct grub *g, const struct grub_words *w, struct err *e)
{
	return g->kernel ? cmd_exit(g, w, e) : 0;
}

static const struct {
	const char *name;
	grub_command_fn *fn;
} commands[] = {
	{ "set", cmd_set },
	{ "unset", cmd_unset },
	{ "[", cmd_test },
	{ "test", cmd_test },
	{ "true", cmd_true },
	{ "false", cmd_false },
	{ "regexp", cmd_regexp },
	{ "search", cmd_search },
	{ "search.file", cmd_search },
	{ "search.fs_label", cmd_search },
	{ "search.fs_uuid", cmd_search },
	{ "source", cmd_source },
	{ ".", cmd_source },
	{ "configfile", cmd_configfile },
	{ "normal", cmd_configfile },
	{ "eval", cmd_eval },
	{ "linux", cmd_linux },
	{ "linux16", cmd_linux },
	{ "linuxefi", cmd_linux },
	{ "initrd", cmd_initrd },
	{ "initrd16", cmd_initrd },
	{ "initrdefi", cmd_initrd },
	{ "return", cmd_return },
	{ "break", cmd_break },
	{ "continue", cmd_break },
	{ "exit", cmd_exit },
	{ "boot", cmd_boot },
};

int grub_command(struct grub *g, const struct grub_words *words, bool *ret_known, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, words->w[0]) == 0) {
			*ret_known = true;
			g->status = 0;
			return commands[i].fn(g, words, e);
		}
	}
	*ret_known = false;
	return 0;
}
