/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs another program and waits for it: by argv, never through a shell. It gets an environment of its own (PATH of the
 * system's directories, LC_ALL=C, TMPDIR, HOME), an empty stdin, no other descriptors, and a process group that is
 * killed as a whole when the time is up or the user interrupts.
 */
#ifndef LIVESTICK_BASE_SPAWN_H
#define LIVESTICK_BASE_SPAWN_H

#include "src/base/buf.h"
#include "src/base/err.h"

#define SPAWN_OUTPUT_MAX (64 * KIB)

struct spawn {
	const char *const *argv; /* NULL-terminated; argv[0] is looked for in the system's directories, or is a path */
	const char *package;     /* the Debian package that has it */
	const char *tmpdir;      /* for TMPDIR and HOME; NULL: where temporary files go (scratch.h) */
	unsigned seconds;        /* time limit */
};

/*
 * 0 when the program ended with exit status 0. `output` (NULL: nobody wants it) gets stdout and stderr, the first
 * SPAWN_OUTPUT_MAX bytes, in every case. -ENOENT: it is not installed; -EIO: another exit status, or killed by a signal
 * (the sentence says which, and the last words of the program); -ETIMEDOUT; -EINTR: the user wants to stop.
 */
MUST_CHECK int spawn_run(const struct spawn *s, struct buf *output, struct err *e);

#endif
