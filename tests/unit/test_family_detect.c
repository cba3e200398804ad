/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Media shaped like the real ones: which family has the highest score, and that no other comes near. */
#include "tests/unit/family_media.h"

extern const struct family family_casper, family_dmsquash, family_archiso, family_kiwi, family_kiwi_plain,
    family_miso_plain, family_artix, family_kaos, family_anaconda, family_debian_installer;

static const struct family *const families[] = {
	&family_live_boot,
	&family_casper,
	&family_archiso,
	&family_miso_plain,
	&family_artix,
	&family_kaos,
	&family_kiwi,
	&family_kiwi_plain,
	&family_dmsquash,
	&family_anaconda,
	&family_debian_installer,
};

#define IMAGE(dir, name) "mkdir -p " dir " && echo hsqs >" dir "/" name
#define FEDORA_TREE      IMAGE("LiveOS", "squashfs.img") " && mkdir -p images/pxeboot boot/grub2 EFI/BOOT"
#define KIWI_TREE        IMAGE("LiveOS", "squashfs.img") " && mkdir -p boot/x86_64/loader boot/grub2"
#define CASPER_TREE      IMAGE("casper", "filesystem.squashfs") " && mkdir -p .disk dists pool && echo x >.disk/info"
#define DRACUT           "mkdir sbin && echo x >init && echo rd.live.overlay.overlayfs >sbin/dmsquash-live-root"
#define KIWI                                                                                                           \
	"mkdir sbin lib && echo x >init && echo x >sbin/kiwi-live-root && echo x >sbin/iso-scan && "                   \
	"echo preparePersistentOverlayLoopBoot >lib/kiwi-live-lib.sh"
#define SCRIPT(path) "mkdir -p `dirname " path "` && echo x >init && echo x >" path
#define EL_DVD       "mkdir -p images/pxeboot BaseOS/repodata && echo hsqs >images/install.img && echo >.treeinfo"

