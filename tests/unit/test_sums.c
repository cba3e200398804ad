/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checksum lists in trees and on ISO images: found, understood, and one changed byte is told. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "src/base/buf.h"
#include "tests/unit/sums_source.h"

static void make_tree(void)
{
	sh("chmod -fR u+w t; rm -rf t && mkdir -p t/live t/boot/grub t/EFI/boot t/isolinux && cd t && "
	   "head -c 3000000 /dev/urandom >live/filesystem.squashfs && head -c 70000 /dev/urandom >live/vmlinuz && "
	   "head -c 1048576 /dev/urandom >live/initrd.img && echo menu >boot/grub/grub.cfg && : >boot/none && "
	   "head -c 4000 /dev/urandom >EFI/boot/bootx64.efi && head -c 30000 /dev/urandom >isolinux/isolinux.bin && "
	   "echo 'menu=a' >isolinux/isolinux.cfg");
}

#define ISO                                                                                                            \
	"xorriso -as mkisofs -quiet -R -J -V SUMS -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot "        \
	"-boot-load-size 4 -boot-info-table -o a.iso t"

/* As live-build makes them. */
#define LIVE_BUILD "find . -type f ! -path ./isolinux/isolinux.bin ! -path './*sum.txt' -print0 | sort -z | xargs -0 "

TEST(nothing_is_no_failure)
{
	AUTO_MEDIUM struct medium dir = { 0 }, iso = { 0 };
	AUTO_ERR struct err e = { 0 };

	make_tree();
	sh(ISO);
	dir = medium_open("t");
	iso = medium_open("a.iso");
	CHECK(dir.sums->n_lists == 0 && dir.sums->n_sums == 0 && !dir.sums->image.is_there);
	CHECK(iso.sums->n_lists == 0 && iso.sums->n_sums == 0 && !iso.sums->image.is_there);
	CHECK(sum_of(&iso, "/live/vmlinuz") == NULL);
	CHECK_U64(sums_bytes(iso.sums, NULL, NULL), 0);
	check_good(&dir);
	check_good(&iso);
	CHECK_OK(sums_check_node(iso.sums, source_find(iso.s, "/live/vmlinuz"), NULL, &e), &e);
	check_warnings(&iso, "");
	sums_free(NULL);
}

/* ---- each file, each list */

static void flip_in_iso(const struct medium *m, const char *path, u64 off)
{
	const struct node *n = source_find(m->s, path);

	CHECK(n && n->n_extents == 1 && off < n->size);
	if (n)
		flip("a.iso", n->extents[0].off + off);
}

TEST(one_byte_of_any_file)
{
	static const struct {
		const char *path;
		u64 off;
	} bytes[] = {
		{ "/live/filesystem.squashfs", 0 },
		{ "/live/filesystem.squashfs", 1048575 },
		{ "/live/filesystem.squashfs", 1048576 },
		{ "/live/filesystem.squashfs", 2999999 },
		{ "/live/initrd.img", 1048575 },
		{ "/live/vmlinuz", 69999 },
		{ "/boot/grub/grub.cfg", 2 },
		{ "/EFI/boot/bootx64.efi", 3000 },
		{ "/isolinux/isolinux.cfg", 0 },
	};
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && " LIVE_BUILD "sha256sum >sha256sum.txt");
	sh(ISO);
	m = medium_open("a.iso");
	CHECK_U64(m.sums->n_lists, 1);
	CHECK_U64(m.sums->n_sums, 7);
	CHECK_U64(sums_bytes(m.sums, NULL, NULL), 3000000 + 70000 + 1048576 + 5 + 0 + 4000 + 7);
	check_sum(&m, "/boot/none", DIGEST_SHA256, "/sha256sum.txt");
	check_good(&m);
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		AUTO_BUF struct buf words = { 0 };

		flip_in_iso(&m, bytes[i].path, bytes[i].off);
		buf_addf(&words, "%s: is damaged: its SHA-256 is not the one in /sha256sum.txt", bytes[i].path);
		check_bad(&m, words.s);
		flip_in_iso(&m, bytes[i].path, bytes[i].off);
	}
	flip_in_iso(&m, "/live/vmlinuz", 0);
	flip_in_iso(&m, "/live/initrd.img", 0);
	flip_in_iso(&m, "/boot/grub/grub.cfg", 0);
	check_bad(&m, "/boot/grub/grub.cfg: is damaged: its SHA-256 is not the one in /sha256sum.txt (and 2 more)");
	check_warnings(&m, "");
}

