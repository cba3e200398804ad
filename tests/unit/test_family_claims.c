/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which family a medium is taken for: each against all the others, and against media of other families. */
#include "tests/unit/family_case.h"

#define LIVE   "mkdir -p live && echo hsqs >live/filesystem.squashfs"
#define CASPER "mkdir -p casper .disk && echo hsqs >casper/filesystem.squashfs && echo x >.disk/casper-uuid-generic"
#define LIVEOS "mkdir -p LiveOS images/pxeboot && echo hsqs >LiveOS/squashfs.img"
#define ARCH   "mkdir -p arch/x86_64 && echo hsqs >arch/x86_64/airootfs.sfs"
#define EARLY  "mkdir -p kernel/x86/microcode && echo x >kernel/x86/microcode/GenuineIntel.bin"

/* With equal scores the first wins, as in the table; those that MiniOS' "boot=live" would be taken for come later. */
static const struct family *detect(const struct family_facts *f)
{
	static const struct family *const later[] = { &family_tails, &family_windows, &family_live_boot };
	const struct family *best = NULL;
	int top = 0;

	for (size_t i = 0; i < ARRAY_SIZE(case_families) + ARRAY_SIZE(later); i++) {
		const struct family *family =
		    i < ARRAY_SIZE(case_families) ? case_families[i] : later[i - ARRAY_SIZE(case_families)];
		int score = family->score(f);

		if (score > top) {
			top = score;
			best = family;
		}
	}
	return best;
}

