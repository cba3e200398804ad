/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a medium adds to the root of its system: archives etc.tar, root.tar, home.tar, var.tar, opt.tar, usr.tar, each
 * also compressed (.gz, .bz2, .xz, .zst), and a directory rootcopy/, as those who build linux-live and its like by hand
 * keep them. Part of own_initrd.h.
 */
#ifndef LIVESTICK_PERSIST_OWN_EXTRA_H
#define LIVESTICK_PERSIST_OWN_EXTRA_H

#include "persist/own_tree.h"
#include "src/source/source.h"

#define OWN_EXTRA_BYTES_MAX (256 * MIB)
#define OWN_EXTRA_FILES_MAX 100000

struct own_extra {
	struct own_tree *tree; /* they are added as "extra/..." */
	u64 bytes, files;      /* so far */
	u64 compared;          /* names, to find what hard links mean */
	char **warning;        /* sentences; the caller's */
	size_t n_warnings, cap_warnings;
};

/*
 * Adds what the directory `dir` of the medium holds: archives in the order of their names above, then rootcopy/. An
 * archive's names are those below the root; where none of them begins with the archive's own ("etc"), they are below
 * that. Devices, pipes and sockets are left out, with a warning; hard links become copies. -EINVAL: no archive,
 * damaged, or with names that lead elsewhere; -EFBIG: too much; -EINTR.
 */
MUST_CHECK int own_extra_add(struct own_extra *x, const struct node *dir, struct err *e);

#endif
