/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/efi.h"

#include <errno.h>
#include <fnmatch.h>

#include "bootinst/syslinux.h"
#include "src/fs/fat_read.h"

/* A loader with all of its modules has 6 MiB; kernels for the firmware's own loader may lie beside it. */
#define PROGRAM_MAX (32 * MIB)
#define CONFIG_MAX  MIB
#define SET_MAX     (64 * MIB)
#define FILES_MAX   2000

/* UEFI 2.10, 3.5.1.1: what is started of a removable medium. */
static const struct {
	enum efi_machine machine;
	const char *name;
	const char *second[2]; /* what a shim of this kind starts, beside itself (DEFAULT_LOADER when it was built) */
} machines[] = {
	{ EFI_X64, "BOOTX64.EFI", { "grubx64.efi", "grub.efi" } },
	{ EFI_IA32, "BOOTIA32.EFI", { "grubia32.efi", "grub.efi" } },
	{ EFI_AA64, "BOOTAA64.EFI", { "grubaa64.efi", "grub.efi" } },
};

struct reading {
	struct source *source;
	struct efi_set *set;
	struct fat_volume *fat;
	u64 bytes;
	struct err *e;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct efi_file *add_file(struct efi_set *s, const char *path, u64 size, i64 mtime)
{
	struct efi_file *f = ARRAY_ADD(s->file, s->n_files, s->cap_files);

	*f = (struct efi_file){ .path = xstrdup(path), .size = size, .mtime = mtime };
	f->is_config = fnmatch("*.cfg", path, FNM_CASEFOLD) == 0 || fnmatch("*.conf", path, FNM_CASEFOLD) == 0;
	return f;
}

/* ---- the tree */

static int take_node(struct reading *r, const struct node *n)
{
	AUTO_FREE char *path = node_path(n);

	if (r->set->n_files >= FILES_MAX)
		return fail_source(r->e, -E2BIG, "%s: has more than %d files", path, FILES_MAX);
	add_file(r->set, path, n->size, n->mtime)->node = n;
	return 0;
}

static int take_tree(struct reading *r, const struct node *dir)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < dir->n_children; i++) {
		const struct node *n = dir->children[i];

		if (n->type == NODE_DIR)
			status = take_tree(r, n);
		else if (n->type == NODE_FILE)
			status = take_node(r, n);
	}
	return status;
}

/* ---- the FAT image */

static bool wanted(const struct fat_entry *entry)
{
	static const char *const config[] = { "/loader/*", "/boot/grub*/*.cfg", "/*.cfg" };

	if (entry->is_dir)
		return false;
	if (fnmatch("/EFI/*", entry->path, FNM_CASEFOLD) == 0)
		return entry->size <= PROGRAM_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(config); i++)
		if (fnmatch(config[i], entry->path, FNM_CASEFOLD) == 0)
			return entry->size <= CONFIG_MAX;
	return false;
}

static int take_entry(void *ctx, const struct fat_entry *entry)
{
	struct reading *r = ctx;
	struct efi_file *f;

	if (!wanted(entry))
		return 0;
	if (r->set->n_files >= FILES_MAX || entry->size > SET_MAX - r->bytes)
		return fail_source(r->e, -E2BIG, "its EFI image has more than %d files or %llu bytes of loaders",
		                   FILES_MAX, SET_MAX);
	r->bytes += entry->size;
	f = add_file(r->set, entry->path, entry->size, 0);
	f->data = xcalloc(1, entry->size + 1);
	return fat_read_file(r->fat, entry, 0, f->data, entry->size, r->e);
}

/* An image that cannot be read is none: the medium may boot by other means. */
static int take_image(struct reading *r, const char *name, struct input in, u64 size)
{
	AUTO_DEVICE struct device *d = device_new_input(name, in, size);
	AUTO_FAT struct fat_volume *v = NULL;
	int status = fat_open(d, &v, r->e);

	r->fat = v;
	if (status == 0)
		status = fat_each(v, take_entry, r, r->e);
	if (status == -EINVAL || status == -EUCLEAN) {
		err_clear(r->e);
		return 0;
	}
	return status;
}

