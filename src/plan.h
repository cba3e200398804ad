/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a stick will be, decided from facts and options without touching anything: the partitions, every file that
 * goes onto it or stays behind, the menu, the ids. `create --dry-run` prints it, job_create executes it.
 */
#ifndef LIVESTICK_PLAN_H
#define LIVESTICK_PLAN_H

#include "partition/layout.h"
#include "partition/table.h"
#include "src/base/id.h"
#include "src/facts.h"
#include "src/fs/volume.h"
#include "src/host.h"
#include "src/manifest.h"

struct plan_options {
	enum table_type table;
	unsigned slots;         /* 0: as many as make sense */
	bool no_data;           /* no persistence partition */
	u64 data_size;          /* 0: all that is left */
	const char *data_label; /* NULL: one of the stick's own */
	const char *append;     /* kernel arguments for every entry; NULL: none */
	struct seed seed;
	i64 time; /* of everything we make ourselves: seconds since 1970 */
};

/* The stick to be, as far as a plan must know it. */
struct plan_stick {
	u64 size;
	u32 sector_size;
};

struct plan_copy {
	const struct node *node;
	char *path; /* on BOOT */
};

struct plan_leave {
	const struct node *node; /* a directory stands for all that is in it */
	const char *why;
	u64 bytes, files;
};

struct plan {
	const struct facts *facts;
	struct layout layout;
	struct table_ids ids;
	u32 boot_serial;
	char boot_label[12];
	u8 data_uuid[16], data_hash_seed[16];
	char data_label[17];
	struct family_medium medium;
	i64 time;

	struct menu menu; /* as it will be on the stick */
	struct buf top_cfg, slot_cfg;
	char switch_cfg[MENU_SWITCH_SIZE];

	struct plan_copy *copy;
	size_t n_copy, cap_copy;
	struct plan_leave *leave;
	size_t n_leave, cap_leave;
	u64 copy_bytes, leave_bytes;

	struct volume_files boot_files, data_files; /* all that goes onto BOOT and DATA, in the order of writing */
	struct manifest slot_manifest, stick_manifest;
};

/*
 * `facts`, `host` and the strings of `o` are borrowed until plan_free(). Errors are those of layout_make(),
 * fat32_plan() and: -E2BIG (kernel arguments too long), -EINVAL (an option that cannot be).
 */
MUST_CHECK int plan_make(const struct facts *facts, struct host *host, const struct plan_stick *stick,
                         const struct plan_options *o, struct plan **ret, struct err *e);
void plan_free(struct plan *p);

/* The smallest stick for these facts and options, in bytes. */
MUST_CHECK int plan_smallest(const struct facts *facts, struct host *host, const struct plan_options *o, u64 *ret_size,
                             struct err *e);

/* Where the stick's own things are on BOOT. */
#define STICK_DIR "/livestick"

#endif
