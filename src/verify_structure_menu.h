/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What verify_structure_menu.c and _menus.c share; nobody else includes it. */
#ifndef LIVESTICK_VERIFY_STRUCTURE_MENU_H
#define LIVESTICK_VERIFY_STRUCTURE_MENU_H

#include "src/facts_parts.h"
#include "src/verify_structure_parts.h"

/* How the files of a menu are read, and what was not there. */
struct menu_files {
	struct look *l;
	struct buf missing; /* files that were to be read, ", " between */
	const char *first;  /* text that stands for the file "/", to begin with; NULL: none */
};

struct menu_loader menu_files_loader(struct menu_files *f);

/* The first file of an entry that is on no volume of the stick; NULL: all are there. */
const char *menu_missing_file(const struct look *l, const struct menu_entry *entry);

/*
 * Adds to `ret` what of the entry names a file system that is not the stick's, ", " between. Words of `except` (the
 * user's own) may name any.
 */
void menu_foreign_ids(const struct look *l, const struct menu_entry *entry, const char *except, struct buf *ret);

/* verify_structure_menu.c: sticks of ours; verify_structure_menus.c: of others'. */
MUST_CHECK int look_our_menus(struct look *l, struct err *e);
MUST_CHECK int look_their_menus(struct look *l, struct err *e);

#endif
