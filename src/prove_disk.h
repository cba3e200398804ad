/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a guest has left on a stick's overlay: read while no guest runs. Journals are not replayed: what the last guest
 * wrote is seen as far as it was written to its place, what those before it did is all there, because the last one has
 * replayed their journals when it mounted.
 */
#ifndef LIVESTICK_PROVE_DISK_H
#define LIVESTICK_PROVE_DISK_H

#include "src/stick.h"

/*
 * The partition where changes are kept: DATA of a stick of ours; of another's the one with an ext file system that
 * `overlay` has most writes to; NULL: there is none.
 */
const struct scan_part *prove_data(const struct device *overlay, const struct stick *s);

struct prove_marker {
	const char *name; /* of the file, without directories */
	const char *text; /* what it holds: so long and so odd that it is nowhere by chance */
};

/*
 * Looks for a marker's file on the partition. 1: *ret_path is where it is, for the caller to free; or NULL, when only
 * its bytes are somewhere among those that were written (in an image, a snapshot). 0: not there.
 */
MUST_CHECK int prove_find_marker(struct device *overlay, const struct scan_part *data, const struct prove_marker *m,
                                 char **ret_path, struct err *e);

/* What was written, by the times of the files. */
struct prove_traces {
	u64 bytes;       /* of the partition that were written, in blocks */
	unsigned first;  /* files that changed last after `first` and before `second` */
	unsigned second; /* ... after `second` */
	char *example;   /* the path of one of the former; NULL: none */
};

/* Times in seconds since 1970. -EUCLEAN and others of ext4_open(): the file system cannot be looked through. */
MUST_CHECK int prove_find_traces(struct device *overlay, const struct scan_part *data, i64 first, i64 second,
                                 struct prove_traces *ret, struct err *e);

#endif
