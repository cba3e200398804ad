/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Back to the system before: the other slot starts from now on. One sector is written; a second time undoes it. */
#ifndef LIVESTICK_JOB_ROLLBACK_H
#define LIVESTICK_JOB_ROLLBACK_H

#include "src/base/progress.h"
#include "src/target.h"

struct rollback_job {
	const char *name; /* of the target */
	struct target target;
	struct menu_switch to;
	const struct manifest *system; /* what will start; of target.stick */
	bool is_done;
};

/*
 * Opens the stick and reads the other system from one end to the other: refused when there is none, or it is not whole,
 * or BOOT is not sound. Ended with rollback_job_free().
 */
MUST_CHECK int rollback_job_prepare(const struct target_request *q, struct progress *p, struct rollback_job *ret,
                                    struct err *e);
MUST_CHECK int rollback_job_run(struct rollback_job *j, struct err *e);
void rollback_job_free(struct rollback_job *j);

#endif
