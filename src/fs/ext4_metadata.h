/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the metadata of an ext2, ext3 or ext4 volume lie: for a copy that e2fsck can judge, while the contents of
 * files stay where they are. The volume is not trusted; what contradicts itself is passed over, for e2fsck will find
 * it. Format: Linux, Documentation/filesystems/ext4/.
 */
#ifndef LIVESTICK_FS_EXT4_METADATA_H
#define LIVESTICK_FS_EXT4_METADATA_H

#include "src/media/device.h"

enum ext4_metadata {
	EXT4_METADATA_ALL,    /* all that e2fsck -f reads of a volume whose journal is empty */
	EXT4_METADATA_REPLAY, /* what must be there to replay the journal: the journal and what leads to it */
};

/*
 * Calls `fn` for each stretch, some of them more than once; stops at nonzero, which is returned. Errors of opening are
 * those of ext4_open(); -EFBIG: more metadata than 8 GiB; -EINTR.
 */
MUST_CHECK int ext4_each_metadata(struct device *d, enum ext4_metadata what, int (*fn)(void *ctx, u64 off, u64 len),
                                  void *ctx, struct err *e);

#endif
