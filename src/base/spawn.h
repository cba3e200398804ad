/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs another program, by argv, never through a shell. It gets an environment of its own (PATH of the system's
 * directories, LC_ALL=C, TMPDIR, HOME), an empty stdin, no other descriptors than those it is given, and a process
 * group that is killed as a whole. spawn_run() waits for it; spawn_start() leaves it running beside us.
 */
#ifndef LIVESTICK_BASE_SPAWN_H
#define LIVESTICK_BASE_SPAWN_H

#include <sys/types.h>

#include "src/base/buf.h"
#include "src/base/err.h"

#define SPAWN_OUTPUT_MAX (64 * KIB)

struct spawn {
	const char *const *argv; /* NULL-terminated; argv[0] is looked for in the system's directories, or is a path */
	const char *package;     /* the Debian package that has it */
	const char *tmpdir;      /* for TMPDIR and HOME; NULL: where temporary files go (scratch.h) */
	unsigned seconds;        /* time limit; spawn_start() has none */
	const int *fds;          /* what the program gets as its descriptors 3, 4, ...; they stay the caller's */
	size_t n_fds;
	const char *const *keep; /* variables of our own environment that it gets too, NULL-terminated; NULL: none */
};

/*
 * 0 when the program ended with exit status 0. `output` (NULL: nobody wants it) gets stdout and stderr, the first
 * SPAWN_OUTPUT_MAX bytes, in every case. -ENOENT: it is not installed; -EIO: another exit status, or killed by a signal
 * (the sentence says which, and the last words of the program); -ETIMEDOUT; -EINTR: the user wants to stop.
 */
MUST_CHECK int spawn_run(const struct spawn *s, struct buf *output, struct err *e);

/* A program that runs beside us, until child_end(). */
struct child {
	const char *name; /* argv[0], borrowed */
	pid_t pid;
	int pidfd; /* for poll(): readable when it has ended */
	int out;   /* for poll(): readable when it has said something, see child_listen(); -1: it says no more */
	struct buf output; /* what it has said, the first SPAWN_OUTPUT_MAX bytes */
};

/*
 * Starts it and returns; errors as spawn_run(). The kernel kills it when the thread that called this ends, however that
 * comes (through setpriv of util-linux, where that is installed).
 */
MUST_CHECK int spawn_start(const struct spawn *s, struct child *ret, struct err *e);
/* Takes what it has said since, without waiting. To be called now and then: a full pipe makes it stand still. */
void child_listen(struct child *c);
bool child_has_ended(const struct child *c);
/*
 * Kills it if it has not ended, waits, frees. 0 when it ended by itself with exit status 0, or was killed here; else as
 * spawn_run(). Does nothing more to a child that was ended.
 */
int child_end(struct child *c, struct err *e);

#endif
