/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The input is a FAT volume: it is listed, and the first 64 KiB of each file are read. For libFuzzer; with
 * -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include "src/fs/fat_read.h"

#define READ_MAX (64 * KIB)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int read_entry(void *ctx, const struct fat_entry *entry)
{
	static u8 buf[READ_MAX];
	AUTO_ERR struct err e = { 0 };

	if (entry->path[0] != '/' || strstr(entry->path, "/../") || strstr(entry->path, "//"))
		abort();
	if (fat_read_file(ctx, entry, 0, buf, MIN(entry->size, READ_MAX), &e) < 0)
		return 0;
	if (entry->size > READ_MAX && fat_read_file(ctx, entry, entry->size - 1, buf, 1, &e) < 0)
		return 0;
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_DEVICE struct device *d = device_new_memory("fuzz", size, 512);
	AUTO_ERR struct err e = { 0 }, load_error = { 0 };
	AUTO_FAT struct fat_volume *v = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;

	if (device_write(d, 0, data, size, &e) < 0 || fat_open(d, &v, &e) < 0)
		return 0;
	if (fat_each(v, read_entry, v, &e) < 0 && !e.text)
		abort();
	if (fat_load(v, "/livestick/a.manifest", MIB, &text, &len, &load_error) == 0 && text[len] != '\0')
		abort();
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
