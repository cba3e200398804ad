/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Updates that run to their end. Judges: e2fsck, debugfs, GRUB's reader, and the one of ext4_judge.h. */
#include "src/media/device_test.h"
#include "tests/unit/ext4_changed.h"

#define SIZE (20 * MIB)

static void usual_stick(struct stick *s)
{
	usual_files(&s->shelf);
	make_stick(s, SIZE);
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

TEST(sectors_of_4096_bytes)
{
	AUTO_STICK struct stick s = { 0 };
	AUTO_DEVICE struct device *recorder = NULL;
	struct change c = { 0 };
	AUTO_ERR struct err e = { 0 };
	const struct record *r;
	size_t n;

	usual_stick(&s);
	s.flat.d.sector_size = 4096;
	recorder = device_new_recorder(&s.flat.d, false);
	change_remove(&c, "/live/vmlinuz");
	change_put(&c, "/slot-b/vmlinuz", 5000, 2, false);
	change_put(&c, "/livestick/a.cfg", 600, 2, false);
	change_put(&c, "/mine.txt", 9, 2, true);
	CHECK_OK(change_run(&c, recorder, START, s.size, &e), &e);
	r = device_records(recorder, &n);
	for (size_t i = 0; i < n; i++)
		CHECK(r[i].off % 4096 == 0 && r[i].len % 4096 == 0);
	shelf_drop(&s.shelf, "/live/vmlinuz");
	for (size_t i = 0; i < c.n_put; i++)
		shelf_put(&s.shelf, c.put[i].path, c.put[i].size, c.put[i].version);
	CHECK_STICK(&s);
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

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
