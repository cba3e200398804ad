/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include "bootinst/secure_boot.h"
#include "tests/unit/efi_pe.h"

#define AMD64 0x8664
#define SBAT1 "sbat,1,SBAT Version,sbat,1,u\n"

/* ---- a small world: a vendor with a shim, a GRUB and kernels */

static struct key vendor_ca, vendor, stranger;

static void make_keys(void)
{
	if (vendor_ca.cert)
		return;
	vendor_ca = key_make("Vendor CA", NULL);
	vendor = key_make("Vendor Signer", &vendor_ca);
	stranger = key_make("Stranger", NULL);
}

static struct efi_image read_and_free(struct buf *b)
{
	AUTO_ERR struct err e = { 0 };
	struct efi_image img = { 0 };

	CHECK_OK(efi_image_read(b->s, b->len, &img, &e), &e);
	buf_free(b);
	return img;
}

/* Signed by `key`, or not at all. */
static struct efi_image finish(struct buf b, const struct key *key)
{
	if (key)
		pe_sign(&b, key);
	return read_and_free(&b);
}

struct shim_facts {
	const char *sbat, *level;
	const struct efi_image *allows, *denies; /* by digest; allows: instead of the vendor's key */
	bool denies_vendor;
};

/*
 * A shim that holds the vendor's key. The key of Microsoft's CA is not at hand: the signature is by a stranger, and
 * what the check of it would have told is put in its place.
 */
static struct efi_image make_shim(const struct shim_facts *f)
{
	AUTO_BUF struct buf der = key_der(&vendor_ca), denied = { 0 }, level = { 0 };

	if (f->denies)
		esl_add(&denied, GUID_SHA256, f->denies->digest, SHA256_SIZE, 1);
	if (f->denies_vendor)
		esl_add(&denied, GUID_X509, der.s, der.len, 1);
	if (f->allows) {
		buf_clear(&der);
		esl_add(&der, GUID_SHA256, f->allows->digest, SHA256_SIZE, 1);
	}
	buf_add(&level, "\0\0\0\0\x08\0\0\0\x08\0\0\0", 12);
	buf_adds(&level, f->level);
	AUTO_BUF struct buf cert = vendor_cert_make(&der, &denied);
	const struct pe_part parts[] = {
		{ ".vendor_cert", cert.s, cert.len },
		{ ".data.ident", "UEFI SHIM\n$Version: 15.8 $\n", 28 },
		{ ".sbatlevel", level.s, level.len + 1 },
		{ f->sbat ? ".sbat" : ".none", f->sbat ? f->sbat : "", f->sbat ? strlen(f->sbat) : 0 },
	};
	struct efi_image img = finish(pe_make(AMD64, parts, ARRAY_SIZE(parts)), &stranger);

	CHECK(img.n_signatures == 1 && img.signature[0].intact && !img.signature[0].microsoft_ca);
	img.signature[0].microsoft_ca = "Microsoft UEFI CA 2023";
	return img;
}

static const struct shim_facts new_shim = { .sbat = SBAT1 "shim,4,UEFI shim,shim,1,u\n",
	                                    .level = "sbat,1,2024010900\nshim,4\ngrub,3\n" };

static struct efi_image make_grub(const char *sbat, const struct key *key)
{
	AUTO_BUF struct buf mods = grub_mods_make(NULL, NULL, "/boot/grub");
	const struct pe_part parts[] = { { "mods", mods.s, mods.len },
		                         { sbat ? ".sbat" : ".none", sbat ? sbat : "", sbat ? strlen(sbat) : 0 } };

	return finish(pe_make(AMD64, parts, 2), key);
}

#define NEW_GRUB SBAT1 "grub,5,Free Software Foundation,grub,2.12,u\n"

static struct efi_image make_kernel(const char *text, const struct key *key)
{
	const struct pe_part part = { ".text", text, strlen(text) };
	struct buf b = pe_make(AMD64, &part, 1);

	memcpy(b.s + 0x202, "HdrS", 4);
	return finish(b, key);
}

static void check_judged(const struct efi_image *first, const struct efi_image *second, const struct efi_image *k1,
                         const struct efi_image *k2, enum secure_boot_verdict want, const char *words)
{
	const struct efi_image *kernels[] = { k1, k2 };
	const char *names[] = { "/live/vmlinuz", "/live/vmlinuz2" };
	const struct secure_boot_chain c = { first, second, kernels, names, k2 ? 2 : 1 };
	AUTO_BUF struct buf why = { 0 };
	enum secure_boot_verdict is = secure_boot_judge(&c, &why);

	if (is != want || !why.s || !strstr(why.s, words) || why.s[why.len - 1] == '.')
		test_fail(__FILE__, __LINE__, "verdict %d, wanted %d with \"%s\": %s", is, want, words,
		          why.s ? why.s : "(nothing)");
}

