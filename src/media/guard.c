/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sys/stat.h>

#include "src/media/guard.h"
#include "src/base/buf.h"
#include "src/media/mounts.h"

#define NAMED_MAX 3 /* mount points that a sentence names */

struct guard_facts {
	const struct drives_roots *roots;
	const struct guard_request *request;
	struct mounts mounts;
};

/*
 * Where the running system lives: its own mount points, and those at which live systems keep the medium that they
 * were started from (live-boot, dracut, casper, archiso, miso, linux-live, kiwi, Porteus, antiX, Knoppix, Mageia, and
 * livestick's own initrd). A slash at the end: everything below.
 */
static const char *const system_points[] = {
	"/",
	"/usr",
	"/etc",
	"/var",
	"/boot",
	"/boot/efi",
	"/boot/firmware",
	"/efi",
	"/nix",
	"/sysroot",
	"/run/live/",
	"/lib/live/mount/",
	"/usr/lib/live/mount/",
	"/cdrom",
	"/isodevice",
	"/run/initramfs/",
	"/run/archiso/",
	"/run/miso/",
	"/run/overlay/",
	"/run/mgalive/",
	"/run/livestick/",
	"/mnt/live/",
	"/mnt-system",
	"/live/",
};

static bool is_system_point(const char *point)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_points); i++) {
		const char *p = system_points[i];
		size_t len = strlen(p);

		if (strcmp(point, p) == 0 || (len > 1 && p[len - 1] == '/' && strncmp(point, p, len) == 0))
			return true;
	}
	return false;
}

/* "a", "a and b", "a, b and c", "a, b, c and 4 more" */
static char *enumerate(const struct names *n)
{
	size_t named = n->n > NAMED_MAX ? NAMED_MAX : n->n;
	struct buf b = { 0 };

	buf_adds(&b, "");
	for (size_t i = 0; i < named; i++)
		buf_addf(&b, "%s%s", i == 0 ? "" : i + 1 == n->n ? " and " : ", ", n->name[i]);
	if (n->n > named)
		buf_addf(&b, " and %zu more", n->n - named);
	return b.s;
}

static void add_name(struct names *n, const char *name)
{
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->name[i], name) == 0)
			return;
	*ARRAY_ADD(n->name, n->n, n->cap) = xstrdup(name);
}

/* Whether the drive, or anything on it, is one of `devs`. */
static bool has_any(const struct drive *d, const struct devs *devs)
{
	for (size_t i = 0; i < d->n_stack; i++)
		if (devs_have(devs, d->stack[i].dev))
			return true;
	return false;
}

static void rule_kind(const struct guard_facts *f, struct drive *d)
{
	static const char *const words[] = {
		[DRIVE_CD] = "is a CD/DVD drive",
		[DRIVE_FLOPPY] = "is a floppy drive",
		[DRIVE_MEMORY] = "is memory, not a drive",
		[DRIVE_MAPPED] = "is a device-mapper device, not a drive",
		[DRIVE_RAID] = "is a RAID array, not a drive",
		[DRIVE_BCACHE] = "is a bcache device, not a drive",
		[DRIVE_BOOT_AREA] = "is a boot area of an eMMC chip, not a drive",
	};

	(void)f;
	if (d->kind != DRIVE_DISK)
		drive_refuse(d, xstrdup(words[d->kind]));
}

static void rule_medium(const struct guard_facts *f, struct drive *d)
{
	(void)f;
	if (d->kind == DRIVE_DISK && !d->size)
		drive_refuse(d, xstrdup("has no medium in it"));
}

static void rule_mounted(const struct guard_facts *f, struct drive *d)
{
	AUTO_NAMES struct names of_system = { 0 };
	AUTO_NAMES struct names others = { 0 };
	AUTO_FREE char *list = NULL;

	for (size_t i = 0; i < f->mounts.n_mounts; i++) {
		const struct mount *m = &f->mounts.mount[i];

		if (has_any(d, &m->devs))
			add_name(is_system_point(m->point) ? &of_system : &others, m->point);
	}
	list = enumerate(of_system.n ? &of_system : &others);
	if (of_system.n)
		drive_refuse(d,
		             text_of("holds the running system (%s %s on it)", list, of_system.n > 1 ? "are" : "is"));
	else if (others.n)
		drive_refuse(d, text_of("is mounted on %s; unmount it first", list));
}

static void rule_swap(const struct guard_facts *f, struct drive *d)
{
	for (size_t i = 0; i < f->mounts.n_swaps; i++) {
		const struct swap *s = &f->mounts.swap[i];

		if (s->dev && drive_block(d, s->dev))
			drive_refuse(d, text_of("is in use as swap space (%s)", s->path));
	}
}

