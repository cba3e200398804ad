/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One ext image and, on a block device of the device mapper over it, the blocks that have changed ("snapshot"). They
 * are stored in CHANGES/snapshot.img. They mean something only together with the very image that they were made on:
 * what it was is in CHANGES/snapshot.origin.
 */
#ifndef LIVESTICK_INIT_SNAPSHOT_H
#define LIVESTICK_INIT_SNAPSHOT_H

#include "persist/init/run.h"

/* The system's root at NEW_ROOT. As a step: 0, -errno, or the user's letter. */
int snapshot_mount(struct run *run);
void snapshot_undo(void);

#endif
