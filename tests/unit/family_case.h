/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of the smaller families share: media made of a few files, tables of arguments before and after. */
#ifndef LIVESTICK_TESTS_FAMILY_CASE_H
#define LIVESTICK_TESTS_FAMILY_CASE_H

#include <regex.h>
#include <stdio.h>

#include "persist/family.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

extern const struct family family_linux_live, family_minios, family_porteus, family_liveslak, family_liveslak_old,
    family_antix, family_puppy, family_easyos, family_tinycore, family_alpine, family_alpine_plain, family_nixos,
    family_genkernel, family_genkernel_plain, family_knoppix, family_knoppix_plain, family_mageia, family_ubuntu_core;

/* As they may stand in the table. */
static const struct family *const case_families[] = {
	&family_minios,        &family_easyos,       &family_ubuntu_core,     &family_linux_live,   &family_porteus,
	&family_liveslak,      &family_antix,        &family_puppy,           &family_liveslak_old, &family_tinycore,
	&family_alpine,        &family_nixos,        &family_mageia,          &family_genkernel,    &family_knoppix,
	&family_knoppix_plain, &family_alpine_plain, &family_genkernel_plain,
};

#define BOOT_UUID "1234-ABCD"
#define DATA_UUID "0f3e7c1a-5b2d-8c44-9a10-6e5f4d3c2b1a"

struct media {
	struct source *source;
	struct initrd *initrd;
	const char *args[8];
	struct family_facts facts;
};

static inline void media_free(struct media *m)
{
	initrd_free(m->initrd);
	source_free(m->source);
}

#define AUTO_MEDIA CLEANUP(media_free)

static inline void media_fails(const char *what, const char *why)
{
	printf("# %s: %s\n", what, why);
	exit(99);
}

/* The texts of all of them, as when a source is read and its family is not known. The caller frees. */
static inline const char **case_texts(void)
{
	const char **globs = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < ARRAY_SIZE(case_families); i++)
		for (const char *const *t = case_families[i]->texts; t && *t; t++)
			*ARRAY_ADD(globs, n, cap) = *t;
	*ARRAY_ADD(globs, n, cap) = NULL;
	return globs;
}

static inline struct initrd *media_initrd(const char *commands)
{
	AUTO_FREE char *dir = sandbox_path("initrd"), *path = sandbox_path("initrd.img");
	AUTO_FREE const char **globs = case_texts();
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf image = { 0 };
	struct initrd *rd = NULL;
	char piece[4096];
	FILE *in;

	if (sandbox_run("rm -rf '%s' && mkdir '%s' && cd '%s' && %s && find . | cpio -o -H newc --quiet | gzip >'%s'",
	                dir, dir, dir, commands, path) != 0)
		media_fails(commands, sandbox_said());
	in = fopen(path, "re");
	for (size_t n; in && (n = fread(piece, 1, sizeof(piece), in)) > 0;)
		buf_add(&image, piece, n);
	if (in)
		fclose(in);
	if (initrd_open(input_memory(image.s), image.len, "initrd.img", globs, &rd, &e) < 0)
		media_fails(commands, e.text);
	return rd;
}

/*
 * A medium whose tree and initrd (NULL: none that can be read) shell commands make, with the arguments of one entry
 * (NULL: no entries). A directory is the source; what is known of it is known now, for the next one takes its place.
 */
static inline struct media media_make(const char *tree, const char *initrd, const char *args)
{
	AUTO_FREE char *dir = sandbox_path("tree");
	AUTO_ERR struct err e = { 0 };
	struct media m = { 0 };

	if (sandbox_run("rm -rf '%s' && mkdir '%s' && cd '%s' && %s", dir, dir, dir, tree) != 0 ||
	    source_open(dir, &m.source, &e) < 0)
		media_fails(tree, e.text ? e.text : sandbox_said());
	m.initrd = initrd ? media_initrd(initrd) : NULL;
	m.args[0] = args;
	return m;
}

