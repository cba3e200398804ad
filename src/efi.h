/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The UEFI loaders that a stick gets, and what they are: the source's own (in its tree, or in the FAT image that its
 * firmware boots from), else the host's. This is where they are read; nothing is decided about paths of the stick.
 */
#ifndef LIVESTICK_EFI_H
#define LIVESTICK_EFI_H

#include "bootinst/efi_image.h"
#include "src/source/source.h"

struct efi_file {
	char *path; /* on the volume that the firmware boots from, in the source's spelling: "/EFI/boot/bootx64.efi" */
	u64 size;
	i64 mtime;
	bool is_config;          /* a loader's menu or settings, to be replaced by ours */
	const struct node *node; /* in the source's tree; else NULL, and the bytes are `data`, with a NUL behind */
	char *data;
};

/* What one kind of firmware starts: EFI/BOOT/BOOTX64.EFI, and the program that this one starts if it is shim. */
struct efi_loader {
	enum efi_machine machine;
	size_t file;                                /* index into the set's files */
	size_t second;                              /* the same, or that of what shim starts */
	struct efi_image first_image, second_image; /* the latter is empty when there is no second */
};

enum efi_from { EFI_NOWHERE, EFI_FROM_TREE, EFI_FROM_IMAGE, EFI_FROM_HOST };

struct efi_set {
	enum efi_from from;
	struct efi_file *file; /* all below /EFI; of a FAT image the configuration in other places, too */
	size_t n_files, cap_files;
	struct efi_loader *loader; /* one for each kind of machine */
	size_t n_loaders, cap_loaders;
	char *why_not; /* why the source's own loaders cannot be used, a sentence to the user; NULL: they can */
};

/* The program that shows the menu: the second one, or the first. */
const struct efi_image *efi_menu_program(const struct efi_loader *l);
/* What starts Linux in the menus of all of them: "linux" or "linuxefi". */
const char *efi_linux_command(const struct efi_set *s);
/* NULL: there is none for this machine. */
const struct efi_loader *efi_loader_for(const struct efi_set *s, enum efi_machine machine);

/*
 * Fills *ret with the source's loaders. They are usable (why_not == NULL) if for each machine the menu is GRUB's, whose
 * configuration we can write. Only failures of reading are errors.
 */
MUST_CHECK int efi_read_source(struct source *s, struct efi_set *ret, struct err *e);

/* The host's signed shim and GRUB for x64. -ENOENT names the packages. */
MUST_CHECK int efi_read_host(struct efi_set *ret, struct err *e);

/* The bytes of a file; borrowed from the set. */
struct input efi_file_input(const struct efi_file *f);
void efi_set_free(struct efi_set *s);

/* The text of a configuration in the FAT image that the firmware boots from, borrowed; NULL: there is none. */
const struct efi_file *efi_config_in_image(const struct efi_set *s, const char *path);

#endif
