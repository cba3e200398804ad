/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "src/media/sysfs.h"

#define TEXT_MAX  4096
#define NAMES_MAX 65536

const struct drives_roots drives_real_roots = { "/sys", "/proc", "/dev" };

char *text_of(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	len = MAX(len, 0);
	text = xcalloc((size_t)len + 1, 1);
	va_start(ap, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return text;
}

void names_free(struct names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->name[i]);
	free(n->name);
	*n = (struct names){ 0 };
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *sysfs_text(const char *dir, const char *name)
{
	AUTO_FREE char *path = text_of("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[TEXT_MAX + 1], *start = text;
	ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT_MAX);
	size_t len;

	text[n > 0 ? n : 0] = '\0';
	while (is_space(*start))
		start++;
	len = strlen(start);
	while (len && is_space(start[len - 1]))
		len--;
	return xstrndup(start, len);
}

u64 sysfs_number(const char *dir, const char *name)
{
	AUTO_FREE char *text = sysfs_text(dir, name);

	if (text[0] < '0' || text[0] > '9')
		return 0;
	return strtoull(text, NULL, 10);
}

int sysfs_dev(const char *dir, const char *name, dev_t *ret)
{
	AUTO_FREE char *text = sysfs_text(dir, name);
	unsigned major, minor;
	char end;

	if (!text[0])
		return -ENOENT;
	if (sscanf(text, "%u:%u%c", &major, &minor, &end) != 2)
		return -EBADMSG;
	*ret = makedev(major, minor);
	return 0;
}

bool sysfs_exists(const char *dir, const char *name)
{
	AUTO_FREE char *path = text_of("%s/%s", dir, name);

	return access(path, F_OK) == 0;
}

static int by_version(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(DIR *d, const char *dir, struct names *names, struct err *e)
{
	const struct dirent *entry;

	for (errno = 0; (entry = readdir(d)); errno = 0) {
		if (entry->d_name[0] == '.')
			continue;
		if (names->n == NAMES_MAX)
			return fail(e, -E2BIG, "%s: has more than %d entries", dir, NAMES_MAX);
		*ARRAY_ADD(names->name, names->n, names->cap) = xstrdup(entry->d_name);
	}
	return errno ? fail(e, -errno, "%s: %s", dir, strerror(errno)) : 0;
}

int sysfs_names(const char *dir, struct names *ret, struct err *e)
{
	AUTO_NAMES struct names names = { 0 };
	DIR *d = opendir(dir);
	int r;

	if (!d && errno != ENOENT)
		return fail(e, -errno, "%s: %s", dir, strerror(errno));
	if (d) {
		r = read_names(d, dir, &names, e);
		closedir(d);
		if (r < 0)
			return r;
	}
	if (names.n)
		qsort(names.name, names.n, sizeof(*names.name), by_version);
	*ret = names;
	names = (struct names){ 0 };
	return 0;
}

/* The path below `roots->dev` that "/dev/mapper/vg-root" leads to: "dm-0". NULL: does not exist. */
static char *follow_links(const struct drives_roots *roots, const char *path)
{
	AUTO_FREE char *in_tree = text_of("%s%s", roots->dev, path + strlen("/dev"));
	AUTO_FREE char *real = realpath(in_tree, NULL);
	AUTO_FREE char *top = realpath(roots->dev, NULL);
	size_t len = top ? strlen(top) : 0;

	if (!real || !top || strncmp(real, top, len) != 0 || real[len] != '/')
		return NULL;
	return xstrdup(real + len + 1);
}

int sysfs_dev_of_path(const struct drives_roots *roots, const char *path, dev_t *ret)
{
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *dir = NULL;
	struct stat st;

	/* Nothing else is looked at: what others name as a source may be a path on a server that does not answer. */
	if (strncmp(path, "/dev/", 5) != 0)
		return -ENOENT;
	if (strcmp(roots->dev, "/dev") == 0 && stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
		*ret = st.st_rdev;
		return 0;
	}
	name = follow_links(roots, path);
	if (!name)
		name =
		    xstrdup(path + strlen("/dev/")); /* a /dev without the node: the name may still be the kernel's */
	for (char *slash = name; (slash = strchr(slash, '/'));)
		*slash = '!';
	dir = text_of("%s/class/block/%s", roots->sys, name);
	return sysfs_dev(dir, "dev", ret);
}

char *sysfs_dev_path(const char *name)
{
	char *path = text_of("/dev/%s", name);

	for (char *mark = path; (mark = strchr(mark, '!'));)
		*mark = '/';
	return path;
}
