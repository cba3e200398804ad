/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Updates of FAT32 volumes that are not cut short. Judged by fsck.fat, mtools and a reader of the test's own.
 * test_fat_update_cuts.c takes the power away, test_fat_update_bad.c has volumes that must not be touched.
 */
#include "src/media/device_test.h"
#include "tests/unit/fat_scene.h"

/* ---- long random lives of volumes ---- */

struct life {
	u32 sector, cluster; /* bytes */
	u64 clusters;        /* about */
	struct taste taste;
	u32 drive_sector; /* of the drive, if not that of the volume */
	unsigned steps;
	u64 spare; /* KiB; the volume is filled with a file up to that before it begins. 0: it is not */
};

struct volume {
	struct device *d;
	u64 start, size;
	char *image; /* for the judges */
	struct volume_files have;
	u64 used, clusters; /* as fsck.fat counts */
	u32 cluster;
};

static int copy_piece(void *ctx, u64 off, const u8 *data, size_t len)
{
	struct volume *v = ctx;
	AUTO_ERR struct err e = { 0 };

	return device_write(v->d, v->start + off, data, len, &e);
}

/* What mkfs.fat made comes to the device; holes stay holes. */
static void load_image(struct volume *v)
{
	AUTO_FREE u8 *piece = xcalloc(1, 64 * KIB);
	AUTO_CLOSE int fd = open(v->image, O_RDONLY | O_CLOEXEC);

	for (off_t at = 0; fd >= 0 && (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
		u64 off = align_down((u64)at, 64 * KIB), len = MIN(64 * KIB, v->size - off);

		CHECK(pread(fd, piece, len, (off_t)off) == (ssize_t)len && copy_piece(v, off, piece, len) == 0);
		at = (off_t)(off + len);
	}
}

static bool volume_make(struct volume *v, const char *folder, const struct life *life, u64 seed)
{
	AUTO_BUF struct buf image = { 0 }, out = { 0 };
	u32 drive = life->drive_sector ? life->drive_sector : life->sector;

	buf_addf(&image, "%s/volume.img", folder);
	*v = (struct volume){ .start = MIB, .image = TAKE(image.s), .cluster = life->cluster };
	v->size = align_up(life->clusters * (life->cluster + 8) + MIB, 64 * KIB);
	v->d = device_new_memory("stick", v->start + v->size + MIB, drive);
	if (shell(&out, "rm -f '%s' && truncate -s %llu '%s' && mkfs.fat -F 32 -S %u -s %u -i %08x '%s' 2>&1", v->image,
	          (unsigned long long)v->size, v->image, life->sector, life->cluster / life->sector, (u32)seed,
	          v->image) != 0) {
		test_fail(__FILE__, __LINE__, "mkfs.fat: %s", out.s);
		return false;
	}
	load_image(v);
	fsck_clean(v->image, &v->clusters, &v->used, &v->clusters);
	return true;
}

static void volume_free(struct volume *v)
{
	volume_files_free(&v->have);
	device_free(v->d);
	unlink(v->image);
	free(v->image);
}

/* mcopy gets out what is there, and nothing else. */
static void check_mtools(const struct volume *v, const char *folder)
{
	AUTO_BUF struct buf out = { 0 }, path = { 0 };
	int rc =
	    shell(&out, "rm -rf '%s/out' && mkdir '%s/out' && LC_ALL=C.UTF-8 mcopy -s -n -i '%s' ::'*' '%s/out' 2>&1",
	          folder, folder, v->image, folder);

	if (v->have.n == 0)
		return;
	if (rc != 0)
		test_fail(__FILE__, __LINE__, "mcopy: exit %d: %s", rc, out.s);
	for (size_t i = 0; i < v->have.n; i++) {
		const struct volume_file *f = &v->have.file[i];
		AUTO_FREE u8 *data = xcalloc(1, f->size);
		struct stat st;

		buf_clear(&path);
		buf_addf(&path, "%s/out%s", folder, f->path);
		AUTO_CLOSE int fd = open(path.s, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) != f->is_dir) {
			test_fail(__FILE__, __LINE__, "mcopy did not bring %s", path.s);
			continue;
		}
		if (!f->is_dir)
			CHECK((u64)st.st_size == f->size && read(fd, data, f->size) == (ssize_t)f->size &&
			      is_made_up(f, 0, data, f->size));
	}
	shell(&out, "find '%s/out' -mindepth 1 -printf x | wc -c", folder);
	CHECK_U64(strtoull(out.s, NULL, 10), v->have.n);
}

