/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Source of the layouts: Documentation/filesystems/ext4 of Linux. */
#include <ext2fs/ext2fs.h>

#include "src/mend_parts.h"

#define SECTOR        512
#define BLOCK         4096
#define SUPER_AT      1024
#define SUPER_SIZE    1024
#define TAIL          12 /* of a block of a directory: an entry without a name, which holds the checksum */
#define TAIL_KIND     0xde
#define ENTRY         8 /* of an entry, in front of the name */
#define METADATA_CSUM 0x400

/* What says so lies in the same sector; in another one. */
enum { IDLE_HERE = 1, IDLE_THERE };

/* What a checksum is over: `len` bytes; where it is itself. */
struct sealed {
	u8 was[BLOCK], now[BLOCK];
	size_t len, at;
	/* Bytes that mean nothing. */
	u8 idle[BLOCK];     /* in `now` */
	u8 was_idle[BLOCK]; /* in `was` */
};

/* Of any bytes before it, the same for both: that makes no difference to what is compared here. */
static u32 checksum(const u8 *block, size_t len)
{
	return ext2fs_crc32c_le(~0U, block, len);
}

/* The rest of a checksum that stays the same as long as the file system and the inode do. */
static u32 seal(const struct sealed *s, const u8 *block)
{
	return checksum(block, s->len) ^ get_le32(block + s->at);
}

/* ---- one sector */

/* Bits that can be chosen, by the highest bit of the checksum that they flip, and what they flip. */
struct basis {
	u32 flips[32];
	u32 bits[32][32]; /* as numbers of bits in the sector; n_bits of them */
	unsigned n_bits[32], n;
};

static void flip_bit(u8 *bytes, u32 bit)
{
	bytes[bit / 8] ^= (u8)(1U << bit % 8);
}

/* Both are sets: what is in both is in neither. */
static void join(u32 *set, unsigned *n, const u32 *other, unsigned n_other)
{
	for (unsigned i = 0; i < n_other; i++) {
		unsigned at = 0;

		while (at < *n && set[at] != other[i])
			at++;
		if (at < *n)
			set[at] = set[--*n];
		else
			set[(*n)++] = other[i];
	}
}

static void add_bit(struct basis *b, u32 bit, u32 flip)
{
	u32 set[33] = { bit };
	unsigned n = 1;

	while (flip) {
		unsigned top = 31 - (unsigned)__builtin_clz(flip);

		if (!b->flips[top]) {
			b->flips[top] = flip;
			memcpy(b->bits[top], set, n * sizeof(set[0]));
			b->n_bits[top] = n;
			b->n++;
			return;
		}
		flip ^= b->flips[top];
		join(set, &n, b->bits[top], b->n_bits[top]);
	}
}

/*
 * With the sector at `at` of `now` and all others of `was` the checksum shall be what it was. A CRC is linear: each bit
 * flips its own set of bits in it, whatever else there is; elimination finds those that together flip what is wrong.
 */
static bool balance_sector(struct sealed *s, size_t at)
{
	u8 with[BLOCK];
	struct basis b = { .n = 0 };
	u32 base, wrong;

	memcpy(with, s->was, sizeof(with));
	memcpy(with + at, s->now + at, SECTOR);
	base = checksum(with, s->len);
	wrong = base ^ checksum(s->was, s->len);
	for (u32 bit = (u32)at * 8; wrong && b.n < 32 && bit < (at + SECTOR) * 8; bit++) {
		if (!s->idle[bit / 8])
			continue;
		flip_bit(with, bit);
		add_bit(&b, bit, checksum(with, s->len) ^ base);
		flip_bit(with, bit);
	}
	for (unsigned top = 32; top-- > 0;) {
		if (!(wrong >> top & 1))
			continue;
		if (!b.flips[top])
			return false;
		wrong ^= b.flips[top];
		for (unsigned i = 0; i < b.n_bits[top]; i++)
			flip_bit(s->now, b.bits[top][i]);
	}
	return true;
}

static bool is_changed(const struct sealed *s, size_t at)
{
	return memcmp(s->was + at, s->now + at, MIN(SECTOR, s->len - at)) != 0;
}

/* True: `now` has the checksum of `was`, with any of its sectors as they were. */
static bool balance(struct sealed *s)
{
	unsigned n = 0;

	/* One that was wrong, or was another inode's, is nothing to keep. */
	if (seal(s, s->was) != seal(s, s->now))
		return false;
	memcpy(s->now + s->at, s->was + s->at, 4);
	for (size_t at = 0; at < s->len; at += SECTOR)
		n += is_changed(s, at);
	/* While that sector is the old one these bytes are what it says. */
	for (size_t i = 0; n > 1 && i < s->len; i++)
		if (s->idle[i] == IDLE_THERE && !s->was_idle[i])
			s->idle[i] = 0;
	for (size_t at = 0; at < s->len; at += SECTOR)
		if (is_changed(s, at) && !balance_sector(s, at))
			return false;
	return true;
}

