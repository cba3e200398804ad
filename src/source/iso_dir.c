/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The directories of an ISO 9660 image, read one after the other and none twice. An image is a file that anybody may
 * have made: each offset and length in it is checked before use.
 */
#include "src/source/iso.h"

#include <errno.h>
#include <search.h>
#include <sys/stat.h>

#include "src/source/iso_name.h"

/* A directory of that size holds more than SOURCE_NODES_MAX entries. */
#define DIR_SIZE_MAX (64 * MIB)

/* Of a directory at a time; whole blocks. */
#define PIECE (64 * KIB)

/* Sections of less than 4 GiB each; no image can hold more than 8 TiB. */
#define SECTIONS_MAX 4096
/* Of all files together: nearly all have one. */
#define ALL_SECTIONS_MAX (2 * SOURCE_NODES_MAX)

/* Flags of a record (ECMA 9.1.6). */
enum {
	RECORD_DIRECTORY = 2,
	RECORD_ASSOCIATED = 4,
	RECORD_MORE = 0x80,
};

/* A directory that is still to be read. */
struct dir {
	struct node *node;
	u64 off;
	u32 len;
	int depth;
};

struct walk {
	struct iso *iso;
	struct dir *dirs; /* a queue: read in this order */
	size_t n_dirs, cap_dirs;
	void *seen;            /* tsearch() tree of the blocks where directories begin */
	struct node *moved;    /* the directory that relocated ones are kept in */
	struct node *blamed;   /* whose path goes in front of a failure */
	size_t n_sections;     /* of all files */
	struct node *open;     /* a file of which another section must follow */
	u8 section[UINT8_MAX]; /* the name of its last one, as recorded */
	size_t section_len;
};

/* ECMA 9.1.5. */
static i64 record_date(const u8 *p)
{
	struct tm tm = {
		.tm_year = p[0], .tm_mon = p[1] - 1, .tm_mday = p[2], .tm_hour = p[3], .tm_min = p[4], .tm_sec = p[5]
	};

	return p[1] == 0 ? 0 : (i64)timegm(&tm) - (i64)(signed char)p[6] * 15 * 60;
}

/* `room` is what is left of the block: a record does not cross its end. */
bool iso_record(const u8 *p, size_t room, struct iso_record *ret)
{
	size_t susp;

	if (room < ISO_RECORD_MIN || p[0] < ISO_RECORD_MIN || p[0] > room || p[32] == 0 || 33U + p[32] > p[0])
		return false;
	susp = 33U + p[32] + (p[32] % 2 == 0);
	*ret = (struct iso_record){
		.len = p[0],
		.off = ((u64)get_le32(p + 2) + p[1]) * ISO_BLOCK, /* the extended attributes come first */
		.size = get_le32(p + 10),
		.mtime = record_date(p + 18),
		.flags = p[25],
		.interleaved = p[26] || p[27],
		.id = p + 33,
		.id_len = p[32],
		.susp = p + susp,
		.susp_len = susp < p[0] ? p[0] - susp : 0,
	};
	return true;
}

/* The directory itself and its parent are recorded as names of one byte, 0 and 1. */
static bool is_self_or_parent(const struct iso_record *rec)
{
	return rec->id_len == 1 && rec->id[0] <= 1;
}

static int by_value(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;

	return x < y ? -1 : x > y;
}

static void keep(void *nothing)
{
	(void)nothing;
}

/* Remembers that a directory lies at `off`; fails when one was there already. */
static int first_visit(struct walk *w, u64 off, struct err *e)
{
	void *key = (void *)(uintptr_t)(off / ISO_BLOCK); /* a block number has 32 bits */

	if (tfind(key, &w->seen, by_value))
		return fail_source(e, -ELOOP, "is a directory that is inside itself, or in two places");
	return tsearch(key, &w->seen, by_value) ? 0 : fail(e, -ENOMEM, "out of memory");
}

