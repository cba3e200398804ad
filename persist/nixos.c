/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The NixOS installation and live media. Facts from nixpkgs, nixos/modules/installer/cd-dvd/iso-image.nix.
 *
 * "/" and the writable layer of the store are in memory, which is part of the system's closure: no argument changes
 * it. The medium is what "root=LABEL=" or "root=UUID=" says. With systemd in the initrd it is a label in its fstab
 * instead, which is too long for a file system of ours.
 */
#include "persist/look.h"

#define IMAGE "/nix-store.squashfs"

static bool is_live(const char *args)
{
	AUTO_FREE char *init = args_value(args, "init=");

	return init && strncmp(init, "/nix/store/", 11) == 0;
}

static int nixos_score(const struct family_facts *f)
{
	for (size_t i = 0; i < f->n_cmdlines; i++)
		if (is_live(f->cmdlines[i]))
			return 100;
	return source_find(f->source, IMAGE) ? 50 : 0;
}

static char *nixos_refuse(const struct family_facts *f)
{
	if (!source_find(f->source, IMAGE))
		return xstrdup("there is no " IMAGE ", which its initrd would look for");
	if (look_initrd_says(f, "etc/fstab", "/dev/disk/by-label/"))
		return xstrdup(
		    "its initrd knows the medium by the label of the ISO alone: write the image itself to a stick");
	return NULL;
}

static void nixos_rewrite(const struct family_facts *f, const char *args, const struct family_medium *m,
                          struct buf *out)
{
	static const char *const drop[] = { "root=", "findiso=" };
	AUTO_BUF struct buf words = { 0 };

	(void)f;
	if (!is_live(args)) {
		args_without(args, NULL, 0, out);
		return;
	}
	args_without(args, drop, ARRAY_SIZE(drop), out);
	buf_addf(&words, "root=UUID=%s", m->boot_uuid);
	args_add(out, words.s);
}

static const char *const nixos_texts[] = { "etc/fstab", "nix/store/*-initrd-fstab", "nix/store/*-fstab", NULL };

static const char *const nixos_limits[] = {
	"nothing is kept: the system holds all changes in memory, and has no way to be told otherwise",
	NULL,
};

const struct family family_nixos = {
	.name = "nixos",
	.title = "NixOS (installation and live media)",
	.score = nixos_score,
	.texts = nixos_texts,
	.refuse = nixos_refuse,
	.rewrite = nixos_rewrite,
	.keeps_nothing = true,
	.limits = nixos_limits,
};
