/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether PCs with Secure Boot will start a stick, judged by what is on it: the loader that firmware starts, the one
 * that a shim starts next, the kernels. Pure: no I/O. What a PC knows beside Microsoft's two CAs for third parties
 * (keys that its owner enrolled, newer revocations) cannot be seen from here.
 */
#ifndef LIVESTICK_BOOTINST_SECURE_BOOT_H
#define LIVESTICK_BOOTINST_SECURE_BOOT_H

#include "bootinst/efi_image.h"

struct secure_boot_chain {
	const struct efi_image *first;  /* EFI/BOOT/BOOTX64.EFI */
	const struct efi_image *second; /* what shim loads, EFI/BOOT/grubx64.efi; NULL: none. Only after a shim */
	const struct efi_image *const *kernels; /* NULL among them: no EFI program, thus not signed */
	const char *const *kernel_names;        /* as the user knows them */
	size_t n_kernels;
};

enum secure_boot_verdict {
	SECURE_BOOT_YES,
	SECURE_BOOT_PARTLY,  /* some of the kernels */
	SECURE_BOOT_NO,      /* unless the PC's owner enrols a key */
	SECURE_BOOT_UNKNOWN, /* on some PCs */
};

/* Adds to `why` one or two sentences for the user, without a full stop at the end. */
enum secure_boot_verdict secure_boot_judge(const struct secure_boot_chain *c, struct buf *why);

#endif
