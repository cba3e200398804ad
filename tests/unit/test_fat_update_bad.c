/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FAT32 volumes that contradict themselves are left alone, each with a sentence; what an update can leave is mended. */
#include "tests/unit/fat_small.h"

/*
 * With clusters of 512 bytes, laid out from cluster 3 on in this order: directories "dir" and "dir/sub", then "long"
 * (3 clusters), "a file" (2), "other" (1), "empty" (none), "sub/deep" (1).
 */
enum { DIR = 3, SUB = 4, LONG = 5, A_FILE = 8, OTHER = 10, DEEP = 11, FIRST_FREE = 12 };

static void add_files(struct volume_files *v)
{
	volume_add(v, "/dir/long", 1500, made_up(1), NOW);
	volume_add(v, "/dir/a file", 700, made_up(2), NOW);
	volume_add(v, "/dir/other", 512, made_up(3), NOW);
	volume_add(v, "/dir/empty", 0, made_up(4), NOW);
	volume_add(v, "/dir/sub/deep", 10, made_up(5), NOW);
}

static void add_dirs(struct volume_files *v)
{
	volume_add_dir(v, "/dir", 0755, NOW);
	volume_add_dir(v, "/dir/sub", 0755, NOW);
}

static void make_small(struct small *s, const char *folder)
{
	struct volume_files v = { 0 };

	small_make(s, folder, 512, 2 * MIB, "-F 32 -S 512 -s 1");
	add_files(&v);
	small_put(s, &v);
	CHECK_U64(v.file[0].device_off, small_cluster(s, LONG));
	CHECK_U64(v.file[1].device_off, small_cluster(s, A_FILE));
	CHECK_U64(v.file[2].device_off, small_cluster(s, OTHER));
	CHECK_U64(v.file[4].device_off, small_cluster(s, DEEP));
	add_dirs(&v);
	small_check(s, &v, "example");
	volume_files_free(&v);
}

/* Slot `n` of the directory at a cluster. */
static u64 slot(const struct small *s, u32 cluster, u32 n)
{
	return small_cluster(s, cluster) + 32 * n;
}

/* ".", "..", "a file" (a piece and the entry), "empty" and so on, each with a piece: names are in lower case. */
enum { A_FILE_SLOT = 3, EMPTY_SLOT = 5, LONG_SLOT = 7, OTHER_SLOT = 9, SUB_SLOT = 11, DIR_END = 12 };

static void set_cluster(struct small *s, u64 entry, u32 cluster)
{
	u8 low[2] = { (u8)cluster, (u8)(cluster >> 8) }, high[2] = { (u8)(cluster >> 16), (u8)(cluster >> 24) };

	small_poke(s, entry + 26, low, 2);
	small_poke(s, entry + 20, high, 2);
}

#define POKE(s, off, text) small_poke(s, off, text, sizeof(text) - 1)

/* ---- ways to be bad */

static void no_signature(struct small *s)
{
	POKE(s, s->start + 510, "\0\0");
}

static void three_fats(struct small *s)
{
	POKE(s, s->start + 16, "\3");
}

static void one_active_fat(struct small *s)
{
	POKE(s, s->start + 40, "\x81");
}

static void another_version(struct small *s)
{
	POKE(s, s->start + 42, "\1");
}

static void larger_than_partition(struct small *s)
{
	u8 n[2];

	put_le16(n, (u16)(s->size / 512 + 1));
	small_poke(s, s->start + 19, n, 2);
}

static void smaller_than_tables(struct small *s)
{
	POKE(s, s->start + 19, "\x10\0");
}

static void short_fat(struct small *s)
{
	small_poke32(s, s->start + 36, 2);
}

static void root_nowhere(struct small *s)
{
	small_poke32(s, s->start + 44, 5000);
}

static void backup_differs(struct small *s)
{
	POKE(s, s->start + 6 * 512 + 13, "\2");
}

static void backup_nowhere(struct small *s)
{
	POKE(s, s->start + 50, "\x40");
}

static void fsinfo_nowhere(struct small *s)
{
	POKE(s, s->start + 48, "\x40");
	POKE(s, s->start + 6 * 512 + 48, "\x40");
}

static void fsinfo_unmarked(struct small *s)
{
	POKE(s, s->start + 512 + 484, "x");
}

static void other_medium(struct small *s)
{
	small_set_link(s, 2, 0, 0x0ffffff0);
}

static void chain_to_free(struct small *s)
{
	small_set_link(s, 2, LONG, 0);
}

