/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A live family: how one distribution's initrd finds its medium and its persistence. One file and one row of
 * family_table each (docs/families.md says how to add one).
 */
#ifndef LIVESTICK_PERSIST_FAMILY_H
#define LIVESTICK_PERSIST_FAMILY_H

#include "src/base/args.h"
#include "src/fs/volume.h"
#include "src/source/newc.h"
#include "src/source/initrd.h"
#include "src/source/source.h"

/* What is known of a source. All borrowed. */
struct family_facts {
	const struct source *source;
	const char *const *cmdlines; /* the arguments of each menu entry */
	size_t n_cmdlines;
	/* Those of the entry that starts by itself, in their order; the texts of their family's `texts` are there. */
	const struct initrd *const *initrds;
	size_t n_initrds; /* 0: unknown (none, or none that can be read) */
};

/* What the arguments of an entry may refer to. */
struct family_medium {
	char boot_uuid[40]; /* of BOOT's file system, as udev writes it: "ABCD-1234" for FAT */
	char data_uuid[40]; /* of DATA's file system, 36 characters; "": there is no DATA */
	const char *boot_label;
	const char *label; /* of DATA */
	const char *slot;  /* "" for slot a, "/slot-b" */
	i64 time;          /* of everything we make ourselves: seconds since 1970 */
	u64 data_room;     /* bytes that files may take on DATA, about */
	bool persistent;   /* false: the entry "without saving" */
};

/* A file or directory (text == NULL) that DATA must hold. */
struct family_data {
	const char *path, *text;
	u16 mode;
	const char *selinux; /* context; NULL: none */
};

struct family {
	const char *name;  /* "live-boot" */
	const char *title; /* "Debian live-boot (Debian, Kali, Parrot, ...)" */

	/* 0: not this family; 100: its own token was seen; 50: only its files. With equal scores the first row wins. */
	int (*score)(const struct family_facts *f);
	/* Globs of the files in its initrd whose texts the functions below look at; NULL-terminated; NULL: none. */
	const char *const *texts;
	/* Why this live system cannot work from a stick of ours, in a sentence to the user; NULL: it can. The caller
	 * frees. Called with the initrds. */
	char *(*refuse)(const struct family_facts *f);
	/* What may go wrong, found in the initrd: a sentence to the user; NULL: nothing. The caller frees. */
	char *(*doubt)(const struct family_facts *f);
	/* The version of what boots it: "live-boot 1:20230131", "dracut 059"; NULL: cannot be told. The caller frees.
	 */
	char *(*version)(const struct family_facts *f);

	/*
	 * The kernel arguments of one entry, rewritten for our stick. Entries that are not the live system's (an
	 * installer on the same medium) come out as they are, but for the order of blanks. "" gives an entry from
	 * nothing.
	 */
	void (*rewrite)(const struct family_facts *f, const char *args, const struct family_medium *m, struct buf *out);
	/* True for an entry that shall not start by itself, whatever the source says: a check of the medium, a
	 * question. NULL: none. */
	bool (*is_no_default)(const char *args);
	/*
	 * Why an entry of the source is of no use on a stick, for the user: a check that would find fault with every
	 * stick, or find nothing to check. NULL: it is of use. Such an entry is left out, unless nothing else starts
	 * its kernel; rewrite() makes a plain one of it. NULL: all are of use.
	 */
	const char *(*no_use)(const char *args);

	bool keeps_nothing;  /* an installer: there is no persistence, and so no DATA unless it is asked for */
	bool system_on_data; /* what is not a kernel or initrd must lie on DATA, beside the changes, not on BOOT */
	/* Whether the initrd can boot from a path other than the root of BOOT: then the stick may have two slots. */
	bool takes_slot;
	const char *to_memory;  /* the word that has the system copied to memory first; NULL: no entry is made for it */
	const char *data_label; /* the label that DATA must have; NULL: any will do */
	const struct family_data *data;
	size_t n_data;
	/* What DATA must hold beside that, when it is not the same for all; texts are owned by nobody but constant, or
	 * live as long as the facts. NULL: nothing. */
	void (*add_data)(const struct family_facts *f, const struct family_medium *m, struct volume_files *out);

	/*
	 * For `verify`: whether a file of `data` still does what it is for. The user may have changed it: only what
	 * keeps the system from finding its changes is wrong. A sentence, or NULL; the caller frees. NULL: any text
	 * will do.
	 */
	char *(*judge_data)(const char *path, const char *text);
	const char
	    *data_renamed; /* a glob for what files of `add_data` are called later; NULL: they stay as they are */

	/* Files that go over those of its initrd where something is saved, because the stock one cannot. NULL: it can.
	 */
	void (*add_over)(const struct family_facts *f, struct newc *out);

	/*
	 * An installer that can do without questions: the option that names the file of answers ("kickstart",
	 * "preseed"), what the file is called on BOOT, and what its path adds to an entry's arguments. NULL: it cannot.
	 */
	const char *answers, *answers_file;
	void (*add_answers)(const struct family_facts *f, const struct family_medium *m, const char *path,
	                    struct buf *args);

	const char *const *limits; /* what this family cannot keep, each a sentence; NULL-terminated; NULL: nothing */
	const char *proof;         /* extended regular expression for a line of /proc/mounts of a system that keeps */
};

/* For the families' own use: is there such a file in one of the initrds (symlinks followed); its text, or NULL. */
bool family_initrd_has(const struct family_facts *f, const char *path);
const char *family_initrd_text(const struct family_facts *f, const char *path);
/* The first path that the glob matches, in any of the initrds; NULL: none. Borrowed. */
const char *family_initrd_match(const struct family_facts *f, const char *glob);
/* Whether an entry of the menu has the token (see args.h). */
bool family_any_has(const struct family_facts *f, const char *token);

extern const struct family family_alpine, family_alpine_plain, family_anaconda, family_antix, family_archiso,
    family_artix, family_casper, family_debian_installer, family_dmsquash, family_easyos, family_genkernel,
    family_genkernel_plain, family_kaos, family_kiwi, family_kiwi_plain, family_knoppix, family_knoppix_plain,
    family_linux_live, family_live_boot, family_liveslak, family_liveslak_old, family_mageia, family_minios,
    family_miso, family_miso_plain, family_nixos, family_own, family_porteus, family_puppy, family_tails,
    family_tinycore, family_ubuntu_core, family_windows;

extern const struct family *const family_table[];
extern const size_t family_table_size;

/* The best match, NULL if none. */
const struct family *family_detect(const struct family_facts *f);
const struct family *family_by_name(const char *name);

#endif