/* Points into `m`, which must stay where it is. */
static inline const struct family_facts *media_facts(struct media *m)
{
	m->facts = (struct family_facts){
		.source = m->source,
		.cmdlines = m->args,
		.initrds = (const struct initrd *const *)&m->initrd,
		.n_initrds = m->initrd != NULL,
	};
	while (m->facts.n_cmdlines < ARRAY_SIZE(m->args) && m->args[m->facts.n_cmdlines])
		m->facts.n_cmdlines++;
	return &m->facts;
}

static inline struct family_medium the_medium(const char *slot, bool persistent)
{
	return (struct family_medium){
		.boot_uuid = BOOT_UUID,
		.data_uuid = DATA_UUID,
		.boot_label = "ISO_LABEL",
		.label = "persist-0abc",
		.slot = slot,
		.data_room = GIB,
		.persistent = persistent,
	};
}

struct args_row {
	const char *args, *slot;
	bool persistent;
	const char *want;
};

/* Each row as it shall be, also when it is rewritten once more, and short enough for Linux. */
static inline void check_args(const struct family *family, const struct family_facts *f, const struct args_row *row,
                              size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct family_medium m = the_medium(row[i].slot, row[i].persistent);
		AUTO_BUF struct buf once = { 0 }, twice = { 0 };

		family->rewrite(f, row[i].args, &m, &once);
		CHECK_STR(once.s, row[i].want);
		CHECK(once.len < 2047);
		family->rewrite(f, once.s ? once.s : "", &m, &twice);
		CHECK_STR(twice.s, row[i].want);
	}
}

#define CHECK_ARGS(family, m, rows) check_args(family, media_facts(m), rows, ARRAY_SIZE(rows))

/* What refuse(), doubt() or version() give contains `words`, or is nothing (NULL). */
static inline void check_says(int line, char *(*fn)(const struct family_facts *f), struct media *m, const char *words)
{
	AUTO_FREE char *said = fn ? fn(media_facts(m)) : NULL;

	if (words ? !said || !strstr(said, words) : said != NULL)
		test_fail(__FILE__, line, "says \"%s\", not \"%s\"", said ? said : "(nothing)",
		          words ? words : "(nothing)");
}

#define CHECK_SAYS(fn, m, words) check_says(__LINE__, fn, m, words)

