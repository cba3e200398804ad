/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Updates that run to their end. Judges: e2fsck, debugfs, GRUB's reader, and the one of ext4_judge.h. */
#include "src/media/device_test.h"
#include "tests/unit/ext4_changed.h"

#define SIZE (20 * MIB)

static void usual_files(struct shelf *s)
{
	shelf_put(s, "/live/vmlinuz", 500000, 1);
	shelf_put(s, "/live/filesystem.squashfs", 3000000, 1);
	shelf_put(s, "/livestick/a.cfg", 600, 1);
	shelf_put(s, "/livestick/switch.cfg", 512, 1);
	shelf_put(s, "/mine.txt", 7, 1);
}

static void usual_stick(struct stick *s)
{
	usual_files(&s->shelf);
	make_stick(s, SIZE);
}

static bool exists(struct stick *s, const char *path)
{
	CHECK_U64(sandbox_run("debugfs -R 'stat %s' '%s" OFFSET "' 2>&1", path, s->path), 0);
	return !strstr(sandbox_said(), "File not found");
}

/* The file in the saved image has the bytes of `t`. */
static void check_bytes(struct stick *s, const char *path, const struct text *t)
{
	AUTO_FREE char *right = sandbox_path("right");
	AUTO_FREE u8 *bytes = xcalloc(1, t->size);

	text_bytes(t, 0, bytes, t->size);
	save(right, bytes, t->size);
	CHECK_U64(sandbox_run("debugfs -R 'cat %s' '%s" OFFSET "' 2>/dev/null | cmp - %s", path, s->path, right), 0);
}

TEST(a_new_system_beside_the_old_one)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };

	usual_stick(&s);
	CHECK_STICK(&s);
	change_put(&c, "/slot-b/live/vmlinuz", 510000, 2, false);
	change_put(&c, "/slot-b/live/filesystem.squashfs", 4000000, 2, false);
	change_put(&c, "/slot-b/empty", 0, 2, false);
	change_put(&c, "/livestick/b.cfg", 601, 2, false);
	change_put(&c, "/livestick/switch.cfg", 512, 2, false);
	APPLY(&s, &c);
	CHECK_U64(n_extents(s.path, "/slot-b/live/filesystem.squashfs"), 1);
	APPLY(&s, &c);

	/* The next one goes into the same place. */
	c = (struct change){ 0 };
	change_remove(&c, "/slot-b/live/vmlinuz");
	change_remove(&c, "/slot-b/live/filesystem.squashfs");
	change_remove(&c, "/slot-b/empty");
	change_put(&c, "/slot-b/casper/vmlinuz", 600000, 3, false);
	change_put(&c, "/slot-b/casper/filesystem.squashfs", 5000000, 3, false);
	change_put(&c, "/livestick/b.cfg", 4097, 3, false);
	APPLY(&s, &c);
	CHECK(!exists(&s, "/slot-b/live"));
	CHECK(exists(&s, "/slot-b/casper"));
}

/* What is told before the update is what is found after it. */
TEST(numbers_and_places)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	const struct update_phase *phase;
	AUTO_ERR struct err e = { 0 };
	struct volume_update *w;
	u64 sum = 0, before, off, size;
	u8 found[4000], right[4000];
	size_t n;

	usual_stick(&s);
	change_remove(&c, "/live/vmlinuz");
	change_put(&c, "/new", 9000, 2, false);
	change_put(&c, "/livestick/a.cfg", 600, 2, false);
	change_put(&c, "/empty", 0, 2, false);
	if (!CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e))
		return;
	CHECK_STR(u->kind, "ext4");
	CHECK_U64(u->n_leftover, 0);
	before = u->numbers.free_before;
	w = change_begin(&c);
	CHECK_OK(update_plan(u, w, &e), &e);
	CHECK_OK(update_phases(u, &phase, &n, &e), &e);
	for (size_t i = 0; i < n; i++)
		sum += writelist_bytes(phase[i].list);
	CHECK_U64(u->numbers.to_write, sum);
	CHECK_U64(u->numbers.in_place, 4096);
	CHECK_U64(u->numbers.free_after, before + 123 * 4096 - 3 * 4096);
	for (size_t i = 0; i < n; i++)
		CHECK_OK(writelist_run(phase[i].list, &s.flat.d, NULL, &e), &e);
	CHECK_U64(w->put.file[2].device_off, 0);
	text_bytes(&c.put[0], 0, right, 4000);
	CHECK(memcmp(s.mem + w->put.file[0].device_off, right, 4000) == 0);
	before = u->numbers.free_after;
	off = w->put.file[1].device_off;
	update_close(TAKE(u));
	change_end(&c);
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	CHECK_U64(u->numbers.free_before, before);
	CHECK_OK(update_place(u, "/livestick/a.cfg", &sum, &size, &e), &e);
	CHECK_U64(sum, off);
	CHECK_U64(size, 600);
	text_bytes(&c.put[1], 0, right, 600);
	CHECK_OK(device_read(&s.flat.d, off, found, 600, &e), &e);
	CHECK(memcmp(found, right, 600) == 0);
}

