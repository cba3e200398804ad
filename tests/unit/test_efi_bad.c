/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EFI programs that are cut, or say wild things of themselves. */
#include "tests/lib/test.h"

#include <errno.h>

#include "bootinst/efi_image.h"
#include "tests/unit/efi_host.h"
#include "tests/unit/efi_pe.h"

static const char sbat_line[] = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";

/* From memory that ends where the data does, so that a sanitizer sees every byte too much. */
static int read_exact(const void *data, size_t len, struct efi_image *img, struct err *e)
{
	AUTO_FREE u8 *copy = xcalloc(1, len ? len : 1);

	memcpy(copy, data, len);
	return efi_image_read(copy, len, img, e);
}

static struct buf make_all_kinds(const struct key *key)
{
	AUTO_BUF struct buf der = key_der(key), denied = { 0 }, tar = { 0 };

	esl_add(&denied, GUID_SHA256, "12345678123456781234567812345678", SHA256_SIZE, 1);
	tar_add(&tar, "grub.cfg", '0', "source $prefix/x.cfg");
	AUTO_BUF struct buf vendor = vendor_cert_make(&der, &denied), mods = grub_mods_make(&tar, "normal", "/p");
	const struct pe_part parts[] = {
		{ "mods", mods.s, mods.len },
		{ ".sbat", sbat_line, sizeof(sbat_line) },
		{ ".vendor_cert", vendor.s, vendor.len },
		{ ".sbatlevel", "\0\0\0\0\x08\0\0\0\x08\0\0\0sbat,1,2024010900\nshim,4\n", 38 },
	};
	struct buf b = pe_make(AMD64, parts, ARRAY_SIZE(parts));

	pe_sign(&b, key);
	return b;
}

static void check_survives(const struct buf *b, size_t len)
{
	CLEANUP(efi_image_free) struct efi_image img = { 0 };
	CLEANUP(efi_paths_free) struct efi_paths paths = { 0 };
	AUTO_ERR struct err e = { 0 };
	const char *by;
	int r = read_exact(b->s, len, &img, &e);

	CHECK(r == 0 || (r == -EINVAL && e.text));
	grub_config_paths(&img, "/EFI/BOOT", &paths);
	efi_image_is_listed(&img, &img.vendor, &by);
	for (size_t i = 0; i < img.n_signatures; i++)
		CHECK(img.signature[i].signer && img.signature[i].issuer);
}

TEST(no_efi_program)
{
	static const struct pe_part part = { ".text", "some code", 9 };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);
	struct efi_image img = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_FAILS(efi_image_read("", 0, &img, &e), &e, "not an EFI program");
	CHECK_FAILS(efi_image_read("\177ELF", 4, &img, &e), &e, "not an EFI program");
	put_le16((u8 *)b.s + PE_OPT + 68, 2); /* a program of Windows */
	CHECK_FAILS(efi_image_read(b.s, b.len, &img, &e), &e, "not an EFI program");
	put_le16((u8 *)b.s + PE_OPT + 68, 10);
	put_le16((u8 *)b.s + PE_AT + 6, 0xffff); /* sections */
	CHECK_FAILS(efi_image_read(b.s, b.len, &img, &e), &e, "not an EFI program");
	put_le16((u8 *)b.s + PE_AT + 6, 0);
	CHECK_FAILS(efi_image_read(b.s, b.len, &img, &e), &e, "not an EFI program");
	CHECK(!img.signature && !img.version);
}

TEST(cut_at_every_length)
{
	CLEANUP(key_free) struct key key = key_make("Test CA", NULL);
	AUTO_BUF struct buf b = make_all_kinds(&key);

	CHECK(b.len < 10000);
	for (size_t len = 0; len <= b.len; len++)
		check_survives(&b, len);
	/* Cut, nothing counts as signed. */
	for (size_t len = b.len - 600; len < b.len; len += 7) {
		CLEANUP(efi_image_free) struct efi_image img = { 0 };
		AUTO_ERR struct err e = { 0 };

		if (read_exact(b.s, len, &img, &e) == 0)
			CHECK(!img.n_signatures || !img.signature[0].intact);
	}
}

/* Each place in the headers, the tables and the heads of sections gets numbers that wrap or lie beyond the end. */
TEST(wild_numbers)
{
	CLEANUP(key_free) struct key key = key_make("Test CA", NULL);
	AUTO_BUF struct buf b = make_all_kinds(&key);
	const u32 wild[] = { 0, 0x7fffffff, 0x80000000, 0xffffffff, (u32)b.len - 1, (u32)b.len };
	size_t end = get_le32((u8 *)b.s + PE_SECDIR);

	for (size_t at = 0; at + 4 <= b.len; at += at < end ? 4 : 5) {
		u8 *p = (u8 *)b.s + at;
		u32 old = get_le32(p);

		if (at >= PE_TABLE + 4 * 40 && at < end && at % 512 >= 64) /* in the middle of a section */
			continue;
		for (size_t i = 0; i < (at < end ? ARRAY_SIZE(wild) : 3); i++) {
			put_le32(p, wild[i]);
			check_survives(&b, b.len);
		}
		put_le32(p, old);
	}
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK(img.kind == EFI_SHIM && img.signature[0].intact);
}

/* The same file as a GRUB: shim's section goes first in the telling of kinds. */
TEST(wild_numbers_in_grub)
{
	AUTO_BUF struct buf tar = { 0 };

	tar_add(&tar, "grub.cfg", '0', "source $prefix/x.cfg");
	AUTO_BUF struct buf mods = grub_mods_make(&tar, "normal", "/p");
	const struct pe_part part = { "mods", mods.s, mods.len };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);
	const u32 wild[] = { 0, 7, 8, 9, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff };

	for (size_t at = PE_HEADERS; at + 4 <= b.len; at += 4) {
		u8 *p = (u8 *)b.s + at;
		u32 old = get_le32(p);

		for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
			put_le32(p, wild[i]);
			check_survives(&b, b.len);
		}
		put_le32(p, old);
	}
}

TEST(real_files_cut)
{
	static const char *const files[] = { SHIM "shimx64.efi.signed", GRUB "gcdx64.efi.signed" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_BUF struct buf b = load_or_skip(files[i]);

		for (size_t len = 0; len < b.len; len += 1 + b.len / 40)
			check_survives(&b, len);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