static const struct {
	const char *tree, *initrd, *args, *family;
} media[] = {
	{ SLAX_TREE, KIT_INITRD("slax"), SLAX_ARGS " perchdir=resume", "linux-live" },
	{ SLAX_TREE, KIT_INITRD("slax"), SLAX_ARGS, "linux-live" },
	{ SLAX_TREE, NULL, SLAX_ARGS, "linux-live" },
	{ MINIOS_TREE, MINIOS_INITRD, MINIOS_ARGS " perchdir=resume", "minios" },
	{ MINIOS_TREE, NULL, MINIOS_ARGS, "minios" },
	{ PORTEUS_TREE, PORTEUS_INITRD("UUID:"), "changes=/porteus", "porteus" },
	{ PORTEUS_TREE, PORTEUS_INITRD("UUID:"), "nomagic base_only", "porteus" },
	{ PORTEUS_TREE, NULL, "copy2ram", "porteus" },
	{ SLAK_TREE, SLAK_NEW, SLAK_ARGS, "liveslak" },
	{ SLAK_TREE, SLAK_OLD, SLAK_ARGS, "liveslak-old" },
	{ SLAK_TREE, NULL, SLAK_ARGS, "liveslak" },
	{ ANTIX_TREE, ANTIX_INITRD, "quiet splasht disable=lxF", "antix" },
	{ ANTIX_TREE, NULL, "quiet splasht disable=lxF", "antix" },
	{ PUPPY_TREE, PUPPY_NEW, "pmedia=cd", "puppy" },
	{ PUPPY_TREE, NULL, "pfix=ram", "puppy" },
	{ PUPPY_TREE, NULL, "", "puppy" },
	{ "mkdir easyos && echo x >easyos/easy.sfs", NULL, "wkg_uuid=1 wkg_dir=easyos/", "easyos" },
	{ CORE_TREE, CORE_INITRD, "loglevel=3 cde", "tinycore" },
	{ CORE_TREE, NULL, "loglevel=3", "tinycore" },
	{ ALPINE_TREE, ALPINE_INITRD, ALPINE_ARGS, "alpine" },
	{ ALPINE_TREE, ALPINE_OLD, ALPINE_ARGS, "alpine-plain" },
	{ ALPINE_TREE " && echo x >host.apkovl.tar.gz", ALPINE_INITRD, ALPINE_ARGS, "alpine-plain" },
	{ ALPINE_TREE, NULL, "quiet", "alpine-plain" },
	{ NIXOS_TREE, NULL, NIXOS_INIT " root=LABEL=nixos-24.11-x86_64", "nixos" },
	{ GENTOO_TREE, GENTOO_INITRD, GENTOO_ARGS, "genkernel" },
	{ GENTOO_TREE, GENTOO_PLAIN, GENTOO_ARGS, "genkernel-plain" },
	{ GENTOO_TREE, NULL, GENTOO_ARGS, "genkernel-plain" },
	{ KNOPPIX_TREE, KNOPPIX_NEW, KNOPPIX_ARGS, "knoppix" },
	{ KNOPPIX_TREE, NULL, KNOPPIX_ARGS, "knoppix-plain" },
	{ MAGEIA_TREE, NULL, MAGEIA_ARGS, "mageia" },
	{ "true", NULL, "snapd_recovery_mode=install", "ubuntu-core" },
	/* Other families' media, with initrds that are not ours. */
	{ LIVE, EARLY, "boot=live components quiet splash", "live-boot" },
	{ LIVE, EARLY, "boot=live persistence username=user ocs_live_run=\"ocs-live-general\"", "live-boot" },
	{ LIVE, "echo x >linuxrc && echo UUID: >finit", "boot=live from=/dev/sda1 changes=/live", "live-boot" },
	{ CASPER, "mkdir scripts && echo x >scripts/casper", "boot=casper quiet splash ---", NULL },
	{ CASPER, EARLY, "file=/cdrom/preseed/ubuntu.seed --- quiet splash", NULL },
	{ CASPER, NULL, "boot=live live-media-path=/casper", "live-boot" },
	{ LIVEOS, "mkdir sbin && echo x >sbin/dmsquash-live-root",
	  "root=live:CDLABEL=Fedora-WS-Live-41-1-4 rd.live.image quiet rhgb", NULL },
	{ LIVEOS, EARLY, "inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 quiet", NULL },
	{ GENTOO_TREE, "mkdir sbin && echo x >sbin/dmsquash-live-root",
	  "dokeymap root=live:CDLABEL=Gentoo rd.live.dir=/ rd.live.squashimg=image.squashfs cdroot", NULL },
	{ ARCH, "mkdir hooks && echo x >hooks/archiso", "archisobasedir=arch archisosearchuuid=2024-06-01-10-00-00-00",
	  NULL },
	{ "mkdir -p manjaro/x86_64 boot && echo x | tee .miso manjaro/x86_64/rootfs.sfs >/dev/null", EARLY,
	  "misobasedir=manjaro misolabel=MANJARO_KDE_2401 quiet", NULL },
	{ "mkdir -p isolinux slackware64 kernels && echo x >isolinux/initrd.img", EARLY,
	  "load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 nomodeset SLACK_KERNEL=huge.s", NULL },
	{ "echo x >SYSTEM.img && mkdir boot && echo x >boot/livecd-kernel", "echo x >init", "rootdelay=10 quiet",
	  NULL },
	{ "mkdir -p boot sources && echo x | tee bootmgr sources/boot.wim >/dev/null", NULL, "", "windows" },
	{ "true", "echo x >init", "", NULL },
	{ "true", NULL, NULL, NULL },
};

TEST(each_medium_is_taken_for_what_it_is)
{
	for (size_t i = 0; i < ARRAY_SIZE(media); i++) {
		AUTO_MEDIA struct media m = media_make(media[i].tree, media[i].initrd, media[i].args);
		const struct family *family = detect(media_facts(&m));

		if (media[i].family ? !family || strcmp(family->name, media[i].family) != 0 : family != NULL)
			test_fail(__FILE__, __LINE__, "row %zu (%s): %s", i,
			          media[i].args ? media[i].args : "no entries", family ? family->name : "none");
	}
}

