/* SPDX-License-Identifier: GPL-3.0-or-later */
/* archiso and its relatives: the command lines of Arch Linux, SystemRescue, Manjaro, Artix and KaOS. */
#include "tests/unit/family_media.h"

extern const struct family family_archiso, family_miso, family_miso_plain, family_artix, family_kaos;

#define ARCH                                                                                                           \
	"mkdir -p arch/x86_64 boot && echo hsqs >arch/x86_64/airootfs.sfs && echo >boot/2025-01-01-08-40-12-00.uuid"
#define RESCUE "mkdir -p sysresccd/x86_64 && echo hsqs >sysresccd/x86_64/airootfs.sfs"
#define HOOK   "mkdir hooks && echo x >init && echo x >hooks/archiso"
#define DEVICE "archisodevice=" BY_UUID BOOT_UUID
#define SAVES  "cow_device=" BY_UUID DATA_UUID " cow_directory=persistent"

TEST(arguments_of_archiso)
{
	static const struct line_row row[] = {
		{ "archisobasedir=arch archisosearchuuid=2025-01-01-08-40-12-00", SAVING,
		  "archisobasedir=arch " DEVICE " " SAVES },
		{ "archisobasedir=arch archisosearchuuid=2025-01-01-08-40-12-00 accessibility=on", NOT_SAVING,
		  "accessibility=on archisobasedir=arch " DEVICE },
		{ "archisobasedir=arch archisosearchuuid=2025-01-01-08-40-12-00", SLOT_B,
		  "archisobasedir=slot-b/arch " DEVICE " " SAVES },
		{ "archisobasedir=arch archisosearchfilename=/boot/x.uuid", SLOT_B_NOT_SAVING,
		  "archisobasedir=slot-b/arch " DEVICE },
		{ "archisobasedir=arch", SAVING, "archisobasedir=arch " DEVICE " " SAVES },
		{ "archisobasedir=sysresccd archisolabel=RESCUE1102 iomem=relaxed copytoram", SAVING,
		  "iomem=relaxed copytoram archisobasedir=sysresccd " DEVICE " " SAVES },
		{ "archisobasedir=/blackarch/ archisolabel=BLACKARCH cow_spacesize=50% cow_label=x cow_persistent=N "
		  "img_dev=/dev/sda1 img_loop=/b.iso",
		  SAVING, "cow_spacesize=50% archisobasedir=blackarch " DEVICE " " SAVES },
		{ "", SAVING, "archisobasedir=arch " DEVICE " " SAVES },
		{ "archisobasedir=arch archiso_http_srv=http://x/ ip=dhcp", SAVING,
		  "archisobasedir=arch archiso_http_srv=http://x/ ip=dhcp" },
		{ "root=/dev/sda1", SAVING, "root=/dev/sda1" },
	};

	check_lines(&family_archiso, &(struct family_facts){ 0 }, row, ARRAY_SIZE(row));
	CHECK(family_archiso.takes_slot && !family_archiso.add_data && family_archiso.n_data == 0);
	CHECK(family_archiso.is_no_default("archisobasedir=sysresccd iomem=relaxed checksum"));
	CHECK(!family_archiso.is_no_default("archisobasedir=sysresccd iomem=relaxed"));
}

TEST(scores_of_archiso)
{
	static const struct {
		struct medium_row medium;
		int score;
	} row[] = {
		{ { ARCH, NULL, { "archisobasedir=arch archisosearchuuid=x" } }, 100 },
		{ { "true", NULL, { "archisolabel=X" } }, 100 },
		{ { "true", HOOK, { "quiet" } }, 80 },
		{ { ARCH, NULL, { "quiet" } }, 50 },
		{ { "mkdir -p x/y && echo x >x/y/airootfs.erofs", NULL, { "quiet" } }, 50 },
		{ { "mkdir -p x && echo x >x/airootfs.sfs", NULL, { "quiet" } }, 0 },
		{ { "true", NULL, { "misobasedir=manjaro misolabel=X" } }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_archiso.texts);
		if (family_archiso.score(&m.facts) != row[i].score)
			test_fail(__FILE__, __LINE__, "row %zu: %d", i, family_archiso.score(&m.facts));
	}
}

TEST(refusals_of_archiso)
{
	static const struct {
		struct medium_row medium;
		const char *why;
	} row[] = {
		{ { ARCH, HOOK, { "archisobasedir=arch" } }, NULL },
		{ { ARCH, "echo x >init", { "archisobasedir=arch" } }, "no hook of archiso" },
		{ { RESCUE, NULL, { "archisobasedir=sysresccd archisolabel=R" } }, NULL },
		{ { RESCUE, NULL, { "archisolabel=R" } }, "below /arch" },
		{ { ARCH, NULL, { "archisobasedir=other", "archisobasedir=arch" } }, NULL },
		{ { "mkdir arch", NULL, { "archisobasedir=arch" } }, "below /arch" },
		{ { ARCH, NULL, { "quiet" } }, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_archiso.texts);
		check_says(family_archiso.refuse(&m.facts), row[i].why);
	}
}