/* How real media carry their lists: made by `command` in the tree, about `file`. */
static const struct {
	const char *command, *list, *file;
	enum digest_kind kind;
} media[] = {
	{ LIVE_BUILD "md5sum >md5sum.txt", "/md5sum.txt", "/live/vmlinuz", DIGEST_MD5 },
	{ LIVE_BUILD "sha1sum >sha1sum.txt", "/sha1sum.txt", "/live/vmlinuz", DIGEST_SHA1 },
	{ LIVE_BUILD "sha224sum >SHA224SUMS", "/SHA224SUMS", "/live/vmlinuz", DIGEST_SHA224 },
	{ LIVE_BUILD "sha384sum >sha384sum.txt", "/sha384sum.txt", "/live/vmlinuz", DIGEST_SHA384 },
	{ LIVE_BUILD "sha512sum >SHA512SUMS", "/SHA512SUMS", "/live/vmlinuz", DIGEST_SHA512 },
	{ LIVE_BUILD "sha256sum --tag >SHA256SUMS", "/SHA256SUMS", "/live/vmlinuz", DIGEST_SHA256 },
	{ LIVE_BUILD "md5sum | sed 's/  / /' >md5sum.txt", "/md5sum.txt", "/live/vmlinuz", DIGEST_MD5 },
	/* Ubuntu, and most who remaster it: the list in itself, the loader as it was before mkisofs */
	{ "find . -type f -print0 | xargs -0 md5sum >md5sum.txt", "/md5sum.txt", "/live/initrd.img", DIGEST_MD5 },
	/* Gentoo */
	{ "find . -type f -exec b2sum {} + >../l && mv ../l isoroot_b2sums", "/isoroot_b2sums", "/live/vmlinuz",
	  DIGEST_BLAKE2B },
	{ "find . -type f -exec sha512sum {} + | sed 's, \\./, ,' >../l && mv ../l isoroot_checksums",
	  "/isoroot_checksums", "/live/vmlinuz", DIGEST_SHA512 },
	/* SUSE */
	{ "sha256sum boot/grub/grub.cfg live/vmlinuz >CHECKSUMS", "/CHECKSUMS", "/live/vmlinuz", DIGEST_SHA256 },
	/* Slackware */
	{ "(printf 'These are the MD5 message digests for the files in this directory.\\n\\n"
	  "tail +13 CHECKSUMS.md5 | md5sum -c --quiet - | less\\n\\nMD5 message digest                Filename\\n'; "
	  "find . -type f ! -name isolinux.bin ! -name 'CHECKSUMS*' | sort | xargs md5sum) >CHECKSUMS.md5",
	  "/CHECKSUMS.md5", "/live/vmlinuz", DIGEST_MD5 },
	/* KNOPPIX and grml: paths from the root, in a directory below it */
	{ "mkdir KNOPPIX && mv live/filesystem.squashfs KNOPPIX/KNOPPIX && "
	  "find KNOPPIX -name 'KNOPPIX*' -type f -exec sha1sum -b {} \\; >KNOPPIX/sha1sums",
	  "/KNOPPIX/sha1sums", "/KNOPPIX/KNOPPIX", DIGEST_SHA1 },
	{ "mkdir -p GRML/grml64 && md5sum live/* boot/grub/* isolinux/* >GRML/grml64/md5sums", "/GRML/grml64/md5sums",
	  "/live/vmlinuz", DIGEST_MD5 },
	/* Porteus */
	{ "mkdir -p porteus/base && mv live/filesystem.squashfs porteus/base/000.xzm && cd porteus && "
	  "md5sum ../live/vmlinuz ../live/initrd.img base/000.xzm >md5sums.txt",
	  "/porteus/md5sums.txt", "/live/initrd.img", DIGEST_MD5 },
	/* archiso, SystemRescue */
	{ "mkdir -p arch/x86_64 && mv live/filesystem.squashfs arch/x86_64/airootfs.sfs && cd arch/x86_64 && "
	  "sha512sum airootfs.sfs >airootfs.sha512",
	  "/arch/x86_64/airootfs.sha512", "/arch/x86_64/airootfs.sfs", DIGEST_SHA512 },
	/* antiX, MX */
	{ "mkdir antiX && mv live/filesystem.squashfs antiX/linuxfs && cd antiX && md5sum linuxfs >linuxfs.md5",
	  "/antiX/linuxfs.md5", "/antiX/linuxfs", DIGEST_MD5 },
	/* their remasterers, and Puppy's: as seen from elsewhere */
	{ "mkdir antiX && mv live/filesystem.squashfs antiX/linuxfs && cd .. && "
	  "md5sum t/antiX/linuxfs >t/antiX/linuxfs.md5",
	  "/antiX/linuxfs.md5", "/antiX/linuxfs", DIGEST_MD5 },
	{ "md5sum <live/vmlinuz >live/vmlinuz.md5", "/live/vmlinuz.md5", "/live/vmlinuz", DIGEST_MD5 },
	{ "md5sum <live/vmlinuz | cut -c1-32 | tr -d '\\n' >live/vmlinuz.md5", "/live/vmlinuz.md5", "/live/vmlinuz",
	  DIGEST_MD5 },
	/* Tiny Core */
	{ "mkdir -p cde/optional && mv live/vmlinuz cde/optional/a.tcz && cd cde/optional && md5sum a.tcz "
	  ">a.tcz.md5.txt",
	  "/cde/optional/a.tcz.md5.txt", "/cde/optional/a.tcz", DIGEST_MD5 },
	/* made on another system */
	{ LIVE_BUILD "sha256sum | sed 's/$/\\r/' >sha256sum.txt", "/sha256sum.txt", "/live/vmlinuz", DIGEST_SHA256 },
	{ LIVE_BUILD "md5sum | tr a-z A-Z >MD5SUMS", "/MD5SUMS", "/live/vmlinuz", DIGEST_MD5 },
	{ "openssl md5 live/* >md5sum.txt", "/md5sum.txt", "/live/vmlinuz", DIGEST_MD5 },
	{ "openssl sha256 live/* >md5sum.txt", "/md5sum.txt", "/live/vmlinuz", DIGEST_SHA256 },
};

