/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is done for a source that brings no menu, or no initrd that can keep anything. */
#include <errno.h>
#include <fnmatch.h>

#include "src/facts_parts.h"

/* ---- a menu of its kernels */

#define KERNELS_MAX 8
#define LABEL_MAX   (4 * KIB)

struct kernels {
	struct facts *facts;
	struct err *e;
	const struct node *node[KERNELS_MAX];
	size_t n;
};

/* x86's setup header: Linux, Documentation/arch/x86/boot.rst. */
static int is_kernel(const struct node *n, struct err *e)
{
	struct input in = node_input(n);
	u8 head[0x206];
	int r;

	if (n->type != NODE_FILE || n->size < 256 * KIB || !menu_is_linux(n->name, strlen(n->name)))
		return 0;
	r = input_read(&in, 0, head, sizeof(head), e);
	return r < 0 ? r : head[0x1fe] == 0x55 && head[0x1ff] == 0xaa && memcmp(head + 0x202, "HdrS", 4) == 0;
}

static int find_kernel(void *ctx, const struct node *n)
{
	struct kernels *k = ctx;
	int r = is_kernel(n, k->e);

	if (r == 1 && k->n < KERNELS_MAX)
		k->node[k->n++] = n;
	return MIN(r, 0);
}

/* "vmlinuz-6.1" and "initrd.img-6.1": what is in the name of the kernel behind "vmlinuz" is in that of the initrd. */
static bool is_initrd_of(const struct node *n, const struct node *kernel, bool is_only_kernel)
{
	static const char *const pattern[] = { "initrd*", "initramfs*", "initrfs*" };
	const char *version = strpbrk(kernel->name, "-.");

	if (n->type != NODE_FILE || (!is_only_kernel && version && !strstr(n->name, version)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(pattern); i++)
		if (fnmatch(pattern[i], n->name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

static void add_entry(struct kernels *k, size_t i)
{
	struct menu_entry *entry = menu_add(&k->facts->menu);
	const struct node *kernel = k->node[i];
	struct buf name = { 0 };

	buf_adds(&name, k->facts->title);
	if (k->n > 1)
		buf_addf(&name, " (%s)", kernel->name);
	entry->title = menu_one_line(name.s);
	entry->id = menu_new_id(&k->facts->menu, kernel->name);
	entry->kernel = node_path(kernel);
	entry->args = xstrdup("");
	entry->is_default = i == 0;
	for (size_t c = 0; c < kernel->parent->n_children && !entry->n_initrds; c++) {
		const struct node *n = kernel->parent->children[c];
		AUTO_FREE char *path = is_initrd_of(n, kernel, k->n == 1) ? node_path(n) : NULL;

		if (path)
			menu_entry_add_initrd(entry, path);
	}
	buf_free(&name);
}

/* The first line of a file LABEL in the root, as hand-made live systems have it; the volume's; the directory's name. */
char *facts_title(const struct source *s)
{
	const struct node *n = source_find(s, "/LABEL");
	AUTO_ERR struct err ignored = { 0 };
	AUTO_FREE char *text = NULL, *line = NULL, *path = NULL;
	char *slash;

	if (n && n->type == NODE_FILE && node_load(n, LABEL_MAX, &text, NULL, &ignored) == 0) {
		text[strcspn(text, "\r\n")] = '\0';
		line = menu_one_line(text);
		if (strcmp(line, "...") != 0)
			return TAKE(line);
	}
	if (*s->volume_id)
		return menu_one_line(s->volume_id);
	path = realpath(s->path, NULL);
	slash = path ? strrchr(path, '/') : NULL;
	return menu_one_line(slash && slash[1] ? slash + 1 : "Linux");
}

int facts_make_menu(struct facts *f, struct err *e)
{
	struct kernels k = { .facts = f, .e = e };
	int r = source_each(f->source, find_kernel, &k);

	for (size_t i = 0; r == 0 && i < k.n; i++)
		add_entry(&k, i);
	return r;
}

/* ---- an initrd of ours */

static int leave_out_what_cannot_start(struct facts *f, struct err *e)
{
	const struct menu *m = &f->menu;

	for (size_t i = 0; i < f->own.n_kernels; i++)
		if (f->own.kernel[i].why_not)
			facts_warn(f, "no menu entry is made for %s: %s", f->own.kernel[i].path,
			           f->own.kernel[i].why_not);
	for (size_t i = 0; i < m->n; i++)
		if (own_for_kernel(&f->own, m->entry[i].kernel))
			return 0;
	return fail_source(e, -EINVAL, "none of its kernels can be started");
}

int facts_build_own(struct facts *f, struct err *e)
{
	const struct own_kernel *k;
	struct buf what = { 0 };
	int r = f->menu.n ? own_build(f->source, &f->menu, f->title, &f->own, e)
	                  : fail_source(e, -ENOEXEC, "has no kernel");

	if (r == 0)
		r = leave_out_what_cannot_start(f, e);
	if (r < 0)
		return fail(e, r, "%s", f->source->path);
	for (size_t i = 0; i < f->own.n_kernels; i++) {
		const struct own_initrd *rd = &f->own.kernel[i].initrd;

		for (size_t w = 0; w < rd->n_warnings; w++)
			facts_warn(f, "%s", rd->warnings[w]);
	}
	k = &f->own.kernel[0];
	buf_addf(&what, "livestick's own initrd for the kernel %s (%s, %zu system image%s, %s)",
	         k->kernel.version ? k->kernel.version : k->path, own_union_name(k->initrd.union_), f->own.n_images,
	         f->own.n_images == 1 ? "" : "s", k->initrd.init ? k->initrd.init : "no init");
	f->version = what.s;
	return 0;
}
