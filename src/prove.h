/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Proves a stick by starting it in QEMU, twice, with the power cut between. The stick is only read: what the guest
 * writes goes into a nameless file.
 *
 * What a verdict of "persistent" rests on is said in its sentence. Where the serial console lets one in, a file is
 * written, flushed, and must be there after the power was cut: for the guest, and on the persistence partition. Where
 * it does not, the files count that the system itself has written there in the first start.
 */
#ifndef LIVESTICK_PROVE_H
#define LIVESTICK_PROVE_H

#include "src/base/checks.h"
#include "src/base/progress.h"
#include "src/qemu.h"
#include "src/stick.h"

struct prove_request {
	bool firmware[N_FIRMWARES]; /* which are tried, in this order */
	unsigned seconds;           /* that one start may take; 0: 120, or 900 when it is emulated */
	u64 memory;                 /* of the guest, bytes; 0: 2 GiB */
	const char *screenshots; /* a directory for bios.png, bios-again.png, uefi.png...; which is there; NULL: none */
	void (*say)(void *ctx, const char *line); /* what is going on, for people; NULL: nobody wants it */
	void *ctx;
};

/* Makes the directory for the screenshots, if one is wanted and it is not there. */
MUST_CHECK int prove_make_dir(const struct prove_request *q, struct err *e);

/*
 * Adds for each firmware "boot-bios" (boot-uefi, boot-secureboot), and if it has started and the stick has a place for
 * changes, "persist-bios"... What this host lacks (QEMU, OVMF, room) is a CHECK_UNKNOWN. `d` is the whole stick as
 * stick_read() has read it. -EINTR.
 */
MUST_CHECK int prove_boot(struct device *d, const struct stick *s, const struct prove_request *q, struct progress *p,
                          struct checks *c, struct err *e);

/*
 * Which firmwares words such as "bios,uefi" or "all" mean; NULL: those that the stick has loaders for, without Secure
 * Boot. -EINVAL, classed EXIT_USAGE.
 */
MUST_CHECK int prove_choose(const char *words, const struct stick *s, bool ret[N_FIRMWARES], struct err *e);

#endif
