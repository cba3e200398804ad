/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sum that is implanted in an image: isomd5sum's own programs make it and have the same opinion of each changed
 * byte. SUSE's is made here by hand, with dd and coreutils, as its README.adoc describes it.
 */
#include <errno.h>
#include <stdio.h>

#include "src/base/buf.h"
#include "tests/unit/sums_source.h"

#define FIELD 33651 /* 16 blocks, and 883 bytes of the descriptor */

static void need_isomd5sum(void)
{
	if (sandbox_run("command -v implantisomd5 && command -v checkisomd5") != 0)
		test_skip("no isomd5sum");
}

static void make_iso(unsigned kib)
{
	AUTO_FREE char *dir = sandbox_path("");

	if (sandbox_run("cd '%s' && chmod -fR u+w t; rm -rf t a.iso && mkdir -p t/LiveOS t/isolinux && "
	                "head -c %uK /dev/urandom >t/LiveOS/squashfs.img && head -c 30000 /dev/urandom "
	                ">t/isolinux/isolinux.bin && xorriso -as mkisofs -quiet -R -V SUMS -b isolinux/isolinux.bin "
	                "-c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table -o a.iso t",
	                dir, kib) != 0)
		test_fail(__FILE__, __LINE__, "%s", sandbox_said());
}

static u64 volume_size(void)
{
	AUTO_FREE char *path = sandbox_path("a.iso");
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	u8 blocks[4];

	CHECK(fd >= 0 && pread(fd, blocks, 4, 32768 + 80) == 4);
	return (u64)get_le32(blocks) * 2048;
}

static bool they_like_it(void)
{
	AUTO_FREE char *path = sandbox_path("a.iso");

	return sandbox_run("checkisomd5 '%s'", path) == 0;
}

static const char damaged[] = "is damaged: its MD5 is not the one implanted in it";

/* Both say so of the image as it is. */
static void check_both(bool good)
{
	AUTO_MEDIUM struct medium m = medium_open("a.iso");

	CHECK(m.sums->image.is_there && !m.sums->image.is_suse && m.sums->image.kind == DIGEST_MD5);
	if (good)
		check_good(&m);
	else
		check_bad(&m, damaged);
	CHECK(they_like_it() == good);
	check_warnings(&m, "");
}

TEST(as_isomd5sum)
{
	u64 size;

	need_isomd5sum();
	make_iso(3000);
	sh("implantisomd5 a.iso");
	size = volume_size() - 15 * 2048;
	{
		AUTO_MEDIUM struct medium m = medium_open("a.iso");

		CHECK_U64(m.sums->image.size, size);
		CHECK_U64(sums_bytes(m.sums, NULL, NULL), size);
	}
	check_both(true);
	for (u64 off = 0; off < size; off += 299593) {
		flip("a.iso", off);
		check_both(false);
		flip("a.iso", off);
	}
	check_both(true);
}

TEST(bytes_at_the_borders)
{
	u64 size;

	need_isomd5sum();
	make_iso(2000);
	sh("implantisomd5 --supported-iso a.iso");
	size = volume_size() - 15 * 2048;
	const struct {
		u64 off;
		bool good;
	} bytes[] = {
		{ 511, false },         { FIELD - 1, false },  { FIELD + 511, true }, { FIELD + 512, false },
		{ 1048575, false },     { 1048576, false },    { size - 1, false },   { size, true },
		{ size + 14336, true }, { FIELD + 300, true },
	};

	check_both(true);
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		flip("a.iso", bytes[i].off);
		check_both(bytes[i].good);
		flip("a.iso", bytes[i].off);
	}
	for (unsigned i = 0; i < 32; i++) { /* the sum itself: a digit becomes another one, or none */
		AUTO_ERR struct err e = { 0 };
		struct medium m;

		flip("a.iso", FIELD + 13 + i);
		m = medium_open("a.iso");
		CHECK(m.sums->n_warnings == 1 || sums_check(m.sums, NULL, NULL, NULL, &e) == -EBADMSG);
		CHECK(!they_like_it());
		medium_close(&m);
		flip("a.iso", FIELD + 13 + i);
	}
	check_both(true);
}

/* Fragment sums are wrong in small images: isomd5sum does not like what it made itself. The whole sum is right. */
TEST(images_of_many_sizes)
{
	need_isomd5sum();
	for (unsigned kib = 1; kib < 5000; kib = kib * 5 / 2 + 1) {
		make_iso(kib);
		sh("implantisomd5 a.iso");
		if (they_like_it()) {
			check_both(true);
		} else {
			AUTO_MEDIUM struct medium m = medium_open("a.iso");

			CHECK(kib < 700);
			check_good(&m);
		}
		flip("a.iso", 100000);
		check_both(false);
	}
}

