/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's decompressors (lib/decompress.c) by the libraries that their formats come from. Each must find the end
 * of its data exactly, because another part may follow; libarchive's filters do not.
 */
#include "src/source/initrd_private.h"

#include <bzlib.h>
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <zlib.h>
#include <zstd.h>

#include "src/base/progress.h"

/*
 * No initrd unpacks to so much, nor to so much more than it is; what is made to take a reader's time does. xz -9 needs
 * 65 MiB.
 */
#define UNPACKED_MAX   (4 * GIB)
#define UNPACKED_FREE  (256 * MIB)
#define UNPACKED_RATIO 64
#define XZ_MEMORY_MAX  (256 * MIB)

#define PIECE_SIZE (256 * KIB)

static int deliver(struct unpack *u, const u8 *data, size_t len, struct err *e)
{
	if (len == 0)
		return 0;
	if (interrupted)
		return fail(e, -EINTR, "interrupted");
	u->total += len;
	if (u->total > UNPACKED_MAX || u->total > UNPACKED_FREE + UNPACKED_RATIO * u->feed->off)
		return fail_source(e, -EFBIG, "unpacks to more than any initrd holds: it is damaged or hostile");
	return u->sink(u->ctx, data, len, e);
}

static int fail_damaged(struct err *e)
{
	return fail_source(e, -EINVAL, "is damaged");
}

/* ---- what takes and gives any number of bytes */

struct stretch {
	const u8 *in;
	u8 *out;
	size_t n_in, n_out; /* what there is, and room; the step takes off what it used */
};

enum { MORE, END };

/* A step gives MORE, END or -errno: -EINVAL and -EFBIG get their sentences here. */
static int pump(struct unpack *u, int (*step)(void *stream, struct stretch *s), void *stream, struct err *e)
{
	AUTO_FREE u8 *piece = xcalloc(PIECE_SIZE, 1);

	for (;;) {
		int r = feed_need(u->feed, 1, e), given;
		size_t had = u->feed->len;
		struct stretch s = { u->feed->at, piece, had, PIECE_SIZE };

		if (r < 0)
			return r;
		r = step(stream, &s);
		if (r == -EFBIG)
			return fail_source(e, r, "needs more than %llu MiB of memory to be unpacked",
			                   XZ_MEMORY_MAX / MIB);
		if (r < 0)
			return fail_damaged(e);
		feed_use(u->feed, had - s.n_in);
		given = deliver(u, piece, PIECE_SIZE - s.n_out, e);
		if (given < 0 || r == END)
			return given;
		if (had == 0 && s.n_out == PIECE_SIZE)
			return fail_source(e, -ENODATA, "is cut short");
		if (s.n_in == had && s.n_out == PIECE_SIZE)
			return fail_damaged(e); /* no step forward */
	}
}

static int step_gzip(void *stream, struct stretch *s)
{
	z_stream *z = stream;
	int r;

	z->next_in = (u8 *)s->in;
	z->avail_in = (unsigned)s->n_in;
	z->next_out = s->out;
	z->avail_out = (unsigned)s->n_out;
	r = inflate(z, Z_NO_FLUSH);
	s->n_in = z->avail_in;
	s->n_out = z->avail_out;
	return r == Z_STREAM_END ? END : r == Z_OK || r == Z_BUF_ERROR ? MORE : -EINVAL;
}

static int run_gzip(struct unpack *u, struct err *e)
{
	z_stream z = { 0 };
	int r = inflateInit2(&z, 16 + MAX_WBITS) == Z_OK ? pump(u, step_gzip, &z, e) : fail_damaged(e);

	inflateEnd(&z);
	return r;
}

static int step_bzip2(void *stream, struct stretch *s)
{
	bz_stream *z = stream;
	int r;

	z->next_in = (char *)s->in;
	z->avail_in = (unsigned)s->n_in;
	z->next_out = (char *)s->out;
	z->avail_out = (unsigned)s->n_out;
	r = BZ2_bzDecompress(z);
	s->n_in = z->avail_in;
	s->n_out = z->avail_out;
	return r == BZ_STREAM_END ? END : r == BZ_OK ? MORE : -EINVAL;
}

static int run_bzip2(struct unpack *u, struct err *e)
{
	bz_stream z = { 0 };
	int r = BZ2_bzDecompressInit(&z, 0, 0) == BZ_OK ? pump(u, step_bzip2, &z, e) : fail_damaged(e);

	BZ2_bzDecompressEnd(&z);
	return r;
}

