/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The writes of an upgrade, in the order that keeps the stick bootable (docs/stick.md, "Upgrade"). Each step ends in a
 * flush, whose result is checked; no step begins before the one before it is on the medium.
 */
#include <errno.h>

#include "src/content.h"
#include "src/job_upgrade_parts.h"
#include "src/switch.h"

char *slot_file(enum slot slot, const char *end)
{
	struct buf path = { 0 };

	buf_addf(&path, STICK_DIR "/%c.%s", slot_letter(slot), end);
	return path.s;
}

int upgrade_run_update(struct upgrade_job *j, struct updater *u, struct volume_update *wanted, struct progress *p,
                       struct err *e)
{
	int r = update_plan(u, wanted, e);

	return r < 0 ? r : upgrade_run_planned(j, u, p, e);
}

int upgrade_run_planned(struct upgrade_job *j, struct updater *u, struct progress *p, struct err *e)
{
	const struct update_phase *phase;
	size_t n = 0;
	int r = update_phases(u, &phase, &n, e);

	if (r < 0)
		return r;
	progress_begin(p, "write", u->numbers.to_write);
	r = update_run(u, j->target.device, p, e);
	progress_end(p);
	for (size_t i = 0; i < n; i++) {
		struct writelist_counts c = writelist_counts(phase[i].list);

		j->written += c.written;
		j->spared += c.spared;
	}
	return r;
}

int upgrade_change(struct upgrade_job *j, struct volume_update *wanted, struct progress *p, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	int r = stick_open_boot(&j->target.stick, j->target.device, &u, e);

	return r < 0 ? r : upgrade_run_update(j, u, wanted, p, e);
}

/* From here on the spare slot is in pieces, and nobody must start it. In place there is no other one to show. */
static int hide_slot(struct upgrade_job *j, struct err *e)
{
	struct menu_switch s = j->target.stick.menu_switch;

	s.previous = 0;
	j->state = UPGRADE_BEGUN;
	return switch_write(j->target.device, &j->target.stick, &s, &j->written, e);
}

/*
 * What only the list of an upgrade that was cut off tells of goes before that list does: nobody would know afterwards
 * whose it is.
 */
static int clear_unfinished(struct upgrade_job *j, struct err *e)
{
	const struct stick *s = &j->target.stick;
	AUTO_NAME_SET struct name_set stay = { 0 };
	struct volume_update u = { 0 };
	const char **remove = NULL;
	size_t cap = 0;
	int r;

	upgrade_add_listed(&stay, s->has_slot[j->to], &s->slot[j->to]);
	upgrade_add_put(&stay, j);
	for (size_t i = 0; s->has_next[j->to] && i < s->next[j->to].n_files; i++) {
		const char *path = s->next[j->to].file[i].path;

		if (!name_set_has(&stay, path))
			*ARRAY_ADD(remove, u.n_remove, cap) = path;
	}
	u.remove = remove;
	r = u.n_remove ? upgrade_change(j, &u, NULL, e) : 0;
	free(remove);
	return r;
}

/* The new system's manifest, under one of the names that it has in turn. */
static int put_manifest(struct upgrade_job *j, const char *end, struct err *e)
{
	struct manifest *m = &j->plan->slot_manifest;
	AUTO_FREE char *path = slot_file(j->to, end);
	struct volume_update u = { 0 };
	int r;

	volume_add(&u.put, path, manifest_size(m), manifest_input(m), j->plan->time)->replace = true;
	r = upgrade_change(j, &u, NULL, e);
	volume_files_free(&u.put);
	return r;
}

/* What is to come, so that after a power cut it is known whose the files are. */
static int write_next(struct upgrade_job *j, struct err *e)
{
	return put_manifest(j, "next", e);
}

static int write_system(struct upgrade_job *j, struct err *e)
{
	return upgrade_change(j, &j->update, j->request->progress, e);
}

static int check_source_same(struct upgrade_job *j, struct err *e)
{
	return source_changed(j->facts.source, e);
}

static int read_back(struct upgrade_job *j, struct err *e)
{
	return content_verify(j->target.boot, &j->plan->slot_manifest, j->request->progress, e);
}

