/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The source's files onto BOOT or DATA. On ext4, those with the same bytes are names of one file. */
#include "src/plan_parts.h"

static bool is_loaded_by_loader(const struct menu *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->entry[i].kernel, path) == 0)
			return true;
		for (size_t k = 0; k < m->entry[i].n_initrds; k++)
			if (strcmp(m->entry[i].initrds[k], path) == 0)
				return true;
	}
	return false;
}

/* ---- which are the same */

struct twin {
	const struct node *first; /* of those with the same bytes */
	size_t copy;              /* index */
};

static int by_first(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	if (x->first != y->first)
		return (uintptr_t)x->first < (uintptr_t)y->first ? -1 : 1;
	return (x->copy > y->copy) - (x->copy < y->copy);
}

/* Sets same_as of all copies, wherever they will lie. A node may be there twice itself, where a symlink was. */
static void find_twins(struct plan *p)
{
	AUTO_FREE struct twin *twin = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < p->n_copy; i++) {
		const struct node *node = p->copy[i].node;

		p->copy[i].same_as = 0;
		if (node->type == NODE_FILE && node->size >= SAME_MIN)
			*ARRAY_ADD(twin, n, cap) = (struct twin){ same_first(&p->facts->same, node), i };
	}
	if (n)
		qsort(twin, n, sizeof(*twin), by_first);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (twin[i].first != twin[first].first || i - first == VOLUME_NAMES_MAX)
			first = i;
		else
			p->copy[twin[i].copy].same_as = (u32)twin[first].copy + 1;
	}
}

/* ---- onto the volumes */

/* Where a copy is in the lists. */
struct listed {
	const struct volume_files *volume;
	size_t file, line; /* indexes: of the volume's files, and of the manifest's */
};

/* A directory that holds nothing but what lies on the other partition is made there, too: it does no harm. */
void plan_add_copies(struct plan *p)
{
	AUTO_FREE struct listed *at = xcalloc(p->n_copy, sizeof(*at));

	find_twins(p);
	p->same_bytes = 0;
	for (size_t i = 0; i < p->n_copy; i++) {
		struct plan_copy *c = &p->copy[i];
		const struct node *n = c->node;
		AUTO_FREE char *path = plan_copy_path(p, c);
		bool on_data = p->has_data && p->facts->family->system_on_data && !is_loaded_by_loader(&p->menu, path);
		struct volume_files *v = on_data ? &p->data_files : &p->boot_files;
		struct manifest *m = on_data ? &p->data_manifest : &p->slot_manifest;
		const struct listed *first = c->same_as ? &at[c->same_as - 1] : NULL;
		struct volume_file *f;

		if (n->type == NODE_DIR) {
			volume_add_dir(v, path, 0755, n->mtime);
			continue;
		}
		at[i] = (struct listed){ v, v->n, m->n_files };
		if (!first || first->volume != v || (!on_data && !p->boot_is_ext4)) {
			c->same_as = 0;
			plan_add_listed(v, m, path, n->size, node_input(n), n->mtime);
			continue;
		}
		f = volume_add(v, path, n->size, node_input(n), n->mtime);
		f->same_as = (u32)first->file + 1;
		manifest_add_same(m, f->path, first->line);
		p->same_bytes += n->size;
	}
}