TEST(what_is_found)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	struct update_entry entry;
	u64 off, size;

	shelf_put(&s.shelf, "/empty", 0, 1);
	usual_stick(&s);
	by_debugfs(&s, "symlink /link mine.txt\n");
	if (!CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e))
		return;
	CHECK_OK(update_find(u, "/", &entry, &e), &e);
	CHECK(entry.is_dir && entry.size == 0 && entry.off == 0);
	CHECK_OK(update_find(u, "/live", &entry, &e), &e);
	CHECK(entry.is_dir);
	CHECK_OK(update_find(u, "//live/vmlinuz", &entry, &e), &e);
	CHECK(!entry.is_dir && entry.size == 500000 && entry.off > START);
	CHECK_OK(update_find(u, "/link", &entry, &e), &e);
	CHECK(!entry.is_dir && entry.size == 0 && entry.off == 0);
	CHECK_FAILS(update_find(u, "/Live", &entry, &e), &e, "stick: has no /Live");
	CHECK_FAILS(update_find(u, "/mine.txt/x", &entry, &e), &e, "has no /mine.txt/x");
	CHECK_U64(update_place(u, "/none", &off, &size, &e), -ENOENT);
	CHECK_U64(update_place(u, "/live", &off, &size, &e), -EISDIR);
	CHECK_U64(update_place(u, "/empty", &off, &size, &e), -ENOTSUP);
}

TEST(directories_that_go_and_stay)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };

	usual_files(&s.shelf);
	shelf_put(&s.shelf, "/b/x/y/z", 10, 1);
	shelf_put(&s.shelf, "/b/x/q", 10, 1);
	shelf_put(&s.shelf, "/c/file", 10, 1);
	shelf_put(&s.shelf, "/d/file", 10, 1);
	shelf_put(&s.shelf, "/f/g/file", 10, 1);
	make_stick(&s, SIZE);
	by_debugfs(&s, "mkdir /void\nmkdir /void/void\nmkdir /kept\n");
	change_remove(&c, "/not/there");
	change_remove(&c, "/mine.txt/not/there");
	change_remove(&c, "/");
	change_remove(&c, "/lost+found");
	change_remove(&c, "/b");       /* not before all that is in it */
	change_remove(&c, "/b/x/y/z"); /* and y with it */
	change_remove(&c, "/c/file");  /* and c */
	change_remove(&c, "/d/file");  /* but d is wanted */
	change_put(&c, "/d/other", 10, 2, false);
	change_remove(&c, "/f/g/file"); /* comes again, as a file where the directory was */
	change_put(&c, "/f/g", 20, 2, false);
	change_remove(&c, "/void");     /* holds something that is not named */
	change_remove(&c, "/mine.txt"); /* stays, for it is put */
	change_put(&c, "/mine.txt", 8, 2, false);
	APPLY(&s, &c);
	CHECK(exists(&s, "/b/x") && !exists(&s, "/b/x/y"));
	CHECK(!exists(&s, "/c"));
	CHECK(exists(&s, "/d") && exists(&s, "/void/void") && exists(&s, "/lost+found") && exists(&s, "/kept"));
	c = (struct change){ 0 };
	change_remove(&c, "/void/void");
	change_remove(&c, "/kept");
	change_remove(&c, "/b/x/q");
	APPLY(&s, &c);
	CHECK(!exists(&s, "/void") && !exists(&s, "/kept") && !exists(&s, "/b"));
}

/* A directory takes the place of a file that goes, and the other way round. */
TEST(files_and_directories_change_places)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };

	usual_stick(&s);
	change_remove(&c, "/mine.txt");
	change_put(&c, "/mine.txt/inside", 5000, 2, false);
	change_remove(&c, "/live/vmlinuz");
	change_remove(&c, "/live/filesystem.squashfs");
	change_put(&c, "/live", 100, 2, false);
	APPLY(&s, &c);
}

