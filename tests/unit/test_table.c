/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "partition/scan.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static const struct table_ids ids = {
	.disk_id = 0x00c0ffee,
	.disk_uuid = { 0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x43, 0x33, 0x84, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55 },
	.part_uuid = { { 0xe5, 0xe5, 0x0e, 0x5e, 0x01, 0x02, 0x43, 0x04, 0x85, 0x06, 7, 7, 7, 7, 7, 7 },
	               { 0xaa, 0xbb, 0xcc, 0xdd, 0x01, 0x02, 0x43, 0x04, 0x85, 0x06, 1, 2, 3, 4, 5, 6 },
	               { 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x43, 0x04, 0x85, 0x06, 6, 5, 4, 3, 2, 1 } },
};

struct lists {
	struct writelist *pass, *commit, *seal;
	u8 boot_code[BOOT_CODE_SIZE];
};

static struct layout layout_of(enum table_type table, u32 sector_size, u64 size, bool data)
{
	AUTO_ERR struct err e = { 0 };
	struct layout_request q = {
		.table = table,
		.sector_size = sector_size,
		.device_size = size,
		.boot_one = 300 * MIB,
		.boot_two = 600 * MIB,
		.slots = 1,
		.data = data,
	};
	struct layout l = { 0 };

	CHECK_OK(layout_make(&q, &l, &e), &e);
	return l;
}

static int emit(const struct layout *l, const char *data_name, struct lists *ret, struct err *e)
{
	*ret = (struct lists){ .pass = writelist_new(), .commit = writelist_new(), .seal = writelist_new() };
	for (size_t i = 0; i < BOOT_CODE_SIZE; i++)
		ret->boot_code[i] = (u8)(i * 7 + 3);
	return table_emit(l, &ids, data_name, ret->boot_code, ret->pass, ret->commit, ret->seal, e);
}

static void lists_free(struct lists *w)
{
	writelist_free(w->pass);
	writelist_free(w->commit);
	writelist_free(w->seal);
}

static void run_list(struct writelist *w, struct device *d)
{
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK_OK(writelist_run(w, d, NULL, &e), &e);
}

/* A sparse file of the layout's size that held 0xa5 in its first and last 2 MiB before the table was put there. */
static void write_image(const struct layout *l, const char *data_name, const char *path)
{
	CLEANUP(lists_free) struct lists w = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE u8 *old = xcalloc(2, MIB);

	memset(old, 0xa5, 2 * MIB);
	sandbox_make(path, l->device_size);
	if (!CHECK_OK(emit(l, data_name, &w, &e), &e) || !CHECK_OK(device_open(path, true, &d, &e), &e))
		return;
	CHECK_OK(device_write(d, 0, old, 2 * MIB, &e), &e);
	CHECK_OK(device_write(d, d->size - 2 * MIB, old, 2 * MIB, &e), &e);
	run_list(w.pass, d);
	run_list(w.commit, d);
	run_list(w.seal, d);
}

static void read_image(const char *path, u64 off, void *buf, size_t len)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK_U64(pread(fd, buf, len, (off_t)off), len);
}

static bool all(const u8 *p, u8 value, size_t n)
{
	while (n && *p == value) {
		p++;
		n--;
	}
	return n == 0;
}

static void check_said(const char *words)
{
	if (!strstr(sandbox_said(), words))
		test_fail(__FILE__, __LINE__, "\"%s\" is not in: %s", words, sandbox_said());
}

TEST(mbr_by_sfdisk_and_parted)
{
	struct layout l = layout_of(TABLE_MBR, 512, 8000000000ULL, true);
	AUTO_FREE char *path = sandbox_path("mbr.img"), *line = NULL;

	write_image(&l, "unused", path);
	CHECK_U64(sandbox_run("sfdisk --verify %s", path), 0);
	check_said("No errors detected.");
	CHECK_U64(sandbox_run("sfdisk -d %s", path), 0);
	check_said("label: dos\nlabel-id: 0x00c0ffee\n");
	check_said("mbr.img1 : start=        2048, size=      614400, type=c, bootable\n");
	check_said("mbr.img2 : start=      616448, size=    15005696, type=83\n");
	CHECK_U64(sandbox_run("parted -sm %s unit B print", path), 0);
	check_said(":8000000000B:file:512:512:msdos::;");
	check_said("1:1048576B:315621375B:314572800B:::boot, lba;");
	check_said("2:315621376B:7998537727B:7682916352B:::;");
	CHECK_U64(l.part[1].start + l.part[1].size, 7998537728ULL);
}

