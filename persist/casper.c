/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ubuntu's casper. Facts from scripts/casper and scripts/casper-helpers, versions 1.236, 1.461, 1.498.
 *
 * Persistence is looked for by the label of a file system: "writable" since 20.04 and then "casper-rw", only the latter
 * before. live-media= skips the search for the first medium that looks right, and the comparison with
 * .disk/casper-uuid*; when the link in /dev/disk is not there yet, the search goes on once a second for a minute. It
 * also keeps casper from making a partition of its own in free space behind the last one
 * (find_or_create_persistent_partition()).
 *
 * nopersistent also keeps the logs off DATA. fsck.mode=skip is for casper-md5check, which would miss the files of the
 * medium that a stick has not. Ubuntu's initrds boot by casper without boot=casper (default-boot-to-casper.conf).
 */
#include "persist/inside.h"

#include <fnmatch.h>

#define DEFAULT_DIR  "casper"
#define MANIFEST_MAX (4 * MIB)

static const char *const casper_texts[] = { INSIDE_BUILTIN, NULL };

static bool is_casper(const struct family_facts *f, const char *args)
{
	if (args_has(args, "boot="))
		return args_has(args, "boot=casper");
	/* Where some entries name it, those that do not are something else. */
	return !family_any_has(f, "boot=casper");
}

/* Whether an entry is booted by casper from the medium. A url= that is no ISO file is the installer's. */
static bool uses_medium(const struct family_facts *f, const char *args)
{
	static const char *const elsewhere[] = { "netboot", "netboot=", "nfsroot=" };
	AUTO_FREE char *url = args_value(args, "url=");

	if (url && fnmatch("*.iso", url, 0) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (args_has(args, elsewhere[i]))
			return false;
	return is_casper(f, args);
}

static char *media_dir(const char *args, const char *slot)
{
	AUTO_FREE char *value = args_value(args, "live-media-path=");

	return inside_dir(value && *value ? value : DEFAULT_DIR, slot);
}

/* What is_casper_path() of casper accepts. Layers have their name from an argument, or from the initrd: then it is one
 * of those that are there. */
static bool has_image(const struct source *s, const char *args)
{
	static const char *const images[] = { "*.squashfs", "*.ext2" };
	AUTO_FREE char *dir = media_dir(args, "");

	return inside_has(s, dir, images, ARRAY_SIZE(images));
}

static int casper_score(const struct family_facts *f)
{
	static const char *const uuid_file[] = { "casper-uuid*" };

	if (family_any_has(f, "boot=casper"))
		return 100;
	if (family_any_has(f, "boot="))
		return 0;
	if (family_initrd_has(f, "scripts/casper"))
		return 80;
	return has_image(f->source, "") || inside_has(f->source, "/.disk", uuid_file, 1) ? 50 : 0;
}

static char *casper_refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;
	struct buf why = { 0 };

	if (inside_known(f) && !family_initrd_has(f, "scripts/casper"))
		return xstrdup("its initrd has no casper, which alone can boot it from a stick");
	for (size_t i = 0; i < f->n_cmdlines; i++) {
		if (!uses_medium(f, f->cmdlines[i]))
			continue;
		if (has_image(f->source, f->cmdlines[i]))
			return NULL;
		if (!missing)
			missing = media_dir(f->cmdlines[i], "");
	}
	if (!missing && has_image(f->source, ""))
		return NULL;
	buf_addf(&why, "there is no system image (*.squashfs) in /%s, where casper would look for it",
	         missing ? missing : DEFAULT_DIR);
	return why.s;
}

