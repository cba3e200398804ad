/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stick's BOOT: found by its UUID, mounted read-only, with the system's images in it. */
#ifndef LIVESTICK_INIT_STICK_H
#define LIVESTICK_INIT_STICK_H

#include "persist/init/run.h"

/* Steps, see main.c. Each can be undone and done again. */
int stick_find_boot(struct run *run);
int stick_mount_boot(struct run *run);
void stick_unmount_boot(struct run *run);
/* With toram the images are copied first, and BOOT is let go of. */
int stick_mount_images(struct run *run);
void stick_unmount_images(struct run *run);

/*
 * Waits for the device with this UUID until `deadline` (of CLOCK_MONOTONIC), at least one look. Of several that on
 * `disk` is taken, else the user is asked. 0, -errno after telling what is wrong and what was found, or the user's
 * letter.
 */
int stick_wait(struct run *run, const char *what, const char *uuid, const char *disk, i64 deadline, struct device *ret);

/* Seconds of CLOCK_MONOTONIC. */
i64 stick_now(void);

/* Path of an image's file. */
void stick_image_path(const struct run *run, size_t i, struct text *path);

/* Mounts image `i` at a directory, read-only. -errno; the user has been told. */
MUST_CHECK int stick_mount_image(const struct run *run, size_t i, const char *dir);

#endif
