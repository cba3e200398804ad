/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new FAT32 volume: its fields, its sizes, its limits. test_fat32_files.c has what is in it. */
#include "tests/unit/fat_image.h"

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

/* Not with the largest clusters that have room where smaller ones save an eighth of what is written. */
TEST(small_files_get_small_clusters)
{
	static const struct {
		u64 size;
		unsigned n;
		u32 cluster;
	} rows[] = {
		{ 300, 20000, 4096 },   { 4096, 20000, 4096 },  { 12000, 20000, 4096 }, { 16000, 20000, 16384 },
		{ 32768, 5000, 32768 }, { 700000, 900, 32768 }, { 300, 100, 32768 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fat32_options o = options(MIB, 8 * GIB);
		struct volume_files v = { 0 };
		struct fat32 *f = NULL;
		struct err e = { 0 };
		char path[32];

		for (unsigned k = 0; k < rows[i].n; k++) {
			snprintf(path, sizeof(path), "/D%u/F%u", k / 1000, k);
			volume_add(&v, path, rows[i].size, made_up(k), NOW);
		}
		if (CHECK_OK(fat32_plan(&o, &v, &f, &e), &e))
			CHECK_U64(fat32_cluster_size(f), rows[i].cluster);
		fat32_free(f);
		volume_files_free(&v);
	}
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

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
