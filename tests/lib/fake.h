/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Models of sticks that say they are larger than they are, in front of a memory device of the size that they claim.
 * tests/stick.py has the same ones for block devices.
 */
#ifndef LIVESTICK_TEST_FAKE_H
#define LIVESTICK_TEST_FAKE_H

#include "src/media/device.h"

enum fake_kind {
	FAKE_HONEST,
	FAKE_WRAPS, /* address modulo the real size */
	FAKE_LOSES, /* what is written beyond the end vanishes */
	FAKE_LAST,  /* all addresses beyond the end are the last sector */
	FAKE_FAILS, /* EIO beyond the end */
	FAKE_HOLE,  /* loses what is written from `real` to `real` + `hole`, and only that */
};

enum fake_fill { FILL_ZEROS, FILL_ONES, FILL_NOISE };

struct fake {
	enum fake_kind kind;
	u64 real, hole;      /* multiples of 512 */
	enum fake_fill fill; /* what is read where nothing is */
	u64 cache;           /* bytes written last that read back right, whatever becomes of them later */
};

/* `under` must outlive it. */
struct device *device_new_fake(struct device *under, struct fake fake);

/* What was written last is forgotten (where nothing is) or reaches the flash: the stick is pulled and plugged in. */
void device_fake_replug(struct device *d);

#endif
