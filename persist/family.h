/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A live family: how one distribution's initrd finds its medium and its persistence. One file and one row of
 * family_table each (docs/families.md says how to add one).
 */
#ifndef LIVESTICK_PERSIST_FAMILY_H
#define LIVESTICK_PERSIST_FAMILY_H

#include "src/base/args.h"
#include "src/source/source.h"

/* What is known of a source when the family is looked for. All borrowed. */
struct family_facts {
	const struct source *source;
	const char *const *cmdlines; /* the arguments of each menu entry */
	size_t n_cmdlines;
};

/* What the arguments of an entry may refer to. */
struct family_medium {
	char boot_uuid[40]; /* of BOOT's file system, as udev writes it: "ABCD-1234" for FAT */
	char data_uuid[40]; /* of DATA's file system, 36 characters */
	const char *label;  /* of DATA */
	const char *slot;   /* "" for slot a, "/slot-b" */
	bool persistent;    /* false: the entry "without saving" */
};

/* A file or directory (text == NULL) that DATA must hold. */
struct family_data {
	const char *path, *text;
	u16 mode;
};

struct family {
	const char *name;  /* "live-boot" */
	const char *title; /* "Debian live-boot (Debian, Kali, Parrot, ...)" */
	/* 0: not this family; 100: its own token was seen; 50: only its files. With equal scores the first row wins. */
	int (*score)(const struct family_facts *f);
	/*
	 * The kernel arguments of one entry, rewritten for our stick. Entries that are not the live system's (an
	 * installer on the same medium) come out as they are, but for the order of blanks. "" gives an entry from
	 * nothing.
	 */
	void (*rewrite)(const char *args, const struct family_medium *m, struct buf *out);
	const struct family_data *data;
	size_t n_data;
	const char *data_label; /* the label that DATA must have; NULL: any will do */
	/* Why this live system cannot work from a stick of ours, in a sentence to the user; NULL: it can. The caller
	 * frees. */
	char *(*refuse)(const struct family_facts *f);
	/* Whether the initrd can boot from a path other than the root of BOOT: then the stick may have two slots. */
	bool takes_slot;
	const char *const *limits; /* what this family cannot keep, each a sentence; NULL-terminated; NULL: nothing */
};

extern const struct family family_live_boot, family_tails, family_windows;

extern const struct family *const family_table[];
extern const size_t family_table_size;

/* The best match, NULL if none. */
const struct family *family_detect(const struct family_facts *f);
const struct family *family_by_name(const char *name);

#endif
