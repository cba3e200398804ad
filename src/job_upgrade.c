/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The checks of an upgrade. Its writes are in job_upgrade_run.c. */
#include <errno.h>

#include "src/content.h"
#include "src/job_upgrade_parts.h"

/* ---- the source and the stick */

static int read_source(struct upgrade_job *j, struct err *e)
{
	return facts_read(j->request->source, &j->request->facts, &j->facts, e);
}

static int open_target(struct upgrade_job *j, struct err *e)
{
	const struct upgrade_request *q = j->request;
	const struct target_request t = {
		.path = q->target,
		.source = q->source,
		.allow_fixed = q->allow_fixed,
		.writable = !q->dry_run,
		.accept = TARGET_DAMAGED,
	};

	return target_open(&t, &j->target, e);
}

/* ---- which slot */

static int choose_slot(struct upgrade_job *j, struct err *e)
{
	const struct upgrade_request *q = j->request;
	const struct family *f = j->facts.family;

	j->in_place = q->in_place;
	j->from = j->target.stick.menu_switch.slot == 'b' ? SLOT_B : SLOT_A;
	j->to = j->in_place ? j->from : j->from == SLOT_A ? SLOT_B : SLOT_A;
	if (!j->in_place && !f->takes_slot)
		return fail_refused(
		    e, -ENOTSUP,
		    "%s: a %s system boots only from the root of its medium, so there is no place for a "
		    "second one: --in-place replaces it, and that does not survive a power cut half way",
		    q->target, f->name);
	if (!j->target.stick.has_slot[j->from] && !stick_is_unfinished(&j->target.stick, j->from))
		return fail_refused(e, -EUCLEAN, "%s: the manifest of the system that starts is missing", q->target);
	if (!j->in_place && stick_is_unfinished(&j->target.stick, j->from))
		return fail_refused(e, -EUCLEAN,
		                    "%s: an upgrade with --in-place was not finished: run it again with --in-place",
		                    q->target);
	return 0;
}

static const struct manifest *old_system(const struct upgrade_job *j)
{
	return j->target.stick.has_slot[j->from] ? &j->target.stick.slot[j->from] : &j->target.stick.next[j->from];
}

static int check_family(struct upgrade_job *j, struct err *e)
{
	const char *old = manifest_get(old_system(j), "family"), *now = j->facts.family->name;
	const char *made = manifest_get(old_system(j), "volume-created"), *created = j->facts.source->created;

	if (!old || strcmp(old, now) != 0) {
		if (!j->request->family_change)
			return fail_refused(e, -EINVAL,
			                    "%s: has a %s system and %s is a %s system, which would not find what was "
			                    "saved (--family-change does it all the same)",
			                    j->request->target, old ? old : "nameless", j->request->source, now);
		buf_addf(&j->warnings, "what was saved is not found by the new system: it is of the family %s\n", now);
	}
	if (made && *made && *created && strcmp(created, made) < 0)
		buf_addf(&j->warnings, "the new system is older than the one that starts now: made %s and %s\n",
		         created, made);
	return 0;
}

/* ---- the plan */

static int make_plan(struct upgrade_job *j, struct err *e)
{
	const struct stick *s = &j->target.stick;
	const struct scan_part *boot = stick_boot(s), *data = stick_data(s);
	const char *data_uuid = manifest_get(&s->manifest, "data-uuid");
	struct plan_upgrade o = {
		.slot = slot_letter(j->to),
		.boot_is_ext4 = s->boot_is_ext4,
		.bios = bios_is_there(s),
		.uefi = stick_has_file(s, GRUB_CFG),
		.has_data = data_uuid && strcmp(data_uuid, "none") != 0,
		.data_size = data ? data->size : 0,
		.boot_uuid = boot ? boot->fs_uuid : NULL,
		.boot_label = boot ? boot->label : NULL,
		.data_uuid = data_uuid,
		.data_label = manifest_get(&s->manifest, "data-label"),
		.append = manifest_get(&s->manifest, "append"),
		.time = j->request->time,
	};
	int r;

	if (o.has_data && !data)
		return fail_refused(e, -EUCLEAN, "%s: its persistence partition (UUID %s) is not there",
		                    j->request->target, data_uuid);
	if (!o.data_label || !o.append || !o.boot_uuid)
		return fail_refused(e, -EUCLEAN, "%s: its manifest lacks settings", j->request->target);
	o.append = *o.append ? o.append : NULL;
	r = s->boot_is_ext4 ? facts_find_same(&j->facts, e) : 0;
	if (r < 0)
		return r;
	r = plan_make_upgrade(&j->facts, &o, &j->plan, e);
	return r < 0 ? fail_as(e, EXIT_REFUSED, r, "%s", j->request->source) : 0;
}

