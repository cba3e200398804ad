/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kiwi-live: the command lines of openSUSE's live media. */
#include "tests/unit/family_media.h"

extern const struct family family_kiwi, family_kiwi_plain;

#define TREE   "mkdir LiveOS && echo hsqs >LiveOS/squashfs.img"
#define INITRD "mkdir -p sbin lib && echo x >init && echo x >sbin/kiwi-live-root && "
#define SCAN   "echo x >sbin/iso-scan && "
#define LIB    "echo preparePersistentOverlayLoopBoot >lib/kiwi-live-lib.sh"
#define NEW    INITRD SCAN LIB " && echo 'getarg rd.live.cowfile.path' >>lib/kiwi-live-lib.sh"
#define SUSE                                                                                                           \
	"splash=silent quiet root=live:CDLABEL=openSUSE_Tumbleweed_KDE_Live rd.live.image rd.live.overlay.persistent " \
	"rd.live.overlay.cowfs=ext4"
#define MEDIUM  "root=live:CDLABEL=LIVE_BOOT rd.live.image"
#define SAVES   " iso-scan/filename=/livestick-" DATA_UUID " rd.live.overlay.persistent rd.live.overlay.cowfs=ext4 "
#define ON_DATA "rd.live.cowfile.path=../../../dev/disk/by-uuid/" DATA_UUID

static const struct medium_row tumbleweed = { TREE, NEW, { SUSE } };
static const struct medium_row leap = { TREE, INITRD SCAN LIB, { SUSE } };

TEST(arguments)
{
	static const struct line_row row[] = {
		{ SUSE, SAVING, "splash=silent quiet " MEDIUM SAVES ON_DATA },
		{ SUSE, NOT_SAVING, "splash=silent quiet " MEDIUM },
		{ SUSE " ide=nodma mediacheck=1 rd.live.cowfile.mbsize=500 rd.live.check iso-scan/filename=/x.iso",
		  SAVING, "splash=silent quiet ide=nodma " MEDIUM SAVES ON_DATA },
		{ "", SAVING, MEDIUM SAVES ON_DATA },
		{ "root=live:http://x/y.iso rd.live.image", SAVING, "root=live:http://x/y.iso rd.live.image" },
		{ "root=live:AOEINTERFACE=e0.0", SAVING, "root=live:AOEINTERFACE=e0.0" },
		{ "root=/dev/sda2 quiet", SAVING, "root=/dev/sda2 quiet" },
	};
	static const struct line_row old[] = {
		{ SUSE, SAVING, "splash=silent quiet " MEDIUM SAVES "rd.live.cowfile.mbsize=3891" },
		{ SUSE " rd.live.cowfile.mbsize=500", SAVING,
		  "splash=silent quiet " MEDIUM SAVES "rd.live.cowfile.mbsize=3891" },
		{ SUSE, NOT_SAVING, "splash=silent quiet " MEDIUM },
	};
	struct made_medium m AUTO_MEDIUM, n AUTO_MEDIUM;

	make_medium(&m, &tumbleweed, family_kiwi.texts);
	check_lines(&family_kiwi, &m.facts, row, ARRAY_SIZE(row));
	make_medium(&n, &leap, family_kiwi.texts);
	check_lines(&family_kiwi, &n.facts, old, ARRAY_SIZE(old));
	check_says(family_kiwi.doubt(&n.facts), "live_system.cow");
	check_says(family_kiwi.doubt(&m.facts), NULL);
	CHECK(!family_kiwi.takes_slot);
}

/* The form of June 2024: whatever the menu says of the file, DATA itself is taken, and nothing is made on it. */
TEST(arguments_that_name_the_partition)
{
	static const struct line_row row[] = {
		{ SUSE " rd.live.cowfile.path=other.cow rd.live.cowfile.mbsize=4096", SAVING,
		  "splash=silent quiet " MEDIUM SAVES ON_DATA },
		{ SUSE " rd.live.cowfile.path=other.cow", NOT_SAVING, "splash=silent quiet " MEDIUM },
		{ "root=live:CDLABEL=A rd.live.overlay.persistent=1 rd.live.overlay.cowfs=xfs x", SAVING,
		  "x " MEDIUM SAVES ON_DATA },
		{ SUSE " rd.live.encrypt", SAVING, "splash=silent quiet " MEDIUM SAVES ON_DATA },
		{ SUSE " rd.live.encrypt=1 rd.live.encrypted", SAVING,
		  "splash=silent quiet rd.live.encrypted " MEDIUM SAVES ON_DATA },
		{ SUSE " rd.live.dir=x rd.live.squashimg=y.img", SAVING,
		  "splash=silent quiet rd.live.dir=x rd.live.squashimg=y.img " MEDIUM SAVES ON_DATA },
		{ SUSE " -- single", SAVING, "splash=silent quiet " MEDIUM SAVES ON_DATA " -- single" },
	};
	/* An initrd that cannot be read is told both ways. */
	static const struct line_row unknown[] = {
		{ SUSE, SAVING, "splash=silent quiet " MEDIUM SAVES ON_DATA " rd.live.cowfile.mbsize=3891" },
	};
	struct made_medium m AUTO_MEDIUM, n AUTO_MEDIUM;

	make_medium(&m, &tumbleweed, family_kiwi.texts);
	check_lines(&family_kiwi, &m.facts, row, ARRAY_SIZE(row));
	make_medium(&n, &(struct medium_row){ TREE, NULL, { SUSE } }, family_kiwi.texts);
	check_lines(&family_kiwi, &n.facts, unknown, ARRAY_SIZE(unknown));
	check_says(family_kiwi.doubt(&n.facts), NULL);
}

