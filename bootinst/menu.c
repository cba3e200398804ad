/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu.h"

#include <errno.h>
#include <stdio.h>

#include "src/base/args.h"
#include "src/base/utf8.h"

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
	free(e->submenu);
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

/* Runs of what an id cannot hold become one '-', none at the ends; a digit is never the first. */
static void sanitize_id(const char *label, char ret_id[MENU_ID_MAX + 1])
{
	size_t n = 0;

	for (const char *p = label; *p && n < MENU_ID_MAX; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;

		if (!n && c >= '0' && c <= '9')
			n = (size_t)snprintf(ret_id, MENU_ID_MAX, "entry-");
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')
			ret_id[n++] = c;
		else if (n && ret_id[n - 1] != '-')
			ret_id[n++] = '-';
	}
	while (n && ret_id[n - 1] == '-')
		n--;
	ret_id[n] = '\0';
}

/* "base-2", "base-3", cut to size before the number. */
static void numbered_id(const char *base, size_t number, char ret_id[MENU_ID_MAX + 1])
{
	char suffix[24];
	int room = MENU_ID_MAX - snprintf(suffix, sizeof(suffix), "-%zu", number);

	room -= (int)strlen(base) >= room && base[room - 1] == '-';
	snprintf(ret_id, MENU_ID_MAX + 1, "%.*s%s", room, base, suffix);
}

char *menu_new_id(const struct menu *m, const char *label)
{
	char base[MENU_ID_MAX + 1], id[MENU_ID_MAX + 1];
	size_t limit = m->n + 3, number = 2; /* one of the numbers below the limit is free */
	AUTO_FREE bool *taken = xcalloc(limit, sizeof(*taken));

	sanitize_id(label, id);
	snprintf(base, sizeof(base), "%s", id[0] ? id : "entry");
	if (!id_taken(m, base))
		return xstrdup(base);
	for (size_t i = 0; i < m->n; i++) {
		const char *dash = m->entry[i].id ? strrchr(m->entry[i].id, '-') : NULL;
		unsigned long n = dash ? strtoul(dash + 1, NULL, 10) : 0;

		if (n >= limit)
			continue;
		numbered_id(base, n, id);
		taken[n] |= dash && strcmp(id, m->entry[i].id) == 0;
	}
	while (taken[number])
		number++;
	numbered_id(base, number, id);
	return xstrdup(id);
}

/* Control characters of all kinds count as blanks. */
static bool is_blank(u32 c)
{
	return c <= ' ' || (c >= 0x7f && c < 0xa0);
}

char *menu_one_line(const char *text)
{
	const u8 *end = (const u8 *)text + strlen(text);
	struct buf line = { 0 };
	bool blank = false;

	buf_adds(&line, "");
	for (const u8 *p = (const u8 *)text, *next; p < end; p = next) {
		u32 c = '?'; /* what is not UTF-8 counts byte by byte */
		size_t len = utf8_decode(p, end, &c);

		next = p + (len ? len : 1);
		if (is_blank(c)) {
			blank = line.len > 0;
			continue;
		}
		if (line.len + blank + MAX(len, 1U) > MENU_TITLE_MAX)
			break;
		buf_add(&line, " ", blank);
		buf_add(&line, len ? (const char *)p : "?", MAX(len, 1U));
		blank = false;
	}
	return line.s;
}

char *menu_submenu(const char *outer, const char *title)
{
	AUTO_FREE char *own = menu_one_line(title);
	AUTO_BUF struct buf name = { 0 };

	buf_addf(&name, "%s%s%s", outer ? outer : "", outer ? ": " : "", *own ? own : "...");
	return menu_one_line(name.s);
}

char *menu_args(const char *line)
{
	static const char *const of_loaders[] = { "initrd=", "BOOT_IMAGE=" };
	AUTO_FREE char *plain = xstrdup(line);
	struct buf args = { 0 };

	for (char *c = plain; *c; c++)
		if ((u8)*c < ' ' || *c == 0x7f)
			*c = ' ';
	args_without(plain, of_loaders, ARRAY_SIZE(of_loaders), &args);
	return args.s;
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
	size_t n = (size_t)(kernel + len - name);

	if (n == 0 || (n <= 2 && memcmp(name, "..", n) == 0)) /* a directory */
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		if (strncasecmp(name, other[i], strlen(other[i])) == 0)
			return false;
	return true;
}
