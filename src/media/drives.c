/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sys/sysmacros.h>

#include "src/media/drives.h"

#define STACK_MAX 1024 /* blocks on one drive; a real one has some dozens */

/* Names of whole devices that are not disks: a prefix and a number. Arrays may have any name (md_home). */
static const struct {
	const char *prefix;
	enum drive_kind kind;
} kinds[] = {
	{ "sr", DRIVE_CD },       { "fd", DRIVE_FLOPPY },     { "ram", DRIVE_MEMORY },
	{ "zram", DRIVE_MEMORY }, { "bcache", DRIVE_BCACHE },
};

/*
 * What a component of a drive's place among the devices says about how it is attached: the prefix and a number. The
 * component nearest to the drive that is in the table decides, so that a card reader on
 * USB with a driver of its own (.../usb1/1-6/1-6:1.0/rtsx_usb_sdmmc.1.auto/mmc_host/mmc0) is "sd".
 */
static const struct {
	const char *prefix, *transport;
} buses[] = {
	{ "mmc", "sd" },        { "nvme", "nvme" },   { "nvme-subsys", "nvme" }, { "ata", "sata" },
	{ "virtio", "virtio" }, { "usb", "usb" },     { "session", "iscsi" },    { "loop", "loop" },
	{ "vbd-", "xen" },      { "nbd", "network" }, { "rbd", "network" },      { "fw", "firewire" },
};

/* Device-mapper devices by the beginning of their uuid (each maker of them has one). */
static const struct {
	const char *uuid, *role;
} mappers[] = {
	{ "LVM-", "carries the LVM volume" },
	{ "CRYPT-", "carries the encrypted volume" },
	{ "mpath-", "is a path of the multipath drive" },
	{ "DMRAID-", "belongs to the firmware RAID array" },
	{ "", "is in use by the device-mapper device" },
};

static bool is_numbered(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(name, prefix, len) == 0 && name[len] && !name[len + strspn(name + len, "0123456789")];
}

static enum drive_kind kind_of(const char *dir, const char *name)
{
	if (sysfs_exists(dir, "dm"))
		return DRIVE_MAPPED;
	if (sysfs_exists(dir, "md"))
		return DRIVE_RAID;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (is_numbered(name, kinds[i].prefix))
			return kinds[i].kind;
	return strncmp(name, "mmcblk", 6) == 0 && strstr(name, "boot") ? DRIVE_BOOT_AREA : DRIVE_DISK;
}

/* The directory of a block device as it really is: ".../devices/pci0000:00/.../block/sdb". NULL: gone. */
static char *real_dir(const struct drives_roots *roots, const char *name)
{
	AUTO_FREE char *dir = text_of("%s/class/block/%s", roots->sys, name);

	return realpath(dir, NULL);
}

/* Takes the last component away; false when none is left below `top`. */
static bool go_up(char *path, size_t top)
{
	char *slash = strrchr(path, '/');

	if (!slash || (size_t)(slash - path) <= top)
		return false;
	*slash = '\0';
	return true;
}

static size_t devices_len(const struct drives_roots *roots)
{
	AUTO_FREE char *devices = text_of("%s/devices", roots->sys);
	AUTO_FREE char *real = realpath(devices, NULL);

	return real ? strlen(real) : 0;
}

static const char *find_transport(const struct drives_roots *roots, const char *dir)
{
	AUTO_FREE char *path = xstrdup(dir);
	size_t top = devices_len(roots);
	bool scsi = false;

	do {
		const char *component = strrchr(path, '/') + 1;

		for (size_t i = 0; i < ARRAY_SIZE(buses); i++)
			if (is_numbered(component, buses[i].prefix))
				return buses[i].transport;
		scsi = scsi || is_numbered(component, "host");
	} while (go_up(path, top));
	return scsi ? "scsi" : "";
}

/*
 * The serial number of the USB device that a drive hangs on: the nearest directory above that is a USB device. When
 * that one has none, the hubs above it do not count: they have serial numbers of their own.
 */
static char *usb_serial(const struct drives_roots *roots, const char *dir)
{
	AUTO_FREE char *path = xstrdup(dir);
	size_t top = devices_len(roots);

	while (go_up(path, top))
		if (sysfs_exists(path, "idVendor"))
			return sysfs_text(path, "serial");
	return xstrdup("");
}

static char *find_serial(const struct drives_roots *roots, const char *dir, const char *transport)
{
	static const char *const places[] = { "device/serial", "serial", "device/wwid", "wwid" };
	char *serial = strcmp(transport, "usb") == 0 ? usb_serial(roots, dir) : xstrdup("");

	for (size_t i = 0; !serial[0] && i < ARRAY_SIZE(places); i++) {
		free(serial);
		serial = sysfs_text(dir, places[i]);
	}
	return serial;
}

