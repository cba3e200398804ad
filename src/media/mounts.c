/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "src/media/mounts.h"
#include "src/base/buf.h"

#define FILE_MAX   (16 * MIB) /* some 100,000 mounts */
#define FIELDS_MAX 64         /* of a line of mountinfo; it has ten or eleven */

/* All of a file of /proc, which tells no size beforehand. Missing: "" */
static int read_file(const char *path, struct buf *ret, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char piece[4096];
	ssize_t n;

	buf_adds(ret, "");
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(e, -errno, "%s: %s", path, strerror(errno));
	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		buf_add(ret, piece, (size_t)n);
		if (ret->len > FILE_MAX)
			return fail(e, -E2BIG, "%s: is longer than %llu bytes", path, FILE_MAX);
	}
	return n < 0 ? fail(e, -errno, "%s: %s", path, strerror(errno)) : 0;
}

/* Cuts `*rest` at the next `c`; NULL when there is nothing left. Two in a row have an empty piece between them. */
static char *next_piece(char **rest, char c)
{
	char *piece = *rest, *end = piece ? strchr(piece, c) : NULL;

	if (end)
		*end++ = '\0';
	*rest = end;
	return piece;
}

/* The kernel writes blanks, tabs, line feeds and backslashes in names as \ and three octal digits. */
static void decode_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

bool devs_have(const struct devs *d, dev_t dev)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->dev[i] == dev)
			return true;
	return false;
}

static void devs_add(struct devs *d, dev_t dev)
{
	if (!devs_have(d, dev))
		*ARRAY_ADD(d->dev, d->n, d->cap) = dev;
}

/* "/dev/sda2", or "/dev/sda2:/dev/sdb2" of a bcachefs. The members of a Btrfs come with the first one. */
static void add_source_devs(const struct drives_roots *roots, const struct mounts *all, struct mount *m, char *source)
{
	char *one;
	dev_t dev;

	while ((one = next_piece(&source, ':')))
		if (sysfs_dev_of_path(roots, one, &dev) == 0)
			devs_add(&m->devs, dev);
	for (size_t i = 0; i < all->n_btrfs && strcmp(m->fs, "btrfs") == 0; i++) {
		const struct devs *members = &all->btrfs[i].members;

		for (size_t k = 0; m->devs.n && devs_have(members, m->devs.dev[0]) && k < members->n; k++)
			devs_add(&m->devs, members->dev[k]);
	}
}

/* XFS may have its log and its realtime files on devices of their own: "rw,logdev=/dev/sdb1,noquota". */
static void add_option_devs(const struct drives_roots *roots, struct mount *m, char *options)
{
	char *one;

	while ((one = next_piece(&options, ','))) {
		char *value = strstr(one, "dev=/dev/");
		dev_t dev;

		if (!value || sysfs_dev_of_path(roots, value + 4, &dev) < 0)
			continue;
		devs_add(&m->devs, dev);
	}
}

/* proc(5): ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS. */
static int parse_mount(const struct drives_roots *roots, struct mounts *all, char *line)
{
	char *field[FIELDS_MAX];
	size_t n = 0, dash = 6;
	unsigned major, minor;
	struct mount *m;
	char end;

	while (n < FIELDS_MAX && (field[n] = next_piece(&line, ' ')))
		n++;
	while (dash < n && strcmp(field[dash], "-") != 0)
		dash++;
	if (dash + 4 > n || sscanf(field[2], "%u:%u%c", &major, &minor, &end) != 2)
		return -EBADMSG;
	decode_octal(field[4]);
	decode_octal(field[dash + 2]);
	m = ARRAY_ADD(all->mount, all->n_mounts, all->cap_mounts);
	m->point = xstrdup(field[4]);
	m->fs = xstrdup(field[dash + 1]);
	if (major != 0)
		devs_add(&m->devs, makedev(major, minor));
	else if (strncmp(field[dash + 2], "/dev/", 5) == 0) /* not "server:/dev/sdb" */
		add_source_devs(roots, all, m, field[dash + 2]);
	if (dash + 3 < n && strcmp(m->fs, "xfs") == 0)
		add_option_devs(roots, m, field[dash + 3]);
	return 0;
}

