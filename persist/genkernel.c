/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gentoo's media before 2024, and others with an initrd of genkernel (later ones are dracut's, with "root=live:").
 * Facts from gentoo/genkernel (3.5.3.0 of 2017 to 4.3.17 of 2025-06), defaults/linuxrc and initrd.scripts:
 * bootstrapCD(), findmediamount(), setup_overlayfs(), setup_aufs().
 *
 * Every block device is mounted until one has the marker file; "loop=" is a path on it. What is changed is in memory:
 * in a tmpfs beside links to the image (no argument), in a tmpfs over the image ("overlayfs"). "overlayfs=DEVICE" is
 * read into overlayfs_dev, which nothing uses. "aufs=" needs a kernel with aufs, and asks for the size of a file.
 *
 * So etc/initrd.scripts is put over itself with its setup_overlayfs() changed: where overlayfs_dev is given, that is
 * mounted in the place of the tmpfs. All else there is as it was, but for /etc/fstab, written at the first start only.
 */
#include "persist/look.h"

#define MARKER "/livecd"

static bool is_live(const char *args)
{
	return (args_has(args, "cdroot") || args_has(args, "cdroot=")) && !args_has(args, "root=live:*");
}

static int score(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (is_live(f->cmdlines[i]))
			return 100;
	if (family_any_has(f, "root=live:*"))
		return 0;
	if (family_initrd_has(f, "etc/initrd.defaults"))
		return 80;
	return source_find(f->source, MARKER) && look_has(f->source, "/", "image.squashfs") ? 50 : 0;
}

/* The file of the argument on the medium, without slot: "/image.squashfs". NULL without one. The caller frees. */
static char *file_of(const char *args, const char *key, const char *slot)
{
	AUTO_FREE char *value = args_value(args, key), *path = look_path(value, slot, "");

	return *path ? look_sentence("/%s", path) : NULL;
}

static char *refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;

	for (size_t i = 0; i < f->n_cmdlines; i++) {
		const char *args = f->cmdlines[i];
		AUTO_FREE char *image = file_of(args, "loop=", ""), *marker = file_of(args, "cdroot_marker=", "");
		const char *mark = marker ? marker : MARKER;

		if (!is_live(args))
			continue;
		if (source_find(f->source, mark) && (!image || source_find(f->source, image)))
			return NULL;
		if (!missing)
			missing = xstrdup(source_find(f->source, mark) ? image : mark);
	}
	return missing ? look_sentence("there is no %s, which its initrd would look for", missing) : NULL;
}

