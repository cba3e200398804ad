/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What must be known of a source before a stick can be planned: its tree, its menu, its family. This is where the
 * reading happens; the plan itself (plan.h) does none.
 */
#ifndef LIVESTICK_FACTS_H
#define LIVESTICK_FACTS_H

#include "bootinst/menu.h"
#include "persist/family.h"
#include "src/efi.h"
#include "src/own.h"
#include "src/source/same.h"
#include "src/source/source.h"

struct facts {
	struct source *source;
	char *title;      /* what the system is called */
	char *menu_path;  /* the configuration that the menu was read from; NULL: there was none */
	struct menu menu; /* as the source has it; only entries whose files exist */
	const struct family *family;
	bool family_forced; /* by --family, over what was detected */
	struct family_facts family_facts;
	const char **cmdlines; /* for family_facts */
	struct initrd **initrd;
	size_t n_initrds, cap_initrds;
	struct same_files same; /* of the source; only when facts_find_same() was called */
	char *version;          /* of what boots the system; NULL: cannot be told */
	struct own_system own;  /* of the family "own": its images, kernels, and the initrd for each */
	struct efi_set efi;     /* the source's own UEFI loaders */

	/* The kernels of the menu, each once, as UEFI would see them. */
	struct facts_kernel {
		const char *path;    /* of the menu's */
		bool is_efi_program; /* it has an EFI stub */
		struct efi_image image;
	} * kernel;
	size_t n_kernels, cap_kernels;

	char **warnings; /* what is not as the source has it, and does no harm */
	size_t n_warnings, cap_warnings;
};

/* Whose initrd starts the system. */
enum initrd_choice {
	INITRD_AUTO,   /* the source's; ours when no family fits */
	INITRD_SOURCE, /* never ours */
	INITRD_OWN,    /* ours, whatever the source has */
};

struct facts_options {
	const char *family; /* overrules detection; NULL: detect */
	enum initrd_choice initrd;
};

/* Opens `path` and reads. Every failure is of the source and classed EXIT_SOURCE (an option: EXIT_USAGE). */
MUST_CHECK int facts_read(const char *path, const struct facts_options *o, struct facts *ret, struct err *e);
/* What a file system that can hold a file under several names need not hold twice. */
MUST_CHECK int facts_find_same(struct facts *f, struct err *e);
void facts_free(struct facts *f);

#endif
