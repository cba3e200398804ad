/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * EXTLINUX on an ext4 volume that is being laid out. Its ldlinux.sys and ldlinux.c32 are those of SYSLINUX, its boot
 * sector has the same code; only the fields in it that FAT would have are made up.
 *
 *	syslinux_patch(&s, first_sector_of_ldlinux_sys, "/livestick", e);
 *	extlinux_boot_sector(&s, part_start, part_size, sectors, e);
 *	ext4_set_boot_sectors(ext4, sectors);
 *
 * Facts: extlinux/main.c of syslinux 6.04 (patch_file_and_bootblock), re-implemented.
 */
#ifndef LIVESTICK_BOOTINST_EXTLINUX_H
#define LIVESTICK_BOOTINST_EXTLINUX_H

#include "bootinst/syslinux.h"

#define EXTLINUX_BOOT_SIZE 1024

/*
 * What belongs at the start of the partition: the boot sector of `s`, which has been patched, and a sector of zeros.
 * Bytes of the whole device. -EINVAL: the partition is not made of sectors, or begins at 2 TiB or later.
 */
MUST_CHECK int extlinux_boot_sector(const struct syslinux *s, u64 part_start, u64 part_size,
                                    u8 ret_sectors[EXTLINUX_BOOT_SIZE], struct err *e);

#endif
