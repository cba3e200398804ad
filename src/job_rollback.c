/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/job_rollback.h"

#include <errno.h>
#include <stdio.h>

#include "src/content.h"
#include "src/switch.h"

/* The slot's own word for what it starts. */
static int set_switch(struct rollback_job *j, enum slot other, struct err *e)
{
	const char *id = manifest_get(j->system, "default-entry");

	if (!id || !*id || strlen(id) > MENU_ID_MAX || id[0] != slot_letter(other))
		return fail_refused(e, -EUCLEAN, "%s: the manifest of slot %c does not say what it starts", j->name,
		                    slot_letter(other));
	j->to = (struct menu_switch){ .slot = slot_letter(other), .previous = j->target.stick.menu_switch.slot };
	snprintf(j->to.default_id, sizeof(j->to.default_id), "%s", id);
	return 0;
}

static int choose(struct rollback_job *j, struct err *e)
{
	const struct stick *s = &j->target.stick;
	enum slot other = s->menu_switch.slot == 'a' ? SLOT_B : SLOT_A;

	if (stick_is_unfinished(s, other))
		return fail_refused(e, -EUCLEAN,
		                    "%s: an upgrade of slot %c was cut off, so there is no system before: run upgrade "
		                    "again",
		                    j->name, slot_letter(other));
	if (!s->has_slot[other])
		return fail_refused(e, -ENOENT, "%s: has one system only, there is none to go back to", j->name);
	j->system = &s->slot[other];
	return set_switch(j, other, e);
}

/* The sector is written by nobody's leave but the updater's, which wants all of BOOT sound. */
static int check_boot(const struct rollback_job *j, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	int r = stick_open_boot(&j->target.stick, j->target.device, &u, e);

	return r == -EUCLEAN ? fail_refused(e, r,
	                                    "%s: BOOT is damaged, which upgrade --repair mends (with the source of the "
	                                    "system that starts now it changes nothing else)",
	                                    j->name)
	                     : r;
}

static int check(struct rollback_job *j, struct progress *p, struct err *e)
{
	int r = content_verify(j->target.boot, j->system, p, e);

	return r == -EUCLEAN ? fail_refused(e, r, "%s: the system before is damaged", j->name) : r;
}

int rollback_job_prepare(const struct target_request *q, struct progress *p, struct rollback_job *ret, struct err *e)
{
	int r;

	*ret = (struct rollback_job){ .name = q->path };
	r = target_open(q, &ret->target, e);
	if (r == 0)
		r = choose(ret, e);
	if (r == 0)
		r = check_boot(ret, e);
	if (r == 0)
		r = check(ret, p, e);
	if (r < 0)
		rollback_job_free(ret);
	return r;
}

int rollback_job_run(struct rollback_job *j, struct err *e)
{
	int r;

	if (interrupted)
		return fail(e, -EINTR, "interrupted; nothing was written");
	r = switch_write(j->target.device, &j->target.stick, &j->to, NULL, e);
	j->is_done = r == 0;
	return r < 0 ? fail(e, r, "%s: which of its two systems starts is not known", j->name) : 0;
}

void rollback_job_free(struct rollback_job *j)
{
	target_free(&j->target);
	*j = (struct rollback_job){ 0 };
}
