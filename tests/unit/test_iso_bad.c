/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ISO images that are damaged or hostile. Each must be refused with one sentence, as a bad source, within two seconds.
 */
#include <time.h>

#include "tests/unit/iso_image.h"

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other programs do not count */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check_bad(const struct image *m, const char *words)
{
	AUTO_FREE char *path = write_image(m);
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };
	double start = cpu_seconds();
	int r = source_open(path, &s, &e);

	CHECK(cpu_seconds() - start < 2);
	CHECK(e.code == EXIT_SOURCE);
	CHECK(e.text && !strchr(e.text, '\n') && strncmp(e.text, path, strlen(path)) == 0);
	CHECK_FAILS(r, &e, words);
}

static void check_bad_name(const char *name, size_t len, const char *words)
{
	AUTO_IMAGE struct image m = rr_image(40);
	AUTO_BUF struct buf b = { 0 };

	nm(&b, name, len);
	px(&b, S_IFREG);
	add(&m, "X.;1", 4, FREE, 1, 0, &b);
	check_bad(&m, words);
}

TEST(cut_short)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);

	m.file_size = 39 * BLOCK;
	check_bad(&m, "hand.iso: is cut short: has 79872 bytes, says it needs 81920");
	m.file_size = 40 * BLOCK - 1;
	check_bad(&m, "hand.iso: is cut short: has 81919 bytes, says it needs 81920");
	m.file_size = 0;
	add_file(&m, "A.;1", 39, 2049);
	check_bad(&m, "hand.iso: is cut short: has 81920 bytes, says it needs 81921");
	add(&m, "D", 1, 0xffffffff, BLOCK, 2, NULL);
	check_bad(&m, "hand.iso: is cut short: has 81920 bytes, says it needs 8796093022208");
	put_le32(block(&m, 16) + 158, 50);
	check_bad(&m, "hand.iso: is cut short: has 81920 bytes, says it needs 104448");
}

TEST(hostile_names)
{
	check_bad_name("..", 2, "/: has a name \"..\", that means a directory");
	check_bad_name(".", 1, "that means a directory");
	check_bad_name("../../etc/passwd", 16, "has a name \"../../etc/passwd\", with a slash in it");
	check_bad_name("/", 1, "with a slash in it");
	check_bad_name("a\0b", 3, "has a name \"a\", with a control character in it");
	check_bad_name("\x1b[2J", 4, "has a name \"\\x1b[2J\", with a control character in it");
	check_bad_name("a\nb", 3, "has a name \"a\\x0ab\"");
	check_bad_name("\xe2\x80\xaeiso.exe", 10, "has a name \"\\xe2\\x80\\xaeiso.exe\", that is not UTF-8, or hides");
	check_bad_name("\xe4", 1, "has a name \"\\xe4\", that is not UTF-8");

	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	add_file(&m, ".;1", FREE, 1);
	check_bad(&m, "has a name \"\", that is empty");
}

TEST(names_that_continue)
{
	AUTO_IMAGE struct image m = rr_image(40);
	AUTO_BUF struct buf b = { 0 }, more = { 0 };
	char longest[256];

	memset(longest, 'n', 255);
	longest[255] = '\0';
	nm(&b, longest, 50);
	px(&b, S_IFREG);
	ce(&b, FREE, 100, 5 + 205);
	nm(&more, longest, 205);
	memcpy(block(&m, FREE) + 100, more.s, more.len);
	add(&m, "X.;1", 4, FREE, 1, 0, &b);
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 1 && source_find(s, longest));

	buf_clear(&more);
	nm(&more, longest, 205);
	nm(&more, "n", 1);
	memcpy(block(&m, FREE) + 100, more.s, more.len);
	put_both(find_field(&m, "CE") + 20, (u32)more.len);
	check_bad(&m, "/: a name is longer than 255 bytes");
}

TEST(two_of_a_name)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);

	add_file(&m, "B.;1", FREE, 1);
	add_file(&m, "A.;1", FREE, 1);
	add_file(&m, "B;1", FREE, 1);
	check_bad(&m, "hand.iso: /b: is there twice");
}

