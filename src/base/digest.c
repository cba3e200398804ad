/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

static const struct {
	const char *name;
	size_t size;
	const EVP_MD *(*md)(void);
} kinds[DIGEST_KINDS] = {
	[DIGEST_MD5] = { "MD5", 16, EVP_md5 },           [DIGEST_SHA1] = { "SHA-1", 20, EVP_sha1 },
	[DIGEST_SHA224] = { "SHA-224", 28, EVP_sha224 }, [DIGEST_SHA256] = { "SHA-256", 32, EVP_sha256 },
	[DIGEST_SHA384] = { "SHA-384", 48, EVP_sha384 }, [DIGEST_BLAKE2B] = { "BLAKE2b", 64, EVP_blake2b512 },
	[DIGEST_SHA512] = { "SHA-512", 64, EVP_sha512 },
};

struct digest {
	EVP_MD_CTX *ctx;
	enum digest_kind kind;
};

/* libcrypto refuses only when it has no memory or its provider is missing: nothing sensible can follow. */
static void need(bool ok, enum digest_kind kind)
{
	if (!ok) {
		fprintf(stderr, "livestick: libcrypto cannot compute %s\n", kinds[kind].name);
		exit(1);
	}
}

struct digest *digest_new(enum digest_kind kind)
{
	struct digest *d = xcalloc(1, sizeof(*d));

	d->kind = kind;
	d->ctx = EVP_MD_CTX_new();
	need(d->ctx && EVP_DigestInit_ex(d->ctx, kinds[kind].md(), NULL) == 1, kind);
	return d;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	need(EVP_DigestUpdate(d->ctx, data, len) == 1, d->kind);
}

void digest_end(struct digest *d, u8 *ret_digest)
{
	need(EVP_DigestFinal_ex(d->ctx, ret_digest, NULL) == 1, d->kind);
	digest_free(d);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

bool digest_available(enum digest_kind kind)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, kinds[kind].md(), NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

size_t digest_size(enum digest_kind kind)
{
	return kinds[kind].size;
}

const char *digest_name(enum digest_kind kind)
{
	return kinds[kind].name;
}

void digest_to_hex(const u8 *digest, size_t size, char *ret_hex)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		ret_hex[2 * i] = digit[digest[i] >> 4];
		ret_hex[2 * i + 1] = digit[digest[i] & 15];
	}
	ret_hex[2 * size] = '\0';
}

static int value_of(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

bool digest_from_hex(const char *hex, size_t size, u8 *ret_digest)
{
	for (size_t i = 0; i < size; i++) {
		int high = value_of(hex[2 * i]), low = high < 0 ? -1 : value_of(hex[2 * i + 1]);

		if (low < 0)
			return false;
		ret_digest[i] = (u8)(high << 4 | low);
	}
	return true;
}
