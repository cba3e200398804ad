/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which drive or file may be written. A drive is refused for each rule of one table (guard.c) that finds a reason;
 * when the kernel's facts cannot be read, nothing may be written.
 *
 *	r = guard_check(&drives_real_roots, &request, NULL, &shown, e);    before anything is opened; ask the user
 *	r = device_open(path, true, &device, e);                      exclusively: nobody can begin to use it now
 *	r = guard_check(&drives_real_roots, &request, device, &now, e);     asked again, of the opened device
 *	r = guard_same(&shown, &now, e);                              nobody has changed the stick meanwhile
 *
 * What cannot be seen in /sys and /proc: mounts in other mount namespaces, the drives of a ZFS pool on unnamed
 * partitions, a virtual machine or another program that has the drive open. The exclusive opening fails for all of
 * these that open it exclusively themselves (mounts and pools do).
 */
#ifndef LIVESTICK_MEDIA_GUARD_H
#define LIVESTICK_MEDIA_GUARD_H

#include "src/media/device.h"
#include "src/media/drives.h"

struct guard_request {
	const char *path;        /* as the user names the target; links such as /dev/disk/by-id/... are followed */
	u64 need;                /* bytes that it must have at least */
	dev_t source_dev;        /* st_dev of the source; 0: unknown */
	const char *source_path; /* NULL: there is none */
	bool allow_fixed;        /* lifts one rule only: that a drive must be removable or on USB or an SD card */
};

enum target_kind { TARGET_FILE, TARGET_BLOCK, TARGET_MISSING };

/*
 * What `path` is, links followed. Refused (EXIT_REFUSED): directories and special files, plain files in /dev, and
 * what does not exist, unless it `may_create` be a new file: then its directory must exist and not lie in /dev (but
 * for /dev/shm), /proc or /sys, where nothing is ever created.
 */
MUST_CHECK int guard_target(const char *path, bool may_create, enum target_kind *ret, struct err *e);

/*
 * Whether the target may be written: 0 and what it is (the caller frees it with drive_free()), or EXIT_REFUSED and
 * all reasons in one sentence. With `device`, its open descriptor is asked instead of the path. Of a plain file the
 * identity has no name, the path, the transport "file", the size, and the number of the file system that it lies on.
 */
MUST_CHECK int guard_check(const struct drives_roots *roots, const struct guard_request *request,
                           const struct device *device, struct drive *ret_identity, struct err *e);

/* The same for the block device `dev`, which request->path is said to be. */
MUST_CHECK int guard_judge(const struct drives_roots *roots, const struct guard_request *request, dev_t dev,
                           struct drive *ret_identity, struct err *e);

/* All drives with the reasons why not to write each; a drive without reasons may be written. */
MUST_CHECK int guard_list(const struct drives_roots *roots, struct drives *ret, struct err *e);

/* Refused when number, size, serial or diskseq differ: another stick has taken the place of the one shown. */
MUST_CHECK int guard_same(const struct drive *shown, const struct drive *now, struct err *e);

#endif
