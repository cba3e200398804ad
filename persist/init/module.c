/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/module.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "persist/init/cmdline.h"
#include "persist/init/say.h"

static int load_bytes(int fd, size_t size, const char *options)
{
	char *bytes = malloc(size ? size : 1);
	size_t len = 0;
	ssize_t n = 0;
	int r = 0;

	if (!bytes)
		return -ENOMEM;
	while (len < size && (n = read(fd, bytes + len, size - len)) > 0)
		len += (size_t)n;
	if (len < size)
		r = n < 0 ? -errno : -EIO;
	else if (syscall(SYS_init_module, bytes, size, options) < 0)
		r = -errno;
	free(bytes);
	return r;
}

static int load(const char *name, const char *options)
{
	TEXT(path, 128);
	struct stat st;
	int fd, r;

	text_add(&path, "/modules/%s.ko", name);
	fd = open(path.s, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : load_bytes(fd, (size_t)st.st_size, options);
	close(fd);
	return r;
}

void modules_load(const struct conf *conf, const char *cmdline, struct text *failed)
{
	for (size_t i = 0; i < conf->n_modules; i++) {
		const char *name = conf->module[i];
		TEXT(options, 1024);
		int r;

		cmdline_module_options(cmdline, name, &options);
		r = load(name, options.cut ? "" : options.s);
		if (r == 0 || r == -EEXIST || r == -ENODEV) {
			say_debug("module %s %s", name, options.s);
			continue;
		}
		say_debug("module %s: %s", name, strerror(-r));
		text_add(failed, "%s%s (%s)", failed->len ? ", " : "", name, strerror(-r));
	}
}
