/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/prove_disk.h"

#include <errno.h>

#include "src/fs/ext4_read.h"
#include "src/media/device.h"

static bool is_ext(const struct scan_part *part)
{
	return strncmp(part->fs, "ext", 3) == 0;
}

const struct scan_part *prove_data(const struct device *overlay, const struct stick *s)
{
	const struct scan_part *best = NULL;
	u64 most = 0;

	if (s->is_ours)
		return stick_data(s);
	for (size_t i = 0; i < s->scan.n_parts; i++) {
		const struct scan_part *part = &s->scan.part[i];
		u64 written = device_scratch_written(overlay, part->start, part->size);

		if (is_ext(part) && (!best || written > most)) {
			best = part;
			most = written;
		}
	}
	return best;
}

/* ---- the marker */

struct search {
	struct ext4_volume *v;
	const struct prove_marker *m;
	char *path; /* where it is */
	struct err *e;
};

static int look_at_name(void *ctx, const struct ext4_entry *entry)
{
	struct search *s = ctx;
	size_t len = strlen(s->m->text);
	const char *name = strrchr(entry->path, '/');
	AUTO_FREE char *text = NULL;
	int r;

	if (!entry->is_file || !name || strcmp(name + 1, s->m->name) != 0 || entry->size < len || entry->size > 4096)
		return 0;
	text = xcalloc(1, entry->size + 1);
	r = ext4_read_file(s->v, entry, 0, text, entry->size, s->e);
	if (r == 0 && memcmp(text, s->m->text, len) == 0)
		s->path = xstrdup(entry->path);
	return r < 0 ? r : s->path != NULL;
}

static int find_bytes(void *ctx, u64 off, const u8 *data, size_t len)
{
	const struct prove_marker *m = ctx;

	(void)off;
	return memmem(data, len, m->text, strlen(m->text)) != NULL;
}

int prove_find_marker(struct device *overlay, const struct scan_part *data, const struct prove_marker *m,
                      char **ret_path, struct err *e)
{
	AUTO_DEVICE struct device *window = device_new_window(overlay, "DATA", data->start, data->size);
	AUTO_EXT4 struct ext4_volume *v = NULL;
	AUTO_ERR struct err other = { 0 };
	struct search s = { .m = m, .e = &other };
	int r = ext4_open(window, &v, &other);

	s.v = v;
	if (r == 0)
		r = ext4_each(v, look_at_name, &s, &other);
	if (r == 1) {
		*ret_path = s.path;
		return 1;
	}
	free(s.path);
	/* As a file it is not there, or the file system cannot be read: then the blocks are asked. */
	*ret_path = NULL;
	r = device_scratch_each(overlay, data->start, data->size, find_bytes, (void *)m);
	return r < 0 ? fail(e, r, "%s: %s", overlay->name, strerror(-r)) : r;
}

/* ---- traces */

struct count {
	struct ext4_volume *v;
	i64 first, second;
	struct prove_traces *t;
	struct err *e;
};

static int count_file(void *ctx, const struct ext4_entry *entry)
{
	struct count *c = ctx;
	struct ext4_thing thing;
	int r;

	if (!entry->is_file)
		return 0;
	r = ext4_look(c->v, entry->inode, entry->path, &thing, c->e);
	if (r < 0) {
		err_clear(c->e); /* not written to its place yet */
		return 0;
	}
	if (thing.mtime >= c->second) {
		c->t->second++;
	} else if (thing.mtime >= c->first) {
		c->t->first++;
		if (!c->t->example)
			c->t->example = xstrdup(entry->path);
	}
	return 0;
}

int prove_find_traces(struct device *overlay, const struct scan_part *data, i64 first, i64 second,
                      struct prove_traces *ret, struct err *e)
{
	AUTO_DEVICE struct device *window = device_new_window(overlay, "DATA", data->start, data->size);
	AUTO_EXT4 struct ext4_volume *v = NULL;
	struct prove_traces t = { .bytes = device_scratch_written(overlay, data->start, data->size) };
	struct count c = { .first = first, .second = second, .t = &t, .e = e };
	int r = ext4_open(window, &v, e);

	c.v = v;
	if (r == 0)
		r = ext4_each(v, count_file, &c, e);
	if (r < 0 && !t.example)
		return r;
	err_clear(e);
	*ret = t;
	return 0;
}
