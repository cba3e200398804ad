/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the running system has in use, told by /proc and sysfs: mounted file systems (proc(5), mountinfo), swap space,
 * the members of Btrfs file systems. Devices are compared by number, never by name. Facts only; see guard.h.
 *
 * Of a mount in another mount namespace only some file systems tell (struct hidden_use). The kernel sees all: opening
 * the drive exclusively, as device_open() does, fails then.
 */
#ifndef LIVESTICK_MEDIA_MOUNTS_H
#define LIVESTICK_MEDIA_MOUNTS_H

#include "src/media/sysfs.h"

struct devs {
	dev_t *dev;
	size_t n, cap;
};

struct mount {
	char *point; /* untrusted */
	char *fs;    /* "ext4" */
	/*
	 * The device that mountinfo names, and when that is an anonymous one (Btrfs, bcachefs, FUSE) the devices that
	 * the mount's source stands for; of a Btrfs all its members. Of XFS its log and realtime devices too.
	 */
	struct devs devs;
};

struct swap {
	char *path;
	dev_t dev; /* 0: a file (its file system is mounted then), or unknown */
};

/* A Btrfs that the kernel has mounted, wherever. */
struct btrfs {
	char *uuid;
	struct devs members;
};

/* A use that no mount and no holder tells of. */
struct hidden_use {
	dev_t dev;
	char *words;   /* "holds an ext4 that is mounted elsewhere (sdb2)" */
	bool is_mount; /* says nothing new where a mount of the device is known */
};

struct mounts {
	struct mount *mount;
	size_t n_mounts, cap_mounts;
	struct swap *swap;
	size_t n_swaps, cap_swaps;
	struct btrfs *btrfs;
	size_t n_btrfs, cap_btrfs;
	struct hidden_use *hidden;
	size_t n_hidden, cap_hidden;
	bool zfs; /* a ZFS pool is imported; which drives it has is not shown anywhere */
};

/* -EBADMSG: a line that makes no sense; then nothing is known and nothing may be written. */
MUST_CHECK int mounts_read(const struct drives_roots *roots, struct mounts *ret, struct err *e);
void mounts_free(struct mounts *m);

bool devs_have(const struct devs *d, dev_t dev);

#define AUTO_MOUNTS CLEANUP(mounts_free)

#endif