static void add_hashes(struct volume_update *u)
{
	for (size_t i = 0; i < u->put.n; i++)
		if (!u->put.file[i].is_dir)
			u->put.file[i].hash = sha256_new_sized(u->put.file[i].size);
}

static void end_hashes(struct volume_update *u, bool check)
{
	for (size_t i = 0; i < u->put.n; i++) {
		struct volume_file *f = &u->put.file[i];
		AUTO_FREE u8 *data = xcalloc(1, f->size);
		u8 is[SHA256_SIZE] = { 0 }, want[SHA256_SIZE] = { 0 };

		if (!f->hash)
			continue;
		made_up_read(f->input.ctx, 0, data, f->size, NULL);
		sha256_of(data, f->size, want);
		sha256_end(TAKE(f->hash), is);
		CHECK(!check || memcmp(is, want, sizeof(is)) == 0);
	}
}

static void check_device_offs(struct device *d, const struct volume_files *put, u64 *pieces)
{
	AUTO_ERR struct err e = { 0 };

	for (size_t i = 0; i < put->n; i++) {
		const struct volume_file *f = &put->file[i];
		AUTO_FREE u8 *data = xcalloc(1, f->size);

		*pieces += f->size > 0 && !f->device_off;
		if (!f->device_off)
			continue;
		CHECK_OK(device_read(d, f->device_off, data, f->size, &e), &e);
		if (!is_made_up(f, 0, data, f->size))
			test_fail(__FILE__, __LINE__, "%s: is not at device_off", f->path);
	}
}

/* Runs all phases, and checks what they say of themselves. */
static bool run_phases(struct updater *u, struct device *d, struct err *e)
{
	const struct update_phase *phase;
	size_t n;
	u64 bytes = 0;

	if (!CHECK_OK(update_phases(u, &phase, &n, e), e))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct writelist_counts c;

		if (!CHECK_OK(writelist_run(phase[i].list, d, NULL, e), e))
			return false;
		c = writelist_counts(phase[i].list);
		CHECK(writelist_bytes(phase[i].list) > 0);
		CHECK(c.spared == 0 || strcmp(phase[i].name, "data") == 0);
		bytes += c.written + c.spared;
	}
	CHECK_U64(bytes, u->numbers.to_write);
	return true;
}

/* What a life has seen. */
struct seen {
	u64 done, pieces, full;
};

/* The numbers in the sentence go together, and with what the files take. */
static void check_no_room(const struct volume *v, const struct step *s, const char *text)
{
	unsigned long long need = 0, is_free = 0, missing = 0;
	const struct volume_files *put = &s->update.put;
	u64 most = 0, c = v->cluster;

	if (sscanf(strstr(text, "needs") ? strstr(text, "needs") : "",
	           "needs %llu bytes, and %llu are free or become free first: %llu are missing", &need, &is_free,
	           &missing) != 3)
		test_fail(__FILE__, __LINE__, "no numbers in \"%s\"", text);
	for (size_t i = 0; i < put->n; i++)
		most += align_up(put->file[i].size, c) + 4 * c; /* the name, and new directories */
	CHECK(need % c == 0 && need > is_free && need - is_free == missing && need <= most);
	CHECK(is_free >= (v->clusters - v->used) * c && is_free <= v->clusters * c);
}

/* False: there was no room for it, or a name was in the way. */
static bool run_step(struct volume *v, struct step *s, struct life *life, struct seen *seen)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };
	u64 free_after, files;
	int r;

	if (!CHECK_OK(fat_update_open(v->d, v->start, v->size, &u, &e), &e))
		return false;
	for (size_t i = 0; i < u->n_leftover; i++)
		test_fail(__FILE__, __LINE__, "left over: %s", u->leftover[i]);
	CHECK_U64(u->numbers.free_before, (v->clusters - v->used) * v->cluster);
	r = update_plan(u, &s->update, &e);
	if (r == -EEXIST && (strstr(e.text, "short name") || strstr(e.text, "takes the two names for one")))
		return false;
	if (r == -ENOSPC && life->spare) {
		check_no_room(v, s, e.text);
		seen->full++;
		return false;
	}
	if (!CHECK_OK(r, &e))
		return false;
	add_hashes(&s->update);
	r = run_phases(u, v->d, &e);
	end_hashes(&s->update, r);
	if (!r)
		return false;
	free_after = u->numbers.free_after;
	check_device_offs(v->d, &s->update.put, &seen->pieces);
	dump_device(v->d, v->start, v->size, v->image);
	fsck_clean(v->image, &files, &v->used, &v->clusters);
	CHECK_U64(files, s->after.n);
	CHECK_U64(free_after, (v->clusters - v->used) * v->cluster);
	return true;
}

