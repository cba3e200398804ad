/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu_draft.h"

#include <errno.h>
#include <strings.h>

#include "src/base/args.h"

#define MAX_INITRDS 32

unsigned menu_timeout_ds(long seconds)
{
	if (seconds < 0)
		return 0;
	return seconds >= MENU_TIMEOUT_MAX / 10 ? MENU_TIMEOUT_MAX : seconds ? (unsigned)seconds * 10 : 10;
}

/* One line without control characters. */
static char *one_line(const char *text)
{
	struct buf line = { 0 };

	buf_adds(&line, "");
	for (const char *s = text; *s; s++) {
		bool blank = (u8)*s <= ' ' || *s == 0x7f;

		if (!blank)
			buf_add(&line, s, 1);
		else if (line.len && line.s[line.len - 1] != ' ')
			buf_adds(&line, " ");
	}
	if (line.len && line.s[line.len - 1] == ' ')
		line.s[--line.len] = '\0';
	return line.s;
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
	static const char *const not_args[] = { "initrd=", "BOOT_IMAGE=" };
	AUTO_FREE char *title = one_line(d->title);
	AUTO_BUF struct buf args = { 0 };
	struct menu_entry *entry;
	int r;

	if (m->n >= MENU_ENTRIES_MAX)
		return fail_source(e, -E2BIG, "more than %d menu entries", MENU_ENTRIES_MAX);
	args_without(d->args, not_args, ARRAY_SIZE(not_args), &args);
	if (args.len > MENU_ARGS_MAX)
		return fail_source(e, -E2BIG, "entry %s: kernel arguments of %zu bytes, the kernel takes %d", title,
		                   args.len, MENU_ARGS_MAX);
	entry = menu_add(m);
	entry->id = menu_new_id(m, *d->id ? d->id : title);
	entry->title = xstrdup(*title ? title : entry->id);
	entry->args = TAKE(args.s);
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