static void check_medium(size_t i, const char *name)
{
	AUTO_MEDIUM struct medium m = medium_open(name);

	check_sum(&m, media[i].file, media[i].kind, media[i].list);
	check_good(&m);
	check_warnings(&m, "");
}

static void check_damaged(size_t i)
{
	AUTO_MEDIUM struct medium m = medium_open("a.iso");
	AUTO_BUF struct buf words = { 0 };

	flip_in_iso(&m, media[i].file, 4711);
	buf_addf(&words, "%s: is damaged: its %s is not the one in %s", media[i].file, digest_name(media[i].kind),
	         media[i].list);
	check_bad(&m, words.s);
}

TEST(as_media_carry_them)
{
	for (size_t i = 0; i < ARRAY_SIZE(media); i++) {
		AUTO_FREE char *dir = sandbox_path("t");

		make_tree();
		if (sandbox_run("cd '%s' && %s", dir, media[i].command) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s", media[i].command, sandbox_said());
		sh(ISO);
		check_medium(i, "t");
		check_medium(i, "a.iso");
		check_damaged(i);
	}
}

TEST(every_list_on_one_medium)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && " LIVE_BUILD "md5sum >md5sum.txt && " LIVE_BUILD "sha1sum >sha1sum.txt && " LIVE_BUILD
	   "sha256sum >sha256sum.txt && sha512sum live/vmlinuz boot/none >SHA512SUMS && b2sum live/* >b2sums && "
	   "md5sum live/vmlinuz >live/vmlinuz.md5");
	sh(ISO);
	m = medium_open("a.iso");
	CHECK_U64(m.sums->n_lists, 6);
	check_sum(&m, "/live/vmlinuz", DIGEST_SHA512, "/SHA512SUMS");
	check_sum(&m, "/boot/none", DIGEST_SHA512, "/SHA512SUMS");
	check_sum(&m, "/live/initrd.img", DIGEST_BLAKE2B, "/b2sums");
	check_sum(&m, "/boot/grub/grub.cfg", DIGEST_SHA256, "/sha256sum.txt");
	CHECK(sum_of(&m, "/isolinux/isolinux.bin") == NULL);
	CHECK(sum_of(&m, "/isolinux/boot.cat") == NULL);
	CHECK(sum_of(&m, "/md5sum.txt") == NULL);
	check_good(&m);
	flip_in_iso(&m, "/live/vmlinuz", 0);
	check_bad(&m, "/live/vmlinuz: is damaged: its SHA-512 is not the one in /SHA512SUMS");
	check_warnings(&m, "");
}

