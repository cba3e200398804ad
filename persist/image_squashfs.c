/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Squashfs 4.0 images. libsquashfs reads the superblock, unpacks, and reads metadata and directories. Inodes, fragments
 * and contents are read here: the library takes memory for whatever sizes an image names, and its reader of contents
 * neither checks that blocks are as long as they must be nor, in get_fragment(), that an offset lies inside.
 * Format: Linux, fs/squashfs/squashfs_fs.h; the headers of libsquashfs.
 */
#include <errno.h>
#include <lzo/lzo1x.h>
#include <sqfs/block.h>
#include <sqfs/compressor.h>
#include <sqfs/dir.h>
#include <sqfs/error.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_reader.h>
#include <sqfs/super.h>
#include <sys/stat.h>

#include "persist/image_private.h"
#include "src/base/progress.h"

#define NO_TABLE      0xffffffffffffffff
#define NO_FRAGMENT   0xffffffff
#define FRAGMENT_SIZE 16 /* of an entry of the table: place, length and flag, unused */

/* A length, of a block or fragment, with a flag for what is stored as it is. */
#define LENGTH(word)    ((word)&0xffffff)
#define IS_STORED(word) ((word)&0x1000000)

struct squash;

/* What libsquashfs reads from. */
struct file {
	sqfs_file_t base;
	struct squash *s;
};

struct squash {
	struct image image;
	struct input in;
	struct file file;
	sqfs_super_t super;
	sqfs_compressor_t *compressor;
	/* One each, so that reading inodes does not throw away the block of the directory. NULL: not yet, or gone
	 * after a failure, when the library's do not know any more what they hold. */
	sqfs_meta_reader_t *inodes, *dirs, *fragments;
	u8 *packed; /* a block of data */
	u8 *block;  /* a fragment block, unpacked: the last one */
	u64 block_at;
	size_t block_len;
	/* A failure of reading, for which the library has one number. */
	struct err *e;
	int read_failed;
};

/* ---- what libsquashfs is given */

static int read_at(sqfs_file_t *file, sqfs_u64 off, void *buf, size_t len)
{
	struct squash *s = ((struct file *)file)->s;

	if (off > s->super.bytes_used || len > s->super.bytes_used - off)
		return SQFS_ERROR_OUT_OF_BOUNDS;
	s->read_failed = interrupted ? fail(s->e, -EINTR, "interrupted") : input_read(&s->in, off, buf, len, s->e);
	return s->read_failed < 0 ? SQFS_ERROR_IO : 0;
}

static sqfs_u64 get_size(const sqfs_file_t *file)
{
	return ((const struct file *)file)->s->super.bytes_used;
}

/* LZO, which libsquashfs leaves out because of its licence. */
static sqfs_s32 unpack_lzo(sqfs_compressor_t *c, const sqfs_u8 *in, sqfs_u32 size, sqfs_u8 *out, sqfs_u32 out_size)
{
	lzo_uint len = out_size;

	(void)c;
	return lzo1x_decompress_safe(in, size, out, &len, NULL) == LZO_E_OK ? (sqfs_s32)len : SQFS_ERROR_COMPRESSOR;
}

static sqfs_compressor_t lzo = { .do_block = unpack_lzo };

static int make_compressor(struct squash *s)
{
	sqfs_compressor_config_t c;
	int r;

	if (s->super.compression_id == SQFS_COMP_LZO) {
		s->compressor = &lzo;
		return 0;
	}
	r = sqfs_compressor_config_init(&c, s->super.compression_id, s->super.block_size, SQFS_COMP_FLAG_UNCOMPRESS);
	return r ? r : sqfs_compressor_create(&c, &s->compressor);
}

/* ---- failures */

static void drop(sqfs_meta_reader_t **m)
{
	if (*m)
		sqfs_destroy(*m);
	*m = NULL;
}

static void drop_readers(struct squash *s)
{
	drop(&s->inodes);
	drop(&s->dirs);
	drop(&s->fragments);
}

static int damaged(struct squash *s, const char *where, const char *what, struct err *e)
{
	drop_readers(s);
	return fail_source(e, -EUCLEAN, "%s: %s: %s; the squashfs is damaged", s->image.name, where, what);
}

/* `code` is the library's. */
static int failed(struct squash *s, int code, const char *where, struct err *e)
{
	if (code == SQFS_ERROR_ALLOC)
		abort();
	if (code != SQFS_ERROR_IO || s->read_failed >= 0)
		return damaged(s, where,
		               code == SQFS_ERROR_COMPRESSOR      ? "a block cannot be unpacked"
		               : code == SQFS_ERROR_OUT_OF_BOUNDS ? "a number leads out of the image"
		                                                  : "it contradicts itself",
		               e);
	drop_readers(s);
	return fail_source(e, s->read_failed, "%s", s->image.name);
}

