/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What needs rights at the end of a run that has given up its rights by then (confine.h): taking away an image file
 *that was not finished, and having the kernel look at the new partitions of a drive. A process of its own does that. It
 *is started before anything untrusted is read, knows then what it will do, and waits for one byte or for our end,
 *however that comes about: a run that is killed leaves no unfinished file either.
 *
 *	r = keeper_start(&request, &k, e);     before confine_begin()
 *	...                                    all descriptors of the target are closed
 *	keeper_end(k, complete);
 */
#ifndef LIVESTICK_MEDIA_KEEPER_H
#define LIVESTICK_MEDIA_KEEPER_H

#include "src/base/err.h"

struct keeper;

struct keeper_request {
	const char *new_file; /* is made, empty; it must not exist. NULL: none */
	const char *device;   /* whose partitions are to be read again. NULL: none */
};

MUST_CHECK int keeper_start(const struct keeper_request *q, struct keeper **ret, struct err *e);

/* When `complete`, the new file stays. Returns when all is done; takes `k`, which may be NULL. */
void keeper_end(struct keeper *k, bool complete);

#endif
