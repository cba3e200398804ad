/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How far a job is, in bytes that are on the medium. Passed down; NULL is allowed everywhere. Never goes back;
 * 100 % comes only from progress_end(), after the last flush.
 */
#ifndef LIVESTICK_BASE_PROGRESS_H
#define LIVESTICK_BASE_PROGRESS_H

#include <signal.h>
#include <stdio.h>

#include "src/base/util.h"

enum progress_mode {
	PROGRESS_NONE,
	PROGRESS_BAR,   /* one line that is drawn over and over: a terminal */
	PROGRESS_LINES, /* a line each 10 %: a log */
	PROGRESS_JSON,  /* an object a line, at most four a second: another program */
};

struct progress;

/* The clock may be replaced by tests: it gives seconds. NULL: the real one. */
struct progress *progress_new(enum progress_mode mode, FILE *out, double (*clock)(void));
/* `total` bytes are to come. `what` is a word of ours, borrowed: it is printed as it is, in JSON too. */
void progress_begin(struct progress *p, const char *what, u64 total);
void progress_add(struct progress *p, u64 bytes);
void progress_end(struct progress *p);
/* Ends a half drawn bar with a line feed, so that a message may follow; safe to call any time. */
void progress_break(struct progress *p);
void progress_free(struct progress *p);

/*
 * Several jobs at once, one thread each, that share an output: each has a progress of its own, with its name in front
 * of its lines and as "target" of its objects; of a bar there is one for all.
 */
struct progress_group;

struct progress_group *progress_group_new(enum progress_mode mode, FILE *out, double (*clock)(void));
/* Before the threads are started. The group's: not to be freed by itself. `name` is copied, and escaped where shown. */
struct progress *progress_group_add(struct progress_group *g, const char *name);
void progress_group_free(struct progress_group *g);

/*
 * Set by the signal handler that main() installs (SIGINT, SIGTERM, SIGHUP): stop at the next safe place. Atomic,
 * because threads look at it too.
 */
extern _Atomic sig_atomic_t interrupted;

#endif