TEST(continuations_without_end)
{
	AUTO_IMAGE struct image m = rr_image(40);
	AUTO_BUF struct buf b = { 0 };

	px(&b, S_IFREG);
	ce(&b, FREE, 0, 28);
	memcpy(block(&m, FREE), b.s + 44, 28); /* points to itself */
	add(&m, "X.;1", 4, FREE, 1, 0, &b);
	check_bad(&m, "/: the Rock Ridge fields of an entry have no end");

	static const u32 wrong[][3] = {
		{ 40, 0, 28 }, { 39, 2047, 2 }, { 0xffffffff, 0xffffffff, 28 }, { 0, 0, 65537 }
	};
	u8 *p = find_field(&m, "CE");

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		for (int j = 0; j < 3; j++)
			put_both(p + 4 + 8 * j, wrong[i][j]);
		check_bad(&m, "/: damaged continuation of Rock Ridge fields");
	}
}

TEST(damaged_fields)
{
	static const struct {
		const char *letters, *data;
		size_t len;
		const char *words;
	} bad[] = {
		{ "NM", "", 0, "/: damaged Rock Ridge name" },
		{ "PX", "\0\0", 2, "/: damaged Rock Ridge attributes" },
		{ "CL", "\0\0\0\0\0\0\0\0", 8, "/: damaged Rock Ridge relocation" },
		{ "CE", "\0\0\0\0", 4, "/: damaged continuation" },
		{ "SL", "\0\0", 2, "/: damaged Rock Ridge symlink" },
		{ "SL", "\0\0\2a", 4, "/: damaged Rock Ridge symlink" },
		{ "ZF", "pz\0\0", 4, "/x: is compressed by zisofs, which is not supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_IMAGE struct image m = rr_image(40);
		AUTO_BUF struct buf b = { 0 };

		field(&b, bad[i].letters, bad[i].data, bad[i].len);
		add(&m, "X.;1", 4, FREE, 1, 0, &b);
		check_bad(&m, bad[i].words);
	}

	AUTO_IMAGE struct image m = rr_image(40);
	AUTO_BUF struct buf b = { .s = NULL };
	buf_add(&b, "XX\3\1", 4);
	add(&m, "X.;1", 4, FREE, 1, 0, &b);
	check_bad(&m, "/: damaged System Use field");
}

static void check_link(const char *sl, size_t len, const char *target)
{
	AUTO_IMAGE struct image m = rr_image(40);
	AUTO_BUF struct buf b = { 0 };

	px(&b, S_IFLNK | 0777);
	if (sl)
		field(&b, "SL", sl, len);
	add(&m, "L.;1", 4, 0xffffffff, 0, 0, &b);
	if (!target) {
		check_bad(&m, "/l: has a symlink to");
		return;
	}
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 1);
	if (s && s->n_nodes == 1)
		CHECK_STR(s->root->children[0]->target, target);
}

TEST(symlinks)
{
	check_link("\0\0\1a\0\1b", 7, "a/b");
	check_link("\0\1\1a\0\1b", 7, "ab");
	check_link("\0\10\0", 3, "/");
	check_link("\0\10\0\0\3etc", 8, "/etc");
	check_link("\0\4\0\4\0\0\1x", 8, "../../x");
	check_link("\0\2\0\0\1x", 6, "./x");
	check_link("\0\0\4/etc", 7, "/etc");
	check_link(NULL, 0, NULL);
	check_link("\0\0\3a\0b", 6, NULL);
	check_link("\0\0\2\x1b[", 5, NULL);

	AUTO_IMAGE struct image m = rr_image(60);
	AUTO_BUF struct buf b = { 0 }, more = { 0 };
	char part[202] = "\0\0\306";

	memset(part + 3, 'p', 198);
	for (int i = 0; i < 21; i++)
		field(&more, "SL", part, 201);
	px(&b, S_IFLNK | 0777);
	ce(&b, FREE, 0, (u32)more.len);
	memcpy(block(&m, FREE), more.s, more.len);
	add(&m, "L.;1", 4, 0, 0, 0, &b);
	check_bad(&m, "/: a symlink's target is longer than 4096 bytes");
}

TEST(directories_that_loop)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);

	add(&m, "D", 1, ROOT, BLOCK, 2, NULL);
	check_bad(&m, "hand.iso: /d: is a directory that is inside itself, or in two places");

	AUTO_IMAGE struct image rr = rr_image(40);
	AUTO_BUF struct buf b = { 0 };
	field_numbers(&b, "CL", (u32[]){ ROOT }, 1);
	add(&rr, "C.;1", 4, FREE, 1, 0, &b);
	check_bad(&rr, "/c: is a directory that is inside itself, or in two places");
	put_both(find_field(&rr, "CL") + 4, FREE);
	check_bad(&rr, "/c: is a relocated directory, but none is at its place");
	put_both(find_field(&rr, "CL") + 4, 40);
	check_bad(&rr, "hand.iso: is cut short: has 81920 bytes, says it needs 83968");
}

