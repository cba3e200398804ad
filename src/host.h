/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the host gives to a stick: the boot loader's files. Loaded once, before anything is planned. */
#ifndef LIVESTICK_HOST_H
#define LIVESTICK_HOST_H

#include "bootinst/syslinux.h"
#include "src/efi.h"

/* The modules of our menu: menu.c32 and what it needs (docs/stick.md). */
#define HOST_MODULES 2

struct host {
	struct syslinux syslinux;
	const char *module_name[HOST_MODULES];
	struct blob module[HOST_MODULES];
	u8 mbr_code[MBR_CODE_SIZE];
	struct efi_set efi; /* if it was asked for, and is there */
	char *why_no_efi;   /* else why it is not there, a sentence; NULL: it was not asked for */
};

/* `efi`: the source has no UEFI loader of its own that can be used. That the host has none is no failure. */
MUST_CHECK int host_load(bool gpt, bool efi, struct host *ret, struct err *e);
void host_free(struct host *h);

#endif
