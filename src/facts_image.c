/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether the system images of a source are whole, as far as their own headers tell: the kernel finds out at boot. */
#include <errno.h>
#include <fnmatch.h>

#include "persist/image.h"
#include "src/facts_parts.h"

/* Install media have thousands of small files, and a CD drive takes its time for each. */
#define IMAGE_MIN (64 * KIB)

/* Packages: none of them is a system image. */
static bool is_package(const char *name)
{
	static const char *const globs[] = { "*.deb", "*.udeb", "*.rpm", "*.drpm", "*.apk", "*.gz",
		                             "*.xz",  "*.bz2",  "*.zst", "*.t?z",  "*.zip" };

	for (size_t i = 0; i < ARRAY_SIZE(globs); i++)
		if (fnmatch(globs[i], name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

static int look_at(void *ctx, const struct node *n)
{
	struct err *e = ctx;
	struct image_kind kind = { 0 };
	AUTO_FREE char *path = NULL;
	AUTO_ERR struct err why = { 0 };

	if (n->type != NODE_FILE || n->size < IMAGE_MIN || is_package(n->name))
		return 0;
	path = node_path(n);
	/* What cannot be read is told when it is read; what cannot be looked into may be right all the same. */
	if (image_identify(node_input(n), n->size, path, &kind, &why) < 0 || kind.size <= n->size)
		return 0;
	return fail_source(e, -EUCLEAN, "%s: is cut short: has %llu bytes, and its %s has %llu", path,
	                   (unsigned long long)n->size, kind.type, (unsigned long long)kind.size);
}

int facts_check_images(const struct facts *f, struct err *e)
{
	int r = source_each(f->source, look_at, e);

	return r < 0 ? fail(e, r, "%s", f->source->path) : 0;
}
