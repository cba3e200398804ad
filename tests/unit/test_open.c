/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disk images as sources: which partition is taken, what is in it, what is refused. Made by mkfs.fat, mtools, mke2fs.
 */
#include <errno.h>

#include "src/open.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

/* Runs in the sandbox. */
static bool make(const char *commands)
{
	AUTO_FREE char *here = sandbox_path("");
	int status = sandbox_run("cd '%s' && rm -rf * && %s", here, commands);

	if (status)
		test_fail(__FILE__, __LINE__, "%s: %d: %s", commands, status, sandbox_said());
	return status == 0;
}

#define TREE                                                                                                           \
	"mkdir -p tree/live tree/dir && printf kernel >tree/live/vmlinuz && printf image >tree/live/x.squashfs && "    \
	"printf '' >tree/dir/empty && "
#define FAT_AT(off)                                                                                                    \
	"mkfs.fat -n LIVE --offset $((" off " / 512)) x.img 4000 >/dev/null && mcopy -s -i x.img@@" off " tree/* :: "  \
	"&& "
#define EXT_AT(off)  "mke2fs -q -F -t ext4 -O ^metadata_csum -L LIVE -E offset=" off " -d tree x.img 4M && "
#define TABLE(parts) "truncate -s 12M x.img && printf '" parts "' | sfdisk -q x.img && "

static const struct node *check_file(const struct source *s, const char *path, const char *want)
{
	const struct node *n = source_find_exact(s, path);
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err e = { 0 };

	if (!n || !CHECK_OK(node_load(n, 100, &text, NULL, &e), &e)) {
		test_fail(__FILE__, __LINE__, "%s is not there", path);
		return NULL;
	}
	CHECK_STR(text, want);
	return n;
}

static void check_source(const struct source *s, const char *format)
{
	CHECK_STR(s->format, format);
	CHECK_STR(s->volume_id, "LIVE");
	check_file(s, "/live/vmlinuz", "kernel");
	check_file(s, "/live/x.squashfs", "image");
	check_file(s, "/dir/empty", "");
	CHECK_U64(s->n_boot_images, 0);
}

TEST(the_partition_with_a_kernel)
{
	static const struct {
		const char *what, *commands, *format;
	} rows[] = {
		{ "FAT", TREE "truncate -s 12M x.img && " FAT_AT("0") "true", "disk image, FAT" },
		{ "ext4", TREE "truncate -s 12M x.img && " EXT_AT("0") "true", "disk image, ext" },
		{ "FAT on MBR", TREE TABLE("2048,8192,c") FAT_AT("1048576") "true", "disk image, FAT" },
		{ "ext4 on GPT", TREE TABLE("label: gpt\\n2048,8192") EXT_AT("1048576") "true", "disk image, ext" },
		{ "an empty one first",
		  TREE TABLE("2048,8192,c\\n10240,8192,83") "mkfs.fat --offset 2048 x.img 4000 >/dev/null && " EXT_AT(
		      "5242880") "true",
		  "disk image, ext" },
		{ "a swap partition first", TREE TABLE("2048,8192,82\\n10240,8192,c") FAT_AT("5242880") "true",
		  "disk image, FAT" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *path = sandbox_path("x.img");
		AUTO_SOURCE struct source *s = NULL;
		AUTO_ERR struct err e = { 0 };

		if (!make(rows[i].commands))
			continue;
		if (CHECK_OK(open_source(path, &s, &e), &e))
			check_source(s, rows[i].format);
		else
			test_fail(__FILE__, __LINE__, "%s", rows[i].what);
		CHECK(!s || (source_changed(s, &e) == 0 && !e.text));
		CHECK(sandbox_run("touch -d 2030-01-01 '%s'", path) == 0);
		if (s)
			CHECK_FAILS(source_changed(s, &e), &e, "was changed while it was in use");
	}
}

TEST(links_are_left_out)
{
	AUTO_FREE char *path = sandbox_path("x.img");
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };

	if (!make(TREE
	          "ln -s ../../etc/passwd tree/live/link && ln -s live tree/other && truncate -s 12M x.img && " EXT_AT(
	              "0") "true") ||
	    !CHECK_OK(open_source(path, &s, &e), &e))
		return;
	CHECK(!source_find(s, "/live/link") && !source_find(s, "/other"));
	check_source(s, "disk image, ext");
}

/* Names of other systems, and those that mean something to a terminal, are shown harmless. */
TEST(odd_names_are_no_harm)
{
	AUTO_FREE char *path = sandbox_path("x.img");
	AUTO_SOURCE struct source *s = NULL;
	AUTO_ERR struct err e = { 0 };

	if (!make(TREE "touch tree/live/AAAA && truncate -s 12M x.img && " EXT_AT(
	        "0") "LC_ALL=C sed -i 's/AAAA/\\x1b[2J/' x.img") ||
	    !CHECK_OK(open_source(path, &s, &e), &e))
		return;
	CHECK(source_find(s, "/live/\xef\xbf\xbd[2J"));
}

/* What is no disk image either is described as what it is. */
TEST(refused)
{
	static const struct {
		const char *commands, *words;
	} rows[] = {
		{ "mkdir -p tree/live && touch tree/x && " TABLE("2048,8192,c") FAT_AT("1048576") "true",
		  "x.img: is a raw disk image with a partition table (MBR), not an ISO image" },
		{ TABLE("2048,8192,c") "true",
		  "x.img: is a raw disk image with a partition table (MBR), not an ISO image" },
		{ TREE "touch tree/live/AAAA tree/live/BBBB && " TABLE("2048,8192,83")
		      EXT_AT("1048576") "LC_ALL=C sed -i s/AAAA/BBBB/ x.img",
		  "x.img: /live/BBBB: is there twice" },
		{ TREE "touch tree/live/AAAA && " TABLE("2048,8192,83")
		      EXT_AT("1048576") "LC_ALL=C sed -i 's|AAAA|./.x|' x.img",
		  "x.img: is a raw disk image with a partition table (MBR), not an ISO image" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *path = sandbox_path("x.img");
		AUTO_SOURCE struct source *s = NULL;
		AUTO_ERR struct err e = { 0 };
		int r;

		if (!make(rows[i].commands))
			continue;
		r = open_source(path, &s, &e);
		CHECK(e.code == EXIT_SOURCE && e.text && !strchr(e.text, '\x1b'));
		CHECK_FAILS(r, &e, rows[i].words);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
