/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Installer media of Fedora, RHEL and their relatives. Facts from anaconda's dracut/parse-anaconda-repo.sh,
 * repo-genrules.sh, anaconda-lib.sh, its _setupMedia() (payload), and loader/method.c, isys/imount.c of release 6.
 *
 * The installer's image is found by inst.stage2=, or by inst.repo= where there is none; "hd:UUID=X:/DIR" names a
 * directory. Packages are found by inst.repo=: release 7 and 8.0 and 8.1 take only an ISO file from a disk, 8.2 and
 * later (anaconda 29.19.2) also the medium's tree. Release 7 has its image at another place, which tells it apart here.
 */
#include "persist/inside.h"
#include "src/base/ini.h"

#define IMAGE       "/images/install.img"
#define IMAGE_OLD   "/LiveOS/squashfs.img" /* release 7, Fedora before 27 */
#define TREEINFO    "/.treeinfo"
#define DISCINFO    "/.discinfo"
#define INFO_MAX    MIB
#define INITRD_DISK "*bin/anaconda-diskroot"

/* An argument that says where something is. */
struct place {
	const char *key;
	bool is_repo;
};

static const struct place places[] = {
	{ "inst.stage2=", false },
	{ "stage2=", false },
	{ "inst.repo=", true },
	{ "repo=", true },
};

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_local(const char *place)
{
	return has_prefix(place, "hd:") || has_prefix(place, "cdrom") || strcmp(place, "cd") == 0 ||
	       has_prefix(place, "cd:");
}

/* Whether the argument is there and names a volume (`local`) or something on the network. */
static bool names(const char *args, const struct place *p, bool local)
{
	AUTO_FREE char *value = args_value(args, p->key);

	return value && is_local(value) == local;
}

static bool any_place(const char *args, bool local)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (names(args, &places[i], local))
			return true;
	return false;
}

static bool is_installer(const struct family_facts *f)
{
	return family_any_has(f, "inst.stage2=") || family_any_has(f, "inst.repo=");
}

/* Release 6: no dracut, and menus that say nothing of the medium, which is a CD. */
static bool is_release_6(const struct family_facts *f)
{
	return !is_installer(f) && source_find(f->source, IMAGE) &&
	       (inside_known(f) ? family_initrd_has(f, "sbin/loader") : source_find(f->source, DISCINFO) != NULL);
}

/* Whether an entry has its installer from the medium, or would look for it on CDs. */
static bool uses_medium(const struct family_facts *f, const char *args)
{
	return any_place(args, true) || (is_release_6(f) && !any_place(args, false));
}

static int anaconda_score(const struct family_facts *f)
{
	bool has_info = source_find(f->source, TREEINFO) || source_find(f->source, DISCINFO);

	if (is_installer(f) || (has_info && (family_any_has(f, "stage2=") || family_any_has(f, "repo="))))
		return 100;
	if (family_initrd_match(f, INITRD_DISK) || (has_info && family_initrd_has(f, "sbin/loader")))
		return 80;
	return has_info && (source_find(f->source, IMAGE) || source_find(f->source, IMAGE_OLD)) ? 50 : 0;
}

/* ---- .treeinfo */

/* The caller frees; NULL: there is no such value. */
static char *treeinfo(const struct family_facts *f, const char *section, const char *key)
{
	const struct node *n = source_find(f->source, TREEINFO);
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err e = { 0 };

	if (!n || n->type != NODE_FILE || node_load(n, INFO_MAX, &text, NULL, &e) < 0)
		return NULL;
	return ini_value(text, section, key);
}

/* ---- */

static bool has_packages(const struct family_facts *f)
{
	return source_find(f->source, "/repodata") || source_find(f->source, "/BaseOS/repodata");
}

/* Packages are taken from files on a disk, and they are there. */
static bool is_repo(const struct family_facts *f)
{
	return source_find(f->source, IMAGE) && has_packages(f);
}

static char *anaconda_refuse(const struct family_facts *f)
{
	AUTO_FREE char *image = treeinfo(f, "stage2", "mainimage");
	bool asked = false;

	for (size_t i = 0; i < f->n_cmdlines; i++)
		asked = asked || uses_medium(f, f->cmdlines[i]);
	if (!asked || source_find(f->source, IMAGE) || source_find(f->source, IMAGE_OLD) ||
	    (image && source_find(f->source, image)))
		return NULL;
	return xstrdup("there is no installer image " IMAGE ", where the installer would look for it");
}

static char *anaconda_doubt(const struct family_facts *f)
{
	AUTO_FREE char *version = treeinfo(f, "general", "version");
	bool wants_iso = !source_find(f->source, IMAGE) || is_release_6(f) ||
	                 (version && (strcmp(version, "8.0") == 0 || strcmp(version, "8.1") == 0));

	if (has_packages(f) && wants_iso)
		return xstrdup("its installer does not take packages from files on a stick: copy the ISO file onto the "
		               "stick too and choose it as the installation source, or install from the network");
	return inside_lacks_driver(f, "vfat")
	           ? xstrdup("its initrd has no driver for FAT (vfat): it finds its medium only with --boot-fs ext4")
	           : NULL;
}

