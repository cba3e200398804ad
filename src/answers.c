/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/answers.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/base/ini.h"
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

/* ---- what pykickstart calls the release */

/* The newer files have it in [release] too, and only there when they are of productmd alone. */
static char *info(const char *text, const char *general_key, const char *release_key)
{
	char *value = ini_value(text, "general", general_key);

	return value ? value : ini_value(text, "release", release_key);
}

/* "F40", "RHEL9"; "" if the source does not say. */
static void syntax_version(const struct facts *f, struct buf *out)
{
	const struct node *n = source_find(f->source, "/.treeinfo");
	AUTO_ERR struct err ignored = { 0 };
	AUTO_FREE char *text = NULL, *family = NULL, *version = NULL;

	buf_adds(out, "");
	if (!n || n->type != NODE_FILE || node_load(n, MIB, &text, NULL, &ignored) < 0)
		return;
	family = info(text, "family", "name");
	version = info(text, "version", "version");
	if (!family || !version || !isdigit((unsigned char)version[0]))
		return;
	buf_addf(out, "%s%.*s", strcasestr(family, "fedora") ? "F" : "RHEL", (int)strspn(version, "0123456789"),
	         version);
}

/* ---- ksvalidator: facts from pykickstart 3.74
 *
 * Its exit status is the number of errors; what is wrong is on stderr, a line or more for each. It takes its argument
 * for a glob. A deprecated command is an error to it ("Ignoring deprecated command on line 1: ..."), though the
 * installer only passes over it.
 */

/* pip and its like put it where the system's directories do not reach: the absolute ones of the user's PATH count. */
static char *find_validator(void)
{
	struct buf path = { 0 };
	struct stat st;
	size_t len;

	for (const char *dir = getenv("PATH"); dir && *dir; dir += len + (dir[len] == ':')) {
		len = strcspn(dir, ":");
		buf_clear(&path);
		buf_addf(&path, "%.*s/ksvalidator", (int)len, dir);
		if (*dir == '/' && stat(path.s, &st) == 0 && S_ISREG(st.st_mode) && access(path.s, X_OK) == 0)
			return path.s;
	}
	buf_free(&path);
	return xstrdup("ksvalidator");
}

char *answers_program_dir(const char *option)
{
	AUTO_FREE char *program = option && strcmp(option, "kickstart") == 0 ? find_validator() : NULL;
	AUTO_FREE char *real = program && *program == '/' ? realpath(program, NULL) : NULL;

	/* PREFIX/bin/ksvalidator: its modules are below PREFIX. */
	for (int i = 0; real && *real && i < 2; i++)
		*strrchr(real, '/') = '\0';
	return real && *real ? TAKE(real) : NULL;
}

static void add_glob(const char *path, struct buf *out)
{
	for (; *path; path++)
		buf_addf(out, strchr("*?[", *path) ? "[%c]" : "%c", *path);
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line == '\n');
}

/* A line that only names the file, or has nothing in it. */
static bool is_idle(const char *line)
{
	static const char naming[] = "Checking kickstart file ";

	return line[strspn(line, " \t\r")] == '\n' || !line[strspn(line, " \t\r")] ||
	       strncmp(line, naming, strlen(naming)) == 0;
}

/* What it said, as one line. */
static void one_line(const char *said, struct buf *out)
{
	buf_adds(out, "");
	for (const char *line = said; *line; line = next_line(line)) {
		size_t len = strcspn(line, "\r\n");

		if (!is_idle(line))
			buf_addf(out, "%s%.*s", out->len ? " " : "", (int)len, line);
	}
}

static bool is_only_deprecated(const char *said)
{
	for (const char *line = said; *line; line = next_line(line)) {
		AUTO_FREE char *text = is_idle(line) ? NULL : xstrndup(line, strcspn(line, "\n"));

		if (text && !strstr(text, "deprecated"))
			return false;
	}
	return true;
}

static void add_note(struct answers *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add_note(struct answers *a, const char *fmt, ...)
{
	struct buf note = { 0 };
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	buf_addf(&note, "%s%s%s", a->note ? a->note : "", a->note ? "; " : "", text);
	free(text);
	free(a->note);
	a->note = note.s;
}

static int run_validator(const char *const *argv, struct buf *said, struct err *e)
{
	const struct spawn s = { .argv = argv, .package = "pykickstart", .seconds = 60 };

	return spawn_run(&s, said, e);
}

/* Whether it knows the release; yes, when it does not say which it knows. */
static bool knows(const char *program, const char *version)
{
	const char *const argv[] = { program, "-l", NULL };
	AUTO_BUF struct buf said = { 0 };
	AUTO_ERR struct err ignored = { 0 };

	if (run_validator(argv, &said, &ignored) < 0)
		return true;
	for (const char *line = said.s; *line; line = next_line(line))
		if (strcspn(line, "\r\n") == strlen(version) && strncmp(line, version, strlen(version)) == 0)
			return true;
	return false;
}

/* What Python says at the end of a traceback is why. */
static void not_working(const char *said, struct answers *a)
{
	const char *last = "";

	for (const char *line = said; *line; line = next_line(line))
		last = is_idle(line) ? last : line;
	add_note(a, "the kickstart was not checked: ksvalidator does not work: %.*s", (int)strcspn(last, "\r\n"), last);
}

/*
 * What it said when it ended with an error: because it cannot work, or of the file. What is wrong by the syntax of
 * another release may be right by that of the source's.
 */
static int judge(const char *said, const char *problem, bool by_release, struct answers *a, struct err *e)
{
	AUTO_BUF struct buf line = { 0 };

	one_line(said, &line);
	if (!line.len)
		add_note(a, "the kickstart was not checked: %s", problem);
	else if (strstr(said, "Traceback (most recent call last)"))
		not_working(said, a);
	else if (!by_release || is_only_deprecated(said))
		add_note(a, "ksvalidator says of the kickstart: %.400s", line.s);
	else
		return fail_as(e, EXIT_USAGE, -EINVAL, "ksvalidator finds errors: %.400s", line.s);
	return 0;
}

static int validate(const char *path, const char *version, struct answers *a, struct err *e)
{
	AUTO_FREE char *program = find_validator(), *whole = realpath(path, NULL);
	bool by_release = *version && knows(program, version);
	AUTO_BUF struct buf glob = { 0 }, said = { 0 };
	AUTO_ERR struct err problem = { 0 };
	int r;

	add_glob(whole ? whole : path, &glob);
	const char *const with[] = { program, "-v", version, glob.s, NULL };
	const char *const without[] = { program, glob.s, NULL };

	r = run_validator(by_release ? with : without, &said, &problem);
	if (r == -EINTR)
		return fail(e, r, "interrupted");
	if (r == -ENOENT) {
		add_note(a, "the kickstart was not checked: ksvalidator (package pykickstart) is not installed");
		return 0;
	}
	if (!by_release)
		add_note(a, "ksvalidator does not know %s, so the kickstart was checked by its newest syntax",
		         *version ? version : "which release the source is");
	if (r < 0 && r != -EIO)
		add_note(a, "the kickstart was not checked: %s", problem.text);
	return r == -EIO ? judge(said.s, problem.text, by_release, a, e) : 0;
}

/* ---- */

int answers_read(const struct facts *f, const char *option, const char *path, struct answers *ret, struct err *e)
{
	struct answers a = { .option = option };
	AUTO_BUF struct buf version = { 0 };
	int r;

	if (!f->family->answers || strcmp(f->family->answers, option) != 0)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--%s: %s does not take one", option, f->family->name);
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
