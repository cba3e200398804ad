/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/target.h"

#include <errno.h>
#include <sys/stat.h>

static int open_guarded(const struct target_request *q, struct target *t, struct err *e)
{
	struct stat st;
	struct guard_request guard = {
		.path = q->path,
		.source_path = q->source,
		.source_dev = q->source && stat(q->source, &st) == 0 ? st.st_dev : 0,
		.allow_fixed = q->allow_fixed,
	};
	AUTO_DRIVE struct drive now = { 0 };
	enum target_kind kind;
	int r = guard_target(q->path, false, &kind, e);

	if (r == 0)
		r = guard_check(&drives_real_roots, &guard, NULL, &t->drive, e);
	if (r == 0)
		r = device_open(q->path, q->writable, &t->device, e);
	/* Of the open device: is it still allowed, and is it what was first looked at? */
	if (r == 0)
		r = guard_check(&drives_real_roots, &guard, t->device, &now, e);
	return r == 0 ? guard_same(&t->drive, &now, e) : r;
}

static int check_stick(const struct target_request *q, const struct stick *s, struct err *e)
{
	const char *name = q->path;

	if (q->accept == TARGET_ANY)
		return 0;
	/* What is so damaged that nobody can tell whose it is cannot be mended as ours. */
	if (s->damage && (q->accept == TARGET_SOUND || !s->is_ours))
		return fail_refused(e, -EUCLEAN, "%s: is damaged: %s", name, s->damage);
	if (!s->is_ours)
		return fail_refused(e, -EINVAL,
		                    "%s: is not a stick that livestick made (create makes one, and wipes it)", name);
	return 0;
}

static int read_stick(const struct target_request *q, struct target *t, struct err *e)
{
	int r = stick_read(t->device, &t->stick, e);

	if (r == 0)
		r = check_stick(q, &t->stick, e);
	if (r < 0 || !t->stick.is_ours)
		return r;
	t->boot = device_new_window(t->device, q->path, t->stick.boot_start, t->stick.boot_size);
	return 0;
}

int target_open(const struct target_request *q, struct target *ret, struct err *e)
{
	struct target t = { 0 };
	int r = open_guarded(q, &t, e);

	if (r == 0 && q->settled)
		q->settled(q->settled_ctx);
	if (r == 0)
		r = read_stick(q, &t, e);
	if (r < 0) {
		target_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void target_free(struct target *t)
{
	stick_free(&t->stick);
	drive_free(&t->drive);
	device_free(t->boot);
	device_free(t->device);
	*t = (struct target){ 0 };
}
