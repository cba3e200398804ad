/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/stick.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "persist/init/ask.h"
#include "persist/init/files.h"
#include "persist/init/loop.h"
#include "persist/init/say.h"
#include "persist/init/toram.h"

i64 stick_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static int say_missing(const struct run *run, const char *what, const char *uuid)
{
	say("%s of the stick is not there: no file system has the UUID %s. There is:", what, uuid);
	devices_say(&run->devices);
	if (run->failed_modules[0])
		say("drivers that could not be loaded: %s", run->failed_modules);
	return -ENOENT;
}

/* A copy of the stick is plugged in, too. Taking the wrong one would show somebody a home directory of last year. */
static int choose(struct run *run, const char *what, const char *uuid, const struct device *first)
{
	char letter;

	say("several drives have the UUID %s of the stick's %s: is there a copy of the stick?", uuid, what);
	devices_say(&run->devices);
	say("unplug all but one and look again, or go on with %s", first->name);
	letter = ask(run, "rf");
	return letter == 'f' ? 0 : letter;
}

int stick_wait(struct run *run, const char *what, const char *uuid, const char *disk, i64 deadline, struct device *ret)
{
	i64 began = stick_now();
	bool told = false;

	for (;;) {
		int r;

		devices_scan(&run->devices);
		r = devices_pick(&run->devices, uuid, disk, ret);
		if (r == 0)
			return 0;
		if (r == -ENOTUNIQ)
			return choose(run, what, uuid, ret);
		if (stick_now() >= deadline)
			return say_missing(run, what, uuid);
		if (!told && stick_now() - began >= 4) {
			say("waiting for the stick, up to %u seconds", run->cmdline.delay);
			told = true;
		}
		usleep(100000);
	}
}

/* Of several BOOTs that beside DATA is meant. */
int stick_find_boot(struct run *run)
{
	struct device data;
	const char *disk = "";
	int r;

	if (!run->cmdline.boot[0]) {
		say("the kernel arguments name no stick: livestick.boot=UUID is missing");
		return -EINVAL;
	}
	devices_forget(&run->devices);
	devices_scan(&run->devices);
	if (run->cmdline.data[0] && devices_pick(&run->devices, run->cmdline.data, "", &data) == 0)
		disk = data.disk;
	r = stick_wait(run, "BOOT", run->cmdline.boot, disk, stick_now() + run->cmdline.delay, &run->boot);
	if (r == 0)
		say_debug("BOOT is %s", run->boot.name);
	return r;
}

/* Of the kernel's code pages, which may be modules, not all are there. Names in the configuration are UTF-8. */
static int mount_fat(const char *node)
{
	static const char *const options[] = { "utf8=1", "utf8=1,iocharset=ascii", "utf8=1,iocharset=iso8859-1",
		                               "iocharset=utf8", "" };
	int r = -EINVAL;

	for (size_t i = 0; r == -EINVAL && i < ARRAY_SIZE(options); i++)
		r = mount(node, RUN_BOOT, "vfat", MS_RDONLY | MS_NOATIME, options[i]) < 0 ? -errno : 0;
	return r;
}

/*
 * ext2 and ext3 are mounted by the driver of ext4, too, which may be the only one. A journal is not replayed on a
 * device that cannot be written to: then it is left out.
 */
static int mount_read_only(const char *node, const char *dir, const char *type)
{
	const unsigned long flags = MS_RDONLY | MS_NOATIME;
	int r = mount(node, dir, type, flags, NULL) < 0 ? -errno : 0;

	if (r == 0 || strncmp(type, "ext", 3) != 0)
		return r;
	if (r == -ENODEV)
		r = mount(node, dir, type = "ext4", flags, NULL) < 0 ? -errno : 0;
	if (r == -EROFS)
		r = mount(node, dir, type, flags, "noload") < 0 ? -errno : 0;
	return r;
}

int stick_mount_boot(struct run *run)
{
	const char *type = run->boot.super.type;
	char node[64];
	int r = device_node(&run->boot, node, sizeof(node));

	if (r == 0)
		r = dir_make(RUN_BOOT, 0755);
	if (r == 0)
		r = strcmp(type, "vfat") == 0 ? mount_fat(node) : mount_read_only(node, RUN_BOOT, type);
	if (r < 0) {
		say("BOOT, %s (%s), cannot be mounted: %s", node, type, strerror(-r));
		say_kernels_words(run->boot.name);
	}
	return r;
}

void stick_unmount_boot(struct run *run)
{
	umount2(RUN_BOOT, MNT_DETACH);
	run->in_memory = false;
}

void stick_image_path(const struct run *run, size_t i, struct text *path)
{
	if (run->in_memory)
		text_add(path, RUN_COPY "/%02zu", i);
	else
		text_add(path, RUN_BOOT "%s%s", run->cmdline.from, run->conf.image[i].path);
}

int stick_mount_image(const struct run *run, size_t i, const char *dir)
{
	const struct conf_image *image = &run->conf.image[i];
	TEXT(path, 1024);
	struct loop loop;
	int r;

	stick_image_path(run, i, &path);
	r = path.cut ? -ENAMETOOLONG : loop_attach(path.s, true, &loop);
	if (r < 0) {
		say("%s: %s", path.s, r == -ENODEV ? "no loop device is free (max_loop=)" : strerror(-r));
		return r;
	}
	r = mount_read_only(loop.path, dir, image->type);
	close(loop.fd);
	if (r < 0) {
		say("%s cannot be mounted as %s: %s", path.s, image->type, strerror(-r));
		say_kernels_words(loop.path + strlen("/dev/"));
	} else {
		say_debug("%s at %s", path.s, dir);
	}
	return r;
}

void stick_unmount_images(struct run *run)
{
	while (run->n_mounted > 0) {
		TEXT(dir, 64);

		text_add(&dir, RUN_IMAGES "/%02zu", --run->n_mounted);
		umount2(dir.s, MNT_DETACH);
	}
	run->has_images = false;
	toram_undo(run);
}

/* The device mapper wants the image for itself, so a snapshot's is not mounted. */
int stick_mount_images(struct run *run)
{
	int r;

	if (conf_select(&run->conf, run->cmdline.load, run->cmdline.noload) < 0)
		say("load=%s noload=%s would leave no image: all are used", run->cmdline.load, run->cmdline.noload);
	if (run->cmdline.toram)
		toram(run);
	run->has_images = true;
	r = dir_make(RUN_IMAGES, 0755);
	if (run->conf.kind == UNION_SNAPSHOT)
		return r;
	while (r == 0 && run->n_mounted < run->conf.n_images) {
		TEXT(dir, 64);

		text_add(&dir, RUN_IMAGES "/%02zu", run->n_mounted);
		r = dir_make(dir.s, 0755);
		if (r == 0)
			r = stick_mount_image(run, run->n_mounted, dir.s);
		run->n_mounted += r == 0;
	}
	return r;
}
