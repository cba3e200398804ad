/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat_read.h"

#include <errno.h>

#define WINDOW    4096      /* bytes of a FAT or a directory that are read at once */
#define MAX_SLOTS (4 * MIB) /* 32-byte entries in one listing: 128 MiB of directories */

struct fat_volume {
	struct device *d;
	unsigned bits; /* of an entry in the FAT: 12, 16 or 32 */
	u64 fat, fat_bytes;
	u64 first_fat; /* `fat` is the one in use */
	unsigned n_fats;
	u64 root; /* FAT12 and FAT16: where the root is; it is no chain of clusters */
	u32 root_entries;
	u32 root_cluster; /* FAT32 */
	u64 data;
	u32 cluster_size, n_clusters;

	u8 window[WINDOW]; /* of the FAT */
	u64 window_at;     /* where in the FAT; UINT64_MAX: nothing was read */

	/* Where the last fat_read_file() stopped: the next one mostly goes on from there. */
	u32 first, index, cluster; /* first is 0 without one */
};

static bool is_power_of_two(u32 n)
{
	return n && (n & (n - 1)) == 0;
}

/* Fills `v` from the boot sector; false: nothing that could be a FAT. */
static bool parse_boot_sector(const u8 *b, struct fat_volume *v)
{
	u32 ss = get_le16(b + 11), reserved = get_le16(b + 14), fats = b[16], active;
	u32 total = get_le16(b + 19) ? get_le16(b + 19) : get_le32(b + 32);
	bool fat32 = get_le16(b + 22) == 0;
	u64 clusters;

	if (ss < 512 || ss > 4096 || !is_power_of_two(ss) || !is_power_of_two(b[13]) || reserved == 0 || fats == 0 ||
	    (b[21] != 0xf0 && b[21] < 0xf8))
		return false;
	v->cluster_size = b[13] * ss;
	v->fat_bytes = (u64)(fat32 ? get_le32(b + 36) : get_le16(b + 22)) * ss;
	v->root_entries = fat32 ? 0 : get_le16(b + 17);
	v->root_cluster = fat32 ? get_le32(b + 44) : 0;
	v->root = (u64)reserved * ss + fats * v->fat_bytes;
	v->data = v->root + align_up((u64)v->root_entries * FAT_ENTRY_SIZE, ss);
	if (v->fat_bytes < 16 || (u64)total * ss <= v->data)
		return false;
	clusters = ((u64)total * ss - v->data) / v->cluster_size;
	v->bits = fat32 ? 32 : clusters < 4085 ? 12 : 16;
	/* A FAT that is too short for all clusters: those behind its end cannot be used. */
	clusters = MIN(clusters, v->fat_bytes * 8 / v->bits - 2);
	v->n_clusters = (u32)MIN(clusters, fat32 ? 0x0ffffff4 : 0xfff4);
	active = fat32 && (b[40] & 0x80) ? b[40] & 0xf : 0;
	v->first_fat = (u64)reserved * ss;
	v->n_fats = fats;
	v->fat = v->first_fat + active * v->fat_bytes;
	return active < fats && v->n_clusters > 0;
}

int fat_open(struct device *d, struct fat_volume **ret, struct err *e)
{
	struct fat_volume *v;
	u8 b[512];
	int r;

	if (d->size < sizeof(b))
		return fail(e, -EINVAL, "%s: is too small for a FAT volume", d->name);
	r = device_read(d, 0, b, sizeof(b), e);
	if (r < 0)
		return r;
	v = xcalloc(1, sizeof(*v));
	v->d = d;
	v->window_at = UINT64_MAX;
	if (!parse_boot_sector(b, v)) {
		fat_close(v);
		return fail(e, -EINVAL, "%s: is not a FAT volume", d->name);
	}
	*ret = v;
	return 0;
}

void fat_close(struct fat_volume *v)
{
	free(v);
}

static int damaged(const struct fat_volume *v, const char *where, const char *what, struct err *e)
{
	return fail(e, -EUCLEAN, "%s: %s: %s; the FAT volume is damaged", v->d->name, *where ? where : "/", what);
}

static bool is_cluster(const struct fat_volume *v, u32 cluster)
{
	return cluster >= 2 && cluster - 2 < v->n_clusters;
}