static const struct {
	const char *what;
	struct medium_row medium;
	const struct family *family; /* NULL: none of these */
} media[] = {
	{ "Debian 12 live",
	  { IMAGE("live", "filesystem.squashfs") " && mkdir -p .disk dists install pool && echo x >.disk/info",
	    SCRIPT("scripts/live"),
	    { "boot=live components quiet splash findiso=", "vga=788 --- quiet" } },
	  &family_live_boot },
	{ "LMDE 6",
	  { CASPER_TREE, SCRIPT("scripts/live"), { "boot=live live-config live-media-path=/casper" } },
	  &family_live_boot },
	{ "Ubuntu 24.04",
	  { IMAGE("casper", "minimal.standard.live.squashfs") " && mkdir -p .disk dists pool install && echo x "
	                                                      ">.disk/info && echo x >.disk/casper-uuid-generic",
	    SCRIPT("scripts/casper"),
	    { "--- quiet splash" } },
	  &family_casper },
	{ "Ubuntu 24.04, initrd not read", { CASPER_TREE, NULL, { "--- quiet splash" } }, &family_casper },
	{ "Mint 21",
	  { CASPER_TREE, NULL, { "file=/cdrom/preseed/linuxmint.seed boot=casper quiet splash --" } },
	  &family_casper },
	{ "Pop!_OS",
	  { IMAGE("casper_pop-os_22.04", "filesystem.squashfs") " && ln -s casper_pop-os_22.04 casper",
	    NULL,
	    { "boot=casper live-media-path=/casper_pop-os_22.04 noprompt ---" } },
	  &family_casper },
	{ "Netrunner",
	  { IMAGE("casper", "filesystem.squashfs") " && mkdir boot && echo x >boot/kernel",
	    NULL,
	    { "boot=casper quiet" } },
	  &family_casper },
	{ "Fedora 36",
	  { FEDORA_TREE, DRACUT, { "root=live:CDLABEL=Fedora-WS-Live-36-1-5 rd.live.image quiet rhgb" } },
	  &family_dmsquash },
	{ "Fedora 42",
	  { KIWI_TREE, DRACUT, { "quiet rhgb root=live:CDLABEL=Fedora-WS-Live-42 rd.live.image" } },
	  &family_dmsquash },
	{ "Fedora 42, initrd not read",
	  { KIWI_TREE, NULL, { "quiet rhgb root=live:CDLABEL=Fedora-WS-Live-42 rd.live.image" } },
	  &family_dmsquash },
	{ "CentOS 7 live",
	  { FEDORA_TREE, NULL, { "root=live:CDLABEL=CentOS-7-live rd.live.image quiet" } },
	  &family_dmsquash },
	{ "CentOS 6 live",
	  { FEDORA_TREE, NULL, { "root=live:CDLABEL=CentOS-6-live ro liveimg quiet" } },
	  &family_dmsquash },
	{ "Void",
	  { IMAGE("LiveOS", "squashfs.img"), DRACUT, { "root=live:CDLABEL=VOID_LIVE ro init=/sbin/init" } },
	  &family_dmsquash },
	{ "Gentoo",
	  { "echo hsqs >image.squashfs && echo >livecd",
	    DRACUT,
	    { "dokeymap root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ rd.live.squashimg=image.squashfs "
	      "cdroot" } },
	  &family_dmsquash },
	{ "Calculate",
	  { IMAGE("LiveOS", "livecd.squashfs"),
	    NULL,
	    { "root=live:UUID=2024-06-18-09-00-00-00 rd.live.squashimg=livecd.squashfs" } },
	  &family_dmsquash },
	{ "Artix with dracut",
	  { IMAGE("LiveOS", "rootfs.img"),
	    NULL,
	    { "root=live:LABEL=ARTIX_202401 rd.live.squashimg=rootfs.img overlay=livefs" } },
	  &family_dmsquash },
	{ "openSUSE",
	  { KIWI_TREE,
	    KIWI,
	    { "splash=silent quiet root=live:CDLABEL=openSUSE_Tumbleweed_KDE_Live rd.live.image "
	      "rd.live.overlay.persistent rd.live.overlay.cowfs=ext4" } },
	  &family_kiwi },
	{ "openSUSE, initrd not read",
	  { KIWI_TREE,
	    NULL,
	    { "root=live:CDLABEL=openSUSE rd.live.image rd.live.overlay.persistent rd.live.overlay.cowfs=ext4" } },
	  &family_kiwi },
	{ "kiwi without the words for saving",
	  { KIWI_TREE, KIWI, { "root=live:CDLABEL=x rd.live.image" } },
	  &family_kiwi },
	{ "kiwi without iso-scan",
	  { KIWI_TREE,
	    SCRIPT("sbin/kiwi-live-root"),
	    { "root=live:CDLABEL=x rd.live.image rd.live.overlay.persistent" } },
	  &family_kiwi_plain },
	{ "Arch",
	  { IMAGE("arch/x86_64", "airootfs.sfs"),
	    SCRIPT("hooks/archiso"),
	    { "archisobasedir=arch archisosearchuuid=2025-01-01-08-40-12-00" } },
	  &family_archiso },
	{ "SystemRescue",
	  { IMAGE("sysresccd/x86_64", "airootfs.sfs"),
	    NULL,
	    { "archisobasedir=sysresccd archisolabel=RESCUE1102 iomem=relaxed" } },
	  &family_archiso },
	{ "Manjaro",
	  { IMAGE("manjaro/x86_64", "rootfs.sfs") " && echo >.miso",
	    SCRIPT("hooks/miso"),
	    { "misobasedir=manjaro misolabel=MANJARO_KDE_2401 quiet" } },
	  &family_miso_plain },
	{ "Artix of 2018",
	  { IMAGE("artix/x86_64", "rootfs.sfs"), NULL, { "artixbasedir=artix artixlabel=ARTIX" } },
	  &family_artix },
	{ "Artix of 2024",
	  { IMAGE("LiveOS", "rootfs.img") " && echo x >LiveOS/livefs.img",
	    NULL,
	    { "label=ARTIX_202401 checksum=y overlay=livefs cow_spacesize=10G" } },
	  &family_artix },
	{ "KaOS",
	  { IMAGE("kdeos/x86_64", "root-image.sqfs"), NULL, { "kdeosisobasedir=kdeos kdeosisolabel=KAOS_20220213" } },
	  &family_kaos },
	{ "CentOS 7 DVD",
	  { IMAGE("LiveOS",
	          "squashfs.img") " && mkdir -p images/pxeboot Packages repodata && echo >.treeinfo && echo >.discinfo",
	    SCRIPT("sbin/dmsquash-live-root"),
	    { "inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 quiet" } },
	  &family_anaconda },
	{ "Rocky 9 DVD",
	  { EL_DVD,
	    SCRIPT("sbin/anaconda-diskroot") " && echo x >sbin/dmsquash-live-root",
	    { "inst.stage2=hd:LABEL=Rocky-9-4-x86_64-dvd quiet" } },
	  &family_anaconda },
	{ "the same without its words",
	  { EL_DVD, SCRIPT("sbin/anaconda-diskroot") " && echo x >sbin/dmsquash-live-root", { "quiet" } },
	  &family_anaconda },
	{ "CentOS 6 DVD",
	  { "mkdir images repodata && echo x >images/install.img && echo >.treeinfo && echo >.discinfo",
	    SCRIPT("sbin/loader"),
	    { "", "rescue" } },
	  &family_anaconda },
	{ "Debian 12 netinst",
	  { "mkdir -p .disk dists/bookworm pool install.amd && echo x >.disk/info",
	    SCRIPT("var/lib/dpkg/info/cdrom-detect.postinst"),
	    { "vga=788 --- quiet" } },
	  &family_debian_installer },
	{ "Slax",
	  { IMAGE("slax", "01-core.sb") " && mkdir slax/boot",
	    SCRIPT("lib/livekitlib"),
	    { "vga=normal load_ramdisk=1 perch" } },
	  NULL },
	{ "Porteus", { IMAGE("porteus/base", "000-kernel.xzm"), SCRIPT("linuxrc"), { "changes=/porteus" } }, NULL },
	{ "Slackware Live",
	  { IMAGE("liveslak/system", "0010-boot.sxz"), NULL, { "load_ramdisk=1 prompt_ramdisk=0 rw kbd=us" } },
	  NULL },
	{ "MX", { IMAGE("antiX", "linuxfs"), NULL, { "quiet splasht disable=lxF lang=en_US" } }, NULL },
	{ "Puppy", { "echo x >puppy_fossapup64_9.5.sfs", SCRIPT("DISTRO_SPECS"), { "pmedia=cd" } }, NULL },
	{ "Tiny Core", { "mkdir -p boot cde && echo x >boot/core.gz", NULL, { "loglevel=3 cde" } }, NULL },
	{ "Alpine",
	  { "mkdir -p apks boot && echo x >apks/.boot_repository && echo x >boot/modloop-lts",
	    SCRIPT("sbin/nlplug-findfs"),
	    { "modules=loop,squashfs,sd-mod,usb-storage quiet" } },
	  NULL },
	{ "NixOS",
	  { "echo x >nix-store.squashfs", NULL, { "init=/nix/store/4vxz-nixos/init root=LABEL=nixos-24.11-x86_64" } },
	  NULL },
	{ "Gentoo with genkernel",
	  { "echo x >image.squashfs && echo >livecd",
	    SCRIPT("etc/initrd.defaults"),
	    { "root=/dev/ram0 init=/linuxrc dokeymap looptype=squashfs loop=/image.squashfs cdroot" } },
	  NULL },
	{ "Knoppix", { IMAGE("KNOPPIX", "KNOPPIX"), NULL, { "lang=de apm=power-off" } }, NULL },
	{ "Mageia",
	  { IMAGE("loopbacks", "distrib-lzma.sqfs"),
	    NULL,
	    { "root=mgalive:LABEL=Mageia-9-Live-Plasma-x86_64 splash quiet" } },
	  NULL },
	{ "nothing", { "true", NULL, { "quiet" } }, NULL },
};