static int step_lzma(void *stream, struct stretch *s)
{
	lzma_stream *z = stream;
	lzma_ret r;

	z->next_in = s->in;
	z->avail_in = s->n_in;
	z->next_out = s->out;
	z->avail_out = s->n_out;
	r = lzma_code(z, LZMA_RUN);
	s->n_in = z->avail_in;
	s->n_out = z->avail_out;
	return r == LZMA_STREAM_END                  ? END
	       : r == LZMA_OK || r == LZMA_BUF_ERROR ? MORE
	       : r == LZMA_MEMLIMIT_ERROR            ? -EFBIG
	                                             : -EINVAL;
}

static int run_xz(struct unpack *u, struct err *e)
{
	lzma_stream z = LZMA_STREAM_INIT;
	int r = lzma_stream_decoder(&z, XZ_MEMORY_MAX, 0) == LZMA_OK ? pump(u, step_lzma, &z, e) : fail_damaged(e);

	lzma_end(&z);
	return r;
}

static int run_lzma(struct unpack *u, struct err *e)
{
	lzma_stream z = LZMA_STREAM_INIT;
	int r = lzma_alone_decoder(&z, XZ_MEMORY_MAX) == LZMA_OK ? pump(u, step_lzma, &z, e) : fail_damaged(e);

	lzma_end(&z);
	return r;
}

static int step_zstd(void *stream, struct stretch *s)
{
	ZSTD_inBuffer in = { s->in, s->n_in, 0 };
	ZSTD_outBuffer out = { s->out, s->n_out, 0 };
	size_t r = ZSTD_decompressStream(stream, &out, &in);

	s->n_in -= in.pos;
	s->n_out -= out.pos;
	return ZSTD_isError(r) ? -EINVAL : r == 0 ? END : MORE;
}

/* The library's limit of memory, a window of 128 MiB, is the kernel's too. */
static int run_zstd(struct unpack *u, struct err *e)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	int r = z ? pump(u, step_zstd, z, e) : fail_damaged(e);

	ZSTD_freeDCtx(z);
	return r;
}

/* ---- what comes in blocks with their sizes */

#define LZ4_MAGIC    0x184c2102
#define LZ4_BLOCK    (8 * MIB)
#define LZ4_LEN_SIZE 4

/*
 * What comes next: 1 a block of `*ret_len` bytes, 0 the end, or -errno. There is no mark for the end: the kernel takes
 * a length of 0, or fewer than 4 bytes, for one.
 */
static int lz4_next(struct feed *f, u32 *ret_len, struct err *e)
{
	int r = feed_need(f, LZ4_LEN_SIZE, e);

	if (r < 0)
		return r;
	for (size_t i = 0; f->len < LZ4_LEN_SIZE && i < f->len; i++)
		if (f->at[i])
			return fail_source(e, -ENODATA, "is cut short");
	if (f->len < LZ4_LEN_SIZE)
		return 0;
	*ret_len = get_le32(f->at);
	if (*ret_len != LZ4_MAGIC && *ret_len > LZ4_COMPRESSBOUND(LZ4_BLOCK))
		return fail_source(e, -EINVAL, "is damaged, or is followed by something without four zeros between");
	if (*ret_len == 0)
		return 0;
	feed_use(f, LZ4_LEN_SIZE);
	return 1;
}

/* Magic, which may come again between blocks, and blocks of at most 8 MiB when unpacked. */
static int run_lz4(struct unpack *u, struct err *e)
{
	AUTO_FREE u8 *packed = xcalloc(LZ4_COMPRESSBOUND(LZ4_BLOCK), 1), *block = xcalloc(LZ4_BLOCK, 1);
	bool has_block = false;
	u32 len = 0;
	int r = lz4_next(u->feed, &len, e), n;

	if (r == 1 && len != LZ4_MAGIC)
		return fail_damaged(e);
	for (; r == 1; r = lz4_next(u->feed, &len, e)) {
		if (len == LZ4_MAGIC)
			continue;
		has_block = true;
		r = feed_read(u->feed, packed, len, e);
		if (r < 0)
			return r;
		n = LZ4_decompress_safe((const char *)packed, (char *)block, (int)len, (int)LZ4_BLOCK);
		r = n < 0 ? fail_damaged(e) : deliver(u, block, (size_t)n, e);
		if (r < 0)
			return r;
	}
	return r < 0 || has_block ? r : fail_source(e, -ENODATA, "is cut short");
}