/* ---- files that differ on a good medium */

TEST(loader_of_any_name)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && mv isolinux/isolinux.bin boot/grub/loader.img && echo x >isolinux/cat && : >md5sum.txt && "
	   "find . -type f -print0 | xargs -0 md5sum >md5sum.txt && rm isolinux/cat");
	sh("xorriso -as mkisofs -quiet -R -b boot/grub/loader.img -c isolinux/cat -no-emul-boot -boot-load-size 4 "
	   "-boot-info-table --grub2-boot-info -eltorito-alt-boot -e EFI/boot/bootx64.efi -no-emul-boot -o a.iso t");
	m = medium_open("a.iso");
	CHECK(sum_of(&m, "/boot/grub/loader.img") == NULL);
	CHECK(sum_of(&m, "/isolinux/cat") == NULL);
	check_sum(&m, "/EFI/boot/bootx64.efi", DIGEST_MD5, "/md5sum.txt");
	check_good(&m);
	/* not without cause: md5sum finds two that differ, and the list itself */
	sh("rm -rf out && xorriso -osirrox on -indev a.iso -extract / out && cd out && ! md5sum -c md5sum.txt");
	CHECK(strstr(sandbox_said(), "./boot/grub/loader.img: FAILED") != NULL);
	CHECK(strstr(sandbox_said(), "./isolinux/cat: FAILED") != NULL);
	CHECK(strstr(sandbox_said(), "3 computed checksums did NOT match") != NULL);
}

TEST(loader_where_only_the_tree_is_left)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && echo x >isolinux/boot.cat && find . -type f -print0 | xargs -0 md5sum >md5sum.txt && "
	   "echo y >isolinux/boot.cat && echo patched >isolinux/isolinux.bin");
	m = medium_open("t");
	check_good(&m);
	check_warnings(&m, "");
	sh("echo other >t/boot/grub/grub.cfg");
	medium_close(&m);
	m = medium_open("t");
	check_bad(&m, "/boot/grub/grub.cfg: is damaged, or was changed: its MD5 is not the one in /md5sum.txt");
}

/* ---- lists that are at odds */

TEST(a_stale_list_beside_a_good_one)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && " LIVE_BUILD "sha256sum >sha256sum.txt && echo 'new menu' >boot/grub/grub.cfg && " LIVE_BUILD
	   "md5sum >md5sum.txt");
	sh(ISO);
	m = medium_open("a.iso");
	check_warnings(&m, "");
	check_good(&m);
	check_warnings(&m,
	               "/boot/grub/grub.cfg: its SHA-256 is not the one in /sha256sum.txt, but its MD5 is the one in "
	               "/md5sum.txt\n");
	flip_in_iso(&m, "/boot/grub/grub.cfg", 1);
	check_bad(&m, "/boot/grub/grub.cfg: is damaged: its SHA-256 is not the one in /sha256sum.txt");
}

