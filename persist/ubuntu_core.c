/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ubuntu Core: snaps and a model in /systems, partitions and labels that its own image lays out. */
#include "persist/look.h"

static int ubuntu_core_score(const struct family_facts *f)
{
	const struct node *systems = source_find(f->source, "/systems");

	if (family_any_has(f, "snapd_recovery_mode=") || family_any_has(f, "snapd_recovery_system="))
		return 100;
	for (size_t i = 0; systems && i < systems->n_children; i++) {
		AUTO_FREE char *path = look_sentence("/systems/%s", systems->children[i]->name);

		if (look_has(f->source, path, "model") && look_has(f->source, "/snaps", "*.snap"))
			return 50;
	}
	return 0;
}

static char *ubuntu_core_refuse(const struct family_facts *f)
{
	(void)f;
	return xstrdup("Ubuntu Core brings its own partitions, which its first start fills: write its image");
}

static void ubuntu_core_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                                struct buf *out)
{
	(void)f;
	(void)m;
	args_without(args, NULL, 0, out);
}

const struct family family_ubuntu_core = {
	.name = "ubuntu-core",
	.title = "Ubuntu Core",
	.score = ubuntu_core_score,
	.refuse = ubuntu_core_refuse,
	.rewrite = ubuntu_core_rewrite,
};
