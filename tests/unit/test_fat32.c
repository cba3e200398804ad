/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <time.h>

#include "src/fs/fat32.h"
#include "src/fs/fat_read.h"
#include "tests/unit/fat_image.h"

#define NOW 1700000000

static struct fat32_options options(u64 start, u64 size)
{
	return (struct fat32_options){
		.start = start,
		.size = size,
		.sector_size = 512,
		.label = "LIVESTICK",
		.serial = 0x1234abcd,
		.time = NOW,
	};
}

/* A device with a volume on it that was written in one pass; `device` has 1 MiB more than the volume needs. */
struct made {
	struct fat32 *fat;
	struct device *device;
	u64 bytes;
};

static void made_free(struct made *m)
{
	fat32_free(m->fat);
	device_free(m->device);
}

#define AUTO_MADE CLEANUP(made_free)

/* Writes over what the device holds; checks that the pass is one stretch and begins with the second sector. */
static bool write_volume(struct made *m, const struct fat32_options *o, struct err *e)
{
	struct writelist *pass = writelist_new(), *commit = writelist_new();
	u8 before[4096], after[4096];
	bool ok;

	fat32_emit(m->fat, pass, commit);
	ok = CHECK_OK(writelist_finish(pass, e), e) && CHECK_OK(writelist_finish(commit, e), e) &&
	     CHECK_OK(device_read(m->device, o->start, before, o->sector_size, e), e) &&
	     CHECK_OK(writelist_run(pass, m->device, NULL, e), e) &&
	     CHECK_OK(device_read(m->device, o->start, after, o->sector_size, e), e);
	if (ok) {
		CHECK_U64(writelist_stretches(pass), 1);
		CHECK_U64(writelist_bytes(commit), o->sector_size);
		CHECK(memcmp(before, after, o->sector_size) == 0);
		m->bytes = writelist_bytes(pass);
		ok = CHECK_OK(writelist_run(commit, m->device, NULL, e), e);
	}
	writelist_free(pass);
	writelist_free(commit);
	return ok;
}

static bool make(struct made *m, const struct fat32_options *o, struct volume_files *files, struct err *e)
{
	if (!CHECK_OK(fat32_plan(o, files, &m->fat, e), e))
		return false;
	if (!m->device)
		m->device = device_new_memory("stick", o->start + o->size + MIB, o->sector_size);
	return write_volume(m, o, e);
}

/* Dirt where the volume will be: what the writer leaves out would show. */
static void soil(struct made *m, const struct fat32_options *o, u64 len)
{
	AUTO_FREE u8 *dirt = xcalloc(1, MIB);
	struct err e = { 0 };

	memset(dirt, 0xa5, MIB);
	m->device = device_new_memory("stick", o->start + o->size + MIB, o->sector_size);
	for (u64 off = 0; off < len; off += MIB)
		CHECK_OK(device_write(m->device, o->start + off, dirt, MIN(MIB, len - off), &e), &e);
}

static void check_contents(const struct made *m, const struct volume_files *files)
{
	struct err e = { 0 };

	for (size_t i = 0; i < files->n; i++) {
		const struct volume_file *f = &files->file[i];
		AUTO_FREE u8 *data = xcalloc(1, f->size);

		if (f->size == 0) {
			CHECK_U64(f->device_off, 0);
			continue;
		}
		CHECK_OK(device_read(m->device, f->device_off, data, f->size, &e), &e);
		if (!is_made_up(f, 0, data, f->size))
			test_fail(__FILE__, __LINE__, "%s: device_off is not where its bytes are", f->path);
	}
}

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

/* ---- the boot sector and its neighbours ---- */

