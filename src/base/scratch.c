/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>

const char *scratch_parent(void)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp && *tmp == '/')
		return tmp;
	return access("/var/tmp", W_OK | X_OK) == 0 ? "/var/tmp" : "/tmp";
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