int upgrade_put_stick_manifest(struct upgrade_job *j, const struct manifest_change *change, size_t n,
                               const struct manifest_setting *setting, struct err *e)
{
	struct volume_update u = { 0 };
	struct manifest m = { 0 }, was = j->target.stick.manifest;
	const struct buf *text;
	int r;

	manifest_copy(&was, change, n, &m);
	if (setting)
		manifest_set(&m, setting->key, setting->value);
	text = manifest_text(&m);
	volume_add(&u.put, STICK_DIR "/stick.manifest", text->len, input_memory(text->s), j->plan->time)->replace =
	    true;
	r = upgrade_change(j, &u, NULL, e);
	volume_files_free(&u.put);
	if (r == 0)
		j->target.stick.manifest = m;
	manifest_free(r == 0 ? &was : &m);
	return r;
}

static int write_manifest(struct upgrade_job *j, struct err *e)
{
	return put_manifest(j, "manifest", e);
}

/* The one write that makes it the system that starts. */
static int switch_over(struct upgrade_job *j, struct err *e)
{
	struct menu_switch s;
	char sector[MENU_SWITCH_SIZE];
	int r;

	plan_write_switch(j->plan, j->in_place ? 0 : slot_letter(j->from), sector);
	r = menu_read_switch(sector, sizeof(sector), &s, e);
	if (r == 0)
		r = switch_write(j->target.device, &j->target.stick, &s, &j->written, e);
	if (r == 0)
		j->state = UPGRADE_COMPLETE;
	return r;
}

static int remove_next(struct upgrade_job *j, struct err *e)
{
	AUTO_FREE char *path = slot_file(j->is_same ? j->from : j->to, "next");
	const char *const remove[] = { path };
	struct volume_update u = { .remove = remove, .n_remove = 1 };

	return upgrade_change(j, &u, NULL, e);
}

static const struct {
	const char *what;
	int (*run)(struct upgrade_job *, struct err *);
	bool always; /* also when the system is there already: what a cut after the switch has left undone */
} steps[] = {
	{ "repairing BOOT", upgrade_mend_boot, true },
	{ "taking the other system out of the menu", hide_slot, false },
	{ "clearing what an earlier upgrade has left", clear_unfinished, false },
	{ "noting what is to come", write_next, false },
	{ "writing the new system", write_system, false },
	{ "reading the source", check_source_same, false },
	{ "reading the new system back", read_back, false },
	{ "writing the manifest", write_manifest, false },
	{ "switching to the new system", switch_over, false },
	{ "clearing up", remove_next, true },
	{ "renewing the BIOS loader", upgrade_renew_bios, true },
	{ "renewing the UEFI loaders", upgrade_renew_loaders, true },
};

/* The user must know what the stick starts now. */
static int say_state(struct upgrade_job *j, int r, struct err *e)
{
	const char *name = j->request->target;

	progress_break(j->request->progress);
	if (j->is_same)
		return fail(e, r, "%s: has this system already and starts it, but it was not brought to its end", name);
	if (j->state == UPGRADE_COMPLETE)
		return fail(e, r, "%s: the new system is on it and starts, but the upgrade did not end well", name);
	if (j->state == UPGRADE_UNTOUCHED)
		return fail(e, r, "%s: nothing was written, it is as it was", name);
	if (j->in_place)
		return fail(
		    e, r,
		    "%s: is not finished and may not start, what was saved is as it was; run upgrade --in-place "
		    "again",
		    name);
	return fail(e, r, "%s: still starts the system that it had; run upgrade again", name);
}

int upgrade_job_run(struct upgrade_job *j, struct err *e)
{
	const struct upgrade_request *q = j->request;
	int asked = j->mend && q->confirm ? q->confirm(q->confirm_ctx, j, e) : 0;

	if (asked < 0)
		return asked;
	if (q->settled)
		q->settled(q->settled_ctx);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = 0;

		if (j->is_same && !steps[i].always)
			continue;
		r = interrupted ? fail(e, -EINTR, "interrupted") : steps[i].run(j, e);
		if (r < 0)
			return say_state(j, fail(e, r, "%s", steps[i].what), e);
	}
	return 0;
}
