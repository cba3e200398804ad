/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The grammar is that of com32/menu/readconfig.c and com32/elflink/ldlinux/kernel.c in SYSLINUX 6.04. Included files
 * are read as if they stood in place of the INCLUDE; a label ends where the next one begins.
 */
#include "bootinst/menu_syslinux.h"

#include <errno.h>

#define MAX_FILES    64
#define MAX_TRIED    1000 /* including those that do not exist */
#define MAX_TEXT     MIB
#define MAX_LINE     4096
#define MAX_TIMEOUT  36000 /* an hour, in tenths of a second */
#define MAX_SUBMENUS 1000

static int read_file(struct syslinux_parser *p, const char *path, struct err *e);

/* What follows `word` in `line` when it begins with it. */
static const char *after_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	if (strncasecmp(line, word, n) != 0 || (line[n] && !is_blank(line[n])))
		return NULL;
	return skip_blanks(line + n);
}

/* What a configuration sets that does not hold in one that it leads to. */
static void forget_globals(struct syslinux_parser *p)
{
	syslinux_clear_label(&p->label);
	set_string(&p->append, NULL);
	set_string(&p->default_name, NULL);
	set_string(&p->timeout_name, NULL);
	set_string(&p->whichsys_name, NULL);
	set_string(&p->menu.title, NULL);
	p->menu.timeout_ds = 0;
	p->submenu = SYSLINUX_TOP;
	for (size_t i = 0; i < p->n_submenus; i++) {
		free(p->submenus[i].tag);
		free(p->submenus[i].title);
		free(p->submenus[i].label);
	}
	p->n_submenus = 0;
	for (size_t i = 0; i < p->n_links; i++) {
		free(p->links[i].label);
		free(p->links[i].file);
		free(p->links[i].dir);
	}
	p->n_links = 0;
}

static void parser_free(struct syslinux_parser *p)
{
	forget_globals(p);
	for (size_t i = 0; i < p->n_origins; i++)
		free(p->origins[i].label);
	free(p->origins);
	free(p->submenus);
	free(p->links);
	free(p->dir);
	menu_free(&p->menu);
}

/* ---- submenus */

static int begin_submenu(struct syslinux_parser *p, const char *tag, struct err *e)
{
	struct syslinux_submenu *s;
	unsigned depth = 1;
	int r = syslinux_finish_label(p, e);

	if (r < 0)
		return r;
	for (size_t i = p->submenu; i != SYSLINUX_TOP; i = p->submenus[i].outer)
		depth++;
	if (depth > SYSLINUX_MAX_DEPTH)
		return fail_source(e, -ELOOP, "submenus more than %d deep", SYSLINUX_MAX_DEPTH);
	if (p->n_submenus >= MAX_SUBMENUS)
		return fail_source(e, -E2BIG, "more than %d submenus", MAX_SUBMENUS);
	s = ARRAY_ADD(p->submenus, p->n_submenus, p->cap_submenus);
	s->outer = p->submenu;
	s->tag = xstrdup(tag);
	p->submenu = p->n_submenus - 1;
	return 0;
}

static int end_submenu(struct syslinux_parser *p, struct err *e)
{
	int r = syslinux_finish_label(p, e);

	if (r == 0 && p->submenu != SYSLINUX_TOP)
		p->submenu = p->submenus[p->submenu].outer;
	return r;
}

/* A submenu's name in full; NULL for the top level. The caller frees. */
static char *submenu_name(const struct syslinux_parser *p, size_t i)
{
	AUTO_FREE char *outer = NULL, *own = NULL;
	const struct syslinux_submenu *s;

	if (i == SYSLINUX_TOP)
		return NULL;
	s = &p->submenus[i];
	outer = submenu_name(p, s->outer);
	own = syslinux_title(s->label ? s->label : s->title ? s->title : s->tag);
	return menu_submenu(outer, own);
}

/* ---- lines */

enum key {
	KEY_LABEL,
	KEY_KERNEL,
	KEY_LINUX,
	KEY_CONFIG,
	KEY_OTHER_KERNEL,
	KEY_APPEND,
	KEY_INITRD,
	KEY_DEFAULT,
	KEY_UI,
	KEY_ONTIMEOUT,
	KEY_TIMEOUT,
	KEY_INCLUDE,
	KEY_TEXT,
	KEY_MENU,
	KEY_MENU_LABEL,
	KEY_MENU_TITLE,
	KEY_MENU_DEFAULT,
	KEY_MENU_LEAVE_OUT,
	KEY_MENU_BEGIN,
	KEY_MENU_END,
	KEY_MENU_SEPARATOR,
	KEY_UNKNOWN,
};