/* Only what rests on the drive itself or on its partitions: what is higher up follows from that. */
static void rule_holders(const struct guard_facts *f, struct drive *d)
{
	(void)f;
	for (size_t i = 0; i < d->n_stack; i++)
		if (d->stack[i].kind == BLOCK_HOLDER && d->stack[d->stack[i].under].kind != BLOCK_HOLDER)
			drive_refuse(d, xstrdup(d->stack[i].role));
}

static bool is_mounted(const struct guard_facts *f, const struct drive *d)
{
	for (size_t i = 0; i < f->mounts.n_mounts; i++)
		if (has_any(d, &f->mounts.mount[i].devs))
			return true; /* rule_mounted() has said so */
	return false;
}

/* Members of a Btrfs that is mounted where this process cannot see it. */
static void rule_btrfs(const struct guard_facts *f, struct drive *d)
{
	for (size_t i = 0; i < f->mounts.n_btrfs && !is_mounted(f, d); i++)
		if (has_any(d, &f->mounts.btrfs[i].members))
			drive_refuse(d, text_of("belongs to a mounted Btrfs (%s)", f->mounts.btrfs[i].uuid));
}

static void rule_hidden(const struct guard_facts *f, struct drive *d)
{
	bool mounted = is_mounted(f, d);

	for (size_t i = 0; i < f->mounts.n_hidden; i++) {
		const struct hidden_use *h = &f->mounts.hidden[i];

		if (drive_block(d, h->dev) && !(mounted && h->is_mount))
			drive_refuse(d, xstrdup(h->words));
	}
}

/* The kernel shows a directory `bcache` in each member; a caching drive has no holder. */
static void rule_bcache(const struct guard_facts *f, struct drive *d)
{
	for (size_t i = 0; i < d->n_stack && d->kind == DRIVE_DISK; i++) {
		AUTO_FREE char *dir = text_of("%s/class/block/%s", f->roots->sys, d->stack[i].name);

		if (d->stack[i].kind != BLOCK_HOLDER && sysfs_exists(dir, "bcache"))
			drive_refuse(d, text_of("belongs to a bcache (%s)", d->stack[i].name));
	}
}

/* ZFS names the partitions that it makes on whole drives "zfs-" and a number; nothing else tells of them. */
static void rule_zfs(const struct guard_facts *f, struct drive *d)
{
	for (size_t i = 0; i < d->n_stack && f->mounts.zfs; i++) {
		AUTO_FREE char *dir = text_of("%s/class/block/%s", f->roots->sys, d->stack[i].name);
		AUTO_FREE char *uevent = sysfs_text(dir, "uevent");

		if (d->stack[i].kind == BLOCK_PARTITION && strstr(uevent, "\nPARTNAME=zfs-"))
			drive_refuse(d, text_of("has a partition of ZFS, and a pool is in use (%s)", d->stack[i].name));
	}
}

static void rule_loop(const struct guard_facts *f, struct drive *d)
{
	dev_t dev;

	if (d->backing[0] && sysfs_dev_of_path(f->roots, d->backing, &dev) == 0)
		drive_refuse(d, text_of("only shows %s; name that drive", d->backing));
}

static void rule_source(const struct guard_facts *f, struct drive *d)
{
	const char *source = f->request->source_path;
	AUTO_FREE char *real = source ? realpath(source, NULL) : NULL;
	struct stat st;

	if (!source)
		return;
	if (real && strcmp(real, d->backing) == 0)
		drive_refuse(d, text_of("only shows the source %s", source));
	else if (real && stat(real, &st) == 0 && S_ISBLK(st.st_mode) && drive_block(d, st.st_rdev))
		drive_refuse(d, text_of("is the source itself"));
	else if (f->request->source_dev && drive_block(d, f->request->source_dev))
		drive_refuse(d, text_of("holds the source %s", source));
}

static void rule_read_only(const struct guard_facts *f, struct drive *d)
{
	(void)f;
	if (d->read_only && d->kind != DRIVE_CD)
		drive_refuse(d, xstrdup("is read-only (a write-protect switch?)"));
}

static void rule_built_in(const struct guard_facts *f, struct drive *d)
{
	static const char *const outside[] = { "usb", "sd", "loop" };

	if (d->removable || f->request->allow_fixed || d->kind != DRIVE_DISK)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
		if (strcmp(d->transport, outside[i]) == 0)
			return;
	drive_refuse(d, text_of("is built in (%s): neither removable nor on USB%s",
	                        d->transport[0] ? d->transport : "bus unknown",
	                        d->n_reasons ? "" : " (--allow-fixed lifts this)"));
}

