/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The device mapper's snapshots: linux/dm-ioctl.h; the texts: the kernel's admin-guide/device-mapper/snapshot. */
#ifndef LIVESTICK_INIT_DM_H
#define LIVESTICK_INIT_DM_H

#include "persist/init/loop.h"

#define DM_NAME  "livestick-root"
#define DM_NODE  "/dev/mapper/" DM_NAME
#define DM_CHUNK 4096 /* bytes: 8 sectors */

/* `origin` of `size` bytes with the changes in `store` becomes DM_NODE. `persistent`: the store outlives it. */
MUST_CHECK int dm_snapshot_make(const struct loop *origin, const struct loop *store, u64 size, bool persistent);
void dm_remove(void);

struct dm_status {
	bool is_valid;   /* false: changes could not be stored some time, and what there is cannot be used */
	u64 used, total; /* bytes of the store */
};

MUST_CHECK int dm_snapshot_status(struct dm_status *ret);

#endif
