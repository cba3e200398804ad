/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Linux Live Kit, MiniOS, Porteus, liveslak. */
#include "tests/unit/family_case.h"

/* ---- Linux Live Kit */

TEST(linux_live_arguments)
{
	static const struct args_row row[] = {
		{ SLAX_ARGS " automount", "", true, SLAX_ARGS " automount perchdir=resume" },
		{ SLAX_ARGS " automount", "", false, SLAX_ARGS " automount" },
		{ SLAX_ARGS " perchdir=resume automount", "", true, SLAX_ARGS " automount perchdir=resume" },
		{ SLAX_ARGS " perchdir=resume automount", "", false, SLAX_ARGS " automount" },
		{ SLAX_ARGS " automount perchdir=new", "", true, SLAX_ARGS " automount perchdir=new" },
		{ SLAX_ARGS " perchdir=ask", "", true, SLAX_ARGS " perchdir=ask" },
		{ SLAX_ARGS " perchdir=3", "", true, SLAX_ARGS " perchdir=3" },
		{ SLAX_ARGS " perchdir=/dev/sdb1/x", "", true, SLAX_ARGS " perchdir=resume" },
		{ SLAX_ARGS " perchdir=", "", true, SLAX_ARGS " perchdir=resume" },
		{ SLAX_ARGS " perchdir=ask", "", false, SLAX_ARGS },
		{ SLAX_ARGS " perch perchsize=30G toram", "", true, SLAX_ARGS " toram perchdir=resume" },
		{ "slax.flags=perch,automount rw", "", true, "rw slax.flags=automount perchdir=resume" },
		{ "slax.flags=perch,automount rw", "", false, "rw slax.flags=automount" },
		{ "slax.flags=perch rw", "", false, "rw" },
		{ "rw slax.flags=toram,perch,debug", "", true, "rw slax.flags=toram,debug perchdir=resume" },
		{ "rw from=/dev/sda1/slax", "", true, "rw perchdir=resume" },
		{ "rw from=slax", "", true, "rw from=slax perchdir=resume" },
		{ "rw from=http://10.0.0.1/slax.iso perch", "", true, "rw from=http://10.0.0.1/slax.iso perch" },
		{ "rw  ip=10.0.0.2::10.0.0.1", "", true, "rw ip=10.0.0.2::10.0.0.1" },
		{ "", "", true, "perchdir=resume" },
		{ "", "", false, "" },
	};
	AUTO_MEDIA struct media m = media_make(SLAX_TREE, KIT_INITRD("slax"), SLAX_ARGS);

	CHECK_ARGS(&family_linux_live, &m, row);
}