/* A heading, then: FILENAME TYPE SIZE USED PRIORITY, with blanks and tabs between. */
static int parse_swap(const struct drives_roots *roots, struct mounts *all, char *line)
{
	size_t len = strcspn(line, " \t");
	struct swap *s;

	if (!len)
		return -EBADMSG;
	if (len == strlen("Filename") && strncmp(line, "Filename", len) == 0)
		return 0;
	s = ARRAY_ADD(all->swap, all->n_swaps, all->cap_swaps);
	s->path = xstrndup(line, len);
	decode_octal(s->path);
	if (sysfs_dev_of_path(roots, s->path, &s->dev) < 0)
		s->dev = 0;
	return 0;
}

static int parse_lines(const struct drives_roots *roots, const char *name, struct mounts *all,
                       int (*parse)(const struct drives_roots *, struct mounts *, char *), struct err *e)
{
	AUTO_FREE char *path = text_of("%s/%s", roots->proc, name);
	AUTO_BUF struct buf text = { 0 };
	int r = read_file(path, &text, e);
	char *rest = text.s, *line;

	for (unsigned n = 1; r == 0 && (line = next_piece(&rest, '\n')); n++) {
		if (!*line)
			continue;
		r = parse(roots, all, line);
		if (r < 0)
			return fail(e, r, "%s: line %u makes no sense", path, n);
	}
	return r;
}

/* /sys/fs/btrfs/UUID/devices/sda2; directories without `devices` tell of the driver, not of a file system. */
static int read_btrfs(const struct drives_roots *roots, struct mounts *all, struct err *e)
{
	AUTO_FREE char *top = text_of("%s/fs/btrfs", roots->sys);
	AUTO_NAMES struct names uuids = { 0 };
	int r = sysfs_names(top, &uuids, e);

	for (size_t i = 0; r == 0 && i < uuids.n; i++) {
		AUTO_FREE char *dir = text_of("%s/%s/devices", top, uuids.name[i]);
		AUTO_NAMES struct names members = { 0 };
		struct btrfs *b;

		if (!sysfs_exists(dir, ""))
			continue;
		r = sysfs_names(dir, &members, e);
		b = ARRAY_ADD(all->btrfs, all->n_btrfs, all->cap_btrfs);
		b->uuid = xstrdup(uuids.name[i]);
		for (size_t k = 0; k < members.n; k++) {
			AUTO_FREE char *member = text_of("%s/class/block/%s", roots->sys, members.name[k]);
			dev_t dev;

			if (sysfs_dev(member, "dev", &dev) == 0)
				devs_add(&b->members, dev);
		}
	}
	return r;
}

static void add_hidden(struct mounts *all, dev_t dev, bool is_mount, char *words)
{
	*ARRAY_ADD(all->hidden, all->n_hidden, all->cap_hidden) = (struct hidden_use){ dev, words, is_mount };
}

/* /sys/fs/ext4/sdb2/ is there while it is mounted, in whatever namespace. Others, as FAT, tell nothing. */
static int read_mounted(const struct drives_roots *roots, struct mounts *all, struct err *e)
{
	static const char *const kinds[] = { "ext4", "xfs", "f2fs", "erofs" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++) {
		AUTO_FREE char *top = text_of("%s/fs/%s", roots->sys, kinds[i]);
		AUTO_NAMES struct names names = { 0 };

		r = sysfs_names(top, &names, e);
		for (size_t k = 0; k < names.n; k++) {
			AUTO_FREE char *dir = text_of("%s/class/block/%s", roots->sys, names.name[k]);
			dev_t dev;

			if (sysfs_dev(dir, "dev", &dev) == 0)
				add_hidden(all, dev, true,
				           text_of("holds a file system (%s) that is mounted elsewhere (%s)", kinds[i],
				                   names.name[k]));
		}
	}
	return r;
}

