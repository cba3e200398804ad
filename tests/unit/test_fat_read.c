/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat_read.h"
#include "tests/unit/fat_image.h"

/* A volume of ours, to be damaged. */
struct bench {
	struct device *disk, *d;
	struct volume_files files;
	struct fat_volume *v;
	u64 fat, data; /* bytes from the start of the volume */
	struct err e;
};

static const char manifest[] = "what is on it";

static void bench_free(struct bench *b)
{
	fat_close(b->v);
	device_free(b->d);
	device_free(b->disk);
	volume_files_free(&b->files);
	err_clear(&b->e);
}

#define AUTO_BENCH CLEANUP(bench_free)

static void bench_write(struct bench *b)
{
	const struct fat32_options o = { .start = MIB, .size = 34 * MIB, .sector_size = 512, .label = "X" };
	struct writelist *w = writelist_new();
	struct fat32 *f = NULL;
	u8 boot[512];

	b->disk = device_new_memory("stick", 36 * MIB, 512);
	b->d = device_new_window(b->disk, "boot", o.start, o.size);
	if (CHECK_OK(fat32_plan(&o, &b->files, &f, &b->e), &b->e)) {
		fat32_emit(f, w, w);
		CHECK_OK(writelist_finish(w, &b->e), &b->e);
		CHECK_OK(writelist_run(w, b->disk, NULL, &b->e), &b->e);
	}
	writelist_free(w);
	fat32_free(f);
	CHECK_OK(device_read(b->d, 0, boot, 512, &b->e), &b->e);
	b->fat = get_le16(boot + 14) * 512ULL;
	b->data = b->fat + 2 * 512ULL * get_le32(boot + 36);
}

/* Clusters of 512 bytes: the root in 2 (of 10 entries), /livestick in 3, then the files. */
static void bench_make(struct bench *b)
{
	volume_add(&b->files, "/livestick/a.manifest", sizeof(manifest) - 1, input_memory(manifest), 0);
	volume_add(&b->files, "/FIVE", 5 * 512, made_up(5), 0);
	volume_add(&b->files, "/Long name of a file", 1000, made_up(6), 0);
	bench_write(b);
}

static u32 cluster_of(const struct bench *b, const char *path)
{
	return (u32)((volume_find(&b->files, path)->device_off - MIB - b->data) / 512 + 2);
}

static void poke(struct bench *b, u64 off, const void *bytes, size_t len)
{
	CHECK_OK(device_write(b->d, off, bytes, len, &b->e), &b->e);
}

static void set_next(struct bench *b, u32 cluster, u32 next)
{
	u8 n[4];

	put_le32(n, next);
	poke(b, b->fat + 4ULL * cluster, n, 4);
}

static u64 slot_off(const struct bench *b, u32 cluster, unsigned slot)
{
	return b->data + (cluster - 2) * 512ULL + slot * 32ULL;
}

static int ignore_entry(void *ctx, const struct fat_entry *entry)
{
	(void)ctx;
	(void)entry;
	return 0;
}

static int open_again(struct bench *b)
{
	fat_close(TAKE(b->v));
	return fat_open(b->d, &b->v, &b->e);
}

/* Opens and lists; both may fail. */
static int list_again(struct bench *b)
{
	int r = open_again(b);

	return r < 0 ? r : fat_each(b->v, ignore_entry, NULL, &b->e);
}

static int load_again(struct bench *b, const char *path, size_t max)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = open_again(b);

	return r < 0 ? r : fat_load(b->v, path, max, &text, &len, &b->e);
}

