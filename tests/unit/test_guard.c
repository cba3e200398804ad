/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "src/base/buf.h"
#include "src/media/guard.h"
#include "tests/lib/machine.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define MACHINES_AT_LEAST 60

/* "/dev/sdb: may be written" or the reasons, as a user sees it. */
static char *verdict(const struct drive *d)
{
	AUTO_BUF struct buf b = { 0 };

	buf_addf(&b, "%s: ", d->path);
	if (!d->n_reasons)
		buf_adds(&b, "may be written");
	for (size_t i = 0; i < d->n_reasons; i++)
		buf_addf(&b, "%s%s", i ? "; " : "", d->reasons[i]);
	return escaped(b.s);
}

static char *refusal(const struct drives_roots *roots, const struct guard_request *q, dev_t dev)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DRIVE struct drive d = { 0 };
	int r = guard_judge(roots, q, dev, &d, &e);

	if (r == 0)
		return text_of("%s: may be written", q->path);
	CHECK_U64(e.code, EXIT_REFUSED);
	CHECK(!d.path);
	return escaped(e.text);
}

/* Each drive of a machine, listed and judged alone (as before writing), has the verdict that the machine expects. */
static void check_machine(const char *name)
{
	AUTO_MACHINE struct machine m = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_DRIVES struct drives all = { 0 };

	machine_unpack(name, NULL, &m);
	if (!CHECK_OK(guard_list(&m.roots, &all, &e), &e))
		return;
	if (all.n != m.n_expect)
		test_fail(__FILE__, __LINE__, "%s: %zu drives, not %zu", name, all.n, m.n_expect);
	for (size_t i = 0; i < all.n; i++) {
		const struct guard_request q = { .path = all.drive[i].path };
		const char *expect = i < m.n_expect ? m.expect[i] : "nothing more";
		AUTO_FREE char *listed = verdict(&all.drive[i]);
		AUTO_FREE char *asked = refusal(&m.roots, &q, all.drive[i].dev);

		if (strcmp(listed, expect) != 0)
			test_fail(__FILE__, __LINE__, "%s: lists \"%s\", expected \"%s\"", name, listed, expect);
		if (strcmp(asked, expect) != 0)
			test_fail(__FILE__, __LINE__, "%s: says \"%s\", expected \"%s\"", name, asked, expect);
	}
}

TEST(every_machine_gets_its_verdicts)
{
	AUTO_NAMES struct names names = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(sysfs_names("tests/fixtures/machines", &names, &e), &e);
	CHECK(names.n >= MACHINES_AT_LEAST);
	for (size_t i = 0; i < names.n; i++) {
		names.name[i][strcspn(names.name[i], ".")] = '\0';
		check_machine(names.name[i]);
	}
}

