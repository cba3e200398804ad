/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gentoo's media before 2024, and others with an initrd of genkernel (later ones are dracut's, with "root=live:").
 * Facts from gentoo/genkernel (2025-06), defaults/linuxrc and initrd.scripts: bootstrapCD(), findmediamount(),
 * setup_overlayfs(), setup_aufs().
 *
 * Every block device is mounted until one has the marker file; "loop=" is a path on it. The writable layer is always
 * in memory, but for "aufs=", which needs a kernel with aufs and asks for the size of a file.
 */
#include "persist/look.h"

#define MARKER "/livecd"

static bool is_live(const char *args)
{
	return (args_has(args, "cdroot") || args_has(args, "cdroot=")) && !args_has(args, "root=live:*");
}

static int genkernel_score(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (is_live(f->cmdlines[i]))
			return 100;
	if (family_any_has(f, "root=live:*"))
		return 0;
	if (family_initrd_has(f, "etc/initrd.defaults"))
		return 80;
	return source_find(f->source, MARKER) && look_has(f->source, "/", "image.squashfs") ? 50 : 0;
}

/* The file of the argument on the medium, without slot: "/image.squashfs". NULL without one. The caller frees. */
static char *file_of(const char *args, const char *key, const char *slot)
{
	AUTO_FREE char *value = args_value(args, key), *path = look_path(value, slot, "");

	return *path ? look_sentence("/%s", path) : NULL;
}

static char *genkernel_refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;

	for (size_t i = 0; i < f->n_cmdlines; i++) {
		const char *args = f->cmdlines[i];
		AUTO_FREE char *image = file_of(args, "loop=", ""), *marker = file_of(args, "cdroot_marker=", "");
		const char *mark = marker ? marker : MARKER;

		if (!is_live(args))
			continue;
		if (source_find(f->source, mark) && (!image || source_find(f->source, image)))
			return NULL;
		if (!missing)
			missing = xstrdup(source_find(f->source, mark) ? image : mark);
	}
	return missing ? look_sentence("there is no %s, which its initrd would look for", missing) : NULL;
}

static void genkernel_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                              struct buf *out)
{
	static const char *const drop[] = { "cdroot", "cdroot=", "cdroot_marker=", "isoboot=", "loop=" };
	AUTO_FREE char *image = file_of(args, "loop=", m->slot), *marker = file_of(args, "cdroot_marker=", m->slot);
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	if (!is_live(args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_adds(&words, "cdroot");
	if (*m->slot || marker)
		buf_addf(&words, " cdroot_marker=%s%s", m->slot, marker ? marker : MARKER);
	if (image)
		buf_addf(&words, " loop=%s%s", m->slot, image);
	args_add(out, words.s);
}

/* "Genkernel 4.3.16" */
static char *genkernel_version(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, "etc/build_id");
	size_t n = text && strncasecmp(text, "genkernel ", 10) == 0 ? strcspn(text + 10, " \t\r\n") : 0;

	return n ? look_sentence("genkernel %.*s", (int)n, text + 10) : NULL;
}

static const char *const genkernel_texts[] = { "etc/build_id", NULL };

static const char *const genkernel_limits[] = {
	"nothing is kept: its initrd holds all changes in memory, and has no way to be told otherwise",
	NULL,
};

const struct family family_genkernel = {
	.name = "genkernel",
	.title = "genkernel (Gentoo before 2024)",
	.score = genkernel_score,
	.texts = genkernel_texts,
	.refuse = genkernel_refuse,
	.version = genkernel_version,
	.rewrite = genkernel_rewrite,
	.keeps_nothing = true,
	.takes_slot = true,
	.limits = genkernel_limits,
};
