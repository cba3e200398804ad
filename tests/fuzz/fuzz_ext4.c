/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The input is an ext volume: it is listed, and the first 64 KiB and the last byte of each file are read. For
 * libFuzzer; with -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include "src/base/utf8.h"
#include "src/fs/ext4_read.h"

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

static void check_text(const char *s)
{
	for (const u8 *p = (const u8 *)s, *end = p + strlen(s); p < end;) {
		u32 c;
		size_t n = utf8_decode(p, end, &c);

		if (n == 0 || c < 0x20)
			abort();
		p += n;
	}
}

static int read_entry(void *ctx, const struct ext4_entry *entry)
{
	static u8 buf[READ_MAX];
	AUTO_ERR struct err e = { 0 };

	if (entry->path[0] != '/' || strstr(entry->path, "/../") || strstr(entry->path, "//"))
		abort();
	check_text(entry->path);
	if (entry->target)
		check_text(entry->target);
	if (ext4_read_file(ctx, entry, 0, buf, MIN(entry->size, READ_MAX), &e) < 0)
		return 0;
	if (entry->size > READ_MAX && ext4_read_file(ctx, entry, entry->size - 1, buf, 1, &e) < 0)
		return 0;
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_DEVICE struct device *d = device_new_input("fuzz", input_memory(data), size);
	AUTO_ERR struct err e = { 0 }, load_error = { 0 }, free_error = { 0 };
	AUTO_EXT4 struct ext4_volume *v = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;
	u64 end = 0;

	if (ext4_open(d, &v, &e) < 0)
		return 0;
	if (ext4_each(v, read_entry, v, &e) < 0 && !e.text)
		abort();
	if (ext4_each_free(v, check_free, &end, &free_error) < 0 && !free_error.text)
		abort();
	if (ext4_load(v, "/livestick/a.manifest", MIB, &text, &len, &load_error) == 0 && text[len] != '\0')
		abort();
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