static void check_boot_sector(u32 ss, u64 start, u64 size, u32 cluster)
{
	struct fat32_options o = options(start, size);
	AUTO_FOLDER char *folder = make_folder();
	AUTO_BUF struct buf image = { 0 }, out = { 0 };
	AUTO_FREE u8 *b = xcalloc(9, ss);
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	u64 n_files, used, clusters, data;
	struct err e = { 0 };
	u8 *info = b + ss;

	o.sector_size = ss;
	volume_add(&v, "/EFI/BOOT/BOOTX64.EFI", 100000, made_up(1), NOW);
	soil(&m, &o, 8 * MIB);
	if (!make(&m, &o, &v, &e))
		return;
	CHECK_OK(device_read(m.device, start, b, 9 * ss, &e), &e);
	CHECK(memcmp(b, "\xeb\x58\x90", 3) == 0);
	CHECK_U64(get_le16(b + 11), ss);
	CHECK_U64(b[13] * ss, cluster);
	CHECK_U64(b[16], 2);
	CHECK_U64(get_le16(b + 17), 0);
	CHECK_U64(get_le16(b + 19), 0);
	CHECK_U64(b[21], 0xf8);
	CHECK_U64(get_le16(b + 22), 0);
	CHECK_U64(get_le32(b + 28), start / ss);
	CHECK_U64(get_le32(b + 32), size / ss);
	CHECK_U64(get_le32(b + 36) * (u64)ss % 4096, 0);
	CHECK_U64(get_le16(b + 40), 0);
	CHECK_U64(get_le16(b + 42), 0);
	CHECK_U64(get_le32(b + 44), 2);
	CHECK_U64(get_le16(b + 48), 1);
	CHECK_U64(get_le16(b + 50), 6);
	CHECK_U64(b[66], 0x29);
	CHECK_U64(get_le32(b + 67), 0x1234abcd);
	CHECK(memcmp(b + 71, "LIVESTICK  FAT32   ", 19) == 0);
	CHECK_U64(get_le16(b + 510), 0xaa55);
	CHECK(memcmp(b, b + 6 * (size_t)ss, 3 * (size_t)ss) == 0);
	data = start + (get_le16(b + 14) + 2 * (u64)get_le32(b + 36)) * ss;
	CHECK_U64(data % MIB, 0);

	CHECK(memcmp(info, "RRaA", 4) == 0);
	CHECK(memcmp(info + 484, "rrAa", 4) == 0);
	CHECK_U64(get_le32(info + 508), 0xaa550000);
	CHECK_U64(get_le16(info + ss + 510), 0xaa55);

	buf_addf(&image, "%s/x.img", folder);
	dump_device(m.device, start, size, image.s);
	check_clean(image.s, &n_files, &used, &clusters);
	CHECK_U64(get_le32(info + 488), clusters - used);
	CHECK_U64(get_le32(info + 492), used + 1);
	CHECK(clusters >= 65525);
	/* Boot sector excepted, all is written from the partition's start to the end of the used clusters. */
	CHECK_U64(m.bytes, data - start + used * cluster - ss);
	CHECK_U64(v.file[0].device_off, data + 3ULL * cluster);
	if (ss == 512) {
		shell(&out, "mlabel -s -i '%s' ::", image.s);
		CHECK_STR(out.s, " Volume label is LIVESTICK  \n");
	}
	volume_files_free(&v);
}

TEST(boot_sector)
{
	check_boot_sector(512, MIB, 34 * MIB, 512);
	check_boot_sector(512, 5 * MIB, 600 * MIB, 8192);
	check_boot_sector(512, MIB + 17 * 512, 3 * GIB, 32768);
	check_boot_sector(512, 0, 64 * MIB, 512);
	check_boot_sector(4096, MIB, 258 * MIB, 4096);
	check_boot_sector(4096, 7 * 4096, 2 * GIB, 16384);
	check_boot_sector(4096, 20 * GIB, 64 * GIB, 32768);
}

TEST(boot_code_goes_around_the_fields)
{
	struct fat32_options o = options(MIB, 34 * MIB);
	struct writelist *pass = writelist_new(), *commit = writelist_new();
	AUTO_DEVICE struct device *d = device_new_memory("stick", 40 * MIB, 512);
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	u8 code[512], b[512], backup[512];
	struct err e = { 0 };

	for (unsigned i = 0; i < 512; i++)
		code[i] = (u8)(i * 7 + 1);
	CHECK_OK(fat32_plan(&o, &v, &f, &e), &e);
	fat32_set_boot_code(f, code);
	fat32_emit(f, pass, commit);
	CHECK_OK(writelist_finish(pass, &e), &e);
	CHECK_OK(writelist_finish(commit, &e), &e);
	CHECK_OK(writelist_run(pass, d, NULL, &e), &e);
	CHECK_OK(writelist_run(commit, d, NULL, &e), &e);
	CHECK_OK(device_read(d, MIB, b, 512, &e), &e);
	CHECK_OK(device_read(d, MIB + 6 * 512, backup, 512, &e), &e);
	CHECK(memcmp(b, backup, 512) == 0);
	CHECK(memcmp(b, code, 11) == 0);
	CHECK(memcmp(b + 90, code + 90, 420) == 0);
	CHECK_U64(get_le16(b + 11), 512);
	CHECK_U64(get_le32(b + 28), 2048);
	CHECK(memcmp(b + 82, "FAT32   ", 8) == 0);
	CHECK_U64(get_le16(b + 510), 0xaa55);
	writelist_free(pass);
	writelist_free(commit);
	fat32_free(f);
}

