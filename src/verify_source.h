/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of verify_content.h that compares with a source, or with what a medium says of itself. */
#ifndef LIVESTICK_VERIFY_SOURCE_H
#define LIVESTICK_VERIFY_SOURCE_H

#include "src/base/checks.h"
#include "src/base/progress.h"
#include "src/stick.h"

/*
 * The system on a stick of ours against `source`: of the slot that was made from it, or else of the one that starts.
 * `boot` is BOOT. What livestick makes by itself is compared with the manifest as ever. A source that cannot be used is
 * a failure, classed EXIT_SOURCE; differences are checks ("source").
 */
MUST_CHECK int verify_source_ours(struct device *boot, const struct stick *s, const char *source,
                                  struct progress *progress, struct checks *c, struct err *e);

/*
 * A stick that is not ours: the files of `source` against those of the same path on it ("source"); without a source,
 * what the checksums on it say ("content"). That it cannot be read as a medium at all is an unknown.
 */
MUST_CHECK int verify_source_other(const char *target, const char *source, struct progress *progress, struct checks *c,
                                   struct err *e);

#endif
