/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The images and the changes become one tree: overlay, aufs, or a snapshot (snapshot.h). */
#ifndef LIVESTICK_INIT_UNITE_H
#define LIVESTICK_INIT_UNITE_H

#include "persist/init/run.h"

/* A step, see main.c: the system's root at NEW_ROOT. */
int unite(struct run *run);
void unite_undo(struct run *run);

/* The mounted images alone, read-only, at `dir`. */
MUST_CHECK int unite_read_only(struct run *run, const char *dir);

#endif
