/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The program /init of livestick's own initrd, as it was built from persist/init/: a static ELF file for the machine
 * that livestick itself was built for. It is part of livestick, so that no stick is made with another one's.
 */
#ifndef LIVESTICK_PERSIST_OWN_INIT_H
#define LIVESTICK_PERSIST_OWN_INIT_H

#include "src/base/util.h"

/* Its bytes, and how many. */
const u8 *own_init(size_t *ret_len);

#endif
