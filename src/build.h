/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a plan to write lists: file systems, loader and table laid out in memory, ready to be written in three goes.
 *
 *	pass     everything, in one ascending pass
 *	commit   after a flush: the boot sectors of the partitions and, on GPT, the table
 *	seal     after another: sector 0; before it the stick has no table and cannot look bootable
 */
#ifndef LIVESTICK_BUILD_H
#define LIVESTICK_BUILD_H

#include "src/fs/ext4.h"
#include "src/fs/fat32.h"
#include "src/media/writelist.h"
#include "src/plan.h"

struct build {
	struct fat32 *esp, *boot_fat; /* NULL: there is none */
	struct ext4 *boot_ext4, *data;
	struct writelist *pass, *commit, *seal;
};

/* Patches the host's loader for this stick. The plan and the host are borrowed until build_free(). */
MUST_CHECK int build_make(struct plan *p, struct host *host, struct build *ret, struct err *e);
void build_free(struct build *b);

#endif
