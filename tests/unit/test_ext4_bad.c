/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading ext volumes that are damaged, on purpose or by chance, and devices that fail. */
#include "src/base/buf.h"
#include "tests/unit/ext4_volume.h"

/* ---- damage that is made on purpose, with good checksums */

TEST(directories_that_contradict_themselves)
{
	static const char *const kinds[] = { "-t ext2", "-t ext4 -O ^has_journal" };
	static const struct {
		const char *command, *words;
	} bad[] = {
		{ "link dir dir/sub/loop", "/dir/sub/loop: the directory lies in two places" },
		{ "link dir/sub twice", "the directory lies in two places" },
		{ "link / root", "has an entry for an inode that is no file" },
		{ "link <8> journal", "has an entry for an inode that is no file" },
		{ "clri file", "/file: its inode is not in use" },
		{ "sif file links_count 0", "/file: its inode is not in use" },
		{ "sif many size 1000", "/many: the directory ends within a block" },
		{ "sif many size 1024000", "/many: the directory has a hole" },
		{ "sif fast size 0", "/fast: is a symlink of a length that none can have" },
		{ "sif slow size 5000", "/slow: is a symlink of a length that none can have" },
		{ "sif <2> mode 0100644", "/: is no directory" },
		{ "clri <2>", "/: its inode is not in use" },
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_BENCH struct bench b = { 0 };

			small_image(&b, kinds[k]);
			CHANGE(&b, bad[i].command);
			CHECK_DAMAGED(list_again(&b), &b, bad[i].words);
		}
	}
}

