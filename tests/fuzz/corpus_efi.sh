#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the programs that fuzz_efi starts from: small ones, one of each kind.   usage: corpus_efi.sh DIRECTORY
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A memdisk as Debian's GRUB has it.
printf 'source $prefix/x86_64-efi/grub.cfg\nsource $cmdpath/grub.cfg\n' >"$work/grub.cfg"
mformat -C -i "$work/fat" -f 160 ::
mcopy -i "$work/fat" "$work/grub.cfg" ::

cat >"$work/make.c" <<'END'
#include "tests/unit/efi_pe.h"

#define SBAT "sbat,1,SBAT Version,sbat,1,u\ngrub,4,F,grub,2.06,u\nshim,4,U,shim,1,u\n"

static void save(const char *name, struct buf *b)
{
	FILE *f = fopen(name, "wb");

	if (!f || fwrite(b->s, 1, b->len, f) != b->len || fclose(f) != 0)
		exit(1);
	buf_free(b);
}

/* An ELF module of 64 bits with nothing but its name. */
static void add_module(struct buf *mods, const char *name)
{
	static const char names[] = "\0.modname";
	u8 elf[64 + 3 * 64 + 32] = "\177ELF\2\1";

	put_le64(elf + 40, 64);
	put_le16(elf + 58, 64);
	put_le16(elf + 60, 3);
	put_le16(elf + 62, 1);
	put_le64(elf + 128 + 24, 256);
	put_le64(elf + 128 + 32, sizeof(names));
	put_le32(elf + 192, 1);
	put_le64(elf + 192 + 24, 272);
	put_le64(elf + 192 + 32, strlen(name) + 1);
	memcpy(elf + 256, names, sizeof(names));
	memcpy(elf + 272, name, strlen(name) + 1);
	grub_object_add(mods, 0, elf, sizeof(elf));
	put_le64((u8 *)mods->s + 16, mods->len);
}

int main(int argc, char **argv)
{
	struct key ca = key_make("CA", NULL), signer = key_make("Signer", &ca);
	struct buf der = key_der(&ca), fat = { 0 }, tar = { 0 }, allowed = { 0 }, denied = { 0 }, b;
	char piece[512];
	FILE *f = fopen(argv[1], "rb");

	(void)argc;
	while (f && fread(piece, sizeof(piece), 1, f) == 1)
		buf_add(&fat, piece, sizeof(piece));
	fat.len = fat.len < 12288 ? fat.len : 12288; /* the file lies at the start */
	tar_add(&tar, "boot/grub/grub.cfg", '0', "search --file --set=root /.disk/info\nset prefix=($root)/boot/grub\n"
	                                         "if [ -e $prefix/a ]; then configfile \"${prefix}/a.cfg\"; fi\n");
	esl_add(&allowed, GUID_X509, der.s, der.len, 1);
	esl_add(&denied, GUID_SHA256, "01234567890123456789012345678901", 32, 1);

	struct buf vendor = vendor_cert_make(&der, &denied), lists = vendor_cert_make(&allowed, &denied);
	struct buf mods_fat = grub_mods_make(&fat, "normal (memdisk)/grub.cfg\n", "/EFI/debian");
	struct buf mods_tar = grub_mods_make(&tar, NULL, "(memdisk)/boot/grub");
	const char level[] = "\0\0\0\0\x08\0\0\0\x08\0\0\0sbat,1,2025021800\nshim,4\ngrub,5\n";

	add_module(&mods_tar, "ext2");
	const struct pe_part shim[] = { { ".vendor_cert", vendor.s, vendor.len },
		                        { ".sbatlevel", level, sizeof(level) },
		                        { ".sbat", SBAT, sizeof(SBAT) },
		                        { ".data.ident", "UEFI SHIM\n$Version: 15.8 $\n", 28 } };
	const struct pe_part shim2[] = { { ".vendor_cert", lists.s, lists.len } };
	const struct pe_part grub[] = { { "mods", mods_fat.s, mods_fat.len }, { ".sbat", SBAT, sizeof(SBAT) } };
	const struct pe_part grub2[] = { { "mods", mods_tar.s, mods_tar.len } };
	const struct pe_part text[] = { { ".text", "#### LoaderInfo: systemd-boot 252 ####", 38 } };

	b = pe_make(0x8664, shim, 4);
	pe_sign(&b, &signer);
	pe_sign(&b, &ca);
	save("shim", &b);
	b = pe_make(0x8664, shim2, 1);
	pe_sign(&b, &signer);
	save("shim-lists", &b);
	b = pe_make(0x8664, grub, 2);
	pe_sign(&b, &signer);
	save("grub-fat", &b);
	b = pe_make(0xaa64, grub2, 1);
	save("grub-tar", &b);
	b = pe_make(0x8664, text, 1);
	save("systemd-boot", &b);
	b = pe_make(0x8664, text, 1);
	memcpy(b.s + 0x202, "HdrS", 4);
	put_le16((u8 *)b.s + 0x20e, 0x100);
	memcpy(b.s + 0x300, "6.1.0 #1", 9);
	save("linux", &b);
	return 0;
}
END
${CC:-cc} -std=gnu11 -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -pthread -o "$work/make" "$work/make.c" src/base/*.c -lcrypto -lseccomp
cd "$out"
"$work/make" "$work/fat"