TEST(damaged_directories)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	u8 *p = add(&m, "D", 1, FREE, 0xffffffff, 2, NULL), *q;

	check_bad(&m, "/d: the directory has 4294967295 bytes: it is damaged or hostile");
	put_both(p + 10, 60 * MIB);
	check_bad(&m, "is cut short");
	put_both(p + 10, 100); /* a length that is not a whole block */
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 1);

	q = block(&m, FREE);
	static const u8 wrong[][2] = { { 33, 1 }, { 255, 1 }, { 34, 0 }, { 34, 2 }, { 34, 255 } };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		q[0] = wrong[i][0];
		q[32] = wrong[i][1];
		check_bad(&m, "/d: the directory is damaged at its byte 0");
	}
	block(&m, 16)[156] = 20;
	check_bad(&m, "the record of the root directory is damaged");
}

TEST(files_that_are_not_supported)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	u8 *p = add_file(&m, "A.;1", FREE, 5);

	p[26] = p[27] = 1;
	check_bad(&m, "/a: is interleaved, which is not supported");
	p[26] = p[27] = 0;
	p[25] = 0x80;
	check_bad(&m, "/a: the end of the file is missing");
	add_file(&m, "B.;1", FREE, 5);
	check_bad(&m, "/a: the end of the file is missing");
}

TEST(files_in_too_many_pieces)
{
	AUTO_IMAGE struct image m = image_new(200, 150, NULL);

	for (int i = 0; i < 4097; i++)
		add(&m, "A.;1", 4, 180 + i % 2, 1, i < 4096 ? 0x80 : 0, NULL);
	check_bad(&m, "/a: is in more than 4096 pieces");
}

TEST(files_in_too_many_pieces_together)
{
	AUTO_IMAGE struct image m = image_new(8100, 8000, NULL);

	for (int i = 0; i < 100; i++)
		for (int j = 0; j < 4001; j++) {
			char id[16];

			snprintf(id, sizeof(id), "F%02d.;1", i);
			add(&m, id, strlen(id), 10, 1, j < 4000 ? 0x80 : 0, NULL);
		}
	check_bad(&m, "/f99: with it, files are in more than 400000 pieces");
}

TEST(names_too_long_together)
{
	AUTO_IMAGE struct image m = image_new(6400, 6300, NULL);
	char id[202];

	for (int i = 0; i < 41943; i++) {
		snprintf(id, sizeof(id), "%0200d", i);
		add_file(&m, id, 10, 1);
	}
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 41943);
	add_file(&m, "NINE.NAME;1", 10, 1);
	check_bad(&m, "/: has names and symlinks of more than 8388608 bytes");
}

TEST(sizes_without_reason)
{
	AUTO_IMAGE struct image m = image_new(400, 4, NULL);

	for (int i = 0; i < 100; i++) {
		char id[16];

		snprintf(id, sizeof(id), "F%d.;1", i);
		add_file(&m, id, 0, 400 * BLOCK);
	}
	check_bad(&m, "its files have 81920000 bytes, the image only 819200: it is damaged or hostile");
}

static void many_files(struct image *m, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		char id[16];

		/* backwards: sorting has to work */
		snprintf(id, sizeof(id), "F%06u.;1", count - i);
		add_file(m, id, 10, 1);
	}
}

TEST(a_hundred_thousand_files)
{
	AUTO_IMAGE struct image m = image_new(3000, 2900, NULL);
	AUTO_FREE char *path = NULL;
	double start;

	many_files(&m, 100000);
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 100000);
	CHECK(s && source_find(s, "/f000001") == s->root->children[0] && source_find(s, "/F100000"));

	AUTO_SOURCE struct source *again = NULL;
	AUTO_ERR struct err e = { 0 };
	path = sandbox_path("hand.iso");
	start = cpu_seconds();
	CHECK_OK(source_open(path, &again, &e), &e);
	CHECK(cpu_seconds() - start < 1);
}

TEST(too_many_files)
{
	AUTO_IMAGE struct image m = image_new(6000, 5900, NULL);

	many_files(&m, 200000);
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 200000);
	add_file(&m, "ONE.MORE;1", 10, 1);
	check_bad(&m, "/: has more than 200000 files");
}

