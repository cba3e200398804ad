/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "persist/init/files.h"
#include "persist/init/say.h"

#define READINGS 20 /* then a drive that cannot be read is left alone */

/* Not looked at, and not told: they are made of others, have no medium of their own, or are slow to find that out. */
static bool is_no_drive(const char *name)
{
	static const char *const begins[] = { "loop", "ram", "zram", "dm-", "md", "fd", "mtdblock", "nbd" };

	for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	return name[0] == '.' || (strncmp(name, "mmcblk", 6) == 0 && (strstr(name, "boot") || strstr(name, "rpmb")));
}

/* Told, but not read: a drive without a disc takes its time. */
static bool is_cd(const char *name)
{
	return strncmp(name, "sr", 2) == 0;
}

static ssize_t sysfs_read(const char *name, const char *what, char *buf, size_t cap)
{
	TEXT(path, 200);

	text_add(&path, "/sys/class/block/%s/%s", name, what);
	buf[0] = '\0';
	return path.cut ? -ENAMETOOLONG : file_read(path.s, buf, cap);
}

static bool sysfs_has(const char *name, const char *what)
{
	char text[8];

	return sysfs_read(name, what, text, sizeof(text)) >= 0;
}

/* sda1 is a link to .../block/sda/sda1. */
static void find_disk(struct device *dev)
{
	TEXT(path, 200);
	char target[512], *end;
	ssize_t n;

	memcpy(dev->disk, dev->name, sizeof(dev->disk));
	text_add(&path, "/sys/class/block/%s", dev->name);
	if (!sysfs_has(dev->name, "partition") || (n = readlink(path.s, target, sizeof(target) - 1)) < 0)
		return;
	target[n] = '\0';
	end = strrchr(target, '/');
	if (!end)
		return;
	*end = '\0';
	end = strrchr(target, '/');
	if (end && !text_copy(dev->disk, sizeof(dev->disk), end + 1))
		memcpy(dev->disk, dev->name, sizeof(dev->disk));
}

int device_node(const struct device *dev, char *ret_path, size_t cap)
{
	TEXT(path, 64);

	text_add(&path, "/dev/%s", dev->name);
	for (char *p = path.s + 5; *p; p++)
		if (*p == '!')
			*p = '/';
	if (path.cut || !text_copy(ret_path, cap, path.s))
		return -ENAMETOOLONG;
	return node_make(ret_path, S_IFBLK, dev->major, dev->minor);
}

int device_read_super(const char *node, struct super *ret)
{
	static u8 bytes[SUPER_BYTES];
	int fd = open(node, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < sizeof(bytes) && (n = pread(fd, bytes + len, sizeof(bytes) - len, (off_t)len)) > 0)
		len += (size_t)n;
	if (n < 0)
		n = -errno;
	close(fd);
	if (len == 0)
		return n < 0 ? (int)n : -EIO;
	super_read(bytes, len, ret);
	return 0;
}

static void read_super(struct device *dev)
{
	char node[64];

	dev->is_read =
	    !is_cd(dev->name) && device_node(dev, node, sizeof(node)) == 0 && device_read_super(node, &dev->super) == 0;
}

static struct device *find_or_add(struct devices *d, const char *name)
{
	struct device *dev;

	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->device[i].name, name) == 0)
			return &d->device[i];
	if (d->n == DEVICES_MAX)
		return NULL;
	dev = &d->device[d->n];
	*dev = (struct device){ 0 };
	if (!text_copy(dev->name, sizeof(dev->name), name))
		return NULL;
	d->n++;
	return dev;
}

