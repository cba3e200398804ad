/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "persist/init/say.h"

ssize_t file_read(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	while (len + 1 < cap && (n = read(fd, buf + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		n = -errno;
	close(fd);
	buf[len] = '\0';
	return n < 0 ? n : (ssize_t)len;
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t len = strlen(text);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) < 0)
		r = errno ? -errno : -EIO;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

int dir_make(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int node_number(const char *path, unsigned *ret_major, unsigned *ret_minor)
{
	char text[32];
	unsigned a, b;

	if (file_read(path, text, sizeof(text)) <= 0 || sscanf(text, "%u:%u", &a, &b) != 2)
		return -ENOENT;
	*ret_major = a;
	*ret_minor = b;
	return 0;
}

int node_make(const char *path, mode_t type, unsigned major, unsigned minor)
{
	dev_t want = makedev(major, minor);
	struct stat st;

	if (lstat(path, &st) == 0) {
		if ((st.st_mode & S_IFMT) == type && st.st_rdev == want)
			return 0;
		if (unlink(path) < 0)
			return -errno;
	}
	return mknod(path, type | 0600, want) < 0 ? -errno : 0;
}

/* "KEY=value" of an uevent file; false when it is not there or too long. */
static bool uevent_value(const char *uevent, const char *key, char *ret, size_t cap)
{
	const char *line = strncmp(uevent, key, strlen(key)) == 0 ? uevent : strstr(uevent, key);
	size_t len;

	if (!line || (line > uevent && line[-1] != '\n'))
		return false;
	line += strlen(key);
	len = strcspn(line, "\n");
	if (len == 0 || len >= cap)
		return false;
	memcpy(ret, line, len);
	ret[len] = '\0';
	return true;
}

/* "/dev/input/event0": makes the directory, too. `at` is where the name below /dev begins. */
static int node_make_below(char *path, char *at, mode_t mode, unsigned major, unsigned minor)
{
	int r = 0;

	for (char *p = at; r == 0 && (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		r = dir_make(path, 0755);
	}
	if (r == 0)
		r = node_make(path, mode & S_IFMT, major, minor);
	return r < 0 || chmod(path, mode & 0777) == 0 ? r : -errno;
}

/* Who needs a node that cannot be made will say so. */
static void node_of_uevent(const char *file, mode_t type)
{
	char uevent[2048], name[200], number[2][16], mode[8];
	TEXT(path, 256);
	int r;

	if (file_read(file, uevent, sizeof(uevent)) <= 0 || !uevent_value(uevent, "DEVNAME=", name, sizeof(name)) ||
	    !uevent_value(uevent, "MAJOR=", number[0], sizeof(number[0])) ||
	    !uevent_value(uevent, "MINOR=", number[1], sizeof(number[1])) || strstr(name, ".."))
		return;
	if (!uevent_value(uevent, "DEVMODE=", mode, sizeof(mode)))
		snprintf(mode, sizeof(mode), "0600");
	text_add(&path, "/dev/%s", name);
	r = node_make_below(path.s, path.s + strlen("/dev/"), type | ((mode_t)strtoul(mode, NULL, 8) & 0777),
	                    (unsigned)atoi(number[0]), (unsigned)atoi(number[1]));
	if (r < 0)
		say_debug("%s: %s", path.s, strerror(-r));
}

static void nodes_make_class(const char *class)
{
	mode_t type = strcmp(class, "block") == 0 ? S_IFBLK : S_IFCHR;
	TEXT(dir, 300);
	struct dirent *entry;
	DIR *d;

	text_add(&dir, "/sys/class/%s", class);
	d = dir.cut ? NULL : opendir(dir.s);
	while (d && (entry = readdir(d))) {
		TEXT(file, 600);

		text_add(&file, "%s/%s/uevent", dir.s, entry->d_name);
		if (entry->d_name[0] != '.' && !file.cut)
			node_of_uevent(file.s, type);
	}
	if (d)
		closedir(d);
}

void nodes_make_all(void)
{
	DIR *d = opendir("/sys/class");
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			nodes_make_class(entry->d_name);
	if (d)
		closedir(d);
}
