/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Words of a kernel command line. A word ends at a blank outside double quotes, as in the kernel's next_arg();
 * every byte up to the space counts as a blank, as in SYSLINUX.
 *
 * A `token` is compared with whole words ("toram"), with what stands before the value when it ends in '='
 * ("live-media=" matches "live-media=/dev/sda1"), and as a prefix when it ends in '*' ("persistence-*").
 */
#ifndef LIVESTICK_BASE_ARGS_H
#define LIVESTICK_BASE_ARGS_H

#include "src/base/buf.h"

/* The word at or after `*pos`, which is moved behind it; NULL at the end. */
const char *args_next(const char **pos, size_t *ret_len);

bool args_has(const char *args, const char *token);

/* The value of the last word "key=value" for key "key=", without its quotes; NULL if there is none. The caller frees.
 */
MUST_CHECK char *args_value(const char *args, const char *key);

/* Adds `args` to `out` without the words that match one of `drop`; one blank between words, none around them. */
void args_without(const char *args, const char *const *drop, size_t n_drop, struct buf *out);

/* Adds words to a command line, before a word "--" or "---": what follows those is for init or for an installer. */
void args_add(struct buf *args, const char *words);

#endif
