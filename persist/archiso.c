/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Arch Linux's archiso. Facts from hooks/archiso of mkinitcpio-archiso, versions 43 to 73, and the patches that
 * SystemRescue has for it.
 *
 * archisodevice= takes a path in /dev/disk in every version, and is waited for; it counts only when there is nothing to
 * search for, so archisosearchuuid= and archisosearchfilename= go: the file that they name is the same on every stick
 * of a release, and is not at the root of a second slot. cow_directory= has a default made of archisolabel=, so it is
 * given. Directories "upperdir" and "workdir" in it are made by the hook.
 */
#include "persist/inside.h"

#define DEFAULT_BASE "arch"
#define STORE_DIR    "persistent"

static const char *const archiso_texts[] = { INSIDE_BUILTIN, NULL };

static const char *const tokens[] = {
	"archisobasedir=", "archisolabel=", "archisodevice=", "archisosearchuuid=", "archisosearchfilename=",
};

/* Whether an entry boots by archiso, and from a volume: not by NBD, NFS or HTTP. */
static bool uses_medium(const char *args)
{
	static const char *const elsewhere[] = { "archiso_nbd_srv=", "archiso_nfs_srv=", "archiso_http_srv=" };
	bool ret = false;

	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		ret = ret || args_has(args, tokens[i]);
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		ret = ret && !args_has(args, elsewhere[i]);
	return ret;
}

/* The image is in a directory that is called like the machine, below the base directory. */
static bool base_has_image(const struct source *s, const char *base)
{
	static const char *const image[] = { "airootfs.sfs", "airootfs.erofs" };
	const struct node *dir = source_find(s, base);

	for (size_t i = 0; dir && i < dir->n_children; i++) {
		AUTO_FREE char *path = node_path(dir->children[i]);

		if (inside_has(s, path, image, ARRAY_SIZE(image)))
			return true;
	}
	return false;
}

static int archiso_score(const struct family_facts *f)
{
	const struct node *root = f->source->root;

	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (uses_medium(f->cmdlines[i]))
			return 100;
	if (family_initrd_has(f, "hooks/archiso"))
		return 80;
	for (size_t i = 0; i < root->n_children; i++)
		if (base_has_image(f->source, root->children[i]->name))
			return 50;
	return 0;
}

static char *base_dir(const char *args, const char *slot)
{
	AUTO_FREE char *value = args_value(args, "archisobasedir=");

	return inside_dir(value && *value ? value : DEFAULT_BASE, slot);
}

static char *archiso_refuse(const struct family_facts *f)
{
	AUTO_FREE char *missing = NULL;
	struct buf why = { 0 };

	if (inside_known(f) && !family_initrd_has(f, "hooks/archiso"))
		return xstrdup("its initrd has no hook of archiso, which alone can boot it from a stick");
	for (size_t i = 0; i < f->n_cmdlines; i++) {
		AUTO_FREE char *base = uses_medium(f->cmdlines[i]) ? base_dir(f->cmdlines[i], "") : NULL;

		if (base && base_has_image(f->source, base))
			return NULL;
		if (base && !missing)
			missing = TAKE(base);
	}
	if (missing)
		buf_addf(&why, "there is no system image (airootfs.*) below /%s, where archiso would look for it",
		         missing);
	return why.s;
}

static void archiso_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                            struct buf *out)
{
	static const char *const drop[] = {
		"archisobasedir=", "archisolabel=", "archisodevice=", "archisosearchuuid=", "archisosearchfilename=",
		"cow_device=",     "cow_label=",    "cow_directory=", "cow_persistent=",    "cow_flags=",
		"img_dev=",        "img_label=",    "img_loop=",      "img_flags=",
	};
	AUTO_FREE char *base = base_dir(args, m->slot);
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	if (args[strspn(args, " ")] && !uses_medium(args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "archisobasedir=%s%s%s archisodevice=/dev/disk/by-uuid/%s", *m->slot ? m->slot + 1 : "",
	         *m->slot ? "/" : "", base, m->boot_uuid);
	if (m->persistent)
		buf_addf(&words, " cow_device=/dev/disk/by-uuid/%s cow_directory=" STORE_DIR, m->data_uuid);
	args_add(out, words.s);
}

static bool archiso_is_no_default(const char *args)
{
	return args_has(args, "checksum") || args_has(args, "checksum=y");
}

static const char *const archiso_limits[] = {
	"a kernel that is upgraded inside the running system is not the one that starts: kernel and initrd come from "
	"BOOT",
	"changes made with one release of the system may not fit the next: after an upgrade of the stick the old "
	"versions of changed files stay in front of the new ones",
	"pacman's keyring is made anew at each start, where the medium is made so (Arch Linux's own is)",
	NULL,
};

const struct family family_archiso = {
	.name = "archiso",
	.title = "archiso (Arch Linux, EndeavourOS, CachyOS, BlackArch, SystemRescue, ...)",
	.score = archiso_score,
	.texts = archiso_texts,
	.refuse = archiso_refuse,
	.doubt = inside_doubt_drivers,
	.rewrite = archiso_rewrite,
	.is_no_default = archiso_is_no_default,
	.takes_slot = true,
	.limits = archiso_limits,
	.proof = "^airootfs / overlay .*upperdir=/run/archiso/cowspace/" STORE_DIR "/upperdir",
};
