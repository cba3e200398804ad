/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything that will be written to a stick in one pass, known before the first byte is: stretches of the device
 * with what belongs there. Filled in any order, written in ascending order, each byte at most once, in large aligned
 * writes; one thread fetches ahead of the writer, another hashes what was fetched. What is a hole in the source is not
 * read, and what are zeros becomes a hole in a plain file.
 *
 *	struct writelist *w = writelist_new();
 *	writelist_add_zero(w, 512, MIB - 512);
 *	writelist_add_input(w, MIB, size, &file->input, file->hash);
 *	r = writelist_finish(w, e);                  sorted, and nothing overlaps
 *	r = writelist_run(w, device, progress, e);
 */
#ifndef LIVESTICK_MEDIA_WRITELIST_H
#define LIVESTICK_MEDIA_WRITELIST_H

#include "src/base/input.h"
#include "src/base/progress.h"
#include "src/base/sha256.h"
#include "src/media/device.h"

struct writelist;

struct writelist *writelist_new(void);
void writelist_free(struct writelist *w);

/* Directly behind what was added last it costs no memory: the rest of a file's last cluster. */
void writelist_add_zero(struct writelist *w, u64 off, u64 len);
/* `mem` is borrowed until the list is freed. */
void writelist_add_memory(struct writelist *w, u64 off, const void *mem, u64 len);
/* The same, but the list owns `mem` (from malloc). */
void writelist_take_memory(struct writelist *w, u64 off, void *mem, u64 len);
/*
 * `len` bytes of `in`, from its start. `hash` (may be NULL, borrowed) gets all of them, in order. Inputs are read in
 * ascending order of `off`, one after the other, so an input may depend on what the ones before it gave (the manifest
 * does).
 */
void writelist_add_input(struct writelist *w, u64 off, u64 len, struct input in, struct sha256 *hash);
/*
 * The same from byte `in_off` of `in` on: one stretch of a file that lies in several. Its hash is right if they ascend
 * on the device as they do in the file.
 */
void writelist_add_input_at(struct writelist *w, u64 off, u64 len, struct input in, u64 in_off, struct sha256 *hash);

/*
 * What is added from now on is, with `on`, compared with what the device holds when its turn has come, and only what
 * differs is written: in whole sectors, and with the equal ones between two that differ where they are few. Hashes get
 * all of it all the same. What is compared and what is not may touch only where a sector of the device begins. Where
 * MiB after MiB was all different only a part of what follows is compared, until something is equal again.
 */
void writelist_compare(struct writelist *w, bool on);

/* It will run beside so many others, itself included: together they take no more memory than some of them alone. */
void writelist_side_by_side(struct writelist *w, size_t n);

/*
 * Sorts and checks. -EEXIST: two pieces want the same byte; -ERANGE: an end that no device has (both are faults in a
 * layout, never in the input).
 */
MUST_CHECK int writelist_finish(struct writelist *w, struct err *e);

/* Bytes to be written (or found to be equal), and the number of stretches that do not touch each other. */
u64 writelist_bytes(const struct writelist *w);
size_t writelist_stretches(const struct writelist *w);
/* How many of them are zeros, surely, and will be holes where the device can have some. Asks the inputs' files. */
u64 writelist_holes(const struct writelist *w);

/*
 * Has the file system share blocks of the inputs' files with the file that is `d`, where both can; what is compared is
 * not shared. Writes nothing else, and what cannot be shared is written when the list is run. Between
 * writelist_finish() and writelist_run(), on the same device; then the list holds the device, too. -EINTR.
 */
MUST_CHECK int writelist_share(struct writelist *w, struct device *d, struct err *e);

/*
 * Writes the list, then flushes; once, because the hashes go with it. Inputs and hashes are used by threads of its own
 * until this returns, and must share nothing with `d` (but what it has in common with the inputs' files). Zeros are
 * left out where the device can have a hole instead, in pieces of HOLE_MIN (hole.h).
 *
 * Before anything is written: -EINVAL when a stretch, or what is compared in it, does not begin and end at a sector of
 * the device, -ERANGE when it does not fit. What is to be compared and cannot be read is written. -EINTR when
 * `interrupted` (progress.h) was raised: it is looked at between writes of 1 MiB and between readings of the source.
 * After an error nothing is known of the bytes in the list's stretches.
 */
MUST_CHECK int writelist_run(struct writelist *w, struct device *d, struct progress *p, struct err *e);

/* Whether any of these bytes is in the list. */
bool writelist_touches(const struct writelist *w, u64 off, u64 len);

struct writelist_counts {
	/* Bytes. Spared: the device had them already, or zeros are a hole of its file now. */
	u64 written, spared, shared;
};

/* What the last run did, also one that failed. */
struct writelist_counts writelist_counts(const struct writelist *w);

#endif