TEST(load)
{
	AUTO_BENCH struct bench b = { 0 };
	AUTO_FREE char *text = NULL, *same = NULL, *left_alone = NULL;
	size_t len = 0;

	bench_make(&b);
	CHECK_OK(open_again(&b), &b.e);
	CHECK_OK(fat_load(b.v, "/livestick/a.manifest", 13, &text, &len, &b.e), &b.e);
	CHECK_STR(text, manifest);
	CHECK_U64(len, 13);
	CHECK_OK(fat_load(b.v, "LIVESTICK/A.Manifest", 13, &same, &len, &b.e), &b.e);
	CHECK_STR(same, manifest);
	CHECK_U64((u64)-fat_load(b.v, "/livestick/a.manifest", 12, &left_alone, &len, &b.e), EFBIG);
	CHECK_STR(b.e.text, "boot: /livestick/a.manifest: has 13 bytes, and at most 12 make sense");
	err_clear(&b.e);
	static const char *const none[] = { "/livestick", "/livestick/", "/nothing", "/FIVE/x", "",
		                            "/",          "//FIVE",      "/FIVE/",   "/x?" };
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		CHECK_U64((u64)-fat_load(b.v, none[i], 12, &left_alone, &len, &b.e), ENOENT);
		CHECK_FAILS(-1, &b.e, "boot: has no file ");
	}
	CHECK(left_alone == NULL);
}

static int stop_at_second(void *ctx, const struct fat_entry *entry)
{
	(void)entry;
	return ++*(int *)ctx == 2 ? 42 : 0;
}

TEST(listing_ends_when_asked)
{
	AUTO_BENCH struct bench b = { 0 };
	int n = 0;

	bench_make(&b);
	CHECK_OK(open_again(&b), &b.e);
	CHECK_U64(fat_each(b.v, stop_at_second, &n, &b.e), 42);
	CHECK_U64(n, 2);
}

TEST(what_is_no_fat)
{
	static const struct {
		u16 off, len;
		const char *bytes;
	} bad[] = {
		{ 11, 2, "\0\0" },     /* sectors of 0 */
		{ 11, 2, "\0\1" },     /* 256 */
		{ 11, 2, "\1\2" },     /* 513 */
		{ 11, 2, "\0\40" },    /* 8192 */
		{ 13, 1, "\0" },       /* clusters of 0 */
		{ 13, 1, "\3" },       /* of 3 sectors */
		{ 14, 2, "\0\0" },     /* nothing reserved */
		{ 16, 1, "\0" },       /* no FAT */
		{ 21, 1, "\x12" },     /* media */
		{ 32, 4, "\0\0\0\0" }, /* no sectors */
		{ 32, 4, "\1\0\0\0" }, /* fewer than the FATs */
		{ 36, 4, "\0\0\0\0" }, /* FATs of 0 */
		{ 40, 1, "\x82" },     /* the third of two FATs is the one in use */
	};
	AUTO_BENCH struct bench b = { 0 };
	AUTO_DEVICE struct device *tiny = device_new_memory("tiny", 511, 512),
	                          *zero = device_new_memory("zero", MIB, 512);
	struct fat_volume *v = NULL;
	u8 old[4];

	bench_make(&b);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_OK(device_read(b.d, bad[i].off, old, bad[i].len, &b.e), &b.e);
		poke(&b, bad[i].off, bad[i].bytes, bad[i].len);
		if (list_again(&b) != -EINVAL)
			test_fail(__FILE__, __LINE__, "field %u: was taken for a FAT", bad[i].off);
		CHECK_FAILS(-1, &b.e, "boot: is not a FAT volume");
		poke(&b, bad[i].off, old, bad[i].len);
	}
	CHECK_OK(list_again(&b), &b.e);
	CHECK_FAILS(fat_open(tiny, &v, &b.e), &b.e, "tiny: is too small for a FAT volume");
	CHECK_FAILS(fat_open(zero, &v, &b.e), &b.e, "zero: is not a FAT volume");
	CHECK(v == NULL);
}

