/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A serial console for what a stick starts: put into the menus on an overlay of the stick, whose files are found at the
 * usual places, ours and those of others.
 */
#ifndef LIVESTICK_PROVE_MENU_H
#define LIVESTICK_PROVE_MENU_H

#include "src/stick.h"

/*
 * Changes the menus on `overlay`: each Linux entry talks on the first serial port, at 115200, and on the screen; what
 * keeps the kernel or init from talking goes; the default starts after a second. *ret_why_not is NULL, or why there is
 * no entry with a serial console, for the caller to free. -EINTR.
 */
MUST_CHECK int prove_add_console(struct device *overlay, const struct stick *s, char **ret_why_not, struct err *e);

/* ---- for tests */

/*
 * A menu's text with the changes; false: it is none, or needs none. `path` tells the language. *console is set when an
 * entry got one.
 */
bool prove_edit_menu(const char *path, const char *text, struct buf *out, bool *console);

#endif
