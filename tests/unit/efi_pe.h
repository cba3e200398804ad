/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes EFI programs for tests: PE files of given sections, keys, and signatures as sbsign makes them. */
#ifndef LIVESTICK_TEST_EFI_PE_H
#define LIVESTICK_TEST_EFI_PE_H

#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "src/base/buf.h"
#include "src/base/sha256.h"

#define PE_AT      0x80 /* of the headers behind the DOS one */
#define PE_OPT     (PE_AT + 24)
#define PE_CHECK   (PE_OPT + 64)
#define PE_SECDIR  (PE_OPT + 112 + 8 * 4)
#define PE_TABLE   (PE_OPT + 112 + 8 * 16)
#define PE_HEADERS 0x400

struct pe_part {
	const char *name;
	const void *data;
	size_t len;
};

__attribute__((unused)) static void pe_pad(struct buf *b, size_t align)
{
	while (b->len % align)
		buf_add(b, "", 1);
}

/* A PE32+ of `n` sections; names of more than 8 characters lie in a string table behind the sections. */
__attribute__((unused)) static struct buf pe_make(u16 machine, const struct pe_part *part, size_t n)
{
	u8 head[PE_HEADERS] = "MZ";
	struct buf b = { 0 }, names = { 0 };
	u8 size[4];

	put_le32(head + 60, PE_AT);
	memcpy(head + PE_AT, "PE\0\0", 4);
	put_le16(head + PE_AT + 4, machine);
	put_le16(head + PE_AT + 6, (u16)n);
	put_le16(head + PE_AT + 20, 112 + 8 * 16);
	put_le16(head + PE_OPT, 0x20b);
	put_le32(head + PE_OPT + 60, PE_HEADERS);
	put_le16(head + PE_OPT + 68, 10);
	put_le32(head + PE_OPT + 108, 16);
	buf_add(&b, head, sizeof(head));
	buf_add(&names, "\0\0\0\0", 4);
	for (size_t i = 0; i < n; i++) {
		u8 *s = head + PE_TABLE + 40 * i;

		if (strlen(part[i].name) > 8) {
			snprintf((char *)s, 8, "/%zu", names.len);
			buf_add(&names, part[i].name, strlen(part[i].name) + 1);
		} else {
			memcpy(s, part[i].name, strlen(part[i].name));
		}
		put_le32(s + 8, (u32)part[i].len);
		put_le32(s + 16, (u32)align_up(part[i].len, 512));
		put_le32(s + 20, (u32)b.len);
		buf_add(&b, part[i].data, part[i].len);
		pe_pad(&b, 512);
	}
	put_le32(head + PE_AT + 12, (u32)b.len);
	put_le32(size, (u32)names.len);
	memcpy(names.s, size, 4);
	buf_add(&b, names.s, names.len);
	memcpy(b.s, head, sizeof(head));
	buf_free(&names);
	return b;
}

/* The sections lie in order without gaps, so the digest is that of the whole file without the two fields. */
__attribute__((unused)) static void pe_test_digest(const struct buf *pe, size_t end, u8 ret[SHA256_SIZE])
{
	struct sha256 *h = sha256_new();
	static const u8 zeros[8];

	sha256_add(h, pe->s, PE_CHECK);
	sha256_add(h, pe->s + PE_CHECK + 4, PE_SECDIR - PE_CHECK - 4);
	sha256_add(h, pe->s + PE_SECDIR + 8, end - PE_SECDIR - 8);
	if (end == pe->len && end % 8)
		sha256_add(h, zeros, 8 - end % 8);
	sha256_end(h, ret);
}

/* ---- keys */

struct key {
	EVP_PKEY *pkey;
	X509 *cert;
};

