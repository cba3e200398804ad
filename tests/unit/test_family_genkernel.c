/* SPDX-License-Identifier: GPL-3.0-or-later */
/* genkernel: its script as it is, and changed so that it saves. */
#include "tests/unit/family_case.h"

TEST(arguments_that_save)
{
	static const struct args_row row[] = {
		{ GENTOO_ARGS " vga=791", "", false, GENTOO_HEAD " vga=791 cdroot loop=/image.squashfs" },
		{ GENTOO_ARGS " vga=791", "", true,
		  GENTOO_HEAD " vga=791 overlayfs=UUID=" DATA_UUID " cdroot loop=/image.squashfs" },
		{ GENTOO_ARGS, "/slot-b", true,
		  GENTOO_HEAD " overlayfs=UUID=" DATA_UUID " cdroot cdroot_marker=/slot-b/livecd "
		              "loop=/slot-b/image.squashfs" },
		/* Whatever it had for changes before. */
		{ "overlayfs cdroot loop=/image.squashfs quiet", "", true,
		  "quiet overlayfs=UUID=" DATA_UUID " cdroot loop=/image.squashfs" },
		{ "aufs aufs=/dev/sda1,2 cdroot loop=/image.squashfs", "", true,
		  "overlayfs=UUID=" DATA_UUID " cdroot loop=/image.squashfs" },
		{ "overlayfs=/dev/sda1 looptype=squashfs cdroot", "", true,
		  "looptype=squashfs overlayfs=UUID=" DATA_UUID " cdroot" },
		/* Not saving: as it was, but for what saving has added. */
		{ "aufs overlayfs cdroot loop=/image.squashfs", "", false,
		  "aufs overlayfs cdroot loop=/image.squashfs" },
		{ "overlayfs=UUID=" DATA_UUID " cdroot loop=/image.squashfs quiet", "", false,
		  "quiet overlayfs cdroot loop=/image.squashfs" },
		/* Not those whose image no overlay is put over. */
		{ "cdroot looptype=zisofs loop=/zisofs", "", true, "looptype=zisofs cdroot loop=/zisofs" },
		{ "cdroot loop=/livecd.loop", "", true, "cdroot loop=/livecd.loop" },
		{ "cdroot loop=/image.squashfs crypt_root=/dev/loop0", "", true,
		  "crypt_root=/dev/loop0 cdroot loop=/image.squashfs" },
		{ "cdroot loop=/image.squashfs unionfs", "", true, "unionfs cdroot loop=/image.squashfs" },
		{ "cdroot", "", true, "cdroot" },
		{ "root=/dev/sda1", "", true, "root=/dev/sda1" },
		{ "dokeymap root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ cdroot", "", true,
		  "dokeymap root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ cdroot" },
		{ "", "", true, "" },
	};
	AUTO_MEDIA struct media m = media_make(GENTOO_TREE, GENTOO_INITRD, GENTOO_ARGS);

	CHECK_ARGS(&family_genkernel, &m, row);
	CHECK(!family_genkernel.keeps_nothing && family_genkernel.takes_slot);
}

TEST(arguments_that_do_not)
{
	static const struct args_row row[] = {
		{ GENTOO_ARGS " vga=791", "", false, GENTOO_HEAD " vga=791 cdroot loop=/image.squashfs" },
		{ GENTOO_ARGS, "", true, GENTOO_HEAD " cdroot loop=/image.squashfs" },
		{ GENTOO_ARGS, "/slot-b", false,
		  GENTOO_HEAD " cdroot cdroot_marker=/slot-b/livecd loop=/slot-b/image.squashfs" },
		{ "cdroot=/dev/sr0 cdroot_marker=/mark isoboot=/x.iso", "/slot-b", false,
		  "cdroot cdroot_marker=/slot-b/mark" },
		{ "cdroot cdroot_marker=mark loop=image.squashfs", "", false,
		  "cdroot cdroot_marker=/mark loop=/image.squashfs" },
		{ "dokeymap root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ cdroot", "", false,
		  "dokeymap root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ cdroot" },
		{ "root=/dev/sda1", "", false, "root=/dev/sda1" },
		{ "", "", false, "" },
	};
	AUTO_MEDIA struct media m = media_make(GENTOO_TREE, GENTOO_PLAIN, GENTOO_ARGS);

	CHECK_ARGS(&family_genkernel_plain, &m, row);
	CHECK(family_genkernel_plain.keeps_nothing && family_genkernel_plain.takes_slot);
}

