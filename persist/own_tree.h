/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The files of our own initrd, in memory, and the archive that is made of them: part of own_initrd.h.
 */
#ifndef LIVESTICK_PERSIST_OWN_TREE_H
#define LIVESTICK_PERSIST_OWN_TREE_H

#include "src/base/buf.h"
#include "src/base/err.h"

struct own_file {
	char *path;   /* "livestick.conf", "extra/etc/passwd": no "/" at either end; owned */
	char *target; /* of a symlink; owned; else NULL */
	const void *data;
	size_t len;
	void *owned; /* what `data` points into, if it is the file's own */
	u32 mode;    /* type and permissions, as in st_mode */
	u32 uid, gid;
	u32 device_major, device_minor; /* of a device */
	i64 mtime;
	unsigned order; /* of two with one path the later one counts */
};

struct own_tree {
	struct own_file *file;
	size_t n, cap;
};

/* A new entry; the caller fills the rest. The pointer is good until the next one is added. */
struct own_file *own_tree_add(struct own_tree *t, const char *path, u32 mode, i64 mtime);
void own_tree_free(struct own_tree *t);

/*
 * Makes directories that are missing, sorts by path, and keeps the last of those with one path. -EINVAL, when something
 * that is no directory has something in it (the sentence names it); -EFBIG: more than 300,000 of them.
 */
MUST_CHECK int own_tree_settle(struct own_tree *t, i64 mtime, struct err *e);

/* A settled tree as a cpio archive ("newc"), packed as `compression` says: "gzip", "zstd", "xz", or "none". */
MUST_CHECK int own_tree_pack(const struct own_tree *t, const char *compression, struct buf *ret, struct err *e);

#endif
