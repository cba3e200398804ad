/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading FAT volumes that mkfs.fat and mtools made. */
#include "src/fs/fat_read.h"
#include "tests/unit/fat_image.h"

/* ---- volumes of other makers ---- */

static const char *const foreign[] = {
	"readme.txt",
	"UPPER.TXT",
	"Mixed.Case",
	"lower.TXT",
	"OTHER.txt",
	"a long name with blanks.tar.gz",
	"Grüße aus Köln.txt",
	"日本語.txt",
	"x",
	"sub/deep/er/file.bin",
	"sub/empty",
};

static u64 foreign_size(size_t i)
{
	return foreign[i][strlen(foreign[i]) - 1] == 'y' ? 0 : 1 + i * 7001;
}

/* Files in `folder`/in, with some that are deleted again so that others lie in pieces. */
static void make_foreign(const char *folder, const char *mkfs)
{
	AUTO_BUF struct buf b = { 0 }, out = { 0 };

	shell(&out, "mkdir -p '%s/in/sub/deep/er' && cd '%s' && rm -f x.img && %s 2>&1", folder, folder, mkfs);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		AUTO_FREE u8 *data = xcalloc(1, foreign_size(i));
		FILE *f;

		made_up_read(made_up(i).ctx, 0, data, foreign_size(i), NULL);
		buf_clear(&b);
		buf_addf(&b, "%s/in/%s", folder, foreign[i]);
		f = fopen(b.s, "w");
		CHECK(f && fwrite(data, 1, foreign_size(i), f) == foreign_size(i) && fclose(f) == 0);
	}
	CHECK_U64(
	    shell(&out,
	          "cd '%s' && export LC_ALL=C.UTF-8 && head -c 3000 /dev/zero >hole && "
	          "for i in 1 2 3 4 5 6 7 8; do mcopy -i x.img hole ::hole$i && mcopy -i x.img hole ::HOLD$i; done && "
	          "mdel -i x.img ::hole* && mcopy -s -i x.img in/* :: && mdel -i x.img ::HOLD* 2>&1",
	          folder),
	    0);
}

struct count {
	size_t files, dirs;
};

static int count_foreign(void *ctx, const struct fat_entry *entry)
{
	struct count *c = ctx;

	if (entry->is_dir)
		c->dirs++;
	else
		c->files++;
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (strcmp(entry->path + 1, foreign[i]) == 0) {
			CHECK_U64(entry->size, foreign_size(i));
			return 0;
		}
	CHECK(entry->is_dir);
	return 0;
}

static void check_pieces(struct fat_volume *v, const struct fat_entry *entry, u64 number)
{
	const struct volume_file f = { .input = made_up(number) };
	AUTO_FREE u8 *data = xcalloc(1, entry->size);
	struct err e = { 0 };
	u64 seed = number + 1;

	for (unsigned i = 0; i < 60; i++) {
		u64 off = below(&seed, entry->size + 1), len = below(&seed, entry->size - off + 1);

		CHECK_OK(fat_read_file(v, entry, off, data, len, &e), &e);
		CHECK(is_made_up(&f, off, data, len));
	}
	CHECK_U64((u64)-fat_read_file(v, entry, entry->size, data, 1, &e), ERANGE);
	err_clear(&e);
	CHECK_U64((u64)-fat_read_file(v, entry, UINT64_MAX, data, 2, &e), ERANGE);
	err_clear(&e);
}

static int check_pieces_of(void *ctx, const struct fat_entry *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (strcmp(entry->path + 1, foreign[i]) == 0)
			check_pieces(ctx, entry, i);
	return 0;
}

static void check_foreign(const char *mkfs)
{
	AUTO_FOLDER char *folder = make_folder();
	AUTO_DEVICE struct device *d = NULL;
	AUTO_FAT struct fat_volume *v = NULL;
	AUTO_BUF struct buf b = { 0 };
	struct count c = { 0 };
	struct err e = { 0 };

	make_foreign(folder, mkfs);
	buf_addf(&b, "%s/x.img", folder);
	if (!CHECK_OK(device_open(b.s, false, &d, &e), &e) || !CHECK_OK(fat_open(d, &v, &e), &e))
		return;
	CHECK_OK(fat_each(v, count_foreign, &c, &e), &e);
	CHECK_U64(c.files, ARRAY_SIZE(foreign));
	CHECK_U64(c.dirs, 3);
	CHECK_OK(fat_each(v, check_pieces_of, v, &e), &e);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		const struct volume_file f = { .input = made_up(i) };
		AUTO_FREE char *text = NULL;
		size_t len = 99999999;

		if (!CHECK_OK(fat_load(v, foreign[i], MIB, &text, &len, &e), &e))
			continue;
		CHECK_U64(len, foreign_size(i));
		CHECK(is_made_up(&f, 0, (u8 *)text, len));
		CHECK_U64(text[len], 0);
	}
}

TEST(fat12_of_mkfs)
{
	check_foreign("mkfs.fat -F 12 -C x.img 1440");
	check_foreign("mkfs.fat -F 12 -s 1 -C x.img 2000");
}

TEST(fat16_of_mkfs)
{
	check_foreign("mkfs.fat -F 16 -C x.img 16384");
	check_foreign("mkfs.fat -F 16 -S 1024 -s 4 -f 1 -C x.img 100000");
}

TEST(fat32_of_mkfs)
{
	check_foreign("mkfs.fat -F 32 -s 1 -C x.img 40000");
	check_foreign("mkfs.fat -F 32 -C x.img 300000");
	check_foreign("mkfs.fat -F 32 -S 4096 -s 1 -C x.img 300000");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
