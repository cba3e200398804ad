/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trees of files on a new FAT32 volume: names, order, contents. test_fat32.c has the volume around them. */
#include <time.h>

#include "src/fs/fat_read.h"
#include "tests/unit/fat_image.h"

/* ---- trees with names that are hard for FAT ---- */

static const char *const parts[] = { "a", "B",   "name",       "Name",         "LONG",    "long name", " ",  "..", ".",
	                             "é", "Ä",   "ß",          "日本",         "кот",     "ΛΟΓΟΣ",     "~1", "~2", "+",
	                             ",", "[x]", "0123456789", "verylongpart", ".tar.gz", "EFI",       "_",  "$" };

static void random_name(u64 *seed, bool emoji, struct buf *ret)
{
	unsigned n = 1 + (unsigned)below(seed, 4);

	buf_clear(ret);
	for (unsigned i = 0; i < n; i++)
		buf_adds(ret, parts[below(seed, ARRAY_SIZE(parts))]);
	if (below(seed, 40) == 0)
		for (unsigned i = 0; i < 12; i++)
			buf_adds(ret, "fifteen long pt");
	if (emoji && below(seed, 10) == 0)
		buf_adds(ret, "\xf0\x9f\x98\x80");
	if (below(seed, 2))
		buf_addf(ret, ".%s", below(seed, 2) ? "TXT" : below(seed, 2) ? "txt" : "squashfs");
	/* mtools strips blanks at the front, and FAT holds none at the end. */
	if (ret->s[0] == ' ' || ret->s[ret->len - 1] == ' ' || ret->s[ret->len - 1] == '.')
		buf_adds(ret, "x");
	if (ret->s[0] == ' ')
		ret->s[0] = 'y';
}

static void folded_path(struct buf *b, const char *path)
{
	u16 units[FAT_NAME_UNITS];
	const char *why;

	buf_clear(b);
	for (const char *p = path; *p;) {
		size_t len = strcspn(++p, "/");
		int n = fat_name_units(p, len, units, &why);

		CHECK(n > 0);
		buf_adds(b, "/");
		fat_name_add_folded(b, units, n > 0 ? (size_t)n : 0);
		p += len;
	}
}

/* A path that is nobody's yet, also not in other letters, below one of the directories. */
static bool is_free_path(const struct volume_files *v, const char *path)
{
	AUTO_BUF struct buf a = { 0 }, b = { 0 };

	folded_path(&a, path);
	for (size_t i = 0; i < v->n; i++) {
		folded_path(&b, v->file[i].path);
		if (strcmp(a.s, b.s) == 0)
			return false;
	}
	return true;
}

static void random_tree(struct volume_files *v, u64 seed, unsigned n, bool emoji)
{
	AUTO_BUF struct buf name = { 0 }, path = { 0 };
	size_t dirs[64];
	size_t n_dirs = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t in = below(&seed, n_dirs + 1);

		random_name(&seed, emoji, &name);
		buf_clear(&path);
		buf_addf(&path, "%s/%s", in < n_dirs ? v->file[dirs[in]].path : "", name.s);
		if (!is_free_path(v, path.s))
			continue;
		if (below(&seed, 6) == 0 && n_dirs < ARRAY_SIZE(dirs)) {
			dirs[n_dirs++] = v->n;
			volume_add_dir(v, path.s, 0755, NOW + (i64)below(&seed, 1000000));
		} else {
			u64 size = below(&seed, 5) == 0 ? 0 : below(&seed, below(&seed, 2) ? 70000 : 3000);

			volume_add(v, path.s, size, made_up(seed), NOW + (i64)below(&seed, 1000000))->system_file =
			    below(&seed, 8) == 0;
		}
	}
}

struct listing {
	const struct volume_files *files;
	struct fat_volume *volume;
	bool *seen;
	size_t n;
};

static int check_entry(void *ctx, const struct fat_entry *entry)
{
	struct listing *l = ctx;
	const struct volume_file *f = volume_find(l->files, entry->path);
	AUTO_FREE u8 *data = xcalloc(1, entry->size);
	struct err e = { 0 };

	l->n++;
	if (!f) {
		test_fail(__FILE__, __LINE__, "%s: nobody wrote that", entry->path);
		return 0;
	}
	CHECK(!l->seen[f - l->files->file]);
	l->seen[f - l->files->file] = true;
	CHECK_U64(entry->is_dir, f->is_dir);
	CHECK_U64(entry->size, f->size);
	CHECK_U64(entry->attributes, f->is_dir ? 0x10 : f->system_file ? 0x27 : 0x20);
	if (!f->is_dir && CHECK_OK(fat_read_file(l->volume, entry, 0, data, entry->size, &e), &e))
		CHECK(is_made_up(f, 0, data, entry->size));
	return 0;
}

