/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * System images that somebody made up or that were damaged. They are made by mksquashfs without compressing metadata,
 * so that their inodes and names can be changed in place.
 */
#include "src/base/progress.h"
#include "tests/unit/image_case.h"

/* Of the superblock. */
enum { BYTES_USED = 40, ID_TABLE = 48, INODE_TABLE = 64, DIR_TABLE = 72, FRAGMENT_TABLE = 80, ROOT_INODE = 32 };

/* An inode's bytes begin with type, mode, two ids, time, number. */
enum { INODE_BASE = 16 };

static const char make_squashfs[] =
    "rm -rf tree && mkdir -p tree/dir/sub tree/other && echo hello >tree/file && ln -s dir/sub tree/link && "
    "head -c 5000 /dev/zero | tr '\\0' a >tree/dir/blocks && head -c 3000 /dev/urandom >tree/dir/tail && "
    "mknod tree/dir/null p && for i in 1 2 3 4 5; do echo $i >tree/dir/sub/n$i; done && "
    "mksquashfs tree x.sfs -all-root -noappend -quiet -no-progress -processors 2 -b 4096 -noI -noId -noD -noF -noX "
    ">/dev/null";

static struct buf squashfs(void)
{
	struct buf b = { 0 };

	if (sh(make_squashfs))
		b = load("x.sfs");
	CHECK(b.len > 4000);
	return b;
}

/* Finds a directory entry by its name: where it is, and where its inode is. */
struct place {
	u8 *entry, *inode;
};

static struct place find_entry(struct buf *b, const char *name)
{
	u8 *data = (u8 *)b->s, *dirs = data + get_le64(data + DIR_TABLE) + 2;
	u8 *end = data + get_le64(data + FRAGMENT_TABLE);
	struct place p = { 0 };

	/* Of the image's few inodes and names, all are in one block each. */
	for (u8 *at = dirs; at + 12 < end && !p.entry;) {
		u32 n = get_le32(at) + 1;

		for (at += 12; n && at + 8 < end; n--) {
			size_t len = (size_t)get_le16(at + 6) + 1;

			if (len == strlen(name) && memcmp(at + 8, name, len) == 0)
				p.entry = at;
			at += 8 + len;
		}
	}
	CHECK(p.entry != NULL);
	if (p.entry)
		p.inode = data + get_le64(data + INODE_TABLE) + 2 + get_le16(p.entry);
	return p;
}

static int nothing(void *ctx, const char *path, const struct image_entry *x)
{
	(void)ctx;
	(void)path;
	(void)x;
	return 0;
}

static void check_open_fails(const struct buf *b, const char *sentence)
{
	AUTO_IMAGE struct image *im = NULL;
	AUTO_ERR struct err e = { 0 };
	int r = image_open(input_memory(b->s), b->len, "x.sfs", &im, &e);

	CHECK_U64((u64)-r, EUCLEAN);
	CHECK(e.code == EXIT_SOURCE);
	CHECK_STR(e.text, sentence);
}

/* Everything is listed; a file is read when `path` is given. The image opens. */
static void check_fails(const struct buf *b, const char *path, int errno_wanted, const char *sentence)
{
	AUTO_IMAGE struct image *im = NULL;
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	struct image_stack s = { &im, 1 };
	int r;

	if (!CHECK_OK(image_open(input_memory(b->s), b->len, "x.sfs", &im, &e), &e))
		return;
	r = path ? image_load(&s, path, MIB, &text, NULL, &e) : image_each(&s, "/", NULL, nothing, NULL, &e);
	CHECK_U64((u64)-r, (u64)-errno_wanted);
	CHECK(e.code == EXIT_SOURCE && !text);
	CHECK_STR(e.text, sentence);
}

#define DAMAGED(path, what) "x.sfs: " path ": " what "; the squashfs is damaged"

