/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What update.h says, line by line, on FAT32; and volumes that others have written. */
#include "src/media/device_test.h"
#include "tests/unit/fat_small.h"

#define SMALL "-F 32 -S 512 -s 1"

static void make_small(struct small *s, const char *folder, struct volume_files *have)
{
	small_make(s, folder, 512, 2 * MIB, SMALL);
	volume_add(have, "/live/vmlinuz", 3000, made_up(1), NOW);
	volume_add(have, "/live/filesystem.squashfs", 50000, made_up(2), NOW);
	volume_add(have, "/live/empty", 0, made_up(3), NOW);
	volume_add(have, "/mine/My notes.txt", 100, made_up(4), NOW);
	small_put(s, have);
	volume_add_dir(have, "/live", 0755, NOW);
	volume_add_dir(have, "/mine", 0755, NOW);
}

TEST(files_are_found)
{
	AUTO_FOLDER char *folder = make_folder();
	struct volume_files have = { 0 };
	struct update_entry entry;
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };
	AUTO_UPDATER struct updater *u = NULL;
	u64 off, size;
	u8 data[100];

	make_small(&s, folder, &have);
	CHECK_OK(fat_update_open(s.d, s.start, s.size, &u, &e), &e);
	CHECK_OK(update_find(u, "/live/VMLINUZ", &entry, &e), &e);
	CHECK(!entry.is_dir && entry.size == 3000 && entry.off == have.file[0].device_off);
	CHECK_OK(update_find(u, "/LIVE", &entry, &e), &e);
	CHECK(entry.is_dir && entry.size == 0 && entry.off == 0);
	CHECK_OK(update_find(u, "/", &entry, &e), &e);
	CHECK(entry.is_dir);
	CHECK_OK(update_find(u, "/live/empty", &entry, &e), &e);
	CHECK(!entry.is_dir && entry.size == 0 && entry.off == 0);
	CHECK_U64(-update_find(u, "/live/initrd", &entry, &e), ENOENT);
	CHECK_FAILS(-1, &e, "stick: has no /live/initrd");
	CHECK_FAILS(update_find(u, "/live/vmlinuz/x", &entry, &e), &e, "has no /live/vmlinuz/x");
	CHECK_FAILS(update_find(u, "/live/a:b", &entry, &e), &e, "has no /live/a:b");
	CHECK_OK(update_place(u, "/mine/my notes.TXT", &off, &size, &e), &e);
	CHECK_U64(size, 100);
	CHECK_OK(device_read(s.d, off, data, 100, &e), &e);
	CHECK(is_made_up(&have.file[3], 0, data, 100));
	CHECK_FAILS(update_place(u, "/live", &off, &size, &e), &e, "/live: is a directory");
	CHECK_FAILS(update_place(u, "/live/empty", &off, &size, &e), &e, "/live/empty: is empty");
	CHECK_FAILS(update_place(u, "/nothing", &off, &size, &e), &e, "has no /nothing");
	volume_files_free(&have);
}

/* ---- what cannot be is refused before anything is written */

struct impossible {
	const char *what;
	const char *remove[3];
	struct {
		const char *path;
		u64 size;
		bool is_dir, replace;
	} put[3];
	int r; /* 0: it can be */
	const char *words;
};

