/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Message digests by libcrypto, fed piece by piece: what others have made a checksum with. What livestick itself writes
 * down is SHA-256, by src/base/sha256.h.
 */
#ifndef LIVESTICK_BASE_DIGEST_H
#define LIVESTICK_BASE_DIGEST_H

#include "src/base/util.h"

/* The weakest first. */
enum digest_kind {
	DIGEST_MD5,
	DIGEST_SHA1,
	DIGEST_SHA224,
	DIGEST_SHA256,
	DIGEST_SHA384,
	DIGEST_BLAKE2B, /* of 64 bytes, as b2sum makes them */
	DIGEST_SHA512,
	DIGEST_KINDS,
};

#define DIGEST_SIZE_MAX 64
#define DIGEST_HEX_MAX  (2 * DIGEST_SIZE_MAX + 1)

struct digest; /* opaque */

/* Ends the program when libcrypto cannot compute this kind: ask before, unless it is SHA-256. */
struct digest *digest_new(enum digest_kind kind);
void digest_add(struct digest *d, const void *data, size_t len);
/* Writes digest_size(kind) bytes and frees. */
void digest_end(struct digest *d, u8 *ret_digest);
/* NULL is allowed. */
void digest_free(struct digest *d);

/* A host in FIPS mode has no MD5. */
bool digest_available(enum digest_kind kind);

size_t digest_size(enum digest_kind kind);
/* "MD5", "SHA-256": for people. */
const char *digest_name(enum digest_kind kind);

/* 2 * `size` digits and a NUL. */
void digest_to_hex(const u8 *digest, size_t size, char *ret_hex);
/* Reads 2 * `size` digits, of either case; false if there are not as many. */
bool digest_from_hex(const char *hex, size_t size, u8 *ret_digest);

#endif
