/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `verify` says of a stick's structure: its table, boot code, file systems, loaders, menus and persistence. For
 * sticks of livestick's, and as far as it can be known for sticks made by others. Contents are not hashed here.
 *
 * The ids are for ever, users of --json rely on them; "the partition" is named in the detail (BOOT, ESP, DATA, or
 * "partition 2" on a stick of others'), so an id comes once for each partition that it is about.
 *
 *	table               libfdisk reads a partition table and finds nothing wrong with it
 *	table-second        libparted reads the same one
 *	table-layout        partitions lie where docs/stick.md says, with the ids of the manifest (sticks of ours)
 *	gpt-header          GPT: the first header and its entries
 *	gpt-backup          GPT: the copy at the end of the device
 *	gpt-protective      GPT: the MBR that protects it
 *	boot-code           the code in sector 0
 *	boot-flag           what firmware goes by: active flag, legacy-boot attribute, types of BOOT and ESP
 *	boot-sector         a partition's boot sector: fields that make sense, and the loader's code
 *	boot-sector-backup  FAT32: its copy
 *	fat-copies          FAT: both file allocation tables are the same
 *	fat-info            FAT32: FSInfo, the count of free clusters
 *	fs-clean            was unmounted; where it was not, whether its metadata are sound is told by fs-check
 *	fs-check            fsck.fat or e2fsck, on a copy of the metadata
 *	fs-read             livestick's own readers: every directory, every file's place
 *	fs-id               UUID of the file system is the one in the manifest (sticks of ours)
 *	loader-map          the boot sector leads to ldlinux.sys, and that to its own sectors
 *	loader-sum          ldlinux.sys' checksum of itself
 *	loader-modules      ldlinux.c32 and the modules of the menu are there, of the loader's kind
 *	menu-files          each kernel, initrd and included file that a menu names is there
 *	menu-ids            file systems that a menu names are those of the stick
 *	menu-same           BIOS and UEFI show the same entries (sticks of ours)
 *	menu-switch         switch.cfg: one sector, names a slot and an entry that are there (sticks of ours)
 *	menu-stub           what GRUB finds first leads to the stick's menu (sticks of ours)
 *	data                the persistence partition is there, with the label that the system looks for (sticks of
 *ours) data-files          and holds what the family needs to find its changes (sticks of ours) efi-program
 *EFI/BOOT/BOOTX64.EFI and its like are programs for their machine secure-boot         what PCs with Secure Boot will
 *say: for information, never bad
 */
#ifndef LIVESTICK_VERIFY_STRUCTURE_H
#define LIVESTICK_VERIFY_STRUCTURE_H

#include "src/base/checks.h"
#include "src/stick.h"

/*
 * Adds its findings to `c`. `d` is the whole stick, opened for reading, and `s` was read from it. Nothing is written to
 * it, and no other program or library opens it: they get private copies (media/shadow.h). Failures are -EINTR and what
 * is out of memory or disk space of this machine.
 */
MUST_CHECK int verify_structure(struct device *d, const struct stick *s, struct checks *c, struct err *e);

#endif
