/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/data.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <linux/fs.h>

#include "persist/init/check.h"
#include "persist/init/files.h"
#include "persist/init/say.h"
#include "persist/init/stick.h"

#define FULL_BYTES   (16 * MIB)
#define FULL_PERCENT 2
#define DATA_DELAY   5 /* seconds: BOOT is there, and DATA is beside it */

static bool is_write_protected(const char *node)
{
	int fd = open(node, O_RDONLY | O_CLOEXEC), on = 0;

	if (fd < 0)
		return false;
	if (ioctl(fd, BLKROGET, &on) < 0)
		on = 0;
	close(fd);
	return on != 0;
}

static int mount_data(struct run *run, const char *node)
{
	static const char *const types[] = { "ext4", "ext3", "ext2" };
	int r = -ENODEV;

	if (is_write_protected(node)) {
		say("DATA, %s: the stick is write-protected", node);
		return -EROFS;
	}
	/* The driver of ext4 does all three; an old kernel may have only the others. */
	for (size_t i = 0; r == -ENODEV && i < ARRAY_SIZE(types); i++)
		r = mount(node, RUN_DATA, types[i], MS_NOATIME, NULL) < 0 ? -errno : 0;
	if (r < 0) {
		say("DATA, %s, cannot be mounted: %s", node, strerror(-r));
		say_kernels_words(run->data.name);
	}
	return r;
}

/*
 * A full DATA is told, and no reason not to start: the user has to get at it to make room. A snapshot's room is
 * reserved already, and looked at later.
 */
static int look_at_room(const struct run *run)
{
	struct statvfs v;
	u64 room, size;

	if (statvfs(RUN_DATA, &v) < 0)
		return -errno;
	if (v.f_flag & ST_RDONLY) {
		say("DATA was mounted, but only for reading");
		say_kernels_words("EXT4-fs");
		return -EROFS;
	}
	if (run->conf.kind == UNION_SNAPSHOT)
		return 0;
	room = (u64)v.f_bavail * v.f_frsize;
	size = (u64)v.f_blocks * v.f_frsize;
	if (room < FULL_BYTES || room < size / 100 * FULL_PERCENT) {
		TEXT(words, 80);

		text_add_size(&words, room);
		text_add(&words, " of ");
		text_add_size(&words, size);
		say("DATA is nearly full: %s are free for changes. Delete something, or not all can be saved", words.s);
	}
	if (v.f_files && v.f_favail < v.f_files / 100)
		say("DATA is nearly full: room for %llu more files", (unsigned long long)v.f_favail);
	return 0;
}

static int open_session(struct run *run)
{
	TEXT(marker, sizeof(run->changes) + 16);
	struct stat st;
	int r = dir_make(RUN_DATA "/changes", 0755);

	snprintf(run->changes, sizeof(run->changes), RUN_DATA "/changes/%s", run->cmdline.session);
	if (r == 0)
		r = dir_make(run->changes, 0755);
	if (r < 0) {
		say("%s cannot be made: %s", run->changes, strerror(-r));
		return r;
	}
	text_add(&marker, "%s/first-start", run->changes);
	run->is_fresh = lstat(marker.s, &st) < 0;
	say_debug("changes are in %s%s", run->changes, run->is_fresh ? ", a new session" : "");
	return 0;
}

static int find_data(struct run *run, char *node, size_t cap)
{
	int r;

	if (!run->cmdline.session[0]) {
		say("perchdir= is not the name of a session: letters, digits, \"._-\", at most 63");
		return -EINVAL;
	}
	if (!run->cmdline.data[0]) {
		say("changes shall be saved (perch), but the stick has no DATA: livestick.data=UUID is missing");
		return -EINVAL;
	}
	r = stick_wait(run, "DATA", run->cmdline.data, run->boot.disk, stick_now() + DATA_DELAY, &run->data);
	return r ? r : device_node(&run->data, node, cap);
}

static int open_saved(struct run *run)
{
	char node[64];
	int r = find_data(run, node, sizeof(node));

	if (r == 0)
		r = check_ext(run, "DATA", node);
	if (r == 0)
		r = dir_make(RUN_DATA, 0755);
	if (r == 0)
		r = mount_data(run, node);
	if (r == 0)
		r = look_at_room(run);
	return r ? r : open_session(run);
}

static int open_memory(struct run *run)
{
	int r = dir_make(RUN_MEMORY, 0755);

	if (r == 0 && mount("changes", RUN_MEMORY, "tmpfs", 0, "mode=0755") < 0)
		r = -errno;
	if (r < 0) {
		say("no memory for changes: %s", strerror(-r));
		return r;
	}
	snprintf(run->changes, sizeof(run->changes), RUN_MEMORY);
	run->is_fresh = true;
	return 0;
}

/* A link, so that programs find the changes at one place whatever the session is called. */
static void link_changes(const struct run *run)
{
	unlink(RUN "/changes");
	if (symlink(run->changes + strlen(RUN "/"), RUN "/changes") < 0)
		say_debug(RUN "/changes: %s", strerror(errno));
}

int data_open(struct run *run)
{
	int r = run->saving ? open_saved(run) : open_memory(run);

	if (r == 0)
		link_changes(run);
	return r;
}

void data_close(struct run *run)
{
	(void)run;
	umount2(RUN_DATA, MNT_DETACH);
	umount2(RUN_MEMORY, MNT_DETACH);
}

int data_set_started(const struct run *run)
{
	TEXT(path, sizeof(run->changes) + 16);

	text_add(&path, "%s/first-start", run->changes);
	return file_write(path.s, "");
}