TEST(volume_that_says_it_is_larger_than_the_device)
{
	AUTO_BENCH struct bench b = { 0 };
	u32 five;

	bench_make(&b);
	five = cluster_of(&b, "/FIVE");
	poke(&b, 32, "\xff\xff\xff\xff", 4);
	CHECK_OK(load_again(&b, "/FIVE", MIB), &b.e);
	/* With so many sectors a cluster beyond the device has a number, but no place in the FAT. */
	set_next(&b, five + 1, 0x00100000);
	CHECK_FAILS(load_again(&b, "/FIVE", MIB), &b.e, "free, bad or not there");
	/* And with a FAT that claims more, the device's own bounds hold. */
	set_next(&b, five + 1, 69000);
	poke(&b, 36, "\xff\xff\xff\0", 4);
	CHECK(list_again(&b) < 0);
	err_clear(&b.e);
}

/* As EFI images in ISOs are: FAT32 by its fields, with fewer clusters than FAT32 must have. */
TEST(fat32_with_few_clusters)
{
	AUTO_BENCH struct bench b = { 0 };

	bench_make(&b);
	poke(&b, 32, "\0\x20\0\0", 4);
	CHECK_OK(list_again(&b), &b.e);
	CHECK_OK(load_again(&b, "/FIVE", MIB), &b.e);
}

TEST(fat_shorter_than_the_clusters)
{
	AUTO_BENCH struct bench b = { 0 };

	bench_make(&b);
	/* The data would begin elsewhere, so the number of FATs and the reserved sectors make up for it. */
	u16 one_fat = (u16)((b.data - 512) / 512);
	u8 reserved[2];
	put_le16(reserved, one_fat);
	poke(&b, 14, reserved, 2);
	poke(&b, 16, "\1", 1);
	poke(&b, 36, "\1\0\0\0", 4);
	/* A FAT of one sector: clusters up to 127. All of it is zero: the root is one free cluster. */
	CHECK_OK(open_again(&b), &b.e);
	CHECK_FAILS(load_again(&b, "/FIVE", MIB), &b.e, "free, bad or not there");
}

TEST(chains_of_files)
{
	AUTO_BENCH struct bench b = { 0 };
	u32 five;

	bench_make(&b);
	five = cluster_of(&b, "/FIVE");
	static const struct {
		u32 at, to;
		bool relative;
		const char *words;
	} bad[] = {
		{ 1, 0, false, "free, bad or not there" },
		{ 1, 1, false, "free, bad or not there" },
		{ 4, 0, false, "free, bad or not there" },
		{ 1, 0x0ffffff7, false, "free, bad or not there" },
		{ 1, 0x0ffffff0, false, "free, bad or not there" },
		{ 1, 0x00ffffff, false, "free, bad or not there" },
		{ 1, 0x0fffffff, false, "shorter than the file" },
		{ 3, 0x0ffffff8, false, "shorter than the file" },
		{ 4, 5, true, "longer than the file" },
		{ 4, 0, true, "longer than the file" }, /* a circle */
		{ 2, 1, true, "longer than the file" },
		{ 0, 0, true, "longer than the file" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set_next(&b, five + bad[i].at, bad[i].to + (bad[i].relative ? five : 0));
		CHECK_U64((u64)-load_again(&b, "/FIVE", MIB), EUCLEAN);
		CHECK_FAILS(-1, &b.e, bad[i].words);
		set_next(&b, five + bad[i].at, bad[i].at == 4 ? 0x0fffffff : five + bad[i].at + 1);
	}
	CHECK_OK(load_again(&b, "/FIVE", MIB), &b.e);
	/* The upper four bits belong to nobody. */
	set_next(&b, five, 0xf0000000 | (five + 1));
	CHECK_OK(load_again(&b, "/FIVE", MIB), &b.e);
}

TEST(starts_that_are_not_there)
{
	AUTO_BENCH struct bench b = { 0 };
	static const u16 starts[] = { 0, 1, 0xfff7 };
	u64 five, dir;
	u8 n[2];

	bench_make(&b);
	five = slot_off(&b, 2, 1);
	dir = slot_off(&b, 2, 2);
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		put_le16(n, starts[i]);
		poke(&b, five + 20, starts[i] > 1 ? "\x01\0" : "\0\0", 2);
		poke(&b, five + 26, n, 2);
		CHECK_FAILS(load_again(&b, "/FIVE", MIB), &b.e, "begins at a cluster that is not there");
	}
	CHECK_OK(list_again(&b), &b.e);
	/* The name that sorts after FIVE is "livestick": one piece of a long name, then its entry. */
	put_le16(n, 0);
	poke(&b, dir + 32 + 26, n, 2);
	CHECK_FAILS(list_again(&b), &b.e, "/livestick: the directory begins at a cluster that is not there");
	CHECK_FAILS(load_again(&b, "/livestick/a.manifest", MIB), &b.e, "begins at a cluster that is not there");
	poke(&b, 44, "\0\0\0\0", 4);
	CHECK_FAILS(list_again(&b), &b.e, "boot: /: the directory begins at a cluster that is not there");
}

