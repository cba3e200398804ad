/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/sha256.h"

#include "src/base/digest.h"

struct sha256 *sha256_new(void)
{
	return sha256_new_sized(UINT64_MAX);
}

struct sha256 *sha256_new_sized(u64 size)
{
	struct sha256 *h = xcalloc(1, sizeof(*h));

	sha256_begin(h, size);
	return h;
}

void sha256_begin(struct sha256 *h, u64 size)
{
	*h = (struct sha256){ .left = size };
}

static void start(struct sha256 *h)
{
	if (!h->running)
		h->running = digest_new(DIGEST_SHA256);
}

void sha256_finish(struct sha256 *h)
{
	if (h->is_done)
		return;
	start(h);
	digest_end(h->running, h->digest); /* the digest lies where the pointer was */
	h->is_done = true;
}

void sha256_stop(struct sha256 *h)
{
	if (!h->is_done)
		digest_free(h->running);
	sha256_begin(h, 0);
}

void sha256_add(struct sha256 *h, const void *data, size_t len)
{
	start(h);
	digest_add(h->running, data, len);
	h->left -= len;
	if (h->left == 0)
		sha256_finish(h);
}

void sha256_end(struct sha256 *h, u8 ret_digest[SHA256_SIZE])
{
	if (!h)
		return;
	sha256_finish(h);
	memcpy(ret_digest, h->digest, SHA256_SIZE);
	sha256_free(h);
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	sha256_stop(h);
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
	digest_to_hex(digest, SHA256_SIZE, ret_hex);
}