/* ---- sizes ---- */

static u32 cluster_for(u64 size, u32 ss)
{
	struct fat32_options o = options(MIB, size);
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	struct err e = { 0 };
	u32 c;

	o.sector_size = ss;
	if (!CHECK_OK(fat32_plan(&o, &v, &f, &e), &e))
		return 0;
	c = fat32_cluster_size(f);
	fat32_free(f);
	return c;
}

TEST(cluster_size_grows_with_the_volume)
{
	CHECK_U64(cluster_for(33 * MIB, 512), 512);
	CHECK_U64(cluster_for(64 * MIB, 512), 512);
	CHECK_U64(cluster_for(66 * MIB, 512), 1024);
	CHECK_U64(cluster_for(260 * MIB, 512), 4096);
	CHECK_U64(cluster_for(1100 * MIB, 512), 16384);
	CHECK_U64(cluster_for(2050 * MIB, 512), 32768);
	CHECK_U64(cluster_for(2 * 1024 * GIB - 512, 512), 32768);
	CHECK_U64(cluster_for(258 * MIB, 4096), 4096);
	CHECK_U64(cluster_for(3 * GIB, 4096), 32768);
}

static int plan_empty(const struct fat32_options *o, struct err *e)
{
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	int r = fat32_plan(o, &v, &f, e);

	fat32_free(f);
	return r;
}

/* Below 1 MiB of alignment the start of the data moves, down to 4 KiB, before a volume is too small. */
TEST(smallest_volume)
{
	/* 32 sectors, two FATs of 256 KiB, up to the next 4 KiB; 65,525 clusters of 512 bytes */
	u64 data = align_up(32 * 512 + 2 * 256 * KIB, 4096), smallest = data + 65525 * 512;
	AUTO_FOLDER char *folder = make_folder();
	AUTO_BUF struct buf image = { 0 };
	u64 n_files, used, clusters;
	struct err e = { 0 };

	buf_addf(&image, "%s/x.img", folder);
	for (u64 size = smallest; size <= 33 * MIB; size += 199 * 512) {
		struct fat32_options o = options(MIB, size);
		AUTO_MADE struct made m = { 0 };
		struct volume_files v = { 0 };

		if (!make(&m, &o, &v, &e))
			return;
		dump_device(m.device, o.start, o.size, image.s);
		check_clean(image.s, &n_files, &used, &clusters);
		CHECK(clusters >= 65525);
	}
	CHECK_OK(plan_empty(&(struct fat32_options){ .size = smallest, .sector_size = 512 }, &e), &e);
	CHECK_FAILS(plan_empty(&(struct fat32_options){ .size = smallest - 512, .sector_size = 512 }, &e), &e,
	            "too small for FAT32");
	CHECK_U64((u64)-plan_empty(&(struct fat32_options){ .size = smallest - 512, .sector_size = 512 }, &e), ENOTSUP);
	err_clear(&e);
}