/* The caller has checked the number. */
static u64 cluster_off(const struct fat_volume *v, u32 cluster)
{
	return v->data + (u64)(cluster - 2) * v->cluster_size;
}

/* `n` (up to 4) bytes of the FAT, little-endian; the caller knows that they lie in it. */
static int fat_bytes(struct fat_volume *v, u64 off, unsigned n, u32 *ret, struct err *e)
{
	*ret = 0;
	for (unsigned i = 0; i < n; i++, off++) {
		u64 at = align_down(off, WINDOW);
		int r;

		if (v->window_at != at) {
			v->window_at = UINT64_MAX;
			r = device_read(v->d, v->fat + at, v->window, MIN(WINDOW, v->fat_bytes - at), e);
			if (r < 0)
				return r;
			v->window_at = at;
		}
		*ret |= (u32)v->window[off - at] << 8 * i;
	}
	return 0;
}

/* What follows a valid cluster; 0: nothing, it is the last one. `where` is for the error. */
static int next_cluster(struct fat_volume *v, u32 cluster, u32 *ret, const char *where, struct err *e)
{
	u64 bit = (u64)cluster * v->bits;
	u32 n, last = v->bits == 12 ? 0xff8 : v->bits == 16 ? 0xfff8 : 0x0ffffff8;
	int r = fat_bytes(v, bit / 8, v->bits == 32 ? 4 : 2, &n, e);

	if (r < 0)
		return r;
	if (v->bits == 12)
		n = n >> bit % 8 & 0xfff;
	else if (v->bits == 32)
		n &= 0x0fffffff; /* the upper four bits are not ours */
	if (n < last && !is_cluster(v, n))
		return damaged(v, where, "a chain leads to a cluster that is free, bad or not there", e);
	*ret = n < last ? n : 0;
	return 0;
}

/* Reading a directory entry by entry. */
struct dir {
	struct fat_volume *v;
	const char *where; /* its path, for errors */
	u64 *budget;       /* entries that may still be looked at */
	u32 n;             /* entries looked at here */
	u32 cluster;       /* 0: the root of FAT12 or FAT16 */
	u32 done;          /* bytes read of the cluster or that root */
	size_t at, len;    /* in chunk */
	u8 chunk[WINDOW];

	struct fat_long_name long_name;
};

static struct dir *dir_open(struct fat_volume *v, u32 cluster, const char *where, u64 *budget)
{
	struct dir *d = xcalloc(1, sizeof(*d));

	d->v = v;
	d->where = where;
	d->budget = budget;
	d->cluster = cluster;
	return d;
}

/* Reads on; 0: there is no more. */
static int dir_fill(struct dir *d, struct err *e)
{
	struct fat_volume *v = d->v;
	u64 size = d->cluster ? v->cluster_size : (u64)v->root_entries * FAT_ENTRY_SIZE;
	int r;

	if (d->cluster && d->done == size) {
		r = next_cluster(v, d->cluster, &d->cluster, d->where, e);
		if (r < 0)
			return r;
		if (!d->cluster)
			return 0;
		d->done = 0;
	}
	d->len = MIN(WINDOW, size - d->done);
	d->at = 0;
	if (d->len == 0)
		return 0;
	r = device_read(v->d, (d->cluster ? cluster_off(v, d->cluster) : v->root) + d->done, d->chunk, d->len, e);
	d->done += (u32)d->len;
	return r < 0 ? r : 1;
}

/* The next 32 bytes; 0: the end. */
static int dir_slot(struct dir *d, const u8 **ret, struct err *e)
{
	if (d->at == d->len) {
		int r = dir_fill(d, e);

		if (r <= 0)
			return r;
	}
	if (d->n++ == FAT_DIR_ENTRIES)
		return damaged(d->v, d->where, "the directory has no end", e);
	if (*d->budget == 0)
		return fail(e, -EFBIG, "%s: has too many directory entries", d->v->d->name);
	--*d->budget;
	*ret = d->chunk + d->at;
	d->at += FAT_ENTRY_SIZE;
	return **ret != 0;
}