TEST(linux_live_media)
{
	static const struct {
		const char *tree, *initrd, *args;
		int score;
		const char *refusal;
	} row[] = {
		{ SLAX_TREE, KIT_INITRD("slax"), SLAX_ARGS " perchdir=resume", 100, NULL },
		{ SLAX_TREE, KIT_INITRD("slax"), SLAX_ARGS, 80, NULL },
		{ SLAX_TREE, NULL, SLAX_ARGS, 50, NULL },
		{ SLAX_TREE, NULL, "slax.flags=perch", 100, NULL },
		{ "mkdir -p own/modules && echo x >own/modules/1.sb", NULL, "", 50, NULL },
		{ "mkdir -p own/modules && echo x >own/modules/1.sb", KIT_INITRD("own"), "", 80, NULL },
		{ "mkdir -p own/a/b && echo x >own/a/b/1.sb", NULL, "perch", 0, "no bundles (*.sb) in /slax" },
		{ SLAX_TREE, KIT_INITRD("other"), "", 80, "no bundles (*.sb) in /other" },
		{ "true", KIT_INITRD("slax"), "", 80, "no bundles (*.sb) in /slax" },
		{ "true", NULL, "perch", 0, "no bundles (*.sb) in /slax" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MEDIA struct media m = media_make(row[i].tree, row[i].initrd, row[i].args);

		CHECK_U64(family_linux_live.score(media_facts(&m)), row[i].score);
		CHECK_SAYS(family_linux_live.refuse, &m, row[i].refusal);
		CHECK_U64(family_minios.score(media_facts(&m)), 0);
	}
}

/* Old initrds use /NAME/changes but do not make it; a source may have it already. */
TEST(linux_live_data)
{
	AUTO_MEDIA struct media m = media_make(SLAX_TREE, NULL, SLAX_ARGS);
	const struct family_medium medium = the_medium("", true);
	struct volume_files v = { 0 };

	CHECK(family_linux_live.system_on_data && !family_linux_live.takes_slot);
	family_linux_live.add_data(media_facts(&m), &medium, &v);
	family_linux_live.add_data(media_facts(&m), &medium, &v);
	CHECK_U64(v.n, 1);
	CHECK_STR(v.file[0].path, "/slax/changes");
	CHECK(v.file[0].is_dir && v.file[0].mode == 0755);
	volume_files_free(&v);
}

TEST(linux_live_proof)
{
	CHECK(proves(&family_linux_live, "/dev/sdb2 /run/initramfs/memory/changes ext4 rw,relatime 0 0"));
	CHECK(proves(&family_linux_live, "/dev/sdb2 /mnt/live/memory/changes ext4 rw 0 0"));
	CHECK(!proves(&family_linux_live, "/dev/sdb2 /run/initramfs/memory/data ext4 rw 0 0"));
	CHECK(!proves(&family_linux_live, "tmpfs /run/initramfs/memory/changes tmpfs rw 0 0"));
	CHECK(family_linux_live.is_no_default("rw perchdir=ask"));
	CHECK(!family_linux_live.is_no_default("rw perchdir=resume") && !family_linux_live.is_no_default("rw"));
}

/* What the kernel has not, and the initrd neither: DATA could not be read. */
TEST(linux_live_driver)
{
	AUTO_MEDIA struct media without = media_make(
	    SLAX_TREE,
	    KIT_INITRD("slax") " && mkdir -p lib/modules/6.1 && echo kernel/fs/squashfs/squashfs.ko >lib/modules/6.1/"
	                       "modules.builtin",
	    "");
	AUTO_MEDIA struct media with = media_make(
	    SLAX_TREE,
	    KIT_INITRD("slax") " && mkdir -p lib/modules/6.1/kernel/fs && echo x >lib/modules/6.1/kernel/fs/ext4.ko && "
	                       "echo kernel/fs/squashfs/squashfs.ko >lib/modules/6.1/modules.builtin",
	    "");

	CHECK_SAYS(family_linux_live.doubt, &without, "no driver for ext4");
	CHECK_SAYS(family_linux_live.doubt, &with, NULL);
}

/* ---- MiniOS */

TEST(minios)
{
	static const struct args_row row[] = {
		{ MINIOS_ARGS " perchdir=resume", "", true, MINIOS_ARGS " perchdir=resume" },
		{ MINIOS_ARGS " perchdir=new locales=de_DE.UTF-8 timezone=Europe/Berlin", "", true,
		  MINIOS_ARGS " locales=de_DE.UTF-8 timezone=Europe/Berlin perchdir=new" },
		{ MINIOS_ARGS " perchdir=resume perchmode=raw perchsize=8000", "", true,
		  MINIOS_ARGS " perchdir=resume" },
		{ MINIOS_ARGS " toram", "", true, MINIOS_ARGS " toram perchdir=resume" },
		{ MINIOS_ARGS " perchdir=ask", "", false, MINIOS_ARGS },
	};
	AUTO_MEDIA struct media m = media_make(MINIOS_TREE, MINIOS_INITRD, MINIOS_ARGS);
	AUTO_MEDIA struct media plain = media_make(MINIOS_TREE, NULL, "quiet");

	CHECK_ARGS(&family_minios, &m, row);
	CHECK_U64(family_minios.score(media_facts(&m)), 100);
	CHECK_U64(family_linux_live.score(media_facts(&m)), 0);
	CHECK_U64(family_minios.score(media_facts(&plain)), 50);
	CHECK_SAYS(family_minios.version, &m, "MiniOS 5.1.1");
	CHECK_SAYS(family_minios.version, &plain, NULL);
	CHECK_SAYS(family_minios.refuse, &plain, NULL);
}

/* ---- Porteus */

#define FROM    "from=UUID:" BOOT_UUID
#define CHANGES "changes=UUID:" DATA_UUID "/changes-persist-0abc"

TEST(porteus_arguments)
{
	static const struct args_row row[] = {
		{ "changes=/porteus", "", true, FROM " " CHANGES },
		{ "quiet changes=EXIT:/porteus kvm.enable_virt_at_load=0", "", true,
		  "quiet kvm.enable_virt_at_load=0 " FROM " " CHANGES },
		{ "quiet changes=/porteus", "", false, "quiet " FROM },
		{ "changes=/porteus changes-ro", "", true, FROM " " CHANGES },
		{ "copy2ram", "", true, "copy2ram " FROM " " CHANGES },
		{ "3", "/slot-b", true, "3 " FROM "/slot-b " CHANGES },
		{ "3", "/slot-b", false, "3 " FROM "/slot-b" },
		{ "nomagic base_only norootcopy", "", true, "nomagic base_only norootcopy " FROM },
		{ "baseonly norootcopy kvm.enable_virt_at_load=0", "", true,
		  "baseonly norootcopy kvm.enable_virt_at_load=0 " FROM },
		{ "from=/mnt/sda2/x", "", true, FROM " " CHANGES },
		{ "ip=:10.0.0.1 changes=/srv/pxe/storage", "", true, "ip=:10.0.0.1 changes=/srv/pxe/storage" },
		{ "", "", true, FROM " " CHANGES },
	};
	AUTO_MEDIA struct media m =
	    media_make(PORTEUS_TREE, PORTEUS_INITRD("elif [ $LPATH = UUID: -o $LPATH = LABEL ]; then"), "");
	AUTO_MEDIA struct media unknown = media_make(PORTEUS_TREE, NULL, "");

	CHECK_ARGS(&family_porteus, &m, row);
	CHECK_ARGS(&family_porteus, &unknown, row);
}

/* Paths are looked for on all devices. */
TEST(porteus_without_uuids)
{
	static const struct args_row row[] = {
		{ "changes=/porteux", "", true, "changes=/changes-persist-0abc" },
		{ "changes=/porteux", "", false, "" },
		{ "changes=/porteux 3", "/slot-b", true, "3 from=/slot-b changes=/changes-persist-0abc" },
		{ "changes=/porteux 3", "/slot-b", false, "3 from=/slot-b" },
		{ "baseonly norootcopy", "", true, "baseonly norootcopy" },
	};
	AUTO_MEDIA struct media m = media_make(PORTEUS_TREE, PORTEUS_INITRD("search $1 $2"), "");

	CHECK_ARGS(&family_porteus, &m, row);
}

TEST(porteus_media)
{
	static const struct {
		const char *tree, *initrd, *args;
		int score;
		const char *refusal;
	} row[] = {
		{ PORTEUS_TREE, PORTEUS_INITRD("x"), "changes=/porteus", 100, NULL },
		{ PORTEUS_TREE, PORTEUS_INITRD("x"), "3", 80, NULL },
		{ PORTEUS_TREE, NULL, "3", 50, NULL },
		{ PORTEUS_TREE " && rm porteus/*.cfg", NULL, "3", 50, "no *.cfg in /porteus" },
		{ PORTEUS_TREE " && mv porteus/*.cfg porteus/porteus-v1.0.sgn", NULL, "3", 50, NULL },
		{ "mkdir -p porteus/base", PORTEUS_INITRD("x"), "changes=/porteus", 0, "no modules (*.xzm)" },
	};
	const struct family_medium medium = the_medium("", true);
	struct volume_files v = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MEDIA struct media m = media_make(row[i].tree, row[i].initrd, row[i].args);

		CHECK_U64(family_porteus.score(media_facts(&m)), row[i].score);
		CHECK_SAYS(family_porteus.refuse, &m, row[i].refusal);
		CHECK_SAYS(family_porteus.version, &m, row[i].initrd ? "Porteus initrd 20230923" : NULL);
	}
	AUTO_MEDIA struct media m = media_make(PORTEUS_TREE, NULL, "");

	family_porteus.add_data(media_facts(&m), &medium, &v);
	CHECK_U64(v.n, 1);
	CHECK_STR(v.file[0].path, "/changes-persist-0abc");
	CHECK(v.file[0].is_dir);
	volume_files_free(&v);
	CHECK(family_porteus.is_no_default("nomagic base_only norootcopy") &&
	      !family_porteus.is_no_default("changes=/x"));
	CHECK(proves(&family_porteus, "/dev/sdb2 /mnt/live/memory/changes ext4 rw,noatime 0 0"));
	CHECK(!proves(&family_porteus, "tmpfs /mnt/live/memory/changes tmpfs rw 0 0"));
}

