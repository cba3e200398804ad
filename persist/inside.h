/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What several families ask of a medium's tree and of its initrds. */
#ifndef LIVESTICK_PERSIST_INSIDE_H
#define LIVESTICK_PERSIST_INSIDE_H

#include "persist/family.h"

/*
 * A directory of the medium as an argument names it, without slashes around it and without the slot's directory, which
 * it has when the arguments were rewritten before: "/slot-b/live/" is "live" for slot "/slot-b". The caller frees.
 */
MUST_CHECK char *inside_dir(const char *value, const char *slot);

/* Not a symlink, or one that leads to something in the tree. */
bool inside_leads(const struct node *n);

/* Whether a directory of the tree holds a file (or directory, or what leads to one) whose name matches one of the
 * globs. */
bool inside_has(const struct source *s, const char *dir, const char *const *globs, size_t n_globs);

/* Whether the initrd that starts the system was read: what it has not, is not there. */
bool inside_known(const struct family_facts *f);

/* What dracut's getargbool() takes for a yes: the word ("rd.live.check") alone, or with a value other than 0, no, off.
 */
bool inside_is_on(const char *args, const char *word);

#define INSIDE_BUILTIN "*lib/modules/*/modules.builtin" /* for `texts` of those who ask for drivers */

/* Whether it is certain that neither the initrd has the driver ("overlay") nor the kernel. */
bool inside_lacks_driver(const struct family_facts *f, const char *name);

/* A sentence to the user if BOOT or DATA cannot be mounted for want of a driver; NULL: they can. The caller frees. */
MUST_CHECK char *inside_doubt_drivers(const struct family_facts *f);

/* "dracut 059", NULL if the initrd does not say. The caller frees. */
MUST_CHECK char *inside_dracut_version(const struct family_facts *f);

#endif
