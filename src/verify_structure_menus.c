/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Menus: what both kinds of sticks share, and those of others'. */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>

#include "src/base/progress.h"
#include "src/verify_structure_menu.h"

#define MENU_FILE_MAX MIB

#define UUID_LEN   36 /* 8-4-4-4-12 */
#define SERIAL_LEN 9  /* FAT's: 4-4 */

/* ---- files */

static struct place *place_with(struct look *l, const char *path, const struct path_entry **ret)
{
	struct place *const order[] = { l->boot, l->esp == l->boot ? NULL : l->esp };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		*ret = order[i] ? path_list_find(&order[i]->list, path) : NULL;
		if (*ret)
			return order[i];
	}
	return NULL;
}

static int load(void *ctx, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	struct menu_files *f = ctx;
	const struct path_entry *file = NULL;
	struct place *p;

	if (f->first && strcmp(path, "/") == 0) {
		*ret_text = xstrdup(f->first);
		*ret_len = strlen(f->first);
		return 0;
	}
	p = place_with(f->l, path, &file);
	if (p && file->is_dir)
		return -EISDIR;
	if (p)
		return reader_load(p->reader, path, MENU_FILE_MAX, ret_text, ret_len, e);
	buf_addf(&f->missing, "%s%s", f->missing.len ? ", " : "", path);
	return -ENOENT;
}

struct menu_loader menu_files_loader(struct menu_files *f)
{
	return (struct menu_loader){ .load = load, .ctx = f };
}

static bool is_there(const struct look *l, const char *path)
{
	const struct path_entry *file = NULL;

	return place_with((struct look *)l, path, &file) && file->is_file && file->size > 0;
}

const char *menu_missing_file(const struct look *l, const struct menu_entry *entry)
{
	if (!is_there(l, entry->kernel))
		return entry->kernel;
	for (size_t i = 0; i < entry->n_initrds; i++)
		if (!is_there(l, entry->initrds[i]))
			return entry->initrds[i];
	return NULL;
}

/* ---- ids */

/* How many characters of an id stand at `s`: UUID_LEN, SERIAL_LEN, or 0. */
static size_t id_at(const char *s)
{
	static const char uuid[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t n = 0;

	while (n < UUID_LEN && (uuid[n] == '-' ? s[n] == '-' : isxdigit((unsigned char)s[n])))
		n++;
	if (n == UUID_LEN)
		return isxdigit((unsigned char)s[n]) ? 0 : n;
	for (n = 0; n < SERIAL_LEN && (n == 4 ? s[n] == '-' : isxdigit((unsigned char)s[n])); n++)
		;
	return n == SERIAL_LEN && (!s[n] || strchr(" :/,", s[n])) ? n : 0;
}

static bool is_of_stick(const struct look *l, const char *id, size_t len)
{
	const struct scan *scan = &l->s->scan;
	const char *const ours[] = {
		manifest_get(&l->s->manifest, "boot-uuid"),
		manifest_get(&l->s->manifest, "data-uuid"),
	};

	for (size_t i = 0; l->s->is_ours && i < ARRAY_SIZE(ours); i++)
		if (ours[i] && strlen(ours[i]) == len && strncasecmp(ours[i], id, len) == 0)
			return true;
	for (size_t i = 0; !l->s->is_ours && i < scan->n_parts; i++) {
		const struct scan_part *p = &scan->part[i];

		if ((strlen(p->fs_uuid) == len && strncasecmp(p->fs_uuid, id, len) == 0) ||
		    (strlen(p->uuid) == len && strncasecmp(p->uuid, id, len) == 0))
			return true;
	}
	return false;
}

/* A serial number is told from other numbers by what is before it. */
static bool can_begin(const char *args, const char *s, size_t len)
{
	if (s == args)
		return true;
	return len == UUID_LEN ? !isxdigit((unsigned char)s[-1]) : strchr("=:/", s[-1]) != NULL;
}

void menu_foreign_ids(const struct look *l, const struct menu_entry *entry, const char *except, struct buf *ret)
{
	for (const char *s = entry->args; *s; s++) {
		size_t len = id_at(s);
		AUTO_FREE char *id = len ? xstrndup(s, len) : NULL;

		if (!id || !can_begin(entry->args, s, len))
			continue;
		if (!is_of_stick(l, s, len) && !(except && strcasestr(except, id)) &&
		    !(ret->len && strcasestr(ret->s, id)))
			buf_addf(ret, "%s%s", ret->len ? ", " : "", id);
		s += len - 1;
	}
}

/* ---- menus of others' */

struct seen {
	size_t menus, entries, complete;
	bool default_incomplete;
	struct buf missing, foreign;
};

static void see_entry(const struct look *l, const struct menu_entry *entry, struct seen *s)
{
	const char *missing = menu_missing_file(l, entry);

	s->entries++;
	s->complete += !missing;
	s->default_incomplete |= missing && entry->is_default;
	if (missing && !(s->missing.len && strstr(s->missing.s, missing)))
		buf_addf(&s->missing, "%s%s", s->missing.len ? ", " : "", missing);
	menu_foreign_ids(l, entry, NULL, &s->foreign);
}

static int read_bls(struct look *l, const struct menu_loader *loader, struct menu *ret, struct err *e)
{
	const char **path = NULL;
	AUTO_FREE char *name = NULL;
	size_t n = 0, cap = 0;
	unsigned timeout;
	int r = menu_read_loader_conf(loader, "/loader/loader.conf", &name, &timeout, e);

	for (size_t i = 0; r == 0 && i < l->boot->list.n; i++)
		if (fnmatch(FACTS_BLS_DIR "/*.conf", l->boot->list.entry[i].path, FNM_CASEFOLD) == 0)
			*ARRAY_ADD(path, n, cap) = l->boot->list.entry[i].path;
	if (r == 0)
		r = menu_read_bls(loader, path, n, name, ret, e);
	free(path);
	return r;
}

static int see_menu(struct look *l, facts_read_menu_fn *read, const char *path, struct seen *s, struct err *e)
{
	struct menu_files files = { .l = l };
	const struct menu_loader loader = menu_files_loader(&files);
	struct menu menu = { 0 };
	int r = strcmp(path, FACTS_BLS_DIR) == 0 ? read_bls(l, &loader, &menu, e) : read(&loader, path, &menu, e);

	s->menus += r == 0 && menu.n > 0;
	for (size_t i = 0; r == 0 && i < menu.n; i++)
		see_entry(l, &menu.entry[i], s);
	menu_free(&menu);
	buf_free(&files.missing);
	return r == 0 || r == -EINTR ? r : checks_add_result(l->c, "menu-files", r, false, "", e);
}

/* Every file that a place names, but not twice the same. */
static int see_place(struct look *l, size_t at, struct seen *s, struct err *e)
{
	const struct facts_menu_place *place = &facts_menu_places[at];
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->boot->list.n; i++) {
		const struct path_entry *x = &l->boot->list.entry[i];
		bool is_entries = strcmp(place->path, FACTS_BLS_DIR) == 0, seen_before = false;

		if (x->is_dir != is_entries || fnmatch(place->path, x->path, FNM_PATHNAME | FNM_CASEFOLD) != 0)
			continue;
		for (size_t k = 0; k < at && !seen_before; k++)
			seen_before = fnmatch(facts_menu_places[k].path, x->path, FNM_PATHNAME | FNM_CASEFOLD) == 0;
		if (!seen_before)
			r = see_menu(l, place->read, is_entries ? FACTS_BLS_DIR : x->path, s, e);
	}
	return r;
}

