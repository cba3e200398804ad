/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ISO images made by hand, byte for byte, for the tests of the reader. */
#ifndef LIVESTICK_TESTS_ISO_IMAGE_H
#define LIVESTICK_TESTS_ISO_IMAGE_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "src/base/buf.h"
#include "src/source/source.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define BLOCK 2048
#define ROOT  20 /* block of the root directory */
#define FREE  30 /* where the tests put what they need */

struct image {
	u8 *p;
	u32 blocks;
	u64 file_size; /* 0: as many as blocks; the rest is a hole */
	u32 next;      /* byte where the next record of the open directory goes */
};

static inline void put_both(u8 *p, u32 v)
{
	put_le32(p, v);
	for (int i = 0; i < 4; i++)
		p[7 - i] = (u8)(v >> 8 * i);
}

static inline u8 *block(struct image *m, u32 n)
{
	return m->p + (size_t)n * BLOCK;
}

/* A record of the open directory; one does not cross a block. Returns where it is. */
static inline u8 *add(struct image *m, const char *id, size_t id_len, u32 at, u32 size, u8 flags,
                      const struct buf *susp)
{
	size_t head = 33 + id_len + (id_len % 2 == 0), len = head + (susp ? susp->len : 0);
	u8 *p;

	len += len % 2;
	if (m->next % BLOCK + len > BLOCK)
		m->next = (m->next / BLOCK + 1) * BLOCK;
	p = m->p + m->next;
	m->next += (u32)len;
	p[0] = (u8)len;
	put_both(p + 2, at);
	put_both(p + 10, size);
	memcpy(p + 18, "\x7e\x0b\x15\x05\x11\x00\x04", 7); /* 2026-11-21 05:17:00, one hour east */
	p[25] = flags;
	memcpy(p + 28, "\1\0\0\1", 4);
	p[32] = (u8)id_len;
	memcpy(p + 33, id, id_len);
	if (susp)
		memcpy(p + head, susp->s, susp->len);
	return p;
}

static inline u8 *add_file(struct image *m, const char *id, u32 at, u32 size)
{
	return add(m, id, strlen(id), at, size, 0, NULL);
}

static inline void begin_dir(struct image *m, u32 at, u32 blocks, const struct buf *susp)
{
	m->next = at * BLOCK;
	add(m, "\0", 1, at, blocks * BLOCK, 2, susp);
	add(m, "\1", 1, ROOT, BLOCK, 2, NULL);
}

/* An image with an empty root directory of `root_blocks` that is open for records. */
static inline struct image image_new(u32 blocks, u32 root_blocks, const struct buf *root_susp)
{
	struct image m = { .p = xcalloc(blocks, BLOCK), .blocks = blocks };
	u8 *v = block(&m, 16);

	memcpy(v, "\1CD001\1", 7);
	memset(v + 40, ' ', 32);
	memcpy(v + 40, "BY HAND", 7);
	put_both(v + 80, blocks);
	memcpy(v + 120, "\1\0\0\1\1\0\0\1\0\10\10", 11); /* volume 1 of 1, blocks of 2048 */
	memcpy(v + 813, "2026112105170000\4", 17);
	v[881] = 1;
	m.next = 16 * BLOCK + 156;
	add(&m, "\0", 1, ROOT, root_blocks * BLOCK, 2, NULL);
	memcpy(block(&m, 17), "\377CD001\1", 7);
	begin_dir(&m, ROOT, root_blocks, root_susp);
	return m;
}

static inline void image_free(struct image *m)
{
	free(m->p);
}

#define AUTO_IMAGE CLEANUP(image_free)

static inline char *write_image(const struct image *m)
{
	char *path = sandbox_path("hand.iso");
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len = (size_t)m->blocks * BLOCK;

	CHECK(fd >= 0 && write(fd, m->p, len) == (ssize_t)len);
	CHECK(m->file_size == 0 || ftruncate(fd, (off_t)m->file_size) == 0);
	return path;
}

static inline struct source *open_good(const struct image *m)
{
	AUTO_FREE char *path = write_image(m);
	AUTO_ERR struct err e = { 0 };
	struct source *s = NULL;

	CHECK_OK(source_open(path, &s, &e), &e);
	return s;
}

/* ---- Rock Ridge fields */

static inline void field(struct buf *b, const char *letters, const void *data, size_t len)
{
	u8 head[4] = { (u8)letters[0], (u8)letters[1], (u8)(4 + len), 1 };

	buf_add(b, head, 4);
	buf_add(b, data, len);
}

static inline void field_numbers(struct buf *b, const char *letters, const u32 *n, size_t count)
{
	u8 data[40];

	for (size_t i = 0; i < count; i++)
		put_both(data + 8 * i, n[i]);
	field(b, letters, data, 8 * count);
}

static inline void nm(struct buf *b, const char *name, size_t len)
{
	AUTO_BUF struct buf data = { 0 };

	buf_add(&data, "\0", 1);
	buf_add(&data, name, len);
	field(b, "NM", data.s, data.len);
}

static inline void px(struct buf *b, u32 mode)
{
	field_numbers(b, "PX", (u32[]){ mode, 1, 0, 0, 1 }, 5);
}

static inline void ce(struct buf *b, u32 at, u32 off, u32 len)
{
	field_numbers(b, "CE", (u32[]){ at, off, len }, 3);
}

static inline struct image rr_image(u32 blocks)
{
	AUTO_BUF struct buf b = { 0 };

	field(&b, "SP", "\xbe\xef\0", 3);
	px(&b, S_IFDIR | 0755);
	return image_new(blocks, 1, &b);
}

static inline u8 *find_field(struct image *m, const char *letters)
{
	return memmem(block(m, ROOT), BLOCK, letters, 2);
}

#endif