/* ---- what is there already */

/* The same files as the system that starts: then there is nothing to do. */
static int compare_systems(struct upgrade_job *j, struct err *e)
{
	const char *was = manifest_get(old_system(j), "content");
	char is[SHA256_HEX_SIZE];

	(void)e;
	manifest_content(&j->plan->slot_manifest, is);
	j->is_same = was && strcmp(is, was) == 0 && !stick_is_unfinished(&j->target.stick, j->from);
	return 0;
}

/* Without it going back would be a lie. */
static int check_old_system(struct upgrade_job *j, struct err *e)
{
	int r;

	if (j->in_place || j->is_same)
		return 0;
	r = content_verify(j->target.boot, &j->target.stick.slot[j->from], j->request->progress, e);
	if (r == -EUCLEAN)
		return fail_refused(
		    e, r,
		    "%s: the system that starts now is damaged and could not be gone back to (--in-place "
		    "replaces it)",
		    j->request->target);
	return r;
}

/* ---- what the update of BOOT is */

/* The manifests come from the stick: what they list must be what a slot can have, or nothing is removed. */
static bool may_be_of_slot(const char *path, enum slot slot)
{
	static const char of_b[] = SLOT_B_DIR "/", ours[] = STICK_DIR "/";

	if (strncmp(path, ours, strlen(ours)) == 0)
		return path[strlen(ours)] == slot_letter(slot);
	return (strncmp(path, of_b, strlen(of_b)) == 0) == (slot == SLOT_B);
}

void upgrade_add_listed(struct name_set *names, bool is_there, const struct manifest *m)
{
	for (size_t i = 0; is_there && i < m->n_files; i++)
		name_set_add(names, m->file[i].path);
}

void upgrade_add_put(struct name_set *names, const struct upgrade_job *j)
{
	for (size_t i = 0; i < j->plan->boot_files.n; i++)
		name_set_add(names, j->plan->boot_files.file[i].path);
}

static int remove_listed(struct upgrade_job *j, const struct manifest *m, struct name_set *put, struct err *e)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const char *path = m->file[i].path;

		if (!may_be_of_slot(path, j->to))
			return fail_refused(e, -EUCLEAN, "%s: a manifest lists %s, which is not of its slot",
			                    j->request->target, path);
		if (!name_set_has(put, path))
			*ARRAY_ADD(j->removed, j->n_removed, j->cap_removed) = xstrdup(path);
	}
	return 0;
}

static int choose_removed(struct upgrade_job *j, struct err *e)
{
	const struct stick *s = &j->target.stick;
	AUTO_NAME_SET struct name_set put = { 0 };
	int r = 0;

	upgrade_add_put(&put, j);
	if (s->has_slot[j->to])
		r = remove_listed(j, &s->slot[j->to], &put, e);
	if (r == 0 && s->has_next[j->to])
		r = remove_listed(j, &s->next[j->to], &put, e);
	/*
	 * Of an upgrade that was cut off after all but this. The slot's own old manifest stays until the new one takes
	 * its place: it says whose the files are.
	 */
	if (!j->in_place && !stick_is_unfinished(s, j->from))
		*ARRAY_ADD(j->removed, j->n_removed, j->cap_removed) = slot_file(j->from, "next");
	j->update.remove = (const char *const *)j->removed;
	j->update.n_remove = j->n_removed;
	j->update.put = j->plan->boot_files;
	return r;
}