static int queue_dir(struct walk *w, struct node *n, u64 off, u32 len, int depth, struct err *e)
{
	int r = len ? first_visit(w, off, e) : 0;

	if (r < 0)
		return r;
	if (depth > SOURCE_DEPTH_MAX)
		return fail_source(e, -E2BIG, "is deeper than %d directories", SOURCE_DEPTH_MAX);
	n->type = NODE_DIR;
	*ARRAY_ADD(w->dirs, w->n_dirs, w->cap_dirs) = (struct dir){ n, off, len, depth };
	return 0;
}

/* The length of a relocated directory stands in its own first record only. */
static int queue_relocated(struct walk *w, struct node *n, u32 block, int depth, struct err *e)
{
	u64 off = (u64)block * ISO_BLOCK;
	u8 data[ISO_BLOCK];
	struct iso_record rec;
	int r;

	if (!iso_inside(w->iso, off, ISO_BLOCK))
		return iso_cut_short(w->iso, off + ISO_BLOCK, e);
	r = iso_read_meta(w->iso, off, data, ISO_BLOCK, e);
	if (r < 0)
		return r;
	if (!iso_record(data, ISO_BLOCK, &rec) || !is_self_or_parent(&rec) || rec.off != off)
		return fail_source(e, -EINVAL, "is a relocated directory, but none is at its place");
	return queue_dir(w, n, off, rec.size, depth, e);
}

static int add_section(struct walk *w, struct node *n, const struct iso_record *rec, struct err *e)
{
	struct extent *last = n->n_extents ? &n->extents[n->n_extents - 1] : NULL;

	if (rec->interleaved)
		return fail_source(e, -ENOTSUP, "is interleaved, which is not supported");
	w->open = rec->flags & RECORD_MORE ? n : NULL;
	w->section_len = rec->id_len;
	memcpy(w->section, rec->id, rec->id_len);
	if (rec->size == 0) /* then the place means nothing */
		return 0;
	w->iso->needed = MAX(w->iso->needed, rec->off + rec->size);
	n->size += rec->size;
	if (last && last->off + last->len == rec->off) {
		last->len += rec->size;
		return 0;
	}
	if (n->n_extents >= SECTIONS_MAX)
		return fail_source(e, -E2BIG, "is in more than %d pieces", SECTIONS_MAX);
	if (++w->n_sections > ALL_SECTIONS_MAX)
		return fail_source(e, -E2BIG, "with it, files are in more than %d pieces", ALL_SECTIONS_MAX);
	source_add_extent(n, rec->off, rec->size);
	return 0;
}

static int add_node(struct walk *w, struct node *dir, const struct iso_record *rec, const struct rr *rr,
                    struct node **ret, struct err *e)
{
	AUTO_BUF struct buf name = { 0 };
	int r;

	if (rr->name_len)
		return source_add(dir, rr->name, rr->name_len, ret, e);
	r = iso_name(w->iso->names == ISO_NAMES_JOLIET, rec->id, rec->id_len, &name, e);
	return r < 0 ? r : source_add(dir, name.s, name.len, ret, e);
}

static int set_contents(struct walk *w, struct node *n, int depth, const struct iso_record *rec, const struct rr *rr,
                        struct err *e)
{
	if (rr->relocated_to)
		return queue_relocated(w, n, rr->relocated_to, depth, e);
	if (rec->flags & RECORD_DIRECTORY)
		return queue_dir(w, n, rec->off, rec->size, depth, e);
	if (S_ISLNK(rr->mode))
		return source_set_target(n, rr->target, rr->target_len, e);
	if (rr->is_compressed)
		return fail_source(e, -ENOTSUP, "is compressed by zisofs, which is not supported");
	return add_section(w, n, rec, e);
}

