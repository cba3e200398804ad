/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the changes go: DATA of the stick, or memory. */
#ifndef LIVESTICK_INIT_DATA_H
#define LIVESTICK_INIT_DATA_H

#include "persist/init/run.h"

/*
 * A step, see main.c. With run->saving: finds DATA, checks it, mounts it read-write, says when it is nearly full, and
 * makes the session's directory; else a tmpfs. Sets run->changes and run->is_fresh.
 */
int data_open(struct run *run);
void data_close(struct run *run);

/* Remembers that /extra has been copied for this session. */
MUST_CHECK int data_set_started(const struct run *run);

#endif
