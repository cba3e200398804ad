/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define OK(...) CHECK_U64(sandbox_run(__VA_ARGS__), 0)

/* Scans the file; what was found is freed by the caller, also when nothing was. */
static struct scan scan(const char *path)
{
	AUTO_DEVICE struct device *d = NULL;
	AUTO_ERR struct err e = { 0 };
	struct scan s = { 0 };

	if (CHECK_OK(device_open(path, false, &d, &e), &e))
		CHECK_OK(scan_device(d, &s, &e), &e);
	return s;
}

#define AUTO_SCAN CLEANUP(scan_free)

static void put(const char *path, u64 off, const void *data, size_t len)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_U64(pwrite(fd, data, len, (off_t)off), len);
}

/* MBR: FAT32, ext4, and in an extended partition one that is empty. */
static void make_mbr(const char *path)
{
	sandbox_make(path, 300 * MIB);
	OK("printf 'label: dos\\nlabel-id: 0xdeadbeef\\nstart=2048,size=100M,type=c,bootable\\nsize=100M,type=83\\n"
	   "size=50M,type=5\\nx5 : size=10M,type=83\\n' | sfdisk -q %s",
	   path);
	OK("mkfs.fat -F 32 -n STICK -i 1234abcd --offset 2048 %s 102400", path);
	OK("mke2fs -q -t ext4 -F -L persistence -U 10111213-1415-1617-1819-1a1b1c1d1e1f -E offset=%llu %s 100M",
	   (unsigned long long)(101 * MIB), path);
}

TEST(mbr_with_file_systems)
{
	AUTO_FREE char *path = sandbox_path("mbr.img");
	AUTO_SCAN struct scan s = { 0 };

	make_mbr(path);
	s = scan(path);
	CHECK_STR(s.table, "dos");
	CHECK_STR(s.id, "deadbeef");
	CHECK_U64(s.n_parts, 4);
	if (s.n_parts != 4)
		return;
	CHECK_U64(s.part[0].number, 1);
	CHECK_U64(s.part[0].start, MIB);
	CHECK_U64(s.part[0].size, 100 * MIB);
	CHECK_STR(s.part[0].type, "0x0c");
	CHECK_STR(s.part[0].name, "");
	CHECK_STR(s.part[0].uuid, "deadbeef-01");
	CHECK(s.part[0].active);
	CHECK_STR(s.part[0].fs, "vfat");
	CHECK_STR(s.part[0].label, "STICK");
	CHECK_STR(s.part[0].fs_uuid, "1234-ABCD");
	CHECK_U64(s.part[1].number, 2);
	CHECK_U64(s.part[1].start, 101 * MIB);
	CHECK_STR(s.part[1].type, "0x83");
	CHECK(!s.part[1].active);
	CHECK_STR(s.part[1].fs, "ext4");
	CHECK_STR(s.part[1].label, "persistence");
	CHECK_STR(s.part[1].fs_uuid, "10111213-1415-1617-1819-1a1b1c1d1e1f");
	CHECK_STR(s.part[2].type, "0x05");
	CHECK_STR(s.part[2].fs, "");
	CHECK_U64(s.part[3].number, 5);
	CHECK_U64(s.part[3].size, 10 * MIB);
	CHECK_STR(s.part[3].fs, "");
	CHECK_STR(s.part[3].label, "");
}

