/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/facts.h"

#include <errno.h>

typedef int read_menu_fn(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e);

/*
 * Where live media keep their menus, the BIOS loaders' first: those are written for what our own loader does. GRUB's
 * loopback.cfg comes last, for it may leave out how the medium is found.
 */
static const struct {
	const char *path;
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
	{ "/syslinux.cfg", menu_read_syslinux },
	{ "/boot/grub/grub.cfg", menu_read_grub },
	{ "/boot/grub2/grub.cfg", menu_read_grub },
	{ "/EFI/BOOT/grub.cfg", menu_read_grub },
	{ "/EFI/debian/grub.cfg", menu_read_grub },
	{ "/EFI/ubuntu/grub.cfg", menu_read_grub },
	{ "/EFI/fedora/grub.cfg", menu_read_grub },
	{ "/boot/grub/loopback.cfg", menu_read_grub },
};

/* Larger than any menu, smaller than any harm. */
#define MENU_FILE_MAX MIB

static int load_text(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	const struct node *n = source_find(ctx, path);

	if (!n || n->type != NODE_FILE)
		return -ENOENT;
	return node_load(n, MENU_FILE_MAX, ret_text, ret_len, e);
}

/* GRUB's scripts ask what is a directory, too. */
static int load_for_grub(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	const struct node *n = source_find(ctx, path);

	return n && n->type == NODE_DIR ? -EISDIR : load_text(ctx, path, ret_text, ret_len, e);
}

static bool is_file(const struct source *s, const char *path)
{
	const struct node *n = source_find(s, path);

	return n && n->type == NODE_FILE;
}

static bool entry_complete(const struct source *s, const struct menu_entry *entry)
{
	if (!is_file(s, entry->kernel))
		return false;
	for (size_t i = 0; i < entry->n_initrds; i++)
		if (!is_file(s, entry->initrds[i]))
			return false;
	return true;
}

/* Copies the entries that can boot; says which file is missing when none can. */
static int keep_complete(struct facts *f, const struct menu *all, const char *path, struct err *e)
{
	struct source *s = f->source;

	f->menu.timeout_ds = all->timeout_ds;
	f->menu.title = all->title ? xstrdup(all->title) : NULL;
	for (size_t i = 0; i < all->n; i++) {
		const struct menu_entry *from = &all->entry[i];
		struct menu_entry *to;

		if (!entry_complete(s, from))
			continue;
		to = menu_add(&f->menu);
		to->id = xstrdup(from->id);
		to->title = xstrdup(from->title);
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
		.ctx = f->source,
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

/* The first menu of which something can boot; else why the first that was there is of no use. */
static int read_menu(struct facts *f, struct err *e)
{
	AUTO_ERR struct err later = { 0 };
	int first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(menu_places); i++) {
		int r;

		if (!is_file(f->source, menu_places[i].path))
			continue;
		r = read_menu_at(f, menu_places[i].path, menu_places[i].read, first == 0 ? e : &later);
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

static int find_family(struct facts *f, const char *name, struct err *e)
{
	AUTO_FREE const char **cmdlines = xcalloc(f->menu.n, sizeof(*cmdlines));
	struct family_facts ff = { .source = f->source, .cmdlines = cmdlines, .n_cmdlines = f->menu.n };
	AUTO_FREE char *why = NULL;

	for (size_t i = 0; i < f->menu.n; i++)
		cmdlines[i] = f->menu.entry[i].args;
	f->family = name ? family_by_name(name) : family_detect(&ff);
	f->family_forced = name && f->family;
	if (name && !f->family)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--family %s: no such family", name);
	if (!f->family)
		return fail_source(e, -EINVAL, "%s: no live system that livestick knows is in it", f->source->path);
	why = f->family->refuse ? f->family->refuse(&ff) : NULL;
	if (why)
		return fail_source(e, -EINVAL, "%s: %s", f->source->path, why);
	if (!f->menu_path)
		return fail_source(e, -EINVAL, "%s: has no boot menu of isolinux, syslinux or GRUB", f->source->path);
	return 0;
}

int facts_read(const char *path, const char *family_name, struct facts *ret, struct err *e)
{
	struct facts f = { 0 };
	int r = source_open(path, &f.source, e);

	if (r == 0)
		r = read_menu(&f, e);
	if (r == 0)
		r = find_family(&f, family_name, e);
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
	source_free(f->source);
	*f = (struct facts){ 0 };
}
