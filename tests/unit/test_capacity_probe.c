/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sticks that are in use: fakes are found, honest ones are not accused, nothing of anybody's is written. The sticks are
 * made by the real job, and their bytes are put through the models of fakes.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>

#include "src/capacity.h"
#include "src/content.h"
#include "src/job_create.h"
#include "src/media/device_test.h"
#include "src/media/sysfs.h"
#include "tests/lib/fake.h"
#include "tests/lib/sandbox.h"

#define CLAIMED (16 * GIB + 5 * MIB + 512)

static char *source, *small_source;

/* How the sticks are made. */
static const struct kind {
	const char *name;
	enum table_type table;
	enum boot_fs boot_fs;
	bool no_data;
	u32 sector_size;
	u64 size;
} kinds[] = {
	{ "mbr-fat32", TABLE_MBR, BOOT_FS_FAT32, false, 512, CLAIMED },
	{ "gpt-ext4", TABLE_GPT, BOOT_FS_EXT4, false, 512, CLAIMED },
	{ "no-data", TABLE_MBR, BOOT_FS_FAT32, true, 512, CLAIMED },
	{ "4k-sectors", TABLE_GPT, BOOT_FS_FAT32, false, 4096, 16 * GIB },
};

struct made {
	char *path;
	struct device *file; /* read-only */
	struct stick stick;
};

static bool make_of(const char *from, const struct kind *k, struct made *ret)
{
	AUTO_ERR struct err e = { 0 };
	struct create_request q = { .source = from, .sector_size = k->sector_size };
	struct create_source read;
	struct create_job j;
	bool ok;

	*ret = (struct made){ .path = sandbox_path("stick.img") };
	sandbox_make(ret->path, k->size);
	q.target = ret->path;
	q.plan = (struct plan_options){ .table = k->table, .boot_fs = k->boot_fs, .no_data = k->no_data };
	seed_from_text(k->name, &q.plan.seed);
	ok = CHECK_OK(create_source_read(&q, &read, &e), &e);
	if (!ok)
		return false;
	ok = CHECK_OK(create_job_prepare(&q, &read, &j, &e), &e);
	if (ok) {
		ok = CHECK_OK(create_jobs_run(&j, 1, &e), &e);
		create_job_free(&j);
	}
	create_source_free(&read);
	ok = ok && CHECK_OK(device_open(ret->path, false, &ret->file, &e), &e);
	if (ok)
		ret->file->sector_size = k->sector_size;
	return ok && CHECK_OK(stick_read(ret->file, &ret->stick, &e), &e);
}

static bool make(const struct kind *k, struct made *ret)
{
	return make_of(source, k, ret);
}

static void unmake(struct made *m)
{
	stick_free(&m->stick);
	device_free(m->file);
	unlink(m->path);
	free(m->path);
}

/* Puts what is in the file, ascending, to a device; what the device does with it is its matter. */
static void pour(const struct made *m, struct device *to)
{
	AUTO_FREE u8 *data = xcalloc(1, MIB);
	off_t at = 0, end;

	while ((at = lseek(m->file->fd, at, SEEK_DATA)) >= 0) {
		end = lseek(m->file->fd, at, SEEK_HOLE);
		at &= ~(off_t)4095;
		for (; at < end && (u64)at < to->size; at += (off_t)MIB) {
			ssize_t n = pread(m->file->fd, data, MIN(MIB, to->size - (u64)at), at);

			if (n > 0 && to->ops->write(to, (u64)at, data, (size_t)n) < 0)
				break;
		}
		at = end;
	}
}

static int add_to_hash(void *ctx, u64 off, const u8 *data, size_t len)
{
	static const u8 zeros[4096];

	for (size_t i = 0; i < len; i += 4096) {
		size_t n = MIN(len - i, 4096);
		u64 at = off + i;

		if (memcmp(data + i, zeros, n) == 0)
			continue;
		sha256_add(ctx, &at, sizeof(at));
		sha256_add(ctx, data + i, n);
	}
	return 0;
}

/* Of all bytes that are not zero. */
static void hash_memory(struct device *memory, u8 ret[SHA256_SIZE])
{
	struct sha256 *h = sha256_new();

	device_memory_each(memory, add_to_hash, h);
	sha256_end(h, ret);
}

struct result {
	struct checks checks;
	size_t writes;
	u64 end;   /* of the highest one */
	bool same; /* every byte, before and after */
};

/* `fake` is NULL where `d` is no fake. */
static void probe(struct device *memory, struct device *d, struct device *fake, const struct stick *s,
                  struct result *ret)
{
	AUTO_ERR struct err e = { 0 };
	u8 before[SHA256_SIZE], after[SHA256_SIZE];
	struct device *recorder = device_new_recorder(d, false);
	const struct record *record;
	size_t n;

