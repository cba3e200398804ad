/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SYSLINUX on a FAT volume that is being laid out: its files, and the patching that its installer would do.
 * Format facts: libinstaller/syslxint.h of syslinux 6.04 (patch area, extended patch area), re-implemented.
 *
 *	syslinux_harvest(&s, e);
 *	syslinux_patch(&s, first_sector_of_ldlinux_sys, "/livestick", e);
 *	write s.sys and s.c32 as /livestick/ldlinux.sys and /livestick/ldlinux.c32; bytes 0-10 and 90-509 of
 *s.boot_sector into the boot sector of the FAT32 volume and its backup; the sector's "hidden sectors" must be the
 *partition's start
 */
#ifndef LIVESTICK_BOOTINST_SYSLINUX_H
#define LIVESTICK_BOOTINST_SYSLINUX_H

#include "src/base/err.h"

struct blob {
	u8 *data;
	size_t len;
};

struct syslinux {
	struct blob sys;     /* ldlinux.sys with its two trailing ADV sectors: whole sectors */
	struct blob c32;     /* ldlinux.c32 of the same build */
	u8 boot_sector[512]; /* of the scratch volume: only the parts named above are of use */
};

/*
 * Gets the loader from the host's `syslinux` program, the only place that has it: it is run once on a scratch FAT
 * image in a private directory, and its files are read back (mtools). -ENOENT names the missing package.
 */
MUST_CHECK int syslinux_harvest(struct syslinux *ret, struct err *e);

/*
 * Writes into sys and boot_sector where ldlinux.sys will lie. `first_sector` is its first 512-byte sector counted from
 * the start of the *partition*; the file lies in one stretch. `dir` is the directory it lies in ("/"): SYSLINUX looks
 * there first for ldlinux.c32 and syslinux.cfg. Takes nothing in the files for granted; -EINVAL when they are no
 * ldlinux.sys. May be called again.
 */
MUST_CHECK int syslinux_patch(struct syslinux *s, u64 first_sector, const char *dir, struct err *e);

/*
 * The other way round, of a set that was found: `s` has ldlinux.sys as it lies there, and the volume's boot sector.
 * Where the sector leads, counted as for syslinux_patch(). Untrusted; -EINVAL when the file is no ldlinux.sys that we
 * know.
 */
MUST_CHECK int syslinux_leads_to(struct syslinux *s, u64 *ret_first_sector, struct err *e);
/* "6.04": the release in the words at the start of a ldlinux.sys; "" when there are none. The caller frees. */
MUST_CHECK char *syslinux_release(const struct blob *sys);
void syslinux_free(struct syslinux *s);

/* A module of the same release as the core ("menu.c32"), from the host's syslinux-common. The caller frees. */
MUST_CHECK int syslinux_module(const char *name, struct blob *ret, struct err *e);

#define MBR_CODE_SIZE 440
/* MBR boot code for sector 0, which ends where the disk's id begins: mbr.bin, or gptmbr.bin. */
MUST_CHECK int mbr_code_load(bool gpt, u8 ret_code[MBR_CODE_SIZE], struct err *e);

/* The whole of a file of the host, `max` bytes at most; -ENOENT names `package`. The caller frees. */
MUST_CHECK int blob_load(const char *path, size_t max, const char *package, struct blob *ret, struct err *e);

#endif
