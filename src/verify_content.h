/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of `verify` that reads every file. On a stick of ours: what its manifests list, by SHA-256, or what a source
 * has. On another: what the source has, or what the medium's own checksums say.
 *
 * Checks (their ids are for ever):
 *
 *	manifest         the manifests can be read and are whole
 *	unfinished       no upgrade was cut off
 *	content-loader   the stick's own files: menu, boot loader        (stick.manifest)
 *	content-esp      those of an ESP in front of an ext4 BOOT        (esp.manifest)
 *	content-a, -b    the systems; one of each file that is not as it was written
 *	source           the system is that of SOURCE, file by file
 *	content          of a stick that is not ours: its own checksums
 *	not-ours         what is on BOOT and in no manifest: the user's. Never bad
 *	read-back        whether the bytes came from the medium or from a cache
 */
#ifndef LIVESTICK_VERIFY_CONTENT_H
#define LIVESTICK_VERIFY_CONTENT_H

#include "src/base/checks.h"
#include "src/base/progress.h"
#include "src/stick.h"

struct verify_content_request {
	const char *target; /* its path */
	const char *source; /* NULL: none to compare with */
	struct progress *progress;
};

/* `d` is the whole stick. Fails with -EINTR, or when the source cannot be used. */
MUST_CHECK int verify_content(struct device *d, const struct stick *s, const struct verify_content_request *q,
                              struct checks *c, struct err *e);

#endif