	*ret = (struct result){ 0 };
	hash_memory(memory, before);
	CHECK_OK(capacity_probe(recorder, s, NULL, &ret->checks, &e), &e);
	if (fake)
		device_fake_replug(fake);
	hash_memory(memory, after);
	ret->same = memcmp(before, after, sizeof(before)) == 0;
	record = device_records(recorder, &n);
	for (size_t i = 0; i < n; i++)
		if (!record[i].is_flush) {
			ret->writes++;
			ret->end = MAX(ret->end, record[i].off + record[i].len);
		}
	device_free(recorder);
}

static void check_result(const char *name, struct result *x, enum check_result want, const char *words)
{
	if (x->checks.n != 1 || x->checks.check[0].result != want || !strstr(x->checks.check[0].detail, words) ||
	    !x->same)
		test_fail(__FILE__, __LINE__, "%s: %zu checks, %d, same %d: %s", name, x->checks.n,
		          x->checks.n ? (int)x->checks.check[0].result : -1, x->same,
		          x->checks.n ? x->checks.check[0].detail : "");
	checks_free(&x->checks);
}

/* The stick's bytes on a fake; all that is wanted of the result. */
static void check_fake(const struct made *m, const struct kind *k, struct fake fake, enum check_result want,
                       const char *words, size_t max_writes)
{
	struct device *memory = device_new_memory("stick", k->size, k->sector_size);
	struct device *d = device_new_fake(memory, fake);
	struct result x;

	pour(m, d);
	device_fake_replug(d);
	probe(memory, d, d, &m->stick, &x);
	if (x.writes > max_writes)
		test_fail(__FILE__, __LINE__, "%s: %zu writes", k->name, x.writes);
	check_result(k->name, &x, want, words);
	device_free(d);
	device_free(memory);
}

TEST(honest_sticks_are_not_accused)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct made m;

		if (make(&kinds[i], &m)) {
			check_fake(&m, &kinds[i], (struct fake){ 0 }, CHECK_OK, "as far as", 400);
			check_fake(&m, &kinds[i], (struct fake){ .cache = 5 * MIB }, CHECK_OK, "as far as", 400);
		}
		unmake(&m);
	}
}

/*
 * By reading alone, and proved by one mark in a free place that is another free place as well (and put back: 2).
 */
TEST(wraps_around)
{
	static const u64 real[] = { 8 * GIB, 5 * GIB + 512, 3 * GIB + 333 * MIB + 3584, 15 * GIB, 2 * GIB };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct made m;
		bool ok = make(&kinds[i], &m);

		for (size_t r = 0; r < ARRAY_SIZE(real) && ok; r++)
			check_fake(
			    &m, &kinds[i],
			    (struct fake){ .kind = FAKE_WRAPS, .real = align_down(real[r], kinds[i].sector_size) },
			    CHECK_BAD, "ends up at the beginning", 2);
		unmake(&m);
	}
}

/* The stick holds so little that there is nothing to search for: a run of marks is, written where the flash surely is.
 */
TEST(wraps_around_and_is_nearly_empty)
{
	static const u64 real[] = { 8 * GIB, 3 * GIB + 512 };
	struct made m;
	bool ok = make_of(small_source, &kinds[2], &m);

	for (size_t i = 0; i < ARRAY_SIZE(real) && ok; i++) {
		struct device *memory = device_new_memory("stick", CLAIMED, 512);
		struct device *d = device_new_fake(memory, (struct fake){ .kind = FAKE_WRAPS, .real = real[i] });
		struct result x;

		pour(&m, d);
		probe(memory, d, d, &m.stick, &x);
		CHECK(x.writes > 2 && x.writes <= 64 && x.end < 200 * MIB);
		check_result("nearly empty", &x, CHECK_BAD, "ends up at the beginning");
		device_free(d);
		device_free(memory);
	}
	unmake(&m);
}

/* What create wrote all over DATA is missing: nothing is written to find that out. */
TEST(loses_what_was_written_when_it_was_made)
{
	static const enum fake_kind losing[] = { FAKE_LOSES, FAKE_LAST, FAKE_FAILS };
	static const u64 real[] = { 8 * GIB, 5 * GIB + 512, 2 * GIB, 13 * GIB };

	for (size_t i = 0; i < 2; i++) {
		struct made m;
		bool ok = make(&kinds[i], &m);

		for (size_t r = 0; r < ARRAY_SIZE(real) && ok; r++)
			for (size_t k = 0; k < ARRAY_SIZE(losing); k++)
				check_fake(&m, &kinds[i],
				           (struct fake){ losing[k], .real = real[r], .fill = (enum fake_fill)(r % 3) },
				           CHECK_BAD,
				           losing[k] == FAKE_FAILS ? "cannot be read"
				                                   : "near its end when it was made is not there",
				           0);
		unmake(&m);
	}
}