/* ---- liveslak */

#define SLAK_SAVE "livemedia=" BOOT_UUID " persistence=" DATA_UUID ":/persistence"

TEST(liveslak_arguments)
{
	static const struct args_row row[] = {
		{ SLAK_ARGS, "", true, SLAK_ARGS " " SLAK_SAVE },
		{ SLAK_ARGS, "", false, SLAK_ARGS " livemedia=" BOOT_UUID " nop" },
		{ SLAK_ARGS, "/slot-b", true, SLAK_ARGS " " SLAK_SAVE " livemain=slot-b/liveslak" },
		{ SLAK_ARGS " livemain=/other/", "/slot-b", false,
		  SLAK_ARGS " livemedia=" BOOT_UUID " nop livemain=slot-b/other" },
		{ SLAK_ARGS " livemain=other", "", true, SLAK_ARGS " " SLAK_SAVE " livemain=other" },
		{ "nop nop=wipe persistence=scandev:/x livemedia=/dev/sda1 toram=os", "", true, "toram=os " SLAK_SAVE },
		{ "rw nfsroot=eth0:10.0.0.1:/x hostname=a", "", true, "rw nfsroot=eth0:10.0.0.1:/x hostname=a" },
		{ "", "", true, SLAK_SAVE },
	};
	static const struct args_row old[] = {
		{ SLAK_ARGS, "", true, SLAK_ARGS " livemedia=" DATA_UUID " persistence=persistence" },
		{ SLAK_ARGS " nop", "", false, SLAK_ARGS " livemedia=" DATA_UUID " nop" },
	};
	AUTO_MEDIA struct media m = media_make(SLAK_TREE, SLAK_NEW, SLAK_ARGS);
	AUTO_MEDIA struct media o = media_make(SLAK_TREE, SLAK_OLD, SLAK_ARGS);
	struct family_medium no_data = the_medium("", false);
	AUTO_BUF struct buf out = { 0 };

	CHECK_ARGS(&family_liveslak, &m, row);
	CHECK_ARGS(&family_liveslak_old, &o, old);
	no_data.data_uuid[0] = '\0';
	family_liveslak_old.rewrite(media_facts(&o), "rw", &no_data, &out);
	CHECK_STR(out.s, "rw livemedia=" BOOT_UUID " nop");
}

