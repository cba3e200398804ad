/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening a source, whatever it is: an ISO image, a directory, or a disk image (a stick) with a live system on it. */
#ifndef LIVESTICK_OPEN_H
#define LIVESTICK_OPEN_H

#include "src/source/source.h"

/*
 * As source_open(). What is no ISO but has a partition table, or a FAT or ext file system of its own, is looked
 * through: the first FAT or ext partition of the first eight that holds a file like a kernel is the source. Failures
 * are classed EXIT_SOURCE.
 */
MUST_CHECK int open_source(const char *path, struct source **ret, struct err *e);

#endif