TEST(gpt)
{
	AUTO_FREE char *path = sandbox_path("gpt.img");
	AUTO_SCAN struct scan s = { 0 };

	sandbox_make(path, 100 * MIB);
	OK("printf 'label: gpt\\nlabel-id: 11111111-2222-4333-8444-555555555555\\nsize=40M,type=U,name=\"EFI "
	   "\\303\\244\"\\n"
	   "uuid=AAAAAAAA-0000-4000-8000-000000000002,attrs=LegacyBIOSBootable\\n' | sfdisk -q %s",
	   path);
	s = scan(path);
	CHECK_STR(s.table, "gpt");
	CHECK_STR(s.id, "11111111-2222-4333-8444-555555555555");
	CHECK_U64(s.n_parts, 2);
	if (s.n_parts != 2)
		return;
	CHECK_STR(s.part[0].type, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
	CHECK_STR(s.part[0].name, "EFI \xc3\xa4");
	CHECK(!s.part[0].active);
	CHECK_U64(s.part[0].size, 40 * MIB);
	CHECK_U64(s.part[1].start, 41 * MIB);
	CHECK_STR(s.part[1].uuid, "aaaaaaaa-0000-4000-8000-000000000002");
	CHECK(s.part[1].active);
}

TEST(nothing_to_find)
{
	static const u64 sizes[] = { 0, 512, 4096, MIB };
	AUTO_FREE char *path = sandbox_path("zero.img");

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO_CLOSE int fd = -1;
		struct device d = { .name = path, .size = sizes[i], .sector_size = 512 };
		AUTO_SCAN struct scan s = { 0 };
		AUTO_ERR struct err e = { 0 };

		sandbox_make(path, sizes[i]);
		d.fd = fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK_OK(scan_device(&d, &s, &e), &e);
		CHECK_STR(s.table, "");
		CHECK_STR(s.id, "");
		CHECK_U64(s.n_parts, 0);
	}
}

/* Bytes of a fixed generator, so that a failure can be repeated. */
TEST(garbage)
{
	AUTO_FREE char *path = sandbox_path("garbage.img");
	AUTO_FREE u8 *mem = xcalloc(1, 2 * MIB);
	u32 x = 2463534242;

	sandbox_make(path, 2 * MIB);
	for (int round = 0; round < 20; round++) {
		AUTO_SCAN struct scan s = { 0 };

		for (size_t i = 0; i < 2 * MIB; i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			mem[i] = (u8)x;
		}
		/* Half of the rounds look like an MBR. */
		if (round % 2)
			put_le16(mem + 510, 0xaa55);
		put(path, 0, mem, 2 * MIB);
		s = scan(path);
		CHECK(s.table != NULL);
		for (size_t i = 0; i < s.n_parts; i++)
			CHECK(s.part[i].start + s.part[i].size <= 2 * MIB);
	}
}

TEST(file_system_without_a_table)
{
	AUTO_FREE char *path = sandbox_path("whole.img");
	AUTO_SCAN struct scan fat = { 0 }, ext = { 0 };

	sandbox_make(path, 64 * MIB);
	OK("mkfs.fat -F 32 -n WHOLE %s", path);
	fat = scan(path);
	CHECK_STR(fat.table, "");
	CHECK_U64(fat.n_parts, 1);
	CHECK_U64(fat.part[0].number, 0);
	CHECK_U64(fat.part[0].start, 0);
	CHECK_U64(fat.part[0].size, 64 * MIB);
	CHECK_STR(fat.part[0].type, "");
	CHECK_STR(fat.part[0].fs, "vfat");
	CHECK_STR(fat.part[0].label, "WHOLE");
	sandbox_make(path, 64 * MIB);
	OK("mke2fs -q -F -t ext4 %s", path);
	ext = scan(path);
	CHECK_U64(ext.n_parts, 1);
	CHECK_STR(ext.part[0].fs, "ext4");
}

TEST(hybrid_iso)
{
	AUTO_FREE char *path = sandbox_path("hybrid.iso"), *tree = sandbox_path("tree");
	AUTO_SCAN struct scan s = { 0 };

	if (sandbox_run("mkdir %s && echo x >%s/file && xorriso -as mkisofs -V LIVE -partition_offset 16 -o %s %s",
	                tree, tree, path, tree) != 0)
		test_skip("no xorriso");
	s = scan(path);
	CHECK_STR(s.table, "dos");
	CHECK_U64(s.n_parts, 2);
	if (s.n_parts != 2)
		return;
	CHECK_U64(s.part[0].number, 0);
	CHECK_STR(s.part[0].fs, "iso9660");
	CHECK_STR(s.part[0].label, "LIVE");
	CHECK_U64(s.part[1].number, 1);
	CHECK_U64(s.part[1].start, 16 * 2048);
}

