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

/* Behind stdin, stdout, stderr. */
#define FIRST_FD 3

/* How long a program may take to be gone once it was killed. One that the kernel holds is not waited for. */
#define DEATH_MS 5000

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

static char *variable(const char *name, const char *value)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s=%s", name, value);
	return b.s;
}

/* The program's environment; to be freed, and each text in it. */
static char **make_env(const struct spawn *s)
{
	const char *home = s->tmpdir ? s->tmpdir : scratch_parent(), *value;
	char **env = NULL;
	size_t n = 0, cap = 0;

	*ARRAY_ADD(env, n, cap) = xstrdup("PATH=" PATH_DIRS);
	*ARRAY_ADD(env, n, cap) = xstrdup("LC_ALL=C");
	*ARRAY_ADD(env, n, cap) = variable("TMPDIR", home);
	*ARRAY_ADD(env, n, cap) = variable("HOME", home);
	for (const char *const *name = s->keep; name && *name; name++)
		if ((value = getenv(*name)))
			*ARRAY_ADD(env, n, cap) = variable(*name, value);
	*ARRAY_ADD(env, n, cap) = NULL;
	return env;
}

static void free_env(char **env)
{
	for (char **p = env; *p; p++)
		free(*p);
	free(env);
}

/*
 * Descriptors for the program: its output, then those it is given. Copies with high numbers, so that none stands where
 * another one shall go. Returned in `high`, to be closed.
 */
static int add_descriptors(posix_spawn_file_actions_t *files, const struct spawn *s, int out, int *high)
{
	int first = FIRST_FD + (int)s->n_fds, r;

	r = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(files, out, 1);
	if (!r)
		r = posix_spawn_file_actions_adddup2(files, out, 2);
	for (size_t i = 0; !r && i < s->n_fds; i++) {
		high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, first);
		r = high[i] < 0 ? errno : posix_spawn_file_actions_adddup2(files, high[i], FIRST_FD + (int)i);
	}
	return r ? r : posix_spawn_file_actions_addclosefrom_np(files, first);
}

static int start(const struct spawn *s, const char *program, const char *const *argv, int out, pid_t *ret_pid)
{
	AUTO_FREE int *high = xcalloc(s->n_fds + 1, sizeof(*high));
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	char **env = make_env(s);
	int r;

	for (size_t i = 0; i < s->n_fds; i++)
		high[i] = -1;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	r = add_descriptors(&files, s, out, high);
	if (!r)
		r = posix_spawn(ret_pid, program, &files, &attr, (char **)argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	for (size_t i = 0; i < s->n_fds; i++)
		util_close(&high[i]);
	free_env(env);
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
static int watch(struct child *c, i64 deadline)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = c->pidfd, .events = POLLIN }, { .fd = c->out, .events = POLLIN } };
		i64 left = deadline - now_ms();

		if (interrupted)
			return -EINTR;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)MIN(left, 100)) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			child_listen(c);
		if (fds[0].revents) {
			child_listen(c);
			return 0;
		}
	}
}