/* Our own reader finds all files, nothing else, and their bytes. */
static void check_read_back(const struct made *m, const struct fat32_options *o, const struct volume_files *files)
{
	AUTO_DEVICE struct device *window = device_new_window(m->device, "boot", o->start, o->size);
	AUTO_FAT struct fat_volume *v = NULL;
	AUTO_FREE bool *seen = xcalloc(files->n, sizeof(*seen));
	struct listing l = { .files = files, .seen = seen };
	struct err e = { 0 };

	if (!CHECK_OK(fat_open(window, &v, &e), &e))
		return;
	l.volume = v;
	CHECK_OK(fat_each(v, check_entry, &l, &e), &e);
	CHECK_U64(l.n, files->n);
}

/* mcopy gets out what was put in. */
static void check_mcopy(const char *folder, const char *image, const struct volume_files *files)
{
	AUTO_BUF struct buf out = { 0 }, path = { 0 };
	int rc =
	    shell(&out, "rm -rf '%s/out' && mkdir '%s/out' && LC_ALL=C.UTF-8 mcopy -s -n -i '%s' ::'*' '%s/out' 2>&1",
	          folder, folder, image, folder);

	if (rc != 0)
		test_fail(__FILE__, __LINE__, "mcopy: exit %d: %s", rc, out.s);
	for (size_t i = 0; i < files->n; i++) {
		const struct volume_file *f = &files->file[i];
		AUTO_FREE u8 *data = xcalloc(1, f->size);
		struct stat st;

		buf_clear(&path);
		buf_addf(&path, "%s/out%s", folder, f->path);
		AUTO_CLOSE int fd = open(path.s, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0) {
			test_fail(__FILE__, __LINE__, "mcopy did not bring %s", path.s);
			continue;
		}
		CHECK_U64(S_ISDIR(st.st_mode), f->is_dir);
		if (f->is_dir)
			continue;
		CHECK_U64(st.st_size, f->size);
		CHECK(read(fd, data, f->size) == (ssize_t)f->size && is_made_up(f, 0, data, f->size));
	}
	shell(&out, "find '%s/out' -mindepth 1 | wc -l", folder);
	CHECK_U64(strtoull(out.s, NULL, 10), files->n);
}

static void check_random_tree(const char *folder, u64 seed)
{
	struct fat32_options o = options(MIB * (1 + seed % 3) + 4096 * (seed % 5), 70 * MIB);
	AUTO_BUF struct buf image = { 0 };
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	u64 n_files, used, clusters;
	struct err e = { 0 };

	o.cluster_size = seed % 5 == 1 ? 1024 : seed % 5 == 2 ? 512 : 0;
	if (seed % 5 == 3) {
		o.size = 300 * MIB;
		o.sector_size = 4096;
	}
	buf_addf(&image, "%s/seed%llu.img", folder, (unsigned long long)seed);
	random_tree(&v, seed, 40 + 60 * (seed % 7), seed % 2);
	soil(&m, &o, 40 * MIB);
	if (make(&m, &o, &v, &e)) {
		dump_device(m.device, o.start, o.size, image.s);
		check_clean(image.s, &n_files, &used, &clusters);
		CHECK_U64(n_files, v.n + 1); /* and the label */
		CHECK_U64((clusters - used) * fat32_cluster_size(m.fat), fat32_free_bytes(m.fat));
		check_contents(&m, &v);
		check_read_back(&m, &o, &v);
		if (seed % 2 == 0)
			check_mcopy(folder, image.s, &v);
		unlink(image.s);
	}
	volume_files_free(&v);
}

TEST(random_trees)
{
	AUTO_FOLDER char *folder = make_folder();
	const char *more = getenv("FAT_SEEDS");
	u64 n = more ? strtoull(more, NULL, 10) : 24;

	for (u64 seed = 1; seed <= n; seed++)
		check_random_tree(folder, seed);
}

/* ---- names ---- */