static void chain_to_bad(struct small *s)
{
	small_set_link(s, 2, LONG + 1, 0x0ffffff7);
}

static void chain_to_nowhere(struct small *s)
{
	small_set_link(s, 2, LONG + 1, 0x00ffffff);
}

static void chain_to_cluster_1(struct small *s)
{
	small_set_link(s, 2, LONG + 1, 1);
}

static void crossed(struct small *s)
{
	small_set_link(s, 2, A_FILE, LONG + 2);
}

static void looped(struct small *s)
{
	small_set_link(s, 2, LONG + 1, LONG);
}

static void too_short(struct small *s)
{
	small_set_link(s, 2, LONG + 1, 0x0fffffff);
}

static void too_long(struct small *s)
{
	small_set_link(s, 2, LONG + 2, FIRST_FREE);
	small_set_link(s, 2, FIRST_FREE, 0x0fffffff);
}

static void no_start(struct small *s)
{
	set_cluster(s, slot(s, DIR, LONG_SLOT), 0);
}

static void empty_with_cluster(struct small *s)
{
	set_cluster(s, slot(s, DIR, EMPTY_SLOT), FIRST_FREE);
}

static void dir_at_0(struct small *s)
{
	set_cluster(s, slot(s, DIR, SUB_SLOT), 0);
}

static void dir_nowhere(struct small *s)
{
	set_cluster(s, slot(s, DIR, SUB_SLOT), 0x0fffffff);
}

static void dir_looped(struct small *s)
{
	small_set_link(s, 2, SUB, SUB);
}

static void dir_in_itself(struct small *s)
{
	set_cluster(s, slot(s, DIR, SUB_SLOT), DIR);
}

static void no_dots(struct small *s)
{
	POKE(s, slot(s, SUB, 0), "\xe5");
}

static void dot_leads_away(struct small *s)
{
	set_cluster(s, slot(s, SUB, 0), DIR);
}

static void dots_lead_away(struct small *s)
{
	set_cluster(s, slot(s, SUB, 1), SUB);
}

static void dots_twice(struct small *s)
{
	POKE(s, slot(s, SUB, 3), "..         \x10");
}

static void no_name(struct small *s)
{
	POKE(s, slot(s, DIR, OTHER_SLOT), "           ");
}

static void same_name(struct small *s)
{
	/* "other" loses its piece and is called like "long", in other letters. */
	POKE(s, slot(s, DIR, OTHER_SLOT - 1), "\xe5");
	POKE(s, slot(s, DIR, LONG_SLOT - 1), "\xe5");
	POKE(s, slot(s, DIR, OTHER_SLOT), "LONG       ");
}

static void same_alias(struct small *s)
{
	/* "a file" and the checksum of its piece stay; "other" takes its alias and loses its own name. */
	POKE(s, slot(s, DIR, OTHER_SLOT), "AFILE~1    ");
}

static void behind_end(struct small *s)
{
	POKE(s, slot(s, DIR, DIR_END + 1), "HIDDEN     \x20");
}

static void fats_contradict(struct small *s)
{
	small_set_link(s, 1, LONG, LONG + 2);
	small_set_link(s, 1, LONG + 2, LONG + 1);
	small_set_link(s, 1, LONG + 1, 0x0fffffff);
}

static void both_fats_bad(struct small *s)
{
	small_set_link(s, 0, LONG, 0);
	small_set_link(s, 1, A_FILE, 0);
}

