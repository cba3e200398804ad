/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu_draft.h"

#include <errno.h>

#include "src/base/args.h"

#define MAX_INITRDS 32

unsigned menu_timeout_ds(long seconds)
{
	if (seconds < 0)
		return 0;
	return seconds >= MENU_TIMEOUT_MAX / 10 ? MENU_TIMEOUT_MAX : seconds ? (unsigned)seconds * 10 : 10;
}

/* What names the file of the ISO, for menus that were started from another medium's. Here nothing has set it. */
static bool names_no_iso(const char *word, size_t len)
{
	static const char *const names[] = {
		"iso-scan/filename=", "findiso=", "fromiso=",  "isofrom=", "isofrom_system=",
		"isofrom_device=",    "isoloop=", "img_loop=", "img_dev=", "img_dev=UUID=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && memcmp(word, names[i], len) == 0)
			return true;
	return false;
}

static char *own_args(const char *line)
{
	AUTO_FREE char *args = menu_args(line);
	const char *pos = args, *word;
	struct buf own = { 0 };
	size_t len;

	buf_adds(&own, "");
	while ((word = args_next(&pos, &len))) {
		if (names_no_iso(word, len))
			continue;
		buf_adds(&own, own.len ? " " : "");
		buf_add(&own, word, len);
	}
	return own.s;
}

static bool same(const struct menu_entry *a, const struct menu_entry *b)
{
	if (strcmp(a->kernel, b->kernel) != 0 || strcmp(a->args, b->args) != 0 || a->n_initrds != b->n_initrds)
		return false;
	for (size_t i = 0; i < a->n_initrds; i++)
		if (strcmp(a->initrds[i], b->initrds[i]) != 0)
			return false;
	return true;
}

static int set_paths(struct menu_entry *entry, const struct menu_draft *d, struct err *e)
{
	int r = menu_path("/", d->kernel, &entry->kernel, e);

	if (r == 0 && d->n_initrds > MAX_INITRDS)
		return fail_source(e, -E2BIG, "more than %d initrds", MAX_INITRDS);
	for (size_t i = 0; r == 0 && i < d->n_initrds; i++) {
		AUTO_FREE char *path = NULL;

		r = menu_path("/", d->initrds[i], &path, e);
		if (r == 0)
			menu_entry_add_initrd(entry, path);
	}
	return r;
}

int menu_add_draft(struct menu *m, const struct menu_draft *d, size_t *ret_i, struct err *e)
{
	AUTO_FREE char *title = menu_one_line(d->title), *args = own_args(d->args);
	struct menu_entry *entry;
	int r;

	if (m->n >= MENU_ENTRIES_MAX)
		return fail_source(e, -E2BIG, "more than %d menu entries", MENU_ENTRIES_MAX);
	if (strlen(args) > MENU_ARGS_MAX)
		return fail_source(e, -E2BIG, "entry %s: kernel arguments of %zu bytes, the kernel takes %d", title,
		                   strlen(args), MENU_ARGS_MAX);
	entry = menu_add(m);
	entry->id = menu_new_id(m, *d->id ? d->id : title);
	entry->title = xstrdup(*title ? title : entry->id);
	entry->submenu = d->submenu ? xstrdup(d->submenu) : NULL;
	entry->args = TAKE(args);
	r = set_paths(entry, d, e);
	if (r < 0)
		return fail(e, r, "entry %s", title);
	for (size_t i = 0; i + 1 < m->n; i++) {
		if (same(&m->entry[i], entry)) {
			menu_drop_last(m);
			*ret_i = i;
			return 0;
		}
	}
	*ret_i = m->n - 1;
	return 0;
}
