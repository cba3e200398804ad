/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/host.h"

/* libutil.c32 is what menu.c32 of syslinux 6 is linked with; ldlinux.c32 comes with the core. */
static const char *const modules[HOST_MODULES] = { "menu.c32", "libutil.c32" };

static void load_efi(struct host *h)
{
	struct err e = { 0 };

	if (efi_read_host(&h->efi, &e) < 0)
		h->why_no_efi = TAKE(e.text);
	err_clear(&e);
}

int host_load(bool gpt, bool efi, struct host *ret, struct err *e)
{
	struct host h = { 0 };
	int r = mbr_code_load(gpt, h.mbr_code, e);

	if (r == 0)
		r = syslinux_harvest(&h.syslinux, e);
	for (size_t i = 0; r == 0 && i < HOST_MODULES; i++) {
		h.module_name[i] = modules[i];
		r = syslinux_module(modules[i], &h.module[i], e);
	}
	if (r < 0) {
		host_free(&h);
		return fail(e, r, "boot loader");
	}
	if (efi)
		load_efi(&h);
	*ret = h;
	return 0;
}

void host_free(struct host *h)
{
	syslinux_free(&h->syslinux);
	for (size_t i = 0; i < HOST_MODULES; i++)
		free(h->module[i].data);
	efi_set_free(&h->efi);
	free(h->why_no_efi);
	*h = (struct host){ 0 };
}
