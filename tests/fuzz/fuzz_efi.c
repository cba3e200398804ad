/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * EFI programs that somebody made up: read, asked for the paths of their configuration, and judged as a whole chain.
 * What was read must keep the promises of bootinst/efi_image.h. For libFuzzer; with -DFUZZ_MAIN a program that does the
 * same with each file that it is given.
 */
#include <errno.h>

#include "bootinst/secure_boot.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void check_shown(const char *s)
{
	for (; s && *s; s++)
		need((u8)*s >= 0x20 && *s != 0x7f);
}

static void check_paths(const struct efi_image *img)
{
	CLEANUP(efi_paths_free) struct efi_paths p = { 0 };

	grub_config_paths(img, "/EFI/BOOT", &p);
	need(p.n >= 1 && p.n <= 64);
	for (size_t i = 0; i < p.n; i++)
		need(p.path[i][0] == '/' && !strstr(p.path[i], "//") && !strstr(p.path[i], "/../"));
}

/* The first signature is taken for Microsoft's, which no made up one can be. */
static void check_judge(struct efi_image *img)
{
	const struct efi_image *const kernels[] = { img, NULL };
	const char *const names[] = { "/live/vmlinuz", "/live/vmlinuz2" };
	const struct secure_boot_chain c = { img, img, kernels, names, 2 };
	AUTO_BUF struct buf why = { 0 };

	for (int i = 0; i < 2; i++) {
		need(secure_boot_judge(&c, &why) != SECURE_BOOT_YES); /* the second kernel never is signed */
		need(why.len > 0);
		check_shown(why.s);
		if (img->n_signatures)
			img->signature[0].microsoft_ca = "Microsoft UEFI CA 2023";
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	CLEANUP(efi_image_free) struct efi_image img = { 0 };
	AUTO_ERR struct err e = { 0 };
	int r = efi_image_read(data, size, &img, &e);

	need(r == 0 || (r == -EINVAL && e.text && !img.signature));
	if (r < 0)
		return 0;
	check_shown(img.version);
	for (size_t i = 0; i < img.n_signatures; i++) {
		check_shown(img.signature[i].signer);
		check_shown(img.signature[i].issuer);
		need(!img.signature[i].intact || img.has_digest);
	}
	for (size_t i = 0; i < img.n_grub_modules; i++)
		check_shown(img.grub_module[i]);
	check_paths(&img);
	check_judge(&img);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