TEST(no_two_of_them_claim_a_medium)
{
	for (size_t i = 0; i < ARRAY_SIZE(media); i++) {
		AUTO_MEDIA struct media m = media_make(media[i].tree, media[i].initrd, media[i].args);
		size_t claims = 0;

		for (size_t k = 0; k < ARRAY_SIZE(case_families); k++)
			claims += case_families[k]->score(media_facts(&m)) > 0;
		if (claims > 1)
			test_fail(__FILE__, __LINE__, "row %zu (%s): %zu claim it", i,
			          media[i].args ? media[i].args : "no entries", claims);
	}
}

TEST(every_row_is_whole)
{
	for (size_t i = 0; i < ARRAY_SIZE(case_families); i++) {
		const struct family *f = case_families[i];

		CHECK(f->name && f->title && f->score && f->rewrite);
		CHECK(!f->data_label || strlen(f->data_label) <= 16);
		CHECK(!(f->system_on_data && f->takes_slot));
		CHECK(!f->keeps_nothing || (f->limits && f->limits[0] && !f->proof && !f->n_data && !f->add_data));
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(f->name, case_families[k]->name) != 0);
		for (const char *const *l = f->limits; l && *l; l++)
			CHECK(**l && (*l)[strlen(*l) - 1] != '.');
	}
}

TEST(lines_grow_by_little)
{
	AUTO_MEDIA struct media m = media_make("true", NULL, NULL);
	const struct family_medium medium = the_medium("/slot-b", true);
	AUTO_BUF struct buf line = { 0 };

	while (line.len < 1700)
		buf_addf(&line, "%sword%zu=value", line.len ? " " : "", line.len);
	for (size_t i = 0; i < ARRAY_SIZE(case_families); i++) {
		AUTO_BUF struct buf out = { 0 };

		case_families[i]->rewrite(media_facts(&m), line.s, &medium, &out);
		CHECK(out.len < 2047 && out.len >= line.len);
	}
}

/* Arguments are from an ISO: blanks in values, values without anything, nothing but equals signs. */
TEST(odd_arguments)
{
	static const char *const odd[] = {
		"pfix=",
		"slax.flags=",
		"slax.flags=,,,perch,",
		"slax.flags=\"perch a,b\"",
		"from=",
		"from=\"a b\"",
		"livemain=",
		"livemain=////",
		"livemain=\"a b\"",
		"bdir=/",
		"bdir=\"a b\" psubdir=\"a b\"",
		"modules=,",
		"modules=squashfs,,",
		"modules=\"squashfs,a b\"",
		"loop= cdroot cdroot_marker=",
		"\"loop=a b\" cdroot",
		"root=mgalive:",
		"init=/nix/store/",
		"changes=UUID:",
		"perchdir=99999999999999999999",
		"=",
		"a=\"b c\" \"d\"",
		"\x01\x02=\x7f",
	};
	AUTO_MEDIA struct media m = media_make(
	    SLAX_TREE, "echo 'VERSION=' >init && mkdir lib && echo LIVEKITNAME= >lib/config && echo x >lib/livekitlib",
	    "quiet");

	for (size_t i = 0; i < ARRAY_SIZE(odd) * ARRAY_SIZE(case_families) * 2; i++) {
		const struct family *family = case_families[i / 2 % ARRAY_SIZE(case_families)];
		const struct family_medium medium = the_medium(i % 2 ? "/slot-b" : "", i % 3);
		AUTO_BUF struct buf once = { 0 }, twice = { 0 };

		m.args[0] = odd[i / 2 / ARRAY_SIZE(case_families)];
		family->rewrite(media_facts(&m), m.args[0], &medium, &once);
		family->rewrite(media_facts(&m), once.s ? once.s : "", &medium, &twice);
		CHECK_STR(twice.s ? twice.s : "", once.s ? once.s : "");
		free(family->refuse ? family->refuse(media_facts(&m)) : NULL);
		free(family->doubt ? family->doubt(media_facts(&m)) : NULL);
		free(family->version ? family->version(media_facts(&m)) : NULL);
		family->score(media_facts(&m));
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
