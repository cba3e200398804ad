/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "src/job_create.h"
#include "src/least_power.h"
#include "src/render.h"
#include "src/verb_common.h"

struct state {
	struct create_request request;
	const char *seed;
	bool yes;
	struct talk talk;
};

static const struct verb_option options[] = {
	{ "size", "SIZE", "make the image file TARGET of this size (8G, 512M)" },
	{ "sector-size", "512|4096", "sectors of the drive that an image file is for (512)" },
	{ "table", "mbr|gpt", "partition table (mbr)" },
	{ "boot-fs", "fat32|ext4", "file system of the boot partition (fat32; ext4 if a file has 4 GiB or more)" },
	{ "persist-size", "SIZE", "size of the persistence partition (all that is left)" },
	{ "persist-label", "NAME", "its label (one of the stick's own)" },
	{ "no-persist", NULL, "no persistence partition: nothing is kept" },
	{ "append", "ARGS", "kernel arguments for every menu entry" },
	{ "kickstart", "FILE", "answers for an Anaconda installer: adds the entry \"Unattended installation\"" },
	{ "preseed", "FILE", "the same for debian-installer" },
	{ "unattended", NULL, "that entry starts by itself" },
	{ "slots", "1|2", "room for one system or two (two when the stick is large enough)" },
	{ "family", "NAME", "take the live system to be of this family" },
	{ "initrd", "own|source", "start the system by livestick's own initrd (when its own cannot), or never" },
	{ "seed", "TEXT", "derive all ids from TEXT: the same stick every time" },
	{ "allow-fixed", NULL, "also write a drive that is not removable; never the one the system runs from" },
	{ "dry-run", NULL, "show the whole plan, write nothing" },
	{ "yes", NULL, "do not ask before TARGET is wiped" },
	TALK_OPTIONS,
};

static int set_value(struct state *s, const char *option, const char *value, struct err *e)
{
	struct plan_options *plan = &s->request.plan;
	int r = 0;

	if (strcmp(option, "size") == 0)
		return parse_size(option, value, &s->request.make_size, e);
	if (strcmp(option, "persist-size") == 0)
		return parse_size(option, value, &plan->data_size, e);
	if (strcmp(option, "table") == 0) {
		r = one_of(option, value, "mbr", "gpt", e);
		plan->table = r == 1 ? TABLE_GPT : TABLE_MBR;
	} else if (strcmp(option, "boot-fs") == 0) {
		r = one_of(option, value, "fat32", "ext4", e);
		plan->boot_fs = r == 1 ? BOOT_FS_EXT4 : BOOT_FS_FAT32;
	} else if (strcmp(option, "sector-size") == 0) {
		r = one_of(option, value, "512", "4096", e);
		s->request.sector_size = r == 1 ? 4096 : 512;
	} else if (strcmp(option, "initrd") == 0) {
		r = one_of(option, value, "source", "own", e);
		s->request.facts.initrd = r == 1 ? INITRD_OWN : INITRD_SOURCE;
	} else if (strcmp(option, "slots") == 0) {
		r = one_of(option, value, "1", "2", e);
		plan->slots = (unsigned)r + 1;
	} else if (strcmp(option, "persist-label") == 0) {
		plan->data_label = value;
	} else if (strcmp(option, "append") == 0) {
		plan->append = value;
	} else if (strcmp(option, "kickstart") == 0 || strcmp(option, "preseed") == 0) {
		if (s->request.answers && strcmp(s->request.answers_option, option) != 0)
			return fail_as(e, EXIT_USAGE, -EINVAL, "--kickstart does not go with --preseed");
		s->request.answers_option = option;
		s->request.answers = value;
	} else if (strcmp(option, "family") == 0) {
		s->request.facts.family = value;
	} else {
		s->seed = value;
	}
	return r < 0 ? r : 0;
}

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;
	const struct {
		const char *name;
		bool *to;
	} switches[] = {
		{ "no-persist", &s->request.plan.no_data },
		{ "unattended", &s->request.plan.unattended },
		{ "allow-fixed", &s->request.allow_fixed },
		{ "dry-run", &s->request.dry_run },
		{ "yes", &s->yes },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (strcmp(option, switches[i].name) == 0) {
			*switches[i].to = true;
			return 0;
		}
	}
	r = talk_set(&s->talk, option, value, e);
	return r ? MIN(r, 0) : set_value(s, option, value, e);
}

/* "/dev/sdb" may be answered in full or as "sdb". */
static bool names_target(const char *answer, const char *target)
{
	const char *slash = strrchr(target, '/');

	return strcmp(answer, target) == 0 || (slash && strcmp(answer, slash + 1) == 0);
}

static void show_target(const struct create_job *j, struct buf *out)
{
	const struct drive *d = &j->drive;

	buf_add_escaped(out, j->request->target);
	if (j->device->is_block) {
		buf_adds(out, ": ");
		buf_add_escaped(out, d->vendor);
		buf_adds(out, *d->vendor ? " " : "");
		buf_add_escaped(out, d->model);
		if (*d->serial) {
			buf_adds(out, ", serial ");
			buf_add_escaped(out, d->serial);
		}
	}
	buf_adds(out, ", ");
	buf_add_size(out, j->device->size);
	buf_adds(out, "\nIt holds now:\n");
	render_scan(&j->scan, out);
	buf_adds(out, "ALL OF THIS WILL BE LOST. To go on, type the name ");
	buf_add_escaped(out, j->request->target);
	buf_adds(out, ": ");
}