TEST(too_deep)
{
	AUTO_IMAGE struct image m = image_new(200, 1, NULL);

	add(&m, "D", 1, 100, BLOCK, 2, NULL);
	for (u32 i = 0; i < 64; i++) {
		begin_dir(&m, 100 + i, 1, NULL);
		if (i < 63)
			add(&m, "D", 1, 101 + i, BLOCK, 2, NULL);
	}
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 64);
	add(&m, "D", 1, 164, BLOCK, 2, NULL);
	check_bad(&m, "/d/d: is deeper than 64 directories");
}

/* Directories that overlap, so that a small image asks for much reading. */
TEST(directories_that_overlap)
{
	AUTO_IMAGE struct image m = image_new(200, 2, NULL);

	for (u32 i = 0; i < 60; i++) {
		char id[8];

		snprintf(id, sizeof(id), "D%u", i);
		add(&m, id, strlen(id), 100 + i, 60 * MIB, 2, NULL);
	}
	m.file_size = 80 * MIB;
	check_bad(&m, "the directories have more than 536870912 bytes");
}

TEST(descriptors)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	u8 *v = block(&m, 16);

	put_le16(v + 128, 512);
	check_bad(&m, "has blocks of 512 bytes, only 2048 are supported");
	put_le16(v + 128, BLOCK);
	memcpy(v + 813, "0000000000000000", 17);
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK_STR(s ? s->created : NULL, "");
	memcpy(v + 813, "2026XX2105170000", 17);
	AUTO_SOURCE struct source *t = open_good(&m);
	CHECK_STR(t ? t->created : NULL, "");
	v[0] = 2;
	check_bad(&m, "is not an ISO 9660 image");
}

TEST(windows_and_udf)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);

	memcpy(block(&m, 18), "\0BEA01\1", 7);
	memcpy(block(&m, 19), "\0NSR02\1", 7);
	add_file(&m, "README.TXT;1", FREE, 5);
	check_bad(&m, "hand.iso: is a Windows ISO (UDF), not a live Linux");
	add_file(&m, "VMLINUZ.;1", FREE, 5); /* UDF beside a whole tree does no harm */
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 2);
	add_file(&m, "BOOTMGR.;1", FREE, 5);
	check_bad(&m, "is a Windows ISO (UDF), not a live Linux");
	memcpy(block(&m, 16), "\0BEA01\1", 7);
	check_bad(&m, "is a UDF image, as those of Windows are, not a live Linux");
}

TEST(joliet_names)
{
	static const struct {
		const char *id;
		size_t len;
		const char *name, *words;
	} names[] = {
		{ "\0a\0.\0;\0001", 8, "a", NULL },
		{ "\0A\0b\0.\0c\0;\0001", 12, "Ab.c", NULL },
		{ "\0\344\x26\x03", 4, "\303\244\342\230\203", NULL },
		{ "\xd8\x3d\xde\0", 4, "\360\237\230\200", NULL },
		{ "\xd8\x3d\0a", 4, NULL, "/: has a Joliet name that is not UTF-16: it is damaged" },
		{ "\xde\0\0a", 4, NULL, "that is not UTF-16" },
		{ "\0a\xd8\x3d", 4, NULL, "that is not UTF-16" },
		{ "\0a\0", 3, NULL, "/: has a Joliet name of half a letter: it is damaged" },
		{ "\0a\0/\0b", 6, NULL, "has a name \"a/b\", with a slash in it" },
		{ "\0.\0.", 4, NULL, "that means a directory" },
		{ "\0a\0\0", 4, NULL, "with a control character in it" },
		{ "\x20\x2e\0a", 4, NULL, "or hides or turns its letters" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_IMAGE struct image m = image_new(40, 1, NULL);
		u8 *v = block(&m, 17);

		memcpy(v, block(&m, 16), BLOCK);
		v[0] = 2;
		memcpy(v + 88, "%/E", 3);
		put_both(v + 158, FREE);
		memcpy(block(&m, 18), "\377CD001\1", 7);
		add_file(&m, "PLAIN.;1", FREE, 5);
		begin_dir(&m, FREE, 1, NULL);
		add(&m, names[i].id, names[i].len, 35, 5, 0, NULL);
		if (names[i].words) {
			check_bad(&m, names[i].words);
			continue;
		}
		AUTO_SOURCE struct source *s = open_good(&m);
		CHECK(s && s->n_nodes == 1);
		CHECK_STR(s ? s->root->children[0]->name : NULL, names[i].name);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
