/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hashing beside the reading, and what is said of files that cannot be read: on a volume of mkfs.fat. */
#include "src/content.h"

#include <errno.h>

#include "src/base/hashing.h"
#include "src/fs/ext4.h"
#include "tests/lib/counting.h"
#include "tests/unit/fat_small.h"

#define BIG (3 * MIB + 777)

static char folder[64] = "/var/tmp/livestick-content.XXXXXX";

/* A device that cannot read some bytes, each time or only once. */
struct spoilt {
	struct device d;
	struct device *under;
	u64 from, to;
	bool once;
};

static int spoilt_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct spoilt *s = (struct spoilt *)d;
	AUTO_ERR struct err e = { 0 };

	if (off < s->to && off + len > s->from) {
		if (s->once)
			s->to = s->from;
		return -EIO;
	}
	return device_read(s->under, off, buf, len, &e);
}

static void spoilt_free(struct device *d)
{
	(void)d;
}

static const struct device_ops spoilt_ops = { .read = spoilt_read, .free = spoilt_free };

static struct device *new_spoilt(struct device *under, u64 from, u64 to, bool once)
{
	struct spoilt *s = xcalloc(1, sizeof(*s));

	s->d = (struct device){ .ops = &spoilt_ops, .size = under->size, .sector_size = 512, .fd = -1 };
	s->d.name = xstrdup("/dev/sdx");
	s->under = under;
	s->from = from;
	s->to = to;
	s->once = once;
	return &s->d;
}

struct scene {
	struct small small;
	struct volume_files files;
	struct manifest manifest;
	u8 *big;
	u64 big_at; /* on the device */
};

static void add(struct scene *s, const char *path, const void *bytes, u64 size)
{
	volume_add(&s->files, path, size, input_memory(bytes), 1700000000);
	sha256_add(manifest_add_file(&s->manifest, path, size), bytes, size);
}

static void scene_make(struct scene *s)
{
	static const char small_text[] = "small";

	*s = (struct scene){ .big = xcalloc(1, BIG) };
	for (size_t i = 0; i < BIG; i++)
		s->big[i] = (u8)(i * 2654435761U >> 13);
	small_make(&s->small, folder, 512, 64 * MIB, "-F 32 -s 1");
	add(s, "/empty", small_text, 0);
	add(s, "/big", s->big, BIG);
	add(s, "/last", small_text, 5);
	manifest_text(&s->manifest);
	small_put(&s->small, &s->files);
	/* It is in one piece on a volume that was empty. */
	for (s->big_at = s->small.data;; s->big_at += 512) {
		u8 sector[512];
		struct err e = { 0 };

		if (!CHECK_OK(device_read(s->small.d, s->big_at, sector, 512, &e), &e) ||
		    memcmp(sector, s->big, 512) == 0)
			break;
	}
}

static void scene_free(struct scene *s)
{
	small_free(&s->small);
	volume_files_free(&s->files);
	manifest_free(&s->manifest);
	free(s->big);
}

static void check(struct scene *s, struct device *d, struct content *ret)
{
	AUTO_DEVICE struct device *window = device_new_window(d, "BOOT", s->small.start, s->small.size);
	struct err e = { 0 };

	*ret = (struct content){ 0 };
	CHECK_OK(content_check(window, &s->manifest, NULL, ret, &e), &e);
}

TEST(what_is_as_written_is_counted)
{
	struct scene s;
	struct content found;

	scene_make(&s);
	check(&s, s.small.d, &found);
	CHECK_U64(found.n, 0);
	CHECK_U64(found.files, 3);
	CHECK_U64(found.bytes, BIG + 5);
	content_free(&found);
	scene_free(&s);
}

