/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UEFI: the programs that firmware starts, and what PCs with Secure Boot will say to them. */
#include <errno.h>

#include "bootinst/secure_boot.h"
#include "src/plan.h"
#include "src/verify_structure_parts.h"

#define PROGRAM_MAX (64 * MIB)
#define KERNEL_MAX  (256 * MIB)

static const struct {
	const char *path, *second; /* what a shim starts next */
	enum efi_machine machine;
	const char *name;
} programs[] = {
	{ "/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/grubx64.efi", EFI_X64, "x64" },
	{ "/EFI/BOOT/BOOTIA32.EFI", "/EFI/BOOT/grubia32.efi", EFI_IA32, "ia32" },
	{ "/EFI/BOOT/BOOTAA64.EFI", "/EFI/BOOT/grubaa64.efi", EFI_AA64, "aa64" },
};

static int load_image(struct place *p, const char *path, size_t max, struct efi_image *ret, struct err *e)
{
	AUTO_FREE char *data = NULL;
	size_t len = 0;
	int r = reader_load(p->reader, path, max, &data, &len, e);

	if (r == 0)
		r = efi_image_read(data, len, ret, e);
	return r < 0 ? fail(e, r, "%s", path) : 0;
}

/* ---- the programs */

static int check_program(struct look *l, size_t i, struct err *e)
{
	struct efi_image img = { 0 };
	int r = load_image(l->esp, programs[i].path, PROGRAM_MAX, &img, e);

	if (r == 0 && img.machine != programs[i].machine)
		r = fail(e, -EUCLEAN, "%s: is a program for another machine than %s", programs[i].path,
		         programs[i].name);
	if (r == 0 && img.kind == EFI_SHIM && !path_list_find(&l->esp->list, programs[i].second))
		r = fail(e, -EUCLEAN, "%s: is a shim, and %s, which it starts, is missing", programs[i].path,
		         programs[i].second);
	efi_image_free(&img);
	return r;
}

/* Whether the stick's own manifest, or that of its ESP, says that there is one: GRUB's menu is there for it. */
static bool is_expected(const struct look *l)
{
	return l->s->is_ours && stick_has_file(l->s, GRUB_CFG);
}

static int add_programs(struct look *l, size_t *ret_n, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		AUTO_BUF struct buf good = { 0 };
		int r;

		if (!path_list_find(&l->esp->list, programs[i].path))
			continue;
		++*ret_n;
		r = check_program(l, i, e);
		buf_addf(&good, "%s is a program for %s", programs[i].path, programs[i].name);
		r = checks_add_result(l->c, "efi-program", r, false, good.s, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- Secure Boot */

struct chain {
	struct efi_image first, second;
	struct efi_image *kernel;
	const struct efi_image **kernels;
	const char **names;
	size_t n;
};

static void free_chain(struct chain *c)
{
	efi_image_free(&c->first);
	efi_image_free(&c->second);
	for (size_t i = 0; i < c->n; i++)
		efi_image_free(&c->kernel[i]);
	free(c->kernel);
	free(c->kernels);
	free(c->names);
}

static bool is_known(const struct chain *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->names[i], path) == 0)
			return true;
	return false;
}

/* Those of the menu, each once. One without an EFI stub is no program. */
static int read_kernels(struct look *l, struct chain *c, struct err *e)
{
	c->kernel = xcalloc(l->menu.n + 1, sizeof(*c->kernel));
	c->kernels = xcalloc(l->menu.n + 1, sizeof(*c->kernels));
	c->names = xcalloc(l->menu.n + 1, sizeof(*c->names));
	for (size_t i = 0; i < l->menu.n; i++) {
		const char *path = l->menu.entry[i].kernel;
		int r;

		if (is_known(c, path))
			continue;
		r = load_image(l->boot, path, KERNEL_MAX, &c->kernel[c->n], e);
		if (r < 0 && r != -EINVAL)
			return r;
		err_clear(e);
		c->kernels[c->n] = r == 0 ? &c->kernel[c->n] : NULL;
		c->names[c->n++] = path;
	}
	return 0;
}

static int judge(struct look *l, struct buf *why, struct err *e)
{
	CLEANUP(free_chain) struct chain c = { 0 };
	struct secure_boot_chain chain = { .first = &c.first };
	int r = load_image(l->esp, programs[0].path, PROGRAM_MAX, &c.first, e);

	if (r == 0 && c.first.kind == EFI_SHIM) {
		chain.second = &c.second;
		r = load_image(l->esp, programs[0].second, PROGRAM_MAX, &c.second, e);
	}
	if (r == 0)
		r = read_kernels(l, &c, e);
	if (r < 0)
		return r;
	chain.kernels = c.kernels;
	chain.kernel_names = c.names;
	chain.n_kernels = c.n;
	secure_boot_judge(&chain, why);
	return 0;
}

static int add_secure_boot(struct look *l, struct err *e)
{
	AUTO_BUF struct buf why = { 0 };
	int r;

	if (!l->s->is_ours || !path_list_find(&l->esp->list, programs[0].path))
		return 0;
	r = judge(l, &why, e);
	return checks_add_result(l->c, "secure-boot", r, true, why.len ? why.s : "nothing is known of it", e);
}

int look_efi(struct look *l, struct err *e)
{
	size_t n = 0;
	int r;

	if (!l->esp || !l->esp->is_sound) {
		if (is_expected(l) || l->esp)
			checks_add(l->c, "efi-program", CHECK_UNKNOWN, "%s cannot be read",
			           l->esp ? l->esp->role : "the EFI system partition");
		return 0;
	}
	r = add_programs(l, &n, e);
	if (r == 0 && n == 0 && is_expected(l))
		checks_add(l->c, "efi-program", CHECK_BAD, "%s is missing: no UEFI starts the stick", programs[0].path);
	return r == 0 ? add_secure_boot(l, e) : r;
}
