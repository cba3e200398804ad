/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What our /init reads: the kernel's arguments, /livestick.conf, and the system's fstab. */
#include <errno.h>

#include "persist/init/cmdline.h"
#include "persist/init/conf.h"
#include "persist/init/fstab.h"
#include "tests/lib/test.h"

/* ---- text */

TEST(text_is_cut_and_says_so)
{
	TEXT(t, 8);

	text_add(&t, "%s", "1234567");
	CHECK(!t.cut);
	text_add(&t, "8");
	CHECK(t.cut);
	CHECK_STR(t.s, "1234567");
	CHECK_U64(t.len, 7);
}

TEST(text_for_a_terminal_is_escaped)
{
	TEXT(t, 200);

	text_add_escaped(&t, "a\x1b[2J\xff \xc3\xa9 \xe2\x80\xae");
	CHECK_STR(t.s, "a\\x1b[2J\\xff \xc3\xa9 \\xe2\\x80\\xae");
}

static const char *size_of(u64 bytes)
{
	static char s[32];
	struct text t = { s, sizeof(s), 0, false };

	text_add_size(&t, bytes);
	return t.s;
}

TEST(sizes_are_told_with_their_unit)
{
	CHECK_STR(size_of(0), "0 bytes");
	CHECK_STR(size_of(1023), "1023 bytes");
	CHECK_STR(size_of(1024), "1.0 KiB");
	CHECK_STR(size_of(1536), "1.5 KiB");
	CHECK_STR(size_of(2047), "1.9 KiB");
	CHECK_STR(size_of(100 * MIB - 1), "99.9 MiB");
	CHECK_STR(size_of(100 * MIB), "100 MiB");
	CHECK_STR(size_of(16 * GIB), "16.0 GiB");
	CHECK_STR(size_of(UINT64_MAX), "15.9 EiB");
}

TEST(list_of_patterns)
{
	CHECK(text_list_has("core", "01-core.squashfs"));
	CHECK(text_list_has("x,core", "01-core.squashfs"));
	CHECK(text_list_has("0[12]-*", "01-core.squashfs"));
	CHECK(text_list_has(",,*.squashfs,", "01-core.squashfs"));
	CHECK(!text_list_has("", "01-core.squashfs"));
	CHECK(!text_list_has(",", "01-core.squashfs"));
	CHECK(!text_list_has("co?e", "01-core.squashfs")); /* a shell's pattern fits the whole name */
	CHECK(!text_list_has("Core", "01-core.squashfs"));
}

TEST(clean_paths)
{
	CHECK(text_is_clean_path("/a/b.c/..d"));
	CHECK(!text_is_clean_path("a/b"));
	CHECK(!text_is_clean_path(""));
	CHECK(!text_is_clean_path("/"));
	CHECK(!text_is_clean_path("/a/../b"));
	CHECK(!text_is_clean_path("/a/."));
	CHECK(!text_is_clean_path("/a//b"));
	CHECK(!text_is_clean_path("/a/"));
	CHECK(!text_is_clean_path("/a\n"));
}

/* ---- the kernel's arguments */

TEST(arguments_of_an_ordinary_start)
{
	struct cmdline c;

	cmdline_parse(
	    "BOOT_IMAGE=/vmlinuz livestick.boot=ABCD-1234 livestick.data=4c697665-7374-4963-8b00-000000000001 "
	    "from=/slot-b perch quiet\n",
	    &c);
	CHECK_STR(c.boot, "ABCD-1234");
	CHECK_STR(c.data, "4c697665-7374-4963-8b00-000000000001");
	CHECK_STR(c.from, "/slot-b");
	CHECK_STR(c.session, "default");
	CHECK_STR(c.init, "");
	CHECK(c.perch && !c.toram && !c.debug && !c.wrong);
	CHECK_U64(c.delay, 30);
}

