/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of verify_content.h that compares with a source, or with what a medium says of itself. */
#ifndef LIVESTICK_VERIFY_SOURCE_H
#define LIVESTICK_VERIFY_SOURCE_H

#include "src/base/checks.h"
#include "src/base/progress.h"
#include "src/source/source.h"
#include "src/stick.h"

/*
 * The system on a stick of ours against `source`: of the slot that was made from it, or else of the one that starts.
 * `boot` is BOOT. What livestick makes by itself is compared with the manifest as ever. A source that cannot be read is
 * a failure, classed EXIT_SOURCE; differences are checks ("source").
 */
MUST_CHECK int verify_source_ours(struct device *boot, const struct stick *s, struct source *source,
                                  struct progress *progress, struct checks *c, struct err *e);

/* The files of `source` against those of the same path on another medium ("source"). */
MUST_CHECK int verify_source_trees(struct source *medium, struct source *source, struct progress *progress,
                                   struct checks *c, struct err *e);

/* What the checksums on a medium say of it ("content"). */
MUST_CHECK int verify_own_sums(struct source *medium, struct progress *progress, struct checks *c, struct err *e);

#endif