static const struct impossible impossibles[] = {
	{ .what = "file over directory",
	  .put = { { "/live", 1 } },
	  .r = -EISDIR,
	  .words = "/live: is a directory on the volume" },
	{ .what = "below a file",
	  .put = { { "/live/vmlinuz/x", 1 } },
	  .r = -ENOTDIR,
	  .words = "/live/vmlinuz: is a file on" },
	{ .what = "directory over file",
	  .put = { { "/LIVE/Vmlinuz", 0, true } },
	  .r = -ENOTDIR,
	  .words = "/LIVE/Vmlinuz: is a file on the volume, and a directory is wanted" },
	{ .what = "file over a directory that goes", .remove = { "/mine/My notes.txt" }, .put = { { "/mine", 1 } } },
	{ .what = "directory over a file that goes",
	  .remove = { "/live/vmlinuz" },
	  .put = { { "/live/vmlinuz/x", 1 } } },
	{ .what = "file over a directory that keeps something",
	  .remove = { "/live/vmlinuz", "/live" },
	  .put = { { "/live", 1 } },
	  .r = -EISDIR,
	  .words = "/live: is a directory on the volume with something in it" },
	{ .what = "short name of another",
	  .put = { { "/mine/MYNOTE~1.TXT", 1 } },
	  .r = -EEXIST,
	  .words = "is the short name of another file on the volume" },
	{ .what = "short name of one that goes",
	  .remove = { "/mine/My notes.txt" },
	  .put = { { "/mine/MYNOTE~1.TXT", 1 } } },
	{ .what = "4 GiB", .put = { { "/big", 4 * GIB } }, .r = -EFBIG, .words = "/big: has 4294967296 bytes" },
	{ .what = "bad name", .put = { { "/a:b", 1 } }, .r = -EINVAL, .words = "FAT cannot hold the name \"a:b\"" },
	{ .what = "twice", .put = { { "/x", 1 }, { "/X", 1 } }, .r = -EEXIST, .words = "/x and /X" },
	{ .what = "too large",
	  .put = { { "/big", 2 * MIB } },
	  .r = -ENOSPC,
	  .words = "the update needs 2097152 bytes, and " },
	{ .what = "old and new have no room together",
	  .put = { { "/mine/big", 1900000 }, { "/live/filesystem.squashfs", 100000, false, true } },
	  .r = -ENOSPC,
	  .words = "are missing" },
	{ .what = "only the new one has room",
	  .put = { { "/mine/big", 1900000 }, { "/live/filesystem.squashfs", 100000, false, false } } },
	{ .what = "the same is in remove and put",
	  .remove = { "/live", "/live/vmlinuz", "/live/empty" },
	  .put = { { "/live/vmlinuz", 3000 } } },
};

TEST(what_cannot_be_is_refused)
{
	AUTO_FOLDER char *folder = make_folder();

	for (size_t i = 0; i < ARRAY_SIZE(impossibles); i++) {
		const struct impossible *x = &impossibles[i];
		struct volume_update wanted = { .remove = x->remove };
		struct volume_files have = { 0 };
		AUTO_SMALL struct small s;
		AUTO_DEVICE struct device *recorder = NULL;
		AUTO_UPDATER struct updater *u = NULL;
		AUTO_ERR struct err e = { 0 };
		struct step step = { .before = &have };
		size_t n;
		int r;

		make_small(&s, folder, &have);
		recorder = device_new_recorder(s.d, false);
		for (size_t k = 0; k < 3 && x->remove[k]; k++) {
			wanted.n_remove++;
			*ARRAY_ADD(step.remove, step.n_remove, step.cap_remove) = xstrdup(x->remove[k]);
		}
		for (size_t k = 0; k < 3 && x->put[k].path; k++) {
			struct volume_file *f =
			    volume_add(&wanted.put, x->put[k].path, x->put[k].size, made_up(50 + k), NOW);

			f->is_dir = x->put[k].is_dir;
			f->replace = x->put[k].replace;
		}
		CHECK_OK(fat_update_open(recorder, s.start, s.size, &u, &e), &e);
		r = update_plan(u, &wanted, &e);
		if (r != x->r || (x->words && !strstr(e.text ? e.text : "", x->words)))
			test_fail(__FILE__, __LINE__, "%s: %d, \"%s\"", x->what, r, e.text ? e.text : "");
		step.update = wanted;
		if (r == 0 && CHECK_OK(update_run(u, recorder, NULL, &e), &e)) {
			step_work_out(&step);
			small_check(&s, &step.after, x->what);
		} else {
			device_records(recorder, &n);
			CHECK_U64(n, 0);
		}
		step_free(&step);
		volume_files_free(&have);
	}
}

