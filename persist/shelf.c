/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/shelf_private.h"

#include <errno.h>
#include <sys/stat.h>

#include "persist/kernel_private.h"

#define RECORD_MAX   (16 * MIB) /* of what depmod writes; modules.alias has 2 MB */
#define NAME_MAX_LEN 100

static const char *const records[N_RECORDS] = { "modules.dep", "modules.softdep", "modules.alias", "modules.builtin" };

/* ---- names */

const char *shelf_file_name(const char *path, size_t len, size_t *ret_len)
{
	const char *slash = memrchr(path, '/', len), *name = slash ? slash + 1 : path;
	const char *dot = memmem(name, len - (size_t)(name - path), ".ko", 3);

	*ret_len = dot ? (size_t)(dot - name) : 0;
	return name;
}

static char *normalised(const char *name, size_t len)
{
	char *s = xstrndup(name, len);

	for (char *p = s; *p; p++)
		if (*p == '-')
			*p = '_';
	return s;
}

/* Names become words of a file of settings, and names of files. */
static bool is_fit(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+", name[i]))
			return false;
	return len > 0 && len <= NAME_MAX_LEN;
}

static void add_module(struct shelves *s, size_t shelf, const char *path, const struct image_entry *entry)
{
	size_t len;
	const char *name = shelf_file_name(path, strlen(path), &len);
	struct shelf_module *m;

	if (!is_fit(name, len))
		return;
	m = ARRAY_ADD(s->module, s->n, s->cap);
	m->name = normalised(name, len);
	m->file = xstrndup(name, len);
	m->path = xstrdup(path);
	m->shelf = shelf;
	if (entry)
		m->entry = *entry;
}

/* ---- which versions there are */

struct versions {
	char **version;
	size_t n, cap;
};

static void add_version(struct versions *v, const char *name)
{
	size_t len = kernel_version_length(name, strlen(name) + 1);

	if (len && !name[len])
		*ARRAY_ADD(v->version, v->n, v->cap) = xstrdup(name);
}

static int take_version(void *ctx, const char *path, const struct image_entry *entry)
{
	if (S_ISDIR(entry->mode))
		add_version(ctx, strrchr(path, '/') + 1);
	return 0;
}

static const char *const module_dirs[] = { "/lib/modules", "/usr/lib/modules" };

static int versions_of_images(const struct image_stack *images, struct versions *v, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(module_dirs) && r == 0; i++)
		r = image_list(images, module_dirs[i], take_version, v, e);
	return r;
}

/* The entries below a directory, by the rest of their paths. */
static const char *below(const struct initrd_entry *x, const struct initrd_entry *dir)
{
	size_t len = strlen(dir->path);

	return strncmp(x->path, dir->path, len) == 0 && x->path[len] == '/' ? x->path + len + 1 : NULL;
}

static void versions_of_initrd(const struct initrd *rd, struct versions *v)
{
	for (size_t i = 0; i < ARRAY_SIZE(module_dirs); i++) {
		const struct initrd_entry *dir = initrd_find(rd, module_dirs[i]);

		for (const struct initrd_entry *x = NULL; dir && (x = initrd_match(rd, "*", x));) {
			const char *name = S_ISDIR(x->mode) ? below(x, dir) : NULL;

			if (name && !strchr(name, '/'))
				add_version(v, name);
		}
	}
}

static int versions_of(const struct shelves *s, const struct shelf *sh, struct versions *v, struct err *e)
{
	if (!sh->rd)
		return versions_of_images(&s->images, v, e);
	versions_of_initrd(sh->rd, v);
	return 0;
}

/* Whether all in the list are one. */
static bool is_one(const struct versions *v)
{
	for (size_t i = 1; i < v->n; i++)
		if (strcmp(v->version[i], v->version[0]) != 0)
			return false;
	return v->n > 0;
}

static void versions_free(struct versions *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->version[i]);
	free(v->version);
}

