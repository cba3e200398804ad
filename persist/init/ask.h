/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The question to the user when something is not as it should be. There is no default: without an answer it waits. */
#ifndef LIVESTICK_INIT_ASK_H
#define LIVESTICK_INIT_ASK_H

#include "persist/init/run.h"

/*
 * `letters` of "cfnry", in the order to be shown; what they mean is in ask.c. b (reboot) is always offered and does not
 * return; s (a shell) when the images have one, and the question is asked again after it.
 */
char ask(struct run *run, const char *letters);

#endif
