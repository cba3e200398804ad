/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The input is a FAT volume: it is listed, the first 64 KiB of each file are read, and its metadata are found. For
 * libFuzzer; with -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include "src/fs/fat_read.h"

#define READ_MAX (64 * KIB)

static int check_free(void *ctx, u64 off, u64 len)
{
	u64 *end = ctx;

	if (off < *end || !len || off + len < off)
		abort();
	*end = off + len;
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int read_entry(void *ctx, const struct fat_entry *entry)
{
	static u8 buf[READ_MAX];
	AUTO_ERR struct err e = { 0 };
	u64 off, len;

	if (entry->path[0] != '/' || strstr(entry->path, "/../") || strstr(entry->path, "//"))
		abort();
	if (entry->size && fat_where(ctx, entry, entry->size - 1, &off, &len, &e) == 0 && len == 0)
		abort();
	err_clear(&e);
	if (fat_read_file(ctx, entry, 0, buf, MIN(entry->size, READ_MAX), &e) < 0)
		return 0;
	if (entry->size > READ_MAX && fat_read_file(ctx, entry, entry->size - 1, buf, 1, &e) < 0)
		return 0;
	return 0;
}

static int count_stretch(void *ctx, u64 off, u64 len)
{
	(void)off;
	*(u64 *)ctx += len;
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_DEVICE struct device *d = device_new_memory("fuzz", size, 512);
	AUTO_ERR struct err e = { 0 }, load_error = { 0 }, metadata_error = { 0 }, free_error = { 0 };
	struct fat_facts facts;
	u64 told = 0;
	AUTO_FAT struct fat_volume *v = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;
	u64 end = 0;

	if (device_write(d, 0, data, size, &e) < 0 || fat_open(d, &v, &e) < 0)
		return 0;
	if (fat_each_metadata(v, count_stretch, &told, &metadata_error) < 0 && !metadata_error.text)
		abort();
	/* Directories are told once, so never more than there can be. */
	fat_get_facts(v, &facts);
	if (told > facts.data + (u64)facts.n_clusters * facts.cluster_size)
		abort();
	if (fat_each(v, read_entry, v, &e) < 0 && !e.text)
		abort();
	if (fat_each_free(v, check_free, &end, &free_error) < 0 && !free_error.text)
		abort();
	if (fat_load(v, "/livestick/a.manifest", MIB, &text, &len, &load_error) == 0 && text[len] != '\0')
		abort();
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
