/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stick of ours that is to be changed: opened when the guard has agreed, exclusively when for writing, and read.
 */
#ifndef LIVESTICK_TARGET_H
#define LIVESTICK_TARGET_H

#include "src/media/guard.h"
#include "src/stick.h"

struct target_request {
	const char *path;
	const char *source; /* what must not lie on it; NULL: nothing */
	bool allow_fixed;   /* a drive that is not removable may be written */
	bool writable;
	bool damaged_too; /* a stick of ours of which not all can be read: stick.damage tells */
};

struct target {
	struct device *device, *boot; /* the whole stick, and BOOT in it */
	struct drive drive;
	struct stick stick;
};

/* Everything that is not a sound stick of livestick's is refused (EXIT_REFUSED). Ended with target_free(). */
MUST_CHECK int target_open(const struct target_request *q, struct target *ret, struct err *e);
void target_free(struct target *t);

#endif