/* Cards have a `name`; what virtio and NVMe call `vendor` is a number of the PCI device, nothing to read. */
static void find_model(struct drive *d, const char *dir)
{
	d->model = sysfs_text(dir, "device/model");
	if (!d->model[0]) {
		free(d->model);
		d->model = sysfs_text(dir, "device/name");
	}
	d->vendor = sysfs_text(dir, "device/vendor");
	if (strncmp(d->vendor, "0x", 2) == 0)
		d->vendor[0] = '\0';
}

static u64 find_size(const char *dir)
{
	u64 units = sysfs_number(dir, "size");

	return units > UINT64_MAX / 512 ? 0 : units * 512;
}

static char *find_role(const char *dir, const char *name)
{
	AUTO_FREE char *dm_name = sysfs_text(dir, "dm/name");
	AUTO_FREE char *dm_uuid = sysfs_text(dir, "dm/uuid");
	AUTO_FREE char *level = sysfs_text(dir, "md/level");
	size_t i = 0;

	if (dm_name[0]) {
		while (strncmp(dm_uuid, mappers[i].uuid, strlen(mappers[i].uuid)) != 0)
			i++;
		return text_of("%s %s", mappers[i].role, dm_name);
	}
	if (level[0])
		return text_of("belongs to the RAID array %s (%s)", name, level);
	return text_of("is in use by the device %s", name);
}

const struct block *drive_block(const struct drive *d, dev_t dev)
{
	for (size_t i = 0; i < d->n_stack; i++)
		if (d->stack[i].dev == dev)
			return &d->stack[i];
	return NULL;
}

/* A device that has gone meanwhile is no error here; one that is there twice is there once. */
static int add_block(const struct drives_roots *roots, struct drive *d, enum block_kind kind, const char *name,
                     size_t under, struct err *e)
{
	AUTO_FREE char *dir = text_of("%s/class/block/%s", roots->sys, name);
	struct block *b;
	dev_t dev;

	if (sysfs_dev(dir, "dev", &dev) < 0 || drive_block(d, dev))
		return 0;
	if (d->n_stack == STACK_MAX)
		return fail(e, -E2BIG, "%s: more than %d devices rest on it", d->path, STACK_MAX);
	b = ARRAY_ADD(d->stack, d->n_stack, d->cap_stack);
	b->kind = kind;
	b->name = xstrdup(name);
	b->role = kind == BLOCK_HOLDER ? find_role(dir, name) : xstrdup("");
	b->dev = dev;
	b->size = find_size(dir);
	b->under = under;
	return 0;
}

/* The partitions of a whole device are directories in its own. What lies on a holder is a holder too. */
static int add_partitions(const struct drives_roots *roots, struct drive *d, size_t on, struct err *e)
{
	AUTO_FREE char *dir = text_of("%s/class/block/%s", roots->sys, d->stack[on].name);
	AUTO_NAMES struct names names = { 0 };
	enum block_kind kind = on == 0 ? BLOCK_PARTITION : BLOCK_HOLDER;
	int r = sysfs_names(dir, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		AUTO_FREE char *mark = text_of("%s/partition", names.name[i]);

		if (sysfs_exists(dir, mark))
			r = add_block(roots, d, kind, names.name[i], on, e);
	}
	return r;
}

static int add_holders(const struct drives_roots *roots, struct drive *d, size_t on, struct err *e)
{
	AUTO_FREE char *dir = text_of("%s/class/block/%s/holders", roots->sys, d->stack[on].name);
	AUTO_NAMES struct names names = { 0 };
	int r = sysfs_names(dir, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = add_block(roots, d, BLOCK_HOLDER, names.name[i], on, e);
	return r;
}

/* Loop devices over a block device hold nothing in the kernel's eyes, and their opening is not exclusive. */
static int add_loops(const struct drives_roots *roots, struct drive *d, const struct names *all, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->n; i++) {
		AUTO_FREE char *dir = text_of("%s/block/%s", roots->sys, all->name[i]);
		AUTO_FREE char *backing =
		    is_numbered(all->name[i], "loop") ? sysfs_text(dir, "loop/backing_file") : NULL;
		const struct block *under;
		dev_t dev;

		if (!backing || sysfs_dev_of_path(roots, backing, &dev) < 0)
			continue;
		under = drive_block(d, dev);
		if (under)
			r = add_block(roots, d, BLOCK_HOLDER, all->name[i], (size_t)(under - d->stack), e);
	}
	return r;
}

static int fill_stack(const struct drives_roots *roots, struct drive *d, struct err *e)
{
	AUTO_FREE char *block = text_of("%s/block", roots->sys);
	AUTO_NAMES struct names all = { 0 };
	int r = sysfs_names(block, &all, e);

	if (r == 0)
		r = add_block(roots, d, BLOCK_DISK, d->name, 0, e);
	if (r == 0 && !d->n_stack)
		r = -ENOENT;
	/* Each round looks at a block that the rounds before have found. */
	for (size_t i = 0; r == 0 && i < d->n_stack; i++) {
		r = add_partitions(roots, d, i, e);
		if (r == 0)
			r = add_holders(roots, d, i, e);
		if (r == 0)
			r = add_loops(roots, d, &all, e);
	}
	return r;
}

