/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fnmatch.h>

#include "src/plan_parts.h"

/* ---- BIOS: SYSLINUX */

static void add_text(struct plan *p, const char *path, const struct buf *text)
{
	plan_add_listed(&p->boot_files, &p->stick_manifest, path, text->len, input_memory(text->s), p->time);
}

/* ldlinux.sys comes first on BOOT, so that it lies in one stretch whatever the file system. */
static void add_bios(struct plan *p, struct host *host)
{
	struct volume_files *v = &p->boot_files;
	struct manifest *m = &p->stick_manifest;
	const struct blob *sys = &host->syslinux.sys, *c32 = &host->syslinux.c32;
	AUTO_BUF struct buf path = { 0 };

	plan_add_listed(v, m, STICK_DIR "/ldlinux.sys", sys->len, input_memory(sys->data), p->time)->system_file = true;
	plan_add_listed(v, m, STICK_DIR "/ldlinux.c32", c32->len, input_memory(c32->data), p->time)->system_file = true;
	for (size_t i = 0; i < HOST_MODULES; i++) {
		buf_clear(&path);
		buf_addf(&path, STICK_DIR "/%s", host->module_name[i]);
		plan_add_listed(v, m, path.s, host->module[i].len, input_memory(host->module[i].data), p->time);
	}
	add_text(p, STICK_DIR "/syslinux.cfg", &p->top_cfg);
}

/* ---- UEFI: shim and GRUB */

/* What the menu needs of GRUB. An image that has it all built in (the signed ones have) needs no modules beside it. */
static const char *const needed[] = { "normal", "configfile", "search",     "search_fs_uuid", "test",
	                              "linux",  "fat",        "part_msdos", "part_gpt" };

static bool has_all(const struct plan *p, const struct efi_image *grub)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!efi_grub_has_module(grub, needed[i]))
			return false;
	return !p->boot_is_ext4 || efi_grub_has_module(grub, "ext2");
}

/*
 * The path with the names of directories as the source spells them: FAT takes "/EFI" and "/efi" for one, and both may
 * come from different places. The caller frees.
 */
static char *tree_spelling(const struct plan *p, const char *path)
{
	for (const char *end = path + strlen(path); end > path; end--) {
		AUTO_FREE char *dir = *end == '/' ? xstrndup(path, (size_t)(end - path)) : NULL;
		const struct node *n = dir ? source_find(p->facts->source, dir) : NULL;
		AUTO_FREE char *real = n && n->type == NODE_DIR ? node_path(n) : NULL;
		struct buf b = { 0 };

		if (!real)
			continue;
		buf_addf(&b, "%s%s", real, end);
		return b.s;
	}
	return xstrdup(path);
}

static void choose(struct plan *p, const char *path, const struct node *n, const struct efi_file *f)
{
	struct plan_efi_copy *c = ARRAY_ADD(p->efi_copy, p->n_efi_copy, p->cap_efi_copy);

	*c = (struct plan_efi_copy){ .node = n, .efi = f, .path = tree_spelling(p, path) };
	p->efi_bytes += n ? n->size : f->size;
}

static bool is_chosen(const struct plan *p, const struct node *n)
{
	for (size_t i = 0; i < p->n_efi_copy; i++)
		if (p->efi_copy[i].node == n)
			return true;
	return false;
}

static void choose_modules(struct plan *p, const struct node *dir)
{
	for (size_t i = 0; dir && i < dir->n_children; i++) {
		const struct node *n = dir->children[i];
		AUTO_FREE char *path = node_path(n);

		if (n->type == NODE_FILE && !is_chosen(p, n) &&
		    (fnmatch("*.mod", n->name, 0) == 0 || fnmatch("*.lst", n->name, 0) == 0))
			choose(p, path, n, NULL);
	}
}

/* Of the source, where images of GRUB usually have their prefix. */
static void choose_modules_of(struct plan *p, const struct efi_loader *l)
{
	static const char *const platform[] = {
		[EFI_X64] = "x86_64-efi", [EFI_IA32] = "i386-efi", [EFI_AA64] = "arm64-efi"
	};
	static const char *const dir[] = { "/boot/grub", "/boot/grub2", "/EFI/BOOT", "/EFI/BOOT/grub" };
	AUTO_BUF struct buf path = { 0 };

	if (p->efi->from == EFI_FROM_HOST || has_all(p, efi_menu_program(l)))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(dir); i++) {
		buf_clear(&path);
		buf_addf(&path, "%s/%s", dir[i], platform[l->machine]);
		choose_modules(p, source_find(p->facts->source, path.s));
	}
}

