/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fnmatch.h>

#include "src/plan_parts.h"

struct choice {
	struct plan *plan;
	const struct node **named; /* kernels and initrds that a menu entry needs, and what is copied as a loader */
	size_t n_named, cap_named;
	const struct node *menu_dir; /* where the source's BIOS menu lies */
	const struct node *efi_dir, *loader_dir, *grub_dir, *grub2_dir;
};

static bool is_named(const struct choice *c, const struct node *n)
{
	for (size_t i = 0; i < c->n_named; i++)
		if (c->named[i] == n)
			return true;
	return false;
}

static void add_named(struct choice *c, const struct node *n)
{
	if (!n || is_named(c, n))
		return;
	c->named = array_grow(c->named, c->n_named, &c->cap_named, sizeof(*c->named));
	c->named[c->n_named++] = n;
}

static void count(const struct node *n, u64 *bytes, u64 *files)
{
	if (n->type == NODE_FILE) {
		*bytes += n->size;
		++*files;
	}
	for (size_t i = 0; i < n->n_children; i++)
		count(n->children[i], bytes, files);
}

static bool below(const struct node *n, const struct node *dir)
{
	for (; n; n = n->parent)
		if (n == dir)
			return true;
	return false;
}

/* Only a directory that is a loader's by its name: a menu may also lie among the system's own files. */
static bool rule_menu_dir(const struct choice *c, const struct node *n)
{
	return c->menu_dir && below(n, c->menu_dir) &&
	       (strcasecmp(c->menu_dir->name, "isolinux") == 0 || strcasecmp(c->menu_dir->name, "syslinux") == 0);
}

static bool rule_isolinux(const struct choice *c, const struct node *n)
{
	static const char *const file[] = { "isolinux.bin", "isohdpfx.bin", "boot.cat", "ldlinux.sys" };

	(void)c;
	if (n->type != NODE_FILE)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(file); i++)
		if (strcasecmp(n->name, file[i]) == 0)
			return true;
	return false;
}

static bool rule_uefi(const struct choice *c, const struct node *n)
{
	return (c->efi_dir && below(n, c->efi_dir)) || (c->loader_dir && below(n, c->loader_dir));
}

static bool rule_grub(const struct choice *c, const struct node *n)
{
	return (c->grub_dir && below(n, c->grub_dir)) || (c->grub2_dir && below(n, c->grub2_dir));
}

static bool rule_other_stick(const struct choice *c, const struct node *n)
{
	return n == source_find(c->plan->facts->source, STICK_DIR) || strcmp(n->name, "ldlinux.c32") == 0 ||
	       strcmp(n->name, "lost+found") == 0;
}

static bool rule_boot_image(const struct choice *c, const struct node *n)
{
	const struct source *s = c->plan->facts->source;

	if (n->n_extents != 1)
		return false;
	for (size_t i = 0; i < s->n_boot_images; i++)
		if (s->boot_images[i].off == n->extents[0].off)
			return true;
	return false;
}

static bool rule_unnamed_kernel(const struct choice *c, const struct node *n)
{
	static const char *const pattern[] = { "vmlinuz*", "bzimage*", "initrd*", "initramfs*" };

	(void)c;
	if (n->type == NODE_DIR)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(pattern); i++)
		if (fnmatch(pattern[i], n->name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

/* FAT has no links: what a link leads to is copied in its place, if that is small. */
#define LINKED_MAX (64 * MIB)

static const struct node *linked(const struct choice *c, const struct node *n)
{
	AUTO_FREE char *path = n->type == NODE_SYMLINK ? node_path(n) : NULL;
	const struct node *target = path ? source_find(c->plan->facts->source, path) : NULL;
	u64 bytes = 0, files = 0;

	if (!target || below(n, target) || is_named(c, target))
		return NULL;
	count(target, &bytes, &files);
	return bytes <= LINKED_MAX ? target : NULL;
}

static bool rule_symlink(const struct choice *c, const struct node *n)
{
	return n->type == NODE_SYMLINK && !linked(c, n);
}

/* The first rule that holds keeps a node off the stick; files that a menu entry names are never asked. */
static const struct {
	const char *why;
	bool (*holds)(const struct choice *c, const struct node *n);
} rules[] = {
	{ "the image's own BIOS loader and menu: the stick has SYSLINUX and a menu of its own", rule_menu_dir },
	{ "the image's own BIOS loader: the stick has SYSLINUX", rule_isolinux },
	{ "what the stick that is copied had for itself", rule_other_stick },
	{ "boot image of the CD", rule_boot_image },
	{ "the image's own UEFI loader and menu: the stick has one", rule_uefi },
	{ "the image's own GRUB, its menu and look: the stick has a menu of its own", rule_grub },
	{ "a kernel or initrd that no menu entry names", rule_unnamed_kernel },
	{ "a symbolic link, to nothing or to something large", rule_symlink },
};

static const char *why_left(const struct choice *c, const struct node *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].holds(c, n))
			return rules[i].why;
	return NULL;
}

