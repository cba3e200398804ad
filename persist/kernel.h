/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Linux kernel image tells of itself: its version, for which processor it is, and its configuration when it has
 * that inside (IKCONFIG). An x86 bzImage is known by its setup header (Linux, Documentation/arch/x86/boot.rst); what it
 * unpacks itself is unpacked here, within bounds, once.
 *
 *	r = kernel_read(node_input(n), n->size, "/boot/vmlinuz", &k, e);
 *	r = kernel_look_for_config(&k, source, &stack, e);          when it has none inside: /boot/config-VERSION
 *	if (kernel_option(&k, "CONFIG_SQUASHFS") == KERNEL_NO) ...
 *	kernel_free(&k);
 */
#ifndef LIVESTICK_PERSIST_KERNEL_H
#define LIVESTICK_PERSIST_KERNEL_H

#include "persist/image.h"
#include "src/source/source.h"

enum kernel_option {
	KERNEL_UNKNOWN, /* no configuration is known */
	KERNEL_NO,
	KERNEL_MODULE,
	KERNEL_BUILT_IN,
};

struct kernel {
	char *name;         /* as the sentences call it; owned */
	const char *format; /* "bzImage", "vmlinux", "arm64 Image", "EFI zboot image", "packed kernel" */
	char *version;      /* "6.1.0-40-amd64"; NULL: cannot be told. Printable ASCII without blanks */
	unsigned bits;      /* 32 or 64; 0: cannot be told */
	bool is_x86;
	bool is_relocatable; /* x86: may be loaded anywhere */
	char *config;        /* its configuration as text; NULL: none is known */
	char *config_from;   /* where it was found, for sentences: "/boot/vmlinuz", "/boot/config-6.1.0-40-amd64" */
};

/*
 * Reads a kernel. Every sentence begins with `name`; failures are of the source: -EINVAL (no Linux kernel: says what it
 * is), -ENOTSUP (a kernel of a kind that is not known here), -ENODATA (cut short), what reading `in` gave, -EINTR. Of a
 * bzImage whose packed part is damaged or packed in an unknown way only the header is known: no failure.
 */
MUST_CHECK int kernel_read(struct input in, u64 size, const char *name, struct kernel *ret, struct err *e);
void kernel_free(struct kernel *k);

/* Takes a configuration's text, if it looks like one (false: it does not). `from` says where it is from. */
bool kernel_set_config(struct kernel *k, const char *text, const char *from);

/*
 * Looks for the configuration of a kernel whose version is known and that has none inside: boot/config-VERSION,
 * config-VERSION, lib/modules/VERSION/config, usr/lib/modules/VERSION/config, in the tree and then in the images
 * (either may be NULL). That there is none is no failure.
 */
MUST_CHECK int kernel_look_for_config(struct kernel *k, const struct source *tree, const struct image_stack *images,
                                      struct err *e);

/* "CONFIG_SQUASHFS": y, m, n (also: not mentioned), or unknown. A value that is no y or m, like a text, is
 * KERNEL_BUILT_IN. */
enum kernel_option kernel_option(const struct kernel *k, const char *name);
/* The value of a text or number, without quotes: CONFIG_FAT_DEFAULT_IOCHARSET. The caller frees; NULL: not set,
 * unknown. */
MUST_CHECK char *kernel_option_text(const struct kernel *k, const char *name);

/* Compares "6.1.0-40-amd64" with a number: whether it is at least `major`.`minor`; false when it is not known. */
bool kernel_is_at_least(const struct kernel *k, unsigned major, unsigned minor);

#endif
