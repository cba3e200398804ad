/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ISO images that are right, but of kinds that are seldom made; and boot catalogues and partition tables. */
#include "tests/unit/iso_image.h"

/* ---- tests */

TEST(hand_made_image_is_good)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err e = { 0 };
	const struct node *n;

	memcpy(block(&m, FREE), "hello", 5);
	add_file(&m, "HELLO.TXT;1", FREE, 5);
	add_file(&m, "NOEXT.;1", FREE, 5);
	add_file(&m, "NONE.TXT;1", 0xffffffff, 0); /* without bytes the place means nothing */
	add(&m, "FORK.;1", 7, 0xffffffff, 5, 4, NULL);

	AUTO_SOURCE struct source *s = open_good(&m);
	if (!s)
		return;
	CHECK_STR(s->format, "ISO 9660");
	CHECK_STR(s->volume_id, "BY HAND");
	CHECK_STR(s->created, "2026-11-21T04:17:00Z");
	CHECK_U64(s->size, 40 * BLOCK);
	CHECK_U64(s->n_nodes, 3);
	CHECK(!source_find(s, "/fork"));
	CHECK(source_find(s, "/noext"));
	n = source_find(s, "/none.txt");
	CHECK(n && n->size == 0 && n->n_extents == 0);
	n = source_find(s, "/hello.txt");
	CHECK(n && CHECK_OK(node_load(n, 5, &text, NULL, &e), &e));
	CHECK_STR(text, "hello");
	CHECK(n->mtime == 1795234620);
}

/* CD-ROM XA puts 14 bytes before the System Use fields, and SP says to skip them. */
TEST(fields_behind_xa)
{
	AUTO_BUF struct buf b = { 0 }, file = { 0 };

	buf_add(&b, "\0\0\0\0\x8d\x55XA\0\0\0\0\0\0", 14);
	buf_add(&file, b.s, 14);
	field(&b, "SP", "\xbe\xef\16", 3);
	px(&b, S_IFDIR | 0755);
	AUTO_IMAGE struct image m = image_new(40, 1, &b);
	nm(&file, "Right Name", 10);
	px(&file, S_IFREG);
	add(&m, "WRONG.;1", 8, FREE, 1, 0, &file);
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 1 && source_find(s, "/Right Name"));
}

TEST(devices_are_left_out)
{
	AUTO_IMAGE struct image m = rr_image(40);
	AUTO_BUF struct buf b = { 0 };

	px(&b, S_IFCHR | 0666);
	add(&m, "X.;1", 4, 0, 0, 0, &b);
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 0 && s->n_warnings == 1);
	if (s && s->n_warnings)
		CHECK_STR(s->warnings[0], "1 devices, pipes or sockets in it are left out");
}

static void check_place(const struct input *in, u64 at, u64 off, u64 len)
{
	struct input_place place;

	if (input_place(in, at, &place) < 0) {
		test_fail(__FILE__, __LINE__, "byte %llu has no place", (unsigned long long)at);
		return;
	}
	CHECK_U64(place.off, off);
	CHECK_U64(place.len, len);
	close(place.fd);
}

