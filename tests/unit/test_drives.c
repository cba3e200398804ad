/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "src/base/buf.h"
#include "src/media/mounts.h"
#include "src/verb.h"
#include "tests/lib/machine.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

/* The drive of a machine; facts of it outlive the machine. */
static void read_drive(const char *machine, const char *more, unsigned major, unsigned minor, struct drive *ret)
{
	AUTO_MACHINE struct machine m = { 0 };
	AUTO_ERR struct err e = { 0 };

	machine_unpack(machine, more, &m);
	CHECK_OK(drive_read(&m.roots, makedev(major, minor), ret, &e), &e);
}

TEST(facts_of_a_stick)
{
	AUTO_DRIVE struct drive d = { 0 };

	read_drive("stick", NULL, 8, 16, &d);
	CHECK_STR(d.name, "sdb");
	CHECK_STR(d.path, "/dev/sdb");
	CHECK_STR(d.vendor, "SanDisk");
	CHECK_STR(d.model, "Ultra");
	CHECK_STR(d.serial, "4C530001150512118301");
	CHECK_STR(d.transport, "usb");
	CHECK_STR(d.backing, "");
	CHECK_U64(d.kind, DRIVE_DISK);
	CHECK_U64(d.dev, makedev(8, 16));
	CHECK_U64(d.size, 15376318464);
	CHECK_U64(d.sector_size, 512);
	CHECK_U64(d.diskseq, 20);
	CHECK(d.removable && !d.read_only);
	CHECK_U64(d.n_stack, 2);
	CHECK_U64(d.stack[1].kind, BLOCK_PARTITION);
	CHECK_STR(d.stack[1].name, "sdb1");
	CHECK_U64(d.stack[1].size, 30029824ULL * 512);
	CHECK_U64(d.stack[1].dev, makedev(8, 17));
}

/* How each is attached, what it calls itself, and where the serial number comes from. */
static const struct {
	const char *machine;
	unsigned major, minor;
	const char *transport, *model, *serial;
	u64 size;
	u32 sector_size;
} attached[] = {
	{ "stick", 8, 0, "sata", "Samsung SSD 860", "naa.5002538e40a1b2c3", 512110190592, 512 },
	{ "stick-without-serial", 8, 16, "usb", "UDisk", "", 15376318464, 512 },
	{ "stick-4k-sectors", 8, 16, "usb", "Elements 25A3", "575833314441", 8001563222016, 4096 },
	{ "usb-fixed", 8, 32, "usb", "Extreme 55AE", "323130", 2000398934016, 512 },
	{ "laptop-luks-lvm", 259, 0, "nvme", "Samsung SSD 970 EVO Plus 500GB", "S4EVNF0M123456", 512110190592, 512 },
	{ "card-reader-built-in", 259, 1, "nvme", "KXG60ZNV512G TOSHIBA", "80ES10ABCDEF", 512110190592, 512 },
	{ "card-reader-built-in", 179, 0, "sd", "SC32G", "0x1a2b3c4d", 31914983424, 512 },
	{ "card-reader-usb-driver", 179, 0, "sd", "SC32G", "0x1a2b3c4d", 31914983424, 512 },
	{ "emmc-root", 179, 0, "emmc", "DA4032", "0x1a2b3c4d", 31268536320, 512 },
	{ "sd-root", 8, 0, "usb", "Ultra Fit", "0101", 15376318464, 512 },
	{ "names-alike-buses", 8, 0, "scsi", "Disk", "", 512110190592, 512 },
	{ "removable-sata", 8, 16, "sata", "SDCFXS-032G", "", 32010928128, 512 },
	{ "virtio", 254, 16, "virtio", "", "scratch", 4294967296, 512 },
	{ "virtio", 8, 0, "virtio", "QEMU HARDDISK", "", 21474836480, 512 },
	{ "network-drives", 8, 16, "iscsi", "disk0", "", 107374182400, 512 },
	{ "network-drives", 43, 32, "network", "", "", 4294967296, 512 },
	{ "multipath", 8, 0, "scsi", "LUN C-Mode", "naa.600a098038304437415d4b6a596e2d41", 107374182400, 512 },
	{ "loops", 7, 0, "loop", "", "", 8589934592, 512 },
	{ "smart-array", 104, 0, "", "", "", 146778685440, 512 },
	{ "recorded-btrfs-loops-swap", 254, 0, "virtio", "", "overlayblk", 274877906944, 512 },
};

