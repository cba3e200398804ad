/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef LIVESTICK_INIT_CHECK_H
#define LIVESTICK_INIT_CHECK_H

#include "persist/init/run.h"

/*
 * Makes sure that an ext file system may be mounted read-write: one that was not unmounted is looked through by the
 * system's own e2fsck, if it has one; what that cannot repair is the user's to decide. `what` is for messages: "DATA".
 * 0, -errno (the user has been told), or the user's letter.
 */
int check_ext(struct run *run, const char *what, const char *node);

#endif
