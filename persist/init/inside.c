/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "persist/init/files.h"
#include "persist/init/say.h"
#include "persist/init/stick.h"
#include "persist/init/unite.h"

static const char *const shells[] = { "/bin/busybox", "/usr/bin/busybox", "/sbin/busybox", "/bin/sh", "/usr/bin/sh" };
static const char *const checkers[] = { "/sbin/e2fsck", "/usr/sbin/e2fsck", "/bin/e2fsck", "/usr/bin/e2fsck",
	                                "/sbin/fsck.ext4" };

static void close_tree(void)
{
	static const char *const below[] = { RUN_INSIDE "/mnt", RUN_INSIDE "/sys", RUN_INSIDE "/proc",
		                             RUN_INSIDE "/dev" };

	for (size_t i = 0; i < ARRAY_SIZE(below); i++)
		umount2(below[i], MNT_DETACH);
	umount2(RUN_INSIDE, MNT_DETACH);
}

/* Directories that an image has not are left out: it is not written to. */
static int open_tree(struct run *run)
{
	static const char *const ours[] = { "/dev", "/proc", "/sys" };
	int r = dir_make(RUN_INSIDE, 0755);

	if (r == 0)
		r = run->conf.kind == UNION_SNAPSHOT ? stick_mount_image(run, 0, RUN_INSIDE)
		                                     : unite_read_only(run, RUN_INSIDE);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		TEXT(target, 64);

		text_add(&target, RUN_INSIDE "%s", ours[i]);
		if (mount(ours[i], target.s, NULL, MS_BIND, NULL) < 0)
			say_debug("%s: %s", target.s, strerror(errno));
	}
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In the child. `first` is the program's argv from its second word on. */
static void exec_one_of(const char *const *paths, size_t n, const char *const first[])
{
	static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TERM=linux", NULL };
	char *argv[6];

	if (chroot(RUN_INSIDE) < 0 || chdir("/") < 0)
		_exit(127);
	for (size_t i = 0; i < n; i++) {
		size_t c = 0;
		bool is_busybox = strstr(paths[i], "busybox") != NULL;

		argv[c++] = (char *)paths[i];
		if (is_busybox)
			argv[c++] = (char *)"sh";
		for (size_t k = 0; first[k] && c < ARRAY_SIZE(argv) - 1; k++)
			argv[c++] = (char *)first[k];
		argv[c] = NULL;
		execve(paths[i], argv, (char **)environment);
	}
	_exit(127);
}

int inside_e2fsck(struct run *run, const char *option, const char *device)
{
	const char *const arguments[] = { option, device, NULL };
	int r = open_tree(run);
	pid_t pid;

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		exec_one_of(checkers, ARRAY_SIZE(checkers), arguments);
	r = pid < 0 ? -errno : wait_for(pid);
	close_tree();
	return r;
}

/* Links are not followed to their end: they may lead out of the image. */
static bool image_has(const char *dir, const char *path)
{
	TEXT(whole, 128);
	struct stat st;

	text_add(&whole, "%s%s", dir, path);
	return lstat(whole.s, &st) == 0;
}

bool inside_has_shell(struct run *run)
{
	bool has = false;

	if (!run->has_images || open_tree(run) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		has |= image_has(RUN_INSIDE, shells[i]);
	close_tree();
	return has;
}

static void shell_on(const char *console)
{
	static const char *const none[] = { NULL };
	int fd;

	setsid();
	fd = open(console, O_RDWR);
	if (fd >= 0) {
		ioctl(fd, TIOCSCTTY, 1);
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
	}
	exec_one_of(shells, ARRAY_SIZE(shells), none);
}

void inside_shell(struct run *run, const char *console)
{
	int r = open_tree(run);
	pid_t pid;

	if (r < 0) {
		say("the images cannot be put together: %s", strerror(-r));
		return;
	}
	mount(RUN_DATA, RUN_INSIDE "/mnt", NULL, MS_BIND, NULL);
	say("a shell in %s; \"exit\" leads back", run->conf.system);
	pid = fork();
	if (pid == 0)
		shell_on(console);
	r = pid < 0 ? -errno : wait_for(pid);
	say_reopen();
	if (r == 127 || r < 0)
		say("no shell could be started");
	close_tree();
}
