/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "src/job_rollback.h"
#include "src/least_power.h"
#include "src/render.h"
#include "src/verb_common.h"

struct state {
	struct target_request target;
	struct talk talk;
	bool dry_run;
};

static const struct verb_option options[] = {
	{ "allow-fixed", NULL, "also write a drive that is not removable; never the one the system runs from" },
	{ "dry-run", NULL, "check everything, write nothing" },
	TALK_OPTIONS,
};

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;

	if (strcmp(option, "allow-fixed") == 0)
		s->target.allow_fixed = true;
	else if (strcmp(option, "dry-run") == 0)
		s->dry_run = true;
	else
		return MIN(talk_set(&s->talk, option, value, e), 0);
	return 0;
}

static int show(const struct state *s, const struct rollback_job *j, struct err *e)
{
	const char *volume = manifest_get(j->system, "volume");
	AUTO_BUF struct buf out = { 0 };
	char slot[2] = { j->to.slot, '\0' };

	if (s->talk.json) {
		struct json_object *o = json_result();

		json_add_text(o, "target", j->name);
		json_add_bool(o, "written", j->is_done);
		json_add_text(o, "slot", slot);
		json_add_text(o, "volume", volume);
		json_add_text(o, "default_entry", j->to.default_id);
		return json_print(o, e);
	}
	buf_add_escaped(&out, j->name);
	buf_addf(&out, ": %s ", j->is_done ? "starts" : "would start");
	buf_add_escaped(&out, volume && *volume ? volume : "the system before");
	buf_addf(&out, " in slot %s from now on\n", slot);
	fputs(out.s, stdout);
	return finish_stdout(e);
}

static int rollback(const struct state *s, struct progress *p, struct err *e)
{
	struct rollback_job job;
	int r = rollback_job_prepare(&s->target, p, &job, e);

	if (r < 0)
		return r;
	if (!s->dry_run)
		r = rollback_job_run(&job, e);
	if (r == 0 && (!s->talk.quiet || s->dry_run))
		r = show(s, &job, e);
	rollback_job_free(&job);
	return r;
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	struct state *s = state;
	struct progress *p = talk_progress(&s->talk);
	struct least_power power = { 0 };
	const struct least_power_request limits = {
		.plan = { .target = argv, .n_targets = 1, .writes = !s->dry_run },
		.verbose = s->talk.verbose,
	};
	int r = least_power_begin(&limits, &power, e);

	(void)argc;
	s->target.path = argv[0];
	s->target.writable = !s->dry_run;
	s->target.settled = least_power_close_to_stick;
	s->target.settled_ctx = &power;
	if (r == 0)
		r = rollback(s, p, e);
	least_power_end(&power);
	progress_free(p);
	return r;
}

const struct verb verb_rollback = {
	.name = "rollback",
	.args = "TARGET",
	.help = "start the system before from now on; a second time undoes it",
	.min_args = 1,
	.max_args = 1,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
