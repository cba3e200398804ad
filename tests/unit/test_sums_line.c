/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which files are lists, and what their lines say. */
#include "src/base/buf.h"
#include "src/source/sums_private.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

TEST(names_of_lists)
{
	static const struct {
		const char *name;
		int kind; /* -1: any; -2: no list */
		size_t beside;
	} names[] = {
		{ "md5sum.txt", DIGEST_MD5, 0 },
		{ "MD5SUMS", DIGEST_MD5, 0 },
		{ "md5sums", DIGEST_MD5, 0 },
		{ "md5sums.txt", DIGEST_MD5, 0 },
		{ "md5sum", DIGEST_MD5, 0 },
		{ "sha1sums", DIGEST_SHA1, 0 },
		{ "SHA1SUMS", DIGEST_SHA1, 0 },
		{ "sha224sum.txt", DIGEST_SHA224, 0 },
		{ "sha256sum.txt", DIGEST_SHA256, 0 },
		{ "SHA256SUMS", DIGEST_SHA256, 0 },
		{ "SHA256SUMS.TXT", DIGEST_SHA256, 0 },
		{ "sha384sum.txt", DIGEST_SHA384, 0 },
		{ "SHA512SUMS", DIGEST_SHA512, 0 },
		{ "b2sums.txt", DIGEST_BLAKE2B, 0 },
		{ "isoroot_checksums", -1, 0 },
		{ "isoroot_b2sums", DIGEST_BLAKE2B, 0 },
		{ "CHECKSUMS", -1, 0 },
		{ "CHECKSUMS.md5", DIGEST_MD5, 9 },
		{ "airootfs.sha512", DIGEST_SHA512, 8 },
		{ "linuxfs.md5", DIGEST_MD5, 7 },
		{ "initrd.gz.md5", DIGEST_MD5, 9 },
		{ "alsa.tcz.md5.txt", DIGEST_MD5, 8 },
		{ "image.squashfs.sha256sum", DIGEST_SHA256, 14 },
		{ "root.b2", DIGEST_BLAKE2B, 4 },
		{ "md5.txt", -2, 0 },
		{ "md5", -2, 0 },
		{ ".md5", -2, 0 },
		{ "sha256sum.README", -2, 0 },
		{ "md5sum.txt.asc", -2, 0 },
		{ "CHECKSUMS.md5.asc", -2, 0 },
		{ "hashsum.mod", -2, 0 },
		{ "videotest_checksum.mod", -2, 0 },
		{ "sha512sumx", -2, 0 },
		{ "gcry_md5.mod", -2, 0 },
		{ "sha3sum.txt", -2, 0 },
		{ "x.sha", -2, 0 },
		{ ".txt", -2, 0 },
		{ "txt", -2, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct sums_name n = sums_name(names[i].name);
		int kind = !n.is_list ? -2 : n.of_any_kind ? -1 : (int)n.kind;

		if (kind != names[i].kind || n.beside != names[i].beside)
			test_fail(__FILE__, __LINE__, "%s: kind %d, beside %zu", names[i].name, kind, n.beside);
	}
}

#define MD5    "d41d8cd98f00b204e9800998ecf8427e"
#define SHA1   "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA512                                                                                                         \
	"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"                                             \
	"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"

static void check_line(const char *list, const char *text, size_t len, int kind, const char *path)
{
	struct sums_name name = sums_name(list);
	AUTO_FREE char *exact = xcalloc(1, len ? len : 1); /* so that a byte too far is seen */
	struct sums_line line;
	bool says;

	memcpy(exact, text, len);
	says = sums_line(exact, len, &name, &line);
	if (says != (path != NULL) || (says && ((int)line.kind != kind || strcmp(line.path, path) != 0)))
		test_fail(__FILE__, __LINE__, "%s: \"%s\": %s", list, text, says ? line.path : "(nothing)");
}

TEST(lines)
{
	static const struct {
		const char *list, *text;
		int kind;
		const char *path; /* NULL: says nothing */
	} lines[] = {
		{ "md5sums", MD5 "  ./live/vmlinuz", DIGEST_MD5, "./live/vmlinuz" },
		{ "md5sums", MD5 " *KNOPPIX/KNOPPIX", DIGEST_MD5, "KNOPPIX/KNOPPIX" },
		{ "md5sums", MD5 "  a name with  blanks ", DIGEST_MD5, "a name with  blanks " },
		{ "md5sums", MD5 " one-blank", DIGEST_MD5, "one-blank" },
		{ "md5sums", MD5 "\ttab", DIGEST_MD5, "tab" },
		{ "md5sums", MD5 "  dos\r", DIGEST_MD5, "dos" },
		{ "md5sums", "  " MD5 "  indented", DIGEST_MD5, "indented" },
		{ "md5sums", "D41D8CD98F00B204E9800998ECF8427E  upper", DIGEST_MD5, "upper" },
		{ "md5sums", "\\" MD5 "  a\\\\b\\nc\\rd", DIGEST_MD5, "a\\b\nc\rd" },
		{ "md5sums", MD5 "  not\\nescaped", DIGEST_MD5, "not\\nescaped" },
		{ "md5sums", "\\" MD5 "  bad\\x", 0, NULL },
		{ "md5sums", "\\" MD5 "  bad\\", 0, NULL },
		{ "x.md5", MD5, DIGEST_MD5, "" },
		{ "x.md5", MD5 "  -", DIGEST_MD5, "" },
		{ "x.md5", MD5 " *-", DIGEST_MD5, "" },
		{ "x.md5", MD5 "  -x", DIGEST_MD5, "-x" },
		{ "md5sums", MD5 "x  a", 0, NULL },
		{ "md5sums", MD5 "0  a", 0, NULL },
		{ "md5sums", "d41d8cd98f00b204e9800998ecf842  a", 0, NULL },
		{ "md5sums", SHA1 "  a", 0, NULL },
		{ "sha1sums", SHA1 "  a", DIGEST_SHA1, "a" },
		{ "CHECKSUMS", MD5 "  a", DIGEST_MD5, "a" },
		{ "CHECKSUMS", SHA1 "  a", DIGEST_SHA1, "a" },
		{ "CHECKSUMS", SHA256 "  boot/x86_64/linux", DIGEST_SHA256, "boot/x86_64/linux" },
		{ "CHECKSUMS", SHA512 "  a", DIGEST_SHA512, "a" },
		{ "isoroot_b2sums", SHA512 "  ./a", DIGEST_BLAKE2B, "./a" },
		{ "md5sums", "MD5 (./live/vmlinuz) = " MD5, DIGEST_MD5, "./live/vmlinuz" },
		{ "md5sums", "MD5(a (1).img)= " MD5, DIGEST_MD5, "a (1).img" },
		{ "md5sums", "SHA2-256(a)= " SHA256, DIGEST_SHA256, "a" },
		{ "CHECKSUMS", "SHA512 (a) = " SHA512, DIGEST_SHA512, "a" },
		{ "CHECKSUMS", "BLAKE2b (a) = " SHA512, DIGEST_BLAKE2B, "a" },
		{ "CHECKSUMS", "\\SHA1 (a\\\\b) = " SHA1, DIGEST_SHA1, "a\\b" },
		{ "CHECKSUMS", "SHA256 (a) = " MD5, 0, NULL },
		{ "CHECKSUMS", "SHA256 (a) = " SHA256 " ", 0, NULL },
		{ "CHECKSUMS", "SHA256 () = " SHA256, 0, NULL },
		{ "CHECKSUMS", "SHA256 a) = " SHA256, 0, NULL },
		{ "CHECKSUMS", "SHA256 (a = " SHA256, 0, NULL },
		{ "CHECKSUMS", "SHA3-256 (a) = " SHA256, 0, NULL },
		{ "CHECKSUMS", "(a) = " SHA256, 0, NULL },
		{ "CHECKSUMS", "Hash: SHA256", 0, NULL },
		{ "md5sums", "# a comment", 0, NULL },
		{ "md5sums", "These are the MD5 message digests for the files in this directory.", 0, NULL },
		{ "md5sums", "tail +13 CHECKSUMS.md5 | md5sum -c --quiet - | less", 0, NULL },
		{ "md5sums", "MD5 message digest                Filename", 0, NULL },
		{ "md5sums", "", 0, NULL },
		{ "md5sums", "\\", 0, NULL },
		{ "md5sums", "\r\r", 0, NULL },
		{ "md5sums", "()", 0, NULL },
		{ "md5sums", "MD5 ()", 0, NULL },
		{ "md5sums", "MD5 (a)", 0, NULL },
		{ "md5sums", "MD5 (a) =", 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		check_line(lines[i].list, lines[i].text, strlen(lines[i].text), lines[i].kind, lines[i].path);
	check_line("md5sums", MD5 "  a\0b", 32 + 5, DIGEST_MD5, NULL);
}

TEST(long_paths)
{
	AUTO_BUF struct buf line = { 0 };
	AUTO_FREE char *path = xcalloc(1, SOURCE_TARGET_MAX + 1);

	memset(path, 'x', SOURCE_TARGET_MAX - 1);
	buf_addf(&line, MD5 "  %s", path);
	check_line("md5sums", line.s, line.len, DIGEST_MD5, path);
	buf_adds(&line, "x");
	check_line("md5sums", line.s, line.len, DIGEST_MD5, NULL);
}

/* What each program writes of a name is read as that name, in both forms. */
static void check_program(const char *program, const char *option, const char *list, const char *name, int kind)
{
	AUTO_FREE char *dir = sandbox_path("");
	struct sums_name as = sums_name(list);
	struct sums_line line;
	const char *said;

	CHECK(sandbox_run("cd '%s' && %s %s -- \"$(cat name)\"", dir, program, option) == 0);
	said = sandbox_said();
	if (!sums_line(said, strcspn(said, "\n"), &as, &line) || (int)line.kind != kind || strcmp(line.path, name) != 0)
		test_fail(__FILE__, __LINE__, "%s %s: %s", program, option, said);
}

TEST(lines_as_coreutils_write_them)
{
	static const char *const names[] = { "a",         " two  blanks ", "*star",   "back\\slash",
		                             "new\nline", "car\rriage",    "(a) = b", "\xc3\xa4",
		                             "a) = (",    "\\n",           "-x",      "b)" };
	static const struct {
		const char *program, *list;
		int kind;
	} programs[] = {
		{ "md5sum", "md5sums", DIGEST_MD5 },          { "sha1sum", "sha1sums", DIGEST_SHA1 },
		{ "sha224sum", "sha224sums", DIGEST_SHA224 }, { "sha256sum", "sha256sums", DIGEST_SHA256 },
		{ "sha384sum", "sha384sums", DIGEST_SHA384 }, { "sha512sum", "sha512sums", DIGEST_SHA512 },
		{ "b2sum", "b2sums", DIGEST_BLAKE2B },
	};

	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		AUTO_FREE char *at = sandbox_path("name"), *file = sandbox_path(names[n]);
		FILE *f = fopen(at, "w");

		CHECK(f && fputs(names[n], f) >= 0 && fclose(f) == 0);
		sandbox_make(file, 3);
		for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
			/* blanks and a star in front are the only thing that is not kept */
			if (names[n][0] != ' ' && names[n][0] != '*') {
				check_program(programs[i].program, "", programs[i].list, names[n], programs[i].kind);
				check_program(programs[i].program, "-b", programs[i].list, names[n], programs[i].kind);
			}
			check_program(programs[i].program, "--tag", programs[i].list, names[n], programs[i].kind);
		}
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