static const struct {
	const char *what;
	void (*spoil)(struct small *s);
	int r;
	const char *words;
} bad[] = {
	{ "no signature", no_signature, -EINVAL, "stick: is not a FAT volume" },
	{ "three FATs", three_fats, -ENOTSUP, "of a kind that nobody makes (3 FATs" },
	{ "one active FAT", one_active_fat, -ENOTSUP, "flags 0x81" },
	{ "another version", another_version, -ENOTSUP, "version 0x1" },
	{ "larger than partition", larger_than_partition, -EUCLEAN,
	  "boot sector: the volume is larger than its partition" },
	{ "smaller than tables", smaller_than_tables, -EUCLEAN, "smaller than its own tables" },
	{ "short FAT", short_fat, -EUCLEAN, "the FAT is too small for all clusters" },
	{ "root nowhere", root_nowhere, -EUCLEAN, "the root directory begins at a cluster that is not there" },
	{ "backup differs", backup_differs, -EUCLEAN, "boot sector: its backup says something else" },
	{ "backup nowhere", backup_nowhere, -EUCLEAN, "its backup lies where it cannot be" },
	{ "FSInfo nowhere", fsinfo_nowhere, -EUCLEAN, "FSInfo lies where it cannot be" },
	{ "FSInfo unmarked", fsinfo_unmarked, -EUCLEAN, "FSInfo: has none of its marks" },
	{ "other medium", other_medium, -EUCLEAN, "the FAT does not begin with the kind of medium" },
	{ "chain to free", chain_to_free, -EUCLEAN, "/dir/long: its chain of clusters leads to one that is free" },
	{ "chain to bad", chain_to_bad, -EUCLEAN, "/dir/long: its chain of clusters leads to a bad one" },
	{ "chain to nowhere", chain_to_nowhere, -EUCLEAN,
	  "/dir/long: its chain of clusters leads to one that is not there" },
	{ "chain to cluster 1", chain_to_cluster_1, -EUCLEAN, "leads to one that is not there" },
	{ "crossed", crossed, -EUCLEAN, "/dir/long: shares clusters with another file" },
	{ "looped", looped, -EUCLEAN, "/dir/long: shares clusters with another file, or its chain leads back" },
	{ "too short", too_short, -EUCLEAN, "/dir/long: its chain of clusters is shorter than the file" },
	{ "too long", too_long, -EUCLEAN, "/dir/long: its chain of clusters is longer than the file" },
	{ "no start", no_start, -EUCLEAN, "/dir/long: its chain of clusters leads to one that is free" },
	{ "empty with cluster", empty_with_cluster, -EUCLEAN, "/dir/empty: is empty and has clusters all the same" },
	{ "directory at 0", dir_at_0, -EUCLEAN, "/dir/sub: its chain of clusters leads to one that is free" },
	{ "directory nowhere", dir_nowhere, -EUCLEAN, "/dir/sub: the directory has no clusters" },
	{ "directory looped", dir_looped, -EUCLEAN, "/dir/sub: shares clusters with another file" },
	{ "directory in itself", dir_in_itself, -EUCLEAN, "/dir/sub: shares clusters with another file" },
	{ "no dots", no_dots, -EUCLEAN, "/dir/sub: the directory does not begin with \".\" and \"..\"" },
	{ "dot leads away", dot_leads_away, -EUCLEAN, "/dir/sub: \".\" or \"..\" leads to another directory" },
	{ "dots lead away", dots_lead_away, -EUCLEAN, "/dir/sub: \".\" or \"..\" leads to another directory" },
	{ "dots twice", dots_twice, -EUCLEAN, "/dir/sub: the directory has \".\" or \"..\" at a wrong place" },
	{ "no name", no_name, -EUCLEAN, "/dir: the directory has an entry without a name" },
	{ "same name", same_name, -EUCLEAN, "/dir/LONG: is there twice" },
	{ "same alias", same_alias, -EUCLEAN, "has the short name of another file" },
	{ "behind end", behind_end, -EUCLEAN, "/dir: the directory has entries behind its end" },
	{ "FATs contradict", fats_contradict, -EUCLEAN, "FATs: the two say different things of the same files" },
	{ "both FATs bad", both_fats_bad, -EUCLEAN, "/dir/long: its chain of clusters leads to one that is free" },
};

TEST(damaged_volumes_are_refused)
{
	AUTO_FOLDER char *folder = make_folder();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_UPDATER struct updater *u = NULL;
		AUTO_SMALL struct small s;
		AUTO_ERR struct err e = { 0 };
		int r;

		make_small(&s, folder);
		bad[i].spoil(&s);
		r = fat_update_open(s.d, s.start, s.size, &u, &e);
		if (r != bad[i].r || !strstr(e.text, bad[i].words) ||
		    (r == -EUCLEAN && !strstr(e.text, "must be repaired first (fsck.fat on its partition)") &&
		     !strstr(e.text, "copy away what you need of it")))
			test_fail(__FILE__, __LINE__, "%s: %d, \"%s\"", bad[i].what, r, e.text ? e.text : "");
	}
}

