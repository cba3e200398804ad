/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The menus of our sticks: for both loaders, all slots, the switch between them, and what leads GRUB there. */
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>

#include "src/bios.h"
#include "src/plan.h"
#include "src/verify_structure_menu.h"

#define SWITCH_CFG STICK_DIR "/switch.cfg"
#define STUB_MAX   (64 * KIB)

enum { BIOS, UEFI, N_LOADERS };

struct our_menus {
	struct look *l;
	struct menu shown[N_LOADERS];         /* by the top file */
	struct menu slot[N_LOADERS][N_SLOTS]; /* all slots that are there, also those that are not shown */
	char *top[N_LOADERS];                 /* the file that a loader begins with; NULL: there is none */
	bool has[N_LOADERS];
	struct buf bad_files, bad_ids; /* sentences, "; " between */
	size_t entries;
};

static void say(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct buf *b, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	/* One thing that is missing may be told by each entry. */
	if (!(b->len && strstr(b->s, text)))
		buf_addf(b, "%s%s", b->len ? "; " : "", text);
}

/* ---- reading */

/* Only what a loader needs may be missing silently: nothing. */
static int read_menu(struct our_menus *m, int loader, const char *path, const char *first, struct menu *ret,
                     struct err *e)
{
	struct menu_files files = { .l = m->l, .first = first };
	const struct menu_loader l = menu_files_loader(&files);
	int r = loader == BIOS ? menu_read_syslinux(&l, path, ret, e) : menu_read_grub(&l, path, ret, e);

	if (files.missing.len)
		say(&m->bad_files, "%s is missing", files.missing.s);
	else if (r < 0 && r != -EINTR)
		say(&m->bad_files, "%s", e->text ? e->text : strerror(-r));
	buf_free(&files.missing);
	if (r == -EINTR)
		return r;
	err_clear(e);
	return 0;
}

static bool is_shown(const struct stick *s, enum slot slot)
{
	return s->menu_switch.slot == slot_letter(slot) || s->menu_switch.previous == slot_letter(slot);
}

/* A slot that an upgrade is half way through is not in the menu, and need not be whole. */
static bool is_looked_at(const struct stick *s, enum slot slot)
{
	return s->has_slot[slot] && (is_shown(s, slot) || !stick_is_unfinished(s, slot));
}

static int read_slot(struct our_menus *m, int loader, enum slot slot, struct err *e)
{
	AUTO_BUF struct buf path = { 0 }, first = { 0 };

	buf_addf(&path, STICK_DIR "/%c.%s", slot_letter(slot), loader == BIOS ? "cfg" : "grub");
	if (loader == BIOS)
		return read_menu(m, loader, path.s, NULL, &m->slot[loader][slot], e);
	/* What grub.cfg sets for it. */
	buf_addf(&first, "set linux=linux\nset initrd=initrd\nsource %s\n", path.s);
	return read_menu(m, loader, "/", first.s, &m->slot[loader][slot], e);
}

static int read_menus(struct our_menus *m, struct err *e)
{
	const struct stick *s = m->l->s;
	const char *dir = bios_listed_dir(s);
	int r = 0;

	m->top[BIOS] = dir ? bios_path(dir, BIOS_CONFIG) : NULL;
	m->top[UEFI] = stick_has_file(s, GRUB_CFG) ? xstrdup(GRUB_CFG) : NULL;
	for (int i = 0; r == 0 && i < N_LOADERS; i++) {
		m->has[i] = m->top[i] != NULL;
		if (m->has[i])
			r = read_menu(m, i, m->top[i], NULL, &m->shown[i], e);
		for (int k = 0; r == 0 && m->has[i] && k < N_SLOTS; k++)
			if (is_looked_at(s, k))
				r = read_slot(m, i, k, e);
	}
	return r;
}

/* ---- entries */

static void check_entries(struct our_menus *m, const struct menu *menu)
{
	const char *append = manifest_get(&m->l->s->manifest, "append");

	m->entries += menu->n;
	for (size_t i = 0; i < menu->n; i++) {
		const struct menu_entry *entry = &menu->entry[i];
		const char *missing = menu_missing_file(m->l, entry);
		AUTO_BUF struct buf foreign = { 0 };

		if (missing)
			say(&m->bad_files, "%s is missing, which an entry names", missing);
		menu_foreign_ids(m->l, entry, append, &foreign);
		if (foreign.len)
			say(&m->bad_ids, "entry %s names the file system %s", entry->id, foreign.s);
	}
}

