/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What grub-mkimage put into an EFI GRUB: modules, prefix, script, memdisk. */
#include <strings.h>

#include "bootinst/efi_image_private.h"
#include "src/fs/fat_read.h"

#define INFO_MAGIC  0x676d696d /* "mimg" */
#define HEADER_SIZE 8          /* of each object: u32 type, u32 size with the header */

#define OBJ_ELF     0
#define OBJ_MEMDISK 1
#define OBJ_CONFIG  2
#define OBJ_PREFIX  3

#define MODULES_MAX 1000
#define CONFIG_MAX  MIB
#define SECTOR      512

/* ---- modules: relocatable ELF files, 32 or 64 bits */

struct elf_layout {
	size_t header, e_shoff, e_shentsize, sh_size, sh_offset, sh_field;
};

static const struct elf_layout elf32 = { 52, 32, 46, 40, 16, 4 };
static const struct elf_layout elf64 = { 64, 40, 58, 64, 24, 8 };

static u64 elf_field(const struct elf_layout *l, const u8 *p)
{
	return l->sh_field == 8 ? get_le64(p) : get_le32(p);
}

static struct bytes elf_section_data(const struct elf_layout *l, struct bytes elf, const u8 *sh)
{
	return bytes_at(elf, elf_field(l, sh + l->sh_offset), elf_field(l, sh + l->sh_offset + l->sh_field));
}

/* Section ".modname" is the module's name and a NUL. */
static struct bytes module_name(struct bytes elf)
{
	static const char wanted[] = ".modname";
	struct bytes ident = bytes_at(elf, 0, 64), table, names;
	const struct elf_layout *l;
	u16 n, names_at;

	if (!ident.p || memcmp(ident.p, "\177ELF", 4) != 0)
		return (struct bytes){ NULL, 0 };
	l = ident.p[4] == 2 ? &elf64 : &elf32;
	n = get_le16(ident.p + l->e_shentsize + 2);
	names_at = get_le16(ident.p + l->e_shentsize + 4);
	table = bytes_at(elf, elf_field(l, ident.p + l->e_shoff), (u64)n * l->sh_size);
	if (!table.p || names_at >= n || get_le16(ident.p + l->e_shentsize) != l->sh_size)
		return (struct bytes){ NULL, 0 };
	names = elf_section_data(l, elf, table.p + names_at * l->sh_size);
	for (u16 i = 0; i < n; i++) {
		const u8 *sh = table.p + i * l->sh_size;
		struct bytes name = bytes_at(names, get_le32(sh), sizeof(wanted));

		if (name.p && memcmp(name.p, wanted, sizeof(wanted)) == 0)
			return elf_section_data(l, elf, sh);
	}
	return (struct bytes){ NULL, 0 };
}

static void read_module(struct efi_image *img, struct bytes elf)
{
	/* As the module has it among its texts. Debian's "linux" names it too, but only to hand over to it. */
	static const char command[] = "\0linuxefi", hand_over[] = "Handing off to linuxefi";
	struct bytes name = module_name(elf);
	char *shown;

	if (memmem(elf.p, elf.len, command, sizeof(command)) &&
	    !memmem(elf.p, elf.len, hand_over, sizeof(hand_over) - 1))
		img->grub_has_linuxefi = true;
	shown = name.p && img->n_grub_modules < MODULES_MAX ? shown_text(name.p, name.len) : NULL;
	if (shown)
		*ARRAY_ADD(img->grub_module, img->n_grub_modules, img->cap_grub_modules) = shown;
}

bool efi_grub_has_module(const struct efi_image *grub, const char *name)
{
	for (size_t i = 0; i < grub->n_grub_modules; i++)
		if (strcmp(grub->grub_module[i], name) == 0)
			return true;
	return false;
}

/* ---- memdisk: a tar (grub-mkstandalone, live-build) or a FAT image (Debian's signed images) */

static bool is_grub_cfg(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcasecmp(slash ? slash + 1 : path, "grub.cfg") == 0;
}

static u64 tar_size(const u8 *digits)
{
	u64 n = 0;

	for (size_t i = 0; i < 12 && digits[i] >= '0' && digits[i] <= '7'; i++)
		n = n * 8 + digits[i] - '0';
	return n;
}

