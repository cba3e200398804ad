/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the writers share: in which order entries and submenus come. For menu_write_*.c only. */
#ifndef LIVESTICK_BOOTINST_MENU_WRITE_H
#define LIVESTICK_BOOTINST_MENU_WRITE_H

#include "bootinst/menu.h"

/* The parts of a menu in a loader's language. */
struct menu_dialect {
	int (*entry)(void *ctx, const struct menu_entry *entry, struct buf *out, struct err *e);
	void (*begin_submenu)(const char *title, struct buf *out);
	void (*end_submenu)(struct buf *out);
};

/* Writes all entries as menu.h says. -EINVAL: a path or arguments with a control character. */
MUST_CHECK int menu_write_entries(const struct menu *m, const struct menu_dialect *d, void *ctx, struct buf *out,
                                  struct err *e);

#endif