TEST(two_of_one_kind)
{
	AUTO_MEDIUM struct medium m = { 0 };
	const struct sum *sum;

	make_tree();
	sh("cd t && md5sum live/* >md5sum.txt && cat md5sum.txt md5sum.txt >live/MD5SUMS && cat live/MD5SUMS "
	   ">>md5sum.txt && "
	   "rm live/MD5SUMS && echo other | md5sum | sed 's,-,live/vmlinuz,' >MD5SUMS");
	sh(ISO);
	m = medium_open("a.iso");
	sum = sum_of(&m, "/live/vmlinuz");
	CHECK(sum && sum->weaker && !sum->weaker->weaker);
	check_warnings(&m, "/live/vmlinuz: /MD5SUMS has one MD5 of it, /md5sum.txt another\n");
	check_good(&m);
	flip_in_iso(&m, "/live/vmlinuz", 1);
	CHECK_U64(sums_bytes(m.sums, NULL, NULL), 3000000 + 70000 + 1048576);
	{
		AUTO_ERR struct err e = { 0 };

		CHECK_FAILS(sums_check(m.sums, NULL, NULL, NULL, &e), &e,
		            "/live/vmlinuz: is damaged: its MD5 is not the one in /");
	}
}

TEST(many_of_one_file)
{
	AUTO_MEDIUM struct medium m = { 0 };
	size_t n = 0;

	make_tree();
	sh("cd t && for i in $(seq 3000); do printf '%032x  live/vmlinuz\\n' $i; done >md5sum.txt && "
	   "sha256sum live/vmlinuz >sha256sum.txt");
	m = medium_open("t");
	for (const struct sum *sum = sum_of(&m, "/live/vmlinuz"); sum; sum = sum->weaker)
		n++;
	CHECK_U64(n, SUMS_PER_FILE_MAX);
	check_warnings(&m,
	               "/live/vmlinuz: /md5sum.txt has one MD5 of it, /md5sum.txt another (and 5 more such pairs)\n");
	check_sum(&m, "/live/vmlinuz", DIGEST_SHA256, "/sha256sum.txt");
	check_good(&m);
}

/* ---- paths */

TEST(files_that_are_not_there)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && " LIVE_BUILD "md5sum >md5sum.txt && rm live/vmlinuz && mkdir live/vmlinuz");
	m = medium_open("t");
	check_good(&m);
	CHECK_U64(m.sums->lists[0].n_listed, 7);
	CHECK_U64(m.sums->lists[0].n_there, 6);
	CHECK_STR(m.sums->lists[0].missing, "./live/vmlinuz");
	check_warnings(
	    &m, "/md5sum.txt lists ./live/vmlinuz, which is not there: the medium is incomplete or was changed\n");
	medium_close(&m);
	sh("rm -r t/live");
	m = medium_open("t");
	check_good(&m);
	check_warnings(&m,
	               "/md5sum.txt lists 3 files that are not there, ./live/filesystem.squashfs is one: the medium is "
	               "incomplete or was changed\n");
	medium_close(&m);
	/* an archive's list in a directory from it says nothing of the medium */
	sh("cd t && mkdir doc && sed 's,\\./,main/,' md5sum.txt >doc/MD5SUMS && rm md5sum.txt");
	m = medium_open("t");
	CHECK_U64(m.sums->lists[0].n_there, 0);
	check_warnings(&m, "");
}

/* What is inside a system image has names that are on the medium, too. */
TEST(lists_about_something_else)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && (for i in $(seq 9); do echo $i | md5sum | sed \"s,-,usr/bin/$i,\"; done; "
	   "echo x | md5sum | sed 's,-,boot/grub/grub.cfg,') >live/filesystem.md5sums");
	m = medium_open("t");
	CHECK(m.sums->lists[0].is_used && m.sums->lists[0].n_there == 1);
	check_bad(
	    &m, "/boot/grub/grub.cfg: is damaged, or was changed: its MD5 is not the one in /live/filesystem.md5sums");
	medium_close(&m);
	sh("cd t && echo 10 | md5sum | sed 's,-,usr/bin/10,' >>live/filesystem.md5sums");
	m = medium_open("t");
	CHECK(!m.sums->lists[0].is_used && m.sums->lists[0].n_there == 1 && m.sums->n_sums == 0);
	check_good(&m);
	check_warnings(&m, "");
}

