/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dracut's module dmsquash-live. Facts from its dmsquash-live-root, parse-dmsquash-live.sh and (later) module
 * overlayfs, versions 004 to 111.
 *
 * There are two ways to save. OverlayFS, since 045: a directory and its sibling "ovlwork", both of which must be there;
 * since 049 the only way for an image that is a file system of its own ("flat"), not one with another in it. Before
 * that, a device-mapper snapshot: a file whose first 64 KiB are zero is a fresh one.
 *
 * When what to save in is not found, 045 to 105 wait for the Enter key; nouserconfirmprompt cures that since 106. From
 * 110 on the arguments are called rd.overlay*, and the old names still do. The form DEVICE:/PATH is needed in all of
 * them: without a path dmsquash-live looks for one that has the medium's UUID in its name.
 */
#include "persist/inside.h"

#define DEFAULT_DIR   "LiveOS"
#define DEFAULT_IMAGE "squashfs.img"
#define STORE_DIR     "/overlay"
#define STORE_WORK    "/ovlwork"
#define STORE_FILE    "/overlay.img"

/* What livecd-iso-to-disk gives the directories: a root directory's context, or nobody may enter where SELinux rules.
 */
#define ROOT_CONTEXT "system_u:object_r:root_t:s0"

#define SCRIPT "*bin/dmsquash-live-root*"

static const char *const dmsquash_texts[] = { SCRIPT, INSIDE_BUILTIN, NULL };

/* How the arguments of an entry are called: those of 004 to 012 have no "rd." before them. */
static bool is_old_style(const char *args)
{
	return args_has(args, "liveimg") && !args_has(args, "rd.live.image");
}

static bool is_live(const char *args, const char *root)
{
	return strncmp(root, "live:", 5) == 0 || args_has(args, "rd.live.image") || args_has(args, "rd.live.image=") ||
	       args_has(args, "liveimg");
}

/* Whether an entry boots by dmsquash-live, and from a volume: not from the network. */
static bool uses_medium(const char *args)
{
	AUTO_FREE char *root = args_value(args, "root=");
	const char *device = root && strncmp(root, "live:", 5) == 0 ? root + 5 : root;

	return root && is_live(args, root) && !strstr(device, "://") && strncmp(device, "nfs", 3) != 0;
}

static char *live_dir(const char *args, const char *slot)
{
	AUTO_FREE char *value = args_value(args, "rd.live.dir=");

	if (!value)
		value = args_value(args, "live_dir=");
	return inside_dir(value ? value : DEFAULT_DIR, slot);
}

static const char *script_text(const struct family_facts *f)
{
	const char *path = family_initrd_match(f, SCRIPT);

	return path ? family_initrd_text(f, path) : NULL;
}

/* The way to save: by a snapshot only where OverlayFS cannot do. */
static bool needs_snapshot(const struct family_facts *f)
{
	const char *script = script_text(f);

	if (script)
		return !strstr(script, "rd.live.overlay.overlayfs") || inside_lacks_driver(f, "overlay");
	return family_any_has(f, "liveimg") && !family_any_has(f, "rd.live.image");
}

static bool any_uses_medium(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (uses_medium(f->cmdlines[i]))
			return true;
	return false;
}

/* kiwi-live and Anaconda have the same image at the same place, and Anaconda the same module in its initrd. */
static bool is_another_family(const struct family_facts *f)
{
	bool for_kiwi = family_any_has(f, "rd.live.overlay.cowfs=") || family_any_has(f, "rd.live.overlay.persistent");

	return family_any_has(f, "inst.stage2=") || family_any_has(f, "inst.repo=") ||
	       family_initrd_match(f, "*bin/kiwi-live-root*") || family_initrd_match(f, "*bin/anaconda-diskroot*") ||
	       (for_kiwi && !family_initrd_match(f, SCRIPT));
}

static int dmsquash_score(const struct family_facts *f)
{
	if (is_another_family(f))
		return 0;
	if (any_uses_medium(f))
		return 100;
	if (family_initrd_match(f, SCRIPT))
		return 80;
	return source_find(f->source, "/" DEFAULT_DIR "/" DEFAULT_IMAGE) && !source_find(f->source, "/.treeinfo") &&
	               !family_any_has(f, "boot=")
	           ? 50
	           : 0;
}

/* What dmsquash-live-root would mount for an entry. Sets `ret_path` to where it looks first; the caller frees. */
static bool has_image(const struct source *s, const char *args, char **ret_path)
{
	AUTO_FREE char *dir = live_dir(args, ""), *image = args_value(args, "rd.live.squashimg=");
	const char *const names[] = { image && *image ? image : DEFAULT_IMAGE, "rootfs.img", "ext3fs.img" };
	bool found = false;

	for (size_t i = 0; !found && i < ARRAY_SIZE(names); i++) {
		AUTO_BUF struct buf path = { 0 };

		buf_addf(&path, "%s%s/%s", *dir ? "/" : "", dir, names[i]);
		found = source_find(s, path.s);
		if (i == 0)
			*ret_path = TAKE(path.s);
	}
	return found;
}

