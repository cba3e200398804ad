/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kiwi-live. Facts from its dracut module: kiwi-live-lib.sh, kiwi-live-root.sh, parse-kiwi-live.sh, and dmsquash-live's
 * iso-scan.sh, which it takes along; kiwi 9.24.56 and the version of July 2026.
 *
 * The medium is found by nothing but root=live:CDLABEL=, a volume label: BOOT's. It saves only where it believes to be
 * booted from an ISO file, that is, when some partition is mounted at /run/initramfs/isoscan. iso-scan.sh mounts the
 * partition there that has the file of iso-scan/filename=, whatever is in it: so DATA has a file of that name.
 *
 * rd.live.cowfile.path= (June 2024) is appended to that directory, to be mounted: with three steps up it names DATA
 * itself, the directories "rw" and "work" are then made in its root. Before that there was only the file
 * live_system.cow, which the initrd makes in DATA when it cannot mount it, with rd.live.cowfile.mbsize= MiB. (It would
 * make a file system on DATA, too, if it could not mount that, but mke2fs refuses what is mounted, as DATA is by then.)
 * An initrd that cannot be read is told both.
 *
 * rd.live.encrypt (November 2025) would make a LUKS volume there; DATA is none.
 */
#include "persist/inside.h"

#define SCRIPT   "*bin/kiwi-live-root*"
#define LIBRARY  "*lib/kiwi-live-lib.sh"
#define ISOSCAN  "*bin/iso-scan*"
#define MARK     "/livestick-"
#define COW_PATH "rd.live.cowfile.path"

static const char *const kiwi_texts[] = { LIBRARY, INSIDE_BUILTIN, NULL };

static bool is_live(const char *args)
{
	AUTO_FREE char *root = args_value(args, "root=");

	return root && strncmp(root, "live:CDLABEL=", 13) == 0;
}

static bool any_is_live(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (is_live(f->cmdlines[i]))
			return true;
	return false;
}

static const char *library(const struct family_facts *f)
{
	const char *path = family_initrd_match(f, LIBRARY);

	return path ? family_initrd_text(f, path) : NULL;
}

/* Before November 2018 it saved only on a stick that is a copy of the ISO byte by byte. */
static bool can_save(const struct family_facts *f)
{
	const char *text = library(f);

	return !inside_known(f) ||
	       (family_initrd_match(f, ISOSCAN) && (!text || strstr(text, "preparePersistentOverlayLoopBoot")));
}

/* Fedora's media since release 42 have kiwi's tree and dracut's dmsquash-live in the initrd. */
static int score(const struct family_facts *f)
{
	bool in_initrd = family_initrd_match(f, SCRIPT);
	bool has_tokens =
	    family_any_has(f, "rd.live.overlay.cowfs=") || family_any_has(f, "rd.live.overlay.persistent");

	if (in_initrd)
		return any_is_live(f) ? 100 : 80;
	return has_tokens && any_is_live(f) && !family_initrd_match(f, "*bin/dmsquash-live-root*") ? 100 : 0;
}

static int kiwi_score(const struct family_facts *f)
{
	return can_save(f) ? score(f) : 0;
}

static int kiwi_plain_score(const struct family_facts *f)
{
	return can_save(f) ? 0 : score(f);
}

/* What an entry has as its image, as a path on the medium; the caller frees. */
static char *image_path(const char *args)
{
	AUTO_FREE char *value = args_value(args, "rd.live.dir="), *image = args_value(args, "rd.live.squashimg=");
	AUTO_FREE char *dir = inside_dir(value && *value ? value : "LiveOS", "");
	struct buf path = { 0 };

	buf_addf(&path, "%s%s/%s", *dir ? "/" : "", dir, image && *image ? image : "squashfs.img");
	return path.s;
}

static char *kiwi_refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;
	struct buf why = { 0 };

	if (inside_known(f) && !family_initrd_match(f, SCRIPT))
		return xstrdup("its initrd has no kiwi-live, which alone can boot it from a stick");
	for (size_t i = 0; i < f->n_cmdlines; i++) {
		AUTO_FREE char *path = is_live(f->cmdlines[i]) ? image_path(f->cmdlines[i]) : NULL;

		if (path && source_find(f->source, path))
			return NULL;
		if (path && !missing)
			missing = TAKE(path);
	}
	if (!missing)
		missing = image_path("");
	if (!source_find(f->source, missing))
		buf_addf(&why, "there is no system image %s, where kiwi-live would look for it", missing);
	return why.s;
}

