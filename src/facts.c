/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/facts.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>

#include "src/open.h"

typedef int read_menu_fn(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e);

static read_menu_fn read_menu_bls;

#define BLS_DIR "/loader/entries"

/*
 * Where live media keep their menus, the BIOS loaders' first: those are written for what our own loader does. GRUB's
 * loopback.cfg comes last, for it may leave out how the medium is found.
 */
static const struct {
	const char *path; /* globs, of which '*' does not match '/' */
	read_menu_fn *read;
} menu_places[] = {
	{ "/isolinux/isolinux.cfg", menu_read_syslinux },
	{ "/boot/isolinux/isolinux.cfg", menu_read_syslinux },
	{ "/isolinux/syslinux.cfg", menu_read_syslinux },
	{ "/isolinux.cfg", menu_read_syslinux },
	{ "/syslinux/isolinux.cfg", menu_read_syslinux },
	{ "/syslinux/syslinux.cfg", menu_read_syslinux },
	{ "/boot/syslinux/isolinux.cfg", menu_read_syslinux },
	{ "/boot/syslinux/syslinux.cfg", menu_read_syslinux },
	{ "/boot/syslinux/porteu?.cfg", menu_read_syslinux },
	{ "/*/boot/syslinux.cfg", menu_read_syslinux },
	{ "/*/boot/isolinux.cfg", menu_read_syslinux },
	{ "/*/boot/syslinux/syslinux.cfg", menu_read_syslinux },
	{ "/boot/*/loader/isolinux.cfg", menu_read_syslinux },
	{ "/syslinux.cfg", menu_read_syslinux },
	{ "/boot/grub/grub.cfg", menu_read_grub },
	{ "/boot/grub2/grub.cfg", menu_read_grub },
	{ "/EFI/BOOT/grub.cfg", menu_read_grub },
	{ "/EFI/debian/grub.cfg", menu_read_grub },
	{ "/EFI/ubuntu/grub.cfg", menu_read_grub },
	{ "/EFI/fedora/grub.cfg", menu_read_grub },
	{ "/*/boot/grub/grub.cfg", menu_read_grub },
	{ BLS_DIR, read_menu_bls },
	{ "/boot/grub/loopback.cfg", menu_read_grub },
};

/* Larger than any menu, smaller than any harm. */
#define MENU_FILE_MAX MIB
#define KERNEL_MAX    (256 * MIB)

