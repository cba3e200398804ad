/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /etc/fstab of a system that starts from a stick: lines for block devices of the machine it was made on would have its
 * boot scripts check, mount and swap on whatever has that name here.
 */
#ifndef LIVESTICK_INIT_FSTAB_H
#define LIVESTICK_INIT_FSTAB_H

#include "persist/init/text.h"

/*
 * Adds `in` to `out`, such lines behind "#livestick: "; all else stays byte for byte. Returns how many lines were
 * changed; -E2BIG when it does not fit. `in` has no NUL inside.
 */
MUST_CHECK int fstab_harmless(const char *in, struct text *out);

#endif
