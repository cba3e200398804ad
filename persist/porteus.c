/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Porteus, PorteuX and others with modules (.xzm) in DIR/base. Facts from its initrd: linuxrc of 2011 (Sitwon/Porteus),
 * linuxrc and finit (locate(), search()) of 5.01 as a public patch of it shows them.
 *
 * The medium is the one with DIR/NAME.cfg (.sgn before 3.0); "from=" names the device and the directory around DIR.
 * "changes=" names a directory that must exist, in which a directory "changes" is made; it is looked for on the medium
 * first and then on all devices, unless "UUID:" leads to one. PorteuX' own documents know the path alone: where the
 * initrd does not speak of "UUID:", the directory's name, which is of this stick alone, finds it.
 */
#include "persist/look.h"

static const char *porteus_dir(const struct family_facts *f)
{
	return look_dir(f->source, "base", "*.xzm");
}

static int porteus_score(const struct family_facts *f)
{
	if (!porteus_dir(f))
		return 0;
	if (family_any_has(f, "changes="))
		return 100;
	return family_initrd_has(f, "linuxrc") && family_initrd_has(f, "finit") ? 80 : 50;
}

static char *porteus_refuse(const struct family_facts *f)
{
	const char *dir = porteus_dir(f);

	if (!dir)
		return xstrdup("there are no modules (*.xzm) in /porteus/base");
	if (look_has(f->source, dir, "*.cfg") || look_has(f->source, dir, "*.sgn"))
		return NULL;
	return look_sentence("there is no *.cfg in /%s, by which its initrd would know the medium", dir);
}

/* The entries that its menus call "Always Fresh". */
static bool is_fresh(const char *args)
{
	static const char *const token[] = { "base_only", "baseonly", "nomagic", "norootcopy" };

	for (size_t i = 0; i < ARRAY_SIZE(token); i++)
		if (args_has(args, token[i]))
			return true;
	return false;
}

static bool takes_uuid(const struct family_facts *f)
{
	bool known = family_initrd_text(f, "linuxrc") || family_initrd_text(f, "finit");

	return !known || look_initrd_says(f, "finit", "UUID:") || look_initrd_says(f, "linuxrc", "UUID:");
}

static char *changes_dir(const struct family_medium *m)
{
	return look_sentence("/changes-%s", m->label);
}

static void porteus_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                            struct buf *out)
{
	static const char *const drop[] = { "changes=", "changes-ro", "from=" };
	AUTO_FREE char *dir = changes_dir(m);
	AUTO_BUF struct buf words = { 0 };
	bool by_uuid = takes_uuid(f);

	if (args_has(args, "ip=")) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	if (by_uuid)
		buf_addf(&words, "from=UUID:%s%s", m->boot_uuid, m->slot);
	else if (*m->slot)
		buf_addf(&words, "from=%s", m->slot);
	if (m->persistent && !is_fresh(args))
		buf_addf(&words, "%schanges=%s%s%s", words.len ? " " : "", by_uuid ? "UUID:" : "",
		         by_uuid ? m->data_uuid : "", dir);
	if (words.len)
		args_add(out, words.s);
}

static void porteus_add_data(const struct family_facts *f, const struct family_medium *m, struct volume_files *out)
{
	AUTO_FREE char *dir = changes_dir(m);

	volume_add_dir(out, dir, 0755, f->source->root->mtime);
}

/* "initrd.xz:20230923" */
static char *porteus_version(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, "etc/porteus/initrd.ver");
	const char *colon = text ? strchr(text, ':') : NULL;
	size_t n = colon ? strcspn(colon + 1, " \t\r\n") : 0;

	return n ? look_sentence("Porteus initrd %.*s", (int)n, colon + 1) : NULL;
}

static const char *const porteus_texts[] = { "linuxrc", "finit", "etc/porteus/initrd.ver", INSIDE_BUILTIN, NULL };

static const char *const porteus_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"the entries \"Always Fresh\" of its menu keep nothing",
	NULL,
};

const struct family family_porteus = {
	.name = "porteus",
	.title = "Porteus (Porteus, PorteuX)",
	.score = porteus_score,
	.texts = porteus_texts,
	.refuse = porteus_refuse,
	.doubt = inside_doubt_drivers,
	.version = porteus_version,
	.rewrite = porteus_rewrite,
	.is_no_default = is_fresh,
	.takes_slot = true,
	.add_data = porteus_add_data,
	.limits = porteus_limits,
	.proof = "^/dev/[^ ]+ /mnt/live/memory(/changes)? ext4 ",
};