TEST(liveslak_media)
{
	static const struct {
		const char *tree, *initrd, *args;
		int score, old_score;
		const char *refusal, *version;
	} row[] = {
		{ SLAK_TREE, SLAK_NEW, SLAK_ARGS, 80, 0, NULL, "liveslak 1.8.2" },
		{ SLAK_TREE, SLAK_NEW, "livemedia=LIVESLAK", 100, 0, NULL, "liveslak 1.8.2" },
		{ SLAK_TREE, SLAK_OLD, SLAK_ARGS, 0, 80, NULL, "liveslak 1.3.5" },
		{ SLAK_TREE, NULL, SLAK_ARGS, 50, 0, NULL, NULL },
		{ "mkdir -p liveslak/system", SLAK_NEW, SLAK_ARGS, 80, 0,
		  "no module 0099-*_zzzconf-* in /liveslak/system", "liveslak 1.8.2" },
		{ "mkdir -p x/system && echo x >x/system/0099-daw_zzzconf-1.sxz", NULL, SLAK_ARGS, 50, 0, NULL, NULL },
		{ "mkdir -p x/system && echo x >x/system/0099-daw_zzzconf-1.sxz", SLAK_NEW, "livemain=x", 100, 0, NULL,
		  "liveslak 1.8.2" },
		{ "mkdir x && echo x >x/0099-daw_zzzconf-1.sxz", NULL, SLAK_ARGS, 0, 0, "in /liveslak/system", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_MEDIA struct media m = media_make(row[i].tree, row[i].initrd, row[i].args);

		CHECK_U64(family_liveslak.score(media_facts(&m)), row[i].score);
		CHECK_U64(family_liveslak_old.score(media_facts(&m)), row[i].old_score);
		CHECK_SAYS(family_liveslak.refuse, &m, row[i].refusal);
		CHECK_SAYS(family_liveslak.version, &m, row[i].version);
	}
	CHECK(family_liveslak.takes_slot && !family_liveslak.system_on_data);
	CHECK(!family_liveslak_old.takes_slot && family_liveslak_old.system_on_data);
	CHECK_STR(family_liveslak.data[0].path, "/persistence");
}

TEST(liveslak_proof)
{
	CHECK(proves(&family_liveslak, "overlay / overlay rw,relatime,lowerdir=/mnt/live/modules/a:/mnt/live/modules/b,"
	                               "upperdir=/mnt/live/.persistence_117///persistence,workdir=/mnt/live/x 0 0"));
	CHECK(!proves(&family_liveslak, "overlay / overlay rw,lowerdir=/x,upperdir=/mnt/live/changes,workdir=/y 0 0"));
	CHECK(
	    proves(&family_liveslak_old,
	           "overlay / overlay rw,lowerdir=/x,upperdir=/mnt/media/persistence,workdir=/mnt/media/.ovlwork 0 0"));
	CHECK(!proves(&family_liveslak_old,
	              "overlay / overlay rw,lowerdir=/x,upperdir=/mnt/live/changes,workdir=/y 0 0"));
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
