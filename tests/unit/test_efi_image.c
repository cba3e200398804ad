/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include <glob.h>
#include <sys/stat.h>

#include "bootinst/efi_image.h"
#include "tests/unit/efi_host.h"
#include "tests/unit/efi_pe.h"

/* ---- helpers */

static struct efi_image read_file(const char *path)
{
	AUTO_BUF struct buf b = load_or_skip(path);

	return read_buf(&b);
}

static bool has_path(const struct efi_paths *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->path[i], path) == 0)
			return true;
	return false;
}

static void check_paths(const struct efi_image *img, const char *const *want)
{
	CLEANUP(efi_paths_free) struct efi_paths paths = { 0 };
	size_t n = 0;

	grub_config_paths(img, "/EFI/BOOT", &paths);
	for (; want[n]; n++)
		if (!has_path(&paths, want[n]))
			test_fail(__FILE__, __LINE__, "%s is not among the paths", want[n]);
	CHECK_U64(paths.n, n);
	for (size_t i = 0; paths.n != n && i < paths.n; i++)
		printf("# path %s\n", paths.path[i]);
}

/* ---- the programs of Debian */

TEST(debians_shim)
{
	CLEANUP(efi_image_free) struct efi_image img = read_file(SHIM "shimx64.efi.signed");
	bool microsoft = false;

	CHECK_U64(img.machine, EFI_X64);
	CHECK_U64(img.kind, EFI_SHIM);
	CHECK(img.version && img.version[0] == '1' && strchr(img.version, '.'));
	CHECK(img.has_digest && img.n_signatures >= 1);
	for (size_t i = 0; i < img.n_signatures; i++) {
		CHECK(img.signature[i].intact);
		microsoft = microsoft || img.signature[i].microsoft_ca;
		if (img.signature[i].microsoft_ca)
			CHECK_STR(img.signature[i].issuer, img.signature[i].microsoft_ca);
	}
	CHECK(microsoft);
	CHECK(img.sbat && strstr(img.sbat, "\nshim,"));
	CHECK(img.sbat_level && strncmp(img.sbat_level, "sbat,1,20", 9) == 0 && strstr(img.sbat_level, "\nshim,"));
	CHECK_U64(img.vendor.n_certs, 1);
	CHECK_STR(img.vendor.cert[0].name, "Debian Secure Boot CA");
	CHECK(img.vendor_denied.n_digests > 50 && img.vendor_denied.n_certs == 0);
}

TEST(debians_shim_trusts_debians_grub)
{
	CLEANUP(efi_image_free) struct efi_image shim = read_file(SHIM "shimx64.efi.signed");
	CLEANUP(efi_image_free) struct efi_image grub = read_file(GRUB "gcdx64.efi.signed");
	CLEANUP(efi_image_free) struct efi_image mm = read_file(SHIM "mmx64.efi.signed");
	const char *by = NULL;

	CHECK(efi_image_is_listed(&grub, &shim.vendor, &by));
	CHECK_STR(by, "Debian Secure Boot CA");
	CHECK(efi_image_is_listed(&mm, &shim.vendor, &by));
	CHECK(!efi_image_is_listed(&shim, &shim.vendor, &by));
	CHECK(!efi_image_is_listed(&grub, &shim.vendor_denied, &by));
	CHECK_STR(grub.signature[0].issuer, "Debian Secure Boot CA");
	CHECK(!grub.signature[0].microsoft_ca);
}

TEST(debians_grub_for_media)
{
	CLEANUP(efi_image_free) struct efi_image img = read_file(GRUB "gcdx64.efi.signed");

	CHECK_U64(img.kind, EFI_GRUB);
	CHECK(img.version && strstr(img.version, "deb"));
	CHECK_STR(img.grub_prefix, "/boot/grub");
	CHECK(!img.grub_memdisk_unknown);
	CHECK(img.grub_config && strncmp(img.grub_config, "normal (memdisk)/grub.cfg\n", 26) == 0);
	CHECK(strstr(img.grub_config, "search --file --set=root /.disk/info"));
	CHECK(img.grub_has_linuxefi);
	CHECK(efi_grub_has_module(&img, "ext2") && efi_grub_has_module(&img, "fat"));
	CHECK(efi_grub_has_module(&img, "search_fs_uuid") && efi_grub_has_module(&img, "linux"));
	CHECK(!efi_grub_has_module(&img, "ext") && !efi_grub_has_module(&img, "reiserfs"));
	check_paths(&img, (const char *const[]){ "/boot/grub/grub.cfg", "/boot/grub/x86_64-efi/grub.cfg",
	                                         "/EFI/BOOT/grub.cfg", NULL });
}

