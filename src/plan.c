/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "src/fs/ext4.h"
#include "src/fs/fat32.h"
#include "src/plan_files.h"

/* Room on BOOT beside the systems, for the user's own files and for what later versions add. */
#define BOOT_SPARE (32 * MIB)

/* Less than this is no persistence worth the name. */
#define DATA_MIN (64 * MIB)

/* A stick has to come up with nobody at the keyboard, also when the CD's menu waits for ever. */
#define TIMEOUT_DEFAULT_DS 50

static void make_ids(struct plan *p, const struct plan_options *o)
{
	const struct seed *s = &o->seed;
	char data_uuid[UUID_TEXT_SIZE];

	p->time = o->time;
	p->ids.disk_id = id_u32(s, "disk");
	id_uuid(s, "disk", p->ids.disk_uuid);
	id_uuid(s, "esp partition", p->ids.part_uuid[PART_ESP]);
	id_uuid(s, "boot partition", p->ids.part_uuid[PART_BOOT]);
	id_uuid(s, "data partition", p->ids.part_uuid[PART_DATA]);
	p->boot_serial = id_u32(s, "boot");
	id_uuid(s, "data", p->data_uuid);
	id_uuid(s, "data hash", p->data_hash_seed);
	uuid_text(p->data_uuid, data_uuid);
	snprintf(p->medium.boot_uuid, sizeof(p->medium.boot_uuid), "%04X-%04X", p->boot_serial >> 16,
	         p->boot_serial & 0xffff);
	snprintf(p->medium.data_uuid, sizeof(p->medium.data_uuid), "%s", data_uuid);
}

/* The ISO's own name as far as FAT allows: 11 characters of A-Z 0-9 _ -. */
static void make_boot_label(struct plan *p)
{
	const char *from = p->facts->source->volume_id;
	size_t n = 0;

	for (; *from && n < sizeof(p->boot_label) - 1; from++) {
		unsigned char c = (unsigned char)*from;

		p->boot_label[n++] = isalnum(c) && c < 0x80 ? (char)toupper(c) : '_';
	}
	if (n == 0)
		snprintf(p->boot_label, sizeof(p->boot_label), "LIVESTICK");
}

/*
 * Some initrds take every volume with the label they look for, on whatever disk: where the family allows it, a label
 * of the stick's own keeps two sticks in one machine apart.
 */
