/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An unsound BOOT is refused, or with `repair` mended (mend.h). All checks that follow are made on the stick as it will
 * be then; nothing is written unless they pass and the user agrees.
 */
#include <errno.h>

#include "src/content.h"
#include "src/job_upgrade_parts.h"

static void look_at(struct upgrade_job *j, struct device *d)
{
	struct target *t = &j->target;

	device_free(t->boot);
	t->device = d;
	t->boot = device_new_window(d, j->request->target, t->stick.boot_start, t->stick.boot_size);
}

/* What could not be read before may be there now. */
static int read_again(struct upgrade_job *j, struct err *e)
{
	struct stick now = { 0 };
	int r = stick_read(j->target.device, &now, e);

	if (r < 0)
		return r;
	if (!now.is_ours || now.boot_start != j->target.stick.boot_start) {
		stick_free(&now);
		return fail(e, -EUCLEAN, "what makes it a stick of livestick's would be lost");
	}
	stick_free(&j->target.stick);
	j->target.stick = now;
	return 0;
}

static int mend(struct upgrade_job *j, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	struct target *t = &j->target;
	int r = mend_make(t->device, &t->stick, j->request->progress, &j->mend, e);

	if (r == 0 && j->mend) {
		j->real_device = t->device;
		look_at(j, j->mend->shown);
		r = read_again(j, e);
	}
	/* The program was content; so must be what changes BOOT. And what starts the stick may have been its prey. */
	if (r == 0)
		r = stick_open_boot(&t->stick, t->device, &u, e);
	if (r == 0)
		r = content_verify(t->boot, &t->stick.manifest, j->request->progress, e);
	return r < 0 ? fail_as(e, EXIT_REFUSED, r, "%s: BOOT could not be repaired, nothing was written",
	                       j->request->target)
	             : 0;
}

/* As it is: whether it can be changed. */
static int judge(struct upgrade_job *j, bool *ret_marked, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	int r = stick_open_boot(&j->target.stick, j->target.device, &u, e);

	return r < 0 ? r : mend_is_marked(j->target.device, &j->target.stick, ret_marked, e);
}

int upgrade_check_boot(struct upgrade_job *j, struct err *e)
{
	const char *name = j->request->target;
	bool marked = false;
	int r = judge(j, &marked, e);

	if (r == -EUCLEAN && !j->request->repair)
		return fail_refused(e, r, "%s: BOOT is damaged, which upgrade --repair mends", name);
	if (r < 0 && r != -EUCLEAN)
		return fail_as(e, EXIT_REFUSED, r, "%s", name);
	if (r == 0 && marked && !j->request->repair)
		buf_adds(&j->warnings, "BOOT was not unmounted by the system that used it last; nothing is wrong with "
		                       "it (--repair takes the mark away)\n");
	err_clear(e);
	if (j->request->repair && (r < 0 || marked))
		r = mend(j, e);
	if (r == 0 && j->target.stick.damage)
		return fail_refused(e, -EUCLEAN, "%s: is damaged: %s", name, j->target.stick.damage);
	return r;
}

void upgrade_look_at_real(struct upgrade_job *j)
{
	if (j->real_device)
		look_at(j, TAKE(j->real_device));
}

int upgrade_mend_boot(struct upgrade_job *j, struct err *e)
{
	int r;

	if (!j->mend)
		return 0;
	j->state = UPGRADE_BEGUN;
	r = mend_write(j->mend, j->target.device, e);
	if (r == 0)
		j->written += j->mend->bytes;
	else if (r == -ESTALE)
		j->state = UPGRADE_UNTOUCHED;
	return r;
}
