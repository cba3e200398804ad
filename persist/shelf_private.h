/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What shelf.c and shelf_ask.c share. */
#ifndef LIVESTICK_PERSIST_SHELF_PRIVATE_H
#define LIVESTICK_PERSIST_SHELF_PRIVATE_H

#include "persist/shelf.h"
#include "src/source/initrd.h"

enum record { DEP, SOFTDEP, ALIAS, BUILTIN, N_RECORDS };

struct shelf {
	char *name; /* of the image or initrd */
	char *dir;  /* "/lib/modules/VERSION"; NULL: it has none */
	const struct own_initrd_file *file;
	struct initrd *rd; /* NULL: the images */
	char *record[N_RECORDS];
};

struct shelves {
	struct image_stack images;
	struct shelf *shelf;
	size_t n_shelves, cap_shelves;
	char *version;
	char *other_version, *other_where;
	struct buf where;
	struct shelf_module *module; /* sorted by name */
	size_t n, cap;
	char **built_in; /* sorted */
	size_t n_built_in, cap_built_in;
	bool knows_built_in;
};

/* The file's name without its directory, and without ".ko" and what is behind; its length, 0 if it is no module's. */
const char *shelf_file_name(const char *path, size_t len, size_t *ret_len);

MUST_CHECK int shelf_open_initrd(const struct own_initrd_file *f, const char *const *texts, struct initrd **ret,
                                 struct err *e);

#endif
