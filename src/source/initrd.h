/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is inside an initrd, as the kernel would have it after unpacking (its init/initramfs.c is the reference):
 *
 *	static const char *const texts[] = { "scripts/live", "*lib/live/boot*.sh", NULL };
 *	r = initrd_open(node_input(n), n->size, n->name, texts, &rd, e);
 *	script = initrd_find(rd, "lib/live/boot/9990-overlay.sh");
 *	if (script && script->text && strstr(script->text, "persistence-storage")) ...
 *	for (m = NULL; (m = initrd_match(rd, "*.ko", m));) ...
 *
 * An initrd is any number of cpio archives ("newc", with or without checksums), one after the other, each plain or
 * compressed by gzip, bzip2, xz, lzma, lzop (LZO), lz4 (its legacy format only) or zstd, with any number of zeros
 * between, but plain archives at multiples of 4 bytes. A compressed part may hold several archives; a part may follow
 * any other. One thing follows from the kernel's rules for those who append: after lz4 at least four zeros are needed,
 * because its legacy format does not tell where it ends. Nothing else is an initrd: a compressed file system, an lz4
 * frame or the old cpio formats are refused with -EINVAL.
 *
 * The result is a tree, not a list of what was read. Later entries replace earlier ones by the kernel's rules, which
 * have surprises: the path of an entry is followed through the symlinks that are there already ("lib/x" lands in
 * "usr/lib" where lib is a link to it), an entry for a directory replaces a symlink of that name, a file takes the
 * place of an empty directory only, and what has no directory to be in is not made (the kernel has /dev and /root of
 * its own; this reader has not). ".." at the top stays at the top, so nothing leads out.
 *
 * Names, targets and texts are what somebody put there: any bytes, but NUL in texts only and no "/" in names. Bounded
 * are the number of entries, their names, the bytes unpacked, also in proportion to the bytes read, and the work;
 * memory stays below 500 MB in the worst case and is some 20 MB in practice. What is beyond is -EFBIG.
 */
#ifndef LIVESTICK_SOURCE_INITRD_H
#define LIVESTICK_SOURCE_INITRD_H

#include "src/base/input.h"

struct initrd; /* opaque */

#define INITRD_TEXT_MAX (16 * MIB) /* of a file; larger ones, which no script or module is, have no text */

struct initrd_entry {
	const char *path;   /* "usr/lib/live/boot/9990-main.sh": no "/" at either end, no ".", "..", "//" */
	const char *target; /* of a symlink as recorded, else NULL */
	const char *text;   /* of a file that was wanted; `size` bytes and a NUL. Else NULL */
	u64 size;           /* of a file, else 0 */
	u32 mode;           /* type and permissions, as in st_mode */
	u32 mtime;          /* seconds since 1970, UTC */
	unsigned archive;   /* which cpio archive, counted from 0, gave it its present contents */
};

/*
 * Reads an initrd of `size` bytes, once and in order. `texts` are glob patterns, ended by NULL (or NULL: none), for the
 * files whose text is kept, up to INITRD_TEXT_MAX each and 64 MiB in all; they are matched with the path that an entry
 * lands at, and '*' matches '/' too. A file of several names needs a match before its contents come, which cpio puts
 * at its last name.
 *
 * Every sentence begins with `name`; all but -EINTR are classed EXIT_SOURCE. -EINVAL: no initrd, or damaged;
 * -ENODATA: cut short; -EFBIG: beyond the bounds, which no distribution's is; -EINTR: `interrupted` (progress.h),
 * looked at each 256 KiB; else what reading `in` gave. `in` is not used after return.
 */
MUST_CHECK int initrd_open(struct input in, u64 size, const char *name, const char *const *texts, struct initrd **ret,
                           struct err *e);
void initrd_free(struct initrd *rd);

/* How its last part that is compressed is so: "gzip", "bzip2", "lzma", "xz", "LZO", "lz4", "zstd"; NULL: none is. */
const char *initrd_compression(const struct initrd *rd);

/*
 * What is at `path` ("/scripts/live" or "scripts/live"), with symlinks followed, also the last one, as if the initrd
 * were the root of all; NULL if nothing is.
 */
const struct initrd_entry *initrd_find(const struct initrd *rd, const char *path);

/*
 * The next entry after `after` (NULL: the first), in order of paths (bytes), whose path matches `glob`; '*' matches
 * '/' too, and symlinks are not followed. NULL: no more.
 */
const struct initrd_entry *initrd_match(const struct initrd *rd, const char *glob, const struct initrd_entry *after);

static inline void initrd_freep(struct initrd **rd)
{
	initrd_free(*rd);
}

#define AUTO_INITRD CLEANUP(initrd_freep)

#endif
