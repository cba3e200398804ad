/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who signed an EFI program, and whom shim trusts. */
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "bootinst/efi_image_private.h"

#define SECTION_SIZE 40

#define WIN_CERT_HEADER     8
#define WIN_CERT_TYPE_PKCS7 2
#define SIGNATURES_MAX      8
#define SIGNATURE_SIZE_MAX  MIB

#define LIST_HEADER    28 /* EFI_SIGNATURE_LIST: GUID, u32 size of all, of a further header, of an entry */
#define OWNER_SIZE     16 /* GUID at the start of each entry */
#define CERTS_MAX      64
#define DIGESTS_MAX    4096
#define VENDOR_HEADER  16
#define DER_SHORT_HEAD 4 /* of a certificate: 0x30 0x82 and two bytes of length */

static const u8 guid_x509[] = { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
	                        0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72 };
static const u8 guid_sha256[] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
	                          0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };

/* Microsoft's CAs for the programs of others, by the SHA-256 of the certificate: firmware has one or both in its db. */
static const struct {
	const char *name;
	u8 fingerprint[SHA256_SIZE];
} microsoft_cas[] = {
	{ "Microsoft Corporation UEFI CA 2011",
	  { 0x48, 0xe9, 0x9b, 0x99, 0x1f, 0x57, 0xfc, 0x52, 0xf7, 0x61, 0x49, 0x59, 0x9b, 0xff, 0x0a, 0x58,
	    0xc4, 0x71, 0x54, 0x22, 0x9b, 0x9f, 0x8d, 0x60, 0x3a, 0xc4, 0x0d, 0x35, 0x00, 0x24, 0x85, 0x07 } },
	{ "Microsoft UEFI CA 2023",
	  { 0xf6, 0x12, 0x4e, 0x34, 0x12, 0x5b, 0xee, 0x3f, 0xe6, 0xd7, 0x9a, 0x57, 0x4e, 0xaa, 0x7b, 0x91,
	    0xc0, 0xe7, 0xbd, 0x9d, 0x92, 0x9c, 0x1a, 0x32, 0x11, 0x78, 0xef, 0xd6, 0x11, 0xda, 0xd9, 0x01 } },
};

/* ---- Authenticode digest */

struct section_list {
	struct bytes part[PE_SECTIONS_MAX];
	size_t n;
};

/* The sections' bytes in the order they have in the file; false when some are not there. */
static bool sort_sections(const struct pe *pe, struct section_list *l)
{
	for (unsigned i = 0; i < pe->n_sections; i++) {
		const u8 *s = pe->sections + i * SECTION_SIZE;
		struct bytes part = bytes_at(pe->file, get_le32(s + 20), get_le32(s + 16));
		size_t at = l->n;

		if (!get_le32(s + 16))
			continue;
		if (!part.p)
			return false;
		for (; at > 0 && part.p < l->part[at - 1].p; at--)
			l->part[at] = l->part[at - 1];
		l->part[at] = part;
		l->n++;
	}
	return true;
}

/*
 * Everything but the checksum, the entry of the signatures and the signatures: the headers, the sections, the rest,
 * which begins where the sum of the former ends. A file without signatures counts as padded to 8 bytes.
 */
static bool pe_digest(const struct pe *pe, u64 signatures_size, u8 ret[SHA256_SIZE])
{
	static const u8 zeros[8];
	size_t after_checksum = pe->checksum_off + 4, before = pe->secdir_off, after = pe->secdir_off + 8;
	struct section_list l = { .n = 0 };
	u64 sum = pe->headers_size;
	struct sha256 *h;

	if (!before || after > pe->headers_size || !sort_sections(pe, &l))
		return false;
	for (size_t i = 0; i < l.n; i++)
		sum += l.part[i].len;
	if (sum > pe->file.len || signatures_size > pe->file.len - sum)
		return false;
	if (signatures_size && get_le32(pe->file.p + pe->secdir_off) != pe->file.len - signatures_size)
		return false;
	h = sha256_new();
	sha256_add(h, pe->file.p, pe->checksum_off);
	sha256_add(h, pe->file.p + after_checksum, before - after_checksum);
	sha256_add(h, pe->file.p + after, pe->headers_size - after);
	for (size_t i = 0; i < l.n; i++)
		sha256_add(h, l.part[i].p, l.part[i].len);
	sha256_add(h, pe->file.p + sum, pe->file.len - signatures_size - sum);
	if (!signatures_size && sum < pe->file.len)
		sha256_add(h, zeros, -pe->file.len & 7);
	sha256_end(h, ret);
	return true;
}