/* The version of the package "casper" in a list of lines "NAME TAB VERSION"; the caller frees. */
static char *version_in(const char *list)
{
	static const char name[] = "casper\t";
	const char *line = list;
	struct buf version = { 0 };

	while (line && strncmp(line, name, strlen(name)) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (line) {
		line += strlen(name);
		buf_addf(&version, "casper %.*s", (int)strcspn(line, "\r\n\t "), line);
	}
	return version.s;
}

/* The initrd does not say; the lists of the packages in the images, which lie beside them, do. */
static char *casper_version(const struct family_facts *f)
{
	AUTO_FREE char *dir = media_dir(f->n_cmdlines ? f->cmdlines[0] : "", "");
	const struct node *n = source_find(f->source, dir);
	char *version = NULL;

	for (size_t i = 0; n && !version && i < n->n_children; i++) {
		const struct node *file = n->children[i];
		AUTO_FREE char *text = NULL;
		AUTO_ERR struct err e = { 0 };

		if (file->type == NODE_FILE && fnmatch("*.manifest", file->name, 0) == 0 &&
		    node_load(file, MANIFEST_MAX, &text, NULL, &e) == 0)
			version = version_in(text);
	}
	return version;
}

/* A file that casper's scripts read from the medium, which is mounted at /cdrom, lies in the slot's directory. */
static void add_preseed(const char *args, const char *slot, struct buf *words)
{
	static const char medium[] = "/cdrom/";
	AUTO_FREE char *value = args_value(args, "file="), *path = NULL;

	if (value && strncmp(value, medium, strlen(medium)) == 0)
		path = inside_dir(value + strlen(medium), slot);
	if (path)
		buf_addf(words, " file=/cdrom%s/%s", slot, path);
	else if (value)
		buf_addf(words, " file=%s", value);
}

static void casper_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                           struct buf *out)
{
	static const char *const drop[] = {
		"persistent",         "nopersistent",  "persistent-path=",
		"maybe-ubiquity",     "only-ubiquity", "live-media=",
		"iso-scan/filename=", "findiso=",      "live-media-offset=",
		"live-media-path=",   "fsck.mode=",    "integrity-check",
		"ignore_uuid",        "file=",
	};
	size_t n_drop = ARRAY_SIZE(drop) - (*m->slot ? 0 : 2); /* the last two are for slots */
	bool empty = !args[strspn(args, " ")];
	AUTO_FREE char *dir = media_dir(args, m->slot);
	AUTO_BUF struct buf words = { 0 };

	if (!empty && !uses_medium(f, args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, n_drop, out);
	buf_addf(&words, "%s%s live-media=/dev/disk/by-uuid/%s", empty ? "boot=casper " : "",
	         m->persistent ? "persistent" : "nopersistent", m->boot_uuid);
	if (*m->slot || strcmp(dir, DEFAULT_DIR) != 0)
		buf_addf(&words, " live-media-path=%s/%s", m->slot, dir);
	if (*m->slot) {
		/* The UUID's file is in the slot's directory, where casper does not look. */
		buf_adds(&words, " ignore_uuid");
		add_preseed(args, m->slot, &words);
	}
	buf_adds(&words, " fsck.mode=skip");
	args_add(out, words.s);
}

/* Before 20.04 casper compared md5sum.txt, found the loader's files missing and started nothing; since then the word
 * means nothing to it. */
static const char *casper_no_use(const char *args)
{
	return args_has(args, "integrity-check") ? "it checks the files of a CD, of which a stick has not all" : NULL;
}

static const char *const casper_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"changes made with one release of the system may not fit the next: after an upgrade of the stick the old "
	"versions of changed files stay in front of the new ones",
	"a volume labelled \"writable\" or another one labelled \"casper-rw\", on any disk of the machine, may be "
	"taken "
	"instead of the stick's",
	"the check of the medium is switched off: it would miss the loader's files, which the stick has not",
	NULL,
};

const struct family family_casper = {
	.name = "casper",
	.title = "casper (Ubuntu, Linux Mint, Zorin, elementary, Pop!_OS, KDE neon, ...)",
	.score = casper_score,
	.texts = casper_texts,
	.refuse = casper_refuse,
	.doubt = inside_doubt_drivers,
	.version = casper_version,
	.rewrite = casper_rewrite,
	.no_use = casper_no_use,
	.takes_slot = true,
	.data_label = "casper-rw",
	.limits = casper_limits,
	/* No proof: the partition stays mounted below the initrd's root, and the overlay looks the same in memory. */
};
