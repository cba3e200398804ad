/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat32.h"

#include <assert.h>
#include <errno.h>

#include "src/fs/fat_tree.h"

#define MIN_CLUSTERS     65525      /* with fewer it would be a FAT16 volume */
#define MAX_CLUSTERS     0x0ffffff4 /* the numbers above are marks */
#define MAX_CLUSTER_SIZE (64 * KIB)
/* Smaller clusters only where there is no room for others: they are scattered sooner, and flash has larger pages. */
#define SMALLEST_BY_CHOICE (4 * KIB)
#define MAX_VOLUME         (16 * KIB * GIB) /* what 32 bits of large sectors can count */
#define MIN_RESERVED       32               /* sectors */
#define BACKUP_SECTOR      6
#define HEAD_SECTORS       9 /* boot sector, FSInfo, a third one, room, and the three again at BACKUP_SECTOR */
#define FAT_GRAIN          (4 * KIB)
#define END_OF_CHAIN       0x0fffffff
#define FIRST_CLUSTER      2

static_assert(BACKUP_SECTOR + 3 == HEAD_SECTORS, "the backup has three sectors");

struct geometry {
	u32 cluster_size;
	u64 fat_bytes; /* of one FAT */
	u64 data;      /* where the clusters begin, bytes from the start of the partition */
	u64 n_clusters;
};

struct place {
	u32 first, n; /* clusters */
};

struct fat32 {
	struct fat32_options o;
	struct geometry g;
	const struct volume_files *files;
	struct fat_tree tree;
	struct place *place; /* of each node of the tree */
	u64 used;            /* clusters */
	u8 *head;            /* the first HEAD_SECTORS sectors */
	u8 *fat;             /* that part of a FAT which is not zero */
	u64 fat_len;
	u64 dirs_len; /* bytes of all directories, which lie at the start of the data */
	/* Of a reading of them: what belongs at `made_off` there, and the node that comes then. */
	u8 *made;
	u64 made_off, made_len;
	size_t made_next;
};

static void geometry_of(const struct fat32_options *o, u32 cluster_size, u64 align, struct geometry *ret)
{
	u64 head = (u64)MIN_RESERVED * o->sector_size;
	/* So many clusters fit if each takes itself and 4 bytes in two FATs; the rest of the volume can only be less.
	 */
	u64 most = o->size > head ? (o->size - head) / (cluster_size + 8) : 0;

	ret->cluster_size = cluster_size;
	ret->fat_bytes = align_up((most + FIRST_CLUSTER) * 4, FAT_GRAIN);
	ret->data = align_up(o->start + head + 2 * ret->fat_bytes, align) - o->start;
	ret->n_clusters = o->size > ret->data ? (o->size - ret->data) / cluster_size : 0;
}

static bool is_fat32(const struct geometry *g)
{
	return g->n_clusters >= MIN_CLUSTERS && g->n_clusters <= MAX_CLUSTERS;
}

/*
 * The next geometry worth trying, in order of preference: large clusters first, then, with the smallest ones only, a
 * coarser start of the data. *cluster and *align say where the search is; false: there is no more.
 */
static bool next_geometry(const struct fat32_options *o, u32 *cluster, u64 *align, struct geometry *ret)
{
	u32 smallest = o->cluster_size ? o->cluster_size : o->sector_size;

	while (*cluster >= smallest && *align >= FAT_GRAIN) {
		geometry_of(o, *cluster, *align, ret);
		if (*cluster > smallest)
			*cluster /= 2;
		else
			*align /= 2;
		if (is_fat32(ret))
			return true;
	}
	return false;
}

static u64 dir_clusters(const struct fat_node *n, u32 cluster_size)
{
	return MAX(div_round_up((u64)n->n_entries * FAT_ENTRY_SIZE, cluster_size), 1);
}

/* A file that is too large for FAT counts as the largest: it is refused by another check, and no sum overflows. */
static u64 clusters_needed(const struct fat_tree *t, const struct volume_files *files, u32 cluster_size)
{
	u64 n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->node[i].is_dir)
			n += dir_clusters(&t->node[i], cluster_size);
	for (size_t i = 0; i < files->n; i++)
		if (!files->file[i].is_dir)
			n += div_round_up(MIN(files->file[i].size, 4 * GIB), cluster_size);
	return n;
}