/* ---- PKCS #7 */

static void free_pkcs7(PKCS7 **p7)
{
	PKCS7_free(*p7);
	ERR_clear_error(); /* what was wrong is in what we return */
}

#define AUTO_PKCS7 CLEANUP(free_pkcs7)

/*
 * The digest algorithms are no part of what is signed. Authenticode has one, and shim knows only SHA-256; with one that
 * libcrypto does not know PKCS7_verify() leaks memory.
 */
static bool has_sha256_alone(const STACK_OF(X509_ALGOR) * algorithms)
{
	const ASN1_OBJECT *oid;

	if (sk_X509_ALGOR_num(algorithms) != 1)
		return false;
	X509_ALGOR_get0(&oid, NULL, NULL, sk_X509_ALGOR_value(algorithms, 0));
	return OBJ_obj2nid(oid) == NID_sha256;
}

static PKCS7 *parse_pkcs7(const u8 *der, size_t len)
{
	PKCS7 *p7 = d2i_PKCS7(NULL, &der, (long)len);

	if (p7 && PKCS7_type_is_signed(p7) && p7->d.sign && p7->d.sign->contents &&
	    has_sha256_alone(p7->d.sign->md_algs))
		return p7;
	free_pkcs7(&p7);
	return NULL;
}

/* The contents of the DER element at the start of `b`, which must be of type `tag`; *ret_after: what follows it. */
static struct bytes der_enter(struct bytes b, int tag, struct bytes *ret_after)
{
	const u8 *p = b.p;
	long len = 0;
	int found, class;
	int r = p ? ASN1_get_object(&p, &len, &found, &class, (long)b.len) : 0x80;
	struct bytes inner = { NULL, 0 };

	/* Bit 7: an error; bit 0: of indefinite length, which DER has not. */
	if (!(r & 0x81) && class == V_ASN1_UNIVERSAL && (!tag || found == tag))
		inner = bytes_at(b, (u64)(p - b.p), (u64)len);
	*ret_after = inner.p ? bytes_at(b, (u64)(inner.p - b.p) + inner.len, (u64)(b.p + b.len - inner.p) - inner.len)
	                     : (struct bytes){ NULL, 0 };
	return inner;
}

/* SpcIndirectDataContent without its own head, which is what is signed. */
static struct bytes signed_content(const PKCS7 *p7)
{
	const PKCS7 *contents = p7->d.sign->contents;
	struct bytes after = { NULL, 0 };
	char oid[64];

	OBJ_obj2txt(oid, sizeof(oid), contents->type, 1);
	if (strcmp(oid, "1.3.6.1.4.1.311.2.1.4") != 0 || !contents->d.other ||
	    contents->d.other->type != V_ASN1_SEQUENCE)
		return after;
	const ASN1_STRING *seq = contents->d.other->value.sequence;
	return der_enter((struct bytes){ ASN1_STRING_get0_data(seq), (size_t)ASN1_STRING_length(seq) }, V_ASN1_SEQUENCE,
	                 &after);
}

/* SEQUENCE { what was hashed }, SEQUENCE { SEQUENCE { OID of SHA-256, NULL }, OCTET STRING } */
static bool content_has_digest(struct bytes content, const u8 digest[SHA256_SIZE])
{
	static const u8 sha256_oid[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01 };
	struct bytes after, info, algorithm, oid, octets;

	if (!der_enter(content, V_ASN1_SEQUENCE, &after).p)
		return false;
	info = der_enter(after, V_ASN1_SEQUENCE, &after);
	algorithm = der_enter(info, V_ASN1_SEQUENCE, &after);
	octets = der_enter(after, V_ASN1_OCTET_STRING, &after);
	oid = der_enter(algorithm, V_ASN1_OBJECT, &after);
	return oid.len == sizeof(sha256_oid) && memcmp(oid.p, sha256_oid, sizeof(sha256_oid)) == 0 &&
	       octets.len == SHA256_SIZE && memcmp(octets.p, digest, SHA256_SIZE) == 0;
}

