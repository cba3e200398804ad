/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cpio archives of the kinds "newc" (070701) and "newc with checksums" (070702), fed in pieces; the format is described
 * in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst and in cpio(5).
 */
#include "src/source/initrd_private.h"

#include <errno.h>
#include <sys/stat.h>

enum {
	MAGIC_SIZE = 6,
	DIGITS = 8, /* of each field, hexadecimal */
	N_FIELDS = 13,
	HEADER_SIZE = MAGIC_SIZE + N_FIELDS * DIGITS,
	FIELD_INO = 0,
	FIELD_MODE = 1,
	FIELD_NLINK = 4,
	FIELD_MTIME = 5,
	FIELD_SIZE = 6,
	FIELD_DEV_MAJOR = 7,
	FIELD_DEV_MINOR = 8,
	FIELD_NAME_SIZE = 11,
	FIELD_CHECKSUM = 12,
};

enum state { BETWEEN, HEADER, NAME, BODY, REST };

struct cpio {
	struct rootfs *fs;
	enum state state;
	u64 off;  /* of the next byte in its stream */
	u64 next; /* where the present entry ends */
	u64 count;
	unsigned n_archives;
	bool in_archive; /* an entry was seen, TRAILER!!! was not */

	struct cpio_entry entry; /* what the name and the target of are in `collected` */
	bool has_checksum;
	u32 name_size, sum;
	struct rootfs_file *file; /* whose body comes */
	u32 body_done;

	/* A header, or a name with its padding and the target of a symlink. */
	u8 collected[2 * INITRD_PATH_MAX + 8];
	size_t have, want;
};

struct cpio *cpio_new(struct rootfs *fs)
{
	struct cpio *c = xcalloc(1, sizeof(*c));

	c->fs = fs;
	return c;
}

void cpio_free(struct cpio *c)
{
	free(c);
}

void cpio_seek(struct cpio *c, u64 off)
{
	c->off = off;
	c->in_archive = false;
}

bool cpio_is_between(const struct cpio *c)
{
	return c->state == BETWEEN;
}

u64 cpio_count(const struct cpio *c)
{
	return c->count;
}

u64 cpio_skippable(const struct cpio *c)
{
	return c->state == REST ? c->next - c->off : 0;
}

void cpio_skip(struct cpio *c, u64 n)
{
	c->off += n;
	if (c->state == REST && c->off == c->next)
		c->state = BETWEEN;
}

static void collect(struct cpio *c, enum state state, size_t want)
{
	c->state = state;
	c->have = 0;
	c->want = want;
}

static void go_to_rest(struct cpio *c)
{
	c->state = REST;
	cpio_skip(c, 0);
}

/* ---- header */

static int fail_at(const struct cpio *c, struct err *e, const char *what)
{
	return fail_source(e, -EINVAL, "is damaged: byte %llu of a cpio archive: %s", (unsigned long long)c->off, what);
}

static bool get_field(const u8 *digits, u32 *ret)
{
	u32 n = 0;

	for (int i = 0; i < DIGITS; i++) {
		u8 d = digits[i], letter = d | 0x20;

		if (d >= '0' && d <= '9')
			n = n << 4 | (u32)(d - '0');
		else if (letter >= 'a' && letter <= 'f')
			n = n << 4 | (u32)(letter - 'a' + 10);
		else
			return false;
	}
	*ret = n;
	return true;
}

static bool parse_header(struct cpio *c, const u8 *h)
{
	u32 field[N_FIELDS];

	for (int i = 0; i < N_FIELDS; i++)
		if (!get_field(h + MAGIC_SIZE + i * DIGITS, &field[i]))
			return false;
	c->name_size = field[FIELD_NAME_SIZE];
	c->entry = (struct cpio_entry){
		.ino = field[FIELD_INO],
		.mode = field[FIELD_MODE],
		.nlink = field[FIELD_NLINK],
		.mtime = field[FIELD_MTIME],
		.size = field[FIELD_SIZE],
		.dev_major = field[FIELD_DEV_MAJOR],
		.dev_minor = field[FIELD_DEV_MINOR],
		.checksum = field[FIELD_CHECKSUM],
	};
	return true;
}