TEST(files_that_contradict_themselves)
{
	static const struct {
		const char *options, *command, *path, *words;
	} bad[] = {
		/* Numbers of blocks in the inode, in a table, in a table of tables. */
		{ "-t ext2", "sif file block[3] 2000", "/file", "has a block outside the volume" },
		{ "-t ext2", "sif file block[3] 1", "/file", "has a block outside the volume" },
		{ "-t ext2", "sif file block[IND] 1024", "/file", "its map lies outside the volume" },
		{ "-t ext2", "sif file block[IND] 4294967295", "/file", "its map lies outside the volume" },
		{ "-t ext2", "sif file size 0x100000001", "/file", "has 4294967297 bytes" },
		{ "-t ext2", "sif frag block[2] 5000", "/frag", "has a block outside the volume" },
		/* The tree of extents: block[0] is its magic and number of entries, block[1] the most there can be and
		   the depth; then entries of three words. */
		{ "-t ext4", "sif file block[0] 0x1f30b", "/file", "its extents are no tree" },
		{ "-t ext4", "sif file block[0] 0x5f30a", "/file", "its extents are no tree" },
		{ "-t ext4", "sif file block[1] 0x00000", "/file", "its extents are no tree" },
		{ "-t ext4", "sif file block[1] 0x00005", "/file", "its extents are no tree" },
		{ "-t ext4", "sif file block[1] 0x60004", "/file", "its extents are no tree" },
		{ "-t ext4", "sif file block[1] 0x10004", "/file", "its map lies outside the volume" },
		{ "-t ext4", "sif file block[4] 0", "/file", "has an extent of no length" },
		{ "-t ext4", "sif file block[4] 0x10045", "/file", "has an extent outside the volume" },
		{ "-t ext4", "sif file block[4] 2000", "/file", "has an extent outside the volume" },
		{ "-t ext4", "sif file block[5] 1020", "/file", "has an extent outside the volume" },
		{ "-t ext4", "sif frag block[4] 2000", "/frag", "its map lies outside the volume" },
		{ "-t ext4", "sif frag block[4] 0", "/frag", "its map lies outside the volume" },
		{ "-t ext4", "sif frag block[4] 2", "/frag", "its extents are no tree" },
		{ "-t ext4", "sif frag block[1] 0x30004", "/frag", "its extents are no tree" },
		{ "-t ext4", "sif frag generation 7", "/frag", "the checksum of its extents is wrong" },
		{ "-t ext4 -O inline_data", "sif livestick/a.manifest size 400", "/livestick/a.manifest",
		  "has less data in its inode than it says" },
		{ "-t ext4 -O inline_data", "sif dir size 59", "/dir/sub/x",
		  "the directory does not fit into its inode" },
		{ "-t ext4 -O inline_data", "sif dir size 10000", "/dir/sub/x",
		  "the directory does not fit into its inode" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_BENCH struct bench b = { 0 };
		int r;

		small_image(&b, bad[i].options);
		CHECK_OK(load_again(&b, bad[i].path), &b.e);
		CHANGE(&b, bad[i].command);
		r = load_again(&b, bad[i].path);
		if (r != (strstr(bad[i].words, "bytes") ? -EFBIG : -EUCLEAN))
			test_fail(__FILE__, __LINE__, "%s: %d", bad[i].command, r);
		CHECK_FAILS(r, &b.e, bad[i].words);
	}
}

TEST(inline_directory_larger_than_its_data)
{
	AUTO_BENCH struct bench b = { 0 };

	small_image(&b, "-t ext4 -O inline_data");
	CHECK_OK(list_again(&b), &b.e);
	CHANGE(&b, "sif dir size 250");
	CHECK_DAMAGED(list_again(&b), &b, "/dir: has less data in its inode than it says");
}

/* Beyond what a map of that kind can hold, and what is a hole for all its size. */
TEST(huge_files)
{
	AUTO_BENCH struct bench b = { 0 };
	struct ext4_entry entry;
	u8 data[100] = { 1 };

	small_image(&b, "-t ext2");
	CHANGE(&b, "sif file size 0x1000000000");
	CHECK_OK(open_again(&b), &b.e);
	entry = get(b.v, "/file");
	CHECK_U64(entry.size, 64 * GIB);
	CHECK_OK(ext4_read_file(b.v, &entry, 16 * GIB, data, sizeof(data), &b.e), &b.e);
	CHECK(data[0] == 0);
	CHECK_DAMAGED(ext4_read_file(b.v, &entry, 64 * GIB - 1, data, 1, &b.e), &b,
	              "/file: is larger than its map can be");
	small_image(&b, "-t ext4");
	CHANGE(&b, "sif file size 0x40000000000");
	CHECK_OK(open_again(&b), &b.e);
	entry = get(b.v, "/file");
	CHECK_OK(ext4_read_file(b.v, &entry, 4096 * GIB - 100, data, sizeof(data), &b.e), &b.e);
	CHANGE(&b, "sif file size 0x40000000001");
	CHECK_DAMAGED(list_again(&b), &b, "/file: is larger than a file can be");
}

TEST(encrypted)
{
	AUTO_BENCH struct bench b = { 0 };

	small_image(&b, "-t ext4 -O encrypt");
	CHANGE(&b, "sif file flags 0x80800");
	CHECK_OK(list_again(&b), &b.e);
	CHECK_U64(load_again(&b, "/file"), -ENOTSUP);
	CHECK_FAILS(-1, &b.e, "/file: is encrypted");
}

static void poke(const struct bench *b, u64 off, const char *bytes)
{
	COMMAND("printf '%s' | dd of=%s bs=1 seek=%llu conv=notrunc status=none", bytes, b->path,
	        (unsigned long long)off);
}

/* Where the only block of a directory is. */
static u64 dir_off(const struct bench *b, const char *path)
{
	COMMAND("debugfs -R 'blocks %s' %s 2>/dev/null", path, b->path);
	return strtoull(sandbox_said(), NULL, 10) * 1024;
}

TEST(entries_of_directories)
{
	static const struct {
		unsigned off; /* in the entry of "sub", which follows "." and "..": 12 bytes each */
		const char *bytes, *words;
	} bad[] = {
		{ 4, "\\000\\000", "an entry of the directory has a wrong length" },
		{ 4, "\\007\\000", "an entry of the directory has a wrong length" },
		{ 4, "\\016\\000", "an entry of the directory has a wrong length" },
		{ 4, "\\354\\003", "an entry of the directory has a wrong length" },
		{ 4, "\\377\\377", "an entry of the directory has a wrong length" },
		{ 4, "\\340\\003", "an entry of the directory has a wrong length" },
		{ 4, "\\010\\000", "a name in the directory is longer than its entry" },
		{ 6, "\\000", "has an entry without a name" },
		{ 9, "/", "has an entry with a name that no file can have" },
		{ 9, "\\000", "has an entry with a name that no file can have" },
		{ 0, "\\377\\377", "/dir/sub: " },
		{ 0, "\\001\\000", "has an entry for an inode that is no file" },
	};
	AUTO_BENCH struct bench b = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		small_image(&b, "-t ext2");
		poke(&b, dir_off(&b, "/dir") + 24 + bad[i].off, bad[i].bytes);
		CHECK_DAMAGED(list_again(&b), &b, bad[i].words);
	}
	small_image(&b, "-t ext4");
	poke(&b, dir_off(&b, "/dir") + 24 + 9, "X");
	CHECK_DAMAGED(list_again(&b), &b, "/dir: Directory block checksum does not match directory block");
}

