/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/id.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "src/base/sha256.h"

void seed_from_text(const char *text, struct seed *ret)
{
	sha256_of(text, strlen(text), ret->bytes);
}

int seed_random(struct seed *ret, struct err *e)
{
	if (getrandom(ret->bytes, sizeof(ret->bytes), 0) != (ssize_t)sizeof(ret->bytes))
		return fail(e, -errno, "random numbers for the stick's ids: %s", strerror(errno));
	return 0;
}

static void derive(const struct seed *s, const char *role, u8 ret_digest[SHA256_SIZE])
{
	struct sha256 *h = sha256_new();

	sha256_add(h, s->bytes, sizeof(s->bytes));
	sha256_add(h, role, strlen(role));
	sha256_end(h, ret_digest);
}

void seed_of_stick(const struct seed *s, size_t i, struct seed *ret)
{
	char role[32];

	*ret = *s;
	snprintf(role, sizeof(role), "stick %zu", i);
	if (i)
		derive(s, role, ret->bytes);
}

u32 id_u32(const struct seed *s, const char *role)
{
	u8 digest[SHA256_SIZE];
	u32 id;

	derive(s, role, digest);
	id = get_le32(digest);
	return id ? id : 1;
}

void id_uuid(const struct seed *s, const char *role, u8 ret_uuid[16])
{
	u8 digest[SHA256_SIZE];

	derive(s, role, digest);
	memcpy(ret_uuid, digest, 16);
	ret_uuid[6] = (u8)((ret_uuid[6] & 0x0f) | 0x80);
	ret_uuid[8] = (u8)((ret_uuid[8] & 0x3f) | 0x80);
}

void uuid_text(const u8 uuid[16], char ret_text[UUID_TEXT_SIZE])
{
	static const char digit[] = "0123456789abcdef";
	char *p = ret_text;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digit[uuid[i] >> 4];
		*p++ = digit[uuid[i] & 15];
	}
	*p = '\0';
}