/* A question about one drive of a machine, perhaps with something changed there, and the answer. */
static const struct question {
	const char *machine, *more;
	unsigned major, minor;
	struct guard_request request;
	const char *answer;
} questions[] = {
	{ "stick", NULL, 8, 17, { .path = "/dev/sdb1" }, "/dev/sdb1: is a partition; name the whole drive /dev/sdb" },
	{ "laptop-luks-lvm",
	  NULL,
	  259,
	  3,
	  { .path = "/dev/nvme0n1p3" },
	  "/dev/nvme0n1p3: is a partition; name the whole drive /dev/nvme0n1" },
	{ "smart-array",
	  NULL,
	  104,
	  1,
	  { .path = "/dev/cciss/c0d0p1" },
	  "/dev/cciss/c0d0p1: is a partition; name the whole drive /dev/cciss/c0d0" },
	{ "raid1",
	  NULL,
	  259,
	  0,
	  { .path = "/dev/md127p1" },
	  "/dev/md127p1: is a partition; name the whole drive /dev/md127" },
	{ "stick",
	  NULL,
	  8,
	  32,
	  { .path = "/dev/sdc" },
	  "/dev/sdc: cannot tell whether it is in use: the kernel shows no drive with the number 8:32" },
	/* A link's own name and the drive's. */
	{ "stick",
	  "[sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb]\nro = 1\n",
	  8,
	  16,
	  { .path = "/dev/disk/by-id/usb-SanDisk" },
	  "/dev/disk/by-id/usb-SanDisk (/dev/sdb): is read-only (a write-protect switch?)" },
	/* Size: 30031872 * 512 bytes. */
	{ "stick", NULL, 8, 16, { .path = "/dev/sdb", .need = 15376318464 }, "/dev/sdb: may be written" },
	{ "stick",
	  NULL,
	  8,
	  16,
	  { .path = "/dev/sdb", .need = 15376318465 },
	  "/dev/sdb: is too small by 1 bytes (1 bytes): has 15376318464, needs 15376318465" },
	{ "stick",
	  NULL,
	  8,
	  16,
	  { .path = "/dev/sdb", .need = 16 * GIB },
	  "/dev/sdb: is too small by 1803550720 bytes (1.68 GiB): has 15376318464, needs 17179869184" },
	{ "card-reader-empty", NULL, 8, 16, { .path = "/dev/sdb", .need = GIB }, "/dev/sdb: has no medium in it" },
	/* --allow-fixed lifts that rule and no other. */
	{ "virtio", NULL, 254, 16, { .path = "/dev/vdb", .allow_fixed = true }, "/dev/vdb: may be written" },
	{ "virtio",
	  NULL,
	  254,
	  0,
	  { .path = "/dev/vda", .allow_fixed = true },
	  "/dev/vda: holds the running system (/ is on it)" },
	{ "live-debian",
	  NULL,
	  179,
	  0,
	  { .path = "/dev/mmcblk0", .allow_fixed = true },
	  "/dev/mmcblk0: may be written" },
	{ "zfs-root",
	  NULL,
	  8,
	  0,
	  { .path = "/dev/sda", .allow_fixed = true },
	  "/dev/sda: has a partition of ZFS, and a pool is in use (sda1)" },
	{ "laptop-luks-lvm",
	  NULL,
	  259,
	  0,
	  { .path = "/dev/nvme0n1", .allow_fixed = true },
	  "/dev/nvme0n1: holds the running system (/, /boot and /boot/efi are on it); is in use as swap space "
	  "(/dev/dm-2); carries the encrypted volume nvme0n1p3_crypt" },
	{ "network-drives", NULL, 43, 32, { .path = "/dev/nbd1", .allow_fixed = true }, "/dev/nbd1: may be written" },
	/* What is never listed may still be named. */
	{ "old-desktop",
	  NULL,
	  253,
	  0,
	  { .path = "/dev/zram0" },
	  "/dev/zram0: is memory, not a drive; is in use as swap space (/dev/zram0)" },
	{ "old-desktop", NULL, 1, 0, { .path = "/dev/ram0" }, "/dev/ram0: is memory, not a drive" },
	{ "old-desktop", NULL, 2, 0, { .path = "/dev/fd0" }, "/dev/fd0: is a floppy drive" },
	{ "loops", NULL, 7, 1, { .path = "/dev/loop1" }, "/dev/loop1: has no medium in it" },
	{ "emmc-root",
	  NULL,
	  179,
	  8,
	  { .path = "/dev/mmcblk0boot0", .allow_fixed = true },
	  "/dev/mmcblk0boot0: is a boot area of an eMMC chip, not a drive; is read-only (a write-protect switch?)" },
	/* The source. */
	{ "source-on-stick",
	  NULL,
	  8,
	  16,
	  { .path = "/dev/sdb", .source_path = "/media/ann/ISOS/debian.iso", .source_dev = 0x811 },
	  "/dev/sdb: is mounted on /media/ann/ISOS; unmount it first; holds the source /media/ann/ISOS/debian.iso" },
	{ "source-on-stick",
	  NULL,
	  8,
	  32,
	  { .path = "/dev/sdc", .source_path = "/media/ann/ISOS/debian.iso", .source_dev = 0x811 },
	  "/dev/sdc: may be written" },
	{ "stick-encrypted-open",
	  NULL,
	  8,
	  16,
	  { .path = "/dev/sdb", .source_path = "/media/ann/SECRET/x.iso", .source_dev = 0xfe00 },
	  "/dev/sdb: is mounted on /media/ann/SECRET; unmount it first; carries the encrypted volume luks-1f0e; "
	  "holds the source /media/ann/SECRET/x.iso" },
	/* Changed machines. */
	{ "stick",
	  "[sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb]\n"
	  "size = 99999999999999999999999\n",
	  8,
	  16,
	  { .path = "/dev/sdb" },
	  "/dev/sdb: has no medium in it" },
	{ "stick",
	  "[sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb]\n"
	  "size = -1\n",
	  8,
	  16,
	  { .path = "/dev/sdb" },
	  "/dev/sdb: has no medium in it" },
	{ "stick",
	  "proc/swaps = Filename\n",
	  8,
	  0,
	  { .path = "/dev/sda", .allow_fixed = true },
	  "/dev/sda: holds the running system (/ is on it)" },
	{ "stick",
	  "proc/self/mountinfo:\n\t1 1 8:1 / / rw - ext4 /dev/sda1 rw\n\t2 1 8:16 / /run/liveness rw - vfat x rw\n",
	  8,
	  16,
	  { .path = "/dev/sdb" },
	  "/dev/sdb: is mounted on /run/liveness; unmount it first" },
};

