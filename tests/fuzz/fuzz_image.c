/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The input is a system image: it is listed, each file up to 64 KiB is read, symlinks are followed; then the same image
 * lies on itself. What was read must keep the promises of persist/image.h. For libFuzzer; with -DFUZZ_MAIN a program
 * that does the same with each file that it is given.
 */
#include <sys/stat.h>

#include "persist/image.h"
#include "tests/fuzz/must.h"

#define READ_MAX (64 * KIB)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct listing {
	const struct image_stack *s;
	unsigned n_loaded;
};

static void check_path(const char *path)
{
	MUST(*path == '/');
	for (const char *p = path; *p;) {
		size_t len = strcspn(++p, "/");

		MUST(len > 0 && len < 256);
		MUST(!(len == 1 && p[0] == '.') && !(len == 2 && p[0] == '.' && p[1] == '.'));
		p += len;
	}
}

static int read_it(void *ctx, const char *path, const struct image_entry *x)
{
	struct listing *l = ctx;
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	struct image_entry found;
	size_t len;
	int r;

	check_path(path);
	MUST(S_ISREG(x->mode) || x->size == 0);
	MUST(x->in < l->s->n);
	if (++l->n_loaded > 100)
		return 0;
	r = image_find(l->s, path, &found, &e);
	MUST(r < 0 ? e.text && e.code == EXIT_SOURCE : !e.text);
	MUST(r != 1 || !S_ISLNK(found.mode));
	err_clear(&e);
	r = image_load_entry(l->s, x, path, READ_MAX, &text, &len, &e);
	MUST(r == 0 ? S_ISREG(x->mode) && len == x->size && text[len] == '\0' : e.text && e.code == EXIT_SOURCE);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_IMAGE struct image *im = NULL;
	AUTO_ERR struct err e = { 0 };
	int r = image_open(input_memory(data), size, "fuzz", &im, &e);
	struct image *two[] = { im, im };

	MUST(r == 0 ? im && !e.text : !im && e.text && e.code == EXIT_SOURCE);
	for (size_t n = 1; r == 0 && n <= 2; n++) {
		struct image_stack s = { two, n };
		struct listing l = { .s = &s };

		if (image_each(&s, "/", NULL, read_it, &l, &e) < 0)
			MUST(e.text && e.code == EXIT_SOURCE);
		err_clear(&e);
	}
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
