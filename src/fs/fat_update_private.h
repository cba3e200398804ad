/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of fat_update share. In the order of a run:
 *
 *	fat_update_open.c    boot sector, FSInfo, which FAT is right
 *	fat_update_check.c   one FAT and all directories: the tree of files, or what contradicts itself
 *	fat_update_plan.c    what goes, what stays, what comes
 *	fat_update_dir.c     places in directories
 *	fat_update_room.c    clusters for what comes
 *	fat_update_emit.c    the phases
 */
#ifndef LIVESTICK_FS_FAT_UPDATE_PRIVATE_H
#define LIVESTICK_FS_FAT_UPDATE_PRIVATE_H

#include "src/fs/fat_tree.h"
#include "src/fs/fat_update.h"

#define FIRST_CLUSTER 2
#define CLUSTER_MASK  0x0fffffff /* the upper four bits are not ours */
#define BAD_CLUSTER   0x0ffffff7
#define END_OF_CHAIN  0x0fffffff
#define IS_END(n)     ((n) >= 0x0ffffff8)
#define UNKNOWN       0xffffffff /* count of free clusters in FSInfo */
#define NONE          UINT32_MAX /* for an index */
#define ENTRIES_MOST  21         /* that one name takes */
#define FAT_FILES_MAX 500000     /* on the volume: two systems; with a third one less than fat_read.h reads */
#define FAT_DIRS_MAX  (128 * MIB)
#define FAT_TABLE_MAX (256 * MIB)

/* A file or directory that the volume has. */
struct fat_old {
	u32 parent;       /* index; the root's is its own */
	const char *name; /* UTF-8; the root's is "" */
	const char *key;  /* folded: equal for names that FAT takes for one */
	u8 alias[FAT_ALIAS_SIZE];
	u8 depth, nt_case; /* nt_case: byte 12 of its entry */
	bool is_dir;
	bool ascends, one_stretch; /* how a file's clusters lie */
	u32 first, n_clusters;     /* first: 0 for an empty file */
	u32 size;
	u32 slot, n_slots; /* its entries in the parent; the last one is the 8.3 entry */
	u32 dir;           /* index of its struct fat_dir, or NONE */

	/* by planning */
	bool listed; /* is to be removed */
	bool wanted; /* and is to be there */
	bool goes;
	bool lost_some; /* something in it goes */
	bool keeps_some;
};

enum slot_kind { SLOT_FREE, SLOT_LIVE, SLOT_ORPHAN };

struct fat_dir {
	u32 *cluster; /* in order; from n_old on they are new */
	u32 n_clusters, n_old;
	u8 *kind;   /* enum slot_kind of each slot that was there */
	u32 end;    /* the slot that says that nothing comes behind it; the number of slots, if none does */
	u32 last;   /* by planning: behind the last slot that is given to a new name; 0: there is none */
	u8 *now;    /* content as it shall be after the phase that is being made */
	u8 *disk;   /* and after the one before; NULL: the same */
	bool fresh; /* the new clusters have not been written */
};

struct fat_name_index {
	u32 parent, index;
	const char *key; /* of the name */
};

/* The tree that one of the two FATs gives. A directory comes before what it holds. */
struct fat_olds {
	struct fat_old *old;
	size_t n, cap;
	struct pool names;
	struct fat_dir *dir;
	size_t n_dirs, cap_dirs;
	struct fat_name_index *by_name; /* of all but the root; sorted by parent and key */
	u8 *used;                       /* a bit each cluster: it belongs to a file or directory */
	u32 n_used, n_orphans;
};

/* What becomes of a node of the tree that is wanted. */
enum fate {
	FATE_NEW,
	FATE_STAYS,    /* a directory */
	FATE_IN_PLACE, /* a file */
	FATE_REPLACE,
};

struct stretch {
	u32 first, n; /* clusters */
};

/* Something that needs new clusters: a new directory, one that grows, a new or a replaced file. */
struct fat_item {
	u32 node;                /* of the wanted tree */
	u32 n;                   /* clusters */
	struct stretch *stretch; /* ascending; by fat_room_give() */
	size_t n_stretches, cap_stretches;
};

struct fat_updater {
	struct updater u;
	struct device *d;
	u64 start;          /* of the partition, bytes on the device, as all offsets here */
	u64 fat, fat_bytes; /* the first FAT; bytes of one */
	u64 data;           /* where the clusters begin */
	u32 n_fats;
	u32 cluster_size, n_clusters, root;
	u32 grain; /* the device's sector: what is written whole or not at all */
	u8 media;

