/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kinds of system images share (image*.c only): a kind tells of one place at a time, image.c walks. */
#ifndef LIVESTICK_PERSIST_IMAGE_PRIVATE_H
#define LIVESTICK_PERSIST_IMAGE_PRIVATE_H

#include "persist/image.h"

#define IMAGE_NAME_MAX   255
#define IMAGE_TARGET_MAX 4095

struct image_node {
	u32 mode; /* as in st_mode */
	u64 size; /* of a file; else 0 */
	i64 mtime;
	bool hides; /* a character device 0:0, overlayfs' mark for "there is nothing" */
};

/* Gets each name of a directory: `len` bytes, checked by nobody. */
typedef int image_name_fn(void *ctx, const char *name, size_t len, u64 place, struct err *e);

/* `where` is the path of the thing, for sentences, which begin with the image's name. */
struct image_ops {
	int (*stat)(struct image *im, u64 place, const char *where, struct image_node *ret, struct err *e);
	/* A value other than 0 from `fn` ends the listing and is returned. The directory is one, by its stat(). */
	int (*names)(struct image *im, u64 dir, const char *where, image_name_fn *fn, void *ctx, struct err *e);
	/* At most IMAGE_TARGET_MAX bytes and a NUL; the caller frees. */
	int (*target)(struct image *im, u64 link, const char *where, char **ret, size_t *ret_len, struct err *e);
	/* All of the file's `size` bytes. */
	int (*read)(struct image *im, u64 file, const char *where, void *buf, u64 size, struct err *e);
	void (*close)(struct image *im); /* frees `im`, but not its name */
};

/* Each kind has this as its first member. */
struct image {
	const struct image_ops *ops;
	char *name;
	struct image_kind kind;
	u64 root; /* place of the directory at the top */
};

/* All but `kind` is set; image_close() frees the name. */
MUST_CHECK int image_open_squashfs(struct input in, u64 size, const char *name, struct image **ret, struct err *e);
MUST_CHECK int image_open_ext(struct input in, u64 size, const char *name, struct image **ret, struct err *e);

#endif
