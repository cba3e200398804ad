/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "src/facts_parts.h"
#include "src/open.h"

#define KERNEL_MAX (256 * MIB)

void facts_warn(struct facts *f, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	*ARRAY_ADD(f->warnings, f->n_warnings, f->cap_warnings) = text;
}

/* The texts that any family wants to see: which it is, is not known yet. The caller frees. */
static const char **wanted_texts(void)
{
	const char **globs = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < family_table_size; i++)
		for (const char *const *t = family_table[i]->texts; t && *t; t++)
			*ARRAY_ADD(globs, n, cap) = *t;
	*ARRAY_ADD(globs, n, cap) = NULL;
	return globs;
}

static const struct menu_entry *default_entry(const struct menu *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->entry[i].is_default)
			return &m->entry[i];
	return m->n ? &m->entry[0] : NULL;
}

/* An initrd that cannot be read is a warning: the kernel may know more than we do. */
static int read_initrds(struct facts *f, struct err *e)
{
	const struct menu_entry *entry = default_entry(&f->menu);
	AUTO_FREE const char **globs = wanted_texts();

	for (size_t i = 0; entry && i < entry->n_initrds; i++) {
		const struct node *n = source_find(f->source, entry->initrds[i]);
		struct initrd *rd = NULL;
		int r = initrd_open(node_input(n), n->size, entry->initrds[i], globs, &rd, e);

		if (r == -EINTR)
			return r;
		if (r == 0) {
			*ARRAY_ADD(f->initrd, f->n_initrds, f->cap_initrds) = rd;
		} else {
			facts_warn(f, "it is not known what the initrd does: %s", e->text);
			err_clear(e);
		}
	}
	return 0;
}

static void set_family_facts(struct facts *f)
{
	f->cmdlines = xcalloc(f->menu.n + 1, sizeof(*f->cmdlines));
	for (size_t i = 0; i < f->menu.n; i++)
		f->cmdlines[i] = f->menu.entry[i].args;
	f->family_facts = (struct family_facts){
		.source = f->source,
		.cmdlines = f->cmdlines,
		.n_cmdlines = f->menu.n,
		.initrds = (const struct initrd *const *)f->initrd,
		.n_initrds = f->n_initrds,
	};
}

/* What the family says of this source: whether it can, what boots it, what is doubtful. */
static int ask_family(struct facts *f, struct err *e)
{
	const struct family *family = f->family;
	const struct family_facts *ff = &f->family_facts;
	AUTO_FREE char *why = family->refuse ? family->refuse(ff) : NULL;
	AUTO_FREE char *doubt = NULL;

	if (why)
		return fail_source(e, -EINVAL, "%s: %s", f->source->path, why);
	doubt = family->doubt ? family->doubt(ff) : NULL;
	if (doubt)
		facts_warn(f, "%s", doubt);
	f->version = family->version ? family->version(ff) : NULL;
	return 0;
}

/* What the initrd does is of no matter when it is not used. */
static void forget_warnings(struct facts *f, size_t n)
{
	while (f->n_warnings > n)
		free(f->warnings[--f->n_warnings]);
}

/* NULL: no family, and no system image that our own initrd could start. */
static int choose_family(struct facts *f, const struct facts_options *o, struct err *e)
{
	/* All live systems but ours need an initrd of theirs. */
	bool has_initrd = !f->menu.n || default_entry(&f->menu)->n_initrds;
	const struct family *detected = has_initrd ? family_detect(&f->family_facts) : NULL, *other;
	const char *name = o->initrd == INITRD_OWN ? family_own.name : o->family;
	int r = 0;

	other = name ? family_by_name(name) : NULL;
	if (name && !other)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--family %s: no such family", name);
	f->family = other ? other : detected;
	f->family_forced = other != NULL;
	if (o->family && other != detected)
		facts_warn(f, "--family %s: it looks like %s", name, detected ? detected->name : "no family at all");
	if (!f->family && o->initrd == INITRD_AUTO && f->menu.n) {
		r = own_find_images(f->source, &f->menu, &f->own, e);
		f->family = r == 0 && f->own.n_images ? &family_own : NULL;
	}
	return r;
}

