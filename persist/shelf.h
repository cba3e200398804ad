/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where kernel modules can be taken from: lib/modules/VERSION of the system images (as one tree) and of each initrd of
 * the source, together, the images' first. What depmod(8) recorded is read, so that dependencies are known.
 *
 *	r = shelves_open(&images, initrds, n_initrds, "6.1.0-40-amd64", &s, e);
 *	m = shelves_find(s, "usb_storage");                         "-" and "_" alike; NULL: there is none
 *	r = shelves_load(s, m, &bytes, e);                          unpacked
 */
#ifndef LIVESTICK_PERSIST_SHELF_H
#define LIVESTICK_PERSIST_SHELF_H

#include "persist/own_modules.h"
#include "src/base/buf.h"

struct shelves; /* opaque */

struct shelf_module {
	char *name;       /* with "_" for "-" */
	char *file;       /* "usb-storage", as its file is called */
	char *path;       /* below lib/modules/VERSION: "kernel/drivers/usb/storage/usb-storage.ko.xz" */
	size_t shelf;     /* which one has it */
	bool is_listed;   /* in its modules.dep */
	const char *deps; /* what modules.dep has behind the colon, up to the end of the line; NULL: not known */
	struct image_entry entry; /* of the images' */
	unsigned state;           /* for who walks dependencies; 0 at first */
};

/*
 * `version` NULL: the one whose directory is there, if there is one only. That there are no modules at all is no
 * failure. Failures as in image.h and initrd.h.
 */
MUST_CHECK int shelves_open(const struct image_stack *images, const struct own_initrd_file *initrds, size_t n_initrds,
                            const char *version, struct shelves **ret, struct err *e);
void shelves_free(struct shelves *s);

/* The version whose modules they are; NULL: there are none. */
const char *shelves_version(const struct shelves *s);
/* Where they are, or where was looked: "/live/a.sfs", "/live/a.sfs and /boot/initrd.gz". "": nowhere. Borrowed. */
const char *shelves_where(const struct shelves *s);
/* Another version that there are modules of; NULL: none. `ret_where` says in what. */
const char *shelves_other_version(const struct shelves *s, const char **ret_where);

/* How the last initrd that is packed is so (see initrd.h); NULL: none is. */
const char *shelves_compression(const struct shelves *s);

struct shelf_module *shelves_find(const struct shelves *s, const char *name);

/* Whether modules.builtin has it; and whether there is that list. */
bool shelves_is_built_in(const struct shelves *s, const char *name);
bool shelves_know_built_in(const struct shelves *s);

enum shelf_relation {
	SHELF_DEPENDENCIES, /* what it cannot do without, in the order of loading */
	SHELF_SOFT_BEFORE,  /* what should be there before it; names of modules, or aliases */
	SHELF_SOFT_BEHIND,
};

/* Calls `fn` with each name; what is not 0 ends that and is returned. Where depmod has not been, the module is asked.
 */
typedef int shelf_name_fn(void *ctx, const char *name, struct err *e);
MUST_CHECK int shelves_each_related(struct shelves *s, const struct shelf_module *m, enum shelf_relation relation,
                                    shelf_name_fn *fn, void *ctx, struct err *e);
/* The same with each module that modules.alias gives that very name. */
MUST_CHECK int shelves_each_alias(const struct shelves *s, const char *alias, shelf_name_fn *fn, void *ctx,
                                  struct err *e);

/*
 * The module, unpacked, added to `ret`. Those of an initrd must have been fetched first, all at once: an initrd is read
 * from its beginning each time. Where modules.dep is missing they are there from shelves_open() on.
 */
MUST_CHECK int shelves_fetch(struct shelves *s, const struct shelf_module *const *m, size_t n, struct err *e);
MUST_CHECK int shelves_load(struct shelves *s, const struct shelf_module *m, struct buf *ret, struct err *e);

#endif
