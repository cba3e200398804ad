/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/unite.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "persist/init/files.h"
#include "persist/init/say.h"
#include "persist/init/snapshot.h"

/* The kernel takes a page of options. With many images their paths are said from RUN_IMAGES, where we then stand. */
#define OPTIONS_MAX 4096
#define LONG_PATHS  64 /* images */

/*
 * What would tie the changes to these very images, or make them unreadable for others: an upgrade puts newer images
 * below them. Options that the kernel does not know it also does not have on.
 */
static void add_offs(struct text *options)
{
	static const char *const names[] = { "index", "metacopy", "redirect_dir" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		TEXT(path, 80);
		char value[8];

		text_add(&path, "/sys/module/overlay/parameters/%s", names[i]);
		if (file_read(path.s, value, sizeof(value)) > 0 && value[0] == 'Y')
			text_add(options, ",%s=off", names[i]);
	}
}

static void add_lower(const struct run *run, struct text *options)
{
	const char *dir = run->n_mounted <= LONG_PATHS ? RUN_IMAGES "/" : "";

	text_add(options, "lowerdir=");
	for (size_t i = run->n_mounted; i-- > 0;)
		text_add(options, "%s%02zu%s", dir, i, i ? ":" : "");
}

static int mount_in_images(const char *type, const char *dir, unsigned long flags, const struct text *options)
{
	int r;

	if (options->cut)
		return -E2BIG;
	if (chdir(RUN_IMAGES) < 0)
		return -errno;
	r = mount(type, dir, type, flags, options->s) < 0 ? -errno : 0;
	if (chdir("/") < 0 && r == 0)
		r = -errno;
	return r;
}

/* What the root of the topmost image is: a new directory of changes is the root of what becomes of them. */
static int make_upper(const struct run *run, const char *path)
{
	TEXT(top, 64);
	struct stat st;
	int r = lstat(path, &st) < 0 ? -errno : 0;

	if (r == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	text_add(&top, RUN_IMAGES "/%02zu", run->n_mounted - 1);
	if (stat(top.s, &st) < 0)
		return -errno;
	r = dir_make(path, 0755);
	if (r == 0 && (chown(path, st.st_uid, st.st_gid) < 0 || chmod(path, st.st_mode & 07777) < 0))
		r = -errno;
	return r;
}

static int mount_overlay(const struct run *run, const char *upper)
{
	TEXT(options, OPTIONS_MAX);
	TEXT(work, 200);
	struct statvfs v;
	int r;

	text_add(&work, "%s/work", run->changes);
	r = dir_make(work.s, 0755);
	if (r < 0)
		return r;
	add_lower(run, &options);
	text_add(&options, ",upperdir=%s,workdir=%s", upper, work.s);
	add_offs(&options);
	/* not DATA's noatime: overlay goes by its own */
	r = mount_in_images("overlay", NEW_ROOT, MS_NOATIME, &options);
	/* Without room for its working directory overlay takes no changes at all. */
	if (r == 0 && statvfs(NEW_ROOT, &v) == 0 && (v.f_flag & ST_RDONLY)) {
		umount2(NEW_ROOT, MNT_DETACH);
		r = -EROFS;
	}
	return r;
}

/* Branches are added one by one: all in one mount would have to fit a page. */
static int mount_aufs(const struct run *run, const char *upper)
{
	TEXT(branch, 256);
	int r;

	text_add(&branch, "br=%s=rw", upper);
	r = mount("aufs", NEW_ROOT, "aufs", MS_NOATIME, branch.s) < 0 ? -errno : 0;
	for (size_t i = run->n_mounted; r == 0 && i-- > 0;) {
		TEXT(append, 64);

		text_add(&append, "append:" RUN_IMAGES "/%02zu=rr", i);
		r = mount("aufs", NEW_ROOT, "aufs", MS_REMOUNT | MS_NOATIME, append.s) < 0 ? -errno : 0;
	}
	if (r < 0)
		umount2(NEW_ROOT, MNT_DETACH);
	return r;
}

static int unite_images(struct run *run)
{
	TEXT(upper, 200);
	bool is_aufs = run->conf.kind == UNION_AUFS;
	int r;

	text_add(&upper, "%s/upper", run->changes);
	r = make_upper(run, upper.s);
	if (r == 0)
		r = is_aufs ? mount_aufs(run, upper.s) : mount_overlay(run, upper.s);
	if (r < 0) {
		say("the images and the changes in %s cannot be put together (%s): %s", run->changes,
		    is_aufs ? "aufs" : "overlay", strerror(-r));
		say_kernels_words(is_aufs ? "aufs" : "overlay");
	}
	return r;
}

int unite(struct run *run)
{
	int r = run->conf.kind == UNION_SNAPSHOT ? snapshot_mount(run) : unite_images(run);

	if (r == 0 && run->saving)
		say("changes are saved on %s, session \"%s\"", run->data.name, run->cmdline.session);
	if (r == 0 && !run->saving)
		say("changes are kept in memory, and gone at the end");
	return r;
}

void unite_undo(struct run *run)
{
	umount2(NEW_ROOT, MNT_DETACH);
	if (run->conf.kind == UNION_SNAPSHOT)
		snapshot_undo();
}

int unite_read_only(struct run *run, const char *dir)
{
	TEXT(options, OPTIONS_MAX);
	int r = -EINVAL;

	if (run->n_mounted == 0)
		return -ENOENT;
	if (run->n_mounted > 1 && run->conf.kind == UNION_OVERLAY) {
		add_lower(run, &options);
		r = mount_in_images("overlay", dir, MS_RDONLY, &options);
	}
	if (run->n_mounted > 1 && run->conf.kind == UNION_AUFS) {
		text_add(&options, "br=");
		for (size_t i = run->n_mounted; i-- > 0;)
			text_add(&options, RUN_IMAGES "/%02zu=rr%s", i, i ? ":" : "");
		r = mount_in_images("aufs", dir, MS_RDONLY, &options);
	}
	/* One image, or it could not be done: programs are mostly in the lowest. */
	if (r < 0)
		r = mount(RUN_IMAGES "/00", dir, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
	return r;
}