static void check_scores(const char *tree, const char *initrd, const char *args, int saving, int plain)
{
	AUTO_MEDIA struct media m = media_make(tree, initrd, args);
	int got[] = { family_genkernel.score(media_facts(&m)), family_genkernel_plain.score(media_facts(&m)) };

	if (got[0] != saving || got[1] != plain)
		test_fail(__FILE__, __LINE__, "%s: %d and %d, not %d and %d", initrd ? initrd : args, got[0], got[1],
		          saving, plain);
}

/* The script is the one that is known, or it is left as it is. */
TEST(which_script)
{
	static const char *const other[] = {
		"rm etc/initrd.scripts",
		"echo 'overlayfs_dev=' >init",
		"rm -r lib/modules",
		"echo kernel/fs/other.ko >lib/modules/5/modules.builtin",
		"sed -i 's/^setup_overlayfs/setup_overlay/' etc/initrd.scripts",
		"sed -i 's,=/mnt/overlay,=/mnt/other,' etc/initrd.scripts",
		"sed -i 's/mount -t tmpfs none/mount -t tmpfs tmpfs/' etc/initrd.scripts",
		"sed -i 's/\tmount -t tmpfs/\trun mount -t tmpfs/' etc/initrd.scripts",
		"sed -i '/mkdir/d' etc/initrd.scripts",
		"sed -i 's/\tmkdir.*/&\\n&/' etc/initrd.scripts",
		"sed -i 's,/etc/fstab,/etc/fstab # x,' etc/initrd.scripts",
		"sed -n '/setup_overlayfs/,/^}/p' etc/initrd.scripts >x && cat x >>etc/initrd.scripts",
		"sed -i '/^}/d' etc/initrd.scripts",
		"sed -i 's/.*tmpfs.*/}\\n&/' etc/initrd.scripts",
		": >etc/initrd.scripts",
	};

	check_scores(GENTOO_TREE, GENTOO_INITRD, GENTOO_ARGS, 100, 0);
	check_scores(GENTOO_TREE, GENTOO_INITRD, "quiet", 80, 0);
	check_scores(GENTOO_TREE,
	             GENTOO_INITRD " && rm lib/modules/5/modules.builtin && echo x >lib/modules/5/overlay.ko.xz",
	             GENTOO_ARGS, 100, 0);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		AUTO_BUF struct buf initrd = { 0 };

		buf_addf(&initrd, "%s && %s", GENTOO_INITRD, other[i]);
		check_scores(GENTOO_TREE, initrd.s, GENTOO_ARGS, 0, 100);
	}
	check_scores(GENTOO_TREE, NULL, GENTOO_ARGS, 0, 100);
	check_scores(GENTOO_TREE, NULL, "quiet", 0, 50);
	check_scores(GENTOO_TREE, NULL,
	             "dokeymap root=live:CDLABEL=Gentoo-amd64-20240602 rd.live.dir=/ rd.live.squashimg=image.squashfs "
	             "cdroot",
	             0, 0);
}

TEST(what_it_says)
{
	AUTO_MEDIA struct media m = media_make(GENTOO_TREE, GENTOO_INITRD, GENTOO_ARGS);
	AUTO_MEDIA struct media tree = media_make(GENTOO_TREE, NULL, "quiet");
	AUTO_MEDIA struct media no_image = media_make(GENTOO_TREE " && rm image.squashfs", NULL, GENTOO_ARGS);
	AUTO_MEDIA struct media no_marker = media_make(GENTOO_TREE " && rm livecd", NULL, GENTOO_ARGS);

	CHECK_SAYS(family_genkernel.refuse, &m, NULL);
	CHECK_SAYS(family_genkernel_plain.refuse, &no_image, "no /image.squashfs");
	CHECK_SAYS(family_genkernel_plain.refuse, &no_marker, "no /livecd");
	CHECK_SAYS(family_genkernel.version, &m, "genkernel 4.3.16");
	CHECK_SAYS(family_genkernel_plain.version, &tree, NULL);
	/* The list of drivers in the kernel has only the overlay. */
	CHECK_SAYS(family_genkernel.doubt, &m, "no driver for ext4");
	CHECK(proves(&family_genkernel, "/dev/sda2 /mnt/overlay ext4 rw,noatime 0 0"));
	CHECK(!proves(&family_genkernel, "none /mnt/overlay tmpfs rw,relatime 0 0"));
}

