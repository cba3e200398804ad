/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One reader for both: what it takes for what, and that nothing gets lost on the way. */
#include <errno.h>

#include "bootinst/extlinux.h"
#include "src/base/buf.h"
#include "src/fs/fat32.h"
#include "src/fs/reader.h"
#include "tests/unit/ext4_image.h"

static const char manifest[] = "what is on it";

/* A volume on a stick in memory; `boot` is its partition. */
struct stick {
	struct device *disk, *boot;
	struct volume_files files;
	struct reader *reader;
	struct err e;
};

static void stick_free(struct stick *s)
{
	reader_close(s->reader);
	device_free(s->boot);
	device_free(s->disk);
	volume_files_free(&s->files);
	err_clear(&s->e);
}

#define AUTO_STICK CLEANUP(stick_free)

static void add_files(struct stick *s)
{
	add_text(&s->files, "/livestick/a.manifest", manifest);
	volume_add(&s->files, "/live/empty", 0, input_memory(""), 1);
	volume_add(&s->files, "/live/secret", 3, input_memory("abc"), 1)->mode = 0600;
	s->disk = device_new_memory("stick", START + 65 * MIB, 512);
	s->boot = device_new_window(s->disk, "boot", START, 64 * MIB);
}

static void run(struct stick *s, struct writelist *w)
{
	CHECK_OK(writelist_finish(w, &s->e), &s->e);
	CHECK_OK(writelist_run(w, s->disk, NULL, &s->e), &s->e);
	writelist_free(w);
}

static void make_fat(struct stick *s)
{
	const struct fat32_options o = { .start = START, .size = 64 * MIB, .sector_size = 512, .label = "BOOT" };
	struct writelist *w = writelist_new();
	struct fat32 *f;

	add_files(s);
	if (CHECK_OK(fat32_plan(&o, &s->files, &f, &s->e), &s->e)) {
		fat32_emit(f, w, w);
		run(s, w);
		fat32_free(f);
	}
}

static void make_ext(struct stick *s)
{
	const struct ext4_options o = loader_options(64 * MIB);
	struct writelist *w = writelist_new();
	struct ext4 *x;

	add_files(s);
	if (CHECK_OK(ext4_plan(&o, &s->files, &x, &s->e), &s->e)) {
		ext4_emit(x, w);
		run(s, w);
		ext4_free(x);
	}
}

struct listing {
	struct reader *reader;
	struct buf text;
};

/* What each entry says, and the first 20 bytes of it. */
static int list_entry(void *ctx, const struct reader_entry *entry)
{
	struct listing *l = ctx;
	AUTO_ERR struct err e = { 0 };
	char bytes[21] = "";

	if (strcmp(entry->path, "/lost+found") == 0)
		return 0;
	CHECK_OK(reader_read(l->reader, entry, 0, bytes, MIN(entry->size, 20), &e), &e);
	CHECK_U64(reader_read(l->reader, entry, entry->size, bytes, 1, &e), -ERANGE);
	buf_addf(&l->text, "%s %s %s%llu %o [%s]\n", entry->path, entry->target ? entry->target : "-",
	         entry->is_dir    ? "d"
	         : entry->is_file ? "f"
	                          : "",
	         (unsigned long long)entry->size, entry->mode, bytes);
	return 0;
}

static void check_listing(struct reader *r, const char *want)
{
	AUTO_ERR struct err e = { 0 };
	struct listing l = { .reader = r };

	CHECK_OK(reader_each(r, list_entry, &l, &e), &e);
	CHECK_STR(l.text.s, want);
	buf_free(&l.text);
}

/* `other_case`: letters of either case are the same. */
static void check_load(struct reader *r, bool other_case)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL, *again = NULL;
	size_t len = 0;

	if (CHECK_OK(reader_load(r, "/livestick/a.manifest", MIB, &text, &len, &e), &e))
		CHECK_STR(text, manifest);
	CHECK_U64(len, 13);
	CHECK_U64(reader_load(r, "/livestick/a.manifest", 12, &again, &len, &e), -EFBIG);
	err_clear(&e);
	CHECK_U64(reader_load(r, "/livestick", MIB, &again, &len, &e), -ENOENT);
	err_clear(&e);
	CHECK_U64(reader_load(r, "/livestick/b.manifest", MIB, &again, &len, &e), -ENOENT);
	err_clear(&e);
	CHECK_U64(reader_load(r, "/LIVESTICK/A.manifest", MIB, &again, &len, &e), other_case ? 0 : -ENOENT);
}

TEST(fat)
{
	AUTO_STICK struct stick s = { 0 };

	make_fat(&s);
	if (!CHECK_OK(reader_open(s.boot, &s.reader, &s.e), &s.e))
		return;
	CHECK(!s.e.text);
	CHECK_STR(s.reader->kind, "FAT");
	CHECK(!s.reader->was_not_clean);
	check_listing(s.reader, "/live - d0 755 []\n"
	                        "/live/empty - f0 644 []\n"
	                        "/live/secret - f3 644 [abc]\n"
	                        "/livestick - d0 755 []\n"
	                        "/livestick/a.manifest - f13 644 [what is on it]\n");
	check_load(s.reader, true);
}

