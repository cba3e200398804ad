/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tails is live-boot with a persistence of its own: a LUKS partition with the GPT name TailsData, opened in its
 * greeter, on a disk that its own installer made.
 */
#include "persist/family.h"

static int tails_score(const struct family_facts *f)
{
	return family_any_has(f, "module=Tails") || source_find(f->source, "/live/Tails.module") ? 100 : 0;
}

static char *tails_refuse(const struct family_facts *f)
{
	(void)f;
	return xstrdup(
	    "Tails keeps its data only on a stick made from the USB image of the Tails project: write that image");
}

static void tails_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                          struct buf *out)
{
	(void)f;
	(void)m;
	args_without(args, NULL, 0, out);
}

const struct family family_tails = {
	.name = "tails",
	.title = "Tails",
	.score = tails_score,
	.rewrite = tails_rewrite,
	.refuse = tails_refuse,
};
