/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A source becomes a stick. Steps that check and steps that write are two lists: nothing is written before every
 * check has passed and the user has agreed.
 */
#ifndef LIVESTICK_JOB_CREATE_H
#define LIVESTICK_JOB_CREATE_H

#include "src/build.h"
#include "src/capacity.h"
#include "partition/scan.h"
#include "src/media/guard.h"
#include "src/base/progress.h"

struct create_job;

struct create_request {
	const char *source, *target;
	struct facts_options facts;
	const char *answers_option, *answers; /* "kickstart" or "preseed", and the file; NULL: none */
	u64 make_size;                        /* not 0: make the plain file `target` of this size; it must not exist */
	u32 sector_size;                      /* of a plain file: 512 (also 0) or 4096 */
	bool allow_fixed;                     /* a drive that is not removable may be written */
	bool dry_run;
	struct plan_options plan;
	bool time_from_source; /* plan.time is to be the newest time in the source */
	struct progress *progress;
	/* Asked once, when all checks have passed; 0 to go on, or a classed error. NULL: nobody is asked. */
	int (*confirm)(void *ctx, const struct create_job *job, struct err *e);
	void *confirm_ctx;
};

/* Everything that is known once the checks have passed; the renderers read it. */
struct create_job {
	const struct create_request *request;
	struct facts facts;
	struct answers answers;
	struct host host;
	struct device *device; /* NULL in a dry run on a file that does not exist */
	bool is_new_file;      /* made by this run: removed again if nothing was written */
	struct guard_request guard;
	struct drive drive;   /* the target as it was when it was first looked at */
	struct scan scan;     /* what the target holds now */
	bool target_is_empty; /* a plain file that is nothing but a hole: there is nothing to lose */
	struct plan *plan;
	struct build build;
	struct capacity_test *capacity; /* marks on the device; NULL: none */
	bool probed;                    /* marks were written; while the stick is untouched, they have been put back */
	enum { STICK_UNTOUCHED, STICK_ERASED, STICK_COMPLETE } state;
};

/* The checks; on success the job may be shown and must be ended with create_job_free(). */
MUST_CHECK int create_job_prepare(const struct create_request *q, struct create_job *ret, struct err *e);
/* Asks, then writes. On failure the sentence says what state the stick is in. */
MUST_CHECK int create_job_run(struct create_job *j, struct err *e);
void create_job_free(struct create_job *j);

#endif
