/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an EFI program is: which loader or kernel, who signed it, and where a GRUB looks for its configuration. All of
 * it is read from the file's bytes, of which nothing is trusted; what contradicts itself counts as not there.
 * Names and versions are escaped (buf_add_escaped()) and cut to a length, ready for the user's eyes.
 *
 *	r = efi_image_read(data, len, &img, e);
 *	grub_config_paths(&img, "/EFI/BOOT", &paths);
 *	efi_image_free(&img);
 *
 * Format facts: Microsoft's "PE Format" and "Windows Authenticode Portable Executable Signature Format"; what counts of
 * them is what shim 16.1 looks at (pe.c, verify.c, sbat.c, cert.S, sbat_var.S); include/grub/kernel.h of GRUB 2.06.
 */
#ifndef LIVESTICK_BOOTINST_EFI_IMAGE_H
#define LIVESTICK_BOOTINST_EFI_IMAGE_H

#include "src/base/buf.h"
#include "src/base/err.h"
#include "src/base/sha256.h"

enum efi_machine { EFI_MACHINE_OTHER, EFI_X64, EFI_IA32, EFI_AA64 };

enum efi_kind {
	EFI_OTHER, /* shim's fallback program (fbx64.efi) too, which has no place beside the shim of a stick */
	EFI_SHIM,
	EFI_MOK_MANAGER,
	EFI_GRUB,
	EFI_SYSTEMD_BOOT,
	EFI_SYSLINUX,
	EFI_REFIND,
	EFI_LINUX, /* with its EFI stub, or a unified kernel image */
};

struct efi_cert {
	char *name; /* the subject's common name */
	u8 *der;
	size_t len;
};

/* What shim was built to accept or to refuse: by certificate, or by the digest of one file. */
struct efi_key_list {
	struct efi_cert *cert;
	size_t n_certs, cap_certs;
	u8 (*digest)[SHA256_SIZE];
	size_t n_digests, cap_digests;
};

struct efi_signature {
	char *signer, *issuer; /* common names in the signer's certificate; "unknown" when it cannot be read */
	bool intact;           /* the digest in it is this file's, and the signer's key signed that */
	const char
	    *microsoft_ca; /* the one of Microsoft's CAs for third parties that it was checked against; NULL: none */
	u8 *pkcs7;         /* DER */
	size_t len;
};

struct efi_image {
	enum efi_machine machine;
	enum efi_kind kind;
	char *version;          /* "16.1", "2.06-13+deb12u2"; NULL: cannot be told */
	u8 digest[SHA256_SIZE]; /* Authenticode */
	bool has_digest;        /* false: sections lie beyond the end, or the signatures not at the end */
	struct efi_signature *signature;
	size_t n_signatures, cap_signatures;
	char *sbat; /* text of .sbat, read with efi_sbat_next(); NULL: none */

	/* of a shim */
	char *sbat_level; /* what it revokes by itself, in the same form; NULL: none */
	struct efi_key_list vendor, vendor_denied;

	/* of a GRUB */
	char *grub_prefix;         /* as it is: "/EFI/debian", "(memdisk)/boot/grub"; NULL: none */
	char *grub_config;         /* the embedded script, and behind it the grub.cfg of the memdisk; NULL: none */
	bool grub_memdisk_unknown; /* a memdisk without a grub.cfg that can be read: neither tar nor FAT, or compressed
	                            */
	bool grub_has_linuxefi;    /* the command "linuxefi" */
	char **grub_module;        /* built in */
	size_t n_grub_modules, cap_grub_modules;
};

/* -EINVAL: not an EFI program. `data` is not kept. */
MUST_CHECK int efi_image_read(const void *data, size_t len, struct efi_image *ret, struct err *e);
void efi_image_free(struct efi_image *img);

/* Whether a module ("ext2", "search_fs_uuid") is built into a GRUB. */
bool efi_grub_has_module(const struct efi_image *grub, const char *name);

/*
 * Whether shim would find the file in `list`: its digest, or a certificate that the certificates of one of its intact
 * signatures lead to, whatever the dates in them. *ret_by is the certificate's name, or NULL for a digest; borrowed.
 */
bool efi_image_is_listed(const struct efi_image *img, const struct efi_key_list *list, const char **ret_by);

/* A line of SBAT: "grub,3,Free Software Foundation,grub,2.06,https://..." The pointers are into the text. */
struct efi_sbat {
	const char *component, *version; /* `version` is empty where the line has none */
	size_t component_len, version_len;
	unsigned generation; /* 0 when it is no number, as shim takes it */
};

/* The line at `*at`, which is moved behind it; false at the end. Starts with the text. */
bool efi_sbat_next(const char **at, struct efi_sbat *ret);

struct efi_paths {
	char **path; /* absolute */
	size_t n, cap;
};

/*
 * Where a GRUB that lies in `dir` ("/EFI/BOOT") may look for its configuration on the volume it was loaded from: in
 * its prefix, where its embedded script sends it, and in `dir`, as Red Hat's do first. A script that searches for a
 * file or an id (`search`) may find another volume: the same paths count there. Bounded to 64 paths.
 */
void grub_config_paths(const struct efi_image *grub, const char *dir, struct efi_paths *ret);
void efi_paths_free(struct efi_paths *p);

#endif
