/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Updates of what users and kernels left on a volume, of large files, and whatever comes. Judges: e2fsck, debugfs. */
#include "src/media/device_test.h"
#include "tests/unit/ext4_changed.h"

#define SIZE (20 * MIB)

/* ---- what users do to a volume */

TEST(links_specials_and_attributes)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	AUTO_FREE char *big = sandbox_path("big");
	AUTO_ERR struct err e = { 0 };

	usual_files(&s.shelf);
	shelf_put(&s.shelf, "/attr", 5000, 1);
	make_stick(&s, SIZE);
	sandbox_run("head -c 1500 /dev/zero | tr '\\0' a >%s", big);
	by_debugfs(&s,
	           "symlink /fast mine.txt\nsymlink /slow %0100d\nmknod pipe p\nmknod null c 1 3\n"
	           "ea_set -f %s /attr user.big\nea_set /mine.txt user.small hello\n",
	           7, big);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	change_remove(&c, "/fast");
	change_put(&c, "/slow", 300, 2, true);
	change_remove(&c, "/pipe");
	change_put(&c, "/null", 4, 2, false);
	change_put(&c, "/attr", 9000, 2, true);
	change_put(&c, "/mine.txt", 7, 2, true);
	CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	for (size_t i = 0; i < c.n_put; i++)
		check_bytes(&s, c.put[i].path, &c.put[i]);
	CHECK(!exists(&s, "/fast") && !exists(&s, "/pipe"));
	check_stat(s.path, "/slow", "Type: regular");
	check_stat(s.path, "/attr", "user.big (1500)");
	check_stat(s.path, "/mine.txt", "user.small (5)");

	c = (struct change){ 0 };
	change_remove(&c, "/attr");
	change_remove(&c, "/mine.txt");
	change_remove(&c, "/slow");
	CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
}

/* A file of several names loses one of them: what is written there is a new file. In one write it is not replaced. */
TEST(files_with_several_names)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	AUTO_ERR struct err e = { 0 };

	usual_files(&s.shelf);
	shelf_put(&s.shelf, "/one", 5000, 1);
	make_stick(&s, SIZE);
	by_debugfs(&s, "link /one /two\nlink /one /live/three\nsif /one links_count 3\n");
	change_put(&c, "/one", 5000, 2, true);
	CHECK_FAILS(try(&s, &c, &e), &e, "/one: has other names (hard links)");
	change_remove(&c, "/two");
	CHECK_FAILS(try(&s, &c, &e), &e, "/one: has other names (hard links)");
	for (u64 size = 5000; size <= 5001; size++) {
		c = (struct change){ 0 };
		change_put(&c, "/one", size, (u32)size, false);
		CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
		save(s.path, s.mem, START + s.size);
		fsck(s.path);
		check_bytes(&s, "/one", &c.put[0]);
		check_bytes(&s, "/two", shelf_find(&s.shelf, "/one"));
		check_bytes(&s, "/live/three", shelf_find(&s.shelf, "/one"));
		check_stat(s.path, "/two", "Links: 2");
		check_stat(s.path, "/one", "Links: 1");
	}
	c = (struct change){ 0 };
	change_remove(&c, "/live/three");
	change_put(&c, "/two", 6000, 3, true);
	CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	check_bytes(&s, "/two", &c.put[0]);
	check_stat(s.path, "/two", "Links: 1");
}

static u64 free_bytes(struct stick *s)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };

	return CHECK_OK(ext4_update_open(&s->flat.d, START, s->size, &u, &e), &e) ? u->numbers.free_before : 0;
}

static void check_names(struct stick *s, const char *path, u32 n, int line)
{
	char words[32];

	snprintf(words, sizeof(words), "Links: %u ", n);
	CHECK_U64(sandbox_run("debugfs -R 'stat %s' '%s" OFFSET "' 2>/dev/null | tr -s ' '", path, s->path), 0);
	check_said(line, words);
}

#define CHECK_NAMES(s, path, n) check_names(s, path, n, __LINE__)

