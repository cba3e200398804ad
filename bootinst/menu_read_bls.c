/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Entries of the Boot Loader Specification (uapi-group.org), type 1, as systemd-boot shows them. */
#include "bootinst/menu_draft.h"

#include <errno.h>
#include <strings.h>

#define MAX_LINE 4096

struct bls_entry {
	char *name; /* of the file, without ".conf" */
	char *title, *version, *sort_key, *kernel, *architecture;
	char **initrds;
	size_t n_initrds, cap_initrds;
	struct buf options;
};

static void bls_free(struct bls_entry *b)
{
	for (size_t i = 0; i < b->n_initrds; i++)
		free(b->initrds[i]);
	free(b->initrds);
	free(b->name);
	free(b->title);
	free(b->version);
	free(b->sort_key);
	free(b->kernel);
	free(b->architecture);
	buf_free(&b->options);
}

/* ---- lines: a key, blanks, a value */

typedef void line_fn(void *ctx, const char *key, const char *value);

static int read_lines(const struct menu_loader *l, const char *path, line_fn *fn, void *ctx, struct err *e)
{
	AUTO_FREE char *text = NULL;
	char line[MAX_LINE + 1];
	unsigned number = 0;
	size_t len, n;
	int r = l->load(l->ctx, path, &text, &len, e);

	if (r < 0)
		return r;
	if (len > MENU_FILE_MAX)
		return fail_source(e, -EFBIG, "%s: is too large for a boot entry", path);
	for (const char *s = text; len; s += n, len -= n) {
		const char *end = memchr(s, '\n', len);
		size_t used = end ? (size_t)(end - s) : len;
		char *key = line, *value;

		n = used + (end != NULL);
		number++;
		if (used > MAX_LINE)
			return fail_source(e, -E2BIG, "%s:%u: the line is longer than %d bytes", path, number,
			                   MAX_LINE);
		memcpy(line, s, used);
		line[used] = '\0';
		for (used = strlen(line); used && strchr(" \t\r", line[used - 1]);)
			line[--used] = '\0';
		key += strspn(key, " \t");
		value = key + strcspn(key, " \t");
		if (*value)
			*value++ = '\0';
		value += strspn(value, " \t");
		if (*key && *key != '#')
			fn(ctx, key, value);
	}
	return 0;
}

static void set(char **s, const char *value)
{
	free(*s);
	*s = xstrdup(value);
}

static void entry_line(void *ctx, const char *key, const char *value)
{
	struct bls_entry *b = ctx;

	if (strcmp(key, "title") == 0)
		set(&b->title, value);
	else if (strcmp(key, "version") == 0)
		set(&b->version, value);
	else if (strcmp(key, "sort-key") == 0)
		set(&b->sort_key, value);
	else if (strcmp(key, "linux") == 0)
		set(&b->kernel, value);
	else if (strcmp(key, "architecture") == 0)
		set(&b->architecture, value);
	else if (strcmp(key, "initrd") == 0 && *value)
		*ARRAY_ADD(b->initrds, b->n_initrds, b->cap_initrds) = xstrdup(value);
	else if (strcmp(key, "options") == 0)
		buf_addf(&b->options, "%s%s", b->options.len ? " " : "", value);
}

/* ---- order */

/* Entries with a sort-key come first, by that, and then the newest version first; the others by name, backwards. */
static int compare_entries(const void *x, const void *y)
{
	const struct bls_entry *a = x, *b = y;
	int order = 0;

	if (!a->sort_key != !b->sort_key)
		return a->sort_key ? -1 : 1;
	if (a->sort_key) {
		order = strcmp(a->sort_key, b->sort_key);
		if (!order)
			order = strverscmp(b->version ? b->version : "", a->version ? a->version : "");
	}
	return order ? order : strverscmp(b->name, a->name);
}