/* A directory on FAT has at most 65,536 entries: some are there, others come. */
TEST(directories_have_an_end)
{
	AUTO_FOLDER char *folder = make_folder();
	struct volume_files first = { 0 }, more = { 0 };
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };
	char name[300];
	int len = 0;

	small_make(&s, folder, 512, 64 * MIB, "-F 32 -S 512 -s 2");
	/* 21 entries each. */
	for (unsigned i = 0; i < 3121; i++) {
		len = snprintf(name, sizeof(name), "/dir/%04u%0246u", i, 0);
		volume_add(i < 3000 ? &first : &more, name, 0, made_up(1), NOW);
	}
	CHECK_U64(len - 5, 250);
	small_put(&s, &first);
	{
		struct volume_update u = { .put = more };
		int r = small_update(&s, &u, NULL, &e);

		CHECK_U64(-r, EFBIG);
		CHECK_FAILS(r, &e, "/dir: would have more names in it than a directory on FAT can hold");
		/* 3120 of 21 and the two dots are 65,522. */
		u.put.n--;
		CHECK_OK(small_update(&s, &u, NULL, &e), &e);
	}
	small_dump(&s);
	CHECK_U64((u64)shell(NULL, "fsck.fat -n '%s' >/dev/null 2>&1", s.image), 0);
	volume_files_free(&first);
	volume_files_free(&more);
}

/* ---- in place */

TEST(only_what_differs_is_written_in_place)
{
	AUTO_FOLDER char *folder = make_folder();
	AUTO_FREE u8 *data = xcalloc(1, 50000), *is = xcalloc(1, 50000);
	struct volume_update wanted = { 0 };
	struct volume_files have = { 0 };
	const struct update_phase *phase;
	AUTO_UPDATER struct updater *u = NULL;
	struct writelist_counts counts;
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };
	size_t n;

	make_small(&s, folder, &have);
	made_up_read(have.file[1].input.ctx, 0, data, 50000, NULL);
	data[20000] ^= 1;
	volume_add(&wanted.put, "/live/filesystem.squashfs", 50000, input_memory(data), NOW);
	CHECK_OK(fat_update_open(s.d, s.start, s.size, &u, &e), &e);
	CHECK_OK(update_plan(u, &wanted, &e), &e);
	CHECK_U64(wanted.put.file[0].device_off, have.file[1].device_off);
	CHECK_U64(u->numbers.in_place, 50000);
	CHECK_U64(u->numbers.free_after, u->numbers.free_before);
	CHECK_OK(update_phases(u, &phase, &n, &e), &e);
	CHECK_U64(n, 1);
	CHECK_STR(phase[0].name, "data");
	CHECK_U64(u->numbers.to_write, 50176); /* to the end of its last cluster */
	CHECK_OK(update_run(u, s.d, NULL, &e), &e);
	counts = writelist_counts(phase[0].list);
	CHECK_U64(counts.written, 512);
	CHECK_U64(counts.spared, 50176 - 512);
	CHECK_OK(device_read(s.d, have.file[1].device_off, is, 50000, &e), &e);
	CHECK(memcmp(is, data, 50000) == 0);
	volume_files_free(&wanted.put);
	volume_files_free(&have);
}

/* Bytes are hashed in the order of the file, and written in ascending order: its clusters must ascend. */
TEST(a_file_that_lies_backwards_is_made_new)
{
	for (int backwards = 0; backwards < 2; backwards++) {
		AUTO_FOLDER char *folder = make_folder();
		struct volume_update wanted = { 0 };
		struct volume_files have = { 0 };
		struct update_numbers numbers;
		AUTO_SMALL struct small s;
		AUTO_ERR struct err e = { 0 };
		u8 digest[SHA256_SIZE], want[SHA256_SIZE], data[3000];
		u32 first;

		make_small(&s, folder, &have);
		first = (u32)((have.file[0].device_off - s.data) / 512) + 2;
		if (backwards) { /* six clusters; the second and the third change places */
			small_set_link(&s, 2, first, first + 2);
			small_set_link(&s, 2, first + 2, first + 1);
			small_set_link(&s, 2, first + 1, first + 3);
		}
		volume_add(&wanted.put, "/live/vmlinuz", 3000, made_up(9), NOW)->hash = sha256_new();
		have.file[0].input = made_up(9);
		CHECK_OK(small_update(&s, &wanted, &numbers, &e), &e);
		CHECK_U64(numbers.in_place, backwards ? 0 : 3000);
		small_check(&s, &have, "backwards");
		made_up_read(made_up(9).ctx, 0, data, sizeof(data), NULL);
		sha256_of(data, sizeof(data), want);
		sha256_end(wanted.put.file[0].hash, digest);
		CHECK(memcmp(digest, want, sizeof(want)) == 0);
		volume_files_free(&wanted.put);
		volume_files_free(&have);
	}
}

