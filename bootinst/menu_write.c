/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu_write.h"

#include <errno.h>
#include <stdio.h>

static int check_text(const struct menu_entry *entry, const char *text, struct err *e)
{
	for (const char *c = text; *c; c++)
		if ((u8)*c < ' ' || *c == 0x7f)
			return fail(e, -EINVAL, "menu entry %s: has a control character in: %s", entry->id, text);
	return 0;
}

static int write_entry(const struct menu_dialect *d, void *ctx, const struct menu_entry *entry, struct buf *out,
                       struct err *e)
{
	int r = check_text(entry, entry->kernel, e);

	if (r == 0)
		r = check_text(entry, entry->args, e);
	for (size_t i = 0; r == 0 && i < entry->n_initrds; i++)
		r = check_text(entry, entry->initrds[i], e);
	return r == 0 ? d->entry(ctx, entry, out, e) : r;
}

/*
 * What starts by itself stands at the top, wherever it came from: SYSLINUX would come up with the submenu that holds
 * it, GRUB would not find it.
 */
static const char *submenu_of(const struct menu_entry *entry)
{
	return entry->is_default ? NULL : entry->submenu;
}

static bool same_submenu(const struct menu_entry *a, const struct menu_entry *b)
{
	return submenu_of(a) && submenu_of(b) && strcmp(submenu_of(a), submenu_of(b)) == 0;
}

/* All entries of the submenu that entry `first` is in, unless an earlier one has brought them. */
static int write_submenu(const struct menu *m, size_t first, const struct menu_dialect *d, void *ctx, struct buf *out,
                         struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < first; i++)
		if (same_submenu(&m->entry[i], &m->entry[first]))
			return 0;
	d->begin_submenu(submenu_of(&m->entry[first]), out);
	for (size_t i = first; r == 0 && i < m->n; i++)
		if (same_submenu(&m->entry[i], &m->entry[first]))
			r = write_entry(d, ctx, &m->entry[i], out, e);
	d->end_submenu(out);
	return r;
}

int menu_write_entries(const struct menu *m, const struct menu_dialect *d, void *ctx, struct buf *out, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = submenu_of(&m->entry[i]) ? write_submenu(m, i, d, ctx, out, e)
		                             : write_entry(d, ctx, &m->entry[i], out, e);
	return r;
}

/* The timeout of the menu around it would be taken over, as in any submenu. */
void menu_write_switch(const struct menu_switch *s, char ret_sector[MENU_SWITCH_SIZE])
{
	AUTO_BUF struct buf text = { 0 };

	buf_addf(&text, "DEFAULT %s\nINCLUDE /livestick/%c.cfg\n", s->default_id, s->slot);
	if (s->previous)
		buf_addf(&text,
		         "MENU BEGIN\nMENU LABEL " MENU_PREVIOUS "\nTIMEOUT 0\nINCLUDE /livestick/%c.cfg\n"
		         "LABEL ..\nMENU LABEL Back\nMENU EXIT\nMENU END\n",
		         s->previous);
	memset(ret_sector, ' ', MENU_SWITCH_SIZE);
	memcpy(ret_sector, text.s, MIN(text.len, MENU_SWITCH_SIZE));
	ret_sector[MENU_SWITCH_SIZE - 1] = '\n';
}

static bool is_slot(char c)
{
	return c == 'a' || c == 'b';
}

int menu_read_switch(const char *text, size_t len, struct menu_switch *ret, struct err *e)
{
	static const char submenu[] = "\nMENU BEGIN\nMENU LABEL " MENU_PREVIOUS "\nTIMEOUT 0\nINCLUDE /livestick/";
	AUTO_FREE char *copy = xstrndup(text, MIN(len, MENU_SWITCH_SIZE));
	const char *previous = strstr(copy, submenu);
	char want[MENU_SWITCH_SIZE];
	struct menu_switch s = { 0 };

	if (sscanf(copy, "DEFAULT %32[a-z0-9_-]\nINCLUDE /livestick/%c.cfg\n", s.default_id, &s.slot) != 2)
		return fail(e, -EINVAL, "does not name what is to start");
	s.previous = previous ? previous[strlen(submenu)] : '\0';
	if (!is_slot(s.slot) || (s.previous && (!is_slot(s.previous) || s.previous == s.slot)))
		return fail(e, -EINVAL, "names slots that there are not");
	menu_write_switch(&s, want);
	if (len != MENU_SWITCH_SIZE || memcmp(text, want, MENU_SWITCH_SIZE) != 0)
		return fail(e, -EINVAL, "is not as livestick writes it");
	*ret = s;
	return 0;
}
