/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/volume.h"

static struct volume_file *add(struct volume_files *v, const char *path, i64 mtime)
{
	struct volume_file *f = ARRAY_ADD(v->file, v->n, v->cap);

	f->path = xstrdup(path);
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

struct volume_file *volume_add_dir(struct volume_files *v, const char *path, u16 mode, i64 mtime)
{
	struct volume_file *f = add(v, path, mtime);

	f->is_dir = true;
	f->mode = mode;
	return f;
}

struct volume_file *volume_find(const struct volume_files *v, const char *path)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->file[i].path, path) == 0)
			return &v->file[i];
	return NULL;
}

void volume_files_free(struct volume_files *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->file[i].path);
	free(v->file);
	*v = (struct volume_files){ 0 };
}
