/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/dm-ioctl.h>

#include "persist/init/files.h"
#include "persist/init/say.h"

#define CONTROL "/dev/mapper/control"

/* An ioctl's argument: the header, then one target and its text. */
struct request {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char text[512];
};

static struct request request_new(void)
{
	struct request q = { .head = {
		                 .version = { 4, 0, 0 },
		                 .data_size = sizeof(struct request),
		                 .data_start = offsetof(struct request, target),
		                 .name = DM_NAME,
		             } };

	return q;
}

static int open_control(void)
{
	unsigned a, b;
	int r = dir_make("/dev/mapper", 0755), fd;

	if (r == 0)
		r = node_number("/sys/class/misc/device-mapper/dev", &a, &b);
	if (r == 0)
		r = node_make(CONTROL, S_IFCHR, a, b);
	if (r < 0)
		return r;
	fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int control(int fd, unsigned long command, struct request *q, const char *what)
{
	if (ioctl(fd, command, q) == 0)
		return 0;
	say_debug("device mapper: %s: %s", what, strerror(errno));
	return -errno;
}

static int load_table(int fd, const struct loop *origin, const struct loop *store, u64 size, bool persistent)
{
	struct request q = request_new();
	TEXT(text, sizeof(q.text));

	q.head.target_count = 1;
	q.target.length = size / 512;
	memcpy(q.target.target_type, "snapshot", sizeof("snapshot"));
	text_add(&text, "%u:%u %u:%u %s %u", origin->major, origin->minor, store->major, store->minor,
	         persistent ? "P" : "N", DM_CHUNK / 512);
	memcpy(q.text, text.s, text.len + 1);
	return control(fd, DM_TABLE_LOAD, &q, text.s);
}

static int resume(int fd)
{
	struct request q = request_new();
	int r = control(fd, DM_DEV_SUSPEND, &q, "resume");

	return r < 0 ? r : node_make(DM_NODE, S_IFBLK, major(q.head.dev), minor(q.head.dev));
}

int dm_snapshot_make(const struct loop *origin, const struct loop *store, u64 size, bool persistent)
{
	int fd = open_control(), r;
	struct request q = request_new();

	if (fd < 0)
		return fd;
	r = control(fd, DM_DEV_CREATE, &q, "create");
	if (r == 0) {
		r = load_table(fd, origin, store, size, persistent);
		if (r == 0)
			r = resume(fd);
	}
	close(fd);
	if (r < 0)
		dm_remove();
	return r;
}

void dm_remove(void)
{
	int fd = open_control();
	struct request q = request_new();

	if (fd < 0)
		return;
	control(fd, DM_DEV_REMOVE, &q, "remove");
	unlink(DM_NODE);
	close(fd);
}

/* "12/2048 8": sectors used and all, of them metadata; or "Invalid", "Overflow". */
static void read_status(const char *text, struct dm_status *ret)
{
	unsigned long long used, total;

	*ret = (struct dm_status){ 0 };
	if (sscanf(text, "%llu/%llu", &used, &total) != 2)
		return;
	ret->is_valid = true;
	ret->used = used * 512;
	ret->total = total * 512;
}

int dm_snapshot_status(struct dm_status *ret)
{
	int fd = open_control(), r;
	struct request q = request_new();

	if (fd < 0)
		return fd;
	r = control(fd, DM_TABLE_STATUS, &q, "status");
	close(fd);
	if (r < 0)
		return r;
	if (q.head.target_count != 1 || (q.head.flags & DM_BUFFER_FULL_FLAG))
		return -EIO;
	q.text[sizeof(q.text) - 1] = '\0';
	read_status(q.text, ret);
	return 0;
}