TEST(how_drives_are_attached)
{
	for (size_t i = 0; i < ARRAY_SIZE(attached); i++) {
		AUTO_DRIVE struct drive d = { 0 };

		read_drive(attached[i].machine, NULL, attached[i].major, attached[i].minor, &d);
		if (!d.name)
			continue;
		CHECK_STR(d.transport, attached[i].transport);
		CHECK_STR(d.model, attached[i].model);
		CHECK_STR(d.serial, attached[i].serial);
		CHECK_U64(d.size, attached[i].size);
		CHECK_U64(d.sector_size, attached[i].sector_size);
	}
}

TEST(what_rests_on_a_drive_is_found_at_any_height)
{
	AUTO_DRIVE struct drive d = { 0 };
	const struct block *root;

	read_drive("raid-luks-lvm", NULL, 8, 16, &d);
	root = drive_block(&d, makedev(254, 1));
	CHECK(root != NULL);
	if (!root)
		return;
	CHECK_U64(d.n_stack, 5);
	CHECK_STR(root->name, "dm-1");
	CHECK_STR(root->role, "carries the LVM volume vg-root");
	CHECK_STR(d.stack[root->under].name, "dm-0");
	CHECK_STR(d.stack[d.stack[root->under].under].name, "md0");
	CHECK_STR(d.stack[d.stack[d.stack[root->under].under].under].name, "sdb1");
	CHECK(!drive_block(&d, makedev(8, 1)));
}

/* Holders that name each other, and a thousand of them: no endless loop, no endless list. */
TEST(holders_are_bounded)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_BUF struct buf more = { 0 };
	AUTO_DRIVE struct drive d = { 0 };
	AUTO_DRIVE struct drive none = { 0 };
	AUTO_MACHINE struct machine m = { 0 };

	buf_adds(&more, "[sys/devices/virtual/block/dm-0]\nholders/dm-0 -> x\nholders/dm-1 -> x\n"
	                "[sys/devices/virtual/block/dm-1]\ndev = 254:1\nsize = 8\nholders/dm-0 -> x\n");
	read_drive("stick-with-lvm", more.s, 8, 16, &d);
	CHECK_U64(d.n_stack, 4);
	for (unsigned i = 2; i < 1100; i++)
		buf_addf(&more, "[sys/devices/virtual/block/dm-%u]\ndev = 254:%u\nsize = 8\nholders/dm-%u -> x\n",
		         i - 1, i - 1, i);
	machine_unpack("stick-with-lvm", more.s, &m);
	CHECK_FAILS(drive_read(&m.roots, makedev(8, 16), &none, &e), &e, "/dev/sdb: more than 1024 devices rest on it");
	CHECK(!none.name);
}

TEST(partitions_are_no_drives)
{
	AUTO_MACHINE struct machine m = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_DRIVE struct drive d = { 0 };
	AUTO_FREE char *whole = NULL;
	AUTO_FREE char *none = NULL;

	machine_unpack("stick", NULL, &m);
	CHECK_FAILS(drive_read(&m.roots, makedev(8, 17), &d, &e), &e, "no drive with the number 8:17");
	whole = drive_of_partition(&m.roots, makedev(8, 17));
	none = drive_of_partition(&m.roots, makedev(8, 16));
	CHECK_STR(whole, "/dev/sdb");
	CHECK(!none);
}

TEST(texts_are_bounded_and_cut_at_nul)
{
	static const char dir[] = "[sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0]\n";
	AUTO_DRIVE struct drive d = { 0 };
	AUTO_FREE char *more = text_of("%smodel = %0*d\nvendor =  \\x09 Acme\\x00Evil \\x0a\n", dir, 100000, 7);

	read_drive("stick", more, 8, 16, &d);
	CHECK_U64(strlen(d.model), 4096);
	CHECK_STR(d.vendor, "Acme");
}

