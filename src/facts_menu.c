/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The boot menu of a source: where it is, in whose language, and which of its entries can boot. */
#include <errno.h>
#include <fnmatch.h>

#include "src/facts_parts.h"

static facts_read_menu_fn read_menu_bls;

#define BLS_DIR FACTS_BLS_DIR

/*
 * Where live media keep their menus, the BIOS loaders' first: those are written for what our own loader does. GRUB's
 * loopback.cfg comes last, for it may leave out how the medium is found.
 */
const struct facts_menu_place facts_menu_places[] = {
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
const size_t facts_n_menu_places = ARRAY_SIZE(facts_menu_places);

/* Larger than any menu, smaller than any harm. */
#define MENU_FILE_MAX MIB

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
			facts_warn(f, "menu entry \"%s\" is left out: %s is not there", from->title, missing);
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
static int read_menu_at(struct facts *f, const char *path, facts_read_menu_fn *read, struct err *e)
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
int facts_read_menu(struct facts *f, struct err *e)
{
	AUTO_ERR struct err later = { 0 };
	int first = 0;

	for (size_t i = 0; i < facts_n_menu_places; i++) {
		AUTO_FREE char *path = menu_at(f, facts_menu_places[i].path);
		int r;

		if (!path)
			continue;
		r = read_menu_at(f, path, facts_menu_places[i].read, first == 0 ? e : &later);
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
