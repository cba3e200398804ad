/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A directory of the test's own, and the judges: programs that look at what was made there.
 */
#ifndef LIVESTICK_TEST_SANDBOX_H
#define LIVESTICK_TEST_SANDBOX_H

#include "src/base/util.h"

/* A path in a directory below $TMPDIR or /tmp that is removed when the program ends; the caller frees. */
char *sandbox_path(const char *name);

/* Makes (or empties) a sparse file of `size` bytes. */
void sandbox_make(const char *path, u64 size);

/* Runs a shell command; its exit status, 128 and more if a signal ended it. What it says goes to sandbox_said(). */
int sandbox_run(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Standard output and error of the last command. */
const char *sandbox_said(void);

#endif