static void check_slots(struct our_menus *m)
{
	for (int i = 0; i < N_LOADERS; i++) {
		for (int k = 0; m->has[i] && k < N_SLOTS; k++) {
			if (!is_looked_at(m->l->s, k))
				continue;
			if (m->slot[i][k].n == 0)
				say(&m->bad_files, "slot %c has no entries for %s", slot_letter(k),
				    i == BIOS ? "a BIOS" : "UEFI");
			check_entries(m, &m->slot[i][k]);
		}
		if (m->has[i] && m->shown[i].n == 0)
			say(&m->bad_files, "%s shows no entries", m->top[i]);
	}
}

/* What syslinux.cfg starts to show the menu. */
static void check_modules(struct our_menus *m)
{
	AUTO_BUF struct buf path = { 0 };

	if (!m->has[BIOS])
		return;
	buf_addf(&path, "%s/menu.c32", bios_listed_dir(m->l->s));
	if (!path_list_find(&m->l->boot->list, path.s))
		say(&m->bad_files, "%s is missing", path.s);
}

static void add_entries(struct our_menus *m)
{
	struct checks *c = m->l->c;

	if (m->bad_files.len)
		checks_add(c, "menu-files", CHECK_BAD, "%s", m->bad_files.s);
	else
		checks_add(c, "menu-files", CHECK_OK, "%zu entries, all of their files are there", m->entries);
	if (m->bad_ids.len)
		checks_add(c, "menu-ids", CHECK_BAD, "%s, which is not of this stick", m->bad_ids.s);
	else
		checks_add(c, "menu-ids", CHECK_OK, "no entry names a file system of another stick");
}

/* ---- the same for both */

/* Loaders differ in how they quote. */
static char *bare(const char *args)
{
	struct buf b = { 0 };

	buf_adds(&b, "");
	for (; *args; args++)
		if (!strchr("\"'\\", *args))
			buf_add(&b, args, 1);
	return b.s;
}

static bool is_same(const struct menu_entry *a, const struct menu_entry *b)
{
	AUTO_FREE char *a_args = bare(a->args), *b_args = bare(b->args);
	bool same = strcmp(a->kernel, b->kernel) == 0 && strcmp(a_args, b_args) == 0 && a->n_initrds == b->n_initrds;

	for (size_t i = 0; same && i < a->n_initrds; i++)
		same = strcmp(a->initrds[i], b->initrds[i]) == 0;
	return same;
}

/* The first entry of `a` that `b` has not; NULL: it has all. The readers leave out what is there twice. */
static const struct menu_entry *lacks(const struct menu *a, const struct menu *b)
{
	for (size_t i = 0; i < a->n; i++) {
		bool found = false;

		for (size_t k = 0; k < b->n && !found; k++)
			found = is_same(&a->entry[i], &b->entry[k]);
		if (!found)
			return &a->entry[i];
	}
	return NULL;
}

static void add_same(struct our_menus *m)
{
	struct checks *c = m->l->c;

	if (!m->has[BIOS] || !m->has[UEFI])
		return;
	for (int i = 0; i < N_SLOTS; i++) {
		const struct menu_entry *bios = lacks(&m->slot[BIOS][i], &m->slot[UEFI][i]);
		const struct menu_entry *uefi = lacks(&m->slot[UEFI][i], &m->slot[BIOS][i]);

		if (bios || uefi) {
			checks_add(c, "menu-same", CHECK_BAD, "slot %c: %s shows the entry \"%s\" otherwise than %s",
			           slot_letter(i), bios ? "a BIOS" : "UEFI", bios ? bios->title : uefi->title,
			           bios ? "UEFI" : "a BIOS");
			return;
		}
	}
	checks_add(c, "menu-same", CHECK_OK, "BIOS and UEFI start the same");
}

/* ---- the switch */

static bool has_entry(const struct our_menus *m, int loader, enum slot slot, const char *id)
{
	const struct menu *menu = &m->slot[loader][slot];

	for (size_t i = 0; i < menu->n; i++)
		if (strcmp(menu->entry[i].id, id) == 0)
			return true;
	return false;
}

static int check_sector(struct look *l, struct err *e)
{
	const struct path_entry *file = path_list_find(&l->boot->list, SWITCH_CFG);
	u64 off = 0, len = 0;
	int r;

	if (!file || !file->is_file)
		return fail(e, -EUCLEAN, "is missing");
	if (file->size != MENU_SWITCH_SIZE)
		return fail(e, -EUCLEAN, "has %llu bytes, not %d", (unsigned long long)file->size, MENU_SWITCH_SIZE);
	const struct reader_entry entry = {
		.path = file->path, .size = file->size, .place = file->place, .is_file = true
	};

	r = reader_where(l->boot->reader, &entry, 0, &off, &len, e);
	if (r == 0 && (off % MENU_SWITCH_SIZE || len < MENU_SWITCH_SIZE))
		r = fail(e, -EUCLEAN, "does not lie in one sector");
	return r;
}

