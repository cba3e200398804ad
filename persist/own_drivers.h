/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The drivers that our initrd may want, and whether a kernel has them: part of own_modules.h.
 */
#ifndef LIVESTICK_PERSIST_OWN_DRIVERS_H
#define LIVESTICK_PERSIST_OWN_DRIVERS_H

#include "persist/shelf.h"

enum own_role {
	OWN_EXTRA, /* a drive, a keyboard, a way to be faster */
	OWN_NEEDED,
	OWN_USB_HOST,  /* one of them is needed */
	OWN_FAT,       /* all of them, for BOOT on FAT */
	OWN_FAT_NAMES, /* one of them, for the same */
	OWN_CHECKSUM,  /* one of them, for ext4 before Linux 6.14 */
	OWN_IMAGE,     /* for images of that type */
	OWN_OVERLAY_DRIVER,
	OWN_AUFS_DRIVER,
	OWN_SNAPSHOT_DRIVER, /* all of them */
};

struct own_driver {
	const char *module; /* with "_" for "-" */
	const char *option; /* of the kernel's configuration; NULL: not known, or it has none */
	enum own_role role;
	const char *type; /* OWN_IMAGE: of which images */
};

/* In the order in which they are to be loaded: what takes time to find its devices comes first. */
extern const struct own_driver own_drivers[];
extern const size_t n_own_drivers;

/* Of a module's `state`. */
enum {
	OWN_CHECKED = 1,
	OWN_COMPLETE = 2, /* with all that it depends on */
	OWN_VISITED = 4,
	OWN_PLACED = 8,
	OWN_MARKED = 16, /* as needed, and what it depends on */
};

enum own_have {
	OWN_HAS_NOT,
	OWN_HAS_PERHAPS, /* cannot be told */
	OWN_HAS_MODULE,
	OWN_HAS_BUILT_IN,
};

/* `module` and `option` as in struct own_driver. A module counts only with all that it depends on. */
MUST_CHECK int own_driver_have(const struct kernel *k, struct shelves *s, const char *module, const char *option,
                               enum own_have *ret, struct err *e);

/*
 * What squashfs must have been built with for a compressor: `module` is squashfs's, if it is one (its bytes tell), else
 * NULL.
 */
enum own_have own_driver_unpacks(const struct kernel *k, const struct buf *module, const char *compressor);

#endif