/* Settles the version; finds another one to tell of. */
static int find_versions(struct shelves *s, const char *version, struct err *e)
{
	struct versions all = { 0 };
	int r = 0;

	for (size_t i = 0; i < s->n_shelves && r == 0; i++) {
		size_t from = all.n;

		r = versions_of(s, &s->shelf[i], &all, e);
		for (; from < all.n && version && !s->other_version; from++)
			if (strcmp(all.version[from], version) != 0) {
				s->other_version = xstrdup(all.version[from]);
				s->other_where = xstrdup(s->shelf[i].name);
			}
	}
	if (r == 0 && version)
		s->version = xstrdup(version);
	else if (r == 0 && is_one(&all))
		s->version = xstrdup(all.version[0]);
	versions_free(&all);
	return r;
}

/* ---- what is in the images */

static int load_records_of_images(struct shelves *s, struct shelf *sh, struct err *e)
{
	for (size_t i = 0; i < N_RECORDS; i++) {
		AUTO_BUF struct buf path = { 0 };
		struct image_entry found;
		int r;

		buf_addf(&path, "%s/%s", sh->dir, records[i]);
		r = image_find(&s->images, path.s, &found, e);
		if (r == 1 && S_ISREG(found.mode) && found.size <= RECORD_MAX)
			r = image_load_entry(&s->images, &found, path.s, RECORD_MAX, &sh->record[i], NULL, e);
		if (r < 0)
			return r;
	}
	return 0;
}

struct adding {
	struct shelves *s;
	size_t shelf, prefix;
};

static int add_found(void *ctx, const char *path, const struct image_entry *entry)
{
	const struct adding *a = ctx;

	if (S_ISREG(entry->mode))
		add_module(a->s, a->shelf, path + a->prefix, entry);
	return 0;
}