TEST(superblocks)
{
	AUTO_BUF struct buf b = squashfs();
	AUTO_BUF struct buf said = { 0 };
	u8 *data = (u8 *)b.s;
	u64 used = get_le64(data + BYTES_USED);

	put_le64(data + BYTES_USED, b.len + 1);
	buf_addf(&said, "x.sfs: is cut short: has %zu bytes, and its squashfs has %zu", b.len, b.len + 1);
	check_open_fails(&b, said.s);
	put_le64(data + BYTES_USED, used);
	b.len = 90;
	check_open_fails(&b, "x.sfs: is cut short: has 90 bytes, less than a squashfs's header");
	b.len = used;
	put_le64(data + INODE_TABLE, used);
	check_open_fails(&b, DAMAGED("superblock", "a table lies outside"));
	put_le64(data + INODE_TABLE, get_le64(data + DIR_TABLE));
	check_open_fails(&b, DAMAGED("/", "a number leads out of the image"));
	put_le32(data + 12, 8192); /* block size and its logarithm differ */
	check_open_fails(&b, DAMAGED("superblock", "it contradicts itself"));
}

TEST(what_inodes_say)
{
	AUTO_BUF struct buf b = squashfs();
	struct place file = find_entry(&b, "file"), link = find_entry(&b, "link"), dir = find_entry(&b, "dir");
	u8 saved[64];

	if (!file.entry || !link.entry || !dir.entry)
		return;
	memcpy(saved, link.inode, sizeof(saved));
	put_le32(link.inode + INODE_BASE + 4, 0);
	check_fails(&b, "/link", -EUCLEAN, DAMAGED("/link", "it is a symlink of a length that none can have"));
	put_le32(link.inode + INODE_BASE + 4, 0xffffffff);
	check_fails(&b, "/link", -EUCLEAN, DAMAGED("/link", "it is a symlink of a length that none can have"));
	memcpy(link.inode, saved, sizeof(saved));
	link.inode[INODE_BASE + 8] = '\0';
	check_fails(&b, "/link", -EUCLEAN, "x.sfs: /link: is damaged: its target has a NUL");
	memcpy(link.inode, saved, sizeof(saved));

	put_le32(file.inode + INODE_BASE + 12, 0xffffffff);
	check_fails(&b, "/file", -EFBIG, "x.sfs: /file: has 4294967295 bytes, and at most 1048576 make sense");
	put_le32(file.inode + INODE_BASE + 12, 4095);
	check_fails(&b, "/file", -EUCLEAN, DAMAGED("/file", "its last part does not lie in its fragment"));
	put_le32(file.inode + INODE_BASE + 12, 6);
	put_le32(file.inode + INODE_BASE + 8, 0xfffffffc);
	check_fails(&b, "/file", -EUCLEAN, DAMAGED("/file", "its last part does not lie in its fragment"));
	put_le32(file.inode + INODE_BASE + 4, 77);
	check_fails(&b, "/file", -EUCLEAN, DAMAGED("/file", "its last part is in a fragment that does not exist"));
	put_le16(file.inode, 15);
	check_fails(&b, "/file", -EUCLEAN, DAMAGED("/file", "it is of a type that does not exist"));
	put_le16(file.inode, 0);
	check_fails(&b, NULL, -EUCLEAN, DAMAGED("/file", "it is of a type that does not exist"));
}

TEST(blocks_of_a_wrong_length)
{
	AUTO_BUF struct buf b = squashfs();
	struct place p = find_entry(&b, "blocks");
	u8 *word = p.inode + INODE_BASE + 16;

	if (!p.entry)
		return;
	CHECK_U64(get_le32(word), 0x1000000 + 4096);
	put_le32(word, 0x1000000 + 4095);
	check_fails(&b, "/dir/blocks", -EUCLEAN, DAMAGED("/dir/blocks", "a block is shorter than it must be"));
	put_le32(word, 0x1000000 + 4097);
	check_fails(&b, "/dir/blocks", -EUCLEAN, DAMAGED("/dir/blocks", "a block is longer than it can be"));
	put_le32(word, 0xffffff);
	check_fails(&b, "/dir/blocks", -EUCLEAN, DAMAGED("/dir/blocks", "a block is longer than it can be"));
	put_le32(word, 4096);
	check_fails(&b, "/dir/blocks", -EUCLEAN, DAMAGED("/dir/blocks", "a block cannot be unpacked"));
	put_le32(word, 0x1000000 + 4096);
	put_le32(p.inode + INODE_BASE, (u32)b.len);
	check_fails(&b, "/dir/blocks", -EUCLEAN, DAMAGED("/dir/blocks", "a number leads out of the image"));
}

