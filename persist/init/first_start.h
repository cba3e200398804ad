/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef LIVESTICK_INIT_FIRST_START_H
#define LIVESTICK_INIT_FIRST_START_H

#include "persist/init/run.h"

/*
 * A step, see main.c: in a session that is new (run->is_fresh) copies /extra over the new root and makes its fstab
 * harmless. Directories that are there keep their mode and owner; files are replaced. What cannot be done is told, and
 * no reason not to start. Works in a process of its own whose root is the new root, so that no link leads out of it.
 */
int first_start(struct run *run);

#endif
