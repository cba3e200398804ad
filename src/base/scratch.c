/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>

const char *scratch_parent(void)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp && *tmp == '/')
		return tmp;
	return access("/var/tmp", W_OK | X_OK) == 0 ? "/var/tmp" : "/tmp";
}

int scratch_file(const char *dir)
{
	AUTO_BUF struct buf path = { 0 };
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	buf_addf(&path, "%s/livestick.XXXXXX", dir);
	fd = mkostemp(path.s, O_CLOEXEC);
	if (fd >= 0)
		unlink(path.s);
	return fd;
}

int scratch_make(struct buf *dir, struct err *e)
{
	AUTO_BUF struct buf name = { 0 };

	buf_addf(&name, "%s/livestick-XXXXXX", scratch_parent());
	if (!mkdtemp(name.s))
		return fail(e, -errno, "%s: cannot make a directory: %s", name.s, strerror(errno));
	buf_adds(dir, name.s);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	/* Not remove(): it tries a directory as a file first, which the kernel may answer with another error
	 * (Landlock). */
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

void scratch_remove(struct buf *dir)
{
	if (dir->len)
		nftw(dir->s, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	buf_free(dir);
}
