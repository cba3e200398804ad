/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of job_upgrade.h share; nobody else includes it. */
#ifndef LIVESTICK_JOB_UPGRADE_PARTS_H
#define LIVESTICK_JOB_UPGRADE_PARTS_H

#include "src/base/name_set.h"
#include "src/job_upgrade.h"

/* "/livestick/b.manifest" for slot b's "manifest". The caller frees. */
MUST_CHECK char *slot_file(enum slot slot, const char *end);

/* What a manifest lists, if it is there; what the plan puts onto BOOT. Both are borrowed. */
void upgrade_add_listed(struct name_set *names, bool is_there, const struct manifest *m);
void upgrade_add_put(struct name_set *names, const struct upgrade_job *j);

/* All digests of the plan's slot_manifest, and whether the source agrees with its own checksums. */
MUST_CHECK int upgrade_read_source_through(struct upgrade_job *j, struct err *e);

/* Plans and runs an update of an open volume, and counts what it wrote. `p` may be NULL. */
MUST_CHECK int upgrade_run_update(struct upgrade_job *j, struct updater *u, struct volume_update *wanted,
                                  struct progress *p, struct err *e);
/* The second half of it, of one that is planned already. */
MUST_CHECK int upgrade_run_planned(struct upgrade_job *j, struct updater *u, struct progress *p, struct err *e);
/* One update of BOOT, from opening to the last flush. */
MUST_CHECK int upgrade_change(struct upgrade_job *j, struct volume_update *wanted, struct progress *p, struct err *e);
/* The stick's manifest with these changes, on the stick and in the job. */
MUST_CHECK int upgrade_put_stick_manifest(struct upgrade_job *j, const struct manifest_change *change, size_t n,
                                          const struct manifest_setting *setting, struct err *e);

/* Whether BOOT is sound, or can be mended and may be: then the job looks at the stick as it will be. */
MUST_CHECK int upgrade_check_boot(struct upgrade_job *j, struct err *e);
/* Ends that. */
void upgrade_look_at_real(struct upgrade_job *j);
MUST_CHECK int upgrade_mend_boot(struct upgrade_job *j, struct err *e);

/* The stick's UEFI loaders become those of the new system, where they are a later version. */
MUST_CHECK int upgrade_renew_loaders(struct upgrade_job *j, struct err *e);

/* The host's BIOS loader, for which programs run: before the stick is opened. That it has none is no failure. */
MUST_CHECK int upgrade_load_host(struct upgrade_job *j, struct err *e);
/* Whether that is another one than the stick's; that there is none is a warning. */
MUST_CHECK int upgrade_check_bios(struct upgrade_job *j, struct err *e);
/* The stick gets it; and what was cut off when it got one is finished. */
MUST_CHECK int upgrade_renew_bios(struct upgrade_job *j, struct err *e);

#endif
