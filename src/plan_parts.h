/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the plan share; nobody else includes it. Each fills its part of the plan, in this order. */
#ifndef LIVESTICK_PLAN_PARTS_H
#define LIVESTICK_PLAN_PARTS_H

#include "src/plan.h"

/* plan_menu.c: p->menu and the loaders' texts of the slot's entries. -E2BIG: kernel arguments too long. */
MUST_CHECK int plan_make_menu(struct plan *p, const struct plan_options *o, struct err *e);
/* The texts around them, for a new stick. */
void plan_write_menu_top(struct plan *p);
/* plan.c: bytes that files may take on a DATA of `size` bytes, about. */
u64 plan_data_room(u64 size);

/* plan.c: 0, or why no FAT32 can hold the system. */
MUST_CHECK int plan_check_fat(const struct facts *facts, struct err *e);

/* plan.c: p->slot_manifest's settings, and the files of the slot onto BOOT. */
void plan_set_slot_manifest(struct plan *p);
void plan_add_system(struct plan *p);

/* plan_copy.c: the files of p->copy onto BOOT or DATA. */
void plan_add_copies(struct plan *p);

/* plan_loader.c: p->efi_copy. */
void plan_choose_efi_files(struct plan *p);

/* plan_files.c: p->copy (in the order of writing: kernels and initrds first) and p->leave. */
void plan_choose_files(struct plan *p);

/* plan_loader.c: what starts the stick, and the menu, onto BOOT and, for an ext4 BOOT, onto the ESP. */
void plan_add_loaders(struct plan *p, struct host *host);

/* A file of the slot's among the stick's own: ".cfg" is "/livestick/a.cfg" in slot a. The caller frees. */
MUST_CHECK char *plan_slot_file(const struct plan *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A file that `m` is to list with its digest. */
struct volume_file *plan_add_listed(struct volume_files *v, struct manifest *m, const char *path, u64 size,
                                    struct input in, i64 mtime);

#endif