static char *config_in_tar(struct bytes tar)
{
	char name[101] = "";

	for (u64 off = 0; bytes_at(tar, off, SECTOR).p;) {
		const u8 *header = tar.p + off;
		u64 size = tar_size(header + 124);
		struct bytes text = bytes_at(tar, off + SECTOR, size);

		if (memcmp(header + 257, "ustar", 5) != 0 || !text.p)
			return NULL;
		memcpy(name, header, sizeof(name) - 1);
		if ((header[156] == '0' || !header[156]) && is_grub_cfg(name))
			return xstrndup((const char *)text.p, text.len);
		off += SECTOR + align_up(size, SECTOR);
	}
	return NULL;
}

static int keep_config_path(void *ctx, const struct fat_entry *entry)
{
	char **path = ctx;

	if (entry->is_dir || !is_grub_cfg(entry->path))
		return 0;
	*path = xstrdup(entry->path);
	return 1;
}

static char *config_in_fat(struct bytes fat)
{
	size_t size = (size_t)align_down(fat.len, SECTOR);
	AUTO_DEVICE struct device *d = device_new_memory("memdisk", size, SECTOR);
	AUTO_FREE char *path = NULL, *text = NULL;
	AUTO_ERR struct err ignored = { 0 };
	AUTO_FAT struct fat_volume *v = NULL;
	size_t len;

	if (device_write(d, 0, fat.p, size, &ignored) < 0 || fat_open(d, &v, &ignored) < 0 ||
	    fat_each(v, keep_config_path, &path, &ignored) < 0 || !path ||
	    fat_load(v, path, CONFIG_MAX, &text, &len, &ignored) < 0)
		return NULL;
	return TAKE(text);
}

static char *memdisk_config(struct bytes disk)
{
	struct bytes magic = bytes_at(disk, 257, 5), boot = bytes_at(disk, 510, 2);
	AUTO_FREE char *text = NULL;

	if (magic.p && memcmp(magic.p, "ustar", 5) == 0)
		text = config_in_tar(disk);
	else if (boot.p && get_le16(boot.p) == 0xaa55)
		text = config_in_fat(disk);
	/* grub-mkstandalone --compress packs the files, too. */
	return text && text[0] != '\x1f' && text[0] != '\xfd' ? TAKE(text) : NULL;
}

/* ---- all of it */

/* GRUB takes the first script and the first memdisk, and the last prefix. */
struct parts {
	struct bytes memdisk, config, prefix;
};

static void read_object(struct efi_image *img, u32 type, struct bytes body, struct parts *parts)
{
	if (type == OBJ_ELF)
		read_module(img, body);
	else if (type == OBJ_MEMDISK && !parts->memdisk.p)
		parts->memdisk = body;
	else if (type == OBJ_CONFIG && !parts->config.p)
		parts->config = body;
	else if (type == OBJ_PREFIX)
		parts->prefix = body;
}

static void read_objects(struct efi_image *img, struct bytes section, u64 off, size_t align, struct parts *parts)
{
	struct bytes header;

	while ((header = bytes_at(section, off, HEADER_SIZE)).p) {
		u32 size = get_le32(header.p + 4);
		struct bytes object = bytes_at(section, off, size);

		if (size < HEADER_SIZE || !object.p)
			break;
		read_object(img, get_le32(header.p), bytes_at(object, HEADER_SIZE, size - HEADER_SIZE), parts);
		off += align_up(size, align);
	}
}

static void read_config(struct efi_image *img, const struct parts *parts)
{
	AUTO_FREE char *own = NULL, *memdisk = NULL;
	AUTO_BUF struct buf both = { 0 };

	if (parts->config.p)
		own = xstrndup((const char *)parts->config.p, MIN(parts->config.len, CONFIG_MAX));
	if (parts->memdisk.p)
		memdisk = memdisk_config(parts->memdisk);
	img->grub_memdisk_unknown = parts->memdisk.p && !memdisk;
	if (!own && !memdisk)
		return;
	buf_addf(&both, "%s\n%s", own ? own : "", memdisk ? memdisk : "");
	img->grub_config = TAKE(both.s);
}

bool efi_read_grub(struct bytes section, bool is_64, struct efi_image *img)
{
	size_t align = is_64 ? 8 : 4;
	struct bytes info = bytes_at(section, 0, 3 * align);
	struct parts parts = { 0 };
	u64 off, end;

	if (!info.p || get_le32(info.p) != INFO_MAGIC)
		return false;
	off = is_64 ? get_le64(info.p + 8) : get_le32(info.p + 4);
	end = is_64 ? get_le64(info.p + 16) : get_le32(info.p + 8);
	section.len = MIN(section.len, end);
	read_objects(img, section, off, align, &parts);
	read_config(img, &parts);
	if (parts.prefix.p)
		img->grub_prefix = xstrndup((const char *)parts.prefix.p, parts.prefix.len);
	return true;
}
