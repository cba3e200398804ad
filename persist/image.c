/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/image_private.h"

#include <errno.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "src/base/buf.h"

/* ---- opening */

static int must_be_dir(struct image *im, struct err *e)
{
	struct image_node top;
	int r = im->ops->stat(im, im->root, "/", &top, e);

	if (r == 0 && !S_ISDIR(top.mode))
		return fail(e, -EUCLEAN, "%s: is damaged: its top is no directory", im->name);
	return r;
}

/* All that is read from an image is the source's. */
static int of_source(int r, struct err *e)
{
	if (r < 0 && r != -EINTR && e->code == EXIT_OK)
		e->code = EXIT_SOURCE;
	return r;
}

int image_open(struct input in, u64 size, const char *name, struct image **ret, struct err *e)
{
	struct image_kind kind;
	struct image *im;
	int r = image_identify(in, size, name, &kind, e);

	if (r < 0)
		return r;
	if (!kind.type)
		return fail_source(e, -EINVAL, "%s: is no system image (squashfs, ext4)", name);
	if (!kind.can_open)
		return fail_source(e, -ENOTSUP, "%s: is a system image of the kind %s, which cannot be looked into",
		                   name, kind.type);
	r = kind.compressor ? image_open_squashfs(in, size, name, &im, e) : image_open_ext(in, size, name, &im, e);
	if (r < 0)
		return of_source(r, e);
	im->kind = kind;
	r = must_be_dir(im, e);
	if (r < 0) {
		image_close(im);
		return of_source(r, e);
	}
	*ret = im;
	return 0;
}

void image_close(struct image *im)
{
	char *name = im ? im->name : NULL;

	if (im)
		im->ops->close(im);
	free(name);
}

const char *image_name(const struct image *im)
{
	return im->name;
}

const struct image_kind *image_get_kind(const struct image *im)
{
	return &im->kind;
}

/* ---- walking: a directory of the stack is one of each image, or less */

#define NOT_THERE UINT64_MAX

struct level {
	u64 *dir; /* of each image; NOT_THERE */
};

struct walk {
	const struct image_stack *s;
	struct level *level; /* from the root to where we are */
	size_t n, cap;
	struct buf path; /* what is looked at, for sentences and listings */
	u64 seen;        /* names; at most IMAGE_ENTRIES_MAX */
};

static struct level *push_level(struct walk *w)
{
	struct level *l = ARRAY_ADD(w->level, w->n, w->cap);

	l->dir = xcalloc(w->s->n + 1, sizeof(*l->dir));
	for (size_t i = 0; i < w->s->n; i++)
		l->dir[i] = NOT_THERE;
	return l;
}

static void pop_level(struct walk *w)
{
	free(w->level[--w->n].dir);
}

static void walk_start(struct walk *w, const struct image_stack *s)
{
	struct level *root;

	*w = (struct walk){ .s = s };
	buf_adds(&w->path, "");
	root = push_level(w);
	for (size_t i = 0; i < s->n; i++)
		root->dir[i] = s->image[i]->root;
}

static void walk_end(struct walk *w)
{
	while (w->n)
		pop_level(w);
	free(w->level);
	buf_free(&w->path);
}

/* For sentences. */
static const char *where(const struct walk *w)
{
	return w->path.len ? w->path.s : "/";
}

static int too_much(const struct image *im, struct err *e)
{
	return fail(e, -EFBIG, "%s: has more than %d files where some thousand are expected", im->name,
	            IMAGE_ENTRIES_MAX);
}

struct wanted {
	struct walk *w;
	const struct image *im;
	const char *name;
	size_t len;
	u64 place;
};

static int compare_wanted(void *ctx, const char *name, size_t len, u64 place, struct err *e)
{
	struct wanted *want = ctx;

	if (++want->w->seen > IMAGE_ENTRIES_MAX)
		return too_much(want->im, e);
	if (len != want->len || memcmp(name, want->name, len) != 0)
		return 0;
	want->place = place;
	return 1;
}

static void take_node(struct image_entry *ret, const struct image_node *node, size_t in, u64 place)
{
	*ret = (struct image_entry){ node->mode, node->size, node->mtime, in, place };
}

/*
 * Looks for a name where we are: 1 and `ret`, or 0. Of a directory a level is pushed, which the caller pops. The path
 * is only for sentences.
 */
static int walk_into(struct walk *w, const char *name, size_t len, struct image_entry *ret, struct err *e)
{
	struct level *here = &w->level[w->n - 1], *below = NULL;

	for (size_t i = w->s->n; i > 0; i--) {
		struct image *im = w->s->image[i - 1];
		struct wanted want = { w, im, name, len, 0 };
		struct image_node node;
		int r;

		if (here->dir[i - 1] == NOT_THERE)
			continue;
		r = im->ops->names(im, here->dir[i - 1], where(w), compare_wanted, &want, e);
		if (r == 1)
			r = im->ops->stat(im, want.place, where(w), &node, e);
		else if (r == 0)
			continue;
		if (r < 0)
			return r;
		if (node.hides || (below && !S_ISDIR(node.mode)))
			break;
		if (!below)
			take_node(ret, &node, i - 1, want.place);
		if (!S_ISDIR(node.mode))
			return 1;
		if (!below) {
			below = push_level(w);
			here = &w->level[w->n - 2];
		}
		below->dir[i - 1] = want.place;
	}
	return below != NULL;
}

