/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/ext4_read.h"

#include <errno.h>

#include "src/base/buf.h"
#include "src/base/utf8.h"
#include "src/fs/ext4_inode.h"

/*
 * Bytes of directories in one listing or search: directories never shrink, so a few entries may lie in many blocks. And
 * never more than the volume has, for no byte is in two.
 */
#define DIR_BYTES_MAX GIB

/* Group descriptors are read whole: 16 TiB in blocks of 1 KiB have half as many. */
#define DESCRIPTORS_MAX (256 * MIB)

/* Fields of an entry of a directory before its name: inode, length of the entry, length of the name, type. */
#define ENTRY_HEADER 8

/* Inline data of a directory begins with the number of its parent. */
#define INLINE_PARENT 4

/* Inline data in the inode's own fields; what does not fit is an attribute and has entries of its own. */
#define INLINE_FIRST 60

#define LINK_MAX_BYTES 4095

struct ext4_volume {
	struct device *d;
	ext2_filsys fs;
	struct ext4_inode inode; /* the one that was used last */
	struct ext4_facts facts;
};

/* ---- opening */

/* Features that change where things are, and which are understood here. */
#define KNOWN_FEATURES                                                                                                 \
	(EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER | EXT2_FEATURE_INCOMPAT_META_BG |              \
	 EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_MMP |                     \
	 EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_EA_INODE | EXT4_FEATURE_INCOMPAT_CSUM_SEED |            \
	 EXT4_FEATURE_INCOMPAT_LARGEDIR | EXT4_FEATURE_INCOMPAT_INLINE_DATA | EXT4_FEATURE_INCOMPAT_ENCRYPT |          \
	 EXT4_FEATURE_INCOMPAT_CASEFOLD)

static const struct {
	u32 bit;
	const char *name;
} unknown_features[] = {
	{ EXT2_FEATURE_INCOMPAT_COMPRESSION, "compression" },
	{ EXT4_FEATURE_INCOMPAT_DIRDATA, "dirdata" },
};

static int refuse_feature(const struct device *d, u32 features, struct err *e)
{
	u32 bit = features & -features;

	if (features & EXT3_FEATURE_INCOMPAT_JOURNAL_DEV)
		return fail(e, -ENOTSUP, "%s: holds the journal of an ext volume, not the volume", d->name);
	for (size_t i = 0; i < ARRAY_SIZE(unknown_features); i++)
		if (unknown_features[i].bit == bit)
			return fail(e, -ENOTSUP, "%s: is an ext volume with the feature \"%s\", which is not supported",
			            d->name, unknown_features[i].name);
	return fail(e, -ENOTSUP, "%s: is an ext volume with a feature (incompatible, 0x%x) that is not known", d->name,
	            bit);
}

static int check_super(const struct device *d, ext2_filsys fs, struct err *e)
{
	u64 count = ext2fs_blocks_count(fs->super);
	u32 unknown = fs->super->s_feature_incompat & ~KNOWN_FEATURES;

	if (unknown)
		return refuse_feature(d, unknown, e);
	if (count > d->size / fs->blocksize)
		return fail(e, -EUCLEAN, "%s: is cut short: has %llu bytes, and its ext volume has %llu blocks of %u",
		            d->name, (unsigned long long)d->size, (unsigned long long)count, fs->blocksize);
	if ((u64)fs->desc_blocks * fs->blocksize > DESCRIPTORS_MAX)
		return ext4_damaged(d, "superblock", "it says that there are more groups than make sense", e);
	return 0;
}

static int not_opened(const struct device *d, errcode_t err, struct err *e)
{
	if (err == EXT2_ET_BAD_MAGIC)
		return fail(e, -EINVAL, "%s: is not an ext2, ext3 or ext4 volume", d->name);
	if (err == EXT2_ET_REV_TOO_HIGH || err == EXT2_ET_UNKNOWN_CSUM || err == EXT2_ET_UNSUPP_FEATURE)
		return fail(e, -ENOTSUP, "%s: is an ext volume of a kind that is not known", d->name);
	return ext4_not_read(d, "superblock", err, e);
}

/* First the superblock alone, so that its numbers are known to make sense when memory is taken for what they say. */
static int open_checked(struct device *d, ext2_filsys *ret, struct err *e)
{
	errcode_t err = ext4_io_open(d, EXT2_FLAG_SUPER_ONLY | EXT2_FLAG_FORCE, ret);
	int r;

	if (err)
		return not_opened(d, err, e);
	r = check_super(d, *ret, e);
	ext2fs_free(*ret);
	if (r < 0)
		return r;
	err = ext4_io_open(d, 0, ret);
	return err ? not_opened(d, err, e) : 0;
}

