/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An entry as a GRUB or BLS configuration has it, on its way into the menu. For the readers of those two only. */
#ifndef LIVESTICK_BOOTINST_MENU_DRAFT_H
#define LIVESTICK_BOOTINST_MENU_DRAFT_H

#include "bootinst/menu.h"

#define MENU_ENTRIES_MAX 1000
#define MENU_FILE_MAX    MIB
#define MENU_TIMEOUT_MAX 36000 /* an hour, in tenths of a second */

struct menu_draft {
	const char *id, *title; /* in any form */
	const char *kernel;     /* counted from the root of the tree, with or without a slash in front */
	const char *const *initrds;
	size_t n_initrds;
	const char *args;
	const char *submenu; /* as menu_submenu() makes it; NULL: top level */
};

/*
 * Adds the entry, unless one with the same kernel, initrds and arguments is there already; *ret_i is that entry.
 * -E2BIG: too many entries or initrds, or more arguments than the kernel takes; -EINVAL: a path out of the tree.
 */
MUST_CHECK int menu_add_draft(struct menu *m, const struct menu_draft *d, size_t *ret_i, struct err *e);

/* Tenths of a second of a timeout in seconds. A boot at once becomes one second, so that the menu can be reached. */
unsigned menu_timeout_ds(long seconds);

#endif
