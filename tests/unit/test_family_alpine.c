/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Alpine: which media can have an archive of settings on DATA, and what is in it. */
#include "tests/unit/family_case.h"

TEST(arguments)
{
	static const struct args_row row[] = {
		{ ALPINE_ARGS, "", true, "quiet " ALPINE_MODULES ",ext4" },
		{ ALPINE_ARGS, "", false, "quiet " ALPINE_MODULES ",ext4 apkovl=none" },
		{ "modules=loop,squashfs,ext4 quiet", "", true, "modules=loop,squashfs,ext4 quiet" },
		{ "modules=loop,squashfs,ext4 quiet", "", false, "modules=loop,squashfs,ext4 quiet apkovl=none" },
		{ "apkovl=none modules=squashfs console=ttyS0", "", true, "console=ttyS0 modules=squashfs,ext4" },
		{ "modules=sd-mod,ext4fs quiet", "", false, "modules=sd-mod,ext4fs quiet" },
		{ "quiet  splash", "", false, "quiet splash" },
		{ "", "", false, "" },
	};
	static const struct args_row plain_row[] = {
		{ ALPINE_ARGS, "", false, "quiet " ALPINE_MODULES ",ext4" },
		{ ALPINE_ARGS, "", true, "quiet " ALPINE_MODULES ",ext4" },
		{ "modules=loop,squashfs,ext4 quiet", "", false, "modules=loop,squashfs,ext4 quiet" },
		{ "modules=loop,squashfs apkovl=http://a/b", "", false,
		  "apkovl=http://a/b modules=loop,squashfs,ext4" },
		{ "modules=sd-mod,ext4fs quiet", "", false, "modules=sd-mod,ext4fs quiet" },
		{ "quiet  splash", "", false, "quiet splash" },
		{ "", "", false, "" },
	};
	struct family_medium no_data = the_medium("", false);
	AUTO_MEDIA struct media m = media_make(ALPINE_TREE, ALPINE_INITRD, ALPINE_ARGS);
	AUTO_BUF struct buf line = { 0 };

	CHECK_ARGS(&family_alpine, &m, row);
	CHECK_ARGS(&family_alpine_plain, &m, plain_row);
	/* Without DATA there is nothing that must not be read: as from the CD. */
	no_data.data_uuid[0] = '\0';
	family_alpine.rewrite(media_facts(&m), ALPINE_ARGS, &no_data, &line);
	CHECK_STR(line.s, "quiet " ALPINE_MODULES ",ext4");
}

static void check_scores(const char *tree, const char *initrd, const char *args, int saving, int plain)
{
	AUTO_MEDIA struct media m = media_make(tree, initrd, args);
	int got[] = { family_alpine.score(media_facts(&m)), family_alpine_plain.score(media_facts(&m)) };

	if (got[0] != saving || got[1] != plain)
		test_fail(__FILE__, __LINE__, "%s; %s; %s: %d and %d, not %d and %d", tree, initrd, args, got[0],
		          got[1], saving, plain);
}

TEST(which_media)
{
	check_scores(ALPINE_TREE, ALPINE_INITRD, ALPINE_ARGS, 100, 0);
	check_scores(ALPINE_TREE, ALPINE_INITRD, ALPINE_ARGS " apkovl=none", 100, 0);
	check_scores("mkdir apks", ALPINE_INITRD, "quiet", 80, 0);
	check_scores("true", ALPINE_INITRD " && rm -r sbin", ALPINE_ARGS, 0, 0);
	check_scores("true", NULL, ALPINE_ARGS, 0, 0);
	/* An initrd that is older, other or unknown. */
	check_scores(ALPINE_TREE, ALPINE_OLD, ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE, ALPINE_INITRD " && sed -i /apkovls/d init", ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE, ALPINE_INITRD " && sed -i /default_boot/d init", ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE, ALPINE_INITRD " && sed -i /move/d init", ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE, ALPINE_INITRD " && sed -i /remount/d init", ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE, ALPINE_INITRD " && sed -i '/cat -/d' init", ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE, NULL, "quiet", 0, 50);
	/* Settings that come with the medium, which the initrd would find first. */
	check_scores(ALPINE_TREE " && echo x >box.apkovl.tar.gz", ALPINE_INITRD, ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE " && echo x >box.apkovl.tar.gz.aes-256-cbc", ALPINE_INITRD, ALPINE_ARGS, 0, 100);
	check_scores(ALPINE_TREE " && echo x >boot/box.apkovl.tar.gz", ALPINE_INITRD, ALPINE_ARGS, 100, 0);
	check_scores(ALPINE_TREE, ALPINE_INITRD, ALPINE_ARGS " apkovl=http://a/b", 0, 100);
}

