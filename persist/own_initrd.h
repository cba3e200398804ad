/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Builds livestick's own initrd, for systems whose own cannot keep changes: our /init, the modules that it needs, what
 * it shall do (/livestick.conf), and what the medium adds to the root (/extra). A cpio archive ("newc") made by
 * libarchive, compressed with what the kernel surely can unpack. The same input gives the same bytes.
 *
 *	struct own_initrd_request q = { .title = "Own System", .kernel = &k, .image = images, .n_images = n,
 *	                                .init = program, .init_len = length, .mtime = time, ... };
 *	r = own_initrd_build(&q, &rd, e);
 *	volume_add(files, "/livestick/a.initrd", rd.len, input_memory(rd.data), time);        rd lives as long
 *	own_initrd_free(&rd);
 */
#ifndef LIVESTICK_PERSIST_OWN_INITRD_H
#define LIVESTICK_PERSIST_OWN_INITRD_H

#include "persist/own_modules.h"

/* A system image. All borrowed. */
struct own_initrd_image {
	const char *path; /* below the slot's directory on BOOT: "/live/01-core.squashfs"; without control characters */
	struct image_kind kind;
	struct image *image; /* NULL: it cannot be looked into */
};

struct own_initrd_request {
	const char *title;                    /* of the system, for messages */
	const struct kernel *kernel;          /* with its configuration, if that can be found */
	const struct own_initrd_image *image; /* lowest first, later ones on top; at least one */
	size_t n_images;
	/* For etc.tar.* and rootcopy/, which are looked for in the root and where the images are. NULL: none. */
	const struct source *source;
	const struct own_initrd_file *initrds; /* of the source: modules, and how they are compressed. May be none */
	size_t n_initrds;
	const void *init; /* the program /init: a static ELF file, of `init_len` bytes */
	size_t init_len;
	i64 mtime; /* of all that is ours: seconds since 1970, UTC */
};

struct own_initrd {
	char *data; /* the initrd */
	size_t len;
	const char *compression; /* "gzip", "zstd", "xz", "none" */
	char *init;              /* the system's own, as in /livestick.conf: "/sbin/init" */
	enum own_union union_;
	bool has_vfat;   /* false: BOOT must be ext4 */
	char **warnings; /* what is not as one would wish, and does no harm; each a sentence */
	size_t n_warnings, cap_warnings;
};

/*
 * Failures are of the source (EXIT_SOURCE), in one sentence: no init in the images, drivers that are missing (see
 * own_modules.h), a kernel that takes no initrd or cannot run `init`, a damaged or hostile archive or image; -EFBIG:
 * what comes into /extra is beyond 256 MiB or 100,000 files.
 */
MUST_CHECK int own_initrd_build(const struct own_initrd_request *q, struct own_initrd *ret, struct err *e);
void own_initrd_free(struct own_initrd *rd);

#endif
