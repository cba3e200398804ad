/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include "src/base/buf.h"
#include "src/base/id.h"
#include "src/base/name_set.h"
#include "src/base/pool.h"
#include "src/base/sha256.h"
#include "src/base/utf8.h"

TEST(errors_grow_in_front_and_keep_the_deepest_class)
{
	struct err e = { 0 };

	CHECK(fail_source(&e, -5, "x.iso: is %s", "broken") == -5);
	CHECK(fail_refused(&e, -7, "reading") == -7);
	CHECK_STR(e.text, "reading: x.iso: is broken");
	CHECK_U64(e.code, EXIT_SOURCE);
	err_clear(&e);
	CHECK(e.text == NULL && e.code == EXIT_OK);
}

/* What every place that shows text from an ISO or a stick relies on. */
TEST(nothing_harmful_reaches_a_terminal)
{
	static const struct {
		const char *from, *to;
	} row[] = {
		{ "plain", "plain" },
		{ "\x1b[31mred", "\\x1b[31mred" },
		{ "tab\tnl\n\x7f", "tab\\x09nl\\x0a\\x7f" },
		{ "gr\xc3\xbc\xc3\x9f"
		  "e \xf0\x9f\x98\x80",
		  "gr\xc3\xbc\xc3\x9f"
		  "e \xf0\x9f\x98\x80" },
		{ "\xe2\x80\xae"
		  "evil",
		  "\\xe2\\x80\\xae"
		  "evil" },                            /* right-to-left override */
		{ "c1\xc2\x9b", "c1\\xc2\\x9b" },      /* CSI in one character */
		{ "\xc0\xaf\xff", "\\xc0\\xaf\\xff" }, /* not UTF-8 */
		{ "cut\xe2\x82", "cut\\xe2\\x82" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
		{ "%n%s", "%n%s" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_FREE char *safe = escaped(row[i].from);

		CHECK_STR(safe, row[i].to);
	}
}

TEST(utf8_round_trip)
{
	for (u32 c = 1; c < 0x110000; c++) {
		u8 s[4];
		u32 back = 0;
		size_t n = utf8_encode(c, s), m = utf8_decode(s, s + n, &back);

		if (c >= 0xd800 && c < 0xe000 ? m != 0 : (m != n || back != c)) {
			test_fail(__FILE__, __LINE__, "U+%04X", c);
			return;
		}
		CHECK(n == 1 || utf8_decode(s, s + n - 1, &back) == 0);
	}
}

TEST(sizes_as_people_say_them)
{
	static const struct {
		u64 bytes;
		const char *text;
	} row[] = { { 0, "0 bytes" },         { 1023, "1023 bytes" },  { 1024, "1.00 KiB" },      { 1536, "1.50 KiB" },
		    { 100 * MIB, "100 MiB" }, { 8 * GIB, "8.00 GiB" }, { UINT64_MAX, "16.0 EiB" } };

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_FREE char *text = size_text(row[i].bytes);

		CHECK_STR(text, row[i].text);
	}
}

/* FIPS 180-4's example, whole and in pieces. */
TEST(sha256_of_pieces)
{
	static const char want[] = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
	static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	u8 digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	for (int sized = 0; sized < 2; sized++) {
		struct sha256 *h = sized ? sha256_new_sized(strlen(text)) : sha256_new();

		for (size_t i = 0; i < strlen(text); i++)
			sha256_add(h, text + i, 1);
		sha256_end(h, digest);
		sha256_hex(digest, hex);
		CHECK_STR(hex, want);
	}
}

/* In a place of the caller's; what was begun may be given up. */
TEST(sha256_in_place)
{
	struct sha256 h, given_up;
	u8 want[SHA256_SIZE];

	sha256_of("abc", 3, want);
	sha256_begin(&h, 3);
	sha256_add(&h, "ab", 2);
	CHECK(!h.is_done);
	sha256_add(&h, "c", 1);
	CHECK(h.is_done);
	sha256_finish(&h);
	CHECK(memcmp(h.digest, want, SHA256_SIZE) == 0);
	sha256_of("", 0, want);
	sha256_begin(&h, 0);
	sha256_finish(&h);
	CHECK(memcmp(h.digest, want, SHA256_SIZE) == 0);
	sha256_begin(&given_up, 3);
	sha256_add(&given_up, "a", 1);
	sha256_stop(&given_up);
}

TEST(pool_gives_zeros_and_texts)
{
	struct pool p = { 0 };
	char *text[1000];
	u64 *number[1000];

	for (size_t i = 0; i < 1000; i++) {
		text[i] = pool_text(&p, "a text and more", i % 16);
		number[i] = pool_alloc(&p, sizeof(u64) * (1 + i));
		CHECK_U64((uintptr_t)number[i] % sizeof(u64), 0);
		CHECK(mem_is_zero((const u8 *)number[i], sizeof(u64) * (1 + i)));
		memset(number[i], 0xff, sizeof(u64) * (1 + i));
	}
	for (size_t i = 0; i < 1000; i++)
		CHECK(strlen(text[i]) == i % 16 && strncmp(text[i], "a text and more", i % 16) == 0);
	CHECK_STR(pool_strdup(&p, "x"), "x");
	memset(pool_alloc(&p, 3 * MIB), 1, 3 * MIB);
	pool_free(&p);
	pool_free(&p);
}

TEST(ids_come_from_seed_and_role)
{
	struct seed a, b;
	u8 one[16], two[16];
	char text[UUID_TEXT_SIZE];

	seed_from_text("X", &a);
	seed_from_text("Y", &b);
	CHECK(id_u32(&a, "disk") == id_u32(&a, "disk"));
	CHECK(id_u32(&a, "disk") != id_u32(&a, "boot"));
	CHECK(id_u32(&a, "disk") != id_u32(&b, "disk"));
	id_uuid(&a, "data", one);
	id_uuid(&b, "data", two);
	CHECK(memcmp(one, two, sizeof(one)) != 0);
	uuid_text(one, text);
	CHECK(strlen(text) == 36 && text[14] == '8' && strchr("89ab", text[19]));
}

TEST(names_are_found_whatever_their_order)
{
	AUTO_NAME_SET struct name_set s = { 0 };

	CHECK(!name_set_has(&s, ""));
	name_set_add(&s, "/b");
	name_set_add(&s, "/a");
	name_set_add(&s, "/b");
	CHECK(name_set_has(&s, "/a") && name_set_has(&s, "/b"));
	CHECK(!name_set_has(&s, "/A") && !name_set_has(&s, "/") && !name_set_has(&s, "/b/") && !name_set_has(&s, ""));
	name_set_add(&s, "/ab");
	CHECK(name_set_has(&s, "/ab") && name_set_has(&s, "/b"));
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