TEST(debians_grub_for_disks)
{
	CLEANUP(efi_image_free) struct efi_image img = read_file(GRUB "grubx64.efi.signed");

	CHECK_STR(img.grub_prefix, "/EFI/debian");
	check_paths(&img, (const char *const[]){ "/EFI/debian/grub.cfg", "/EFI/debian/x86_64-efi/grub.cfg",
	                                         "/boot/grub/grub.cfg", "/boot/grub/x86_64-efi/grub.cfg",
	                                         "/EFI/BOOT/grub.cfg", NULL });
}

TEST(kinds_of_debians_programs)
{
	static const struct {
		const char *path;
		enum efi_kind kind;
		enum efi_machine machine;
		bool has_version;
	} rows[] = {
		{ SHIM "mmx64.efi.signed", EFI_MOK_MANAGER, EFI_X64, true },
		{ SHIM "fbx64.efi.signed", EFI_OTHER, EFI_X64, false },
		{ "/usr/lib/systemd/boot/efi/systemd-bootx64.efi", EFI_SYSTEMD_BOOT, EFI_X64, true },
		{ "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", EFI_OTHER, EFI_X64, false },
		{ "/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi", EFI_SYSLINUX, EFI_X64, true },
		{ "/usr/lib/SYSLINUX.EFI/efi32/syslinux.efi", EFI_SYSLINUX, EFI_IA32, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(efi_image_free) struct efi_image img = read_file(rows[i].path);

		if (img.kind != rows[i].kind || img.machine != rows[i].machine || !img.version == rows[i].has_version)
			test_fail(__FILE__, __LINE__, "%s: kind %d machine %d version %s", rows[i].path, img.kind,
			          img.machine, img.version ? img.version : "none");
	}
}

/* Out of the live ISO that the other tests have made. */
TEST(debians_kernel)
{
	CLEANUP(efi_image_free) struct efi_image shim = read_file(SHIM "shimx64.efi.signed");
	CLEANUP(efi_image_free) struct efi_image kernel = { 0 };
	AUTO_BUF struct buf isos = { 0 }, command = { 0 };
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *by = NULL;
	char dir[] = "/tmp/livestick-efi-XXXXXX";
	glob_t found;
	int r;

	buf_addf(&isos, "%s%s/livestick/small-*.iso", cache ? cache : home ? home : "", cache ? "" : "/.cache");
	if (glob(isos.s, 0, NULL, &found) != 0)
		test_skip("no live ISO has been made yet");
	CHECK(mkdtemp(dir) != NULL);
	buf_addf(&command, "cd %s && xorriso -osirrox on -indev %s -extract /live/vmlinuz k >log 2>&1", dir,
	         found.gl_pathv[0]);
	globfree(&found);
	r = system(command.s);
	buf_clear(&command);
	buf_addf(&command, "%s/k", dir);
	if (r == 0)
		kernel = read_file(command.s);
	buf_clear(&command);
	buf_addf(&command, "rm -rf %s", dir);
	CHECK(system(command.s) == 0);
	CHECK(r == 0);
	CHECK_U64(kernel.kind, EFI_LINUX);
	CHECK(kernel.version && strstr(kernel.version, "-amd64"));
	CHECK(efi_image_is_listed(&kernel, &shim.vendor, &by));
}

/* osslsigncode computes the digest by its own code. */
TEST(digest_as_osslsigncode_has_it)
{
	CLEANUP(efi_image_free) struct efi_image img = { 0 };
	char hex[SHA256_HEX_SIZE], said[128] = "";
	FILE *f;

	if (system("command -v osslsigncode >/dev/null") != 0)
		test_skip("no osslsigncode");
	img = read_file(GRUB "gcdx64.efi.signed");
	f = popen("osslsigncode verify -in " GRUB "gcdx64.efi.signed 2>/dev/null | "
	          "sed -n 's/^Calculated message digest *: \\([0-9A-F]*\\).*/\\1/p' | tr A-F a-f",
	          "r");
	CHECK(f && fgets(said, sizeof(said), f));
	pclose(f);
	said[strcspn(said, "\n")] = '\0';
	sha256_hex(img.digest, hex);
	CHECK_STR(said, hex);
}

TEST(a_changed_byte_breaks_the_signature)
{
	AUTO_BUF struct buf b = load_or_skip(SHIM "shimx64.efi.signed");
	u32 pe = get_le32((u8 *)b.s + 60);
	const size_t places[] = { 70, pe + 8, 0x1000, b.len / 2, get_le32((u8 *)b.s + pe + 24 + 144) - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		CLEANUP(efi_image_free) struct efi_image img = { 0 };

		b.s[places[i]] ^= 1;
		img = read_buf(&b);
		b.s[places[i]] ^= 1;
		CHECK(img.n_signatures >= 1);
		for (size_t k = 0; k < img.n_signatures; k++)
			if (img.signature[k].intact || img.signature[k].microsoft_ca)
				test_fail(__FILE__, __LINE__, "byte %zu does not count", places[i]);
	}
	/* The checksum of the PE format is no part of it. */
	b.s[pe + 24 + 64] ^= 1;
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK(img.signature[0].intact);
}

/* ---- made programs */

TEST(kernels)
{
	static const struct pe_part text = { ".text", "code", 4 }, uki = { ".linux", "x", 1 };
	AUTO_BUF struct buf b = pe_make(AMD64, &text, 1), u = pe_make(0xaa64, &uki, 1);

	{
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);

		CHECK_U64(img.kind, EFI_OTHER);
		CHECK(!img.version && !img.n_signatures && !img.sbat);
	}
	memcpy(b.s + 0x202, "HdrS", 4);
	put_le16((u8 *)b.s + 0x20e, 0x100);
	memcpy(b.s + 0x300, "6.1.0-x\x1b (somebody) #1", 23);
	{
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);

		CHECK_U64(img.kind, EFI_LINUX);
		CHECK_STR(img.version, "6.1.0-x\\x1b");
	}
	put_le16((u8 *)b.s + 0x20e, 0xfff0);
	{
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);

		CHECK_U64(img.kind, EFI_LINUX);
		CHECK(!img.version);
	}
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&u);
	CHECK_U64(img.kind, EFI_LINUX);
	CHECK_U64(img.machine, EFI_AA64);
}

