/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/loop.h>
#include <linux/major.h>

#include "persist/init/files.h"

#define LOOPS_MAX 512 /* tried one by one on kernels without /dev/loop-control */

/* Opens loop device `n`, making its node when there is none. */
static int open_device(unsigned n, struct loop *ret)
{
	TEXT(sysfs, 64);
	int r;

	ret->major = LOOP_MAJOR;
	ret->minor = n;
	text_add(&sysfs, "/sys/block/loop%u/dev", n);
	/* Not known yet: kernels that make loop devices on demand do it at the opening of the node. */
	if (node_number(sysfs.s, &ret->major, &ret->minor) < 0)
		ret->minor = n;
	snprintf(ret->path, sizeof(ret->path), "/dev/loop%u", n);
	r = node_make(ret->path, S_IFBLK, ret->major, ret->minor);
	if (r < 0)
		return r;
	ret->fd = open(ret->path, O_RDWR | O_CLOEXEC);
	return ret->fd < 0 ? -errno : 0;
}

/* Linux 3.1 and later. */
static int open_free_by_control(struct loop *ret)
{
	unsigned a, b;
	int fd, n;

	if (node_number("/sys/class/misc/loop-control/dev", &a, &b) < 0 ||
	    node_make("/dev/loop-control", S_IFCHR, a, b) < 0)
		return -ENOENT;
	fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -ENOENT;
	n = ioctl(fd, LOOP_CTL_GET_FREE);
	close(fd);
	return n < 0 ? -ENOENT : open_device((unsigned)n, ret);
}

static int open_free_by_trying(struct loop *ret)
{
	struct loop_info64 info;

	for (unsigned n = 0; n < LOOPS_MAX; n++) {
		if (open_device(n, ret) < 0)
			return -ENODEV;
		if (ioctl(ret->fd, LOOP_GET_STATUS64, &info) < 0 && errno == ENXIO)
			return 0;
		close(ret->fd);
	}
	return -ENODEV;
}

static void set_name(struct loop_info64 *info, const char *path)
{
	size_t len = MIN(strlen(path), sizeof(info->lo_file_name) - 1);

	memcpy(info->lo_file_name, path, len);
}

/* Linux 5.8 has one ioctl for it; before, the device is without its flags for a moment, which nobody sees here. */
static int attach(const struct loop *loop, int file, const struct loop_info64 *info)
{
	struct loop_config config = { .fd = (u32)file, .info = *info };
	int r = 0;

	if (ioctl(loop->fd, LOOP_CONFIGURE, &config) == 0)
		return 0;
	if (errno == EBUSY)
		return -EBUSY;
	if (ioctl(loop->fd, LOOP_SET_FD, file) < 0)
		return -errno;
	for (unsigned i = 0; i < 20; i++) {
		r = ioctl(loop->fd, LOOP_SET_STATUS64, info) < 0 ? -errno : 0;
		if (r != -EAGAIN)
			break;
		usleep(10000);
	}
	if (r < 0)
		ioctl(loop->fd, LOOP_CLR_FD);
	return r;
}

static int attach_free(int file, const struct loop_info64 *info, struct loop *ret)
{
	int r = -EBUSY;

	for (unsigned i = 0; r == -EBUSY && i < 20; i++) {
		if (open_free_by_control(ret) < 0 && open_free_by_trying(ret) < 0)
			return -ENODEV;
		r = attach(ret, file, info);
		if (r < 0)
			close(ret->fd);
	}
	return r;
}

int loop_attach(const char *path, bool read_only, struct loop *ret)
{
	int file = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC), r;
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0) };

	if (file < 0)
		return -errno;
	set_name(&info, path);
	r = attach_free(file, &info, ret);
	close(file);
	return r;
}
