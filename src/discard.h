/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A drive is told to forget what it holds before it is written: a flash that knows what is of no use any more writes
 * faster and wears less. What is read there afterwards is anything: the old bytes, zeros or others. Nothing relies on
 * it.
 */
#ifndef LIVESTICK_DISCARD_H
#define LIVESTICK_DISCARD_H

#include "src/capacity.h"

/*
 * All of `d` from its second MiB to its last but one, in whole MiB; not where marks are (`marks` may be NULL), and not
 * the table's places, which are known to be zeros by now and must stay so. A device that cannot, or fails at it, is
 * asked no further; that is no failure. -EINTR.
 */
MUST_CHECK int discard_drive(struct device *d, const struct capacity_test *marks, struct progress *p, struct err *e);

#endif