struct keyword {
	const char *word;
	enum key key;
};

static const struct keyword keywords[] = {
	{ "label", KEY_LABEL },
	{ "kernel", KEY_KERNEL },
	{ "linux", KEY_LINUX },
	{ "com32", KEY_OTHER_KERNEL },
	{ "config", KEY_CONFIG },
	{ "localboot", KEY_OTHER_KERNEL },
	{ "boot", KEY_OTHER_KERNEL },
	{ "bss", KEY_OTHER_KERNEL },
	{ "pxe", KEY_OTHER_KERNEL },
	{ "fdimage", KEY_OTHER_KERNEL },
	{ "comboot", KEY_OTHER_KERNEL },
	{ "append", KEY_APPEND },
	{ "initrd", KEY_INITRD },
	{ "default", KEY_DEFAULT },
	{ "ui", KEY_UI },
	{ "ontimeout", KEY_ONTIMEOUT },
	{ "timeout", KEY_TIMEOUT },
	{ "include", KEY_INCLUDE },
	{ "text", KEY_TEXT },
	{ "menu", KEY_MENU },
};

/* After MENU. */
static const struct keyword menu_keywords[] = {
	{ "label", KEY_MENU_LABEL },    { "title", KEY_MENU_TITLE },         { "default", KEY_MENU_DEFAULT },
	{ "hide", KEY_MENU_LEAVE_OUT }, { "disable", KEY_MENU_LEAVE_OUT },   { "disabled", KEY_MENU_LEAVE_OUT },
	{ "quit", KEY_MENU_LEAVE_OUT }, { "goto", KEY_MENU_LEAVE_OUT },      { "exit", KEY_MENU_LEAVE_OUT },
	{ "help", KEY_MENU_LEAVE_OUT }, { "begin", KEY_MENU_BEGIN },         { "end", KEY_MENU_END },
	{ "include", KEY_INCLUDE },     { "separator", KEY_MENU_SEPARATOR },
};

static enum key find_keyword(const struct keyword *k, size_t n, const char *line, const char **ret_arg)
{
	for (; n--; k++)
		if ((*ret_arg = after_word(line, k->word)))
			return k->key;
	return KEY_UNKNOWN;
}

/* SYSLINUX knows only its working directory; some configurations are written as if the including file's counted. */
static int include(struct syslinux_parser *p, const char *name, struct err *e)
{
	const char *including = p->open_files[p->depth - 1];
	AUTO_FREE char *path = NULL, *dir = NULL, *beside = NULL;
	int r = menu_path(p->dir, name, &path, e);

	if (r < 0)
		return r;
	r = read_file(p, path, e);
	if (r != -ENOENT)
		return r;
	err_clear(e);
	dir = xstrndup(including, (size_t)(strrchr(including, '/') - including));
	r = menu_path(dir, name, &beside, e);
	if (r == 0 && strcmp(beside, path) != 0)
		r = read_file(p, beside, e);
	if (r != -ENOENT)
		return r;
	err_clear(e);
	return 0;
}

/* A tag after the name makes a submenu of the file. */
static int include_line(struct syslinux_parser *p, const char *arg, struct err *e)
{
	size_t len = word_length(arg);
	AUTO_FREE char *name = xstrndup(arg, len);
	const char *tag = skip_blanks(arg + len);
	int r = 0;

	if (!len)
		return 0;
	if (*tag)
		r = begin_submenu(p, tag, e);
	if (r == 0)
		r = include(p, name, e);
	return r == 0 && *tag ? end_submenu(p, e) : r;
}

/* "ui vesamenu.c32 live.cfg" and "default vesamenu.c32 live.cfg" show the menu of another file. */
static void note_menu_program(struct syslinux_parser *p, const char *arg)
{
	size_t len = word_length(arg);

	if (ends_with(arg, len, "menu.c32") && *skip_blanks(arg + len))
		syslinux_add_link(p, "", skip_blanks(arg + len), "");
}

static void set_kernel(struct syslinux_label *l, enum label_type type, const char *arg)
{
	if (!l->name)
		return;
	l->type = type;
	set_string(&l->kernel, arg);
}