/*
 * Whether the signer's key made the signature; with `ca` also whether the signer's certificate leads to it. As in
 * shim (Pkcs7Verify of EDK II): `ca` need not be a root, dates and purposes do not count.
 */
static bool verify_pkcs7(PKCS7 *p7, X509 *ca)
{
	struct bytes content = signed_content(p7);
	BIO *bio = content.p ? BIO_new_mem_buf(content.p, (int)content.len) : NULL;
	X509_STORE *store = X509_STORE_new();
	bool ok = bio && store;

	if (ok && ca)
		ok = X509_STORE_add_cert(store, ca) == 1 && X509_STORE_set_purpose(store, X509_PURPOSE_ANY) == 1 &&
		     X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) == 1;
	if (ok)
		ok = PKCS7_verify(p7, NULL, store, bio, NULL, PKCS7_BINARY | (ca ? 0 : PKCS7_NOVERIFY)) == 1;
	X509_STORE_free(store);
	BIO_free(bio);
	ERR_clear_error();
	return ok;
}

/* ---- certificates */

static char *name_of(const X509_NAME *name)
{
	static const int parts[] = { NID_commonName, NID_organizationalUnitName, NID_organizationName };
	char *shown = NULL;

	for (size_t i = 0; name && !shown && i < ARRAY_SIZE(parts); i++) {
		int at = X509_NAME_get_index_by_NID(name, parts[i], -1);
		u8 *utf8 = NULL;
		int len =
		    at < 0 ? -1 : ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));

		if (len > 0)
			shown = shown_text(utf8, (size_t)len);
		OPENSSL_free(utf8);
	}
	ERR_clear_error();
	return shown ? shown : xstrdup("unknown");
}

static const char *find_microsoft_ca(PKCS7 *p7)
{
	STACK_OF(X509) *certs = p7->d.sign->cert;
	u8 digest[EVP_MAX_MD_SIZE];
	unsigned len;

	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);

		if (X509_digest(cert, EVP_sha256(), digest, &len) != 1)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(microsoft_cas); k++)
			if (memcmp(digest, microsoft_cas[k].fingerprint, SHA256_SIZE) == 0)
				return verify_pkcs7(p7, cert) ? microsoft_cas[k].name : NULL;
	}
	return NULL;
}

static void read_signature(struct efi_image *img, struct bytes der)
{
	AUTO_PKCS7 PKCS7 *p7 = parse_pkcs7(der.p, der.len);
	struct efi_signature *s = ARRAY_ADD(img->signature, img->n_signatures, img->cap_signatures);
	STACK_OF(X509) *signers = p7 ? PKCS7_get0_signers(p7, NULL, 0) : NULL;
	const X509 *signer = signers && sk_X509_num(signers) > 0 ? sk_X509_value(signers, 0) : NULL;

	s->signer = name_of(signer ? X509_get_subject_name(signer) : NULL);
	s->issuer = name_of(signer ? X509_get_issuer_name(signer) : NULL);
	s->intact =
	    p7 && img->has_digest && content_has_digest(signed_content(p7), img->digest) && verify_pkcs7(p7, NULL);
	s->microsoft_ca = s->intact ? find_microsoft_ca(p7) : NULL;
	s->pkcs7 = xcalloc(1, der.len);
	memcpy(s->pkcs7, der.p, der.len);
	s->len = der.len;
	sk_X509_free(signers);
}

void efi_read_signatures(const struct pe *pe, struct efi_image *img)
{
	u64 at = pe->secdir_off ? get_le32(pe->file.p + pe->secdir_off) : 0;
	u64 size = pe->secdir_off ? get_le32(pe->file.p + pe->secdir_off + 4) : 0;
	struct bytes table = bytes_at(pe->file, at, size), head;

	img->has_digest = pe_digest(pe, size, img->digest);
	for (u64 off = 0; (head = bytes_at(table, off, WIN_CERT_HEADER)).p && img->n_signatures < SIGNATURES_MAX;) {
		u32 len = get_le32(head.p);
		struct bytes cert = bytes_at(table, off, len);

		if (len <= WIN_CERT_HEADER || len > SIGNATURE_SIZE_MAX || !cert.p)
			break;
		if (get_le16(head.p + 6) == WIN_CERT_TYPE_PKCS7)
			read_signature(img, bytes_at(cert, WIN_CERT_HEADER, len - WIN_CERT_HEADER));
		off += align_up(len, 8);
	}
}