TEST(file_larger_than_its_chain_or_the_volume)
{
	AUTO_BENCH struct bench b = { 0 };

	bench_make(&b);
	poke(&b, slot_off(&b, 2, 1) + 28, "\xff\xff\xff\xff", 4);
	CHECK_FAILS(load_again(&b, "/FIVE", SIZE_MAX), &b.e, "shorter than the file");
	CHECK_FAILS(load_again(&b, "/FIVE", MIB), &b.e, "has 4294967295 bytes, and at most 1048576 make sense");
}

TEST(directories_in_circles)
{
	AUTO_BENCH struct bench b = { 0 };
	u8 full[512];

	bench_make(&b);
	/* /livestick holds itself. */
	poke(&b, slot_off(&b, 3, 0), "LOOP       \x10", 12);
	CHECK_U64((u64)-list_again(&b), EUCLEAN);
	CHECK_FAILS(-1, &b.e, "directories lie too deep in each other");
	/* The root's chain comes back to the root, which has no end mark any more. */
	for (unsigned i = 0; i < 16; i++)
		memcpy(full + i * 32,
		       "\xe5"
		       "ELETED    \x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
		       32);
	poke(&b, slot_off(&b, 2, 0), full, sizeof(full));
	set_next(&b, 2, 2);
	CHECK_U64((u64)-list_again(&b), EUCLEAN);
	CHECK_FAILS(-1, &b.e, "the directory has no end");
	CHECK_FAILS(load_again(&b, "/x", MIB), &b.e, "the directory has no end");
	/* A full directory without an end mark ends with its chain. */
	set_next(&b, 2, 0x0fffffff);
	CHECK_OK(list_again(&b), &b.e);
	set_next(&b, 2, 0);
	CHECK_FAILS(list_again(&b), &b.e, "free, bad or not there");
}

/* 1000 directories with the same 1000 files in them: few bytes, many names. */
TEST(more_files_than_are_listed)
{
	AUTO_BENCH struct bench b = { 0 };
	char path[32];
	u32 first;

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/D%03u", i);
		volume_add_dir(&b.files, path, 0755, 0);
		snprintf(path, sizeof(path), "/D000/F%u", i);
		volume_add(&b.files, path, 0, made_up(1), 0);
	}
	bench_write(&b);
	CHECK_OK(list_again(&b), &b.e);
	first = 2 + (1001 * 32 + 511) / 512;
	for (unsigned i = 0; i < 1000; i++) {
		u8 n[2];

		/* The root is one stretch from cluster 2. */
		put_le16(n, (u16)first);
		poke(&b, slot_off(&b, 2, 1 + i) + 26, n, 2);
	}
	CHECK_U64((u64)-list_again(&b), EFBIG);
	CHECK_FAILS(-1, &b.e, "boot: has more than 1000000 files");
}

