/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu.h"

#include <errno.h>
#include <stdio.h>

struct menu_entry *menu_add(struct menu *m)
{
	return ARRAY_ADD(m->entry, m->n, m->cap);
}

void menu_entry_add_initrd(struct menu_entry *e, const char *path)
{
	*ARRAY_ADD(e->initrds, e->n_initrds, e->cap_initrds) = xstrdup(path);
}

static void entry_free(struct menu_entry *e)
{
	for (size_t k = 0; k < e->n_initrds; k++)
		free(e->initrds[k]);
	free(e->initrds);
	free(e->id);
	free(e->title);
	free(e->kernel);
	free(e->args);
}

void menu_drop_last(struct menu *m)
{
	entry_free(&m->entry[--m->n]);
}

void menu_free(struct menu *m)
{
	while (m->n)
		menu_drop_last(m);
	free(m->entry);
	free(m->title);
	*m = (struct menu){ 0 };
}

static bool id_taken(const struct menu *m, const char *id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->entry[i].id && strcmp(m->entry[i].id, id) == 0)
			return true;
	return false;
}

/* Runs of what an id cannot hold become one '-', none at the ends. */
static void sanitize_id(const char *label, char ret_id[MENU_ID_MAX + 1])
{
	size_t n = 0;

	for (const char *p = label; *p && n < MENU_ID_MAX; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')
			ret_id[n++] = c;
		else if (n && ret_id[n - 1] != '-')
			ret_id[n++] = '-';
	}
	while (n && ret_id[n - 1] == '-')
		n--;
	ret_id[n] = '\0';
}

char *menu_new_id(const struct menu *m, const char *label)
{
	char base[MENU_ID_MAX + 1], id[MENU_ID_MAX + 1], suffix[24];

	sanitize_id(label, base);
	snprintf(id, sizeof(id), "%s", base[0] ? base : "entry");
	memcpy(base, id, sizeof(base));
	for (size_t n = 2; id_taken(m, id); n++) {
		int len = snprintf(suffix, sizeof(suffix), "-%zu", n);

		snprintf(id, sizeof(id), "%.*s%s", MENU_ID_MAX - len, base, suffix);
	}
	return xstrdup(id);
}

void menu_set_default(struct menu *m, size_t i)
{
	for (size_t k = 0; k < m->n; k++)
		m->entry[k].is_default = k == i;
}

/* Walks `path` from where `b` is; false when it climbs above the root. */
static bool walk(struct buf *b, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0) {
			if (!b->len)
				return false;
			b->len = (size_t)(strrchr(b->s, '/') - b->s);
			b->s[b->len] = '\0';
		} else if (len && !(len == 1 && *path == '.')) {
			buf_adds(b, "/");
			buf_add(b, path, len);
		}
		path += len + (path[len] == '/');
	}
	return true;
}

int menu_path(const char *dir, const char *path, char **ret, struct err *e)
{
	AUTO_BUF struct buf b = { 0 };

	if (strncmp(path, "::", 2) == 0)
		path += 2;
	buf_adds(&b, "");
	if ((*path != '/' && !walk(&b, dir)) || !walk(&b, path))
		return fail_source(e, -EINVAL, "the path %s leads out of the tree", path);
	if (!b.len)
		buf_adds(&b, "/");
	*ret = TAKE(b.s);
	return 0;
}

bool menu_is_linux(const char *kernel, size_t len)
{
	static const char *const other[] = { "memtest", "mt86", "memdisk", "ipxe", "gpxe", "hdt", "shell" };
	const char *slash = memrchr(kernel, '/', len), *name = slash ? slash + 1 : kernel;

	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		if (strncasecmp(name, other[i], strlen(other[i])) == 0)
			return false;
	return name < kernel + len;
}