	u64 fsinfo_at; /* 0: the volume has none */
	u8 *fsinfo;    /* the device's sector there */

	u8 *table; /* the FAT as it shall be after the phase that is being made; whole sectors of the device */
	u64 table_len;
	u8 *dirty; /* a bit each sector of it: one of the FATs on the device holds something else */

	struct fat_olds t;
	u32 n_free, n_lost; /* clusters; n_free has those that belong to nobody in it */

	/* by planning */
	struct volume_update *wanted;
	struct fat_tree tree; /* of wanted->put */
	enum fate *fate;      /* of each node of the tree */
	u32 *old;             /* what it is on the volume now and shall be; NONE for what is new */
	u32 *slot;            /* where its entries begin, if it is new in a directory that is not */
	u32 *item_of;         /* index, or NONE */
	struct fat_item *item;
	size_t n_items, cap_items;
	u32 free_after; /* clusters */

	/* by emitting */
	bool moves_clusters;
	i64 newest; /* time of the newest file */
};

static inline bool fat_is_cluster(const struct fat_updater *f, u32 cluster)
{
	return cluster >= FIRST_CLUSTER && cluster - FIRST_CLUSTER < f->n_clusters;
}

/* The caller has checked the number. */
static inline u64 fat_cluster_off(const struct fat_updater *f, u32 cluster)
{
	return f->data + (u64)(cluster - FIRST_CLUSTER) * f->cluster_size;
}

static inline u32 fat_get(const u8 *table, u32 cluster)
{
	return get_le32(table + 4 * (size_t)cluster) & CLUSTER_MASK;
}

static inline bool bit_get(const u8 *bits, u64 i)
{
	return bits[i / 8] >> i % 8 & 1;
}

static inline void bit_set(u8 *bits, u64 i)
{
	bits[i / 8] |= (u8)(1U << i % 8);
}

static inline void bit_clear(u8 *bits, u64 i)
{
	bits[i / 8] &= (u8) ~(1U << i % 8);
}

/* ---- open */

int fat_damaged(const struct fat_updater *f, const char *where, const char *what, struct err *e);

/* ---- check */

/* The tree as `table` has it; -EUCLEAN: what is on the volume does not go with it. */
MUST_CHECK int fat_olds_read(struct fat_updater *f, const u8 *table, struct fat_olds *ret, struct err *e);
void fat_olds_free(struct fat_olds *t);
/* The caller frees; "/" for the root. */
MUST_CHECK char *fat_old_path(const struct fat_olds *t, u32 old);
/* Index into old[], or NONE. `key` has `len` bytes. */
u32 fat_old_child(const struct fat_olds *t, u32 parent, const char *key);
u32 fat_old_find(const struct fat_olds *t, const char *path);
/* `i` is an index into by_name[] for all that a directory holds. */
#define FOR_EACH_CHILD(t, parent_, i)                                                                                  \
	for (size_t i = fat_first_child((t), (parent_)); i + 1 < (t)->n && (t)->by_name[i].parent == (parent_); i++)
size_t fat_first_child(const struct fat_olds *t, u32 parent);

/* ---- plan */

MUST_CHECK int fat_plan(struct updater *u, struct volume_update *wanted, struct err *e);
/* A node of the wanted tree needs clusters. */
void fat_add_item(struct fat_updater *f, size_t node, u64 clusters);

/* ---- dir */

/* Places for all new names in directories that were there; adds items for those that must grow. */
MUST_CHECK int fat_dir_places(struct fat_updater *f, struct err *e);
/* To be called before `now` is changed. */
void fat_dir_touch(const struct fat_updater *f, struct fat_dir *d);
/* Puts the clusters that it was given behind those that it has, full of zeros. */
void fat_dir_grow(const struct fat_updater *f, struct fat_dir *d, const struct fat_item *item);
/* Adds what has changed since the last time. */
void fat_dir_emit(const struct fat_updater *f, struct fat_dir *d, struct writelist *w);
static inline u32 fat_slots_in(const struct fat_updater *f, u32 clusters)
{
	return clusters * (f->cluster_size / FAT_ENTRY_SIZE);
}

/* ---- room */

/* The caller knows that there is enough. */
void fat_room_give(struct fat_updater *f);
/* The chain that begins at `first`, as stretches in its order; the caller frees. */
MUST_CHECK struct stretch *fat_chain_stretches(const struct fat_updater *f, u32 first, u32 n, size_t *ret_n);

/* ---- emit */

MUST_CHECK int fat_emit(struct updater *u, struct err *e);

#endif
