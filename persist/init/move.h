/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef LIVESTICK_INIT_MOVE_H
#define LIVESTICK_INIT_MOVE_H

#include "persist/init/run.h"

/* A step, see main.c: is there a program to start in the new root? */
int move_find_init(struct run *run);

/*
 * The last step: moves /dev, /proc, /sys and /run, frees the memory of the initramfs, and starts the system's init with
 * the arguments that the kernel gave us. Comes back only when no init can be started; nothing can be undone then.
 */
int move_to_new_root(struct run *run);

#endif
