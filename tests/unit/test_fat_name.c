/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "src/fs/fat_name.h"
#include "tests/lib/test.h"

static size_t units_of(const char *name, u16 units[FAT_NAME_UNITS])
{
	const char *why = "";
	int n = fat_name_units(name, strlen(name), units, &why);

	if (n < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", name, why);
	return n < 0 ? 0 : (size_t)n;
}

static void check_refused(const char *name, size_t len, const char *words)
{
	u16 units[FAT_NAME_UNITS];
	const char *why = "";
	int n = fat_name_units(name, len, units, &why);

	if (n >= 0 || !strstr(why, words))
		test_fail(__FILE__, __LINE__, "\"%.*s\": %d, \"%s\"; wanted \"%s\"", (int)len, name, n, why, words);
}

TEST(names_that_fat_cannot_hold)
{
	static const struct {
		const char *name, *why;
	} bad[] = {
		{ "", "empty" },
		{ ".", "dot" },
		{ "..", "dot" },
		{ "a.", "dot" },
		{ "a ", "blank" },
		{ "a\nb", "control" },
		{ "\x1f", "control" },
		{ "\xff", "UTF-8" },
		{ "a\xc3", "UTF-8" },
		{ "\xc0\xaf", "UTF-8" },
		{ "\xe0\x80\xaf", "UTF-8" },
		{ "\xed\xa0\x80", "UTF-8" },
		{ "\xf4\x90\x80\x80", "UTF-8" },
		{ "\xf8\x88\x80\x80\x80", "UTF-8" },
		{ "a\xef\xbf\xbf", "U+FFFF" },
	};
	static const char forbidden[] = "\"*/:<>?\\|";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_refused(bad[i].name, strlen(bad[i].name), bad[i].why);
	check_refused("a\0b", 3, "control");
	for (const char *c = forbidden; *c; c++)
		check_refused((char[]){ 'a', *c, 'b' }, 3, "one of");
}

TEST(names_of_255_units_and_not_more)
{
	char name[1024];
	u16 units[FAT_NAME_UNITS];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	CHECK_U64(units_of(name, units), 255);
	name[255] = 'x';
	check_refused(name, 256, "longer");
	/* A character outside the BMP takes two units, of up to four bytes. */
	memcpy(name + 253, "\xf0\x9f\x98\x80", 4);
	name[257] = '\0';
	CHECK_U64(units_of(name, units), 255);
	CHECK_U64(units[253], 0xd83d);
	CHECK_U64(units[254], 0xde00);
	name[253] = 'x';
	memcpy(name + 254, "\xf0\x9f\x98\x80", 4);
	check_refused(name, 258, "longer");
}

TEST(utf16_and_back)
{
	static const char *const names[] = { "a",        "Grüße", "日本語", "\xf0\x9f\x98\x80 x", "\xf4\x8f\xbf\xbd",
		                             "ÿĀ߿ࠀ" };
	static const u16 broken[] = { 0xd83d, 'a', 0xde00, 0xde00, 0xd83d };
	AUTO_BUF struct buf b = { 0 };
	u16 units[FAT_NAME_UNITS];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		buf_clear(&b);
		fat_name_add_utf8(&b, units, units_of(names[i], units));
		CHECK_STR(b.s, names[i]);
	}
	buf_clear(&b);
	fat_name_add_utf8(&b, broken, ARRAY_SIZE(broken));
	CHECK_STR(b.s, "\xef\xbf\xbd"
	               "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static bool folds_to(const char *name, const char *want)
{
	AUTO_BUF struct buf b = { 0 };
	u16 units[FAT_NAME_UNITS];

	fat_name_add_folded(&b, units, units_of(name, units));
	return strcmp(b.s, want) == 0;
}

TEST(folding)
{
	CHECK(folds_to("abcxyzABC019_~", "ABCXYZABC019_~"));
	CHECK(folds_to("àöøþ", "ÀÖØÞ"));
	CHECK(folds_to("÷×ßÿ", "÷×ßÿ"));
	CHECK(folds_to("αρςστω", "ΑΡΣΣΤΩ"));
	CHECK(folds_to("абвгяѐё\u045f", "АБВГЯЀЁ\u040f"));
	CHECK(folds_to("ā日\xf0\x9f\x98\x80", "ā日\xed\xa0\xbd\xed\xb8\x80"));
	CHECK(folds_to("@[`{", "@[`{"));
}

static const struct {
	const char *name, *alias;
	enum fat_alias_kind kind;
} aliases[] = {
	{ "A", "A          ", FAT_ALIAS_SAME },
	{ "LDLINUX.SYS", "LDLINUX SYS", FAT_ALIAS_SAME },
	{ "BOOTX64.EFI", "BOOTX64 EFI", FAT_ALIAS_SAME },
	{ "!#$%&'()", "!#$%&'()   ", FAT_ALIAS_SAME },
	{ "-@^_`{}~", "-@^_`{}~   ", FAT_ALIAS_SAME },
	{ "ABCDEFGH.IJK", "ABCDEFGHIJK", FAT_ALIAS_SAME },
	{ "a", "A          ", FAT_ALIAS_CASE },
	{ "ldlinux.sys", "LDLINUX SYS", FAT_ALIAS_CASE },
	{ "LDLINUX.Sys", "LDLINUX SYS", FAT_ALIAS_CASE },
	{ "foo~1.d", "FOO~1   D  ", FAT_ALIAS_CASE },
	{ "ABCDEFGHI", "ABCDEFGH   ", FAT_ALIAS_LOSSY },
	{ "A.HTML", "A       HTM", FAT_ALIAS_LOSSY },
	{ "filesystem.squashfs", "FILESYSTSQU", FAT_ALIAS_LOSSY },
	{ "A B", "AB         ", FAT_ALIAS_LOSSY },
	{ "A.B.C", "AB      C  ", FAT_ALIAS_LOSSY },
	{ ".disk", "DISK       ", FAT_ALIAS_LOSSY },
	{ "..a.b", "A       B  ", FAT_ALIAS_LOSSY },
	{ "  a", "A          ", FAT_ALIAS_LOSSY },
	{ "a+b,c;d=[e]", "A_B_C_D_   ", FAT_ALIAS_LOSSY },
	{ "Ä.TXT", "_       TXT", FAT_ALIAS_LOSSY },
	{ "\xf0\x9f\x98\x80.x", "_       X  ", FAT_ALIAS_LOSSY },
	{ "a. x", "A       X  ", FAT_ALIAS_LOSSY },
	{ "a\x7f", "A_         ", FAT_ALIAS_LOSSY },
};

TEST(alias_of_a_name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		u8 alias[FAT_ALIAS_SIZE + 1] = "";
		u16 units[FAT_NAME_UNITS];
		enum fat_alias_kind kind = fat_alias_of(units, units_of(aliases[i].name, units), alias);

		CHECK_STR((char *)alias, aliases[i].alias);
		if (kind != aliases[i].kind)
			test_fail(__FILE__, __LINE__, "%s: kind %d", aliases[i].name, kind);
	}
}

static void check_choice(struct fat_aliases *a, u32 *counter, const char *alias, const char *want)
{
	char have[FAT_ALIAS_SIZE + 1] = "";

	memcpy(have, alias, FAT_ALIAS_SIZE);
	fat_aliases_choose(a, 1, counter, (u8 *)have);
	CHECK_STR(have, want);
}

TEST(numbers_of_aliases)
{
	struct fat_aliases *a = fat_aliases_new(20);
	u32 counter = 0;

	CHECK(fat_aliases_add(a, 1, (const u8 *)"FILESY~2SQU"));
	CHECK(!fat_aliases_add(a, 1, (const u8 *)"FILESY~2SQU"));
	CHECK(fat_aliases_add(a, 2, (const u8 *)"FILESY~2SQU"));
	CHECK(fat_aliases_add(a, 1, (const u8 *)"FI0001~1SQU"));
	check_choice(a, &counter, "FILESYSTSQU", "FILESY~1SQU");
	check_choice(a, &counter, "FILESYSTSQU", "FILESY~3SQU");
	check_choice(a, &counter, "FILESYSTSQU", "FILESY~4SQU");
	check_choice(a, &counter, "FILESYSTSQU", "FI0000~1SQU");
	check_choice(a, &counter, "FILESYSTSQU", "FI0002~1SQU");
	check_choice(a, &counter, "A          ", "A~1        ");
	for (unsigned i = 2; i <= 4; i++)
		fat_aliases_choose(a, 1, &counter, (u8[]){ "A          " });
	check_choice(a, &counter, "A          ", "A0003~1    ");
	fat_aliases_free(a);
}

TEST(thirty_thousand_aliases_of_one_name)
{
	struct fat_aliases *a = fat_aliases_new(32000), *seen = fat_aliases_new(32000);
	u32 counter = 0;

	for (unsigned i = 0; i < 32000; i++) {
		u8 alias[FAT_ALIAS_SIZE + 1] = "LONGNAMETXT";

		fat_aliases_choose(a, 7, &counter, alias);
		if (!fat_aliases_add(seen, 0, alias))
			test_fail(__FILE__, __LINE__, "%s comes twice", alias);
	}
	CHECK_U64(counter, 31996);
	fat_aliases_free(a);
	fat_aliases_free(seen);
}

/* The example of the specification: "The quick brown.fox" is THEQUI~1.FOX in three entries. */
TEST(entries_of_a_long_name)
{
	const struct fat_short s = {
		.alias = "THEQUI~1FOX",
		.attributes = FAT_ARCHIVE,
		.cluster = 0x01234567,
		.size = 0x89abcdef,
		.mtime = 1700000001, /* 2023-11-14 22:13:21 UTC */
	};
	u16 units[FAT_NAME_UNITS];
	size_t n = units_of("The quick brown.fox", units);
	u8 e[4 * FAT_ENTRY_SIZE];
	u8 sum = 0;

	memset(e, 0xee, sizeof(e));
	CHECK_U64(fat_entry_count(n), 3);
	CHECK_U64((u64)(fat_entry_put(e, units, n, &s) - e), 96);
	for (unsigned i = 0; i < 11; i++)
		sum = (u8)(((sum & 1) << 7) + (sum >> 1) + s.alias[i]);
	CHECK_U64(e[0], 0x42);
	CHECK_U64(e[11], FAT_LONG_NAME);
	CHECK_U64(e[12], 0);
	CHECK_U64(e[13], sum);
	CHECK(memcmp(e + 1, "w\0n\0.\0f\0o", 10) == 0);
	CHECK(memcmp(e + 14, "x\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12) == 0);
	CHECK(memcmp(e + 26, "\0\0\xff\xff\xff\xff", 6) == 0);
	CHECK_U64(e[32], 1);
	CHECK(memcmp(e + 33, "T\0h\0e\0 \0q", 10) == 0);
	CHECK(memcmp(e + 46, "u\0i\0c\0k\0 \0b", 12) == 0);
	CHECK(memcmp(e + 60, "r\0o", 4) == 0);
	CHECK(memcmp(e + 64, "THEQUI~1FOX\x20", 12) == 0);
	CHECK_U64(get_le16(e + 64 + 22), 22 << 11 | 13 << 5 | 10);
	CHECK_U64(get_le16(e + 64 + 24), 43 << 9 | 11 << 5 | 14);
	CHECK_U64(get_le16(e + 64 + 14), get_le16(e + 64 + 22));
	CHECK_U64(get_le16(e + 64 + 18), get_le16(e + 64 + 24));
	CHECK_U64(get_le16(e + 64 + 20), 0x0123);
	CHECK_U64(get_le16(e + 64 + 26), 0x4567);
	CHECK_U64(get_le32(e + 64 + 28), 0x89abcdef);
	CHECK_U64(e[96], 0xee);
}

/* 13 and 26 units fill their entries: neither a 0 nor filling. */
TEST(entries_that_are_full)
{
	const struct fat_short s = { .alias = "ABCDEF~1   " };
	u16 units[FAT_NAME_UNITS];
	u8 e[3 * FAT_ENTRY_SIZE];

	CHECK_U64(fat_entry_count(units_of("abcdefghijklm", units)), 2);
	CHECK_U64((u64)(fat_entry_put(e, units, 13, &s) - e), 64);
	CHECK(memcmp(e + 28, "l\0m", 4) == 0);
	CHECK_U64(fat_entry_count(14), 3);
	CHECK_U64(fat_entry_count(255), 21);
	CHECK_U64(fat_entry_count(0), 1);
}

static void check_time(i64 mtime, u16 date, u16 time)
{
	const struct fat_short s = { .alias = "A          ", .mtime = mtime };
	u8 e[FAT_ENTRY_SIZE];

	fat_entry_put(e, NULL, 0, &s);
	CHECK_U64(get_le16(e + 24), date);
	CHECK_U64(get_le16(e + 22), time);
}

TEST(times_between_1980_and_2107)
{
	const u16 first = 1 << 5 | 1, last = 127 << 9 | 12 << 5 | 31, midnight = 23 << 11 | 59 << 5 | 29;

	check_time(315532800, first, 0);
	check_time(315532799, first, 0);
	check_time(0, first, 0);
	check_time(INT64_MIN, first, 0);
	check_time(315532803, first, 1);
	check_time(4354819198, last, midnight);
	check_time(4354819200, last, midnight);
	check_time(INT64_MAX, last, midnight);
	check_time(951782400, 20 << 9 | 2 << 5 | 29, 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