TEST(what_it_says)
{
	AUTO_MEDIA struct media m = media_make(ALPINE_TREE, ALPINE_INITRD, ALPINE_ARGS);
	AUTO_MEDIA struct media none = media_make("mkdir apks", ALPINE_INITRD, "quiet");
	AUTO_MEDIA struct media bare =
	    media_make(ALPINE_TREE, ALPINE_INITRD " && mkdir -p lib/modules/6 && echo >lib/modules/6/modules.builtin",
	               ALPINE_ARGS);

	CHECK_SAYS(family_alpine.version, &m, "mkinitfs 3.10.1-r0");
	CHECK_SAYS(family_alpine.refuse, &m, NULL);
	CHECK_SAYS(family_alpine.refuse, &none, "no file /apks/.boot_repository");
	CHECK_SAYS(family_alpine_plain.refuse, &none, "no file /apks/.boot_repository");
	CHECK_SAYS(family_alpine.doubt, &m, NULL);
	CHECK_SAYS(family_alpine.doubt, &bare, "no driver for ext4");
	CHECK(!family_alpine.keeps_nothing && !family_alpine.takes_slot && family_alpine_plain.keeps_nothing);
	CHECK(proves(&family_alpine, "/dev/sdb2 /media/usb-data ext4 rw,noatime 0 0"));
	CHECK(!proves(&family_alpine, "/dev/sdb2 /media/sdb2 ext4 ro,relatime 0 0"));
}

/* ---- DATA */

static struct volume_files data_for(const char *boot_uuid)
{
	AUTO_MEDIA struct media m = media_make(ALPINE_TREE, ALPINE_INITRD, ALPINE_ARGS);
	struct family_medium medium = the_medium("", true);
	struct volume_files v = { 0 };

	snprintf(medium.boot_uuid, sizeof(medium.boot_uuid), "%s", boot_uuid);
	medium.time = 1600000000;
	family_alpine.add_data(media_facts(&m), &medium, &v);
	return v;
}

/* The archive as a file, unpacked beside it by tar. */
static void unpack(const struct volume_files *v)
{
	const struct volume_file *f = volume_find(v, "/localhost.apkovl.tar.gz");
	AUTO_FREE char *path = sandbox_path("apkovl.tar.gz"), *dir = sandbox_path("apkovl");
	FILE *out = fopen(path, "we");

	CHECK(f && out && fwrite(f->input.mem, 1, f->size, out) == f->size);
	if (out)
		fclose(out);
	CHECK_U64(sandbox_run("rm -rf '%s' && mkdir '%s' && tar -C '%s' -xpzf '%s'", dir, dir, dir, path), 0);
}

static void check_file(const char *name, const char *want)
{
	AUTO_FREE char *path = sandbox_path("apkovl");

	CHECK_U64(sandbox_run("cat '%s/%s'", path, name), 0);
	CHECK_STR(sandbox_said(), want);
}

TEST(what_is_on_data)
{
	CLEANUP(volume_files_free) struct volume_files v = data_for(BOOT_UUID), same = data_for(BOOT_UUID);

	CHECK_U64(v.n, 3);
	CHECK_STR(v.file[0].path, "/localhost.apkovl.tar.gz");
	CHECK_U64(v.file[0].mode, 0644);
	CHECK_STR(v.file[1].path, "/cache");
	CHECK_STR(v.file[2].path, "/home");
	CHECK(v.file[1].is_dir && v.file[2].is_dir && v.file[1].mode == 0755 && v.file[2].mode == 0755);
	for (size_t i = 0; i < v.n; i++)
		CHECK_U64(v.file[i].mtime, 1600000000);
	CHECK(v.file[0].size == same.file[0].size &&
	      memcmp(v.file[0].input.mem, same.file[0].input.mem, v.file[0].size) == 0);
}

