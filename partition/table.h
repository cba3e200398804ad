/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The partition table, encoded by libfdisk in memory and handed over as a write list for the very end of a run.
 *
 * What lies where ("sector" is layout.sector_size; UEFI 2.10 section 5 for GPT):
 *
 *	sector 0                        both        boot code, MBR or protective MBR             seal
 *	sector 1                        GPT         header                                       commit
 *	sectors 2 to 33 (4096: to 5)    GPT         128 entries of 128 bytes                     commit
 *	rest of the first MiB           both        zeros                                        pass
 *	last MiB                        both        zeros                                        pass
 *	its last 33 sectors (4096: 5)   GPT         entries and header again, instead of zeros   commit
 *
 * Bytes behind the last whole sector of the device are nobody's.
 */
#ifndef LIVESTICK_PARTITION_TABLE_H
#define LIVESTICK_PARTITION_TABLE_H

#include "partition/layout.h"
#include "src/media/writelist.h"

struct table_ids {
	u32 disk_id;                    /* MBR */
	u8 disk_uuid[16];               /* GPT, big-endian as in text */
	u8 part_uuid[N_PART_ROLES][16]; /* GPT, by the partition's role */
};

#define BOOT_CODE_SIZE 440

/*
 * Composes the table with `boot_code` (mbr.bin or gptmbr.bin of syslinux, padded with zeros) in the first 440 bytes of
 * sector 0. BOOT is active and, without an ESP, of type 0x0C; on GPT it has the legacy-boot attribute and, without an
 * ESP, is an EFI system partition. An ESP is of type 0xEF. BOOT beside an ESP, and DATA, are of type 0x83; on GPT Linux
 * file system partitions. Their names are ESP, BOOT and `data_name` (borrowed for the call).
 *
 * What must be the very last write (sector 0) goes to `seal`, the other sectors of the table (only GPT has any) to
 * `commit`; the rest of the first and last MiB, with whatever old signatures it holds, is zeroed in `pass`. The result
 * has been read back by libblkid and compared with the layout. The lists are added to only on success.
 */
MUST_CHECK int table_emit(const struct layout *l, const struct table_ids *ids, const char *data_name,
                          const u8 boot_code[BOOT_CODE_SIZE], struct writelist *pass, struct writelist *commit,
                          struct writelist *seal, struct err *e);

#endif