TEST(directories_without_end_are_refused)
{
	AUTO_FOLDER char *folder = make_folder();
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_files v = { 0 };
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };

	small_make(&s, folder, 512, 4 * MIB, "-F 32 -S 512 -s 1");
	volume_add(&v, "/dir/x", 1, made_up(1), NOW);
	small_put(&s, &v);
	/* 2 MiB is the most; one cluster more. */
	for (u32 c = 100; c <= 4195; c++)
		small_set_link(&s, 2, c, c == 4195 ? 0x0fffffff : c + 1);
	small_set_link(&s, 2, DIR, 100);
	CHECK_FAILS(fat_update_open(s.d, s.start, s.size, &u, &e), &e, "/dir: the directory is larger than FAT allows");
	small_set_link(&s, 2, 4194, 0x0fffffff);
	small_set_link(&s, 2, 4195, 0);
	CHECK_OK(fat_update_open(s.d, s.start, s.size, &u, &e), &e);
	CHECK_U64(u->n_leftover, 1); /* FSInfo */
	volume_files_free(&v);
}

/* 64 directories in each other can be; 65, which mtools makes, are more than we want to follow. */
TEST(depth_has_an_end)
{
	AUTO_FOLDER char *folder = make_folder();

	for (int n = 64; n <= 65; n++) {
		AUTO_UPDATER struct updater *u = NULL;
		AUTO_SMALL struct small s;
		AUTO_ERR struct err e = { 0 };
		AUTO_BUF struct buf out = { 0 };
		int r;

		small_make(&s, folder, 512, 40 * MIB, "-F 32 -S 512 -s 1");
		CHECK_U64((u64)shell(&out, "p=; for i in $(seq %d); do p=$p/a; mmd -i '%s' ::$p || exit 1; done 2>&1",
		                     n, s.image),
		          0);
		small_load(&s);
		r = fat_update_open(s.d, s.start, s.size, &u, &e);
		CHECK_U64(-r, n == 64 ? 0 : ENOTSUP);
		if (r < 0)
			CHECK_FAILS(r, &e, "stick: has more than 64 directories in each other");
	}
}

TEST(other_kinds_are_refused)
{
	static const struct {
		const char *options;
		u32 drive_sector;
		u64 size;
		int r;
		const char *words;
	} rows[] = {
		{ "-F 12", 512, 2 * MIB, -ENOTSUP, "is a FAT12 or FAT16 volume; only FAT32 can be changed" },
		{ "-F 16", 512, 16 * MIB, -ENOTSUP, "is a FAT12 or FAT16 volume" },
		{ "-F 32 -S 512 -s 8", 4096, 4 * MIB, -ENOTSUP, "counts in sectors of 512 bytes, the drive in 4096" },
		{ "-F 32 -S 512 -s 1 -f 1", 512, 2 * MIB, 0, NULL },
		{ "-F 32 -S 512 -s 1 -b 0", 512, 2 * MIB, 0, NULL },
	};
	AUTO_FOLDER char *folder = make_folder();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_UPDATER struct updater *u = NULL;
		AUTO_SMALL struct small s;
		AUTO_ERR struct err e = { 0 };
		int r;

		small_make(&s, folder, rows[i].drive_sector, rows[i].size, rows[i].options);
		r = fat_update_open(s.d, s.start, s.size, &u, &e);
		CHECK_U64(-r, -rows[i].r);
		if (rows[i].words)
			CHECK_FAILS(r, &e, rows[i].words);
	}
}

TEST(partitions_that_cannot_be_are_refused)
{
	static const struct {
		u64 start, size;
	} rows[] = { { 64 * KIB + 100, 2 * MIB },
		     { 64 * KIB, 100 },
		     { 64 * KIB, 3 * MIB },
		     { 8 * MIB, 2 * MIB },
		     { 64 * KIB, UINT64_MAX } };
	AUTO_FOLDER char *folder = make_folder();
	AUTO_SMALL struct small s;

	make_small(&s, folder);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_UPDATER struct updater *u = NULL;
		AUTO_ERR struct err e = { 0 };

		CHECK_FAILS(fat_update_open(s.d, rows[i].start, rows[i].size, &u, &e), &e, "the partition cannot hold");
	}
}

/* ---- what is left over */

static void lost(struct small *s)
{
	small_set_link(s, 2, FIRST_FREE, FIRST_FREE + 1);
	small_set_link(s, 2, FIRST_FREE + 1, 0x0fffffff);
}

static void lost_in_one(struct small *s)
{
	small_set_link(s, 1, FIRST_FREE, 0x0fffffff);
}

static void second_fat_bad(struct small *s)
{
	small_set_link(s, 1, LONG, 0);
}

static void first_fat_bad(struct small *s)
{
	small_set_link(s, 0, LONG, 4000);
	small_set_link(s, 0, A_FILE, LONG);
}

