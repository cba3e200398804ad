/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a kernel module says of itself: "key=value" texts in the section .modinfo of an ELF file (Linux,
 * include/linux/moduleinfo.h). Little-endian, 32 or 64 bits. Untrusted: whatever is not as it must be is not found.
 */
#ifndef LIVESTICK_PERSIST_MODINFO_H
#define LIVESTICK_PERSIST_MODINFO_H

#include "src/base/util.h"

bool modinfo_is_elf(const u8 *data, size_t len);

/*
 * The value of `key` ("vermagic", "depends", "softdep"), the one after `after` (NULL: the first); borrowed from `data`.
 * NULL: there is none, or no more.
 */
const char *modinfo_find(const u8 *data, size_t len, const char *key, const char *after);

#endif