TEST(questions_get_their_answers)
{
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		const struct question *q = &questions[i];
		AUTO_MACHINE struct machine m = { 0 };
		AUTO_FREE char *answer = NULL;

		machine_unpack(q->machine, q->more, &m);
		answer = refusal(&m.roots, &q->request, makedev(q->major, q->minor));
		if (strcmp(answer, q->answer) != 0)
			test_fail(__FILE__, __LINE__, "%s: says \"%s\", expected \"%s\"", q->machine, answer,
			          q->answer);
	}
}

/* When it is not clear what is in use, nothing may be written. */
TEST(unreadable_facts_refuse_everything)
{
	static const char *const broken[] = {
		"\tthis is no line of mountinfo",
		"\t24 1 8:1 / /",
		"\t24 1 8:1 / / rw shared:1 ext4 /dev/sda1 rw",
		"\t24 1 8 / / rw shared:1 - ext4 /dev/sda1 rw",
		"\t24 1 8:1x / / rw shared:1 - ext4 /dev/sda1 rw",
		"\t24 1 8:1 / / rw shared:1 -",
		"\t24 1 8:1 / / rw shared:1 - ext4",
		"\t24 1 8:1 / / rw shared:1 - ext4 /dev/sda1",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		AUTO_MACHINE struct machine m = { 0 };
		AUTO_ERR struct err e = { 0 };
		AUTO_DRIVES struct drives all = { 0 };
		AUTO_FREE char *more = text_of("proc/self/mountinfo:\n%s\n", broken[i]);
		const struct guard_request q = { .path = "/dev/sdb" };
		AUTO_FREE char *answer = NULL;

		machine_unpack("stick", more, &m);
		answer = refusal(&m.roots, &q, makedev(8, 16));
		CHECK(strncmp(answer, "/dev/sdb: cannot tell whether it is in use: ", 44) == 0);
		CHECK(strstr(answer, *broken[i] ? "mountinfo: line 1 makes no sense" : "cannot see what is mounted"));
		CHECK(guard_list(&m.roots, &all, &e) < 0);
		CHECK(!all.drive);
	}
}

static void read_stick(const char *machine, dev_t dev, struct drive *ret)
{
	AUTO_MACHINE struct machine m = { 0 };
	AUTO_ERR struct err e = { 0 };

	machine_unpack(machine, NULL, &m);
	CHECK_OK(drive_read(&m.roots, dev, ret, &e), &e);
}