static void plain_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                          struct buf *out)
{
	static const char *const drop[] = { "cdroot", "cdroot=", "cdroot_marker=", "isoboot=", "loop=" };
	AUTO_FREE char *image = file_of(args, "loop=", m->slot), *marker = file_of(args, "cdroot_marker=", m->slot);
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	if (!is_live(args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_adds(&words, "cdroot");
	if (*m->slot || marker)
		buf_addf(&words, " cdroot_marker=%s%s", m->slot, marker ? marker : MARKER);
	if (image)
		buf_addf(&words, " loop=%s%s", m->slot, image);
	args_add(out, words.s);
}

/* "Genkernel 4.3.16" */
static char *version(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, "etc/build_id");
	size_t n = text && strncasecmp(text, "genkernel ", 10) == 0 ? strcspn(text + 10, " \t\r\n") : 0;

	return n ? look_sentence("genkernel %.*s", (int)n, text + 10) : NULL;
}

#define SCRIPTS "etc/initrd.scripts"

static const char *const texts[] = { "etc/build_id", SCRIPTS, "init", INSIDE_BUILTIN, NULL };

/* ---- the changed script */

#define BEGIN "\nsetup_overlayfs() {\n"
#define END   "\n}\n"

/* Called by setup_overlayfs(), whose variables it sees. findfs is busybox'; the messages are genkernel's functions. */
static const char mount_data[] =
    "\n"
    "# By livestick: mounts the partition of overlayfs=UUID=... at ${overlay}; 1: there shall be a tmpfs.\n"
    "livestick_data() {\n"
    "\tlocal dev= tries= why= answer=\n"
    "\n"
    "\t[ -n \"${overlayfs_dev}\" ] || return 1\n"
    "\tmodprobe ext4 >/dev/null 2>&1\n"
    "\twhile :\n"
    "\tdo\n"
    "\t\twhy='was not found'\n"
    "\t\ttries=0\n"
    "\t\twhile dev=$(findfs \"${overlayfs_dev}\" 2>/dev/null); [ ! -b \"${dev}\" ] && [ ${tries} -lt 30 ]\n"
    "\t\tdo\n"
    "\t\t\tsleep 1\n"
    "\t\t\ttries=$((tries + 1))\n"
    "\t\tdone\n"
    "\t\tif [ -b \"${dev}\" ]\n"
    "\t\tthen\n"
    "\t\t\twhy=\n"
    "\t\t\tif hash e2fsck >/dev/null 2>&1\n"
    "\t\t\tthen\n"
    "\t\t\t\te2fsck -p \"${dev}\"\n"
    "\t\t\t\t[ $(($? & 4)) -eq 0 ] || why='has errors that e2fsck must repair by hand'\n"
    "\t\t\tfi\n"
    "\t\t\t[ -z \"${why}\" ] && mount -t ext4 -o noatime \"${dev}\" \"${overlay}\" && return 0\n"
    "\t\t\twhy=${why:-cannot be mounted}\n"
    "\t\tfi\n"
    "\t\tbad_msg \"The partition for changes (${overlayfs_dev}) ${why}: what you change would be lost!\"\n"
    "\t\tif [ -f \"${GK_USERINTERACTION_DISABLED_STATEFILE}\" ]\n"
    "\t\tthen\n"
    "\t\t\tsleep 10\n"
    "\t\t\tcontinue\n"
    "\t\tfi\n"
    "\t\tprintf '%s' 'Enter: look again, c: start without saving, this once, s: shell :: '\n"
    "\t\tread answer || sleep 10\n"
    "\t\tcase \"${answer}\" in\n"
    "\t\t\tc) return 1 ;;\n"
    "\t\t\ts) run_shell ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "}\n";

/* Lines of setup_overlayfs(), in their order: behind the first `skip` bytes of the command something is put in. */
static const struct {
	const char *command;
	size_t skip;
	const char *put;
} change[] = {
	{ "local overlay=/mnt/overlay\n", 0, "" },
	{ "local upperdir=\"${overlay}/.upper\"\n", 0, "" },
	{ "local workdir=\"${overlay}/.work\"\n", 0, "" },
	{ "mount -t tmpfs none \"${overlay}\"\n", 0, "livestick_data || " },
	{ "mkdir \"${upperdir}\" \"${workdir}\"\n", 5, " -p" },
	{ "echo \"overlay / overlay defaults 0 0\" > \"${NEW_ROOT}\"/etc/fstab\n", 0,
	  "[ -e \"${upperdir}/etc/fstab\" ] || " },
};

/* The command as a line of its own in the text up to `end`; NULL: it is not there, or more than once. */
static const char *only_line(const char *text, const char *end, const char *command)
{
	const char *at = strstr(text, command), *again = at ? strstr(at + 1, command) : NULL, *indent = at;

	if (!at || at >= end || (again && again < end))
		return NULL;
	while (indent > text && (indent[-1] == ' ' || indent[-1] == '\t'))
		indent--;
	return indent > text && indent[-1] == '\n' ? at : NULL;
}

/* The script changed; false, and nothing is added: it is not one of those that are known. */
static bool change_script(const char *script, struct buf *out)
{
	const char *begin = strstr(script, BEGIN), *end = begin ? strstr(begin, END) : NULL, *from = script;
	const char *at[ARRAY_SIZE(change)];

	if (!end || strstr(begin + 1, BEGIN))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(change); i++) {
		at[i] = only_line(begin, end, change[i].command);
		if (!at[i] || (i && at[i] < at[i - 1]))
			return false;
	}
	buf_add(out, from, (size_t)(begin - from));
	buf_adds(out, mount_data);
	from = begin;
	for (size_t i = 0; i < ARRAY_SIZE(change); i++) {
		buf_add(out, from, (size_t)(at[i] + change[i].skip - from));
		buf_adds(out, change[i].put);
		from = at[i] + change[i].skip;
	}
	buf_adds(out, from);
	return true;
}