static char *too_small(u64 size, u64 need)
{
	AUTO_FREE char *missing = size_text(need - size);

	return text_of("is too small by %llu bytes (%s): has %llu, needs %llu", (unsigned long long)(need - size),
	               missing, (unsigned long long)size, (unsigned long long)need);
}

static void rule_size(const struct guard_facts *f, struct drive *d)
{
	if (d->size && d->size < f->request->need)
		drive_refuse(d, too_small(d->size, f->request->need));
}

/* In the order in which the reasons are told: what would do most harm first. */
static void (*const rules[])(const struct guard_facts *f, struct drive *d) = {
	rule_kind,   rule_medium, rule_mounted, rule_swap,   rule_holders,   rule_hidden,   rule_btrfs,
	rule_bcache, rule_zfs,    rule_loop,    rule_source, rule_read_only, rule_built_in, rule_size,
};

static void judge(const struct guard_facts *f, struct drive *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i](f, d);
}

int guard_list(const struct drives_roots *roots, struct drives *ret, struct err *e)
{
	static const struct guard_request nothing;
	struct guard_facts f = { .roots = roots, .request = &nothing };
	AUTO_DRIVES struct drives drives = { 0 };
	int r = drives_list(roots, &drives, e);

	if (r == 0)
		r = mounts_read(roots, &f.mounts, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < drives.n; i++)
		judge(&f, &drives.drive[i]);
	mounts_free(&f.mounts);
	*ret = drives;
	drives = (struct drives){ 0 };
	return 0;
}

static int refuse(const struct guard_request *request, const struct drive *d, struct err *e)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < d->n_reasons; i++)
		buf_addf(&b, "%s%s", i ? "; " : "", d->reasons[i]);
	if (strcmp(request->path, d->path) == 0)
		return fail_refused(e, -EPERM, "%s: %s", d->path, b.s);
	return fail_refused(e, -EPERM, "%s (%s): %s", request->path, d->path, b.s);
}

int guard_judge(const struct drives_roots *roots, const struct guard_request *request, dev_t dev,
                struct drive *ret_identity, struct err *e)
{
	struct guard_facts f = { .roots = roots, .request = request };
	AUTO_FREE char *whole = drive_of_partition(roots, dev);
	AUTO_DRIVE struct drive d = { 0 };
	int r;

	if (whole)
		return fail_refused(e, -EPERM, "%s: is a partition; name the whole drive %s", request->path, whole);
	r = drive_read(roots, dev, &d, e);
	if (r == 0)
		r = mounts_read(roots, &f.mounts, e);
	if (r < 0)
		return fail_refused(e, r, "%s: cannot tell whether it is in use", request->path);
	judge(&f, &d);
	mounts_free(&f.mounts);
	if (d.n_reasons)
		return refuse(request, &d, e);
	*ret_identity = d;
	d = (struct drive){ 0 };
	return 0;
}

/* Below `dir`, or `dir` itself; both are real paths. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

static bool is_in_dev(const char *real)
{
	return is_below(real, "/dev") && !is_below(real, "/dev/shm");
}

static int missing_target(const char *path, bool may_create, struct err *e)
{
	AUTO_FREE char *dir = xstrdup(path);
	AUTO_FREE char *real = NULL;
	char *slash = strrchr(dir, '/');
	struct stat st;

	if (slash)
		slash[slash == dir] = '\0';
	real = realpath(slash ? dir : ".", NULL);
	if (is_in_dev(real ? real : path))
		return fail_refused(e, -ENOENT, "%s: no such drive (nothing is created in /dev)", path);
	if (lstat(path, &st) == 0)
		return fail_refused(e, -ENOENT, "%s: is a link to nothing", path);
	if (!may_create)
		return fail_refused(e, -ENOENT, "%s: no such drive or file (--size makes a new file)", path);
	if (!real || !*path || (slash && !slash[1] && slash != dir))
		return fail_refused(e, -ENOENT, "%s: there is no such directory to make a file in", path);
	if (is_below(real, "/proc") || is_below(real, "/sys"))
		return fail_refused(e, -ENOENT, "%s: nothing is created in %s", path, real);
	return 0;
}

static int kind_of_target(const char *path, const struct stat *st, enum target_kind *ret, struct err *e)
{
	AUTO_FREE char *real = realpath(path, NULL);

	if (S_ISDIR(st->st_mode))
		return fail_refused(e, -EISDIR, "%s: is a directory, not a drive or a file", path);
	if (!S_ISBLK(st->st_mode) && !S_ISREG(st->st_mode))
		return fail_refused(e, -EINVAL, "%s: is neither a drive nor a plain file", path);
	if (S_ISREG(st->st_mode) && real && is_in_dev(real))
		return fail_refused(e, -EINVAL, "%s: is a plain file that was left in /dev, not a drive; remove it",
		                    path);
	*ret = S_ISBLK(st->st_mode) ? TARGET_BLOCK : TARGET_FILE;
	return 0;
}

int guard_target(const char *path, bool may_create, enum target_kind *ret, struct err *e)
{
	struct stat st;
	int r;

	if (stat(path, &st) == 0)
		return kind_of_target(path, &st, ret, e);
	if (errno != ENOENT)
		return fail_refused(e, -errno, "%s: %s", path, strerror(errno));
	r = missing_target(path, may_create, e);
	if (r == 0)
		*ret = TARGET_MISSING;
	return r;
}

/* A file that a loop device shows is in use as much as that device is, and the kernel does not keep others out. */
static int check_loops(const struct drives_roots *roots, const char *path, const char *real, struct err *e)
{
	AUTO_FREE char *top = text_of("%s/block", roots->sys);
	AUTO_NAMES struct names names = { 0 };
	int r = sysfs_names(top, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		AUTO_FREE char *dir = text_of("%s/%s", top, names.name[i]);
		AUTO_FREE char *backing = sysfs_text(dir, "loop/backing_file");

		if (strcmp(backing, real) == 0)
			return fail_refused(e, -EBUSY, "%s: is in use by /dev/%s (losetup -d /dev/%s frees it)", path,
			                    names.name[i], names.name[i]);
	}
	return r;
}