static void scan_one(struct devices *d, const char *name)
{
	struct device *dev = find_or_add(d, name);
	unsigned major, minor;
	char text[32];
	u64 size;

	if (!dev)
		return;
	if (sysfs_read(name, "size", text, sizeof(text)) <= 0)
		return;
	size = strtoull(text, NULL, 10) * 512;
	if (sysfs_read(name, "dev", text, sizeof(text)) <= 0 || sscanf(text, "%u:%u", &major, &minor) != 2)
		return;
	dev->seen = true;
	if ((dev->is_read || dev->failures == READINGS) && dev->size == size && dev->major == major &&
	    dev->minor == minor)
		return;
	if (dev->size != size || dev->major != major || dev->minor != minor)
		dev->failures = 0;
	dev->size = size;
	dev->major = major;
	dev->minor = minor;
	dev->super = (struct super){ 0 };
	dev->is_read = false;
	find_disk(dev);
	if (size == 0)
		return;
	read_super(dev);
	dev->failures = dev->is_read ? 0 : dev->failures + 1;
	say_debug("%s: %s %s", name, dev->super.type ? dev->super.type : "nothing known", dev->super.uuid);
}

static int by_name(const void *a, const void *b)
{
	const char *x = ((const struct device *)a)->name, *y = ((const struct device *)b)->name;

	/* sda before sda1, sda2 before sda10, sdz before sdaa: shorter ones first within the same letters */
	if (strlen(x) != strlen(y) && strncmp(x, y, 2) == 0)
		return strlen(x) < strlen(y) ? -1 : 1;
	return strcmp(x, y);
}

void devices_scan(struct devices *d)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *entry;
	size_t kept = 0;

	if (d->need_nodes)
		nodes_make_all();
	for (size_t i = 0; i < d->n; i++)
		d->device[i].seen = false;
	while (dir && (entry = readdir(dir)))
		if (!is_no_drive(entry->d_name))
			scan_one(d, entry->d_name);
	if (dir)
		closedir(dir);
	for (size_t i = 0; i < d->n; i++)
		if (d->device[i].seen)
			d->device[kept++] = d->device[i];
	d->n = kept;
	qsort(d->device, d->n, sizeof(d->device[0]), by_name);
}

void devices_forget(struct devices *d)
{
	d->n = 0;
}

int devices_pick(const struct devices *d, const char *uuid, const char *disk, struct device *ret)
{
	const struct device *first = NULL, *same_disk = NULL;
	unsigned n = 0, n_same = 0;

	for (const struct device *dev = d->device; dev < d->device + d->n; dev++) {
		if (!dev->is_read || !super_has_uuid(&dev->super, uuid))
			continue;
		if (n++ == 0)
			first = dev;
		if (strcmp(dev->disk, disk) == 0 && n_same++ == 0)
			same_disk = dev;
	}
	if (n == 0)
		return -ENOENT;
	*ret = n_same == 1 ? *same_disk : *first;
	return n == 1 || n_same == 1 ? 0 : -ENOTUNIQ;
}

static void add_sysfs(struct text *line, const char *disk, const char *what)
{
	char text[64];
	ssize_t n = sysfs_read(disk, what, text, sizeof(text));

	while (n > 0 && (u8)text[n - 1] <= ' ')
		text[--n] = '\0';
	if (n > 0)
		text_add(line, " %s", text);
}

static void say_one(const struct device *dev)
{
	TEXT(line, 400);
	bool is_disk = strcmp(dev->name, dev->disk) == 0;

	text_add(&line, "%s%s: ", is_disk ? "" : "  ", dev->name);
	if (dev->size == 0) {
		text_add(&line, "no medium,");
	} else {
		text_add_size(&line, dev->size);
		text_add(&line, ",");
	}
	if (is_disk) {
		add_sysfs(&line, dev->disk, "device/vendor");
		add_sysfs(&line, dev->disk, "device/model");
		add_sysfs(&line, dev->disk, "device/name");
		text_add(&line, ",");
	}
	if (is_cd(dev->name))
		text_add(&line, " not looked at");
	else if (!dev->is_read)
		text_add(&line, dev->size ? " cannot be read" : " empty");
	else if (dev->super.type)
		text_add(&line, " %s %s %s", dev->super.type, dev->super.uuid, dev->super.label);
	else
		text_add(&line, is_disk ? " no file system" : " no file system that we know");
	say("  %s", line.s);
}

void devices_say(const struct devices *d)
{
	if (d->n == 0)
		say("  no drive at all: the driver of the USB controller or of the drive is missing");
	for (size_t i = 0; i < d->n; i++)
		say_one(&d->device[i]);
}
