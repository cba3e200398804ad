/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A damaged BOOT, mended by its file system's own program. The program never sees the stick: it gets a private copy of
 * BOOT, and what it has changed in that is written back through the one seam, when all else has been checked on a
 * device that shows the stick as it will be.
 *
 *	r = mend_make(device, stick, progress, &m, e);     nothing is written
 *	... checks on m->shown; the user reads m->said and agrees ...
 *	r = mend_write(m, device, e);
 *	mend_free(m);
 */
#ifndef LIVESTICK_MEND_H
#define LIVESTICK_MEND_H

#include "src/base/progress.h"
#include "src/stick.h"

struct mend_piece {
	u64 off; /* on the device */
	size_t len;
	unsigned step; /* all of one step is on the medium before the next one begins: mend_parts.h */
	u8 *was, *now;
};

struct mend {
	struct device *shown;     /* the stick as it will be */
	struct buf said;          /* by the program, as lines: untrusted */
	struct mend_piece *piece; /* in the order in which they are written; whole sectors */
	size_t n, cap;
	u64 bytes;
};

/*
 * BOOT of `s` on `d`, which must outlive *ret. The copy is a sparse file in $TMPDIR, or /var/tmp. -EUCLEAN: the program
 * could not mend it; -ENOENT: it is not installed; -ENOSPC: no room for the copy. `ret` is NULL when nothing has to be
 * changed.
 */
MUST_CHECK int mend_make(struct device *d, const struct stick *s, struct progress *p, struct mend **ret, struct err *e);

/*
 * Writes and flushes. -ESTALE: the stick is not any more as it was when it was copied; nothing was written. A loss of
 * power in here leaves BOOT half mended: what could be read before can be read still, and it can be mended again.
 */
MUST_CHECK int mend_write(struct mend *m, struct device *d, struct err *e);
void mend_free(struct mend *m);

/* Whether FAT's mark says that BOOT was not unmounted, which damages nothing by itself. */
MUST_CHECK int mend_is_marked(struct device *d, const struct stick *s, bool *ret, struct err *e);

#endif
