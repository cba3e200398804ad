/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/volume.h"

#include <errno.h>

static struct volume_file *add(struct volume_files *v, const char *path, i64 mtime)
{
	struct volume_file *f = ARRAY_ADD(v->file, v->n, v->cap);

	f->path = pool_strdup(&v->paths, path);
	f->mtime = mtime;
	return f;
}

struct volume_file *volume_add(struct volume_files *v, const char *path, u64 size, struct input input, i64 mtime)
{
	struct volume_file *f = add(v, path, mtime);

	f->size = size;
	f->input = input;
	f->mode = 0644;
	return f;
}

struct volume_file *volume_add_owned(struct volume_files *v, const char *path, void *bytes, u64 size, i64 mtime)
{
	struct volume_file *f = volume_add(v, path, size, input_memory(bytes), mtime);

	f->owns_input = true;
	return f;
}

struct volume_file *volume_add_dir(struct volume_files *v, const char *path, u16 mode, i64 mtime)
{
	struct volume_file *f = add(v, path, mtime);

	f->is_dir = true;
	f->mode = mode;
	return f;
}

struct volume_file *volume_add_hole(struct volume_files *v, const char *path, u64 size, i64 mtime)
{
	struct volume_file *f = add(v, path, mtime);

	f->size = size;
	f->is_hole = true;
	f->mode = 0644;
	return f;
}

struct volume_file *volume_find(const struct volume_files *v, const char *path)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->file[i].path, path) == 0)
			return &v->file[i];
	return NULL;
}

/* The first `len` bytes of `path` as some path in the list has them; a path that goes on does so with a slash. */
static const char *spelled(const struct volume_files *v, const char *path, size_t len)
{
	for (size_t i = 0; i < v->n; i++) {
		const char *p = v->file[i].path;

		if (strncasecmp(p, path, len) == 0 && (p[len] == '/' || !p[len]))
			return p;
	}
	return NULL;
}

char *volume_spelling(const struct volume_files *v, const char *path)
{
	char *ret = xstrdup(path);

	for (size_t len = 1; len <= strlen(ret); len++) {
		const char *known = ret[len] == '/' || !ret[len] ? spelled(v, ret, len) : NULL;

		if (known)
			memcpy(ret, known, len);
	}
	return ret;
}

static bool can_be_same(const struct volume_files *v, size_t i)
{
	const struct volume_file *f = &v->file[i], *first = &v->file[f->same_as - 1];

	return f->same_as <= i && !f->is_dir && !first->is_dir && !first->same_as && first->size == f->size;
}

int volume_count_names(const struct volume_files *v, u16 **ret, struct err *e)
{
	AUTO_FREE u16 *names = xcalloc(v->n, sizeof(*names));

	for (size_t i = 0; i < v->n; i++) {
		const struct volume_file *f = &v->file[i];

		if (!f->same_as) {
			names[i] = !f->is_dir;
			continue;
		}
		if (f->same_as > v->n || !can_be_same(v, i))
			return fail(e, -EINVAL, "%s: cannot be another name of a file", f->path);
		if (names[f->same_as - 1]++ == VOLUME_NAMES_MAX)
			return fail(e, -EMLINK, "%s: has more than %d names", v->file[f->same_as - 1].path,
			            VOLUME_NAMES_MAX);
	}
	*ret = TAKE(names);
	return 0;
}

void volume_files_free(struct volume_files *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->file[i].owns_input)
			free((void *)v->file[i].input.mem);
	free(v->file);
	pool_free(&v->paths);
	*v = (struct volume_files){ 0 };
}