static void get_facts(const struct ext2_super_block *s, u32 block_size, struct ext4_facts *ret)
{
	memcpy(ret->label, s->s_volume_name, sizeof(s->s_volume_name));
	memcpy(ret->uuid, s->s_uuid, sizeof(ret->uuid));
	ret->size = ext2fs_blocks_count((void *)s) * block_size;
	ret->free_bytes = MIN(ext2fs_free_blocks_count((void *)s), ext2fs_blocks_count((void *)s)) * block_size;
	ret->needs_recovery = ext2fs_has_feature_journal_needs_recovery((void *)s);
	ret->was_not_clean = ret->needs_recovery || !(s->s_state & EXT2_VALID_FS) || (s->s_state & EXT2_ERROR_FS);
}

int ext4_open(struct device *d, struct ext4_volume **ret, struct err *e)
{
	struct ext4_volume *v;
	ext2_filsys fs;
	int r;

	if (d->size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE)
		return fail(e, -EINVAL, "%s: is too small for an ext volume", d->name);
	r = open_checked(d, &fs, e);
	if (r < 0)
		return r;
	/* A list of what was seen in place of a bit for each inode, of which there may be 2^32. */
	fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
	v = xcalloc(1, sizeof(*v));
	v->d = d;
	v->fs = fs;
	ext4_inode_init(&v->inode, d, fs);
	get_facts(fs->super, fs->blocksize, &v->facts);
	*ret = v;
	return 0;
}

void ext4_close(struct ext4_volume *v)
{
	if (!v)
		return;
	ext4_inode_free(&v->inode);
	ext2fs_free(v->fs);
	free(v);
}

const struct ext4_facts *ext4_get_facts(const struct ext4_volume *v)
{
	return &v->facts;
}

ext2_filsys ext4_volume_fs(const struct ext4_volume *v)
{
	return v->fs;
}

const struct device *ext4_volume_device(const struct ext4_volume *v)
{
	return v->d;
}

/* ---- directories */

/* Reading a directory entry by entry. Trees of hashes look like empty entries, and so need no care. */
struct dir {
	struct ext4_volume *v;
	const char *where; /* its path, for errors */
	u64 *budget;       /* bytes of directories that may still be looked at */
	u32 inode;
	u64 done;       /* bytes of the directory that were read */
	size_t at, len; /* in data */
	u8 data[];      /* a block, or a part of inline data */
};

struct name {
	const char *s; /* in the directory's data, without a NUL */
	size_t len;
	u32 inode;
};

static struct dir *dir_open(struct ext4_volume *v, u32 inode, const char *where, u64 *budget)
{
	struct dir *d = xcalloc(1, sizeof(*d) + v->fs->blocksize);

	d->v = v;
	d->where = where;
	d->budget = budget;
	d->inode = inode;
	return d;
}

static int fill_from_block(struct dir *d, struct err *e)
{
	struct ext4_volume *v = d->v;
	struct ext4_stretch s;
	errcode_t err;
	int r;

	if (v->inode.size % v->fs->blocksize)
		return ext4_damaged(v->d, d->where, "the directory ends within a block", e);
	r = ext4_inode_map(&v->inode, d->done / v->fs->blocksize, &s, d->where, e);
	if (r < 0)
		return r;
	if (!s.block)
		return ext4_damaged(v->d, d->where, "the directory has a hole", e);
	d->len = v->fs->blocksize;
	err = ext2fs_read_dir_block4(v->fs, s.block, d->data, 0, d->inode);
	return err ? ext4_not_read(v->d, d->where, err, e) : 0;
}

static int fill_from_inode(struct dir *d, struct err *e)
{
	struct ext4_inode *in = &d->v->inode;
	u64 end = d->done == 0 ? INLINE_FIRST : in->size;

	if (in->size < INLINE_FIRST || in->size > EXT2_INODE_SIZE(d->v->fs->super))
		return ext4_damaged(d->v->d, d->where, "the directory does not fit into its inode", e);
	if (d->done == 0)
		d->done = INLINE_PARENT;
	d->len = end - d->done;
	return ext4_inode_read(in, d->done, d->data, d->len, d->where, e);
}