/* ---- the changed script */

/* Writes it to etc/initrd.scripts in the sandbox, by cpio from the archive; false: there is no archive. */
static bool unpack_script(struct media *m)
{
	AUTO_FREE char *path = sandbox_path("over.cpio"), *dir = sandbox_path("over");
	CLEANUP(newc_free) struct newc over = { 0 };
	FILE *f;

	family_genkernel.add_over(media_facts(m), &over);
	newc_end(&over);
	if (!over.data.len)
		return false;
	f = fopen(path, "we");
	CHECK(f && fwrite(over.data.s + 512, 1, over.data.len - 512, f) == over.data.len - 512);
	if (f)
		fclose(f);
	CHECK_U64(sandbox_run("rm -rf '%s' && mkdir -p '%s/etc' && cd '%s' && cpio -i --quiet <'%s' && "
	                      "test -x etc/initrd.scripts && test $(find . -type f | wc -l) = 1",
	                      dir, dir, dir, path),
	          0);
	return true;
}

TEST(the_changed_script)
{
	static const char want[] =
	    "modules_load() {\n"
	    "}\n"
	    "\n"
	    "# By livestick: mounts the partition of overlayfs=UUID=... at ${overlay}; 1: there shall be a tmpfs.\n"
	    "livestick_data() {\n"
	    "\tlocal dev= tries= why= answer=\n"
	    "\n"
	    "\t[ -n \"${overlayfs_dev}\" ] || return 1\n"
	    "\tmodprobe ext4 >/dev/null 2>&1\n"
	    "\twhile :\n"
	    "\tdo\n"
	    "\t\twhy='was not found'\n"
	    "\t\ttries=0\n"
	    "\t\twhile dev=$(findfs \"${overlayfs_dev}\" 2>/dev/null); [ ! -b \"${dev}\" ] && [ ${tries} -lt 30 ]\n"
	    "\t\tdo\n"
	    "\t\t\tsleep 1\n"
	    "\t\t\ttries=$((tries + 1))\n"
	    "\t\tdone\n"
	    "\t\tif [ -b \"${dev}\" ]\n"
	    "\t\tthen\n"
	    "\t\t\twhy=\n"
	    "\t\t\tif hash e2fsck >/dev/null 2>&1\n"
	    "\t\t\tthen\n"
	    "\t\t\t\te2fsck -p \"${dev}\"\n"
	    "\t\t\t\t[ $(($? & 4)) -eq 0 ] || why='has errors that e2fsck must repair by hand'\n"
	    "\t\t\tfi\n"
	    "\t\t\t[ -z \"${why}\" ] && mount -t ext4 -o noatime \"${dev}\" \"${overlay}\" && return 0\n"
	    "\t\t\twhy=${why:-cannot be mounted}\n"
	    "\t\tfi\n"
	    "\t\tbad_msg \"The partition for changes (${overlayfs_dev}) ${why}: what you change would be lost!\"\n"
	    "\t\tif [ -f \"${GK_USERINTERACTION_DISABLED_STATEFILE}\" ]\n"
	    "\t\tthen\n"
	    "\t\t\tsleep 10\n"
	    "\t\t\tcontinue\n"
	    "\t\tfi\n"
	    "\t\tprintf '%s' 'Enter: look again, c: start without saving, this once, s: shell :: '\n"
	    "\t\tread answer || sleep 10\n"
	    "\t\tcase \"${answer}\" in\n"
	    "\t\t\tc) return 1 ;;\n"
	    "\t\t\ts) run_shell ;;\n"
	    "\t\tesac\n"
	    "\tdone\n"
	    "}\n"
	    "\n"
	    "setup_overlayfs() {\n"
	    "\tlocal overlay=/mnt/overlay\n"
	    "\tlocal upperdir=\"${overlay}/.upper\"\n"
	    "\tlocal workdir=\"${overlay}/.work\"\n"
	    "\tlivestick_data || mount -t tmpfs none \"${overlay}\"\n"
	    "\tmkdir -p \"${upperdir}\" \"${workdir}\"\n"
	    "\t[ -e \"${upperdir}/etc/fstab\" ] || echo \"overlay / overlay defaults 0 0\" > "
	    "\"${NEW_ROOT}\"/etc/fstab\n"
	    "}\n"
	    "\n"
	    "cleanup() {\n"
	    "}\n";
	AUTO_MEDIA struct media m = media_make(GENTOO_TREE, GENTOO_INITRD, GENTOO_ARGS);
	AUTO_MEDIA struct media other = media_make(GENTOO_TREE, GENTOO_PLAIN, GENTOO_ARGS);
	AUTO_FREE char *dir = sandbox_path("over");

	if (CHECK(unpack_script(&m)), sandbox_run("cat '%s/etc/initrd.scripts'", dir) == 0)
		CHECK_STR(sandbox_said(), want);
	CHECK(!unpack_script(&other));
}