/* 100 directories with the same 65,534 deleted names in them. */
TEST(more_entries_than_are_looked_at)
{
	AUTO_BENCH struct bench b = { 0 };
	char path[32];
	u32 first = 2 + (101 * 32 + 511) / 512;
	u8 n[2];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/D%03u", i);
		volume_add_dir(&b.files, path, 0755, 0);
	}
	for (unsigned i = 0; i < 65534; i++) {
		snprintf(path, sizeof(path), "/D000/F%u", i);
		volume_add(&b.files, path, 0, made_up(1), 0);
	}
	bench_write(&b);
	for (unsigned i = 2; i < 65536; i++)
		poke(&b, slot_off(&b, first, i), "\xe5", 1);
	CHECK_OK(list_again(&b), &b.e);
	put_le16(n, (u16)first);
	for (unsigned i = 0; i < 100; i++)
		poke(&b, slot_off(&b, 2, 1 + i) + 26, n, 2);
	CHECK_U64((u64)-list_again(&b), EFBIG);
	CHECK_FAILS(-1, &b.e, "boot: has too many directory entries");
}

TEST(device_that_is_cut_short)
{
	AUTO_BENCH struct bench b = { 0 };

	bench_make(&b);
	const u64 sizes[] = { 512, b.data, slot_off(&b, cluster_of(&b, "/FIVE"), 0) + 1024 };
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		device_free(b.d);
		b.d = device_new_window(b.disk, "cut", MIB, sizes[i]);
		CHECK_U64((u64)-load_again(&b, "/FIVE", MIB), ERANGE);
		CHECK_FAILS(-1, &b.e, "cut: ");
	}
}

static int note_name(void *ctx, const struct fat_entry *entry)
{
	buf_addf(ctx, "%s\n", entry->path);
	return 0;
}

static void check_names(struct bench *b, const char *want)
{
	AUTO_BUF struct buf have = { 0 };

	buf_adds(&have, "");
	CHECK_OK(open_again(b), &b->e);
	CHECK_OK(fat_each(b->v, note_name, &have, &b->e), &b->e);
	CHECK_STR(have.s, want);
}