static int plan_paths(const char *const paths[], struct err *e)
{
	struct fat32_options o = options(MIB, 64 * MIB);
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	int r;

	for (; *paths; paths++) {
		size_t len = strlen(*paths);

		if (len > 0 && (*paths)[len - 1] == '/') {
			AUTO_FREE char *dir = xstrndup(*paths, len > 1 ? len - 1 : 1);

			volume_add_dir(&v, dir, 0755, NOW);
		} else {
			volume_add(&v, *paths, 1, made_up(1), NOW);
		}
	}
	r = fat32_plan(&o, &v, &f, e);
	fat32_free(f);
	volume_files_free(&v);
	return r;
}

#define PATHS(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(names_that_clash)
{
	struct err e = { 0 };

	CHECK_U64((u64)-plan_paths(PATHS("/readme", "/x", "/README"), &e), EEXIST);
	CHECK_STR(e.text, "/readme and /README: FAT takes the two names for one");
	CHECK_U64(e.code, EXIT_SOURCE);
	err_clear(&e);
	CHECK_FAILS(plan_paths(PATHS("/a/x", "/A/y"), &e), &e, "/a and /A: FAT takes");
	CHECK_FAILS(plan_paths(PATHS("/a", "/A/y"), &e), &e, "/a and /A: FAT takes");
	CHECK_FAILS(plan_paths(PATHS("/a/y", "/a"), &e), &e, "/a: is there twice");
	CHECK_FAILS(plan_paths(PATHS("/a/y", "/a/y"), &e), &e, "/a/y: is there twice");
	CHECK_FAILS(plan_paths(PATHS("/a/y/", "/a/y"), &e), &e, "/a/y: is there twice");
	CHECK_FAILS(plan_paths(PATHS("/grün", "/GRÜN"), &e), &e, "/grün and /GRÜN");
	CHECK_FAILS(plan_paths(PATHS("/d/e/кот", "/d/e/КОТ/"), &e), &e, "/d/e/кот and /d/e/КОТ");
	/* These do not clash. */
	CHECK_OK(plan_paths(PATHS("/a/y/", "/a/y/", "/a/", "/a/z", "/"), &e), &e);
	CHECK_OK(plan_paths(PATHS("/a/x", "/b/X", "/x", "/a b", "/a!b", "/a.b", "/a/b"), &e), &e);
}

TEST(a_directory_between_files_that_sort_around_it)
{
	struct err e = { 0 };

	/* 0x20 and 0x21 sort before the slash: "a b" and "a!" must not come between "a" and what is in it. */
	CHECK_FAILS(plan_paths(PATHS("/a b", "/a!", "/a", "/A/x"), &e), &e, "/a and /A");
	CHECK_FAILS(plan_paths(PATHS("/d/a b/x", "/d/a!/x", "/d/a/x", "/D/q"), &e), &e, "/d and /D");
}

TEST(names_that_cannot_be_written)
{
	AUTO_BUF struct buf deep = { 0 };
	struct err e = { 0 };

	CHECK_U64((u64)-plan_paths(PATHS("/ok", "/d/what?"), &e), EINVAL);
	CHECK_STR(e.text, "/d/what?: FAT cannot hold the name \"what?\": it has one of \" * / : < > ? \\ |");
	CHECK_U64(e.code, EXIT_SOURCE);
	err_clear(&e);
	CHECK_FAILS(plan_paths(PATHS("/a//b"), &e), &e, "/a//b: FAT cannot hold the name \"\": it is empty");
	CHECK_FAILS(plan_paths(PATHS("/a/../b"), &e), &e, "/a/../b: FAT cannot hold the name \"..\"");
	CHECK_FAILS(plan_paths(PATHS("/d./x"), &e), &e, "ends in a dot or a blank");
	CHECK_FAILS(plan_paths(PATHS("no"), &e), &e, "no: does not begin with a slash");
	CHECK_FAILS(plan_paths(PATHS(""), &e), &e, "does not begin with a slash");
	for (unsigned i = 0; i < 64; i++)
		buf_adds(&deep, "/d");
	CHECK_OK(plan_paths(PATHS(deep.s), &e), &e);
	buf_adds(&deep, "/d");
	CHECK_FAILS(plan_paths(PATHS(deep.s), &e), &e, "lies more than 64 directories deep");
}