#define AUTO_IMAGE CLEANUP(efi_image_free)

/* ---- yes */

TEST(a_good_chain)
{
	make_keys();
	AUTO_IMAGE struct efi_image shim = make_shim(&new_shim), grub = make_grub(NEW_GRUB, &vendor);
	AUTO_IMAGE struct efi_image kernel = make_kernel("1", &vendor), other = make_kernel("2", &vendor);

	check_judged(
	    &shim, &grub, &kernel, NULL, SECURE_BOOT_YES,
	    "shim 15.8 is signed by Microsoft UEFI CA 2023, GRUB 2.12 and the kernel by the key of Vendor CA in shim");
	check_judged(&shim, &grub, &kernel, &other, SECURE_BOOT_YES,
	             "GRUB 2.12 and the kernels by the key of Vendor CA");
	CHECK(strlen(kernel.signature[0].signer) > 0);
	/* Signed by Microsoft themselves: firmware's key will do, shim asks for it too. */
	kernel.signature[0].microsoft_ca = "Microsoft UEFI CA 2023";
	other.signature[0].intact = false;
	other.signature[0].microsoft_ca = "Microsoft Corporation UEFI CA 2011";
	check_judged(&shim, &grub, &other, NULL, SECURE_BOOT_YES,
	             "GRUB 2.12 by the key of Vendor CA in shim, the kernel by Microsoft Corporation UEFI CA 2011");
	check_judged(&shim, &grub, &kernel, &other, SECURE_BOOT_YES, "the kernels by several keys that are trusted");
}

TEST(named_by_digest)
{
	make_keys();
	AUTO_IMAGE struct efi_image grub = make_grub(NEW_GRUB, NULL), kernel = make_kernel("1", NULL);
	struct shim_facts facts = new_shim;

	facts.allows = &grub;
	AUTO_IMAGE struct efi_image shim = make_shim(&facts);
	check_judged(&shim, &grub, &kernel, NULL, SECURE_BOOT_NO, "the kernel /live/vmlinuz is not signed");
	kernel = (efi_image_free(&kernel), make_kernel("1", &stranger));
	kernel.signature[0].microsoft_ca = "Microsoft UEFI CA 2023";
	check_judged(&shim, &grub, &kernel, NULL, SECURE_BOOT_YES, "GRUB 2.12 named by digest in shim");
}

TEST(without_kernels)
{
	make_keys();
	AUTO_IMAGE struct efi_image shim = make_shim(&new_shim), grub = make_grub(NEW_GRUB, &vendor);
	const struct secure_boot_chain c = { &shim, &grub, NULL, NULL, 0 };
	AUTO_BUF struct buf why = { 0 };

	CHECK_U64(secure_boot_judge(&c, &why), SECURE_BOOT_YES);
	CHECK_STR(why.s, "shim 15.8 is signed by Microsoft UEFI CA 2023, GRUB 2.12 by the key of Vendor CA in shim");
}

TEST(a_kernel_as_the_first_loader)
{
	make_keys();
	AUTO_IMAGE struct efi_image first = make_kernel("1", &stranger), kernel = make_kernel("2", &vendor);

	first.signature[0].microsoft_ca = "Microsoft Corporation UEFI CA 2011";
	check_judged(&first, NULL, &first, NULL, SECURE_BOOT_YES, "is signed by Microsoft Corporation UEFI CA 2011");
	check_judged(&first, NULL, &kernel, NULL, SECURE_BOOT_NO,
	             "the kernel /live/vmlinuz is signed by Vendor CA (Vendor Signer), which PCs do not trust");
}

/* ---- no: the first loader */

TEST(first_is_bad)
{
	make_keys();
	AUTO_IMAGE struct efi_image plain = make_grub(NEW_GRUB, NULL), own = make_grub(NEW_GRUB, &vendor);
	AUTO_IMAGE struct efi_image shim = make_shim(&new_shim), kernel = make_kernel("1", &vendor);

	check_judged(&plain, NULL, &kernel, NULL, SECURE_BOOT_NO, "EFI/BOOT/BOOTX64.EFI is not signed");
	check_judged(&own, NULL, &kernel, NULL, SECURE_BOOT_NO,
	             "EFI/BOOT/BOOTX64.EFI is signed by Vendor CA (Vendor Signer), which PCs do not trust");
	own.signature[0].intact = false;
	check_judged(&own, NULL, &kernel, NULL, SECURE_BOOT_NO, "EFI/BOOT/BOOTX64.EFI was changed after it was signed");
	check_judged(&shim, NULL, &kernel, NULL, SECURE_BOOT_NO, "EFI/BOOT/grubx64.efi, which shim starts, is missing");
}

