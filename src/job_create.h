/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A source becomes a stick, or several. Steps that check and steps that write are two lists: nothing is written before
 * every check of every stick has passed and the user has agreed to each.
 *
 *	r = create_source_read(&request[0], &source, e);
 *	for each target: create_job_prepare(&request[i], &source, &job[i], e)
 *	for each: create_job_ask(&job[i], e)
 *	for each: create_job_recheck(&job[i], e)
 *	r = create_jobs_run(job, n, e);
 */
#ifndef LIVESTICK_JOB_CREATE_H
#define LIVESTICK_JOB_CREATE_H

#include "src/build.h"
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

/* What is read once, for however many sticks. */
struct create_source {
	struct facts facts;
	struct answers answers;
};

/* Everything that is known once the checks have passed; the renderers read it. */
struct create_job {
	const struct create_request *request;
	const struct create_source *from;
	struct host host;      /* of each its own: the loader is patched for the stick */
	struct device *device; /* NULL in a dry run on a file that does not exist */
	bool is_new_file;      /* made by this run: removed again if nothing was written */
	struct guard_request guard;
	struct drive drive;   /* the target as it was when it was first looked at */
	struct scan scan;     /* what the target holds now */
	bool target_is_empty; /* a plain file that is nothing but a hole: there is nothing to lose */
	struct plan *plan;
	struct build build;
	enum { STICK_UNTOUCHED, STICK_ERASED, STICK_COMPLETE } state;
};

/* The source and the answers of a request, whatever its target. To be freed after the jobs. */
MUST_CHECK int create_source_read(const struct create_request *q, struct create_source *ret, struct err *e);
void create_source_free(struct create_source *s);

/* The checks; on success the job may be shown and must be ended with create_job_free(). Request and source stay. */
MUST_CHECK int create_job_prepare(const struct create_request *q, const struct create_source *from,
                                  struct create_job *ret, struct err *e);
/* Asks the user. */
MUST_CHECK int create_job_ask(struct create_job *j, struct err *e);
/* Whether it is still what the user was shown: while he was typing, a card may have been changed for another. */
MUST_CHECK int create_job_recheck(struct create_job *j, struct err *e);
/*
 * Writes all of them, each in a thread of its own; that one fails does not stop the others. The sentence says of each
 * that has failed what state it is in; which have not, job.state tells. One alone needs no thread.
 */
MUST_CHECK int create_jobs_run(struct create_job *job, size_t n, struct err *e);
void create_job_free(struct create_job *j);

#endif
