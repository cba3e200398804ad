/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and directory entries of FAT, for the writer and the reader. A name has up to two forms on the medium: the
 * long one, UTF-16 in entries of 13 units, and the alias, 8 + 3 bytes, which every file has. Format: Microsoft's
 * "FAT32 File System Specification" 1.03 (2000), "FAT Directory Structure" and "FAT Long Directory Entries".
 */
#ifndef LIVESTICK_FS_FAT_NAME_H
#define LIVESTICK_FS_FAT_NAME_H

#include "src/base/buf.h"

#define FAT_ENTRY_SIZE  32
#define FAT_ALIAS_SIZE  11
#define FAT_NAME_UNITS  255                        /* longest name */
#define FAT_DIR_ENTRIES (2 * MIB / FAT_ENTRY_SIZE) /* most that a directory may have */
#define FAT_DEPTH_MAX   64                         /* directories in each other; a bound of ours */
#define FAT_DELETED     0xe5                       /* first byte of an entry that is none any more */

enum {
	FAT_READ_ONLY = 0x01,
	FAT_HIDDEN = 0x02,
	FAT_SYSTEM = 0x04,
	FAT_LABEL = 0x08,
	FAT_DIRECTORY = 0x10,
	FAT_ARCHIVE = 0x20,
	FAT_LONG_NAME = 0x0f, /* all of the low four: a piece of a long name */
};

/*
 * UTF-8 of `len` bytes to UTF-16. Returns the number of units, or -EINVAL when FAT cannot hold the name, with the
 * reason in *ret_why ("it ends in a dot").
 */
MUST_CHECK int fat_name_units(const char *name, size_t len, u16 ret_units[FAT_NAME_UNITS], const char **ret_why);

/* Adds UTF-16 as UTF-8; a half of a surrogate pair becomes U+FFFD. */
void fat_name_add_utf8(struct buf *b, const u16 *units, size_t n);

/*
 * Adds the form of a name that is equal for all names which FAT takes for one. Folded are A-Z, U+00C0-00DE, Greek
 * U+0391-03A9 and Cyrillic U+0400-042F; other letters are only equal to themselves, whatever the locale.
 */
void fat_name_add_folded(struct buf *b, const u16 *units, size_t n);

enum fat_alias_kind {
	FAT_ALIAS_SAME,  /* the alias is the name: no long name needed */
	FAT_ALIAS_CASE,  /* it is the name in upper case: cannot clash where names do not */
	FAT_ALIAS_LOSSY, /* something is missing: it needs a number, see fat_aliases_choose() */
};

enum fat_alias_kind fat_alias_of(const u16 *units, size_t n, u8 ret_alias[FAT_ALIAS_SIZE]);

/* The aliases in use, of many directories at once; `dir` is any number that tells directories apart. */
struct fat_aliases;

struct fat_aliases *fat_aliases_new(size_t most_names);
/* False: the directory has it already. */
bool fat_aliases_add(struct fat_aliases *a, u32 dir, const u8 alias[FAT_ALIAS_SIZE]);
/*
 * Makes a lossy alias unique with a number and adds it: NAME~1 to NAME~4, then two characters of the name and four
 * digits that are counted up in *counter, 0 at first and kept for each directory: NA0000~1, NA0001~1...
 */
void fat_aliases_choose(struct fat_aliases *a, u32 dir, u32 *counter, u8 alias[FAT_ALIAS_SIZE]);
void fat_aliases_free(struct fat_aliases *a);

/* What ties the pieces of a long name to the alias. */
u8 fat_alias_checksum(const u8 alias[FAT_ALIAS_SIZE]);

/* Entries that a name of `n` units takes; `n` is 0 where the alias is the name. */
unsigned fat_entry_count(size_t n);

struct fat_short {
	u8 alias[FAT_ALIAS_SIZE];
	u8 attributes;
	u32 cluster, size;
	i64 mtime; /* seconds since 1970, written as UTC, between 1980 and 2107 */
};

/* Writes all entries of a name to `p`; returns where the next one goes. */
u8 *fat_entry_put(u8 *p, const u16 *units, size_t n, const struct fat_short *s);

/* Where the units of one long-name entry lie: byte offset of unit `i` (0-12). */
unsigned fat_entry_unit_at(unsigned i);
#define FAT_ENTRY_UNITS 13

/* ---- what was read from a directory: nothing in it is trusted */

/* A long name that is being put together, from its last piece to the first; all zero: none is. */
struct fat_long_name {
	u16 units[20 * FAT_ENTRY_UNITS];
	unsigned n_units, missing; /* pieces that have not come */
	u8 checksum;
	bool begun;
};

/* The next entry is a piece. One that does not go on with what was begun ends it. */
void fat_long_name_take(struct fat_long_name *l, const u8 *slot);
/* The next entry is none, and has no name. */
void fat_long_name_drop(struct fat_long_name *l);
/* The pieces, all of them, which belong to this entry; 0: none does. They stand directly before it. */
unsigned fat_long_name_pieces(const struct fat_long_name *l, const u8 *slot);

/*
 * The name of an entry as UTF-8: the long one where it has one that is a name, else the alias. False: it has none.
 */
bool fat_slot_name(const struct fat_long_name *l, const u8 *slot, struct buf *ret);

bool fat_slot_is_dots(const u8 *slot);

static inline u32 fat_slot_cluster(const u8 *slot)
{
	return get_le16(slot + 26) | (u32)get_le16(slot + 20) << 16;
}

#endif
