/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables that sfdisk has made, as libfdisk and libparted read them. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>

#include "partition/gpt.h"
#include "partition/second.h"

#define SIZE (64 * MIB)

static char file[] = "/var/tmp/livestick-view.XXXXXX";

static struct device *open_image(u32 sector_size)
{
	AUTO_ERR struct err e = { 0 };
	struct device *d = NULL;

	if (CHECK_OK(device_open(file, false, &d, &e), &e))
		d->sector_size = sector_size;
	return d;
}

/* A new image with the table of a script for sfdisk; "" for none. */
static struct device *image(const char *script)
{
	AUTO_BUF struct buf line = { 0 };

	CHECK(truncate(file, 0) == 0 && truncate(file, SIZE) == 0);
	buf_addf(&line, "printf '%s' | sfdisk -q %s", script, file);
	CHECK(!*script || system(line.s) == 0);
	return open_image(512);
}

/* sfdisk takes every file for one with sectors of 512 bytes. */
static struct device *image_4096(void)
{
	AUTO_BUF struct buf line = { 0 };

	CHECK(truncate(file, 0) == 0 && truncate(file, SIZE) == 0);
	buf_addf(
	    &line,
	    "PARTED_SECTOR_SIZE=4096 parted -s %s mklabel gpt mkpart \"'one two'\" 1MiB 9MiB mkpart two 9MiB 20MiB "
	    "set 1 esp on set 1 legacy_boot on",
	    file);
	CHECK(system(line.s) == 0);
	return open_image(4096);
}

/* Both read the same from it, `n` partitions. *ret is libfdisk's. */
static void read_both(struct device *d, const char *kind, size_t n, struct view *ret, struct view *ret_second)
{
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(view_read(d, ret, &e), &e);
	CHECK_OK(second_read(d, ret_second, &e), &e);
	CHECK_STR(ret->kind, kind);
	CHECK_U64(ret->n, n);
	CHECK_OK(view_compare(ret, "libfdisk", ret_second, "libparted", &e), &e);
}

TEST(both_read_an_mbr)
{
	AUTO_DEVICE struct device *d =
	    image("label: dos\\nlabel-id: 0x1234abcd\\nstart=2048, size=8192, type=c, bootable\\ntype=83\\n");
	struct view a = { 0 }, b = { 0 };

	read_both(d, "dos", 2, &a, &b);
	CHECK_STR(a.id, "0x1234abcd");
	CHECK_U64(a.part[0].start, MIB);
	CHECK_U64(a.part[0].size, 4 * MIB);
	CHECK_STR(a.part[0].type, "0x0c");
	CHECK(a.part[0].active && a.part[0].lba && !a.part[0].esp && !a.part[1].active);
	CHECK(a.remarks.len == 0 && b.remarks.len == 0);
	view_free(&a);
	view_free(&b);
}

TEST(both_read_logical_partitions)
{
	AUTO_DEVICE struct device *d = image("label: dos\\nstart=2048, size=8192\\nstart=10240, size=100000, type=5\\n"
	                                     "start=12288, size=8192\\nstart=22528, size=8192, type=ef\\n");
	struct view a = { 0 }, b = { 0 };

	read_both(d, "dos", 4, &a, &b);
	CHECK(view_find(&a, 5) && view_find(&a, 6) && view_find(&a, 6)->esp && !view_find(&a, 7));
	view_free(&a);
	view_free(&b);
}

