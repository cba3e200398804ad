/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where things are in ldlinux.sys: for syslinux.c, which writes them, and syslinux_map.c, which reads them. Facts:
 * libinstaller/syslxint.h of syslinux 6.04. Numbers are little-endian.
 */
#ifndef LIVESTICK_BOOTINST_SYSLINUX_FORMAT_H
#define LIVESTICK_BOOTINST_SYSLINUX_FORMAT_H

#define LDLINUX_SECTOR 512
#define LDLINUX_MAX    (256 * KIB)

#define LDLINUX_MAGIC 0x3eb202fe
#define MAGIC_WITHIN  4096 /* the patch area lies near the start of the file */
#define ADV_SECTORS   2    /* at the end of ldlinux.sys; loaded by its own pointers */
#define EXTENT_SIZE   10   /* u64 sector, u16 count */

/* Offsets in the patch area, struct patch_area. */
#define PATCH_DATA_SECTORS 8
#define PATCH_ADV_SECTORS  10
#define PATCH_DWORDS       12
#define PATCH_CHECKSUM     16
#define PATCH_EXTENDED     22
#define PATCH_SIZE         24

/* Offsets in the extended patch area, struct ext_patch_area. All hold offsets into ldlinux.sys or lengths. */
#define EXT_ADV_POINTERS 0
#define EXT_DIR          2
#define EXT_DIR_SIZE     4
#define EXT_SUBVOL       6
#define EXT_SUBVOL_SIZE  8
#define EXT_EXTENTS      10
#define EXT_N_EXTENTS    12
#define EXT_BOOT_LOW     14 /* offset into the boot sector */
#define EXT_BOOT_HIGH    16
#define EXT_SIZE         20

#endif