TEST(a_file_in_pieces_is_written_in_place)
{
	AUTO_FOLDER char *folder = make_folder();
	struct volume_update wanted = { 0 };
	struct volume_files have = { 0 };
	struct update_numbers numbers;
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };
	u32 first;
	u64 off, size;
	AUTO_UPDATER struct updater *u = NULL;

	make_small(&s, folder, &have);
	first = (u32)((have.file[0].device_off - s.data) / 512) + 2;
	/* Its fourth cluster is bad now, and another one stands for it. */
	small_set_link(&s, 2, first + 2, 3000);
	small_set_link(&s, 2, 3000, 3001);
	small_set_link(&s, 2, 3001, 3002);
	small_set_link(&s, 2, 3002, 0x0fffffff);
	small_set_link(&s, 2, first + 3, 0x0ffffff7);
	small_set_link(&s, 2, first + 4, 0);
	small_set_link(&s, 2, first + 5, 0);
	CHECK_OK(fat_update_open(s.d, s.start, s.size, &u, &e), &e);
	CHECK_FAILS(update_place(u, "/live/vmlinuz", &off, &size, &e), &e, "does not lie in one stretch");
	volume_add(&wanted.put, "/live/vmlinuz", 3000, made_up(9), NOW);
	have.file[0].input = made_up(9);
	CHECK_OK(small_update(&s, &wanted, &numbers, &e), &e);
	CHECK_U64(numbers.in_place, 3000);
	CHECK_U64(wanted.put.file[0].device_off, 0);
	holds_exactly(s.d, s.start, &have, "pieces");
	CHECK_U64(small_link(&s, 0, first + 3), 0x0ffffff7);
	volume_files_free(&wanted.put);
	volume_files_free(&have);
}

/* ---- what is not ours in a FAT and in an entry */

TEST(bad_clusters_and_upper_bits_are_left_alone)
{
	AUTO_FOLDER char *folder = make_folder();
	struct volume_update wanted = { 0 };
	struct volume_files have = { 0 };
	struct update_numbers numbers;
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };

	make_small(&s, folder, &have);
	for (u32 c = 500; c < 3500; c += 7) {
		small_set_link(&s, 2, c, c % 2 ? 0x0ffffff7 : 0x0);
		small_set_link(&s, 2, c + 1, 0xa0000000);
	}
	volume_add(&wanted.put, "/big", 1700000, made_up(11), NOW);
	CHECK_OK(small_update(&s, &wanted, &numbers, &e), &e);
	CHECK_U64(wanted.put.file[0].device_off, 0);
	for (u32 c = 500; c < 3500; c += 7) {
		if (c % 2)
			CHECK_U64(small_link(&s, 0, c), 0x0ffffff7);
		CHECK_U64(small_link(&s, 0, c + 1) >> 28, 0xa);
		CHECK_U64(small_link(&s, 1, c + 1), small_link(&s, 0, c + 1));
	}
	volume_add(&have, "/big", 1700000, made_up(11), NOW);
	holds_exactly(s.d, s.start, &have, "bad clusters");
	/* And gone again. */
	{
		const char *path = "/big";
		struct volume_update gone = { .remove = &path, .n_remove = 1 };

		CHECK_OK(small_update(&s, &gone, &numbers, &e), &e);
		have.n--;
		holds_exactly(s.d, s.start, &have, "bad clusters");
		for (u32 c = 500; c < 3500; c += 7)
			if (c % 2)
				CHECK_U64(small_link(&s, 0, c), 0x0ffffff7);
		CHECK_U64(small_link(&s, 0, 501), 0xa0000000);
	}
	volume_files_free(&wanted.put);
	volume_files_free(&have);
}

