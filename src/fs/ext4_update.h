/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The updater (update.h) of an ext4 volume that was made for a loader (ext4.h, `for_loader`). It has checksums over
 * all metadata, and a kernel that mounts it, if only for reading, refuses a superblock, an inode or a block of a
 * directory whose checksum is wrong; so that on the way each of them is at any moment as a whole either old or new:
 *
 *  - the superblock (two sectors): only the counts of what is free change. A number that nobody needs, the bytes ever
 *    written, is chosen so that the checksum stays what it is: only the first sector is written;
 *  - inodes: two to a sector;
 *  - directories, and trees of extents: made new in free blocks, to which the inode then leads. Nothing that can be
 *    reached is written in place but the contents of files, when the update says so;
 *  - bitmaps, and their checksums in the group descriptors, may disagree; no loader and no mounting for reading looks
 *    at them. A bitmap shows at any moment, in whatever mixture of old and new sectors, all that is in use as in use.
 *
 * The phases, with a flush after each:
 *
 *	empty      files that go lose their blocks, but keep their names
 *	shrink     directories without what goes are written; bitmaps
 *	unlink     directories: their inodes lead to these
 *	free       inodes that have no name any more are wiped
 *	data       contents; directories with what comes, trees of extents; bitmaps
 *	chain      inodes of what comes: directories, and files without blocks
 *	enter      directories: their inodes lead to the new ones
 *	fill       inodes of files: their blocks
 *	release    bitmaps, without what was replaced
 *
 * So contents have a name at any moment: e2fsck finds none to put into lost+found, only empty files and directories.
 * And files that go or come may be empty when the power fails, too.
 *
 * Opening checks most of what e2fsck would (not: names that are there twice, types in entries, copies of the
 * superblock; nor hashes of names, for directories that are changed become linear). What an interrupted update leaves
 * is told in `leftover`: blocks and inodes marked as used that are not, wrong counts, bitmaps with wrong checksums,
 * empty files and directories without a name, counters of names and of shared attributes that are too high. All else is
 * -EUCLEAN; the sentence says what was found, and that e2fsck is to be run.
 *
 * Hard links. An inode counts at any moment at least as many names as it has: it counts more before a name comes, and
 * less after one is gone. What loses its last name is freed, nothing else. A file that is there and has names that the
 * update does not want to be names of it (volume.h, `same_as`) is not changed: its name here goes, as with another
 *size, and a new file is made; the other names keep the old one. When all of its names are wanted so, it keeps its
 *place.
 *
 * Of update_plan(): -ENOTSUP: a file whose `replace` is set has other names, which would be changed with it. What is no
 *file (a symlink) is never replaced in one write: it goes, and a file is made. When ldlinux.sys is replaced, the boot
 *sectors are the caller's to write: in front of the next update, for until then the old blocks are as they were.
 */
#ifndef LIVESTICK_FS_EXT4_UPDATE_H
#define LIVESTICK_FS_EXT4_UPDATE_H

#include "src/fs/update.h"

/*
 * `d` must outlive the updater, and is only read. `start` and `size` are those of the partition, in bytes. -EINVAL: no
 * ext volume; -ENOTSUP: one that is not of the kind that ext4.h makes for a loader; -EUCLEAN: damaged, or not
 * unmounted.
 */
MUST_CHECK int ext4_update_open(struct device *d, u64 start, u64 size, struct updater **ret, struct err *e);

#endif
