/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Windows setup and recovery media with an ISO 9660 tree (those with UDF alone do not come as far as this). */
#include "persist/family.h"

static int windows_score(const struct family_facts *f)
{
	static const char *const image[] = { "/sources/boot.wim", "/sources/install.wim", "/sources/install.esd" };

	if (!source_find(f->source, "/bootmgr") && !source_find(f->source, "/bootmgr.efi"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(image); i++)
		if (source_find(f->source, image[i]))
			return 100;
	return 0;
}

static char *windows_refuse(const struct family_facts *f)
{
	(void)f;
	return xstrdup("is a Windows ISO, not a live Linux");
}

static void windows_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                            struct buf *out)
{
	(void)f;
	(void)m;
	args_without(args, NULL, 0, out);
}

const struct family family_windows = {
	.name = "windows",
	.title = "Windows",
	.score = windows_score,
	.rewrite = windows_rewrite,
	.refuse = windows_refuse,
};
