/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "src/plan_parts.h"

static void set_stick(struct plan *p, const struct plan_upgrade *o)
{
	p->slot = o->slot;
	p->slot_dir = o->slot == 'b' ? SLOT_B_DIR : "";
	p->boot_is_ext4 = o->boot_is_ext4;
	p->has_data = o->has_data;
	p->bios = o->bios;
	p->uefi = o->uefi;
	p->time = o->time;
	snprintf(p->boot_label, sizeof(p->boot_label), "%s", o->boot_label);
	snprintf(p->data_label, sizeof(p->data_label), "%s", o->data_label);
	snprintf(p->medium.boot_uuid, sizeof(p->medium.boot_uuid), "%s", o->boot_uuid);
	snprintf(p->medium.data_uuid, sizeof(p->medium.data_uuid), "%s", o->has_data ? o->data_uuid : "");
	p->medium.boot_label = p->boot_label;
	p->medium.label = p->data_label;
	p->medium.slot = p->slot_dir;
	p->medium.time = o->time;
	p->medium.data_room = plan_data_room(o->data_size);
}

static int check_kind(const struct plan *p, struct err *e)
{
	const struct family *f = p->facts->family;

	if (f->system_on_data && p->has_data)
		return fail(
		    e, -ENOTSUP,
		    "a %s system lies on the partition with the user's changes, which an upgrade never touches: "
		    "make a new stick and copy what is to be kept",
		    f->name);
	if (f->answers)
		return fail(e, -ENOTSUP, "an installer keeps nothing that an upgrade could save: run create again");
	if (!p->boot_is_ext4)
		return plan_check_fat(p->facts, e);
	return 0;
}

int plan_make_upgrade(const struct facts *facts, const struct plan_upgrade *o, struct plan **ret, struct err *e)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	const struct plan_options options = { .append = o->append, .time = o->time };
	int r;

	p->facts = facts;
	set_stick(p, o);
	r = check_kind(p, e);
	if (r == 0) {
		plan_choose_files(p);
		r = plan_make_menu(p, &options, e);
	}
	if (r < 0) {
		plan_free(p);
		return r;
	}
	plan_set_slot_manifest(p);
	plan_add_system(p);
	*ret = p;
	return 0;
}
