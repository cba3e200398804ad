/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Archives that a medium adds to the root of its system. Input: etc.tar, or another as its first byte says. What was
 * added must keep the promises of persist/own_extra.h. For libFuzzer; with -DFUZZ_MAIN a program that does the same
 * with each file that it is given.
 */
#include "persist/own_extra.h"
#include "tests/fuzz/fuzz_tree.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const struct source_ops ops = { .read = tree_read, .free = tree_free };

static void check_path(const char *path)
{
	MUST(strncmp(path, "extra", 5) == 0 && (path[5] == '/' || !path[5]));
	for (const char *p = path;; p++) {
		size_t len = strcspn(p, "/");

		MUST(len > 0 && !(len == 1 && *p == '.') && !(len == 2 && p[0] == '.' && p[1] == '.'));
		p += len;
		if (!*p)
			return;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct tree *t = xcalloc(1, sizeof(*t));
	AUTO_SOURCE struct source *s = &t->source;
	struct own_tree to = { 0 };
	struct own_extra x = { .tree = &to };
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf packed = { 0 };

	source_init(s, &ops, "fuzz", "made up");
	tree_fill(t, data, size, "etc.tar", NULL);
	if (source_sort(s, &e) < 0)
		return 0;
	if (own_extra_add(&x, s->root, &e) < 0)
		MUST(e.text && e.code == EXIT_SOURCE);
	else if (own_tree_settle(&to, 0, &e) == 0) {
		for (size_t i = 0; i < to.n; i++)
			check_path(to.file[i].path);
		MUST(own_tree_pack(&to, "none", &packed, &e) == 0);
	}
	MUST(x.bytes <= OWN_EXTRA_BYTES_MAX && x.files <= OWN_EXTRA_FILES_MAX);
	for (size_t i = 0; i < x.n_warnings; i++)
		free(x.warning[i]);
	free(x.warning);
	own_tree_free(&to);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