/* An update makes names of one file, gives it more, keeps them when it writes in place, and takes them away. */
TEST(files_that_are_written_once)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	u64 before;

	usual_files(&s.shelf);
	make_stick(&s, SIZE);
	before = free_bytes(&s);
	change_put(&c, "/b/vmlinuz", 100000, 2, false);
	change_put_same(&c, "/b/vmlinuz-6", "/b/vmlinuz");
	change_put_same(&c, "/b/boot/vmlinuz", "/b/vmlinuz");
	APPLY(&s, &c);
	CHECK_NAMES(&s, "/b/vmlinuz", 3);
	CHECK_U64(before - free_bytes(&s), 25 * 4096 + 2 * 4096); /* and two directories */

	for (u32 version = 3; version < 5; version++) { /* all of its names: in place, with one more */
		c = (struct change){ 0 };
		change_put(&c, "/b/vmlinuz-6", 100000, version, false);
		change_put_same(&c, "/b/boot/vmlinuz", "/b/vmlinuz-6");
		change_put_same(&c, "/b/vmlinuz", "/b/vmlinuz-6");
		change_put_same(&c, "/b/vmlinuz-7", "/b/vmlinuz-6");
		APPLY(&s, &c);
		CHECK_NAMES(&s, "/b/vmlinuz", 4);
		CHECK_U64(before - free_bytes(&s), 25 * 4096 + 2 * 4096);
	}

	c = (struct change){ 0 }; /* two files of what was one; a name of one leads to another */
	change_put(&c, "/b/vmlinuz", 100000, 6, false);
	change_put(&c, "/b/vmlinuz-6", 100000, 7, false);
	change_put_same(&c, "/b/boot/vmlinuz", "/b/vmlinuz");
	change_put_same(&c, "/b/vmlinuz-7", "/b/vmlinuz-6");
	APPLY(&s, &c);
	CHECK_NAMES(&s, "/b/boot/vmlinuz", 2);
	CHECK_NAMES(&s, "/b/vmlinuz-7", 2);
	CHECK_U64(before - free_bytes(&s), 2 * 25 * 4096 + 2 * 4096);
	change_put(&c, "/b/vmlinuz-8", 100000, 7, false);
	c.put[3].same_as = 1;
	snprintf(c.put[3].from, sizeof(c.put[3].from), "/b/vmlinuz");
	c.put[3].version = 6;
	APPLY(&s, &c);
	CHECK_NAMES(&s, "/b/vmlinuz", 3);
	CHECK_NAMES(&s, "/b/vmlinuz-6", 1);

	c = (struct change){ 0 };
	change_remove(&c, "/b/vmlinuz");
	change_remove(&c, "/b/vmlinuz-6");
	change_remove(&c, "/b/vmlinuz-8");
	change_remove(&c, "/b/boot/vmlinuz");
	APPLY(&s, &c);
	CHECK_NAMES(&s, "/b/vmlinuz-7", 1);
	CHECK_U64(before - free_bytes(&s), 25 * 4096 + 4096);
	c = (struct change){ 0 };
	change_remove(&c, "/b/vmlinuz-7");
	APPLY(&s, &c);
	CHECK_U64(free_bytes(&s), before);
}

TEST(names_that_cannot_be)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	AUTO_ERR struct err e = { 0 };

	usual_files(&s.shelf);
	make_stick(&s, SIZE);
	change_put(&c, "/one", 5000, 2, false);
	change_put_same(&c, "/two", "/one");
	change_put_same(&c, "/live", "/one");
	CHECK_FAILS(try(&s, &c, &e), &e, "/live: is a directory on the volume");
	snprintf(c.put[2].path, sizeof(c.put[2].path), "/one");
	CHECK_FAILS(try(&s, &c, &e), &e, "/one: is there twice");
	snprintf(c.put[2].path, sizeof(c.put[2].path), "/three");
	c.put[2].same_as = 2;
	CHECK_FAILS(try(&s, &c, &e), &e, "/three: cannot be another name of a file");
	c.put[2].same_as = 0;
	APPLY(&s, &c);
}

