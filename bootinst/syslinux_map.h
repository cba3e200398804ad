/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading back what syslinux_patch(), or the installers of SYSLINUX and EXTLINUX 4 to 6, have put into ldlinux.sys and
 * the boot sector: from which sectors the loader will load itself. Untrusted.
 *
 *	r = syslinux_map_read(sys, len, boot_sector, &map, e);
 *	map.sector[i] is where the loader looks for the i-th sector of the file
 *	syslinux_map_free(&map);
 */
#ifndef LIVESTICK_BOOTINST_SYSLINUX_MAP_H
#define LIVESTICK_BOOTINST_SYSLINUX_MAP_H

#include "src/base/err.h"
#include "src/base/sha256.h"

struct syslinux_map {
	u64 *sector;      /* of 512 bytes, counted from the start of the partition; for all of the file's */
	size_t n;         /* the code's and, behind them, those of the auxiliary data (ADV) */
	size_t n_code;    /* the code's: without them nothing starts */
	char *dir;        /* where it looks for its files first: "/livestick"; "" for the root */
	char release[16]; /* as the file begins: "6.04"; "": cannot be told */
	bool sum_is_right;
};

/*
 * -EINVAL: this is no ldlinux.sys of a release whose map is known; -EUCLEAN: it is one, and its map makes no sense.
 * `boot_sector` has 512 bytes: where it leads to is sector[0].
 */
MUST_CHECK int syslinux_map_read(const u8 *sys, size_t len, const u8 *boot_sector, struct syslinux_map *ret,
                                 struct err *e);
void syslinux_map_free(struct syslinux_map *m);

/*
 * Digest of the code in a boot sector: without what belongs to the file system (bytes 11 to 89), the pointers to
 * ldlinux.sys, and the signature. It is the same wherever the loader is installed. Errors as above.
 */
MUST_CHECK int syslinux_boot_digest(const u8 *sys, size_t len, const u8 *boot_sector, u8 ret_digest[SHA256_SIZE],
                                    struct err *e);

#endif
