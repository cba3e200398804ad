/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new system onto a stick that exists, beside the one that is there; what the user has saved stays. Checks and steps
 * are two lists, as in job_create.h. Which write comes when is the promise of docs/stick.md, "Upgrade": with the power
 * cut at any of them the stick starts the old system or the new one.
 */
#ifndef LIVESTICK_JOB_UPGRADE_H
#define LIVESTICK_JOB_UPGRADE_H

#include "src/base/progress.h"
#include "src/bios.h"
#include "src/facts.h"
#include "src/fs/update.h"
#include "src/mend.h"
#include "src/plan.h"
#include "src/target.h"

struct upgrade_job;

struct upgrade_request {
	const char *source, *target;
	struct facts_options facts;
	bool allow_fixed;      /* a drive that is not removable may be written */
	bool family_change;    /* a system of another family, which does not find what was saved */
	bool in_place;         /* over the system that is there: for sticks with room for one */
	bool ignore_checksums; /* the source's own, when they do not fit */
	bool repair;           /* a BOOT that is damaged is mended first */
	bool dry_run;
	i64 time; /* of what we make ourselves: seconds since 1970 */
	struct progress *progress;
	/* Called once, before the first write: what writing does not need may be given up. NULL: nothing is. */
	void (*settled)(void *ctx);
	void *settled_ctx;
	/* Asked once, when all checks have passed and BOOT is to be mended; 0 to go on, or a classed error. May be
	 * NULL. */
	int (*confirm)(void *ctx, const struct upgrade_job *job, struct err *e);
	void *confirm_ctx;
};

struct upgrade_job {
	const struct upgrade_request *request;
	struct facts facts;
	struct target target;
	struct mend *mend;          /* what is to be done to BOOT first; NULL: nothing */
	struct device *real_device; /* while the checks look at the stick as it will be then */
	enum slot from, to;         /* the system that starts now; the slot that gets the new one. In place: the same */
	bool in_place;
	bool is_same; /* the slot that starts holds this very system already: there is nothing to do */
	struct plan *plan;
	struct volume_update update; /* of the system's files */
	char **removed;              /* paths, for update.remove */
	size_t n_removed, cap_removed;
	struct update_numbers numbers;
	struct buf warnings; /* lines */
	size_t n_loaders;    /* files of the UEFI loaders that were renewed */
	struct host host;    /* its BIOS loader, if `has_host` */
	bool has_bios, has_host;
	char *why_no_host;
	bool bios_differs, bios_renewed; /* the host's is another one than the stick's; is on the stick now */
	u64 written, spared;             /* bytes, of all writes; spared: were there already */
	enum {
		UPGRADE_UNTOUCHED,
		UPGRADE_BEGUN,    /* the old system starts; in place: none does */
		UPGRADE_COMPLETE, /* the new one starts */
	} state;
};

/* The checks, with all reading of the source and of the old system; ended with upgrade_job_free(). */
MUST_CHECK int upgrade_job_prepare(const struct upgrade_request *q, struct upgrade_job *ret, struct err *e);
/* Writes. On failure the sentence says what starts now and what to do. */
MUST_CHECK int upgrade_job_run(struct upgrade_job *j, struct err *e);
void upgrade_job_free(struct upgrade_job *j);

#endif