/* ---- what shim was built with */

/* shim takes only certificates with two bytes of length that fill their place. */
static void add_cert(struct efi_key_list *l, struct bytes der)
{
	const u8 *p = der.p;
	X509 *x509;

	if (!p || der.len < DER_SHORT_HEAD || p[0] != 0x30 || p[1] != 0x82 ||
	    ((size_t)p[2] << 8 | p[3]) != der.len - DER_SHORT_HEAD || l->n_certs == CERTS_MAX)
		return;
	x509 = d2i_X509(NULL, &p, (long)der.len);
	if (x509) {
		struct efi_cert *c = ARRAY_ADD(l->cert, l->n_certs, l->cap_certs);

		*c = (struct efi_cert){ name_of(X509_get_subject_name(x509)), xcalloc(1, der.len), der.len };
		memcpy(c->der, der.p, der.len);
	}
	X509_free(x509);
	ERR_clear_error();
}

static void add_digest(struct efi_key_list *l, struct bytes digest)
{
	if (digest.len == SHA256_SIZE && l->n_digests < DIGESTS_MAX)
		memcpy(ARRAY_ADD(l->digest, l->n_digests, l->cap_digests), digest.p, SHA256_SIZE);
}

/* One EFI_SIGNATURE_LIST. */
static void read_entries(struct efi_key_list *l, struct bytes list)
{
	u64 off = LIST_HEADER + (u64)get_le32(list.p + 20);
	u32 entry_size = get_le32(list.p + 24);
	struct bytes entry;

	if (entry_size <= OWNER_SIZE)
		return;
	for (; (entry = bytes_at(list, off, entry_size)).p; off += entry_size) {
		struct bytes data = bytes_at(entry, OWNER_SIZE, entry_size - OWNER_SIZE);

		if (memcmp(list.p, guid_x509, sizeof(guid_x509)) == 0)
			add_cert(l, data);
		else if (memcmp(list.p, guid_sha256, sizeof(guid_sha256)) == 0)
			add_digest(l, data);
	}
}

/* EFI_SIGNATURE_LISTs one after the other, or, where there is none, one certificate. */
static void read_keys(struct efi_key_list *l, struct bytes keys)
{
	struct bytes head, list;

	if (keys.len > 2 && keys.p[0] == 0x30 && keys.p[1] == 0x82) {
		add_cert(l, keys);
		return;
	}
	for (u64 off = 0; (head = bytes_at(keys, off, LIST_HEADER)).p; off += list.len) {
		list = bytes_at(keys, off, get_le32(head.p + 16));
		if (list.len < LIST_HEADER)
			return;
		read_entries(l, list);
	}
}

void efi_read_vendor_certs(struct bytes section, struct efi_image *img)
{
	const u8 *h = bytes_at(section, 0, VENDOR_HEADER).p;

	if (!h)
		return;
	read_keys(&img->vendor, bytes_at(section, get_le32(h + 8), get_le32(h)));
	read_keys(&img->vendor_denied, bytes_at(section, get_le32(h + 12), get_le32(h + 4)));
}

static bool is_signed_by(const struct efi_signature *s, const struct efi_cert *cert)
{
	AUTO_PKCS7 PKCS7 *p7 = s->intact ? parse_pkcs7(s->pkcs7, s->len) : NULL;
	const u8 *der = cert->der;
	X509 *ca = p7 ? d2i_X509(NULL, &der, (long)cert->len) : NULL;
	bool ok = ca && verify_pkcs7(p7, ca);

	X509_free(ca);
	return ok;
}

bool efi_image_is_listed(const struct efi_image *img, const struct efi_key_list *list, const char **ret_by)
{
	*ret_by = NULL;
	for (size_t i = 0; i < list->n_digests && img->has_digest; i++)
		if (memcmp(list->digest[i], img->digest, SHA256_SIZE) == 0)
			return true;
	for (size_t i = 0; i < list->n_certs; i++) {
		for (size_t k = 0; k < img->n_signatures; k++) {
			*ret_by = list->cert[i].name;
			if (is_signed_by(&img->signature[k], &list->cert[i]))
				return true;
		}
	}
	return false;
}
