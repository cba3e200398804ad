/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Debian's live-boot. Facts from its components/: 9990-cmdline-old (words), 9990-misc-helpers.sh (find_livefs(),
 * is_live_path(), find_persistence_media()), versions 20210208 to 20250815.
 *
 * live-media= skips the search for the first medium that looks right, and the check of its .disk/live-uuid. When the
 * link in /dev/disk does not exist yet, the search goes on once a second for a minute. persistence-storage= keeps
 * it from looking for image files called like the label on every file system of the machine.
 */
#include <fnmatch.h>

#include "persist/look.h"

#define DEFAULT_MEDIA_PATH "live"
#define CMDLINE            "*lib/live/boot/9990-cmdline-old" /* where its words are read */
#define PACKAGES_MAX       (4 * MIB)

static const char *const live_boot_texts[] = { CMDLINE, INSIDE_BUILTIN, NULL };

/* Words that have it check the medium by sha256sum.txt and its like, and not start the system: the files of the loader
 * are in those lists. */
#define CHECKS                                                                                                         \
	"verify-checksums", "verify-checksums=", "live-boot.verify-checksums",                                         \
	    "live-boot.verify-checksums=", "integrity-check"

/* The medium directory of an entry, without slashes around it and without the slot; the caller frees. */
static char *media_path(const char *args, const char *slot)
{
	AUTO_FREE char *value = args_value(args, "live-media-path=");

	return inside_dir(value && *value ? value : DEFAULT_MEDIA_PATH, slot);
}

/* What is_live_path() of live-boot accepts. */
static bool is_image(const struct node *n)
{
	static const char *const endings[] = { ".squashfs", ".ext2", ".ext3", ".ext4", ".xfs", ".dir", ".jffs" };
	size_t len = strlen(n->name);

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t k = strlen(endings[i]);

		if (len > k && strcmp(n->name + len - k, endings[i]) == 0)
			return true;
	}
	return false;
}

static bool has_image(const struct source *s, const char *dir)
{
	const struct node *n = source_find(s, dir);

	for (size_t i = 0; n && i < n->n_children; i++)
		if (is_image(n->children[i]) && inside_leads(n->children[i]))
			return true;
	return false;
}

/* Before version 3 (2012) it was all in scripts/live. */
static bool is_inside(const struct family_facts *f)
{
	return family_initrd_match(f, "*lib/live/boot/*") || family_initrd_has(f, "scripts/live");
}

static int live_boot_score(const struct family_facts *f)
{
	if (family_any_has(f, "boot=live"))
		return 100;
	if (family_any_has(f, "boot=") || !has_image(f->source, "/" DEFAULT_MEDIA_PATH))
		return 0;
	if (inside_known(f))
		return is_inside(f) ? 80 : 0;
	return 50;
}

/* Whether an entry is booted by live-boot from the medium. */
static bool uses_medium(const char *args)
{
	static const char *const elsewhere[] = { "netboot", "netboot=", "fetch=", "httpfs=", "ftpfs=" };

	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (args_has(args, elsewhere[i]))
			return false;
	return args_has(args, "boot=live");
}

static char *live_boot_refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;
	struct buf why = { 0 };
	bool any = false;

	if (inside_known(f) && !is_inside(f))
		return xstrdup("its initrd has no live-boot, which alone can boot it (--initrd own may)");
	for (size_t i = 0; i < f->n_cmdlines; i++) {
		AUTO_FREE char *path = NULL;

		if (!uses_medium(f->cmdlines[i]))
			continue;
		any = true;
		path = media_path(f->cmdlines[i], "");
		if (has_image(f->source, path))
			return NULL;
		if (!missing)
			missing = TAKE(path);
	}
	if (!any && has_image(f->source, "/" DEFAULT_MEDIA_PATH))
		return NULL;
	buf_addf(&why, "there is no system image (*.squashfs) in /%s, where live-boot would look for it",
	         missing ? missing : DEFAULT_MEDIA_PATH);
	return why.s;
}