/* ---- those that keep nothing: saving or not, the line is the same */

#define MISO                                                                                                           \
	"misobasedir=manjaro misolabel=MANJARO_KDE_2401 lang=en_US tz=UTC driver=free nonfree=no nouveau.modeset=1 "   \
	"i915.modeset=1 quiet systemd.show_status=1"
#define MISO_REST                                                                                                      \
	"lang=en_US tz=UTC driver=free nonfree=no nouveau.modeset=1 i915.modeset=1 quiet systemd.show_status=1 "

/* The hook in the shape of the real one: two paths, both below a tmpfs. */
#define MISO_HOOK                                                                                                      \
	"mkdir hooks && echo x >init && { echo '_mnt_overlayfs() {'; "                                                 \
	"echo '    local work_dir=\"/run/miso/overlay_root/work\"'; "                                                  \
	"echo '    local upper_dir=\"/run/miso/overlay_root/upper\"'; echo '}'; "                                      \
	"echo 'cow_device mkdir -p \"/run/miso/cowspace/${cow_directory}\"'; } >hooks/miso"

TEST(miso_saves_by_a_hook_of_its_own_that_is_changed)
{
	static const char want[] = "_mnt_overlayfs() {\n"
	                           "    local work_dir=\"/run/miso/cowspace/${cow_directory}/work\"\n"
	                           "    local upper_dir=\"/run/miso/cowspace/${cow_directory}/upper\"\n}\n"
	                           "cow_device mkdir -p \"/run/miso/cowspace/${cow_directory}\"\n";
	static const struct line_row row[] = {
		{ "misobasedir=manjaro misolabel=X quiet", SAVING,
		  "quiet misobasedir=manjaro misodevice=" BY_UUID BOOT_UUID " cow_device=" BY_UUID DATA_UUID
		  " cow_directory=persistent" },
		{ "misobasedir=manjaro misolabel=X quiet", NOT_SAVING,
		  "quiet misobasedir=manjaro misodevice=" BY_UUID BOOT_UUID },
	};
	const struct medium_row known = { "echo >.miso", MISO_HOOK, { "misobasedir=manjaro misolabel=X" } };
	const struct medium_row other = { "echo >.miso",
		                          MISO_HOOK " && sed -i s/upper_dir=/upperdir=/ hooks/miso",
		                          { "misobasedir=manjaro misolabel=X" } };
	struct made_medium m AUTO_MEDIUM, n AUTO_MEDIUM;
	CLEANUP(newc_free) struct newc over = { 0 }, none = { 0 };

	make_medium(&m, &known, family_miso.texts);
	CHECK_U64(family_miso.score(&m.facts), 100);
	CHECK_U64(family_miso_plain.score(&m.facts), 0);
	check_lines(&family_miso, &m.facts, row, ARRAY_SIZE(row));
	family_miso.add_over(&m.facts, &over);
	newc_end(&over);
	CHECK(over.data.len && memmem(over.data.s, over.data.len, "hooks/miso", 11));
	CHECK(over.data.len && memmem(over.data.s, over.data.len, want, strlen(want)));

	make_medium(&n, &other, family_miso.texts);
	CHECK_U64(family_miso.score(&n.facts), 0);
	CHECK_U64(family_miso_plain.score(&n.facts), 100);
	family_miso.add_over(&n.facts, &none);
	CHECK_U64(none.data.len, 0);
}

TEST(arguments_of_miso)
{
	static const struct line_row row[] = {
		{ MISO, SAVING, MISO_REST "misobasedir=manjaro misodevice=" BY_UUID BOOT_UUID },
		{ MISO, NOT_SAVING, MISO_REST "misobasedir=manjaro misodevice=" BY_UUID BOOT_UUID },
		{ MISO, SLOT_B, MISO_REST "misobasedir=slot-b/manjaro misodevice=" BY_UUID BOOT_UUID },
		{ "misolabel=X cow_device=/dev/sda1 img_dev=/dev/sda1 img_loop=/m.iso", SAVING,
		  "misobasedir=manjaro misodevice=" BY_UUID BOOT_UUID },
		{ "quiet", SAVING, "quiet" },
	};

	check_lines(&family_miso_plain, &(struct family_facts){ 0 }, row, ARRAY_SIZE(row));
	CHECK(family_miso_plain.keeps_nothing && family_artix.keeps_nothing && family_kaos.keeps_nothing);
	CHECK(family_miso_plain.takes_slot && !family_artix.takes_slot && family_kaos.takes_slot);
}

