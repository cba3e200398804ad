/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of facts.h share, and verify_structure_menu.c, which looks at the same places. */
#ifndef LIVESTICK_FACTS_PARTS_H
#define LIVESTICK_FACTS_PARTS_H

#include "src/facts.h"

/* facts.c: something that is not as the source has it, and does no harm. */
void facts_warn(struct facts *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * facts_menu.c: f->menu, and f->menu_path where it was found. The first menu of which something can boot; a source
 * without any gets none, and that is no failure.
 */
MUST_CHECK int facts_read_menu(struct facts *f, struct err *e);

#define FACTS_BLS_DIR "/loader/entries"

typedef int facts_read_menu_fn(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e);

/* facts_menu.c: where live media keep their menus, the best first. FACTS_BLS_DIR is a directory of entries. */
extern const struct facts_menu_place {
	const char *path; /* globs, of which '*' does not match '/' */
	facts_read_menu_fn *read;
} facts_menu_places[];
extern const size_t facts_n_menu_places;

/* facts_own.c: an entry for each kernel of a source that has no menu. None is no failure. */
MUST_CHECK int facts_make_menu(struct facts *f, struct err *e);
/* What the system is called where nobody says more. The caller frees. */
MUST_CHECK char *facts_title(const struct source *s);
/* f->own and f->version, for the family "own". */
MUST_CHECK int facts_build_own(struct facts *f, struct err *e);

/* facts_image.c: fails when a system image says that it is larger than its file. */
MUST_CHECK int facts_check_images(const struct facts *f, struct err *e);

#endif
