/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A source whose files are stretches of the input: the first one has the path that the target gives it, lines of
 * 0x01 PATH begin further ones. "PATH -> TARGET" is a symlink. What cannot be is left out.
 */
#ifndef LIVESTICK_TESTS_FUZZ_TREE_H
#define LIVESTICK_TESTS_FUZZ_TREE_H

#include "src/source/private.h"

struct tree {
	struct source source;
	const u8 *data;
};

static inline int tree_read(struct source *s, const struct node *n, u64 off, void *buf, size_t len, struct err *e)
{
	(void)e;
	if (len)
		memcpy(buf, ((struct tree *)s)->data + n->extents[0].off + off, len);
	return 0;
}

static inline void tree_free(struct source *s)
{
	free(s);
}

static inline struct node *tree_child(struct node *dir, const char *name, size_t len)
{
	for (size_t i = 0; i < dir->n_children; i++)
		if (strlen(dir->children[i]->name) == len && memcmp(dir->children[i]->name, name, len) == 0)
			return dir->children[i];
	return NULL;
}

/* Directories are made on the way. NULL: it cannot be. */
static inline struct node *tree_make(struct tree *t, const char *path, size_t len)
{
	struct node *dir = t->source.root, *n = NULL;
	AUTO_ERR struct err e = { 0 };
	int depth = 0;

	for (const char *end = path + len; path < end;) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t part = (size_t)((slash ? slash : end) - path);

		n = part ? tree_child(dir, path, part) : dir;
		if (!n && (++depth > SOURCE_DEPTH_MAX || source_add(dir, path, part, &n, &e) < 0))
			return NULL;
		path += part + (slash != NULL);
		if (!slash)
			break;
		if (n->type == NODE_SYMLINK || (n->type == NODE_FILE && n->n_extents))
			return NULL;
		n->type = NODE_DIR;
		dir = n;
	}
	return n && n->type == NODE_FILE && !n->n_extents ? n : NULL;
}

static inline void tree_add(struct tree *t, const char *path, size_t len, const u8 *content, size_t size)
{
	static const char arrow[] = " -> ";
	const char *target = memmem(path, len, arrow, strlen(arrow));
	struct node *n = tree_make(t, path, target ? (size_t)(target - path) : len);
	AUTO_ERR struct err e = { 0 };

	if (!n)
		return;
	if (target) {
		target += strlen(arrow);
		if (source_set_target(n, target, (size_t)(path + len - target), &e) < 0)
			err_clear(&e);
		return;
	}
	n->size = size;
	if (size == 0)
		return;
	source_add_extent(n, (u64)(content - t->data), size);
}

/* `take` may keep a file out of the tree (true: it did); NULL: all go in. */
static inline void tree_fill(struct tree *t, const u8 *data, size_t size, const char *first,
                             bool (*take)(struct tree *t, const char *path, size_t len, const u8 *content, size_t size))
{
	const u8 *end = data + size;

	t->data = data;
	for (const u8 *at = data, *stop; at <= end; at = stop + 1) {
		const u8 *line = at;
		const char *path = first;
		size_t len = strlen(first);

		stop = memchr(at, 1, (size_t)(end - at));
		if (!stop)
			stop = end;
		if (at != data) {
			at = memchr(at, '\n', (size_t)(stop - at));
			if (!at)
				continue;
			path = (const char *)line;
			len = (size_t)(at++ - line);
		}
		if (!take || !take(t, path, len, at, (size_t)(stop - at)))
			tree_add(t, path, len, at, (size_t)(stop - at));
	}
}

#endif