TEST(paths_that_lead_out)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("echo secret >secret && cd t && md5sum ../secret live/../live/vmlinuz ./boot//grub/grub.cfg >md5sum.txt && "
	   "cd boot/grub && md5sum ../../live/initrd.img >md5sums && md5sum ../../../secret >>md5sums");
	m = medium_open("t");
	check_sum(&m, "/live/vmlinuz", DIGEST_MD5, "/md5sum.txt");
	check_sum(&m, "/boot/grub/grub.cfg", DIGEST_MD5, "/md5sum.txt");
	check_sum(&m, "/live/initrd.img", DIGEST_MD5, "/boot/grub/md5sums");
	CHECK_U64(m.sums->n_sums, 3);
	check_good(&m);
	check_warnings(
	    &m, "/boot/grub/md5sums: names files outside the medium\n/md5sum.txt: names files outside the medium\n");
}

TEST(symlinks_and_case)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && ln -s live casper && ln -s live/vmlinuz kernel && md5sum casper/initrd.img kernel | "
	   "sed 's,casper,./casper,' >md5sum.txt && sha1sum EFI/boot/bootx64.efi live/filesystem.squashfs | "
	   "sed 's,boot/bootx64.efi,BOOT/BOOTX64.EFI,' >SHA1SUMS && echo 2 >live/VMLINUZ && md5sum live/VMLINUZ "
	   ">>md5sum.txt");
	m = medium_open("t");
	check_sum(&m, "/live/initrd.img", DIGEST_MD5, "/md5sum.txt");
	check_sum(&m, "/live/vmlinuz", DIGEST_MD5, "/md5sum.txt");
	check_sum(&m, "/live/VMLINUZ", DIGEST_MD5, "/md5sum.txt");
	check_sum(&m, "/EFI/boot/bootx64.efi", DIGEST_SHA1, "/SHA1SUMS");
	check_good(&m);
	check_warnings(&m, "");
}

/* The escape of coreutils, and names with anything in them that a source lets in. */
TEST(odd_names)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && echo 1 >'live/back\\slash' && echo 2 >'live/(a) = b' && echo 3 >'live/\xc3\xa4 \xe2\x82\xac' && "
	   "echo 4 >'live/two  blanks' && " LIVE_BUILD "md5sum >md5sum.txt && " LIVE_BUILD
	   "sha256sum --tag >SHA256SUMS");
	m = medium_open("t");
	CHECK_U64(m.sums->n_sums, 2 * 11);
	CHECK_U64(m.sums->lists[1].n_there, 11);
	check_sum(&m, "/live/back\\slash", DIGEST_SHA256, "/SHA256SUMS");
	check_sum(&m, "/live/(a) = b", DIGEST_SHA256, "/SHA256SUMS");
	check_sum(&m, "/live/\xc3\xa4 \xe2\x82\xac", DIGEST_SHA256, "/SHA256SUMS");
	check_sum(&m, "/live/two  blanks", DIGEST_SHA256, "/SHA256SUMS");
	check_good(&m);
}

/* ---- lists that are no good */

TEST(no_lists_but_named_so)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && head -c 100000 /dev/urandom >md5sum.txt && echo hello >live/x.sha256 && : >SHA1SUMS && "
	   "head -c 5000000 /dev/zero | tr '\\0' '\\n' >boot/md5sums && mkdir MD5SUMS && ln -s md5sum.txt SHA512SUMS "
	   "&& "
	   "head -c 70000 /dev/zero >sha256sum.txt");
	m = medium_open("t");
	CHECK_U64(m.sums->n_lists, 5);
	CHECK_U64(m.sums->n_sums, 0);
	check_good(&m);
	check_warnings(&m, "/boot/md5sums: is no list of checksums, or it is damaged\n"
	                   "/live/x.sha256: is no list of checksums, or it is damaged\n"
	                   "/md5sum.txt: is no list of checksums, or it is damaged\n"
	                   "/sha256sum.txt: is no list of checksums, or it is damaged\n");
}

