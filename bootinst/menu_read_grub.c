/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files and the menu. As in GRUB, the body of a menu entry is run when all of the configuration has been read, each
 * body from the variables as they are then.
 */
#include "bootinst/menu_grub.h"

#include <errno.h>

#define MAX_FILES 64
#define MAX_TRIED 1000 /* including those that do not exist, or are only asked for */
#define MAX_ITEMS 4000

static int open_items(struct grub *g, size_t parent, struct err *e);

static void text_free(struct grub_text *t)
{
	free(t->path);
	free(t->text);
	free(t->token);
	free(t);
}

static void grub_free(struct grub *g)
{
	for (size_t i = 0; i < g->n_texts; i++)
		text_free(g->texts[i]);
	for (size_t i = 0; i < g->n_vars; i++) {
		free(g->vars[i].name);
		free(g->vars[i].value);
	}
	for (size_t i = 0; i < g->n_undo; i++) {
		free(g->undo[i].name);
		free(g->undo[i].value);
	}
	for (size_t i = 0; i < g->n_functions; i++)
		free(g->functions[i].name);
	for (size_t i = 0; i < g->n_items; i++) {
		grub_words_free(&g->items[i].args);
		free(g->items[i].id);
	}
	grub_words_free(&g->menus);
	grub_unload(g);
	free(g->texts);
	free(g->vars);
	free(g->undo);
	free(g->functions);
	free(g->items);
	menu_free(&g->menu);
}

/* ---- texts and files */

int grub_path(const char *name, char **ret, struct err *e)
{
	const char *close = *name == '(' ? strchr(name, ')') : NULL;

	return menu_path("/", close ? close + 1 : name, ret, e);
}

int grub_load(struct grub *g, const char *name, char **ret_path, char **ret_text, struct err *e)
{
	AUTO_FREE char *path = NULL, *text = NULL;
	size_t len = 0;
	int r = grub_path(name, &path, e);

	if (r < 0)
		return r;
	if (g->n_tried++ >= MAX_TRIED)
		return fail_source(e, -E2BIG, "%s: too many files are asked for", path);
	r = g->loader->load(g->loader->ctx, path, &text, &len, e);
	if (r == -ENOENT || r == -EISDIR)
		err_clear(e);
	if (r < 0)
		return r;
	if (len > MENU_FILE_MAX)
		return fail_source(e, -EFBIG, "%s: is too large for a boot menu", path);
	*ret_text = xcalloc(len + 1, 1);
	for (size_t i = 0; i < len; i++)
		(*ret_text)[i] = text[i] ? text[i] : ' ';
	*ret_path = TAKE(path);
	return 0;
}

/* Takes `text` over. */
static int run_text(struct grub *g, const char *path, char *text, unsigned line, struct err *e)
{
	struct grub_text *t = xcalloc(1, sizeof(*t));
	int r;

	t->path = xstrdup(path);
	t->text = text;
	*ARRAY_ADD(g->texts, g->n_texts, g->cap_texts) = t;
	if (g->depth >= GRUB_MAX_DEPTH)
		return fail_source(e, -ELOOP, "%s: included more than %d deep", path, GRUB_MAX_DEPTH);
	r = grub_lex(t, line, e);
	if (r == 0)
		r = grub_charge(g, t->n, e);
	g->depth++;
	if (r == 0)
		r = grub_run(g, t, 0, t->n, e);
	g->depth--;
	return r;
}

static int set_place(struct grub *g, const char *file, const char *directory, struct err *e)
{
	int r = grub_set(g, "config_file", file, e);

	return r == 0 ? grub_set(g, "config_directory", directory, e) : r;
}

static int run_file(struct grub *g, const char *name, bool is_menu, struct err *e)
{
	AUTO_FREE char *path = NULL, *file = NULL, *directory = NULL, *old_file = NULL, *old_directory = NULL;
	AUTO_BUF struct buf place = { 0 };
	char *text;
	int r = grub_load(g, name, &path, &text, e);

	if (r < 0)
		return r;
	if (g->n_files++ >= MAX_FILES) {
		free(text);
		return fail_source(e, -E2BIG, "%s: too many files are included", path);
	}
	if (is_menu)
		grub_words_add(&g->menus, path, strlen(path));
	old_file = xstrdup(grub_get(g, "config_file") ?: "");
	old_directory = xstrdup(grub_get(g, "config_directory") ?: "");
	buf_addf(&place, "(cd0)%s", path);
	file = xstrdup(place.s);
	directory = xstrndup(place.s, (size_t)(strrchr(place.s, '/') - place.s));
	r = set_place(g, file, directory, e);
	if (r < 0)
		free(text);
	else
		r = run_text(g, path, text, 1, e);
	return r == 0 && *old_file ? set_place(g, old_file, old_directory, e) : r;
}