TEST(gpt_by_sfdisk_and_parted)
{
	struct layout l = layout_of(TABLE_GPT, 512, 8000000000ULL, true);
	AUTO_FREE char *path = sandbox_path("gpt.img");

	write_image(&l, "persistence", path);
	CHECK_U64(sandbox_run("sfdisk --verify %s", path), 0);
	check_said("No errors detected.");
	CHECK_U64(sandbox_run("sfdisk -d %s", path), 0);
	check_said("label: gpt\nlabel-id: 11111111-2222-4333-8444-555555555555\n");
	check_said("size=      614400, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, "
	           "uuid=AABBCCDD-0102-4304-8506-010203040506, name=\"BOOT\", attrs=\"LegacyBIOSBootable\"\n");
	check_said("size=    15005696, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, "
	           "uuid=DEADBEEF-0102-4304-8506-060504030201, name=\"persistence\"\n");
	/* parted complains about a table whose copy is missing or wrong. */
	CHECK_U64(sandbox_run("parted -sm %s unit B print", path), 0);
	check_said("BYT;\n");
	check_said(":8000000000B:file:512:512:gpt::;");
	check_said("1:1048576B:315621375B:314572800B::BOOT:boot, legacy_boot, esp;");
	check_said("2:315621376B:7998537727B:7682916352B::persistence:;");
	CHECK_U64(strncmp(sandbox_said(), "BYT;", 4), 0);
}

TEST(boot_code_and_protective_mbr)
{
	static const enum table_type tables[] = { TABLE_MBR, TABLE_GPT };
	AUTO_FREE char *path = sandbox_path("code.img");

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		struct layout l = layout_of(tables[t], 512, GIB, true);
		u8 sector[512];

		write_image(&l, "x", path);
		read_image(path, 0, sector, sizeof(sector));
		for (size_t i = 0; i < BOOT_CODE_SIZE; i++)
			CHECK_U64(sector[i], (u8)(i * 7 + 3));
		CHECK_U64(get_le16(sector + 510), 0xaa55);
		if (tables[t] == TABLE_MBR) {
			CHECK_U64(get_le32(sector + 440), 0x00c0ffee);
			CHECK_U64(sector[446], 0x80);
			CHECK_U64(sector[446 + 4], 0x0c);
			CHECK_U64(get_le32(sector + 446 + 8), 2048);
			CHECK_U64(sector[462], 0);
			CHECK_U64(sector[462 + 4], 0x83);
			CHECK(all(sector + 478, 0, 32));
		} else {
			CHECK_U64(sector[446 + 4], 0xee);
			CHECK_U64(get_le32(sector + 446 + 8), 1);
			CHECK_U64(get_le32(sector + 446 + 12), GIB / 512 - 1);
			CHECK(all(sector + 462, 0, 48));
		}
	}
}

/* The header at `at`, whose entries are at `entries`, for a device of `sectors` sectors. */
static void check_gpt_header(const char *path, u32 sector_size, u64 at, u64 other, u64 entries)
{
	u8 h[92];

	read_image(path, at * sector_size, h, sizeof(h));
	CHECK_U64(memcmp(h, "EFI PART\0\0\1\0\x5c\0\0\0", 16), 0);
	CHECK_U64(get_le64(h + 24), at);
	CHECK_U64(get_le64(h + 32), other);
	CHECK_U64(get_le64(h + 72), entries);
	CHECK_U64(get_le32(h + 80), 128);
	CHECK_U64(get_le32(h + 84), 128);
}

