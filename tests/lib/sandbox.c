/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/sandbox.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include "src/base/buf.h"

static char *dir;
static pid_t owner;
static struct buf said;

static void die(const char *what)
{
	perror(what);
	exit(99);
}

static void clean_up(void)
{
	/* A child that a test forked leaves by exit() too. */
	if (dir && getpid() == owner)
		sandbox_run("rm -rf '%s'", dir);
	buf_free(&said);
	free(dir);
}

static void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (asprintf(&dir, "%s/livestick-test.XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0 || !mkdtemp(dir))
		die("mkdtemp");
	owner = getpid();
	atexit(clean_up);
}

char *sandbox_path(const char *name)
{
	char *path;

	if (!dir)
		make_dir();
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		die("asprintf");
	return path;
}

void sandbox_make(const char *path, u64 size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		die(path);
	close(fd);
}

int sandbox_run(const char *fmt, ...)
{
	AUTO_FREE char *words = NULL, *command = NULL;
	char chunk[4096];
	va_list ap;
	FILE *f;
	int status;

	va_start(ap, fmt);
	if (vasprintf(&words, fmt, ap) < 0)
		die("vasprintf");
	va_end(ap);
	/* A subshell, so that the redirections are those of the whole command. */
	if (asprintf(&command, "(%s) 2>&1 </dev/null", words) < 0)
		die("asprintf");
	f = popen(command, "re");
	if (!f)
		die("popen");
	buf_clear(&said);
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		buf_add(&said, chunk, n);
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

const char *sandbox_said(void)
{
	return said.s ? said.s : "";
}
