/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between the efi_image*.c files. */
#ifndef LIVESTICK_BOOTINST_EFI_IMAGE_PRIVATE_H
#define LIVESTICK_BOOTINST_EFI_IMAGE_PRIVATE_H

#include "bootinst/efi_image.h"

/* Bytes inside the file; `p` is NULL when there are none. */
struct bytes {
	const u8 *p;
	size_t len;
};

/* The `len` bytes at `off` of `b`, or none when they are not all there. */
static inline struct bytes bytes_at(struct bytes b, u64 off, u64 len)
{
	return b.p && off <= b.len && len <= b.len - off ? (struct bytes){ b.p + off, (size_t)len }
	                                                 : (struct bytes){ NULL, 0 };
}

#define PE_SECTIONS_MAX 128

/* The headers of a PE file, which are all inside it. */
struct pe {
	struct bytes file;
	const u8 *sections; /* 40 bytes each */
	unsigned n_sections;
	struct bytes names; /* string table, for names of more than 8 characters */
	u16 machine;
	bool is_64;
	size_t checksum_off; /* in the file */
	size_t secdir_off;   /* entry of the signatures in the data directories; 0: there is none */
	u32 headers_size;
};

bool pe_open(struct bytes file, struct pe *ret);
/* Contents of the section `name`; none when there is no such section or it is not all inside the file. */
struct bytes pe_section(const struct pe *pe, const char *name);

/* For text that is shown: up to the first NUL, escaped, cut to 100 bytes; NULL when nothing is left. */
char *shown_text(const void *text, size_t len);

void efi_read_signatures(const struct pe *pe, struct efi_image *img);
/* Does nothing when `section` is no .vendor_cert of a shim. */
void efi_read_vendor_certs(struct bytes section, struct efi_image *img);
/* False when `section` is no "mods" of a GRUB. */
bool efi_read_grub(struct bytes section, bool is_64, struct efi_image *img);

#endif
