/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu_syslinux.h"

#include <errno.h>

#include "src/base/args.h"

#define MAX_ENTRIES 1000
#define MAX_INITRDS 32
#define MAX_LINKS   1000

void syslinux_clear_label(struct syslinux_label *l)
{
	free(l->name);
	free(l->kernel);
	free(l->append);
	free(l->initrd);
	free(l->title);
	*l = (struct syslinux_label){ 0 };
}

/* KERNEL goes by the extension (ldlinux.c: file_extensions). */
static bool is_linux(enum label_type type, const char *kernel, size_t len)
{
	static const char *const other_ext[] = { ".c32", ".img", ".bss", ".bin", ".bs", ".0", ".com", ".cbt" };

	if (type != TYPE_KERNEL && type != TYPE_LINUX)
		return false;
	for (size_t i = 0; type == TYPE_KERNEL && i < ARRAY_SIZE(other_ext); i++)
		if (ends_with(kernel, len, other_ext[i]))
			return false;
	return menu_is_linux(kernel, len);
}

void syslinux_add_link(struct syslinux_parser *p, const char *label, const char *file, const char *dir)
{
	struct syslinux_link *l;

	if (p->n_links >= MAX_LINKS)
		return;
	l = ARRAY_ADD(p->links, p->n_links, p->cap_links);
	l->label = xstrdup(label);
	l->file = xstrndup(file, word_length(file));
	l->dir = xstrndup(dir, word_length(dir));
}

/* "-pxe- a -sys- b -iso- c": the label for a start from CD, else for one from disk. */
static void read_whichsys(struct syslinux_parser *p, const char *args)
{
	static const char *const marks[] = { "-iso-", "-sys-" };

	for (size_t i = 0; i < ARRAY_SIZE(marks) && !p->whichsys_name; i++) {
		const char *name = strstr(args, marks[i]);

		if (!name)
			continue;
		name = skip_blanks(name + strlen(marks[i]));
		p->whichsys_name = xstrndup(name, word_length(name));
	}
}

/* A label that starts no kernel may lead to another configuration. */
static void note_link(struct syslinux_parser *p, const struct syslinux_label *l, const char *append)
{
	size_t len = word_length(l->kernel);

	if (l->type == TYPE_CONFIG)
		syslinux_add_link(p, l->name, l->kernel, l->kernel[len] ? skip_blanks(l->kernel + len) : append);
	else if (ends_with(l->kernel, len, "whichsys.c32"))
		read_whichsys(p, append);
	else if (ends_with(l->kernel, len, "menu.c32") && *append)
		syslinux_add_link(p, l->name, append, "");
}

/* SYSLINUX takes the first "initrd=" of the line, in which the one from the keyword INITRD comes last. */
static int set_initrds(struct syslinux_parser *p, struct menu_entry *entry, const char *args, struct err *e)
{
	const char *list = p->label.initrd ? p->label.initrd : "", *word;
	size_t len = word_length(list);

	for (size_t n; (word = args_next(&args, &n));) {
		if (n >= 7 && memcmp(word, "initrd=", 7) == 0) {
			list = word + 7;
			len = n - 7;
			break;
		}
	}
	for (const char *end = list + len; list < end;) {
		size_t n = strcspn(list, ",");
		AUTO_FREE char *name = NULL, *path = NULL;
		int r;

		n = MIN(n, (size_t)(end - list));
		name = xstrndup(list, n);
		list += MIN(n + 1, (size_t)(end - list));
		if (!n)
			continue;
		if (entry->n_initrds >= MAX_INITRDS)
			return fail_source(e, -E2BIG, "more than %d initrds", MAX_INITRDS);
		if ((r = menu_path(p->dir, name, &path, e)) < 0)
			return r;
		menu_entry_add_initrd(entry, path);
	}
	return 0;
}

char *syslinux_title(const char *text)
{
	AUTO_BUF struct buf title = { 0 };

	buf_adds(&title, "");
	for (const char *s = text; *s; s++)
		if (*s != '^')
			buf_add(&title, s, 1);
	return menu_one_line(title.s);
}

static int add_entry(struct syslinux_parser *p, const char *append, struct err *e)
{
	const struct syslinux_label *l = &p->label;
	size_t kernel_len = word_length(l->kernel);
	AUTO_FREE char *kernel = xstrndup(l->kernel, kernel_len), *args = NULL;
	AUTO_BUF struct buf line = { 0 };
	struct syslinux_origin *origin;
	struct menu_entry *entry;
	int r;

	if (p->menu.n >= MAX_ENTRIES)
		return fail_source(e, -E2BIG, "more than %d menu entries", MAX_ENTRIES);
	buf_addf(&line, "%s %s", l->kernel + kernel_len, append);
	args = menu_args(line.s);
	if (strlen(args) > MENU_ARGS_MAX)
		return fail_source(e, -E2BIG, "label %s: kernel arguments of %zu bytes, the kernel takes %d", l->name,
		                   strlen(args), MENU_ARGS_MAX);
	origin = ARRAY_ADD(p->origins, p->n_origins, p->cap_origins);
	origin->label = xstrdup(l->name);
	origin->submenu = p->submenu;
	entry = menu_add(&p->menu);
	entry->id = menu_new_id(&p->menu, l->name);
	entry->title = syslinux_title(l->title ? l->title : l->name);
	entry->args = TAKE(args);
	r = menu_path(p->dir, kernel, &entry->kernel, e);
	if (r == 0)
		r = set_initrds(p, entry, line.s, e);
	if (r < 0)
		return fail(e, r, "label %s", l->name);
	if (l->is_default)
		menu_set_default(&p->menu, p->menu.n - 1);
	return 0;
}

int syslinux_finish_label(struct syslinux_parser *p, struct err *e)
{
	struct syslinux_label *l = &p->label;
	const char *append = l->append ? l->append : p->append ? p->append : "";
	int r = 0;

	if (strcmp(append, "-") == 0)
		append = "";
	if (l->name && l->type != TYPE_NONE && !l->left_out) {
		if (is_linux(l->type, l->kernel, word_length(l->kernel)))
			r = add_entry(p, append, e);
		else
			note_link(p, l, append);
	}
	syslinux_clear_label(l);
	return r;
}
