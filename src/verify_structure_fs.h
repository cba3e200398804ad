/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What verify_structure_fs.c, _fat.c and _ext.c share; nobody else includes it. */
#ifndef LIVESTICK_VERIFY_STRUCTURE_FS_H
#define LIVESTICK_VERIFY_STRUCTURE_FS_H

#include "src/base/progress.h"
#include "src/media/shadow.h"
#include "src/verify_structure_parts.h"

struct fs_found {
	struct buf leftover;  /* what an update that was cut has left on BOOT; empty: nothing */
	bool was_not_clean;   /* ext: as ext4_read.h says */
	bool needed_recovery; /* ext: the journal was replayed in place->replayed */
	bool is_given_up;     /* there is no such file system: that was added as bad, nothing else can be told */
};

/* For fat_each_metadata() and ext4_each_metadata(): copies the stretch into the shadow. */
struct fs_copy {
	struct shadow *shadow;
	struct err *e;
};
int fs_copy_stretch(void *ctx, u64 off, u64 len);

/*
 * Runs a checker on `copy`, which argv names by shadow_path(): 0 when it is content, 1 when it is not and *ret_findings
 * is what it says. -ENOENT: it is not installed.
 */
MUST_CHECK int fs_judge(const struct shadow *copy, const char *const argv[], const char *package,
                        struct buf *ret_findings, struct err *e);
/* The first findings in what a checker has said. */
void fs_findings(const struct buf *output, struct buf *ret);

/* Behind what is bad on BOOT: whether our own reading has found that no file is touched by it. "" if not. */
const char *fs_harmless(const struct fs_found *f);

/* verify_structure_ext.c: whether it was unmounted, and p->replayed if it was not. */
MUST_CHECK int fs_replay(struct look *l, struct place *p, struct fs_found *f, struct err *e);
MUST_CHECK int look_ext(struct look *l, struct place *p, const struct fs_found *f, struct err *e);
MUST_CHECK int look_fat(struct look *l, struct place *p, const struct fs_found *f, struct err *e);

#endif