/* Takes a component from `rest`, and puts what a symlink says in its place. */
struct rest {
	char *text; /* owned */
	const char *at;
	unsigned links;
};

static int follow(struct walk *w, const struct image_entry *link, struct rest *rest, struct err *e)
{
	struct image *im = w->s->image[link->in];
	AUTO_FREE char *target = NULL;
	struct buf longer = { 0 };
	size_t len;
	int r = im->ops->target(im, link->place, where(w), &target, &len, e);

	if (r < 0)
		return r;
	if (strlen(target) != len)
		return fail(e, -EUCLEAN, "%s: %s: is damaged: its target has a NUL", im->name, where(w));
	while (target[0] == '/' && w->n > 1)
		pop_level(w);
	buf_addf(&longer, "%s/%s", target, rest->at);
	free(rest->text);
	rest->at = rest->text = longer.s;
	return 1;
}

/* One component of the path: 1, or 0 when there is nothing. *ret_done: it was what the path names, and no directory. */
static int walk_step(struct walk *w, struct rest *rest, size_t len, struct image_entry *ret, bool *ret_done,
                     struct err *e)
{
	const char *name = rest->at;
	int r;

	rest->at += len;
	if (len == 1 && name[0] == '.')
		return 1;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		if (w->n > 1)
			pop_level(w);
		return 1;
	}
	r = walk_into(w, name, len, ret, e);
	if (r <= 0 || S_ISDIR(ret->mode))
		return r;
	if (S_ISLNK(ret->mode))
		return ++rest->links > IMAGE_LINKS_MAX ? 0 : follow(w, ret, rest, e);
	*ret_done = true;
	return rest->at[strspn(rest->at, "/")] == '\0';
}