TEST(sbat_lines)
{
	static const char text[] = "\r\nsbat,1,a,b,1,u\nshim\n\ngrub,x7,F,g,2.06,u\r\nlast,99999999999";
	const char *at = text;
	struct efi_sbat row;

	CHECK(efi_sbat_next(&at, &row));
	CHECK(row.component_len == 4 && memcmp(row.component, "sbat", 4) == 0 && row.generation == 1);
	CHECK(row.version_len == 1 && row.version[0] == '1');
	CHECK(efi_sbat_next(&at, &row));
	CHECK(row.component_len == 4 && memcmp(row.component, "shim", 4) == 0);
	CHECK_U64(row.generation, 0);
	CHECK_U64(row.version_len, 0);
	CHECK(efi_sbat_next(&at, &row));
	CHECK(row.version_len == 4 && memcmp(row.version, "2.06", 4) == 0 && row.generation == 0);
	CHECK(efi_sbat_next(&at, &row));
	CHECK_U64(row.generation, 0xffff);
	CHECK(!efi_sbat_next(&at, &row));
}

TEST(signatures)
{
	CLEANUP(key_free)
	struct key ca = key_make("Test CA", NULL), other = key_make("Other CA", NULL),
	           signer = key_make("Signer \x07 1", &ca);
	AUTO_BUF struct buf der = key_der(&ca), other_der = key_der(&other);
	static const struct pe_part part = { ".text", "some code", 9 };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);
	struct efi_cert certs[] = { { (char *)"Other CA", (u8 *)other_der.s, other_der.len },
		                    { (char *)"Test CA", (u8 *)der.s, der.len } };
	struct efi_key_list list = { .cert = certs, .n_certs = 2 };
	const char *by = NULL;

	pe_sign(&b, &signer);
	{
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);

		CHECK_U64(img.n_signatures, 1);
		CHECK(img.signature[0].intact && !img.signature[0].microsoft_ca);
		CHECK_STR(img.signature[0].signer, "Signer \\x07 1");
		CHECK_STR(img.signature[0].issuer, "Test CA");
		CHECK(efi_image_is_listed(&img, &list, &by));
		CHECK_STR(by, "Test CA");
		list.n_certs = 1;
		CHECK(!efi_image_is_listed(&img, &list, &by));
	}
	pe_sign(&b, &other); /* a second signature, by the CA's own key */
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK_U64(img.n_signatures, 2);
	CHECK(img.signature[0].intact && img.signature[1].intact);
	CHECK(efi_image_is_listed(&img, &list, &by));
	CHECK_STR(by, "Other CA");
}

