/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * antiX and MX Linux. Facts from the initrd's init: 7.60.13 (BitJam/Live-initrd, 2016-11) and 8.30.14
 * (MX-Linux/live-initrd-initramfs, 2024-03): read_cmdline_params(), find_files(), prepare_persistence(),
 * create_persist_files(), mount_unionfs(), check_vid().
 *
 * The changes are in an ext4 image "rootfs" in the directory of linuxfs' name on the persistence device. When it is
 * missing, "auto" has the initrd make it without a question. "static" works on the image itself; the other way keeps
 * all in memory and saves at the end. "root!" says that going without is an error. "from=all" lifts the rule that only
 * USB and CD drives are looked at, which a stick that says it is a fixed disk would fall under.
 */
#include "persist/look.h"

#define BOOT_DIR "antiX"

static bool has_linuxfs(const struct source *s, const char *dir)
{
	return look_has(s, dir, "linuxfs");
}

/* The directory on the medium of an entry, without slot. The caller frees. */
static char *boot_dir(const char *args, const char *slot)
{
	AUTO_FREE char *value = args_value(args, args_has(args, "bdir=") ? "bdir=" : "bootdir=");

	return look_path(value, slot, BOOT_DIR);
}

static int antix_score(const struct family_facts *f)
{
	static const char *const tokens[] = { "bdir=",       "bootdir=",     "buuid=",
		                              "persist_all", "persist_root", "persist_static" };
	bool has_initrd = family_initrd_match(f, "live/custom/antiX/*") || look_initrd_says(f, "init", "linuxfs");

	if (!has_linuxfs(f->source, BOOT_DIR) && !has_initrd)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		if (family_any_has(f, tokens[i]))
			return 100;
	return has_initrd ? 80 : 50;
}

static char *antix_refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;

	for (size_t i = 0; i < f->n_cmdlines; i++) {
		AUTO_FREE char *dir = boot_dir(f->cmdlines[i], "");

		if (has_linuxfs(f->source, dir))
			return NULL;
		if (!missing)
			missing = TAKE(dir);
	}
	if (!missing && has_linuxfs(f->source, BOOT_DIR))
		return NULL;
	return look_sentence("there is no /%s/linuxfs, which its initrd would look for", missing ? missing : BOOT_DIR);
}

static void antix_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                          struct buf *out)
{
	static const char *const drop[] = {
		"persist",  "persist=",      "p=",      "persist_*", "p_static_root", "persistdir=",
		"pdir=",    "persistlabel=", "plabel=", "plab=",     "persistuuid=",  "puuid=",
		"pdev=",    "persistdev=",   "pluks*",  "frugal*",   "f_static_root", "bootdir=",
		"bdir=",    "bootlabel=",    "blabel=", "blab=",     "bootuuid=",     "buuid=",
		"bootdev=", "bdev=",         "fromiso", "fromiso=",  "iso=",          "from=",
	};
	AUTO_FREE char *dir = boot_dir(args, m->slot);
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "buuid=%s from=all", m->boot_uuid);
	if (*m->slot)
		buf_addf(&words, " bdir=%s/%s", m->slot + 1, dir);
	else if (strcmp(dir, BOOT_DIR) != 0)
		buf_addf(&words, " bdir=%s", dir);
	if (m->persistent)
		buf_addf(&words, " persist=root!,static,auto puuid=%s", m->data_uuid);
	args_add(out, words.s);
}

static char *antix_version(const struct family_facts *f)
{
	const char *text = look_initrd_says(f, "init", "linuxfs") ? family_initrd_text(f, "init") : NULL;
	AUTO_FREE char *value = text ? look_assigned(text, "VERSION") : NULL;

	return value ? look_sentence("antiX live-init %s", value) : NULL;
}

static const char *const antix_texts[] = { "init", INSIDE_BUILTIN, NULL };

static const char *const antix_limits[] = {
	"the changes are kept in a file that the system makes when it first starts, which takes half of DATA and 8 GiB "
	"at most",
	"the first start that saves asks for new passwords for root and demo",
	"changes are bound to the very system they were made with: after an upgrade of the stick the new system begins "
	"with none",
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	NULL,
};

const struct family family_antix = {
	.name = "antix",
	.title = "antiX (antiX, MX Linux)",
	.score = antix_score,
	.texts = antix_texts,
	.refuse = antix_refuse,
	.doubt = inside_doubt_drivers,
	.version = antix_version,
	.rewrite = antix_rewrite,
	.takes_slot = true,
	.limits = antix_limits,
	.proof = "^(overlay / overlay .*upperdir=/live/persist-root/upper|/dev/loop[0-9]+ /(run/initramfs|live)/"
	         "persist-root ext4 )",
};
