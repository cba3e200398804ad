/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing a volume that exists: some files go, some come, and a loss of power at any write leaves all others as they
 * were. One seam for FAT32 (fat_update.h) and ext4 (ext4_update.h); which of them opens a volume is the caller's
 * choice, the rest is the same:
 *
 *	r = fat_update_open(device, start, size, &u, e);    reads and checks the whole structure: -EUCLEAN
 *	r = update_plan(u, &wanted, e);                     names, places, sizes: -ENOSPC. Nothing is written yet
 *	... u->numbers and wanted.put.file[i].device_off are known now; loaders are patched ...
 *	r = update_phases(u, &phase, &n, e);
 *	for (i = 0; i < n; i++)
 *		r = writelist_run(phase[i].list, device, progress, e);    each ends in a flush; stop at the first error
 *	update_close(u);
 *
 * A volume is opened for one update; the next one opens it again and sees what is there then.
 *
 * What a phase may hold is the file system's matter. Together they keep this order, with a flush between any two:
 * entries of what goes; its blocks are free, and the data of what comes is written, with directories that nobody can
 * reach yet; the blocks of what comes are taken; its entries; the blocks of what was replaced are free. So at each
 * moment no entry leads to what is not written or not allocated, and no block is free while an entry leads to it,
 * whatever of the writes since the last flush has reached the medium. A sector of the device is the only thing that is
 * written whole or not at all.
 *
 * What may be left by a loss of power: the files named in the update, each in its old state, its new one, not
 * there, or (ext4) there and empty; blocks that belong to nobody, and other leftovers which opening tells (`leftover`)
 * and the next update mends.
 */
#ifndef LIVESTICK_FS_UPDATE_H
#define LIVESTICK_FS_UPDATE_H

#include "src/fs/volume.h"
#include "src/media/writelist.h"

struct volume_update {
	/*
	 * What goes: files and directories, borrowed. What is not there is no error (an update may be run again). A
	 * directory goes when it is named here or was the parent of something that goes, and holds nothing any more;
	 * never one that still holds something. A path that is in `put` too stays.
	 */
	const char *const *remove;
	size_t n_remove;
	/*
	 * What is wanted afterwards; missing directories are made. A file that the volume has
	 *  - with the same size keeps its place and its entry (name, time, attributes): the new bytes are written over
	 *    the old, where they differ. Cut, it is a mixture of both;
	 *  - with another size goes as if it were in `remove`, and is made new. Cut, it may be gone;
	 *  - and whose `replace` is set, gets new blocks first and then, in one write, leads to them. Cut, it is whole,
	 *    old or new. The old blocks are free only after that, so there must be room for both;
	 * and one that it has not is made. Unless they keep their place, files get room in as few stretches as there
	 * can be. device_off is set for each: where its bytes lie, if in one stretch; else, and for no bytes, 0.
	 *
	 * On ext4 a file may be another name of an earlier one (`same_as`); it comes with that one. What has several
	 * names on the volume, see ext4_update.h.
	 *
	 * Inputs are read in the order in which the files lie on the device, which need not be that of the list.
	 */
	struct volume_files put;
};

/* All in bytes. */
struct update_numbers {
	u64 free_before; /* what the volume has for new files now, leftovers of an interrupted update included */
	u64 free_after;
	u64 in_place; /* of files that keep their place: only what differs is written */
	u64 to_write; /* in all phases together, at most, those in place included */
};

struct update_phase {
	const char *name;       /* "unlink", "data"...: for messages and tests */
	struct writelist *list; /* finished; the updater's. Never empty, offsets on the device */
};

struct update_entry {
	bool is_dir;
	u64 size; /* 0 for a directory */
	u64 off;  /* on the device, of the bytes of a file that lie in one stretch; else, and for no bytes, 0 */
};

struct updater;

struct updater_ops {
	int (*find)(struct updater *u, const char *path, struct update_entry *ret, struct err *e);
	int (*plan)(struct updater *u, struct volume_update *wanted, struct err *e);
	int (*emit)(struct updater *u, struct err *e); /* once: adds the phases, with update_add_phase() */
	void (*close)(struct updater *u);              /* what the fields below name is freed already */
};

/* Each kind of updater has this as its first member. */
struct updater {
	const struct updater_ops *ops;
	const char *kind; /* "FAT32", "ext4" */
	/* What an interrupted update left: sentences, "12 clusters (48 KiB) belong to no file". The next one mends it.
	 */
	char **leftover;
	size_t n_leftover, cap_leftover;
	struct update_numbers
	    numbers; /* free_before from opening on, to_write from update_phases() on, the others from planning on */
	struct update_phase *phase;
	size_t n_phases, cap_phases;
	bool emitted;
};

/*
 * Where a file or directory is now. -ENOENT: there is none. On FAT letters of either case match.
 */
MUST_CHECK int update_find(struct updater *u, const char *path, struct update_entry *ret, struct err *e);

/*
 * The one stretch of a file, for those that are written in place without an update: the switch sector. -ENOENT: there
 * is no such file; -EISDIR: it is a directory; -ENOTSUP: it has no bytes, or lies in pieces.
 */
MUST_CHECK int update_place(struct updater *u, const char *path, u64 *ret_off, u64 *ret_size, struct err *e);

/*
 * Decides everything, once for each updater. `wanted` is borrowed until update_close(). -ENOSPC with the numbers in
 * its sentence, -EEXIST: a name that cannot be beside another one, -EISDIR and -ENOTDIR: a file is wanted where a
 * directory stays, or the other way round; and what fat32_plan() and ext4_plan() say of names and sizes.
 */
MUST_CHECK int update_plan(struct updater *u, struct volume_update *wanted, struct err *e);

/*
 * The writes, in the order in which they must be run, good until update_close(). The contents of `put` may be set
 * until the phases are run, sizes may not. *ret_n is 0 when nothing has to be changed.
 */
MUST_CHECK int update_phases(struct updater *u, const struct update_phase **ret, size_t *ret_n, struct err *e);

/* Runs them all. After an error the volume must be opened again. */
MUST_CHECK int update_run(struct updater *u, struct device *d, struct progress *p, struct err *e);

void update_close(struct updater *u);

static inline void update_closep(struct updater **u)
{
	update_close(*u);
}

#define AUTO_UPDATER CLEANUP(update_closep)

/* ---- for the file systems */

/* Adds a sentence to `leftover`. */
void update_tell(struct updater *u, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Adds a phase; `list` is the updater's from now on. An empty one is dropped. */
MUST_CHECK int update_add_phase(struct updater *u, const char *name, struct writelist *list, struct err *e);

#endif
