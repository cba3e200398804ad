/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checksum lists become a table: which sums are said of which file. */
#include "src/source/sums_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "src/base/buf.h"

/*
 * A name that is not there as it is written is looked for without regard to case, which takes time in proportion to
 * the directory: so much of it altogether. No real medium comes near.
 */
#define ANY_CASE_MAX 100000000

/* One file in so many must be there, or the list is about something else. */
#define ABOUT_US 10

struct reader {
	struct sums *sums;
	struct err *e;
	u64 bytes_left;
	size_t sums_left;
	u64 any_case_left;
	bool available[DIGEST_KINDS];
};

/* A list while it is read. */
struct list {
	size_t index; /* in sums->lists */
	const struct node *node;
	struct sums_name name;
	char *path;
	char *text;
	const char *at, *end;
	size_t n_sums;           /* lines that say something */
	const struct node *base; /* where its paths count from */
	const char *not_available;
	bool leads_out;
};

void sums_warn(struct sums *sums, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (sums->n_warnings >= SUMS_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup(fmt);
	va_end(ap);
	*ARRAY_ADD(sums->warnings, sums->n_warnings, sums->cap_warnings) = text;
}

/* ---- which file is meant */

/* ".." at the root of the tree; symlinks on the way do not count, as source_find() never leaves the tree. */
static bool leads_out(const struct node *base, const char *path)
{
	size_t depth = 0;

	for (; base->parent; base = base->parent)
		depth++;
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			if (depth == 0)
				return true;
			depth--;
		} else if (len != 1 || path[0] != '.') {
			depth++;
		}
		path += len;
	}
	return false;
}