/* The directory where we are, as an entry. */
static int entry_here(struct walk *w, struct image_entry *ret, struct err *e)
{
	const struct level *here = &w->level[w->n - 1];

	for (size_t i = w->s->n; i > 0; i--) {
		struct image *im = w->s->image[i - 1];
		struct image_node node;
		int r;

		if (here->dir[i - 1] == NOT_THERE)
			continue;
		r = im->ops->stat(im, here->dir[i - 1], where(w), &node, e);
		if (r == 0)
			take_node(ret, &node, i - 1, here->dir[i - 1]);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Goes to `path`: 1 and what is there, 0, or -errno. At a directory, the last level is its. */
static int walk_to(struct walk *w, const char *path, struct image_entry *ret, struct err *e)
{
	struct rest rest = { .text = xstrdup(path) };
	bool done = false;
	int r = 1;

	rest.at = rest.text;
	buf_clear(&w->path);
	buf_addf(&w->path, "%s%s", *path == '/' ? "" : "/", path);
	while (r == 1 && !done) {
		size_t len;

		rest.at += strspn(rest.at, "/");
		len = strcspn(rest.at, "/");
		if (len == 0) {
			r = entry_here(w, ret, e);
			break;
		}
		r = walk_step(w, &rest, len, ret, &done, e);
	}
	free(rest.text);
	return r;
}

int image_find(const struct image_stack *s, const char *path, struct image_entry *ret, struct err *e)
{
	struct image_entry found;
	struct walk w;
	int r;

	walk_start(&w, s);
	r = walk_to(&w, path, &found, e);
	walk_end(&w);
	if (r > 0)
		*ret = found;
	return of_source(r, e);
}

/* ---- contents */

int image_load_entry(const struct image_stack *s, const struct image_entry *entry, const char *path, size_t max,
                     char **ret, size_t *ret_len, struct err *e)
{
	struct image *im = s->image[entry->in];
	AUTO_FREE char *text = NULL;
	int r;

	if (!S_ISREG(entry->mode))
		return fail_source(e, -ENOENT, "%s: %s: is no file", im->name, path);
	if (entry->size > max)
		return fail_source(e, -EFBIG, "%s: %s: has %llu bytes, and at most %zu make sense", im->name, path,
		                   (unsigned long long)entry->size, max);
	text = xcalloc(1, entry->size + 1);
	r = im->ops->read(im, entry->place, path, text, entry->size, e);
	if (r < 0)
		return of_source(r, e);
	*ret = TAKE(text);
	if (ret_len)
		*ret_len = entry->size;
	return 0;
}

int image_load(const struct image_stack *s, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	struct image_entry found;
	int r = image_find(s, path, &found, e);

	if (r < 0)
		return r;
	if (r == 0)
		return fail_source(e, -ENOENT, "%s: has no file %s", s->n ? s->image[s->n - 1]->name : "(no image)",
		                   path);
	return image_load_entry(s, &found, path, max, ret, ret_len, e);
}

/* ---- listing */

/* A name in one of the images. */
struct item {
	char *name;
	size_t in;
	u64 place;
};

struct items {
	struct walk *w;
	struct image *im;
	size_t in;
	struct item *item;
	size_t n, cap;
};

static bool is_name(const char *s, size_t len)
{
	return len > 0 && len <= IMAGE_NAME_MAX && !memchr(s, '/', len) && !memchr(s, '\0', len) &&
	       !(len <= 2 && memcmp(s, "..", len) == 0);
}

static int take_item(void *ctx, const char *name, size_t len, u64 place, struct err *e)
{
	struct items *t = ctx;
	struct item *item;

	if (++t->w->seen > IMAGE_ENTRIES_MAX)
		return too_much(t->im, e);
	if (!is_name(name, len))
		return fail(e, -EUCLEAN, "%s: %s: is damaged: it has a name that no file can have", t->im->name,
		            where(t->w));
	item = ARRAY_ADD(t->item, t->n, t->cap);
	*item = (struct item){ xstrndup(name, len), t->in, place };
	return 0;
}

/* By name, and the topmost image first. */
static int by_name(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (y->in > x->in) - (y->in < x->in);
}

static void items_free(struct items *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->item[i].name);
	free(t->item);
}

static int get_items(struct items *t, struct err *e)
{
	const struct level *here = &t->w->level[t->w->n - 1];
	int r = 0;

	for (t->in = 0; t->in < t->w->s->n && r == 0; t->in++) {
		t->im = t->w->s->image[t->in];
		if (here->dir[t->in] != NOT_THERE)
			r = t->im->ops->names(t->im, here->dir[t->in], where(t->w), take_item, t, e);
	}
	if (r == 0 && t->n)
		qsort(t->item, t->n, sizeof(*t->item), by_name);
	return r;
}

struct listing {
	struct walk w;
	const char *glob; /* NULL: all */
	bool is_deep;
	image_fn *fn;
	void *ctx;
};

static int list_here(struct listing *l, struct err *e);

/* What the `n` images at `item` have under one name; the topmost is first. 1 and `ret`: something, and see walk_into().
 */
static int merge(struct walk *w, const struct item *item, size_t n, struct image_entry *ret, struct err *e)
{
	struct level *below = NULL;

	for (size_t i = 0; i < n; i++) {
		struct image *im = w->s->image[item[i].in];
		struct image_node node;
		int r = im->ops->stat(im, item[i].place, w->path.s, &node, e);

		if (r < 0)
			return r;
		if (node.hides || (below && !S_ISDIR(node.mode)))
			break;
		if (!below)
			take_node(ret, &node, item[i].in, item[i].place);
		if (!S_ISDIR(node.mode))
			return 1;
		if (!below)
			below = push_level(w);
		below->dir[item[i].in] = item[i].place;
	}
	return below != NULL;
}

static int list_one(struct listing *l, const struct item *item, size_t n, struct err *e)
{
	struct walk *w = &l->w;
	size_t depth = w->n;
	struct image_entry entry;
	int r = merge(w, item, n, &entry, e);

	if (r == 1)
		r = !l->glob || fnmatch(l->glob, item->name, 0) == 0 ? l->fn(l->ctx, w->path.s, &entry) : 0;
	if (r == 0 && w->n > depth && l->is_deep)
		r = list_here(l, e);
	while (w->n > depth)
		pop_level(w);
	return r;
}

static int list_here(struct listing *l, struct err *e)
{
	struct items t = { .w = &l->w };
	size_t len = l->w.path.len;
	int r;

	if (l->w.n > IMAGE_DEPTH_MAX)
		return fail(e, -EUCLEAN, "%s: is damaged: directories lie more than %d deep in each other",
		            l->w.s->image[0]->name, IMAGE_DEPTH_MAX);
	r = get_items(&t, e);
	for (size_t i = 0, same; i < t.n && r == 0; i += same) {
		for (same = 1; i + same < t.n && strcmp(t.item[i].name, t.item[i + same].name) == 0;)
			same++;
		buf_addf(&l->w.path, "/%s", t.item[i].name);
		r = list_one(l, &t.item[i], same, e);
		l->w.path.len = len;
		l->w.path.s[len] = '\0';
	}
	items_free(&t);
	return r;
}

static int list(const struct image_stack *s, const char *path, struct listing *l, struct err *e)
{
	struct image_entry found;
	int r;

	walk_start(&l->w, s);
	r = walk_to(&l->w, path, &found, e);
	if (r == 1 && S_ISDIR(found.mode)) {
		while (l->w.path.len && l->w.path.s[l->w.path.len - 1] == '/')
			l->w.path.s[--l->w.path.len] = '\0';
		r = list_here(l, e);
	} else if (r == 1) {
		r = 0;
	}
	walk_end(&l->w);
	return of_source(r, e);
}

int image_list(const struct image_stack *s, const char *path, image_fn *fn, void *ctx, struct err *e)
{
	struct listing l = { .fn = fn, .ctx = ctx };

	return list(s, path, &l, e);
}

int image_each(const struct image_stack *s, const char *path, const char *glob, image_fn *fn, void *ctx, struct err *e)
{
	struct listing l = { .glob = glob, .is_deep = true, .fn = fn, .ctx = ctx };

	return list(s, path, &l, e);
}
