/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "src/plan_parts.h"

/* A stick has to come up with nobody at the keyboard, also when the CD's menu waits for ever. */
#define TIMEOUT_DEFAULT_DS 50

#define UNATTENDED "Unattended installation"

/* Where a file of the source is on BOOT; symlinks are followed, for there are none. The caller frees. */
static char *path_in_slot(const struct plan *p, const char *path)
{
	const struct node *n = source_find(p->facts->source, path);
	AUTO_FREE char *real = n ? node_path(n) : xstrdup(path);
	struct buf in_slot = { 0 };

	buf_addf(&in_slot, "%s%s", p->slot_dir, real);
	return in_slot.s;
}

/* Only the live system's own entries become others when they save. */
static bool can_save(const struct plan *p, const struct menu_entry *from)
{
	struct family_medium with = p->medium, without = p->medium;
	AUTO_BUF struct buf a = { 0 }, b = { 0 };

	with.persistent = true;
	without.persistent = false;
	p->facts->family->rewrite(&p->facts->family_facts, from->args, &with, &a);
	p->facts->family->rewrite(&p->facts->family_facts, from->args, &without, &b);
	return strcmp(a.s ? a.s : "", b.s ? b.s : "") != 0;
}

static void add_initrds(struct plan *p, const struct menu_entry *from, bool persistent, struct menu_entry *to)
{
	const struct own_system *own = &p->facts->own;
	const struct own_kernel *k = own_for_kernel(own, from->kernel);

	if (k) {
		AUTO_FREE char *path = plan_slot_file(p, "%zu.initrd", (size_t)(k - own->kernel) + 1);

		menu_entry_add_initrd(to, path);
		return;
	}
	for (size_t i = 0; i < from->n_initrds; i++) {
		AUTO_FREE char *path = path_in_slot(p, from->initrds[i]);

		menu_entry_add_initrd(to, path);
	}
	if (persistent && p->over.data.len && can_save(p, from)) {
		AUTO_FREE char *path = plan_slot_file(p, ".cpio");

		menu_entry_add_initrd(to, path);
	}
}

/* Without an initrd for its kernel an entry of the family "own" starts nothing. */
static bool can_start(const struct plan *p, const struct menu_entry *from)
{
	return !p->facts->own.n_kernels || own_for_kernel(&p->facts->own, from->kernel);
}

static int too_long(const struct buf *args, const char *title, struct err *e)
{
	return fail(e, -E2BIG, "menu entry \"%s\": its kernel arguments have %zu characters, Linux takes %d", title,
	            args->len, MENU_ARGS_MAX);
}

/* One entry of the stick's menu for an entry of the source's. */
static int add_entry(struct plan *p, const struct menu_entry *from, bool persistent, const char *append, struct err *e)
{
	struct family_medium medium = p->medium;
	struct menu_entry *to = menu_add(&p->menu);
	struct buf args = { 0 }, title = { 0 }, id = { 0 };

	medium.persistent = persistent;
	p->facts->family->rewrite(&p->facts->family_facts, from->args, &medium, &args);
	if (append)
		args_add(&args, append);
	buf_addf(&title, "%s%s", from->title, persistent || !p->has_data ? "" : " (without saving)");
	buf_addf(&id, "%c%zu", p->slot, p->menu.n);
	to->id = id.s;
	to->title = title.s;
	to->submenu = from->submenu ? xstrdup(from->submenu) : NULL;
	to->args = args.s ? args.s : xstrdup("");
	to->kernel = path_in_slot(p, from->kernel);
	add_initrds(p, from, persistent, to);
	return args.len > MENU_ARGS_MAX ? too_long(&args, to->title, e) : 0;
}

static bool same_initrds(const struct menu_entry *a, const struct menu_entry *b)
{
	if (a->n_initrds != b->n_initrds)
		return false;
	for (size_t i = 0; i < a->n_initrds; i++)
		if (strcmp(a->initrds[i], b->initrds[i]) != 0)
			return false;
	return true;
}

/*
 * Media that have "persistence" entries of their own beside the plain ones would show the same thing twice. The
 * first of them stays; returns where the entry `i` of the source is now.
 */
static size_t drop_if_twin(struct menu *m)
{
	struct menu_entry *last = &m->entry[m->n - 1];

	for (size_t i = 0; i + 1 < m->n; i++) {
		const struct menu_entry *e = &m->entry[i];

		if (strcmp(e->kernel, last->kernel) == 0 && strcmp(e->args, last->args) == 0 && same_initrds(e, last)) {
			menu_drop_last(m);
			return i;
		}
	}
	return m->n - 1;
}

/* The default entry once more, with the file that answers the installer's questions. */
static int add_unattended(struct plan *p, const struct menu_entry *from, const struct plan_options *o, struct err *e)
{
	const struct family *family = p->facts->family;
	AUTO_BUF struct buf path = { 0 };
	struct buf args = { 0 };
	struct menu_entry *to;
	int r = add_entry(p, from, p->has_data, o->append, e);

	if (r < 0)
		return r;
	to = &p->menu.entry[p->menu.n - 1];
	buf_addf(&path, STICK_DIR "/%s", family->answers_file);
	buf_adds(&args, to->args);
	family->add_answers(&p->facts->family_facts, &p->medium, path.s, &args);
	free(to->args);
	to->args = args.s;
	free(to->title);
	to->title = xstrdup(UNATTENDED);
	if (args.len > MENU_ARGS_MAX)
		return too_long(&args, UNATTENDED, e);
	free(to->submenu);
	to->submenu = NULL;
	if (o->unattended)
		menu_set_default(&p->menu, p->menu.n - 1);
	return 0;
}