TEST(no_encryption)
{
	static const struct medium_row asks = { TREE, NEW, { SUSE, SUSE " rd.live.encrypt" } };
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &asks, family_kiwi.texts);
	check_says(family_kiwi.doubt(&m.facts), "does not set up");
}

/* Where no room is known, the size is left to the initrd. */
TEST(room_of_the_file)
{
	static const struct {
		u64 room;
		const char *want;
	} row[] = {
		{ 0, "quiet " MEDIUM SAVES },
		{ 30 * MIB, "quiet " MEDIUM SAVES "rd.live.cowfile.mbsize=28" },
		{ 16 * 1024 * GIB, "quiet " MEDIUM SAVES "rd.live.cowfile.mbsize=15938355" },
	};
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &leap, family_kiwi.texts);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct family_medium medium = medium_for(SAVING);
		AUTO_BUF struct buf out = { 0 }, want = { 0 };

		medium.data_room = row[i].room;
		family_kiwi.rewrite(&m.facts, "quiet root=live:CDLABEL=X", &medium, &out);
		args_without(row[i].want, NULL, 0, &want);
		CHECK_STR(out.s, want.s);
	}
}

TEST(a_check_of_the_medium_is_of_no_use)
{
	CHECK(family_kiwi.no_use(SUSE " mediacheck=1") && family_kiwi.no_use(SUSE " mediacheck"));
	CHECK(family_kiwi.no_use(SUSE " rd.live.check") && family_kiwi_plain.no_use(SUSE " rd.live.check"));
	CHECK(!family_kiwi.no_use(SUSE) && !family_kiwi.no_use(SUSE " mediacheck=0 rd.live.check=no"));
}

/* What iso-scan is told to look for is on DATA, and is a whole sector. */
TEST(data)
{
	const struct family_medium medium = medium_for(SAVING);
	struct volume_files v = { 0 };

	family_kiwi.add_data(&(struct family_facts){ 0 }, &medium, &v);
	CHECK_U64(v.n, 1);
	CHECK_STR(v.file[0].path, "/livestick-" DATA_UUID);
	CHECK(v.file[0].size == 512 && strncmp(v.file[0].input.mem, "The live system's initrd", 24) == 0);
	volume_files_free(&v);
}

TEST(scores_and_refusals)
{
	static const struct {
		struct medium_row medium;
		int score, plain;
		const char *why;
	} row[] = {
		{ { TREE, NEW, { SUSE } }, 100, 0, NULL },
		{ { TREE, NULL, { SUSE } }, 100, 0, NULL },
		{ { TREE, INITRD SCAN LIB, { "quiet" } }, 80, 0, NULL },
		/* Without iso-scan, or before it could save on a partition: it boots and keeps nothing. */
		{ { TREE, INITRD LIB, { SUSE } }, 0, 100, NULL },
		{ { TREE, INITRD SCAN "echo x >lib/kiwi-live-lib.sh", { SUSE } }, 0, 100, NULL },
		{ { TREE, INITRD LIB, { "quiet" } }, 0, 80, NULL },
		/* Fedora 42: kiwi's tree, dracut's module. */
		{ { TREE, NULL, { "quiet rhgb root=live:CDLABEL=Fedora-WS-Live-42 rd.live.image" } }, 0, 0, NULL },
		{ { TREE, "mkdir sbin && echo x >init && echo x >sbin/dmsquash-live-root", { SUSE } },
		  0,
		  0,
		  "no kiwi-live" },
		{ { "true", NEW, { SUSE } }, 100, 0, "/LiveOS/squashfs.img" },
		{ { TREE, NEW, { "root=live:CDLABEL=X rd.live.dir=other" } }, 100, 0, "/other/squashfs.img" },
		{ { "true", NEW, { "quiet" } }, 80, 0, "/LiveOS/squashfs.img" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_kiwi.texts);
		if (family_kiwi.score(&m.facts) != row[i].score || family_kiwi_plain.score(&m.facts) != row[i].plain)
			test_fail(__FILE__, __LINE__, "row %zu: %d %d", i, family_kiwi.score(&m.facts),
			          family_kiwi_plain.score(&m.facts));
		check_says(family_kiwi.refuse(&m.facts), row[i].why);
	}
	CHECK(family_kiwi_plain.keeps_nothing && !family_kiwi.keeps_nothing);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
