/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One start, from the kernel's first process to the system's own. What is known so far is in struct run; main.c has the
 * list of steps. A step that fails has told the user why; main() then asks what to do.
 */
#ifndef LIVESTICK_INIT_RUN_H
#define LIVESTICK_INIT_RUN_H

#include "persist/init/cmdline.h"
#include "persist/init/conf.h"
#include "persist/init/device.h"

/* Where all is mounted; moved to the new root as a whole, so these paths stay. */
#define RUN        "/run/livestick"
#define RUN_BOOT   RUN "/boot"
#define RUN_DATA   RUN "/data"
#define RUN_IMAGES RUN "/images" /* NN, lowest 00 */
#define RUN_MEMORY RUN "/memory" /* tmpfs: changes that are not saved */
#define RUN_COPY   RUN "/copy"   /* tmpfs: images, with toram */
#define RUN_INSIDE RUN "/inside" /* the images as one tree, while programs of them are needed */
#define NEW_ROOT   "/mnt"

struct run {
	char **argv;
	char cmdline_text[4096], conf_text[64 * KIB];
	struct cmdline cmdline;
	struct conf conf;
	char failed_modules[1024]; /* for the message when no stick is found */
	struct devices devices;
	struct device boot, data;
	bool saving;       /* changes go to DATA */
	bool is_fresh;     /* the session is new, or not saved: /extra is to be copied */
	bool in_memory;    /* toram: the images are in RUN_COPY, BOOT is not mounted */
	bool has_images;   /* their files are there to be mounted */
	size_t n_mounted;  /* images, in RUN_IMAGES */
	char changes[160]; /* directory of the changes: on DATA, or in memory */
};

#endif
