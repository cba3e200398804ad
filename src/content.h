/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether what a manifest lists is on a volume, byte for byte. Read through the readers of src/fs, which share nothing
 * with what writes, and hashed beside the reading.
 *
 *	r = content_check(window, &manifest, progress, &found, e);
 *	for (i = 0; i < found.n; i++) ... found.fault[i] ...
 *	content_free(&found);
 */
#ifndef LIVESTICK_CONTENT_H
#define LIVESTICK_CONTENT_H

#include "src/base/progress.h"
#include "src/manifest.h"
#include "src/media/device.h"

enum content_what { CONTENT_MISSING, CONTENT_SIZE, CONTENT_DIFFERS, CONTENT_UNREADABLE };

struct content_fault {
	enum content_what what;
	size_t file; /* of the manifest */
	char *path;
	char *sentence; /* "/live/vmlinuz: is missing" */
};

struct content {
	struct content_fault *fault;
	size_t n, cap;
	u64 files, bytes; /* that are as the manifest says */
};

/* Bytes that a check will read. */
u64 content_bytes(const struct manifest *m);

/*
 * Checks every file of `m`, in the order of the manifest, and adds to *ret, which may have been filled before. What is
 * wrong with a file is a fault, not a failure; failures are: no volume that can be read, -EINTR. Of a file that cannot
 * be read the first bad block is told, and the next file goes on. `progress` has begun and gets the bytes of each file.
 */
MUST_CHECK int content_check(struct device *window, const struct manifest *m, struct progress *progress,
                             struct content *ret, struct err *e);

/*
 * The same for one manifest as a step of a job, which shows as "check": 0, -EUCLEAN as content_ok() gives it, or
 * another failure.
 */
MUST_CHECK int content_verify(struct device *window, const struct manifest *m, struct progress *progress,
                              struct err *e);

/* 0, or -EUCLEAN and what is wrong with the first file, and how many more there are. */
MUST_CHECK int content_ok(const struct content *c, struct err *e);
void content_free(struct content *c);

#endif
