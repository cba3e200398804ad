/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Feeds the ISO reader with anything. Built with clang's -fsanitize=fuzzer, or with -DFUZZ_MAIN as a program that
 * reads the files it is given. What was read must keep the promises of source.h.
 */
#include <sys/mman.h>

#include "src/source/private.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_name(const char *name)
{
	MUST(*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	for (const char *p = name; *p; p++)
		MUST((u8)*p >= 0x20 && *p != '/');
}

static int check_node(void *ctx, const struct node *n)
{
	const struct source *s = ctx;
	AUTO_FREE char *path = node_path(n);
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err e = { 0 };
	u64 sum = 0;

	check_name(n->name);
	MUST((n->target != NULL) == (n->type == NODE_SYMLINK));
	MUST(n->type == NODE_DIR || n->n_children == 0);
	for (size_t i = 0; i < n->n_extents; i++) {
		MUST(n->extents[i].off <= s->size && n->extents[i].len <= s->size - n->extents[i].off);
		sum += n->extents[i].len;
	}
	MUST(sum == n->size);
	if (n->type == NODE_SYMLINK)
		source_find(s, path);
	else
		MUST(source_find(s, path) == n);
	if (n->type == NODE_FILE && n->size <= 16 * KIB)
		MUST(node_load(n, 16 * KIB, &text, NULL, &e) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (iso_open_fd(fd, "fuzz", &s, &e) < 0) {
		MUST(e.text && e.code == EXIT_SOURCE);
		return 0;
	}
	source_each(s, check_node, s);
	for (size_t i = 0; i < s->n_boot_images; i++)
		MUST(s->boot_images[i].len <= s->size && s->boot_images[i].off <= s->size - s->boot_images[i].len);
	return 0;
}

#ifndef FUZZ_MAIN

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned seed);

/*
 * Most bytes of an image are zeros and file data that nobody looks at; so change some bytes in place, where the
 * partition tables and the descriptors and directories are, and now and then the whole.
 */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned seed)
{
	enum { TABLES = 1024, DESCRIPTORS = 32768, WINDOW = 64 };
	size_t at;

	if (size < DESCRIPTORS + WINDOW || seed % 50 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	seed /= 50;
	at = seed % 20 == 0 ? seed / 20 % (TABLES - WINDOW) : DESCRIPTORS + seed / 20 % (size - DESCRIPTORS - WINDOW);
	for (int tries = 0; tries < 64 && at >= DESCRIPTORS && !data[at]; tries++) /* rather where something is */
		at = DESCRIPTORS + (at * 31 + 7919) % (size - DESCRIPTORS - WINDOW);
	LLVMFuzzerMutate(data + at, 1 + seed % WINDOW, 1 + seed % WINDOW);
	return size;
}

#endif

#include "tests/fuzz/fuzz_main.h"
