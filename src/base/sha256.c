/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/sha256.h"

#include <openssl/evp.h>
#include <stdio.h>

struct sha256 {
	EVP_MD_CTX *ctx; /* NULL before the first byte and after the last */
	u64 left;
	bool ended;
	u8 digest[SHA256_SIZE];
};

/* libcrypto refuses only when it has no memory or its provider is missing: nothing sensible can follow. */
static void need(bool ok)
{
	if (!ok) {
		fputs("livestick: libcrypto cannot compute SHA-256\n", stderr);
		exit(1);
	}
}

struct sha256 *sha256_new(void)
{
	return sha256_new_sized(UINT64_MAX);
}

struct sha256 *sha256_new_sized(u64 size)
{
	struct sha256 *h = xcalloc(1, sizeof(*h));

	h->left = size;
	return h;
}

static void start(struct sha256 *h)
{
	if (h->ctx)
		return;
	h->ctx = EVP_MD_CTX_new();
	need(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1);
}

static void finish(struct sha256 *h)
{
	start(h);
	need(EVP_DigestFinal_ex(h->ctx, h->digest, NULL) == 1);
	EVP_MD_CTX_free(h->ctx);
	h->ctx = NULL;
	h->ended = true;
}

void sha256_add(struct sha256 *h, const void *data, size_t len)
{
	start(h);
	need(EVP_DigestUpdate(h->ctx, data, len) == 1);
	h->left -= len;
	if (h->left == 0)
		finish(h);
}

void sha256_end(struct sha256 *h, u8 ret_digest[SHA256_SIZE])
{
	if (!h)
		return;
	if (!h->ended)
		finish(h);
	memcpy(ret_digest, h->digest, SHA256_SIZE);
	sha256_free(h);
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void sha256_of(const void *data, size_t len, u8 ret_digest[SHA256_SIZE])
{
	struct sha256 *h = sha256_new();

	sha256_add(h, data, len);
	sha256_end(h, ret_digest);
}

void sha256_hex(const u8 digest[SHA256_SIZE], char ret_hex[SHA256_HEX_SIZE])
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_SIZE; i++) {
		ret_hex[2 * i] = digit[digest[i] >> 4];
		ret_hex[2 * i + 1] = digit[digest[i] & 15];
	}
	ret_hex[2 * SHA256_SIZE] = '\0';
}