TEST(lists_without_end)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && md5sum live/vmlinuz >a.md5 && truncate -s 65M md5sum.txt && sha1sum live/initrd.img >z.sha1");
	m = medium_open("t");
	CHECK_U64(m.sums->n_sums, 2);
	check_good(&m);
	check_warnings(&m, "/md5sum.txt: is not used: the lists of checksums have more than 67108864 bytes\n");
}

TEST(lines_without_end)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && (yes \"$(md5sum live/vmlinuz)\" | head -n 200000; yes \"$(md5sum live/initrd.img)\" | head -n "
	   "200000; "
	   "md5sum boot/grub/grub.cfg) >md5sum.txt && md5sum boot/none >sub.md5");
	m = medium_open("t");
	CHECK_U64(m.sums->n_sums, 2);
	CHECK(sum_of(&m, "/boot/grub/grub.cfg") == NULL);
	check_good(&m);
	check_warnings(&m, "/md5sum.txt: only a part of it is used: the lists have more than 400000 checksums\n"
	                   "/sub.md5: only a part of it is used: the lists have more than 400000 checksums\n");
}

/* A hostile tree: each wrong name in it asks for a walk through a large directory. */
TEST(misses_in_a_large_directory)
{
	AUTO_MEDIUM struct medium m = { 0 };

	sh("rm -rf t && mkdir -p t/d && cd t/d && seq 50000 | xargs touch && cd .. && "
	   "seq 300000 | sed \"s,^,$(md5sum </dev/null | cut -c1-32)  d/x,\" >md5sum.txt && "
	   "md5sum d/49999 >>md5sum.txt");
	m = medium_open("t");
	CHECK_U64(m.sums->n_sums, 0);
	CHECK_U64(m.sums->lists[0].n_listed, 300001);
	CHECK_U64(m.sums->lists[0].n_there, 1);
	check_good(&m);
	check_warnings(&m, "/md5sum.txt: is not used: of the 300001 files that it lists 1 are there\n");
}

TEST(host_without_md5)
{
	AUTO_MEDIUM struct medium m = { 0 };

	make_tree();
	sh("cd t && md5sum live/vmlinuz >md5sum.txt");
	CHECK(EVP_set_default_properties(NULL, "fips=yes") == 1);
	m = medium_open("t");
	CHECK(EVP_set_default_properties(NULL, "") == 1);
	CHECK_U64(m.sums->n_sums, 0);
	check_warnings(&m, "/md5sum.txt: is of no use here: libcrypto of this host has no MD5\n");
	check_good(&m);
}

/* ---- while it is checked */

static bool not_the_system(void *ctx, const struct node *n)
{
	size_t *asked = ctx;

	(*asked)++;
	return strcmp(n->name, "filesystem.squashfs") != 0;
}

TEST(only_what_is_wanted)
{
	AUTO_MEDIUM struct medium m = { 0 };
	AUTO_ERR struct err e = { 0 };
	size_t asked = 0;

	make_tree();
	sh("cd t && " LIVE_BUILD "md5sum >md5sum.txt");
	sh(ISO);
	m = medium_open("a.iso");
	flip_in_iso(&m, "/live/filesystem.squashfs", 0);
	CHECK_OK(sums_check(m.sums, not_the_system, &asked, NULL, &e), &e);
	CHECK_U64(asked, 7);
	CHECK_U64(sums_bytes(m.sums, not_the_system, &asked), 70000 + 1048576 + 5 + 4000 + 7);
	CHECK_FAILS(sums_check_node(m.sums, source_find(m.s, "/live/filesystem.squashfs"), NULL, &e), &e,
	            "a.iso: /live/filesystem.squashfs: is damaged: its MD5 is not the one in /md5sum.txt");
	CHECK_OK(sums_check_node(m.sums, source_find(m.s, "/live/vmlinuz"), NULL, &e), &e);
}

static double each_look_a_second(void)
{
	static double now;

	return now++;
}

