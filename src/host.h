/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the host gives to a stick: the boot loader's files. Loaded once, before anything is planned. */
#ifndef LIVESTICK_HOST_H
#define LIVESTICK_HOST_H

#include "bootinst/syslinux.h"

/* The modules of our menu: menu.c32 and what it needs (docs/stick.md). */
#define HOST_MODULES 2

struct host {
	struct syslinux syslinux;
	const char *module_name[HOST_MODULES];
	struct blob module[HOST_MODULES];
	u8 mbr_code[440];
};

MUST_CHECK int host_load(bool gpt, struct host *ret, struct err *e);
void host_free(struct host *h);

#endif
