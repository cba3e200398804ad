/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "src/job_create.h"
#include "src/render.h"
#include "src/verb_common.h"

#define STICKS_MAX 64 /* at once */

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

static struct json_object *stick_json(struct json_object *o, const struct create_job *j)
{
	json_add_text(o, "target", j->request->target);
	json_add_bool(o, "written", j->state == STICK_COMPLETE);
	json_object_object_add(o, "source", render_facts_json(&j->from->facts));
	json_object_object_add(o, "holds_now", render_scan_json(&j->scan));
	json_object_object_add(o, "plan", render_plan_json(j->plan, &j->host, &j->build));
	if (j->request->answers)
		json_add_text(o, "answers_note", j->from->answers.note);
	return o;
}

/* Of one stick its own object; of several the list of theirs. */
static int show_json(const struct create_job *job, size_t n, struct err *e)
{
	struct json_object *o = json_result(), *list;

	if (n == 1)
		return json_print(stick_json(o, job), e);
	list = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, stick_json(json_object_new_object(), &job[i]));
	json_object_object_add(o, "sticks", list);
	return json_print(o, e);
}

/* Of what a validator said of the user's file. */
static void note_text(const struct create_job *j, struct buf *out)
{
	if (!j->from->answers.note)
		return;
	buf_adds(out, "Note     ");
	buf_add_escaped(out, j->from->answers.note);
	buf_adds(out, "\n");
}

static void render_plan_of(const struct create_job *j, struct buf *text)
{
	buf_adds(text, "Target   ");
	buf_add_escaped(text, j->request->target);
	buf_adds(text, "\n");
	render_plan(j->plan, &j->host, &j->build, text);
	note_text(j, text);
}

static void render_result(const struct create_job *j, struct buf *text)
{
	const struct facts *f = &j->from->facts;

	buf_add_escaped(text, j->request->target);
	buf_adds(text, ": ");
	buf_add_escaped(text, *f->source->volume_id ? f->source->volume_id : f->source->path);
	buf_addf(text, " (%s) is on it; ", f->family->name);
	if (j->plan->has_data)
		buf_add_size(text, layout_part(&j->plan->layout, PART_DATA)->size);
	else
		buf_adds(text, "nothing will be kept");
	buf_adds(text, j->plan->has_data ? " for what is to be kept\n" : "\n");
	render_firmware(j->plan, &j->host, text);
	note_text(j, text);
}

/* The plans, or what has become of them: of the sticks that were made, when others were not. */
static int show(const struct state *s, const struct create_job *job, size_t n, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };

	if (s->talk.quiet && !s->request.dry_run)
		return 0;
	if (s->talk.json)
		return show_json(job, n, e);
	if (s->request.dry_run)
		render_facts(&job->from->facts, &text);
	for (size_t i = 0; i < n; i++) {
		if (s->request.dry_run)
			render_plan_of(&job[i], &text);
		else if (job[i].state == STICK_COMPLETE)
			render_result(&job[i], &text);
	}
	fputs(text.s ? text.s : "", stdout);
	return finish_stdout(e);
}

/* ---- the run */

/* Of each stick its own request: its target, its ids, its progress. */
static void make_request(struct state *s, size_t i, const char *target, struct progress *progress,
                         struct create_request *ret)
{
	*ret = s->request;
	ret->target = target;
	ret->progress = progress;
	seed_of_stick(&s->request.plan.seed, i, &ret->plan.seed);
}

static int check_twice(char **target, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(target[i], target[k]) == 0)
				return fail_as(e, EXIT_USAGE, -EINVAL, "%s: is named twice", target[i]);
	return 0;
}

static int prepare(const struct create_request *q, const struct create_source *from, struct create_job *job, size_t n,
                   size_t *ret_ready, struct err *e)
{
	int r = 0;

	for (*ret_ready = 0; *ret_ready < n && r == 0; *ret_ready += r == 0)
		r = create_job_prepare(&q[*ret_ready], from, &job[*ret_ready], e);
	return r;
}

static int ask(struct create_job *job, size_t n, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = create_job_ask(&job[i], e);
	for (size_t i = 0; i < n && r == 0; i++)
		r = create_job_recheck(&job[i], e);
	return r;
}

static int make_sticks(const struct state *s, const struct create_request *q, size_t n, struct err *e)
{
	AUTO_FREE struct create_job *job = xcalloc(n, sizeof(*job));
	AUTO_ERR struct err unshown = { 0 };
	struct create_source from;
	size_t ready = 0;
	bool ran = false;
	int r = create_source_read(q, &from, e), shown = 0;

	if (r < 0)
		return r;
	r = prepare(q, &from, job, n, &ready, e);
	if (r == 0 && !s->request.dry_run) {
		r = ask(job, n, e);
		ran = r == 0;
		if (r == 0)
			r = create_jobs_run(job, n, e);
	}
	/* Of several some may have become sticks. */
	if (r == 0 || (ran && n > 1))
		shown = show(s, job, n, r == 0 ? e : &unshown);
	while (ready > 0)
		create_job_free(&job[--ready]);
	create_source_free(&from);
	return r == 0 ? shown : r;
}

static int check_options(struct state *s, struct err *e)
{
	const struct plan_options *plan = &s->request.plan;

	if (plan->no_data && (plan->data_size || plan->data_label))
		return fail_as(e, EXIT_USAGE, -EINVAL,
		               "--no-persist does not go with --persist-size or --persist-label");
	if (plan->unattended && !s->request.answers)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--unattended needs --kickstart or --preseed");
	if (s->seed)
		seed_from_text(s->seed, &s->request.plan.seed);
	return s->seed ? 0 : seed_random(&s->request.plan.seed, e);
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	struct state *s = state;
	size_t n = (size_t)argc - 1;
	AUTO_FREE struct create_request *q = xcalloc(n, sizeof(*q));
	struct progress_group *group = n > 1 ? talk_progress_group(&s->talk) : NULL;
	struct progress *alone = n > 1 ? NULL : talk_progress(&s->talk);
	int r = choose_time(s->seed != NULL, &s->request.plan.time, &s->request.time_from_source, e);

	if (r == 0)
		r = check_options(s, e);
	if (r == 0)
		r = check_twice(argv + 1, n, e);
	s->request.source = argv[0];
	s->request.confirm = confirm;
	s->request.confirm_ctx = s;
	for (size_t i = 0; i < n; i++)
		make_request(s, i, argv[1 + i], group ? progress_group_add(group, argv[1 + i]) : alone, &q[i]);
	if (r == 0)
		r = make_sticks(s, q, n, e);
	progress_free(alone);
	progress_group_free(group);
	return r;
}

const struct verb verb_create = {
	.name = "create",
	.args = "SOURCE TARGET...",
	.help = "wipe TARGET (a drive or an image file; or several) and make a stick of SOURCE (an ISO) on it",
	.min_args = 2,
	.max_args = 1 + STICKS_MAX,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
