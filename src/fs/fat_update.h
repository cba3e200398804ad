/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing a FAT32 volume, by the rules of update.h. Format: as in fat_name.h.
 *
 * What is particular to FAT: a file is there when its 8.3 entry is, so that entry comes last and goes first; the
 * pieces of its long name that lie in other sectors are written before, and cleared after. A directory grows by a
 * link that is written when everything behind it is on the medium. While clusters change hands the count of free ones
 * in FSInfo is "unknown", which is always right. The marks of a volume that was not unmounted are left alone.
 */
#ifndef LIVESTICK_FS_FAT_UPDATE_H
#define LIVESTICK_FS_FAT_UPDATE_H

#include "src/fs/update.h"

/*
 * Reads the volume in the partition of `size` bytes at byte `start` of `d`, which must outlive the updater: boot
 * sector, both FATs, all directories. Not trusted, and checked in all that an update relies on: every chain of clusters
 * ends where the size of its file says, no cluster belongs to two, names are there once. What an interrupted update
 * leaves is told (`leftover`): clusters and pieces of long names that belong to nobody, FATs that differ where no file
 * is or of which one is right, a wrong count of free clusters.
 *
 * -EUCLEAN: damaged in another way; -ENOTSUP: FAT12, FAT16, or more than we want to hold in memory; -EINVAL: no FAT.
 */
MUST_CHECK int fat_update_open(struct device *d, u64 start, u64 size, struct updater **ret, struct err *e);

#endif
