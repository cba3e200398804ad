/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A second reader of FAT32 that shares no code with src/fs, to judge what an update has left. It is as strict as it can
 * be: any file that can be reached must have a whole chain of its own and a whole name. There is no one way to read a
 * FAT: either of the two tables may be asked, and at the first empty entry of a directory some stop and some do not.
 */
#ifndef LIVESTICK_TEST_FAT_JUDGE_H
#define LIVESTICK_TEST_FAT_JUDGE_H

#include <ctype.h>
#include <stdio.h>

#include "src/media/device.h"

struct judged_file {
	const char *path;
	bool is_dir;
	u8 attributes;
	u64 size;
	const u8 *data;
	u64 off; /* of the bytes on the device, if they lie in one stretch; else 0 */
};

struct judge {
	/* set by the caller */
	struct device *d;
	u64 start;                                           /* of the volume on the device */
	u32 copy;                                            /* which FAT, 0 or 1 */
	bool goes_on;                                        /* behind an entry that begins with 0 */
	int (*file)(void *ctx, const struct judged_file *f); /* nonzero: stop, the caller knows why */
	void *ctx;
	u8 *dirs; /* NULL, or a byte each cluster that is set when it is a directory's */

	u8 *fat, *seen;
	u32 sector, cluster, n, root;
	u64 tables, data;
	u32 n_seen;
	char path[4096];
	char why[5000]; /* "": nothing is wrong */
	u32 lost;       /* clusters that are taken and belong to nobody */
	u32 n_free;     /* clusters that are not taken */
	u32 count;      /* of those, as FSInfo has it */
};

static inline u32 judge_le(const u8 *p, int bytes)
{
	u32 n = 0;

	while (bytes-- > 0)
		n = n * 256 + p[bytes];
	return n;
}

static int judge_says(struct judge *j, const char *what)
{
	snprintf(j->why, sizeof(j->why), "%s: %s", j->path, what);
	return -1;
}

static int judge_get(struct judge *j, u64 off, void *to, size_t len)
{
	AUTO_ERR struct err e = { 0 };

	return device_read(j->d, j->start + off, to, len, &e) < 0 ? judge_says(j, "cannot be read") : 0;
}

static int judge_head(struct judge *j)
{
	u8 b[512], info[512];
	u32 reserved, fat_sectors, tables, sectors;

	if (judge_get(j, 0, b, sizeof(b)) < 0 ||
	    judge_get(j, (u64)judge_le(b + 48, 2) * judge_le(b + 11, 2), info, sizeof(info)) < 0)
		return -1;
	j->count = judge_le(info + 488, 4);
	j->sector = judge_le(b + 11, 2);
	j->cluster = j->sector * b[13];
	reserved = judge_le(b + 14, 2);
	tables = b[16];
	fat_sectors = judge_le(b + 36, 4);
	j->root = judge_le(b + 44, 4);
	j->tables = (u64)reserved * j->sector;
	j->data = j->tables + (u64)tables * fat_sectors * j->sector;
	sectors = judge_le(b + 19, 2) ? judge_le(b + 19, 2) : judge_le(b + 32, 4);
	j->n = (u32)(((u64)sectors * j->sector - j->data) / j->cluster) + 2;
	if (j->copy >= tables)
		j->copy = 0;
	j->fat = malloc((u64)j->n * 4);
	j->seen = calloc(j->n, 1);
	if (!j->fat || !j->seen)
		return judge_says(j, "no memory");
	return judge_get(j, (u64)(reserved + j->copy * fat_sectors) * j->sector, j->fat, (u64)j->n * 4);
}

static u64 judge_place(const struct judge *j, u32 c)
{
	return j->data + (u64)(c - 2) * j->cluster;
}

/* Reads a whole chain; NULL: something is wrong. */
static u8 *judge_chain(struct judge *j, u32 first, u64 *ret_clusters, u64 *ret_off)
{
	u8 *all = NULL;
	u64 n = 0, room = 0;
	u32 expected = first;

	*ret_off = j->start + judge_place(j, first);
	for (u32 c = first; c < 0x0ffffff8; c = judge_le(j->fat + (u64)c * 4, 4) & 0x0fffffff) {
		bool bad = c < 2 || c >= j->n, twice = !bad && j->seen[c];

		if (n == room) {
			room = 2 * room + 1;
			all = realloc(all, room * j->cluster);
		}
		if (bad || twice)
			judge_says(j, bad ? "chain leads to a cluster that is free, bad or not there"
			                  : "cluster belongs to two");
		if (bad || twice || !all || judge_get(j, judge_place(j, c), all + n * j->cluster, j->cluster) < 0) {
			free(all);
			return NULL;
		}
		if (c != expected)
			*ret_off = 0;
		expected = c + 1;
		j->seen[c] = 1;
		j->n_seen++;
		n++;
	}
	*ret_clusters = n;
	return all;
}

static u8 judge_sum(const u8 *name)
{
	u8 sum = 0;

	for (int i = 0; i < 11; i++)
		sum = (u8)(((sum & 1) << 7) + (sum >> 1) + name[i]);
	return sum;
}