/* The kernel makes an index of hashes, files with holes and in pieces, and a block of attributes that files share. */
TEST(what_the_kernel_wrote)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_FREE char *dir = sandbox_path("mnt");
	struct change c = { 0 };
	AUTO_ERR struct err e = { 0 };
	static char path[300][90];

	if (!can_mount(dir))
		test_skip("no right to mount");
	usual_files(&s.shelf);
	make_stick(&s, 40 * MIB);
	save(s.path, s.mem, START + s.size);
	if (sandbox_run("mount -t ext4 -o loop,offset=%llu,sizelimit=%llu %s %s", (unsigned long long)START,
	                (unsigned long long)s.size, s.path, dir) != 0)
		test_skip("no loop devices");
	CHECK_U64(
	    sandbox_run("cd %s && for i in $(seq 0 399); do : >live/a-name-that-is-long-enough-to-fill-a-block-$i; "
	                "done; truncate -s 1M hole; printf x | dd of=hole bs=1 seek=5000 conv=notrunc; "
	                "fallocate -l 100000 reserved; mkdir u; for i in 1 2 3; do echo $i >u/$i; "
	                "python3 -c 'import os; os.setxattr(\"u/'$i'\", \"user.x\", b\"1\" * 1000)' || exit; done; "
	                "rm live/*-5",
	                dir),
	    0);
	CHECK_U64(sandbox_run("umount %s", dir), 0);
	check_stat(s.path, "/live", "Flags: 0x81000");
	load(s.path, s.mem, START + s.size);
	for (int i = 10; i < 300; i++) {
		snprintf(path[i], sizeof(path[i]), "/live/a-name-that-is-long-enough-to-fill-a-block-%d", i);
		change_remove(&c, path[i]);
	}
	change_remove(&c, "/u/2"); /* two others share its block of attributes */
	change_put(&c, "/live/new", 7000, 2, false);
	change_put(&c, "/hole", MIB, 2, false); /* cannot be written in place */
	change_put(&c, "/reserved", 100000, 2, false);
	CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	check_stat(s.path, "/live", "Flags: 0x80000");
	CHECK_U64(
	    sandbox_run("mount -t ext4 -o loop,offset=%llu,sizelimit=%llu %s %s && (cd %s && cat u/1 u/3 && ls u && "
	                "ls live | wc -l && stat -c %%b hole reserved && echo more >live/more) && umount %s",
	                (unsigned long long)START, (unsigned long long)s.size, s.path, dir, dir, dir),
	    0);
	CHECK_STR(sandbox_said(), "1\n3\n1\n3\n112\n2048\n200\n");
	fsck(s.path);
	load(s.path, s.mem, START + s.size);
	c = (struct change){ 0 };
	change_remove(&c, "/u/1");
	change_remove(&c, "/u/3");
	CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
}

/* ---- large files */

/* Zeros that come by the MiB are left out, as a sparse file would. */
struct sparse {
	struct device d;
	struct device *under;
};

static int sparse_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct device *under = ((struct sparse *)d)->under;

	return under->ops->read(under, off, buf, len);
}

static int sparse_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct device *under = ((struct sparse *)d)->under;
	const u8 *p = buf;

	if (len == MIB && p[0] == 0 && memcmp(p, p + 1, len - 1) == 0)
		return 0;
	return under->ops->write(under, off, buf, len);
}

static int save_stretch(void *ctx, u64 off, const u8 *data, size_t len)
{
	return pwrite(*(int *)ctx, data, len, (off_t)off) == (ssize_t)len ? 0 : -EIO;
}

static void save_sparse(struct device *memory, const char *path)
{
	int fd;

	sandbox_make(path, memory->size);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK_U64(device_memory_each(memory, save_stretch, &fd), 0);
	close(fd);
}

static int ends_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	u64 size = *(u64 *)ctx;

	(void)e;
	memset(buf, 0, len);
	if (off == 0)
		memcpy(buf, "begin", 5);
	if (off + len == size)
		memcpy((u8 *)buf + len - 3, "end", 3);
	return 0;
}

