/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DATA: whether the system will find its changes there. What belongs there is asked of the family, as `create` does. */
#include <errno.h>
#include <fnmatch.h>

#include "persist/family.h"
#include "src/verify_structure_parts.h"

#define TEXT_MAX MIB

static const char *setting(const struct look *l, const char *key)
{
	const char *value = manifest_get(&l->s->manifest, key);

	return value && strcmp(value, "none") != 0 ? value : NULL;
}

static enum slot active_slot(const struct stick *s)
{
	return s->menu_switch.slot == 'b' || !s->has_slot[SLOT_A] ? SLOT_B : SLOT_A;
}

static const struct family *family_of(const struct stick *s)
{
	enum slot slot = active_slot(s);
	const char *name = s->has_slot[slot] ? manifest_get(&s->slot[slot], "family") : NULL;

	return name ? family_by_name(name) : NULL;
}

/* ---- the partition and its label */

static bool menu_names(const struct look *l, const char *word)
{
	for (size_t i = 0; i < l->menu.n; i++)
		if (strstr(l->menu.entry[i].args, word))
			return true;
	return false;
}

/* A label that nobody looks for may be called anything. */
static void add_label(struct look *l, const struct family *f)
{
	const char *want = setting(l, "data-label"), *have = l->data->part->label;
	bool matters = want && ((f && f->data_label) || menu_names(l, want));

	if (!want || strcmp(want, have) == 0)
		checks_add(l->c, "data", CHECK_OK, "DATA is there, with the label \"%s\"", have);
	else if (matters)
		checks_add(l->c, "data", CHECK_BAD,
		           "DATA has the label \"%s\", and the system looks for \"%s\": nothing will be kept", have,
		           want);
	else
		checks_add(l->c, "data", CHECK_OK,
		           "DATA has the label \"%s\" instead of \"%s\", by which the system does not look for it",
		           have, want);
}

/* ---- what it holds */

/* For a source of the files on BOOT. */
struct boot_source {
	struct place *p;
};

static int list_boot(void *ctx, int (*add)(void *source, const struct source_listed *entry, struct err *e),
                     void *source, struct err *e)
{
	const struct place *p = ((struct boot_source *)ctx)->p;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->list.n; i++) {
		const struct path_entry *x = &p->list.entry[i];
		const struct source_listed entry = {
			.path = x->path,
			.type = x->is_dir    ? NODE_DIR
			        : x->is_file ? NODE_FILE
			                     : NODE_SYMLINK,
			.size = x->size,
			.place = x->place,
		};

		r = add(source, &entry, e);
	}
	return r;
}

static int read_boot(void *ctx, u64 place, u64 size, u64 off, void *buf, size_t len, struct err *e)
{
	struct boot_source *b = ctx;
	const struct reader_entry entry = { .path = "", .size = size, .is_file = true, .place = (u32)place };

	return reader_read(b->p->reader, &entry, off, buf, len, e);
}