static char *dmsquash_refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;
	struct buf why = { 0 };
	bool found = false;

	if (inside_known(f) && !family_initrd_match(f, SCRIPT))
		return xstrdup("its initrd has no dmsquash-live, which alone can boot it from a stick");
	for (size_t i = 0; !found && i < f->n_cmdlines; i++) {
		AUTO_FREE char *path = NULL;

		if (!uses_medium(f->cmdlines[i]))
			continue;
		found = has_image(f->source, f->cmdlines[i], &path);
		if (!missing)
			missing = TAKE(path);
	}
	if (!found && !missing)
		found = has_image(f->source, "", &missing);
	if (!found)
		buf_addf(&why, "there is no system image %s, where dracut would look for it", missing);
	return why.s;
}

/* Linux 3.6 was the first to write an ext4 volume whose metadata has checksums. */
static bool kernel_is_too_old(const struct family_facts *f)
{
	const char *path = family_initrd_match(f, "*lib/modules/[0-9]*");
	unsigned major = 0, minor = 0;

	return path && sscanf(strstr(path, "lib/modules/"), "lib/modules/%u.%u", &major, &minor) == 2 &&
	       (major < 3 || (major == 3 && minor < 6));
}

static char *dmsquash_doubt(const struct family_facts *f)
{
	char *drivers = inside_doubt_drivers(f);

	if (drivers)
		return drivers;
	if (kernel_is_too_old(f))
		return xstrdup(
		    "its kernel is older than 3.6 and cannot write the persistence partition: nothing will be "
		    "kept");
	if (needs_snapshot(f))
		return xstrdup(
		    "it keeps changes in a device-mapper snapshot: what was written once takes room for ever, "
		    "and when there is no room left, all that was kept is lost (dmsetup status live-rw "
		    "says how much is taken)");
	return NULL;
}

static void add_dir(const char *dir, const char *slot, bool old, struct buf *words)
{
	const char *key = old ? "live_dir" : "rd.live.dir";

	if (*slot)
		buf_addf(words, " %s=%s%s%s", key, slot + 1, *dir ? "/" : "", dir);
	else if (strcmp(dir, DEFAULT_DIR) != 0)
		buf_addf(words, " %s=%s", key, *dir ? dir : "/");
}

static void dmsquash_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                             struct buf *out)
{
	static const char *const drop[] = {
		"root=",         "rootfstype=",   "rd.live.image",    "rd.live.image=",
		"liveimg",       "rd.live.check", "rd.live.check=",   "check",
		"rd.overlay*",   "overlay=",      "rd.live.overlay*", "rd.live.dir=",
		"reset_overlay", "live_dir=",     "readonly_overlay", "iso-scan/filename=",
	};
	bool empty = !args[strspn(args, " ")], old = is_old_style(args), snapshot = needs_snapshot(f);
	AUTO_FREE char *dir = live_dir(args, m->slot);
	AUTO_BUF struct buf words = { 0 };

	if (!empty && !uses_medium(args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "root=live:UUID=%s %s", m->boot_uuid, old ? "liveimg" : "rd.live.image");
	add_dir(dir, m->slot, old, &words);
	if (m->persistent)
		buf_addf(&words, " %s=UUID=%s:%s", old ? "overlay" : "rd.live.overlay", m->data_uuid,
		         snapshot ? STORE_FILE : STORE_DIR);
	if (!snapshot)
		buf_adds(&words, " rd.live.overlay.overlayfs=1");
	if (!snapshot && m->persistent)
		buf_adds(&words, " rd.live.overlay.nouserconfirmprompt");
	args_add(out, words.s);
}

/* It has always done nothing where the medium is neither iso9660 nor UDF, or found no digest there and gone on. */
static const char *dmsquash_no_use(const char *args)
{
	return inside_is_on(args, "rd.live.check") || (is_old_style(args) && inside_is_on(args, "check"))
	           ? "it checks the image of a CD, which a stick is not"
	           : NULL;
}

/* The snapshot's room must be there when it is wanted: the last twentieth is for the file's own map. */
static void dmsquash_add_data(const struct family_facts *f, const struct family_medium *m, struct volume_files *out)
{
	static const char *const dirs[] = { STORE_DIR, STORE_WORK };

	if (needs_snapshot(f)) {
		volume_add_hole(out, STORE_FILE, align_down(m->data_room - m->data_room / 20, MIB), 0)->mode = 0600;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		volume_add_dir(out, dirs[i], 0755, 0)->selinux = ROOT_CONTEXT;
}

static const char *const dmsquash_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"changes made with one release of the system may not fit the next: after an upgrade of the stick the old "
	"versions of changed files stay in front of the new ones",
	NULL,
};

const struct family family_dmsquash = {
	.name = "dmsquash",
	.title = "dracut dmsquash-live (Fedora, CentOS and Rocky live, Void, Gentoo, Calculate, Solus, ...)",
	.score = dmsquash_score,
	.texts = dmsquash_texts,
	.refuse = dmsquash_refuse,
	.doubt = dmsquash_doubt,
	.version = inside_dracut_version,
	.rewrite = dmsquash_rewrite,
	.no_use = dmsquash_no_use,
	.takes_slot = true,
	.add_data = dmsquash_add_data,
	.limits = dmsquash_limits,
	/* A snapshot's partition is unmounted when its file has a loop device, so no line tells of that. */
	.proof = "^[^ ]+ /run/initramfs/overlayfs ext4 rw",
};
