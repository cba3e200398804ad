/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs of the system itself, run in its images before it has started: e2fsck, a shell. The images are put together
 * read-only for the time, with /dev, /proc and /sys of ours.
 */
#ifndef LIVESTICK_INIT_INSIDE_H
#define LIVESTICK_INIT_INSIDE_H

#include "persist/init/run.h"

/*
 * Runs e2fsck with one option ("-p", "-y") on a device; its words go to the console. Returns its exit status (fsck's
 * bits: 1 repaired, 4 not repaired, 8 and more: it could not do its work; 127: there is none), or -errno.
 */
int inside_e2fsck(struct run *run, const char *option, const char *device);

bool inside_has_shell(struct run *run);

/* A shell on that console; comes back when the user leaves it. DATA, when it is mounted, is at /mnt there. */
void inside_shell(struct run *run, const char *console);

#endif