/* Reads on; 0: there is no more. */
static int dir_fill(struct dir *d, struct err *e)
{
	struct ext4_inode *in = &d->v->inode;
	int r = ext4_inode_load(in, d->inode, d->where, e);

	if (r < 0)
		return r;
	d->at = d->len = 0;
	if (d->done == in->size)
		return 0;
	r = in->raw->i_flags & EXT4_INLINE_DATA_FL ? fill_from_inode(d, e) : fill_from_block(d, e);
	if (r < 0)
		return r;
	d->done += d->len;
	if (d->len > *d->budget)
		return fail(e, -EFBIG, "%s: has too many directory entries", d->v->d->name);
	*d->budget -= d->len;
	return 1;
}

/* The next entry, also an empty one; 0: the end. */
static int dir_slot(struct dir *d, struct name *ret, struct err *e)
{
	struct ext2_dir_entry *entry = (struct ext2_dir_entry *)(d->data + d->at);
	unsigned size = 0;

	if (d->at == d->len) {
		int r = dir_fill(d, e);

		if (r <= 0)
			return r;
		entry = (struct ext2_dir_entry *)d->data;
	}
	if (d->len - d->at >= ENTRY_HEADER)
		ext2fs_get_rec_len(d->v->fs, entry, &size);
	if (size < ENTRY_HEADER || size % 4 || size > d->len - d->at)
		return ext4_damaged(d->v->d, d->where, "an entry of the directory has a wrong length", e);
	*ret = (struct name){ entry->name, (size_t)ext2fs_dirent_name_len(entry), entry->inode };
	if (ret->inode && ret->len > size - ENTRY_HEADER)
		return ext4_damaged(d->v->d, d->where, "a name in the directory is longer than its entry", e);
	d->at += size;
	return 1;
}

static bool is_dots(const struct name *name)
{
	return name->len <= 2 && memcmp(name->s, "..", name->len) == 0;
}

/* The next name, good until the one after it. Returns 1, or 0 at the end. */
static int dir_next(struct dir *d, struct name *ret, struct err *e)
{
	int r;

	do {
		r = dir_slot(d, ret, e);
		if (r <= 0)
			return r;
		if (ret->inode && ret->len == 0)
			return ext4_damaged(d->v->d, d->where, "has an entry without a name", e);
	} while (ret->inode == 0 || is_dots(ret));
	if (memchr(ret->s, '/', ret->len) || memchr(ret->s, '\0', ret->len))
		return ext4_damaged(d->v->d, d->where, "has an entry with a name that no file can have", e);
	if (ret->inode < EXT2_FIRST_INODE(d->v->fs->super))
		return ext4_damaged(d->v->d, d->where, "has an entry for an inode that is no file's", e);
	return 1;
}

/* ---- listing */

static void add_clean(struct buf *b, const char *s, size_t len)
{
	for (const u8 *p = (const u8 *)s, *end = p + len; p < end;) {
		u32 c = 0;
		size_t n = utf8_decode(p, end, &c);

		if (n && c >= 0x20 && c != 0x7f)
			buf_add(b, p, n);
		else
			buf_adds(b, "\xef\xbf\xbd");
		p += MAX(n, 1);
	}
}

/* What the inode says of a thing; all but the path and the target of `ret`. */
static int get_entry(struct ext4_volume *v, u32 inode, const char *where, struct ext4_entry *ret, struct err *e)
{
	const struct ext2_inode_large *raw = v->inode.raw;
	int r = ext4_inode_load(&v->inode, inode, where, e);

	if (r < 0)
		return r;
	if (raw->i_links_count == 0 || raw->i_mode == 0)
		return ext4_damaged(v->d, where, "its inode is not in use", e);
	*ret = (struct ext4_entry){
		.is_dir = LINUX_S_ISDIR(raw->i_mode),
		.is_file = LINUX_S_ISREG(raw->i_mode),
		.mode = raw->i_mode & 07777,
		.inode = inode,
	};
	if (ret->is_file)
		ret->size = v->inode.size;
	return 0;
}

struct walk {
	struct ext4_volume *v;
	int (*fn)(void *ctx, const struct ext4_entry *entry);
	void *ctx;
	struct buf path, target;
	ext2fs_inode_bitmap seen; /* directories */
	u64 n_entries, budget;
};

static int walk_dir(struct walk *w, u32 inode, unsigned depth, struct err *e);

static int get_target(struct walk *w, u32 inode, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = ext4_target(w->v, inode, w->path.s, &text, &len, e);

	if (r < 0)
		return r;
	buf_clear(&w->target);
	add_clean(&w->target, text, len);
	return 0;
}

