/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What process 1 says: to every console of the kernel (not only the last console=), and to the kernel's log. A message
 * is one line, "livestick: ..."; it is escaped as a whole, so strings from devices may be put into it as they are.
 */
#ifndef LIVESTICK_INIT_SAY_H
#define LIVESTICK_INIT_SAY_H

#include "persist/init/text.h"

#define SAY_CONSOLES 6

/* Opens the consoles; /dev, /sys are mounted. Before it, say() writes to the console that the kernel gave us. */
void say_open(bool debug);

/* Opens them anew: when a shell that had one as its terminal ends, the kernel hangs up all who have it open. */
void say_reopen(void);

void say(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Only with "debug" among the kernel's arguments. */
void say_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* The last line of the kernel's log with `needle` in it, "  (kernel: ...)"; says nothing when there is none. */
void say_kernels_words(const char *needle);

/*
 * Waits for a line on any console and returns its first letter in lower case, when it is one of `letters`; else asks
 * again. *ret_console is the path of that console, a static string. Without any console it waits for ever.
 */
char say_read_letter(const char *letters, const char **ret_console);

#endif