/* The next file or directory: its name, and all but the path of `ret`. Returns 1, or 0 at the end. */
static int dir_next(struct dir *d, struct buf *name, struct fat_entry *ret, struct err *e)
{
	const u8 *s = NULL;
	bool found = false;
	int r = 0;

	while (!found && (r = dir_slot(d, &s, e)) > 0) {
		u8 attributes = s[11] & 0x3f;

		if (attributes == FAT_LONG_NAME && s[0] != FAT_DELETED)
			fat_long_name_take(&d->long_name, s);
		else if (s[0] == FAT_DELETED || (attributes & FAT_LABEL) || fat_slot_is_dots(s))
			fat_long_name_drop(&d->long_name);
		else
			found = true;
	}
	if (r <= 0)
		return r;
	if (!fat_slot_name(&d->long_name, s, name))
		return damaged(d->v, d->where, "has an entry without a name", e);
	fat_long_name_drop(&d->long_name);
	ret->attributes = s[11] & 0x3f;
	ret->is_dir = s[11] & FAT_DIRECTORY;
	ret->size = ret->is_dir ? 0 : get_le32(s + 28);
	ret->first_cluster = fat_slot_cluster(s) & (d->v->bits == 32 ? UINT32_MAX : 0xffff);
	return 1;
}

static int check_dir_start(struct fat_volume *v, u32 cluster, const char *path, struct err *e)
{
	if (is_cluster(v, cluster))
		return 0;
	return damaged(v, path, "the directory begins at a cluster that is not there", e);
}

static int check_root(struct fat_volume *v, struct err *e)
{
	return v->bits == 32 ? check_dir_start(v, v->root_cluster, "/", e) : 0;
}

struct walk {
	struct fat_volume *v;
	int (*fn)(void *ctx, const struct fat_entry *entry);
	void *ctx;
	struct buf path;
	u64 n_entries, budget;
};

static int walk_dir(struct walk *w, u32 cluster, unsigned depth, struct err *e);

static int walk_entry(struct walk *w, struct fat_entry *entry, unsigned depth, struct err *e)
{
	int r;

	entry->path = w->path.s;
	if (depth > FAT_DEPTH_MAX)
		return damaged(w->v, entry->path, "directories lie too deep in each other", e);
	if (w->n_entries++ == FAT_ENTRIES_MAX)
		return fail(e, -EFBIG, "%s: has more than %d files", w->v->d->name, FAT_ENTRIES_MAX);
	r = w->fn(w->ctx, entry);
	if (r != 0 || !entry->is_dir)
		return r;
	r = check_dir_start(w->v, entry->first_cluster, entry->path, e);
	return r < 0 ? r : walk_dir(w, entry->first_cluster, depth + 1, e);
}

/* What is in the directory w->path; `depth` counts the names in a path to it. The path is as before afterwards. */
static int walk_dir(struct walk *w, u32 cluster, unsigned depth, struct err *e)
{
	AUTO_FREE char *where = xstrndup(w->path.s, w->path.len);
	AUTO_FREE struct dir *d = dir_open(w->v, cluster, where, &w->budget);
	AUTO_BUF struct buf name = { 0 };
	struct fat_entry entry = { 0 };
	int r;

	while ((r = dir_next(d, &name, &entry, e)) > 0) {
		buf_addf(&w->path, "/%s", name.s);
		r = walk_entry(w, &entry, depth, e);
		w->path.len = strlen(where);
		if (r != 0)
			break;
	}
	return r;
}

int fat_each(struct fat_volume *v, int (*fn)(void *ctx, const struct fat_entry *entry), void *ctx, struct err *e)
{
	struct walk w = { .v = v, .fn = fn, .ctx = ctx, .budget = MAX_SLOTS };
	int r = check_root(v, e);

	if (r < 0)
		return r;
	buf_adds(&w.path, "");
	r = walk_dir(&w, v->root_cluster, 1, e);
	buf_free(&w.path);
	return r;
}

/* Goes on to the next cluster of the file that is being read. */
static int read_on(struct fat_volume *v, const char *path, struct err *e)
{
	u32 next;
	int r = next_cluster(v, v->cluster, &next, path, e);

	if (r < 0)
		return r;
	if (!next)
		return damaged(v, path, "its chain of clusters is shorter than the file", e);
	v->cluster = next;
	v->index++;
	return 0;
}