static u64 bytes_written(const struct geometry *g, u64 used)
{
	return used * g->cluster_size + 2 * g->fat_bytes;
}

/* The first geometry that has room; one with smaller clusters where that saves much, as it does with many small files.
 */
static int choose_geometry(struct fat32 *f, struct err *e)
{
	u32 cluster = f->o.cluster_size ? f->o.cluster_size : 32 * KIB;
	u64 align = MIB, missing = UINT64_MAX;
	struct geometry g = { 0 };

	while ((!f->used || cluster >= SMALLEST_BY_CHOICE) && next_geometry(&f->o, &cluster, &align, &g)) {
		u64 used = clusters_needed(&f->tree, f->files, g.cluster_size);

		if (used > g.n_clusters) {
			missing = MIN(missing, (used - g.n_clusters) * g.cluster_size);
		} else if (!f->used || bytes_written(&g, used) < bytes_written(&f->g, f->used) / 8 * 7) {
			f->g = g;
			f->used = used;
		}
	}
	if (f->used)
		return 0;
	if (missing != UINT64_MAX)
		return fail(e, -ENOSPC, "the files need %llu bytes more than a FAT32 volume of %llu bytes has for them",
		            (unsigned long long)missing, (unsigned long long)f->o.size);
	if (g.n_clusters > MAX_CLUSTERS)
		return fail(e, -ENOTSUP, "%llu bytes are too many for FAT32 with clusters of %u bytes",
		            (unsigned long long)f->o.size, g.cluster_size);
	return fail(e, -ENOTSUP, "%llu bytes are too small for FAT32 with clusters of %u bytes",
	            (unsigned long long)f->o.size, g.cluster_size);
}

static bool is_label(const char label[12])
{
	size_t n = strnlen(label, 12);

	return n < 12 && strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- ") == n && label[0] != ' ';
}

static int check_options(const struct fat32_options *o, struct err *e)
{
	u32 c = o->cluster_size;

	if (o->sector_size != 512 && o->sector_size != 4096)
		return fail(e, -EINVAL, "FAT32: sectors of %u bytes are not supported", o->sector_size);
	if (o->start % o->sector_size || o->size % o->sector_size)
		return fail(e, -EINVAL, "FAT32: the partition does not begin and end at a sector");
	if (o->start / o->sector_size > UINT32_MAX || o->size / o->sector_size > UINT32_MAX)
		return fail(e, -EINVAL, "FAT32: the partition lies beyond what %u-byte sectors can count",
		            o->sector_size);
	if (c && (c < o->sector_size || c > MAX_CLUSTER_SIZE || (c & (c - 1))))
		return fail(e, -EINVAL, "FAT32: clusters of %u bytes are not possible", c);
	if (!is_label(o->label))
		return fail(e, -EINVAL, "FAT32: the label \"%.12s\" is not 1 to 11 of A-Z 0-9 _ - and blank", o->label);
	return 0;
}

static int check_files(const struct volume_files *files, struct err *e)
{
	for (size_t i = 0; i < files->n; i++)
		if (files->file[i].size >= 4 * GIB)
			return fail(e, -EFBIG, "%s: has %llu bytes, and a file on FAT32 ends below 4 GiB",
			            files->file[i].path, (unsigned long long)files->file[i].size);
	return 0;
}

/* All clusters in one row: the directories, the files in the order of the list. */
static void place_all(struct fat32 *f)
{
	u32 next = FIRST_CLUSTER;

	f->place = xcalloc(f->tree.n, sizeof(*f->place));
	for (size_t i = 0; i < f->tree.n; i++) {
		if (!f->tree.node[i].is_dir)
			continue;
		f->place[i] = (struct place){ next, (u32)dir_clusters(&f->tree.node[i], f->g.cluster_size) };
		next += f->place[i].n;
	}
	f->dirs_len = (u64)(next - FIRST_CLUSTER) * f->g.cluster_size;
	for (size_t i = 0; i < f->files->n; i++) {
		const struct volume_file *file = &f->files->file[i];
		u32 n = (u32)div_round_up(file->size, f->g.cluster_size);

		if (file->is_dir || n == 0)
			continue;
		f->place[f->tree.of_file[i]] = (struct place){ next, n };
		next += n;
	}
}