TEST(arguments_of_artix)
{
	static const char tree[] = "mkdir LiveOS && echo x >LiveOS/rootfs.img";
	static const char later[] = "label=ARTIX_202401 checksum=y overlay=livefs tz=UTC";
	static const struct line_row unknown[] = {
		{ "artixbasedir=artix artixlabel=ARTIX_XFCE_1808 quiet", SAVING,
		  "quiet artixbasedir=artix artixdevice=" BY_UUID BOOT_UUID },
		{ "label=ARTIX_202401 checksum=y overlay=livefs tz=UTC", SAVING,
		  "checksum=y overlay=livefs tz=UTC label=LIVE_BOOT" },
		{ "label=X root=live:LABEL=X", SAVING, "label=X root=live:LABEL=X" },
	};
	static const struct line_row known[] = {
		{ "label=ARTIX_202401 checksum=y overlay=livefs tz=UTC", SAVING,
		  "checksum=y overlay=livefs tz=UTC label=LIVE_BOOT artixdevice=" BY_UUID BOOT_UUID },
	};
	const struct medium_row rows[] = {
		{ tree, NULL, { later } },
		{ tree, "mkdir hooks && echo x >init && echo artixdevice= >hooks/artix", { later } },
	};
	struct made_medium a AUTO_MEDIUM, b AUTO_MEDIUM;

	make_medium(&a, &rows[0], family_artix.texts);
	check_lines(&family_artix, &a.facts, unknown, ARRAY_SIZE(unknown));
	make_medium(&b, &rows[1], family_artix.texts);
	check_lines(&family_artix, &b.facts, known, ARRAY_SIZE(known));
	CHECK(family_artix.is_no_default(later));
}

TEST(arguments_of_kaos)
{
	static const struct line_row row[] = {
		{ "kdeosisobasedir=kdeos kdeosisolabel=KAOS_20220213 xdriver=no nonfree=no", SAVING,
		  "xdriver=no nonfree=no kdeosisobasedir=kdeos kdeosisodevice=" BY_UUID BOOT_UUID },
		{ "kdeosisobasedir=kdeos kdeosisolabel=KAOS_20220213", SLOT_B,
		  "kdeosisobasedir=slot-b/kdeos kdeosisodevice=" BY_UUID BOOT_UUID },
	};

	check_lines(&family_kaos, &(struct family_facts){ 0 }, row, ARRAY_SIZE(row));
}

TEST(scores_and_refusals_of_those_that_keep_nothing)
{
	static const struct {
		struct medium_row medium;
		int miso, artix, kaos;
		const struct family *family;
		const char *why;
	} row[] = {
		{ { "mkdir -p manjaro/x86_64 && echo x >manjaro/x86_64/rootfs.sfs && echo >.miso", NULL, { MISO } },
		  100,
		  0,
		  0,
		  &family_miso_plain,
		  NULL },
		{ { "echo >.miso", NULL, { "quiet" } }, 50, 0, 0, &family_miso_plain, NULL },
		{ { "true", "mkdir hooks && echo x >hooks/miso", { "quiet" } }, 80, 0, 0, &family_miso_plain, NULL },
		{ { "true", NULL, { MISO } }, 100, 0, 0, &family_miso_plain, "below /manjaro" },
		{ { "mkdir -p artix/x86_64 && echo x >artix/x86_64/rootfs.sfs", NULL, { "artixlabel=A" } },
		  0,
		  100,
		  0,
		  &family_artix,
		  NULL },
		{ { "mkdir LiveOS && echo x >LiveOS/rootfs.img", NULL, { "label=A overlay=livefs" } },
		  0,
		  100,
		  0,
		  &family_artix,
		  NULL },
		{ { "true", NULL, { "label=A" } }, 0, 0, 0, &family_artix, "/LiveOS/rootfs.img" },
		{ { "true", "mkdir hooks && echo x >hooks/artix", { "label=A" } },
		  0,
		  80,
		  0,
		  &family_artix,
		  "/LiveOS/rootfs.img" },
		{ { "mkdir -p kdeos/x86_64 && echo x >kdeos/x86_64/root-image.sqfs", NULL, { "kdeosisolabel=K" } },
		  0,
		  0,
		  100,
		  &family_kaos,
		  NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_artix.texts);
		if (family_miso_plain.score(&m.facts) != row[i].miso || family_artix.score(&m.facts) != row[i].artix ||
		    family_kaos.score(&m.facts) != row[i].kaos)
			test_fail(__FILE__, __LINE__, "row %zu: %d %d %d", i, family_miso_plain.score(&m.facts),
			          family_artix.score(&m.facts), family_kaos.score(&m.facts));
		check_says(row[i].family->refuse(&m.facts), row[i].why);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