static int check_switch(const struct our_menus *m, struct err *e)
{
	const struct stick *s = m->l->s;
	const struct menu_switch *w = &s->menu_switch;
	enum slot slot = w->slot == 'b' ? SLOT_B : SLOT_A, other = slot == SLOT_A ? SLOT_B : SLOT_A;
	int r = check_sector(m->l, e);

	if (r < 0)
		return r;
	if (!w->slot)
		return fail(e, -EUCLEAN, "%s", s->damage ? s->damage : "cannot be read");
	if (!s->has_slot[slot])
		return fail(e, -EUCLEAN, "names slot %c, which is not there", w->slot);
	if (w->previous && !s->has_slot[other])
		return fail(e, -EUCLEAN, "shows slot %c, which is not there", w->previous);
	for (int i = 0; i < N_LOADERS; i++)
		if (m->has[i] && !has_entry(m, i, slot, w->default_id))
			return fail(e, -EUCLEAN, "names the entry %s, which slot %c has not", w->default_id, w->slot);
	return 0;
}

static void add_switch(const struct our_menus *m)
{
	const struct menu_switch *w = &m->l->s->menu_switch;
	AUTO_ERR struct err why = { 0 };

	if (check_switch(m, &why) < 0)
		checks_add(m->l->c, "menu-switch", CHECK_BAD, SWITCH_CFG ": %s", why.text);
	else
		checks_add(m->l->c, "menu-switch", CHECK_OK, "one sector; %s of slot %c starts", w->default_id,
		           w->slot);
}

/* ---- what GRUB finds first */

/* The file system that the stub searches for is BOOT, and it goes on with the menu there. */
static int check_stub(struct place *p, const char *path, const char *uuid, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_BUF struct buf want = { 0 };
	size_t len = 0;
	int r = reader_load(p->reader, path, STUB_MAX, &text, &len, e);

	if (r < 0)
		return r;
	buf_addf(&want, "--set=root %s\n", uuid);
	if (!strcasestr(text, want.s) || !strstr(text, "search --no-floppy --fs-uuid "))
		return fail(e, -EUCLEAN, "%s: does not search for BOOT, which is %s", path, uuid);
	if (!strstr(text, "configfile " GRUB_CFG "\n"))
		return fail(e, -EUCLEAN, "%s: does not go on with " GRUB_CFG, path);
	return 0;
}

static bool is_stub(const char *path)
{
	return fnmatch("*/grub.cfg", path, FNM_CASEFOLD) == 0 && strcmp(path, GRUB_CFG) != 0;
}

static int check_stubs(struct look *l, const char *uuid, size_t *n, struct err *e)
{
	const struct manifest *m = &l->s->manifest;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_files; i++)
		if (is_stub(m->file[i].path)) {
			r = check_stub(l->boot, m->file[i].path, uuid, e);
			++*n;
		}
	for (size_t i = 0; r == 0 && l->esp && l->esp != l->boot && i < l->esp->list.n; i++)
		if (l->esp->list.entry[i].is_file && is_stub(l->esp->list.entry[i].path)) {
			r = check_stub(l->esp, l->esp->list.entry[i].path, uuid, e);
			++*n;
		}
	return r;
}

static int add_stubs(struct our_menus *m, struct err *e)
{
	const char *uuid = manifest_get(&m->l->s->manifest, "boot-uuid");
	AUTO_BUF struct buf good = { 0 };
	size_t n = 0;
	int r;

	if (!m->has[UEFI] || !uuid)
		return 0;
	r = check_stubs(m->l, uuid, &n, e);
	if (r == 0 && n == 0)
		r = fail(e, -EUCLEAN, "nothing leads GRUB to " GRUB_CFG);
	buf_addf(&good, "%zu files lead GRUB to the menu", n);
	return checks_add_result(m->l->c, "menu-stub", r, false, good.s, e);
}

int look_our_menus(struct look *l, struct err *e)
{
	struct our_menus m = { .l = l };
	int r = read_menus(&m, e);

	if (r == 0) {
		check_slots(&m);
		check_modules(&m);
		add_entries(&m);
		add_same(&m);
		add_switch(&m);
		r = add_stubs(&m, e);
	}
	for (int i = 0; i < N_LOADERS; i++) {
		for (int k = 0; k < N_SLOTS; k++)
			menu_free(&m.slot[i][k]);
		if (!l->menu.n) {
			l->menu = m.shown[i];
			m.shown[i] = (struct menu){ 0 };
		}
		menu_free(&m.shown[i]);
		free(m.top[i]);
	}
	buf_free(&m.bad_files);
	buf_free(&m.bad_ids);
	return r;
}
