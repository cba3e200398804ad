/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mageia Live, made by draklive2. Known of it are its menu and the Mageia wiki ("Building the Live ISOs"): the medium
 * is what "root=mgalive:LABEL=" says, the system is loopbacks/distrib.sqfs, and a partition labelled mgalive-persist
 * on the same stick takes the place of the memory for changes. Its dracut module has not been read; what the source's
 * own says decides between UUID and label.
 */
#include "persist/look.h"

#define IMAGE "/loopbacks/distrib.sqfs"
#define LABEL "mgalive-persist"

/* Whether one of the scripts for it in the initrd has the words. */
static bool scripts_say(const struct family_facts *f, const char *words)
{
	for (size_t i = 0; i < f->n_initrds; i++)
		for (const struct initrd_entry *e = NULL; (e = initrd_match(f->initrds[i], "*mgalive*", e));)
			if (e->text && strstr(e->text, words))
				return true;
	return false;
}

static int mageia_score(const struct family_facts *f)
{
	if (family_any_has(f, "root=mgalive:*"))
		return 100;
	if (family_initrd_match(f, "*mgalive*"))
		return 80;
	return source_find(f->source, IMAGE) ? 50 : 0;
}

static char *mageia_refuse(const struct family_facts *f)
{
	if (!source_find(f->source, IMAGE))
		return xstrdup("there is no " IMAGE ", which its initrd would look for");
	if (scripts_say(f, "-t iso9660"))
		return xstrdup("its initrd mounts its medium as that of a CD only: write the image itself to a stick");
	return NULL;
}

static char *mageia_doubt(const struct family_facts *f)
{
	(void)f;
	return xstrdup("how Mageia's initrd finds its medium and " LABEL " is known from its documentation only: see "
	               "whether the stick starts and keeps a file before relying on it");
}

static void mageia_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                           struct buf *out)
{
	static const char *const drop[] = { "root=mgalive:*" };
	AUTO_BUF struct buf words = { 0 };

	if (!args_has(args, "root=mgalive:*")) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	if (scripts_say(f, "UUID="))
		buf_addf(&words, "root=mgalive:UUID=%s", m->boot_uuid);
	else
		buf_addf(&words, "root=mgalive:LABEL=%s", m->boot_label);
	args_add(out, words.s);
}

static const char *const mageia_texts[] = { "*mgalive*", NULL };

static const char *const mageia_limits[] = {
	"the entry \"without saving\" saves too: its initrd takes the partition " LABEL " whenever it is there",
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	NULL,
};

const struct family family_mageia = {
	.name = "mageia",
	.title = "Mageia Live",
	.score = mageia_score,
	.texts = mageia_texts,
	.refuse = mageia_refuse,
	.doubt = mageia_doubt,
	.rewrite = mageia_rewrite,
	.data_label = LABEL,
	.limits = mageia_limits,
};