static const char *const all_texts[] = { "*", NULL };

TEST(each_medium_is_of_its_family_alone)
{
	for (size_t i = 0; i < ARRAY_SIZE(media); i++) {
		struct made_medium m AUTO_MEDIUM;
		int top = 0;

		make_medium(&m, &media[i].medium, all_texts);
		for (size_t k = 0; k < ARRAY_SIZE(families); k++)
			if (families[k] == media[i].family)
				top = families[k]->score(&m.facts);
		for (size_t k = 0; k < ARRAY_SIZE(families); k++) {
			int score = families[k]->score(&m.facts);

			if (families[k] == media[i].family ? score == 0 : score >= MAX(top, 1))
				test_fail(__FILE__, __LINE__, "%s: %s has %d of %d", media[i].what, families[k]->name,
				          score, top);
		}
	}
}

/* What is found can also be used: it is not refused, and a line of it comes out below the kernel's limit. */
TEST(each_medium_is_accepted_by_its_family)
{
	for (size_t i = 0; i < ARRAY_SIZE(media); i++) {
		const struct family *family = media[i].family;
		const struct family_medium medium = medium_for(SLOT_B);
		AUTO_BUF struct buf out = { 0 };
		struct made_medium m AUTO_MEDIUM = { 0 };
		AUTO_FREE char *why = NULL;

		if (!family)
			continue;
		make_medium(&m, &media[i].medium, all_texts);
		why = family->refuse(&m.facts);
		if (why)
			test_fail(__FILE__, __LINE__, "%s: %s", media[i].what, why);
		family->rewrite(&m.facts, media[i].medium.args[0], &medium, &out);
		CHECK(out.s && out.len < 2047);
	}
}

