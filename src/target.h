/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stick of ours that is to be changed: opened when the guard has agreed, exclusively when for writing, and read.
 */
#ifndef LIVESTICK_TARGET_H
#define LIVESTICK_TARGET_H

#include "src/media/guard.h"
#include "src/stick.h"

enum target_accept {
	TARGET_SOUND,   /* a stick of ours of which all can be read */
	TARGET_DAMAGED, /* or not all: stick.damage tells */
	TARGET_ANY,     /* or one that livestick did not make: `boot` is NULL then */
};

struct target_request {
	const char *path;
	const char *source; /* what must not lie on it; NULL: nothing */
	bool allow_fixed;   /* a drive that is not removable may be written */
	bool writable;
	enum target_accept accept;
	/* Called once, when all is open, before what is on the stick is read: what nothing of the rest needs may be
	 * given up. NULL: nothing is. */
	void (*settled)(void *ctx);
	void *settled_ctx;
};

struct target {
	struct device *device, *boot; /* the whole stick, and BOOT in it */
	struct drive drive;
	struct stick stick;
};

/* What is not as `accept` says is refused (EXIT_REFUSED). Ended with
 * target_free(). */
MUST_CHECK int target_open(const struct target_request *q, struct target *ret, struct err *e);
void target_free(struct target *t);

#endif
