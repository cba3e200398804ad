/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host's own EFI programs, for tests that want real ones. */
#ifndef LIVESTICK_TEST_EFI_HOST_H
#define LIVESTICK_TEST_EFI_HOST_H

#include "bootinst/efi_image.h"
#include "tests/lib/test.h"

#define SHIM  "/usr/lib/shim/"
#define GRUB  "/usr/lib/grub/x86_64-efi-signed/"
#define AMD64 0x8664

static struct buf load_or_skip(const char *path)
{
	struct buf b = { 0 };
	FILE *f = fopen(path, "rb");
	static u8 piece[65536];
	size_t n;

	if (!f)
		test_skip(path);
	while ((n = fread(piece, 1, sizeof(piece), f)))
		buf_add(&b, piece, n);
	fclose(f);
	return b;
}

static struct efi_image read_buf(const struct buf *b)
{
	AUTO_ERR struct err e = { 0 };
	struct efi_image img = { 0 };

	CHECK_OK(efi_image_read(b->s, b->len, &img, &e), &e);
	return img;
}

#endif
