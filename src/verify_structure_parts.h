/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of verify_structure share; nobody else includes it. */
#ifndef LIVESTICK_VERIFY_STRUCTURE_PARTS_H
#define LIVESTICK_VERIFY_STRUCTURE_PARTS_H

#include "partition/view.h"
#include "src/fs/reader.h"
#include "src/verify_structure.h"

/* Files and directories of a volume, for asking whether a path is there. */
struct path_list {
	struct path_entry {
		char *path; /* FAT: folded to small letters */
		u64 size;
		u32 place;
		bool is_dir, is_file;
	} * entry;
	size_t n, cap;
	bool folded;
};

/* A partition that is looked at, or a file system that fills the whole device. */
struct place {
	char *role; /* "BOOT", "ESP", "DATA", "partition 2" */
	const struct scan_part *part;
	struct device *window;
	struct device *replayed; /* ext with a journal that was to be replayed: the same after that; else NULL */
	struct reader *reader;   /* NULL: neither FAT nor ext, or damaged */
	bool is_fat, is_ext;
	bool is_sound; /* all of it was listed */
	struct path_list list;
};

/* At most so many partitions are looked at. */
#define PLACES_MAX 16

struct look {
	struct device *d;
	const struct stick *s;
	struct checks *c;
	struct view view;     /* as libfdisk reads it */
	bool is_hybrid;       /* an ISO image was copied onto it */
	bool is_one_volume;   /* there is no table: one file system fills the device */
	bool is_unfinished;   /* an upgrade was cut off */
	bool mbr_is_syslinux; /* the code in sector 0 starts the active partition, or tells so */
	struct place place[PLACES_MAX];
	size_t n_places;
	struct place *boot, *esp, *data; /* in `place`; NULL: there is none. Without an ESP of its own, esp is boot */
	struct menu menu; /* sticks of ours: as the first of the loaders shows it; empty when none can be read */
};

/* Each adds its checks; failures are those of verify_structure(). In this order. */
MUST_CHECK int look_table(struct look *l, struct err *e);               /* fills view */
MUST_CHECK int look_boot_code(struct look *l, struct err *e);           /* fills mbr_is_syslinux */
MUST_CHECK int look_fs(struct look *l, struct place *p, struct err *e); /* fills the place */
MUST_CHECK int look_loader(struct look *l, struct err *e);
MUST_CHECK int look_menus(struct look *l, struct err *e);
MUST_CHECK int look_data(struct look *l, struct err *e);
MUST_CHECK int look_efi(struct look *l, struct err *e);

/* The place of this start; NULL: it is not looked at. */
struct place *look_place_at(struct look *l, u64 start);
/* NULL: there is none. On FAT letters of either case match. */
const struct path_entry *path_list_find(const struct path_list *list, const char *path);

#endif