TEST(the_rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct family *f = families[i];

		CHECK(f->name && f->title && f->score && f->rewrite && f->limits);
		CHECK(!f->data_label || strlen(f->data_label) <= 16);
		CHECK(!f->keeps_nothing || (!f->proof && !f->add_data && !f->n_data));
	}
}

/* The proof finds the line of a system that keeps, and not that of one that does not. */
TEST(proofs)
{
	static const struct {
		const struct family *family;
		const char *keeps, *loses;
	} row[] = {
		{ &family_dmsquash, "/dev/sda2 /run/initramfs/overlayfs ext4 rw,seclabel,relatime 0 0",
		  "LiveOS_rootfs / overlay "
		  "rw,relatime,lowerdir=/run/rootfsbase,upperdir=/run/overlayfs,workdir=/run/ovlwork 0 0" },
		{ &family_kiwi, "/dev/sda2 /run/overlay/overlayfs ext4 rw,relatime 0 0",
		  "tmpfs /run/overlay tmpfs rw,relatime,size=50% 0 0" },
		{ &family_kiwi, "/dev/loop2 /run/overlay/overlayfs ext4 rw,relatime 0 0",
		  "/dev/sda2 /run/initramfs/isoscan ext4 rw,relatime 0 0" },
		{ &family_archiso,
		  "airootfs / overlay rw,relatime,lowerdir=/run/archiso/airootfs,"
		  "upperdir=/run/archiso/cowspace/persistent/upperdir,"
		  "workdir=/run/archiso/cowspace/persistent/workdir 0 0",
		  "airootfs / overlay rw,relatime,lowerdir=/run/archiso/airootfs,"
		  "upperdir=/run/archiso/cowspace/persistent_/x86_64/upperdir,"
		  "workdir=/run/archiso/cowspace/persistent_/x86_64/workdir 0 0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		CHECK(sandbox_run("printf '%%s\\n' '%s' | grep -Eq '%s'", row[i].keeps, row[i].family->proof) == 0);
		CHECK(sandbox_run("printf '%%s\\n' '%s' | grep -Eq '%s'", row[i].loses, row[i].family->proof) == 1);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