TEST(options_that_cannot_be)
{
	static const struct {
		struct fat32_options o;
		int r;
		const char *words;
	} bad[] = {
		{ { .size = 64 * MIB, .sector_size = 1024 }, -EINVAL, "sectors of 1024 bytes" },
		{ { .size = 64 * MIB + 1, .sector_size = 512 }, -EINVAL, "begin and end at a sector" },
		{ { .start = 511, .size = 64 * MIB, .sector_size = 512 }, -EINVAL, "begin and end at a sector" },
		{ { .size = 2048 * GIB, .sector_size = 512 }, -EINVAL, "beyond" },
		{ { .start = 2048 * GIB, .size = 64 * MIB, .sector_size = 512 }, -EINVAL, "beyond" },
		{ { .size = 64 * MIB, .sector_size = 512, .cluster_size = 3 * KIB }, -EINVAL, "clusters of 3072" },
		{ { .size = 64 * MIB, .sector_size = 512, .cluster_size = 256 }, -EINVAL, "clusters of 256" },
		{ { .size = 64 * GIB, .sector_size = 512, .cluster_size = 128 * KIB }, -EINVAL, "clusters of 131072" },
		{ { .size = 64 * MIB, .sector_size = 512, .label = "lower" }, -EINVAL, "label" },
		{ { .size = 64 * MIB, .sector_size = 512, .label = " X" }, -EINVAL, "label" },
		{ { .size = 64 * MIB, .sector_size = 512, .label = "ABCDEFGHIJKL" }, -EINVAL, "label" },
		{ { .size = 0, .sector_size = 512 }, -ENOTSUP, "too small" },
		{ { .size = 1200 * MIB, .sector_size = 512, .cluster_size = 32 * KIB }, -ENOTSUP, "too small" },
		{ { .size = 200 * GIB, .sector_size = 512, .cluster_size = 512 }, -ENOTSUP, "too many" },
		{ { .size = 9 * 1024 * GIB, .sector_size = 4096 }, -ENOTSUP, "too many" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		int r = plan_empty(&bad[i].o, &e);

		CHECK_U64((u64)-r, (u64)-bad[i].r);
		CHECK_FAILS(r, &e, bad[i].words);
	}
}

/* Clusters up to the highest number; a sparse plan, nothing is written. */
TEST(most_clusters)
{
	struct fat32_options o = { .sector_size = 512, .cluster_size = 512 };
	u64 low = 64 * GIB, high = 200 * GIB;
	struct err e = { 0 };

	while (high - low > 4096) {
		o.size = align_down((low + high) / 2, 4096);
		if (plan_empty(&o, &e) == 0)
			low = o.size;
		else
			high = o.size;
		err_clear(&e);
	}
	/* 0x0ffffff4 clusters of 512 bytes, and 8 bytes in the FATs for each */
	CHECK(low >= 0x0ffffff4ULL * 520);
	CHECK(low <= 0x0ffffff4ULL * 520 + 2 * MIB);
}

TEST(no_label)
{
	struct fat32_options o = options(MIB, 40 * MIB);
	AUTO_FOLDER char *folder = make_folder();
	AUTO_BUF struct buf image = { 0 };
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	u64 n_files, used, clusters;
	struct err e = { 0 };

	memset(o.label, 0, sizeof(o.label));
	buf_addf(&image, "%s/x.img", folder);
	if (!make(&m, &o, &v, &e))
		return;
	dump_device(m.device, o.start, o.size, image.s);
	check_clean(image.s, &n_files, &used, &clusters);
	CHECK_U64(n_files, 0);
	CHECK_U64(used, 1);
}

static int plan_file(u64 volume, u32 cluster, u64 size, u64 *ret_free, struct err *e)
{
	struct fat32_options o = options(MIB, volume);
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	int r;

	o.cluster_size = cluster;
	volume_add(&v, "/X", size, made_up(1), NOW);
	r = fat32_plan(&o, &v, &f, e);
	if (r == 0)
		*ret_free = fat32_free_bytes(f);
	fat32_free(f);
	volume_files_free(&v);
	return r;
}

TEST(full_to_the_last_cluster)
{
	u64 room = 0, left = 1, low, high;
	struct err e = { 0 };

	CHECK_OK(plan_file(64 * MIB, 512, 0, &room, &e), &e);
	CHECK_OK(plan_file(64 * MIB, 512, room, &left, &e), &e);
	CHECK_U64(left, 0);
	/* When the data may begin at less than 1 MiB there is a little more room; then it ends. */
	for (low = room / 512, high = low + 2048; high - low > 1;) {
		u64 middle = (low + high) / 2;

		if (plan_file(64 * MIB, 512, middle * 512, &left, &e) == 0)
			low = middle;
		else
			high = middle;
		err_clear(&e);
	}
	room = low * 512;
	CHECK_OK(plan_file(64 * MIB, 512, room, &left, &e), &e);
	CHECK_U64(left, 0);
	CHECK_U64((u64)-plan_file(64 * MIB, 512, room + 1, &left, &e), ENOSPC);
	CHECK_FAILS(-1, &e, "the files need 512 bytes more than a FAT32 volume of 67108864 bytes has");
	CHECK_FAILS(plan_file(64 * MIB, 512, room + 10 * 512, &left, &e), &e, "need 5120 bytes more");
}

TEST(a_full_volume_is_clean)
{
	struct fat32_options o = options(MIB, 34 * MIB);
	AUTO_FOLDER char *folder = make_folder();
	AUTO_BUF struct buf image = { 0 };
	AUTO_MADE struct made m = { 0 };
	struct volume_files v = { 0 };
	u64 n_files, used, clusters, room = 0;
	struct err e = { 0 };

	CHECK_OK(plan_file(o.size, 0, 0, &room, &e), &e);
	volume_add(&v, "/X", room, made_up(1), NOW);
	buf_addf(&image, "%s/x.img", folder);
	if (make(&m, &o, &v, &e)) {
		dump_device(m.device, o.start, o.size, image.s);
		check_clean(image.s, &n_files, &used, &clusters);
		CHECK_U64(used, clusters);
		check_contents(&m, &v);
	}
	volume_files_free(&v);
}

TEST(smaller_clusters_when_large_ones_do_not_hold_the_files)
{
	struct fat32_options o = options(MIB, 140 * MIB);
	struct volume_files v = { 0 };
	struct fat32 *f = NULL;
	struct err e = { 0 };
	char path[32];

	for (unsigned i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/D%u/F%u", i / 1000, i);
		volume_add(&v, path, 600, made_up(i), NOW);
	}
	/* 2 KiB a file would be 195 MiB. */
	if (CHECK_OK(fat32_plan(&o, &v, &f, &e), &e))
		CHECK_U64(fat32_cluster_size(f), 1024);
	fat32_free(f);
	volume_files_free(&v);
}

TEST(file_of_4_gib)
{
	u64 left = 0;
	struct err e = { 0 };

	CHECK_OK(plan_file(8 * GIB, 0, 4 * GIB - 1, &left, &e), &e);
	CHECK_U64((u64)-plan_file(8 * GIB, 0, 4 * GIB, &left, &e), EFBIG);
	CHECK_STR(e.text, "/X: has 4294967296 bytes, and a file on FAT32 ends below 4 GiB");
	CHECK_U64(e.code, EXIT_OK);
	err_clear(&e);
	CHECK_FAILS(plan_file(8 * GIB, 0, UINT64_MAX, &left, &e), &e, "ends below 4 GiB");
}

/* ---- size_for ---- */

static void check_size_for(u64 seed, u32 ss)
{
	struct volume_files v = { 0 };
	unsigned n = (unsigned)below(&seed, 3000);
	u64 largest = 1ULL << (8 + below(&seed, 18)),
	    extra = below(&seed, 2) ? below(&seed, 1ULL << (20 + below(&seed, 12))) : 0;
	u64 size, used = 0, start = MIB * (1 + below(&seed, 9)), have_free;
	struct err e = { 0 };
	struct fat32 *f = NULL;
	struct fat32_options o;
	char path[64];

	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/d%llu/a file with a long name %u", (unsigned long long)below(&seed, 200),
		         i);
		volume_add(&v, path, below(&seed, largest), made_up(i), NOW);
	}
	size = fat32_size_for(&v, extra, ss);
	CHECK_U64(size % MIB, 0);
	o = options(start, size);
	o.sector_size = ss;
	if (CHECK_OK(fat32_plan(&o, &v, &f, &e), &e)) {
		u32 c = fat32_cluster_size(f);

		have_free = fat32_free_bytes(f);
		CHECK(have_free >= extra);
		for (size_t i = 0; i < v.n; i++)
			used += align_up(v.file[i].size, c);
		used += 201 * (u64)MAX(c, 4 * KIB) + extra;
		if (size > 34 * MIB && ss == 512 && size > used + used / 50 + 3 * MIB)
			test_fail(__FILE__, __LINE__, "%llu for %llu", (unsigned long long)size,
			          (unsigned long long)used);
		if (size > 34 * MIB && ss == 512)
			CHECK(have_free < extra + 2 * MIB);
	}
	fat32_free(f);
	/* Every larger volume holds them too. */
	for (unsigned i = 0; i < 12; i += 2) {
		f = NULL;
		o.size = size + MIB * below(&seed, 1ULL << i);
		if (CHECK_OK(fat32_plan(&o, &v, &f, &e), &e))
			fat32_free(f);
	}
	volume_files_free(&v);
}

TEST(size_for_is_enough_and_tight)
{
	for (u64 seed = 1; seed <= 24; seed++)
		check_size_for(seed, seed % 4 ? 512 : 4096);
}

TEST(size_for_at_the_ends)
{
	struct volume_files v = { 0 };
	struct fat32_options o = { .start = MIB, .sector_size = 4096 };
	struct err e = { 0 };

	CHECK_U64(fat32_size_for(&v, 0, 512), 34 * MIB);
	o.size = fat32_size_for(&v, 0, 4096);
	CHECK_U64(o.size, 258 * MIB);
	CHECK_OK(plan_empty(&o, &e), &e);
	/* Nothing overflows and it ends, whatever is asked. */
	CHECK(fat32_size_for(&v, UINT64_MAX, 512) > 8 * KIB * GIB);
	volume_add(&v, "/x", UINT64_MAX, made_up(1), NOW);
	volume_add(&v, "/y", UINT64_MAX, made_up(1), NOW);
	volume_add(&v, "/bad?", 100 * MIB, made_up(1), NOW);
	CHECK(fat32_size_for(&v, 0, 512) > 8 * GIB);
	volume_files_free(&v);
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