/* A pattern with * and ?, in any case, in time that is bounded by the product of both lengths. */
static bool matches(const char *pattern, const char *s)
{
	const char *star = NULL, *retry = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = pattern++;
			retry = s;
		} else if (*pattern == '?' || (*pattern && strncasecmp(pattern, s, 1) == 0)) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star + 1;
			s = ++retry;
		} else {
			return false;
		}
	}
	return !pattern[strspn(pattern, "*")];
}

/* ---- the menu */

static int read_entry(const struct menu_loader *l, const char *path, struct bls_entry *b, struct err *e)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t len = strlen(name);
	int r = read_lines(l, path, entry_line, b, e);

	b->name = xstrndup(name, len > 5 && strcasecmp(name + len - 5, ".conf") == 0 ? len - 5 : len);
	if (r == -ENOENT && !e->text)
		return fail_source(e, r, "%s: no such file", path);
	return r;
}

static int add_entry(struct menu *m, const struct bls_entry *b, const char *default_name, bool *has_default,
                     struct err *e)
{
	struct menu_draft d = {
		.id = b->name,
		.title = b->title ? b->title : b->name,
		.kernel = b->kernel,
		.initrds = (const char *const *)b->initrds,
		.n_initrds = b->n_initrds,
		.args = b->options.len ? b->options.s : "",
	};
	AUTO_BUF struct buf file = { 0 };
	size_t i;
	int r;

	if (!b->kernel || !menu_is_linux(b->kernel, strlen(b->kernel)) ||
	    (b->architecture && strcasecmp(b->architecture, "x64") != 0))
		return 0;
	r = menu_add_draft(m, &d, &i, e);
	if (r < 0)
		return fail(e, r, "%s.conf", b->name);
	buf_addf(&file, "%s.conf", b->name);
	if (default_name && !*has_default && (matches(default_name, b->name) || matches(default_name, file.s))) {
		menu_set_default(m, i);
		*has_default = true;
	}
	return 0;
}

int menu_read_bls(const struct menu_loader *l, const char *const *entry_paths, size_t n, const char *default_name,
                  struct menu *ret, struct err *e)
{
	struct bls_entry *entries = xcalloc(n, sizeof(*entries));
	bool has_default = false;
	struct menu m = { 0 };
	int r = 0;

	if (n > MENU_ENTRIES_MAX)
		r = fail_source(e, -E2BIG, "more than %d menu entries", MENU_ENTRIES_MAX);
	for (size_t i = 0; i < n && r == 0; i++)
		r = read_entry(l, entry_paths[i], &entries[i], e);
	if (r == 0)
		qsort(entries, n, sizeof(*entries), compare_entries);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_entry(&m, &entries[i], default_name, &has_default, e);
	for (size_t i = 0; i < n; i++)
		bls_free(&entries[i]);
	free(entries);
	if (r < 0) {
		menu_free(&m);
		return r;
	}
	if (m.n && !has_default)
		menu_set_default(&m, 0);
	*ret = m;
	return 0;
}

/* ---- loader.conf */

struct loader_conf {
	char *default_name;
	unsigned timeout_ds;
};

static void conf_line(void *ctx, const char *key, const char *value)
{
	struct loader_conf *c = ctx;
	char *end;
	long seconds;

	if (strcmp(key, "default") == 0)
		set(&c->default_name, value);
	if (strcmp(key, "timeout") != 0)
		return;
	seconds = strtol(value, &end, 10);
	if (end != value)
		c->timeout_ds = menu_timeout_ds(seconds);
	else
		c->timeout_ds = strcmp(value, "menu-force") == 0 ? 0 : menu_timeout_ds(0);
}

int menu_read_loader_conf(const struct menu_loader *l, const char *path, char **ret_default, unsigned *ret_timeout_ds,
                          struct err *e)
{
	struct loader_conf c = { .timeout_ds = menu_timeout_ds(0) };
	int r = read_lines(l, path, conf_line, &c, e);

	if (r == -ENOENT) {
		err_clear(e);
		r = 0;
	}
	if (r < 0) {
		free(c.default_name);
		return r;
	}
	*ret_default = c.default_name;
	*ret_timeout_ds = c.timeout_ds;
	return 0;
}