static void add_warning(struct facts *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add_warning(struct facts *f, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	*ARRAY_ADD(f->warnings, f->n_warnings, f->cap_warnings) = text;
}

/* What the tree does not have may be in the FAT image that UEFI boots from. */
static int load_text(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	const struct facts *f = ctx;
	const struct node *n = source_find(f->source, path);
	const struct efi_file *in_image = efi_config_in_image(&f->efi, path);

	if (n && n->type == NODE_FILE)
		return node_load(n, MENU_FILE_MAX, ret_text, ret_len, e);
	if (!in_image)
		return -ENOENT;
	if (in_image->size > MENU_FILE_MAX)
		return fail_source(e, -EFBIG, "%s: is larger than %llu bytes", path, MENU_FILE_MAX);
	*ret_text = xcalloc(1, in_image->size + 1);
	memcpy(*ret_text, in_image->data, in_image->size);
	*ret_len = in_image->size;
	return 0;
}

/* GRUB's scripts ask what is a directory, too. */
static int load_for_grub(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	const struct facts *f = ctx;
	const struct node *n = source_find(f->source, path);

	return n && n->type == NODE_DIR ? -EISDIR : load_text(ctx, path, ret_text, ret_len, e);
}

/* ---- the Boot Loader Specification's entries, a file each */

struct paths {
	char **path;
	size_t n, cap;
};

static bool is_bls_entry(const char *path)
{
	return fnmatch(BLS_DIR "/*.conf", path, FNM_CASEFOLD) == 0;
}

static void bls_paths(const struct facts *f, struct paths *ret)
{
	const struct node *dir = source_find(f->source, BLS_DIR);

	for (size_t i = 0; dir && i < dir->n_children; i++) {
		AUTO_FREE char *path = node_path(dir->children[i]);

		if (is_bls_entry(path))
			*ARRAY_ADD(ret->path, ret->n, ret->cap) = TAKE(path);
	}
	for (size_t i = 0; !dir && f->efi.from == EFI_FROM_IMAGE && i < f->efi.n_files; i++)
		if (is_bls_entry(f->efi.file[i].path))
			*ARRAY_ADD(ret->path, ret->n, ret->cap) = xstrdup(f->efi.file[i].path);
}

static int read_menu_bls(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e)
{
	AUTO_FREE char *default_name = NULL;
	struct paths p = { 0 };
	unsigned timeout_ds = 0;
	int r = menu_read_loader_conf(l, "/loader/loader.conf", &default_name, &timeout_ds, e);

	(void)path;
	bls_paths(l->ctx, &p);
	if (r == 0)
		r = menu_read_bls(l, (const char *const *)p.path, p.n, default_name, ret, e);
	if (r == 0)
		ret->timeout_ds = timeout_ds;
	for (size_t i = 0; i < p.n; i++)
		free(p.path[i]);
	free(p.path);
	return r;
}

/* ---- */

static bool config_there(const struct facts *f, const char *path)
{
	struct paths p = { 0 };
	const struct node *n = source_find(f->source, path);
	bool is_there = (n && n->type == NODE_FILE) || efi_config_in_image(&f->efi, path);

	if (strcmp(path, BLS_DIR) == 0) {
		bls_paths(f, &p);
		is_there = p.n > 0;
		for (size_t i = 0; i < p.n; i++)
			free(p.path[i]);
		free(p.path);
	}
	return is_there;
}

static bool is_file(const struct source *s, const char *path)
{
	const struct node *n = source_find(s, path);

	return n && n->type == NODE_FILE;
}

/* The first file of the entry that is not there; NULL: it has all. */
static const char *missing_file(const struct source *s, const struct menu_entry *entry)
{
	if (!is_file(s, entry->kernel))
		return entry->kernel;
	for (size_t i = 0; i < entry->n_initrds; i++)
		if (!is_file(s, entry->initrds[i]))
			return entry->initrds[i];
	return NULL;
}

/* Copies the entries that can boot; says which file is missing when none can. */
static int keep_complete(struct facts *f, const struct menu *all, const char *path, struct err *e)
{
	struct source *s = f->source;

	f->menu.timeout_ds = all->timeout_ds;
	f->menu.title = all->title ? xstrdup(all->title) : NULL;
	for (size_t i = 0; i < all->n; i++) {
		const struct menu_entry *from = &all->entry[i];
		const char *missing = missing_file(s, from);
		struct menu_entry *to;

		if (missing) {
			add_warning(f, "menu entry \"%s\" is left out: %s is not there", from->title, missing);
			continue;
		}
		to = menu_add(&f->menu);
		to->id = xstrdup(from->id);
		to->title = xstrdup(from->title);
		to->submenu = from->submenu ? xstrdup(from->submenu) : NULL;
		to->kernel = xstrdup(from->kernel);
		to->args = xstrdup(from->args);
		to->is_default = from->is_default;
		for (size_t k = 0; k < from->n_initrds; k++)
			menu_entry_add_initrd(to, from->initrds[k]);
	}
	if (f->menu.n)
		return 0;
	if (all->n && !is_file(s, all->entry[0].kernel))
		return fail_source(e, -ENOEXEC, "%s: has no kernel: its menu names %s, which is not there", s->path,
		                   all->entry[0].kernel);
	if (all->n)
		return fail_source(e, -ENOEXEC, "%s: no menu entry has all of its files", s->path);
	return fail_source(e, -ENOEXEC, "%s: has no kernel: the menu %s names none", s->path, path);
}

/* -ENOEXEC: the menu can be read, but nothing in it can boot. */
static int read_menu_at(struct facts *f, const char *path, read_menu_fn *read, struct err *e)
{
	const struct menu_loader loader = {
		.load = read == menu_read_grub ? load_for_grub : load_text,
		.ctx = f,
	};
	struct menu all = { 0 };
	int r = read(&loader, path, &all, e);

	if (r < 0)
		return fail_source(e, r, "%s: boot menu", f->source->path);
	menu_free(&f->menu);
	r = keep_complete(f, &all, path, e);
	menu_free(&all);
	if (r == 0)
		f->menu_path = xstrdup(path);
	return r;
}

struct finding {
	const char *glob;
	char *path; /* the first that matches */
};

static int match_menu(void *ctx, const struct node *n)
{
	struct finding *f = ctx;
	AUTO_FREE char *path = n->type == NODE_FILE ? node_path(n) : NULL;

	if (path && fnmatch(f->glob, path, FNM_PATHNAME | FNM_CASEFOLD) == 0)
		f->path = TAKE(path);
	return f->path != NULL;
}

/* The configuration at a place; NULL: there is none. The caller frees. */
static char *menu_at(const struct facts *f, const char *place)
{
	struct finding finding = { .glob = place };

	if (config_there(f, place))
		return xstrdup(place);
	if (strpbrk(place, "*?"))
		source_each(f->source, match_menu, &finding);
	return finding.path;
}

/* The first menu of which something can boot; else why the first that was there is of no use. */
static int read_menu(struct facts *f, struct err *e)
{
	AUTO_ERR struct err later = { 0 };
	int first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(menu_places); i++) {
		AUTO_FREE char *path = menu_at(f, menu_places[i].path);
		int r;

		if (!path)
			continue;
		r = read_menu_at(f, path, menu_places[i].read, first == 0 ? e : &later);
		if (r == 0) {
			err_clear(e);
			return 0;
		}
		first = first == 0 ? r : first;
		if (first != -ENOEXEC)
			return first;
	}
	return first;
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
			add_warning(f, "it is not known what the initrd does: %s", e->text);
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
		add_warning(f, "%s", doubt);
	f->version = family->version ? family->version(ff) : NULL;
	return 0;
}