TEST(device_off_only_on_success)
{
	struct fat32_options o = options(MIB, 64 * MIB);
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	struct err e = { 0 };

	volume_add(&v, "/a", 100, made_up(1), NOW);
	volume_add(&v, "/b", 100 * MIB, made_up(1), NOW);
	CHECK_FAILS(fat32_plan(&o, &v, &f, &e), &e, "bytes more");
	CHECK_U64(v.file[0].device_off, 0);
	CHECK(f == NULL);
	volume_files_free(&v);
}

/* ---- order and repeatability ---- */

TEST(files_lie_in_the_order_of_the_list)
{
	struct fat32_options o = options(MIB, 70 * MIB);
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	struct err e = { 0 };

	o.cluster_size = 1024;
	volume_add(&v, "/z", 1025, made_up(1), NOW);
	volume_add(&v, "/live/a", 1024, made_up(2), NOW);
	volume_add(&v, "/empty", 0, made_up(3), NOW);
	volume_add_dir(&v, "/live", 0755, NOW);
	volume_add(&v, "/a", 1, made_up(4), NOW);
	volume_add(&v, "/live/b", 5000, made_up(5), NOW);
	if (make(&m, &o, &v, &e)) {
		CHECK_U64(v.file[1].device_off, v.file[0].device_off + 2048);
		CHECK_U64(v.file[2].device_off, 0);
		CHECK_U64(v.file[3].device_off, 0);
		CHECK_U64(v.file[4].device_off, v.file[1].device_off + 1024);
		CHECK_U64(v.file[5].device_off, v.file[4].device_off + 1024);
		check_contents(&m, &v);
	}
	volume_files_free(&v);
}

static void device_digest(struct device *d, u64 len, u8 ret[SHA256_SIZE])
{
	AUTO_FREE u8 *data = xcalloc(1, len);
	struct err e = { 0 };

	CHECK_OK(device_read(d, 0, data, len, &e), &e);
	sha256_of(data, len, ret);
}

TEST(same_list_same_bytes)
{
	struct fat32_options o = options(MIB, 40 * MIB);
	u8 digest[2][SHA256_SIZE];
	struct err e = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		AUTO_MADE struct made m = { 0 };
		struct volume_files v = { 0 };

		setenv("TZ", i ? "Asia/Tokyo" : "America/New_York", 1);
		tzset();
		random_tree(&v, 77, 200, true);
		if (make(&m, &o, &v, &e))
			device_digest(m.device, 40 * MIB, digest[i]);
		volume_files_free(&v);
	}
	unsetenv("TZ");
	tzset();
	CHECK(memcmp(digest[0], digest[1], SHA256_SIZE) == 0);
}

TEST(hashes_are_fed)
{
	struct fat32_options o = options(MIB, 40 * MIB);
	u8 want[SHA256_SIZE], have[SHA256_SIZE];
	AUTO_FREE u8 *data = xcalloc(1, 70000);
	struct sha256 *h = sha256_new();
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	struct err e = { 0 };

	volume_add(&v, "/x", 70000, made_up(9), NOW)->hash = h;
	make(&m, &o, &v, &e);
	made_up_read(made_up(9).ctx, 0, data, 70000, &e);
	sha256_of(data, 70000, want);
	sha256_end(h, have);
	CHECK(memcmp(want, have, SHA256_SIZE) == 0);
	volume_files_free(&v);
}

TEST(times_and_attributes)
{
	struct fat32_options o = options(MIB, 40 * MIB);
	AUTO_FOLDER char *folder = make_folder();
	AUTO_BUF struct buf image = { 0 }, out = { 0 };
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	struct err e = { 0 };

	volume_add(&v, "/ldlinux.sys", 100, made_up(1), 1000000000)->system_file = true; /* 2001-09-09 01:46:40 */
	volume_add(&v, "/made/x", 100, made_up(1), 1000000000);
	volume_add_dir(&v, "/listed", 0755, 1000000000);
	volume_add(&v, "/listed/x", 100, made_up(1), NOW);
	buf_addf(&image, "%s/x.img", folder);
	if (make(&m, &o, &v, &e)) {
		dump_device(m.device, 0, o.start + o.size, image.s);
		/* An image of the whole disk, with the offset that mtools take. */
		shell(&out, "mattrib -i '%s'@@1M ::/ldlinux.sys", image.s);
		CHECK(strstr(out.s, "A  SHR") != NULL);
		shell(&out, "mdir -a -i '%s'@@1M ::/ ::/listed", image.s);
		CHECK(strstr(out.s, "LDLINUX  SYS       100 2001-09-09   1:46") != NULL);
		CHECK(strstr(out.s, "LISTED       <DIR>     2001-09-09   1:46") != NULL);
		CHECK(strstr(out.s, "MADE         <DIR>     2023-11-14  22:13") != NULL);
		CHECK(strstr(out.s, ".            <DIR>     2001-09-09   1:46") != NULL);
		CHECK(strstr(out.s, "..           <DIR>     2001-09-09   1:46") != NULL);
		shell(&out, "mdir -a -/ -b -i '%s'@@1M ::/ | sort", image.s);
		CHECK_STR(out.s, "::/ldlinux.sys\n::/listed/\n::/listed/x\n::/made/\n::/made/x\n");
	}
	volume_files_free(&v);
}