static int make_data_label(struct plan *p, const struct plan_options *o, struct err *e)
{
	const char *label = o->data_label;

	if (!label && p->facts->family->data_label) {
		snprintf(p->data_label, sizeof(p->data_label), "%s", p->facts->family->data_label);
	} else if (!label) {
		snprintf(p->data_label, sizeof(p->data_label), "persist-%08x", p->ids.disk_id);
	} else {
		if (!*label || strlen(label) >= sizeof(p->data_label) ||
		    strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") != strlen(label))
			return fail_as(e, EXIT_USAGE, -EINVAL,
			               "--persist-label %s: a label has 1 to 16 characters of A-Z a-z 0-9 _ . -",
			               label);
		snprintf(p->data_label, sizeof(p->data_label), "%s", label);
	}
	p->medium.label = p->data_label;
	p->medium.slot = "";
	return 0;
}

static int check_append(const char *append, struct err *e)
{
	for (const char *c = append; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return fail_as(e, EXIT_USAGE, -EINVAL, "--append: has a control character in it");
	return 0;
}

static char *real_path(const struct source *s, const char *path)
{
	const struct node *n = source_find(s, path);

	return n ? node_path(n) : xstrdup(path);
}

/* One entry of the stick's menu for an entry of the source's. */
static int add_entry(struct plan *p, const struct menu_entry *from, bool persistent, const char *append, struct err *e)
{
	const struct source *s = p->facts->source;
	struct family_medium medium = p->medium;
	struct menu_entry *to = menu_add(&p->menu);
	struct buf args = { 0 }, title = { 0 }, id = { 0 };

	medium.persistent = persistent;
	p->facts->family->rewrite(from->args, &medium, &args);
	if (append)
		buf_addf(&args, "%s%s", args.len ? " " : "", append);
	buf_addf(&title, "%s%s", from->title, persistent || !p->facts->family->n_data ? "" : " (without saving)");
	buf_addf(&id, "a%zu", p->menu.n);
	to->id = id.s;
	to->title = title.s;
	to->args = args.s ? args.s : xstrdup("");
	to->kernel = real_path(s, from->kernel);
	for (size_t i = 0; i < from->n_initrds; i++) {
		AUTO_FREE char *path = real_path(s, from->initrds[i]);

		menu_entry_add_initrd(to, path);
	}
	if (args.len > MENU_ARGS_MAX)
		return fail(e, -E2BIG, "menu entry \"%s\": its kernel arguments have %zu characters, Linux takes %d",
		            to->title, args.len, MENU_ARGS_MAX);
	return 0;
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

/* Every entry once, and the default one a second time "without saving"; the default comes up by itself. */
static int make_menu(struct plan *p, const struct plan_options *o, struct err *e)
{
	const struct menu *from = &p->facts->menu;
	size_t def = 0, def_here = 0;
	int r = 0;

	for (size_t i = 0; i < from->n; i++)
		if (from->entry[i].is_default)
			def = i;
	p->menu.timeout_ds = from->timeout_ds ? from->timeout_ds : TIMEOUT_DEFAULT_DS;
	p->menu.title = xstrdup(*p->facts->source->volume_id ? p->facts->source->volume_id : "livestick");
	for (size_t i = 0; r == 0 && i < from->n; i++) {
		r = add_entry(p, &from->entry[i], !o->no_data, o->append, e);
		if (r == 0) {
			size_t at = drop_if_twin(&p->menu);

			def_here = i == def ? at : def_here;
		}
	}
	if (r == 0 && !o->no_data)
		r = add_entry(p, &from->entry[def], false, o->append, e);
	if (r == 0) {
		drop_if_twin(&p->menu);
		menu_set_default(&p->menu, def_here);
	}
	return r;
}

static bool has_serial_console(const struct menu *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (strstr(m->entry[i].args, "console=ttyS"))
			return true;
	return false;
}

static int write_menu(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->menu.n; i++)
		if (p->menu.entry[i].is_default)
			menu_write_switch(p->menu.entry[i].id, p->switch_cfg);
	menu_write_syslinux_top(&p->menu, has_serial_console(&p->menu), &p->top_cfg);
	return menu_write_syslinux(&p->menu, &p->slot_cfg, e);
}

static struct volume_file *add_listed(struct plan *p, struct manifest *m, const char *path, u64 size, struct input in,
                                      i64 mtime)
{
	struct volume_file *f = volume_add(&p->boot_files, path, size, in, mtime);

	f->hash = manifest_add_file(m, path, size);
	return f;
}

static void add_loader(struct plan *p, struct host *host)
{
	struct manifest *m = &p->stick_manifest;
	const struct blob *sys = &host->syslinux.sys, *c32 = &host->syslinux.c32;
	struct buf path = { 0 };

	add_listed(p, m, STICK_DIR "/ldlinux.sys", sys->len, input_memory(sys->data), p->time)->system_file = true;
	add_listed(p, m, STICK_DIR "/ldlinux.c32", c32->len, input_memory(c32->data), p->time)->system_file = true;
	for (size_t i = 0; i < HOST_MODULES; i++) {
		buf_clear(&path);
		buf_addf(&path, STICK_DIR "/%s", host->module_name[i]);
		add_listed(p, m, path.s, host->module[i].len, input_memory(host->module[i].data), p->time);
	}
	buf_free(&path);
	add_listed(p, m, STICK_DIR "/syslinux.cfg", p->top_cfg.len, input_memory(p->top_cfg.s), p->time);
	volume_add(&p->boot_files, STICK_DIR "/switch.cfg", sizeof(p->switch_cfg), input_memory(p->switch_cfg),
	           p->time);
}

static void add_system(struct plan *p)
{
	struct manifest *m = &p->slot_manifest;

	for (size_t i = 0; i < p->n_copy; i++) {
		const struct node *n = p->copy[i].node;

		if (n->type == NODE_DIR)
			volume_add_dir(&p->boot_files, p->copy[i].path, 0755, n->mtime);
		else
			add_listed(p, m, p->copy[i].path, n->size, node_input(n), n->mtime);
	}
	add_listed(p, m, STICK_DIR "/a.cfg", p->slot_cfg.len, input_memory(p->slot_cfg.s), p->time);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What `inspect`, `verify` and `upgrade` need to know later. Slot: the system. Stick: its layout and settings. */
static void set_manifests(struct plan *p, const struct plan_options *o)
{
	const struct source *s = p->facts->source;
	struct manifest *slot = &p->slot_manifest, *stick = &p->stick_manifest;

	manifest_set(slot, "family", p->facts->family->name);
	manifest_set(slot, "source", base_name(s->path));
	manifest_setf(slot, "source-size", "%llu", (unsigned long long)s->size);
	manifest_set(slot, "volume", s->volume_id);
	manifest_set(slot, "volume-created", s->created);
	manifest_setf(slot, "written", "%lld", (long long)p->time);
	manifest_set(slot, "program", "livestick " LIVESTICK_VERSION);

	manifest_setf(stick, "disk-id", "%08x", p->ids.disk_id);
	manifest_set(stick, "boot-uuid", p->medium.boot_uuid);
	manifest_set(stick, "data-uuid", o->no_data ? "none" : p->medium.data_uuid);
	manifest_set(stick, "data-label", o->no_data ? "none" : p->data_label);
	manifest_set(stick, "append", o->append ? o->append : "");
	manifest_setf(stick, "created", "%lld", (long long)p->time);
	manifest_set(stick, "program", "livestick " LIVESTICK_VERSION);
}

/* Last on BOOT, for they hold the digests of all before them; the longer-lived one first. */
static void add_manifests(struct plan *p)
{
	volume_add(&p->boot_files, STICK_DIR "/stick.manifest", manifest_size(&p->stick_manifest),
	           manifest_input(&p->stick_manifest), p->time);
	volume_add(&p->boot_files, STICK_DIR "/a.manifest", manifest_size(&p->slot_manifest),
	           manifest_input(&p->slot_manifest), p->time);
}

static void add_data_files(struct plan *p)
{
	const struct family *f = p->facts->family;

	for (size_t i = 0; i < f->n_data; i++) {
		const struct family_data *d = &f->data[i];

		if (d->text)
			volume_add(&p->data_files, d->path, strlen(d->text), input_memory(d->text), p->time)->mode =
			    d->mode;
		else
			volume_add_dir(&p->data_files, d->path, d->mode, p->time);
	}
}

static struct layout_request layout_wanted(const struct plan *p, const struct plan_stick *stick,
                                           const struct plan_options *o)
{
	/* A later system is taken to be at most a quarter larger. */
	u64 second = p->copy_bytes + p->copy_bytes / 4 + BOOT_SPARE;

	return (struct layout_request){
		.table = o->table,
		.sector_size = stick->sector_size,
		.device_size = stick->size,
		.boot_one = fat32_size_for(&p->boot_files, BOOT_SPARE, stick->sector_size),
		.boot_two = fat32_size_for(&p->boot_files, BOOT_SPARE + second, stick->sector_size),
		.slots = p->facts->family->takes_slot ? o->slots : 1,
		.data = !o->no_data,
		.data_min = DATA_MIN,
		.data_size = o->data_size,
	};
}

/* FAT's own check comes only with the layout; here it can be said what helps. */
static int check_file_sizes(const struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n_copy; i++) {
		const struct node *n = p->copy[i].node;

		if (n->size > UINT32_MAX)
			return fail_source(
			    e, -EFBIG,
			    "%s: has %llu bytes, and a file on FAT32 ends below 4 GiB: make it smaller, or split "
			    "it in two (an ext4 boot partition cannot be made yet)",
			    p->copy[i].path, (unsigned long long)n->size);
	}
	return 0;
}

/* Everything but the layout. */
static int fill(struct plan *p, struct host *host, const struct plan_options *o, struct err *e)
{
	int r;

	make_ids(p, o);
	make_boot_label(p);
	r = make_data_label(p, o, e);
	if (r == 0)
		r = check_append(o->append, e);
	if (r == 0)
		r = make_menu(p, o, e);
	if (r == 0)
		r = write_menu(p, e);
	if (r < 0)
		return r;
	plan_choose_files(p);
	set_manifests(p, o);
	add_loader(p, host);
	add_system(p);
	add_manifests(p);
	add_data_files(p);
	return check_file_sizes(p, e);
}

int plan_make(const struct facts *facts, struct host *host, const struct plan_stick *stick,
              const struct plan_options *o, struct plan **ret, struct err *e)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	struct layout_request wanted;
	int r;

	p->facts = facts;
	r = fill(p, host, o, e);
	if (r == 0 && o->slots == 2 && !facts->family->takes_slot)
		r = fail(e, -ENOTSUP, "--slots 2: a %s system boots only from the root of its medium",
		         facts->family->name);
	if (r == 0) {
		wanted = layout_wanted(p, stick, o);
		r = layout_make(&wanted, &p->layout, e);
	}
	if (r < 0) {
		plan_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

int plan_smallest(const struct facts *facts, struct host *host, const struct plan_options *o, u64 *ret_size,
                  struct err *e)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	const struct plan_stick any = { .sector_size = 512 };
	struct layout_request wanted;
	int r;

	p->facts = facts;
	r = fill(p, host, o, e);
	if (r == 0) {
		wanted = layout_wanted(p, &any, o);
		*ret_size = layout_smallest(&wanted);
	}
	plan_free(p);
	return r;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	menu_free(&p->menu);
	buf_free(&p->top_cfg);
	buf_free(&p->slot_cfg);
	for (size_t i = 0; i < p->n_copy; i++)
		free(p->copy[i].path);
	free(p->copy);
	free(p->leave);
	volume_files_free(&p->boot_files);
	volume_files_free(&p->data_files);
	manifest_free(&p->slot_manifest);
	manifest_free(&p->stick_manifest);
	free(p);
}
