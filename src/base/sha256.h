/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SHA-256 (FIPS 180-4) by libcrypto, fed piece by piece. */
#ifndef LIVESTICK_BASE_SHA256_H
#define LIVESTICK_BASE_SHA256_H

#include "src/base/util.h"

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE 65 /* 64 digits and a NUL */

struct digest;

/*
 * There may be a hundred thousand that wait for their first byte or are done, so one holds no more than its digest:
 * what libcrypto needs is there only in between. Either from sha256_new(), or a place of the caller's and
 * sha256_begin().
 */
struct sha256 {
	union {
		struct {
			struct digest *running; /* NULL before the first byte */
			u64 left;
		};
		u8 digest[SHA256_SIZE]; /* once `is_done` */
	};
	bool is_done;
};

struct sha256 *sha256_new(void);
/* The same for exactly `size` bytes: with the last of them it is done. */
struct sha256 *sha256_new_sized(u64 size);
void sha256_begin(struct sha256 *h, u64 size);
void sha256_add(struct sha256 *h, const void *data, size_t len);
/* Gives the digest and frees; NULL is allowed and does nothing. */
void sha256_end(struct sha256 *h, u8 ret_digest[SHA256_SIZE]);
void sha256_free(struct sha256 *h);
/* Of a place of the caller's: that was all, `digest` is there; or it is given up, whatever it has seen. */
void sha256_finish(struct sha256 *h);
void sha256_stop(struct sha256 *h);

/* All at once. */
void sha256_of(const void *data, size_t len, u8 ret_digest[SHA256_SIZE]);
void sha256_hex(const u8 digest[SHA256_SIZE], char ret_hex[SHA256_HEX_SIZE]);

#endif
