/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second opinion on a partition table: libparted's, which shares no code with libfdisk and libblkid.
 *
 * libparted opens what it looks at for writing when it can, tries the nodes of the partitions beside it, and offers to
 * mend what it finds. So it never sees the device: it gets a private copy (shadow.h) of what a table can be kept in
 * (the first and the last MiB, the backup of a GPT wherever it lies, the chain of an extended partition), with holes
 * for all else. What it says is collected, what it asks is answered with no.
 *
 * It is loaded when it is asked, not linked: Debian's runs "dmidecode" by a shell as soon as a program that is linked
 * with it starts, unless PARTED_GPT_APPLE is set, and that is set here before.
 */
#ifndef LIVESTICK_PARTITION_SECOND_H
#define LIVESTICK_PARTITION_SECOND_H

#include "partition/view.h"

/*
 * As view_read(). Of the kinds of table "msdos" is told as "dos". That libparted finds no table, or one that it
 * refuses, is no failure: what it says of that is in `remarks`. -ENOENT: libparted is not installed, the sentence names
 * the package. Only while no other thread runs: it changes the environment.
 */
MUST_CHECK int second_read(struct device *d, struct view *ret, struct err *e);

#endif