TEST(numbers_that_are_none_are_zero)
{
	static const char dir[] =
	    "[sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb]\n";
	static const char *const sizes[] = { "-1", "", "x", "+5", "36028797018963968", "99999999999999999999" };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO_DRIVE struct drive d = { 0 };
		AUTO_FREE char *more = text_of("%ssize = %s\ndiskseq = %s\n", dir, sizes[i], i < 4 ? sizes[i] : "0");

		read_drive("stick", more, 8, 16, &d);
		CHECK_U64(d.size, 0);
		CHECK_U64(d.diskseq, 0);
	}
}

/* What a path in /dev means, in a recorded machine: by links, by the kernel's name, by the name with slashes. */
static const struct {
	const char *machine, *path;
	unsigned major, minor; /* 0: nothing */
} paths[] = {
	{ "stick", "/dev/sdb1", 8, 17 },
	{ "stick", "/dev/disk/by-id/usb-SanDisk_Ultra_4C530001150512118301-0:0", 8, 16 },
	{ "stick", "/dev/../dev/sdb", 8, 16 },
	{ "stick", "/dev/../../sdb", 0, 0 },
	{ "stick", "/dev/sdc", 0, 0 },
	{ "stick", "/dev/", 0, 0 },
	{ "stick", "sdb", 0, 0 },
	{ "stick", "/devices/sdb", 0, 0 },
	{ "stick", "/mnt/sdb", 0, 0 },
	{ "stick", "", 0, 0 },
	{ "laptop-luks-lvm", "/dev/mapper/vg-root", 254, 1 },
	{ "smart-array", "/dev/cciss/c0d0p2", 104, 2 },
};

TEST(paths_mean_devices)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		AUTO_MACHINE struct machine m = { 0 };
		dev_t dev = 0;
		int r;

		machine_unpack(paths[i].machine, NULL, &m);
		r = sysfs_dev_of_path(&m.roots, paths[i].path, &dev);
		CHECK_U64(dev, makedev(paths[i].major, paths[i].minor));
		CHECK((r == 0) == (paths[i].major != 0));
	}
}

static const struct mount *mount_at(const struct mounts *m, const char *point)
{
	for (size_t i = 0; i < m->n_mounts; i++)
		if (strcmp(m->mount[i].point, point) == 0)
			return &m->mount[i];
	return NULL;
}

TEST(mounts_of_a_machine)
{
	AUTO_MACHINE struct machine m = { 0 };
	AUTO_MACHINE struct machine odd = { 0 };
	AUTO_MOUNTS struct mounts mounts = { 0 };
	AUTO_MOUNTS struct mounts oddities = { 0 };
	AUTO_ERR struct err e = { 0 };
	const struct mount *home;

	machine_unpack("btrfs-two-disks", NULL, &m);
	CHECK_OK(mounts_read(&m.roots, &mounts, &e), &e);
	CHECK_U64(mounts.n_btrfs, 1);
	home = mount_at(&mounts, "/home");
	CHECK(home && strcmp(home->fs, "btrfs") == 0 && home->devs.n == 2);
	CHECK(home && devs_have(&home->devs, makedev(8, 2)) && devs_have(&home->devs, makedev(8, 17)));
	machine_unpack("mountinfo-oddities", NULL, &odd);
	CHECK_OK(mounts_read(&odd.roots, &oddities, &e), &e);
	CHECK(mount_at(&oddities, "/a") && mount_at(&oddities, "/f"));
	CHECK_U64(oddities.n_swaps, 2);
	CHECK_STR(oddities.swap[1].path, "/swap file");
	CHECK_U64(oddities.swap[1].dev, 0);
}

/* --- the judge: lsblk of util-linux, which can be told to look at another machine's trees --- */

static bool have_lsblk(void)
{
	return sandbox_run("lsblk --sysroot / -dno NAME") == 0;
}

/*
 * What lsblk says of whole devices, in our form. It knows no memory drives; of loop and network devices without a size
 * it also asks the running kernel, so these are left out here.
 */
