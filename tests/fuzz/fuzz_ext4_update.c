/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The input is a list of bytes to change in the metadata of a small volume, whose checksums are made right again
 * afterwards: (what, number, place, value), 6 bytes each. If the volume can be opened then, an update of it must either
 * fail or leave one that can be opened again. For libFuzzer; with -DFUZZ_MAIN a program that does the same with each
 * file that it is given.
 */
#include <assert.h>
#include <stdio.h>

#include "src/fs/ext4.h"
#include "src/fs/ext4_update.h"
#include "tests/unit/ext4_judge.h"

#define SIZE  (16 * MIB)
#define HEAD  (2 * MIB) /* all metadata lies in here */
#define FILES 30        /* of one block each; inodes to look at are about twice as many */

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u8 base[SIZE], work[SIZE];
static struct owned {
	u32 block, inode;
	bool is_dir;
} owned[200]; /* blocks with a checksum that begins with an inode's number */
static size_t n_owned;

/* ---- the volume */

static int mem_read(struct device *d, u64 off, void *buf, size_t len)
{
	memcpy(buf, (d->fd == -2 ? base : work) + off, len);
	return 0;
}

static int mem_write(struct device *d, u64 off, const void *buf, size_t len)
{
	memcpy((d->fd == -2 ? base : work) + off, buf, len);
	return 0;
}

static const struct device_ops mem_ops = { .read = mem_read, .write = mem_write };

static void must(int r, const struct err *e)
{
	if (r < 0) {
		fprintf(stderr, "%s\n", e->text);
		abort();
	}
}

static void update(struct device *d, const char *const *remove, size_t n, const char *put, u64 size)
{
	struct volume_update w = { .remove = remove, .n_remove = n };
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };

	volume_add(&w.put, put, size, input_memory(base), 1);
	must(ext4_update_open(d, 0, SIZE, &u, &e), &e);
	must(update_plan(u, &w, &e), &e);
	must(update_run(u, d, NULL, &e), &e);
	volume_files_free(&w.put);
}

/* A full volume; then every other block of some is free, and a file lies in these. */
static void make_volume(struct device *d)
{
	static char context[300], name[FILES][16];
	const char *remove[FILES];
	const struct ext4_options o = { .size = SIZE, .label = "BOOT", .time = 1700000000, .for_loader = true };
	AUTO_ERR struct err e = { 0 };

	for (int full = 0; full < 2; full++) {
		struct volume_files v = { 0 };
		struct writelist *w = writelist_new();
		static u64 left;
		struct ext4 *x;

		memset(context, 'c', sizeof(context) - 1);
		volume_add(&v, "/live/hog", full ? left : 0, input_memory(base), 1);
		volume_add(&v, "/live/attributes", 4, input_memory("attr"), 1)->selinux = context;
		for (size_t i = 0; i < FILES; i++) {
			snprintf(name[i], sizeof(name[i]), "/a/%zu", i);
			remove[i / 2] = i % 2 ? remove[i / 2] : name[i];
			volume_add(&v, name[i], 4096, input_memory(base), 1);
		}
		volume_add(&v, "/names/of-5", 4096, input_memory(base), 1)->same_as = 2 + 5 + 1;
		volume_add(&v, "/names/of-9", 4096, input_memory(base), 1)->same_as = 2 + 9 + 1;
		must(ext4_plan(&o, &v, &x, &e), &e);
		left = ext4_free_bytes(x);
		ext4_emit(x, w);
		must(writelist_finish(w, &e), &e);
		if (full)
			must(writelist_run(w, d, NULL, &e), &e);
		writelist_free(w);
		ext4_free(x);
		volume_files_free(&v);
	}
	update(d, remove, FILES / 2, "/b/c/pieces", 7 * 4096);
}

static bool find_owned(struct judge *j, u32 number, const u8 *node, bool is_dir)
{
	for (unsigned i = 0; i < get_le16(node + 2); i++) {
		const u8 *p = node + 12 + 12 * i;

		if (get_le16(node + 6)) {
			owned[n_owned++] = (struct owned){ get_le32(p + 4), number, false };
			find_owned(j, number, j_block(j, get_le32(p + 4)), is_dir);
		} else if (is_dir) {
			owned[n_owned++] = (struct owned){ get_le32(p + 8), number, true };
		}
	}
	return true;
}

static int look_at(void *ctx, const char *path, const struct judge *j, const u8 *inode, u64 size)
{
	(void)ctx;
	(void)path;
	if (n_owned < 100)
		find_owned((struct judge *)j, j->now, inode + 40, size == UINT64_MAX);
	return 0;
}

static void begin(void)
{
	struct device d = { .ops = &mem_ops, .name = (char *)"base", .size = SIZE, .sector_size = 512, .fd = -2 };
	struct judge j = { .v = base, .size = SIZE, .file = look_at };

	make_volume(&d);
	if (!judge_volume(&j)) {
		fprintf(stderr, "%s\n", j.why);
		abort();
	}
	owned[n_owned++] = (struct owned){ get_le32(j_inode(&j, 2) + 60), 2, true };
	memcpy(work, base, SIZE);
}

