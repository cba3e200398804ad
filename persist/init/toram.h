/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef LIVESTICK_INIT_TORAM_H
#define LIVESTICK_INIT_TORAM_H

#include "persist/init/run.h"

/*
 * Copies the images to memory (RUN_COPY/NN) and unmounts BOOT; run->in_memory says whether it was done. When there is
 * not memory enough, or reading fails, the user is told and the system starts from the stick.
 */
void toram(struct run *run);

/* Frees the memory. What is mounted from it must be unmounted before. */
void toram_undo(struct run *run);

#endif