int grub_source(struct grub *g, const char *name, struct err *e)
{
	return run_file(g, name, false, e);
}

/* A menu that leads back to one that is there already ("Back...") adds nothing. */
int grub_configfile(struct grub *g, const char *name, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int r = grub_path(name, &path, e);

	for (size_t i = 0; r == 0 && i < g->menus.n; i++)
		if (strcmp(g->menus.w[i], path) == 0)
			return 0;
	return r == 0 ? run_file(g, name, true, e) : r;
}

int grub_eval(struct grub *g, const char *text, struct err *e)
{
	int r = grub_charge(g, strlen(text), e);

	return r == 0 ? run_text(g, "eval", xstrdup(text), 1, e) : r;
}

/* ---- the menu */

static const char *option_value(const struct grub_words *words, size_t *i, const char *option)
{
	size_t len = strlen(option);
	const char *word = words->w[*i];

	if (strncmp(word, option, len) != 0 || (word[len] && word[len] != '='))
		return NULL;
	if (word[len])
		return word + len + 1;
	*i += 1;
	return *i < words->n ? words->w[*i] : "";
}

int grub_add_item(struct grub *g, const struct grub_words *words, const struct grub_text *t, size_t from, size_t to,
                  struct err *e)
{
	static const char *const options[] = { "--class", "--users", "--hotkey", "--source" };
	struct grub_item *item;
	size_t *siblings = g->item == GRUB_TOP ? &g->n_top : &g->items[g->item].n_children;
	size_t index = (*siblings)++;

	g->status = 0;
	if (g->n_items >= MAX_ITEMS)
		return fail_source(e, -E2BIG, "a menu of more than %d lines", MAX_ITEMS);
	item = ARRAY_ADD(g->items, g->n_items, g->cap_items);
	item->parent = g->item;
	item->index = index;
	item->entry = GRUB_NONE;
	item->text = t;
	item->from = from;
	item->to = to;
	grub_words_add(&item->args, words->w[0], strlen(words->w[0]));
	for (size_t i = 1; i < words->n; i++) {
		const char *id = option_value(words, &i, "--id");
		bool skip = id || strcmp(words->w[i], "--unrestricted") == 0;

		for (size_t k = 0; k < ARRAY_SIZE(options) && !skip; k++)
			skip = option_value(words, &i, options[k]);
		if (id) {
			free(item->id);
			item->id = xstrdup(id);
		}
		if (!skip)
			grub_words_add(&item->args, words->w[i], strlen(words->w[i]));
	}
	return 0;
}

/* The name of the submenu that is the item; NULL for the top level. The caller frees. */
static char *submenu_name(const struct grub *g, size_t i)
{
	AUTO_FREE char *outer = NULL;

	if (i == GRUB_TOP)
		return NULL;
	outer = submenu_name(g, g->items[i].parent);
	return menu_submenu(outer, g->items[i].args.n > 1 ? g->items[i].args.w[1] : "");
}

static int add_entry(struct grub *g, size_t i, struct err *e)
{
	const struct grub_item *item = &g->items[i];
	CLEANUP(grub_words_free) struct grub_words initrds = { 0 };
	const char *title = item->args.n > 1 ? item->args.w[1] : "";
	AUTO_FREE char *kernel = NULL, *submenu = submenu_name(g, item->parent);
	struct menu_draft d = { .id = item->id ? item->id : title, .title = title, .args = g->cmdline };
	size_t entry;
	int r = grub_path(g->kernel, &kernel, e);

	if (r == 0 && !menu_is_linux(kernel, strlen(kernel)))
		return 0;
	for (size_t k = 0; k < g->initrds.n && r == 0; k++) {
		AUTO_FREE char *path = NULL;

		r = grub_path(g->initrds.w[k], &path, e);
		if (r == 0)
			grub_words_add(&initrds, path, strlen(path));
	}
	if (r < 0)
		return r;
	d.submenu = submenu;
	d.kernel = kernel;
	d.initrds = (const char *const *)initrds.w;
	d.n_initrds = initrds.n;
	r = menu_add_draft(&g->menu, &d, &entry, e);
	if (r == 0)
		g->items[i].entry = entry;
	return r;
}

/* Runs the body: it loads a kernel, or has a menu of its own. */
static int open_item(struct grub *g, size_t i, struct err *e)
{
	const struct grub_item item = g->items[i]; /* the array moves when the body adds to it */
	size_t undo = g->n_undo, parent = g->item;
	int r;

	grub_unload(g);
	g->args = &item.args;
	g->item = i;
	r = grub_run(g, item.text, item.from, item.to, e);
	g->args = NULL;
	g->leave = LEAVE_NOTHING;
	if (r == 0 && g->kernel) {
		r = add_entry(g, i, e);
		if (r < 0)
			fail(e, r, "%s:%u", item.text->path, item.text->token[item.from - 1].line);
	}
	if (r == 0)
		r = open_items(g, i, e);
	g->item = parent;
	grub_undo(g, undo);
	return r;
}