static void set_timeout(struct syslinux_parser *p, const char *arg)
{
	long n = strtol(arg, NULL, 10);

	if (p->submenu == SYSLINUX_TOP)
		p->menu.timeout_ds = n < 0 ? 0 : n > MAX_TIMEOUT ? MAX_TIMEOUT : (unsigned)n;
}

static void set_menu_title(struct syslinux_parser *p, const char *arg)
{
	struct syslinux_submenu *s = p->submenu == SYSLINUX_TOP ? NULL : &p->submenus[p->submenu];

	if (s && !s->title)
		s->title = xstrdup(arg);
	if (s)
		return;
	free(p->menu.title);
	p->menu.title = syslinux_title(arg);
}

/* Before the first label of a submenu it is about the submenu. */
static void set_menu_label(struct syslinux_parser *p, const char *arg)
{
	if (p->label.name)
		set_string(&p->label.title, arg);
	else if (p->submenu != SYSLINUX_TOP)
		set_string(&p->submenus[p->submenu].label, arg);
}

/* What only sets something; everything else is parse_line()'s. */
static void set_line(struct syslinux_parser *p, enum key key, const char *arg)
{
	struct syslinux_label *l = &p->label;

	switch (key) {
	case KEY_KERNEL:
		set_kernel(l, TYPE_KERNEL, arg);
		break;
	case KEY_LINUX:
		set_kernel(l, TYPE_LINUX, arg);
		break;
	case KEY_OTHER_KERNEL:
		set_kernel(l, TYPE_OTHER, arg);
		break;
	case KEY_CONFIG:
		set_kernel(l, TYPE_CONFIG, arg);
		break;
	case KEY_APPEND:
		set_string(l->name ? &l->append : &p->append, arg);
		break;
	case KEY_INITRD:
		set_string(&l->initrd, arg);
		break;
	case KEY_DEFAULT:
		set_string(&p->default_name, arg);
		note_menu_program(p, arg);
		break;
	case KEY_UI:
		note_menu_program(p, arg);
		break;
	case KEY_ONTIMEOUT:
		set_string(&p->timeout_name, arg);
		break;
	case KEY_TIMEOUT:
		set_timeout(p, arg);
		break;
	case KEY_MENU_LABEL:
		set_menu_label(p, arg);
		break;
	case KEY_MENU_TITLE:
		set_menu_title(p, arg);
		break;
	case KEY_MENU_DEFAULT:
		/* within a submenu it says only where the bar stands when that is opened */
		l->is_default = p->submenu == SYSLINUX_TOP;
		break;
	case KEY_MENU_LEAVE_OUT:
		l->left_out = true;
		break;
	default:
		break;
	}
}

static int parse_line(struct syslinux_parser *p, const char *line, bool *in_text, struct err *e)
{
	const char *arg;
	enum key key = find_keyword(keywords, ARRAY_SIZE(keywords), line, &arg);
	int r = 0;

	if (*in_text) {
		*in_text = !after_word(line, "endtext");
		return 0;
	}
	if (key == KEY_MENU)
		key = find_keyword(menu_keywords, ARRAY_SIZE(menu_keywords), arg, &arg);
	switch (key) {
	case KEY_TEXT:
		*in_text = true;
		break;
	case KEY_INCLUDE:
		r = include_line(p, arg, e);
		break;
	case KEY_LABEL:
		r = syslinux_finish_label(p, e);
		set_string(&p->label.name, arg);
		break;
	case KEY_MENU_SEPARATOR:
		r = syslinux_finish_label(p, e);
		break;
	case KEY_MENU_BEGIN:
		r = begin_submenu(p, arg, e);
		break;
	case KEY_MENU_END:
		r = end_submenu(p, e);
		break;
	default:
		set_line(p, key, arg);
		break;
	}
	return r;
}

static int parse_text(struct syslinux_parser *p, const char *path, const char *text, size_t len, struct err *e)
{
	char line[MAX_LINE + 1];
	bool in_text = false;
	unsigned number = 0;

	for (size_t n; len; len -= n, text += n) {
		const char *end = memchr(text, '\n', len);
		size_t used = end ? (size_t)(end - text) : len;
		int r;

		n = used + (end != NULL);
		number++;
		if (used > MAX_LINE)
			return fail_source(e, -E2BIG, "%s:%u: the line is longer than %d bytes", path, number,
			                   MAX_LINE);
		memcpy(line, text, used);
		line[used] = '\0';
		line[strcspn(line, "\r")] = '\0';
		r = parse_line(p, skip_blanks(line), &in_text, e);
		if (r < 0)
			return fail(e, r, "%s:%u", path, number);
	}
	return 0;
}