static char *kiwi_doubt(const struct family_facts *f)
{
	const char *text = library(f);
	char *drivers = inside_doubt_drivers(f);

	if (drivers)
		return drivers;
	if (family_any_has(f, "rd.live.encrypt") || family_any_has(f, "rd.live.encrypt="))
		return xstrdup(
		    "its menu asks for changes to be encrypted, which livestick does not set up: they are kept as "
		    "they are");
	if (text && !strstr(text, COW_PATH))
		return xstrdup(
		    "its kiwi-live is older than June 2024: it keeps changes in a file, live_system.cow, and "
		    "begins a new one when it cannot mount that");
	return NULL;
}

static void add_saving(const struct family_facts *f, const struct family_medium *m, struct buf *words)
{
	const char *text = library(f);

	buf_addf(words, " iso-scan/filename=" MARK "%s rd.live.overlay.persistent rd.live.overlay.cowfs=ext4",
	         m->data_uuid);
	if (!text || strstr(text, COW_PATH))
		buf_addf(words, " " COW_PATH "=../../../dev/disk/by-uuid/%s", m->data_uuid);
	if ((!text || !strstr(text, COW_PATH)) && m->data_room)
		buf_addf(words, " rd.live.cowfile.mbsize=%llu",
		         (unsigned long long)((m->data_room - m->data_room / 20) / MIB));
}

static void kiwi_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m, struct buf *out)
{
	static const char *const drop[] = {
		"root=",
		"rd.live.image",
		"rd.live.overlay.persistent",
		"rd.live.overlay.persistent=",
		"mediacheck",
		"mediacheck=",
		"rd.live.overlay.cowfs=",
		"rd.live.cowfile.*",
		"rd.live.encrypt",
		"rd.live.encrypt=",
		"rd.live.check",
		"iso-scan/filename=",
		"rd.live.check=",
	};
	AUTO_BUF struct buf words = { 0 };

	if (args[strspn(args, " ")] && !is_live(args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "root=live:CDLABEL=%s rd.live.image", m->boot_label);
	if (m->persistent)
		add_saving(f, m, &words);
	args_add(out, words.s);
}

/* checkmedia looks for the digest in an ISO 9660 volume, and what it says of another one ends the start. */
static const char *kiwi_no_use(const char *args)
{
	return inside_is_on(args, "mediacheck") || inside_is_on(args, "rd.live.check")
	           ? "it checks the image of a CD, which a stick is not"
	           : NULL;
}

static void kiwi_add_data(const struct family_facts *f, const struct family_medium *m, struct volume_files *out)
{
	/* iso-scan makes a loop device of it; losetup grumbles at less than a sector. */
	static const char text[512] = "The live system's initrd knows this partition by this file.\n";
	AUTO_BUF struct buf path = { 0 };

	(void)f;
	buf_addf(&path, MARK "%s", m->data_uuid);
	volume_add(out, path.s, sizeof(text), input_memory(text), 0);
}

static const char *const kiwi_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"changes made with one release of the system may not fit the next: after an upgrade of the stick the old "
	"versions of changed files stay in front of the new ones",
	"it finds its medium by the volume label alone: two sticks of the same release in one machine are not told "
	"apart",
	NULL,
};

const struct family family_kiwi = {
	.name = "kiwi",
	.title = "kiwi-live (openSUSE live, GeckoLinux, ...)",
	.score = kiwi_score,
	.texts = kiwi_texts,
	.refuse = kiwi_refuse,
	.doubt = kiwi_doubt,
	.version = inside_dracut_version,
	.rewrite = kiwi_rewrite,
	.no_use = kiwi_no_use,
	.add_data = kiwi_add_data,
	.limits = kiwi_limits,
	.proof = "^/dev/[^ ]+ /run/overlay/overlayfs ext4 rw",
};

static const char *const kiwi_plain_limits[] = {
	"nothing is kept: its initrd has nothing that finds the persistence partition of a stick",
	NULL,
};

const struct family family_kiwi_plain = {
	.name = "kiwi-plain",
	.title = "kiwi-live that cannot save on a stick",
	.score = kiwi_plain_score,
	.texts = kiwi_texts,
	.refuse = kiwi_refuse,
	.doubt = inside_doubt_drivers,
	.version = inside_dracut_version,
	.rewrite = kiwi_rewrite,
	.no_use = kiwi_no_use,
	.keeps_nothing = true,
	.limits = kiwi_plain_limits,
};