TEST(sectors_of_4096_bytes)
{
	const u64 size = 6 * GIB, sectors = size / 4096;
	struct layout l = layout_of(TABLE_GPT, 4096, size, true);
	AUTO_FREE char *path = sandbox_path("4k.img");
	u8 sector[4096], entry[128];

	write_image(&l, "data", path);
	check_gpt_header(path, 4096, 1, sectors - 1, 2);
	check_gpt_header(path, 4096, sectors - 1, 1, sectors - 5);
	CHECK_U64(sandbox_run("fdisk -b 4096 -l %s | tr -s ' '", path), 0);
	check_said("Units: sectors of 1 * 4096 = 4096 bytes");
	check_said("4k.img1 256 77055 76800 300M EFI System");
	check_said("4k.img2 77056 1572607 1495552 5.7G Linux filesystem");
	for (size_t i = 0; i < 2; i++) {
		u64 at = i == 0 ? 2 : sectors - 5;

		read_image(path, at * 4096, entry, sizeof(entry));
		CHECK_U64(get_le64(entry + 32), MIB / 4096);
		CHECK_U64(get_le64(entry + 40), 301 * MIB / 4096 - 1);
		CHECK_U64(get_le64(entry + 48), 4);
		read_image(path, at * 4096 + 128, entry, sizeof(entry));
		CHECK_U64(get_le64(entry + 32), 301 * MIB / 4096);
		CHECK_U64(get_le64(entry + 40), (size - MIB) / 4096 - 1);
		CHECK_U64(get_le64(entry + 48), 0);
	}
	l = layout_of(TABLE_MBR, 4096, size, true);
	write_image(&l, "data", path);
	read_image(path, 0, sector, sizeof(sector));
	CHECK_U64(get_le16(sector + 510), 0xaa55);
	CHECK_U64(get_le32(sector + 446 + 8), MIB / 4096);
	CHECK_U64(get_le32(sector + 446 + 12), 300 * MIB / 4096);
	CHECK_U64(get_le32(sector + 462 + 8), 301 * MIB / 4096);
	CHECK(all(sector + 512, 0, sizeof(sector) - 512));
}

TEST(old_signatures_are_gone_and_nothing_else)
{
	static const struct {
		enum table_type table;
		u32 sector_size, copy; /* bytes of a header and its entries */
	} row[] = {
		{ TABLE_MBR, 512, 0 },
		{ TABLE_MBR, 4096, 0 },
		{ TABLE_GPT, 512, 33 * 512 },
		{ TABLE_GPT, 4096, 5 * 4096 },
	};
	AUTO_FREE char *path = sandbox_path("old.img");
	AUTO_FREE u8 *mem = xcalloc(1, 2 * MIB);

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		u64 used = row[i].sector_size + row[i].copy;
		struct layout l = layout_of(row[i].table, row[i].sector_size, GIB + 300 * KIB + 512, true);
		u64 end = align_down(l.device_size, row[i].sector_size);

		write_image(&l, "x", path);
		read_image(path, 0, mem, 2 * MIB);
		CHECK(all(mem + used, 0, MIB - used));
		CHECK(all(mem + MIB, 0xa5, MIB));
		read_image(path, end - MIB - MIB / 2, mem, 3 * MIB / 2);
		CHECK(all(mem, 0xa5, MIB / 2));
		CHECK(all(mem + MIB / 2, 0, MIB - row[i].copy));
		if (row[i].copy)
			CHECK_U64(memcmp(mem + 3 * MIB / 2 - row[i].sector_size, "EFI PART", 8), 0);
		read_image(path, end, mem, l.device_size - end);
		CHECK(all(mem, 0xa5, l.device_size - end));
	}
}

TEST(lists_hold_what_the_header_says)
{
	static const struct {
		enum table_type table;
		u64 pass, commit;
	} row[] = { { TABLE_MBR, 2 * MIB - 512, 0 }, { TABLE_GPT, 2 * MIB - 67 * 512, 66 * 512 } };

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		CLEANUP(lists_free) struct lists w = { 0 };
		AUTO_ERR struct err e = { 0 };
		struct layout l = layout_of(row[i].table, 512, GIB, false);

		CHECK_OK(emit(&l, "x", &w, &e), &e);
		CHECK_OK(writelist_finish(w.pass, &e), &e);
		CHECK_OK(writelist_finish(w.commit, &e), &e);
		CHECK_OK(writelist_finish(w.seal, &e), &e);
		CHECK_U64(writelist_bytes(w.pass), row[i].pass);
		CHECK_U64(writelist_bytes(w.commit), row[i].commit);
		CHECK_U64(writelist_bytes(w.seal), 512);
	}
}

TEST(same_input_gives_same_bytes)
{
	static const enum table_type tables[] = { TABLE_MBR, TABLE_GPT };
	AUTO_FREE char *a = sandbox_path("a.img"), *b = sandbox_path("b.img");

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		struct layout l = layout_of(tables[t], 512, GIB, true);

		write_image(&l, "x", a);
		write_image(&l, "x", b);
		CHECK_U64(sandbox_run("cmp %s %s", a, b), 0);
	}
}

