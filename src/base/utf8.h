/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing above U+10FFFF. */
#ifndef LIVESTICK_BASE_UTF8_H
#define LIVESTICK_BASE_UTF8_H

#include "src/base/util.h"

/* Length of the character that begins at `p` and ends at or before `end`, 0 if there is none. */
size_t utf8_decode(const u8 *p, const u8 *end, u32 *ret_char);

/* Length, 1 to 4, of `c` (below 0x110000) as UTF-8. */
size_t utf8_encode(u32 c, u8 ret[4]);

#endif