TEST(sections_count_in_the_order_of_the_file)
{
	CLEANUP(key_free) struct key ca = key_make("Test CA", NULL);
	static const struct pe_part parts[] = { { ".a", "first", 5 }, { ".b", "second", 6 }, { ".c", "", 0 } };
	AUTO_BUF struct buf b = pe_make(AMD64, parts, 3);
	u8 swap[40];

	memcpy(swap, b.s + PE_TABLE, 40);
	memcpy(b.s + PE_TABLE, b.s + PE_TABLE + 40, 40);
	memcpy(b.s + PE_TABLE + 40, swap, 40);
	pe_sign(&b, &ca);
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK(img.n_signatures == 1 && img.signature[0].intact);
}

/* The certificate of Microsoft's CA is public: who puts it beside his own signature has not got theirs. */
TEST(microsofts_certificate_beside_a_strangers_signature)
{
	CLEANUP(efi_image_free) struct efi_image shim = read_file(SHIM "shimx64.efi.signed");
	CLEANUP(key_free) struct key stranger = key_make("Stranger", NULL);
	static const struct pe_part part = { ".text", "some code", 9 };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1), own_der = { 0 };
	const u8 *p = shim.signature[0].pkcs7;
	PKCS7 *theirs = d2i_PKCS7(NULL, &p, (long)shim.signature[0].len), *own;
	u8 digest[SHA256_SIZE], *der = NULL;
	int len;

	pe_pad(&b, 8);
	pe_test_digest(&b, b.len, digest);
	own_der = pkcs7_make(digest, &stranger);
	p = (u8 *)own_der.s;
	own = d2i_PKCS7(NULL, &p, (long)own_der.len);
	for (int i = 0; i < sk_X509_num(theirs->d.sign->cert); i++)
		PKCS7_add_certificate(own, sk_X509_value(theirs->d.sign->cert, i));
	len = i2d_PKCS7(own, &der);
	pe_add_signature(&b, der, (size_t)len);
	OPENSSL_free(der);
	PKCS7_free(own);
	PKCS7_free(theirs);
	CHECK(shim.signature[0].microsoft_ca && memmem(b.s, b.len, shim.signature[0].microsoft_ca, 20));
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK(img.n_signatures == 1 && img.signature[0].intact);
	CHECK(!img.signature[0].microsoft_ca);
	CHECK_STR(img.signature[0].issuer, "Stranger");
}

TEST(a_signature_of_another_file)
{
	CLEANUP(key_free) struct key ca = key_make("Test CA", NULL);
	static const struct pe_part part = { ".text", "some code", 9 };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1), der = key_der(&ca);
	struct efi_cert cert = { (char *)"Test CA", (u8 *)der.s, der.len };
	struct efi_key_list list = { .cert = &cert, .n_certs = 1 };
	const char *by;

	pe_sign(&b, &ca);
	b.s[PE_HEADERS] ^= 1;
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK_U64(img.n_signatures, 1);
	CHECK(!img.signature[0].intact);
	CHECK(!efi_image_is_listed(&img, &list, &by));
	CHECK_STR(img.signature[0].signer, "Test CA");
}

/* The right digest, but what the key signed was another: the digest in the content was put right afterwards. */
TEST(a_forged_digest)
{
	CLEANUP(key_free) struct key ca = key_make("Test CA", NULL);
	static const struct pe_part part = { ".text", "some code", 9 };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);
	u8 old[SHA256_SIZE], new[SHA256_SIZE];
	u8 *in_content;
	u32 end;

	pe_sign(&b, &ca);
	end = get_le32((u8 *)b.s + PE_SECDIR);
	sha256_of("", 0, old);
	{
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
		memcpy(old, img.digest, sizeof(old));
	}
	b.s[PE_HEADERS] ^= 1;
	{
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
		memcpy(new, img.digest, sizeof(new));
	}
	CHECK(memcmp(old, new, sizeof(old)) != 0);
	in_content = memmem(b.s + end, b.len - end, old, sizeof(old));
	CHECK(in_content != NULL);
	if (in_content)
		memcpy(in_content, new, sizeof(new));
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK(img.n_signatures == 1 && !img.signature[0].intact);
}

