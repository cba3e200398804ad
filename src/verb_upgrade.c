/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "src/content.h"
#include "src/job_upgrade.h"
#include "src/least_power.h"
#include "src/render.h"
#include "src/verb_common.h"

struct state {
	struct upgrade_request request;
	struct talk talk;
};

static const struct verb_option options[] = {
	{ "in-place", NULL, "replace the system that is there (not safe against a power cut)" },
	{ "family-change", NULL, "also a system of another family, which does not find what was saved" },
	{ "family", "NAME", "take the live system to be of this family" },
	{ "initrd", "own|source", "start the system by livestick's own initrd (when its own cannot), or never" },
	{ "repair", NULL, "mend a damaged boot partition first, by fsck.fat or e2fsck (asks, if it can)" },
	{ "ignore-checksums", NULL, "also a system that differs from the checksums on its own medium" },
	{ "allow-fixed", NULL, "also write a drive that is not removable; never the one the system runs from" },
	{ "dry-run", NULL, "check everything, show what would be done, write nothing" },
	TALK_OPTIONS,
};

static int set(void *state, const char *option, const char *value, struct err *e)
{
	struct state *s = state;
	const struct {
		const char *name;
		bool *to;
	} switches[] = {
		{ "in-place", &s->request.in_place },       { "family-change", &s->request.family_change },
		{ "repair", &s->request.repair },           { "ignore-checksums", &s->request.ignore_checksums },
		{ "allow-fixed", &s->request.allow_fixed }, { "dry-run", &s->request.dry_run },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (strcmp(option, switches[i].name) == 0) {
			*switches[i].to = true;
			return 0;
		}
	}
	if (strcmp(option, "family") == 0) {
		s->request.facts.family = value;
		return 0;
	}
	if (strcmp(option, "initrd") != 0)
		return MIN(talk_set(&s->talk, option, value, e), 0);
	r = one_of(option, value, "source", "own", e);
	s->request.facts.initrd = r == 1 ? INITRD_OWN : INITRD_SOURCE;
	return MIN(r, 0);
}

static const char *system_name(const struct manifest *m)
{
	const char *volume = manifest_get(m, "volume"), *source = manifest_get(m, "source");

	return volume && *volume ? volume : source ? source : "a system without a name";
}

static void render_system(const char *what, enum slot slot, const struct manifest *m, struct buf *out)
{
	buf_addf(out, "%-9s", what);
	buf_add_escaped(out, system_name(m));
	buf_addf(out, ", slot %c\n", slot_letter(slot));
}

/* What is done, or would be. */
static void render_upgrade(const struct upgrade_job *j, struct buf *out)
{
	const struct stick *s = &j->target.stick;

	if (s->has_slot[j->from])
		render_system(j->in_place ? "Replaced" : "Kept", j->from, &s->slot[j->from], out);
	if (!j->in_place && s->has_slot[j->to])
		render_system("Removed", j->to, &s->slot[j->to], out);
	render_system("New", j->to, &j->plan->slot_manifest, out);
	buf_addf(out, "BOOT     has ");
	buf_add_size(out, j->numbers.free_before);
	buf_adds(out, " free, and then ");
	buf_add_size(out, j->numbers.free_after);
	buf_adds(out, "\n");
}

static void render_bios(const struct upgrade_job *j, struct buf *out)
{
	AUTO_FREE char *release = j->has_host ? syslinux_release(&j->host.syslinux.sys) : NULL;

	if (j->bios_renewed)
		buf_addf(out, "Loader   SYSLINUX %s, this machine's, is the BIOS loader now\n", release);
	else if (j->bios_differs && j->request->dry_run)
		buf_addf(out, "Loader   SYSLINUX %s, this machine's, will be the BIOS loader\n", release);
}

/* What the file system's program said. */
static void render_mend(const struct upgrade_job *j, struct buf *out)
{
	const char *line = j->mend ? j->mend->said.s : NULL;

	if (!j->mend)
		return;
	buf_addf(out, "Repair   %llu bytes of BOOT will be changed:\n", (unsigned long long)j->mend->bytes);
	for (; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		AUTO_FREE char *text = xstrndup(line, strcspn(line, "\n"));

		if (!text[strspn(text, " \t")])
			continue;
		buf_adds(out, "         ");
		buf_add_escaped(out, text);
		buf_adds(out, "\n");
	}
}

/* Only somebody who sits there can be asked; --repair in a script is the answer. */
static int confirm(void *ctx, const struct upgrade_job *j, struct err *e)
{
	const struct state *s = ctx;
	bool ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	AUTO_BUF struct buf text = { 0 };
	char answer[64];

	if (!ask && s->talk.quiet)
		return 0;
	buf_add_escaped(&text, j->request->target);
	buf_adds(&text, ":\n");
	render_mend(j, &text);
	if (ask)
		buf_adds(&text, "Shall it be done, and then the upgrade? Type yes: ");
	fputs(text.s, stderr);
	fflush(stderr);
	if (!ask)
		return 0;
	if (!fgets(answer, sizeof(answer), stdin))
		*answer = '\0';
	answer[strcspn(answer, "\r\n")] = '\0';
	if (strcmp(answer, "yes") != 0)
		return fail_refused(e, -ECANCELED, "%s: not repaired, nothing was written: the answer is not yes",
		                    j->request->target);
	return 0;
}