/* ---- changing it */

/* Where things are is asked of the volume as it was. */
static u8 *in_work(const u8 *in_base)
{
	return work + (in_base - base);
}

static void poke(const struct judge *j, const u8 *p)
{
	u32 number = get_le16(p + 1), place = get_le16(p + 3);
	const u8 *at, *desc = j_desc(j, 0);

	switch (p[0] % 8) {
	case 0:
		at = base + 1024 + place % 1020;
		break;
	case 1:
		at = desc + place % 32;
		break;
	case 2:
	case 3:
		at = j_inode(j, number % (2 * FILES) + 1) + place % J_INODE;
		break;
	case 4:
		at = j_block(j, get_le32(desc)) + place % J_BLOCK;
		break;
	case 5:
		at = j_block(j, get_le32(desc + 4)) + place % J_BLOCK;
		break;
	default:
		at = j_block(j, owned[number % n_owned].block) + place % J_BLOCK;
	}
	*in_work(at) = p[5];
}

static void sign_inode(const struct judge *j, u32 number)
{
	u8 *p = in_work(j_inode(j, number));
	bool has_high = get_le16(p + 128) >= 4;
	u32 crc;

	put_le16(p + 124, 0);
	if (has_high)
		put_le16(p + 130, 0);
	crc = j_crc(j_inode_seed(j, number, p), p, J_INODE);
	put_le16(p + 124, (u16)crc);
	if (has_high)
		put_le16(p + 130, (u16)(crc >> 16));
}

static void sign(const struct judge *j)
{
	const u8 *desc = j_desc(j, 0);
	u8 *d = in_work(desc), le[4] = { 0 };

	for (u32 i = 1; i <= 2 * FILES; i++)
		sign_inode(j, i);
	for (size_t i = 0; i < n_owned; i++) {
		u8 *p = in_work(j_block(j, owned[i].block));
		u32 seed = j_inode_seed(j, owned[i].inode, in_work(j_inode(j, owned[i].inode)));

		put_le32(p + J_BLOCK - 4, j_crc(seed, p, J_BLOCK - (owned[i].is_dir ? 12 : 4)));
	}
	put_le16(d + 24, (u16)j_crc(j->seed, in_work(j_block(j, get_le32(desc))), J_BLOCK));
	put_le16(d + 26, (u16)j_crc(j->seed, in_work(j_block(j, get_le32(desc + 4))), j->per_group / 8));
	put_le16(d + 30, 0);
	put_le16(d + 30, (u16)j_crc(j_crc(j->seed, le, 4), d, 32));
	put_le32(work + 1024 + 1020, j_crc(~0U, work + 1024, 1020));
}

static void try_update(struct device *d)
{
	static const char *const remove[] = { "/a/1", "/a/3", "/b/c/pieces", "/live/attributes" };
	struct volume_update w = { .remove = remove, .n_remove = ARRAY_SIZE(remove) };
	AUTO_UPDATER struct updater *u = NULL, *again = NULL;
	AUTO_ERR struct err e = { 0 };
	bool done;

	volume_add(&w.put, "/a/5", 4096, input_memory(base), 1);
	volume_add(&w.put, "/a/7", 4096, input_memory(base), 1)->replace = true;
	volume_add(&w.put, "/a/9", 5000, input_memory(base), 1);
	volume_add(&w.put, "/new/dir/file", 3 * 4096, input_memory(base), 1);
	volume_add(&w.put, "/a/11", 5000, input_memory(base), 1)->same_as = 3;
	volume_add(&w.put, "/new/twin", 3 * 4096, input_memory(base), 1)->same_as = 4;
	done =
	    ext4_update_open(d, 0, SIZE, &u, &e) == 0 && update_plan(u, &w, &e) == 0 && update_run(u, d, NULL, &e) == 0;
	if (done) {
		must(ext4_update_open(d, 0, SIZE, &again, &e), &e);
		if (again->n_leftover || again->numbers.free_before != u->numbers.free_after)
			abort();
	} else if (!e.text) {
		abort();
	}
	update_close(TAKE(u));
	volume_files_free(&w.put);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct device d = { .ops = &mem_ops, .name = (char *)"fuzz", .size = SIZE, .sector_size = 512, .fd = -1 };
	AUTO_DEVICE struct device *over = device_new_overlay(&d);
	struct judge j = { .v = base, .size = SIZE };

	if (!n_owned)
		begin();
	memcpy(work, base, HEAD);
	if (!j_super(&j))
		abort();
	for (size_t at = 0; at + 6 <= MIN(size, 60); at += 6)
		poke(&j, data + at);
	sign(&j);
	try_update(over);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