/* Anybody can call his CA as Microsoft's is called. */
TEST(first_says_it_is_microsofts)
{
	make_keys();
	CLEANUP(key_free) struct key liar = key_make("Microsoft Corporation UEFI CA 2011", NULL);
	CLEANUP(key_free) struct key signer = key_make("Microsoft Windows UEFI Driver Publisher", &liar);
	AUTO_IMAGE struct efi_image first = make_grub(NEW_GRUB, &signer), kernel = make_kernel("1", &vendor);

	CHECK(first.signature[0].intact && !first.signature[0].microsoft_ca);
	check_judged(&first, NULL, &kernel, NULL, SECURE_BOOT_UNKNOWN,
	             "says that it is signed by Microsoft Corporation UEFI CA 2011, which could not be checked");
}

/* ---- no: what shim starts */

TEST(second_is_bad)
{
	make_keys();
	AUTO_IMAGE struct efi_image kernel = make_kernel("1", &vendor), good = make_grub(NEW_GRUB, &vendor);
	struct shim_facts denying = new_shim, revoking = new_shim, denying_key = new_shim;

	denying.denies = &good;
	denying_key.denies_vendor = true;
	revoking.level = "sbat,1,2025021800\nshim,4\ngrub,5\n";
	AUTO_IMAGE struct efi_image shim = make_shim(&new_shim), deny = make_shim(&denying), new = make_shim(&revoking),
	                            deny_key = make_shim(&denying_key);
	AUTO_IMAGE struct efi_image plain = make_grub(NEW_GRUB, NULL), strange = make_grub(NEW_GRUB, &stranger),
	                            bare = make_grub(NULL, &vendor),
	                            old = make_grub(SBAT1 "grub,4,F,grub,2.06,u\n", &vendor);

	check_judged(&shim, &plain, &kernel, NULL, SECURE_BOOT_NO, "EFI/BOOT/grubx64.efi (GRUB 2.12) is not signed");
	check_judged(&shim, &strange, &kernel, NULL, SECURE_BOOT_NO,
	             "EFI/BOOT/grubx64.efi (GRUB 2.12) is signed by Stranger (Stranger), which shim does not trust "
	             "(it trusts Vendor CA)");
	check_judged(&shim, &bare, &kernel, NULL, SECURE_BOOT_NO, "EFI/BOOT/grubx64.efi (GRUB) has no SBAT lines");
	check_judged(&deny, &good, &kernel, NULL, SECURE_BOOT_NO, "is on the list of what this shim revokes");
	check_judged(&deny_key, &good, &kernel, NULL, SECURE_BOOT_NO, "is on the list of what this shim revokes");
	check_judged(&new, &old, &kernel, NULL, SECURE_BOOT_NO,
	             "(GRUB 2.06) is too old for this shim (SBAT grub,4, where 5 is demanded)");
	check_judged(&shim, &good, &kernel, NULL, SECURE_BOOT_YES, "");
}

/* ---- kernels */

TEST(kernels_that_are_bad)
{
	make_keys();
	AUTO_IMAGE struct efi_image shim = make_shim(&new_shim), grub = make_grub(NEW_GRUB, &vendor);
	AUTO_IMAGE struct efi_image good = make_kernel("1", &vendor), plain = make_kernel("2", NULL),
	                            strange = make_kernel("3", &stranger);

	check_judged(&shim, &grub, &plain, NULL, SECURE_BOOT_NO, "the kernel /live/vmlinuz is not signed");
	check_judged(&shim, &grub, NULL, NULL, SECURE_BOOT_NO,
	             "the kernel /live/vmlinuz is not signed, for it is no EFI");
	check_judged(&shim, &grub, &strange, &plain, SECURE_BOOT_NO,
	             "the kernel /live/vmlinuz is signed by Stranger (Stranger), which shim does not trust");
	check_judged(&shim, &grub, &good, &plain, SECURE_BOOT_PARTLY,
	             "GRUB 2.12 and the kernel by the key of Vendor CA in shim; "
	             "1 of 2 kernels do not start: the kernel /live/vmlinuz2 is not signed");
	check_judged(&shim, &grub, &plain, &good, SECURE_BOOT_PARTLY, "the kernel /live/vmlinuz is not signed");
}

/* ---- age */

