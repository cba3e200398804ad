/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "src/base/progress.h"
#include "src/base/scratch.h"

#define PATH_DIRS "/usr/sbin:/usr/bin:/sbin:/bin"

/* How much of what a program said goes into an error sentence. */
#define LAST_WORDS 300

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Full path of a program; NULL if there is none. The caller frees. */
static char *find_program(const char *name)
{
	struct buf path = { 0 };

	if (strchr(name, '/'))
		return is_program(name) ? xstrdup(name) : NULL;
	for (const char *dir = PATH_DIRS; *dir; dir += dir[strcspn(dir, ":")] == ':') {
		buf_clear(&path);
		buf_addf(&path, "%.*s/%s", (int)strcspn(dir, ":"), dir, name);
		if (is_program(path.s))
			return path.s;
		dir += strcspn(dir, ":");
	}
	buf_free(&path);
	return NULL;
}

static int start(const struct spawn *s, const char *program, int out, pid_t *ret_pid)
{
	AUTO_BUF struct buf tmpdir = { 0 }, home = { 0 };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	buf_addf(&tmpdir, "TMPDIR=%s", s->tmpdir ? s->tmpdir : scratch_parent());
	buf_addf(&home, "HOME=%s", s->tmpdir ? s->tmpdir : scratch_parent());
	char *env[] = { (char *)"PATH=" PATH_DIRS, (char *)"LC_ALL=C", tmpdir.s, home.s, NULL };

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&files, out, 1);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&files, out, 2);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (!r)
		r = posix_spawn(ret_pid, program, &files, &attr, (char **)s->argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/* Takes what is there, but no more than a pipe holds, for the clock must be looked at; false at the end of the pipe. */
static bool take_output(int fd, struct buf *output)
{
	char piece[16 * KIB];
	ssize_t n = 1;

	for (int i = 0; i < 4 && n > 0; i++) {
		n = read(fd, piece, sizeof(piece));
		if (n > 0)
			buf_add(output, piece, MIN((size_t)n, SPAWN_OUTPUT_MAX - output->len));
	}
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static i64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (i64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Collects output until the program has ended: not until the pipe has, which something it left in the background may
 * hold open. Polls at least ten times a second, for a signal that comes just before poll() does not end it.
 */
static int watch(int pidfd, int out, i64 deadline, struct buf *output)
{
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN }, { .fd = out, .events = POLLIN } };

	for (;;) {
		i64 left = deadline - now_ms();

		if (interrupted)
			return -EINTR;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)MIN(left, 100)) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].fd >= 0 && fds[1].revents && !take_output(out, output))
			fds[1].fd = -1;
		if (fds[0].revents) {
			take_output(out, output);
			return 0;
		}
	}
}

/* The end of what the program said, as one line in front of which the caller puts the program's name. */
static void last_words(const struct buf *output, struct err *e)
{
	AUTO_BUF struct buf words = { 0 };
	const char *s = output->s + (output->len > LAST_WORDS ? output->len - LAST_WORDS : 0);

	buf_adds(&words, "");
	for (; *s; s++) {
		if (*s != '\n')
			buf_add(&words, s, 1);
		else if (words.len && s[strspn(s, "\n")])
			buf_adds(&words, s[1] == '\n' ? "" : "; ");
	}
	if (words.len)
		fail(e, 0, "%s", words.s);
}

static int judge(const struct spawn *s, int r, int status, const struct buf *output, struct err *e)
{
	const char *name = s->argv[0];

	if (r == -EINTR)
		return fail(e, r, "%s: interrupted", name);
	if (r == -ETIMEDOUT)
		return fail(e, r, "%s: did not end within %u seconds", name, s->seconds);
	if (r < 0)
		return fail(e, r, "%s: %s", name, strerror(-r));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_words(output, e);
	if (WIFSIGNALED(status))
		return fail(e, -EIO, "%s: was killed by signal %d (%s)", name, WTERMSIG(status),
		            strsignal(WTERMSIG(status)));
	return fail(e, -EIO, "%s: ended with exit status %d", name, WEXITSTATUS(status));
}

static int run(const struct spawn *s, const char *program, struct buf *output, struct err *e)
{
	AUTO_CLOSE int out = -1, pidfd = -1;
	int pipe_fd[2], status = 0, r;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return fail(e, -errno, "%s: pipe: %s", s->argv[0], strerror(errno));
	out = pipe_fd[0];
	r = fcntl(out, F_SETFL, O_NONBLOCK) < 0 ? -errno : start(s, program, pipe_fd[1], &pid);
	close(pipe_fd[1]);
	if (r < 0)
		return fail(e, r, "%s: cannot be started: %s", program, strerror(-r));
	pidfd = pidfd_open(pid, 0);
	r = pidfd < 0 ? -errno : watch(pidfd, out, now_ms() + (i64)s->seconds * 1000, output);
	if (r < 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(e, -errno, "%s: waiting: %s", s->argv[0], strerror(errno));
	return judge(s, r, status, output, e);
}

int spawn_run(const struct spawn *s, struct buf *output, struct err *e)
{
	AUTO_FREE char *program = find_program(s->argv[0]);
	AUTO_BUF struct buf own = { 0 };
	struct buf *to = output ? output : &own;

	if (!program)
		return fail(e, -ENOENT, "%s is not installed: apt-get install %s", s->argv[0], s->package);
	buf_clear(to);
	buf_adds(to, "");
	return run(s, program, to, e);
}
