/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The steps of reading an initrd: bytes of the file (feed), bytes of archives (unpack), entries (cpio), and what the
 * kernel makes of them (rootfs). Each knows only the next. Sentences lack the initrd's name, which initrd_open() adds.
 */
#ifndef LIVESTICK_SOURCE_INITRD_PRIVATE_H
#define LIVESTICK_SOURCE_INITRD_PRIVATE_H

#include "src/source/initrd.h"

/* The kernel's PATH_MAX, with the NUL, and ramfs' NAME_MAX, without. */
#define INITRD_PATH_MAX 4096
#define INITRD_NAME_MAX 255

/* ---- feed: the file, read forward */

#define FEED_BUFFER (256 * KIB)

struct feed {
	struct input in;
	u64 size;
	u64 off; /* of `at` in the file */
	u8 *buffer;
	const u8 *at; /* what has been read and not been used */
	size_t len;
};

/* Makes `len` at least `n` (up to 16), or all that is left of the file. Looks at `interrupted`. */
MUST_CHECK int feed_need(struct feed *f, size_t n, struct err *e);
/* `n` bytes of `at` have been used. */
void feed_use(struct feed *f, size_t n);
/* Goes `n` bytes on, which are not read; there are as many. */
void feed_skip(struct feed *f, u64 n);
/* The next `n` bytes into `buf`; -ENODATA when there are not as many. */
MUST_CHECK int feed_read(struct feed *f, void *buf, size_t n, struct err *e);

static inline u64 feed_left(const struct feed *f)
{
	return f->size - f->off;
}

/* ---- unpack: what is compressed */

struct unpack {
	struct feed *feed;
	/* Gets all bytes, in order, in pieces that are not empty. */
	int (*sink)(void *ctx, const u8 *data, size_t len, struct err *e);
	void *ctx;
	u64 total; /* bytes unpacked so far, of all parts */
};

struct codec {
	const char *name;
	u8 magic[2];
	int (*run)(struct unpack *u, struct err *e);
};

/* What can unpack data that begin with these two bytes, or NULL. */
const struct codec *codec_find(const u8 magic[2]);
/* Unpacks from where the feed stands to the end of the compressed data, no byte further. */
MUST_CHECK int codec_run(const struct codec *c, struct unpack *u, struct err *e);

/* ---- rootfs: the tree */

struct rootfs; /* opaque */

/* What several names may share. */
struct rootfs_file {
	unsigned n_names;
	u32 mode, mtime;
	unsigned archive;
	bool wanted; /* its text, as soon as it has one */
	u64 size;
	char *text, *target;
};

/* An entry of an archive. */
struct cpio_entry {
	u32 ino, mode, nlink, mtime, size, dev_major, dev_minor, checksum;
	unsigned archive;
	const char *name;   /* as recorded */
	const char *target; /* of a symlink, else NULL */
};

struct rootfs *rootfs_new(const char *const *texts);
void rootfs_free(struct rootfs *fs);
/*
 * Makes the entry, or does not where the kernel would not. `ret_file` is a regular file that was made and expects
 * `size` bytes of contents, else NULL; good until the next call.
 */
MUST_CHECK int rootfs_add(struct rootfs *fs, const struct cpio_entry *n, struct rootfs_file **ret_file, struct err *e);
/* An archive's end: hard links do not reach from one to another. */
void rootfs_end_archive(struct rootfs *fs);

/* After the last entry: all of them, sorted by path. What they point to lives as long as `fs`; the caller frees. */
struct initrd_entry *rootfs_entries(struct rootfs *fs, size_t *ret_n);
/* Follows symlinks; the path to look for among the entries, or NULL. */
const char *rootfs_find(const struct rootfs *fs, const char *path);

/* ---- cpio: archives */

struct cpio; /* opaque */

struct cpio *cpio_new(struct rootfs *fs);
void cpio_free(struct cpio *c);

/* What follows is at `off` of its stream: offsets count from the start of the initrd or of the unpacked data. */
void cpio_seek(struct cpio *c, u64 off);
/*
 * Takes bytes of archives; stops early before a byte that is neither zero nor the start of an archive. That, and a
 * half entry at the end, is for the caller to judge.
 */
MUST_CHECK int cpio_push(struct cpio *c, const u8 *data, size_t len, size_t *ret_used, struct err *e);
/* How many of the next bytes are of no interest: instead of pushing them, cpio_skip() them, or some. */
u64 cpio_skippable(const struct cpio *c);
void cpio_skip(struct cpio *c, u64 n);
/* No entry is half read. */
bool cpio_is_between(const struct cpio *c);
/* Entries seen so far, TRAILER!!! too. */
u64 cpio_count(const struct cpio *c);

#endif
