/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dracut's dmsquash-live: the command lines of Fedora, CentOS, Void, Gentoo, Calculate. */
#include "tests/unit/family_media.h"

extern const struct family family_dmsquash;

#define TREE "mkdir LiveOS && echo hsqs >LiveOS/squashfs.img"
#define SAVES                                                                                                          \
	"rd.live.overlay=UUID=" DATA_UUID ":/overlay rd.live.overlay.overlayfs=1 rd.live.overlay.nouserconfirmprompt"
#define MEDIUM "root=live:UUID=" BOOT_UUID " rd.live.image "

/* dracut's initrds have sbin as a link, and lib too. */
#define DRACUT                                                                                                         \
	"mkdir -p usr/sbin usr/lib/dracut usr/lib/modules/6.5.6-300.fc39.x86_64/kernel/fs && "                         \
	"ln -s usr/sbin sbin && ln -s usr/lib lib && echo x >init && cd usr/lib/modules/*/ && "                        \
	"echo kernel/fs/ext4/ext4.ko >modules.builtin && echo kernel/fs/fat/vfat.ko >>modules.builtin && "             \
	"echo kernel/fs/nls/nls_cp437.ko >>modules.builtin && cd "                                                     \
	"../../../.. && "
#define WITH_OVERLAY DRACUT "echo x >usr/lib/modules/6.5.6-300.fc39.x86_64/kernel/fs/overlay.ko.xz && "
#define SCRIPT       "echo 'getargbool 0 rd.live.overlay.overlayfs' >usr/sbin/dmsquash-live-root"
#define OLD_SCRIPT   "echo 'mount -n -t auto $devspec /run/initramfs/overlayfs' >usr/sbin/dmsquash-live-root.sh"

#define FEDORA "root=live:CDLABEL=Fedora-WS-Live-41-1-4 rd.live.image quiet rhgb"

static const struct medium_row fedora = { TREE, WITH_OVERLAY SCRIPT, { FEDORA } };
static const struct medium_row centos_7 = { TREE,
	                                    DRACUT OLD_SCRIPT,
	                                    { "root=live:CDLABEL=CentOS-7-live-KDE-x86_64 rd.live.image quiet" } };
static const struct medium_row centos_6 = { TREE, NULL, { "root=live:CDLABEL=C6-Live ro liveimg quiet" } };

TEST(arguments)
{
	static const struct line_row row[] = {
		{ FEDORA, SAVING, "quiet rhgb " MEDIUM SAVES },
		{ FEDORA, NOT_SAVING, "quiet rhgb " MEDIUM "rd.live.overlay.overlayfs=1" },
		{ FEDORA, SLOT_B, "quiet rhgb " MEDIUM "rd.live.dir=slot-b/LiveOS " SAVES },
		{ FEDORA, SLOT_B_NOT_SAVING,
		  "quiet rhgb " MEDIUM "rd.live.dir=slot-b/LiveOS rd.live.overlay.overlayfs=1" },
		{ "root=live:CDLABEL=Fedora-WS-Live-36-1-5 rd.live.image rd.live.check quiet", SAVING,
		  "quiet " MEDIUM SAVES },
		{ "ide=nodma apm=off noresume edd=off nomodeset 3 root=live:CDLABEL=Fedora-WS-Live-42 rd.live.image",
		  SAVING, "ide=nodma apm=off noresume edd=off nomodeset 3 " MEDIUM SAVES },
		{ "root=live:CDLABEL=VOID_LIVE init=/sbin/init ro rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 "
		  "vconsole.unicode=1 vconsole.keymap=us locale.LANG=en_US.UTF-8 rd.live.overlay.overlayfs=1 "
		  "rd.live.ram",
		  SAVING,
		  "init=/sbin/init ro rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 vconsole.unicode=1 vconsole.keymap=us "
		  "locale.LANG=en_US.UTF-8 rd.live.ram " MEDIUM SAVES },
		{ "dokeymap root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ rd.live.squashimg=image.squashfs "
		  "cdroot",
		  SAVING, "dokeymap rd.live.squashimg=image.squashfs cdroot " MEDIUM "rd.live.dir=/ " SAVES },
		{ "root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ rd.live.squashimg=image.squashfs", SLOT_B,
		  "rd.live.squashimg=image.squashfs " MEDIUM "rd.live.dir=slot-b " SAVES },
		{ "root=live:UUID=2024-06-18-09-00-00-00 rd.live.squashimg=livecd.squashfs vconsole.keymap=us quiet",
		  SAVING, "rd.live.squashimg=livecd.squashfs vconsole.keymap=us quiet " MEDIUM SAVES },
		{ "root=live:LABEL=A\\x20B rd.live.image rd.live.dir=/x/LiveOS/ iso-scan/filename=/f.iso "
		  "rd.live.overlay=LABEL=x:/o rd.live.overlay.size=500 rd.overlay=LABEL=x rd.live.overlay.reset",
		  SAVING, MEDIUM "rd.live.dir=x/LiveOS " SAVES },
		{ "rd.live.image root=CDLABEL=X -- 3", SAVING, MEDIUM SAVES " -- 3" },
		{ "", SAVING, MEDIUM SAVES },
		/* Not the live system's, or not from the medium. */
		{ "root=/dev/sda1 ro  quiet", SAVING, "root=/dev/sda1 ro quiet" },
		{ "root=live:https://host/squashfs.img rd.live.image", SAVING,
		  "root=live:https://host/squashfs.img rd.live.image" },
		{ "root=live:nfs:host:/x rd.live.image", SAVING, "root=live:nfs:host:/x rd.live.image" },
		{ "memtest", SLOT_B, "memtest" },
	};
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &fedora, family_dmsquash.texts);
	check_lines(&family_dmsquash, &m.facts, row, ARRAY_SIZE(row));
	CHECK(family_dmsquash.takes_slot);
}