static void check_gpt(struct device *d)
{
	struct view a = { 0 }, b = { 0 };
	struct gpt_report g = { 0 };
	AUTO_ERR struct err e = { 0 };

	read_both(d, "gpt", 2, &a, &b);
	CHECK(a.n == 2 && strcmp(a.part[0].name, "one two") == 0);
	CHECK(a.n == 2 && strcmp(a.part[0].type, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b") == 0);
	CHECK(a.n == 2 && a.part[0].active && a.part[0].esp && strlen(a.part[0].uuid) == 36);
	CHECK(a.n == 2 && a.part[0].size == 8 * MIB);
	CHECK_OK(gpt_check(d, &g, &e), &e);
	CHECK(!g.header && !g.backup && !g.protective);
	gpt_report_free(&g);
	view_free(&a);
	view_free(&b);
}

TEST(both_read_a_gpt)
{
	AUTO_DEVICE struct device *d =
	    image("label: gpt\\nsize=8MiB, type=U, name=\"one two\", attrs=LegacyBIOSBootable\\ntype=L\\n");

	check_gpt(d);
}

TEST(both_read_a_gpt_with_sectors_of_4096_bytes)
{
	AUTO_DEVICE struct device *d = image_4096();

	check_gpt(d);
}

TEST(a_device_without_a_table_has_none_for_both)
{
	AUTO_DEVICE struct device *d = image("");
	struct view a = { 0 }, b = { 0 };
	struct gpt_report g = { 0 };
	AUTO_ERR struct err e = { 0 };

	read_both(d, "", 0, &a, &b);
	CHECK(b.remarks.len && strstr(b.remarks.s, "unrecognised disk label"));
	CHECK_OK(gpt_check(d, &g, &e), &e);
	CHECK(g.header && g.backup && g.protective);
	gpt_report_free(&g);
	view_free(&a);
	view_free(&b);
}

/* What libparted is shown is a copy, so what it would like to mend is not mended. */
TEST(what_libparted_would_mend_is_told_and_left)
{
	AUTO_DEVICE struct device *d = image("label: gpt\\nsize=8MiB\\n");
	AUTO_CLOSE int fd = open(file, O_RDWR | O_CLOEXEC);
	struct view a = { 0 }, b = { 0 };
	u8 before[512], after[512];
	AUTO_ERR struct err e = { 0 };

	CHECK(pwrite(fd, "X", 1, SIZE - 512) == 1);
	CHECK(pread(fd, before, sizeof(before), SIZE - 512) == sizeof(before));
	CHECK_OK(view_read(d, &a, &e), &e);
	CHECK_OK(second_read(d, &b, &e), &e);
	CHECK(a.remarks.len && strstr(a.remarks.s, "backup GPT table is corrupt"));
	CHECK(b.remarks.len && strstr(b.remarks.s, "backup GPT table is corrupt"));
	CHECK(pread(fd, after, sizeof(after), SIZE - 512) == sizeof(after) &&
	      memcmp(before, after, sizeof(after)) == 0);
	view_free(&a);
	view_free(&b);
}

/* A chain of logical partitions that leads back into itself ends. */
TEST(a_chain_without_an_end_is_left)
{
	AUTO_DEVICE struct device *d = image("label: dos\\nstart=2048, size=100000, type=5\\nstart=4096, size=2048\\n"
	                                     "start=8192, size=2048\\n");
	AUTO_CLOSE int fd = open(file, O_RDWR | O_CLOEXEC);
	struct view a = { 0 }, b = { 0 };
	AUTO_ERR struct err e = { 0 };
	static const u8 zero[4];

	/* The link in the first of them, to itself. */
	CHECK(pwrite(fd, zero, 4, (off_t)MIB + 446 + 16 + 8) == 4);
	CHECK_OK(view_read(d, &a, &e), &e);
	CHECK_OK(second_read(d, &b, &e), &e);
	view_free(&a);
	view_free(&b);
}

TEST(a_device_in_memory_cannot_be_asked)
{
	AUTO_DEVICE struct device *d = device_new_memory("memory", SIZE, 512);
	struct view v = { 0 };
	struct err e = { 0 };

	CHECK_FAILS(view_read(d, &v, &e), &e, "libfdisk cannot read");
}

int main(int argc, char **argv)
{
	int fd = mkstemp(file), r;

	if (fd < 0)
		return 1;
	close(fd);
	r = test_main(argc, argv);
	unlink(file);
	return r;
}