/* What persistence needs of the initrd: the words, and the drivers. */
static char *live_boot_doubt(const struct family_facts *f)
{
	const char *path = family_initrd_match(f, CMDLINE), *text = path ? family_initrd_text(f, path) : NULL;

	if (inside_known(f) && !path)
		return xstrdup(
		    "its live-boot is older than version 3 (2012) and knows persistence by other words: nothing "
		    "will be kept");
	if (text && !strstr(text, "persistence-label="))
		return xstrdup("its live-boot does not know the words for persistence: nothing will be kept");
	if (inside_lacks_driver(f, "overlay") && inside_lacks_driver(f, "aufs"))
		return xstrdup("its initrd has neither overlay nor aufs: it cannot start");
	return inside_doubt_drivers(f);
}

/* The initrd does not tell its version; the list of packages that live-build puts beside the image does. */
static char *live_boot_version(const struct family_facts *f)
{
	static const char name[] = "live-boot";
	const struct node *dir = source_find(f->source, "/" DEFAULT_MEDIA_PATH);
	char *found = NULL;

	for (size_t i = 0; dir && !found && i < dir->n_children; i++) {
		const struct node *n = dir->children[i];
		AUTO_ERR struct err ignored = { 0 };
		AUTO_FREE char *text = NULL;
		const char *line;

		if (n->type != NODE_FILE || fnmatch("*.packages", n->name, 0) != 0 ||
		    node_load(n, PACKAGES_MAX, &text, NULL, &ignored) < 0)
			continue;
		for (line = text; line && !found; line = strchr(line, '\n')) {
			line += *line == '\n';
			if (strncmp(line, name, strlen(name)) == 0 &&
			    (line[strlen(name)] == '\t' || line[strlen(name)] == ' '))
				found = look_sentence("live-boot %.*s",
				                      (int)MIN(strcspn(line + strlen(name) + 1, "\r\n"), 64),
				                      line + strlen(name) + 1);
		}
	}
	return found;
}

static void live_boot_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                              struct buf *out)
{
	static const char *const drop[] = {
		"persistence",        "nopersistence", "persistence-*", "persistent",
		"persistent=",        "live-media=",   "bootfrom=",     "live-media-offset=",
		"live-media-path=",   "findiso=",      "fromiso=",      "isofrom=",
		"iso-scan/filename=", CHECKS,
	};
	bool empty = !args[strspn(args, " ")];
	AUTO_FREE char *path = media_path(args, m->slot);
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	if (!empty && !args_has(args, "boot=live")) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	if (empty)
		buf_adds(&words, "boot=live components ");
	if (m->persistent)
		buf_addf(&words, "persistence persistence-label=%s persistence-storage=filesystem ", m->label);
	else
		buf_adds(&words, "nopersistence ");
	buf_addf(&words, "live-media=/dev/disk/by-uuid/%s", m->boot_uuid);
	if (*m->slot || strcmp(path, DEFAULT_MEDIA_PATH) != 0)
		buf_addf(&words, " live-media-path=%s/%s", m->slot, path);
	args_add(out, words.s);
}

static const char *live_boot_no_use(const char *args)
{
	static const char *const words[] = { CHECKS };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (args_has(args, words[i]))
			return "it checks the files of a CD, of which a stick has not all";
	return NULL;
}

static const struct family_data live_boot_data[] = {
	{ .path = "/persistence.conf", .text = "/ union\n", .mode = 0644 },
};

/*
 * A line is a directory and options, "#" begins a comment (scripts/boot.sh of live-boot, get_custom_mounts): without
 * any the partition is passed over.
 */
static char *live_boot_judge_data(const char *path, const char *text)
{
	(void)path;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		line += strspn(line, " \t\r");
		if (*line == '/')
			return NULL;
	}
	return xstrdup("names no directory that is to be kept");
}

static const char *const live_boot_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"changes made with one release of the system may not fit the next: after an upgrade of the stick the old "
	"versions of changed files stay in front of the new ones",
	NULL,
};

const struct family family_live_boot = {
	.name = "live-boot",
	.title = "Debian live-boot (Debian, Kali, Parrot, Clonezilla, GParted, LMDE, ...)",
	.score = live_boot_score,
	.texts = live_boot_texts,
	.doubt = live_boot_doubt,
	.version = live_boot_version,
	.rewrite = live_boot_rewrite,
	.no_use = live_boot_no_use,
	.data = live_boot_data,
	.n_data = ARRAY_SIZE(live_boot_data),
	.judge_data = live_boot_judge_data,
	.refuse = live_boot_refuse,
	.takes_slot = true,
	.limits = live_boot_limits,
	.proof = "^overlay / overlay .*upperdir=/run/live/persistence/",
};