/* /proc/fs/jbd2/sdb1/: a journal on a device of its own; one inside of its file system is called "sda1-8". */
static int read_journals(const struct drives_roots *roots, struct mounts *all, struct err *e)
{
	AUTO_FREE char *top = text_of("%s/fs/jbd2", roots->proc);
	AUTO_NAMES struct names names = { 0 };
	int r = sysfs_names(top, &names, e);

	for (size_t i = 0; i < names.n; i++) {
		AUTO_FREE char *dir = text_of("%s/class/block/%s", roots->sys, names.name[i]);
		dev_t dev;

		if (sysfs_dev(dir, "dev", &dev) == 0)
			add_hidden(all, dev, false,
			           text_of("holds the journal of a mounted file system (%s)", names.name[i]));
	}
	return r;
}

/* Compressed memory may be written out to a drive, which the kernel shows as no holder. */
static int read_zram(const struct drives_roots *roots, struct mounts *all, struct err *e)
{
	AUTO_FREE char *top = text_of("%s/block", roots->sys);
	AUTO_NAMES struct names names = { 0 };
	int r = sysfs_names(top, &names, e);

	for (size_t i = 0; i < names.n; i++) {
		AUTO_FREE char *dir = text_of("%s/%s", top, names.name[i]);
		AUTO_FREE char *backing = sysfs_text(dir, "backing_dev");
		dev_t dev;

		if (strncmp(backing, "/dev/", 5) == 0 && sysfs_dev_of_path(roots, backing, &dev) == 0)
			add_hidden(all, dev, false, text_of("takes what the memory %s puts out", names.name[i]));
	}
	return r;
}

/* /proc/spl/kstat/zfs/POOL/ is there while the pool is imported. */
static int read_zfs(const struct drives_roots *roots, struct mounts *all, struct err *e)
{
	AUTO_FREE char *top = text_of("%s/spl/kstat/zfs", roots->proc);
	AUTO_NAMES struct names names = { 0 };
	int r = sysfs_names(top, &names, e);

	for (size_t i = 0; i < names.n; i++) {
		AUTO_FREE char *state = text_of("%s/state", names.name[i]);

		all->zfs = all->zfs || sysfs_exists(top, state);
	}
	return r;
}

int mounts_read(const struct drives_roots *roots, struct mounts *ret, struct err *e)
{
	AUTO_MOUNTS struct mounts m = { 0 };
	int r = read_btrfs(roots, &m, e);

	if (r == 0)
		r = read_mounted(roots, &m, e);
	if (r == 0)
		r = read_journals(roots, &m, e);
	if (r == 0)
		r = read_zram(roots, &m, e);
	if (r == 0)
		r = read_zfs(roots, &m, e);
	if (r == 0)
		r = parse_lines(roots, "self/mountinfo", &m, parse_mount, e);
	if (r == 0 && !m.n_mounts)
		r = fail(e, -ENOENT, "%s/self/mountinfo: cannot see what is mounted", roots->proc);
	if (r == 0)
		r = parse_lines(roots, "swaps", &m, parse_swap, e);
	if (r < 0)
		return r;
	*ret = m;
	m = (struct mounts){ 0 };
	return 0;
}

void mounts_free(struct mounts *m)
{
	for (size_t i = 0; i < m->n_mounts; i++) {
		free(m->mount[i].point);
		free(m->mount[i].fs);
		free(m->mount[i].devs.dev);
	}
	for (size_t i = 0; i < m->n_swaps; i++)
		free(m->swap[i].path);
	for (size_t i = 0; i < m->n_btrfs; i++) {
		free(m->btrfs[i].uuid);
		free(m->btrfs[i].members.dev);
	}
	for (size_t i = 0; i < m->n_hidden; i++)
		free(m->hidden[i].words);
	free(m->hidden);
	free(m->mount);
	free(m->swap);
	free(m->btrfs);
	*m = (struct mounts){ 0 };
}