/* An SD card and a soldered eMMC chip hang on the same kind of host; the card says which it is. */
static const char *card_or_chip(const char *dir)
{
	AUTO_FREE char *type = sysfs_text(dir, "device/type");

	return strcmp(type, "MMC") == 0 ? "emmc" : "sd";
}

/* -ENOENT: no such whole device. */
static int read_drive(const struct drives_roots *roots, const char *name, struct drive *ret, struct err *e)
{
	AUTO_FREE char *dir = real_dir(roots, name);
	AUTO_DRIVE struct drive d = { 0 };
	dev_t dev;
	int r;

	if (!dir || sysfs_exists(dir, "partition") || sysfs_dev(dir, "dev", &dev) < 0)
		return -ENOENT;
	d.kind = kind_of(dir, name);
	d.name = xstrdup(name);
	d.path = sysfs_dev_path(name);
	d.dev = dev;
	d.size = find_size(dir);
	d.sector_size = (u32)MIN(sysfs_number(dir, "queue/logical_block_size"), UINT32_MAX);
	d.diskseq = sysfs_number(dir, "diskseq");
	d.removable = sysfs_number(dir, "removable") != 0;
	d.read_only = sysfs_number(dir, "ro") != 0;
	d.transport = find_transport(roots, dir);
	if (strcmp(d.transport, "sd") == 0)
		d.transport = card_or_chip(dir);
	d.serial = find_serial(roots, dir, d.transport);
	d.backing = sysfs_text(dir, "loop/backing_file");
	find_model(&d, dir);
	r = fill_stack(roots, &d, e);
	if (r < 0)
		return r;
	*ret = d;
	d = (struct drive){ 0 };
	return 0;
}

/* The real directory of the device with this number, NULL if there is none. */
static char *dir_of_dev(const struct drives_roots *roots, dev_t dev)
{
	AUTO_FREE char *link = text_of("%s/dev/block/%u:%u", roots->sys, major(dev), minor(dev));

	return realpath(link, NULL);
}

int drive_read(const struct drives_roots *roots, dev_t dev, struct drive *ret, struct err *e)
{
	AUTO_FREE char *dir = dir_of_dev(roots, dev);
	int r = dir ? read_drive(roots, strrchr(dir, '/') + 1, ret, e) : -ENOENT;

	if (r == -ENOENT)
		return fail(e, r, "the kernel shows no drive with the number %u:%u", major(dev), minor(dev));
	return r;
}

char *drive_of_partition(const struct drives_roots *roots, dev_t dev)
{
	AUTO_FREE char *dir = dir_of_dev(roots, dev);

	if (!dir || !sysfs_exists(dir, "partition") || !go_up(dir, 0))
		return NULL;
	return sysfs_dev_path(strrchr(dir, '/') + 1);
}

static bool is_listed(const struct drive *d, const struct drives_roots *roots)
{
	AUTO_FREE char *dir = real_dir(roots, d->name);

	if (d->kind == DRIVE_MEMORY || d->kind == DRIVE_FLOPPY || !dir || sysfs_number(dir, "hidden"))
		return false;
	return d->size || !strstr(dir, "/devices/virtual/");
}

int drives_list(const struct drives_roots *roots, struct drives *ret, struct err *e)
{
	AUTO_FREE char *block = text_of("%s/block", roots->sys);
	AUTO_NAMES struct names names = { 0 };
	AUTO_DRIVES struct drives drives = { 0 };
	int r = sysfs_names(block, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct drive d = { 0 };

		r = read_drive(roots, names.name[i], &d, e);
		if (r == 0 && is_listed(&d, roots))
			*ARRAY_ADD(drives.drive, drives.n, drives.cap) = d;
		else
			drive_free(&d);
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		return r;
	*ret = drives;
	drives = (struct drives){ 0 };
	return 0;
}

void drive_refuse(struct drive *d, char *reason)
{
	*ARRAY_ADD(d->reasons, d->n_reasons, d->cap_reasons) = reason;
}

void drive_free(struct drive *d)
{
	for (size_t i = 0; i < d->n_stack; i++) {
		free(d->stack[i].name);
		free(d->stack[i].role);
	}
	for (size_t i = 0; i < d->n_reasons; i++)
		free(d->reasons[i]);
	free(d->stack);
	free(d->reasons);
	free(d->name);
	free(d->path);
	free(d->vendor);
	free(d->model);
	free(d->serial);
	free(d->backing);
	*d = (struct drive){ 0 };
}

void drives_free(struct drives *d)
{
	for (size_t i = 0; i < d->n; i++)
		drive_free(&d->drive[i]);
	free(d->drive);
	*d = (struct drives){ 0 };
}