static bool is_special(u32 mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

/* One record that is an entry of `dir`. */
static int take_record(struct walk *w, const struct dir *dir, const struct iso_record *rec, struct err *e)
{
	struct iso *iso = w->iso;
	size_t skip = MIN(iso->susp_skip, rec->susp_len);
	struct node *n;
	struct rr rr;
	int r;

	if (w->open) {
		if (rec->id_len != w->section_len || memcmp(rec->id, w->section, rec->id_len) != 0)
			return fail_source(e, -EINVAL, "the end of the file is missing");
		return add_section(w, w->open, rec, e);
	}
	w->blamed = dir->node;
	if (iso->names != ISO_NAMES_ROCK_RIDGE)
		skip = rec->susp_len;
	r = rr_read(iso, rec->susp + skip, rec->susp_len - skip, &rr, e);
	if (r < 0)
		return r;
	if (rr.is_relocated) {
		w->moved = dir->node;
		return 0;
	}
	if (is_special(rr.mode)) {
		iso->n_left_out++;
		return 0;
	}
	r = add_node(w, dir->node, rec, &rr, &n, e);
	if (r < 0)
		return r;
	n->mtime = rec->mtime;
	w->blamed = n;
	return set_contents(w, n, dir->depth + 1, rec, &rr, e);
}

/* `data` is what the directory has from its byte `from` on. */
static int read_records(struct walk *w, const struct dir *dir, const u8 *data, u32 from, u32 len, struct err *e)
{
	u32 room;

	for (u32 at = 0; at < len; at += room) {
		struct iso_record rec;
		int r = 0;

		room = MIN(len - at, ISO_BLOCK - at % ISO_BLOCK);
		if (data[at] == 0) /* nothing more in this block */
			continue;
		if (!iso_record(data + at, room, &rec)) {
			w->blamed = dir->node;
			return fail_source(e, -EINVAL, "the directory is damaged at its byte %u", from + at);
		}
		room = (u32)rec.len;
		if (!is_self_or_parent(&rec) && !(rec.flags & RECORD_ASSOCIATED))
			r = take_record(w, dir, &rec, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_pieces(struct walk *w, const struct dir *dir, struct err *e)
{
	AUTO_FREE u8 *data = xcalloc(MIN(dir->len, PIECE), 1);
	int r = 0;

	for (u32 at = 0, len; r == 0 && at < dir->len; at += len) {
		len = (u32)MIN(dir->len - at, PIECE);
		r = iso_read_meta(w->iso, dir->off + at, data, len, e);
		if (r == 0)
			r = read_records(w, dir, data, at, len, e);
	}
	if (r == 0 && w->open)
		return fail_source(e, -EINVAL, "the end of the file is missing");
	return r;
}

static int read_dir(struct walk *w, const struct dir *dir, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int r;

	w->blamed = dir->node;
	if (dir->len > DIR_SIZE_MAX) {
		r = fail_source(e, -E2BIG, "the directory has %u bytes: it is damaged or hostile", dir->len);
	} else if (!iso_inside(w->iso, dir->off, dir->len)) {
		return iso_cut_short(w->iso, dir->off + dir->len, e);
	} else {
		r = read_pieces(w, dir, e);
	}
	if (r == 0 || r == -ENODATA) /* that is a fault of the whole image */
		return r;
	path = node_path(w->blamed);
	return fail(e, r, "%s", path);
}

static int read_dirs(struct walk *w, const u8 *root, struct err *e)
{
	struct iso_record rec;
	int r;

	if (!iso_record(root, ISO_RECORD_MIN, &rec))
		return fail_source(e, -EINVAL, "the record of the root directory is damaged");
	w->iso->source.root->mtime = rec.mtime;
	r = queue_dir(w, w->iso->source.root, rec.off, rec.size, 0, e);
	for (size_t i = 0; r == 0 && i < w->n_dirs; i++) {
		struct dir dir = w->dirs[i]; /* the queue moves when it grows */

		r = read_dir(w, &dir, e);
	}
	if (r == 0 && w->moved && w->moved->parent && w->moved->n_children == 0)
		source_remove(w->moved);
	return r;
}

int iso_read_tree(struct iso *iso, const u8 *root, struct err *e)
{
	struct walk w = { .iso = iso };
	int r = read_dirs(&w, root, e);

	tdestroy(w.seen, keep);
	free(w.dirs);
	return r;
}
