/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What belongs to a module, and its bytes. */
#include <errno.h>

#include "persist/modinfo.h"
#include "persist/shelf_private.h"
#include "src/source/unpack.h"

#define MODULE_MAX   (32 * MIB)
#define UNPACKED_MAX (64 * MIB)

/* ---- what belongs to a module */

struct names {
	char **name;
	size_t n, cap;
};

/* Words between blanks, or whatever `separators` are, up to the end of the line. */
static void add_words(struct names *names, const char *line, const char *separators, bool are_paths)
{
	const char *end = line + strcspn(line, "\n");

	for (const char *p = line; (p += strspn(p, separators)) < end;) {
		size_t len = strcspn(p, separators), name_len = MIN(len, (size_t)(end - p));
		const char *name = are_paths ? shelf_file_name(p, name_len, &name_len) : p;

		if (name_len)
			*ARRAY_ADD(names->name, names->n, names->cap) = xstrndup(name, name_len);
		p += len;
	}
}

/* Of "pre: a b post: c" the words of one kind. */
static void add_soft_words(struct names *names, const char *line, bool behind)
{
	struct names words = { 0 };
	bool is_behind = false, is_before = false;

	add_words(&words, line, " \t", false);
	for (size_t i = 0; i < words.n; i++) {
		char *w = words.name[i];
		bool is_mark = strcmp(w, "pre:") == 0 || strcmp(w, "post:") == 0;

		if (is_mark) {
			is_behind = strcmp(w, "post:") == 0;
			is_before = !is_behind;
		}
		if (!is_mark && (behind ? is_behind : is_before))
			*ARRAY_ADD(names->name, names->n, names->cap) = TAKE(w);
		free(w);
	}
	free(words.name);
}

static bool is_same_name(const char *a, size_t len, const char *normal)
{
	for (size_t i = 0; i < len; i++)
		if ((a[i] == '-' ? '_' : a[i]) != normal[i])
			return false;
	return !normal[len];
}

