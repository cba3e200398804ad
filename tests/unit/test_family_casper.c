/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ubuntu's casper: the command lines of Ubuntu, Linux Mint and Pop!_OS. */
#include "tests/unit/family_media.h"

extern const struct family family_casper;

#define TREE   "mkdir casper .disk && echo hsqs >casper/filesystem.squashfs && echo x >.disk/casper-uuid-generic"
#define INITRD "mkdir scripts && echo x >init && echo x >scripts/casper"
#define MEDIUM "live-media=" BY_UUID BOOT_UUID
#define SAVES  "persistent " MEDIUM " fsck.mode=skip"
#define POP    "casper_pop-os_22.04_amd64_intel_debug_42"

static const struct medium_row ubuntu = { TREE, INITRD, { "--- quiet splash", "nomodeset --- quiet splash" } };
static const struct medium_row mint_21 = {
	TREE,
	NULL,
	{ "file=/cdrom/preseed/linuxmint.seed boot=casper quiet splash --", "vga=normal" },
};

TEST(arguments_where_casper_needs_no_word)
{
	static const struct line_row row[] = {
		{ "--- quiet splash", SAVING, SAVES " --- quiet splash" },
		{ "--- quiet splash", NOT_SAVING, "nopersistent " MEDIUM " fsck.mode=skip --- quiet splash" },
		{ "nomodeset --- quiet splash", SAVING, "nomodeset " SAVES " --- quiet splash" },
		{ "--- quiet splash", SLOT_B,
		  "persistent " MEDIUM " live-media-path=/slot-b/casper ignore_uuid fsck.mode=skip --- quiet splash" },
		{ "layerfs-path=minimal.standard.live.squashfs --- quiet", SLOT_B_NOT_SAVING,
		  "layerfs-path=minimal.standard.live.squashfs nopersistent " MEDIUM
		  " live-media-path=/slot-b/casper ignore_uuid fsck.mode=skip --- quiet" },
		/* Linux Mint 22. */
		{ "uuid=3a8bcd1e-3e11-47a2-a3ae-1f1a6e9b7a52 username=mint hostname=mint quiet splash --", SAVING,
		  "uuid=3a8bcd1e-3e11-47a2-a3ae-1f1a6e9b7a52 username=mint hostname=mint quiet splash " SAVES " --" },
		/* Ubuntu 20.04. */
		{ "file=/cdrom/preseed/ubuntu.seed maybe-ubiquity quiet splash ---", SAVING,
		  "file=/cdrom/preseed/ubuntu.seed quiet splash " SAVES " ---" },
		{ "iso-scan/filename=/u.iso persistent persistent-path=/x fsck.mode=force toram", SAVING,
		  "toram " SAVES },
		{ "", SAVING, "boot=casper " SAVES },
		{ "url=http://host/x.iso ip=dhcp", SAVING, "url=http://host/x.iso ip=dhcp" },
		{ "netboot=nfs nfsroot=h:/x", SAVING, "netboot=nfs nfsroot=h:/x" },
		{ "auto=true url=http://host/preseed.cfg", SAVING, "auto=true url=http://host/preseed.cfg " SAVES },
		{ "boot=live components", SAVING, "boot=live components" },
	};
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &ubuntu, family_casper.texts);
	check_lines(&family_casper, &m.facts, row, ARRAY_SIZE(row));
	CHECK(family_casper.takes_slot);
	CHECK_STR(family_casper.data_label, "casper-rw");
	CHECK(family_casper.n_data == 0 && !family_casper.add_data);
}

TEST(arguments_where_entries_name_it)
{
	static const struct line_row row[] = {
		{ "file=/cdrom/preseed/linuxmint.seed boot=casper quiet splash --", SAVING,
		  "file=/cdrom/preseed/linuxmint.seed boot=casper quiet splash " SAVES " --" },
		{ "file=/cdrom/preseed/linuxmint.seed boot=casper quiet splash --", SLOT_B,
		  "boot=casper quiet splash persistent " MEDIUM " live-media-path=/slot-b/casper ignore_uuid "
		  "file=/cdrom/slot-b/preseed/linuxmint.seed fsck.mode=skip --" },
		{ "file=/hd/x.seed boot=casper", SLOT_B,
		  "boot=casper persistent " MEDIUM " live-media-path=/slot-b/casper ignore_uuid file=/hd/x.seed "
		  "fsck.mode=skip" },
		{ "oem-config/enable=true only-ubiquity file=/cdrom/preseed/linuxmint.seed boot=casper quiet splash --",
		  SAVING,
		  "oem-config/enable=true file=/cdrom/preseed/linuxmint.seed boot=casper quiet splash " SAVES " --" },
		{ "file=/cdrom/preseed/linuxmint.seed boot=casper xforcevesa nomodeset b43.blacklist=yes "
		  "ramdisk_size=1048576 root=/dev/ram rw noapic noacpi nosplash irqpoll --",
		  NOT_SAVING,
		  "file=/cdrom/preseed/linuxmint.seed boot=casper xforcevesa nomodeset b43.blacklist=yes "
		  "ramdisk_size=1048576 root=/dev/ram rw noapic noacpi nosplash irqpoll nopersistent " MEDIUM
		  " fsck.mode=skip --" },
		{ "boot=casper live-media-path=/" POP " hostname=pop-os username=pop-os noprompt ---", SAVING,
		  "boot=casper hostname=pop-os username=pop-os noprompt persistent " MEDIUM " live-media-path=/" POP
		  " fsck.mode=skip ---" },
		{ "boot=casper live-media-path=/" POP " noprompt ---", SLOT_B,
		  "boot=casper noprompt persistent " MEDIUM " live-media-path=/slot-b/" POP
		  " ignore_uuid fsck.mode=skip ---" },
		/* Beside entries that name it, those that do not are something else. */
		{ "vga=normal", SAVING, "vga=normal" },
	};
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &mint_21, family_casper.texts);
	check_lines(&family_casper, &m.facts, row, ARRAY_SIZE(row));
}