static char *anaconda_version(const struct family_facts *f)
{
	AUTO_FREE char *family = treeinfo(f, "general", "family"), *version = treeinfo(f, "general", "version");
	struct buf text = { 0 };

	if (family && version)
		buf_addf(&text, "installer of %s %s", family, version);
	return text.s;
}

/* How the entry names its medium, up to the directory: "hd:LABEL=X"; NULL: not so. The caller frees. */
static char *medium_name(const char *args)
{
	AUTO_FREE char *stage2 = args_value(args, "inst.stage2="), *repo = args_value(args, "inst.repo=");
	const char *place = stage2 ? stage2 : repo;

	return place && has_prefix(place, "hd:") ? xstrndup(place, 3 + strcspn(place + 3, ":")) : NULL;
}

/* Where the kickstart file is on the medium, without a slash in front; NULL: elsewhere, or there is none. */
static char *kickstart(const char *args, const char *key, const char *slot)
{
	AUTO_FREE char *value = args_value(args, key), *medium = medium_name(args);
	size_t len = medium ? strlen(medium) : 0;

	if (value && has_prefix(value, "cdrom:"))
		return inside_dir(value + strlen("cdrom:"), slot);
	if (value && medium && has_prefix(value, medium) && value[len] == ':')
		return inside_dir(value + len + 1, slot);
	return NULL;
}

static void add_places(const struct family_facts *f, const char *args, const struct family_medium *m, struct buf *words)
{
	bool keeps_repo = names(args, &places[2], false) || names(args, &places[3], false);

	if (is_release_6(f))
		buf_addf(words, "stage2=hd:UUID=%s:%s" IMAGE, m->boot_uuid, m->slot);
	else
		buf_addf(words, "%shd:UUID=%s%s%s",
		         is_repo(f) && !keeps_repo ? "inst.repo=" : "inst.stage2=", m->boot_uuid, *m->slot ? ":" : "",
		         m->slot);
}

static void anaconda_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                             struct buf *out)
{
	static const char *const kickstart_keys[] = { "inst.ks=", "ks=" };
	const char *drop[ARRAY_SIZE(places) + ARRAY_SIZE(kickstart_keys) + 4] = {
		"rd.live.check",
		"rd.live.check=",
		"mediacheck",
		"inst.mediacheck",
	};
	size_t n = 4;
	AUTO_BUF struct buf words = { 0 };

	if (args[strspn(args, " ")] && !uses_medium(f, args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (names(args, &places[i], true))
			drop[n++] = places[i].key;
	add_places(f, args, m, &words);
	for (size_t i = 0; i < ARRAY_SIZE(kickstart_keys); i++) {
		AUTO_FREE char *path = kickstart(args, kickstart_keys[i], m->slot);

		if (!path)
			continue;
		drop[n++] = kickstart_keys[i];
		buf_addf(&words, " %shd:UUID=%s:%s/%s", kickstart_keys[i], m->boot_uuid, m->slot, path);
	}
	args_without(args, drop, n, out);
	args_add(out, words.s);
}

/* Release 6 knows only the word without "inst.". */
static void anaconda_add_answers(const struct family_facts *f, const struct family_medium *m, const char *path,
                                 struct buf *args)
{
	static const char *const drop[] = { "inst.ks=", "ks=" };
	AUTO_BUF struct buf rest = { 0 }, words = { 0 };

	args_without(args->len ? args->s : "", drop, ARRAY_SIZE(drop), &rest);
	buf_addf(&words, "%s=hd:UUID=%s:%s", is_release_6(f) ? "ks" : "inst.ks", m->boot_uuid, path);
	args_add(&rest, words.s);
	buf_clear(args);
	buf_add(args, rest.s, rest.len);
}

static const char *anaconda_no_use(const char *args)
{
	static const char *const words[] = { "rd.live.check", "mediacheck", "inst.mediacheck" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (inside_is_on(args, words[i]))
			return "it checks the image of a CD, which a stick is not";
	return NULL;
}

static const char *const anaconda_texts[] = { INSIDE_BUILTIN, NULL };

static const char *const anaconda_limits[] = {
	"an installer, not a live system: there is nothing to keep",
	NULL,
};

const struct family family_anaconda = {
	.name = "anaconda",
	.title = "Anaconda installer (Fedora, RHEL, CentOS, Rocky, Alma, openEuler, ...)",
	.score = anaconda_score,
	.texts = anaconda_texts,
	.refuse = anaconda_refuse,
	.doubt = anaconda_doubt,
	.version = anaconda_version,
	.rewrite = anaconda_rewrite,
	.no_use = anaconda_no_use,
	.keeps_nothing = true,
	.takes_slot = true,
	.answers = "kickstart",
	.answers_file = "ks.cfg",
	.add_answers = anaconda_add_answers,
	.limits = anaconda_limits,
};