static int find_family(struct facts *f, const struct facts_options *o, struct err *e)
{
	size_t n_warnings = f->n_warnings;
	int r;

	if (o->initrd == INITRD_OWN && o->family && strcmp(o->family, family_own.name) != 0)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--initrd own does not go with --family %s", o->family);
	r = read_initrds(f, e);
	if (r < 0)
		return r;
	set_family_facts(f);
	r = choose_family(f, o, e);
	if (r < 0)
		return r;
	if (!f->family)
		return fail_source(e, -EINVAL, "%s: no live system that livestick knows is in it", f->source->path);
	if (f->family == &family_own) {
		forget_warnings(f, n_warnings);
		return facts_build_own(f, e);
	}
	r = ask_family(f, e);
	if (r == 0 && !f->menu.n)
		return fail_source(e, -EINVAL,
		                   "%s: has no kernel, and no boot menu of isolinux, syslinux, GRUB or systemd-boot",
		                   f->source->path);
	return r;
}

static bool kernel_known(const struct facts *f, const char *path)
{
	for (size_t i = 0; i < f->n_kernels; i++)
		if (strcmp(f->kernel[i].path, path) == 0)
			return true;
	return false;
}

/* A kernel without an EFI stub is no program of UEFI's. */
static int read_kernels(struct facts *f, struct err *e)
{
	for (size_t i = 0; i < f->menu.n; i++) {
		const char *path = f->menu.entry[i].kernel;
		AUTO_FREE char *data = NULL;
		struct facts_kernel *k;
		size_t len = 0;
		int r;

		if (kernel_known(f, path))
			continue;
		k = ARRAY_ADD(f->kernel, f->n_kernels, f->cap_kernels);
		*k = (struct facts_kernel){ .path = path };
		r = node_load(source_find(f->source, path), KERNEL_MAX, &data, &len, e);
		if (r == 0)
			r = efi_image_read(data, len, &k->image, e);
		if (r < 0 && r != -EINVAL && r != -EFBIG)
			return r;
		k->is_efi_program = r == 0;
		err_clear(e);
	}
	return 0;
}

int facts_read(const char *path, const struct facts_options *o, struct facts *ret, struct err *e)
{
	struct facts f = { 0 };
	int r = open_source(path, &f.source, e);

	if (r == 0)
		r = efi_read_source(f.source, &f.efi, e);
	if (r == 0) {
		f.title = facts_title(f.source);
		r = facts_read_menu(&f, e);
	}
	if (r == 0 && !f.menu_path)
		r = facts_make_menu(&f, e);
	if (r == 0)
		r = find_family(&f, o, e);
	if (r == 0)
		r = facts_check_images(&f, e);
	if (r == 0)
		r = read_kernels(&f, e);
	if (r < 0) {
		facts_free(&f);
		return r;
	}
	*ret = f;
	return 0;
}

int facts_find_same(struct facts *f, struct err *e)
{
	return same_find(f->source, &f->same, e);
}

void facts_free(struct facts *f)
{
	same_free(&f->same);
	menu_free(&f->menu);
	free(f->title);
	free(f->menu_path);
	free(f->version);
	free(f->cmdlines);
	for (size_t i = 0; i < f->n_initrds; i++)
		initrd_free(f->initrd[i]);
	free(f->initrd);
	own_free(&f->own);
	efi_set_free(&f->efi);
	for (size_t i = 0; i < f->n_kernels; i++)
		efi_image_free(&f->kernel[i].image);
	free(f->kernel);
	for (size_t i = 0; i < f->n_warnings; i++)
		free(f->warnings[i]);
	free(f->warnings);
	source_free(f->source);
	*f = (struct facts){ 0 };
}