/* ---- what has a checksum elsewhere */

static bool is_in_sector(size_t a, size_t b)
{
	return a / SECTOR == b / SECTOR;
}

/* A block of a directory without an index, as it is: notes what lies behind the names. */
static bool is_directory(const u8 *block, u8 *idle)
{
	size_t at = 0;

	while (at < BLOCK - TAIL) {
		size_t len = get_le16(block + at + 4), name = block[at + 6];
		bool is_free = get_le32(block + at) == 0;

		if (len < ENTRY + name || len % 4 || at + len > BLOCK - TAIL)
			return false;
		/* The byte behind a name is left: e2fsck wants "." and ".." to end in a zero. */
		for (size_t i = at + ENTRY + (is_free ? 0 : name + 1); i < at + len; i++)
			idle[i] = is_in_sector(i, at) && is_in_sector(i, at + ENTRY - 1) ? IDLE_HERE : IDLE_THERE;
		at += len;
	}
	return get_le32(block + at) == 0 && get_le16(block + at + 4) == TAIL && block[at + 6] == 0 &&
	       block[at + 7] == TAIL_KIND;
}

static int load(struct sealed *s, struct shadow *c, struct device *boot, u64 off, size_t len, struct err *e)
{
	int r = device_read(boot, off, s->was, len, e);

	memset(s->idle, 0, sizeof(s->idle));
	memset(s->was_idle, 0, sizeof(s->was_idle));
	return r < 0 ? r : shadow_read(c, off, s->now, len, e);
}

static int keep_super(struct shadow *c, struct device *boot, bool *ret_sealed, struct err *e)
{
	static const size_t written = offsetof(struct ext2_super_block, s_kbytes_written);
	static const size_t at = offsetof(struct ext2_super_block, s_checksum);
	struct sealed s = { .len = at, .at = at };
	int r = load(&s, c, boot, SUPER_AT, SUPER_SIZE, e);

	if (r < 0)
		return r;
	*ret_sealed = get_le32(s.now + offsetof(struct ext2_super_block, s_feature_ro_compat)) & METADATA_CSUM;
	memset(s.idle + written, IDLE_HERE, 8);
	memset(s.was_idle + written, IDLE_HERE, 8);
	if (!*ret_sealed || memcmp(s.was, s.now, SUPER_SIZE) == 0 || !balance(&s))
		return 0;
	r = shadow_put(c, SUPER_AT, s.now, SUPER_SIZE, e);
	return r < 0 ? r : 1;
}

static int keep_block(struct shadow *c, struct device *boot, u64 off, struct err *e)
{
	struct sealed s = { .len = BLOCK - TAIL, .at = BLOCK - 4 };
	int r = load(&s, c, boot, off, BLOCK, e);

	if (r < 0 || !is_directory(s.was, s.was_idle) || !is_directory(s.now, s.idle) || !balance(&s))
		return r;
	r = shadow_put(c, off, s.now, BLOCK, e);
	return r < 0 ? r : 1;
}

struct blocks {
	u64 *off;
	size_t n, cap;
};

static int note_block(void *ctx, u64 off, const u8 *was, const u8 *now, size_t len, struct err *e)
{
	struct blocks *b = ctx;

	(void)was, (void)now, (void)e;
	for (u64 at = align_down(off, BLOCK); at < off + len; at += BLOCK)
		if (at > 0 && (b->n == 0 || b->off[b->n - 1] != at))
			*ARRAY_ADD(b->off, b->n, b->cap) = at;
	return 0;
}

int mend_keep_checksums(struct shadow *c, struct device *boot, struct err *e)
{
	struct blocks blocks = { 0 };
	bool has_checksums = false;
	int r = 0, changed;

	if (boot->sector_size != SECTOR)
		return 0;
	changed = keep_super(c, boot, &has_checksums, e);
	if (changed >= 0 && has_checksums)
		r = shadow_changes(c, boot, note_block, &blocks, e);
	for (size_t i = 0; r >= 0 && changed >= 0 && i < blocks.n; i++) {
		r = keep_block(c, boot, blocks.off[i], e);
		changed |= r > 0;
	}
	free(blocks.off);
	return r < 0 ? r : changed;
}