/* Without DATA, marks in free clusters tell. */
TEST(loses_and_has_no_data)
{
	static const struct {
		struct fake fake;
		const char *words;
	} row[] = {
		{ { .kind = FAKE_LOSES, .real = 8 * GIB }, "loses what is written beyond about 8" },
		{ { .kind = FAKE_LOSES, .real = 5 * GIB + 512, .fill = FILL_NOISE },
		  "loses what is written beyond about" },
		{ { .kind = FAKE_LOSES, .real = 15 * GIB, .cache = 8 * MIB }, "it is a fake" },
		{ { .kind = FAKE_LAST, .real = 8 * GIB }, "overwrites something else" },
		{ { .kind = FAKE_FAILS, .real = 8 * GIB }, "cannot be read or written" },
		{ { .kind = FAKE_HOLE, .real = 4 * GIB, .hole = 6 * GIB }, "does not keep" },
	};
	struct made m;
	bool ok = make(&kinds[2], &m);

	for (size_t i = 0; i < ARRAY_SIZE(row) && ok; i++)
		check_fake(&m, &kinds[2], row[i].fake, CHECK_BAD, row[i].words, 1000);
	unmake(&m);
}

/* An honest stick on which somebody keeps a copy of a part of it looks as if it wrapped around; a mark says no. */
TEST(copies_on_an_honest_stick)
{
	static const u64 places[] = { 7 * GIB, 6 * GIB + 3 * 512 };
	struct made m;

	if (make(&kinds[0], &m)) {
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			struct device *memory = device_new_memory("stick", CLAIMED, 512);
			struct device *copy = device_new_window(memory, "copy", places[i], 2 * GIB);
			struct result x;

			pour(&m, copy);
			pour(&m, memory);
			probe(memory, memory, NULL, &m.stick, &x);
			check_result("copy", &x, CHECK_OK, "as far as");
			device_free(copy);
			device_free(memory);
		}
	}
	unmake(&m);
}

/* The power goes when all marks are there: what is the user's and what is livestick's is as it was. */
TEST(a_power_cut_touches_no_used_block)
{
	for (size_t i = 0; i < 2; i++) {
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *cmd = NULL;
		struct device *d = NULL, *dying, *boot;
		struct checks c = { 0 };
		struct made m;

		if (make(&kinds[i], &m) && stick_data(&m.stick)) {
			const struct scan_part *data = stick_data(&m.stick);

			cmd = text_of("set -e; cd $(dirname %s); head -c 30000000 /dev/urandom >mine; "
			              "debugfs -w -R 'write mine mine' '%s?offset=%llu' 2>/dev/null >/dev/null",
			              m.path, m.path, (unsigned long long)data->start);
			CHECK(system(cmd) == 0);
			device_free(m.file);
			m.file = NULL;
			CHECK_OK(device_open(m.path, true, &d, &e), &e);
			dying = device_new_failing(d, (struct fault){ .at_flush = 1, .error = ENODEV, .dies = true });
			CHECK_OK(capacity_probe(dying, &m.stick, NULL, &c, &e), &e);
			CHECK_U64(checks_count(&c, CHECK_BAD), 2);
			boot = device_new_window(d, "BOOT", m.stick.boot_start, m.stick.boot_size);
			CHECK_OK(content_verify(boot, &m.stick.slot[SLOT_A], NULL, &e), &e);
			CHECK_OK(content_verify(boot, &m.stick.manifest, NULL, &e), &e);
			device_free(boot);
			device_free(dying);
			device_free(d);
			free(cmd);
			cmd = text_of("set -e; cd $(dirname %s); e2fsck -fn '%s?offset=%llu' >fsck.log 2>&1; "
			              "debugfs -R 'dump mine back' '%s?offset=%llu' 2>/dev/null; cmp mine back; "
			              "rm -f mine back fsck.log",
			              m.path, m.path, (unsigned long long)data->start, m.path,
			              (unsigned long long)data->start);
			CHECK(system(cmd) == 0);
			free(cmd);
			cmd = text_of(
			    "set -e; cd $(dirname %s); dd if=%s of=boot.img bs=1M iflag=skip_bytes,count_bytes "
			    "skip=%llu count=%llu conv=sparse status=none; %s boot.img >fsck.log 2>&1; "
			    "rm -f boot.img fsck.log",
			    m.path, m.path, (unsigned long long)m.stick.boot_start,
			    (unsigned long long)m.stick.boot_size, m.stick.boot_is_ext4 ? "e2fsck -fn" : "fsck.fat -n");
			CHECK(system(cmd) == 0);
			checks_free(&c);
		}
		unmake(&m);
	}
}