static inline bool proves(const struct family *family, const char *line)
{
	regex_t re;
	bool yes;

	if (!family->proof || regcomp(&re, family->proof, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	yes = regexec(&re, line, 0, NULL, 0) == 0;
	regfree(&re);
	return yes;
}

/* ---- the media, as far as families look at them: the tree, the initrd, the arguments of an entry */

#define SLAX_TREE                                                                                                      \
	"mkdir -p slax/boot slax/modules && echo x | tee slax/boot/vmlinuz slax/boot/initrfs.img slax/01-core.sb "     \
	"slax/02-xorg.sb >/dev/null"
#define KIT_INITRD(name)                                                                                               \
	"mkdir lib && ln -s bin sbin && echo '. /lib/livekitlib' >init && "                                            \
	"printf 'LIVEKITNAME=\"" name "\"\\nBEXT=sb\\n' >lib/config && "                                               \
	"echo 'find_data_try() { :; }' >lib/livekitlib"
#define SLAX_ARGS "vga=normal load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 consoleblank=0"
#define MINIOS_TREE                                                                                                    \
	"mkdir -p minios/boot minios/changes minios/modules && echo x | tee minios/boot/vmlinuz-6.1 "                  \
	"minios/boot/initrfs-6.1.img minios/00-core.sb >/dev/null"
#define MINIOS_INITRD                                                                                                  \
	"mkdir -p usr/lib etc && ln -s usr/lib lib && printf 'LIVEKITNAME=\"minios\"\\nBEXT=$(cmdline_value "          \
	"bext)\\n' "                                                                                                   \
	">init && echo 'manage_perch_partition() { :; }' >usr/lib/livekitlib && "                                      \
	"printf 'NAME=MiniOS\\nVERSION=\"5.1.1\"\\nEDITION=Standard\\n' >etc/minios-release"
#define MINIOS_ARGS                                                                                                    \
	"boot=live load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 consoleblank=0 net.ifnames=0 biosdevname=0 quiet"
#define PORTEUS_TREE                                                                                                   \
	"mkdir -p boot/syslinux porteus/base porteus/modules && echo x | tee boot/syslinux/vmlinuz "                   \
	"boot/syslinux/initrd.xz porteus/porteus-v5.01-x86_64.cfg porteus/base/000-kernel.xzm "                        \
	"porteus/base/001-core.xzm >/dev/null"
#define PORTEUS_INITRD(finit)                                                                                          \
	"mkdir -p etc/porteus && echo 'CHANGES=`value changes`' >linuxrc && echo '" finit "' >finit && "               \
	"echo initrd.xz:20230923 >etc/porteus/initrd.ver"
#define SLAK_TREE                                                                                                      \
	"mkdir -p boot liveslak/system liveslak/addons && echo x | tee boot/generic boot/initrd.img "                  \
	"liveslak/system/0010-slackware_min-current-x86_64.sxz "                                                       \
	"liveslak/system/0099-slackware_zzzconf-current-x86_64.sxz >/dev/null"
#define SLAK_INITRD(version, more)                                                                                     \
	"printf 'MEDIALABEL=\"LIVESLAK\"\\n\\nLIVEMAIN=\"liveslak\"\\nPERSISTENCE=\"persistence\"\\n" more             \
	"DISTRO=\"slackware\"\\nVERSION=\"" version "\"\\n' >init"
#define SLAK_NEW   SLAK_INITRD("1.8.2", "PERSISTPART=\"\"\\n")
#define SLAK_OLD   SLAK_INITRD("1.3.5", "")
#define SLAK_ARGS  "threadirqs loglevel=3 audit=0 load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 kbd=us tz=UTC"
#define ANTIX_TREE "mkdir antiX && echo x | tee antiX/linuxfs antiX/vmlinuz antiX/initrd.gz >/dev/null"
#define ANTIX_INITRD                                                                                                   \
	"mkdir -p live/custom/antiX && echo x >live/custom/antiX/0.sh && "                                             \
	"printf '  ME=\"initrd init\"\\n   VERSION=\"8.30.14-x14\"\\n SQFILE_NAME=\"linuxfs\"\\n' >init"
#define PUPPY_TREE                                                                                                     \
	"echo x | tee vmlinuz initrd.gz ucode.cpio puppy_fossapup64_9.5.sfs zdrv_fossapup64_9.5.sfs >/dev/null"
#define PUPPY_INITRD(init)                                                                                             \
	"echo '" init "' >init && printf \"DISTRO_NAME='fossapup64'\\nDISTRO_VERSION='9.5'\\n"                         \
	"DISTRO_PUPPYSFS='puppy_fossapup64_9.5.sfs'\\n\" >DISTRO_SPECS"
#define PUPPY_NEW PUPPY_INITRD("[ $psave ] && PSAVE=$psave")
#define CORE_TREE                                                                                                      \
	"mkdir -p boot/isolinux cde/optional && echo x | tee boot/vmlinuz64 boot/corepure64.gz "                       \
	"cde/optional/aterm.tcz "                                                                                      \
	">/dev/null && echo aterm.tcz >cde/onboot.lst"
#define CORE_INITRD "mkdir -p etc/init.d && echo x >etc/init.d/tc-config && echo VERSION_ID=15.0 >etc/os-release"
#define ALPINE_TREE                                                                                                    \
	"mkdir -p boot apks/x86_64 && echo x | tee boot/vmlinuz-lts boot/initramfs-lts boot/modloop-lts "              \
	"apks/.boot_repository .alpine-release >/dev/null"
/* The init of mkinitfs, as far as it is looked at; the old one leaves the archive's partition where it is. */
#define ALPINE_OLD                                                                                                     \
	"mkdir sbin && echo x >sbin/nlplug-findfs && printf '#!/bin/sh\\nVERSION=3.5.0-r0\\n"                          \
	"ovl=$(head -n 1 /tmp/apkovls)\\nrm -f etc/.default_boot_services\\nmount -o move a b\\n' >init"
#define ALPINE_INITRD                                                                                                  \
	ALPINE_OLD " && sed -i s/3.5.0/3.10.1/ init && printf 'echo \"$ovl\" | cat - \"$repofile\"\\n"                 \
	           "mount -o remount,\"$mntopts\" \"$mnt\"\\n' >>init"
#define ALPINE_MODULES "modules=loop,squashfs,sd-mod,usb-storage"
#define ALPINE_ARGS    ALPINE_MODULES " quiet"
#define NIXOS_TREE     "mkdir boot && echo x | tee boot/bzImage boot/initrd nix-store.squashfs >/dev/null"
#define NIXOS_INIT     "init=/nix/store/4vxz5xb9-nixos-system-nixos-24.11/init"
#define GENTOO_TREE                                                                                                    \
	"mkdir isolinux && echo x | tee livecd image.squashfs isolinux/gentoo isolinux/gentoo.igz >/dev/null"
#define GENTOO_PLAIN "mkdir etc && echo x >etc/initrd.defaults && echo 'Genkernel 4.3.16' >etc/build_id"
/* A script in the shape of genkernel's, as far as it is looked at. */
#define GENTOO_INITRD                                                                                                  \
	GENTOO_PLAIN                                                                                                   \
	" && echo 'overlayfs_dev=${x#*=}' >init && mkdir -p lib/modules/5 && "                                         \
	"echo kernel/fs/overlayfs/overlay.ko >lib/modules/5/modules.builtin && "                                       \
	"printf '%s\\n' 'modules_load() {' '}' '' 'setup_overlayfs() {' '\tlocal overlay=/mnt/overlay' "               \
	"'\tlocal upperdir=\"${overlay}/.upper\"' '\tlocal workdir=\"${overlay}/.work\"' "                             \
	"'\tmount -t tmpfs none \"${overlay}\"' '\tmkdir \"${upperdir}\" \"${workdir}\"' "                             \
	"'\techo \"overlay / overlay defaults 0 0\" > \"${NEW_ROOT}\"/etc/fstab' '}' '' 'cleanup() {' '}' "            \
	">etc/initrd.scripts"
#define GENTOO_HEAD  "root=/dev/ram0 init=/linuxrc dokeymap looptype=squashfs"
#define GENTOO_ARGS  GENTOO_HEAD " loop=/image.squashfs cdroot"
#define KNOPPIX_TREE "mkdir -p KNOPPIX boot/isolinux && echo x | tee KNOPPIX/KNOPPIX KNOPPIX/KNOPPIX1 >/dev/null"
#define KNOPPIX_NEW  "echo 'mount LABEL=KNOPPIX-DATA; checkbootparam noimage' >init"
#define KNOPPIX_ARGS "ramdisk_size=100000 lang=de vt.default_utf8=0 apm=power-off nomce tz=localtime"
#define MAGEIA_TREE  "mkdir -p loopbacks boot/cdrom && echo x | tee loopbacks/distrib.sqfs boot/vmlinuz >/dev/null"
#define MAGEIA_TAIL  "splash quiet noiswmd audit=0 rd.luks=0 rd.lvm=0 rd.md=0 rd.dm=0 vga=788"
#define MAGEIA_ARGS  "root=mgalive:LABEL=Mageia-9-Live-Plasma-x86_64 " MAGEIA_TAIL
#define MAGEIA_INITRD(script)                                                                                          \
	"mkdir -p sbin usr/lib/dracut/hooks/cmdline && echo '" script "' >sbin/mgalive-root && "                       \
	"echo x >usr/lib/dracut/hooks/cmdline/30-parse-mgalive.sh"

#endif