static u64 cluster_off(const struct fat32 *f, u32 cluster)
{
	return f->o.start + f->g.data + (u64)(cluster - FIRST_CLUSTER) * f->g.cluster_size;
}

static void make_fat(struct fat32 *f)
{
	f->fat_len = align_up((f->used + FIRST_CLUSTER) * 4, FAT_GRAIN);
	f->fat = xcalloc(1, f->fat_len);
	put_le32(f->fat, 0x0ffffff8);       /* the media byte */
	put_le32(f->fat + 4, END_OF_CHAIN); /* cleanly unmounted, no errors seen */
	for (size_t i = 0; i < f->tree.n; i++) {
		const struct place *p = &f->place[i];

		for (u32 c = 0; c < p->n; c++)
			put_le32(f->fat + 4 * (size_t)(p->first + c), c + 1 < p->n ? p->first + c + 1 : END_OF_CHAIN);
	}
}

static i64 node_time(const struct fat32 *f, const struct fat_node *n)
{
	return n->file ? n->file->mtime : f->o.time;
}

/* The two dots of a directory; 0 stands for the root as a parent. */
static u8 *put_dots(const struct fat32 *f, size_t dir, u8 *p)
{
	const struct fat_node *n = &f->tree.node[dir];
	struct fat_short s = { .attributes = FAT_DIRECTORY, .mtime = node_time(f, n) };

	memcpy(s.alias, ".          ", FAT_ALIAS_SIZE);
	s.cluster = f->place[dir].first;
	p = fat_entry_put(p, NULL, 0, &s);
	s.alias[1] = '.';
	s.cluster = n->parent ? f->place[n->parent].first : 0;
	return fat_entry_put(p, NULL, 0, &s);
}

static void put_label(const struct fat32 *f, u8 ret[FAT_ALIAS_SIZE])
{
	memset(ret, ' ', FAT_ALIAS_SIZE);
	memcpy(ret, f->o.label, strlen(f->o.label));
}

static u8 *put_label_entry(const struct fat32 *f, u8 *p)
{
	struct fat_short s = { .attributes = FAT_LABEL, .mtime = f->o.time };

	if (!f->o.label[0])
		return p;
	put_label(f, s.alias);
	return fat_entry_put(p, NULL, 0, &s);
}

static u8 *put_node(const struct fat32 *f, size_t i, u8 *p)
{
	const struct fat_node *n = &f->tree.node[i];
	struct fat_short s = { .cluster = f->place[i].first, .mtime = node_time(f, n) };
	u16 units[FAT_NAME_UNITS];

	memcpy(s.alias, n->alias, FAT_ALIAS_SIZE);
	s.attributes = n->is_dir ? FAT_DIRECTORY : FAT_ARCHIVE;
	if (n->file && n->file->system_file)
		s.attributes |= FAT_READ_ONLY | FAT_HIDDEN | FAT_SYSTEM;
	s.size = n->file && !n->is_dir ? (u32)n->file->size : 0;
	return fat_entry_put(p, units, fat_node_long_name(n, units), &s);
}

/* The clusters of a directory; what it holds stands directly behind it in the tree. */
static u8 *make_dir(const struct fat32 *f, size_t dir)
{
	const struct fat_tree *t = &f->tree;
	u8 *mem = xcalloc(f->place[dir].n, f->g.cluster_size);
	u8 *p = dir ? put_dots(f, dir, mem) : put_label_entry(f, mem);

	for (size_t i = dir + 1; i < t->n && t->node[i].parent >= dir; i++)
		if (t->node[i].parent == dir)
			p = put_node(f, i, p);
	return mem;
}

static void forget_dirs(struct fat32 *f)
{
	free(f->made);
	f->made = NULL;
	f->made_off = f->made_len = 0;
	f->made_next = 0;
}