static void render_numbers(const struct upgrade_job *j, struct buf *out)
{
	if (j->n_loaders)
		buf_addf(out, "Loaders  %zu files of the UEFI loaders are those of the new system now\n", j->n_loaders);
	render_bios(j, out);
	if (j->state == UPGRADE_COMPLETE)
		buf_addf(out, "Written  %llu bytes; %llu more were there already\n", (unsigned long long)j->written,
		         (unsigned long long)j->spared);
	else
		buf_addf(out, "To write %llu bytes at most, of which %llu may be there already\n",
		         (unsigned long long)j->numbers.to_write, (unsigned long long)j->numbers.in_place);
}

static struct json_object *system_json(const struct manifest *m)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "volume", manifest_get(m, "volume"));
	json_add_text(o, "source", manifest_get(m, "source"));
	json_add_text(o, "family", manifest_get(m, "family"));
	json_add_text(o, "volume_created", manifest_get(m, "volume-created"));
	json_add_bytes(o, "files", m->n_files);
	json_add_bytes(o, "bytes", content_bytes(m));
	return o;
}

static struct json_object *result_json(const struct upgrade_job *j)
{
	const struct stick *s = &j->target.stick;
	struct json_object *o = json_result(), *removed = json_object_new_array();
	char slot[2] = { slot_letter(j->to), '\0' };

	json_add_text(o, "target", j->request->target);
	json_add_bool(o, "written", j->state == UPGRADE_COMPLETE);
	json_add_bool(o, "is_there_already", j->is_same);
	json_add_bool(o, "in_place", j->in_place);
	json_add_text(o, "slot", slot);
	json_object_object_add(o, "source", render_facts_json(&j->facts));
	json_object_object_add(o, "system", system_json(&j->plan->slot_manifest));
	if (s->has_slot[j->from])
		json_object_object_add(o, "previous_system", system_json(&s->slot[j->from]));
	json_object_object_add(o, "menu", render_menu_json(&j->plan->menu));
	for (size_t i = 0; i < j->n_removed; i++) {
		AUTO_FREE char *path = escaped(j->removed[i]);

		json_object_array_add(removed, json_object_new_string(path));
	}
	json_object_object_add(o, "removed", removed);
	json_add_bytes(o, "boot_free_before", j->numbers.free_before);
	json_add_bytes(o, "boot_free_after", j->numbers.free_after);
	json_add_bytes(o, "loader_files_renewed", j->n_loaders);
	json_add_bool(o, "bios_loader_differs", j->bios_differs);
	json_add_bool(o, "bios_loader_renewed", j->bios_renewed);
	json_add_text(o, "repair", j->mend ? j->mend->said.s : NULL);
	json_add_bytes(o, "bytes_repaired", j->mend ? j->mend->bytes : 0);
	json_add_bytes(o, "bytes_to_write", j->numbers.to_write);
	json_add_bytes(o, "bytes_written", j->written);
	json_add_bytes(o, "bytes_spared", j->spared);
	json_add_text(o, "warnings", j->warnings.s);
	return o;
}

static int show(const struct state *s, const struct upgrade_job *j, struct err *e)
{
	AUTO_BUF struct buf out = { 0 };

	if (s->talk.json)
		return json_print(result_json(j), e);
	if (j->request->dry_run)
		render_mend(j, &out);
	else if (j->mend)
		buf_adds(&out, "Repair   BOOT was mended before the upgrade\n");
	if (j->is_same) {
		buf_add_escaped(&out, j->request->target);
		buf_adds(&out, ": has this system already\n");
		render_bios(j, &out);
		render_warnings(j->warnings.s, &out);
	} else {
		if (j->request->dry_run)
			render_facts(&j->facts, &out);
		render_upgrade(j, &out);
		render_warnings(j->warnings.s, &out);
		render_warnings(j->plan->warnings.s, &out);
		if (j->request->dry_run)
			render_menu(&j->plan->menu, &out);
		render_numbers(j, &out);
	}
	fputs(out.s, stdout);
	return finish_stdout(e);
}

static int upgrade(const struct state *s, struct err *e)
{
	const struct upgrade_request *q = &s->request;
	struct upgrade_job job;
	int r = upgrade_job_prepare(q, &job, e);

	if (r < 0)
		return r;
	if (!q->dry_run)
		r = upgrade_job_run(&job, e);
	if (r == 0 && (!s->talk.quiet || q->dry_run))
		r = show(s, &job, e);
	upgrade_job_free(&job);
	return r;
}

static int run(void *state, int argc, char **argv, struct err *e)
{
	struct state *s = state;
	struct upgrade_request *q = &s->request;
	struct least_power power = { 0 };
	struct least_power_request limits = {
		.plan = { .source = argv[0],
		          .target = argv + 1,
		          .n_targets = 1,
		          .writes = !q->dry_run,
		          .runs_programs = true },
		.verbose = s->talk.verbose,
	};
	bool from_source = false;
	int r = choose_time(from_source, &q->time, &from_source, e);

	(void)argc;
	if (r < 0)
		return r;
	q->source = argv[0];
	q->target = argv[1];
	q->progress = talk_progress(&s->talk);
	q->confirm = confirm;
	q->confirm_ctx = s;
	q->settled = least_power_close;
	q->settled_ctx = &power;
	r = least_power_begin(&limits, &power, e);
	if (r == 0)
		r = upgrade(s, e);
	least_power_end(&power);
	progress_free(q->progress);
	return r;
}

const struct verb verb_upgrade = {
	.name = "upgrade",
	.args = "SOURCE TARGET",
	.help = "put the system of SOURCE beside the one on a stick and start it from then on; what was saved stays",
	.min_args = 2,
	.max_args = 2,
	.option = options,
	.n_options = ARRAY_SIZE(options),
	.set = set,
	.run = run,
	.state_size = sizeof(struct state),
};