static void add_seen(struct look *l, const struct seen *s)
{
	if (s->menus == 0)
		checks_add(l->c, "menu-files", CHECK_UNKNOWN, "%s has no menu at a place where live media keep theirs",
		           l->boot->role);
	else if (s->complete == 0 || s->default_incomplete)
		checks_add(l->c, "menu-files", CHECK_BAD, "%s: %s not there",
		           s->default_incomplete ? "the entry that starts by itself names what is not on the stick"
		                                 : "no entry of the menu has its files",
		           s->missing.s);
	else if (s->complete < s->entries)
		checks_add(l->c, "menu-files", CHECK_UNKNOWN,
		           "%zu of %zu entries have their files; not on the stick, and perhaps meant for another: %s",
		           s->complete, s->entries, s->missing.s);
	else
		checks_add(l->c, "menu-files", CHECK_OK, "%zu menu%s, %zu entries, all of their files are there",
		           s->menus, s->menus == 1 ? "" : "s", s->entries);
	if (s->foreign.len)
		checks_add(l->c, "menu-ids", CHECK_UNKNOWN, "the menu names file systems that are not on the stick: %s",
		           s->foreign.s);
	else if (s->entries)
		checks_add(l->c, "menu-ids", CHECK_OK, "no entry names a file system of another device");
}

int look_their_menus(struct look *l, struct err *e)
{
	struct seen s = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < facts_n_menu_places; i++)
		r = see_place(l, i, &s, e);
	if (r == 0)
		add_seen(l, &s);
	buf_free(&s.missing);
	buf_free(&s.foreign);
	return r;
}

int look_menus(struct look *l, struct err *e)
{
	if (l->is_hybrid) {
		checks_add(l->c, "menu-files", CHECK_UNKNOWN,
		           "the menus lie in an ISO 9660 file system, which is not looked at");
		return 0;
	}
	if (!l->boot)
		return 0;
	if (!l->boot->is_sound) {
		checks_add(l->c, "menu-files", CHECK_UNKNOWN, "%s cannot be read", l->boot->role);
		return 0;
	}
	return l->s->is_ours ? look_our_menus(l, e) : look_their_menus(l, e);
}