TEST(scores)
{
	static const struct {
		struct medium_row medium;
		int score;
	} row[] = {
		{ { "true", NULL, { "boot=casper" } }, 100 },
		{ { TREE, INITRD, { "--- quiet splash" } }, 80 },
		{ { TREE, NULL, { "--- quiet splash" } }, 50 },
		{ { "mkdir .disk && echo x >.disk/casper-uuid-generic", NULL, { "quiet" } }, 50 },
		/* LMDE: live-boot with casper's directory. */
		{ { "mkdir casper && echo hsqs >casper/filesystem.squashfs",
		    NULL,
		    { "boot=live live-config live-media-path=/casper" } },
		  0 },
		{ { "mkdir casper && echo x >casper/vmlinuz", NULL, { "quiet" } }, 0 },
		{ { "mkdir live && echo hsqs >live/filesystem.squashfs", NULL, { "boot=live" } }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_casper.texts);
		if (family_casper.score(&m.facts) != row[i].score)
			test_fail(__FILE__, __LINE__, "row %zu: %d", i, family_casper.score(&m.facts));
	}
}

TEST(refusals)
{
	static const struct {
		struct medium_row medium;
		const char *why;
	} row[] = {
		{ { TREE, INITRD, { "--- quiet splash" } }, NULL },
		{ { TREE, "echo x >init", { "--- quiet splash" } }, "no casper" },
		{ { "mkdir casper && echo x >casper/minimal.standard.live.squashfs", NULL, { "quiet" } }, NULL },
		{ { "true", NULL, { "boot=casper" } }, "in /casper" },
		{ { TREE, NULL, { "boot=casper live-media-path=/" POP } }, "in /" POP },
		{ { "mkdir " POP " && echo x >" POP "/filesystem.squashfs && ln -s " POP " casper",
		    NULL,
		    { "boot=casper live-media-path=/" POP } },
		  NULL },
		{ { TREE, NULL, { "boot=casper live-media-path=/x", "boot=casper" } }, NULL },
		{ { TREE, NULL, { "boot=casper url=http://x/y.iso" } }, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct made_medium m AUTO_MEDIUM;

		make_medium(&m, &row[i].medium, family_casper.texts);
		check_says(family_casper.refuse(&m.facts), row[i].why);
	}
}

TEST(version_from_the_list_of_packages)
{
	static const struct {
		const char *list, *version;
	} row[] = {
		{ "printf 'bash\\t5.2\\ncasper\\t1.498\\nzlib\\t1\\n' >casper/filesystem.manifest", "casper 1.498" },
		{ "printf 'casper\\t1.486' >casper/minimal.standard.live.manifest", "casper 1.486" },
		{ "printf 'x-casper\\t1\\ncasper-y\\t2\\n' >casper/filesystem.manifest", NULL },
		{ "printf 'casper\\t1\\n' >casper/filesystem.manifest-remove", NULL },
		{ ": >casper/filesystem.manifest", NULL },
		{ "mkdir casper/x.manifest", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_BUF struct buf commands = { 0 };
		struct made_medium m AUTO_MEDIUM;

		buf_addf(&commands, TREE " && %s", row[i].list);
		make_medium(&m, &(struct medium_row){ .tree = commands.s, .args = { "quiet" } }, NULL);
		check_says(family_casper.version(&m.facts), row[i].version);
	}
}

TEST(a_check_of_the_medium_is_of_no_use)
{
	static const struct line_row row[] = {
		{ "integrity-check uuid=1 quiet splash --", SAVING, "uuid=1 quiet splash " SAVES " --" },
	};
	struct made_medium m AUTO_MEDIUM;

	make_medium(&m, &(struct medium_row){ .tree = TREE, .args = { row[0].args } }, NULL);
	check_lines(&family_casper, &m.facts, row, ARRAY_SIZE(row));
	CHECK(family_casper.no_use("integrity-check uuid=1 quiet splash --"));
	CHECK(!family_casper.no_use("quiet splash --"));
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
