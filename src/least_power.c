/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/least_power.h"

#include <sys/stat.h>

#include "src/media/guard.h"
#include "src/media/keeper.h"

static void tell(const struct least_power *p, const char *when)
{
	AUTO_BUF struct buf words = { 0 };

	if (!p->verbose)
		return;
	confine_words(&p->confined, &words);
	fprintf(stderr, "confined %s: %s\n", when, words.s);
}

/*
 * Made before Landlock, so that the run needs no right to its directory. Whatever is not as it should be is left for
 * the job to find, which says it in its turn.
 */
static bool may_make(const struct least_power_request *q, const char *target)
{
	AUTO_ERR struct err ignored = { 0 };
	enum target_kind kind;
	struct stat st;

	return q->makes_targets && stat(q->plan.source, &st) == 0 && guard_target(target, true, &kind, &ignored) == 0 &&
	       kind == TARGET_MISSING;
}

/* Only root can have partitions read again. */
static bool is_written_device(const struct confine_plan *plan, const char *target)
{
	struct stat st;

	return plan->writes && geteuid() == 0 && stat(target, &st) == 0 && S_ISBLK(st.st_mode);
}

static int start_keeper(const struct least_power_request *q, const char *target, struct least_power_target *ret,
                        struct err *e)
{
	const struct keeper_request keeper = {
		.new_file = may_make(q, target) ? target : NULL,
		.device = is_written_device(&q->plan, target) ? target : NULL,
	};

	ret->is_made = keeper.new_file != NULL;
	return keeper.new_file || keeper.device ? keeper_start(&keeper, &ret->keeper, e) : 0;
}

int least_power_begin(const struct least_power_request *q, struct least_power *ret, struct err *e)
{
	int r = 0;

	ret->verbose = q->verbose;
	ret->n_targets = q->plan.n_targets;
	ret->target = xcalloc(ret->n_targets + 1, sizeof(*ret->target));
	for (size_t i = 0; r == 0 && i < ret->n_targets; i++)
		r = start_keeper(q, q->plan.target[i], &ret->target[i], e);
	if (r < 0)
		return r;
	confine_begin(&q->plan, &ret->confined);
	tell(ret, "while reading");
	return 0;
}

void least_power_close(void *power)
{
	struct least_power *p = power;

	confine_close(&p->confined, CONFINE_OPENS_NOTHING);
	tell(p, "from now on");
}

void least_power_close_to_stick(void *power)
{
	struct least_power *p = power;

	confine_close(&p->confined, CONFINE_OPENS_SYSFS);
	tell(p, "from now on");
}

void least_power_end(struct least_power *p)
{
	confine_free(&p->confined);
	for (size_t i = 0; i < p->n_targets; i++)
		keeper_end(p->target[i].keeper, p->target[i].is_complete);
	free(p->target);
	*p = (struct least_power){ 0 };
}
