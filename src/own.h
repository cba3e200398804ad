/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A source that livestick's own initrd shall start: which of its files are system images, what its kernels are, and the
 * initrd for each of them, built in memory.
 */
#ifndef LIVESTICK_OWN_H
#define LIVESTICK_OWN_H

#include "bootinst/menu.h"
#include "persist/own_initrd.h"
#include "src/source/source.h"

/* An initrd for each kernel of the menu: the modules are the kernel's. */
struct own_kernel {
	const char *path; /* as the menu has it; borrowed */
	struct kernel kernel;
	struct own_initrd initrd; /* no data: it cannot be started, why_not says why */
	char *why_not;
};

struct own_system {
	struct own_initrd_image *image; /* lowest first: in the order of their paths */
	size_t n_images, cap_images;
	struct own_kernel *kernel;
	size_t n_kernels, cap_kernels;
};

/*
 * Finds the system images: files of the source with a file system of Linux in them that no menu entry loads. None is no
 * failure. What was found before is kept.
 */
MUST_CHECK int own_find_images(const struct source *s, const struct menu *m, struct own_system *ret, struct err *e);

/*
 * Reads the kernels and builds an initrd for each. `menu` and `s` are borrowed until own_free(). Fails, classed
 * EXIT_SOURCE, when there is none for the default entry's kernel.
 */
MUST_CHECK int own_build(const struct source *s, const struct menu *m, const char *title, struct own_system *ret,
                         struct err *e);

/* NULL: there is no initrd for this kernel. */
const struct own_kernel *own_for_kernel(const struct own_system *o, const char *path);
void own_free(struct own_system *o);

#endif
