/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Another machine's sysfs, proc and dev, kept as one readable text and unpacked below a temporary directory.
 *
 *	# a comment                          [sys/devices/pci0000:00]  names that follow lie in this directory; [] ends
 *it name = text                          a file with this line in it; \xNN is a byte name: a file with the lines that
 *follow, each after a tab name -> target                       a symbolic link name/                                a
 *directory expect /dev/sdb: may be written      what the verdict on the drive must be, in the order of drives_list()
 *	expect /dev/sda: is read-only        ... all reasons, joined by "; "
 *
 * A name may have slashes; its directories come by themselves. For each directory below sys/devices that has `dev`
 * and `size` the unpacker makes what the kernel and udev make: the links in sys/block (not for a partition),
 * sys/class/block and sys/dev/block, and an empty file in dev, which device nodes cannot be without rights.
 */
#ifndef LIVESTICK_TEST_MACHINE_H
#define LIVESTICK_TEST_MACHINE_H

#include "src/media/drives.h"

struct machine {
	char *dir; /* the temporary directory */
	char *sys, *proc, *dev;
	struct drives_roots roots;
	char **expect; /* "/dev/sdb: may be written" */
	size_t n_expect, cap_expect;
};

/* tests/fixtures/machines/NAME.txt, then the lines of `more` (may be NULL). Ends the program when it cannot. */
void machine_unpack(const char *name, const char *more, struct machine *ret);
/* Removes the directory too. */
void machine_free(struct machine *m);

#define AUTO_MACHINE CLEANUP(machine_free)

#endif
