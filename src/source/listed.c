/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A tree that somebody else can list and read: a file system in a disk image. */
#include <errno.h>
#include <pthread.h>

#include "src/source/private.h"

struct listed {
	struct source source;
	struct source_lister lister;
	pthread_mutex_t reading; /* who reads a file system has it for himself */
};

/* Nodes keep the place of their content where others keep an extent. */
static int read_node(struct source *s, const struct node *n, u64 off, void *buf, size_t len, struct err *e)
{
	struct listed *l = (struct listed *)s;
	int r;

	pthread_mutex_lock(&l->reading);
	r = l->lister.read(l->lister.ctx, n->extents[0].off, n->size, off, buf, len, e);
	pthread_mutex_unlock(&l->reading);
	return r;
}

static int listed_changed(struct source *s, struct err *e)
{
	struct listed *l = (struct listed *)s;

	return l->lister.changed(l->lister.ctx, e);
}

static void free_listed(struct source *s)
{
	struct listed *l = (struct listed *)s;

	l->lister.free(l->lister.ctx);
	pthread_mutex_destroy(&l->reading);
	free(l);
}

static const struct source_ops ops = { .read = read_node, .changed = listed_changed, .free = free_listed };

/* Parents come before what they hold, so the directory is there. */
static struct node *dir_of(struct source *s, const char *path, const char **ret_name)
{
	struct node *dir = s->root;

	for (path += strspn(path, "/");; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");
		struct node *next = NULL;

		*ret_name = path;
		if (!path[len])
			return dir;
		for (size_t i = dir->n_children; !next && i > 0; i--) {
			struct node *n = dir->children[i - 1];

			if (n->type == NODE_DIR && strlen(n->name) == len && memcmp(n->name, path, len) == 0)
				next = n;
		}
		if (!next)
			return NULL;
		dir = next;
		path += len;
	}
}

static int add(void *ctx, const struct source_listed *entry, struct err *e)
{
	struct source *s = ctx;
	const char *name;
	struct node *dir = dir_of(s, entry->path, &name), *n;
	int r;

	if (!dir || entry->type == NODE_SYMLINK)
		return 0;
	r = source_add(dir, name, strlen(name), &n, e);
	if (r < 0)
		return r;
	n->type = entry->type;
	n->mtime = entry->mtime;
	if (entry->type == NODE_FILE) {
		n->size = entry->size;
		source_add_extent(n, entry->place, entry->size);
	}
	return 0;
}

int source_open_listed(const char *path, const char *format, const char *label, struct source_lister lister,
                       struct source **ret, struct err *e)
{
	struct listed *l = xcalloc(1, sizeof(*l));
	int r;

	l->lister = lister;
	pthread_mutex_init(&l->reading, NULL);
	source_init(&l->source, &ops, path, format);
	free(l->source.volume_id);
	l->source.volume_id = xstrdup(label);
	r = lister.each(lister.ctx, add, &l->source, e);
	if (r == 0)
		r = source_sort(&l->source, e);
	if (r < 0) {
		source_free(&l->source);
		return fail_source(e, r, "%s", path);
	}
	*ret = &l->source;
	return 0;
}
