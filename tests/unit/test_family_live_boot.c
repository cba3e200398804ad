/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What live-boot claims, held against what is in the initrd; its version from the list of packages. */
#include "tests/unit/family_media.h"

extern const struct family family_live_boot;

#define TREE    "mkdir live && echo hsqs >live/filesystem.squashfs"
#define SCRIPTS "mkdir -p usr/lib/live/boot scripts && echo x >init && echo x >scripts/live && "
#define CMDLINE "usr/lib/live/boot/9990-cmdline-old"
#define DRIVERS " && mkdir -p usr/lib/modules/6.1 && echo kernel/fs/ext4/ext4.ko >usr/lib/modules/6.1/modules.builtin"
#define FAT     " && printf '\\n/vfat.ko\\n/nls_cp437.ko\\n' >>usr/lib/modules/6.1/modules.builtin"

TEST(claims_are_checked)
{
	static const struct {
		const char *tree, *initrd, *args, *refusal, *doubt;
		int score;
	} row[] = {
		{ TREE, NULL, "boot=live", NULL, NULL, 100 },
		{ TREE, SCRIPTS "echo 'persistence-label=*)' >" CMDLINE, "boot=live", NULL, NULL, 100 },
		{ TREE, SCRIPTS "echo 'persistence-label=*)' >" CMDLINE, "quiet", NULL, NULL, 80 },
		{ TREE, SCRIPTS "echo 'persistence-label=*)' >" CMDLINE DRIVERS FAT, "boot=live", NULL,
		  "neither overlay nor aufs", 100 },
		{ TREE,
		  SCRIPTS "echo 'persistence-label=*)' >" CMDLINE DRIVERS FAT
		          " && echo /overlay.ko >>usr/lib/modules/6.1/modules.builtin",
		  "boot=live", NULL, NULL, 100 },
		{ TREE, SCRIPTS "echo 'toram)' >" CMDLINE, "boot=live", NULL, "does not know the words for persistence",
		  100 },
		{ TREE, "mkdir scripts && echo x >init && echo x >scripts/live", "boot=live", NULL,
		  "older than version 3", 100 },
		/* A stock initrd beside something called like live-boot's. */
		{ TREE, "mkdir scripts && echo x >init && echo x >scripts/local", "root=/dev/sr0 ro quiet",
		  "its initrd has no live-boot", "older than version 3", 0 },
		{ "mkdir live", NULL, "boot=live", "there is no system image", NULL, 100 },
		{ "mkdir live && ln -s ../../etc/passwd live/filesystem.squashfs", NULL, "boot=live",
		  "there is no system image", NULL, 100 },
		{ "mkdir live a && echo hsqs >a/b && ln -s ../a/b live/filesystem.squashfs", NULL, "boot=live", NULL,
		  NULL, 100 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const struct medium_row medium = { row[i].tree, row[i].initrd, { row[i].args } };
		AUTO_MEDIUM struct made_medium m;

		make_medium(&m, &medium, family_live_boot.texts);
		CHECK_U64((u64)family_live_boot.score(&m.facts), (u64)row[i].score);
		check_says(family_live_boot.refuse(&m.facts), row[i].refusal);
		check_says(family_live_boot.doubt(&m.facts), row[i].doubt);
	}
}

TEST(the_version_is_in_the_list_of_packages)
{
	static const char *const row[][2] = {
		{ " && printf 'less\\t590\\nlive-boot-doc\\t9\\nlive-boot\\t1:20230131+deb12u1\\nlive-config\\t11\\n' "
		  ">live/filesystem.packages",
		  "live-boot 1:20230131+deb12u1" },
		{ " && printf 'less\\t590\\nlive-boot' >live/filesystem.packages", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_BUF struct buf tree = { 0 };
		AUTO_MEDIUM struct made_medium m;

		buf_addf(&tree, "%s%s", TREE, row[i][0]);
		make_medium(&m, &(const struct medium_row){ tree.s, NULL, { "boot=live" } }, family_live_boot.texts);
		check_says(family_live_boot.version(&m.facts), row[i][1]);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
