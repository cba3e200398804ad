/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stick that livestick made, as it is found: its manifests, read from BOOT. All of it is untrusted.
 */
#ifndef LIVESTICK_STICK_H
#define LIVESTICK_STICK_H

#include "bootinst/menu.h"
#include "partition/scan.h"
#include "src/fs/update.h"
#include "src/manifest.h"

enum slot { SLOT_A, SLOT_B, N_SLOTS };

struct stick {
	struct scan scan;
	bool is_ours;              /* there is a manifest of the stick */
	u64 boot_start, boot_size; /* where BOOT is, if it is ours */
	bool boot_is_ext4;         /* FAT32 else */
	struct manifest manifest;  /* of the stick */
	bool has_slot[N_SLOTS];
	struct manifest slot[N_SLOTS];
	/* What an upgrade was bringing, or has brought just before it was cut off: the manifest that the slot gets. */
	bool has_next[N_SLOTS];
	struct manifest next[N_SLOTS];
	struct menu_switch menu_switch; /* zeros if it cannot be read */
	char *damage;                   /* what could not be read although it should be there; NULL: nothing */
};

/*
 * 0 also for a device that is no stick of ours (is_ours is false then). A plain file does not tell for what sectors it
 * was made: it gets the sector size with which it is a stick of ours.
 */
MUST_CHECK int stick_read(struct device *d, struct stick *ret, struct err *e);
void stick_free(struct stick *s);

/* 'a' for SLOT_A. */
static inline char slot_letter(enum slot s)
{
	return s == SLOT_A ? 'a' : 'b';
}

/* The partition BOOT of a stick of ours; NULL: it is not in the table as it was scanned. */
const struct scan_part *stick_boot(const struct stick *s);
/* BOOT for a change, read and checked as it is now; `d` is the whole stick. Errors are those of fat_update_open(). */
MUST_CHECK int stick_open_boot(const struct stick *s, struct device *d, struct updater **ret, struct err *e);
/* DATA: the partition with the file system that the stick's manifest names; NULL: there is none. */
const struct scan_part *stick_data(const struct stick *s);
/* Whether the stick's manifest lists the file. */
bool stick_has_file(const struct stick *s, const char *path);
/* Whether an upgrade of this slot was begun and not ended. */
bool stick_is_unfinished(const struct stick *s, enum slot slot);

#endif
