/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a kind of source makes its tree. All names and link targets come through here. */
#include "src/source/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "src/base/buf.h"

static struct node *new_node(struct source *s, struct node *parent, const char *name, size_t len)
{
	struct node *n = pool_alloc(&s->pool, sizeof(*n) + len + 1);

	memcpy(n->name, name, len);
	n->parent = parent;
	n->source = s;
	return n;
}

void source_init(struct source *s, const struct source_ops *ops, const char *path, const char *format)
{
	s->ops = ops;
	s->path = xstrdup(path);
	s->format = format;
	s->volume_id = xstrdup("");
	s->created = xstrdup("");
	s->root = new_node(s, NULL, "", 0);
	s->root->type = NODE_DIR;
}

/* NULL: the text may be shown, and put into another file system. */
static const char *fault_of_text(const char *text, size_t len)
{
	bool ascii = true;

	for (size_t i = 0; i < len; i++) {
		if ((u8)text[i] < 0x20 || text[i] == 0x7f)
			return "with a control character in it";
		ascii = ascii && (u8)text[i] < 0x80;
	}
	if (!ascii) {
		AUTO_FREE char *copy = xstrndup(text, len);
		AUTO_FREE char *safe = escaped(copy);

		if (strcmp(copy, safe) != 0)
			return "that is not UTF-8, or hides or turns its letters";
	}
	return NULL;
}

static const char *fault_of_name(const char *name, size_t len)
{
	if (len == 0)
		return "that is empty";
	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return "that means a directory";
	if (memchr(name, '/', len))
		return "with a slash in it";
	return fault_of_text(name, len);
}

static void add_shown(struct buf *b, const char *text, size_t len)
{
	AUTO_FREE char *copy = xstrndup(text, len); /* up to a NUL: the fault then is said in words */

	buf_add_escaped(b, copy);
}

static int fail_text(struct err *e, const char *what, const char *text, size_t len, const char *fault)
{
	AUTO_BUF struct buf shown = { 0 };

	buf_adds(&shown, "");
	add_shown(&shown, text, len);
	return fail_source(e, -EINVAL, "has %s \"%s\", %s: it is damaged or hostile", what, shown.s, fault);
}

static int count_text(struct source *s, size_t len, struct err *e)
{
	s->n_text += len;
	if (s->n_text > SOURCE_TEXT_MAX)
		return fail_source(e, -E2BIG, "has names and symlinks of more than %llu bytes", SOURCE_TEXT_MAX);
	return 0;
}

/* Arrays of nodes have room for the next power of two, so that no node has to know how much there is. */
static bool is_full(u32 n)
{
	return (n & (n - 1)) == 0;
}

static void add_child(struct node *dir, struct node *n)
{
	size_t cap = dir->n_children;

	if (is_full(dir->n_children))
		dir->children = array_resize(dir->children, MAX(2 * cap, 1), sizeof(struct node *));
	dir->children[dir->n_children++] = n;
}

int source_add(struct node *dir, const char *name, size_t len, struct node **ret, struct err *e)
{
	const char *fault = fault_of_name(name, len);
	struct node *n;
	int r;

	if (fault)
		return fail_text(e, "a name", name, len, fault);
	if (dir->source->n_nodes >= SOURCE_NODES_MAX)
		return fail_source(e, -E2BIG, "has more than %d files", SOURCE_NODES_MAX);
	r = count_text(dir->source, len, e);
	if (r < 0)
		return r;
	n = new_node(dir->source, dir, name, len);
	n->type = NODE_FILE;
	add_child(dir, n);
	dir->source->n_nodes++;
	*ret = n;
	return 0;
}

void source_add_extent(struct node *n, u64 off, u64 len)
{
	if (is_full(n->n_extents)) {
		size_t room = MAX(2 * n->n_extents, 1);
		struct extent *more = pool_alloc(&n->source->pool, room * sizeof(*more));

		if (n->n_extents)
			memcpy(more, n->extents, n->n_extents * sizeof(*more));
		n->extents = more;
	}
	n->extents[n->n_extents++] = (struct extent){ off, len };
}

void source_remove(struct node *n)
{
	struct node *dir = n->parent;
	size_t i = 0;

	while (dir->children[i] != n)
		i++;
	dir->n_children--;
	memmove(&dir->children[i], &dir->children[i + 1], (dir->n_children - i) * sizeof(struct node *));
	n->source->n_nodes--;
	free(n->children); /* the rest goes with the source */
}

int source_set_target(struct node *n, const char *target, size_t len, struct err *e)
{
	const char *fault = len == 0 ? "that is empty" : fault_of_text(target, len);
	int r;

	if (fault)
		return fail_text(e, "a symlink to", target, len, fault);
	r = count_text(n->source, len, e);
	if (r < 0)
		return r;
	n->type = NODE_SYMLINK;
	n->target = pool_text(&n->source->pool, target, len);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int sort_below(struct node *dir, struct err *e)
{
	if (dir->n_children)
		qsort(dir->children, dir->n_children, sizeof(struct node *), by_name);
	for (size_t i = 0; i < dir->n_children; i++) {
		AUTO_FREE char *path = NULL;
		int r;

		if (i > 0 && strcmp(dir->children[i - 1]->name, dir->children[i]->name) == 0) {
			path = node_path(dir->children[i]);
			return fail_source(e, -EEXIST, "%s: is there twice", path);
		}
		r = sort_below(dir->children[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

int source_sort(struct source *s, struct err *e)
{
	return sort_below(s->root, e);
}

void source_warn(struct source *s, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (s->n_warnings >= SOURCE_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup(fmt);
	va_end(ap);
	*ARRAY_ADD(s->warnings, s->n_warnings, s->cap_warnings) = text;
}