/* Windows NT notes lower case in two bits of the entry, instead of a long name. */
TEST(a_replaced_file_keeps_its_name)
{
	AUTO_FOLDER char *folder = make_folder();
	struct volume_update wanted = { 0 };
	struct volume_files have = { 0 };
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };

	small_make(&s, folder, 512, 2 * MIB, SMALL);
	volume_add(&have, "/README.TXT", 600, made_up(1), NOW);
	volume_add(&have, "/A long name.txt", 600, made_up(2), NOW);
	small_put(&s, &have);
	/* Sorted: "A long name.txt" takes three entries. */
	small_poke(&s, small_cluster(&s, s.root) + 3 * 32 + 12, "\x18", 1);
	have.file[0].path = "/readme.txt";
	holds_exactly(s.d, s.start, &have, "lower case");
	for (size_t i = 0; i < 2; i++) {
		struct volume_file *f =
		    volume_add(&wanted.put, i ? "/a LONG name.TXT" : "/Readme.txt", 2000, made_up(5 + i), NOW);

		f->replace = true;
		f->system_file = true;
		have.file[i].size = 2000;
		have.file[i].input = f->input;
		have.file[i].system_file = true;
	}
	CHECK_OK(small_update(&s, &wanted, NULL, &e), &e);
	small_check(&s, &have, "replaced");
	volume_files_free(&wanted.put);
	volume_files_free(&have);
}

/* ---- volumes that others have filled */

TEST(volumes_of_mtools)
{
	AUTO_FOLDER char *folder = make_folder();
	AUTO_BUF struct buf out = { 0 };
	const char *remove[] = { "/live/vmlinuz", "/Some Directory/file 3.txt", "/Some Directory/file 5.txt" };
	struct volume_update wanted = { .remove = remove, .n_remove = 3 };
	struct volume_files have = { 0 };
	AUTO_SMALL struct small s;
	AUTO_ERR struct err e = { 0 };
	u64 n, used, clusters;

	small_make(&s, folder, 512, 40 * MIB, "-F 32 -S 512 -s 1 -n STICK");
	CHECK_U64(
	    (u64)shell(
	        &out,
	        "cd '%s' && mkdir -p in/live 'in/Some Directory/deep' && head -c 5000 /dev/zero >in/live/vmlinuz && "
	        "for i in 1 2 3 4 5 6 7 8; do head -c ${i}000 /dev/zero >\"in/Some Directory/file $i.txt\"; done && "
	        "cd in && mcopy -s -i '%s' * :: && mdel -i '%s' '::/Some Directory/file 2.txt' 2>&1",
	        folder, s.image, s.image),
	    0);
	small_load(&s);
	volume_add(&wanted.put, "/Some Directory/FILE 4.TXT", 4000, made_up(1), NOW);
	volume_add(&wanted.put, "/Some Directory/file 6.txt", 100, made_up(2), NOW)->replace = true;
	volume_add(&wanted.put, "/Some Directory/file 7.txt", 100, made_up(3), NOW);
	volume_add(&wanted.put, "/Some Directory/a name that takes four entries or more.txt", 1000, made_up(4), NOW);
	CHECK_OK(small_update(&s, &wanted, NULL, &e), &e);
	volume_add_dir(&have, "/Some Directory", 0755, NOW);
	volume_add_dir(&have, "/Some Directory/deep", 0755, NOW);
	volume_add(&have, "/Some Directory/file 4.txt", 4000, made_up(1), NOW);
	volume_add(&have, "/Some Directory/file 6.txt", 100, made_up(2), NOW);
	volume_add(&have, "/Some Directory/file 7.txt", 100, made_up(3), NOW);
	volume_add(&have, "/Some Directory/a name that takes four entries or more.txt", 1000, made_up(4), NOW);
	small_dump(&s);
	fsck_clean(s.image, &n, &used, &clusters);
	CHECK_U64(n, have.n + 3); /* files 1 and 8, and the label */
	CHECK_U64((u64)shell(&out,
	                     "cd '%s' && rm -rf out && mkdir out && mcopy -s -n -i '%s' ::'*' out 2>&1 && "
	                     "cmp 'out/Some Directory/file 8.txt' 'in/Some Directory/file 8.txt' && "
	                     "cmp 'out/Some Directory/file 1.txt' 'in/Some Directory/file 1.txt' && ! test -e out/live",
	                     folder, s.image),
	          0);
	for (size_t i = 0; i < have.n; i++) {
		AUTO_FREE u8 *data = xcalloc(1, have.file[i].size + 1);
		AUTO_BUF struct buf path = { 0 };

		buf_addf(&path, "%s/out%s", folder, have.file[i].path);
		AUTO_CLOSE int fd = open(path.s, O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0);
		if (!have.file[i].is_dir)
			CHECK(read(fd, data, have.file[i].size + 1) == (ssize_t)have.file[i].size &&
			      is_made_up(&have.file[i], 0, data, have.file[i].size));
	}
	volume_files_free(&wanted.put);
	volume_files_free(&have);
}