/*
 * What a shell does with it: `answers` are typed at the question, `state` are commands before. The programs that it
 * calls only say so; "dev" stands for a partition that findfs finds.
 */
static void check_run(const char *state, const char *answers, const char *want)
{
	AUTO_FREE char *dir = sandbox_path("over");

	if (sandbox_run(
	        "cd '%s' && rm -rf bin new dev ov damaged broken state && mkdir -p bin new/etc ov && "
	        "sed -e 's/-b /-e /' -e \"s,=/mnt/overlay,=ov,\" -e '/^modules_load/,/^}/d' "
	        "-e '/^cleanup/,/^}/d' etc/initrd.scripts >script && "
	        "for p in modprobe sleep mount; do printf '#!/bin/sh\\n' >bin/$p; done && "
	        "echo 'echo \"mount $*\"; test \"$5\" != dev -o ! -e broken' >>bin/mount && "
	        "printf '#!/bin/sh\\ntest -e dev && echo dev\\n' >bin/findfs && chmod 755 bin/* && "
	        "overlayfs_dev=UUID=1 && NEW_ROOT=new && bad_msg() { echo \"!! $1\"; } && "
	        "run_shell() { echo shell; touch dev; } && PATH=$PWD/bin:/usr/bin:/bin && { %s; } && . ./script && "
	        "printf '%s' | setup_overlayfs && cat new/etc/fstab",
	        dir, state, answers) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", state, sandbox_said());
	CHECK_STR(sandbox_said(), want);
}

#define MOUNTED "mount -t ext4 -o noatime dev ov\n"
#define TMPFS   "mount -t tmpfs none ov\n"
#define FSTAB   "overlay / overlay defaults 0 0\n"
#define ASKED(why)                                                                                                     \
	"!! The partition for changes (UUID=1) " why ": what you change would be lost!\n"                              \
	"Enter: look again, c: start without saving, this once, s: shell :: "

TEST(what_the_script_does)
{
	static const char fsck[] =
	    "touch dev && printf '#!/bin/sh\\necho \"$0 $*\" | sed s,.*/,,\\nexit %s\\n' >bin/e2fsck && "
	    "chmod 755 bin/e2fsck";
	AUTO_MEDIA struct media m = media_make(GENTOO_TREE, GENTOO_INITRD, GENTOO_ARGS);
	AUTO_BUF struct buf damaged = { 0 }, repaired = { 0 };

	CHECK(unpack_script(&m));
	check_run("touch dev", "", MOUNTED FSTAB);
	check_run("overlayfs_dev=", "", TMPFS FSTAB);
	/* The user's own, from the second start on. */
	check_run("touch dev && mkdir -p ov/.upper/etc && echo mine | tee ov/.upper/etc/fstab new/etc/fstab >/dev/null",
	          "", MOUNTED "mine\n");
	check_run(":", "c\\n", ASKED("was not found") TMPFS FSTAB);
	check_run(":", "\\nc\\n", ASKED("was not found") ASKED("was not found") TMPFS FSTAB);
	check_run(":", "s\\n", ASKED("was not found") "shell\n" MOUNTED FSTAB);
	check_run("touch dev broken", "c\\n", MOUNTED ASKED("cannot be mounted") TMPFS FSTAB);
	buf_addf(&damaged, fsck, "12");
	check_run(damaged.s, "c\\n", "e2fsck -p dev\n" ASKED("has errors that e2fsck must repair by hand") TMPFS FSTAB);
	buf_addf(&repaired, fsck, "1");
	check_run(repaired.s, "", "e2fsck -p dev\n" MOUNTED FSTAB);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