static int boot_changed(void *ctx, struct err *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

static int open_boot(struct look *l, struct source **ret, struct err *e)
{
	struct boot_source *b = xcalloc(1, sizeof(*b));
	const struct source_lister lister = {
		.ctx = b, .each = list_boot, .read = read_boot, .changed = boot_changed, .free = free
	};

	b->p = l->boot;
	return source_open_listed(l->d->name, "stick", l->boot->part->label, lister, ret, e);
}

/* What a family may ask of the system in the slot that starts. */
struct system {
	struct source *source;
	struct family_facts facts;
	const char **cmdlines;
	struct initrd **initrd;
	size_t n_initrds, cap_initrds;
};

static void free_system(struct system *x)
{
	for (size_t i = 0; i < x->n_initrds; i++)
		initrd_free(x->initrd[i]);
	free(x->initrd);
	free(x->cmdlines);
	source_free(x->source);
}

static int read_initrds(struct system *x, const struct menu_entry *entry, const struct family *f, struct err *e)
{
	for (size_t i = 0; i < entry->n_initrds; i++) {
		const struct node *n = source_find(x->source, entry->initrds[i]);
		struct initrd *rd = NULL;
		int r = n && n->type == NODE_FILE
		            ? initrd_open(node_input(n), n->size, entry->initrds[i], f->texts, &rd, e)
		            : fail(e, -ENOENT, "%s: is missing", entry->initrds[i]);

		if (r < 0)
			return r;
		*ARRAY_ADD(x->initrd, x->n_initrds, x->cap_initrds) = rd;
	}
	return 0;
}

/* The entry that starts by itself is the first of its slot, or the one that the switch names. */
static const struct menu_entry *default_entry(const struct look *l)
{
	for (size_t i = 0; i < l->menu.n; i++)
		if (strcmp(l->menu.entry[i].id, l->s->menu_switch.default_id) == 0)
			return &l->menu.entry[i];
	return l->menu.n ? &l->menu.entry[0] : NULL;
}

static int read_system(struct look *l, const struct family *f, struct system *x, struct err *e)
{
	const struct menu_entry *entry = default_entry(l);
	int r = entry ? open_boot(l, &x->source, e) : fail(e, -ENOENT, "there is no menu");

	if (r == 0)
		r = read_initrds(x, entry, f, e);
	if (r < 0)
		return r;
	x->cmdlines = xcalloc(l->menu.n, sizeof(*x->cmdlines));
	for (size_t i = 0; i < l->menu.n; i++)
		x->cmdlines[i] = l->menu.entry[i].args;
	x->facts = (struct family_facts){
		.source = x->source,
		.cmdlines = x->cmdlines,
		.n_cmdlines = l->menu.n,
		.initrds = (const struct initrd *const *)x->initrd,
		.n_initrds = x->n_initrds,
	};
	return 0;
}

static bool is_renamed(const struct look *l, const struct family *f)
{
	for (size_t i = 0; f->data_renamed && i < l->data->list.n; i++)
		if (l->data->list.entry[i].is_file &&
		    fnmatch(f->data_renamed, l->data->list.entry[i].path, FNM_PATHNAME) == 0)
			return true;
	return false;
}

static int check_thing(const struct look *l, const struct family *f, const char *path, bool is_dir, struct err *e)
{
	const struct path_entry *have = path_list_find(&l->data->list, path);

	if (have && (is_dir ? have->is_dir : have->is_file))
		return 0;
	if (!is_dir && is_renamed(l, f))
		return 0;
	return fail(e, -EUCLEAN, "%s: is missing: the system will not find its changes", path);
}

static int check_rows(struct look *l, const struct family *f, struct err *e)
{
	for (size_t i = 0; i < f->n_data; i++) {
		const struct family_data *d = &f->data[i];
		AUTO_FREE char *text = NULL, *wrong = NULL;
		size_t len = 0;
		int r = check_thing(l, f, d->path, !d->text, e);

		if (r == 0 && d->text)
			r = reader_load(l->data->reader, d->path, TEXT_MAX, &text, &len, e);
		if (r < 0)
			return r;
		wrong = text && f->judge_data ? f->judge_data(d->path, text) : NULL;
		if (wrong)
			return fail(e, -EUCLEAN, "%s: %s", d->path, wrong);
	}
	return 0;
}

static int check_made(const struct look *l, const struct family *f, const struct system *x, struct err *e)
{
	struct family_medium m = { .boot_label = l->boot->part->label, .persistent = true };
	struct volume_files files = { 0 };
	int r = 0;

	snprintf(m.boot_uuid, sizeof(m.boot_uuid), "%s", setting(l, "boot-uuid") ? setting(l, "boot-uuid") : "");
	snprintf(m.data_uuid, sizeof(m.data_uuid), "%s", setting(l, "data-uuid"));
	m.label = setting(l, "data-label") ? setting(l, "data-label") : "";
	m.slot = active_slot(l->s) == SLOT_B ? "/slot-b" : "";
	m.data_room = l->data->part->size;
	f->add_data(&x->facts, &m, &files);
	for (size_t i = 0; r == 0 && i < files.n; i++)
		r = check_thing(l, f, files.file[i].path, files.file[i].is_dir, e);
	volume_files_free(&files);
	return r;
}

/* *ret_unknown: what belongs there could not be found out. */
static int check_files(struct look *l, const struct family *f, bool *ret_unknown, struct err *e)
{
	CLEANUP(free_system) struct system x = { 0 };
	int r = check_rows(l, f, e);

	if (r < 0 || !f->add_data)
		return r;
	r = read_system(l, f, &x, e);
	*ret_unknown = r < 0;
	return r < 0 ? fail(e, r, "what belongs there cannot be told") : check_made(l, f, &x, e);
}

static int add_files(struct look *l, const struct family *f, struct err *e)
{
	AUTO_BUF struct buf good = { 0 };
	bool unknown = false;
	int r;

	if (!l->data->is_sound) {
		checks_add(l->c, "data-files", CHECK_UNKNOWN, "DATA cannot be read");
		return 0;
	}
	if (!f) {
		checks_add(l->c, "data-files", CHECK_UNKNOWN, "the system is of a family that livestick does not know");
		return 0;
	}
	r = check_files(l, f, &unknown, e);
	buf_addf(&good, "DATA has what a system of the family %s needs to keep its changes", f->name);
	return checks_add_result(l->c, "data-files", r, unknown, good.s, e);
}

int look_data(struct look *l, struct err *e)
{
	const struct family *f = l->s->is_ours ? family_of(l->s) : NULL;
	const char *uuid = l->s->is_ours ? setting(l, "data-uuid") : NULL;

	if (!l->s->is_ours || !l->boot)
		return 0;
	if (!uuid) {
		checks_add(l->c, "data", CHECK_OK, "the stick was made without a persistence partition");
		return 0;
	}
	if (!l->data || strcasecmp(l->data->part->fs_uuid, uuid) != 0) {
		checks_add(l->c, "data", CHECK_BAD,
		           "no partition has the file system %s, where changes are kept: nothing will be kept", uuid);
		return 0;
	}
	add_label(l, f);
	return add_files(l, f, e);
}
