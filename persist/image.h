/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * System images: the file systems, kept in files of a source, that a live system has its root in. Squashfs (through
 * libsquashfs) and ext2, ext3, ext4 can be looked into, without mounting; erofs, cramfs, ISO 9660 and cloop are known
 * by their magic numbers only. Told by what is inside, never by name.
 *
 *	r = image_identify(node_input(n), n->size, path, &kind, e);           what is it?
 *	r = image_open(node_input(n), n->size, path, &image[0], e);           looked into
 *	struct image_stack all = { image, n_images };                        lowest first, later ones on top
 *	r = image_find(&all, "/sbin/init", &found, e);                        1, 0 (there is none), or -errno
 *	r = image_load(&all, "/etc/os-release", 64 * KIB, &text, &len, e);
 *	r = image_each(&all, "/lib/modules", "*.ko*", fn, ctx, e);
 *
 * Several images are one tree, as overlayfs makes it of them: directories are merged, of all else the topmost is seen,
 * a character device 0:0 hides what is below it. (Opaque directories are not known: their attribute is not read.)
 *
 * Untrusted: whatever an image holds, memory and work are bounded. All failures are of the source (EXIT_SOURCE), in one
 * sentence that begins with the image's name: -EINVAL (no image), -ENOTSUP (known, but cannot be looked into),
 * -EUCLEAN (damaged, cut short), -EFBIG (beyond the bounds below), what reading `in` gave, -EINTR.
 * A name is any bytes but "/" and NUL, at most 255 of them; targets are up to 4095 bytes, without NUL.
 */
#ifndef LIVESTICK_PERSIST_IMAGE_H
#define LIVESTICK_PERSIST_IMAGE_H

#include "src/base/input.h"

#define IMAGE_ENTRIES_MAX 300000 /* seen in one search or listing, images together */
#define IMAGE_DEPTH_MAX   64     /* directories in each other */
#define IMAGE_LINKS_MAX   40     /* symlinks followed on one path, as in Linux */

/* What a file is. */
struct image_kind {
	/* What Linux calls it: "squashfs", "ext2", "ext3", "ext4", "erofs", "cramfs", "iso9660"; "cloop" (a driver of
	 * its own that is in no kernel); NULL: no system image. */
	const char *type;
	const char *compressor; /* of squashfs: "gzip", "xz", "zstd", "lz4", "lzo", "lzma"; else NULL */
	bool can_open;          /* image_open() can look into this kind */
	bool needs_recovery;    /* ext: its journal has not been replayed */
	u64 size;               /* bytes that it says it has; 0: does not say */
};

/*
 * Looks at some bytes. `ret->type` is NULL for what is no image; that is no failure. Fails when `in` cannot be read,
 * and for a squashfs of a version (1 to 3) or a compressor that the format does not know.
 */
MUST_CHECK int image_identify(struct input in, u64 size, const char *name, struct image_kind *ret, struct err *e);

struct image;

/* What `in` refers to must outlive the image; `name` is copied. A file that is shorter than its file system fails here.
 */
MUST_CHECK int image_open(struct input in, u64 size, const char *name, struct image **ret, struct err *e);
void image_close(struct image *im);

const char *image_name(const struct image *im);
const struct image_kind *image_get_kind(const struct image *im);

/* Lowest first; borrowed. */
struct image_stack {
	struct image *const *image;
	size_t n;
};

struct image_entry {
	u32 mode;  /* type and permissions, as in st_mode */
	u64 size;  /* of a file; else 0 */
	i64 mtime; /* seconds since 1970, UTC */
	size_t in; /* which image of the stack has it; of a directory: the topmost */
	u64 place; /* the image's own number of it */
};

/*
 * What is at `path`, with symlinks followed, also the last one, as if the stack were the root of all. 1, 0: there is
 * nothing (or a symlink that leads to nothing, or to itself), or -errno.
 */
MUST_CHECK int image_find(const struct image_stack *s, const char *path, struct image_entry *ret, struct err *e);

/*
 * A whole file of at most `max` bytes, NUL-terminated; the caller frees. -ENOENT (no file there; the sentence names the
 * stack's images), -EFBIG: it is larger. `ret_len` may be NULL.
 */
MUST_CHECK int image_load(const struct image_stack *s, const char *path, size_t max, char **ret, size_t *ret_len,
                          struct err *e);
/* The same for a file that was found; `path` is for the sentence. */
MUST_CHECK int image_load_entry(const struct image_stack *s, const struct image_entry *entry, const char *path,
                                size_t max, char **ret, size_t *ret_len, struct err *e);

/*
 * Calls `fn` for each entry of the directory at `path` (image_list), or for each thing below it whose name, without
 * directories, matches `glob` (image_each; NULL: all), in order of names (bytes), directories before what is in them;
 * symlinks are not followed below `path`. `path` in the call is whole, from the root: "/lib/modules/6.1/kernel/a.ko".
 * A value other than 0 from `fn` ends the listing and is returned. No directory at `path`: nothing is called.
 */
typedef int image_fn(void *ctx, const char *path, const struct image_entry *entry);
MUST_CHECK int image_list(const struct image_stack *s, const char *path, image_fn *fn, void *ctx, struct err *e);
MUST_CHECK int image_each(const struct image_stack *s, const char *path, const char *glob, image_fn *fn, void *ctx,
                          struct err *e);

static inline void image_closep(struct image **im)
{
	image_close(*im);
}

#define AUTO_IMAGE CLEANUP(image_closep)

#endif
