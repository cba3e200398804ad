/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Installer media: Anaconda's of release 6 to 10 and Fedora, Debian's. */
#include "tests/unit/family_media.h"

extern const struct family family_anaconda, family_debian_installer;

#define NETINST "mkdir -p images/pxeboot && echo hsqs >images/install.img && echo >.treeinfo"
#define DVD     NETINST " && mkdir -p BaseOS/repodata AppStream/repodata"
#define DVD_7                                                                                                          \
	"mkdir -p LiveOS images/pxeboot repodata && echo hsqs >LiveOS/squashfs.img && echo >.treeinfo && echo "        \
	">.discinfo"
#define DVD_6    "mkdir -p images repodata && echo hsqs >images/install.img && echo >.treeinfo && echo >.discinfo"
#define CENTOS_7 "inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 quiet"
#define ROCKY    "inst.stage2=hd:LABEL=Rocky-9-4-x86_64-dvd quiet"
#define LOADER   "mkdir sbin && echo x >init && echo x >sbin/loader"
#define STAGE2   "inst.stage2=hd:UUID=" BOOT_UUID
#define REPO     "inst.repo=hd:UUID=" BOOT_UUID

static void check_medium(const struct medium_row *medium, const struct line_row *row, size_t n)
{
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, medium, family_anaconda.texts);
	check_lines(&family_anaconda, &m.facts, row, n);
}

TEST(arguments_of_release_7)
{
	static const struct medium_row medium = { DVD_7, NULL, { CENTOS_7 } };
	static const struct line_row row[] = {
		{ CENTOS_7, SAVING, "quiet " STAGE2 },
		{ CENTOS_7, NOT_SAVING, "quiet " STAGE2 },
		{ CENTOS_7, SLOT_B, "quiet " STAGE2 ":/slot-b" },
		{ "inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 rd.live.check quiet", SAVING, "quiet " STAGE2 },
		{ "inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 rescue quiet", SAVING, "rescue quiet " STAGE2 },
		{ "inst.stage2=http://host/7 quiet", SAVING, "inst.stage2=http://host/7 quiet" },
		{ "memtest", SAVING, "memtest" },
	};

	check_medium(&medium, row, ARRAY_SIZE(row));
}

TEST(arguments_of_release_8_and_later)
{
	static const struct medium_row medium = { DVD, NULL, { ROCKY } };
	static const struct line_row row[] = {
		{ ROCKY, SAVING, "quiet " REPO },
		{ ROCKY, SLOT_B, "quiet " REPO ":/slot-b" },
		{ "inst.stage2=hd:LABEL=openEuler-22.03-LTS-x86_64 nomodeset quiet", SAVING, "nomodeset quiet " REPO },
		/* Packages from elsewhere, as the medium's maker wants it. */
		{ ROCKY " inst.repo=https://host/9", SAVING, "quiet inst.repo=https://host/9 " STAGE2 },
		{ "inst.repo=cdrom quiet", SAVING, "quiet " REPO },
		/* A kickstart file on the medium is there on the stick, too. */
		{ ROCKY " inst.ks=hd:LABEL=Rocky-9-4-x86_64-dvd:/ks.cfg", SAVING,
		  "quiet " REPO " inst.ks=hd:UUID=" BOOT_UUID ":/ks.cfg" },
		{ ROCKY " inst.ks=cdrom:/dir/ks.cfg", SLOT_B,
		  "quiet " REPO ":/slot-b inst.ks=hd:UUID=" BOOT_UUID ":/slot-b/dir/ks.cfg" },
		{ ROCKY " inst.ks=hd:LABEL=OEMDRV:/ks.cfg", SAVING, "quiet inst.ks=hd:LABEL=OEMDRV:/ks.cfg " REPO },
		{ ROCKY " ks=http://host/ks.cfg", SAVING, "quiet ks=http://host/ks.cfg " REPO },
		{ "", SAVING, REPO },
	};

	check_medium(&medium, row, ARRAY_SIZE(row));
}

TEST(arguments_of_media_without_packages)
{
	static const struct medium_row medium = { NETINST,
		                                  NULL,
		                                  { "inst.stage2=hd:LABEL=Fedora-E-dvd-x86_64-41 quiet" } };
	static const struct line_row row[] = {
		{ "inst.stage2=hd:LABEL=Fedora-E-dvd-x86_64-41 quiet", SAVING, "quiet " STAGE2 },
		{ "inst.stage2=hd:LABEL=Fedora-E-dvd-x86_64-41 inst.rescue quiet", SLOT_B,
		  "inst.rescue quiet " STAGE2 ":/slot-b" },
	};

	check_medium(&medium, row, ARRAY_SIZE(row));
}

