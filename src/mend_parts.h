/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order in which a mended BOOT is written, so that a loss of power costs nothing that could be read before; shared
 * by the files of mend.h only.
 *
 * What the program has not changed is the same before and after, so that files which were sound need no care, whichever
 * sectors have arrived. What needs it:
 *
 *  - what is new is there before anything leads to it: clusters, their entries in the FAT, blocks of ext4;
 *  - while the first FAT says of itself that it is damaged, the second one counts for fsck.fat. So the sector in which
 *    it says so is written last of the two;
 *  - marks and counts that say that all is well come last, and the copies behind what they are copies of;
 *  - a superblock or a block of a directory whose checksum is in another sector than what has changed: see
 *    mend_keep_checksums().
 */
#ifndef LIVESTICK_MEND_PARTS_H
#define LIVESTICK_MEND_PARTS_H

#include "src/media/shadow.h"
#include "src/mend.h"

/* Steps, each with a flush behind it. */
enum {
	MEND_NEW, /* clusters that were free; ext4: all that is none of the following */
	/* FAT */
	MEND_COPIES,      /* the FATs but the first */
	MEND_ENTRIES_NEW, /* of the first: entries of clusters that were free, the others as they were */
	MEND_ENTRIES,     /* all but the first sector of the first */
	MEND_FIRST,       /* that sector */
	MEND_DIRECTORIES, /* clusters that were in use */
	/* ext4 */
	MEND_INODES,
	MEND_MAPS,
	MEND_GROUPS, /* their descriptors */
	/* both */
	MEND_RESERVED, /* what lies before the FATs, but the boot sector */
	MEND_SUPER,    /* the boot sector, the superblock */
	MEND_BACKUPS,  /* of superblock and descriptors */
};

struct mend_order;

/* Of a volume as it is mended in `c` and damaged on `boot`, which must both outlive it. */
MUST_CHECK int mend_order_new(const struct shadow *c, struct device *boot, bool ext4, struct mend_order **ret,
                              struct err *e);
void mend_order_free(struct mend_order *o);
u32 mend_order_sector(const struct mend_order *o);
/* In which step the sector at `off` (in BOOT) is written. */
MUST_CHECK int mend_order_step(const struct mend_order *o, u64 off, unsigned *ret, struct err *e);
/* Of sectors of the first FAT: what is written there in MEND_ENTRIES_NEW. False: nothing. The caller frees. */
MUST_CHECK bool mend_order_before(const struct mend_order *o, unsigned step, u64 off, const u8 *was, const u8 *now,
                                  size_t len, u8 **ret);

/*
 * ext4 on sectors of 512 bytes: the checksum of a superblock and of a block of a directory lies in the last of its
 * sectors. Where one that was right would be changed only for the sake of others, bytes that mean nothing (the count of
 * bytes ever written; what lies behind names) are chosen in each sector that changes so that the checksum stays what it
 * is: the block is right then with any of its sectors old or new. 1: the copy was changed, and is to be judged again.
 * What has too few such bytes stays as it is.
 */
MUST_CHECK int mend_keep_checksums(struct shadow *c, struct device *boot, struct err *e);

#endif
