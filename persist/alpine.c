/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Alpine Linux. Facts from alpinelinux/mkinitfs (2025-11): initramfs-init.in, nlplug-findfs.c (scandev()).
 *
 * The root file system is in memory, made of packages: nlplug-findfs mounts what it finds, until there is a file
 * .boot_repository, and takes a *.apkovl.tar.gz in the root of any of them. Nothing is kept but what "lbu commit"
 * writes into that archive; no argument changes it.
 */
#include "persist/look.h"

#define REPOSITORY "/apks/.boot_repository"

/* Whether a list of kernel modules has the word. */
static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *v = list; v && *v;) {
		size_t n = strcspn(v, ",");

		if (n == len && memcmp(v, word, n) == 0)
			return true;
		v += n + (v[n] == ',');
	}
	return false;
}

static bool is_alpines(const char *args)
{
	AUTO_FREE char *list = args_value(args, "modules=");

	return list_has(list, "squashfs") && !strpbrk(list, " \t");
}

static int alpine_score(const struct family_facts *f)
{
	bool has_initrd = family_initrd_match(f, "*sbin/nlplug-findfs");
	bool has_tree = source_find(f->source, REPOSITORY) || source_find(f->source, "/.alpine-release");

	if (!has_initrd && !has_tree)
		return 0;
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (is_alpines(f->cmdlines[i]))
			return 100;
	return has_initrd ? 80 : 50;
}

static char *alpine_refuse(const struct family_facts *f)
{
	if (source_find(f->source, REPOSITORY))
		return NULL;
	return xstrdup("there is no file " REPOSITORY ", by which its initrd would know the medium");
}

/* ext4, for packages and archives on it; vfat is loaded when it is needed. */
static void alpine_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                           struct buf *out)
{
	static const char *const drop[] = { "modules=" };
	AUTO_FREE char *list = args_value(args, "modules=");
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	(void)m;
	if (!is_alpines(args) || list_has(list, "ext4")) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "modules=%s,ext4", list);
	args_add(out, words.s);
}

static char *alpine_version(const struct family_facts *f)
{
	const char *text = family_initrd_match(f, "*sbin/nlplug-findfs") ? family_initrd_text(f, "init") : NULL;
	AUTO_FREE char *value = text ? look_assigned(text, "VERSION") : NULL;

	return value ? look_sentence("mkinitfs %s", value) : NULL;
}

static const char *const alpine_texts[] = { "init", NULL };

static const char *const alpine_limits[] = {
	"nothing is kept by itself: \"setup-alpine\" or \"setup-lbu\" in the running system chooses a partition of the "
	"stick, and \"lbu commit\" saves /etc and what \"lbu add\" has named there",
	NULL,
};

const struct family family_alpine = {
	.name = "alpine",
	.title = "Alpine Linux",
	.score = alpine_score,
	.texts = alpine_texts,
	.refuse = alpine_refuse,
	.version = alpine_version,
	.rewrite = alpine_rewrite,
	.keeps_nothing = true,
	.limits = alpine_limits,
};