static void update_large(struct sparse *d, u64 *size, bool replace, const char *gone)
{
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_update w = { .remove = &gone, .n_remove = gone != NULL };
	AUTO_ERR struct err e = { 0 };

	volume_add(&w.put, "/live/large", *size, (struct input){ .read = ends_read, .ctx = size }, 5)->replace =
	    replace;
	if (CHECK_OK(ext4_update_open(&d->d, START, d->d.size - START, &u, &e), &e) &&
	    CHECK_OK(update_plan(u, &w, &e), &e))
		CHECK_OK(update_run(u, &d->d, NULL, &e), &e);
	volume_files_free(&w.put);
}

static void check_end(const char *path, u64 at, const char *words)
{
	u64 block;

	CHECK_U64(sandbox_run("debugfs -R 'bmap /live/large %llu' '%s" OFFSET "' 2>/dev/null",
	                      (unsigned long long)at / 4096, path),
	          0);
	block = strtoull(sandbox_said(), NULL, 10);
	CHECK_U64(sandbox_run("dd if=%s bs=1 skip=%llu count=%zu 2>/dev/null", path,
	                      (unsigned long long)(START + block * 4096 + at % 4096), strlen(words)),
	          0);
	CHECK_STR(sandbox_said(), words);
}

static void check_large(struct device *memory, const char *path, u64 size)
{
	char words[40];

	save_sparse(memory, path);
	fsck(path);
	snprintf(words, sizeof(words), "Size: %llu\n", (unsigned long long)size);
	check_stat(path, "/live/large", words);
	check_end(path, 0, "begin");
	check_end(path, size - 3, "end");
}

TEST(files_of_more_than_4_gib)
{
	static const struct device_ops sparse_ops = { .read = sparse_read, .write = sparse_write };
	struct ext4_options o = loader_options(16 * GIB);
	AUTO_DEVICE struct device *memory = device_new_memory("stick", START + o.size, 512);
	struct sparse d = {
		{ .ops = &sparse_ops, .name = (char *)"stick", .size = START + o.size, .sector_size = 512, .fd = -1 },
		memory
	};
	AUTO_FREE char *path = sandbox_path("large.img");
	struct volume_files v = { 0 };
	AUTO_ERR struct err e = { 0 };
	u64 size = 5 * GIB + 12345;

	add_text(&v, "/live/small", "small");
	{
		AUTO_MADE struct made m = make(&o, &v);

		CHECK_OK(writelist_run(m.w, &d.d, NULL, &e), &e);
	}
	volume_files_free(&v);
	update_large(&d, &size, false, NULL);
	check_large(memory, path, size);
	size = 4 * GIB + 1;
	update_large(&d, &size, true, "/live/small");
	check_large(memory, path, size);
	size = 9 * GIB;
	update_large(&d, &size, false, NULL);
	check_large(memory, path, size);
}

/* ---- sticks that fail */

static bool fails_at(struct stick *s, const u8 *before, struct change *c, struct fault fault)
{
	AUTO_DEVICE struct device *d = device_new_failing(&s->flat.d, fault);
	AUTO_ERR struct err e = { 0 };
	bool failed;

	memcpy(s->mem, before, START + s->size);
	failed = change_run(c, d, START, s->size, &e) < 0;
	CHECK(!failed || (e.text && strstr(e.text, "Input/output error")));
	err_clear(&e);
	if (failed)
		CHECK_OK(change_run(c, &s->flat.d, START, s->size, &e), &e);
	return failed;
}

