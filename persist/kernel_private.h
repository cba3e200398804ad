/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What kernel.c and kernel_find.c share. */
#ifndef LIVESTICK_PERSIST_KERNEL_PRIVATE_H
#define LIVESTICK_PERSIST_KERNEL_PRIVATE_H

#include "persist/kernel.h"
#include "src/base/buf.h"

/* A word that may be a kernel's version at the start of `s`, of which there are `len` bytes: its length, 0 if none. */
size_t kernel_version_length(const char *s, size_t len);

/* What is looked for in the bytes of an unpacked kernel, which are fed in order and in pieces. */
struct kernel_finder {
	char head[20]; /* the first bytes */
	size_t head_len;
	char *version;     /* of its banner; NULL: not seen */
	struct buf packed; /* its configuration, as it is kept: by gzip */
	bool has_config;   /* all of that was seen */
	bool in_config;
	struct buf window; /* the end of what was seen, and the piece */
};

/* Of unpack_sink's type, with a finder for its context; never fails. */
int kernel_find(void *ctx, const u8 *data, size_t len, struct err *e);
void kernel_finder_free(struct kernel_finder *f);

#endif