TEST(directories_that_are_wanted)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	struct volume_update w = { 0 };
	const char *gone = "/live";

	usual_stick(&s);
	volume_add(&w.put, "/new/file", 3, input_memory("abc"), 1500000002)->mode = 0640;
	volume_add_dir(&w.put, "/new", 01777, 1500000001);
	volume_add_dir(&w.put, "/live", 0700, 1500000001);
	volume_add_dir(&w.put, "/", 0700, 1500000001);
	volume_add_dir(&w.put, "/new/empty", 0711, 1500000003);
	volume_add(&w.put, "/ldlinux.sys", 3, input_memory("sys"), 1)->system_file = true;
	volume_add_hole(&w.put, "/hole", 8 * GIB, 1);
	w.put.file[0].selinux = "system_u:object_r:etc_t:s0";
	w.remove = &gone;
	w.n_remove = 1;
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	CHECK_OK(update_plan(u, &w, &e), &e);
	CHECK_OK(update_run(u, &s.flat.d, NULL, &e), &e);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	check_stat(s.path, "/new", "Mode: 01777");
	check_stat(s.path, "/new", "mtime: 0x59682f01");
	check_stat(s.path, "/new/empty", "Mode: 0711");
	check_stat(s.path, "/new/file", "Mode: 0640");
	check_stat(s.path, "/new/file", "mtime: 0x59682f02");
	check_stat(s.path, "/new/file", "system_u:object_r:etc_t:s0");
	check_stat(s.path, "/live", "Mode: 0755");
	check_stat(s.path, "/", "Mode: 0755");
	check_stat(s.path, "/ldlinux.sys", "Flags: 0x80010");
	check_stat(s.path, "/hole", "Size: 8589934592");
	check_stat(s.path, "/hole", "Blockcount: 0");
	volume_files_free(&w.put);
	update_close(TAKE(u));
}

TEST(only_what_differs_is_written_in_place)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_DEVICE struct device *recorder = NULL;
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_FREE u8 *bytes = xcalloc(1, 500000);
	struct volume_update w = { 0 };
	AUTO_ERR struct err e = { 0 };
	const struct record *r;
	u64 sum = 0;
	size_t n;

	usual_stick(&s);
	text_bytes(shelf_find(&s.shelf, "/live/vmlinuz"), 0, bytes, 500000);
	bytes[123456] ^= 1;
	volume_add(&w.put, "/live/vmlinuz", 500000, input_memory(bytes), 99);
	recorder = device_new_recorder(&s.flat.d, false);
	CHECK_OK(ext4_update_open(recorder, START, s.size, &u, &e), &e);
	CHECK_OK(update_plan(u, &w, &e), &e);
	CHECK_OK(update_run(u, recorder, NULL, &e), &e);
	r = device_records(recorder, &n);
	for (size_t i = 0; i < n; i++)
		sum += r[i].len;
	CHECK_U64(sum, 512);
	CHECK_U64(s.mem[w.put.file[0].device_off + 123456], bytes[123456]);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	check_stat(s.path, "/live/vmlinuz", "mtime: 0x5f5e1001");
	volume_files_free(&w.put);
}

TEST(nothing_to_do)
{
	AUTO_STICK struct stick s = { 0 };
	struct volume_update w = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	const struct update_phase *phase;
	size_t n = 9;

	usual_stick(&s);
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	CHECK_OK(update_plan(u, &w, &e), &e);
	CHECK_OK(update_phases(u, &phase, &n, &e), &e);
	CHECK_U64(n, 0);
	CHECK_U64(u->numbers.to_write, 0);
	CHECK_U64(u->numbers.free_after, u->numbers.free_before);
}

TEST(what_cannot_be)
{
	static const struct {
		const char *first, *second;
		int r;
		const char *words;
	} row[] = {
		{ "/a", "/a", -EEXIST, "/a: is there twice" },
		{ "/a", "/a/b", -ENOTDIR, "/a/b: \"a\" is a file" },
		{ "/a/b", "/a", -EISDIR, "/a: is a directory" },
		{ "/a", "/live", -EISDIR, "/live: is a directory" },
		{ "/a", "/mine.txt/b", -ENOTDIR, "\"mine.txt\" is a file" },
		{ "/a", "/../b", -EINVAL, "/../b: is not a path" },
		{ "/a", "/x/./b", -EINVAL, "is not a path" },
		{ "/a", "/", -EINVAL, "is not a path" },
		{ "/a", "", -EINVAL, "is not a path" },
	};
	AUTO_STICK struct stick s = { 0 };
	AUTO_ERR struct err e = { 0 };

	usual_stick(&s);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct change c = { 0 };

		change_put(&c, row[i].first, 10, 2, false);
		change_put(&c, row[i].second, 10, 2, false);
		CHECK_U64(try(&s, &c, &e), row[i].r);
		if (!e.text || !strstr(e.text, row[i].words))
			test_fail(__FILE__, __LINE__, "says: %s", e.text);
		err_clear(&e);
	}
}

