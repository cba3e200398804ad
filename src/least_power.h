/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a verb gives up before it begins, and what it gives up before it writes (confine.h), with the helper that puts
 * things right at the end (keeper.h).
 *
 *	r = least_power_begin(&request, &power, e);
 *	...                                           the job calls least_power_close() when it has opened all
 *	least_power_end(&power);                      the job has been freed
 */
#ifndef LIVESTICK_LEAST_POWER_H
#define LIVESTICK_LEAST_POWER_H

#include "src/base/confine.h"
#include "src/base/err.h"

struct keeper;

struct least_power_request {
	struct confine_plan plan;
	bool makes_targets; /* those that do not exist: each is made, empty, and goes again unless it is complete */
	bool verbose;       /* say on stderr how the run is confined */
};

struct least_power_target {
	struct keeper *keeper;
	bool is_made;
	bool is_complete; /* to be set by the caller */
};

/* Zeroed before the first use. */
struct least_power {
	struct confined confined;
	struct least_power_target *target; /* as in the plan */
	size_t n_targets;
	bool verbose;
};

MUST_CHECK int least_power_begin(const struct least_power_request *q, struct least_power *ret, struct err *e);

/* For a job's `settled`: `power` is a struct least_power. The second is for jobs that look at the stick from then on.
 */
void least_power_close(void *power);
void least_power_close_to_stick(void *power);

/* May be called without a beginning. */
void least_power_end(struct least_power *p);

#endif
