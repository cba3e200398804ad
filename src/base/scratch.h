/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A private directory for the programs that are run, mode 0700, below scratch_parent(). */
#ifndef LIVESTICK_BASE_SCRATCH_H
#define LIVESTICK_BASE_SCRATCH_H

#include "src/base/buf.h"
#include "src/base/err.h"

/*
 * Where temporary files go: $TMPDIR (if that is an absolute path), else /var/tmp, which is less often in memory than
 * /tmp: what a guest writes, or a copy of BOOT, may be some GiB.
 */
const char *scratch_parent(void);

/*
 * A file of no name in `dir`, to be read and written; -1 and errno. Not every file system can make one (overlayfs of
 * older kernels): there it gets a name, and loses it at once.
 */
int scratch_file(const char *dir);

/* Makes one and puts its path into `dir`, which is empty. */
MUST_CHECK int scratch_make(struct buf *dir, struct err *e);

/* Removes it with all that is in it, and frees the path; nothing happens when none was made. */
void scratch_remove(struct buf *dir);

#define AUTO_SCRATCH CLEANUP(scratch_remove)

#endif
