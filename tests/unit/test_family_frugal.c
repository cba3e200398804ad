/* SPDX-License-Identifier: GPL-3.0-or-later */
/* antiX, Puppy, EasyOS, Tiny Core. */
#include "tests/unit/family_case.h"

/* ---- antiX */

#define ANTIX_BOOT "buuid=" BOOT_UUID " from=all"
#define ANTIX_SAVE "persist=root!,static,auto puuid=" DATA_UUID

TEST(antix_arguments)
{
	static const struct args_row row[] = {
		{ "quiet splasht disable=lxF", "", true, "quiet splasht disable=lxF " ANTIX_BOOT " " ANTIX_SAVE },
		{ "quiet splasht disable=lxF lang=en_US kbd=us", "", false,
		  "quiet splasht disable=lxF lang=en_US kbd=us " ANTIX_BOOT },
		{ "quiet safe disable=lxF", "/slot-b", true,
		  "quiet safe disable=lxF " ANTIX_BOOT " bdir=slot-b/antiX " ANTIX_SAVE },
		{ "quiet bdir=antiX", "", false, "quiet " ANTIX_BOOT },
		{ "quiet bdir=/other/ persist_all", "", true, "quiet " ANTIX_BOOT " bdir=other " ANTIX_SAVE },
		{ "quiet bootdir=other", "/slot-b", false, "quiet " ANTIX_BOOT " bdir=slot-b/other" },
		{ "persist persist=home p=root persist_static p_static_root puuid=1 plab=2 pdev=3 pdir=4 blab=5 bdev=6 "
		  "bootuuid=7 from=usb fromiso frugal_persist frugal=all toram menus",
		  "", true, "toram menus " ANTIX_BOOT " " ANTIX_SAVE },
		{ "quiet disable=lxF menus lang=de_DE kbd=de tz=Europe/Berlin", "", false,
		  "quiet disable=lxF menus lang=de_DE kbd=de tz=Europe/Berlin " ANTIX_BOOT },
		{ "", "", true, ANTIX_BOOT " " ANTIX_SAVE },
	};
	AUTO_MEDIA struct media m = media_make(ANTIX_TREE, ANTIX_INITRD, "quiet splasht disable=lxF");

	CHECK_ARGS(&family_antix, &m, row);
}

