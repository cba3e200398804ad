/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/update.h"

#include <errno.h>
#include <stdarg.h>

#include "src/base/buf.h"

int update_find(struct updater *u, const char *path, struct update_entry *ret, struct err *e)
{
	return u->ops->find(u, path, ret, e);
}

int update_place(struct updater *u, const char *path, u64 *ret_off, u64 *ret_size, struct err *e)
{
	struct update_entry entry = { 0 };
	int r = update_find(u, path, &entry, e);

	if (r < 0)
		return r;
	if (entry.is_dir)
		return fail(e, -EISDIR, "%s: is a directory", path);
	if (!entry.off)
		return fail(e, -ENOTSUP, "%s: %s", path, entry.size ? "does not lie in one stretch" : "is empty");
	*ret_off = entry.off;
	*ret_size = entry.size;
	return 0;
}

int update_plan(struct updater *u, struct volume_update *wanted, struct err *e)
{
	return u->ops->plan(u, wanted, e);
}

int update_phases(struct updater *u, const struct update_phase **ret, size_t *ret_n, struct err *e)
{
	int r = u->emitted ? 0 : u->ops->emit(u, e);

	if (r < 0)
		return r;
	u->emitted = true;
	*ret = u->phase;
	*ret_n = u->n_phases;
	return 0;
}

int update_run(struct updater *u, struct device *d, struct progress *p, struct err *e)
{
	const struct update_phase *phase;
	size_t n;
	int r = update_phases(u, &phase, &n, e);

	for (size_t i = 0; i < n && r == 0; i++)
		r = writelist_run(phase[i].list, d, p, e);
	return r;
}

void update_close(struct updater *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->n_phases; i++)
		writelist_free(u->phase[i].list);
	free(u->phase);
	for (size_t i = 0; i < u->n_leftover; i++)
		free(u->leftover[i]);
	free(u->leftover);
	u->ops->close(u);
}

void update_tell(struct updater *u, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup("something is left that cannot be told: there is no memory");
	va_end(ap);
	*ARRAY_ADD(u->leftover, u->n_leftover, u->cap_leftover) = text;
}

int update_add_phase(struct updater *u, const char *name, struct writelist *list, struct err *e)
{
	int r = writelist_finish(list, e);

	if (r < 0 || writelist_bytes(list) == 0) {
		writelist_free(list);
		return r;
	}
	u->numbers.to_write += writelist_bytes(list);
	*ARRAY_ADD(u->phase, u->n_phases, u->cap_phases) = (struct update_phase){ name, list };
	return 0;
}
