/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The digests are those of coreutils. */
#include <openssl/evp.h>

#include "src/base/digest.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static const struct {
	enum digest_kind kind;
	const char *name, *program;
} kinds[] = {
	{ DIGEST_MD5, "MD5", "md5sum" },           { DIGEST_SHA1, "SHA-1", "sha1sum" },
	{ DIGEST_SHA224, "SHA-224", "sha224sum" }, { DIGEST_SHA256, "SHA-256", "sha256sum" },
	{ DIGEST_SHA384, "SHA-384", "sha384sum" }, { DIGEST_SHA512, "SHA-512", "sha512sum" },
	{ DIGEST_BLAKE2B, "BLAKE2b", "b2sum" },
};

static void digest_of(enum digest_kind kind, const char *text, size_t piece, u8 *ret_digest)
{
	struct digest *d = digest_new(kind);

	for (size_t len = strlen(text); len; text += piece, len -= piece) {
		piece = MIN(piece, len);
		digest_add(d, text, piece);
	}
	digest_end(d, ret_digest);
}

static void check_kind(size_t i, const char *text)
{
	char hex[DIGEST_HEX_MAX], want[DIGEST_HEX_MAX + 1];
	u8 digest[DIGEST_SIZE_MAX], again[DIGEST_SIZE_MAX];
	size_t size = digest_size(kinds[i].kind);

	CHECK(digest_available(kinds[i].kind));
	CHECK_STR(digest_name(kinds[i].kind), kinds[i].name);
	CHECK(sandbox_run("printf %%s '%s' | %s", text, kinds[i].program) == 0);
	snprintf(want, sizeof(want), "%.*s", (int)strcspn(sandbox_said(), " "), sandbox_said());
	for (size_t piece = 1; piece < 300; piece *= 7) {
		digest_of(kinds[i].kind, text, piece, digest);
		digest_to_hex(digest, size, hex);
		CHECK_STR(hex, want);
	}
	CHECK(digest_from_hex(want, size, again) && memcmp(again, digest, size) == 0);
}

TEST(as_coreutils)
{
	static char text[1000];

	CHECK_U64(ARRAY_SIZE(kinds), DIGEST_KINDS);
	memset(text, 'x', sizeof(text) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		check_kind(i, "");
		check_kind(i, "livestick");
		check_kind(i, text);
	}
}

TEST(hex_of_either_case)
{
	u8 digest[3];
	char hex[7];

	CHECK(digest_from_hex("00fFa9", 3, digest));
	CHECK(memcmp(digest, "\0\xff\xa9", 3) == 0);
	digest_to_hex(digest, 3, hex);
	CHECK_STR(hex, "00ffa9");
	CHECK(!digest_from_hex("00ff9", 3, digest));
	CHECK(!digest_from_hex("00ffg9", 3, digest));
	CHECK(!digest_from_hex("00ff9 ", 3, digest));
	CHECK(!digest_from_hex("", 1, digest));
	digest_free(NULL);
}

/* As on a host in FIPS mode, but without its provider: nothing is left. */
TEST(host_that_refuses)
{
	CHECK(EVP_set_default_properties(NULL, "fips=yes") == 1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		CHECK(!digest_available(kinds[i].kind));
	CHECK(EVP_set_default_properties(NULL, "") == 1);
	CHECK(digest_available(DIGEST_MD5));
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