/* Lines "softdep NAME pre: ...". */
static void add_recorded_soft(struct names *names, const char *record, const char *name, bool behind)
{
	static const char word[] = "softdep ";

	for (const char *line = record; line && *line;) {
		const char *p = line + sizeof(word) - 1;

		if (strncmp(line, word, sizeof(word) - 1) == 0) {
			size_t len = strcspn(p, " \t\n");

			if (is_same_name(p, MIN(len, strlen(name) + 1), name))
				add_soft_words(names, p + len, behind);
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

/* depmod has not been here: the module says itself what it needs. */
static int ask_module(struct shelves *s, const struct shelf_module *m, enum shelf_relation relation,
                      struct names *names, struct err *e)
{
	AUTO_BUF struct buf data = { 0 };
	int r = shelves_load(s, m, &data, e);
	const char *key = relation == SHELF_DEPENDENCIES ? "depends" : "softdep", *value = NULL;

	while (r == 0 && (value = modinfo_find((const u8 *)data.s, data.len, key, value)))
		if (relation == SHELF_DEPENDENCIES)
			add_words(names, value, ",", false);
		else
			add_soft_words(names, value, relation == SHELF_SOFT_BEHIND);
	return r;
}

int shelves_each_related(struct shelves *s, const struct shelf_module *m, enum shelf_relation relation,
                         shelf_name_fn *fn, void *ctx, struct err *e)
{
	const char *soft = s->shelf[m->shelf].record[SOFTDEP];
	struct names names = { 0 };
	int r = 0;

	if (!m->deps)
		r = ask_module(s, m, relation, &names, e);
	else if (relation == SHELF_DEPENDENCIES)
		add_words(&names, m->deps, " \t", true);
	else
		add_recorded_soft(&names, soft, m->name, relation == SHELF_SOFT_BEHIND);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		/* The nearest is written first. */
		bool is_reverse = m->deps && relation == SHELF_DEPENDENCIES;

		r = fn(ctx, names.name[is_reverse ? names.n - 1 - i : i], e);
	}
	for (size_t i = 0; i < names.n; i++)
		free(names.name[i]);
	free(names.name);
	return r;
}

int shelves_each_alias(const struct shelves *s, const char *alias, shelf_name_fn *fn, void *ctx, struct err *e)
{
	AUTO_BUF struct buf start = { 0 };
	int r = 0;

	buf_addf(&start, "alias %s ", alias);
	for (size_t i = 0; i < s->n_shelves && r == 0; i++)
		for (const char *line = s->shelf[i].record[ALIAS]; line && *line && r == 0;) {
			if (strncmp(line, start.s, start.len) == 0) {
				AUTO_FREE char *name = xstrndup(line + start.len, strcspn(line + start.len, " \n"));

				r = fn(ctx, name, e);
			}
			line += strcspn(line, "\n");
			line += *line == '\n';
		}
	return r;
}

/* ---- the bytes */

static void add_glob(struct buf *b, const char *path)
{
	for (; *path; path++)
		buf_addf(b, "%s%c", strchr("\\*?[", *path) ? "\\" : "", *path);
}

int shelves_fetch(struct shelves *s, const struct shelf_module *const *m, size_t n, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < s->n_shelves && r == 0; i++) {
		struct shelf *sh = &s->shelf[i];
		struct names globs = { 0 };

		if (!sh->rd || !sh->record[DEP])
			continue;
		for (size_t k = 0; k < n; k++)
			if (m[k]->shelf == i) {
				struct buf glob = { 0 };

				add_glob(&glob, sh->dir);
				add_glob(&glob, "/");
				add_glob(&glob, m[k]->path);
				*ARRAY_ADD(globs.name, globs.n, globs.cap) = glob.s;
			}
		if (globs.n) {
			*ARRAY_ADD(globs.name, globs.n, globs.cap) = NULL;
			initrd_free(TAKE(sh->rd));
			r = shelf_open_initrd(sh->file, (const char *const *)globs.name, &sh->rd, e);
		}
		for (size_t k = 0; k < globs.n; k++)
			free(globs.name[k]);
		free(globs.name);
	}
	return r;
}

/* As it is kept, perhaps packed; what it is in is `name`. The caller frees. */
static int load_packed(struct shelves *s, const struct shelf_module *m, const char *path, const char *name, char **ret,
                       size_t *ret_len, struct err *e)
{
	const struct shelf *sh = &s->shelf[m->shelf];
	const struct initrd_entry *x;

	if (!sh->rd)
		return image_load_entry(&s->images, &m->entry, path, MODULE_MAX, ret, ret_len, e);
	x = initrd_find(sh->rd, path);
	if (!x || !x->text)
		return fail_source(e, -EFBIG, "%s: is larger than a module can be", name);
	*ret_len = x->size;
	*ret = xcalloc(1, x->size + 1);
	memcpy(*ret, x->text, x->size);
	return 0;
}

int shelves_load(struct shelves *s, const struct shelf_module *m, struct buf *ret, struct err *e)
{
	const struct shelf *sh = &s->shelf[m->shelf];
	AUTO_BUF struct buf path = { 0 }, name = { 0 };
	AUTO_FREE char *packed = NULL;
	size_t len;
	int r;

	buf_addf(&path, "%s/%s", sh->dir, m->path);
	buf_addf(&name, "%s: %s", sh->name, path.s);
	r = load_packed(s, m, path.s, name.s, &packed, &len, e);
	if (r < 0)
		return r;
	if (unpack_name((u8 *)packed, len)) {
		r = unpack_to(input_memory(packed), len, name.s, UNPACKED_MAX, ret, e);
		if (r < 0)
			return r;
	} else {
		buf_add(ret, packed, len);
	}
	if (!modinfo_is_elf((u8 *)ret->s, ret->len))
		return fail_source(e, -EINVAL, "%s: is no kernel module", name.s);
	return 0;
}