/* What is on BOOT under a name that the new system needs, and in no manifest, is the user's. */
static int check_names(struct upgrade_job *j, struct updater *u, struct err *e)
{
	const struct stick *s = &j->target.stick;
	AUTO_NAME_SET struct name_set ours = { 0 };

	upgrade_add_listed(&ours, s->has_slot[j->to], &s->slot[j->to]);
	upgrade_add_listed(&ours, s->has_next[j->to], &s->next[j->to]);
	for (size_t i = 0; i < j->update.put.n; i++) {
		const struct volume_file *f = &j->update.put.file[i];
		struct update_entry there;
		int r = f->is_dir ? -ENOENT : update_find(u, f->path, &there, e);

		if (r == -ENOENT || name_set_has(&ours, f->path)) {
			err_clear(e);
			continue;
		}
		if (r < 0)
			return r;
		return fail_refused(
		    e, -EEXIST,
		    "%s: the new system has a file %s, and the stick has one of that name that livestick "
		    "did not write: move it away",
		    j->request->target, f->path);
	}
	return 0;
}

static int plan_update(struct upgrade_job *j, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	const struct update_phase *phase;
	size_t n = 0;
	int r = choose_removed(j, e);

	if (r < 0)
		return r;
	r = stick_open_boot(&j->target.stick, j->target.device, &u, e);
	if (r < 0)
		return fail_as(e, EXIT_REFUSED, r, "%s", j->request->target);
	if (j->is_same)
		return 0;
	for (size_t i = 0; i < u->n_leftover; i++)
		buf_addf(&j->warnings, "an earlier upgrade was cut off: %s; this one mends it\n", u->leftover[i]);
	if (stick_is_unfinished(&j->target.stick, j->to))
		buf_addf(&j->warnings, "an upgrade of slot %c was not finished; this one takes its place\n",
		         slot_letter(j->to));
	r = check_names(j, u, e);
	if (r == 0)
		r = update_plan(u, &j->update, e);
	if (r == 0)
		r = update_phases(u, &phase, &n, e);
	j->numbers = u->numbers;
	if (r == -ENOSPC && !j->in_place)
		return fail_refused(
		    e, r,
		    "%s: there is no room for a second system (--in-place replaces the one that is there, "
		    "and that does not survive a power cut half way)",
		    j->request->target);
	return r < 0 ? fail_as(e, EXIT_REFUSED, r, "%s", j->request->target) : 0;
}

/* In this order; nothing is written by any of them. */
static int (*const checks[])(struct upgrade_job *, struct err *) = {
	read_source, upgrade_load_host,           open_target,     upgrade_check_boot, choose_slot, check_family,
	make_plan,   upgrade_read_source_through, compare_systems, check_old_system,   plan_update, upgrade_check_bios,
};

int upgrade_job_prepare(const struct upgrade_request *q, struct upgrade_job *ret, struct err *e)
{
	int r = 0;

	*ret = (struct upgrade_job){ .request = q };
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = interrupted ? fail(e, -EINTR, "interrupted; nothing was written") : checks[i](ret, e);
	upgrade_look_at_real(ret);
	if (r < 0) {
		progress_break(q->progress);
		upgrade_job_free(ret);
	}
	return r;
}

void upgrade_job_free(struct upgrade_job *j)
{
	for (size_t i = 0; i < j->n_removed; i++)
		free(j->removed[i]);
	free(j->removed);
	buf_free(&j->warnings);
	plan_free(j->plan);
	host_free(&j->host);
	free(j->why_no_host);
	mend_free(j->mend);
	target_free(&j->target);
	facts_free(&j->facts);
	*j = (struct upgrade_job){ 0 };
}