TEST(faults_come_in_the_order_of_the_manifest)
{
	struct scene s;
	struct content found;
	u8 other;

	scene_make(&s);
	other = (u8)~s.big[BIG - 1];
	small_poke(&s.small, s.big_at + BIG - 1, &other, 1);
	manifest_free(&s.manifest);
	add(&s, "/absent", "x", 1);
	add(&s, "/big", s.big, BIG);
	add(&s, "/last", "smal", 4);
	add(&s, "/empty", "", 0);
	manifest_text(&s.manifest);
	check(&s, s.small.d, &found);
	CHECK_U64(found.n, 3);
	CHECK_STR(found.fault[0].sentence, "/absent: is missing");
	CHECK_STR(found.fault[1].sentence, "/big: is not what was written: its SHA-256 differs");
	CHECK_STR(found.fault[2].sentence, "/last: has 5 bytes instead of 4");
	CHECK_U64(found.files, 1);
	content_free(&found);
	scene_free(&s);
}

/* The block is named, in the file and on the device, and what comes after is read all the same. */
TEST(a_bad_block_is_named_and_the_rest_goes_on)
{
	struct scene s;
	struct content found;
	AUTO_DEVICE struct device *d = NULL;
	AUTO_BUF struct buf expected = { 0 };
	u64 bad = 2 * MIB + 5 * 4096;

	scene_make(&s);
	d = new_spoilt(s.small.d, s.big_at + bad + 512, s.big_at + bad + 1024, false);
	check(&s, d, &found);
	CHECK_U64(found.n, 1);
	CHECK_U64(found.files, 2);
	CHECK(found.fault[0].what == CONTENT_UNREADABLE);
	buf_addf(&expected, "/big: cannot be read at byte %llu of it: ", (unsigned long long)bad);
	CHECK(strncmp(found.fault[0].sentence, expected.s, expected.len) == 0);
	expected.len = 0;
	buf_addf(&expected, "byte %llu", (unsigned long long)(s.big_at + bad));
	if (!strstr(found.fault[0].sentence, expected.s))
		test_fail(__FILE__, __LINE__, "%s: does not say %s", found.fault[0].sentence, expected.s);
	CHECK(strstr(found.fault[0].sentence, "Input/output error"));
	content_free(&found);
	scene_free(&s);
}

TEST(what_can_be_read_at_a_second_try_is_a_fault_too)
{
	struct scene s;
	struct content found;
	AUTO_DEVICE struct device *d = NULL;

	scene_make(&s);
	d = new_spoilt(s.small.d, s.big_at + MIB, s.big_at + MIB + 512, true);
	check(&s, d, &found);
	CHECK_U64(found.n, 1);
	CHECK(found.n && strstr(found.fault[0].sentence, "second try"));
	content_free(&found);
	scene_free(&s);
}

TEST(an_interrupt_ends_it)
{
	struct scene s;
	struct content found = { 0 };
	struct err e = { 0 };

	scene_make(&s);
	interrupted = 1;
	{
		AUTO_DEVICE struct device *w = device_new_window(s.small.d, "BOOT", s.small.start, s.small.size);

		CHECK_FAILS(content_check(w, &s.manifest, NULL, &found, &e), &e, "interrupted");
	}
	interrupted = 0;
	content_free(&found);
	scene_free(&s);
}

/* ---- names of one file */

/* "/a" and "/c" are names of one file, "/b" is another. */
static void names_make(struct scene *s, struct device *d)
{
	const struct ext4_options o = { .size = 32 * MIB, .label = "BOOT", .time = 1700000000, .for_loader = true };
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };
	struct ext4 *x;

	*s = (struct scene){ .big = xcalloc(1, BIG) };
	memset(s->big, 'b', BIG);
	add(s, "/a", s->big, BIG);
	add(s, "/b", s->big, 5);
	volume_add(&s->files, "/c", BIG, input_memory(s->big), 1700000000)->same_as = 1;
	manifest_add_same(&s->manifest, "/c", 0);
	manifest_text(&s->manifest);
	CHECK(memcmp(s->manifest.file[0].hash->digest, s->manifest.file[2].hash->digest, SHA256_SIZE) == 0);
	if (CHECK_OK(ext4_plan(&o, &s->files, &x, &e), &e)) {
		ext4_emit(x, w);
		CHECK_OK(writelist_finish(w, &e), &e);
		CHECK_OK(writelist_run(w, d, NULL, &e), &e);
		ext4_free(x);
	}
	s->big_at = s->files.file[0].device_off;
	writelist_free(w);
}