/* lzop's file format has no description but its source; numbers are big endian. */
#define LZO_BLOCK (256 * KIB)

enum {
	LZO_MAGIC_SIZE = 9,
	LZO_SINCE_LEVEL = 0x940, /* from this version on, the header has a level and a longer time */
	LZO_FLAG_FILTER = 0x800,
	/* One checksum a block is what lzop makes unless told otherwise, and what the kernel expects. */
	LZO_FLAG_CHECKSUMS = 0x303, /* Adler-32 and CRC-32, each of unpacked and packed data */
	LZO_FLAG_ADLER_UNPACKED = 0x001,
	LZO_FLAG_CRC_UNPACKED = 0x100,
};

static u32 get_be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static int read_lzo_header(struct feed *f, struct err *e)
{
	static const u8 magic[LZO_MAGIC_SIZE] = { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n' };
	u8 h[256 + 4];
	bool has_level;
	u32 flags, checksums;
	int r = feed_read(f, h, LZO_MAGIC_SIZE, e);

	if (r == 0 && memcmp(h, magic, sizeof(magic)) != 0)
		return fail_damaged(e);
	if (r == 0)
		r = feed_read(f, h, 7, e); /* version, version of the library, version that is needed, method */
	has_level = r == 0 && (h[0] << 8 | h[1]) >= LZO_SINCE_LEVEL;
	if (r == 0 && has_level)
		r = feed_read(f, h, 1, e);
	if (r == 0)
		r = feed_read(f, h, 4, e);
	if (r < 0)
		return r;
	flags = get_be32(h);
	checksums = flags & LZO_FLAG_CHECKSUMS;
	if ((flags & LZO_FLAG_FILTER) || (checksums != LZO_FLAG_ADLER_UNPACKED && checksums != LZO_FLAG_CRC_UNPACKED))
		return fail_source(e, -EINVAL, "was made with options of lzop that the kernel does not know");
	r = feed_read(f, h, has_level ? 13 : 9, e); /* mode, time, length of a name */
	return r < 0 ? r : feed_read(f, h, (size_t)h[has_level ? 12 : 8] + 4, e);
}

static int run_lzo(struct unpack *u, struct err *e)
{
	AUTO_FREE u8 *packed = xcalloc(LZO_BLOCK, 1), *block = xcalloc(LZO_BLOCK, 1);
	int r = read_lzo_header(u->feed, e);

	while (r == 0) {
		u8 head[8];
		lzo_uint len, n;

		r = feed_read(u->feed, head, 4, e);
		if (r < 0 || get_be32(head) == 0)
			return r;
		n = get_be32(head);
		r = feed_read(u->feed, head, 8, e); /* length and checksum */
		if (r < 0)
			return r;
		len = get_be32(head);
		if (n > LZO_BLOCK || len == 0 || len > n)
			return fail_damaged(e);
		r = feed_read(u->feed, packed, len, e);
		if (r < 0)
			return r;
		if (len < n) {
			lzo_uint room = LZO_BLOCK;

			if (lzo1x_decompress_safe(packed, len, block, &room, NULL) != LZO_E_OK || room != n)
				return fail_damaged(e);
		}
		r = deliver(u, len < n ? block : packed, n, e);
	}
	return r;
}

/* ---- all of them */

static const struct codec codecs[] = {
	{ "gzip", { 0x1f, 0x8b }, run_gzip }, { "bzip2", { 'B', 'Z' }, run_bzip2 },
	{ "lzma", { 0x5d, 0x00 }, run_lzma }, { "xz", { 0xfd, '7' }, run_xz },
	{ "LZO", { 0x89, 'L' }, run_lzo },    { "lz4", { 0x02, 0x21 }, run_lz4 },
	{ "zstd", { 0x28, 0xb5 }, run_zstd },
};

const struct codec *codec_find(const u8 magic[2])
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		if (memcmp(codecs[i].magic, magic, 2) == 0)
			return &codecs[i];
	return NULL;
}

int codec_run(const struct codec *c, struct unpack *u, struct err *e)
{
	int r = c->run(u, e);

	return r < 0 && r != -EINTR ? fail(e, r, "%s data", c->name) : r;
}