/* A key with a certificate by `ca`, or by itself; the dates are long past, as they are in real signatures one day. */
__attribute__((unused)) static struct key key_make(const char *name, const struct key *ca)
{
	static long serial = 1;
	struct key k = { EVP_RSA_gen(2048), X509_new() };
	X509_NAME *subject = X509_get_subject_name(k.cert);
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509_set_version(k.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(k.cert), serial++);
	ASN1_TIME_set_string(X509_getm_notBefore(k.cert), "20100101000000Z");
	ASN1_TIME_set_string(X509_getm_notAfter(k.cert), "20120101000000Z");
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const u8 *)name, -1, -1, 0);
	X509_set_issuer_name(k.cert, ca ? X509_get_subject_name(ca->cert) : subject);
	X509_set_pubkey(k.cert, k.pkey);
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, ca ? ca->cert : k.cert, k.cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, ca ? "CA:FALSE" : "critical,CA:TRUE");
	X509_add_ext(k.cert, ext, -1);
	X509_EXTENSION_free(ext);
	X509_sign(k.cert, ca ? ca->pkey : k.pkey, EVP_sha256());
	return k;
}

__attribute__((unused)) static void key_free(struct key *k)
{
	EVP_PKEY_free(k->pkey);
	X509_free(k->cert);
}

__attribute__((unused)) static struct buf key_der(const struct key *k)
{
	struct buf b = { 0 };
	u8 *der = NULL;
	int len = i2d_X509(k->cert, &der);

	buf_add(&b, der, (size_t)len);
	OPENSSL_free(der);
	return b;
}

/* ---- signatures */

/* SpcIndirectDataContent with the digest at its end; what was hashed is left open. */
#define SPC_HEAD                                                                                                       \
	"\x30\x41\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0f"                                             \
	"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"

__attribute__((unused)) static struct buf pkcs7_make(const u8 digest[SHA256_SIZE], const struct key *key)
{
	ASN1_OBJECT *spc = OBJ_txt2obj("1.3.6.1.4.1.311.2.1.4", 1);
	PKCS7 *p7 = PKCS7_new(), *content = PKCS7_new();
	struct buf seq = { 0 }, out = { 0 };
	PKCS7_SIGNER_INFO *si;
	u8 *der = NULL;
	BIO *bio;
	int len;

	buf_add(&seq, SPC_HEAD, sizeof(SPC_HEAD) - 1);
	buf_add(&seq, digest, SHA256_SIZE);
	PKCS7_set_type(p7, NID_pkcs7_signed);
	si = PKCS7_add_signature(p7, key->cert, key->pkey, EVP_sha256());
	PKCS7_add_signed_attribute(si, NID_pkcs9_contentType, V_ASN1_OBJECT, OBJ_dup(spc));
	PKCS7_content_new(p7, NID_pkcs7_data);
	PKCS7_add_certificate(p7, key->cert);
	bio = PKCS7_dataInit(p7, NULL);
	BIO_write(bio, seq.s + 2, (int)seq.len - 2);
	PKCS7_dataFinal(p7, bio);
	BIO_free_all(bio);
	content->type = spc;
	content->d.other = ASN1_TYPE_new();
	content->d.other->type = V_ASN1_SEQUENCE;
	content->d.other->value.sequence = ASN1_STRING_new();
	ASN1_STRING_set(content->d.other->value.sequence, seq.s, (int)seq.len);
	PKCS7_set_content(p7, content);
	len = i2d_PKCS7(p7, &der);
	if (len > 0)
		buf_add(&out, der, (size_t)len);
	OPENSSL_free(der);
	PKCS7_free(p7);
	buf_free(&seq);
	return out;
}

/* Adds one more signature at the end of the file, which is padded already. */
__attribute__((unused)) static void pe_add_signature(struct buf *pe, const void *p7, size_t len)
{
	size_t end = get_le32((u8 *)pe->s + PE_SECDIR);
	u8 header[8];

	if (!end)
		end = pe->len;
	put_le32(header, (u32)len + 8);
	put_le16(header + 4, 0x200);
	put_le16(header + 6, 2);
	buf_add(pe, header, 8);
	buf_add(pe, p7, len);
	pe_pad(pe, 8);
	put_le32((u8 *)pe->s + PE_SECDIR, (u32)end);
	put_le32((u8 *)pe->s + PE_SECDIR + 4, (u32)(pe->len - end));
}

