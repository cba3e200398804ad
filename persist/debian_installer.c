/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Debian's installer, netinst and DVD. Facts from cdrom-detect.postinst 1.114: after CD drives it tries each partition
 * of USB disks, as ISO 9660 and as FAT and as nothing else, and takes the first that has /.disk/info. So the medium's
 * files work from FAT as they are, from the root of it only, and no argument says where they are. Ubuntu's version does
 * the same when it is told cdrom-detect/try-usb=true.
 */
#include "persist/inside.h"

#define SCRIPT "*/cdrom-detect.postinst"
#define INFO   "/.disk/info"
#define STATUS "var/lib/dpkg/status"

static const char *const installer_texts[] = { SCRIPT, STATUS, INSIDE_BUILTIN, NULL };

static int installer_score(const struct family_facts *f)
{
	static const char *const dir[] = { "install", "install.*" };

	if (family_any_has(f, "boot=") || source_find(f->source, "/casper") || source_find(f->source, "/live"))
		return 0;
	if (family_initrd_match(f, SCRIPT))
		return 80;
	return source_find(f->source, INFO) && source_find(f->source, "/dists") &&
	               inside_has(f->source, "/", dir, ARRAY_SIZE(dir))
	           ? 50
	           : 0;
}

static char *installer_refuse(const struct family_facts *f)
{
	if (inside_known(f) && !family_initrd_match(f, SCRIPT))
		return xstrdup(
		    "its installer does not look for a medium of this kind (its initrd has no cdrom-detect): "
		    "take the netinst or DVD image");
	if (!source_find(f->source, INFO))
		return xstrdup("there is no " INFO ", by which the installer knows its medium");
	return NULL;
}

static char *installer_doubt(const struct family_facts *f)
{
	return inside_lacks_driver(f, "vfat")
	           ? xstrdup("its initrd has no driver for FAT (vfat): the installer will not "
	                     "find its medium")
	           : NULL;
}

/* The installer's own list of packages has paragraphs of "Package: x", "Version: y" and more. */
static char *installer_version(const struct family_facts *f)
{
	const char *text = family_initrd_text(f, STATUS);
	const char *package = text ? strstr(text, "Package: cdrom-detect\n") : NULL;
	const char *end = package ? strstr(package, "\n\n") : NULL;
	const char *version = package ? strstr(package, "\nVersion: ") : NULL;
	struct buf ret = { 0 };

	if (version && (!end || version < end)) {
		version += strlen("\nVersion: ");
		buf_addf(&ret, "cdrom-detect %.*s", (int)strcspn(version, "\n"), version);
	}
	return ret.s;
}

static void installer_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                              struct buf *out)
{
	static const char *const drop[] = { "cdrom-detect/try-usb=" };
	const char *script = family_initrd_match(f, SCRIPT);
	const char *text = script ? family_initrd_text(f, script) : NULL;

	(void)m;
	if (!text || !strstr(text, "cdrom-detect/try-usb")) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	args_add(out, "cdrom-detect/try-usb=true");
}

/* The medium is at /cdrom when the file is read; "auto" has the questions wait until then (auto-install). */
static void installer_add_answers(const struct family_facts *f, const struct family_medium *m, const char *path,
                                  struct buf *args)
{
	static const char *const drop[] = { "auto", "auto=", "priority=", "file=", "preseed/file=" };
	AUTO_BUF struct buf rest = { 0 }, words = { 0 };

	(void)f;
	(void)m;
	args_without(args->len ? args->s : "", drop, ARRAY_SIZE(drop), &rest);
	buf_addf(&words, "auto=true priority=critical file=/cdrom%s", path);
	args_add(&rest, words.s);
	buf_clear(args);
	buf_add(args, rest.s, rest.len);
}

static const char *const installer_limits[] = {
	"an installer, not a live system: there is nothing to keep",
	"it looks for its medium on FAT only, and on USB disks only: leave --boot-fs out",
	NULL,
};

const struct family family_debian_installer = {
	.name = "debian-installer",
	.title = "Debian installer (netinst, DVD)",
	.score = installer_score,
	.texts = installer_texts,
	.refuse = installer_refuse,
	.doubt = installer_doubt,
	.version = installer_version,
	.rewrite = installer_rewrite,
	.keeps_nothing = true,
	.answers = "preseed",
	.answers_file = "preseed.cfg",
	.add_answers = installer_add_answers,
	.limits = installer_limits,
};