TEST(snapshots_for_those_without_overlayfs)
{
	static const struct line_row row[] = {
		{ "root=live:CDLABEL=CentOS-7-live-KDE-x86_64 rd.live.image quiet rhgb rd.live.check", SAVING,
		  "quiet rhgb " MEDIUM "rd.live.overlay=UUID=" DATA_UUID ":/overlay.img" },
		{ "root=live:CDLABEL=CentOS-7-live-KDE-x86_64 rd.live.image quiet", NOT_SAVING,
		  "quiet root=live:UUID=" BOOT_UUID " rd.live.image" },
		{ "root=live:CDLABEL=CentOS-7-live-KDE-x86_64 rd.live.image", SLOT_B,
		  MEDIUM "rd.live.dir=slot-b/LiveOS rd.live.overlay=UUID=" DATA_UUID ":/overlay.img" },
	};
	struct volume_files v = { 0 };
	const struct family_medium medium = medium_for(SAVING);
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &centos_7, family_dmsquash.texts);
	check_lines(&family_dmsquash, &m.facts, row, ARRAY_SIZE(row));
	family_dmsquash.add_data(&m.facts, &medium, &v);
	CHECK_U64(v.n, 1);
	CHECK_STR(v.file[0].path, "/overlay.img");
	CHECK(v.file[0].is_hole && v.file[0].mode == 0600);
	CHECK_U64(v.file[0].size, 3891 * MIB); /* 4096 MiB without a twentieth */
	check_says(family_dmsquash.doubt(&m.facts), "device-mapper snapshot");
	check_says(family_dmsquash.refuse(&m.facts), NULL);
	volume_files_free(&v);
}

TEST(words_of_release_6)
{
	static const struct line_row row[] = {
		{ "root=live:CDLABEL=C6-Live rootfstype=auto ro liveimg quiet check", SAVING,
		  "ro quiet root=live:UUID=" BOOT_UUID " liveimg overlay=UUID=" DATA_UUID ":/overlay.img" },
		{ "root=live:CDLABEL=C6-Live ro liveimg live_dir=X overlay=LABEL=y reset_overlay", SLOT_B,
		  "ro root=live:UUID=" BOOT_UUID " liveimg live_dir=slot-b/X overlay=UUID=" DATA_UUID ":/overlay.img" },
	};
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &centos_6, family_dmsquash.texts);
	check_lines(&family_dmsquash, &m.facts, row, ARRAY_SIZE(row));
	check_says(family_dmsquash.refuse(&m.facts), NULL);
	CHECK(family_dmsquash.score(&m.facts) == 100);
}

TEST(data_for_overlayfs)
{
	const struct family_medium medium = medium_for(SAVING);
	struct volume_files v = { 0 };
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &fedora, family_dmsquash.texts);
	family_dmsquash.add_data(&m.facts, &medium, &v);
	CHECK_U64(v.n, 2);
	CHECK_STR(v.file[0].path, "/overlay");
	CHECK_STR(v.file[1].path, "/ovlwork");
	for (size_t i = 0; i < v.n; i++) {
		CHECK(v.file[i].is_dir && v.file[i].mode == 0755);
		CHECK_STR(v.file[i].selinux, "system_u:object_r:root_t:s0");
	}
	check_says(family_dmsquash.doubt(&m.facts), NULL);
	volume_files_free(&v);
}