static char *lsblk_says(const char *dir)
{
	CHECK(sandbox_run("lsblk --sysroot '%s' -dbnro KNAME,MAJ:MIN,SIZE,RO,RM |"
	                  " grep -v -e ^zram -e ^fd -e '^loop.* 0 . .$' -e '^nbd.* 0 . .$' | tr / ! | sort",
	                  dir) == 0);
	return xstrdup(sandbox_said());
}

static char *we_say(const struct machine *m)
{
	AUTO_DRIVES struct drives all = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *path = sandbox_path("drives");
	FILE *f = fopen(path, "w");

	CHECK_OK(drives_list(&m->roots, &all, &e), &e);
	for (size_t i = 0; f && i < all.n; i++)
		fprintf(f, "%s %u:%u %llu %d %d\n", all.drive[i].name, major(all.drive[i].dev), minor(all.drive[i].dev),
		        (unsigned long long)all.drive[i].size, all.drive[i].read_only, all.drive[i].removable);
	CHECK(f && fclose(f) == 0);
	CHECK(sandbox_run("sort '%s'", path) == 0);
	return xstrdup(sandbox_said());
}

static bool has_name(const struct drive *d, const char *name)
{
	for (size_t i = 0; i < d->n_stack; i++)
		if (strcmp(d->stack[i].name, name) == 0)
			return true;
	return false;
}

/* Where lsblk sees one device on another, the upper one is in the stack of each drive that has the lower one. */
static void check_stacks(const struct machine *m)
{
	AUTO_DRIVES struct drives all = { 0 };
	AUTO_ERR struct err e = { 0 };
	const char *line;
	size_t len;

	CHECK_OK(drives_list(&m->roots, &all, &e), &e);
	CHECK(sandbox_run("lsblk --sysroot '%s' -nro PKNAME,KNAME | grep '^[^ ]' | tr / !", m->dir) < 2);
	for (line = sandbox_said(); line && *line; line += len + (line[len] == '\n')) {
		char lower[64], upper[64];

		len = strcspn(line, "\n");
		CHECK(sscanf(line, "%63s %63s", lower, upper) == 2);
		for (size_t i = 0; i < all.n; i++)
			if (has_name(&all.drive[i], lower) && !has_name(&all.drive[i], upper))
				test_fail(__FILE__, __LINE__, "lsblk sees %s on %s, which is in the stack of %s", upper,
				          lower, all.drive[i].name);
	}
}

TEST(lsblk_sees_the_same_drives)
{
	AUTO_NAMES struct names names = { 0 };
	AUTO_ERR struct err e = { 0 };

	if (!have_lsblk())
		test_skip("needs lsblk --sysroot");
	CHECK_OK(sysfs_names("tests/fixtures/machines", &names, &e), &e);
	for (size_t i = 0; i < names.n; i++) {
		AUTO_MACHINE struct machine m = { 0 };
		AUTO_FREE char *ours = NULL;
		AUTO_FREE char *theirs = NULL;

		names.name[i][strcspn(names.name[i], ".")] = '\0';
		machine_unpack(names.name[i], NULL, &m);
		ours = we_say(&m);
		theirs = lsblk_says(m.dir);
		if (strcmp(ours, theirs) != 0)
			test_fail(__FILE__, __LINE__, "%s: ours:\n%slsblk:\n%s", names.name[i], ours, theirs);
		check_stacks(&m);
	}
}

TEST(drives_of_this_machine)
{
	AUTO_DRIVES struct drives all = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_OK(drives_list(&drives_real_roots, &all, &e), &e);
	for (size_t i = 0; i < all.n; i++) {
		AUTO_DRIVE struct drive same = { 0 };

		CHECK(all.drive[i].n_stack > 0 && all.drive[i].stack[0].dev == all.drive[i].dev);
		CHECK(all.drive[i].sector_size >= 512);
		CHECK_OK(drive_read(&drives_real_roots, all.drive[i].dev, &same, &e), &e);
		CHECK_STR(same.path, all.drive[i].path);
	}
}

/* --- the verb --- */

