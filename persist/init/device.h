/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The block devices of the machine. They are opened for reading only, and their first bytes looked at; nothing is done
 * with those that are not the stick's.
 *
 *	devices_scan(&d);                                again and again: reads only what is new
 *	r = devices_pick(&d, uuid, disk, &device);
 */
#ifndef LIVESTICK_INIT_DEVICE_H
#define LIVESTICK_INIT_DEVICE_H

#include "persist/init/super.h"

#define DEVICES_MAX 512

struct device {
	char name[40]; /* "sda1", as in /sys/class/block */
	char disk[40]; /* "sda": itself, when it is no partition */
	unsigned major, minor;
	u64 size;
	bool seen;         /* is there in the current scan */
	unsigned failures; /* readings that failed */
	bool is_read;      /* `super` says what is on it; else it could not be read, or is none that we read */
	struct super super;
};

struct devices {
	struct device device[DEVICES_MAX];
	size_t n;
	bool need_nodes; /* there is no devtmpfs: nodes have to be made */
};

void devices_scan(struct devices *d);

/* Forgets what has been read, so that the next scan reads all again. */
void devices_forget(struct devices *d);

/*
 * The one device with this UUID. If there are several (a copy of the stick), the one on `disk` ("": no preference).
 * -ENOENT: none; -ENOTUNIQ: several, and it cannot be told which; *ret is then the first.
 */
MUST_CHECK int devices_pick(const struct devices *d, const char *uuid, const char *disk, struct device *ret);

/* Tells the user all that is there: name, size, model, file system. */
void devices_say(const struct devices *d);

/* "/dev/sda1", made if it is not there. */
MUST_CHECK int device_node(const struct device *dev, char *ret_path, size_t cap);

/* What is on a device now. -errno when it cannot be read. */
MUST_CHECK int device_read_super(const char *node, struct super *ret);

#endif