TEST(the_archive)
{
	CLEANUP(volume_files_free) struct volume_files v = data_for(BOOT_UUID);
	AUTO_FREE char *path = sandbox_path("apkovl.tar.gz");

	unpack(&v);
	CHECK_U64(sandbox_run("TZ=UTC tar --numeric-owner --full-time -tvzf '%s' | tr -s ' '", path), 0);
	CHECK_STR(sandbox_said(), "drwxr-xr-x 0/0 0 2020-09-13 12:26:40 etc/\n"
	                          "-rw-r--r-- 0/0 0 2020-09-13 12:26:40 etc/.default_boot_services\n"
	                          "drwxr-xr-x 0/0 0 2020-09-13 12:26:40 etc/apk/\n"
	                          "lrwxrwxrwx 0/0 0 2020-09-13 12:26:40 etc/apk/cache -> /media/usb-data/cache\n"
	                          "drwxr-xr-x 0/0 0 2020-09-13 12:26:40 etc/apk/protected_paths.d/\n"
	                          "-rw-r--r-- 0/0 6 2020-09-13 12:26:40 etc/apk/protected_paths.d/lbu.list\n"
	                          "-rw-r--r-- 0/0 210 2020-09-13 12:26:40 etc/fstab\n"
	                          "drwxr-xr-x 0/0 0 2020-09-13 12:26:40 etc/lbu/\n"
	                          "-rw-r--r-- 0/0 371 2020-09-13 12:26:40 etc/lbu/lbu.conf\n"
	                          "drwxr-xr-x 0/0 0 2020-09-13 12:26:40 etc/lbu/pre-package.d/\n"
	                          "-rwxr-xr-x 0/0 214 2020-09-13 12:26:40 etc/lbu/pre-package.d/home\n");
	check_file("etc/apk/protected_paths.d/lbu.list", "+root\n");
	check_file("etc/fstab", "/dev/cdrom\t/media/cdrom\tiso9660\tnoauto,ro 0 0\n"
	                        "UUID=" BOOT_UUID "\t/media/usb\tvfat\tnoauto,ro 0 0\n"
	                        "UUID=" DATA_UUID "\t/media/usb-data\text4\trw,noatime 0 0\n"
	                        "/media/usb-data/home\t/home\tnone\tbind 0 0\n");
	check_file("etc/lbu/lbu.conf", "# By livestick: \"lbu commit\" saves to the second partition of the stick.\n"
	                               "LBU_MEDIA=usb-data\n"
	                               "BACKUP_LIMIT=3\n"
	                               "# The archive is called like the computer, also when that gets another name.\n"
	                               "for _old in /media/$LBU_MEDIA/*.apkovl.tar.gz; do\n"
	                               "\t_new=/media/$LBU_MEDIA/$(hostname).apkovl.tar.gz\n"
	                               "\tif [ -f \"$_old\" ] && [ ! -e \"$_new\" ]; then\n"
	                               "\t\tmv \"$_old\" \"$_new\" 2>/dev/null\n"
	                               "\tfi\n"
	                               "done\n");
	check_file("etc/lbu/pre-package.d/home", "#!/bin/sh\n"
	                                         "# By livestick: /home lies on the stick, not in the archive of lbu.\n"
	                                         "list=/etc/apk/protected_paths.d/lbu.list\n"
	                                         "if mountpoint -q /home && [ -f $list ]; then\n"
	                                         "\tsed -i '/^+home$/d; /^+home\\//d' $list\n"
	                                         "fi\n"
	                                         "exit 0\n");
}

TEST(boot_on_ext4)
{
	CLEANUP(volume_files_free) struct volume_files v = data_for("11111111-2222-4333-8444-555555555555");
	AUTO_FREE char *path = sandbox_path("apkovl");

	unpack(&v);
	CHECK_U64(sandbox_run("sed -n 2p '%s/etc/fstab'", path), 0);
	CHECK_STR(sandbox_said(), "UUID=11111111-2222-4333-8444-555555555555\t/media/usb\text4\tnoauto,ro 0 0\n");
}

/* The archive takes the name that the computer has now; what has that name is never replaced. */
TEST(the_name_of_the_archive)
{
	static const struct {
		const char *files, *want;
	} row[] = {
		{ "localhost.apkovl.tar.gz", "box.apkovl.tar.gz\n" },
		{ "box.apkovl.tar.gz", "box.apkovl.tar.gz\n" },
		{ "box.apkovl.tar.gz localhost.apkovl.tar.gz", "box.apkovl.tar.gz\nlocalhost.apkovl.tar.gz\n" },
		{ "a.apkovl.tar.gz b.apkovl.tar.gz", "b.apkovl.tar.gz\nbox.apkovl.tar.gz\n" },
		{ "localhost.20260101000000.tar.gz", "localhost.20260101000000.tar.gz\n" },
		{ "x", "x\n" },
	};
	CLEANUP(volume_files_free) struct volume_files v = data_for(BOOT_UUID);
	AUTO_FREE char *dir = sandbox_path("apkovl");

	unpack(&v);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		CHECK_U64(
		    sandbox_run("cd '%s' && rm -rf media && mkdir -p media/usb-data && (cd media/usb-data && "
		                "for f in %s; do echo $f >$f; done) && sed 's,/media/,media/,g' "
		                "etc/lbu/lbu.conf >conf && hostname() { echo box; } && set -eu one two && . ./conf && "
		                "test \"$*\" = 'one two' && test $LBU_MEDIA = usb-data && ls media/usb-data",
		                dir, row[i].files),
		    0);
		CHECK_STR(sandbox_said(), row[i].want);
	}
}

/* Homes are taken off lbu's list where they lie on the stick, and only there. */
TEST(the_hook_of_lbu)
{
	static const char list[] = "+root\n+home\n+home/me\n-home/me/x\n+homes\n+etc/home/x\n";
	CLEANUP(volume_files_free) struct volume_files v = data_for(BOOT_UUID);
	AUTO_FREE char *dir = sandbox_path("apkovl");

	unpack(&v);
	for (int is_mounted = 0; is_mounted < 2; is_mounted++) {
		CHECK_U64(sandbox_run("cd '%s' && printf '%s' >list && sed 's,^list=.*,list=list,; "
		                      "s,mountpoint -q /home,%s,' etc/lbu/pre-package.d/home >hook && sh -eu hook && "
		                      "cat list",
		                      dir, list, is_mounted ? "true" : "false"),
		          0);
		CHECK_STR(sandbox_said(), is_mounted ? "+root\n-home/me/x\n+homes\n+etc/home/x\n" : list);
	}
	CHECK_U64(sandbox_run("cd '%s' && rm -f list && sh -eu hook && test ! -e list", dir), 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