static const struct node *find(struct reader *r, const struct node *base, const char *path)
{
	const struct source *s = r->sums->source;
	const struct node *n;
	AUTO_FREE char *dir = NULL;
	AUTO_BUF struct buf whole = { 0 };

	if (*path == '/')
		base = s->root;
	if (!*path || leads_out(base, path))
		return NULL;
	dir = node_path(base);
	buf_addf(&whole, "%s/%s", dir, path);
	n = source_find_exact(s, whole.s);
	if (!n && r->any_case_left > s->n_nodes) {
		r->any_case_left -= s->n_nodes;
		n = source_find(s, whole.s);
	}
	return n && n->type == NODE_FILE ? n : NULL;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A list of one sum is about the file beside it, wherever that was when the list was made. */
static const struct node *find_beside(struct reader *r, const struct list *l, const char *path)
{
	AUTO_FREE char *name = xstrndup(l->node->name, l->name.beside);

	if (l->name.beside == 0 || l->n_sums != 1)
		return NULL;
	return find(r, l->node->parent, *path ? last_part(path) : name);
}

/* Loaders and the catalogue, under the names they usually have: for media of which only the tree is left. */
static bool may_differ_by_name(const char *name)
{
	static const char *const names[] = { "isolinux.bin",  "boot.cat",          "boot.catalog", "isolinux.boot",
		                             "grub_eltorito", "grub-eltorito.img", "eltorito.img", "stage2_eltorito" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return sums_name(name).is_list;
}

static bool may_differ(const struct source *s, const struct node *n)
{
	if (may_differ_by_name(n->name))
		return true;
	if (n->n_extents == 0)
		return false;
	if (s->boot_catalogue && n->extents[0].off == s->boot_catalogue)
		return true;
	for (size_t i = 0; i < s->n_boot_images; i++) {
		const struct boot_image *b = &s->boot_images[i];

		if (!b->from_table && b->platform != BOOT_IMAGE_EFI && b->off == n->extents[0].off)
			return true;
	}
	return false;
}

/* ---- a list */

static bool next_sum(struct list *l, struct sums_line *ret)
{
	while (l->at < l->end) {
		const char *line = l->at, *stop = memchr(line, '\n', (size_t)(l->end - line));

		if (!stop)
			stop = l->end;
		l->at = stop < l->end ? stop + 1 : stop;
		if (sums_line(line, (size_t)(stop - line), &l->name, ret))
			return true;
	}
	return false;
}

/* Counts the sums, and chooses the directory that most of the paths can be found from. */
static void survey(struct reader *r, struct list *l)
{
	const struct node *dir = l->node->parent, *root = r->sums->source->root;
	const struct node *const base[] = { dir, dir->parent, root };
	size_t n_bases = dir == root ? 1 : dir->parent == root ? 2 : 3;
	size_t hits[ARRAY_SIZE(base)] = { 0 }, best = 0;
	struct sums_line line;

	while (l->n_sums < r->sums_left && next_sum(l, &line)) {
		l->n_sums++;
		for (size_t i = 0; n_bases > 1 && i < n_bases; i++)
			hits[i] += find(r, base[i], line.path) != NULL;
	}
	for (size_t i = 1; i < n_bases; i++)
		if (hits[i] > hits[best])
			best = i;
	l->base = base[best];
	l->at = l->text;
}

static void add_sum(struct reader *r, struct list *l, const struct sums_line *line)
{
	struct sums_list *seen = &r->sums->lists[l->index];
	const char *path = line->path;
	const struct node *n;
	struct sum *sum;

	if (may_differ_by_name(last_part(path)))
		return;
	n = find(r, l->base, path);
	if (!n)
		n = find_beside(r, l, path);
	if (n && may_differ(r->sums->source, n))
		return;
	if (!n && leads_out(*path == '/' ? r->sums->source->root : l->base, path)) {
		l->leads_out = true;
		return;
	}
	if (!n && !*path)
		return;
	seen->n_listed++;
	if (!n) {
		if (!seen->missing)
			seen->missing = xstrdup(path);
		return;
	}
	seen->n_there++;
	sum = ARRAY_ADD(r->sums->sum, r->sums->n_sums, r->sums->cap_sums);
	*sum = (struct sum){ .node = n, .kind = line->kind, .list = l->node, .order = r->sums->n_sums };
	memcpy(sum->digest, line->digest, digest_size(line->kind));
}

static void warn_of_missing(struct reader *r, const struct list *l)
{
	const struct sums_list *seen = &r->sums->lists[l->index];
	size_t n_missing = seen->n_listed - seen->n_there;

	/* In a directory of its own it is nothing odd. */
	if (!seen->is_used && !l->node->parent->parent)
		sums_warn(r->sums, "%s: is not used: of the %zu files that it lists %zu are there", l->path,
		          seen->n_listed, seen->n_there);
	else if (seen->is_used && n_missing == 1)
		sums_warn(r->sums, "%s lists %s, which is not there: the medium is incomplete or was changed", l->path,
		          seen->missing);
	else if (seen->is_used && n_missing)
		sums_warn(r->sums,
		          "%s lists %zu files that are not there, %s is one: the medium is incomplete or was changed",
		          l->path, n_missing, seen->missing);
}

static void warn_of_list(struct reader *r, const struct list *l, bool is_cut)
{
	if (l->n_sums == 0 && !is_cut && l->text != l->end)
		sums_warn(r->sums, "%s: is no list of checksums, or it is damaged", l->path);
	if (is_cut)
		sums_warn(r->sums, "%s: only a part of it is used: the lists have more than %d checksums", l->path,
		          SUMS_MAX);
	if (l->not_available)
		sums_warn(r->sums, "%s: is of no use here: libcrypto of this host has no %s", l->path,
		          l->not_available);
	if (l->leads_out)
		sums_warn(r->sums, "%s: names files outside the medium", l->path);
	warn_of_missing(r, l);
}

static void take_list(struct reader *r, struct list *l)
{
	struct sums_list *seen = &r->sums->lists[l->index];
	size_t n_before = r->sums->n_sums;
	struct sums_line line;
	bool is_cut = false;

	survey(r, l);
	while (next_sum(l, &line)) {
		if (!r->available[line.kind]) {
			l->not_available = digest_name(line.kind);
			continue;
		}
		if (r->sums_left == 0) {
			is_cut = true;
			break;
		}
		r->sums_left--;
		add_sum(r, l, &line);
	}
	seen->is_used = seen->n_there * ABOUT_US >= seen->n_listed;
	if (!seen->is_used)
		r->sums->n_sums = n_before;
	warn_of_list(r, l, is_cut);
}

static int read_list(struct reader *r, size_t index)
{
	struct list l = { .index = index, .node = r->sums->lists[index].node };
	AUTO_FREE char *path = node_path(l.node);
	AUTO_FREE char *text = NULL;
	size_t len;
	int err;

	if (interrupted)
		return fail(r->e, -EINTR, "interrupted");
	l.path = path;
	l.name = sums_name(l.node->name);
	if (l.node->size > r->bytes_left) {
		sums_warn(r->sums, "%s: is not used: the lists of checksums have more than %llu bytes", path,
		          SUMS_LIST_MAX);
		return 0;
	}
	r->bytes_left -= l.node->size;
	err = node_load(l.node, l.node->size, &text, &len, r->e);
	if (err < 0)
		return err;
	l.text = text;
	l.at = text;
	l.end = text + len;
	take_list(r, &l);
	return 0;
}

/* ---- the table */

static int add_if_list(void *ctx, const struct node *n)
{
	struct sums *sums = ctx;

	if (n->type == NODE_FILE && sums_name(n->name).is_list)
		ARRAY_ADD(sums->lists, sums->n_lists, sums->cap_lists)->node = n;
	return 0;
}

static int by_node_and_strength(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;
	int r;

	if (x->node != y->node)
		return (uintptr_t)x->node < (uintptr_t)y->node ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind > y->kind ? -1 : 1;
	r = memcmp(x->digest, y->digest, sizeof(x->digest));
	return r ? r : x->order < y->order ? -1 : x->order > y->order;
}

/* Names the first in order of reading: the table is in no order that lasts. */
static void warn_of_conflict(struct sums *sums, const struct sum *a, const struct sum *b, size_t n)
{
	bool in_order = a->order < b->order;
	AUTO_FREE char *path = node_path(a->node), *one = node_path((in_order ? a : b)->list),
	               *other = node_path((in_order ? b : a)->list);
	AUTO_BUF struct buf more = { 0 };

	buf_adds(&more, "");
	if (n > 1)
		buf_addf(&more, " (and %zu more such pairs)", n - 1);
	sums_warn(sums, "%s: %s has one %s of it, %s another%s", path, one, digest_name(a->kind), other, more.s);
}

/* Puts the strongest first and leaves out what is said twice. */
static void sort_table(struct sums *sums)
{
	size_t n = 0, of_file = 0;

	if (sums->n_sums)
		qsort(sums->sum, sums->n_sums, sizeof(*sums->sum), by_node_and_strength);
	for (size_t i = 0; i < sums->n_sums; i++) {
		const struct sum *sum = &sums->sum[i], *last = n ? &sums->sum[n - 1] : NULL;
		bool same = last && last->node == sum->node;

		if (same && last->kind == sum->kind && memcmp(last->digest, sum->digest, sizeof(sum->digest)) == 0)
			continue;
		of_file = same ? of_file + 1 : 1;
		if (of_file <= SUMS_PER_FILE_MAX)
			sums->sum[n++] = *sum;
	}
	sums->n_sums = n;
}

static void link_table(struct sums *sums)
{
	const struct sum *conflict = NULL;
	size_t n_conflicts = 0;

	for (size_t i = 1; i < sums->n_sums; i++) {
		struct sum *last = &sums->sum[i - 1], *sum = &sums->sum[i];

		if (sum->node != last->node)
			continue;
		last->weaker = sum;
		if (sum->kind != last->kind)
			continue;
		n_conflicts++;
		if (!conflict || last->order < conflict->order)
			conflict = last;
	}
	if (conflict)
		warn_of_conflict(sums, conflict, conflict->weaker, n_conflicts);
}

int sums_read(struct source *s, struct sums **ret, struct err *e)
{
	AUTO_SUMS struct sums *sums = xcalloc(1, sizeof(*sums));
	struct reader reader = {
		.sums = sums,
		.e = e,
		.bytes_left = SUMS_LIST_MAX,
		.sums_left = SUMS_MAX,
		.any_case_left = ANY_CASE_MAX,
	};
	int r = 0;

	sums->source = s;
	for (size_t i = 0; i < DIGEST_KINDS; i++)
		reader.available[i] = digest_available((enum digest_kind)i);
	source_each(s, add_if_list, sums);
	for (size_t i = 0; i < sums->n_lists && r == 0; i++)
		r = read_list(&reader, i);
	if (r == 0)
		r = sums_read_image(sums, e);
	if (r < 0)
		return r;
	sort_table(sums);
	link_table(sums);
	*ret = TAKE(sums);
	return 0;
}

void sums_free(struct sums *sums)
{
	if (!sums)
		return;
	for (size_t i = 0; i < sums->n_lists; i++)
		free(sums->lists[i].missing);
	for (size_t i = 0; i < sums->n_warnings; i++)
		free(sums->warnings[i]);
	free(sums->lists);
	free(sums->sum);
	free(sums->warnings);
	free(sums);
}

const struct sum *sums_for(const struct sums *sums, const struct node *n)
{
	size_t low = 0, high = sums->n_sums;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((uintptr_t)sums->sum[middle].node < (uintptr_t)n)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sums->n_sums && sums->sum[low].node == n ? &sums->sum[low] : NULL;
}
