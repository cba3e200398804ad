/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Initrds that somebody made up. What was read must keep the promises of src/source/initrd.h. For libFuzzer; with
 * -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include <sys/stat.h>

#include "src/source/initrd.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* Each name of a path is one, and there is a "/" between. */
static void check_path(const char *path)
{
	MUST(*path && strlen(path) < 4096);
	for (const char *p = path;; p++) {
		size_t len = strcspn(p, "/");

		MUST(len > 0 && len < 256);
		MUST(!(len == 1 && p[0] == '.') && !(len == 2 && p[0] == '.' && p[1] == '.'));
		p += len;
		if (!*p)
			return;
	}
}

/* Its directory is there too, and has the path before its own. */
static void check_parent(const struct initrd *rd, const struct initrd_entry *x)
{
	const char *slash = strrchr(x->path, '/');
	AUTO_FREE char *dir = slash ? xstrndup(x->path, (size_t)(slash - x->path)) : NULL;
	const struct initrd_entry *parent = dir ? initrd_find(rd, dir) : NULL;

	MUST(!dir || (parent && S_ISDIR(parent->mode) && strcmp(parent->path, dir) == 0));
}

static void check_entry(const struct initrd *rd, const struct initrd_entry *x)
{
	const struct initrd_entry *found = initrd_find(rd, x->path);

	check_path(x->path);
	check_parent(rd, x);
	MUST((x->target != NULL) == S_ISLNK(x->mode));
	MUST(!x->target || (*x->target && strlen(x->target) < 4096));
	MUST(S_ISLNK(x->mode) ? !found || !S_ISLNK(found->mode) : found == x);
	MUST(S_ISREG(x->mode) || (x->size == 0 && !x->text));
	MUST(!x->text || (x->size <= INITRD_TEXT_MAX && x->text[x->size] == '\0'));
	for (u64 i = 0; x->text && i < x->size; i++) /* all of it may be read */
		if (x->text[i] == '\x7f')
			break;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const char *const texts[] = { "*/a*", "[b-z]*", NULL };
	AUTO_INITRD struct initrd *rd = NULL;
	AUTO_ERR struct err e = { 0 };
	const struct initrd_entry *last = NULL;

	if (initrd_open(input_memory(data), size, "fuzz", texts, &rd, &e) < 0) {
		MUST(e.text && e.code == EXIT_SOURCE && !rd);
		return 0;
	}
	MUST(!e.text);
	for (const struct initrd_entry *x = NULL; (x = initrd_match(rd, "*", x)); last = x) {
		MUST(!last || strcmp(last->path, x->path) < 0);
		check_entry(rd, x);
	}
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
