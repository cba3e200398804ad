/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How our /init tells what is on a device, and which is the stick. The judge of UUIDs is blkid: udev goes by it. */
#include <errno.h>
#include <fcntl.h>

#include "persist/init/device.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define OK(...) CHECK_U64(sandbox_run(__VA_ARGS__), 0)

static size_t load(const char *path, u8 *bytes)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, bytes, SUPER_BYTES);

	CHECK(n >= 0);
	return n < 0 ? 0 : (size_t)n;
}

/* Makes a file system by a command ("$f" is the file), and compares with what blkid says. */
static struct super made_by(u64 size, const char *command, const char *type)
{
	static u8 bytes[SUPER_BYTES];
	AUTO_FREE char *path = sandbox_path("fs.img");
	struct super s;
	char said[200];

	sandbox_make(path, size);
	OK("f=%s; %s", path, command);
	super_read(bytes, load(path, bytes), &s);
	CHECK_STR(s.type, type);
	OK("blkid -p -o value -s UUID %s | tr -d '\\n'", path);
	snprintf(said, sizeof(said), "%s", sandbox_said());
	if (strcmp(type, "iso9660") != 0 && strcmp(type, "squashfs") != 0 && strcmp(type, "swap") != 0) {
		CHECK_STR(s.uuid, said);
		OK("blkid -p -o value -s LABEL %s | tr -d '\\n'", path);
		CHECK_STR(s.label, sandbox_said());
	}
	return s;
}

TEST(fat_of_each_width)
{
	made_by(2 * MIB, "mkfs.fat -F 12 -n STICK -i 1234abcd $f", "vfat");
	made_by(20 * MIB, "mkfs.fat -F 16 -n 'MY STICK' -i 00000001 $f", "vfat");
	made_by(64 * MIB, "mkfs.fat -F 32 -s 1 -i fedc0000 $f", "vfat");
	made_by(512 * MIB, "mkfs.fat -F 32 -S 4096 -n LARGE -i 00ff00ff $f", "vfat");
}

TEST(ext_of_each_kind)
{
	struct super s = made_by(8 * MIB, "mke2fs -q -F -t ext2 -L old $f", "ext2");

	CHECK(s.is_ext && s.clean && !s.errors && !s.recover);
	made_by(16 * MIB, "mke2fs -q -F -t ext3 -b 4096 $f", "ext3");
	s = made_by(16 * MIB, "mke2fs -q -F -t ext4 -L sixteen-letters- $f", "ext4");
	CHECK(s.is_ext && s.clean && !s.errors && !s.recover);
}

TEST(state_of_ext)
{
	AUTO_FREE char *path = sandbox_path("fs.img");
	struct super s = made_by(16 * MIB, "mke2fs -q -F -t ext4 $f", "ext4");

	OK("debugfs -w -R 'set_super_value state 2' %s", path);
	CHECK_U64(device_read_super(path, &s), 0);
	CHECK(!s.clean && s.errors && !s.recover);
	OK("debugfs -w -R 'set_super_value state 1' %s && debugfs -w -R 'set_super_value error_count 3' %s", path,
	   path);
	CHECK_U64(device_read_super(path, &s), 0);
	CHECK(s.clean && s.errors);
	OK("debugfs -w -R 'set_super_value error_count 0' %s && debugfs -w -R 'feature needs_recovery' %s", path, path);
	CHECK_U64(device_read_super(path, &s), 0);
	CHECK(s.clean && !s.errors && s.recover);
}

TEST(others_are_known_by_name)
{
	made_by(2 * MIB, "mkswap -q $f", "swap");
	made_by(2 * MIB, "printf hsqs | dd of=$f conv=notrunc status=none", "squashfs");
	made_by(2 * MIB, "rm $f; xorriso -as mkisofs -quiet -V X -o $f /etc/hostname", "iso9660");
}

TEST(nothing_is_nothing)
{
	static u8 bytes[SUPER_BYTES];
	struct super s;

	super_read(bytes, sizeof(bytes), &s);
	CHECK(!s.type && !s.uuid[0] && !s.is_ext);
	CHECK(!super_has_uuid(&s, ""));
	super_read(bytes, 0, &s);
	CHECK(!s.type);
}

/* A partition table's sector has the same two bytes at its end as a FAT's. */
TEST(mbr_is_no_fat)
{
	static u8 bytes[SUPER_BYTES];
	AUTO_FREE char *path = sandbox_path("mbr.img");
	struct super s;

	sandbox_make(path, 4 * MIB);
	OK("echo start=2048,type=c | sfdisk -q %s && dd if=/usr/lib/syslinux/mbr/mbr.bin of=%s conv=notrunc "
	   "status=none",
	   path, path);
	super_read(bytes, load(path, bytes), &s);
	CHECK(!s.type);
}