TEST(progress_counts_what_is_read)
{
	AUTO_MEDIUM struct medium m = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf done = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct progress *p = progress_new(PROGRESS_JSON, out, each_look_a_second);
	u64 bytes;

	make_tree();
	sh("cd t && " LIVE_BUILD "md5sum >md5sum.txt && echo x | sha1sum | sed 's,-,live/vmlinuz,' >sha1sum.txt");
	sh(ISO);
	m = medium_open("a.iso");
	bytes = sums_bytes(m.sums, NULL, NULL);
	progress_begin(p, "check", bytes + 100);
	CHECK_OK(sums_check(m.sums, NULL, NULL, p, &e), &e);
	fflush(out);
	buf_addf(&done, "\"done\":%llu,", (unsigned long long)bytes);
	CHECK(strstr(text, done.s) != NULL);
	progress_free(p);
	fclose(out);
	free(text);
}

TEST(interrupted_while_checking)
{
	AUTO_MEDIUM struct medium m = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct sums *again = NULL;

	make_tree();
	sh("cd t && " LIVE_BUILD "md5sum >md5sum.txt");
	m = medium_open("t");
	interrupted = 1;
	CHECK(sums_check(m.sums, NULL, NULL, NULL, &e) == -EINTR);
	CHECK_STR(e.text, "interrupted");
	err_clear(&e);
	CHECK(sums_read(m.s, &again, &e) == -EINTR && !again);
	interrupted = 0;
	err_clear(&e);
	check_good(&m);
}

/* A bad sector is not a wrong sum: another sentence, and no further reading. */
TEST(what_cannot_be_read)
{
	AUTO_MEDIUM struct medium m = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct sums *again = NULL;

	make_tree();
	sh("cd t && " LIVE_BUILD "md5sum >md5sum.txt");
	sh(ISO);
	m = medium_open("a.iso");
	flip_in_iso(&m, "/boot/grub/grub.cfg", 0);
	sh("truncate -s 2M a.iso");
	CHECK(sums_check(m.sums, NULL, NULL, NULL, &e) == -ENODATA);
	CHECK(e.code == EXIT_SOURCE);
	CHECK_FAILS(-1, &e, "it became shorter");
	sh("truncate -s 40K a.iso");
	CHECK(sums_read(m.s, &again, &e) == -ENODATA && !again);
	CHECK_FAILS(-1, &e, "a.iso: /md5sum.txt: ends at byte");
}

/* ---- real media */

static bool small_iso(char *path, size_t size)
{
	FILE *p = popen("tests/iso/small.sh 2>/dev/null | tail -n 1", "r");
	bool ok = p && fgets(path, (int)size, p);

	if (p)
		pclose(p);
	path[strcspn(path, "\n")] = '\0';
	return ok && *path;
}

static int count_unlisted(void *ctx, const struct node *n)
{
	struct medium *m = ctx;

	if (n->type == NODE_FILE && !sums_for(m->sums, n) && strcmp(n->name, "isolinux.bin") != 0 &&
	    strcmp(n->name, "boot.cat") != 0 && strcmp(n->name, "sha256sum.txt") != 0)
		test_fail(__FILE__, __LINE__, "%s has no sum", n->name);
	return 0;
}

TEST(small_debian)
{
	AUTO_MEDIUM struct medium m = { 0 };
	AUTO_FREE char *copy = sandbox_path("a.iso");
	char path[4096];

	if (!small_iso(path, sizeof(path)))
		test_skip("tests/iso/small.sh makes no ISO");
	CHECK(sandbox_run("cp '%s' '%s' && chmod u+w '%s'", path, copy, copy) == 0);
	m = medium_open("a.iso");
	source_each(m.s, count_unlisted, &m);
	check_good(&m);
	check_warnings(&m, "");
	flip_in_iso(&m, "/live/filesystem.squashfs", source_find(m.s, "/live/filesystem.squashfs")->size / 2);
	check_bad(&m, "/live/filesystem.squashfs: is damaged: its SHA-256 is not the one in /sha256sum.txt");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