static void judge_add_char(char *to, size_t *len, u32 c)
{
	static const u8 head[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (int i = n - 1; i > 0; i--, c >>= 6)
		to[*len + (size_t)i] = (char)(0x80 | (c & 0x3f));
	to[*len] = (char)(n == 1 ? c : (head[n] | c));
	*len += (size_t)n;
}

/* The name of the entry at `e`, whose pieces (if it has any) stand before it in the directory that begins at `dir`. */
static void judge_name(const u8 *dir, const u8 *e, char *to)
{
	static const u8 places[13] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
	size_t len = 0;
	bool whole = false;
	u32 high = 0;

	for (u32 piece = 1; !whole && e - 32 * piece >= dir; piece++) {
		const u8 *p = e - 32 * piece;

		if (p[11] != 0x0f || p[0] == 0xe5 || (p[0] & 0x3f) != piece || p[13] != judge_sum(e))
			break;
		for (int i = 0; i < 13; i++) {
			u32 c = judge_le(p + places[i], 2);

			if (c == 0)
				break;
			if (c >= 0xd800 && c < 0xdc00)
				high = c;
			else
				judge_add_char(
				    to, &len,
				    c >= 0xdc00 && c < 0xe000 ? 0x10000 + ((high - 0xd800) << 10) + c - 0xdc00 : c);
		}
		whole = p[0] & 0x40;
	}
	if (!whole) {
		len = 0;
		for (int i = 0; i < 8 && e[i] != ' '; i++)
			to[len++] = (char)(e[12] & 8 ? tolower(e[i]) : e[i]);
		if (e[8] != ' ')
			to[len++] = '.';
		for (int i = 8; i < 11 && e[i] != ' '; i++)
			to[len++] = (char)(e[12] & 16 ? tolower(e[i]) : e[i]);
	}
	to[len] = '\0';
}

static int judge_dir(struct judge *j, u32 first, u32 up, int depth);

static int judge_entry(struct judge *j, const u8 *e, u32 dir, int depth)
{
	struct judged_file f = {
		.path = j->path, .is_dir = e[11] & 0x10, .attributes = e[11], .size = judge_le(e + 28, 4)
	};
	u32 first = judge_le(e + 26, 2) | judge_le(e + 20, 2) << 16;
	u64 clusters = 0;
	u8 *data = NULL;
	int r;

	if (f.is_dir) {
		r = j->file(j->ctx, &f);
		return r ? r : judge_dir(j, first, dir, depth + 1);
	}
	if (first) {
		data = judge_chain(j, first, &clusters, &f.off);
		if (!data)
			return -1;
	}
	if (clusters != (f.size + j->cluster - 1) / j->cluster) {
		free(data);
		return judge_says(j, "chain and size do not agree");
	}
	f.data = data;
	r = j->file(j->ctx, &f);
	free(data);
	return r;
}

/* `up` is the directory above; the root has none. */
static int judge_dir(struct judge *j, u32 first, u32 up, int depth)
{
	size_t len = strlen(j->path);
	u64 n = 0, off;
	u8 *dir = depth < 64 ? judge_chain(j, first, &n, &off) : NULL;
	int r = dir ? 0 : j->why[0] ? -1 : judge_says(j, "no chain, or too deep");

	for (u32 c = first; r == 0 && j->dirs && c < 0x0ffffff8; c = judge_le(j->fat + (u64)c * 4, 4) & 0x0fffffff)
		j->dirs[c] = 1;
	for (const u8 *e = dir; r == 0 && e < dir + n * j->cluster; e += 32) {
		if (e[0] == 0 && !j->goes_on)
			break;
		if (e[0] == 0 || e[0] == 0xe5 || (e[11] & 0x08))
			continue;
		if (depth > 0 && e < dir + 64) {
			u32 to = judge_le(e + 26, 2) | judge_le(e + 20, 2) << 16;

			if (memcmp(e, e == dir ? ".          " : "..         ", 11) != 0 ||
			    to != (e == dir        ? first
			           : up == j->root ? 0
			                           : up))
				r = judge_says(j, "the dots are wrong");
			continue;
		}
		j->path[len] = '/';
		judge_name(dir, e, j->path + len + 1);
		r = judge_entry(j, e, first, depth);
		if (r == 0)
			j->path[len] = '\0';
	}
	free(dir);
	return r;
}

/* 0: all is well; else `why` says it, unless it was `file` that stopped. */
static int judge_run(struct judge *j)
{
	int r;

	j->path[0] = j->why[0] = '\0';
	j->n_seen = j->lost = 0;
	r = judge_head(j);
	if (r == 0)
		r = judge_dir(j, j->root, 0, 0);
	for (u32 c = 2; r == 0 && c < j->n; c++)
		j->lost += judge_le(j->fat + (u64)c * 4, 4) % 0x10000000 != 0;
	j->n_free = j->n - 2 - j->lost;
	j->lost -= r == 0 ? j->n_seen : 0;
	free(j->fat);
	free(j->seen);
	j->fat = j->seen = NULL;
	return r;
}

#endif