TEST(version_and_doubts)
{
	static const struct {
		struct medium_row medium;
		const char *version, *doubt;
	} row[] = {
		{ { TREE, WITH_OVERLAY SCRIPT " && echo >usr/lib/dracut/dracut-059-16.fc39", { FEDORA } },
		  "dracut 059-16.fc39",
		  NULL },
		{ { TREE, WITH_OVERLAY SCRIPT, { FEDORA } }, NULL, NULL },
		{ { TREE, DRACUT SCRIPT, { FEDORA } }, NULL, "device-mapper snapshot" },
		{ { TREE, WITH_OVERLAY SCRIPT " && sed -i /ext4/d usr/lib/modules/*/modules.builtin", { FEDORA } },
		  NULL,
		  "no driver for ext4" },
		{ { TREE, WITH_OVERLAY SCRIPT " && sed -i /vfat/d usr/lib/modules/*/modules.builtin", { FEDORA } },
		  NULL,
		  "no driver for FAT" },
		{ { TREE, WITH_OVERLAY SCRIPT " && sed -i /cp437/d usr/lib/modules/*/modules.builtin", { FEDORA } },
		  NULL,
		  "no code page 437" },
		{ { TREE, DRACUT SCRIPT " && mv usr/lib/modules/6* usr/lib/modules/2.6.32-754.el6.x86_64", { FEDORA } },
		  NULL,
		  "older than 3.6" },
		/* Without the list of what is built in nothing is certain. */
		{ { TREE, WITH_OVERLAY SCRIPT " && rm usr/lib/modules/*/modules.builtin", { FEDORA } }, NULL, NULL },
		{ { TREE, NULL, { FEDORA } }, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_dmsquash.texts);
		check_says(family_dmsquash.version(&m.facts), row[i].version);
		check_says(family_dmsquash.doubt(&m.facts), row[i].doubt);
	}
}

TEST(refusals)
{
	static const struct {
		struct medium_row medium;
		const char *why;
	} row[] = {
		{ { TREE, NULL, { FEDORA } }, NULL },
		{ { TREE, WITH_OVERLAY SCRIPT, { FEDORA } }, NULL },
		{ { TREE, WITH_OVERLAY "true", { FEDORA } }, "no dmsquash-live" },
		/* Microcode alone says nothing of what is in the other initrd, which could not be read. */
		{ { TREE,
		    "mkdir -p kernel/x86/microcode && echo x >kernel/x86/microcode/GenuineIntel.bin",
		    { FEDORA } },
		  NULL },
		{ { "true", NULL, { FEDORA } }, "/LiveOS/squashfs.img" },
		{ { "mkdir LiveOS && echo x >LiveOS/ext3fs.img", NULL, { FEDORA } }, NULL },
		{ { "echo x >image.squashfs",
		    NULL,
		    { "root=live:CDLABEL=G rd.live.dir=/ rd.live.squashimg=image.squashfs" } },
		  NULL },
		{ { TREE, NULL, { "root=live:CDLABEL=G rd.live.dir=/ rd.live.squashimg=image.squashfs" } },
		  "/image.squashfs" },
		{ { TREE, NULL, { "root=live:CDLABEL=G rd.live.dir=/../../x" } }, "squashfs.img" },
		/* One entry whose image is there is enough. */
		{ { TREE, NULL, { "root=live:LABEL=G rd.live.dir=x", FEDORA } }, NULL },
		{ { TREE, NULL, { "quiet" } }, NULL },
		{ { "true", NULL, { "quiet" } }, "/LiveOS/squashfs.img" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_dmsquash.texts);
		check_says(family_dmsquash.refuse(&m.facts), row[i].why);
	}
}

TEST(scores)
{
	static const struct {
		struct medium_row medium;
		int score;
	} row[] = {
		{ { TREE, NULL, { FEDORA } }, 100 },
		{ { "true", NULL, { "vga=1", "root=live:LABEL=ARTIX_DRACUT rd.live.squashimg=rootfs.img" } }, 100 },
		{ { TREE, WITH_OVERLAY SCRIPT, { "quiet" } }, 80 },
		{ { TREE, NULL, { "quiet" } }, 50 },
		{ { TREE, NULL, { "boot=live" } }, 0 },
		{ { "true", NULL, { "root=live:https://x/y" } }, 0 },
		{ { TREE " && echo x >.treeinfo", NULL, { "quiet" } }, 0 },
		{ { TREE, NULL, { "inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 quiet" } }, 0 },
		{ { "true", NULL, { "root=mgalive:LABEL=Mageia-9" } }, 0 },
		/* kiwi's words with dracut's module in the initrd are dracut's. */
		{ { TREE, NULL, { FEDORA " rd.live.overlay.persistent rd.live.overlay.cowfs=ext4" } }, 0 },
		{ { TREE, WITH_OVERLAY SCRIPT, { FEDORA " rd.live.overlay.persistent" } }, 100 },
		{ { TREE, WITH_OVERLAY "echo x >usr/sbin/kiwi-live-root", { FEDORA } }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_dmsquash.texts);
		if (family_dmsquash.score(&m.facts) != row[i].score)
			test_fail(__FILE__, __LINE__, "row %zu: %d", i, family_dmsquash.score(&m.facts));
	}
}

TEST(a_check_of_the_medium_is_of_no_use)
{
	CHECK(family_dmsquash.no_use("root=live:CDLABEL=X rd.live.image rd.live.check quiet"));
	CHECK(family_dmsquash.no_use("root=live:CDLABEL=X rd.live.image rd.live.check=1 quiet"));
	CHECK(family_dmsquash.no_use("root=live:CDLABEL=X liveimg check"));
	CHECK(!family_dmsquash.no_use("root=live:CDLABEL=X rd.live.image rd.live.check=0 quiet"));
	CHECK(!family_dmsquash.no_use("root=live:CDLABEL=X rd.live.image check"));
	CHECK(!family_dmsquash.no_use(FEDORA));
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