/* The boot sector of a FAT before an ext4: libblkid's own verdict is "ambivalent", exit 8. */
TEST(two_signatures_are_still_something)
{
	AUTO_FREE char *path = sandbox_path("both.img"), *fat = sandbox_path("fat.img");
	AUTO_SCAN struct scan s = { 0 };

	sandbox_make(path, 64 * MIB);
	sandbox_make(fat, 64 * MIB);
	OK("mkfs.fat -F 32 %s && mke2fs -q -F -t ext4 %s && dd if=%s of=%s bs=512 count=1 conv=notrunc", fat, path, fat,
	   path);
	CHECK_U64(sandbox_run("blkid -p %s", path), 8);
	s = scan(path);
	CHECK_U64(s.n_parts, 1);
	if (s.n_parts)
		CHECK(strcmp(s.part[0].fs, "vfat") == 0 || strcmp(s.part[0].fs, "ext4") == 0);
}

TEST(partitions_outside_of_the_device_are_left_out)
{
	AUTO_FREE char *path = sandbox_path("cut.img");
	AUTO_SCAN struct scan s = { 0 };
	u8 entry[8];

	make_mbr(path);
	/* The third and fifth now begin behind the end; the second one reaches over it. */
	OK("truncate -s 150M %s", path);
	s = scan(path);
	CHECK_STR(s.table, "dos");
	CHECK_U64(s.n_parts, 1);
	scan_free(&s);

	/* The largest numbers an entry can hold. */
	memset(entry, 0xff, sizeof(entry));
	put(path, 446 + 8, entry, sizeof(entry));
	s = scan(path);
	CHECK_U64(s.n_parts, 0);
}

TEST(sectors_of_4096_bytes)
{
	AUTO_FREE char *path = sandbox_path("4k.img");
	AUTO_CLOSE int fd = -1;
	AUTO_SCAN struct scan s = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct device d = { .name = path, .size = 100 * MIB, .sector_size = 4096 };

	sandbox_make(path, d.size);
	OK("printf 'g\\nn\\n1\\n256\\n+10M\\nw\\n' | (cat >%s.in; fdisk -b 4096 %s <%s.in)", path, path, path);
	d.fd = fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_OK(scan_device(&d, &s, &e), &e);
	CHECK_STR(s.table, "gpt");
	CHECK_U64(s.n_parts, 1);
	if (s.n_parts) {
		CHECK_U64(s.part[0].start, MIB);
		CHECK_U64(s.part[0].size, 10 * MIB);
	}
}

TEST(no_more_than_128_partitions)
{
	AUTO_FREE char *path = sandbox_path("many.img");
	AUTO_SCAN struct scan s = { 0 };

	sandbox_make(path, 300 * MIB);
	OK("(printf 'label: gpt\\ntable-length: 160\\n'; for i in $(seq 140); do echo size=1M; done) | sfdisk -q %s",
	   path);
	s = scan(path);
	CHECK_STR(s.table, "gpt");
	CHECK(s.n_parts > 0 && s.n_parts <= 128);
}

TEST(needs_a_readable_descriptor)
{
	AUTO_FREE char *path = sandbox_path("writeonly.img");
	AUTO_DEVICE struct device *memory = device_new_memory("memory", MIB, 512);
	AUTO_CLOSE int fd = -1;
	struct device d = { .name = path, .size = MIB, .sector_size = 512 };
	AUTO_ERR struct err e = { 0 };
	struct scan s = { 0 };

	CHECK_U64(scan_device(memory, &s, &e), -ENOTSUP);
	CHECK_FAILS(scan_device(memory, &s, &e), &e, "memory: has no descriptor");
	sandbox_make(path, MIB);
	d.fd = fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_U64(scan_device(&d, &s, &e), -EIO);
	CHECK_FAILS(scan_device(&d, &s, &e), &e, "libblkid cannot read");
	CHECK_U64(s.n_parts, 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
