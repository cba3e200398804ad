/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Families that keep little or nothing by themselves, or of which little is known: NixOS, Knoppix, Mageia, Ubuntu Core.
 */
#include "tests/unit/family_case.h"

/* ---- NixOS */

TEST(nixos)
{
	static const struct args_row row[] = {
		{ NIXOS_INIT " root=LABEL=nixos-24.11-x86_64 boot.shell_on_fail nohibernate loglevel=4 nomodeset", "",
		  false, NIXOS_INIT " boot.shell_on_fail nohibernate loglevel=4 nomodeset root=UUID=" BOOT_UUID },
		{ NIXOS_INIT " root=LABEL=nixos-24.11-x86_64 findiso=${iso_path} console=ttyS0,115200n8", "", true,
		  NIXOS_INIT " console=ttyS0,115200n8 root=UUID=" BOOT_UUID },
		{ "root=LABEL=other  quiet", "", false, "root=LABEL=other quiet" },
		{ "", "", false, "" },
	};
	AUTO_MEDIA struct media m = media_make(NIXOS_TREE, "echo x >init", NIXOS_INIT " root=LABEL=nixos");
	AUTO_MEDIA struct media systemd = media_make(NIXOS_TREE,
	                                             "mkdir -p etc nix/store && echo '/dev/disk/by-label/nixos-25.11 "
	                                             "/sysroot/iso auto' >nix/store/1-initrd-fstab && "
	                                             "ln -s /nix/store/1-initrd-fstab etc/fstab",
	                                             NIXOS_INIT);
	AUTO_MEDIA struct media none = media_make("true", NULL, NIXOS_INIT);
	AUTO_MEDIA struct media tree = media_make(NIXOS_TREE, NULL, "quiet");

	CHECK_ARGS(&family_nixos, &m, row);
	CHECK_U64(family_nixos.score(media_facts(&m)), 100);
	CHECK_U64(family_nixos.score(media_facts(&tree)), 50);
	CHECK_SAYS(family_nixos.refuse, &m, NULL);
	CHECK_SAYS(family_nixos.refuse, &systemd, "by the label of the ISO alone");
	CHECK_SAYS(family_nixos.refuse, &none, "no /nix-store.squashfs");
	CHECK(family_nixos.keeps_nothing);
}

/* ---- Knoppix */

TEST(knoppix)
{
	static const struct args_row row[] = {
		{ KNOPPIX_ARGS, "", true, KNOPPIX_ARGS },
		{ KNOPPIX_ARGS, "", false, KNOPPIX_ARGS " noimage" },
		{ KNOPPIX_ARGS " noimage fromhd=/dev/sda1", "", true, KNOPPIX_ARGS },
	};
	static const struct args_row plain_row[] = {
		{ KNOPPIX_ARGS, "", true, KNOPPIX_ARGS },
		{ KNOPPIX_ARGS, "", false, KNOPPIX_ARGS },
	};
	AUTO_MEDIA struct media m = media_make(KNOPPIX_TREE, KNOPPIX_NEW, KNOPPIX_ARGS);
	AUTO_MEDIA struct media plain = media_make(KNOPPIX_TREE, "echo 'mount KNOPPIX' >init", KNOPPIX_ARGS);
	AUTO_MEDIA struct media unknown = media_make(KNOPPIX_TREE, NULL, KNOPPIX_ARGS " knoppix_dir=KNOPPIX");
	AUTO_MEDIA struct media none = media_make("mkdir KNOPPIX", KNOPPIX_NEW, KNOPPIX_ARGS);

	CHECK_ARGS(&family_knoppix, &m, row);
	CHECK_ARGS(&family_knoppix_plain, &plain, plain_row);
	CHECK_U64(family_knoppix.score(media_facts(&m)), 80);
	CHECK_U64(family_knoppix_plain.score(media_facts(&m)), 0);
	CHECK_U64(family_knoppix.score(media_facts(&plain)), 0);
	CHECK_U64(family_knoppix_plain.score(media_facts(&plain)), 80);
	CHECK_U64(family_knoppix_plain.score(media_facts(&unknown)), 100);
	CHECK_SAYS(family_knoppix.refuse, &m, NULL);
	CHECK_SAYS(family_knoppix.refuse, &none, "no file KNOPPIX in /KNOPPIX");
	CHECK_SAYS(family_knoppix.doubt, &m, "has not been tried");
	CHECK_STR(family_knoppix.data_label, "KNOPPIX-DATA");
	CHECK(family_knoppix_plain.keeps_nothing && !family_knoppix.keeps_nothing);
}

/* ---- Mageia */

TEST(mageia)
{
	static const struct args_row by_label[] = {
		{ MAGEIA_ARGS, "", true, MAGEIA_TAIL " root=mgalive:LABEL=ISO_LABEL" },
		{ MAGEIA_ARGS " install", "", false, MAGEIA_TAIL " install root=mgalive:LABEL=ISO_LABEL" },
		{ "quiet  x", "", true, "quiet x" },
	};
	static const struct args_row by_uuid[] = {
		{ MAGEIA_ARGS, "", true, MAGEIA_TAIL " root=mgalive:UUID=" BOOT_UUID },
	};
	AUTO_MEDIA struct media m = media_make(MAGEIA_TREE, NULL, MAGEIA_ARGS);
	AUTO_MEDIA struct media uuid = media_make(MAGEIA_TREE, MAGEIA_INITRD("case $r in UUID=*)"), MAGEIA_ARGS);
	AUTO_MEDIA struct media cd = media_make(MAGEIA_TREE, MAGEIA_INITRD("mount -t iso9660 $d"), MAGEIA_ARGS);
	AUTO_MEDIA struct media none = media_make("true", NULL, MAGEIA_ARGS);

	CHECK_ARGS(&family_mageia, &m, by_label);
	CHECK_ARGS(&family_mageia, &uuid, by_uuid);
	CHECK_U64(family_mageia.score(media_facts(&m)), 100);
	CHECK_SAYS(family_mageia.refuse, &m, NULL);
	CHECK_SAYS(family_mageia.refuse, &uuid, NULL);
	CHECK_SAYS(family_mageia.refuse, &cd, "as that of a CD only");
	CHECK_SAYS(family_mageia.refuse, &none, "no /loopbacks/distrib.sqfs");
	CHECK_SAYS(family_mageia.doubt, &m, "from its documentation only");
	CHECK_STR(family_mageia.data_label, "mgalive-persist");
}

/* ---- Ubuntu Core */

TEST(ubuntu_core)
{
	AUTO_MEDIA struct media token = media_make("true", NULL, "snapd_recovery_mode=install quiet");
	AUTO_MEDIA struct media tree = media_make(
	    "mkdir -p systems/20231010 snaps && echo x | tee systems/20231010/model snaps/core22_1.snap >/dev/null",
	    NULL, "");
	AUTO_MEDIA struct media snaps = media_make("mkdir snaps && echo x >snaps/core22_1.snap", NULL, "");

	CHECK_U64(family_ubuntu_core.score(media_facts(&token)), 100);
	CHECK_U64(family_ubuntu_core.score(media_facts(&tree)), 50);
	CHECK_U64(family_ubuntu_core.score(media_facts(&snaps)), 0);
	CHECK_SAYS(family_ubuntu_core.refuse, &token, "write its image");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