/* Waits until what has ended or was killed is gone. */
static int await(const struct child *c, int *ret_status)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	const i64 until = now_ms() + DEATH_MS;
	pid_t pid;

	while ((pid = waitpid(c->pid, ret_status, WNOHANG)) <= 0) {
		if (pid < 0 && errno != EINTR)
			return -errno;
		if (now_ms() > until)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void forget(struct child *c)
{
	util_close(&c->pidfd);
	util_close(&c->out);
	buf_free(&c->output);
	*c = (struct child){ .pidfd = -1, .out = -1 };
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

static int judge(const char *name, unsigned seconds, int r, int status, const struct buf *output, struct err *e)
{
	if (r == -EINTR)
		return fail(e, r, "%s: interrupted", name);
	if (r == -ETIMEDOUT)
		return fail(e, r, "%s: did not end within %u seconds", name, seconds);
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

/* `argv` is the program, or another one that starts it. */
static int start_child(const struct spawn *s, const char *program, const char *const *argv, struct child *ret,
                       struct err *e)
{
	struct child c = { .name = s->argv[0], .pidfd = -1 };
	int pipe_fd[2], r;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return fail(e, -errno, "%s: pipe: %s", c.name, strerror(errno));
	r = fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : start(s, program, argv, pipe_fd[1], &c.pid);
	close(pipe_fd[1]);
	if (r < 0) {
		close(pipe_fd[0]);
		return fail(e, r, "%s: cannot be started: %s", program, strerror(-r));
	}
	c.out = pipe_fd[0];
	c.pidfd = pidfd_open(c.pid, 0);
	buf_adds(&c.output, "");
	*ret = c;
	return 0;
}

static int fail_missing(const struct spawn *s, struct err *e)
{
	return fail(e, -ENOENT, "%s is not installed: apt-get install %s", s->argv[0], s->package);
}

int spawn_run(const struct spawn *s, struct buf *output, struct err *e)
{
	AUTO_FREE char *program = find_program(s->argv[0]);
	struct child c;
	int status = 0, r;

	if (!program)
		return fail_missing(s, e);
	r = start_child(s, program, s->argv, &c, e);
	if (r < 0)
		return r;
	r = c.pidfd < 0 ? -errno : watch(&c, now_ms() + (i64)s->seconds * 1000);
	if (r < 0)
		kill(-c.pid, SIGKILL);
	if (await(&c, &status) < 0 && r == 0)
		r = -ECHILD;
	r = judge(c.name, s->seconds, r, status, &c.output, e);
	if (output) {
		buf_free(output);
		*output = c.output;
		c.output = (struct buf){ 0 };
	}
	forget(&c);
	return r;
}

int spawn_start(const struct spawn *s, struct child *ret, struct err *e)
{
	AUTO_FREE char *program = find_program(s->argv[0]), *setpriv = find_program("setpriv");
	AUTO_FREE const char **argv = NULL;
	size_t n = 0, cap = 0;
	int r;

	if (!program)
		return fail_missing(s, e);
	if (setpriv) {
		*ARRAY_ADD(argv, n, cap) = "setpriv";
		*ARRAY_ADD(argv, n, cap) = "--pdeathsig";
		*ARRAY_ADD(argv, n, cap) = "KILL";
		*ARRAY_ADD(argv, n, cap) = "--";
		*ARRAY_ADD(argv, n, cap) = program;
		for (const char *const *arg = s->argv + 1; *arg; arg++)
			*ARRAY_ADD(argv, n, cap) = *arg;
		*ARRAY_ADD(argv, n, cap) = NULL;
	}
	r = start_child(s, setpriv ? setpriv : program, setpriv ? argv : s->argv, ret, e);
	if (r < 0 || ret->pidfd >= 0)
		return r;
	r = -errno;
	child_end(ret, e);
	return fail(e, r, "%s: %s", s->argv[0], strerror(-r));
}

void child_listen(struct child *c)
{
	if (c->out >= 0 && !take_output(c->out, &c->output)) {
		close(c->out);
		c->out = -1;
	}
}

bool child_has_ended(const struct child *c)
{
	struct pollfd fd = { .fd = c->pidfd, .events = POLLIN };

	return c->pid == 0 || poll(&fd, 1, 0) > 0;
}

int child_end(struct child *c, struct err *e)
{
	bool by_itself = child_has_ended(c);
	int status = 0, r = 0;

	if (c->pid == 0)
		return 0;
	if (!by_itself)
		kill(-c->pid, SIGKILL);
	if (await(c, &status) < 0)
		r = fail(e, -ECHILD, "%s: does not end, although it was killed", c->name);
	child_listen(c);
	if (r == 0 && by_itself)
		r = judge(c->name, 0, 0, status, &c->output, e);
	forget(c);
	return r;
}