/* A file of 4 GiB and more is recorded in sections. xorriso is the judge of the size. */
TEST(sections)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	AUTO_FREE char *path = NULL;
	AUTO_ERR struct err e = { 0 };
	u32 first = 0xfffff800;
	const struct node *n;
	struct input_place place;
	u8 got[4];

	add(&m, "BIG.BIN;1", 9, 40, first, 0x80, NULL);
	add(&m, "BIG.BIN;1", 9, 40 + first / BLOCK, GIB + 3, 0, NULL);
	add(&m, "TWO.BIN;1", 9, FREE, BLOCK, 0x80, NULL);
	add(&m, "TWO.BIN;1", 9, FREE + 2, 2, 0, NULL);
	memcpy(block(&m, FREE) + BLOCK - 2, "ab", 2);
	memcpy(block(&m, FREE + 2), "cd", 2);
	m.file_size = 40 * BLOCK + 5 * GIB + BLOCK;
	put_both(block(&m, 16) + 80, (u32)(m.file_size / BLOCK));

	AUTO_SOURCE struct source *s = open_good(&m);
	n = s ? source_find(s, "/big.bin") : NULL;
	CHECK(n && n->size == first + GIB + 3 && n->n_extents == 1 && n->extents[0].len == n->size);
	n = s ? source_find(s, "/two.bin") : NULL;
	CHECK(n && n->size == BLOCK + 2 && n->n_extents == 2);
	if (n) {
		struct input in = node_input(n);

		CHECK_OK(input_read(&in, BLOCK - 2, got, 4, &e), &e);
		CHECK(memcmp(got, "abcd", 4) == 0);
		CHECK_OK(input_read(&in, BLOCK + 1, got, 1, &e), &e);
		CHECK(got[0] == 'd');
		check_place(&in, 0, FREE * BLOCK, BLOCK);
		check_place(&in, BLOCK - 2, FREE * BLOCK + BLOCK - 2, 2);
		check_place(&in, BLOCK, (FREE + 2) * BLOCK, 2);
		check_place(&in, BLOCK + 1, (FREE + 2) * BLOCK + 1, 1);
		CHECK(input_place(&in, BLOCK + 2, &place) < 0);
	}
	if (sandbox_run("command -v xorriso") == 0) {
		path = sandbox_path("hand.iso");
		CHECK(sandbox_run("xorriso -abort_on FATAL -indev '%s' -lsl /", path) == 0);
		CHECK(strstr(sandbox_said(), "5368707075 ") && strstr(sandbox_said(), "2050 "));
	}
}

/* A directory is read in pieces; a file may begin in one and end in the next. */
TEST(sections_in_a_long_directory)
{
	AUTO_IMAGE struct image m = image_new(400, 90, NULL);

	for (int i = 0; i < 2000; i++) {
		char id[16];

		snprintf(id, sizeof(id), "F%04d.;1", i);
		add(&m, id, strlen(id), 300, 1, 0x80, NULL);
		add(&m, id, strlen(id), 310 + (u32)i % 8, 1, 0, NULL);
	}
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK(s && s->n_nodes == 2000);
	for (size_t i = 0; s && i < s->n_nodes; i++) {
		const struct node *n = s->root->children[i];

		CHECK(n->size == 2 && n->n_extents == 2 && n->extents[1].off == (310 + i % 8) * BLOCK);
	}
}

TEST(an_image_that_shrinks)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	AUTO_FREE char *path = NULL, *text = NULL;
	AUTO_ERR struct err e = { 0 };

	add_file(&m, "A.;1", 38, 100);
	AUTO_SOURCE struct source *s = open_good(&m);
	path = sandbox_path("hand.iso");
	CHECK(truncate(path, 38 * BLOCK + 10) == 0);
	if (!s)
		return;
	CHECK_FAILS(node_load(source_find(s, "/a"), 100, &text, NULL, &e), &e,
	            "hand.iso: /a: ends at byte 77834: it became shorter");
	CHECK_FAILS(source_changed(s, &e), &e, "hand.iso: was changed while it was in use");
}

/* Extended attributes lie before the bytes of a file (ECMA 9.5). */
TEST(extended_attributes_are_skipped)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	u8 *p = add_file(&m, "A.;1", FREE, 5);

	p[1] = 2;
	AUTO_SOURCE struct source *s = open_good(&m);
	const struct node *n = s ? source_find(s, "/a") : NULL;
	CHECK(n && n->n_extents == 1 && n->extents[0].off == (FREE + 2) * BLOCK);
}

/* ---- boot catalogue and partition tables: what is wrong there only warns */

static void put_catalogue(struct image *m, u32 at)
{
	u8 *v = block(m, 18), *c = block(m, at);

	memcpy(block(m, 17), "\0CD001\1EL TORITO SPECIFICATION", 31);
	put_le32(block(m, 17) + 71, at);
	memcpy(v, "\377CD001\1", 7);
	memcpy(c, "\1\0\0\0", 4);
	memcpy(c + 28, "\xaa\x55\x55\xaa", 4);
	memcpy(c + 32, "\x88\0\0\0\0\0\4\0", 8); /* BIOS, four sectors of 512 */
	put_le32(c + 40, FREE + 1);
	memcpy(c + 64, "\x91\xef\1\0", 4);
	memcpy(c + 96, "\x88\0\0\0\0\0\1\0", 8); /* EFI, one: length unknown */
	put_le32(c + 104, FREE + 2);
}