/* The entry is that of w->path. */
static int walk_entry(struct walk *w, u32 inode, unsigned depth, struct err *e)
{
	struct ext4_entry entry;
	int r;

	if (depth > EXT4_DEPTH_MAX)
		return ext4_damaged(w->v->d, w->path.s, "directories lie too deep in each other", e);
	if (w->n_entries++ == EXT4_ENTRIES_MAX)
		return fail(e, -EFBIG, "%s: has more than %d files", w->v->d->name, EXT4_ENTRIES_MAX);
	r = get_entry(w->v, inode, w->path.s, &entry, e);
	if (r == 0 && LINUX_S_ISLNK(w->v->inode.raw->i_mode)) {
		r = get_target(w, inode, e);
		entry.target = w->target.s;
	}
	if (r < 0)
		return r;
	entry.path = w->path.s;
	r = w->fn(w->ctx, &entry);
	return r == 0 && entry.is_dir ? walk_dir(w, inode, depth + 1, e) : r;
}

/* What is in the directory w->path; `depth` counts the names in a path to it. The path is as before afterwards. */
static int walk_dir(struct walk *w, u32 inode, unsigned depth, struct err *e)
{
	AUTO_FREE char *where = xstrdup(w->path.len ? w->path.s : "/");
	AUTO_FREE struct dir *d = dir_open(w->v, inode, where, &w->budget);
	size_t len = w->path.len;
	struct name name;
	int r;

	/* A directory has one name only, so all that lead back into themselves are found here. */
	if (ext2fs_mark_inode_bitmap2(w->seen, inode))
		return ext4_damaged(w->v->d, where, "the directory lies in two places", e);
	while ((r = dir_next(d, &name, e)) > 0) {
		buf_adds(&w->path, "/");
		add_clean(&w->path, name.s, name.len);
		r = walk_entry(w, name.inode, depth, e);
		w->path.len = len;
		w->path.s[len] = '\0';
		if (r != 0)
			break;
	}
	return r;
}

/* The directory at the top, made the current inode. */
static int check_root(struct ext4_volume *v, struct err *e)
{
	struct ext4_entry root = { 0 };
	int r = get_entry(v, EXT2_ROOT_INO, "/", &root, e);

	return r < 0 || root.is_dir ? r : ext4_damaged(v->d, "/", "is no directory", e);
}

int ext4_each(struct ext4_volume *v, int (*fn)(void *ctx, const struct ext4_entry *entry), void *ctx, struct err *e)
{
	struct walk w = { .v = v, .fn = fn, .ctx = ctx, .budget = MIN(DIR_BYTES_MAX, v->facts.size) };
	int r = check_root(v, e);
	errcode_t err;

	if (r < 0)
		return r;
	err = ext2fs_allocate_inode_bitmap(v->fs, "directories seen", &w.seen);
	if (err)
		return ext4_not_read(v->d, "/", err, e);
	buf_adds(&w.path, "");
	r = walk_dir(&w, EXT2_ROOT_INO, 1, e);
	ext2fs_free_inode_bitmap(w.seen);
	buf_free(&w.path);
	buf_free(&w.target);
	return r;
}

/* ---- contents */

int ext4_read_file(struct ext4_volume *v, const struct ext4_entry *entry, u64 off, void *buf, size_t len, struct err *e)
{
	int r;

	if (off > entry->size || len > entry->size - off)
		return fail(e, -ERANGE, "%s: %s: is shorter than what is asked of it", v->d->name, entry->path);
	r = ext4_inode_load(&v->inode, entry->inode, entry->path, e);
	if (r < 0)
		return r;
	if (v->inode.raw->i_flags & EXT4_ENCRYPT_FL)
		return fail(e, -ENOTSUP, "%s: %s: is encrypted", v->d->name, entry->path);
	return ext4_inode_read(&v->inode, off, buf, len, entry->path, e);
}

/* Finds a name in a directory; 1 and its inode, or 0. */
static int find_name(struct ext4_volume *v, u32 dir, const char *want, size_t len, u32 *ret, const char *where,
                     struct err *e)
{
	u64 budget = MIN(DIR_BYTES_MAX, v->facts.size);
	AUTO_FREE struct dir *d = dir_open(v, dir, where, &budget);
	struct name name = { 0 };
	int r;

	do
		r = dir_next(d, &name, e);
	while (r > 0 && (name.len != len || memcmp(name.s, want, len) != 0));
	*ret = name.inode;
	return r;
}

/* 1 and *ret, or 0 if there is nothing of that path. */
static int find_path(struct ext4_volume *v, const char *path, struct ext4_entry *ret, struct err *e)
{
	u32 inode = EXT2_ROOT_INO;
	int r = check_root(v, e);

	if (r < 0)
		return r;
	for (const char *p = path + (*path == '/');;) {
		size_t len = strcspn(p, "/");

		r = find_name(v, inode, p, len, &inode, path, e);
		if (r <= 0)
			return r;
		r = get_entry(v, inode, path, ret, e);
		if (r < 0)
			return r;
		ret->path = path;
		p += len;
		if (*p == '\0')
			return 1;
		if (!ret->is_dir)
			return 0;
		p++;
	}
}