static int open_items(struct grub *g, size_t parent, struct err *e)
{
	int r = 0;

	if (g->depth >= GRUB_MAX_DEPTH)
		return fail_source(e, -ELOOP, "menus more than %d deep", GRUB_MAX_DEPTH);
	g->depth++;
	for (size_t i = 0; i < g->n_items && r == 0; i++)
		if (g->items[i].parent == parent)
			r = open_item(g, i, e);
	g->depth--;
	return r;
}

/* The child of `parent` that a part of `default` means: an id, a title, or what begins with a digit: a number. */
static size_t find_item(const struct grub *g, size_t parent, const char *part)
{
	bool is_number = *part >= '0' && *part <= '9';
	unsigned long number = is_number ? strtoul(part, NULL, 0) : 0;

	for (size_t i = 0; i < g->n_items; i++) {
		const struct grub_item *item = &g->items[i];

		if (item->parent != parent)
			continue;
		if (is_number ? item->index == number
		              : (item->id && strcmp(item->id, part) == 0) ||
		                    (item->args.n > 1 && strcmp(item->args.w[1], part) == 0))
			return i;
	}
	return GRUB_NONE;
}

/* The entry of an item, or the first one of a submenu. */
static size_t first_entry(const struct grub *g, size_t item)
{
	size_t entry = g->items[item].entry;

	for (size_t i = item + 1; entry == GRUB_NONE && i < g->n_items; i++)
		if (g->items[i].parent == item)
			entry = first_entry(g, i);
	return entry;
}

/* "2", "id", "Advanced options>0". What is no Linux cannot be the default. */
static void set_default(struct grub *g, const char *wanted)
{
	size_t item = GRUB_TOP, entry = GRUB_NONE;

	while (*wanted) {
		size_t len = strcspn(wanted, ">");
		AUTO_FREE char *part = xstrndup(wanted, len);

		item = find_item(g, item, part);
		if (item == GRUB_NONE)
			break;
		wanted += len + (wanted[len] == '>');
	}
	if (item != GRUB_NONE)
		entry = first_entry(g, item);
	if (g->menu.n)
		menu_set_default(&g->menu, entry == GRUB_NONE ? 0 : entry);
}

static unsigned timeout_of(const char *text)
{
	char *end;
	long seconds = text ? strtol(text, &end, 10) : -1;

	return text && end == text ? 0 : menu_timeout_ds(seconds);
}

static int set_variables(struct grub *g, const char *path, struct err *e)
{
	AUTO_BUF struct buf prefix = { 0 };
	const char *const row[][2] = {
		{ "root", "cd0" },
		{ "prefix", NULL },
		{ "cmdpath", NULL },
		{ "grub_platform", g->platform },
		{ "grub_cpu", strcmp(g->platform, "pc") == 0 ? "i386" : "x86_64" },
	};
	int r = 0;

	buf_addf(&prefix, "(cd0)%.*s", (int)(strrchr(path, '/') - path), path);
	for (size_t i = 0; i < ARRAY_SIZE(row) && r == 0; i++)
		r = grub_set(g, row[i][0], row[i][1] ? row[i][1] : prefix.s, e);
	return r;
}

static int read_platform(const struct menu_loader *l, const char *path, const char *platform, struct menu *ret,
                         struct err *e)
{
	CLEANUP(grub_free) struct grub g = { .loader = l, .platform = platform, .item = GRUB_TOP };
	AUTO_FREE char *wanted = NULL;
	int r = set_variables(&g, path, e);

	if (r == 0)
		r = run_file(&g, path, true, e);
	if (r < 0)
		return r == -ENOENT && !e->text ? fail_source(e, r, "%s: no such file", path) : r;
	g.leave = LEAVE_NOTHING;
	g.menu.timeout_ds = timeout_of(grub_get(&g, "timeout"));
	wanted = xstrdup(grub_get(&g, "default") ?: "0");
	r = open_items(&g, GRUB_TOP, e);
	if (r < 0)
		return r;
	set_default(&g, wanted);
	*ret = g.menu;
	g.menu = (struct menu){ 0 };
	return 0;
}

int menu_read_grub(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e)
{
	static const char *const platforms[] = { "efi", "pc" };
	AUTO_FREE char *first = NULL;
	struct menu m = { 0 };
	int r = menu_path("/", path, &first, e);

	for (size_t i = 0; i < ARRAY_SIZE(platforms) && r == 0 && !m.n; i++) {
		menu_free(&m);
		r = read_platform(l, first, platforms[i], &m, e);
	}
	if (r == 0)
		*ret = m;
	return r;
}
