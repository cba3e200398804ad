/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/prove_disk.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define WORD "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct prove_marker marker = { ".livestick-12345678", WORD };
static const struct prove_marker other = { ".livestick-87654321", WORD };

struct scene {
	struct device *under, *overlay;
	struct scan_part part[2];
	struct stick stick;
};

/* Two partitions with an ext4 each, made by mke2fs of directories that `fill` makes. */
static bool make_scene(struct scene *s, const char *fill)
{
	AUTO_FREE char *image = sandbox_path("stick.img"), *dir = sandbox_path("d");
	AUTO_ERR struct err e = { 0 };

	*s = (struct scene){ 0 };
	if (sandbox_run("cd / && rm -rf '%s' && mkdir -p '%s' && cd '%s' && %s", dir, dir, dir, fill) != 0 ||
	    sandbox_run("rm -f '%s' '%s.p' && truncate -s 16M '%s.p' && mke2fs -q -t ext4 -d '%s' '%s.p' && "
	                "truncate -s 33M '%s' && dd if='%s.p' of='%s' bs=1M seek=1 conv=notrunc,sparse && "
	                "dd if='%s.p' of='%s' bs=1M seek=17 conv=notrunc,sparse",
	                image, image, image, dir, image, image, image, image, image, image) != 0) {
		test_fail(__FILE__, __LINE__, "%s", sandbox_said());
		return false;
	}
	for (int i = 0; i < 2; i++)
		s->part[i] = (struct scan_part){ .number = (unsigned)i + 1,
			                         .start = MIB + (u64)i * 16 * MIB,
			                         .size = 16 * MIB,
			                         .fs = (char *)"ext4",
			                         .fs_uuid = (char *)"" };
	s->stick.scan.part = s->part;
	s->stick.scan.n_parts = 2;
	return CHECK_OK(device_open(image, false, &s->under, &e), &e) &&
	       CHECK_OK(device_new_scratch(s->under, "/var/tmp", &s->overlay, &e), &e);
}

static void end_scene(struct scene *s)
{
	device_free(s->overlay);
	device_free(s->under);
}

TEST(the_partition_with_the_writes_is_the_one)
{
	AUTO_ERR struct err e = { 0 };
	u8 block[4096] = { 1 };
	struct scene s;

	if (make_scene(&s, "true")) {
		CHECK(prove_data(s.overlay, &s.stick) == &s.part[0]);
		CHECK_OK(device_write(s.overlay, s.part[1].start + 8192, block, 4096, &e), &e);
		CHECK(prove_data(s.overlay, &s.stick) == &s.part[1]);
		s.part[1].fs = (char *)"vfat";
		CHECK(prove_data(s.overlay, &s.stick) == &s.part[0]);
		s.part[0].fs = (char *)"";
		CHECK(prove_data(s.overlay, &s.stick) == NULL);
	}
	end_scene(&s);
}

TEST(a_marker_is_found_as_a_file)
{
	AUTO_ERR struct err e = { 0 };
	char *path = NULL;
	struct scene s;

	if (make_scene(&s, "mkdir -p rw/root && printf " WORD " >rw/root/.livestick-12345678")) {
		CHECK_U64(prove_find_marker(s.overlay, &s.part[0], &marker, &path, &e), 1);
		CHECK_STR(path, "/rw/root/.livestick-12345678");
		free(path);
		/* its bytes under another name are not the file; and nobody wrote them just now */
		CHECK_U64(prove_find_marker(s.overlay, &s.part[0], &other, &path, &e), 0);
	}
	end_scene(&s);
}

TEST(a_marker_of_the_same_name_with_other_bytes_is_none)
{
	AUTO_ERR struct err e = { 0 };
	char *path = NULL;
	struct scene s;

	if (make_scene(&s, "printf 0123456789 >.livestick-12345678; mkdir a; printf " WORD
	                   " | tr f F >a/.livestick-12345678"))
		CHECK_U64(prove_find_marker(s.overlay, &s.part[0], &marker, &path, &e), 0);
	end_scene(&s);
}

/* In an image, a snapshot, or where the file system cannot be read. */
TEST(a_marker_is_found_by_its_bytes)
{
	u8 block[4096] = { 0 };
	AUTO_ERR struct err e = { 0 };
	char *path = NULL;
	struct scene s;

	if (make_scene(&s, "true")) {
		memcpy(block + 100, WORD, strlen(WORD));
		CHECK_OK(device_write(s.overlay, s.part[0].start + 8 * MIB, block, 4096, &e), &e);
		CHECK_U64(prove_find_marker(s.overlay, &s.part[0], &marker, &path, &e), 1);
		CHECK(path == NULL);
		/* not on the other partition */
		CHECK_U64(prove_find_marker(s.overlay, &s.part[1], &marker, &path, &e), 0);
		memset(block, 0, sizeof(block));
		CHECK_OK(device_write(s.overlay, s.part[0].start, block, 4096, &e), &e);
		CHECK_U64(prove_find_marker(s.overlay, &s.part[0], &marker, &path, &e), 1);
		CHECK(path == NULL);
	}
	end_scene(&s);
}

TEST(traces_are_told_apart_by_their_times)
{
	AUTO_ERR struct err e = { 0 };
	struct prove_traces t = { 0 };
	u8 block[4096] = { 0 };
	struct scene s;

	if (make_scene(&s, "mkdir -p rw/etc rw/var/log && touch -d @900 old && touch -d @1000 rw/etc/machine-id && "
	                   "touch -d @1500 rw/etc/hostname && touch -d @2000 rw/var/log/a rw/var/log/b rw/var/log/c && "
	                   "ln -s x y && touch -h -d @1500 y")) {
		CHECK_OK(prove_find_traces(s.overlay, &s.part[0], 1000, 2000, &t, &e), &e);
		CHECK_U64(t.first, 2);
		CHECK_U64(t.second, 3);
		CHECK_U64(t.bytes, 0);
		CHECK(t.example && strncmp(t.example, "/rw/etc/", 8) == 0);
		free(t.example);
		CHECK_OK(device_write(s.overlay, s.part[0].start + MIB, block, 512, &e), &e);
		CHECK_OK(prove_find_traces(s.overlay, &s.part[0], 3000, 4000, &t, &e), &e);
		CHECK_U64(t.first + t.second, 0);
		CHECK_U64(t.bytes, 4096);
		CHECK(t.example == NULL);
		CHECK_OK(device_write(s.overlay, s.part[0].start, block, 4096, &e), &e);
		CHECK_FAILS(prove_find_traces(s.overlay, &s.part[0], 1000, 2000, &t, &e), &e, "");
	}
	end_scene(&s);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
