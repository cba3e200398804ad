/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/move.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <linux/magic.h>

#include "persist/init/files.h"
#include "persist/init/say.h"

extern char **environ;

/* In the order to be tried, "" or NULL: none. */
static size_t init_candidates(const struct run *run, const char *ret[5])
{
	const char *const all[] = { run->cmdline.init, run->conf.init, "/sbin/init", "/etc/init", "/bin/init" };

	memcpy(ret, all, sizeof(all));
	return ARRAY_SIZE(all);
}

int move_find_init(struct run *run)
{
	const char *init[5];
	size_t n = init_candidates(run, init);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* links are followed as the system will see them */
		if (chroot(NEW_ROOT) < 0 || chdir("/") < 0)
			_exit(2);
		for (size_t i = 0; i < n; i++)
			if (*init[i] && access(init[i], X_OK) == 0)
				_exit(0);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	say("%s has no %s%s%s", run->conf.system, run->conf.init, *run->cmdline.init ? " and no " : "",
	    run->cmdline.init);
	return -ENOENT;
}

/* ---- freeing the initramfs: everything on the file system of "/", and nothing on any other */

#define DEPTH_MAX 32

/* Closes `fd`. */
static void delete_below(int fd, dev_t dev, unsigned depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!d) {
		close(fd);
		return;
	}
	while ((entry = readdir(d))) {
		const char *name = entry->d_name;
		int sub;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			unlinkat(fd, name, 0);
			continue;
		}
		sub = depth < DEPTH_MAX ? openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
		/* what is mounted there since has another device number */
		if (sub >= 0 && fstat(sub, &st) == 0 && st.st_dev == dev)
			delete_below(sub, dev, depth + 1);
		else if (sub >= 0)
			close(sub);
		unlinkat(fd, name, AT_REMOVEDIR);
	}
	closedir(d);
}

/* Only where this is what it must be: the kernel's own root in memory, of which we are the first process. */
static void free_initramfs(int root)
{
	struct statfs fs;
	struct stat st, new;

	if (getpid() != 1 || fstatfs(root, &fs) < 0 || fstat(root, &st) < 0 || stat(NEW_ROOT, &new) < 0 ||
	    new.st_dev == st.st_dev ||
	    ((unsigned long)fs.f_type != RAMFS_MAGIC && (unsigned long)fs.f_type != TMPFS_MAGIC)) {
		close(root);
		return;
	}
	delete_below(root, st.st_dev, 0);
}

/* ---- moving */

static bool is_in_new_root(const char *path)
{
	TEXT(whole, 64);
	struct stat st;

	text_add(&whole, NEW_ROOT "%s", path);
	return lstat(whole.s, &st) == 0;
}

/* Without a directory for it in the new root, and no room to make one, a mount goes; what is in use stays so. */
static void move_mount(const char *from)
{
	TEXT(to, 64);

	text_add(&to, NEW_ROOT "%s", from);
	if (dir_make(to.s, 0755) < 0 || mount(from, to.s, NULL, MS_MOVE, NULL) < 0) {
		say_debug("%s cannot be moved: %s", from, strerror(errno));
		umount2(from, MNT_DETACH);
	}
}

/* Nodes that we have made are better than none, but a system that was made for static nodes has its own. */
static void move_mounts(const struct run *run)
{
	if (run->devices.need_nodes && is_in_new_root("/dev/console"))
		umount2("/dev", MNT_DETACH);
	else
		move_mount("/dev");
	move_mount("/run");
	move_mount("/sys");
	move_mount("/proc");
}

/* Kernel arguments that are ours are not init's: of "NAME=value" the kernel makes variables, of words arguments. */
static void drop_ours(char **list)
{
	char **to = list;

	for (; *list; list++)
		if (!cmdline_is_ours(*list))
			*to++ = *list;
	*to = NULL;
}

int move_to_new_root(struct run *run)
{
	const char *init[5];
	size_t n = init_candidates(run, init);
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	drop_ours(run->argv + 1);
	drop_ours(environ);
	say_debug("starting %s", *run->cmdline.init ? run->cmdline.init : run->conf.init);
	move_mounts(run);
	if (chdir(NEW_ROOT) < 0)
		return -errno;
	if (root >= 0)
		free_initramfs(root);
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		say("the new root cannot be entered: %s", strerror(errno));
	for (size_t i = 0; i < n; i++) {
		if (!*init[i])
			continue;
		run->argv[0] = (char *)init[i];
		execve(init[i], run->argv, environ);
		say("%s: %s", init[i], strerror(errno));
	}
	say("no init can be started");
	return -ENOEXEC;
}