static int seek_cluster(struct fat_volume *v, const struct fat_entry *entry, u32 index, struct err *e)
{
	if (!is_cluster(v, entry->first_cluster))
		return damaged(v, entry->path, "begins at a cluster that is not there", e);
	if (v->first != entry->first_cluster || v->index > index) {
		v->first = v->cluster = entry->first_cluster;
		v->index = 0;
	}
	while (v->index < index) {
		int r = read_on(v, entry->path, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_clusters(struct fat_volume *v, const struct fat_entry *entry, u64 off, u8 *buf, size_t len,
                         struct err *e)
{
	int r = seek_cluster(v, entry, (u32)(off / v->cluster_size), e);

	while (len > 0 && r == 0) {
		u64 from = cluster_off(v, v->cluster) + off % v->cluster_size;
		size_t n = MIN(len, v->cluster_size - off % v->cluster_size);
		u32 follower = v->cluster + 1;

		/* Clusters in one row are read at once. */
		while (n < len && r == 0) {
			r = read_on(v, entry->path, e);
			if (r < 0 || v->cluster != follower++)
				break;
			n = MIN(len, n + v->cluster_size);
		}
		if (r == 0)
			r = device_read(v->d, from, buf, n, e);
		off += n;
		buf += n;
		len -= n;
	}
	return r;
}

int fat_read_file(struct fat_volume *v, const struct fat_entry *entry, u64 off, void *buf, size_t len, struct err *e)
{
	u32 after = 0;
	int r;

	if (off > entry->size || len > entry->size - off)
		return fail(e, -ERANGE, "%s: %s: is shorter than what is asked of it", v->d->name, entry->path);
	if (len == 0)
		return 0;
	r = read_clusters(v, entry, off, buf, len, e);
	if (r == 0 && off + len == entry->size)
		r = next_cluster(v, v->cluster, &after, entry->path, e);
	if (r == 0 && after) /* also every chain that leads back into itself */
		r = damaged(v, entry->path, "its chain of clusters is longer than the file", e);
	if (r < 0)
		v->first = 0;
	return r;
}

/* ---- where things are */

void fat_get_facts(const struct fat_volume *v, struct fat_facts *ret)
{
	*ret = (struct fat_facts){
		.bits = v->bits,
		.n_fats = v->n_fats,
		.fat = v->first_fat,
		.fat_bytes = v->fat_bytes,
		.data = v->data,
		.cluster_size = v->cluster_size,
		.n_clusters = v->n_clusters,
	};
}

int fat_where(struct fat_volume *v, const struct fat_entry *entry, u64 off, u64 *ret_off, u64 *ret_len, struct err *e)
{
	int r;

	if (off >= entry->size)
		return fail(e, -ERANGE, "%s: %s: is shorter than what is asked of it", v->d->name, entry->path);
	r = seek_cluster(v, entry, (u32)(off / v->cluster_size), e);
	if (r < 0)
		return r;
	*ret_off = cluster_off(v, v->cluster) + off % v->cluster_size;
	*ret_len = MIN(entry->size - off, v->cluster_size - off % v->cluster_size);
	return 0;
}

struct metadata {
	struct fat_volume *v;
	int (*fn)(void *ctx, u64 off, u64 len);
	void *ctx;
	u64 budget; /* bytes */
	struct err *e;
};

static int tell_dir(struct metadata *m, u32 cluster, const char *path)
{
	while (cluster) {
		int r = m->budget < m->v->cluster_size
		            ? damaged(m->v, path, "directories take more than the volume has", m->e)
		            : m->fn(m->ctx, cluster_off(m->v, cluster), m->v->cluster_size);

		if (r != 0)
			return r;
		m->budget -= m->v->cluster_size;
		r = next_cluster(m->v, cluster, &cluster, path, m->e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int tell_metadata(void *ctx, const struct fat_entry *entry)
{
	struct metadata *m = ctx;

	return entry->is_dir && is_cluster(m->v, entry->first_cluster) ? tell_dir(m, entry->first_cluster, entry->path)
	                                                               : 0;
}

int fat_each_metadata(struct fat_volume *v, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e)
{
	struct metadata m = { v, fn, ctx, (u64)v->n_clusters * v->cluster_size, e };
	int r = fn(ctx, 0, v->data);

	if (r == 0 && v->bits == 32 && is_cluster(v, v->root_cluster))
		r = tell_dir(&m, v->root_cluster, "/");
	return r == 0 ? fat_each(v, tell_metadata, &m, e) : r;
}

/* ---- finding */

/* Finds `name` (of `len` bytes) in a directory; 1 and *ret but for the path, or 0. */
static int find_name(struct dir *d, const char *name, size_t len, struct fat_entry *ret, struct err *e)
{
	AUTO_BUF struct buf want = { 0 }, have = { 0 }, found = { 0 };
	u16 units[FAT_NAME_UNITS];
	const char *why;
	int n = fat_name_units(name, len, units, &why), r = 0;

	if (n < 0)
		return 0; /* no entry has a name that FAT cannot hold */
	fat_name_add_folded(&want, units, (size_t)n);
	while ((r = dir_next(d, &found, ret, e)) > 0) {
		buf_clear(&have);
		n = fat_name_units(found.s, found.len, units, &why);
		if (n > 0)
			fat_name_add_folded(&have, units, (size_t)n);
		if (n > 0 && strcmp(have.s, want.s) == 0)
			return 1;
	}
	return r;
}

/* 1 and *ret, or 0 if there is no such file or directory. */
static int find_path(struct fat_volume *v, const char *path, struct fat_entry *ret, struct err *e)
{
	u32 cluster = v->root_cluster;
	int r = check_root(v, e);

	if (r < 0)
		return r;
	for (const char *p = path + (*path == '/');;) {
		u64 budget = FAT_DIR_ENTRIES;
		AUTO_FREE struct dir *d = dir_open(v, cluster, path, &budget);
		size_t len = strcspn(p, "/");

		r = find_name(d, p, len, ret, e);
		if (r <= 0)
			return r;
		p += len;
		if (*p == '\0')
			break;
		if (!ret->is_dir)
			return 0;
		r = check_dir_start(v, ret->first_cluster, path, e);
		if (r < 0)
			return r;
		cluster = ret->first_cluster;
		p++;
	}
	ret->path = path;
	return 1;
}

int fat_load(struct fat_volume *v, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct fat_entry entry;
	int r = find_path(v, path, &entry, e);

	if (r < 0)
		return r;
	if (r == 0 || entry.is_dir)
		return fail(e, -ENOENT, "%s: has no file %s", v->d->name, path);
	if (entry.size > max)
		return fail(e, -EFBIG, "%s: %s: has %llu bytes, and at most %zu make sense", v->d->name, path,
		            (unsigned long long)entry.size, max);
	text = xcalloc(1, entry.size + 1);
	r = fat_read_file(v, &entry, 0, text, entry.size, e);
	if (r < 0)
		return r;
	*ret = TAKE(text);
	*ret_len = entry.size;
	return 0;
}

/* ---- what is free */

/* The entry of a cluster as it is: 0 is free. */
static int fat_entry_of(struct fat_volume *v, u32 cluster, u32 *ret, struct err *e)
{
	u64 bit = (u64)cluster * v->bits;
	int r = fat_bytes(v, bit / 8, v->bits == 32 ? 4 : 2, ret, e);

	if (r == 0 && v->bits == 12)
		*ret = *ret >> bit % 8 & 0xfff;
	else if (r == 0 && v->bits == 32)
		*ret &= 0x0fffffff;
	return r;
}

int fat_each_free(struct fat_volume *v, int (*fn)(void *ctx, u64 off, u64 len), void *ctx, struct err *e)
{
	u32 first = 0; /* of the free ones; 0: none */
	int r = 0;

	for (u32 c = 2; r == 0 && c - 2 <= v->n_clusters; c++) {
		u32 entry = 1;

		if (c - 2 < v->n_clusters)
			r = fat_entry_of(v, c, &entry, e);
		if (r == 0 && entry && first)
			r = fn(ctx, cluster_off(v, first), (u64)(c - first) * v->cluster_size);
		first = entry ? 0 : first ? first : c;
	}
	return r;
}
