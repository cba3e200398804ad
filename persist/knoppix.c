/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Knoppix. Its initrd (minirt) has not been read; what is taken from it is what it says itself. Its own flash-knoppix
 * makes a second partition with the label KNOPPIX-DATA, which later initrds take without an argument. One that does not
 * speak of this label keeps nothing here. "noimage" is given only to one that knows the word.
 */
#include "persist/look.h"

#define LABEL "KNOPPIX-DATA"

static int score(const struct family_facts *f)
{
	bool has_initrd = look_initrd_says(f, "init", "KNOPPIX");

	if (!has_initrd && !look_has(f->source, "/KNOPPIX", "KNOPPIX*"))
		return 0;
	if (family_any_has(f, "knoppix_dir=") || family_any_has(f, "knoppix_name="))
		return 100;
	return has_initrd ? 80 : 50;
}

static bool takes_partition(const struct family_facts *f)
{
	return look_initrd_says(f, "init", LABEL);
}

static int knoppix_score(const struct family_facts *f)
{
	return takes_partition(f) ? score(f) : 0;
}

static int knoppix_plain_score(const struct family_facts *f)
{
	return takes_partition(f) ? 0 : score(f);
}

static char *knoppix_refuse(const struct family_facts *f)
{
	if (look_has(f->source, "/KNOPPIX", "KNOPPIX*") || family_any_has(f, "knoppix_dir="))
		return NULL;
	return xstrdup("there is no file KNOPPIX in /KNOPPIX, which its initrd would look for");
}

static char *knoppix_doubt(const struct family_facts *f)
{
	(void)f;
	return xstrdup("that Knoppix takes a partition labelled " LABEL
	               " as livestick makes it has not been tried: see "
	               "whether a file is kept before relying on it");
}

static void knoppix_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                            struct buf *out)
{
	static const char *const drop[] = { "noimage", "fromhd=", "bootfrom=" };

	args_without(args, drop, ARRAY_SIZE(drop), out);
	if (!m->persistent && look_initrd_says(f, "init", "noimage"))
		args_add(out, "noimage");
}

static const char *const knoppix_texts[] = { "init", NULL };

static const char *const knoppix_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"its initrd takes any partition labelled " LABEL ", also that of another stick",
	NULL,
};

static const char *const knoppix_plain_limits[] = {
	"nothing is kept by itself: its initrd does not say that it takes a partition for changes; Knoppix can make a "
	"file for them on BOOT",
	NULL,
};

const struct family family_knoppix = {
	.name = "knoppix",
	.title = "Knoppix",
	.score = knoppix_score,
	.texts = knoppix_texts,
	.refuse = knoppix_refuse,
	.doubt = knoppix_doubt,
	.rewrite = knoppix_rewrite,
	.data_label = LABEL,
	.limits = knoppix_limits,
	.proof = "^/dev/[^ ]+ /KNOPPIX-DATA ext4 ",
};

const struct family family_knoppix_plain = {
	.name = "knoppix-plain",
	.title = "Knoppix, without a partition for changes",
	.score = knoppix_plain_score,
	.texts = knoppix_texts,
	.refuse = knoppix_refuse,
	.rewrite = knoppix_rewrite,
	.keeps_nothing = true,
	.limits = knoppix_plain_limits,
};