TEST(absent_arguments)
{
	struct cmdline c;

	cmdline_parse("", &c);
	CHECK_STR(c.boot, "");
	CHECK_STR(c.from, "");
	CHECK_STR(c.session, "default");
	CHECK(!c.perch && !c.toram && !c.wrong);
}

TEST(arguments_are_whole_words)
{
	struct cmdline c;

	cmdline_parse("noperch perch=1 xtoram debugger from livestick.bootx=1", &c);
	CHECK(!c.perch && !c.toram && !c.debug && !c.wrong);
	CHECK_STR(c.boot, "");
}

TEST(later_arguments_win_and_quotes_go)
{
	struct cmdline c;

	cmdline_parse("load=a \"load=b c\" noload=\"d e\" init=/bin/a init=/bin/sh from=/x from=/", &c);
	CHECK_STR(c.load, "b c");
	CHECK_STR(c.noload, "d e");
	CHECK_STR(c.init, "/bin/sh");
	CHECK_STR(c.from, "");
}

static const char *session_of(const char *arguments)
{
	static struct cmdline c;

	cmdline_parse(arguments, &c);
	return c.wrong ? c.wrong : c.session;
}

TEST(sessions)
{
	CHECK_STR(session_of("perchdir=work-2.a_B"), "work-2.a_B");
	CHECK_STR(session_of("perchdir=resume"), "default");
	CHECK_STR(session_of("perchdir="), "default");
	CHECK_STR(session_of("perchdir=.."), "perchdir");
	CHECK_STR(session_of("perchdir=."), "perchdir");
	CHECK_STR(session_of("perchdir=a/b"), "perchdir");
	CHECK_STR(session_of("perchdir=\"a b\""), "perchdir");
	CHECK_STR(session_of("perchdir=a:b"), "perchdir");
	CHECK_STR(session_of("perchdir=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "perchdir");
}

/* A name that cannot be used must not become that of another session. */
TEST(wrong_session_is_no_session)
{
	struct cmdline c;

	cmdline_parse("perch perchdir=a/b", &c);
	CHECK_STR(c.session, "");
}

TEST(wrong_paths_are_not_used)
{
	struct cmdline c;

	cmdline_parse("from=/a/../b", &c);
	CHECK_STR(c.wrong, "from");
	cmdline_parse("from=slot-b", &c);
	CHECK_STR(c.wrong, "from");
	cmdline_parse("init=sh", &c);
	CHECK_STR(c.wrong, "init");
	CHECK_STR(c.init, "");
}

TEST(waiting_is_bounded)
{
	struct cmdline c;

	cmdline_parse("rootdelay=5", &c);
	CHECK_U64(c.delay, 30);
	cmdline_parse("rootdelay=90", &c);
	CHECK_U64(c.delay, 90);
	cmdline_parse("rootdelay=99999999999999999999", &c);
	CHECK_U64(c.delay, 3600);
	cmdline_parse("rootdelay=x", &c);
	CHECK_U64(c.delay, 30);
}

TEST(endless_words_are_left_out)
{
	static char text[9000];
	struct cmdline c;

	memset(text, 'x', 8000);
	memcpy(text, "load=", 5);
	memcpy(text + 8000, " perch", 7);
	cmdline_parse(text, &c);
	CHECK(c.perch);
	CHECK_STR(c.load, "");
	cmdline_parse("perch \"", &c);
	CHECK(c.perch);
}

TEST(options_of_modules)
{
	TEXT(t, 100);

	cmdline_module_options(
	    "usb-storage.delay_use=0 usb_storage.quirks=0781:5580:u usbcore.x=1 usb-storage. usb_storagex.a=1 "
	    "\"usb_storage.s=a b\"",
	    "usb-storage", &t);
	CHECK_STR(t.s, "delay_use=0 quirks=0781:5580:u \"s=a b\"");
}

TEST(arguments_that_init_does_not_get)
{
	CHECK(cmdline_is_ours("perch"));
	CHECK(cmdline_is_ours("perchdir=x"));
	CHECK(cmdline_is_ours("from=/slot-b"));
	CHECK(cmdline_is_ours("livestick.boot=1"));
	CHECK(!cmdline_is_ours("single"));
	CHECK(!cmdline_is_ours("3"));
	CHECK(!cmdline_is_ours("perchx"));
	CHECK(!cmdline_is_ours("HOME=/"));
}

/* ---- /livestick.conf */

#define FIRST "livestick-initrd 1\n"

static struct conf conf;
static char conf_text[64 * KIB], conf_why[200];

static int parse(const char *text)
{
	struct text why = { conf_why, sizeof(conf_why), 0, false };

	conf_why[0] = '\0';
	snprintf(conf_text, sizeof(conf_text), "%s", text);
	return conf_parse(conf_text, &conf, &why);
}

TEST(conf_of_two_images)
{
	CHECK_U64(parse(FIRST "system An Old System\ninit /sbin/init2\nunion aufs\nmodule usb-storage\nmodule aufs\n"
	                      "image /live/01 core.squashfs squashfs\nimage /live/02.img ext4\n"),
	          0);
	CHECK_STR(conf.system, "An Old System");
	CHECK_STR(conf.init, "/sbin/init2");
	CHECK_U64(conf.kind, UNION_AUFS);
	CHECK_U64(conf.n_modules, 2);
	CHECK_STR(conf.module[1], "aufs");
	CHECK_U64(conf.n_images, 2);
	CHECK_STR(conf.image[0].path, "/live/01 core.squashfs");
	CHECK_STR(conf.image[0].type, "squashfs");
	CHECK_STR(conf.image[1].type, "ext4");
	CHECK_STR(conf_image_name(&conf.image[0]), "01 core.squashfs");
}

TEST(conf_has_defaults)
{
	CHECK_U64(parse(FIRST "image /a squashfs"), 0);
	CHECK_STR(conf.init, "/sbin/init");
	CHECK_U64(conf.kind, UNION_OVERLAY);
}

static const char *why(const char *text)
{
	CHECK(parse(text) == -EINVAL);
	return conf_why;
}

TEST(conf_that_is_wrong)
{
	CHECK_STR(why(""), "line 1: not \"livestick-initrd 1\"");
	CHECK_STR(why("livestick-initrd 2\nimage /a squashfs\n"), "line 1: not \"livestick-initrd 1\"");
	CHECK_STR(why(FIRST), "line 1: no image");
	CHECK_STR(why(FIRST "image /a squashfs\ncolour red\n"), "line 3: unknown key");
	CHECK_STR(why(FIRST "image\n"), "line 2: a word alone");
	CHECK_STR(why(FIRST "image /a\n"), "line 2: no file system type");
	CHECK_STR(why(FIRST "image /a ntfs\n"), "line 2: a file system that cannot be an image");
	CHECK_STR(why(FIRST "image /a/../../etc/shadow ext4\n"), "line 2: not a path");
	CHECK_STR(why(FIRST "module ../init\n"), "line 2: not a module's name");
	CHECK_STR(why(FIRST "module .x\n"), "line 2: not a module's name");
	CHECK_STR(why(FIRST "union btrfs\n"), "line 2: not overlay, aufs or snapshot");
	CHECK_STR(why(FIRST "init sbin/init\n"), "line 2: not the path of a program");
	CHECK_STR(why(FIRST "union snapshot\nimage /a ext2\nimage /b ext2\n"),
	          "line 4: a snapshot is made of one ext image");
	CHECK_STR(why(FIRST "union snapshot\nimage /a squashfs\n"), "line 3: a snapshot is made of one ext image");
}

TEST(conf_with_too_much)
{
	static char text[64 * KIB];
	struct text t = { text, sizeof(text), 0, false };

	text_add(&t, FIRST);
	for (unsigned i = 0; i <= CONF_IMAGES; i++)
		text_add(&t, "image /%u squashfs\n", i);
	CHECK_STR(why(text), "line 130: too many images");
	t.len = 0;
	text_add(&t, FIRST);
	for (unsigned i = 0; i <= CONF_MODULES; i++)
		text_add(&t, "module m%u\n", i);
	CHECK_STR(why(text), "line 514: too many modules");
}

#define FOUR                                                                                                           \
	FIRST "image /x/01-core.sfs squashfs\nimage /x/02-x.sfs squashfs\nimage /opt/03-kde.sfs squashfs\nimage "      \
	      "/x/04-x.sfs squashfs\n"

static const char *selected(const char *load, const char *noload)
{
	static char s[200];
	struct text t = { s, sizeof(s), 0, false };
	int r = parse(FOUR);

	CHECK_U64(r, 0);
	r = conf_select(&conf, load, noload);
	for (size_t i = 0; i < conf.n_images; i++)
		text_add(&t, "%.2s ", conf_image_name(&conf.image[i]));
	if (r < 0)
		text_add(&t, "%d", -r);
	return s;
}

TEST(selection_of_images)
{
	CHECK_STR(selected("", ""), "01 02 03 04 ");
	CHECK_STR(selected("core,kde", ""), "01 03 ");
	CHECK_STR(selected("", "-x"), "01 03 ");
	CHECK_STR(selected("0[1-3]*", "*kde*"), "01 02 ");
	CHECK_STR(selected("opt", ""), "01 02 03 04 2"); /* not in the directory's name; and never none */
	CHECK_STR(selected("", "*"), "01 02 03 04 2");
}

/* ---- /etc/fstab */

static const char *fstab(const char *in, int changed)
{
	static char s[1000];
	struct text t = { s, sizeof(s), 0, false };

	s[0] = '\0';
	CHECK_U64(fstab_harmless(in, &t), changed);
	return s;
}

TEST(fstab_of_an_installed_system)
{
	CHECK_STR(fstab("# /etc/fstab\n/dev/sda2 / ext3 defaults 0 1\n\t/dev/hda3 swap swap sw 0 0\nproc /proc proc "
	                "defaults 0 0\n"
	                "UUID=1-2 /boot vfat\nLABEL=x /x ext4\n\"UUID=1\" /y ext4\n/dev/disk/by-id/x /z ext4\n\n"
	                "tmpfs /tmp tmpfs\n/dev/cdrom /media/cdrom iso9660\n/dev/root / auto",
	                8),
	          "# /etc/fstab\n#livestick: /dev/sda2 / ext3 defaults 0 1\n#livestick: \t/dev/hda3 swap swap sw 0 0\n"
	          "proc /proc proc defaults 0 0\n#livestick: UUID=1-2 /boot vfat\n#livestick: LABEL=x /x ext4\n"
	          "#livestick: \"UUID=1\" /y ext4\n#livestick: /dev/disk/by-id/x /z ext4\n\ntmpfs /tmp tmpfs\n"
	          "#livestick: /dev/cdrom /media/cdrom iso9660\n#livestick: /dev/root / auto");
}

TEST(fstab_that_is_harmless_stays)
{
	static const char text[] = "proc /proc proc\ndevpts /dev/pts devpts\nnone /dev/shm tmpfs\n#/dev/sda1 / ext4\n"
	                           "#livestick: /dev/sda2 / ext3\nserver:/x /x nfs\n/dev/shm/x /y none bind\n";

	CHECK_STR(fstab(text, 0), text);
	CHECK_STR(fstab("", 0), "");
}

TEST(fstab_without_room)
{
	char s[40];
	struct text t = { s, sizeof(s), 0, false };

	CHECK(fstab_harmless("/dev/sda1 / ext4\n/dev/sda2 / ext4\n", &t) == -E2BIG);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
