/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tails is live-boot with a persistence of its own: a LUKS partition with the GPT name TailsData, opened in its
 * greeter, on a disk that its own installer made.
 */
#include "persist/family.h"

static bool any_has(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (args_has(f->cmdlines[i], "module=Tails"))
			return true;
	return false;
}

static int tails_score(const struct family_facts *f)
{
	return any_has(f) || source_find(f->source, "/live/Tails.module") ? 100 : 0;
}

static char *tails_refuse(const struct family_facts *f)
{
	(void)f;
	return xstrdup(
	    "Tails keeps its data only on a stick made from the USB image of the Tails project: write that image");
}

static void tails_rewrite(const char *args, const struct family_medium *m, struct buf *out)
{
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
