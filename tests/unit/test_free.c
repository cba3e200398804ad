/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is free in a volume, as the makers of the file systems count it; and what a list of writes touches. */
#include <errno.h>

#include "src/fs/reader.h"
#include "src/media/writelist.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

struct counted {
	u64 bytes, end;
};

static int count(void *ctx, u64 off, u64 len)
{
	struct counted *c = ctx;

	CHECK(off >= c->end && len > 0);
	c->end = off + len;
	c->bytes += len;
	return 0;
}

static u64 free_bytes(const char *path)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	AUTO_READER struct reader *v = NULL;
	struct counted c = { 0 };

	if (CHECK_OK(device_open(path, false, &d, &e), &e) && CHECK_OK(reader_open(d, &v, &e), &e))
		CHECK_OK(reader_each_free(v, count, &c, &e), &e);
	CHECK(d && c.end <= d->size);
	return c.bytes;
}

/* A number behind some words of what the last command said. */
static u64 said_number(const char *words)
{
	const char *at = strstr(sandbox_said(), words);

	CHECK(at != NULL);
	return at ? strtoull(at + strlen(words), NULL, 10) : 0;
}

TEST(fat)
{
	static const struct {
		const char *options;
		u64 size;
	} row[] = { { "-F 12 -s 8", 8 * MIB },
		    { "-F 16", 40 * MIB },
		    { "-F 32 -s 1", 64 * MIB },
		    { "-F 32 -s 8", 2 * GIB + 512 } };
	AUTO_FREE char *path = sandbox_path("fat.img");

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		u64 used, all, cluster;
		const char *slash;

		sandbox_make(path, row[i].size);
		CHECK_U64(sandbox_run("mkfs.fat %s %s", row[i].options, path), 0);
		for (int n = 0; n < 12; n++)
			CHECK_U64(sandbox_run("head -c %d /dev/zero | tr '\\0' x | mcopy -i %s - ::f%d",
			                      1000 + n * 30000, path, n),
			          0);
		CHECK_U64(sandbox_run("mdel -i %s ::f3 ::f7 ::f8", path), 0);
		CHECK_U64(sandbox_run("fsck.fat -n -v %s", path), 0);
		cluster = 0;
		slash = strstr(sandbox_said(), " bytes per cluster");
		while (slash && slash > sandbox_said() && slash[-1] >= '0' && slash[-1] <= '9')
			slash--;
		cluster = slash ? strtoull(slash, NULL, 10) : 0;
		used = said_number(" files, ");
		slash = strrchr(sandbox_said(), '/');
		all = slash ? strtoull(slash + 1, NULL, 10) : 0;
		CHECK(cluster && all > used);
		CHECK_U64(free_bytes(path), (all - used) * cluster);
	}
}

TEST(ext)
{
	static const char *const options[] = { "-t ext2 -b 1024", "-t ext4", "-t ext4 -O 64bit,bigalloc -b 4096",
		                               "-t ext4 -b 1024 -O ^flex_bg,^uninit_bg" };
	AUTO_FREE char *path = sandbox_path("ext.img");
	AUTO_FREE char *some = sandbox_path("some");

	CHECK_U64(sandbox_run("head -c 3000001 /dev/urandom >%s", some), 0);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		u64 block;

		sandbox_make(path, 200 * MIB);
		CHECK_U64(sandbox_run("mke2fs -q -F %s %s", options[i], path), 0);
		CHECK_U64(sandbox_run("debugfs -w -R 'write %s a' %s && debugfs -w -R 'write %s b' %s && "
		                      "debugfs -w -R 'rm a' %s && e2fsck -fy %s",
		                      some, path, some, path, path, path),
		          0);
		CHECK_U64(sandbox_run("dumpe2fs -h %s 2>/dev/null", path), 0);
		block = said_number("Block size:");
		CHECK_U64(free_bytes(path), said_number("Free blocks:") * block);
	}
}

TEST(ext_that_was_not_unmounted_does_not_tell)
{
	AUTO_FREE char *path = sandbox_path("ext.img");
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	AUTO_READER struct reader *v = NULL;
	struct counted c = { 0 };

	sandbox_make(path, 20 * MIB);
	CHECK_U64(sandbox_run("mke2fs -q -F -t ext4 %s && debugfs -w -R 'ssv state 0' %s", path, path), 0);
	CHECK_OK(device_open(path, false, &d, &e), &e);
	if (d && CHECK_OK(reader_open(d, &v, &e), &e))
		CHECK_FAILS(reader_each_free(v, count, &c, &e), &e,
		            "was not unmounted, so what is free in it is not known");
	CHECK_U64(c.bytes, 0);
}

TEST(what_a_list_touches)
{
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };

	CHECK(!writelist_touches(w, 0, UINT64_MAX));
	writelist_add_zero(w, 8192, 512);
	writelist_add_zero(w, 4096, 1024);
	writelist_add_zero(w, MIB, MIB);
	CHECK_OK(writelist_finish(w, &e), &e);
	CHECK(!writelist_touches(w, 0, 4096) && writelist_touches(w, 0, 4097));
	CHECK(writelist_touches(w, 5119, 1) && !writelist_touches(w, 5120, 3072));
	CHECK(writelist_touches(w, 5120, 3073) && writelist_touches(w, 0, 4 * MIB));
	CHECK(writelist_touches(w, 2 * MIB - 1, 9) && !writelist_touches(w, 2 * MIB, GIB));
	writelist_free(w);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