/* ---- many ---- */

TEST(three_thousand_names_that_look_alike)
{
	struct fat32_options o = options(MIB, 64 * MIB);
	AUTO_FOLDER char *folder = make_folder();
	AUTO_BUF struct buf image = { 0 };
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	u64 n_files, used, clusters;
	struct err e = { 0 };
	char path[64];

	volume_add_dir(&v, "/pool", 0755, NOW);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), i % 3 ? "/pool/linux-image-%u.deb" : "/pool/Linux.Headers %u.DEB", i);
		volume_add(&v, path, i % 700, made_up(i), NOW);
	}
	for (unsigned i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), i % 2 ? "/pool/LI%04X~1.DEB" : "/pool/linux-~%u.deb", i);
		volume_add(&v, path, 1, made_up(i), NOW);
	}
	buf_addf(&image, "%s/x.img", folder);
	if (make(&m, &o, &v, &e)) {
		dump_device(m.device, o.start, o.size, image.s);
		check_clean(image.s, &n_files, &used, &clusters);
		CHECK_U64(n_files, v.n + 1);
		check_mcopy(folder, image.s, &v);
	}
	volume_files_free(&v);
}

/* Of the processor, so that a busy machine does not matter. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 200,000 files in 20,000 directories, of which one has 30,000 names that begin alike. */
TEST(many_files_are_planned_quickly)
{
	struct fat32_options o = options(MIB, 16 * GIB);
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	struct err e = { 0 };
	double begin;
	char path[128];

	for (unsigned i = 0; i < 30000; i++) {
		snprintf(path, sizeof(path), "/all in one directory/alike %05u.x", i);
		volume_add(&v, path, 100, made_up(i), NOW);
	}
	for (unsigned i = 0; i < 170000; i++) {
		snprintf(path, sizeof(path), "/usr/share/%u/directory/deep/%u/File number %u.html", i % 100, i % 10000,
		         i);
		volume_add(&v, path, i, made_up(i), NOW);
	}
	begin = seconds();
	if (CHECK_OK(fat32_plan(&o, &v, &f, &e), &e))
		printf("# %zu files planned in %.2f s\n", v.n, seconds() - begin);
	CHECK(seconds() - begin < 10);
	begin = seconds();
	CHECK(fat32_size_for(&v, 0, 512) > 15 * GIB);
	CHECK(seconds() - begin < 10);
	fat32_free(f);
	volume_files_free(&v);
}

static int count_entry(void *ctx, const struct fat_entry *entry)
{
	(void)entry;
	++*(u64 *)ctx;
	return 0;
}

TEST(directory_of_2_mib_and_not_more)
{
	struct fat32_options o = options(MIB, 64 * MIB);
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	struct err e = { 0 };
	char path[64];
	u64 n = 0;

	/* Two dots, 65,534 names without a long form. */
	for (unsigned i = 0; i < 65534; i++) {
		snprintf(path, sizeof(path), "/FULL/F%u", i);
		volume_add(&v, path, 0, made_up(i), NOW);
	}
	if (make(&m, &o, &v, &e)) {
		AUTO_DEVICE struct device *window = device_new_window(m.device, "boot", o.start, o.size);
		AUTO_FAT struct fat_volume *volume = NULL;

		if (CHECK_OK(fat_open(window, &volume, &e), &e))
			CHECK_OK(fat_each(volume, count_entry, &n, &e), &e);
		CHECK_U64(n, v.n + 1);
	}
	volume_add(&v, "/FULL/ONE", 0, made_up(1), NOW);
	CHECK_U64((u64)-fat32_plan(&o, &v, &f, &e), EFBIG);
	CHECK_FAILS(-1, &e, "/FULL: has more names in it than a directory on FAT can hold");
	volume_files_free(&v);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