/* What is free in a volume that was not unmounted is not known: nothing is written there. */
TEST(a_volume_that_was_not_unmounted_is_not_written)
{
	struct made m;

	if (make(&kinds[0], &m)) {
		const struct scan_part *data = stick_data(&m.stick);
		struct device *memory = device_new_memory("stick", CLAIMED, 512);
		struct device *recorder = device_new_recorder(memory, false);
		AUTO_ERR struct err e = { 0 };
		struct checks c = { 0 };
		const struct record *record;
		AUTO_FREE char *cmd = text_of("debugfs -w -R 'ssv state 0' '%s?offset=%llu' >/dev/null 2>&1", m.path,
		                              (unsigned long long)data->start);
		size_t n;

		CHECK(system(cmd) == 0);
		pour(&m, memory);
		CHECK_OK(capacity_probe(recorder, &m.stick, NULL, &c, &e), &e);
		record = device_records(recorder, &n);
		CHECK(n > 0);
		for (size_t i = 0; i < n; i++)
			CHECK(record[i].is_flush || record[i].off + record[i].len <= data->start ||
			      record[i].off >= data->start + data->size);
		CHECK_U64(c.n, 1);
		CHECK(c.n &&
		      strstr(c.check[0].detail, "; DATA: was not unmounted, so what is free in it is not known"));
		checks_free(&c);
		device_free(recorder);
		device_free(memory);
	}
	unmake(&m);
}

TEST(what_cannot_be_written_is_unknown)
{
	struct made m;

	if (make(&kinds[0], &m)) {
		AUTO_ERR struct err e = { 0 };
		struct checks c = { 0 };

		CHECK_OK(capacity_probe(m.file, &m.stick, NULL, &c, &e), &e);
		CHECK_U64(c.n, 1);
		CHECK_U64(checks_count(&c, CHECK_UNKNOWN), 1);
		CHECK(c.n && strstr(c.check[0].detail, "could not be opened for writing"));
		CHECK_OK(capacity_probe(m.file, NULL, NULL, &c, &e), &e);
		CHECK_U64(checks_count(&c, CHECK_UNKNOWN), 2);
		checks_free(&c);
	}
	unmake(&m);
}

/* ---- interrupted at each write */

struct interrupter {
	struct device d;
	struct device *under;
	u64 left;
};

static int interrupter_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct device *under = ((struct interrupter *)d)->under;

	return under->ops->read(under, off, buf, len);
}

static int interrupter_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct interrupter *x = (struct interrupter *)d;

	if (x->left-- == 0)
		interrupted = 1;
	return x->under->ops->write(x->under, off, buf, len);
}

TEST(an_interruption_puts_everything_back)
{
	static const struct device_ops ops = { .read = interrupter_read, .write = interrupter_write };
	struct made m;

	if (make(&kinds[0], &m)) {
		struct device *memory = device_new_memory("stick", CLAIMED, 512);
		u8 before[SHA256_SIZE], after[SHA256_SIZE];

		pour(&m, memory);
		hash_memory(memory, before);
		for (u64 at = 0; at < 60; at += 13) {
			struct interrupter x = { .d = *memory, .under = memory, .left = at };
			AUTO_ERR struct err e = { 0 };
			struct checks c = { 0 };

			x.d.ops = &ops;
			CHECK(capacity_probe(&x.d, &m.stick, NULL, &c, &e) == -EINTR);
			interrupted = 0;
			CHECK_U64(c.n, 0);
			checks_free(&c);
			hash_memory(memory, after);
			CHECK(memcmp(before, after, sizeof(before)) == 0);
		}
		device_free(memory);
	}
	unmake(&m);
}

/* No bytes of it are looked into, but for the menu. */
static char *make_source(const char *name, unsigned size)
{
	char *path = sandbox_path(name);

	CHECK_U64(
	    sandbox_run("mkdir -p %s/live %s/isolinux && cd %s && head -c 70000 /dev/urandom >live/vmlinuz && "
	                "head -c 90000 /dev/urandom >live/initrd.img && "
	                "head -c %u /dev/urandom >live/filesystem.squashfs && "
	                "printf 'label live\\n linux /live/vmlinuz\\n initrd /live/initrd.img\\n append boot=live\\n' "
	                ">isolinux/isolinux.cfg",
	                path, path, path, size),
	    0);
	return path;
}

static void remove_source(char *path)
{
	CHECK_U64(sandbox_run("rm -r %s", path), 0);
	free(path);
}

int main(int argc, char **argv)
{
	int status;

	source = make_source("tree", 50000000);
	small_source = make_source("small", 200000);
	status = test_main(argc, argv);
	remove_source(source);
	remove_source(small_source);
	return status;
}