/* Whatever the bytes are: no read beyond them (each length is a buffer of its own, for ASan), no endless name. */
TEST(hostile_bytes)
{
	static u8 bytes[SUPER_BYTES];
	AUTO_FREE char *path = sandbox_path("fs.img");
	static const char *const commands[] = { "mke2fs -q -F -t ext4 $f", "mkfs.fat -F 32 -s 1 $f",
		                                "mkfs.fat -F 12 -s 64 $f" };
	u32 random = 12345;

	for (size_t c = 0; c < ARRAY_SIZE(commands); c++) {
		sandbox_make(path, 64 * MIB);
		OK("f=%s; %s", path, commands[c]);
		CHECK_U64(load(path, bytes), SUPER_BYTES);
		for (unsigned i = 0; i < 3000; i++) {
			size_t len = i < 2100 ? i : SUPER_BYTES;
			u8 *copy = malloc(len + 1);
			struct super s;

			memcpy(copy, bytes, len);
			for (unsigned k = 0; i >= 2100 && k < 8; k++) {
				random = random * 1103515245 + 12345;
				copy[random / 65536 % 2048] = (u8)random;
			}
			super_read(copy, len, &s);
			CHECK(strlen(s.uuid) < sizeof(s.uuid) && strlen(s.label) < sizeof(s.label));
			free(copy);
		}
	}
}

TEST(device_that_cannot_be_read)
{
	AUTO_FREE char *path = sandbox_path("empty.img");
	struct super s;

	sandbox_make(path, 0);
	CHECK(device_read_super(path, &s) == -EIO);
	CHECK(device_read_super("/nonexistent", &s) == -ENOENT);
}

/* ---- which is the stick */

static struct devices machine;

static void add(const char *name, const char *disk, const char *uuid)
{
	struct device *d = &machine.device[machine.n++];

	*d = (struct device){ .is_read = true };
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->disk, sizeof(d->disk), "%s", disk);
	snprintf(d->super.uuid, sizeof(d->super.uuid), "%s", uuid);
}

/* "sda1", or "-ERRNO sda1". */
static const char *picked(const char *uuid, const char *disk)
{
	static char s[80];
	struct device d = { 0 };
	int r = devices_pick(&machine, uuid, disk, &d);

	if (r < 0)
		snprintf(s, sizeof(s), "%s %s", r == -ENOENT ? "none" : r == -ENOTUNIQ ? "several" : "?", d.name);
	else
		snprintf(s, sizeof(s), "%s", d.name);
	return s;
}

TEST(one_stick)
{
	machine.n = 0;
	add("sda", "sda", "");
	add("sda1", "sda", "ABCD-1234");
	add("sda2", "sda", "4c697665-7374-4963-8b00-000000000001");
	CHECK_STR(picked("ABCD-1234", ""), "sda1");
	CHECK_STR(picked("abcd-1234", ""), "sda1");
	CHECK_STR(picked("4C697665-7374-4963-8B00-000000000001", "sda"), "sda2");
	CHECK_STR(picked("ABCD-1235", ""), "none ");
	CHECK_STR(picked("", ""), "none ");
	machine.device[1].is_read = false;
	CHECK_STR(picked("ABCD-1234", ""), "none ");
}

/* The one on the disk that is meant, or nobody: not any. */
TEST(a_copy_of_the_stick)
{
	machine.n = 0;
	add("sda1", "sda", "ABCD-1234");
	add("sdb1", "sdb", "ABCD-1234");
	CHECK_STR(picked("ABCD-1234", ""), "several sda1");
	CHECK_STR(picked("ABCD-1234", "sdb"), "sdb1");
	CHECK_STR(picked("ABCD-1234", "sdc"), "several sda1");
	add("sdb2", "sdb", "ABCD-1234");
	CHECK_STR(picked("ABCD-1234", "sdb"), "several sda1");
	CHECK_STR(picked("ABCD-1234", "sda"), "sda1");
}

/* DATA on another disk than BOOT is found, when there is only one. */
TEST(data_elsewhere)
{
	machine.n = 0;
	add("sda1", "sda", "ABCD-1234");
	add("sdb1", "sdb", "4c697665-7374-4963-8b00-000000000001");
	CHECK_STR(picked("4c697665-7374-4963-8b00-000000000001", "sda"), "sdb1");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