__attribute__((unused)) static void pe_sign(struct buf *pe, const struct key *key)
{
	size_t end = get_le32((u8 *)pe->s + PE_SECDIR);
	u8 digest[SHA256_SIZE];
	struct buf p7;

	if (!end) {
		pe_pad(pe, 8);
		end = pe->len;
	}
	pe_test_digest(pe, end, digest);
	p7 = pkcs7_make(digest, key);
	pe_add_signature(pe, p7.s, p7.len);
	buf_free(&p7);
}

/* ---- contents of sections */

/* .vendor_cert: shim's table, what it accepts, what it refuses. */
__attribute__((unused)) static struct buf vendor_cert_make(const struct buf *allowed, const struct buf *denied)
{
	struct buf b = { 0 };
	u8 head[16];

	put_le32(head, (u32)allowed->len);
	put_le32(head + 4, (u32)denied->len);
	put_le32(head + 8, 16);
	put_le32(head + 12, 16 + (u32)allowed->len);
	buf_add(&b, head, sizeof(head));
	buf_add(&b, allowed->s, allowed->len);
	if (denied->len)
		buf_add(&b, denied->s, denied->len);
	return b;
}

#define GUID_X509   "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72"
#define GUID_SHA256 "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28"

/* An EFI_SIGNATURE_LIST of `n` entries of `size` bytes each, with owners in front of them. */
__attribute__((unused)) static void esl_add(struct buf *b, const char *guid, const void *entries, size_t size, size_t n)
{
	u8 head[28];

	memcpy(head, guid, 16);
	put_le32(head + 16, (u32)(28 + n * (16 + size)));
	put_le32(head + 20, 0);
	put_le32(head + 24, (u32)(16 + size));
	buf_add(b, head, sizeof(head));
	for (size_t i = 0; i < n; i++) {
		buf_add(b, "0123456789abcdef", 16);
		buf_add(b, (const u8 *)entries + i * size, size);
	}
}

/* One object of a GRUB, padded. */
__attribute__((unused)) static void grub_object_add(struct buf *b, u32 type, const void *data, size_t len)
{
	u8 head[8];

	put_le32(head, type);
	put_le32(head + 4, (u32)len + 8);
	buf_add(b, head, 8);
	buf_add(b, data, len);
	pe_pad(b, 8);
}

/* "mods" of 64 bits; with NULL without that part. */
__attribute__((unused)) static struct buf grub_mods_make(const struct buf *memdisk, const char *config,
                                                         const char *prefix)
{
	struct buf b = { 0 };
	u8 info[24] = { 0 };

	put_le32(info, 0x676d696d);
	put_le64(info + 8, sizeof(info));
	buf_add(&b, info, sizeof(info));
	if (memdisk)
		grub_object_add(&b, 1, memdisk->s, memdisk->len);
	if (config)
		grub_object_add(&b, 2, config, strlen(config) + 1);
	if (prefix)
		grub_object_add(&b, 3, prefix, strlen(prefix) + 1);
	put_le64((u8 *)b.s + 16, b.len);
	return b;
}

/* One file of a tar. */
__attribute__((unused)) static void tar_add(struct buf *b, const char *name, char type, const char *text)
{
	char head[512] = "";

	snprintf(head, 100, "%s", name);
	snprintf(head + 124, 12, "%011o", (unsigned)strlen(text));
	head[156] = type;
	memcpy(head + 257, "ustar", 6);
	buf_add(b, head, sizeof(head));
	buf_add(b, text, strlen(text));
	pe_pad(b, 512);
}

#endif
