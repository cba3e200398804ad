/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/extlinux.h"

#include <errno.h>

#define SECTOR 512

/* Where FAT has its fields; the code begins behind them. */
#define FIELDS 11
#define CODE   90

int extlinux_boot_sector(const struct syslinux *s, u64 part_start, u64 part_size, u8 ret_sectors[EXTLINUX_BOOT_SIZE],
                         struct err *e)
{
	u64 first = part_start / SECTOR, n = part_size / SECTOR;

	if (part_start % SECTOR || part_size % SECTOR)
		return fail(e, -EINVAL, "EXTLINUX: the partition does not begin and end at a sector");
	if (first > UINT32_MAX)
		return fail(e, -EINVAL, "EXTLINUX: the partition begins at byte %llu, and must begin below 2 TiB",
		            (unsigned long long)part_start);
	memset(ret_sectors, 0, EXTLINUX_BOOT_SIZE);
	memcpy(ret_sectors, s->boot_sector, SECTOR);
	memset(ret_sectors + FIELDS, 0, CODE - FIELDS);
	put_le16(ret_sectors + 11, SECTOR);
	put_le16(ret_sectors + 19, (u16)(n < 65536 ? n : 0));
	put_le16(ret_sectors + 24, 63); /* sectors of a track and heads, as BIOSes take large disks */
	put_le16(ret_sectors + 26, 255);
	put_le32(ret_sectors + 28, (u32)first);
	put_le32(ret_sectors + 32, (u32)MIN(n, UINT32_MAX));
	return 0;
}