/* The list of digest algorithms is not signed: anybody can change it. */
TEST(digest_algorithms_other_than_one_sha256)
{
	CLEANUP(key_free) struct key ca = key_make("Test CA", NULL);

	for (int wanted = 0; wanted < 5; wanted++) {
		u8 digest[SHA256_SIZE] = { 0 }, *der = NULL;
		static const struct pe_part part = { ".text", "some code", 9 };
		AUTO_BUF struct buf b = pe_make(AMD64, &part, 1), p7_der = { 0 };
		const u8 *p;
		PKCS7 *p7;
		int len;

		pe_pad(&b, 8);
		pe_test_digest(&b, b.len, digest);
		p7_der = pkcs7_make(digest, &ca);
		p = (u8 *)p7_der.s;
		p7 = d2i_PKCS7(NULL, &p, (long)p7_der.len);
		if (!wanted)
			X509_ALGOR_free(sk_X509_ALGOR_pop(p7->d.sign->md_algs));
		for (int i = 1; i < wanted && wanted < 4; i++)
			sk_X509_ALGOR_push(p7->d.sign->md_algs,
			                   X509_ALGOR_dup(sk_X509_ALGOR_value(p7->d.sign->md_algs, 0)));
		if (wanted == 4)
			X509_ALGOR_set0(sk_X509_ALGOR_value(p7->d.sign->md_algs, 0), OBJ_txt2obj("1.2.3.4", 1),
			                V_ASN1_UNDEF, NULL);
		len = i2d_PKCS7(p7, &der);
		pe_add_signature(&b, der, (size_t)len);
		OPENSSL_free(der);
		PKCS7_free(p7);
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
		CHECK_U64(img.n_signatures, 1);
		CHECK(img.signature[0].intact == (wanted == 1));
	}
}

TEST(bytes_that_nobody_signed)
{
	CLEANUP(key_free) struct key ca = key_make("Test CA", NULL);
	static const struct pe_part part = { ".text", "some code", 9 };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);

	pe_sign(&b, &ca);
	buf_add(&b, "behind ", 8);
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	CHECK(!img.has_digest);
	CHECK(img.n_signatures == 1 && !img.signature[0].intact);
}

TEST(vendor_lists)
{
	CLEANUP(key_free) struct key one = key_make("Vendor 1", NULL), two = key_make("Vendor 2", NULL);
	AUTO_BUF struct buf one_der = key_der(&one), two_der = key_der(&two), allowed = { 0 }, denied = { 0 };
	u8 digests[3][SHA256_SIZE] = { { 1 }, { 2 }, { 3 } };

	esl_add(&allowed, GUID_X509, one_der.s, one_der.len, 1);
	esl_add(&allowed, GUID_SHA256, digests, SHA256_SIZE, 3);
	esl_add(&allowed, "0123456789abcdef", "nobody knows", 12, 1);
	esl_add(&allowed, GUID_X509, two_der.s, two_der.len, 1);
	esl_add(&denied, GUID_SHA256, digests[1], SHA256_SIZE, 1);
	AUTO_BUF struct buf vendor = vendor_cert_make(&allowed, &denied);
	const struct pe_part parts[] = { { ".vendor_cert", vendor.s, vendor.len },
		                         { ".data.ident", "UEFI SHIM\n$Version: 15.8 $\n", 28 } };
	AUTO_BUF struct buf b = pe_make(AMD64, parts, 2);
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);
	const char *by = "";

	CHECK_U64(img.kind, EFI_SHIM);
	CHECK_STR(img.version, "15.8");
	CHECK_U64(img.vendor.n_certs, 2);
	CHECK_STR(img.vendor.cert[1].name, "Vendor 2");
	CHECK_U64(img.vendor.n_digests, 3);
	CHECK_U64(img.vendor_denied.n_digests, 1);
	CHECK_U64(img.vendor_denied.n_certs, 0);
	CHECK(!efi_image_is_listed(&img, &img.vendor, &by));
	memcpy(img.vendor.digest[2], img.digest, SHA256_SIZE);
	CHECK(efi_image_is_listed(&img, &img.vendor, &by) && !by);
}