TEST(ext)
{
	AUTO_STICK struct stick s = { 0 };

	make_ext(&s);
	if (!CHECK_OK(reader_open(s.boot, &s.reader, &s.e), &s.e))
		return;
	CHECK(!s.e.text);
	CHECK_STR(s.reader->kind, "ext");
	CHECK(!s.reader->was_not_clean);
	check_listing(s.reader, "/live - d0 755 []\n"
	                        "/live/empty - f0 644 []\n"
	                        "/live/secret - f3 600 [abc]\n"
	                        "/livestick - d0 755 []\n"
	                        "/livestick/a.manifest - f13 644 [what is on it]\n");
	check_load(s.reader, false);
}

static void open_image(struct stick *s, const char *path)
{
	CHECK_OK(device_open(path, false, &s->disk, &s->e), &s->e);
	CHECK_OK(reader_open(s->disk, &s->reader, &s->e), &s->e);
}

TEST(symlinks)
{
	AUTO_FREE char *path = sandbox_path("links.img"), *tree = sandbox_path("links");
	AUTO_STICK struct stick s = { 0 };

	CHECK_U64(sandbox_run("mkdir %1$s && cd %1$s && ln -s ../.. up && mkfifo pipe && chmod 640 pipe && "
	                      "mke2fs -q -F -t ext3 -d . %2$s 4M && debugfs -w -R 'ssv state 0' %2$s",
	                      tree, path),
	          0);
	open_image(&s, path);
	if (!s.reader)
		return;
	CHECK(s.reader->was_not_clean);
	check_listing(s.reader, "/pipe - 0 640 []\n/up ../.. 0 777 []\n");
}

TEST(every_width_of_fat)
{
	static const struct {
		unsigned bits, mib;
	} row[] = { { 12, 2 }, { 16, 20 }, { 32, 64 } };
	AUTO_FREE char *path = sandbox_path("fat.img"), *file = sandbox_path("a");

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_STICK struct stick s = { 0 };

		CHECK_U64(
		    sandbox_run("rm -f %1$s && truncate -s %3$uM %1$s && mkfs.fat -F %4$u %1$s && echo hello >%2$s && "
		                "mmd -i %1$s ::dir && mcopy -i %1$s %2$s ::dir/a",
		                path, file, row[i].mib, row[i].bits),
		    0);
		open_image(&s, path);
		if (s.reader)
			check_listing(s.reader, "/dir - d0 755 []\n/dir/a - f6 644 [hello\n]\n");
	}
}

/* EXTLINUX has fields of FAT in the first sector of an ext volume. */
TEST(extlinux_in_front_of_ext)
{
	static struct syslinux loader;
	AUTO_STICK struct stick s = { 0 };
	u8 sectors[EXTLINUX_BOOT_SIZE];

	make_ext(&s);
	CHECK_OK(extlinux_boot_sector(&loader, START, 64 * MIB, sectors, &s.e), &s.e);
	CHECK_OK(device_write(s.boot, 0, sectors, sizeof(sectors), &s.e), &s.e);
	if (CHECK_OK(reader_open(s.boot, &s.reader, &s.e), &s.e))
		CHECK_STR(s.reader->kind, "ext");
}

/* The mark of ext may stand in a FAT by chance: in FAT16 it is the number of a cluster. */
TEST(mark_of_ext_in_a_fat)
{
	AUTO_STICK struct stick s = { 0 };
	u8 sector[512];

	make_fat(&s);
	CHECK_OK(device_read(s.boot, 1024, sector, 512, &s.e), &s.e);
	put_le16(sector + 56, 0xef53);
	CHECK_OK(device_write(s.boot, 1024, sector, 512, &s.e), &s.e);
	if (CHECK_OK(reader_open(s.boot, &s.reader, &s.e), &s.e))
		CHECK_STR(s.reader->kind, "FAT");
}

TEST(neither)
{
	AUTO_DEVICE struct device *zero = device_new_memory("zero", MIB, 512);
	AUTO_DEVICE struct device *tiny = device_new_memory("tiny", 256, 512);
	AUTO_STICK struct stick s = { 0 };

	CHECK_U64(reader_open(zero, &s.reader, &s.e), -EINVAL);
	CHECK_STR(s.e.text, "zero: is neither a FAT nor an ext2, ext3 or ext4 volume");
	err_clear(&s.e);
	CHECK_U64(reader_open(tiny, &s.reader, &s.e), -EINVAL);
	CHECK_STR(s.e.text, "tiny: is neither a FAT nor an ext2, ext3 or ext4 volume");
	err_clear(&s.e);
	CHECK(!s.reader);
	/* What is wrong with a volume that is one comes through. */
	make_ext(&s);
	device_free(TAKE(s.boot));
	s.boot = device_new_window(s.disk, "boot", START, 63 * MIB);
	CHECK_U64(reader_open(s.boot, &s.reader, &s.e), -EUCLEAN);
	CHECK_FAILS(-1, &s.e, "boot: is cut short: has 66060288 bytes, and its ext volume has 16384 blocks of 4096");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
