/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Devices for the tests that stand in front of another one, which must outlive them: one writes down everything that
 * passes, one breaks at a chosen write. The program itself never makes them.
 */
#ifndef LIVESTICK_MEDIA_DEVICE_TEST_H
#define LIVESTICK_MEDIA_DEVICE_TEST_H

#include "src/media/device.h"

/* One write, one flush (`len` 0), or one discard. */
struct record {
	bool is_flush, is_discard;
	u64 off;
	u64 len;
	u8 *data; /* only of a recorder that keeps it, else NULL */
};

/*
 * Records what succeeded below. With `keep_data` the records can be replayed: any prefix of them, on what the device
 * held before, is what a loss of power may leave.
 */
struct device *device_new_recorder(struct device *under, bool keep_data);

/* The records so far, in order; they stay valid until the next write, flush or clear. */
const struct record *device_records(const struct device *recorder, size_t *ret_n);
void device_records_clear(struct device *recorder);

/* What goes wrong. Writes and flushes are counted from 1; 0: none of them fails. */
struct fault {
	u64 at_write;
	u64 at_flush;
	int error;   /* what the failing one gives: EIO, ENOSPC... */
	size_t torn; /* bytes of the failing write that reach the device all the same */
	bool dies;   /* whatever comes after gives ENODEV: the stick was pulled */
};

struct device *device_new_failing(struct device *under, struct fault fault);

#endif
