/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SHA-256 in a thread of its own: while a piece is being hashed the caller reads the next one, so that a check takes as
 * long as the reading. Memory: four pieces.
 *
 *	r = hashing_new(&h, e);
 *	for each file: digest[i] as the place for its result
 *		struct sha256 *of = sha256_new();
 *		for each piece: read(hashing_piece(h), len); hashing_add(h, of, len);
 *		hashing_end(h, of, digest[i]);
 *	hashing_wait(h);       only now digest[] is good
 *	hashing_free(h);
 */
#ifndef LIVESTICK_BASE_HASHING_H
#define LIVESTICK_BASE_HASHING_H

#include "src/base/err.h"
#include "src/base/sha256.h"

#define HASHING_PIECE MIB

struct hashing; /* opaque; one caller at a time */

/* -EAGAIN: no thread can be had. */
MUST_CHECK int hashing_new(struct hashing **ret, struct err *e);

/* HASHING_PIECE bytes to read into, aligned to 4096; the caller's until hashing_add(). Waits for one to be free. */
u8 *hashing_piece(struct hashing *h);
/*
 * The first `len` bytes of the piece last got are the next ones of `to`, and may still be read until another piece is
 * asked for. Without hashing_end() `to` stays the caller's, and is good after hashing_wait().
 */
void hashing_add(struct hashing *h, struct sha256 *to, size_t len);
/* That was all: `of` is freed, and its digest (SHA256_SIZE bytes) put where told, some time before hashing_wait() ends.
 */
void hashing_end(struct hashing *h, struct sha256 *of, u8 *ret_digest);
void hashing_wait(struct hashing *h);
/* Waits too. NULL is allowed. */
void hashing_free(struct hashing *h);

static inline void hashing_freep(struct hashing **h)
{
	hashing_free(*h);
}

#define AUTO_HASHING CLEANUP(hashing_freep)

#endif