/* ---- metadata */

static sqfs_meta_reader_t *reader(struct squash *s, sqfs_meta_reader_t **m, u64 start, struct err *e)
{
	s->e = e;
	if (!*m)
		*m = sqfs_meta_reader_create(&s->file.base, s->compressor, start, s->super.bytes_used);
	if (!*m)
		abort();
	return *m;
}

/* Goes to an inode and reads `len` bytes, after which sqfs_meta_reader_read() reads on. */
static int read_inode(struct squash *s, u64 place, void *buf, size_t len, const char *where, struct err *e)
{
	sqfs_meta_reader_t *m = reader(s, &s->inodes, s->super.inode_table_start, e);
	int r = sqfs_meta_reader_seek(m, s->super.inode_table_start + (place >> 16), place & 0xffff);

	if (r == 0)
		r = sqfs_meta_reader_read(m, buf, len);
	return r ? failed(s, r, where, e) : 0;
}

static int read_on(struct squash *s, void *buf, size_t len, const char *where, struct err *e)
{
	int r = sqfs_meta_reader_read(s->inodes, buf, len);

	return r ? failed(s, r, where, e) : 0;
}

/* What an inode tells, of whatever type it is. */
struct inode {
	struct image_node node;
	u64 start; /* of a file's blocks; of a directory's names in their table */
	u32 fragment, offset, length;
};

static u64 le64_at(const u8 *p, size_t off)
{
	return get_le64(p + off);
}

static u32 le32_at(const u8 *p, size_t off)
{
	return get_le32(p + off);
}

/* The types of inodes, and how many bytes they have behind the sixteen that all have. */
static const struct {
	u32 mode;
	size_t len;
} types[] = {
	[SQFS_INODE_DIR] = { S_IFDIR, 16 },      [SQFS_INODE_FILE] = { S_IFREG, 16 },
	[SQFS_INODE_SLINK] = { S_IFLNK, 8 },     [SQFS_INODE_BDEV] = { S_IFBLK, 8 },
	[SQFS_INODE_CDEV] = { S_IFCHR, 8 },      [SQFS_INODE_FIFO] = { S_IFIFO, 4 },
	[SQFS_INODE_SOCKET] = { S_IFSOCK, 4 },   [SQFS_INODE_EXT_DIR] = { S_IFDIR, 24 },
	[SQFS_INODE_EXT_FILE] = { S_IFREG, 40 }, [SQFS_INODE_EXT_SLINK] = { S_IFLNK, 8 },
	[SQFS_INODE_EXT_BDEV] = { S_IFBLK, 12 }, [SQFS_INODE_EXT_CDEV] = { S_IFCHR, 12 },
	[SQFS_INODE_EXT_FIFO] = { S_IFIFO, 8 },  [SQFS_INODE_EXT_SOCKET] = { S_IFSOCK, 8 },
};

/* `p` is what follows the sixteen bytes. */
static void parse_inode(unsigned type, const u8 *p, struct inode *ret)
{
	switch (type) {
	case SQFS_INODE_DIR:
		ret->start = le32_at(p, 0);
		ret->length = get_le16(p + 8);
		ret->offset = get_le16(p + 10);
		break;
	case SQFS_INODE_EXT_DIR:
		ret->start = le32_at(p, 8);
		ret->length = le32_at(p, 4);
		ret->offset = get_le16(p + 18);
		break;
	case SQFS_INODE_FILE:
		ret->start = le32_at(p, 0);
		ret->fragment = le32_at(p, 4);
		ret->offset = le32_at(p, 8);
		ret->node.size = le32_at(p, 12);
		break;
	case SQFS_INODE_EXT_FILE:
		ret->start = le64_at(p, 0);
		ret->node.size = le64_at(p, 8);
		ret->fragment = le32_at(p, 28);
		ret->offset = le32_at(p, 32);
		break;
	case SQFS_INODE_SLINK:
	case SQFS_INODE_EXT_SLINK:
		ret->length = le32_at(p, 4);
		break;
	case SQFS_INODE_CDEV:
	case SQFS_INODE_EXT_CDEV:
		ret->node.hides = le32_at(p, 4) == 0;
		break;
	}
}