TEST(revoked_on_some_pcs)
{
	static const struct {
		const char *shim, *grub;
		enum secure_boot_verdict verdict;
		const char *words;
	} rows[] = {
		{ SBAT1 "shim,3,U,shim,1,u\n", NEW_GRUB, SECURE_BOOT_UNKNOWN,
		  "but PCs that had a Windows update since August 2024 refuse this shim (SBAT shim,3, where 4 is "
		  "demanded)" },
		{ NULL, NEW_GRUB, SECURE_BOOT_UNKNOWN, "but this shim is of before 2021" },
		{ SBAT1 "shim,4,U,shim,1,u\n", SBAT1 "grub,2,F,grub,2.06,u\n", SECURE_BOOT_UNKNOWN,
		  "refuse this GRUB (SBAT grub,2, where 3 is demanded)" },
		{ SBAT1 "shim,4,U,shim,1,u\n", SBAT1 "grub,4,F,grub,2.06,u\ngrub.debian,3,D,grub2,2.06-9,u\n",
		  SECURE_BOOT_UNKNOWN, "refuse this GRUB (SBAT grub.debian,3, where 4 is demanded)" },
		{ SBAT1 "shim,4,U,shim,1,u\n", SBAT1 "grub,4,F,grub,2.06,u\n", SECURE_BOOT_YES,
		  "but PCs that once started a Linux of 2025 or later refuse this GRUB (SBAT grub,4, where 5 is "
		  "demanded)" },
	};

	make_keys();
	AUTO_IMAGE struct efi_image kernel = make_kernel("1", &vendor);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct shim_facts facts = { .sbat = rows[i].shim, .level = "sbat,1,2021030218\n" };
		AUTO_IMAGE struct efi_image shim = make_shim(&facts), grub = make_grub(rows[i].grub, &vendor);

		check_judged(&shim, &grub, &kernel, NULL, rows[i].verdict, rows[i].words);
	}
}

/* ---- what others wrote goes to the terminal */

TEST(names_are_escaped)
{
	make_keys();
	CLEANUP(key_free) struct key odd = key_make("evil\x1b[2Jname", NULL);
	AUTO_IMAGE struct efi_image shim = make_shim(&new_shim);
	AUTO_IMAGE struct efi_image grub = make_grub(SBAT1 "grub,5,F,grub,2\x1b.06,u\n", &odd);
	AUTO_BUF struct buf why = { 0 };
	const struct secure_boot_chain c = { &shim, &grub, NULL, NULL, 0 };

	CHECK_U64(secure_boot_judge(&c, &why), SECURE_BOOT_NO);
	CHECK(strstr(why.s, "evil\\x1b[2Jname") && strstr(why.s, "GRUB 2\\x1b.06") && !strchr(why.s, '\x1b'));
}

/* ---- the real ones */

static struct efi_image read_real(const char *path, size_t flip)
{
	static u8 piece[65536];
	FILE *f = fopen(path, "rb");
	struct buf b = { 0 };
	size_t n;

	if (!f)
		test_skip(path);
	while ((n = fread(piece, 1, sizeof(piece), f)))
		buf_add(&b, piece, n);
	fclose(f);
	if (flip)
		b.s[flip] ^= 1;
	return read_and_free(&b);
}

TEST(debians_chain)
{
	static const char shim_path[] = "/usr/lib/shim/shimx64.efi.signed";
	static const char grub_path[] = "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed";
	AUTO_IMAGE struct efi_image shim = read_real(shim_path, 0), grub = read_real(grub_path, 0);
	AUTO_IMAGE struct efi_image bad_shim = read_real(shim_path, 100000), bad_grub = read_real(grub_path, 100000);

	make_keys();
	AUTO_IMAGE struct efi_image own = make_grub(NEW_GRUB, &vendor), kernel = make_kernel("1", &vendor);
	/* Debian's GRUB stands for a kernel: the same key signed it. */
	check_judged(&shim, &grub, &grub, NULL, SECURE_BOOT_YES,
	             "the kernel by the key of Debian Secure Boot CA in shim");
	check_judged(&shim, &grub, &grub, NULL, SECURE_BOOT_YES, "is signed by Microsoft ");
	check_judged(&shim, &grub, &kernel, NULL, SECURE_BOOT_NO,
	             "which shim does not trust (it trusts Debian Secure Boot CA)");
	check_judged(&shim, &grub, &grub, &kernel, SECURE_BOOT_PARTLY,
	             "the kernel /live/vmlinuz2 is signed by Vendor CA");
	check_judged(&shim, &own, &grub, NULL, SECURE_BOOT_NO, "(GRUB 2.12) is signed by Vendor CA");
	check_judged(&grub, NULL, &grub, NULL, SECURE_BOOT_NO, "is signed by Debian Secure Boot CA");
	check_judged(&bad_shim, &grub, &grub, NULL, SECURE_BOOT_NO,
	             "EFI/BOOT/BOOTX64.EFI was changed after it was signed");
	check_judged(&shim, &bad_grub, &grub, NULL, SECURE_BOOT_NO, "EFI/BOOT/grubx64.efi (GRUB");
}

int main(int argc, char **argv)
{
	int r = test_main(argc, argv);

	key_free(&vendor_ca);
	key_free(&vendor);
	key_free(&stranger);
	return r;
}