/* ---- damage by chance */

/* A target that is too long for the inode has no checksum. */
static int tell_entry(void *ctx, const struct ext4_entry *entry)
{
	buf_addf(ctx, "%s %s %llu %o %d\n", entry->path,
	         entry->target && strcmp(entry->path, "/slow") != 0 ? entry->target : "",
	         (unsigned long long)entry->size, entry->mode, entry->is_dir);
	return 0;
}

static int read_entry(void *ctx, const struct ext4_entry *entry)
{
	static u8 data[64 * KIB];
	AUTO_ERR struct err e = { 0 };
	int r = ext4_read_file(ctx, entry, 0, data, MIN(entry->size, sizeof(data)), &e);

	CHECK(r == 0 || r == -EUCLEAN || r == -ENOTSUP);
	return 0;
}

/* A copy of the image in memory, which knows what was read of it. */
struct watched {
	struct device d;
	struct device *memory;
	bool off;
	struct buf place; /* of u32: the bytes that were read */
	bool *seen;
};

static int watched_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct watched *w = (struct watched *)d;

	for (u64 i = off; i < off + len && !w->off; i++) {
		u32 place = (u32)i;

		if (!w->seen[i])
			buf_add(&w->place, &place, sizeof(place));
		w->seen[i] = true;
	}
	return w->memory->ops->read(w->memory, off, buf, len);
}

static void watched_free(struct watched *w)
{
	device_free(w->memory);
	buf_free(&w->place);
	free(w->seen);
}

static const struct device_ops watched_ops = { .read = watched_read };

static void watch(struct watched *w, struct device *d)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *data = xcalloc(1, d->size);

	w->d = (struct device){
		.ops = &watched_ops, .name = (char *)"memory", .size = d->size, .sector_size = 512, .fd = -1
	};
	w->memory = device_new_memory("memory", d->size, 512);
	w->seen = xcalloc(d->size, 1);
	CHECK_OK(device_read(d, 0, data, d->size, &e), &e);
	CHECK_OK(device_write(w->memory, 0, data, d->size, &e), &e);
}

static void change_byte(struct watched *w, u64 off, u8 bits)
{
	AUTO_ERR struct err e = { 0 };
	u8 sector[512];

	CHECK_OK(device_read(w->memory, align_down(off, 512), sector, 512, &e), &e);
	sector[off % 512] ^= bits;
	CHECK_OK(device_write(w->memory, align_down(off, 512), sector, 512, &e), &e);
}