/* Leaves `spare` KiB free: holes then come from what goes. */
static void fill(struct volume *v, struct life *life)
{
	struct step s = { .before = &v->have };
	u64 bytes = (v->clusters - v->used) * v->cluster - life->spare * KIB;
	struct seen seen = { 0 };

	volume_add(&s.update.put, FILLER, bytes, made_up(77), NOW);
	step_work_out(&s);
	CHECK(run_step(v, &s, life, &seen));
	volume_files_free(&v->have);
	v->have = s.after;
	s.after = (struct volume_files){ 0 };
	step_free(&s);
}

static void live(const char *folder, struct life *life, u64 seed)
{
	struct volume v;
	AUTO_BUF struct buf what = { 0 };
	struct seen seen = { 0 };

	if (!volume_make(&v, folder, life, seed))
		return;
	if (life->spare)
		fill(&v, life);
	for (unsigned i = 0; i < life->steps; i++) {
		struct step s;

		step_make(&s, &v.have, &seed, &life->taste);
		buf_clear(&what);
		buf_addf(&what, "sectors of %u, clusters of %u, step %u", life->sector, life->cluster, i);
		if (run_step(&v, &s, life, &seen)) {
			volume_files_free(&v.have);
			v.have = s.after;
			s.after = (struct volume_files){ 0 };
			seen.done++;
			if (!holds_exactly(v.d, v.start, &v.have, what.s))
				i = life->steps;
			if (i % 4 == 3 && !life->taste.emoji && v.clusters >= 65525) /* mtools wants that many */
				check_mtools(&v, folder);
		}
		step_free(&s);
	}
	/* A life in which nothing could be done, or nothing ever lay in pieces in a full volume, shows nothing. */
	CHECK(seen.done * 3 >= life->steps);
	CHECK(!life->spare || (seen.pieces > 0 && seen.full > 0));
	volume_free(&v);
}

static struct life lives[] = {
	{ 512, 512, 70000, { 30000, 14, false, false }, 0, 60, 0 },
	{ 512, 512, 70000, { 30000, 30, true, false }, 0, 40, 0 },
	{ 512, 1024, 66000, { 9000, 60, false, true }, 0, 24, 0 },
	{ 512, 4096, 66000, { 80000, 14, false, false }, 0, 40, 0 },
	{ 512, 32768, 66000, { 150000, 14, false, false }, 0, 30, 0 },
	{ 1024, 1024, 66000, { 30000, 14, false, false }, 512, 30, 0 },
	{ 2048, 8192, 66000, { 50000, 14, true, false }, 512, 30, 0 },
	{ 4096, 4096, 66000, { 50000, 14, false, false }, 0, 40, 0 },
	{ 4096, 4096, 66000, { 50000, 40, false, true }, 512, 40, 0 },
	{ 4096, 262144, 66000, { 400000, 14, false, false }, 0, 20, 0 },
	{ 512, 512, 3000, { 60000, 10, false, false }, 0, 60, 250 },
	{ 512, 2048, 1500, { 40000, 12, true, true }, 0, 40, 200 },
	{ 4096, 4096, 1500, { 400000, 10, false, false }, 0, 40, 1500 },
};

TEST(random_lives)
{
	AUTO_FOLDER char *folder = make_folder();
	const char *more = getenv("FAT_UPDATE_SEEDS");
	u64 n = more ? strtoull(more, NULL, 10) : 1;

	for (u64 seed = 1; seed <= n; seed++)
		for (size_t i = getenv("FROM") ? atoi(getenv("FROM")) : 0; i < ARRAY_SIZE(lives); i++)
			live(folder, &lives[i], seed * 1000 + i);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
