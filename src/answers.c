/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/answers.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/base/spawn.h"

#define ANSWERS_MAX MIB

static int read_text(const char *path, struct blob *ret, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	AUTO_FREE u8 *data = xcalloc(1, ANSWERS_MAX + 1);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_as(e, EXIT_USAGE, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) || (u64)st.st_size > ANSWERS_MAX)
		return fail_as(e, EXIT_USAGE, -EINVAL, "is not a file of at most 1 MiB");
	for (*ret = (struct blob){ 0 }; (n = read(fd, data + ret->len, ANSWERS_MAX - ret->len)) > 0;)
		ret->len += (size_t)n;
	if (n < 0)
		return fail_as(e, EXIT_USAGE, -errno, "%s", strerror(errno));
	if (memchr(data, '\0', ret->len))
		return fail_as(e, EXIT_USAGE, -EINVAL, "is not a text");
	ret->data = TAKE(data);
	return 0;
}

/* The value of "key = value" in a section-less look at an INI file; NULL: none. The caller frees. */
static char *ini_value(const char *text, const char *key)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		size_t len = strlen(key);

		if (strncasecmp(line, key, len) != 0)
			continue;
		line += len + strspn(line + len, " \t");
		if (*line != '=')
			continue;
		line += 1 + strspn(line + 1, " \t");
		return xstrndup(line, strcspn(line, "\r\n"));
	}
	return NULL;
}

/* What pykickstart calls the release: "F40", "RHEL9"; "" if the source does not say. */
static void syntax_version(const struct facts *f, struct buf *out)
{
	const struct node *n = source_find(f->source, "/.treeinfo");
	AUTO_ERR struct err ignored = { 0 };
	AUTO_FREE char *text = NULL, *family = NULL, *version = NULL;

	buf_adds(out, "");
	if (!n || n->type != NODE_FILE || node_load(n, MIB, &text, NULL, &ignored) < 0)
		return;
	family = ini_value(text, "family");
	version = ini_value(text, "version");
	if (!family || !version || !isdigit((unsigned char)version[0]))
		return;
	buf_addf(out, "%s%d", strcasestr(family, "fedora") ? "F" : "RHEL", atoi(version));
}

/* A validator that does not know the release is asked for its newest syntax, which says less. */
static int validate(const char *path, const char *version, struct answers *a, struct err *e)
{
	AUTO_FREE char *whole = realpath(path, NULL);
	const char *const with[] = { "ksvalidator", "-v", version, whole, NULL };
	const char *const without[] = { "ksvalidator", whole, NULL };
	const struct spawn s = { *version ? with : without, "pykickstart", NULL, 60 };
	AUTO_BUF struct buf said = { 0 };
	AUTO_ERR struct err problem = { 0 };
	int r = spawn_run(&s, &said, &problem);
	char *line;

	if (r == -ENOENT)
		a->note = xstrdup("the kickstart was not checked: ksvalidator (package pykickstart) is not installed");
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r == -EINTR)
		return fail(e, r, "interrupted");
	line = said.s ? said.s : xstrdup("");
	said.s = NULL;
	for (char *c = line; *c; c++)
		*c = isspace((unsigned char)*c) ? ' ' : *c;
	fail_as(e, EXIT_USAGE, -EINVAL, "ksvalidator finds errors: %.400s", line);
	free(line);
	return -EINVAL;
}

int answers_read(const struct facts *f, const char *option, const char *path, struct answers *ret, struct err *e)
{
	struct answers a = { .option = option };
	AUTO_BUF struct buf version = { 0 };
	int r;

	if (!f->family->answers || strcmp(f->family->answers, option) != 0)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--%s: a %s system does not take one", option, f->family->name);
	r = read_text(path, &a.text, e);
	syntax_version(f, &version);
	if (r == 0 && strcmp(option, "kickstart") == 0)
		r = validate(path, version.s, &a, e);
	if (r < 0) {
		answers_free(&a);
		return fail(e, r, "--%s %s", option, path);
	}
	*ret = a;
	return 0;
}

void answers_free(struct answers *a)
{
	free(a->text.data);
	free(a->note);
	*a = (struct answers){ 0 };
}
