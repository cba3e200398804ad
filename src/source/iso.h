/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the ISO 9660 reader share (iso*.c only). "ECMA" is ECMA-119 (ISO 9660), "SUSP" and "RRIP" are the
 * System Use Sharing Protocol 1.12 and the Rock Ridge Interchange Protocol 1.12.
 */
#ifndef LIVESTICK_SOURCE_ISO_H
#define LIVESTICK_SOURCE_ISO_H

#include <time.h>

#include "src/source/private.h"

#define ISO_BLOCK 2048

/*
 * What is read of directories and continuation areas altogether, each reading counted as one block at least. A full
 * tree (SOURCE_NODES_MAX) needs some 400 MiB in the worst case; small directories that overlap could ask for more
 * than there is time for.
 */
#define ISO_META_MAX (512 * MIB)

enum iso_names {
	ISO_NAMES_PLAIN,
	ISO_NAMES_JOLIET,
	ISO_NAMES_ROCK_RIDGE,
};

struct iso {
	struct source source;
	int fd;
	bool is_block;
	struct timespec mtime; /* of the image file when it was opened */

	enum iso_names names;
	u8 susp_skip;      /* bytes before the System Use fields in a record, but not in the root's first */
	u64 meta;          /* bytes read, to be at most ISO_META_MAX */
	u64 needed;        /* where the last file ends: the image must be as long */
	u32 catalogue;     /* block of the El Torito boot catalogue; 0: none */
	size_t n_left_out; /* devices, pipes and sockets */
};

/* Exactly `len` bytes of the image at `off`, or a failure. */
MUST_CHECK int iso_read_at(struct iso *iso, u64 off, void *buf, size_t len, struct err *e);
/* The same, counted against ISO_META_MAX. */
MUST_CHECK int iso_read_meta(struct iso *iso, u64 off, void *buf, size_t len, struct err *e);

/* A range that begins and ends inside the image. */
static inline bool iso_inside(const struct iso *iso, u64 off, u64 len)
{
	return off <= iso->source.size && len <= iso->source.size - off;
}

/* Fails with "is cut short": `needed` bytes should be there. The only failure with -ENODATA. */
int iso_cut_short(struct iso *iso, u64 needed, struct err *e);

/* ---- iso_dir.c */

#define ISO_RECORD_MIN 34 /* ECMA 9.1: 33 bytes and a name */

/* A directory record (ECMA 9.1); the pointers are into the directory. */
struct iso_record {
	size_t len;
	u64 off;
	u32 size;
	u8 flags;
	bool interleaved;
	i64 mtime;
	const u8 *id;
	size_t id_len;
	const u8 *susp;
	size_t susp_len;
};

/* `room` is what is left of the block: a record does not cross its end. False: that is no record. */
bool iso_record(const u8 *p, size_t room, struct iso_record *ret);

/* Makes the nodes, from the record of the root directory on. */
MUST_CHECK int iso_read_tree(struct iso *iso, const u8 *root, struct err *e);

/* ---- iso_susp.c */

/* A name has at most 255 bytes everywhere it could be written to. */
#define RR_NAME_MAX 255

/* What the Rock Ridge fields of one directory record say. */
struct rr {
	char name[RR_NAME_MAX];
	size_t name_len; /* 0: no name, take the record's */
	char target[SOURCE_TARGET_MAX];
	size_t target_len;
	u32 mode;           /* of stat(); 0: not said */
	u32 relocated_to;   /* CL: block of the directory that this record stands for; 0: none */
	bool is_relocated;  /* RE: the directory is shown elsewhere */
	bool is_compressed; /* zisofs */
};

/*
 * Reads the System Use fields of a record, `len` bytes at `area`, and their continuations. SUSP 5; RRIP 4.1.
 */
MUST_CHECK int rr_read(struct iso *iso, const u8 *area, size_t len, struct rr *ret, struct err *e);

/* Whether the System Use area of the root's first record announces Rock Ridge. `ret_skip` is for all other records. */
MUST_CHECK int rr_detect(struct iso *iso, const u8 *area, size_t len, bool *ret_is_rr, u8 *ret_skip, struct err *e);

/* ---- iso_boot.c: fills boot_images. Nothing there can make an image unusable: what is wrong becomes a warning. */

void iso_find_boot_images(struct iso *iso);

#endif
