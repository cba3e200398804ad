/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checksum lists that somebody made up. Input: the first file is /md5sum.txt; lines of 0x01 PATH begin further files of
 * the tree; that of /FIELD is the application use field of an image. What was read must keep the promises of
 * src/source/sums.h. For libFuzzer; with -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include <errno.h>
#include <stdio.h>

#include "src/source/sums_private.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "broken promise: %s\n", #cond), abort()))

#define IMAGE_SIZE (20 * 2048)
#define DESCRIPTOR (16 * 2048)

/* A source whose files are stretches of the input. */
struct made_up {
	struct source source;
	const u8 *data;
	u8 image[IMAGE_SIZE];
};

static int read_node(struct source *s, const struct node *n, u64 off, void *buf, size_t len, struct err *e)
{
	(void)e;
	if (len)
		memcpy(buf, ((struct made_up *)s)->data + n->extents[0].off + off, len);
	return 0;
}

static int read_image(struct source *s, u64 off, void *buf, size_t len, struct err *e)
{
	(void)e;
	MUST(off <= IMAGE_SIZE && len <= IMAGE_SIZE - off);
	memcpy(buf, ((struct made_up *)s)->image + off, len);
	return 0;
}

static void free_made_up(struct source *s)
{
	free(s);
}

static const struct source_ops ops = { .read = read_node, .read_image = read_image, .free = free_made_up };

static struct node *child(struct node *dir, const char *name, size_t len)
{
	for (size_t i = 0; i < dir->n_children; i++)
		if (strlen(dir->children[i]->name) == len && memcmp(dir->children[i]->name, name, len) == 0)
			return dir->children[i];
	return NULL;
}

/* Directories are made on the way; what cannot be is left out. */
static void add_file(struct made_up *m, const char *path, size_t len, const u8 *content, size_t size)
{
	struct node *dir = m->source.root, *n = NULL;
	AUTO_ERR struct err e = { 0 };
	size_t none = 0;

	for (const char *end = path + len; path < end;) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t part = (size_t)((slash ? slash : end) - path);

		n = part ? child(dir, path, part) : dir;
		if (!n && source_add(dir, path, part, &n, &e) < 0)
			return;
		path += part + (slash != NULL);
		if (!slash)
			break;
		if (n->type == NODE_FILE && n->n_extents)
			return;
		n->type = NODE_DIR;
		dir = n;
	}
	if (!n || n->type != NODE_FILE || n->n_extents)
		return;
	n->size = size;
	*ARRAY_ADD(n->extents, none, n->cap_extents) = (struct extent){ (u64)(content - m->data), size };
	n->n_extents = 1;
}

static struct source *make_up(const u8 *data, size_t size)
{
	static const char first[] = "md5sum.txt", field[] = "/FIELD";
	struct made_up *m = xcalloc(1, sizeof(*m));
	const u8 *end = data + size;

	source_init(&m->source, &ops, "fuzz", "made up");
	m->data = data;
	m->source.size = IMAGE_SIZE;
	memcpy(m->image + DESCRIPTOR, "\1CD001", 6);
	put_le32(m->image + DESCRIPTOR + 80, IMAGE_SIZE / 2048);
	for (const u8 *at = data, *stop; at <= end; at = stop + 1) {
		const u8 *line = at;

		stop = memchr(at, 1, (size_t)(end - at));
		if (!stop)
			stop = end;
		if (at == data) {
			add_file(m, first, strlen(first), at, (size_t)(stop - at));
			continue;
		}
		at = memchr(at, '\n', (size_t)(stop - at));
		if (!at)
			continue;
		if ((size_t)(at - line) == strlen(field) && memcmp(line, field, strlen(field)) == 0)
			memcpy(m->image + DESCRIPTOR + 883, at + 1, MIN((size_t)(stop - at - 1), (size_t)512));
		else
			add_file(m, (const char *)line, (size_t)(at - line), at + 1, (size_t)(stop - at - 1));
	}
	return &m->source;
}

static void check_sums(const struct sums *sums)
{
	size_t of_file = 0;

	for (size_t i = 0; i < sums->n_sums; i++) {
		const struct sum *sum = &sums->sum[i], *last = i ? &sums->sum[i - 1] : NULL;
		bool same = last && last->node == sum->node;

		MUST(sum->node->type == NODE_FILE && sum->node->source == sums->source);
		MUST(sums_name(sum->list->name).is_list && !sums_name(sum->node->name).is_list);
		MUST(!last || (same ? last->weaker == sum && last->kind >= sum->kind : !last->weaker));
		MUST(same || sums_for(sums, sum->node) == sum);
		of_file = same ? of_file + 1 : 1;
		MUST(of_file <= SUMS_PER_FILE_MAX);
	}
	MUST(sums->n_sums == 0 || !sums->sum[sums->n_sums - 1].weaker);
	MUST(!sums_for(sums, sums->source->root));
	MUST(sums->n_warnings <= SUMS_WARNINGS_MAX);
	for (size_t i = 0; i < sums->n_lists; i++)
		MUST(sums->lists[i].n_there <= sums->lists[i].n_listed);
	MUST(!sums->image.is_there || sums->image.size <= IMAGE_SIZE);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_SOURCE struct source *s = make_up(data, size);
	AUTO_SUMS struct sums *sums = NULL;
	AUTO_ERR struct err e = { 0 };
	int r;

	if (source_sort(s, &e) < 0)
		return 0;
	MUST(sums_read(s, &sums, &e) == 0 && !e.text);
	check_sums(sums);
	r = sums_check(sums, NULL, NULL, NULL, &e);
	MUST(r == 0 ? !e.text : r == -EBADMSG && e.text && e.code == EXIT_SOURCE);
	MUST(sums_bytes(sums, NULL, NULL) <= MAX((u64)size, (u64)2 * IMAGE_SIZE));
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