/* The device is handed over by the first script, and an overlay is what the second makes: both must be certain. */
static bool can_be_changed(const struct family_facts *f)
{
	const char *script = family_initrd_text(f, SCRIPTS), *builtin = family_initrd_match(f, INSIDE_BUILTIN);
	AUTO_BUF struct buf changed = { 0 };

	return script && change_script(script, &changed) && look_initrd_says(f, "init", "overlayfs_dev=${x#*=}") &&
	       (family_initrd_match(f, "*lib/modules/*/overlay.ko*") ||
	        (builtin && look_initrd_says(f, builtin, "/overlay.ko")));
}

static void genkernel_add_over(const struct family_facts *f, struct newc *out)
{
	const char *script = family_initrd_text(f, SCRIPTS);
	AUTO_BUF struct buf changed = { 0 };

	if (script && change_script(script, &changed))
		newc_add(out, SCRIPTS, 0755, changed.s, changed.len);
}

/* ---- the two of them */

/* setup_overlayfs() is for an image that is a squashfs, and not for an encrypted one. */
static bool takes_overlay(const char *args)
{
	AUTO_FREE char *type = args_value(args, "looptype="), *image = args_value(args, "loop=");
	const char *dot = image ? strrchr(image, '.') : NULL;

	if (!is_live(args) || args_has(args, "crypt_root=") || args_has(args, "unionfs"))
		return false;
	return type ? strcmp(type, "squashfs") == 0 : dot && strcmp(dot, ".squashfs") == 0;
}

static void genkernel_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                              struct buf *out)
{
	static const char *const drop[] = { "overlayfs", "overlayfs=", "aufs", "aufs=" };
	bool saves = m->persistent && takes_overlay(args);
	AUTO_BUF struct buf words = { 0 }, rest = { 0 };

	if (saves)
		buf_addf(&words, "overlayfs=UUID=%s", m->data_uuid);
	else if (is_live(args) && args_has(args, "overlayfs="))
		buf_adds(&words, "overlayfs");
	if (!words.len) {
		plain_rewrite(f, args, m, out);
		return;
	}
	args_without(args, drop, saves ? ARRAY_SIZE(drop) : 2, &rest);
	args_add(&rest, words.s);
	plain_rewrite(f, rest.s, m, out);
}

static int genkernel_score(const struct family_facts *f)
{
	return can_be_changed(f) ? score(f) : 0;
}

static int plain_score(const struct family_facts *f)
{
	return can_be_changed(f) ? 0 : score(f);
}

static const char *const genkernel_limits[] = {
	"Gentoo's services for live media run at each start, as from the CD: they change /etc/inittab again",
	NULL,
};

static const char *const plain_limits[] = {
	"nothing is kept: its initrd holds all changes in memory, and has no way to be told otherwise",
	NULL,
};

const struct family family_genkernel = {
	.name = "genkernel",
	.title = "genkernel (Gentoo before 2024), its script changed so that it saves",
	.score = genkernel_score,
	.texts = texts,
	.refuse = refuse,
	.doubt = inside_doubt_drivers,
	.version = version,
	.rewrite = genkernel_rewrite,
	.takes_slot = true,
	.add_over = genkernel_add_over,
	.limits = genkernel_limits,
	.proof = "^/dev/[^ ]+ /mnt/overlay ext4 rw",
};

const struct family family_genkernel_plain = {
	.name = "genkernel-plain",
	.title = "genkernel (Gentoo before 2024)",
	.score = plain_score,
	.texts = texts,
	.refuse = refuse,
	.version = version,
	.rewrite = plain_rewrite,
	.keeps_nothing = true,
	.takes_slot = true,
	.limits = plain_limits,
};