TEST(long_names_that_do_not_fit_their_alias)
{
	AUTO_BENCH struct bench b = { 0 };
	u64 piece, alias;
	u8 old[64], changed[64];

	volume_add(&b.files, "/A long name of two", 0, made_up(1), 0);
	volume_add(&b.files, "/Z", 0, made_up(1), 0);
	bench_write(&b);
	check_names(&b, "/A long name of two\n/Z\n");
	piece = slot_off(&b, 2, 1); /* behind the label: "e of two" is the second piece, and comes first */
	alias = piece + 64;
	CHECK_OK(device_read(b.d, piece, old, 64, &b.e), &b.e);
	static const struct {
		unsigned off;
		u8 value;
		const char *names;
	} bad[] = {
		{ 0, 0x43, "/ALONGN~1\n/Z\n" },  /* a third piece, but no second */
		{ 0, 0x02, "/ALONGN~1\n/Z\n" },  /* no start */
		{ 0, 0x40, "/ALONGN~1\n/Z\n" },  /* number 0 */
		{ 0, 0x7f, "/ALONGN~1\n/Z\n" },  /* number 63 */
		{ 32, 0x02, "/ALONGN~1\n/Z\n" }, /* the second twice */
		{ 32, 0xe5, "/ALONGN~1\n/Z\n" }, /* deleted in the middle */
		{ 13, 0x00, "/ALONGN~1\n/Z\n" }, /* checksums */
		{ 45, 0x00, "/ALONGN~1\n/Z\n" },
		{ 33, '/', "/ALONGN~1\n/Z\n" }, /* no name may lead elsewhere */
		{ 33, '\n', "/ALONGN~1\n/Z\n" },
		{ 34, 0xd8, "/\xef\xbf\xbd long name of two\n/Z\n" }, /* half a pair */
		{ 33, 'B', "/B long name of two\n/Z\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(changed, old, 64);
		changed[bad[i].off] = bad[i].value;
		poke(&b, piece, changed, 64);
		check_names(&b, bad[i].names);
	}
	/* ".." as a long name; then an alias that is no name either. */
	memcpy(changed, old, 64);
	memcpy(changed + 33, ".\0.\0\0\0", 6);
	poke(&b, piece, changed, 64);
	check_names(&b, "/ALONGN~1\n/Z\n");
	poke(&b, alias, "../../A", 7);
	CHECK_U64((u64)-list_again(&b), EUCLEAN);
	CHECK_FAILS(-1, &b.e, "has an entry without a name");
	poke(&b, alias, "           ", 11);
	CHECK_FAILS(list_again(&b), &b.e, "has an entry without a name");
}

TEST(names_without_a_long_form)
{
	AUTO_BENCH struct bench b = { 0 };
	static const struct {
		const char *entry;
		const char *names;
	} good[] = {
		{ "GRUB    CFG\x20\x18", "/grub.cfg\n" },
		{ "GRUB    CFG\x20\x08", "/grub.CFG\n" },
		{ "GRUB    CFG\x20\x10", "/GRUB.cfg\n" },
		{ "A B     C  \x20\0", "/A B.C\n" },
		{ "\x9a"
		  "BER       \x20\x08",
		  "/\xef\xbf\xbd"
		  "ber\n" },
		{ "\x05"
		  "X         \x20\0",
		  "/\xef\xbf\xbdX\n" },
		{ "\xe5"
		  "X         \x20\0",
		  "" },
		{ "LABEL      \x08\0", "" },
		{ ".          \x10\0", "" },
		{ "..         \x10\0", "" },
	};

	volume_add(&b.files, "/X", 0, made_up(1), 0);
	bench_write(&b);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		poke(&b, slot_off(&b, 2, 1), good[i].entry, 13);
		check_names(&b, good[i].names);
	}
}

TEST(deepest_directories)
{
	AUTO_BENCH struct bench b = { 0 };
	AUTO_BUF struct buf path = { 0 };

	for (unsigned i = 0; i < 64; i++)
		buf_addf(&path, "/a rather long name of directory %u", i);
	volume_add(&b.files, path.s, 3, input_memory("abc"), 0);
	bench_write(&b);
	CHECK_OK(list_again(&b), &b.e);
	CHECK_OK(load_again(&b, path.s, 3), &b.e);
}

TEST(second_fat_in_use)
{
	AUTO_BENCH struct bench b = { 0 };
	AUTO_FREE u8 *zeros = NULL;

	bench_make(&b);
	zeros = xcalloc(1, (b.data - b.fat) / 2);
	poke(&b, b.fat, zeros, (b.data - b.fat) / 2);
	CHECK_FAILS(load_again(&b, "/FIVE", MIB), &b.e, "free, bad or not there");
	poke(&b, 40, "\x81", 1);
	CHECK_OK(load_again(&b, "/FIVE", MIB), &b.e);
}

/* Any byte of the volume's start and its directories may be wrong: no crash, no endless loop. */
TEST(random_damage)
{
	u64 seed = 4711;

	for (unsigned round = 0; round < 300; round++) {
		AUTO_BENCH struct bench b = { 0 };
		u64 places[3];

		bench_make(&b);
		places[0] = 0;
		places[1] = b.fat;
		places[2] = b.data;
		for (unsigned i = 0; i < 1 + round % 12; i++) {
			u8 value = (u8)rnd(&seed);

			poke(&b, places[below(&seed, 3)] + below(&seed, round % 2 ? 90 : 1024), &value, 1);
		}
		list_again(&b);
		err_clear(&b.e);
		load_again(&b, "/livestick/a.manifest", MIB);
		err_clear(&b.e);
		load_again(&b, "/FIVE", MIB);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