TEST(directories)
{
	AUTO_BUF struct buf b = squashfs();
	struct place dir = find_entry(&b, "dir"), other = find_entry(&b, "other"), sub = find_entry(&b, "sub");
	u8 *data = (u8 *)b.s;

	if (!dir.entry || !other.entry || !sub.entry)
		return;
	/* A directory in itself. */
	put_le16(sub.entry, get_le16(dir.entry));
	check_fails(&b, NULL, -EUCLEAN, "x.sfs: is damaged: directories lie more than 64 deep in each other");
	/* Three in themselves: 3^64 paths. */
	put_le16(other.entry, get_le64(data + ROOT_INODE) & 0xffff);
	put_le16(dir.entry, get_le64(data + ROOT_INODE) & 0xffff);
	check_fails(&b, NULL, -EUCLEAN, "x.sfs: is damaged: directories lie more than 64 deep in each other");
	dir.entry[8] = '/';
	check_fails(&b, NULL, -EUCLEAN, "x.sfs: /: is damaged: it has a name that no file can have");
	dir.entry[8] = '\0';
	check_fails(&b, NULL, -EUCLEAN, "x.sfs: /: is damaged: it has a name that no file can have");
	dir.entry[8] = 'd';
	put_le16(dir.entry + 6, 0xffff); /* a name that goes on behind the table */
	check_fails(&b, NULL, -EUCLEAN, DAMAGED("/", "it contradicts itself"));
}

/* Deeper than paths are long: each step costs, but there is an end. */
TEST(long_paths_into_a_loop)
{
	AUTO_BUF struct buf b = squashfs();
	struct place dir = find_entry(&b, "dir"), sub = find_entry(&b, "sub");
	AUTO_IMAGE struct image *im = NULL;
	AUTO_ERR struct err e = { 0 };
	struct image_stack s = { &im, 1 };
	AUTO_BUF struct buf path = { 0 };
	struct image_entry x;

	if (!dir.entry || !sub.entry)
		return;
	put_le16(sub.entry, get_le16(dir.entry));
	buf_adds(&path, "/dir");
	for (int i = 0; i < 1000; i++)
		buf_adds(&path, "/sub");
	if (!CHECK_OK(image_open(input_memory(b.s), b.len, "x.sfs", &im, &e), &e))
		return;
	CHECK_U64(image_find(&s, path.s, &x, &e), 1);
	buf_adds(&path, "/none");
	CHECK_U64(image_find(&s, path.s, &x, &e), 0);
}

/* Metadata, cut into blocks that are not compressed. */
static void add_metadata(struct buf *b, const struct buf *data)
{
	for (size_t at = 0, len; at < data->len; at += len) {
		u8 head[2];

		len = MIN(data->len - at, 8192);
		put_le16(head, (u16)(0x8000 | len));
		buf_add(b, head, 2);
		buf_add(b, data->s + at, len);
	}
}

/* A directory of 1200 times 256 symlinks, which all are one inode. mksquashfs would take an hour. */
static struct buf many_links(void)
{
	AUTO_BUF struct buf inodes = { 0 }, names = { 0 };
	struct buf b = { 0 };
	u8 super[96] = "hsqs", dir[40] = { 8, 0, 0xed, 1 }, link[25] = { 3, 0, 0xff, 1 }, head[12] = { 255 };
	u8 entry[8] = { sizeof(dir), 0, 0, 0, 3, 0, 10, 0 };

