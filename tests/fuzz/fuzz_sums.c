/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checksum lists that somebody made up. Input: the first file is /md5sum.txt; lines of 0x01 PATH begin further files of
 * the tree; that of /FIELD is the application use field of an image. What was read must keep the promises of
 * src/source/sums.h. For libFuzzer; with -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include <errno.h>

#include "src/source/sums_private.h"
#include "tests/fuzz/fuzz_tree.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define IMAGE_SIZE (20 * 2048)
#define DESCRIPTOR (16 * 2048)

struct made_up {
	struct tree tree;
	u8 image[IMAGE_SIZE];
};

static int read_image(struct source *s, u64 off, void *buf, size_t len, struct err *e)
{
	(void)e;
	MUST(off <= IMAGE_SIZE && len <= IMAGE_SIZE - off);
	memcpy(buf, ((struct made_up *)s)->image + off, len);
	return 0;
}

static const struct source_ops ops = { .read = tree_read, .read_image = read_image, .free = tree_free };

static bool take_field(struct tree *t, const char *path, size_t len, const u8 *content, size_t size)
{
	static const char field[] = "/FIELD";

	if (len != strlen(field) || memcmp(path, field, len) != 0)
		return false;
	memcpy(((struct made_up *)t)->image + DESCRIPTOR + 883, content, MIN(size, (size_t)512));
	return true;
}

static struct source *make_up(const u8 *data, size_t size)
{
	struct made_up *m = xcalloc(1, sizeof(*m));

	source_init(&m->tree.source, &ops, "fuzz", "made up");
	m->tree.source.size = IMAGE_SIZE;
	memcpy(m->image + DESCRIPTOR, "\1CD001", 6);
	put_le32(m->image + DESCRIPTOR + 80, IMAGE_SIZE / 2048);
	tree_fill(&m->tree, data, size, "md5sum.txt", take_field);
	return &m->tree.source;
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
