/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The BIOS loader of a stick that exists: a set of files of one release in one of two directories, to whose core the
 * boot sector of BOOT leads. A newer set goes into the other directory; the boot sector, one sector with the code and
 *the place of the core, decides between them. The names in both directories are livestick's, whatever a manifest says.
 *
 *	r = bios_read(device, stick, &b, e);
 *	if (!bios_is_of(&b, &host)) ...
 *	bios_free(&b);
 */
#ifndef LIVESTICK_BIOS_H
#define LIVESTICK_BIOS_H

#include "src/host.h"
#include "src/stick.h"

#define BIOS_SECTOR 512

/* The core comes first, then its module, the host's modules, syslinux.cfg: the stick's own. */
#define BIOS_CORE   0
#define BIOS_CONFIG (HOST_MODULES + 2)
#define BIOS_FILES  (HOST_MODULES + 3)

struct bios_set {
	struct blob file[BIOS_FILES]; /* no bytes: is not there */
};

struct bios {
	const struct stick *stick; /* borrowed */
	const char *dir;           /* of the set that starts */
	const char *spare;         /* the other directory */
	u64 core_off;              /* where the core lies, on the device */
	struct bios_set set;
	bool is_listed;         /* by the stick's manifest, which tells of the other directory else */
	bool has_leftover;      /* there is something of a set in the other directory */
	u8 sector[BIOS_SECTOR]; /* the boot sector */
	u64 backup_off;         /* on the device, of a backup boot sector; 0: there is none */
	u8 backup[BIOS_SECTOR];
};

/*
 * Whether it has a BIOS loader of ours, by its manifest: none with sectors of 4096 bytes.
 */
bool bios_is_there(const struct stick *s);
/* The directory whose set the stick's manifest lists, and the other one. NULL: it lists none. */
const char *bios_listed_dir(const struct stick *s);
const char *bios_other_dir(const char *dir);
/* "/livestick/ldlinux.sys" for a directory and BIOS_CORE. The caller frees. */
MUST_CHECK char *bios_path(const char *dir, size_t file);

/* -ENOENT: the boot sector leads to none of the sets; else as stick_open_boot(). The stick must outlive *ret. */
MUST_CHECK int bios_read(struct device *d, const struct stick *s, struct bios *ret, struct err *e);
void bios_free(struct bios *b);

/* The files of one directory as they are now, for a comparison. */
MUST_CHECK int bios_load_set(struct device *d, const struct stick *s, const char *dir, struct bios_set *ret,
                             struct err *e);
void bios_set_free(struct bios_set *set);
bool bios_same_set(const struct bios_set *a, const struct bios_set *b);

/* The host's set, patched for a core at `core_off` on the device in `dir`: its blobs are borrowed from the host and
 * `b`. */
MUST_CHECK int bios_host_set(const struct bios *b, struct host *h, u64 core_off, const char *dir, struct bios_set *ret,
                             struct err *e);
/* The boot sector that goes with the host's set as it was patched last. */
MUST_CHECK int bios_boot_sector(const struct bios *b, const struct host *h, u8 ret_sector[BIOS_SECTOR], struct err *e);

/*
 * Whether the host has another set than the stick, and no older one. The host's is patched for the stick's place.
 */
MUST_CHECK int bios_differs(const struct bios *b, struct host *h, bool *ret, struct err *e);

/* The boot sector's code is the same as in its backup, or there is none. */
bool bios_backup_is_same(const struct bios *b);
/* The backup with the code of the boot sector. */
void bios_make_backup(const struct bios *b, u8 ret_sector[BIOS_SECTOR]);

#endif