/* What `livestick list` prints about a machine; stderr is left out. */
static char *list_of(const char *machine, const char *option)
{
	AUTO_MACHINE struct machine m = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *path = sandbox_path("out");
	char verb[] = "list", *argv[] = { verb, (char *)option, NULL };
	int status = -1;
	pid_t pid;

	machine_unpack(machine, NULL, &m);
	setenv("LIVESTICK_SYSROOT", m.dir, 1);
	fflush(stdout);
	/* In a process of its own: it gives up rights that the test still needs. */
	pid = fork();
	if (pid == 0) {
		dup2(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		status = verb_call(&verb_list, option ? 2 : 1, argv, &e);
		fflush(stdout);
		_exit(status < 0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	unsetenv("LIVESTICK_SYSROOT");
	CHECK(sandbox_run("cat '%s'", path) == 0);
	return xstrdup(sandbox_said());
}

TEST(list_as_text)
{
	AUTO_FREE char *stick = list_of("sticks-two-of-a-kind", NULL);
	AUTO_FREE char *loops = list_of("loops", NULL);
	AUTO_FREE char *all = list_of("loops", "--all");
	AUTO_FREE char *hostile = list_of("stick-hostile-names", NULL);
	AUTO_FREE char *nothing = list_of("nothing", NULL);

	CHECK_STR(stick,
	          "DRIVE     SIZE      MODEL          SERIAL            BUS\n"
	          "/dev/sdb  14.3 GiB  SanDisk Ultra  AA00000000000489  usb\n"
	          "\n"
	          "not offered:\n"
	          "  /dev/sda (ATA Samsung SSD 860, 477 GiB): holds the running system (/ is on it); is in use as "
	          "swap space (/dev/sda2); is built in (sata): neither removable nor on USB\n"
	          "  /dev/sdc (SanDisk Ultra, 14.3 GiB): is mounted on /media/ann/DATA; unmount it first\n");
	CHECK(strstr(loops, "/dev/loop0") && !strstr(loops, "/snap/core20"));
	CHECK(strstr(all, "/dev/loop2 (63.2 MiB): is mounted on /snap/core20/1974; unmount it first; is read-only"));
	CHECK(strstr(hostile, "/dev/sdb (\\x1b]0;root\\x07 \\x1b[2J\\x1b[3..., 14.3 GiB): is mounted on "
	                      "/media/\\x1b[2J\\x0a/; unmount it first\n"));
	for (const char *c = hostile; *c; c++)
		CHECK(*c == '\n' || (*c >= ' ' && *c <= '~'));
	CHECK_STR(nothing, "not offered:\n  /dev/vda (20.0 GiB): holds the running system (/ is on it); is built in "
	                   "(virtio): neither removable nor on USB\n");
}

/* Python reads it: valid JSON with these values, whatever the drive calls itself. */
static void check_json(const char *machine, const char *expression)
{
	AUTO_FREE char *text = list_of(machine, "--json");
	AUTO_FREE char *path = sandbox_path("list.json");
	FILE *f = fopen(path, "w");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
	if (sandbox_run(
	        "python3 -c 'import json,sys; o=json.load(open(sys.argv[1])); d=o[\"drives\"]; assert %s, d' '%s'",
	        expression, path) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", machine, sandbox_said());
}

TEST(list_as_json)
{
	if (sandbox_run("python3 -c 1") != 0)
		test_skip("needs python3");
	check_json("stick", "o[\"format\"] == 1 and len(d) == 2");
	check_json("stick", "d[1] == dict(path=\"/dev/sdb\", size=15376318464, vendor=\"SanDisk\", model=\"Ultra\", "
	                    "serial=\"4C530001150512118301\", transport=\"usb\", removable=True, sector_size=512, "
	                    "writable=True, reasons=[])");
	check_json("stick", "d[0][\"writable\"] is False and d[0][\"reasons\"][0] == "
	                    "\"holds the running system (/ is on it)\"");
	check_json("stick-hostile-names", "d[1][\"serial\"] == \"`id`\\\\x0a/dev/sda\\\\x7f\"");
	check_json("loops", "[x[\"path\"] for x in d] == [\"/dev/loop0\", \"/dev/sda\", \"/dev/sdb\", \"/dev/sdc\"]");
	check_json("raid1", "[x[\"path\"] for x in d if x[\"writable\"]] == [\"/dev/sdc\"]");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
