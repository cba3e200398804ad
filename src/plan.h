/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a stick will be, decided from facts and options without touching anything: the partitions, every file that
 * goes onto it or stays behind, the menu, the ids. `create --dry-run` prints it, job_create executes it.
 */
#ifndef LIVESTICK_PLAN_H
#define LIVESTICK_PLAN_H

#include "bootinst/secure_boot.h"
#include "partition/layout.h"
#include "partition/table.h"
#include "src/answers.h"
#include "src/base/id.h"
#include "src/facts.h"
#include "src/fs/volume.h"
#include "src/host.h"
#include "src/manifest.h"

enum boot_fs { BOOT_FS_AUTO, BOOT_FS_FAT32, BOOT_FS_EXT4 };

struct plan_options {
	enum table_type table;
	enum boot_fs boot_fs;          /* AUTO: FAT32, or ext4 if a file is too large for that */
	unsigned slots;                /* 0: as many as make sense */
	bool no_data;                  /* no persistence partition */
	u64 data_size;                 /* 0: all that is left */
	const char *data_label;        /* NULL: one of the stick's own */
	const char *append;            /* kernel arguments for every entry; NULL: none */
	bool unattended;               /* the entry with answers starts by itself */
	const struct answers *answers; /* of an unattended installation; NULL: none */
	struct seed seed;
	i64 time; /* of everything we make ourselves: seconds since 1970 */
};

struct plan_copy {
	const struct node *node;
	const char *as; /* its path on BOOT, the plan's; NULL: where it is in the source, in the slot */
	u32 same_as;    /* 0, or one more than the index of an earlier one of which this is another name (ext4) */
};

/* A UEFI loader's file, or a module of it. */
struct plan_efi_copy {
	const struct node *node;    /* in the source's tree, or NULL and */
	const struct efi_file *efi; /* out of a FAT image or of the host */
	char *path;
};

struct plan_leave {
	const struct node *node; /* a directory stands for all that is in it */
	const char *why;
	u64 bytes, files;
};

struct plan {
	const struct facts *facts;
	struct plan_options options;
	struct layout_request wanted; /* of the partitions; device_size is not known before plan_finish() */
	char slot;                    /* 'a' or 'b' */
	const char *slot_dir;         /* where its system is: "" or SLOT_B_DIR */
	struct layout layout;
	struct table_ids ids;
	bool boot_is_ext4;
	bool has_data;                        /* a persistence partition */
	u32 boot_serial, esp_serial;          /* of a FAT32 BOOT, and of the ESP */
	u8 boot_uuid[16], boot_hash_seed[16]; /* of an ext4 BOOT */
	char boot_label[17];                  /* at most 11 characters on FAT32 */
	u8 data_uuid[16], data_hash_seed[16];
	char data_label[17];
	struct family_medium medium;
	i64 time;

	bool bios;                 /* whether a BIOS can start it: not with sectors of 4096 bytes */
	bool uefi;                 /* whether UEFI can */
	const struct efi_set *efi; /* the UEFI loaders that go onto it; NULL: none */
	enum secure_boot_verdict secure_boot;
	struct buf secure_boot_why;

	struct newc over;             /* goes over the initrd where something is saved; empty: nothing has to */
	struct menu menu;             /* as it will be on the stick */
	struct buf top_cfg, slot_cfg; /* SYSLINUX' */
	struct buf grub_top, slot_grub, grub_stub; /* GRUB's */
	char switch_cfg[MENU_SWITCH_SIZE];         /* both loaders' */
	struct buf warnings;                       /* lines */

	struct plan_efi_copy *efi_copy;
	size_t n_efi_copy, cap_efi_copy;
	struct plan_copy *copy;
	size_t n_copy, cap_copy;
	struct pool pool; /* what copy[].as points to */
	struct plan_leave *leave;
	size_t n_leave, cap_leave;
	u64 efi_bytes, copy_bytes, leave_bytes;
	u64 same_bytes; /* of copy_bytes, what is not written a second time */

	struct volume_files esp_files, boot_files, data_files; /* all that goes onto each, in the order of writing */
	struct manifest slot_manifest, stick_manifest, esp_manifest, data_manifest;
};

/* Whether files of the source will lie on ext4: then facts_find_same() is worth it. */
bool plan_can_link(const struct facts *facts, const struct plan_options *o);

/*
 * A plan is made in two steps, because how large a stick must be has to be known before one is looked at:
 *
 *	r = plan_begin(facts, host, sector_size, &options, &p, e);
 *	plan_smallest(p) bytes are needed
 *	r = plan_finish(p, host, size, e);
 *
 * `facts`, `host` and the strings of `o` are borrowed until plan_free(). Errors are those of layout_make(),
 * fat32_plan() and: -E2BIG (kernel arguments too long), -EINVAL (an option that cannot be).
 */
MUST_CHECK int plan_begin(const struct facts *facts, struct host *host, u32 sector_size, const struct plan_options *o,
                          struct plan **ret, struct err *e);
/* Of a stick, in bytes. */
u64 plan_smallest(const struct plan *p);
/* For a stick of `size` bytes; once. */
MUST_CHECK int plan_finish(struct plan *p, struct host *host, u64 size, struct err *e);
void plan_free(struct plan *p);

/* The path on BOOT; the caller frees. */
MUST_CHECK char *plan_copy_path(const struct plan *p, const struct plan_copy *c);

/* A stick that exists, as far as the plan of an upgrade must know it. Strings are borrowed. */
struct plan_upgrade {
	char slot;         /* which gets the new system */
	bool boot_is_ext4; /* what is there */
	bool bios, uefi;   /* which loaders' menus it has */
	bool has_data;
	u64 data_size; /* of DATA, bytes; 0 without one */
	const char *boot_uuid, *boot_label, *data_uuid, *data_label;
	const char *append; /* kernel arguments for every entry; NULL: none */
	i64 time;
};

/*
 * What an upgrade brings: menu, slot_manifest, and in boot_files all files of the slot but its manifest. The layout,
 * the loaders and DATA are not planned: they stay. Errors: -E2BIG; -ENOTSUP, a sentence for the user: this system's
 * files lie on DATA too, or are of a kind that BOOT cannot take.
 */
MUST_CHECK int plan_make_upgrade(const struct facts *facts, const struct plan_upgrade *o, struct plan **ret,
                                 struct err *e);

/* switch.cfg for the plan's menu: `previous` is the letter of the other slot when that is to be shown, else 0. */
void plan_write_switch(const struct plan *p, char previous, char ret_sector[MENU_SWITCH_SIZE]);

/* Where the stick's own things are on BOOT. */
#define STICK_DIR "/livestick"
/* Where slot b has what slot a has in the root. */
#define SLOT_B_DIR "/slot-b"
/* GRUB's, wherever GRUB itself looks first. */
#define GRUB_CFG STICK_DIR "/grub.cfg"

#endif
