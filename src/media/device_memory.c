/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "src/media/device.h"

#define PIECE       (256 * KIB) /* so large that what is never touched of it takes no memory */
#define BLOCK       (4 * KIB)   /* the grain in which a piece knows what was written */
#define BLOCKS      (PIECE / BLOCK)
#define TABLE       1024 /* pieces of a table: 256 MiB */
#define TABLE_BYTES (TABLE * PIECE)

struct piece {
	u64 written; /* bit n: block n */
	u8 data[PIECE];
};

struct memory {
	struct device d;
	struct piece **
	    *tables; /* of d.size / TABLE_BYTES, rounded up; a table exists once something in it was written */
};

static_assert(BLOCKS == 64, "struct piece has a bit for each block");

static struct piece *find_piece(const struct memory *m, u64 off)
{
	struct piece **table = m->tables[off / TABLE_BYTES];

	return table ? table[off / PIECE % TABLE] : NULL;
}

static struct piece *make_piece(struct memory *m, u64 off)
{
	struct piece ***table = &m->tables[off / TABLE_BYTES];
	struct piece **piece;

	if (!*table)
		*table = xcalloc(TABLE, sizeof(**table));
	piece = &(*table)[off / PIECE % TABLE];
	if (!*piece)
		*piece = xcalloc(1, sizeof(**piece));
	return *piece;
}

static int memory_read(struct device *d, u64 off, void *buf, size_t len)
{
	u8 *to = buf;

	while (len > 0) {
		const struct piece *p = find_piece((struct memory *)d, off);
		size_t n = MIN(len, PIECE - off % PIECE);

		if (p)
			memcpy(to, p->data + off % PIECE, n);
		else
			memset(to, 0, n);
		off += n;
		to += n;
		len -= n;
	}
	return 0;
}

static int memory_write(struct device *d, u64 off, const void *buf, size_t len)
{
	const u8 *from = buf;

	while (len > 0) {
		struct piece *p = make_piece((struct memory *)d, off);
		size_t at = off % PIECE, n = MIN(len, PIECE - at);

		memcpy(p->data + at, from, n);
		for (size_t block = at / BLOCK; block <= (at + n - 1) / BLOCK; block++)
			p->written |= 1ULL << block;
		off += n;
		from += n;
		len -= n;
	}
	return 0;
}

/* The stretches of one piece, which starts at `off`. */
static int each_in_piece(const struct memory *m, u64 off, int (*fn)(void *ctx, u64 off, const u8 *data, size_t len),
                         void *ctx)
{
	const struct piece *p = find_piece(m, off);
	int r = 0;

	for (size_t first = 0, end; p && first < BLOCKS && r == 0; first = end) {
		bool written = p->written >> first & 1;

		for (end = first + 1; end < BLOCKS && (p->written >> end & 1) == written; end++)
			;
		if (written)
			r = fn(ctx, off + first * BLOCK, p->data + first * BLOCK,
			       MIN((end - first) * BLOCK, m->d.size - (off + first * BLOCK)));
	}
	return r;
}

int device_memory_each(struct device *d, int (*fn)(void *ctx, u64 off, const u8 *data, size_t len), void *ctx)
{
	const struct memory *m = (struct memory *)d;
	int r = 0;

	for (u64 table = 0; table < div_round_up(d->size, TABLE_BYTES) && r == 0; table++)
		for (u64 i = 0; m->tables[table] && i < TABLE && r == 0; i++)
			r = each_in_piece(m, table * TABLE_BYTES + i * PIECE, fn, ctx);
	return r;
}

static void memory_free(struct device *d)
{
	struct memory *m = (struct memory *)d;

	for (u64 table = 0; table < div_round_up(d->size, TABLE_BYTES); table++) {
		for (u64 i = 0; m->tables[table] && i < TABLE; i++)
			free(m->tables[table][i]);
		free(m->tables[table]);
	}
	free(m->tables);
}

static const struct device_ops memory_ops = {
	.read = memory_read,
	.write = memory_write,
	.free = memory_free,
};

struct device *device_new_memory(const char *name, u64 size, u32 sector_size)
{
	struct memory *m = xcalloc(1, sizeof(*m));

	m->d = (struct device){
		.ops = &memory_ops,
		.name = xstrdup(name),
		.size = size,
		.sector_size = sector_size,
		.fd = -1,
	};
	m->tables = xcalloc(div_round_up(size, TABLE_BYTES), sizeof(*m->tables));
	return &m->d;
}
