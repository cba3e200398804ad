/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which kernel modules our own initrd must load so that a stick is found and its root put together: chosen by what the
 * kernel has of its own (its configuration, modules.builtin), and taken from lib/modules/VERSION (or usr/lib/modules)
 *of the system images or of the source's own initrds. Dependencies are followed as depmod(8) recorded them.
 *
 *	struct own_modules_request q = { .kernel = &k, .images = &stack, .kinds = kinds, .n_kinds = n, ... };
 *	r = own_modules_choose(&q, &m, e);
 *	for (i = 0; i < m.n; i++) ... m.module[i] ...          in the order of loading
 */
#ifndef LIVESTICK_PERSIST_OWN_MODULES_H
#define LIVESTICK_PERSIST_OWN_MODULES_H

#include "persist/image.h"
#include "persist/kernel.h"

enum own_union {
	OWN_OVERLAY,
	OWN_AUFS,
	OWN_SNAPSHOT, /* one ext image, device-mapper snapshot */
};

/* An initrd of the source that may hold modules. What `in` refers to is borrowed. */
struct own_initrd_file {
	struct input in;
	u64 size;
	const char *name; /* for sentences: "/boot/initrd.gz" */
};

struct own_modules_request {
	const struct kernel *kernel;
	struct image_stack images; /* those that can be looked into; modules are looked for here first */
	/* What all images of the system are, also those that cannot be looked into. */
	const struct image_kind *kinds;
	size_t n_kinds;
	const struct own_initrd_file *initrds;
	size_t n_initrds;
};

struct own_module {
	char *name; /* "usb-storage": as its file is called */
	u8 *data;   /* the module, not compressed */
	size_t len;
	bool is_needed; /* false: a drive or a keyboard may want it */
};

struct own_modules {
	struct own_module *module; /* dependencies before dependents */
	size_t n, cap;
	enum own_union union_;
	bool has_vfat;                  /* false: BOOT must be ext4 */
	const char *initrd_compression; /* how the last of the initrds that is packed is so; NULL: none is */
	char *doubt; /* a sentence when it cannot be told whether the kernel has what is needed; NULL: it has */
};

/*
 * -EINVAL, classed EXIT_SOURCE: the kernel and its modules cannot do it, in one sentence that names all that is missing
 * ("the kernel 5.4.1 has no squashfs and no overlay or aufs, neither built in nor as a module in /SYSTEM.img"), or the
 * modules are of another version (both are named). Failures of reading as in image.h and initrd.h.
 */
MUST_CHECK int own_modules_choose(const struct own_modules_request *q, struct own_modules *ret, struct err *e);
void own_modules_free(struct own_modules *m);

/* "overlay", "aufs", "snapshot". */
const char *own_union_name(enum own_union u);

#endif
