/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/own_init.h"

/* persist/own_init_bytes.S */
extern const u8 own_init_begin[], own_init_end[];

const u8 *own_init(size_t *ret_len)
{
	*ret_len = (size_t)(own_init_end - own_init_begin);
	return own_init_begin;
}
