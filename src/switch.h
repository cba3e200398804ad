/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one sector that decides what a stick starts (docs/stick.md), written in place. */
#ifndef LIVESTICK_SWITCH_H
#define LIVESTICK_SWITCH_H

#include "src/stick.h"

/*
 * Writes switch.cfg, flushes, and reads it back. It is one write of one sector, or none when it says so already.
 * `ret_written` (may be NULL) is added to. -EUCLEAN: it does not lie in one sector of its own.
 */
MUST_CHECK int switch_write(struct device *d, const struct stick *s, const struct menu_switch *to, u64 *ret_written,
                            struct err *e);

#endif
