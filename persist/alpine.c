/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Alpine Linux. Facts from alpinelinux/mkinitfs (2025-11; 3.8.0 of 2023-05): initramfs-init.in, nlplug-findfs.c
 * (scandev()); alpine-conf 3.22: lbu, setup-lbu, setup-alpine; apk-tools (protected paths); the services of OpenRC.
 *
 * The root file system is in memory, made of packages: nlplug-findfs mounts what it finds, read-only at /media/sdXN,
 * and leaves mounted what has a directory with .boot_repository or an archive *.apkovl.tar.gz in its root. The first
 * archive found is unpacked into the new root, before the packages of its etc/apk/world are installed. Where its
 * etc/fstab has the partitions of archive and packages, these go to the directories and have the options written
 * there (since mkinitfs 3.8). "lbu commit" writes an archive of the changes in /etc and of what lbu.list names to
 * /media/$LBU_MEDIA/HOSTNAME.apkovl.tar.gz, and refuses if there is another *.apkovl.tar.gz.
 *
 * So DATA has an archive where the first "lbu commit" replaces it: a system without a name of its own is "localhost".
 * On BOOT, which comes first, it would win for ever. "apkovl=DATA:/path" cannot name it: DATA is mounted read-only by
 * then, and a second mount that is not read-only fails.
 *
 * The archive is what makes Alpine the same as without (.default_boot_services: its usual services), DATA the medium
 * of lbu and of apk's cache, and /home a directory on DATA. localmount, which bootmisc needs, mounts that.
 */
#include "persist/look.h"
#include "persist/targz.h"

#define REPOSITORY "/apks/.boot_repository"
#define APKOVL     "*.apkovl.tar.gz*"

/* setup-lbu proposes the last directory of /media that something is mounted at: behind /media/usb, which is BOOT's. */
#define MEDIUM "usb-data"
#define MOUNT  "/media/" MEDIUM

/* Whether a list of kernel modules has the word. */
static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *v = list; v && *v;) {
		size_t n = strcspn(v, ",");

		if (n == len && memcmp(v, word, n) == 0)
			return true;
		v += n + (v[n] == ',');
	}
	return false;
}

static bool is_alpines(const char *args)
{
	AUTO_FREE char *list = args_value(args, "modules=");

	return list_has(list, "squashfs") && !strpbrk(list, " \t");
}

/* ---- what both rows have */

static int score(const struct family_facts *f)
{
	bool has_initrd = family_initrd_match(f, "*sbin/nlplug-findfs");
	bool has_tree = source_find(f->source, REPOSITORY) || source_find(f->source, "/.alpine-release");

	if (!has_initrd && !has_tree)
		return 0;
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (is_alpines(f->cmdlines[i]))
			return 100;
	return has_initrd ? 80 : 50;
}

static char *refuse(const struct family_facts *f)
{
	if (source_find(f->source, REPOSITORY))
		return NULL;
	return xstrdup("there is no file " REPOSITORY ", by which its initrd would know the medium");
}

static char *version(const struct family_facts *f)
{
	const char *text = family_initrd_match(f, "*sbin/nlplug-findfs") ? family_initrd_text(f, "init") : NULL;
	AUTO_FREE char *value = text ? look_assigned(text, "VERSION") : NULL;

	return value ? look_sentence("mkinitfs %s", value) : NULL;
}

static const char *const texts[] = { "init", INSIDE_BUILTIN, NULL };

/* ext4, for packages and archives on it; vfat is loaded when it is needed. */
static void plain_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                          struct buf *out)
{
	static const char *const drop[] = { "modules=" };
	AUTO_FREE char *list = args_value(args, "modules=");
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	(void)m;
	if (!is_alpines(args) || list_has(list, "ext4")) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "modules=%s,ext4", list);
	args_add(out, words.s);
}

/* ---- with an archive on DATA */

/* An archive that the medium brings would be found before ours. */
static bool brings_settings(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++) {
		AUTO_FREE char *value = args_value(f->cmdlines[i], "apkovl=");

		if (value && strcmp(value, "none") != 0)
			return true;
	}
	return look_has(f->source, "/", APKOVL);
}

/* Whether the initrd does with an archive what is written above. */
static bool can_save(const struct family_facts *f)
{
	static const char *const words[] = {
		"/tmp/apkovls",   ".default_boot_services",         "echo \"$ovl\" | cat - ",
		"mount -o move ", "mount -o remount,\"$mntopts\" ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!look_initrd_says(f, "init", words[i]))
			return false;
	return !brings_settings(f);
}

static int alpine_score(const struct family_facts *f)
{
	return can_save(f) ? score(f) : 0;
}

static int plain_score(const struct family_facts *f)
{
	return can_save(f) ? 0 : score(f);
}

/* The name of no file: then the initrd takes none of the archives that it has found. */
static void alpine_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                           struct buf *out)
{
	static const char *const drop[] = { "apkovl=" };
	bool is_ours = is_alpines(args) && *m->data_uuid;
	AUTO_BUF struct buf line = { 0 };

	plain_rewrite(f, args, m, &line);
	args_without(line.s, drop, is_ours ? ARRAY_SIZE(drop) : 0, out);
	if (is_ours && !m->persistent)
		args_add(out, "apkovl=none");
}