static void check_boot(const struct image *m, size_t images, const char *warning)
{
	AUTO_SOURCE struct source *s = open_good(m);

	if (!s)
		return;
	CHECK_U64(s->n_boot_images, images);
	CHECK_U64(s->n_warnings, warning ? 1 : 0);
	if (warning && s->n_warnings)
		CHECK_STR(s->warnings[0], warning);
}

TEST(boot_catalogue)
{
	AUTO_IMAGE struct image m = image_new(40, 1, NULL);
	u8 *c = block(&m, FREE);

	put_catalogue(&m, FREE);
	add_file(&m, "ISOLINUX.BIN;1", FREE + 1, 2000);
	AUTO_SOURCE struct source *s = open_good(&m);
	CHECK_U64(s ? s->n_boot_images : 0, 2);
	if (!s || s->n_boot_images != 2)
		return;
	CHECK(s->boot_images[0].platform == BOOT_IMAGE_BIOS && !s->boot_images[0].from_table);
	CHECK_U64(s->boot_images[0].off, (FREE + 1) * BLOCK);
	CHECK_U64(s->boot_images[0].len, 2048);
	CHECK(s->boot_images[1].platform == BOOT_IMAGE_EFI);
	CHECK_U64(s->boot_images[1].off, (FREE + 2) * BLOCK);
	CHECK_U64(s->boot_images[1].len, (40 - FREE - 2) * BLOCK);

	put_le32(c + 104, 40);
	check_boot(&m, 1, "an entry of its boot catalogue points outside the image");
	for (int i = 4; i < 64; i++)
		memcpy(c + 32 * i, "\x88", 2);
	AUTO_SOURCE struct source *many = open_good(&m);
	CHECK(many && many->n_boot_images == 1 && many->n_warnings == 20); /* the rest is dropped */
	memset(c + 128, 0, BLOCK - 128);
	c[97] = 2; /* a floppy of 1.44 MB is cut at the end of the image */
	put_le32(c + 104, 39);
	check_boot(&m, 2, NULL);
	c[4] = 1;
	check_boot(&m, 0, "its El Torito boot catalogue is damaged");
	put_le32(block(&m, 17) + 71, 40);
	check_boot(&m, 0, "its El Torito boot catalogue is damaged");
	put_le32(block(&m, 17) + 71, 0xffffffff);
	check_boot(&m, 0, "its El Torito boot catalogue is damaged");
}

TEST(partition_tables)
{
	AUTO_IMAGE struct image m = image_new(60, 1, NULL);
	u8 *mbr = m.p, *gpt = m.p + 512, *entry = m.p + 1024;

	memcpy(mbr + 510, "\x55\xaa", 2);
	mbr[450] = 0xef;
	put_le32(mbr + 454, 160);
	put_le32(mbr + 458, 80);
	check_boot(&m, 1, NULL);
	put_le32(mbr + 458, 81);
	check_boot(&m, 0, "its EFI partition does not lie inside the image");
	put_le32(mbr + 454, 0xffffffff);
	put_le32(mbr + 458, 0xffffffff);
	check_boot(&m, 0, "its EFI partition does not lie inside the image");
	memset(mbr + 446, 0, 64);

	memcpy(gpt, "EFI PART", 8);
	put_le64(gpt + 72, 2);
	put_le32(gpt + 80, 0xffffffff);
	put_le32(gpt + 84, 128);
	memcpy(entry, "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", 16);
	put_le64(entry + 32, 160);
	put_le64(entry + 40, 239);
	check_boot(&m, 1, NULL);
	put_le64(entry + 40, 240);
	check_boot(&m, 0, "its EFI partition does not lie inside the image");
	put_le64(entry + 40, UINT64_MAX);
	check_boot(&m, 0, NULL);
	put_le32(gpt + 84, 64);
	check_boot(&m, 0, "its GPT is damaged");
	put_le32(gpt + 84, 128);
	put_le64(gpt + 72, UINT64_MAX);
	check_boot(&m, 0, "its GPT is damaged");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