	for (int i = 0; i < 1200 * 256; i++) {
		if (i % 256 == 0)
			buf_add(&names, head, sizeof(head));
		buf_add(&names, entry, sizeof(entry));
		buf_addf(&names, "link-%06d", i);
	}
	put_le32(dir + 20, (u32)names.len + 3);
	put_le32(link + 20, 1);
	link[24] = 'x';
	buf_add(&inodes, dir, sizeof(dir));
	buf_add(&inodes, link, sizeof(link));
	buf_add(&b, super, sizeof(super));
	add_metadata(&b, &inodes);
	put_le32(super + 12, 4096);
	put_le16(super + 20, 1);
	put_le16(super + 22, 12);
	put_le16(super + 26, 1);
	put_le16(super + 28, 4);
	put_le64(super + INODE_TABLE, sizeof(super));
	put_le64(super + DIR_TABLE, b.len);
	memset(super + FRAGMENT_TABLE, 0xff, 8);
	add_metadata(&b, &names);
	put_le64(super + BYTES_USED, b.len);
	memcpy(b.s, super, sizeof(super));
	return b;
}

TEST(more_names_than_make_sense)
{
	AUTO_BUF struct buf b = many_links();
	AUTO_IMAGE struct image *im = NULL;
	struct image_stack s = { &im, 1 };
	AUTO_ERR struct err e = { 0 };
	struct image_entry x;

	if (!CHECK_OK(image_open(input_memory(b.s), b.len, "many.sfs", &im, &e), &e))
		return;
	CHECK_U64((u64)-image_each(&s, "/", "nothing", nothing, NULL, &e), EFBIG);
	CHECK(e.code == EXIT_SOURCE);
	CHECK_STR(e.text, "many.sfs: has more than 300000 files where some thousand are expected");
	err_clear(&e);
	CHECK_U64((u64)-image_find(&s, "/none", &x, &e), EFBIG);
	err_clear(&e);
	CHECK_U64((u64)-image_find(&s, "/link-290000", &x, &e), EFBIG); /* the link leads to a name after it */
	err_clear(&e);
}

/* ---- any damage at all: what is said may be anything, but it ends, and nothing is read that is not there */

static int read_it(void *ctx, const char *path, const struct image_entry *x)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	struct image_entry found;

	if (S_ISREG(x->mode) && image_load_entry(ctx, x, path, 64 * KIB, &text, NULL, &e) < 0)
		CHECK(e.text && e.code == EXIT_SOURCE && !text);
	if (S_ISLNK(x->mode) && image_find(ctx, path, &found, &e) < 0)
		CHECK(e.text && e.code == EXIT_SOURCE);
	return 0;
}

static void read_all(const char *data, size_t len)
{
	AUTO_IMAGE struct image *im = NULL;
	AUTO_ERR struct err e = { 0 };
	struct image_stack s = { &im, 1 };

	if (image_open(input_memory(data), len, "x", &im, &e) == 0)
		(void)!image_each(&s, "/", NULL, read_it, &s, &e);
	CHECK(!e.text || e.code == EXIT_SOURCE);
}

TEST(any_byte_may_be_wrong)
{
	static const u8 masks[] = { 0x01, 0x80, 0xff };
	AUTO_BUF struct buf b = squashfs();
	u64 first = b.s ? get_le64((u8 *)b.s + INODE_TABLE) : 0;

	for (size_t i = 0; i < b.len; i = i == 95 ? first : i + 1)
		for (size_t k = 0; k < ARRAY_SIZE(masks); k++) {
			b.s[i] ^= (char)masks[k];
			read_all(b.s, b.len);
			b.s[i] ^= (char)masks[k];
		}
}

