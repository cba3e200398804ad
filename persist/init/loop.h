/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loop devices. A device that was attached frees itself when its last user goes, so whoever mounted it or gave it to
 *the device mapper closes `fd`.
 *
 *	r = loop_attach("/run/livestick/boot/live/x.squashfs", true, &loop);
 *	mount(loop.path, ...);
 *	close(loop.fd);
 */
#ifndef LIVESTICK_INIT_LOOP_H
#define LIVESTICK_INIT_LOOP_H

#include "persist/init/text.h"

struct loop {
	int fd;
	char path[24];
	unsigned major, minor;
};

/* -ENODEV: no loop device is free; else what the kernel says. `path` is said in /sys/block/loopN/loop/backing_file. */
MUST_CHECK int loop_attach(const char *path, bool read_only, struct loop *ret);

#endif