/* What is too long, or has a body that it cannot have, is passed over as the kernel does. */
static int take_header(struct cpio *c, struct err *e)
{
	const u8 *h = c->collected;
	u64 name_room;

	c->has_checksum = memcmp(h, "070702", 6) == 0;
	if (memcmp(h, "070707", 6) == 0)
		return fail_source(e, -EINVAL,
		                   "is a cpio archive of a kind that the kernel cannot unpack (it wants "
		                   "\"cpio -H newc\")");
	if ((!c->has_checksum && memcmp(h, "070701", 6) != 0) || !parse_header(c, h))
		return fail_at(c, e, "this should be the header of an entry");
	c->count++;
	if (!c->in_archive)
		c->n_archives++;
	c->in_archive = true;
	c->entry.archive = c->n_archives - 1;
	name_room = align_up(HEADER_SIZE + (u64)c->name_size, 4) - HEADER_SIZE;
	c->next = align_up(c->off + name_room + c->entry.size, 4);

	if (c->name_size == 0 || c->name_size > INITRD_PATH_MAX)
		go_to_rest(c);
	else if (S_ISLNK(c->entry.mode) && c->entry.size <= INITRD_PATH_MAX)
		collect(c, NAME, (size_t)name_room + c->entry.size);
	else if (S_ISREG(c->entry.mode) || c->entry.size == 0)
		collect(c, NAME, (size_t)name_room);
	else
		go_to_rest(c);
	return 0;
}

/* ---- name and body */

static int take_name(struct cpio *c, struct err *e)
{
	const char *name = (const char *)c->collected;
	int r;

	c->collected[c->have] = '\0';
	c->file = NULL;
	if (name[c->name_size - 1] != '\0')
		return fail_at(c, e, "the name before has no end");
	if (strcmp(name, "TRAILER!!!") == 0 && !S_ISLNK(c->entry.mode)) {
		rootfs_end_archive(c->fs);
		c->in_archive = false;
		go_to_rest(c);
		return 0;
	}
	c->entry.name = name;
	if (S_ISLNK(c->entry.mode))
		c->entry.target = name + c->have - c->entry.size;
	r = rootfs_add(c->fs, &c->entry, &c->file, e);
	if (r < 0)
		return r;
	c->sum = 0;
	c->body_done = 0;
	if (c->file && c->entry.size > 0 && (c->file->text || c->has_checksum))
		c->state = BODY;
	else
		go_to_rest(c);
	return 0;
}

/* How many of `len` bytes belong to the body. */
static size_t take_body(struct cpio *c, const u8 *data, size_t len)
{
	size_t n = MIN(len, c->entry.size - c->body_done);

	if (c->file->text)
		memcpy(c->file->text + c->body_done, data, n);
	for (size_t i = 0; c->has_checksum && i < n; i++)
		c->sum += data[i];
	c->body_done += (u32)n;
	c->off += n;
	return n;
}

static int end_body(struct cpio *c, struct err *e)
{
	if (c->has_checksum && c->sum != c->entry.checksum)
		return fail_at(c, e, "the checksum of the file before is wrong");
	go_to_rest(c);
	return 0;
}

/* ---- the machine */

static size_t take_piece(struct cpio *c, const u8 *data, size_t len)
{
	size_t n = MIN(len, c->want - c->have);

	memcpy(c->collected + c->have, data, n);
	c->have += n;
	c->off += n;
	return n;
}

static size_t take_zeros(struct cpio *c, const u8 *data, size_t len)
{
	size_t n = 0;

	while (n < len && !data[n])
		n++;
	c->off += n;
	return n;
}

/* One step in the present state; how many bytes it took, or -errno. */
static int step(struct cpio *c, const u8 *data, size_t len, size_t *ret_used, struct err *e)
{
	size_t rest;

	switch (c->state) {
	case BETWEEN:
		*ret_used = take_zeros(c, data, len);
		if (*ret_used == len)
			return 0;
		if (c->off % 4)
			return fail_at(c, e, "the padding is wrong");
		if (data[*ret_used] == '0')
			collect(c, HEADER, HEADER_SIZE);
		return 0;
	case HEADER:
		*ret_used = take_piece(c, data, len);
		return c->have == c->want ? take_header(c, e) : 0;
	case NAME:
		*ret_used = take_piece(c, data, len);
		return c->have == c->want ? take_name(c, e) : 0;
	case BODY:
		*ret_used = take_body(c, data, len);
		return c->body_done == c->entry.size ? end_body(c, e) : 0;
	case REST:
		rest = (size_t)MIN(len, c->next - c->off);
		cpio_skip(c, rest);
		*ret_used = rest;
		return 0;
	}
	return -EINVAL;
}

int cpio_push(struct cpio *c, const u8 *data, size_t len, size_t *ret_used, struct err *e)
{
	size_t at = 0;

	while (at < len) {
		bool was_between = c->state == BETWEEN;
		size_t used = 0;
		int r = step(c, data + at, len - at, &used, e);

		if (r < 0)
			return r;
		at += used;
		if (was_between && c->state == BETWEEN)
			break;
	}
	*ret_used = at;
	return 0;
}