static int find_family(struct facts *f, const char *name, struct err *e)
{
	const struct family *detected;
	int r = read_initrds(f, e);

	if (r < 0)
		return r;
	set_family_facts(f);
	detected = family_detect(&f->family_facts);
	f->family = name ? family_by_name(name) : detected;
	f->family_forced = name && f->family;
	if (name && !f->family)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--family %s: no such family", name);
	if (!f->family)
		return fail_source(e, -EINVAL, "%s: no live system that livestick knows is in it", f->source->path);
	if (f->family_forced && detected != f->family)
		add_warning(f, "--family %s: it looks like %s", name, detected ? detected->name : "no family at all");
	r = ask_family(f, e);
	if (r == 0 && !f->menu_path)
		return fail_source(e, -EINVAL, "%s: has no boot menu of isolinux, syslinux, GRUB or systemd-boot",
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

int facts_read(const char *path, const char *family_name, struct facts *ret, struct err *e)
{
	struct facts f = { 0 };
	int r = open_source(path, &f.source, e);

	if (r == 0)
		r = efi_read_source(f.source, &f.efi, e);
	if (r == 0)
		r = read_menu(&f, e);
	if (r == 0)
		r = find_family(&f, family_name, e);
	if (r == 0)
		r = read_kernels(&f, e);
	if (r < 0) {
		facts_free(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void facts_free(struct facts *f)
{
	menu_free(&f->menu);
	free(f->menu_path);
	free(f->version);
	free(f->cmdlines);
	for (size_t i = 0; i < f->n_initrds; i++)
		initrd_free(f->initrd[i]);
	free(f->initrd);
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