/* What is behind the volume does not count: isohybrid and partition tools put things there. */
TEST(longer_than_the_volume)
{
	need_isomd5sum();
	make_iso(2000);
	sh("implantisomd5 a.iso && head -c 1M /dev/urandom >>a.iso");
	check_both(true);
}

TEST(no_list_is_needed_beside_it)
{
	AUTO_MEDIUM struct medium m = { 0 };
	AUTO_ERR struct err e = { 0 };
	const struct node *n;

	need_isomd5sum();
	make_iso(2000);
	sh("md5sum t/isolinux/isolinux.bin | sed 's,t/isolinux/isolinux.bin,LiveOS/squashfs.img,' >t/md5sum.txt && "
	   "xorriso -as mkisofs -quiet -R -o a.iso t && implantisomd5 a.iso");
	m = medium_open("a.iso");
	check_good(&m);
	n = source_find(m.s, "/LiveOS/squashfs.img");
	CHECK_FAILS(sums_check_node(m.sums, n, NULL, &e), &e, "its MD5 is not the one in /md5sum.txt");
	flip("a.iso", n->extents[0].off);
	check_bad(&m, damaged);
}

TEST(directories_have_none)
{
	AUTO_MEDIUM struct medium m = { 0 };
	AUTO_ERR struct err e = { 0 };

	make_iso(1);
	m = medium_open("t");
	CHECK(!m.sums->image.is_there);
	CHECK_OK(sums_check_image(m.sums, NULL, &e), &e);
}

/* ---- fields by hand */

static void write_field(const char *text)
{
	AUTO_FREE char *dir = sandbox_path("");

	CHECK(sandbox_run("cd '%s' && printf '%%-512s' '%s' | dd of=a.iso bs=1 seek=%d conv=notrunc", dir, text,
	                  FIELD) == 0);
}

TEST(fields_that_make_no_sense)
{
#define HASH "0123456789abcdef0123456789abcdef"
	static const char *const none[] = {
		"",
		"MKISOFS",
		"check=1;pad=150",
		"XISO MD5SUM = " HASH ";SKIPSECTORS = 15;",
		"ISO  MD5SUM;SKIPSECTORS = 15;" HASH,
		";;;=;=;",
		"sha3sum=" HASH,
	};
	static const char *const bad[] = {
		"ISO MD5SUM = 0123;SKIPSECTORS = 15;",
		"ISO MD5SUM = x123456789abcdef0123456789abcdef;SKIPSECTORS = 15;",
		"ISO MD5SUM = " HASH HASH ";SKIPSECTORS = 15;",
		"ISO MD5SUM = " HASH ";SKIPSECTORS = -15;",
		"ISO MD5SUM = " HASH ";SKIPSECTORS = 99999999999999999999999;",
		"ISO MD5SUM = " HASH ";SKIPSECTORS = 4294967295;",
		"ISO MD5SUM = " HASH ";SKIPSECTORS = ;",
		"ISO MD5SUM = " HASH ";SKIPSECTORS = 15 x;",
		"md5sum=" HASH ";pad=9999999999",
		"md5sum=" HASH ";pad=1;signature=a",
		"sha256sum=" HASH,
		"md5sum=",
	};

	make_iso(100);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		AUTO_MEDIUM struct medium m = { 0 };

		write_field(none[i]);
		m = medium_open("a.iso");
		CHECK(!m.sums->image.is_there);
		check_warnings(&m, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_MEDIUM struct medium m = { 0 };

		write_field(bad[i]);
		m = medium_open("a.iso");
		if (m.sums->image.is_there)
			test_fail(__FILE__, __LINE__, "%s", bad[i]);
		check_warnings(&m, "the checksum implanted in the image is damaged\n");
		check_good(&m);
	}
}

TEST(letters_and_blanks)
{
	static const char *const fields[] = {
		"iso md5sum=" HASH ";skipsectors=15",
		"ISO MD5SUM =" HASH ";  SKIPSECTORS = 15  ;",
		"RHLISOSTATUS=0;SKIPSECTORS = 15;FRAGMENT SUMS = 76;FRAGMENT COUNT = 30;ISO MD5SUM = " HASH
		";THIS IS NOT",
		"Iso Md5Sum   =   0123456789ABCDEF0123456789ABCDEF   ;SkipSectors=15;",
	};

	make_iso(100);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		AUTO_MEDIUM struct medium m = { 0 };

		write_field(fields[i]);
		m = medium_open("a.iso");
		CHECK(m.sums->image.is_there && m.sums->image.kind == DIGEST_MD5 && !m.sums->image.is_suse);
		CHECK_U64(m.sums->image.size, volume_size() - 15 * 2048);
		CHECK(memcmp(m.sums->image.digest, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8) == 0);
	}
}