TEST(grub_scripts)
{
	static const struct {
		const char *prefix, *script, *want[8];
	} rows[] = {
		{ NULL, NULL, { "/EFI/BOOT/grub.cfg" } },
		{ "/boot/grub", NULL, { "/EFI/BOOT/grub.cfg", "/boot/grub/grub.cfg" } },
		{ "(,gpt2)/grub", NULL, { "/EFI/BOOT/grub.cfg", "/grub/grub.cfg" } },
		{ "(,gpt2)", NULL, { "/EFI/BOOT/grub.cfg" } },
		{ "(memdisk)/boot/grub", "configfile ${cmdpath}/x.cfg", { "/EFI/BOOT/grub.cfg", "/EFI/BOOT/x.cfg" } },
		{ "/a",
		  "if ! [ -e $prefix/no.cfg ]; then source '/b c/grub.cfg' # source /d\nfi;configfile "
		  "\"($root)/e.cfg\"",
		  { "/EFI/BOOT/grub.cfg", "/a/grub.cfg", "/b c/grub.cfg", "/e.cfg" } },
		{ "/a",
		  "search --no-floppy --set=dev --file /x\nset p=($dev)/q\nprefix=$p\nnormal\n. $unknown/z.cfg",
		  { "/EFI/BOOT/grub.cfg", "/a/grub.cfg", "/q/grub.cfg" } },
		{ "/a",
		  "search.fs_uuid 12-34 r hd0\nconfigfile ($r)/$grub_cpu-$grub_platform.cfg\nsource relative.cfg",
		  { "/EFI/BOOT/grub.cfg", "/a/grub.cfg", "/x86_64-efi.cfg" } },
		{ "/../..",
		  "source /../../etc/x\nsource (memdisk)/y\nsource (tftp,1.2.3.4)/z",
		  { "/EFI/BOOT/grub.cfg" } },
		{ "/efi//boot/.", NULL, { "/EFI/BOOT/grub.cfg" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_BUF struct buf mods = grub_mods_make(NULL, rows[i].script, rows[i].prefix);
		const struct pe_part part = { "mods", mods.s, mods.len };
		AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);

		CHECK_U64(img.kind, EFI_GRUB);
		check_paths(&img, rows[i].want);
	}
}

/* Scripts that would grow without end: each value of a variable in each place. */
TEST(grub_script_that_explodes)
{
	AUTO_BUF struct buf script = { 0 };
	CLEANUP(efi_paths_free) struct efi_paths paths = { 0 };

	for (int i = 0; i < 1000; i++)
		buf_addf(&script, "set a=/%d$a$a$a$a\nset b=$a$b$b/%d\nsource $a$b$a$b$a$b$a$b\nset a=$b$b\n", i, i);
	for (int i = 0; i < 20000; i++)
		buf_adds(&script, "$");
	AUTO_BUF struct buf mods = grub_mods_make(NULL, script.s, "$prefix$a");
	const struct pe_part part = { "mods", mods.s, mods.len };
	AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);
	CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);

	grub_config_paths(&img, "/EFI/BOOT", &paths);
	CHECK(paths.n >= 1 && paths.n <= 64);
}

TEST(grub_memdisk)
{
	AUTO_BUF struct buf tar = { 0 }, junk = { 0 };

	tar_add(&tar, "boot/grub/", '5', "");
	tar_add(&tar, "boot/grub/other.cfg", '0', "configfile /wrong.cfg");
	tar_add(&tar, "boot/grub/grub.cfg", '0', "set prefix=($root)/live/grub\nsource $prefix/i.cfg\n");
	buf_adds(&junk, "hsqs: nothing that we can read");
	pe_pad(&junk, 512);
	const struct buf *const disks[] = { &tar, &junk };
	const char *const want[][6] = {
		{ "/EFI/BOOT/grub.cfg", "/live/grub/grub.cfg", "/live/grub/i.cfg" },
		{ "/EFI/BOOT/grub.cfg", "/boot/grub/grub.cfg", "/boot/grub/x86_64-efi/grub.cfg" },
	};

	for (size_t i = 0; i < 2; i++) {
		AUTO_BUF struct buf mods = grub_mods_make(disks[i], NULL, "(memdisk)/boot/grub");
		const struct pe_part part = { "mods", mods.s, mods.len };
		AUTO_BUF struct buf b = pe_make(AMD64, &part, 1);
		CLEANUP(efi_image_free) struct efi_image img = read_buf(&b);

		CHECK(img.grub_memdisk_unknown == (i == 1));
		CHECK((img.grub_config != NULL) == (i == 0));
		check_paths(&img, want[i]);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
