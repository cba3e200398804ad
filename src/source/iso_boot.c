/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where boot images lie. The El Torito catalogue ("El Torito" Bootable CD-ROM Format Specification 1.0; platform 0xef:
 * UEFI 2.10, 13.3.2.1) knows their beginning, but its length has 16 bits of 512 bytes and is often wrong; so a file at
 * that place, or a partition of a hybrid image, says how long they are. Some EFI images are partitions only.
 */
#include "src/source/iso.h"

#include "src/base/err.h"

enum {
	SECTOR = 512,
	CATALOGUE_ENTRY = 32,

	MBR_PARTITIONS = 4,
	MBR_TYPE_EFI = 0xef,

	GPT_ENTRY_MIN = 128, /* UEFI 2.10, 5.3.2: 128 * 2^n */
	GPT_ENTRY_MAX = 4096,
	GPT_PARTITIONS_MAX = 128,

	PLATFORM_BIOS = 0,
	PLATFORM_EFI = 0xef,
};

/* A stretch that a partition table names, inside the image. */
struct part {
	u64 off, len;
	bool efi;
};

struct finding {
	struct iso *iso;
	struct part parts[MBR_PARTITIONS + GPT_PARTITIONS_MAX];
	size_t n_parts;
	size_t cap_images;
};

/* A read inside the image that may fail: then there is nothing to find. */
static bool have(struct iso *iso, u64 off, void *buf, size_t len)
{
	AUTO_ERR struct err e = { 0 };

	return iso_inside(iso, off, len) && iso_read_at(iso, off, buf, len, &e) == 0;
}

/* ---- partition tables, always in sectors of 512 bytes: that is what hybrid images are made for */

static void add_part(struct finding *f, u64 first, u64 count, bool efi)
{
	u64 sectors = f->iso->source.size / SECTOR;

	if (count == 0)
		return;
	if (first >= sectors || count > sectors - first) {
		if (efi)
			source_warn(&f->iso->source, "its EFI partition does not lie inside the image");
		return;
	}
	f->parts[f->n_parts++] = (struct part){ first * SECTOR, count * SECTOR, efi };
}

static void read_mbr(struct finding *f)
{
	u8 mbr[SECTOR];

	if (!have(f->iso, 0, mbr, SECTOR) || mbr[510] != 0x55 || mbr[511] != 0xaa)
		return;
	for (int i = 0; i < MBR_PARTITIONS; i++) {
		const u8 *p = mbr + 446 + 16 * i;

		add_part(f, get_le32(p + 8), get_le32(p + 12), p[4] == MBR_TYPE_EFI);
	}
}

static void read_gpt(struct finding *f)
{
	/* c12a7328-f81f-11d2-ba4b-00a0c93ec93b */
	static const u8 esp[16] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
		                    0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b };
	u8 header[SECTOR], p[GPT_ENTRY_MIN];
	u32 count, size;
	u64 first;

	if (!have(f->iso, SECTOR, header, SECTOR) || memcmp(header, "EFI PART", 8) != 0)
		return;
	first = get_le64(header + 72);
	count = MIN(get_le32(header + 80), (u32)GPT_PARTITIONS_MAX);
	size = get_le32(header + 84);
	if (size < GPT_ENTRY_MIN || size > GPT_ENTRY_MAX || first > f->iso->source.size / SECTOR) {
		source_warn(&f->iso->source, "its GPT is damaged");
		return;
	}
	for (u32 i = 0; i < count && have(f->iso, first * SECTOR + (u64)i * size, p, sizeof(p)); i++) {
		u64 from = get_le64(p + 32), to = get_le64(p + 40);

		if (from && to >= from && to < UINT64_MAX)
			add_part(f, from, to - from + 1, memcmp(p, esp, sizeof(esp)) == 0);
	}
}

/* ---- lengths */

struct at_offset {
	u64 off, len;
};

static int longest_file(void *ctx, const struct node *n)
{
	struct at_offset *want = ctx;

	if (n->n_extents && n->extents[0].off == want->off)
		want->len = MAX(want->len, n->extents[0].len);
	return 0;
}

