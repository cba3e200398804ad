/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Holes of a file: they read as zeros and take no room on the disk (lseek(2), SEEK_DATA and SEEK_HOLE). A file system
 * that does not know them says that all is data.
 */
#ifndef LIVESTICK_BASE_HOLE_H
#define LIVESTICK_BASE_HOLE_H

#include "src/base/util.h"

/* A smaller hole counts as data: to treat it for itself costs more, in time and in pieces of a file, than it saves. */
#define HOLE_MIN (64 * KIB)

/*
 * How many of the `len` bytes from `off` on are alike, through *ret_hole which: a hole of HOLE_MIN at least, or data.
 * Never 0, unless `len` is. What is not inside the file is no hole: whoever reads it shall be told that it is not
 * there.
 */
u64 hole_look(int fd, u64 off, u64 len, bool *ret_hole);

#endif