TEST(a_stick_that_fails_at_any_write_or_flush)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_FREE u8 *before = xcalloc(1, START + SIZE);
	struct change c = { 0 };
	u64 n[2] = { 0 };
	char why[256];

	usual_files(&s.shelf);
	make_stick(&s, SIZE);
	memcpy(before, s.mem, START + SIZE);
	change_remove(&c, "/live/vmlinuz");
	change_put(&c, "/slot-b/vmlinuz", 40000, 2, false);
	change_put(&c, "/livestick/a.cfg", 700, 2, true);
	shelf_drop(&s.shelf, "/live/vmlinuz");
	shelf_put(&s.shelf, "/slot-b/vmlinuz", 40000, 2);
	shelf_put(&s.shelf, "/livestick/a.cfg", 700, 2);
	for (int flush = 0; flush < 2; flush++)
		for (struct fault f = { .error = EIO, .torn = 512 }; n[flush]++ < 1000;) {
			f.at_write = flush ? 0 : n[flush];
			f.at_flush = flush ? n[flush] : 0;
			if (!fails_at(&s, before, &c, f))
				break;
			if (!holds_exactly(s.mem + START, s.size, &s.shelf, UINT64_MAX, why))
				test_fail(__FILE__, __LINE__, "%s %llu: %s", flush ? "flush" : "write",
				          (unsigned long long)n[flush], why);
		}
	printf("# %llu writes, %llu flushes\n", (unsigned long long)n[0] - 1, (unsigned long long)n[1] - 1);
	CHECK(n[0] > 10 && n[1] == 10);
	CHECK_STICK(&s);
}

/* ---- whatever comes */

#define STEPS 40

static u64 any_size(unsigned *seed)
{
	static const u64 sizes[] = { 0, 1, 511, 512, 4095, 4096, 4097, 8192, 40000, 300000, 2000000 };

	return sizes[(unsigned)rand_r(seed) % ARRAY_SIZE(sizes)] + (rand_r(seed) % 3 ? 0 : (u64)rand_r(seed) % 5000);
}

static void any_path(char ret[100], unsigned *seed)
{
	static const char *const dirs[] = { "", "/a", "/a/b", "/slot-b/live", "/slot-b/x/y", "/q" };

	snprintf(ret, 100, "%s/%s%d", dirs[(unsigned)rand_r(seed) % ARRAY_SIZE(dirs)],
	         rand_r(seed) % 3 ? "f" : "some-longer-name-of-a-file-", rand_r(seed) % 25);
}

static void any_change(struct change *c, struct shelf *s, unsigned *seed)
{
	static char paths[300][100];
	int n = rand_r(seed) % 30;

	*c = (struct change){ 0 };
	for (int i = 0; i < n; i++) {
		any_path(paths[i], seed);
		change_remove(c, paths[i]);
	}
	for (int i = rand_r(seed) % 25; i > 0; i--) {
		const struct text *t;
		char path[100];
		bool twice = false;

		any_path(path, seed);
		for (size_t k = 0; k < c->n_put; k++)
			twice |= strcmp(c->put[k].path, path) == 0;
		t = shelf_find(s, path);
		if (!twice)
			change_put(c, path, t && rand_r(seed) % 3 == 0 ? t->size : any_size(seed), (u32)rand_r(seed),
			           rand_r(seed) % 3 == 0);
	}
}

static void random_run(unsigned seed)
{
	AUTO_STICK struct stick s = { 0 };
	unsigned full = 0;

	usual_files(&s.shelf);
	make_stick(&s, 24 * MIB);
	for (int i = 0; i < STEPS; i++) {
		AUTO_ERR struct err e = { 0 };
		struct change c;
		int r;

		any_change(&c, &s.shelf, &seed);
		r = try(&s, &c, &e);
		if (r == -ENOSPC) {
			full++;
			continue;
		}
		if (!CHECK_OK(r, &e))
			return;
		for (size_t k = 0; k < c.n_remove; k++)
			shelf_drop(&s.shelf, c.remove[k]);
		for (size_t k = 0; k < c.n_put; k++)
			shelf_put(&s.shelf, c.put[k].path, c.put[k].size, c.put[k].version);
		CHECK_STICK(&s);
	}
	printf("# %zu files at the end, %u of %d updates did not fit\n", s.shelf.n, full, STEPS);
	CHECK(full < STEPS / 2);
}

TEST(any_updates_after_each_other)
{
	for (unsigned seed = 1; seed <= 3; seed++)
		random_run(seed);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