/*
 * lbu reads it as a script. Without the loop the first "lbu commit" after setup-alpine, which gives the computer a
 * name, would ask for "-d": that removes the old archive before there is a new one.
 */
static const char lbu_conf[] = "# By livestick: \"lbu commit\" saves to the second partition of the stick.\n"
                               "LBU_MEDIA=" MEDIUM "\n"
                               "BACKUP_LIMIT=3\n"
                               "# The archive is called like the computer, also when that gets another name.\n"
                               "for _old in /media/$LBU_MEDIA/*.apkovl.tar.gz; do\n"
                               "\t_new=/media/$LBU_MEDIA/$(hostname).apkovl.tar.gz\n"
                               "\tif [ -f \"$_old\" ] && [ ! -e \"$_new\" ]; then\n"
                               "\t\tmv \"$_old\" \"$_new\" 2>/dev/null\n"
                               "\tfi\n"
                               "done\n";

/* setup-alpine names each home directory for lbu; one that is on DATA would be in memory once more at each start. */
static const char home_hook[] = "#!/bin/sh\n"
                                "# By livestick: /home lies on the stick, not in the archive of lbu.\n"
                                "list=/etc/apk/protected_paths.d/lbu.list\n"
                                "if mountpoint -q /home && [ -f $list ]; then\n"
                                "\tsed -i '/^+home$/d; /^+home\\//d' $list\n"
                                "fi\n"
                                "exit 0\n";

/* The UUID of FAT is shorter. */
static const char *type_of(const char *uuid)
{
	return strlen(uuid) == 36 ? "ext4" : "vfat";
}

static void alpine_add_data(const struct family_facts *f, const struct family_medium *m, struct volume_files *out)
{
	AUTO_BUF struct buf mounts = { 0 };
	struct buf archive = { 0 };

	(void)f;
	buf_adds(&mounts, "/dev/cdrom\t/media/cdrom\tiso9660\tnoauto,ro 0 0\n");
	buf_addf(&mounts, "UUID=%s\t/media/usb\t%s\tnoauto,ro 0 0\n", m->boot_uuid, type_of(m->boot_uuid));
	buf_addf(&mounts, "UUID=%s\t" MOUNT "\text4\trw,noatime 0 0\n", m->data_uuid);
	buf_adds(&mounts, MOUNT "/home\t/home\tnone\tbind 0 0\n");
	const struct targz_entry entry[] = {
		{ "etc", 0755, NULL, NULL },
		{ "etc/.default_boot_services", 0644, "", NULL },
		{ "etc/apk", 0755, NULL, NULL },
		{ "etc/apk/cache", 0777, NULL, MOUNT "/cache" },
		{ "etc/apk/protected_paths.d", 0755, NULL, NULL },
		{ "etc/apk/protected_paths.d/lbu.list", 0644, "+root\n", NULL },
		{ "etc/fstab", 0644, mounts.s, NULL },
		{ "etc/lbu", 0755, NULL, NULL },
		{ "etc/lbu/lbu.conf", 0644, lbu_conf, NULL },
		{ "etc/lbu/pre-package.d", 0755, NULL, NULL },
		{ "etc/lbu/pre-package.d/home", 0755, home_hook, NULL },
	};
	targz_make(entry, ARRAY_SIZE(entry), m->time, &archive);
	volume_add_owned(out, "/localhost.apkovl.tar.gz", archive.s, archive.len, m->time);
	volume_add_dir(out, "/cache", 0755, m->time);
	volume_add_dir(out, "/home", 0755, m->time);
}

static const char *const alpine_limits[] = {
	"by itself only /home is kept, which lies on the stick; /etc, /root, the list of installed packages and what "
	"\"lbu add\" has named are kept as they were at the last \"lbu commit\"",
	"if its initrd does not find the archive it starts as from the CD, without a question; of two sticks with "
	"Alpine "
	"in one computer it takes the archive that it finds first",
	NULL,
};

static const char *const plain_limits[] = {
	"nothing is kept by itself: \"setup-alpine\" or \"setup-lbu\" in the running system chooses a partition of the "
	"stick, and \"lbu commit\" saves /etc and what \"lbu add\" has named there",
	NULL,
};

const struct family family_alpine = {
	.name = "alpine",
	.title = "Alpine Linux",
	.score = alpine_score,
	.texts = texts,
	.refuse = refuse,
	.doubt = inside_doubt_drivers,
	.version = version,
	.rewrite = alpine_rewrite,
	.add_data = alpine_add_data,
	.data_renamed = "/*.apkovl.tar.gz*",
	.limits = alpine_limits,
	.proof = "^/dev/[^ ]+ " MOUNT " ext4 rw",
};

const struct family family_alpine_plain = {
	.name = "alpine-plain",
	.title = "Alpine Linux before release 3.18, or with settings of its own",
	.score = plain_score,
	.texts = texts,
	.refuse = refuse,
	.version = version,
	.rewrite = plain_rewrite,
	.keeps_nothing = true,
	.limits = plain_limits,
};
