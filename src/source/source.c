/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

#include "src/base/buf.h"
#include "src/source/private.h"

/* As many as Linux follows in one path. */
#define LINKS_MAX 40

static const char *not_openable(mode_t mode)
{
	return S_ISCHR(mode)    ? "is a character device"
	       : S_ISFIFO(mode) ? "is a pipe"
	       : S_ISSOCK(mode) ? "is a socket"
	                        : NULL;
}

int source_open(const char *path, struct source **ret, struct err *e)
{
	struct stat st;
	const char *what;
	int fd;

	/* Asked before opening: to open a pipe waits, to open a character device may do things. */
	if (stat(path, &st) < 0)
		return fail_source(e, -errno, "%s: %s", path, strerror(errno));
	what = not_openable(st.st_mode);
	if (what)
		return fail_source(e, -EINVAL, "%s: %s, not an ISO image or a directory", path, what);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fail_source(e, -errno, "%s: %s", path, strerror(errno));
	return S_ISDIR(st.st_mode) ? dir_open_fd(fd, path, ret, e) : iso_open_fd(fd, path, ret, e);
}

static void free_children(struct node *dir)
{
	if (dir->type != NODE_DIR)
		return;
	for (size_t i = 0; i < dir->n_children; i++)
		free_children(dir->children[i]);
	free(dir->children);
}

void source_free(struct source *s)
{
	if (!s)
		return;
	free_children(s->root);
	pool_free(&s->pool);
	for (size_t i = 0; i < s->n_warnings; i++)
		free(s->warnings[i]);
	free(s->warnings);
	free(s->boot_images);
	free(s->created);
	free(s->volume_id);
	free(s->path);
	s->ops->free(s);
}

int source_changed(struct source *s, struct err *e)
{
	int r = s->ops->changed(s, e);

	return r < 0 ? fail_source(e, r, "%s", s->path) : 0;
}

/* ---- finding */

static int compare_name(const char *name, const char *part, size_t len)
{
	int r = strncmp(name, part, len);

	return r ? r : (u8)name[len];
}

static struct node *child_exact(const struct node *dir, const char *part, size_t len)
{
	size_t low = 0, high = dir->n_children;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = compare_name(dir->children[middle]->name, part, len);

		if (r == 0)
			return dir->children[middle];
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct node *child_any_case(const struct node *dir, const char *part, size_t len)
{
	struct node *found = NULL;

	for (size_t i = 0; i < dir->n_children; i++) {
		struct node *n = dir->children[i];

		if (strncasecmp(n->name, part, len) != 0 || n->name[len])
			continue;
		if (found)
			return NULL;
		found = n;
	}
	return found;
}

static struct node *step(struct node *dir, const char *part, size_t len, bool any_case)
{
	struct node *n;

	if (dir->type != NODE_DIR)
		return NULL;
	if (len == 1 && part[0] == '.')
		return dir;
	if (len == 2 && part[0] == '.' && part[1] == '.')
		return dir->parent ? dir->parent : dir;
	n = child_exact(dir, part, len);
	return n || !any_case ? n : child_any_case(dir, part, len);
}

static const struct node *find(const struct source *s, const char *path, bool any_case)
{
	AUTO_FREE char *text = xstrdup(path);
	struct node *at = s->root;
	const char *p = text;

	for (int links = 0;;) {
		struct buf longer = { 0 };
		struct node *n;
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 0)
			return at;
		n = step(at, p, len, any_case);
		if (!n)
			return NULL;
		p += len;
		if (n->type != NODE_SYMLINK) {
			at = n;
			continue;
		}
		if (++links > LINKS_MAX)
			return NULL;
		if (n->target[0] == '/')
			at = s->root;
		buf_addf(&longer, "%s/%s", n->target, p);
		free(text);
		p = text = longer.s;
	}
}

const struct node *source_find(const struct source *s, const char *path)
{
	return find(s, path, true);
}

const struct node *source_find_exact(const struct source *s, const char *path)
{
	return find(s, path, false);
}

static void add_path(struct buf *b, const struct node *n)
{
	if (!n->parent)
		return;
	add_path(b, n->parent);
	buf_adds(b, "/");
	buf_adds(b, n->name);
}

char *node_path(const struct node *n)
{
	struct buf b = { 0 };

	if (!n->parent)
		return xstrdup("/");
	add_path(&b, n);
	return b.s;
}

static int each_below(const struct node *dir, int (*fn)(void *ctx, const struct node *n), void *ctx)
{
	for (size_t i = 0; i < dir->n_children; i++) {
		int r = fn(ctx, dir->children[i]);

		if (r == 0)
			r = each_below(dir->children[i], fn, ctx);
		if (r)
			return r;
	}
	return 0;
}

int source_each(const struct source *s, int (*fn)(void *ctx, const struct node *n), void *ctx)
{
	return each_below(s->root, fn, ctx);
}

/* ---- reading */

static int node_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct node *n = ctx;
	AUTO_FREE char *path = NULL;
	int r = -ERANGE;

	if (off <= n->size && len <= n->size - off)
		r = n->source->ops->read(n->source, n, off, buf, len, e);
	else
		fail(e, r, "%zu bytes at %llu are asked for, it has %llu", len, (unsigned long long)off,
		     (unsigned long long)n->size);
	if (r == 0)
		return 0;
	path = node_path(n);
	return fail_source(e, r, "%s: %s", n->source->path, path);
}

static int node_place(void *ctx, u64 off, struct input_place *ret)
{
	const struct node *n = ctx;

	if (!n->source->ops->place || off >= n->size)
		return -EOPNOTSUPP;
	return n->source->ops->place(n->source, n, off, ret);
}

struct input node_input(const struct node *n)
{
	return (struct input){ .read = node_read, .place = node_place, .ctx = (void *)n };
}

const struct node *node_of_input(const struct input *in)
{
	return in->read == node_read ? in->ctx : NULL;
}

static int boot_image_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct boot_image *b = ctx;
	int r = -ERANGE;

	if (off <= b->len && len <= b->len - off)
		r = b->source->ops->read_image(b->source, b->off + off, buf, len, e);
	return r < 0 ? fail_source(e, r, "%s: boot image", b->source->path) : 0;
}

struct input boot_image_input(const struct boot_image *b)
{
	return (struct input){ .read = boot_image_read, .ctx = (void *)b };
}

int node_load(const struct node *n, size_t max, char **ret_text, size_t *ret_len, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *path = node_path(n);
	int r;

	if (n->type != NODE_FILE)
		return fail_source(e, -EINVAL, "%s: %s: is not a file", n->source->path, path);
	if (n->size > max)
		return fail_source(e, -EFBIG, "%s: %s: has %llu bytes, more than the %zu expected", n->source->path,
		                   path, (unsigned long long)n->size, max);
	text = xcalloc(n->size + 1, 1);
	r = node_read((void *)n, 0, text, n->size, e);
	if (r < 0)
		return r;
	*ret_text = TAKE(text);
	if (ret_len)
		*ret_len = n->size;
	return 0;
}