/* What a listing of the device says; an error is good, too. */
static int describe(struct device *d, struct buf *ret)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_EXT4 struct ext4_volume *v = NULL;
	int r = ext4_open(d, &v, &e);

	buf_clear(ret);
	if (r == 0)
		r = ext4_each(v, tell_entry, ret, &e);
	CHECK(r == 0 || r == -EUCLEAN || r == -EINVAL || r == -ENOTSUP || r == -EFBIG);
	CHECK(r == 0 || e.text);
	return r;
}

static void read_all(struct device *d)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_EXT4 struct ext4_volume *v = NULL;

	if (ext4_open(d, &v, &e) == 0)
		CHECK_OK(ext4_each(v, read_entry, v, &e), &e);
}

/* Bytes that a listing reads are changed, one at a time; with checksums nothing may come out that is not as it was. */
static void flip(const char *options, bool checksums)
{
	AUTO_BENCH struct bench b = { 0 };
	AUTO_BUF struct buf before = { 0 }, after = { 0 };
	CLEANUP(watched_free) struct watched w = { 0 };
	unsigned failed = 0, changed = 0;
	u64 random = 42;

	small_image(&b, options);
	CHECK_OK(open_again(&b), &b.e);
	watch(&w, b.d);
	CHECK_U64(describe(&w.d, &before), 0);
	w.off = true;
	for (unsigned i = 0; i < 3000; i++) {
		u32 off;
		u8 bits;

		random = random * 6364136223846793005 + 1442695040888963407;
		off = ((const u32 *)(const void *)w.place.s)[(random >> 33) % (w.place.len / 4)];
		bits = (u8)(i % 3 ? 1ULL << (random >> 60) % 8 : random >> 24 | 1);
		change_byte(&w, off, bits);
		if (describe(&w.d, &after) < 0) {
			failed++;
		} else {
			read_all(&w.d);
			if (strcmp(before.s, after.s) != 0 && checksums)
				test_fail(__FILE__, __LINE__, "%s: byte %u: %s", options, off, after.s);
			changed += strcmp(before.s, after.s) != 0;
		}
		change_byte(&w, off, bits);
	}
	CHECK(failed > 50);
	printf("# %s: of 3000 changes in %zu bytes %u were noticed, %u changed the listing\n", options, w.place.len / 4,
	       failed, changed);
}

TEST(changed_bytes)
{
	flip("-t ext2", false);
	flip("-t ext4 -O ^metadata_csum,^64bit,uninit_bg", false);
	flip("-t ext4 -O inline_data,^metadata_csum", false);
	flip("-t ext4", true);
	flip("-t ext4 -O inline_data", true);
}

/* ---- devices that fail */

struct broken {
	struct device d;
	struct device *under;
	int left; /* readings before the one that fails */
};

static int broken_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct broken *b = (struct broken *)d;

	if (b->left-- == 0)
		return -EIO;
	return b->under->ops->read(b->under, off, buf, len);
}

TEST(each_reading_may_fail)
{
	static const char *const kinds[] = { "-t ext2", "-t ext4", "-t ext4 -O inline_data" };
	static const struct device_ops ops = { .read = broken_read };

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		AUTO_BENCH struct bench b = { 0 };
		int n = 0, r = -1;

		small_image(&b, kinds[k]);
		CHECK_OK(open_again(&b), &b.e);
		for (; r != 0 && n < 2000; n++) {
			struct broken broken = { { .ops = &ops,
				                   .name = (char *)"broken",
				                   .size = b.d->size,
				                   .sector_size = 512,
				                   .fd = -1 },
				                 b.d,
				                 n };
			struct ext4_volume *v = NULL;
			AUTO_FREE char *text = NULL;
			size_t len;

			r = ext4_open(&broken.d, &v, &b.e);
			if (r == 0)
				r = ext4_each(v, ignore_entry, NULL, &b.e);
			if (r == 0)
				r = ext4_load(v, "/frag", MIB, &text, &len, &b.e);
			if (r != 0) {
				CHECK_U64(r, -EIO);
				CHECK_FAILS(r, &b.e, "Input/output error");
			}
			ext4_close(v);
		}
		CHECK(n > 15 && n < 2000);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