static int confirm(void *ctx, const struct create_job *j, struct err *e)
{
	const struct state *s = ctx;
	AUTO_BUF struct buf text = { 0 };
	char answer[4096];

	if (s->yes || j->target_is_empty)
		return 0;
	show_target(j, &text);
	fputs(text.s, stderr);
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin)) {
		fputc('\n', stderr);
		return fail_refused(e, -ECANCELED, "%s: not wiped: nobody agreed (--yes is for scripts)",
		                    j->request->target);
	}
	answer[strcspn(answer, "\r\n")] = '\0';
	if (!names_target(answer, j->request->target))
		return fail_refused(e, -ECANCELED, "%s: not wiped: the answer is not its name", j->request->target);
	return 0;
}

static struct json_object *result_json(const struct create_job *j)
{
	struct json_object *o = json_result();

	json_add_text(o, "target", j->request->target);
	json_add_bool(o, "written", j->state == STICK_COMPLETE);
	json_object_object_add(o, "source", render_facts_json(&j->facts));
	json_object_object_add(o, "holds_now", render_scan_json(&j->scan));
	json_object_object_add(o, "plan", render_plan_json(j->plan, &j->host, &j->build));
	if (j->request->answers)
		json_add_text(o, "answers_note", j->answers.note);
	return o;
}

/* Of what a validator said of the user's file. */
static void note_text(const struct create_job *j, struct buf *out)
{
	if (!j->answers.note)
		return;
	buf_adds(out, "Note     ");
	buf_add_escaped(out, j->answers.note);
	buf_adds(out, "\n");
}

static int show_plan(const struct state *s, const struct create_job *j, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };

	if (s->talk.json)
		return json_print(result_json(j), e);
	render_facts(&j->facts, &text);
	buf_adds(&text, "Target   ");
	buf_add_escaped(&text, j->request->target);
	buf_adds(&text, "\n");
	render_plan(j->plan, &j->host, &j->build, &text);
	note_text(j, &text);
	fputs(text.s, stdout);
	return finish_stdout(e);
}

static int show_result(const struct state *s, const struct create_job *j, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };

	if (s->talk.json)
		return json_print(result_json(j), e);
	buf_add_escaped(&text, j->request->target);
	buf_adds(&text, ": ");
	buf_add_escaped(&text, *j->facts.source->volume_id ? j->facts.source->volume_id : j->facts.source->path);
	buf_addf(&text, " (%s) is on it; ", j->facts.family->name);
	if (j->plan->has_data)
		buf_add_size(&text, layout_part(&j->plan->layout, PART_DATA)->size);
	else
		buf_adds(&text, "nothing will be kept");
	buf_adds(&text, j->plan->has_data ? " for what is to be kept\n" : "\n");
	render_firmware(j->plan, &j->host, &text);
	note_text(j, &text);
	fputs(text.s, stdout);
	return finish_stdout(e);
}

/* The job, and whether it has made a stick. */
static int make_stick(const struct state *s, bool *ret_complete, struct err *e)
{
	struct create_job job;
	int r = create_job_prepare(&s->request, &job, e);

	if (r < 0)
		return r;
	if (s->request.dry_run)
		r = show_plan(s, &job, e);
	else if ((r = create_job_run(&job, e)) == 0 && !s->talk.quiet)
		r = show_result(s, &job, e);
	*ret_complete = job.state == STICK_COMPLETE;
	create_job_free(&job);
	return r;
}

static int make_stick_confined(struct state *s, struct err *e)
{
	struct create_request *q = &s->request;
	AUTO_FREE char *programs = answers_program_dir(q->answers_option);
	const struct least_power_request limits = {
		.plan = {
			.source = q->source,
			.target = q->target,
			.file = q->answers,
			.programs = programs,
			.writes = !q->dry_run,
			.runs_programs = true,
		},
		.makes_target = q->make_size && !q->dry_run,
		.verbose = s->talk.verbose,
	};
	struct least_power power = { 0 };
	bool complete = false;
	int r = least_power_begin(&limits, &power, e);

	q->target_is_made = power.has_made_target;
	q->settled = least_power_close;
	q->settled_ctx = &power;
	if (r == 0)
		r = make_stick(s, &complete, e);
	least_power_end(&power, complete);
	return r;
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	struct state *s = state;
	int r = choose_time(s->seed != NULL, &s->request.plan.time, &s->request.time_from_source, e);

	(void)argc;
	if (s->seed)
		seed_from_text(s->seed, &s->request.plan.seed);
	else if (r == 0)
		r = seed_random(&s->request.plan.seed, e);
	if (r == 0 && s->request.plan.no_data && (s->request.plan.data_size || s->request.plan.data_label))
		r = fail_as(e, EXIT_USAGE, -EINVAL, "--no-persist does not go with --persist-size or --persist-label");
	if (r == 0 && s->request.plan.unattended && !s->request.answers)
		r = fail_as(e, EXIT_USAGE, -EINVAL, "--unattended needs --kickstart or --preseed");
	if (r < 0)
		return r;
	s->request.source = argv[0];
	s->request.target = argv[1];
	s->request.confirm = confirm;
	s->request.confirm_ctx = s;
	s->request.progress = talk_progress(&s->talk);
	r = make_stick_confined(s, e);
	progress_free(s->request.progress);
	return r;
}

const struct verb verb_create = {
	.name = "create",
	.args = "SOURCE TARGET",
	.help = "wipe TARGET (a drive or an image file) and make a stick of SOURCE (an ISO) on it",
	.min_args = 2,
	.max_args = 2,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