/* The default entry once more, with the system copied to memory first. */
static int add_to_memory(struct plan *p, const struct menu_entry *from, const struct plan_options *o, struct err *e)
{
	struct menu_entry *to;
	struct buf args = { 0 }, title = { 0 };
	int r = add_entry(p, from, p->has_data, o->append, e);

	if (r < 0)
		return r;
	to = &p->menu.entry[p->menu.n - 1];
	buf_adds(&args, to->args);
	args_add(&args, p->facts->family->to_memory);
	free(to->args);
	to->args = args.s;
	buf_addf(&title, "%s (copied to memory)", from->title);
	free(to->title);
	to->title = title.s;
	free(to->submenu); /* beside the default */
	to->submenu = NULL;
	drop_if_twin(&p->menu);
	return 0;
}

static const char *no_use(const struct menu_entry *entry, const struct family *f)
{
	return f->no_use ? f->no_use(entry->args) : NULL;
}

/* Why the entry `i` is not wanted: it is of no use on a stick, and another one starts the same. NULL: it is wanted. */
static const char *why_left_out(const struct menu *m, size_t i, const struct family *f)
{
	const char *why = no_use(&m->entry[i], f);

	for (size_t k = 0; why && k < m->n; k++)
		if (strcmp(m->entry[k].kernel, m->entry[i].kernel) == 0 && same_initrds(&m->entry[k], &m->entry[i]) &&
		    !no_use(&m->entry[k], f))
			return why;
	return NULL;
}

static bool may_start_by_itself(const struct menu_entry *entry, const struct family *f)
{
	return !no_use(entry, f) && !(f->is_no_default && f->is_no_default(entry->args));
}

/* What the source starts by itself, or the first entry that may do so. */
static size_t default_of(const struct menu *m, const struct family *f)
{
	size_t def = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->entry[i].is_default)
			def = i;
	if (may_start_by_itself(&m->entry[def], f))
		return def;
	for (size_t i = 0; i < m->n; i++)
		if (may_start_by_itself(&m->entry[i], f))
			return i;
	for (size_t i = 0; i < m->n; i++)
		if (!no_use(&m->entry[i], f))
			return i;
	return def;
}

/* Every entry once, and the default one a second time "without saving"; the default comes up by itself. */
static int make_menu(struct plan *p, const struct plan_options *o, struct err *e)
{
	const struct menu *from = &p->facts->menu;
	size_t def = default_of(from, p->facts->family), def_here = 0;
	int r = 0;

	p->menu.timeout_ds = from->timeout_ds ? from->timeout_ds : TIMEOUT_DEFAULT_DS;
	p->menu.title = xstrdup(p->facts->title);
	for (size_t i = 0; r == 0 && i < from->n; i++) {
		const char *why = why_left_out(from, i, p->facts->family);

		if (!can_start(p, &from->entry[i]))
			continue;
		if (why) {
			buf_addf(&p->warnings, "menu entry \"%s\" is left out: %s\n", from->entry[i].title, why);
			continue;
		}
		r = add_entry(p, &from->entry[i], p->has_data, o->append, e);
		if (r == 0) {
			size_t at = drop_if_twin(&p->menu);

			def_here = i == def ? at : def_here;
		}
	}
	if (r == 0 && p->has_data) {
		r = add_entry(p, &from->entry[def], false, o->append, e);
		free(p->menu.entry[p->menu.n - 1].submenu); /* beside the default, which stands at the top */
		p->menu.entry[p->menu.n - 1].submenu = NULL;
	}
	if (r == 0)
		drop_if_twin(&p->menu);
	if (r == 0 && p->facts->family->to_memory)
		r = add_to_memory(p, &from->entry[def], o, e);
	if (r == 0)
		menu_set_default(&p->menu, def_here);
	if (r == 0 && o->answers)
		r = add_unattended(p, &from->entry[def], o, e);
	return r;
}

static bool has_serial_console(const struct menu *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (strstr(m->entry[i].args, "console=ttyS"))
			return true;
	return false;
}

void plan_write_switch(const struct plan *p, char previous, char ret_sector[MENU_SWITCH_SIZE])
{
	struct menu_switch s = { .slot = p->slot, .previous = previous };

	for (size_t i = 0; i < p->menu.n; i++)
		if (p->menu.entry[i].is_default)
			snprintf(s.default_id, sizeof(s.default_id), "%s", p->menu.entry[i].id);
	menu_write_switch(&s, ret_sector);
}

void plan_write_menu_top(struct plan *p)
{
	plan_write_switch(p, 0, p->switch_cfg);
	if (p->bios)
		menu_write_syslinux_top(p->menu.timeout_ds, has_serial_console(&p->menu), &p->top_cfg);
	if (!p->uefi)
		return;
	menu_write_grub_top(p->menu.timeout_ds, efi_linux_command(p->efi), &p->grub_top);
	menu_write_grub_stub(p->medium.boot_uuid, &p->grub_stub);
}

static int write_entries(struct plan *p, struct err *e)
{
	int r = 0;

	if (p->bios)
		r = menu_write_syslinux(&p->menu, &p->slot_cfg, e);
	if (r == 0 && p->uefi)
		r = menu_write_grub(&p->menu, &p->slot_grub, &p->warnings, e);
	return r;
}

int plan_make_menu(struct plan *p, const struct plan_options *o, struct err *e)
{
	int r;

	p->over.mtime = (u32)MAX(0, MIN(p->time, UINT32_MAX));
	if (p->has_data && p->facts->family->add_over)
		p->facts->family->add_over(&p->facts->family_facts, &p->over);
	newc_end(&p->over);
	r = make_menu(p, o, e);

	return r < 0 ? r : write_entries(p, e);
}
