/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/super.h"

#include <strings.h>

/* All that is printable of a field of fixed size, without blanks at the end. */
static void set_label(struct super *s, const u8 *field, size_t len)
{
	size_t n = 0;

	len = MIN(len, sizeof(s->label) - 1);
	while (n < len && field[n])
		n++;
	while (n > 0 && field[n - 1] == ' ')
		n--;
	memcpy(s->label, field, n);
	s->label[n] = '\0';
}

static bool is_power_of_2(unsigned n)
{
	return n && (n & (n - 1)) == 0;
}

static bool read_fat(const u8 *b, size_t len, struct super *s)
{
	if (len < 512)
		return false;

	unsigned sector = get_le16(b + 11), reserved = get_le16(b + 14), fats = b[16], media = b[21];
	unsigned root = get_le16(b + 17), fat16 = get_le16(b + 22);
	bool is_fat32 = fat16 == 0 && root == 0 && get_le32(b + 36) != 0;
	const u8 *ids = b + (is_fat32 ? 67 : 39); /* serial number; 4 bytes on, the label */
	u32 serial = get_le32(ids);

	if (b[510] != 0x55 || b[511] != 0xaa || sector < 512 || sector > 4096 || !is_power_of_2(sector) ||
	    !is_power_of_2(b[13]) || reserved == 0 || fats == 0 || fats > 2 || (media != 0xf0 && media < 0xf8) ||
	    (get_le16(b + 19) == 0 && get_le32(b + 32) == 0) || (!is_fat32 && (fat16 == 0 || root == 0)))
		return false;
	s->type = "vfat";
	if (serial)
		snprintf(s->uuid, sizeof(s->uuid), "%04X-%04X", (unsigned)(serial >> 16), (unsigned)(serial & 0xffff));
	if (memcmp(ids + 4, "NO NAME    ", 11) != 0)
		set_label(s, ids + 4, 11);
	return true;
}

static void set_uuid(struct super *s, const u8 *id)
{
	static const char hex[] = "0123456789abcdef";
	char *p = s->uuid;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[id[i] >> 4];
		*p++ = hex[id[i] & 15];
	}
	*p = '\0';
}

/* Bits of an ext superblock (linux/fs/ext4/ext4.h). */
enum {
	STATE_VALID = 1,
	STATE_ERROR = 2,
	COMPAT_JOURNAL = 4,
	INCOMPAT_RECOVER = 4,
	INCOMPAT_JOURNAL_DEV = 8,
	INCOMPAT_EXT2 = 2 | 16,     /* filetype, meta_bg: ext2 has them, too */
	RO_COMPAT_EXT2 = 1 | 2 | 4, /* sparse_super, large_file, btree_dir */
};

static bool read_ext(const u8 *b, size_t len, struct super *s)
{
	const u8 *sb = b + 1024;

	if (len < 2048 || get_le16(sb + 56) != 0xef53 || get_le32(sb + 24) > 6 || get_le32(sb + 4) == 0)
		return false;

	u32 compat = get_le32(sb + 92), incompat = get_le32(sb + 96), ro_compat = get_le32(sb + 100);
	unsigned state = get_le16(sb + 58);

	if (incompat & INCOMPAT_JOURNAL_DEV)
		return false;
	if ((incompat & ~(INCOMPAT_EXT2 | INCOMPAT_RECOVER)) || (ro_compat & ~RO_COMPAT_EXT2))
		s->type = "ext4";
	else
		s->type = compat & COMPAT_JOURNAL ? "ext3" : "ext2";
	set_uuid(s, sb + 104);
	set_label(s, sb + 120, 16);
	s->is_ext = true;
	s->clean = state & STATE_VALID;
	s->recover = (incompat & INCOMPAT_RECOVER) != 0;
	s->errors = (state & STATE_ERROR) || (compat & COMPAT_JOURNAL && get_le32(sb + 0x194) != 0);
	return true;
}

/* Of these only the names are of interest, for the list of what was found. */
static const struct magic {
	const char *type;
	u32 off;
	u8 len;
	const char *bytes;
} magics[] = {
	{ "ntfs", 3, 8, "NTFS    " },
	{ "exfat", 3, 8, "EXFAT   " },
	{ "BitLocker", 3, 8, "-FVE-FS-" },
	{ "crypto_LUKS", 0, 6, "LUKS\xba\xbe" },
	{ "squashfs", 0, 4, "hsqs" },
	{ "xfs", 0, 4, "XFSB" },
	{ "LVM2_member", 512, 8, "LABELONE" },
	{ "LVM2_member", 1536, 8, "LABELONE" },
	{ "f2fs", 1024, 4, "\x10\x20\xf5\xf2" },
	{ "erofs", 1024, 4, "\xe2\xe1\xf5\xe0" },
	{ "linux_raid_member", 4096, 4, "\xfc\x4e\x2b\xa9" },
	{ "swap", 4086, 10, "SWAPSPACE2" },
	{ "iso9660", 32769, 5, "CD001" },
	{ "btrfs", 65600, 8, "_BHRfS_M" },
};

void super_read(const u8 *bytes, size_t len, struct super *ret)
{
	*ret = (struct super){ 0 };
	if (read_ext(bytes, len, ret))
		return;
	for (const struct magic *m = magics; m < magics + ARRAY_SIZE(magics); m++) {
		if (len >= (size_t)m->off + m->len && memcmp(bytes + m->off, m->bytes, m->len) == 0) {
			ret->type = m->type;
			return;
		}
	}
	read_fat(bytes, len, ret);
}

bool super_has_uuid(const struct super *s, const char *uuid)
{
	return s->uuid[0] && strcasecmp(s->uuid, uuid) == 0;
}
