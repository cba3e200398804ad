/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/verify_structure.h"

#include <errno.h>

#include "src/base/progress.h"
#include "src/verify_structure_parts.h"

/* ---- the partitions */

static struct place *add_place(struct look *l, const struct scan_part *part, const char *role)
{
	struct place *p = &l->place[l->n_places++];

	*p = (struct place){ .role = xstrdup(role), .part = part };
	p->window = device_new_window(l->d, role, part->start, part->size);
	return p;
}

struct place *look_place_at(struct look *l, u64 start)
{
	for (size_t i = 0; i < l->n_places; i++)
		if (l->place[i].part->start == start)
			return &l->place[i];
	return NULL;
}

static const struct scan_part *part_of_number(const struct stick *s, unsigned number)
{
	for (size_t i = 0; i < s->scan.n_parts; i++)
		if (s->scan.part[i].number == number)
			return &s->scan.part[i];
	return NULL;
}

/* By the table where a file system does not tell any more what it is. */
static void find_our_places(struct look *l)
{
	const struct stick *s = l->s;
	const struct scan_part *boot = stick_boot(s), *data = stick_data(s), *esp = NULL;
	const char *uuid = manifest_get(&s->manifest, "data-uuid");

	if (!boot)
		return;
	if (s->boot_is_ext4 && boot->number == 2)
		esp = part_of_number(s, 1);
	if (!data && uuid && strcmp(uuid, "none") != 0)
		data = part_of_number(s, boot->number + 1);
	if (esp)
		l->esp = add_place(l, esp, "ESP");
	l->boot = add_place(l, boot, "BOOT");
	if (!l->esp && !s->boot_is_ext4)
		l->esp = l->boot;
	if (data && data != boot)
		l->data = add_place(l, data, "DATA");
}

/* ISO 9660 is no file system that a stick is written with; the rest of an ISO image is not ours to judge. */
static bool is_worth_a_look(const struct look *l, const struct scan_part *part)
{
	if (part->number == 0)
		return l->is_one_volume;
	return strcmp(part->fs, "iso9660") != 0;
}

static void find_their_places(struct look *l)
{
	const struct scan *scan = &l->s->scan;

	for (size_t i = 0; i < scan->n_parts && l->n_places < PLACES_MAX; i++) {
		AUTO_BUF struct buf role = { 0 };
		const struct scan_part *part = &scan->part[i];

		if (!is_worth_a_look(l, part))
			continue;
		if (part->number)
			buf_addf(&role, "partition %u", part->number);
		else
			buf_adds(&role, "the device");
		add_place(l, part, role.s);
	}
}

/* The one that a BIOS starts is BOOT; else the first with files. The ESP is the first that a firmware would take. */
static void choose_their_roles(struct look *l)
{
	for (size_t i = 0; i < l->n_places; i++) {
		struct place *p = &l->place[i];

		if (!p->is_sound)
			continue;
		if (!l->boot || (p->part->active && !l->boot->part->active))
			l->boot = p;
		if (!l->esp && p->is_fat && path_list_find(&p->list, "/EFI/BOOT"))
			l->esp = p;
	}
}

static void free_place(struct place *p)
{
	reader_close(p->reader);
	device_free(p->replayed);
	device_free(p->window);
	for (size_t i = 0; i < p->list.n; i++)
		free(p->list.entry[i].path);
	free(p->list.entry);
	free(p->role);
}

/* ---- all of it */

static int look_at_places(struct look *l, struct err *e)
{
	for (size_t i = 0; i < l->n_places; i++) {
		int r = look_fs(l, &l->place[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int look_at_all(struct look *l, struct err *e)
{
	static int (*const steps[])(struct look * l, struct err * e) = { look_loader, look_menus, look_data, look_efi };
	int r = look_table(l, e);

	if (r == 0)
		r = look_boot_code(l, e);
	if (r < 0)
		return r;
	if (l->s->is_ours)
		find_our_places(l);
	else
		find_their_places(l);
	r = look_at_places(l, e);
	if (!l->s->is_ours)
		choose_their_roles(l);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = interrupted ? fail(e, -EINTR, "interrupted") : steps[i](l, e);
	return r;
}

int verify_structure(struct device *d, const struct stick *s, struct checks *c, struct err *e)
{
	struct look l = { .d = d, .s = s, .c = c };
	int r;

	l.is_hybrid = s->scan.n_parts && s->scan.part[0].number == 0 && strcmp(s->scan.part[0].fs, "iso9660") == 0;
	l.is_one_volume = s->scan.n_parts && s->scan.part[0].number == 0 && !l.is_hybrid && !*s->scan.table;
	l.is_unfinished = stick_is_unfinished(s, SLOT_A) || stick_is_unfinished(s, SLOT_B) || s->has_next[SLOT_A] ||
	                  s->has_next[SLOT_B];
	r = look_at_all(&l, e);
	for (size_t i = 0; i < l.n_places; i++)
		free_place(&l.place[i]);
	menu_free(&l.menu);
	view_free(&l.view);
	return r;
}