TEST(another_stick_in_its_place_is_noticed)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DRIVE struct drive shown = { 0 };
	AUTO_DRIVE struct drive again = { 0 };
	AUTO_DRIVE struct drive replugged = { 0 };
	AUTO_DRIVE struct drive twin = { 0 };
	AUTO_DRIVE struct drive bigger = { 0 };

	read_stick("stick", makedev(8, 16), &shown);
	read_stick("stick", makedev(8, 16), &again);
	read_stick("stick-replugged", makedev(8, 16), &replugged);
	read_stick("sticks-two-of-a-kind", makedev(8, 32), &twin);
	read_stick("stick-4k-sectors", makedev(8, 16), &bigger);
	CHECK_OK(guard_same(&shown, &again, &e), &e);
	CHECK(guard_same(&shown, &replugged, &e) < 0);
	CHECK_U64(e.code, EXIT_REFUSED);
	CHECK_STR(e.text, "/dev/sdb: is not the drive that was shown: diskseq differs");
	err_clear(&e);
	CHECK_FAILS(guard_same(&shown, &twin, &e), &e,
	            "/dev/sdc: is not the drive that was shown: device number, serial and diskseq differ");
	CHECK_FAILS(guard_same(&shown, &bigger, &e), &e, "size and serial differ");
}

/* A file of 1 MiB in a directory of the test's own. */
static char *make_image(void)
{
	char *path = sandbox_path("stick.img");

	sandbox_make(path, MIB);
	return path;
}

/* A symbolic link in the same place, always new. */
static char *make_link(const char *name, const char *target)
{
	char *path = sandbox_path(name);

	unlink(path);
	CHECK(symlink(target, path) == 0);
	return path;
}

static void check_target(const char *path, bool may_create, const char *sentence)
{
	AUTO_ERR struct err e = { 0 };
	enum target_kind kind = TARGET_FILE;
	AUTO_FREE char *full = text_of("%s: %s", path, sentence);

	CHECK(guard_target(path, may_create, &kind, &e) < 0);
	CHECK_U64(e.code, EXIT_REFUSED);
	CHECK_STR(e.text, full);
}

TEST(paths_that_are_no_target)
{
	static const char nothing[] = "no such drive (nothing is created in /dev)";
	AUTO_FREE char *image = make_image();
	AUTO_FREE char *dangling = make_link("dangling", "/dev/sdnone");
	AUTO_FREE char *to_dev = make_link("dev", "/dev");
	AUTO_FREE char *below_dev = text_of("%s/sdnone", to_dev);
	AUTO_FREE char *below_file = text_of("%s/x", image);
	AUTO_FREE char *nowhere = sandbox_path("no/x.img");
	AUTO_FREE char *dir = sandbox_path("");

	for (int create = 0; create < 2; create++) {
		check_target("/dev/sdnone", create, nothing);
		check_target("/dev/disk/by-id/usb-none", create, nothing);
		check_target("/dev/../dev/sdnone", create, nothing);
		check_target(dangling, create, "is a link to nothing");
		check_target(dir, create, "is a directory, not a drive or a file");
		check_target("/dev", create, "is a directory, not a drive or a file");
		check_target("/dev/null", create, "is neither a drive nor a plain file");
		check_target(below_file, create, "Not a directory");
	}
	check_target(nowhere, false, "no such drive or file (--size makes a new file)");
	check_target(nowhere, true, "there is no such directory to make a file in");
	check_target("", true, "there is no such directory to make a file in");
	check_target("no-such-name/", true, "there is no such directory to make a file in");
	check_target("/proc/x.img", true, "nothing is created in /proc");
	check_target("/sys/block/x.img", true, "nothing is created in /sys/block");
	check_target(below_dev, true, nothing);
}

