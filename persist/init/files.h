/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small files, directories and device nodes of the initrd. */
#ifndef LIVESTICK_INIT_FILES_H
#define LIVESTICK_INIT_FILES_H

#include <sys/types.h>

#include "persist/init/text.h"

/* The first `cap` - 1 bytes of a file, with a NUL behind them, and how many they are; -errno. */
ssize_t file_read(const char *path, char *buf, size_t cap);

/* Makes or overwrites a file, and has it on its disk when it returns. */
MUST_CHECK int file_write(const char *path, const char *text);

/* Makes a directory, unless there is one; -ENOTDIR when the name is anything else, also a link. */
MUST_CHECK int dir_make(const char *path, mode_t mode);

/* Sees to it that `path` is the node of this device. `type`: S_IFBLK or S_IFCHR. */
MUST_CHECK int node_make(const char *path, mode_t type, unsigned major, unsigned minor);

/* "8:1" from a file of sysfs. */
MUST_CHECK int node_number(const char *path, unsigned *ret_major, unsigned *ret_minor);

/*
 * Nodes in /dev for all that sysfs knows, for kernels without devtmpfs. May be called again, for what has come. Never
 * removes any.
 */
void nodes_make_all(void);

#endif