static int read_file(struct syslinux_parser *p, const char *path, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int r;

	for (unsigned i = 0; i < p->depth; i++)
		if (strcmp(p->open_files[i], path) == 0)
			return fail_source(e, -ELOOP, "%s includes itself", path);
	if (p->depth >= SYSLINUX_MAX_DEPTH)
		return fail_source(e, -ELOOP, "%s: included more than %d deep", path, SYSLINUX_MAX_DEPTH);
	if (p->n_files >= MAX_FILES || p->n_tried++ >= MAX_TRIED)
		return fail_source(e, -E2BIG, "%s: too many files are included", path);
	r = p->loader->load(p->loader->ctx, path, &text, &len, e);
	if (r < 0)
		return r;
	if (len > MAX_TEXT)
		return fail_source(e, -EFBIG, "%s: is too large for a boot menu", path);
	p->n_files++;
	p->open_files[p->depth++] = path;
	r = parse_text(p, path, text, len, e);
	p->depth--;
	return r;
}

/* ---- the whole */

/* The entry that `name` (of which the first word counts) is the label of. */
static bool find_entry(const struct syslinux_parser *p, const char *name, size_t *ret)
{
	size_t len = name ? word_length(name) : 0;

	for (size_t i = 0; len && i < p->n_origins; i++) {
		if (strncmp(p->origins[i].label, name, len) == 0 && !p->origins[i].label[len]) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* What starts when nobody touches a key. */
static void set_default(struct syslinux_parser *p)
{
	size_t i;

	if (find_entry(p, p->timeout_name, &i) || find_entry(p, p->default_name, &i))
		menu_set_default(&p->menu, i);
	for (i = 0; i < p->menu.n; i++)
		if (p->menu.entry[i].is_default)
			return;
	if (p->menu.n)
		menu_set_default(&p->menu, 0);
}

static const struct syslinux_link *choose_link(const struct syslinux_parser *p)
{
	const char *wanted = p->whichsys_name ? p->whichsys_name : p->default_name;

	for (size_t i = 0; wanted && i < p->n_links; i++)
		if (strcmp(p->links[i].label, wanted) == 0)
			return &p->links[i];
	return p->n_links ? &p->links[0] : NULL;
}

static int read_config(struct syslinux_parser *p, const char *path, struct err *e)
{
	int r = read_file(p, path, e);

	if (r == 0 && (r = syslinux_finish_label(p, e)) < 0)
		return fail(e, r, "%s", path);
	return r;
}

static int follow(struct syslinux_parser *p, const struct syslinux_link *l, struct err *e)
{
	AUTO_FREE char *path = NULL, *dir = NULL;
	int r = menu_path(p->dir, l->file, &path, e);

	if (r == 0)
		r = menu_path(p->dir, l->dir, &dir, e);
	if (r < 0)
		return r;
	forget_globals(p);
	free(p->dir);
	p->dir = TAKE(dir);
	r = read_config(p, path, e);
	if (r != -ENOENT)
		return r;
	err_clear(e);
	return 0;
}

int menu_read_syslinux(const struct menu_loader *l, const char *path, struct menu *ret, struct err *e)
{
	CLEANUP(parser_free) struct syslinux_parser p = { .loader = l, .submenu = SYSLINUX_TOP };
	AUTO_FREE char *first = NULL;
	const struct syslinux_link *link;
	int r = menu_path("/", path, &first, e);

	if (r < 0)
		return r;
	p.dir = xstrndup(first, (size_t)(strrchr(first, '/') - first));
	r = read_config(&p, first, e);
	if (r == -ENOENT && !e->text)
		return fail_source(e, r, "%s: no such file", first);
	for (unsigned i = 0; r == 0 && i < SYSLINUX_MAX_DEPTH && !p.menu.n && (link = choose_link(&p)); i++)
		r = follow(&p, link, e);
	if (r < 0)
		return r;
	set_default(&p);
	for (size_t i = 0; i < p.menu.n; i++)
		p.menu.entry[i].submenu = submenu_name(&p, p.origins[i].submenu);
	*ret = p.menu;
	p.menu = (struct menu){ 0 };
	return 0;
}