/* Its menus say nothing of the medium: the loader would look for a CD. */
TEST(arguments_of_release_6)
{
	static const struct medium_row medium = { DVD_6, LOADER, { "", "rescue", "xdriver=vesa nomodeset" } };
	static const struct line_row row[] = {
		{ "", SAVING, "stage2=hd:UUID=" BOOT_UUID ":/images/install.img" },
		{ "xdriver=vesa nomodeset", SLOT_B,
		  "xdriver=vesa nomodeset stage2=hd:UUID=" BOOT_UUID ":/slot-b/images/install.img" },
		{ "repo=http://host/6", SAVING, "repo=http://host/6" },
	};

	check_medium(&medium, row, ARRAY_SIZE(row));
}

TEST(anaconda_scores)
{
	static const struct {
		struct medium_row medium;
		int score;
	} row[] = {
		{ { "true", NULL, { CENTOS_7 } }, 100 },
		{ { "true", NULL, { "inst.repo=hd:LABEL=x" } }, 100 },
		{ { DVD_6, NULL, { "stage2=hd:LABEL=x" } }, 100 },
		{ { "true", NULL, { "stage2=x" } }, 0 },
		{ { DVD_6, LOADER, { "" } }, 80 },
		{ { "true", "mkdir -p usr/sbin && echo x >usr/sbin/anaconda-diskroot", { "quiet" } }, 80 },
		{ { DVD_7, NULL, { "quiet" } }, 50 },
		{ { DVD, NULL, { "quiet" } }, 50 },
		{ { "mkdir LiveOS && echo x >LiveOS/squashfs.img", NULL, { "quiet" } }, 0 },
		{ { "true", NULL, { "root=live:CDLABEL=Fedora rd.live.image" } }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_anaconda.texts);
		if (family_anaconda.score(&m.facts) != row[i].score)
			test_fail(__FILE__, __LINE__, "row %zu: %d", i, family_anaconda.score(&m.facts));
	}
}

#define INFO(version)                                                                                                  \
	"printf '[header]\\nversion = 1.2\\n\\n[general]\\nfamily = Rocky Linux\\nversion = %s\\n[stage2]\\n"          \
	"mainimage = images/other.img\\n' " version " >.treeinfo"

TEST(anaconda_refusals_doubts_versions)
{
	static const struct {
		struct medium_row medium;
		const char *why, *doubt, *version;
	} row[] = {
		{ { DVD " && " INFO("9.4"), NULL, { ROCKY } }, NULL, NULL, "installer of Rocky Linux 9.4" },
		{ { DVD " && " INFO("8.1"), NULL, { ROCKY } },
		  NULL,
		  "copy the ISO file",
		  "installer of Rocky Linux 8.1" },
		{ { DVD_7, NULL, { CENTOS_7 } }, NULL, "copy the ISO file", NULL },
		{ { DVD_6, LOADER, { "" } }, NULL, "copy the ISO file", NULL },
		{ { NETINST, NULL, { ROCKY } }, NULL, NULL, NULL },
		{ { "echo >.treeinfo", NULL, { ROCKY } }, "no installer image", NULL, NULL },
		{ { "mkdir images && echo x >images/other.img && " INFO("9.4"), NULL, { ROCKY } },
		  NULL,
		  NULL,
		  "Rocky Linux 9.4" },
		{ { "echo >.treeinfo", NULL, { "inst.repo=http://host/9" } }, NULL, NULL, NULL },
		{ { NETINST " && printf '[general]\\nversion' >.treeinfo", NULL, { ROCKY } }, NULL, NULL, NULL },
		{ { NETINST " && printf '[general]\\r\\nfamily=F\\r\\nversion=41\\r\\n' >.treeinfo", NULL, { ROCKY } },
		  NULL,
		  NULL,
		  "installer of F 41" },
		{ { NETINST " && rm .treeinfo && mkdir .treeinfo", NULL, { ROCKY } }, NULL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_anaconda.texts);
		check_says(family_anaconda.refuse(&m.facts), row[i].why);
		check_says(family_anaconda.doubt(&m.facts), row[i].doubt);
		check_says(family_anaconda.version(&m.facts), row[i].version);
	}
	CHECK(family_anaconda.keeps_nothing && family_anaconda.takes_slot);
	CHECK(family_anaconda.no_use(CENTOS_7 " rd.live.check") && family_anaconda.no_use("inst.mediacheck"));
	CHECK(family_anaconda.no_use("mediacheck") && !family_anaconda.no_use(CENTOS_7));
}

/* ---- Debian's */

#define DEBIAN                                                                                                         \
	"mkdir -p .disk dists/bookworm pool install.amd && echo 'Debian GNU/Linux 12' >.disk/info && "                 \
	"echo x >install.amd/vmlinuz"
#define DETECT                                                                                                         \
	"mkdir -p var/lib/dpkg/info && echo x >init && echo list-devices >var/lib/dpkg/info/cdrom-detect.postinst"
#define STATUS                                                                                                         \
	" && printf 'Package: anna\\nVersion: 1.88\\n\\nPackage: cdrom-detect\\nStatus: install ok unpacked\\n"        \
	"Version: 1.106\\n\\nPackage: x\\nVersion: 9\\n' >var/lib/dpkg/status"