TEST(a_name_may_have_255_bytes)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_update w = { 0 };
	AUTO_ERR struct err e = { 0 };
	char path[300];

	usual_stick(&s);
	for (int len = 256; len >= 255; len--) {
		memset(path, 'n', sizeof(path));
		path[0] = '/';
		path[len + 1] = '\0';
		volume_files_free(&w.put);
		volume_add(&w.put, path, 1, input_memory("x"), 1);
		CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
		if (len == 255 && CHECK_OK(update_plan(u, &w, &e), &e))
			CHECK_OK(update_run(u, &s.flat.d, NULL, &e), &e);
		else
			CHECK_FAILS(update_plan(u, &w, &e), &e, "is not a path");
		update_close(TAKE(u));
	}
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	volume_files_free(&w.put);
}

TEST(too_much_is_refused_with_numbers)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	struct change c = { 0 };
	char words[100];
	u64 room;

	usual_stick(&s);
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	room = u->numbers.free_before;
	update_close(TAKE(u));
	change_put(&c, "/first", 9 * MIB, 2, false);
	change_put(&c, "/second", 9 * MIB, 2, false);
	CHECK_U64(try(&s, &c, &e), -ENOSPC);
	snprintf(words, sizeof(words), "that needs 18874368 bytes, and %llu are free", (unsigned long long)room);
	CHECK(e.text && strstr(e.text, words));
	err_clear(&e);

	/* What goes makes room; what is replaced does not. */
	change_remove(&c, "/live/filesystem.squashfs");
	c.put[1].size = room + 733 * 4096 - 9 * MIB - 4 * 4096;
	change_put(&c, "/mine.txt", 7, 2, true);
	CHECK_U64(try(&s, &c, &e), 0);
	c.n_put = 2;
	c.put[0].size += 4 * 4096;
	CHECK_U64(try(&s, &c, &e), -ENOSPC);
	err_clear(&e);

	c = (struct change){ 0 };
	change_put(&c, "/huge", UINT64_MAX, 2, false);
	CHECK_U64(try(&s, &c, &e), -ENOSPC);
	CHECK(strstr(e.text, "and ") && strstr(e.text, "are free"));
	err_clear(&e);

	/* More names than inodes. */
	c = (struct change){ 0 };
	for (int i = 0; i < 300; i++) {
		char path[40];

		snprintf(path, sizeof(path), "/%d/%d", i, i);
		change_put(&c, path, 0, 2, false);
	}
	CHECK_U64(try(&s, &c, &e), -ENOSPC);
	CHECK(e.text && strstr(e.text, "has no room for 600 new files and directories, but only for 5"));
}

TEST(a_directory_grows_and_shrinks)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	static char path[300][90];

	usual_stick(&s);
	for (int i = 0; i < 300; i++) {
		snprintf(path[i], sizeof(path[i]), "/live/a-name-that-is-long-enough-to-fill-a-block-soon-%d", i);
		change_put(&c, path[i], i % 50 ? 0 : 10, 2, false);
	}
	APPLY(&s, &c);
	check_stat(s.path, "/live", "Size: 20480");
	c = (struct change){ 0 };
	for (int i = 0; i < 290; i++)
		change_remove(&c, path[i]);
	APPLY(&s, &c);
	check_stat(s.path, "/live", "Size: 4096");
}

/* Pieces lead to a map of several blocks, in a file and in a directory. */
TEST(a_volume_of_single_free_blocks)
{
	AUTO_STICK struct stick s = { 0 };
	static char path[900][20];
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	struct change c = { 0 };

	for (int i = 0; i < 900; i++) {
		snprintf(path[i], sizeof(path[i]), "/many/%d", i);
		shelf_put(&s.shelf, path[i], 4096, 1);
	}
	make_stick(&s, 24 * MIB);
	for (int part = 0; part < 3; part++) {
		c = (struct change){ 0 };
		for (int i = 0; i < 300; i += 2)
			change_remove(&c, path[300 * part + i]);
		APPLY(&s, &c);
	}
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	c = (struct change){ 0 };
	change_put(&c, "/hog", u->numbers.free_before - 240 * 4096, 2, false);
	change_put(&c, "/pieces", 100 * 4096, 2, false);
	update_close(TAKE(u));
	APPLY(&s, &c);
	CHECK(n_extents(s.path, "/hog") > 100);
	check_stat(s.path, "/hog", "(ETB0)");
	c = (struct change){ 0 };
	change_remove(&c, "/hog");
	change_put(&c, "/pieces", 101 * 4096, 2, true);
	APPLY(&s, &c);
}