static u64 length_at(struct finding *f, u64 off, u64 catalogue_len)
{
	struct at_offset want = { off, catalogue_len };
	u64 rest = f->iso->source.size - off;

	source_each(&f->iso->source, longest_file, &want);
	for (size_t i = 0; i < f->n_parts; i++)
		if (f->parts[i].off == off)
			want.len = MAX(want.len, f->parts[i].len);
	/* UEFI 2.10, 13.3.2.1: a count of 0 or 1 stands for all that follows */
	return want.len <= SECTOR ? rest : MIN(want.len, rest);
}

/* ---- the catalogue */

static void add_image(struct finding *f, u8 platform, bool from_table, u64 off, u64 len)
{
	struct source *s = &f->iso->source;
	struct boot_image *b = ARRAY_ADD(s->boot_images, s->n_boot_images, f->cap_images);

	b->platform = platform == PLATFORM_EFI    ? BOOT_IMAGE_EFI
	              : platform == PLATFORM_BIOS ? BOOT_IMAGE_BIOS
	                                          : BOOT_IMAGE_OTHER;
	b->from_table = from_table;
	b->off = off;
	b->len = len;
	b->source = s;
}

static void take_entry(struct finding *f, u8 platform, const u8 *p)
{
	/* Bytes by the kind of emulation: none, floppies of 1.2, 1.44 and 2.88 MB. */
	static const u32 floppy[] = { 0, 1200 * 1024, 1440 * 1024, 2880 * 1024 };
	u64 off = (u64)get_le32(p + 8) * ISO_BLOCK, len = (u64)get_le16(p + 6) * SECTOR;
	u8 emulation = p[1] & 0xf;

	if (off == 0 || off >= f->iso->source.size) {
		source_warn(&f->iso->source, "an entry of its boot catalogue points outside the image");
		return;
	}
	if (emulation < ARRAY_SIZE(floppy) && emulation > 0)
		len = floppy[emulation];
	add_image(f, platform, false, off, length_at(f, off, len));
}

static bool is_catalogue(const u8 *c)
{
	u16 sum = 0;

	for (int i = 0; i < CATALOGUE_ENTRY; i += 2)
		sum = (u16)(sum + get_le16(c + i));
	return c[0] == 1 && c[30] == 0x55 && c[31] == 0xaa && sum == 0;
}

/* One block: 62 entries behind the validation entry are more than any medium has. */
static void read_catalogue(struct finding *f)
{
	enum { BOOTABLE = 0x88, SECTION = 0x90, LAST_SECTION = 0x91 };
	u8 c[ISO_BLOCK], platform;

	if (f->iso->catalogue == 0)
		return;
	if (!have(f->iso, (u64)f->iso->catalogue * ISO_BLOCK, c, ISO_BLOCK) || !is_catalogue(c)) {
		source_warn(&f->iso->source, "its El Torito boot catalogue is damaged");
		return;
	}
	platform = c[1];
	for (size_t at = CATALOGUE_ENTRY; at < ISO_BLOCK; at += CATALOGUE_ENTRY) {
		if (c[at] == SECTION || c[at] == LAST_SECTION)
			platform = c[at + 1];
		else if (c[at] == BOOTABLE)
			take_entry(f, platform, c + at);
	}
}

static bool is_known(const struct source *s, u64 off)
{
	for (size_t i = 0; i < s->n_boot_images; i++)
		if (s->boot_images[i].off == off)
			return true;
	return false;
}

void iso_find_boot_images(struct iso *iso)
{
	struct finding f = { .iso = iso };

	read_mbr(&f);
	read_gpt(&f);
	read_catalogue(&f);
	for (size_t i = 0; i < f.n_parts; i++)
		if (f.parts[i].efi && !is_known(&iso->source, f.parts[i].off))
			add_image(&f, PLATFORM_EFI, true, f.parts[i].off, f.parts[i].len);
}