/* What follows it, the lengths of blocks or a target, can be had by read_on(). */
static int get_inode(struct squash *s, u64 place, const char *where, struct inode *ret, struct err *e)
{
	u8 base[16], rest[40];
	unsigned type;
	int r = read_inode(s, place, base, sizeof(base), where, e);

	if (r < 0)
		return r;
	type = get_le16(base);
	if (type >= ARRAY_SIZE(types) || !types[type].mode)
		return damaged(s, where, "it is of a type that does not exist", e);
	r = read_on(s, rest, types[type].len, where, e);
	if (r < 0)
		return r;
	*ret = (struct inode){
		.node = { .mode = types[type].mode | (get_le16(base + 2) & 07777), .mtime = le32_at(base, 8) },
	};
	parse_inode(type, rest, ret);
	return 0;
}

static int squash_stat(struct image *im, u64 place, const char *where, struct image_node *ret, struct err *e)
{
	struct inode in;
	int r = get_inode((struct squash *)im, place, where, &in, e);

	if (r == 0)
		*ret = in.node;
	return r;
}

/* ---- directories and symlinks */

static int squash_names(struct image *im, u64 dir, const char *where, image_name_fn *fn, void *ctx, struct err *e)
{
	struct squash *s = (struct squash *)im;
	sqfs_readdir_state_t state = { 0 };
	struct inode in;
	int r = get_inode(s, dir, where, &in, e);

	if (r < 0)
		return r;
	state.init.block = s->super.directory_table_start + in.start;
	state.init.offset = in.offset;
	state.init.size = in.length;
	sqfs_readdir_state_reset(&state);
	for (;;) {
		sqfs_dir_entry_t *entry;
		sqfs_u64 place;

		r = sqfs_meta_reader_readdir(reader(s, &s->dirs, s->super.directory_table_start, e), &state, &entry,
		                             NULL, &place);
		if (r != 0)
			return r > 0 ? 0 : failed(s, r, where, e);
		r = fn(ctx, (const char *)entry->name, (size_t)entry->size + 1, place, e);
		sqfs_free(entry);
		if (r != 0)
			return r;
	}
}

static int squash_target(struct image *im, u64 link, const char *where, char **ret, size_t *ret_len, struct err *e)
{
	struct squash *s = (struct squash *)im;
	AUTO_FREE char *text = NULL;
	struct inode in;
	int r = get_inode(s, link, where, &in, e);

	if (r < 0)
		return r;
	if (in.length == 0 || in.length > IMAGE_TARGET_MAX)
		return damaged(s, where, "it is a symlink of a length that none can have", e);
	text = xcalloc(1, in.length + 1);
	r = read_on(s, text, in.length, where, e);
	if (r < 0)
		return r;
	*ret = TAKE(text);
	*ret_len = in.length;
	return 0;
}

/* ---- contents */

/* A block of data that is packed in `word`, which gives exactly `len` bytes; or at most, then *ret_len says how many.
 */
static int get_block(struct squash *s, u64 at, u32 word, u8 *buf, size_t len, size_t *ret_len, const char *where,
                     struct err *e)
{
	size_t packed = LENGTH(word);
	sqfs_s32 got = (sqfs_s32)packed;
	int r;

	s->e = e;
	if (packed > (IS_STORED(word) ? len : s->super.block_size))
		return damaged(s, where, "a block is longer than it can be", e);
	r = read_at(&s->file.base, at, IS_STORED(word) ? buf : s->packed, packed);
	if (r == 0 && !IS_STORED(word)) {
		got = s->compressor->do_block(s->compressor, s->packed, (sqfs_u32)packed, buf, (sqfs_u32)len);
		r = MIN(got, 0);
	}
	if (r < 0)
		return failed(s, r, where, e);
	if (!ret_len && (size_t)got != len)
		return damaged(s, where, "a block is shorter than it must be", e);
	if (ret_len)
		*ret_len = (size_t)got;
	return 0;
}

static int get_fragment_place(struct squash *s, u32 number, u8 ret[FRAGMENT_SIZE], const char *where, struct err *e)
{
	sqfs_meta_reader_t *m = reader(s, &s->fragments, 0, e);
	size_t per_block = SQFS_META_BLOCK_SIZE / FRAGMENT_SIZE;
	u8 at[8];
	int r;

	if (s->super.fragment_table_start == NO_TABLE || number >= s->super.fragment_entry_count)
		return damaged(s, where, "its last part is in a fragment that does not exist", e);
	r = read_at(&s->file.base, s->super.fragment_table_start + number / per_block * sizeof(at), at, sizeof(at));
	if (r == 0)
		r = sqfs_meta_reader_seek(m, get_le64(at), number % per_block * FRAGMENT_SIZE);
	if (r == 0)
		r = sqfs_meta_reader_read(m, ret, FRAGMENT_SIZE);
	return r ? failed(s, r, where, e) : 0;
}

