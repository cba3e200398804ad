/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "src/base/confine.h"

struct keeper {
	pid_t pid;
	int word; /* "complete" is written here */
};

/* The new file, known by more than its name. */
struct unfinished {
	int dir; /* O_PATH */
	const char *name;
	struct stat st;
};

static int make_file(const char *path, struct unfinished *u, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	AUTO_CLOSE int fd = -1;

	u->name = slash ? slash + 1 : path;
	u->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (u->dir >= 0)
		fd = openat(u->dir, u->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || fstat(fd, &u->st) < 0)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* What took its place meanwhile is somebody else's. */
static void remove_file(const struct unfinished *u)
{
	struct stat now;

	if (fstatat(u->dir, u->name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == u->st.st_dev &&
	    now.st_ino == u->st.st_ino)
		unlinkat(u->dir, u->name, 0);
}

/* One that has no partitions (a plain loop device) has none to forget either. */
static void read_partitions(const char *device)
{
	AUTO_CLOSE int fd = open(device, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISBLK(st.st_mode))
		ioctl(fd, BLKRRPART);
}

/* Ctrl-C goes to the whole group: livestick answers it, and this ends when livestick has. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP };

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

static void close_others(int word, int dir)
{
	for (int fd = 0; fd < 1024; fd++)
		if (fd != word && fd != dir)
			close(fd);
}

static _Noreturn void keep(const struct keeper_request *q, const struct unfinished *u, int word)
{
	ssize_t n;
	char byte;

	ignore_signals();
	close_others(word, q->new_file ? u->dir : -1);
	confine_helper(q->new_file ? CAP_DAC_OVERRIDE : CAP_SYS_ADMIN);
	do
		n = read(word, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (q->new_file && n != 1)
		remove_file(u);
	if (q->device)
		read_partitions(q->device);
	_exit(0);
}

static int start(const struct keeper_request *q, const struct unfinished *u, struct keeper **ret)
{
	struct keeper *k = xcalloc(1, sizeof(*k));
	int word[2];

	if (pipe2(word, O_CLOEXEC) == 0) {
		k->word = word[1];
		k->pid = fork();
		if (k->pid == 0)
			keep(q, u, word[0]);
		close(word[0]);
		if (k->pid > 0) {
			*ret = k;
			return 0;
		}
		close(word[1]);
	}
	free(k);
	return -errno;
}

int keeper_start(const struct keeper_request *q, struct keeper **ret, struct err *e)
{
	struct unfinished u = { .dir = -1 };
	int r = q->new_file ? make_file(q->new_file, &u, e) : 0;

	if (r == 0) {
		r = start(q, &u, ret);
		if (r < 0)
			fail(e, r, "a helper process: %s", strerror(-r));
		if (r < 0 && q->new_file)
			remove_file(&u);
	}
	util_close(&u.dir);
	return r;
}

void keeper_end(struct keeper *k, bool complete)
{
	if (!k)
		return;
	while (complete && write(k->word, "", 1) < 0 && errno == EINTR)
		;
	close(k->word);
	while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(k);
}