/* With this beside it, shim would make boot entries in the firmware instead of starting GRUB. */
static bool is_fallback(const char *path)
{
	return fnmatch("*/fb????.efi", path, FNM_CASEFOLD) == 0 || fnmatch("*/fbx64.efi", path, FNM_CASEFOLD) == 0;
}

void plan_choose_efi_files(struct plan *p)
{
	for (size_t i = 0; p->efi && i < p->efi->n_files; i++) {
		const struct efi_file *f = &p->efi->file[i];

		if (!f->is_config && !is_fallback(f->path))
			choose(p, f->path, f->node, f->node ? NULL : f);
	}
	for (size_t i = 0; p->efi && i < p->efi->n_loaders; i++)
		choose_modules_of(p, &p->efi->loader[i]);
}

/* One of our few lines of configuration, at a place where GRUB may look. */
static void add_stub(struct plan *p, struct volume_files *v, struct manifest *m, const char *path)
{
	AUTO_FREE char *in_tree = tree_spelling(p, path), *real = volume_spelling(v, in_tree);

	if (!volume_find(v, real))
		plan_add_listed(v, m, real, p->grub_stub.len, input_memory(p->grub_stub.s), p->time);
}

static void add_stubs(struct plan *p, struct volume_files *v, struct manifest *m)
{
	static const char *const usual[] = { "/EFI/BOOT/grub.cfg", "/boot/grub/grub.cfg" };

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		add_stub(p, v, m, usual[i]);
	for (size_t i = 0; i < p->efi->n_loaders; i++) {
		const struct efi_loader *l = &p->efi->loader[i];
		const char *program = p->efi->file[l->second].path;
		AUTO_FREE char *dir = xstrndup(program, (size_t)(strrchr(program, '/') - program));
		struct efi_paths paths = { 0 };

		grub_config_paths(efi_menu_program(l), dir, &paths);
		for (size_t k = 0; k < paths.n; k++)
			add_stub(p, v, m, paths.path[k]);
		efi_paths_free(&paths);
	}
	/* Where the source has a grub.cfg of a loader's, a loader may look for it. */
	for (size_t i = 0; i < p->efi->n_files; i++)
		if (fnmatch("*/grub.cfg", p->efi->file[i].path, FNM_CASEFOLD) == 0)
			add_stub(p, v, m, p->efi->file[i].path);
}

/* Onto the volume that the firmware reads. */
static void add_efi(struct plan *p, struct volume_files *v, struct manifest *m)
{
	for (size_t i = 0; i < p->n_efi_copy; i++) {
		const struct plan_efi_copy *c = &p->efi_copy[i];

		if (c->node)
			plan_add_listed(v, m, c->path, c->node->size, node_input(c->node), c->node->mtime);
		else
			plan_add_listed(v, m, c->path, c->efi->size, efi_file_input(c->efi), p->time);
	}
	add_stubs(p, v, m);
}

/* GRUB images with a configuration built in may look for this file to find their medium. */
static void add_disk_info(struct plan *p)
{
	const struct node *n = source_find(p->facts->source, "/.disk/info");

	if (n && n->type == NODE_FILE)
		plan_add_listed(&p->esp_files, &p->esp_manifest, "/.disk/info", n->size, node_input(n), n->mtime);
}

void plan_add_loaders(struct plan *p, struct host *host)
{
	if (p->bios)
		add_bios(p, host);
	if (p->efi && p->boot_is_ext4) {
		add_efi(p, &p->esp_files, &p->esp_manifest);
		add_disk_info(p);
		/* A GRUB that looks for its medium by a file of the source finds BOOT, not the ESP. */
		add_stubs(p, &p->boot_files, &p->stick_manifest);
	} else if (p->efi) {
		add_efi(p, &p->boot_files, &p->stick_manifest);
	}
	if (p->efi)
		add_text(p, GRUB_CFG, &p->grub_top);
	volume_add(&p->boot_files, STICK_DIR "/switch.cfg", sizeof(p->switch_cfg), input_memory(p->switch_cfg),
	           p->time);
}