static void leave(struct choice *c, const struct node *n, const char *why)
{
	struct plan *p = c->plan;
	struct plan_leave *l = ARRAY_ADD(p->leave, p->n_leave, p->cap_leave);

	l->node = n;
	l->why = why;
}

static bool holds_named(const struct choice *c, const struct node *dir)
{
	for (size_t i = 0; i < c->n_named; i++)
		if (below(c->named[i], dir))
			return true;
	return false;
}

char *plan_copy_path(const struct plan *p, const struct plan_copy *c)
{
	AUTO_FREE char *path = c->as ? NULL : node_path(c->node);
	struct buf in_slot = { 0 };

	if (c->as)
		return xstrdup(c->as);
	buf_addf(&in_slot, "%s%s", p->slot_dir, path);
	return in_slot.s;
}

static void copy(struct choice *c, const struct node *n, const char *as)
{
	struct plan *p = c->plan;

	*ARRAY_ADD(p->copy, p->n_copy, p->cap_copy) = (struct plan_copy){ .node = n, .as = as };
	if (n->type == NODE_FILE)
		p->copy_bytes += n->size;
}

/* A directory's own links are left out: they could lead back to it. */
static void copy_as(struct choice *c, const struct node *n, const char *path)
{
	if (n->type == NODE_SYMLINK)
		return;
	copy(c, n, pool_strdup(&c->plan->pool, path));
	for (size_t i = 0; i < n->n_children; i++) {
		AUTO_BUF struct buf below = { 0 };

		buf_addf(&below, "%s/%s", path, n->children[i]->name);
		copy_as(c, n->children[i], below.s);
	}
}

static void copy_linked(struct choice *c, const struct node *link)
{
	AUTO_FREE char *path = plan_copy_path(c->plan, &(struct plan_copy){ .node = link });

	copy_as(c, linked(c, link), path);
}

static void walk(struct choice *c, const struct node *dir)
{
	for (size_t i = 0; i < dir->n_children; i++) {
		const struct node *n = dir->children[i];
		const char *why = is_named(c, n) ? NULL : why_left(c, n);

		if (why && !(n->type == NODE_DIR && holds_named(c, n))) {
			leave(c, n, why);
			continue;
		}
		if (n->type == NODE_DIR) {
			size_t at = c->plan->n_copy;

			copy(c, n, NULL);
			walk(c, n);
			/* A directory of which everything stays behind stays behind too. */
			if (c->plan->n_copy == at + 1 && n->n_children)
				c->plan->n_copy--;
		} else if (n->type == NODE_SYMLINK) {
			copy_linked(c, n);
		} else if (!is_named(c, n)) {
			copy(c, n, NULL);
		}
	}
}

static void find_dirs(struct choice *c)
{
	const struct source *s = c->plan->facts->source;
	const char *menu = c->plan->facts->menu_path;
	const struct node *config = menu ? source_find(s, menu) : NULL;

	c->menu_dir = config ? config->parent : NULL;
	c->efi_dir = source_find(s, "/EFI");
	c->loader_dir = source_find(s, "/loader");
	c->grub_dir = source_find(s, "/boot/grub");
	c->grub2_dir = source_find(s, "/boot/grub2");
}

void plan_choose_files(struct plan *p)
{
	struct choice c = { .plan = p };
	const struct menu *menu = &p->facts->menu;
	const struct source *s = p->facts->source;

	find_dirs(&c);
	for (size_t i = 0; i < menu->n; i++) {
		add_named(&c, source_find(s, menu->entry[i].kernel));
		for (size_t k = 0; k < menu->entry[i].n_initrds; k++)
			add_named(&c, source_find(s, menu->entry[i].initrds[k]));
	}
	for (size_t i = 0; i < c.n_named; i++)
		copy(&c, c.named[i], NULL);
	/* These go onto the stick too, but by plan_loader.c. */
	for (size_t i = 0; i < p->n_efi_copy; i++)
		add_named(&c, p->efi_copy[i].node);
	walk(&c, s->root);
	for (size_t i = 0; i < p->n_leave; i++) {
		count(p->leave[i].node, &p->leave[i].bytes, &p->leave[i].files);
		p->leave_bytes += p->leave[i].bytes;
	}
	free(c.named);
}