TEST(antix_media)
{
	static const struct {
		const char *tree, *initrd, *args;
		int score;
		const char *refusal, *version;
	} row[] = {
		{ ANTIX_TREE, ANTIX_INITRD, "quiet disable=lxF", 80, NULL, "antiX live-init 8.30.14-x14" },
		{ ANTIX_TREE, ANTIX_INITRD, "quiet persist_all", 100, NULL, "antiX live-init 8.30.14-x14" },
		{ ANTIX_TREE, NULL, "quiet", 50, NULL, NULL },
		{ ANTIX_TREE, NULL, "quiet bdir=MX", 100, "no /MX/linuxfs", NULL },
		{ "true", ANTIX_INITRD, "quiet", 80, "no /antiX/linuxfs", "antiX live-init 8.30.14-x14" },
		{ "mkdir antiX", NULL, "quiet persist_all", 0, "no /antiX/linuxfs", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MEDIA struct media m = media_make(row[i].tree, row[i].initrd, row[i].args);

		CHECK_U64(family_antix.score(media_facts(&m)), row[i].score);
		CHECK_SAYS(family_antix.refuse, &m, row[i].refusal);
		CHECK_SAYS(family_antix.version, &m, row[i].version);
		CHECK_SAYS(family_antix.doubt, &m, NULL);
	}
	CHECK(proves(&family_antix, "/dev/loop1 /run/initramfs/persist-root ext4 rw,noatime 0 0"));
	CHECK(proves(&family_antix,
	             "overlay / overlay rw,lowerdir=/live/linux,upperdir=/live/persist-root/upper,workdir=/x 0 0"));
	CHECK(!proves(&family_antix,
	              "overlay / overlay rw,lowerdir=/live/linux,upperdir=/live/aufs-ram/upper,workdir=/x 0 0"));
	CHECK(family_antix.takes_slot && !family_antix.system_on_data && family_antix.n_data == 0);
}

/* ---- Puppy */

#define PUPPY_BOOT "pmedia=usbhd pupsfs=" BOOT_UUID
#define PUPPY_SAVE "psave=" DATA_UUID ":/pupsave/save"

TEST(puppy_arguments)
{
	static const struct args_row row[] = {
		{ "pmedia=cd", "", true, PUPPY_BOOT " " PUPPY_SAVE },
		{ "pmedia=cd", "", false, "pfix=ram " PUPPY_BOOT },
		{ "pmedia=cd", "/slot-b", true, PUPPY_BOOT " psubdir=/slot-b " PUPPY_SAVE },
		{ "pmedia=cd psubdir=fossa", "/slot-b", true, PUPPY_BOOT " psubdir=/slot-b/fossa " PUPPY_SAVE },
		{ "pmedia=cd psubdir=/fossa/", "", false, "pfix=ram " PUPPY_BOOT " psubdir=/fossa" },
		{ "pmedia=cd pfix=ram", "", true, "pfix=ram " PUPPY_BOOT },
		{ "pmedia=cd pfix=ram", "", false, "pfix=ram " PUPPY_BOOT },
		{ "pmedia=cd pfix=nox,ram", "", true, "pfix=nox,ram " PUPPY_BOOT },
		{ "pmedia=cd pfix=fsck", "", true, "pfix=fsck " PUPPY_BOOT " " PUPPY_SAVE },
		{ "pmedia=cd pfix=fsck", "", false, "pfix=ram,fsck " PUPPY_BOOT },
		{ "pmedia=cd \"pfix=nox,No X\"", "", true, "\"pfix=nox,No X\" " PUPPY_BOOT " " PUPPY_SAVE },
		{ "pmedia=cd \"pfix=nox,No X\"", "", false, "\"pfix=ram,nox,No X\" " PUPPY_BOOT },
		{ "pmedia=cd \"pfix=nocopy,Don\\'t copy to RAM\"", "", true,
		  "\"pfix=nocopy,Don\\'t copy to RAM\" " PUPPY_BOOT " " PUPPY_SAVE },
		{ "pmedia=usbflash psave=sdb2:/x pdev1=sdb1 psavemark=2 pdrv=sda1:/y loglevel=7", "", true,
		  "loglevel=7 " PUPPY_BOOT " " PUPPY_SAVE },
		{ "", "", true, PUPPY_BOOT " " PUPPY_SAVE },
	};
	AUTO_MEDIA struct media m = media_make(PUPPY_TREE, PUPPY_NEW, "pmedia=cd");

	CHECK_ARGS(&family_puppy, &m, row);
}

TEST(puppy_media)
{
	static const struct {
		const char *tree, *initrd, *args;
		int score;
		const char *refusal, *doubt, *version;
	} row[] = {
		{ PUPPY_TREE, PUPPY_NEW, "pmedia=cd", 100, NULL, NULL, "Puppy fossapup64 9.5" },
		{ PUPPY_TREE, PUPPY_NEW, "quiet", 80, NULL, NULL, "Puppy fossapup64 9.5" },
		{ PUPPY_TREE, PUPPY_INITRD("old"), "pmedia=cd", 100, NULL, "too old", "Puppy fossapup64 9.5" },
		{ PUPPY_TREE, NULL, "quiet", 50, NULL, NULL, NULL },
		{ PUPPY_TREE " && mkdir fossa && mv puppy_* fossa", PUPPY_NEW, "pmedia=cd psubdir=fossa", 100, NULL,
		  NULL, "Puppy fossapup64 9.5" },
		{ PUPPY_TREE " && mkdir fossa && mv puppy_* fossa", NULL, "quiet", 50, "no puppy_*.sfs", NULL, NULL },
		{ "echo x >puppy_other_1.sfs", PUPPY_NEW, "pmedia=cd", 100, "no puppy_fossapup64_9.5.sfs", NULL,
		  "Puppy fossapup64 9.5" },
		{ "true", PUPPY_NEW " && echo x >puppy_fossapup64_9.5.sfs", "pmedia=cd", 100, NULL, NULL,
		  "Puppy fossapup64 9.5" },
		{ "true", NULL, "pmedia=cd", 100, "no puppy_*.sfs", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MEDIA struct media m = media_make(row[i].tree, row[i].initrd, row[i].args);

		CHECK_U64(family_puppy.score(media_facts(&m)), row[i].score);
		CHECK_SAYS(family_puppy.refuse, &m, row[i].refusal);
		CHECK_SAYS(family_puppy.doubt, &m, row[i].doubt);
		CHECK_SAYS(family_puppy.version, &m, row[i].version);
	}
	CHECK_STR(family_puppy.data[0].path, "/pupsave/save");
	CHECK(!family_puppy.data[0].text && family_puppy.data[0].mode == 0755);
	CHECK(family_puppy.is_no_default("pfix=ram") && family_puppy.is_no_default("pfix=nox,ram x"));
	CHECK(!family_puppy.is_no_default("pfix=ramdisk") && !family_puppy.is_no_default("pmedia=cd"));
	CHECK(proves(&family_puppy, "/dev/sdb2 /initrd/mnt/dev_save ext4 rw,noatime 0 0"));
	CHECK(!proves(&family_puppy, "/dev/sdb1 /initrd/mnt/dev_save vfat rw,noatime 0 0"));
}

TEST(easyos)
{
	AUTO_MEDIA struct media token = media_make("true", NULL, "wkg_uuid=1-2 wkg_dir=easyos/");
	AUTO_MEDIA struct media tree = media_make("mkdir easyos && echo x >easyos/easy.sfs", NULL, "quiet");
	AUTO_MEDIA struct media puppy = media_make(PUPPY_TREE, PUPPY_NEW, "pmedia=cd");

	CHECK_U64(family_easyos.score(media_facts(&token)), 100);
	CHECK_U64(family_easyos.score(media_facts(&tree)), 50);
	CHECK_U64(family_easyos.score(media_facts(&puppy)), 0);
	CHECK_SAYS(family_easyos.refuse, &token, "write that image");
}

/* ---- Tiny Core */

#define CORE_SAVE "waitusb=10:UUID=" DATA_UUID " tce=UUID=" DATA_UUID "/tce home=UUID=" DATA_UUID " opt=UUID=" DATA_UUID
#define CORE_RAM  "waitusb=10:UUID=" BOOT_UUID " tce=/tce norestore"

TEST(tinycore_arguments)
{
	static const struct args_row row[] = {
		{ "loglevel=3 cde", "", true, "loglevel=3 cde " CORE_SAVE },
		{ "loglevel=3 cde", "", false, "loglevel=3 cde " CORE_RAM },
		{ "loglevel=3", "", true, "loglevel=3 " CORE_SAVE },
		{ "quiet cde tce=sda1 home=sda1 opt=sda1 waitusb=5 restore=sda1 lst=xbase.lst base", "", true,
		  "quiet cde lst=xbase.lst base " CORE_SAVE },
		{ "quiet norestore", "", true, "quiet " CORE_SAVE },
		{ "", "", true, "cde " CORE_SAVE },
		{ "", "", false, "cde " CORE_RAM },
	};
	static const struct args_row without[] = {
		{ "", "", true, CORE_SAVE },
	};
	AUTO_MEDIA struct media m = media_make(CORE_TREE, CORE_INITRD, "loglevel=3 cde");
	AUTO_MEDIA struct media core = media_make("mkdir boot && echo x >boot/core.gz", CORE_INITRD, "loglevel=3");

	CHECK_ARGS(&family_tinycore, &m, row);
	CHECK_ARGS(&family_tinycore, &core, without);
	CHECK_U64(family_tinycore.score(media_facts(&m)), 100);
	CHECK_U64(family_tinycore.score(media_facts(&core)), 80);
	CHECK_SAYS(family_tinycore.version, &m, "Tiny Core 15.0");
	CHECK(proves(&family_tinycore, "/dev/sdb2 /home ext4 rw,relatime 0 0"));
	CHECK(!proves(&family_tinycore, "tmpfs / tmpfs rw 0 0"));
}

TEST(tinycore_data)
{
	static const char *const path[] = { "/tce/optional", "/tce/onboot.lst", "/home", "/opt" };
	AUTO_MEDIA struct media tree = media_make("mkdir boot && echo x >boot/rootfs64.gz", NULL, "quiet");
	AUTO_MEDIA struct media none = media_make("mkdir boot && echo x >boot/vmlinuz", NULL, "quiet");

	CHECK_U64(family_tinycore.n_data, ARRAY_SIZE(path));
	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		CHECK_STR(family_tinycore.data[i].path, path[i]);
	CHECK_STR(family_tinycore.data[1].text, "");
	CHECK_U64(family_tinycore.score(media_facts(&tree)), 50);
	CHECK_U64(family_tinycore.score(media_facts(&none)), 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