/* With one FAT, without FSInfo's count, without a backup. */
TEST(bare_volumes)
{
	static const char *const options[] = { "-F 32 -S 512 -s 1 -f 1", "-F 32 -S 512 -s 1 -b 0",
		                               "-F 32 -S 512 -s 4 -R 200" };
	AUTO_FOLDER char *folder = make_folder();

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct volume_files have = { 0 };
		AUTO_SMALL struct small s;

		small_make(&s, folder, 512, 4 * MIB, options[i]);
		volume_add(&have, "/a name", 70000, made_up(1), NOW);
		volume_add(&have, "/b", 1, made_up(2), NOW);
		small_put(&s, &have);
		have.file[0].replace = true;
		small_put(&s, &have);
		if (strstr(options[i], "-b 0")) /* fsck.fat always wants a backup */
			holds_exactly(s.d, s.start, &have, options[i]);
		else
			small_check(&s, &have, options[i]);
		volume_files_free(&have);
	}
}

/* ---- failures of the device */

TEST(a_failing_write_ends_it_and_it_can_be_run_again)
{
	AUTO_FOLDER char *folder = make_folder();
	const char *remove[] = { "/live/empty" };

	for (u64 at = 1, failed = 1; failed && at < 60; at++)
		for (unsigned flush = 0; flush < 2; flush++) {
			const struct fault fault = { .at_write = flush ? 0 : at,
				                     .at_flush = flush ? at : 0,
				                     .error = EIO };
			struct volume_update wanted = { .remove = remove, .n_remove = 1 };
			struct volume_files have = { 0 };
			struct step step = { .before = &have };
			AUTO_DEVICE struct device *failing = NULL;
			AUTO_UPDATER struct updater *u = NULL;
			AUTO_SMALL struct small s;
			AUTO_ERR struct err e = { 0 };
			int r;

			make_small(&s, folder, &have);
			volume_add(&wanted.put, "/live/filesystem.squashfs", 40000, made_up(7), NOW)->replace = true;
			volume_add(&wanted.put, "/live/initrd.img", 3000, made_up(8), NOW);
			failing = device_new_failing(s.d, fault);
			CHECK_OK(fat_update_open(failing, s.start, s.size, &u, &e), &e);
			CHECK_OK(update_plan(u, &wanted, &e), &e);
			r = update_run(u, failing, NULL, &e);
			failed = r < 0;
			if (r < 0) {
				CHECK_U64(-r, EIO);
				CHECK_FAILS(r, &e,
				            flush ? "stick: flush: Input/output error" : "stick: write at byte ");
				CHECK_OK(small_update(&s, &wanted, NULL, &e), &e);
			}
			*ARRAY_ADD(step.remove, step.n_remove, step.cap_remove) = xstrdup(remove[0]);
			step.update = wanted;
			step_work_out(&step);
			if (flush == 0)
				small_check(&s, &step.after, "after a failure");
			step_free(&step);
			volume_files_free(&have);
			CHECK(at > 4 || r < 0);
			CHECK(at < 59);
		}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