TEST(ten_tib)
{
	struct layout l = layout_of(TABLE_GPT, 512, 10240 * GIB, true);
	AUTO_FREE char *path = sandbox_path("huge.img");

	write_image(&l, "x", path);
	check_gpt_header(path, 512, 1, 10240 * GIB / 512 - 1, 2);
	CHECK_U64(sandbox_run("sfdisk --verify %s", path), 0);
	check_said("No errors detected.");
	CHECK_U64(sandbox_run("rm %s", path), 0);

	/* An MBR on the same device reaches 2 TiB. */
	l = layout_of(TABLE_MBR, 512, 10240 * GIB, true);
	write_image(&l, "x", path);
	CHECK_U64(sandbox_run("sfdisk -d %s", path), 0);
	check_said("img2 : start=      616448, size=  4294348800, type=83\n");
	CHECK_U64(sandbox_run("rm %s", path), 0);
}

static struct layout layout_with_esp(enum table_type table)
{
	AUTO_ERR struct err e = { 0 };
	struct layout_request q = {
		.table = table,
		.sector_size = 512,
		.device_size = GIB,
		.esp = 36 * MIB,
		.boot_one = 300 * MIB,
		.boot_two = 600 * MIB,
		.slots = 1,
		.data = true,
		.data_size = 100 * MIB,
	};
	struct layout l = { 0 };

	CHECK_OK(layout_make(&q, &l, &e), &e);
	return l;
}

/* The ESP is not what a BIOS starts: BOOT behind it is active, and no FAT. */
TEST(esp_and_linux_boot)
{
	AUTO_FREE char *path = sandbox_path("esp.img");
	struct layout l = layout_with_esp(TABLE_MBR);

	write_image(&l, "x", path);
	CHECK_U64(sandbox_run("sfdisk --verify %s", path), 0);
	CHECK_U64(sandbox_run("sfdisk -d %s", path), 0);
	check_said("img1 : start=        2048, size=       73728, type=ef\n");
	check_said("img2 : start=       75776, size=     1814528, type=83, bootable\n");
	check_said("img3 : start=     1890304, size=      204800, type=83\n");

	l = layout_with_esp(TABLE_GPT);
	CHECK_U64(sandbox_run("rm %s", path), 0);
	write_image(&l, "my data", path);
	CHECK_U64(sandbox_run("sfdisk --verify %s", path), 0);
	CHECK_U64(sandbox_run("sfdisk -d %s", path), 0);
	check_said(
	    "type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=E5E50E5E-0102-4304-8506-070707070707, name=\"ESP\"\n");
	check_said("type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=AABBCCDD-0102-4304-8506-010203040506, "
	           "name=\"BOOT\", attrs=\"LegacyBIOSBootable\"\n");
	check_said("name=\"my data\"\n");
}

/* A layout that no table can hold is refused by libfdisk, in one sentence, and no list is touched. */
TEST(impossible_layout_fails)
{
	CLEANUP(lists_free) struct lists w = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct layout l = layout_of(TABLE_GPT, 512, GIB, true);

	l.part[1].start = l.part[0].start + MIB;
	CHECK_FAILS(emit(&l, "x", &w, &e), &e, "partition table: libfdisk: ");
	CHECK_OK(writelist_finish(w.pass, &e), &e);
	CHECK_U64(writelist_bytes(w.pass), 0);
	CHECK_OK(writelist_finish(w.seal, &e), &e);
	CHECK_U64(writelist_bytes(w.seal), 0);
	lists_free(&w);

	l = layout_of(TABLE_GPT, 512, GIB, true);
	l.part[1].size = GIB;
	CHECK_FAILS(emit(&l, "x", &w, &e), &e, "partition table: libfdisk: ");
}

TEST(scan_reads_the_same_table)
{
	struct layout l = layout_of(TABLE_GPT, 512, GIB, true);
	AUTO_FREE char *path = sandbox_path("scan.img");
	AUTO_DEVICE struct device *d = NULL;
	CLEANUP(scan_free) struct scan s = { 0 };
	AUTO_ERR struct err e = { 0 };

	write_image(&l, "my data", path);
	if (!CHECK_OK(device_open(path, false, &d, &e), &e) || !CHECK_OK(scan_device(d, &s, &e), &e))
		return;
	CHECK_STR(s.table, "gpt");
	CHECK_STR(s.id, "11111111-2222-4333-8444-555555555555");
	CHECK_U64(s.n_parts, 2);
	CHECK_STR(s.part[0].name, "BOOT");
	CHECK_STR(s.part[0].type, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
	CHECK(s.part[0].active);
	CHECK_STR(s.part[0].fs, "");
	CHECK_STR(s.part[1].name, "my data");
	CHECK_STR(s.part[1].uuid, "deadbeef-0102-4304-8506-060504030201");
	CHECK(!s.part[1].active);
	CHECK_U64(s.part[1].start, l.part[1].start);
	CHECK_U64(s.part[1].size, l.part[1].size);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