/* ---- SUSE */

/* Implants a sum by the rules of checkmedia's README.adoc; a signature block if `signature` (of 512 bytes) is not 0. */
static void tag_as_suse(const char *program, unsigned pad, unsigned signature, const char *more)
{
	AUTO_FREE char *dir = sandbox_path("");

	CHECK(sandbox_run("cd '%s' && cp a.iso b.iso && printf '%%512s' '' | dd of=b.iso bs=1 seek=%d conv=notrunc && "
	                  "dd if=/dev/zero of=b.iso bs=512 count=1 conv=notrunc && "
	                  "truncate -s %llu b.iso && truncate -s +%u b.iso",
	                  dir, FIELD, (unsigned long long)volume_size() - pad * 2048, pad * 2048) == 0);
	if (signature)
		CHECK(sandbox_run("cd '%s' && dd if=/dev/zero of=b.iso bs=1 seek=%u count=1984 conv=notrunc", dir,
		                  signature * 512 + 64) == 0);
	CHECK(sandbox_run("cd '%s' && printf '%%-512s' \"check=1;pad=%u;%s=$(%s b.iso | cut -d' ' -f1)%s\" | "
	                  "dd of=a.iso bs=1 seek=%d conv=notrunc",
	                  dir, pad, program, program, more, FIELD) == 0);
}

static void check_suse(enum digest_kind kind, const char *words)
{
	AUTO_MEDIUM struct medium m = medium_open("a.iso");

	CHECK(m.sums->image.is_there && m.sums->image.is_suse && m.sums->image.kind == kind);
	CHECK_U64(sums_bytes(m.sums, NULL, NULL), volume_size());
	if (words)
		check_bad(&m, words);
	else
		check_good(&m);
	check_warnings(&m, "");
}

TEST(as_suse)
{
	static const struct {
		const char *program, *words;
		enum digest_kind kind;
	} sums[] = {
		{ "md5sum", damaged, DIGEST_MD5 },
		{ "sha1sum", "is damaged: its SHA-1 is not the one implanted in it", DIGEST_SHA1 },
		{ "sha224sum", "is damaged: its SHA-224 is not the one implanted in it", DIGEST_SHA224 },
		{ "sha256sum", "is damaged: its SHA-256 is not the one implanted in it", DIGEST_SHA256 },
		{ "sha384sum", "is damaged: its SHA-384 is not the one implanted in it", DIGEST_SHA384 },
		{ "sha512sum", "is damaged: its SHA-512 is not the one implanted in it", DIGEST_SHA512 },
	};

	make_iso(2000);
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++) {
		tag_as_suse(sums[i].program, 150, 0, "");
		check_suse(sums[i].kind, NULL);
		flip("a.iso", 100); /* the boot code and the partition table may be written anew */
		check_suse(sums[i].kind, NULL);
		flip("a.iso", volume_size() - 1);
		check_suse(sums[i].kind, NULL);
		flip("a.iso", volume_size() - 150 * 2048 - 1);
		check_suse(sums[i].kind, sums[i].words);
		flip("a.iso", volume_size() - 150 * 2048 - 1);
		flip("a.iso", 512);
		check_suse(sums[i].kind, sums[i].words);
		flip("a.iso", 512);
	}
	tag_as_suse("sha256sum", 0, 0, ";partition=64,1000," HASH);
	check_suse(DIGEST_SHA256, NULL);
	flip("a.iso", volume_size() - 1);
	check_suse(DIGEST_SHA256, sums[3].words);
}

TEST(signed_as_suse)
{
	make_iso(2000);
	tag_as_suse("sha256sum", 150, 2080, ";signature=2080");
	check_suse(DIGEST_SHA256, NULL);
	flip("a.iso", 2080 * 512 + 64);
	flip("a.iso", 2080 * 512 + 2047);
	check_suse(DIGEST_SHA256, NULL);
	flip("a.iso", 2080 * 512 + 2048);
	check_suse(DIGEST_SHA256, "is damaged: its SHA-256 is not the one implanted in it");
	flip("a.iso", 2080 * 512 + 2048);
	flip("a.iso", 2080 * 512 + 63);
	check_suse(DIGEST_SHA256, "is damaged: its SHA-256 is not the one implanted in it");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
