/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a small .tar.gz in memory (ustar, by libarchive): of root's files, all of one time. The same entries give the
 * same bytes.
 */
#ifndef LIVESTICK_PERSIST_TARGZ_H
#define LIVESTICK_PERSIST_TARGZ_H

#include "src/base/buf.h"

struct targz_entry {
	const char *path; /* "etc/fstab", below 100 bytes; directories come before what is in them */
	u16 mode;
	const char *text;   /* of a file */
	const char *target; /* of a symbolic link; without both it is a directory */
};

/* Adds the archive to `out`; `time` in seconds since 1970. Ends the program when there is no memory, as xcalloc(). */
void targz_make(const struct targz_entry *e, size_t n, i64 time, struct buf *out);

#endif