int ext4_load(struct ext4_volume *v, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct ext4_entry entry;
	int r = find_path(v, path, &entry, e);

	if (r < 0)
		return r;
	if (r == 0 || !entry.is_file)
		return fail(e, -ENOENT, "%s: has no file %s", v->d->name, path);
	if (entry.size > max)
		return fail(e, -EFBIG, "%s: %s: has %llu bytes, and at most %zu make sense", v->d->name, path,
		            (unsigned long long)entry.size, max);
	text = xcalloc(1, entry.size + 1);
	r = ext4_read_file(v, &entry, 0, text, entry.size, e);
	if (r < 0)
		return r;
	*ret = TAKE(text);
	*ret_len = entry.size;
	return 0;
}

int ext4_where(struct ext4_volume *v, const struct ext4_entry *entry, u64 off, u64 *ret_off, u64 *ret_len,
               struct err *e)
{
	const u64 size = v->fs->blocksize;
	struct ext4_stretch s;
	int r = ext4_inode_load(&v->inode, entry->inode, entry->path, e);

	if (r == 0 && off >= v->inode.size)
		r = fail(e, -ERANGE, "%s: %s: is shorter than what is asked of it", v->d->name, entry->path);
	if (r == 0 && (v->inode.raw->i_flags & EXT4_INLINE_DATA_FL))
		r = fail(e, -ENOTSUP, "%s: %s: lies within its inode", v->d->name, entry->path);
	if (r == 0)
		r = ext4_inode_map(&v->inode, off / size, &s, entry->path, e);
	if (r == 0 && !s.block)
		r = fail(e, -ENOTSUP, "%s: %s: has a hole", v->d->name, entry->path);
	if (r < 0)
		return r;
	*ret_off = s.block * size + off % size;
	*ret_len = MIN(v->inode.size - off, s.length * size - off % size);
	return 0;
}

/* ---- step by step */

int ext4_look(struct ext4_volume *v, u32 inode, const char *where, struct ext4_thing *ret, struct err *e)
{
	const struct ext2_inode_large *raw = v->inode.raw;
	struct ext4_entry entry;
	int r = get_entry(v, inode, where, &entry, e);

	if (r < 0)
		return r;
	*ret = (struct ext4_thing){
		.mode = raw->i_mode,
		.size = entry.size,
		.mtime = (int32_t)raw->i_mtime,
	};
	if (LINUX_S_ISCHR(raw->i_mode) || LINUX_S_ISBLK(raw->i_mode))
		ret->device = (u64)raw->i_block[1] << 32 | raw->i_block[0];
	return 0;
}

int ext4_names(struct ext4_volume *v, u32 inode, const char *where,
               int (*fn)(void *ctx, const char *name, size_t len, u32 inode), void *ctx, struct err *e)
{
	u64 budget = MIN(DIR_BYTES_MAX, v->facts.size);
	AUTO_FREE struct dir *d = dir_open(v, inode, where, &budget);
	struct ext4_entry dir;
	struct name name;
	int r = get_entry(v, inode, where, &dir, e);

	if (r == 0 && !dir.is_dir)
		return fail(e, -ENOTDIR, "%s: %s: is no directory", v->d->name, where);
	while (r >= 0 && (r = dir_next(d, &name, e)) > 0) {
		r = fn(ctx, name.s, name.len, name.inode);
		if (r != 0)
			return r;
	}
	return r;
}

int ext4_target(struct ext4_volume *v, u32 inode, const char *where, char **ret, size_t *ret_len, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct ext4_entry entry;
	u64 size;
	int r = get_entry(v, inode, where, &entry, e);

	if (r < 0)
		return r;
	if (!LINUX_S_ISLNK(v->inode.raw->i_mode))
		return fail(e, -EINVAL, "%s: %s: is no symlink", v->d->name, where);
	size = v->inode.size;
	if (size == 0 || size > LINK_MAX_BYTES)
		return ext4_damaged(v->d, where, "is a symlink of a length that none can have", e);
	text = xcalloc(1, size + 1);
	r = ext4_inode_read(&v->inode, 0, text, size, where, e);
	if (r < 0)
		return r;
	*ret = TAKE(text);
	*ret_len = size;
	return 0;
}