TEST(a_system_file_lies_in_one_piece)
{
	AUTO_STICK struct stick s = { 0 };
	static char path[40][20];
	struct change c = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	struct volume_update w = { 0 };
	AUTO_ERR struct err e = { 0 };

	for (int i = 0; i < 40; i++) {
		snprintf(path[i], sizeof(path[i]), "/many/%d", i);
		shelf_put(&s.shelf, path[i], 4096, 1);
	}
	make_stick(&s, 16 * MIB);
	for (int i = 0; i < 40; i += 2)
		change_remove(&c, path[i]);
	APPLY(&s, &c);
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	c = (struct change){ 0 };
	change_put(&c, "/hog", u->numbers.free_before - 19 * 4096, 2, false);
	update_close(TAKE(u));
	APPLY(&s, &c);
	volume_add(&w.put, "/ldlinux.sys", 2 * 4096, input_memory(s.mem), 1)->system_file = true;
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	CHECK_FAILS(update_plan(u, &w, &e), &e, "/ldlinux.sys: does not fit in one piece: has 8192 bytes, ");
	update_close(TAKE(u));
	w.put.file[0].size = 4096;
	CHECK_OK(ext4_update_open(&s.flat.d, START, s.size, &u, &e), &e);
	CHECK_OK(update_plan(u, &w, &e), &e);
	CHECK(w.put.file[0].device_off > START);
	volume_files_free(&w.put);
}

/* ---- what users do to a volume */

TEST(other_names_links_and_attributes)
{
	AUTO_STICK struct stick s = { 0 };
	struct change c = { 0 };
	AUTO_FREE char *big = sandbox_path("big");
	AUTO_ERR struct err e = { 0 };

	usual_files(&s.shelf);
	shelf_put(&s.shelf, "/twice", 5000, 1);
	shelf_put(&s.shelf, "/thrice", 5000, 1);
	shelf_put(&s.shelf, "/attr", 5000, 1);
	make_stick(&s, SIZE);
	sandbox_run("head -c 1500 /dev/zero | tr '\\0' a >%s", big);
	by_debugfs(&s,
	           "link /twice /twice-other\nsif /twice links_count 2\n"
	           "link /thrice /thrice-2\nlink /thrice /live/thrice-3\nsif /thrice links_count 3\n"
	           "symlink /fast mine.txt\nsymlink /slow %0100d\nmknod pipe p\nmknod null c 1 3\n"
	           "ea_set -f %s /attr user.big\nea_set /mine.txt user.small hello\n",
	           7, big);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	change_put(&c, "/twice", 5000, 2, false); /* the other name keeps the old bytes */
	change_put(&c, "/thrice", 100, 2, true);
	change_remove(&c, "/live/thrice-3");
	change_remove(&c, "/fast");
	change_put(&c, "/slow", 300, 2, true);
	change_remove(&c, "/pipe");
	change_put(&c, "/null", 4, 2, false);
	change_put(&c, "/attr", 9000, 2, true);
	change_put(&c, "/mine.txt", 7, 2, true);
	CHECK_OK(change_run(&c, &s.flat.d, START, s.size, &e), &e);
	save(s.path, s.mem, START + s.size);
	fsck(s.path);
	check_bytes(&s, "/twice-other", shelf_find(&s.shelf, "/twice"));
	check_bytes(&s, "/thrice-2", shelf_find(&s.shelf, "/thrice"));
	for (size_t i = 0; i < c.n_put; i++)
		check_bytes(&s, c.put[i].path, &c.put[i]);
	check_stat(s.path, "/twice-other", "Links: 1");
	check_stat(s.path, "/thrice-2", "Links: 1");
	check_stat(s.path, "/thrice", "Links: 1");
	CHECK(!exists(&s, "/fast") && !exists(&s, "/pipe") && !exists(&s, "/live/thrice-3"));
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
	struct sparse d = { { &sparse_ops, (char *)"stick", START + o.size, 512, false, -1 }, memory };
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