TEST(paths_that_are_targets)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *image = make_image();
	AUTO_FREE char *fresh = sandbox_path("new.img");
	AUTO_FREE char *link = make_link("link", "stick.img");
	enum target_kind kind = TARGET_BLOCK;

	CHECK_OK(guard_target(image, false, &kind, &e), &e);
	CHECK_U64(kind, TARGET_FILE);
	CHECK_OK(guard_target(link, false, &kind, &e), &e);
	CHECK_U64(kind, TARGET_FILE);
	CHECK_OK(guard_target(fresh, true, &kind, &e), &e);
	CHECK_U64(kind, TARGET_MISSING);
	CHECK_OK(guard_target("no-such-file.img", true, &kind, &e), &e);
	CHECK_U64(kind, TARGET_MISSING);
	if (access("/dev/shm", W_OK) == 0) {
		CHECK_OK(guard_target("/dev/shm/livestick-no-such-file", true, &kind, &e), &e);
		CHECK_U64(kind, TARGET_MISSING);
	}
}

/* dd onto a drive that is not there leaves a plain file in /dev; it must not be taken for a stick. */
TEST(plain_file_in_dev_is_refused)
{
	int fd = open("/dev/livestick-test-file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		test_skip("may not create a file in /dev");
	close(fd);
	check_target("/dev/livestick-test-file", false,
	             "is a plain file that was left in /dev, not a drive; remove it");
	CHECK(unlink("/dev/livestick-test-file") == 0);
}

TEST(plain_file_as_target)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *image = make_image();
	AUTO_DRIVE struct drive d = { 0 };
	AUTO_DRIVE struct drive again = { 0 };
	AUTO_FREE char *link = make_link("link.iso", image);
	AUTO_FREE char *dir = sandbox_path("");
	AUTO_FREE char *beside = sandbox_path("stick");
	struct guard_request q = { .path = image, .need = MIB };
	struct device device = { .is_block = false };

	CHECK_OK(guard_check(&drives_real_roots, &q, NULL, &d, &e), &e);
	CHECK_STR(d.transport, "file");
	CHECK_U64(d.size, MIB);
	CHECK(!d.name);
	device.fd = open(image, O_RDWR | O_CLOEXEC);
	CHECK_OK(guard_check(&drives_real_roots, &q, &device, &again, &e), &e);
	CHECK_OK(guard_same(&d, &again, &e), &e);
	q.need = MIB + 4096;
	CHECK_FAILS(guard_check(&drives_real_roots, &q, NULL, &d, &e), &e,
	            "is too small by 4096 bytes (4.00 KiB): has 1048576, needs 1052672");
	q.need = 0;
	q.source_path = link;
	CHECK_FAILS(guard_check(&drives_real_roots, &q, &device, &d, &e), &e, "stick.img: is the source itself");
	/* A directory beside it whose name is the beginning of its own. */
	CHECK(mkdir(beside, 0700) == 0);
	q.source_path = beside;
	drive_free(&again);
	CHECK_OK(guard_check(&drives_real_roots, &q, &device, &again, &e), &e);
	q.source_path = dir;
	CHECK_FAILS(guard_check(&drives_real_roots, &q, &device, &d, &e), &e, "stick.img: lies inside the source ");
	close(device.fd);
	device.fd = -1;
	CHECK_FAILS(guard_check(&drives_real_roots, &q, &device, &d, &e), &e, "Bad file descriptor");
	q.path = "/dev/sdnone";
	CHECK_FAILS(guard_check(&drives_real_roots, &q, NULL, &d, &e), &e,
	            "no such drive (nothing is created in /dev)");
}

