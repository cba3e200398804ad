/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/open.h"

#include <errno.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "partition/scan.h"
#include "src/fs/reader.h"

/* Live sticks have their system on one of the first partitions. */
#define PARTITIONS_MAX 8

struct image {
	struct device *disk, *part;
	struct reader *reader;
	struct stat st;
};

static void image_free(void *ctx)
{
	struct image *i = ctx;

	reader_close(i->reader);
	device_free(i->part);
	device_free(i->disk);
	free(i);
}

/* ---- what a source asks */

struct listing {
	int (*add)(void *source, const struct source_listed *entry, struct err *e);
	void *source;
	struct err *e;
};

static int list_entry(void *ctx, const struct reader_entry *entry)
{
	struct listing *l = ctx;
	const struct source_listed listed = {
		.path = entry->path,
		.type = entry->is_dir    ? NODE_DIR
		        : entry->is_file ? NODE_FILE
		                         : NODE_SYMLINK,
		.size = entry->size,
		.place = entry->place,
	};

	return l->add(l->source, &listed, l->e);
}

static int image_each(void *ctx, int (*add)(void *source, const struct source_listed *entry, struct err *e),
                      void *source, struct err *e)
{
	struct image *i = ctx;
	struct listing l = { add, source, e };

	return reader_each(i->reader, list_entry, &l, e);
}

static int image_read(void *ctx, u64 place, u64 size, u64 off, void *buf, size_t len, struct err *e)
{
	struct image *i = ctx;
	const struct reader_entry entry = { .path = "", .size = size, .is_file = true, .place = (u32)place };

	return reader_read(i->reader, &entry, off, buf, len, e);
}

static int image_changed(void *ctx, struct err *e)
{
	struct image *i = ctx;
	struct stat now;

	if (fstat(i->disk->fd, &now) < 0)
		return fail_source(e, -errno, "%s", strerror(errno));
	if (!i->disk->is_block && (now.st_size != i->st.st_size || now.st_mtim.tv_sec != i->st.st_mtim.tv_sec ||
	                           now.st_mtim.tv_nsec != i->st.st_mtim.tv_nsec))
		return fail_source(e, -ESTALE, "was changed while it was in use");
	return 0;
}

/* ---- finding the partition */

static int find_kernel(void *ctx, const struct reader_entry *entry)
{
	static const char *const names[] = { "*vmlinu*", "*bzimage*", "*/linux", "*/linux??", "*kernel*" };
	bool *found = ctx;

	for (size_t i = 0; entry->is_file && !*found && i < ARRAY_SIZE(names); i++)
		*found = fnmatch(names[i], entry->path, FNM_CASEFOLD) == 0;
	return *found;
}

/* 1: this is it, and i->reader is open. */
static int try_partition(struct image *i, const struct scan_part *part, struct err *e)
{
	bool found = false;
	int r;

	i->part = device_new_window(i->disk, "partition", part->start, part->size);
	r = reader_open(i->part, &i->reader, e);
	if (r == 0)
		r = reader_each(i->reader, find_kernel, &found, e);
	if (r >= 0 && found)
		return 1;
	reader_close(i->reader);
	i->reader = NULL;
	device_free(i->part);
	i->part = NULL;
	if (r < 0 && r != -EINVAL && r != -EUCLEAN)
		return r;
	err_clear(e);
	return 0;
}

static int find_partition(struct image *i, char **ret_label, struct err *e)
{
	struct scan scan;
	int r = scan_device(i->disk, &scan, e), found = 0;

	if (r < 0)
		return r;
	for (size_t k = 0; found == 0 && k < MIN(scan.n_parts, PARTITIONS_MAX); k++) {
		found = try_partition(i, &scan.part[k], e);
		if (found == 1)
			*ret_label = xstrdup(scan.part[k].label);
	}
	scan_free(&scan);
	return found == 0 ? -ENOENT : MIN(found, 0);
}

static int open_image(const char *path, struct source **ret, struct err *e)
{
	struct image *i = xcalloc(1, sizeof(*i));
	const struct source_lister lister = {
		.ctx = i, .each = image_each, .read = image_read, .changed = image_changed, .free = image_free
	};
	AUTO_FREE char *label = NULL;
	int r = device_open(path, false, &i->disk, e);

	if (r == 0 && fstat(i->disk->fd, &i->st) < 0)
		r = fail(e, -errno, "%s: %s", path, strerror(errno));
	if (r == 0)
		r = find_partition(i, &label, e);
	if (r == 0)
		return source_open_listed(path,
		                          strcmp(i->reader->kind, "FAT") == 0 ? "disk image, FAT" : "disk image, ext",
		                          label, lister, ret, e);
	image_free(i);
	return r;
}

int open_source(const char *path, struct source **ret, struct err *e)
{
	AUTO_ERR struct err other = { 0 };
	struct stat st;
	int r = source_open(path, ret, e), image;

	if (r != -EINVAL || stat(path, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return r;
	image = open_image(path, ret, &other);
	if (image == 0)
		err_clear(e);
	/* What is wrong with the partition that has the system is more than what kind of image it is. */
	if (image < 0 && other.code == EXIT_SOURCE) {
		struct err kind = *e;

		*e = other;
		other = kind;
		return image;
	}
	/* What is no disk image either is best described as what it is. */
	return image == 0 ? 0 : r;
}
