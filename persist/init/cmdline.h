/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's arguments, as /proc/cmdline has them: words between blanks, '"' around blanks in a value; of two with
 * the same name the later one counts.
 */
#ifndef LIVESTICK_INIT_CMDLINE_H
#define LIVESTICK_INIT_CMDLINE_H

#include "persist/init/text.h"

#define CMDLINE_DELAY     30   /* seconds to wait for the stick, at least */
#define CMDLINE_DELAY_MAX 3600 /* and at most */

struct cmdline {
	char boot[40], data[40]; /* livestick.boot=, livestick.data=: UUIDs; "": absent */
	char from[256];          /* from=: "" or a clean path */
	char session[64];        /* perchdir=; "": not the name of a session */
	char init[256];          /* init=; "": absent */
	char load[1024], noload[1024];
	bool perch, toram, debug;
	unsigned delay;    /* seconds */
	const char *wrong; /* NULL, or the name of an argument whose value cannot be used */
};

void cmdline_parse(const char *text, struct cmdline *ret);

/*
 * Adds the parameters of a module, "delay_use=0 quirks=...", from "usb-storage.delay_use=0"; '-' and '_' are the same
 * in its name.
 */
void cmdline_module_options(const char *text, const char *module, struct text *options);

/* Is it an argument that only we understand? The kernel hands to init what it does not know itself. */
bool cmdline_is_ours(const char *word);

#endif
