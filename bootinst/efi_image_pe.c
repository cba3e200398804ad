/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/efi_image_private.h"

#define COFF_SIZE    24 /* with the signature "PE\0\0" */
#define SECTION_SIZE 40
#define SYMBOL_SIZE  18
#define NAME_SIZE    8 /* of a section, in its header */

/* Offsets in the optional header. */
#define OPT_HEADERS_SIZE 60
#define OPT_CHECKSUM     64
#define OPT_SUBSYSTEM    68
#define OPT32_N_DIRS     92
#define OPT64_N_DIRS     108

#define MAGIC_32      0x10b
#define MAGIC_64      0x20b
#define SUBSYSTEM_EFI 10 /* to 13: application, drivers, ROM */
#define SUBSYSTEM_ROM 13
#define DIR_SECURITY  4

static bool open_optional(struct bytes opt, size_t opt_off, struct pe *pe)
{
	size_t dirs;
	u32 n_dirs;
	u16 magic, subsystem;

	if (opt.len < OPT32_N_DIRS + 4)
		return false;
	magic = get_le16(opt.p);
	subsystem = get_le16(opt.p + OPT_SUBSYSTEM);
	if ((magic != MAGIC_32 && magic != MAGIC_64) || subsystem < SUBSYSTEM_EFI || subsystem > SUBSYSTEM_ROM)
		return false;
	pe->is_64 = magic == MAGIC_64;
	dirs = (pe->is_64 ? OPT64_N_DIRS : OPT32_N_DIRS) + 4;
	if (opt.len < dirs)
		return false;
	n_dirs = get_le32(opt.p + dirs - 4);
	pe->headers_size = get_le32(opt.p + OPT_HEADERS_SIZE);
	pe->checksum_off = opt_off + OPT_CHECKSUM;
	if (n_dirs > DIR_SECURITY && opt.len - dirs >= 8 * (DIR_SECURITY + 1))
		pe->secdir_off = opt_off + dirs + 8 * DIR_SECURITY;
	return true;
}

bool pe_open(struct bytes file, struct pe *ret)
{
	struct bytes dos = bytes_at(file, 0, 64), coff, opt, sections;
	struct pe pe = { .file = file };
	u64 at, names;

	if (!dos.p || memcmp(dos.p, "MZ", 2) != 0)
		return false;
	at = get_le32(dos.p + 60);
	coff = bytes_at(file, at, COFF_SIZE);
	if (!coff.p || memcmp(coff.p, "PE\0\0", 4) != 0)
		return false;
	pe.machine = get_le16(coff.p + 4);
	pe.n_sections = get_le16(coff.p + 6);
	opt = bytes_at(file, at + COFF_SIZE, get_le16(coff.p + 20));
	sections = bytes_at(file, at + COFF_SIZE + opt.len, (u64)pe.n_sections * SECTION_SIZE);
	if (!opt.p || !sections.p || !pe.n_sections || pe.n_sections > PE_SECTIONS_MAX ||
	    !open_optional(opt, at + COFF_SIZE, &pe))
		return false;
	pe.sections = sections.p;
	names = get_le32(coff.p + 12) + (u64)get_le32(coff.p + 16) * SYMBOL_SIZE;
	if (get_le32(coff.p + 12) && bytes_at(file, names, 4).p)
		pe.names = bytes_at(file, names, get_le32(file.p + names));
	*ret = pe;
	return true;
}

/* A name of more than 8 characters is "/" and its decimal offset in the string table. */
static bool has_name(const struct pe *pe, const u8 *section, const char *name)
{
	size_t len = strlen(name), off = 0;
	const u8 *p = section + 1;

	if (len <= NAME_SIZE)
		return strncmp((const char *)section, name, NAME_SIZE) == 0;
	if (*section != '/')
		return false;
	for (; p < section + NAME_SIZE && *p >= '0' && *p <= '9'; p++)
		off = off * 10 + (size_t)(*p - '0');
	/* The offset counts from the table's start, its length field included. */
	return bytes_at(pe->names, off, len + 1).p && memcmp(pe->names.p + off, name, len + 1) == 0;
}

struct bytes pe_section(const struct pe *pe, const char *name)
{
	const u8 *s = pe->sections;

	for (unsigned i = 0; i < pe->n_sections; i++, s += SECTION_SIZE) {
		u32 virtual_size = get_le32(s + 8), size = get_le32(s + 16);

		if (has_name(pe, s, name))
			return bytes_at(pe->file, get_le32(s + 20), virtual_size ? MIN(virtual_size, size) : size);
	}
	return (struct bytes){ NULL, 0 };
}