static int look_into_images(struct shelves *s, size_t shelf, struct err *e)
{
	struct shelf *sh = &s->shelf[shelf];

	for (size_t i = 0; i < ARRAY_SIZE(module_dirs); i++) {
		AUTO_BUF struct buf dir = { 0 };
		struct image_entry found;
		int r;

		buf_addf(&dir, "%s/%s", module_dirs[i], s->version);
		r = image_find(&s->images, dir.s, &found, e);
		if (r == 1 && S_ISDIR(found.mode)) {
			struct adding a = { s, shelf, dir.len + 1 };

			sh->dir = TAKE(dir.s);
			free(sh->name);
			sh->name = xstrdup(image_name(s->images.image[found.in]));
			r = load_records_of_images(s, sh, e);
			return r < 0 ? r : image_each(&s->images, sh->dir, "*.ko*", add_found, &a, e);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- what is in an initrd */

int shelf_open_initrd(const struct own_initrd_file *f, const char *const *texts, struct initrd **ret, struct err *e)
{
	return initrd_open(f->in, f->size, f->name, texts, ret, e);
}

static void add_all(struct shelves *s, size_t shelf, const struct initrd_entry *dir)
{
	struct shelf *sh = &s->shelf[shelf];

	for (const struct initrd_entry *x = NULL; (x = initrd_match(sh->rd, "*.ko*", x));) {
		const char *path = S_ISREG(x->mode) ? below(x, dir) : NULL;

		if (path)
			add_module(s, shelf, path, NULL);
	}
}

static int look_into_initrd(struct shelves *s, size_t shelf, struct err *e)
{
	static const char *const modules[] = { "*.ko*", NULL };
	struct shelf *sh = &s->shelf[shelf];
	const struct initrd_entry *dir = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(module_dirs) && !dir; i++) {
		AUTO_BUF struct buf path = { 0 };

		buf_addf(&path, "%s/%s", module_dirs[i], s->version);
		dir = initrd_find(sh->rd, path.s);
	}
	if (!dir || !S_ISDIR(dir->mode))
		return 0;
	sh->dir = xstrdup(dir->path);
	for (size_t i = 0; i < N_RECORDS; i++) {
		AUTO_BUF struct buf path = { 0 };
		const struct initrd_entry *x;

		buf_addf(&path, "%s/%s", sh->dir, records[i]);
		x = initrd_find(sh->rd, path.s);
		sh->record[i] = x && x->text ? xstrdup(x->text) : NULL;
	}
	add_all(s, shelf, dir);
	if (sh->record[DEP])
		return 0;
	initrd_free(TAKE(sh->rd));
	return shelf_open_initrd(sh->file, modules, &sh->rd, e);
}

/* ---- what depmod wrote */

static int by_path(const void *a, const void *b)
{
	const struct shelf_module *x = a, *y = b;

	return x->shelf != y->shelf ? (x->shelf > y->shelf) - (x->shelf < y->shelf) : strcmp(x->path, y->path);
}

/* The images' first, then what modules.dep has: there may be a newer one below updates/. */
static int by_name(const void *a, const void *b)
{
	const struct shelf_module *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0 && x->shelf != y->shelf)
		r = (x->shelf > y->shelf) - (x->shelf < y->shelf);
	if (r == 0)
		r = y->is_listed - x->is_listed;
	return r ? r : strcmp(x->path, y->path);
}

/* modules.dep of module-init-tools has whole paths. */
static const char *relative(const char *path, const char *version, size_t *len)
{
	AUTO_BUF struct buf dir = { 0 };
	const char *found;

	buf_addf(&dir, "/modules/%s/", version);
	found = *path == '/' ? memmem(path, *len, dir.s, dir.len) : NULL;
	if (!found)
		return path;
	*len -= (size_t)(found + dir.len - path);
	return found + dir.len;
}

static void take_dependencies(struct shelves *s, size_t shelf)
{
	for (const char *line = s->shelf[shelf].record[DEP]; line && *line;) {
		size_t line_len = strcspn(line, "\n"), len = strcspn(line, ":\n");
		const char *path = relative(line, s->version, &len);
		AUTO_FREE char *key_path = xstrndup(path, len);
		struct shelf_module key = { .shelf = shelf, .path = key_path };
		struct shelf_module *m = bsearch(&key, s->module, s->n, sizeof(key), by_path);

		if (m && path[len] == ':') {
			m->is_listed = true;
			m->deps = path + len + 1;
		}
		line += line_len + (line[line_len] == '\n');
	}
}

static void module_free(struct shelf_module *m)
{
	free(m->name);
	free(m->file);
	free(m->path);
}

static void sort_modules(struct shelves *s)
{
	size_t n = 0;

	if (!s->n)
		return;
	qsort(s->module, s->n, sizeof(*s->module), by_path);
	for (size_t i = 0; i < s->n_shelves; i++)
		take_dependencies(s, i);
	qsort(s->module, s->n, sizeof(*s->module), by_name);
	for (size_t i = 0; i < s->n; i++)
		if (n && strcmp(s->module[n - 1].name, s->module[i].name) == 0)
			module_free(&s->module[i]);
		else
			s->module[n++] = s->module[i];
	s->n = n;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void take_built_in(struct shelves *s)
{
	for (size_t i = 0; i < s->n_shelves; i++) {
		const char *line = s->shelf[i].record[BUILTIN];

		s->knows_built_in |= line && *line;
		while (line && *line) {
			size_t line_len = strcspn(line, "\n"), len;
			const char *name = shelf_file_name(line, line_len, &len);

			if (len)
				*ARRAY_ADD(s->built_in, s->n_built_in, s->cap_built_in) = normalised(name, len);
			line += line_len + (line[line_len] == '\n');
		}
	}
	if (s->n_built_in)
		qsort(s->built_in, s->n_built_in, sizeof(*s->built_in), by_text);
}

/* ---- opening */

static int add_initrd(struct shelves *s, const struct own_initrd_file *f, struct err *e)
{
	static const char *const texts[] = { "*/modules.dep", "*/modules.softdep", "*/modules.alias",
		                             "*/modules.builtin", NULL };
	struct shelf *sh = ARRAY_ADD(s->shelf, s->n_shelves, s->cap_shelves);
	AUTO_ERR struct err why = { 0 };
	int r;

	sh->name = xstrdup(f->name);
	sh->file = f;
	r = shelf_open_initrd(f, texts, &sh->rd, &why);
	if (r == 0)
		return 0;
	free(sh->name);
	s->n_shelves--;
	/* What cannot be read as an initrd has no modules for us. */
	if (r == -EINVAL || r == -ENODATA || r == -EFBIG)
		return 0;
	*e = why;
	why = (struct err){ 0 };
	return r;
}

static int fill(struct shelves *s, const char *version, struct err *e)
{
	int r = find_versions(s, version, e);

	for (size_t i = 0; i < s->n_shelves && r == 0 && s->version; i++) {
		r = s->shelf[i].rd ? look_into_initrd(s, i, e) : look_into_images(s, i, e);
		if (s->shelf[i].dir)
			buf_addf(&s->where, "%s%s", s->where.len ? " and " : "", s->shelf[i].name);
	}
	if (r < 0)
		return r;
	sort_modules(s);
	take_built_in(s);
	return 0;
}

int shelves_open(const struct image_stack *images, const struct own_initrd_file *initrds, size_t n_initrds,
                 const char *version, struct shelves **ret, struct err *e)
{
	struct shelves *s = xcalloc(1, sizeof(*s));
	int r = 0;

	s->images = *images;
	buf_adds(&s->where, "");
	if (images->n)
		ARRAY_ADD(s->shelf, s->n_shelves, s->cap_shelves)->name =
		    xstrdup(image_name(images->image[images->n - 1]));
	for (size_t i = 0; i < n_initrds && r == 0; i++)
		r = add_initrd(s, &initrds[i], e);
	if (r == 0)
		r = fill(s, version, e);
	if (r < 0) {
		shelves_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void shelves_free(struct shelves *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_shelves; i++) {
		struct shelf *sh = &s->shelf[i];

		free(sh->name);
		free(sh->dir);
		initrd_free(sh->rd);
		for (size_t k = 0; k < N_RECORDS; k++)
			free(sh->record[k]);
	}
	for (size_t i = 0; i < s->n; i++)
		module_free(&s->module[i]);
	for (size_t i = 0; i < s->n_built_in; i++)
		free(s->built_in[i]);
	free(s->shelf);
	free(s->module);
	free(s->built_in);
	free(s->version);
	free(s->other_version);
	free(s->other_where);
	buf_free(&s->where);
	free(s);
}

/* ---- what is asked */

const char *shelves_version(const struct shelves *s)
{
	return s->n ? s->version : NULL;
}

const char *shelves_where(const struct shelves *s)
{
	return s->where.s;
}

const char *shelves_other_version(const struct shelves *s, const char **ret_where)
{
	*ret_where = s->other_where;
	return s->other_version;
}

const char *shelves_compression(const struct shelves *s)
{
	const char *found = NULL;

	for (size_t i = 0; i < s->n_shelves; i++)
		if (s->shelf[i].rd && initrd_compression(s->shelf[i].rd))
			found = initrd_compression(s->shelf[i].rd);
	return found;
}

static int compare_name(const void *key, const void *m)
{
	return strcmp(key, ((const struct shelf_module *)m)->name);
}

struct shelf_module *shelves_find(const struct shelves *s, const char *name)
{
	AUTO_FREE char *key = normalised(name, strlen(name));

	return s->n ? bsearch(key, s->module, s->n, sizeof(*s->module), compare_name) : NULL;
}

static int compare_text(const void *key, const void *text)
{
	return strcmp(key, *(char *const *)text);
}

bool shelves_is_built_in(const struct shelves *s, const char *name)
{
	AUTO_FREE char *key = normalised(name, strlen(name));

	return s->n_built_in && bsearch(key, s->built_in, s->n_built_in, sizeof(*s->built_in), compare_text);
}

bool shelves_know_built_in(const struct shelves *s)
{
	return s->knows_built_in;
}
