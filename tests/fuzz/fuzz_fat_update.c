/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The input is a FAT32 volume: it is opened for an update, one is planned and run. What can be opened must be so that
 * afterwards it can be opened again with nothing left over, and the files that were put are found. For libFuzzer; with
 * -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include <errno.h>

#include "src/fs/fat_update.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const char *const remove_paths[] = { "/live/filesystem.squashfs", "/live", "/DIR/long name.txt", "/a", "/" };

static void add_files(struct volume_files *v)
{
	static const u8 zeros[70000];

	volume_add(v, "/live/vmlinuz", 1000, input_memory(zeros), 0);
	volume_add(v, "/live/initrd.img", 3000, input_memory(zeros), 1700000000)->replace = true;
	volume_add(v, "/dir/a name that takes some entries.txt", 70000, input_memory(zeros), 1700000000);
	volume_add(v, "/dir/long name 2.txt", 0, input_memory(zeros), 1700000000);
	volume_add_dir(v, "/new/directory", 0755, 1700000000);
}

static int update(struct device *d, struct volume_update *wanted)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	int r = fat_update_open(d, 0, d->size, &u, &e);

	if (r == 0)
		r = update_plan(u, wanted, &e);
	/* A layout that contradicts itself is a fault of ours, whatever the volume is. */
	if (r == 0 && update_run(u, d, NULL, &e) < 0)
		abort();
	if (r < 0 && !e.text)
		abort();
	return r;
}

static void check(struct device *d, const struct volume_update *wanted)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };

	if (fat_update_open(d, 0, d->size, &u, &e) < 0 || u->n_leftover > 0)
		abort();
	for (size_t i = 0; i < wanted->put.n; i++) {
		struct update_entry entry = { 0 };

		if (update_find(u, wanted->put.file[i].path, &entry, &e) < 0 ||
		    entry.is_dir != wanted->put.file[i].is_dir || entry.size != wanted->put.file[i].size ||
		    entry.off != wanted->put.file[i].device_off)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_DEVICE struct device *d = device_new_memory("fuzz", align_down(size, 512), 512);
	struct volume_update wanted = { .remove = remove_paths, .n_remove = ARRAY_SIZE(remove_paths) };
	AUTO_ERR struct err e = { 0 };

	add_files(&wanted.put);
	if (device_write(d, 0, data, d->size, &e) == 0 && update(d, &wanted) == 0)
		check(d, &wanted);
	volume_files_free(&wanted.put);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
