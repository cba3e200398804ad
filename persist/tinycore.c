/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tiny Core Linux. Facts from tinycorelinux/Core-scripts (2025-10): etc/init.d/tc-config, tc-functions
 * (find_mountpoint(), tc_autoscan()), tc-restore.sh, usr/bin/tce-setup.
 *
 * The root file system is the initrd. Kept are extensions and the backup ("tce="), /home and /opt, each where its
 * argument says; without "tce=" the first device with a directory "tce" is taken, and "tce=/tce" is what the script
 * makes of having found none. "cde" adds the medium's own extensions: those of /cde on the first device that has it.
 */
#include "persist/look.h"

static bool has_core(const struct source *s)
{
	static const char *const glob[] = { "core*.gz", "rootfs*.gz" };

	for (size_t i = 0; i < ARRAY_SIZE(glob); i++)
		if (look_has(s, "/boot", glob[i]))
			return true;
	return false;
}

static int tinycore_score(const struct family_facts *f)
{
	if (family_any_has(f, "cde") || family_any_has(f, "tce="))
		return 100;
	if (family_initrd_has(f, "etc/init.d/tc-config"))
		return 80;
	return has_core(f->source) ? 50 : 0;
}

static void tinycore_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                             struct buf *out)
{
	static const char *const drop[] = { "tce=", "home=", "opt=", "waitusb=", "norestore", "restore=" };
	bool empty = !args[strspn(args, " ")];
	AUTO_BUF struct buf words = { 0 };

	args_without(args, drop, ARRAY_SIZE(drop), out);
	if (empty && source_find(f->source, "/cde"))
		buf_adds(&words, "cde ");
	if (m->persistent)
		buf_addf(&words, "waitusb=10:UUID=%s tce=UUID=%s/tce home=UUID=%s opt=UUID=%s", m->data_uuid,
		         m->data_uuid, m->data_uuid, m->data_uuid);
	else
		buf_addf(&words, "waitusb=10:UUID=%s tce=/tce norestore", m->boot_uuid);
	args_add(out, words.s);
}

static char *tinycore_version(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, "etc/os-release");
	AUTO_FREE char *value = text ? look_assigned(text, "VERSION_ID") : NULL;

	return value ? look_sentence("Tiny Core %s", value) : NULL;
}

static const char *const tinycore_texts[] = { "*etc/os-release", NULL };

static const struct family_data tinycore_data[] = {
	{ .path = "/tce/optional", .mode = 0775 },
	{ .path = "/tce/onboot.lst", .text = "", .mode = 0664 },
	{ .path = "/home", .mode = 0755 },
	{ .path = "/opt", .mode = 0775 },
};

static const char *const tinycore_limits[] = {
	"only /home, /opt, extensions and what is named in /opt/.filetool.lst are kept; the latter when "
	"\"filetool.sh -b\" runs or the system is shut down with a backup",
	NULL,
};

const struct family family_tinycore = {
	.name = "tinycore",
	.title = "Tiny Core Linux (Core, TinyCore, CorePlus)",
	.score = tinycore_score,
	.texts = tinycore_texts,
	.version = tinycore_version,
	.rewrite = tinycore_rewrite,
	.data = tinycore_data,
	.n_data = ARRAY_SIZE(tinycore_data),
	.limits = tinycore_limits,
	.proof = "^/dev/[^ ]+ /home ext4 ",
};