/* The last `len` bytes of a file lie together with those of others. */
static int read_fragment(struct squash *s, const struct inode *in, u8 *buf, size_t len, const char *where,
                         struct err *e)
{
	u8 f[FRAGMENT_SIZE];
	int r = get_fragment_place(s, in->fragment, f, where, e);

	if (r < 0)
		return r;
	if (!s->block_at || s->block_at != get_le64(f)) {
		s->block_at = 0;
		r = get_block(s, get_le64(f), get_le32(f + 8), s->block, s->super.block_size, &s->block_len, where, e);
		if (r < 0)
			return r;
		s->block_at = get_le64(f);
	}
	if (in->offset > s->block_len || len > s->block_len - in->offset)
		return damaged(s, where, "its last part does not lie in its fragment", e);
	memcpy(buf, s->block + in->offset, len);
	return 0;
}

static int read_blocks(struct squash *s, const struct inode *in, const u8 *word, size_t n, u8 *buf, const char *where,
                       struct err *e)
{
	u64 at = in->start, left = in->node.size;

	for (size_t i = 0; i < n; i++) {
		u32 w = get_le32(word + i * 4);
		size_t len = (size_t)MIN(left, s->super.block_size);
		int r = 0;

		if (LENGTH(w)) /* none: zeros, as the buffer is */
			r = get_block(s, at, w, buf, len, NULL, where, e);
		if (r < 0)
			return r;
		at += LENGTH(w);
		buf += len;
		left -= len;
	}
	return left ? read_fragment(s, in, buf, (size_t)left, where, e) : 0;
}

static int squash_read(struct image *im, u64 file, const char *where, void *buf, u64 size, struct err *e)
{
	struct squash *s = (struct squash *)im;
	AUTO_FREE u8 *words = NULL;
	struct inode in;
	bool has_fragment;
	size_t n;
	int r = get_inode(s, file, where, &in, e);

	if (r < 0)
		return r;
	if (in.node.size != size)
		return damaged(s, where, "its size changes", e);
	has_fragment = in.fragment != NO_FRAGMENT && size % s->super.block_size;
	n = (size_t)(has_fragment ? size / s->super.block_size : div_round_up(size, s->super.block_size));
	words = xcalloc(n + 1, 4);
	memset(buf, 0, size);
	r = read_on(s, words, n * 4, where, e);
	return r < 0 ? r : read_blocks(s, &in, words, n, buf, where, e);
}

/* ---- opening */

static void squash_close(struct image *im)
{
	struct squash *s = (struct squash *)im;

	drop_readers(s);
	if (s->compressor && s->compressor != &lzo)
		sqfs_destroy(s->compressor);
	free(s->packed);
	free(s->block);
	free(s);
}

static const struct image_ops squash_ops = {
	.stat = squash_stat,
	.names = squash_names,
	.target = squash_target,
	.read = squash_read,
	.close = squash_close,
};

static int read_super(struct squash *s, u64 size, struct err *e)
{
	int r;

	s->e = e;
	s->super.bytes_used = size; /* for read_at() */
	r = sqfs_super_read(&s->super, &s->file.base);
	if (r == SQFS_ERROR_OUT_OF_BOUNDS)
		return fail_source(e, -EUCLEAN, "%s: is cut short: has %llu bytes, less than a squashfs's header",
		                   s->image.name, (unsigned long long)size);
	if (r)
		return failed(s, r, "superblock", e);
	if (s->super.bytes_used > size)
		return fail_source(e, -EUCLEAN, "%s: is cut short: has %llu bytes, and its squashfs has %llu",
		                   s->image.name, (unsigned long long)size, (unsigned long long)s->super.bytes_used);
	if (s->super.inode_table_start >= s->super.bytes_used || s->super.directory_table_start >= s->super.bytes_used)
		return damaged(s, "superblock", "a table lies outside", e);
	r = make_compressor(s);
	return r ? failed(s, r, "superblock", e) : 0;
}

int image_open_squashfs(struct input in, u64 size, const char *name, struct image **ret, struct err *e)
{
	struct squash *s = xcalloc(1, sizeof(*s));
	int r;

	s->image = (struct image){ .ops = &squash_ops, .name = xstrdup(name) };
	s->in = in;
	s->file = (struct file){ .base = { .read_at = read_at, .get_size = get_size }, .s = s };
	r = read_super(s, size, e);
	if (r < 0) {
		image_close(&s->image);
		return r;
	}
	s->image.root = s->super.root_inode_ref;
	s->packed = xcalloc(1, s->super.block_size);
	s->block = xcalloc(1, s->super.block_size);
	*ret = &s->image;
	return 0;
}
