/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/own.h"

#include <errno.h>

#include "persist/own_init.h"

/* Smaller than any file system; a tree of many small files is not read from one end to the other. */
#define IMAGE_MIN (4 * KIB)

struct search {
	const struct source *source;
	const struct node **loaded; /* the kernels and initrds of the menu */
	size_t n_loaded, cap_loaded;
	struct own_system *own;
	struct err *e;
};

static void add_loaded(struct search *s, const char *path)
{
	*ARRAY_ADD(s->loaded, s->n_loaded, s->cap_loaded) = source_find(s->source, path);
}

/* Found once, and not for each of a hundred thousand files. */
static void find_loaded(struct search *s, const struct menu *m)
{
	for (size_t i = 0; i < m->n; i++) {
		add_loaded(s, m->entry[i].kernel);
		for (size_t k = 0; k < m->entry[i].n_initrds; k++)
			add_loaded(s, m->entry[i].initrds[k]);
	}
}

static bool is_loaded(const struct search *s, const struct node *n)
{
	for (size_t i = 0; i < s->n_loaded; i++)
		if (s->loaded[i] == n)
			return true;
	return false;
}

/* What the kernel mounts without a driver that no kernel has. */
static bool is_system(const struct image_kind *kind)
{
	return kind->type && strcmp(kind->type, "cloop") != 0 && strcmp(kind->type, "iso9660") != 0;
}

static int look_at(void *ctx, const struct node *n)
{
	struct search *s = ctx;
	AUTO_FREE char *path = NULL;
	struct image_kind kind;
	int r;

	if (n->type != NODE_FILE || n->size < IMAGE_MIN || is_loaded(s, n))
		return 0;
	path = node_path(n);
	r = image_identify(node_input(n), n->size, path, &kind, s->e);
	if (r < 0 || !is_system(&kind))
		return r;
	*ARRAY_ADD(s->own->image, s->own->n_images, s->own->cap_images) =
	    (struct own_initrd_image){ .path = TAKE(path), .kind = kind };
	return 0;
}

int own_find_images(const struct source *s, const struct menu *m, struct own_system *ret, struct err *e)
{
	struct search search = { .source = s, .own = ret, .e = e };
	int r;

	if (ret->n_images)
		return 0;
	find_loaded(&search, m);
	r = source_each(s, look_at, &search);
	free(search.loaded);
	return r;
}

static int open_images(const struct source *s, struct own_system *o, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->n_images; i++) {
		struct own_initrd_image *im = &o->image[i];
		const struct node *n = source_find(s, im->path);

		if (im->kind.can_open && !im->image)
			r = image_open(node_input(n), n->size, im->path, &im->image, e);
	}
	return r;
}

static void stack_of(const struct own_system *o, struct image **stack, size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < o->n_images; i++)
		if (o->image[i].image)
			stack[(*ret_n)++] = o->image[i].image;
}

static const struct menu_entry *first_entry_of(const struct menu *m, const char *kernel)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->entry[i].kernel, kernel) == 0)
			return &m->entry[i];
	return NULL;
}

/* The newest of what goes into it: no clock, so that the same source gives the same bytes. */
static i64 newest(const struct source *s, const struct own_system *o, const char *kernel)
{
	i64 time = source_find(s, kernel)->mtime;

	for (size_t i = 0; i < o->n_images; i++)
		time = MAX(time, source_find(s, o->image[i].path)->mtime);
	return time;
}

static int build_for(const struct source *s, const struct menu_entry *entry, const char *title,
                     const struct own_system *o, struct own_kernel *k, struct err *e)
{
	const struct node *n = source_find(s, entry->kernel);
	AUTO_FREE struct image **stack = xcalloc(o->n_images + 1, sizeof(struct image *));
	AUTO_FREE struct own_initrd_file *initrds = xcalloc(entry->n_initrds + 1, sizeof(*initrds));
	struct image_stack images = { stack, 0 };
	struct own_initrd_request q = {
		.title = title,
		.kernel = &k->kernel,
		.image = o->image,
		.n_images = o->n_images,
		.source = s,
		.initrds = initrds,
		.n_initrds = entry->n_initrds,
		.mtime = newest(s, o, entry->kernel),
	};
	int r;

	q.init = own_init(&q.init_len);
	r = kernel_read(node_input(n), n->size, entry->kernel, &k->kernel, e);

	stack_of(o, stack, &images.n);
	for (size_t i = 0; i < entry->n_initrds; i++) {
		const struct node *rd = source_find(s, entry->initrds[i]);

		initrds[i] = (struct own_initrd_file){ node_input(rd), rd->size, entry->initrds[i] };
	}
	if (r == 0)
		r = kernel_look_for_config(&k->kernel, s, &images, e);
	return r < 0 ? r : own_initrd_build(&q, &k->initrd, e);
}

/* That the kernel of some other entry cannot be started is told where the entry is left out. */
static int add_kernel(const struct source *s, const struct menu_entry *entry, const char *title, struct own_system *o,
                      bool is_default, struct err *e)
{
	struct own_kernel *k = ARRAY_ADD(o->kernel, o->n_kernels, o->cap_kernels);
	int r;

	*k = (struct own_kernel){ .path = entry->kernel };
	r = build_for(s, entry, title, o, k, e);
	if (r == 0 || r == -EINTR || is_default)
		return r;
	k->why_not = TAKE(e->text);
	err_clear(e);
	return 0;
}

int own_build(const struct source *s, const struct menu *m, const char *title, struct own_system *ret, struct err *e)
{
	size_t def = 0;
	int r = own_find_images(s, m, ret, e);

	if (r == 0 && !ret->n_images)
		return fail_source(e, -EINVAL, "there is no system image (squashfs, ext2, ...) in it");
	for (size_t i = 0; i < m->n; i++)
		if (m->entry[i].is_default)
			def = i;
	if (r == 0)
		r = open_images(s, ret, e);
	for (size_t i = 0; r == 0 && i < m->n; i++)
		if (first_entry_of(m, m->entry[i].kernel) == &m->entry[i])
			r = add_kernel(s, &m->entry[i], title, ret,
			               strcmp(m->entry[i].kernel, m->entry[def].kernel) == 0, e);
	return r;
}

const struct own_kernel *own_for_kernel(const struct own_system *o, const char *path)
{
	for (size_t i = 0; i < o->n_kernels; i++)
		if (strcmp(o->kernel[i].path, path) == 0)
			return o->kernel[i].why_not ? NULL : &o->kernel[i];
	return NULL;
}

void own_free(struct own_system *o)
{
	for (size_t i = 0; i < o->n_images; i++) {
		image_close(o->image[i].image);
		free((char *)o->image[i].path);
	}
	free(o->image);
	for (size_t i = 0; i < o->n_kernels; i++) {
		kernel_free(&o->kernel[i].kernel);
		own_initrd_free(&o->kernel[i].initrd);
		free(o->kernel[i].why_not);
	}
	free(o->kernel);
	*o = (struct own_system){ 0 };
}