static void half_grown(struct small *s)
{
	small_set_link(s, 2, FIRST_FREE, 0x0fffffff);
	small_set_link(s, 0, DIR, FIRST_FREE);
}

static void half_grown_other(struct small *s)
{
	small_set_link(s, 2, FIRST_FREE, 0x0fffffff);
	small_set_link(s, 1, DIR, FIRST_FREE);
}

static void orphans(struct small *s)
{
	/* The first of two names, and a piece at the end. */
	POKE(s, slot(s, DIR, DIR_END), "\x42o\0r\0p\0h\0a\0\x0f\0\x55");
	POKE(s, slot(s, DIR, DIR_END + 1), "\x41n\0s\0n\0o\0w\0\x0f\0\x55");
}

static void orphan_behind_end(struct small *s)
{
	POKE(s, slot(s, DIR, DIR_END + 2), "\x41n\0s\0n\0o\0w\0\x0f\0\x55");
}

static void wrong_count(struct small *s)
{
	small_poke32(s, s->start + 512 + 488, 77);
}

static void unknown_count(struct small *s)
{
	small_poke32(s, s->start + 512 + 488, 0xffffffff);
}

static const struct {
	const char *what;
	void (*leave)(struct small *s);
	const char *words; /* NULL: nothing is told */
} leftovers[] = {
	{ "lost", lost, "2 clusters (1.00 KiB) belong to no file" },
	{ "lost in one", lost_in_one, "the two FATs are not the same" },
	{ "second FAT bad", second_fat_bad, "the two FATs are not the same" },
	{ "first FAT bad", first_fat_bad, "the two FATs are not the same" },
	{ "half grown", half_grown, "the two FATs are not the same" },
	{ "half grown, the other way", half_grown_other, "1 clusters (512 bytes) belong to no file" },
	{ "orphans", orphans, "2 pieces of long names belong to no file" },
	{ "orphan behind the end", orphan_behind_end, "1 pieces of long names belong to no file" },
	{ "wrong count", wrong_count, "the count of free clusters is 77, not " },
	{ "unknown count", unknown_count, NULL },
};

static bool is_told(const struct updater *u, const char *words)
{
	for (size_t i = 0; i < u->n_leftover; i++)
		if (strstr(u->leftover[i], words))
			return true;
	return false;
}

/* An update that wants nothing mends it. */
TEST(leftovers_are_told_and_mended)
{
	AUTO_FOLDER char *folder = make_folder();

	for (size_t i = 0; i < ARRAY_SIZE(leftovers); i++) {
		AUTO_UPDATER struct updater *u = NULL, *again = NULL;
		struct volume_update nothing = { 0 };
		struct volume_files v = { 0 };
		AUTO_SMALL struct small s;
		AUTO_ERR struct err e = { 0 };
		u64 n, used, clusters;

		make_small(&s, folder);
		leftovers[i].leave(&s);
		if (!CHECK_OK(fat_update_open(s.d, s.start, s.size, &u, &e), &e))
			continue;
		if (leftovers[i].words ? !is_told(u, leftovers[i].words) : u->n_leftover > 0)
			test_fail(__FILE__, __LINE__, "%s: %zu told, \"%s\"", leftovers[i].what, u->n_leftover,
			          u->n_leftover ? u->leftover[0] : "");
		CHECK_OK(update_plan(u, &nothing, &e), &e);
		CHECK_OK(update_run(u, s.d, NULL, &e), &e);
		CHECK(u->n_phases > 0);
		add_files(&v);
		add_dirs(&v);
		small_check(&s, &v, leftovers[i].what);
		fsck_clean(s.image, &n, &used, &clusters);
		CHECK_U64(u->numbers.free_after, (clusters - used) * 512);
		CHECK_OK(fat_update_open(s.d, s.start, s.size, &again, &e), &e);
		CHECK_U64(again->n_leftover, 0);
		volume_files_free(&v);
	}
}

TEST(nothing_to_do_is_nothing_to_write)
{
	AUTO_FOLDER char *folder = make_folder();
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_update nothing = { 0 };
	const struct update_phase *phase;
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };
	size_t n = 9;

	make_small(&s, folder);
	CHECK_OK(fat_update_open(s.d, s.start, s.size, &u, &e), &e);
	CHECK_OK(update_plan(u, &nothing, &e), &e);
	CHECK_OK(update_phases(u, &phase, &n, &e), &e);
	CHECK_U64(n, 0);
	CHECK_U64(u->numbers.to_write, 0);
	CHECK_U64(u->numbers.free_after, u->numbers.free_before);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