/* Where directories, which have no boot catalogue, and some media keep the image as a file. */
static const char *const image_file[] = {
	"/boot/grub/efi.img",       "/efi.img",        "/boot/efi.img", "/images/efiboot.img",
	"/EFI/archiso/efiboot.img", "/boot/x86_64/efi"
};

static int take_images(struct reading *r)
{
	struct source *s = r->source;
	int status = 0;

	for (size_t i = 0; status == 0 && r->set->n_files == 0 && i < s->n_boot_images; i++)
		if (s->boot_images[i].platform == BOOT_IMAGE_EFI)
			status =
			    take_image(r, "EFI image", boot_image_input(&s->boot_images[i]), s->boot_images[i].len);
	for (size_t i = 0; status == 0 && r->set->n_files == 0 && i < ARRAY_SIZE(image_file); i++) {
		const struct node *n = source_find(s, image_file[i]);

		if (n && n->type == NODE_FILE)
			status = take_image(r, image_file[i], node_input(n), n->size);
	}
	return status;
}

/* ---- what they are */

static size_t find_file(const struct efi_set *s, const char *dir, size_t dir_len, const char *name)
{
	for (size_t i = 0; i < s->n_files; i++) {
		const char *path = s->file[i].path;

		if (strncasecmp(path, dir, dir_len) == 0 && strcasecmp(path + dir_len, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

static int read_program(const struct efi_file *f, struct efi_image *ret, struct err *e)
{
	AUTO_FREE char *loaded = NULL;
	const char *data = f->data;
	size_t len = f->size;
	int r = 0;

	if (f->node)
		r = node_load(f->node, PROGRAM_MAX, &loaded, &len, e);
	if (r == 0)
		r = efi_image_read(loaded ? loaded : data, len, ret, e);
	/* What is no program, or larger than any, only does not boot. */
	if (r == -EINVAL || r == -EFBIG) {
		err_clear(e);
		return -EINVAL;
	}
	return r;
}

static int add_loader(struct efi_set *s, size_t machine, size_t first, struct err *e)
{
	const char *path = s->file[first].path;
	struct efi_loader l = { .machine = machines[machine].machine, .file = first, .second = first };
	int r = read_program(&s->file[first], &l.first_image, e);

	if (r < 0)
		return r == -EINVAL ? 0 : r;
	if (l.first_image.kind == EFI_SHIM) {
		size_t dir_len = (size_t)(base_name(path) - path);

		l.second = find_file(s, path, dir_len, machines[machine].second[0]);
		if (l.second == SIZE_MAX)
			l.second = find_file(s, path, dir_len, machines[machine].second[1]);
		r = l.second == SIZE_MAX ? -EINVAL : read_program(&s->file[l.second], &l.second_image, e);
	}
	if (r < 0) {
		efi_image_free(&l.first_image);
		return r == -EINVAL ? 0 : r;
	}
	*ARRAY_ADD(s->loader, s->n_loaders, s->cap_loaders) = l;
	return 0;
}

static int find_loaders(struct efi_set *s, struct err *e)
{
	static const char dir[] = "/EFI/BOOT/";
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(machines); i++) {
		size_t first = find_file(s, dir, strlen(dir), machines[i].name);

		if (first != SIZE_MAX)
			r = add_loader(s, i, first, e);
	}
	return r;
}

const struct efi_image *efi_menu_program(const struct efi_loader *l)
{
	return l->second == l->file ? &l->first_image : &l->second_image;
}

const struct efi_loader *efi_loader_for(const struct efi_set *s, enum efi_machine machine)
{
	for (size_t i = 0; i < s->n_loaders; i++)
		if (s->loader[i].machine == machine)
			return &s->loader[i];
	return NULL;
}

static const char *kind_name(enum efi_kind kind)
{
	static const char *const name[] = {
		[EFI_OTHER] = "an unknown program",
		[EFI_SHIM] = "another shim",
		[EFI_MOK_MANAGER] = "MokManager",
		[EFI_GRUB] = "GRUB",
		[EFI_SYSTEMD_BOOT] = "systemd-boot",
		[EFI_SYSLINUX] = "SYSLINUX",
		[EFI_REFIND] = "rEFInd",
		[EFI_LINUX] = "a Linux kernel",
	};

	return name[kind];
}

static char *why_not(const struct efi_set *s)
{
	struct buf b = { 0 };

	if (!efi_loader_for(s, EFI_X64)) {
		buf_adds(&b, s->n_loaders ? "it has none for 64-bit PCs" : "it has none");
		return b.s;
	}
	for (size_t i = 0; i < s->n_loaders; i++) {
		const struct efi_image *image = efi_menu_program(&s->loader[i]);

		if (image->kind == EFI_GRUB)
			continue;
		buf_add_escaped(&b, s->file[s->loader[i].second].path);
		buf_addf(&b, " is %s, for which livestick writes no menu", kind_name(image->kind));
		return b.s;
	}
	return NULL;
}

int efi_read_source(struct source *source, struct efi_set *ret, struct err *e)
{
	const struct node *dir = source_find(source, "/EFI");
	struct efi_set s = { 0 };
	struct reading r = { .source = source, .set = &s, .e = e };
	int status = dir && dir->type == NODE_DIR ? take_tree(&r, dir) : 0;

	if (status == 0)
		status = find_loaders(&s, e);
	if (status == 0 && s.n_loaders) {
		s.from = EFI_FROM_TREE;
	} else if (status == 0) {
		efi_set_free(&s);
		status = take_images(&r);
		if (status == 0)
			status = find_loaders(&s, e);
		s.from = EFI_FROM_IMAGE;
	}
	if (status < 0) {
		efi_set_free(&s);
		return fail_source(e, status, "%s: UEFI loader", source->path);
	}
	s.why_not = why_not(&s);
	*ret = s;
	return 0;
}

/* ---- the host */

#define SHIM_DIR "/usr/lib/shim/"
#define GRUB_DIR "/usr/lib/grub/x86_64-efi-signed/"

static const struct {
	const char *host, *package, *path;
} host_file[] = {
	{ SHIM_DIR "shimx64.efi.signed", "shim-signed", "/EFI/BOOT/BOOTX64.EFI" },
	{ SHIM_DIR "mmx64.efi.signed", "shim-signed", "/EFI/BOOT/mmx64.efi" },
	{ GRUB_DIR "grubx64.efi.signed", "grub-efi-amd64-signed", "/EFI/BOOT/grubx64.efi" },
};

int efi_read_host(struct efi_set *ret, struct err *e)
{
	struct efi_set s = { .from = EFI_FROM_HOST };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(host_file); i++) {
		struct blob b;

		r = blob_load(host_file[i].host, PROGRAM_MAX, host_file[i].package, &b, e);
		if (r == 0)
			add_file(&s, host_file[i].path, b.len, 0)->data = (char *)b.data;
	}
	if (r == 0)
		r = find_loaders(&s, e);
	if (r == 0 && (!efi_loader_for(&s, EFI_X64) || (s.why_not = why_not(&s))))
		r = fail(e, -EINVAL, "%s: is not GRUB", GRUB_DIR);
	if (r < 0) {
		efi_set_free(&s);
		return fail(e, r, "UEFI loader");
	}
	*ret = s;
	return 0;
}

/* ---- */

struct input efi_file_input(const struct efi_file *f)
{
	return f->node ? node_input(f->node) : input_memory(f->data);
}

const struct efi_file *efi_config_in_image(const struct efi_set *s, const char *path)
{
	size_t i = s->from == EFI_FROM_IMAGE ? find_file(s, "", 0, path) : SIZE_MAX;

	return i != SIZE_MAX && s->file[i].is_config ? &s->file[i] : NULL;
}

void efi_set_free(struct efi_set *s)
{
	for (size_t i = 0; i < s->n_files; i++) {
		free(s->file[i].path);
		free(s->file[i].data);
	}
	for (size_t i = 0; i < s->n_loaders; i++) {
		efi_image_free(&s->loader[i].first_image);
		efi_image_free(&s->loader[i].second_image);
	}
	free(s->file);
	free(s->loader);
	free(s->why_not);
	*s = (struct efi_set){ 0 };
}

/* Loaders of one set come from one maker: what one of them cannot, none is asked to do. */
const char *efi_linux_command(const struct efi_set *s)
{
	for (size_t i = 0; i < s->n_loaders; i++)
		if (!efi_menu_program(&s->loader[i])->grub_has_linuxefi)
			return "linux";
	return "linuxefi";
}
