/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the system comes from: a tree of files that can be read, whatever it is kept in (an ISO 9660 image; a
 * directory). Nothing is mounted, nothing is unpacked. Everything in it is untrusted: names were checked (no "/",
 * no "..", not empty, valid UTF-8 without control characters; no two alike in a directory), extents lie inside the
 * image, depth and number are bounded. An open source may be read from several threads at once.
 */
#ifndef LIVESTICK_SOURCE_SOURCE_H
#define LIVESTICK_SOURCE_SOURCE_H

#include "src/base/input.h"
#include "src/base/pool.h"

struct source;

enum node_type { NODE_FILE, NODE_DIR, NODE_SYMLINK };

/* A stretch of an image file, in bytes. */
struct extent {
	u64 off, len;
};

/* A hundred thousand of them are usual on install media: what one takes is most of what an open source does. */
struct node {
	struct node *parent; /* NULL: it is the root */
	struct source *source;
	u64 size;     /* of a file; 0 for what is not one */
	i64 mtime;    /* seconds since 1970, UTC */
	char *target; /* of a symlink: as recorded, it may lead out of the tree; else NULL */
	union {
		/*
		 * Where a file's bytes are in an image, in order; none for an empty file. In a directory source only of
		 * a file that has several names: its inode (`off`) and device (`len`), so that here, too, one place
		 * means the same bytes.
		 */
		struct extent *extents;
		struct node **children; /* of a directory, sorted by name (bytes) */
	};
	u32 n_extents, n_children;
	enum node_type type;
	char name[]; /* "" for the root */
};

/* An El Torito boot entry, or an EFI partition of a hybrid image that no entry names: where a boot image lies. */
struct boot_image {
	enum { BOOT_IMAGE_BIOS, BOOT_IMAGE_EFI, BOOT_IMAGE_OTHER } platform;
	bool from_table; /* found in the partition table, not in the boot catalogue */
	u64 off, len; /* bytes of the image; inside it. `len` may be too large: the catalogue often does not know it */
	struct source *source;
};

struct source_ops {
	int (*read)(struct source *s, const struct node *n, u64 off, void *buf, size_t len, struct err *e);
	/* Which file has the bytes of a node from `off` on, which lies inside it (input.h). NULL: none of this machine.
	 */
	int (*place)(struct source *s, const struct node *n, u64 off, struct input_place *ret);
	/* Bytes of the image itself. NULL: it is none. */
	int (*read_image)(struct source *s, u64 off, void *buf, size_t len, struct err *e);
	int (*changed)(struct source *s, struct err *e);
	void (*free)(struct source *s);
};

/* Each kind of source has this as its first member. */
struct source {
	const struct source_ops *ops;
	char *path;         /* as the user named it */
	const char *format; /* "ISO 9660", "directory" */
	char *volume_id;    /* the ISO's label, trailing blanks removed; "" without one */
	char *created;      /* volume creation date as "2026-11-21T05:17:00Z", "" without one */
	u64 size;           /* of the image file; 0 for a directory */
	struct node *root;
	struct pool pool; /* of all nodes, their targets and extents */
	size_t n_nodes;
	u64 n_text; /* bytes of all names and targets */
	struct boot_image *boot_images;
	size_t n_boot_images;
	u64 boot_catalogue; /* byte of the image where that of El Torito is; 0: none */
	char **warnings;    /* oddities that do no harm */
	size_t n_warnings, cap_warnings;
};

/*
 * Opens an ISO image (a file, or a block device such as a CD drive) or a directory. Every failure is classed
 * EXIT_SOURCE and says what the thing is instead ("is a web page (HTML)", "is compressed by gzip", "is a Windows ISO
 * (UDF)") or what is wrong with it ("is cut short: has X bytes, says it needs Y").
 */
MUST_CHECK int source_open(const char *path, struct source **ret, struct err *e);
void source_free(struct source *s);

/* An entry of a tree that somebody else lists. The path is absolute, and parents come before what they hold. */
struct source_listed {
	const char *path;
	enum node_type type;
	u64 size, place; /* `place` finds the content again */
	i64 mtime;
};

/* Who lists and reads it. `ctx` is owned by the source once source_open_listed() is called, even if that fails. */
struct source_lister {
	void *ctx;
	int (*each)(void *ctx, int (*add)(void *source, const struct source_listed *entry, struct err *e), void *source,
	            struct err *e);
	int (*read)(void *ctx, u64 place, u64 size, u64 off, void *buf, size_t len, struct err *e);
	int (*changed)(void *ctx, struct err *e);
	void (*free)(void *ctx);
};

/* Symlinks are left out. `format` is a constant, `label` the volume's. Failures are classed EXIT_SOURCE. */
MUST_CHECK int source_open_listed(const char *path, const char *format, const char *label, struct source_lister lister,
                                  struct source **ret, struct err *e);

/* Whether the image, or a file of the directory, is not what it was in source_open(): 0, or a failure that says so. */
MUST_CHECK int source_changed(struct source *s, struct err *e);

/*
 * The node at `path` ("/live/vmlinuz", separators may repeat); letters match exactly, or else without regard to case
 * when exactly one name matches so. Symlinks are followed (40 at most) as if the root of the tree were the root of
 * all: they cannot lead out of it. NULL if there is none.
 */
const struct node *source_find(const struct source *s, const char *path);
/* Letters match exactly or not at all; the time does not grow with the size of a directory. */
const struct node *source_find_exact(const struct source *s, const char *path);

/* "/live/vmlinuz"; the caller frees. */
MUST_CHECK char *node_path(const struct node *n);
/* A file's bytes. */
struct input node_input(const struct node *n);
/* The file whose bytes they are; NULL: they are not of a source. */
const struct node *node_of_input(const struct input *in);
/* The bytes of a boot image. */
struct input boot_image_input(const struct boot_image *b);
/*
 * The whole of a small file, NUL-terminated; -EFBIG over `max` bytes. The caller frees. `ret_len` may be NULL; a text
 * that holds a NUL is longer than strlen() says.
 */
MUST_CHECK int node_load(const struct node *n, size_t max, char **ret_text, size_t *ret_len, struct err *e);
/* Calls `fn` for every node but the root, parents before their children, in order of names; stops at nonzero. */
int source_each(const struct source *s, int (*fn)(void *ctx, const struct node *n), void *ctx);

static inline void source_freep(struct source **s)
{
	source_free(*s);
}

#define AUTO_SOURCE CLEANUP(source_freep)

#endif