TEST(names_of_one_file_are_read_once)
{
	AUTO_DEVICE struct device *d = device_new_memory("BOOT", 32 * MIB, 4096);
	struct counting c;
	AUTO_ERR struct err e = { 0 };
	struct content found = { 0 };
	struct scene s;

	counting_init(&c, d);
	names_make(&s, d);
	CHECK_OK(content_check(&c.d, &s.manifest, NULL, &found, &e), &e);
	CHECK_U64(found.n, 0);
	CHECK_U64(found.files, 3);
	CHECK_U64(found.bytes, 2 * BIG + 5);
	CHECK(c.bytes_read >= BIG && c.bytes_read < BIG + MIB);
	content_free(&found);

	CHECK_OK(device_write(d, s.big_at, "x", 1, &e), &e); /* is wrong under both */
	CHECK_OK(content_check(&c.d, &s.manifest, NULL, &found, &e), &e);
	CHECK_U64(found.n, 2);
	CHECK_STR(found.fault[0].sentence, "/a: is not what was written: its SHA-256 differs");
	CHECK_STR(found.fault[1].sentence, "/c: is not what was written: its SHA-256 differs");
	content_free(&found);

	s.manifest.file[2].size--; /* each is compared with what is said of itself */
	CHECK_OK(content_check(&c.d, &s.manifest, NULL, &found, &e), &e);
	CHECK_U64(found.n, 2);
	CHECK_STR(found.fault[1].sentence, "/c: has 3146505 bytes instead of 3146504");
	content_free(&found);
	volume_files_free(&s.files);
	manifest_free(&s.manifest);
	free(s.big);
}

/* What cannot be read is told of each name. */
TEST(a_bad_block_under_two_names)
{
	AUTO_DEVICE struct device *d = device_new_memory("BOOT", 32 * MIB, 4096), *bad = NULL;
	AUTO_ERR struct err e = { 0 };
	struct content found = { 0 };
	struct scene s;

	names_make(&s, d);
	bad = new_spoilt(d, s.big_at, s.big_at + 512, false);
	CHECK_OK(content_check(bad, &s.manifest, NULL, &found, &e), &e);
	CHECK_U64(found.n, 2);
	CHECK(found.n == 2 && strstr(found.fault[0].sentence, "/a: cannot be read at byte 0"));
	CHECK(found.n == 2 && strstr(found.fault[1].sentence, "/c: cannot be read at byte 0"));
	content_free(&found);
	volume_files_free(&s.files);
	manifest_free(&s.manifest);
	free(s.big);
}

/* Many files of many sizes, in one go: each digest is that of its own bytes. */
TEST(hashing_gives_each_file_its_own_digest)
{
	enum { N = 300 };
	AUTO_FREE void *digests = xcalloc(N, SHA256_SIZE);
	u8(*digest)[SHA256_SIZE] = digests;
	AUTO_HASHING struct hashing *h = NULL;
	AUTO_FREE u8 *bytes = xcalloc(1, 3 * MIB);
	struct err e = { 0 };

	for (size_t i = 0; i < 3 * MIB; i++)
		bytes[i] = (u8)(i * 40503 >> 7);
	CHECK_OK(hashing_new(&h, &e), &e);
	for (size_t i = 0; i < N; i++) {
		struct sha256 *of = sha256_new();
		size_t size = i * 7919 % (3 * MIB);

		for (size_t off = 0; off < size; off += HASHING_PIECE) {
			size_t len = MIN(HASHING_PIECE, size - off);

			memcpy(hashing_piece(h), bytes + off, len);
			hashing_add(h, of, len);
		}
		hashing_end(h, of, digest[i]);
	}
	hashing_wait(h);
	for (size_t i = 0; i < N; i++) {
		u8 right[SHA256_SIZE];

		sha256_of(bytes, i * 7919 % (3 * MIB), right);
		CHECK(memcmp(digest[i], right, SHA256_SIZE) == 0);
	}
}

int main(int argc, char **argv)
{
	int r;

	if (!mkdtemp(folder))
		return 1;
	r = test_main(argc, argv);
	rmdir(folder);
	return r;
}
