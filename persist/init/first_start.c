/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/first_start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "persist/init/data.h"
#include "persist/init/files.h"
#include "persist/init/fstab.h"
#include "persist/init/say.h"

#define DEPTH_MAX 64 /* directories in each other */

static unsigned failures;

static int complain(const char *path, int r)
{
	if (r < 0 && failures++ < 5)
		say("/extra: %s: %s", path, strerror(-r));
	return r;
}

static int set_attributes(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };

	/* the owner first: changing it takes the set-user-id bits away */
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

static int copy_bytes(int in, int out)
{
	static char bytes[64 * KIB];
	ssize_t n;

	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, (size_t)n) != n)
			return -ENOSPC;
	return n < 0 ? -errno : 0;
}

/* Written beside it and renamed: a program that is cut short would be worse than none. */
static int copy_file(int from, const char *name, const struct stat *st, const char *path)
{
	TEXT(new, 4096);
	int in, out, r;

	text_add(&new, "%s.livestick", path);
	if (new.cut)
		return -ENAMETOOLONG;
	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0)
		return -errno;
	unlink(new.s);
	out = open(new.s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = out < 0 ? -errno : copy_bytes(in, out);
	if (r == 0)
		r = set_attributes(out, st);
	if (out >= 0 && close(out) < 0 && r == 0)
		r = -errno;
	close(in);
	if (r == 0 && rename(new.s, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(new.s);
	return r;
}

static int copy_link(int from, const char *name, const struct stat *st, const char *path)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (symlink(target, path) < 0 || lchown(path, st->st_uid, st->st_gid) < 0)
		return -errno;
	return 0;
}

static int copy_node(const struct stat *st, const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (mknod(path, st->st_mode, st->st_rdev) < 0 || chown(path, st->st_uid, st->st_gid) < 0 ||
	    chmod(path, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int make_directory(const struct stat *st, const char *path)
{
	struct stat there;

	/* Through a link to a directory: /bin may be one to /usr/bin. */
	if (stat(path, &there) == 0 && S_ISDIR(there.st_mode))
		return 0;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (mkdir(path, 0700) < 0 || chown(path, st->st_uid, st->st_gid) < 0 || chmod(path, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static void copy_directory(int from, struct text *path, unsigned depth);

static void copy_entry(int from, const char *name, struct text *path, unsigned depth)
{
	struct stat st;
	int r = 0, dir;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		complain(path->s, -errno);
		return;
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		r = depth == DEPTH_MAX ? -ELOOP : make_directory(&st, path->s);
		if (r < 0)
			break;
		dir = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			r = -errno;
		else
			copy_directory(dir, path, depth + 1);
		break;
	case S_IFREG:
		r = copy_file(from, name, &st, path->s);
		break;
	case S_IFLNK:
		r = copy_link(from, name, &st, path->s);
		break;
	default:
		r = copy_node(&st, path->s);
	}
	complain(path->s, r);
}

/* Closes `from`. `path` is the directory's in the new root, and the same afterwards. */
static void copy_directory(int from, struct text *path, unsigned depth)
{
	DIR *d = fdopendir(from);
	size_t len = path->len;
	struct dirent *entry;

	if (!d) {
		complain(path->s, -ENOMEM);
		close(from);
		return;
	}
	while ((entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		text_add(path, "/%s", entry->d_name);
		if (path->cut)
			complain(path->s, -ENAMETOOLONG);
		else
			copy_entry(from, entry->d_name, path, depth);
		path->len = len;
		path->s[len] = '\0';
		path->cut = false;
	}
	closedir(d);
}

/* The new text beside the old one, then in its place. */
static int replace_fstab(const char *text, const struct stat *st)
{
	static const char new[] = "/etc/fstab.livestick";
	int r = file_write(new, text);

	if (r == 0 && (chown(new, st->st_uid, st->st_gid) < 0 || chmod(new, st->st_mode & 07777) < 0 ||
	               rename(new, "/etc/fstab") < 0))
		r = -errno;
	return r;
}

static void fstab(void)
{
	static char in[64 * KIB], buffer[4 * sizeof(in)];
	struct text out = { buffer, sizeof(buffer), 0, false };
	ssize_t len = file_read("/etc/fstab", in, sizeof(in));
	struct stat st;
	int n, r;

	if (len <= 0)
		return;
	n = len == sizeof(in) - 1 || (size_t)len != strlen(in) ? -E2BIG : fstab_harmless(in, &out);
	if (n == 0)
		return;
	r = n < 0 ? n : stat("/etc/fstab", &st) < 0 ? -errno : replace_fstab(out.s, &st);
	if (r < 0) {
		failures++;
		say("/etc/fstab stays as it is (%s): boot scripts may check or mount drives of this machine",
		    strerror(-r));
	} else {
		say_debug("/etc/fstab: %d lines for drives were put behind \"#livestick: \"", n);
	}
}

/* In a process of its own. */
static void work_inside(int extra)
{
	TEXT(path, 4096);

	umask(0);
	if (chroot(NEW_ROOT) < 0 || chdir("/") < 0)
		_exit(1);
	if (extra >= 0)
		copy_directory(extra, &path, 0);
	fstab();
	if (failures > 5)
		say("/extra: %u failures in all", failures);
	_exit(failures ? 1 : 0);
}

/* A marker also when something has failed: to do all again at the next start would undo what the user has done. */
int first_start(struct run *run)
{
	int extra = open("/extra", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status, r;
	pid_t pid = run->is_fresh ? fork() : -1;

	if (run->is_fresh && pid == 0)
		work_inside(extra);
	if (extra >= 0)
		close(extra);
	if (!run->is_fresh)
		return 0;
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) {
		say("the first start's files could not be copied: it is tried again at the next start");
		return 0;
	}
	sync();
	r = run->saving ? data_set_started(run) : 0;
	if (r < 0)
		say("%s/first-start: %s", run->changes, strerror(-r));
	return 0;
}
