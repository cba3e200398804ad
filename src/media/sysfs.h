/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small reads from the trees in which the kernel shows its devices. Texts there come from the devices themselves
 * (a stick says what its model is called), so they are untrusted: bounded here, escaped where they are shown.
 */
#ifndef LIVESTICK_MEDIA_SYSFS_H
#define LIVESTICK_MEDIA_SYSFS_H

#include <sys/types.h>

#include "src/base/err.h"

/* Where the trees are: of this machine, or recorded from another one (docs: LIVESTICK_SYSROOT; tests). */
struct drives_roots {
	const char *sys, *proc, *dev;
};

extern const struct drives_roots drives_real_roots; /* /sys, /proc, /dev */

struct names {
	char **name; /* sorted: sda2 before sda10 */
	size_t n, cap;
};

void names_free(struct names *n);

#define AUTO_NAMES CLEANUP(names_free)

/* A formatted text, newly allocated. */
MUST_CHECK char *text_of(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * The text of an attribute, without white space at its ends, at most 4 KiB, nothing after a NUL. "" when there is no
 * such attribute or the device does not answer; never NULL. The caller frees.
 */
MUST_CHECK char *sysfs_text(const char *dir, const char *name);

/* A decimal number; 0 without one. */
u64 sysfs_number(const char *dir, const char *name);

/* The attribute `name`, "8:16". -ENOENT: there is none, -EBADMSG: it is something else. */
MUST_CHECK int sysfs_dev(const char *dir, const char *name, dev_t *ret);

bool sysfs_exists(const char *dir, const char *name);

/* What lies in a directory; a missing one is empty. -E2BIG: more than 65,536 names. */
MUST_CHECK int sysfs_names(const char *dir, struct names *ret, struct err *e);

/*
 * The number of the block device that a path such as /dev/sdb, /dev/mapper/vg-root or /dev/disk/by-id/... means.
 * -ENOENT: none that the kernel knows.
 */
MUST_CHECK int sysfs_dev_of_path(const struct drives_roots *roots, const char *path, dev_t *ret);

/*
 * The name in sysfs and the name in /dev of a block device: "cciss!c0d0" is /dev/cciss/c0d0. The caller frees.
 */
MUST_CHECK char *sysfs_dev_path(const char *name);

#endif