static int check_source_of_file(const struct guard_request *request, const struct stat *st, const char *real,
                                struct err *e)
{
	AUTO_FREE char *source = request->source_path ? realpath(request->source_path, NULL) : NULL;
	struct stat from;

	if (!source || stat(source, &from) < 0)
		return 0;
	if (from.st_dev == st->st_dev && from.st_ino == st->st_ino)
		return fail_refused(e, -EPERM, "%s: is the source itself", request->path);
	if (S_ISDIR(from.st_mode) && is_below(real, source))
		return fail_refused(e, -EPERM, "%s: lies inside the source %s", request->path, request->source_path);
	return 0;
}

static int check_file(const struct drives_roots *roots, const struct guard_request *request, const struct stat *st,
                      struct drive *ret_identity, struct err *e)
{
	AUTO_FREE char *real = realpath(request->path, NULL);
	u64 size = (u64)st->st_size;
	int r = check_source_of_file(request, st, real ? real : request->path, e);

	if (r == 0)
		r = check_loops(roots, request->path, real ? real : request->path, e);
	if (r < 0)
		return r;
	if (size < request->need) {
		AUTO_FREE char *words = too_small(size, request->need);

		return fail_refused(e, -ENOSPC, "%s: %s", request->path, words);
	}
	*ret_identity = (struct drive){
		.path = xstrdup(request->path),
		.dev = st->st_dev,
		.size = size,
		.sector_size = 512,
		.transport = "file",
		.vendor = xstrdup(""),
		.model = xstrdup(""),
		.serial = xstrdup(""),
		.backing = xstrdup(""),
	};
	return 0;
}

int guard_check(const struct drives_roots *roots, const struct guard_request *request, const struct device *device,
                struct drive *ret_identity, struct err *e)
{
	enum target_kind kind;
	struct stat st;
	int r;

	if ((device ? fstat(device->fd, &st) : stat(request->path, &st)) < 0) {
		r = -errno;
		if (!device && r == -ENOENT)
			return guard_target(request->path, false, &kind, e);
		return fail_refused(e, r, "%s: %s", request->path, strerror(-r));
	}
	r = kind_of_target(request->path, &st, &kind, e);
	if (r < 0)
		return r;
	if (kind == TARGET_BLOCK)
		return guard_judge(roots, request, st.st_rdev, ret_identity, e);
	return check_file(roots, request, &st, ret_identity, e);
}

int guard_same(const struct drive *shown, const struct drive *now, struct err *e)
{
	AUTO_NAMES struct names differ = { 0 };
	AUTO_FREE char *list = NULL;

	if (shown->dev != now->dev)
		add_name(&differ, "device number");
	if (shown->size != now->size)
		add_name(&differ, "size");
	if (strcmp(shown->serial, now->serial) != 0)
		add_name(&differ, "serial");
	if (shown->diskseq != now->diskseq)
		add_name(&differ, "diskseq");
	if (!differ.n)
		return 0;
	list = enumerate(&differ);
	return fail_refused(e, -ESTALE, "%s: is not the drive that was shown: %s differ%s", now->path, list,
	                    differ.n > 1 ? "" : "s");
}