TEST(cut_short_anywhere)
{
	AUTO_BUF struct buf b = squashfs();
	u64 used = b.s ? get_le64((u8 *)b.s + BYTES_USED) : 0;

	for (size_t len = 0; len < used; len += 97) {
		AUTO_FREE char *copy = xcalloc(1, len + 1); /* of its own, so that its end is one */
		AUTO_IMAGE struct image *im = NULL;
		AUTO_ERR struct err e = { 0 };

		memcpy(copy, b.s, len);
		CHECK_FAILS(image_open(input_memory(copy), len, "x", &im, &e), &e, len < 97 ? "" : "is cut short");
		/* And when the superblock was made to say so. */
		if (len < 96)
			continue;
		put_le64((u8 *)copy + BYTES_USED, len);
		read_all(copy, len);
	}
}

/* ---- failures of what it is read from */

struct flaky {
	const struct buf *b;
	int reads_left;
	int errno_then;
};

static int read_flaky(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct flaky *f = ctx;

	if (f->reads_left-- <= 0)
		return fail(e, f->errno_then, "the CD drive says no");
	CHECK(off <= f->b->len && len <= f->b->len - off);
	memcpy(buf, f->b->s + off, len);
	return 0;
}

TEST(reading_fails)
{
	AUTO_BUF struct buf b = squashfs();

	for (int n = 0, r = -1; r < 0 && n < 1000; n++) {
		struct flaky f = { &b, n, -EIO };
		struct input in = { .read = read_flaky, .ctx = &f };
		AUTO_IMAGE struct image *im = NULL;
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *text = NULL;
		struct image_stack s = { &im, 1 };

		r = image_open(in, b.len, "x.sfs", &im, &e);
		if (r == 0)
			r = image_load(&s, "/dir/sub/n5", 100, &text, NULL, &e);
		CHECK(n < 5 ? r < 0 : true);
		if (r < 0) {
			CHECK_U64((u64)-r, EIO);
			CHECK_STR(e.text, "x.sfs: the CD drive says no");
			CHECK(e.code == EXIT_SOURCE);
			/* Once it can be read again, nothing is left of the failure. */
			f.reads_left = 1000000;
			err_clear(&e);
			if (im)
				CHECK_OK(image_load(&s, "/dir/sub/n5", 100, &text, NULL, &e), &e);
		}
		if (im)
			CHECK_STR(text, "5\n");
	}
}

TEST(the_user_interrupts)
{
	AUTO_BUF struct buf b = squashfs();
	AUTO_IMAGE struct image *im = NULL;
	AUTO_ERR struct err e = { 0 };
	struct image_stack s = { &im, 1 };
	struct image_entry x;

	if (!CHECK_OK(image_open(input_memory(b.s), b.len, "x.sfs", &im, &e), &e))
		return;
	interrupted = 1;
	CHECK_U64((u64)-image_find(&s, "/dir/sub", &x, &e), EINTR);
	interrupted = 0;
	CHECK_STR(e.text, "x.sfs: interrupted");
	err_clear(&e);
	CHECK_U64(image_find(&s, "/dir/sub", &x, &e), 1);
}

/* ---- ext: what ext4_read.h says, of the source */

TEST(ext_images)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_IMAGE struct image *im = NULL;
	AUTO_BUF struct buf b = { 0 };
	struct image_stack s = { &im, 1 };

	if (!sh("rm -rf tree && mkdir -p tree/dir/sub && mke2fs -q -F -t ext2 -b 1024 -d tree x.ext 1M && "
	        "printf 'cd dir/sub\\nln /dir loop\\n' | debugfs -w x.ext 2>/dev/null"))
		return;
	b = load("x.ext");
	CHECK_FAILS(image_open(input_memory(b.s), b.len - 1024, "x.ext", &im, &e), &e,
	            "x.ext: is cut short: has 1047552 bytes, and its ext volume has 1024 blocks of 1024");
	if (!CHECK_OK(image_open(input_memory(b.s), b.len, "x.ext", &im, &e), &e))
		return;
	CHECK_U64((u64)-image_each(&s, "/", NULL, nothing, NULL, &e), EUCLEAN);
	CHECK(e.code == EXIT_SOURCE);
	CHECK_STR(e.text, "x.ext: is damaged: directories lie more than 64 deep in each other");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
