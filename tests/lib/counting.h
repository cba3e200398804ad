/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A device that counts what is read of the one below it. */
#ifndef LIVESTICK_TEST_COUNTING_H
#define LIVESTICK_TEST_COUNTING_H

#include "src/media/device.h"

struct counting {
	struct device d;
	struct device *under; /* borrowed */
	u64 bytes_read;
};

/* `ret->d` is to be used as long as `under` is there, and not to be freed. */
void counting_init(struct counting *ret, struct device *under);

#endif