TEST(debian_installer_arguments)
{
	static const struct medium_row debian = { DEBIAN, DETECT, { "vga=788 --- quiet" } };
	static const struct medium_row ubuntu = {
		DEBIAN,
		DETECT " && echo 'db_get cdrom-detect/try-usb' >>var/lib/dpkg/info/cdrom-detect.postinst",
		{ "file=/cdrom/preseed/ubuntu-server.seed vga=788 quiet ---" }
	};
	static const struct line_row same[] = {
		{ "vga=788 --- quiet", SAVING, "vga=788 --- quiet" },
		{ "speakup.synth=soft --- quiet", SLOT_B, "speakup.synth=soft --- quiet" },
		{ "", NOT_SAVING, "" },
	};
	static const struct line_row told[] = {
		{ "file=/cdrom/preseed/ubuntu-server.seed vga=788 quiet ---", SAVING,
		  "file=/cdrom/preseed/ubuntu-server.seed vga=788 quiet cdrom-detect/try-usb=true ---" },
	};
	struct made_medium m AUTO_MEDIUM, n AUTO_MEDIUM;

	make_medium(&m, &debian, family_debian_installer.texts);
	check_lines(&family_debian_installer, &m.facts, same, ARRAY_SIZE(same));
	make_medium(&n, &ubuntu, family_debian_installer.texts);
	check_lines(&family_debian_installer, &n.facts, told, ARRAY_SIZE(told));
	CHECK(family_debian_installer.keeps_nothing && !family_debian_installer.takes_slot);
}

TEST(debian_installer_scores_refusals_versions)
{
	static const struct {
		struct medium_row medium;
		int score;
		const char *why, *version;
	} row[] = {
		{ { DEBIAN, DETECT STATUS, { "vga=788 --- quiet" } }, 80, NULL, "cdrom-detect 1.106" },
		{ { DEBIAN, NULL, { "vga=788 --- quiet" } }, 50, NULL, NULL },
		{ { DEBIAN " && rm .disk/info", DETECT, { "quiet" } }, 80, "/.disk/info", NULL },
		{ { DEBIAN, "echo x >init", { "quiet" } }, 50, "no cdrom-detect", NULL },
		{ { DEBIAN " && mkdir live", NULL, { "boot=live", "vga=788 --- quiet" } }, 0, NULL, NULL },
		{ { DEBIAN " && mkdir casper", NULL, { "--- quiet" } }, 0, NULL, NULL },
		{ { DEBIAN,
		    DETECT " && printf 'Package: cdrom-detect\\n\\nPackage: x\\nVersion: 9\\n' >var/lib/dpkg/status",
		    { "quiet" } },
		  80,
		  NULL,
		  NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_debian_installer.texts);
		if (family_debian_installer.score(&m.facts) != row[i].score)
			test_fail(__FILE__, __LINE__, "row %zu: %d", i, family_debian_installer.score(&m.facts));
		check_says(family_debian_installer.refuse(&m.facts), row[i].why);
		check_says(family_debian_installer.version(&m.facts), row[i].version);
	}
}

/* ---- files of answers */

static void check_answers(const struct family *family, const struct family_facts *f, const char *args, const char *want)
{
	const struct family_medium m = medium_for(NOT_SAVING);
	AUTO_BUF struct buf line = { 0 };
	AUTO_BUF struct buf path = { 0 };

	buf_adds(&line, args);
	buf_addf(&path, "/livestick/%s", family->answers_file);
	family->add_answers(f, &m, path.s, &line);
	CHECK_STR(line.s, want);
	family->add_answers(f, &m, path.s, &line);
	CHECK_STR(line.s, want);
}

TEST(answers)
{
	static const struct medium_row release_9 = { DVD, NULL, { ROCKY } };
	static const struct medium_row release_6 = { DVD_6, LOADER, { "" } };
	struct made_medium m AUTO_MEDIUM, n AUTO_MEDIUM;

	make_medium(&m, &release_9, family_anaconda.texts);
	make_medium(&n, &release_6, family_anaconda.texts);
	CHECK_STR(family_anaconda.answers, "kickstart");
	CHECK_STR(family_debian_installer.answers, "preseed");
	check_answers(&family_anaconda, &m.facts, "quiet " REPO " inst.ks=hd:LABEL=OEMDRV:/ks.cfg",
	              "quiet " REPO " inst.ks=hd:UUID=" BOOT_UUID ":/livestick/ks.cfg");
	check_answers(&family_anaconda, &n.facts, "stage2=hd:UUID=" BOOT_UUID ":/images/install.img",
	              "stage2=hd:UUID=" BOOT_UUID ":/images/install.img ks=hd:UUID=" BOOT_UUID ":/livestick/ks.cfg");
	check_answers(&family_debian_installer, &m.facts, "file=/cdrom/preseed/x.seed auto=false vga=788 --- quiet",
	              "vga=788 auto=true priority=critical file=/cdrom/livestick/preseed.cfg --- quiet");
	check_answers(&family_debian_installer, &m.facts, "",
	              "auto=true priority=critical file=/cdrom/livestick/preseed.cfg");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