/* A machine knows a loop device that shows the very file. */
TEST(file_behind_a_loop_device_is_refused)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *image = make_image();
	AUTO_MACHINE struct machine m = { 0 };
	AUTO_DRIVE struct drive d = { 0 };
	AUTO_FREE char *more = NULL;
	struct guard_request q = { 0 };

	more = text_of("[sys/devices/virtual/block/loop0]\nloop/backing_file = %s\n", image);
	machine_unpack("loops", more, &m);
	q.path = image;
	CHECK_FAILS(guard_check(&m.roots, &q, NULL, &d, &e), &e,
	            "stick.img: is in use by /dev/loop0 (losetup -d /dev/loop0");
	/* The loop device may be written, but not when that file is the source. */
	q = (struct guard_request){ .path = "/dev/loop0", .source_path = image };
	CHECK_FAILS(guard_judge(&m.roots, &q, makedev(7, 0), &d, &e), &e, "/dev/loop0: only shows the source /");
	q.source_path = NULL;
	CHECK_OK(guard_judge(&m.roots, &q, makedev(7, 0), &d, &e), &e);
}

/* --- this machine --- */

/* The number of the whole device under `path`, 0 when its file system has none (overlay, Btrfs). */
static dev_t device_under(const char *path)
{
	AUTO_FREE char *link = NULL;
	struct stat st;

	if (stat(path, &st) < 0 || major(st.st_dev) == 0)
		return 0;
	link = text_of("/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
	return access(link, F_OK) == 0 ? st.st_dev : 0;
}

TEST(drive_under_root_is_refused_here)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DRIVES struct drives all = { 0 };
	dev_t root = device_under("/");
	bool seen = false;

	if (!root)
		test_skip("the root of this machine is on no block device");
	CHECK_OK(guard_list(&drives_real_roots, &all, &e), &e);
	for (size_t i = 0; i < all.n; i++) {
		if (!drive_block(&all.drive[i], root))
			continue;
		seen = true;
		CHECK(all.drive[i].n_reasons > 0);
		CHECK(all.drive[i].n_reasons && strstr(all.drive[i].reasons[0], "holds the running system (/"));
	}
	CHECK(seen);
}

/* Root with loop devices? Then a loop device over `what`, else "". */
static char *attach_loop(const char *what)
{
	char *path;

	if (geteuid() != 0 || sandbox_run("losetup --find --show '%s' 2>/dev/null", what) != 0)
		return xstrdup("");
	path = xstrdup(sandbox_said());
	path[strcspn(path, "\n")] = '\0';
	return path;
}

static void detach_loop(char **path)
{
	if (**path)
		CHECK(sandbox_run("losetup --detach '%s'", *path) == 0);
	free(*path);
}

#define AUTO_LOOP CLEANUP(detach_loop)

/* A free loop device, then one over it, which no `holders` shows; asked by path and by descriptor. */
static bool ask_of_real_loop_devices(void)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *image = make_image();
	AUTO_LOOP char *lower = attach_loop(image);
	AUTO_LOOP char *upper = xstrdup("");
	AUTO_DRIVE struct drive shown = { 0 };
	AUTO_DRIVE struct drive now = { 0 };
	struct guard_request q = { .path = lower, .need = MIB };
	struct device device = { .is_block = true };

	if (!*lower)
		return false;
	CHECK_OK(guard_check(&drives_real_roots, &q, NULL, &shown, &e), &e);
	CHECK_STR(shown.transport, "loop");
	CHECK_STR(shown.backing, image);
	CHECK_U64(shown.size, MIB);
	device.fd = open(lower, O_RDWR | O_EXCL | O_CLOEXEC);
	CHECK_OK(guard_check(&drives_real_roots, &q, &device, &now, &e), &e);
	close(device.fd);
	CHECK_OK(guard_same(&shown, &now, &e), &e);
	free(upper);
	upper = attach_loop(lower);
	CHECK_FAILS(guard_check(&drives_real_roots, &q, NULL, &now, &e), &e, "is in use by the device loop");
	q.path = upper;
	CHECK_FAILS(guard_check(&drives_real_roots, &q, NULL, &now, &e), &e, "only shows /dev/loop");
	q.path = image;
	CHECK_FAILS(guard_check(&drives_real_roots, &q, NULL, &now, &e), &e, "is in use by /dev/loop");
	return true;
}

TEST(real_loop_devices)
{
	if (!ask_of_real_loop_devices())
		test_skip("needs root and loop devices");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
