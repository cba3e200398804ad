/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/modinfo.h"

#include <elf.h>

#define SECTION ".modinfo"

bool modinfo_is_elf(const u8 *data, size_t len)
{
	return len > EI_NIDENT && memcmp(data, ELFMAG, SELFMAG) == 0 && data[EI_DATA] == ELFDATA2LSB &&
	       (data[EI_CLASS] == ELFCLASS32 || data[EI_CLASS] == ELFCLASS64);
}

/* Sections of either class. */
struct section {
	u32 name;
	u64 off, size;
};

struct elf {
	const u8 *data;
	size_t len;
	bool is_64;
	u64 table; /* of the sections */
	unsigned entry_size, n, names;
};

static bool is_inside(const struct elf *f, u64 off, u64 size)
{
	return off <= f->len && size <= f->len - off;
}

static bool read_header(struct elf *f)
{
	Elf32_Ehdr h32;
	Elf64_Ehdr h64;

	f->is_64 = f->data[EI_CLASS] == ELFCLASS64;
	if (!is_inside(f, 0, f->is_64 ? sizeof(h64) : sizeof(h32)))
		return false;
	memcpy(&h32, f->data, sizeof(h32));
	memcpy(&h64, f->data, f->is_64 ? sizeof(h64) : sizeof(h32));
	f->table = f->is_64 ? h64.e_shoff : h32.e_shoff;
	f->entry_size = f->is_64 ? h64.e_shentsize : h32.e_shentsize;
	f->n = f->is_64 ? h64.e_shnum : h32.e_shnum;
	f->names = f->is_64 ? h64.e_shstrndx : h32.e_shstrndx;
	return f->entry_size >= (f->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) &&
	       is_inside(f, f->table, (u64)f->entry_size * f->n);
}

static bool read_section(const struct elf *f, unsigned i, struct section *ret)
{
	const u8 *at;
	Elf32_Shdr s32;
	Elf64_Shdr s64;

	if (i >= f->n)
		return false;
	at = f->data + f->table + (size_t)f->entry_size * i;
	memcpy(&s32, at, sizeof(s32));
	memcpy(&s64, at, f->is_64 ? sizeof(s64) : sizeof(s32));
	*ret = f->is_64 ? (struct section){ s64.sh_name, s64.sh_offset, s64.sh_size }
	                : (struct section){ s32.sh_name, s32.sh_offset, s32.sh_size };
	return is_inside(f, ret->off, ret->size);
}

static bool find_modinfo(const struct elf *f, struct section *ret)
{
	struct section names;

	if (!read_section(f, f->names, &names))
		return false;
	for (unsigned i = 0; i < f->n; i++)
		if (read_section(f, i, ret) && ret->name < names.size && names.size - ret->name >= sizeof(SECTION) &&
		    memcmp(f->data + names.off + ret->name, SECTION, sizeof(SECTION)) == 0)
			return true;
	return false;
}

const char *modinfo_find(const u8 *data, size_t len, const char *key, const char *after)
{
	struct elf f = { .data = data, .len = len };
	size_t key_len = strlen(key);
	const char *at, *end;
	struct section s;

	if (!modinfo_is_elf(data, len) || !read_header(&f) || !find_modinfo(&f, &s))
		return NULL;
	at = (const char *)data + s.off;
	end = at + s.size;
	if (after && after >= at && after < end) /* behind it is a NUL, or it would not have been found */
		at = after + strlen(after) + 1;
	/* Behind the last NUL is no text. */
	for (const char *nul; (nul = memchr(at, '\0', (size_t)(end - at))); at = nul + 1)
		if ((size_t)(nul - at) > key_len && memcmp(at, key, key_len) == 0 && at[key_len] == '=')
			return at + key_len + 1;
	return NULL;
}
