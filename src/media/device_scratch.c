/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "src/base/scratch.h"
#include "src/media/device.h"

#define BLOCK       4096
#define TABLE       (32 * KIB) /* blocks whose bits are in one table: 128 MiB of the device */
#define TABLE_BYTES (TABLE * BLOCK)

/*
 * What was written lies in a file without a name, at the place that it has on the device: sparse, so it takes the room
 * of what was written, in blocks. A bit for each block tells which of the two has it.
 */
struct scratch {
	struct device d;
	struct device *under;
	int file;
	u8 **tables; /* of d.size / TABLE_BYTES, rounded up; a table exists once something in it was written */
	u64 blocks;  /* that were written */
	int failed;  /* of the file, never of the device below */
};

static u8 *find_bits(const struct scratch *s, u64 block)
{
	u8 *table = s->tables[block / TABLE];

	return table ? &table[block % TABLE / 8] : NULL;
}

static bool is_written(const struct scratch *s, u64 block)
{
	const u8 *bits = find_bits(s, block);

	return bits && (*bits >> block % 8 & 1);
}

static void mark(struct scratch *s, u64 block)
{
	u8 **table = &s->tables[block / TABLE];

	if (!*table)
		*table = xcalloc(TABLE / 8, 1);
	(*table)[block % TABLE / 8] |= (u8)(1U << block % 8);
	s->blocks++;
}

static int file_io(struct scratch *s, bool is_write, u64 off, u8 *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = is_write ? pwrite(s->file, buf, len, (off_t)off) : pread(s->file, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->failed = n < 0 ? -errno : -EIO;
			return s->failed;
		}
		off += (u64)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* How far from `off` on, `len` at most, all blocks are on the same side. */
static size_t same_side(const struct scratch *s, u64 off, size_t len, bool written)
{
	u64 end = align_down(off, BLOCK) + BLOCK;

	while (end < off + len && is_written(s, end / BLOCK) == written)
		end += BLOCK;
	return (size_t)(MIN(end, off + len) - off);
}

static int scratch_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct scratch *s = (struct scratch *)d;
	u8 *to = buf;
	int r = 0;

	while (len > 0 && r == 0) {
		bool written = is_written(s, off / BLOCK);
		size_t n = same_side(s, off, len, written);

		r = written ? file_io(s, false, off, to, n) : s->under->ops->read(s->under, off, to, n);
		off += n;
		to += n;
		len -= n;
	}
	return r;
}

/* A block of which only a part is written takes the rest from below. */
static int take_block(struct scratch *s, u64 block)
{
	u64 off = block * BLOCK;
	size_t n = MIN(BLOCK, s->d.size - off);
	u8 bytes[BLOCK];
	int r = s->under->ops->read(s->under, off, bytes, n);

	if (r == 0)
		r = file_io(s, true, off, bytes, n);
	if (r == 0)
		mark(s, block);
	return r;
}

static int scratch_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct scratch *s = (struct scratch *)d;
	u64 first = off / BLOCK, last = (off + len - 1) / BLOCK;
	int r = 0;

	if (len == 0)
		return 0;
	if (off % BLOCK && !is_written(s, first))
		r = take_block(s, first);
	if (r == 0 && (off + len) % BLOCK && off + len < d->size && !is_written(s, last))
		r = take_block(s, last);
	if (r == 0)
		r = file_io(s, true, off, (u8 *)buf, len);
	for (u64 block = first; r == 0 && block <= last; block++)
		if (!is_written(s, block))
			mark(s, block);
	return r;
}

static void scratch_free(struct device *d)
{
	struct scratch *s = (struct scratch *)d;

	for (u64 i = 0; i < div_round_up(d->size, TABLE_BYTES); i++)
		free(s->tables[i]);
	free(s->tables);
	util_close(&s->file);
}

static const struct device_ops scratch_ops = {
	.read = scratch_read,
	.write = scratch_write,
	.free = scratch_free,
};

int device_new_scratch(struct device *under, const char *dir, struct device **ret, struct err *e)
{
	struct scratch *s;
	int file = scratch_file(dir);

	if (file < 0)
		return fail(e, -errno, "%s: a temporary file cannot be made: %s", dir, strerror(errno));
	s = xcalloc(1, sizeof(*s));
	s->d = (struct device){
		.ops = &scratch_ops,
		.name = xstrdup(under->name),
		.size = under->size,
		.sector_size = under->sector_size,
		.fd = -1,
	};
	s->under = under;
	s->file = file;
	s->tables = xcalloc(div_round_up(under->size, TABLE_BYTES), sizeof(*s->tables));
	*ret = &s->d;
	return 0;
}

int device_scratch_failed(const struct device *d)
{
	return ((const struct scratch *)d)->failed;
}

u64 device_scratch_written(const struct device *d, u64 off, u64 len)
{
	const struct scratch *s = (const struct scratch *)d;
	u64 n = 0, end = MIN(off + len, d->size);

	for (u64 block = off / BLOCK; block * BLOCK < end;) {
		if (!s->tables[block / TABLE]) {
			block = (block / TABLE + 1) * TABLE;
			continue;
		}
		n += is_written(s, block);
		block++;
	}
	return n * BLOCK;
}

int device_scratch_each(struct device *d, u64 off, u64 len, int (*fn)(void *ctx, u64 off, const u8 *data, size_t len),
                        void *ctx)
{
	const struct scratch *s = (struct scratch *)d;
	u64 end = MIN(off + len, d->size);
	u8 bytes[BLOCK];
	int r = 0;

	for (u64 block = off / BLOCK; block * BLOCK < end && r == 0;) {
		size_t n = MIN(BLOCK, d->size - block * BLOCK);

		if (!s->tables[block / TABLE]) {
			block = (block / TABLE + 1) * TABLE;
			continue;
		}
		if (is_written(s, block)) {
			r = scratch_read(d, block * BLOCK, bytes, n);
			if (r == 0)
				r = fn(ctx, block * BLOCK, bytes, n);
		}
		block++;
	}
	return r;
}