static void make_next_dir(struct fat32 *f)
{
	while (!f->tree.node[f->made_next].is_dir)
		f->made_next++;
	free(f->made);
	f->made_off += f->made_len;
	f->made_len = (u64)f->place[f->made_next].n * f->g.cluster_size;
	f->made = make_dir(f, f->made_next++);
}

/* Made while they are written: of a hundred thousand files they have 12 MB. A step back begins again. */
static int read_dirs(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct fat32 *f = ctx;
	u8 *to = buf;

	if (off > f->dirs_len || len > f->dirs_len - off)
		return fail(e, -ERANGE, "the directories end before byte %llu", (unsigned long long)(off + len));
	if (off < f->made_off)
		forget_dirs(f);
	while (len > 0) {
		size_t n;

		if (off >= f->made_off + f->made_len) {
			make_next_dir(f);
			continue;
		}
		n = (size_t)MIN(f->made_off + f->made_len - off, len);
		memcpy(to, f->made + (off - f->made_off), n);
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

static u64 reserved_bytes(const struct fat32 *f)
{
	return f->g.data - 2 * f->g.fat_bytes;
}

/* Without a loader: ask the BIOS for the next boot device, and stop should that come back. */
static const u8 no_loader[] = { 0xcd, 0x18, 0xf4, 0xeb, 0xfd };

static void make_boot_sector(const struct fat32 *f, u8 *b)
{
	u32 ss = f->o.sector_size;

	memcpy(b, "\xeb\x58\x90MSWIN4.1", 11);
	put_le16(b + 11, (u16)ss);
	b[13] = (u8)(f->g.cluster_size / ss);
	put_le16(b + 14, (u16)(reserved_bytes(f) / ss));
	b[16] = 2;            /* FATs */
	b[21] = 0xf8;         /* media: not removable, as for every partition */
	put_le16(b + 24, 63); /* sectors of a track and heads, as BIOSes take large disks */
	put_le16(b + 26, 255);
	put_le32(b + 28, (u32)(f->o.start / ss));
	put_le32(b + 32, (u32)(f->o.size / ss));
	put_le32(b + 36, (u32)(f->g.fat_bytes / ss));
	put_le32(b + 44, FIRST_CLUSTER); /* the root */
	put_le16(b + 48, 1);             /* FSInfo */
	put_le16(b + 50, BACKUP_SECTOR);
	b[64] = 0x80; /* first disk of the BIOS */
	b[66] = 0x29; /* the three fields that follow are there */
	put_le32(b + 67, f->o.serial);
	if (f->o.label[0])
		put_label(f, b + 71);
	else
		memcpy(b + 71, "NO NAME    ", FAT_ALIAS_SIZE);
	memcpy(b + 82, "FAT32   ", 8);
	memcpy(b + 90, no_loader, sizeof(no_loader));
}

static void make_fsinfo(const struct fat32 *f, u8 *b)
{
	put_le32(b, 0x41615252);
	put_le32(b + 484, 0x61417272);
	put_le32(b + 488, (u32)(f->g.n_clusters - f->used));
	put_le32(b + 492, (u32)(FIRST_CLUSTER + f->used - 1)); /* the last one that was given out */
}

static void make_head(struct fat32 *f)
{
	u32 ss = f->o.sector_size;

	f->head = xcalloc(HEAD_SECTORS, ss);
	make_boot_sector(f, f->head);
	make_fsinfo(f, f->head + ss);
	for (unsigned i = 0; i < 3; i++)
		put_le16(f->head + i * ss + 510, 0xaa55);
	memcpy(f->head + BACKUP_SECTOR * ss, f->head, 3 * (size_t)ss);
}

int fat32_plan(const struct fat32_options *o, struct volume_files *files, struct fat32 **ret, struct err *e)
{
	struct fat32 *f;
	int r = check_options(o, e);

	if (r == 0)
		r = check_files(files, e);
	if (r < 0)
		return r;
	f = xcalloc(1, sizeof(*f));
	f->o = *o;
	f->files = files;
	r = fat_tree_make(files, o->label[0] != '\0', &f->tree, e);
	if (r == 0)
		r = choose_geometry(f, e);
	if (r < 0) {
		fat32_free(f);
		return r;
	}
	place_all(f);
	make_fat(f);
	make_head(f);
	for (size_t i = 0; i < files->n; i++) {
		u32 first = f->place[f->tree.of_file[i]].first;

		files->file[i].device_off = first && files->file[i].size ? cluster_off(f, first) : 0;
	}
	*ret = f;
	return 0;
}

void fat32_set_boot_code(struct fat32 *f, const u8 code[512])
{
	for (unsigned sector = 0; sector <= BACKUP_SECTOR; sector += BACKUP_SECTOR) {
		u8 *b = f->head + (size_t)sector * f->o.sector_size;

		memcpy(b, code, 11);
		memcpy(b + 90, code + 90, 510 - 90);
	}
}

void fat32_emit(struct fat32 *f, struct writelist *pass, struct writelist *commit)
{
	u32 ss = f->o.sector_size;
	u64 off = f->o.start + reserved_bytes(f);

	writelist_add_memory(commit, f->o.start, f->head, ss);
	writelist_add_memory(pass, f->o.start + ss, f->head + ss, (u64)(HEAD_SECTORS - 1) * ss);
	writelist_add_zero(pass, f->o.start + (u64)HEAD_SECTORS * ss, reserved_bytes(f) - (u64)HEAD_SECTORS * ss);
	for (unsigned i = 0; i < 2; i++, off += f->g.fat_bytes) {
		writelist_add_memory(pass, off, f->fat, f->fat_len);
		writelist_add_zero(pass, off + f->fat_len, f->g.fat_bytes - f->fat_len);
	}
	writelist_add_input(pass, f->o.start + f->g.data, f->dirs_len, (struct input){ .read = read_dirs, .ctx = f },
	                    NULL);
	for (size_t i = 0; i < f->files->n; i++) {
		const struct volume_file *file = &f->files->file[i];

		if (!file->device_off)
			continue;
		writelist_add_input(pass, file->device_off, file->size, file->input, file->hash);
		writelist_add_zero(pass, file->device_off + file->size,
		                   align_up(file->size, f->g.cluster_size) - file->size);
	}
}

u32 fat32_cluster_size(const struct fat32 *f)
{
	return f->g.cluster_size;
}

u64 fat32_free_bytes(const struct fat32 *f)
{
	return (f->g.n_clusters - f->used) * f->g.cluster_size;
}

/* A size at which the preferred geometry has room, by adding what is missing until nothing is. */
static u64 size_that_holds(const struct fat_tree *t, const struct volume_files *files, u64 extra, u32 sector_size)
{
	struct fat32_options o = { .sector_size = sector_size };

	o.size = align_up((u64)MIN_CLUSTERS * sector_size, MIB) + 2 * MIB;
	for (;;) {
		u32 cluster = 32 * KIB;
		u64 align = MIB, need;
		struct geometry g;

		if (!next_geometry(&o, &cluster, &align, &g))
			return o.size;
		need = clusters_needed(t, files, g.cluster_size) + div_round_up(extra, g.cluster_size);
		if (need <= g.n_clusters)
			return o.size;
		o.size += align_up((need - g.n_clusters) * g.cluster_size, MIB);
	}
}

void fat32_sizes_for(const struct volume_files *files, const u64 *extra, size_t n, u32 sector_size, u64 *ret_size)
{
	struct err ignored = { 0 };
	struct fat_tree t = { 0 };

	if (fat_tree_make(files, true, &t, &ignored) < 0)
		err_clear(&ignored);
	for (size_t i = 0; i < n; i++)
		ret_size[i] = size_that_holds(&t, files, MIN(extra[i], MAX_VOLUME), sector_size);
	fat_tree_free(&t);
}

u64 fat32_size_for(const struct volume_files *files, u64 extra, u32 sector_size)
{
	u64 size;

	fat32_sizes_for(files, &extra, 1, sector_size, &size);
	return size;
}

void fat32_free(struct fat32 *f)
{
	if (!f)
		return;
	fat_tree_free(&f->tree);
	free(f->place);
	free(f->head);
	free(f->fat);
	free(f->made);
	free(f);
}
