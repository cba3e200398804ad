/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sum of the whole image, in the application use field of the primary volume descriptor (ECMA-119 8.4.32).
 *
 *	ISO MD5SUM = 8e80...;SKIPSECTORS = 15;RHLISOSTATUS=1;FRAGMENT SUMS = 1c62...;FRAGMENT COUNT = 20;THIS IS ...
 *	check=1;pad=150;sha256sum=a722...;partition=10432,9135936,c31a...;signature=20864
 *
 * The first is that of isomd5sum (libcheckisomd5.c, utilities.c): MD5 of the volume, whose size is in the descriptor,
 * without its last SKIPSECTORS blocks; the field itself counts as blanks. The second is that of SUSE's checkmedia
 * (README.adoc): any digest, the first 512 bytes count as zeros too, the last `pad` blocks count as zeros instead of
 * being left out, and a block (its number is of 512 bytes) that holds a signature counts as its first 64 bytes and
 *zeros. checkmedia takes both, letters of either case and any blanks about "=", and so does this.
 *
 * Fragment sums let a checker stop early; the whole sum covers the same bytes, and in images below some 700 KiB they
 * are wrong. SUSE's sum of a partition is for sticks.
 */
#include "src/source/sums_private.h"

#include <strings.h>

enum {
	BLOCK = 2048,
	DESCRIPTOR = 16 * BLOCK,
	VOLUME_SIZE = 80, /* in blocks, in both byte orders */
	FIELD = 883,
	FIELD_SIZE = 512,

	MBR_SIZE = 512,
	SIGNATURE_UNIT = 512,
	SIGNATURE_SIZE = 2048,
	SIGNATURE_MAGIC_SIZE = 64,
};

/* What the field says, before it is known to make sense. */
struct tags {
	char digest[DIGEST_HEX_MAX];
	enum digest_kind kind;
	bool has_digest, is_suse, is_bad;
	u64 skip, pad, signature;
};

/* Blanks at both ends do not belong to the text. */
static void trim(const char **p, size_t *len)
{
	while (*len && **p == ' ') {
		(*p)++;
		(*len)--;
	}
	while (*len && ((*p)[*len - 1] == ' ' || (*p)[*len - 1] == '\0'))
		(*len)--;
}

static bool is_key(const char *p, size_t len, const char *key)
{
	return strlen(key) == len && strncasecmp(p, key, len) == 0;
}

static bool take_number(const char *p, size_t len, u64 *ret)
{
	u64 n = 0;

	if (len == 0 || len > 10)
		return false;
	for (; len; p++, len--) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (u64)(*p - '0');
	}
	*ret = n;
	return true;
}

static bool take_sum(struct tags *t, const char *key, size_t key_len, const char *value, size_t value_len)
{
	static const struct {
		const char *key;
		enum digest_kind kind;
	} keys[] = {
		{ "md5sum", DIGEST_MD5 },       { "sha1sum", DIGEST_SHA1 },     { "sha224sum", DIGEST_SHA224 },
		{ "sha256sum", DIGEST_SHA256 }, { "sha384sum", DIGEST_SHA384 }, { "sha512sum", DIGEST_SHA512 },
	};
	bool is_suse = key_len < 4 || strncasecmp(key, "iso ", 4) != 0;
	size_t i = 0;

	if (!is_suse) {
		key += 4;
		key_len -= 4;
	}
	while (i < ARRAY_SIZE(keys) && !is_key(key, key_len, keys[i].key))
		i++;
	if (i == ARRAY_SIZE(keys))
		return false;
	t->has_digest = true;
	t->is_suse = is_suse;
	t->kind = keys[i].kind;
	if (value_len != 2 * digest_size(t->kind))
		t->is_bad = true;
	else
		snprintf(t->digest, sizeof(t->digest), "%.*s", (int)value_len, value);
	return true;
}

static void take_tag(struct tags *t, const char *tag, size_t len)
{
	const struct {
		const char *key;
		u64 *to;
	} numbers[] = { { "skipsectors", &t->skip }, { "pad", &t->pad }, { "signature", &t->signature } };
	const char *value = memchr(tag, '=', len);
	size_t key_len = value ? (size_t)(value - tag) : 0, value_len;

	if (!value)
		return;
	value++;
	value_len = len - key_len - 1;
	trim(&tag, &key_len);
	trim(&value, &value_len);
	if (take_sum(t, tag, key_len, value, value_len))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (is_key(tag, key_len, numbers[i].key) && !take_number(value, value_len, numbers[i].to))
			t->is_bad = true;
}

static struct tags take_field(const char *field)
{
	struct tags t = { 0 };

	for (const char *at = field, *end = field + FIELD_SIZE; at < end;) {
		const char *stop = memchr(at, ';', (size_t)(end - at));

		if (!stop)
			stop = end;
		take_tag(&t, at, (size_t)(stop - at));
		at = stop < end ? stop + 1 : stop;
	}
	return t;
}

/* False: the numbers do not fit the image. */
static bool take_tags(const struct source *s, const struct tags *t, u64 blocks, struct sums_image *ret)
{
	u64 left_out = t->is_suse ? t->pad : t->skip;
	struct sums_image m = { .is_there = true, .is_suse = t->is_suse, .kind = t->kind };

	if (t->is_bad || left_out > blocks || !digest_from_hex(t->digest, digest_size(t->kind), m.digest))
		return false;
	m.size = (blocks - left_out) * BLOCK;
	m.n_zeros = t->is_suse ? left_out * BLOCK : 0;
	m.signature = t->signature * SIGNATURE_UNIT;
	if (m.size < DESCRIPTOR + BLOCK || m.size > s->size)
		return false;
	*ret = m;
	return true;
}

int sums_read_image(struct sums *sums, struct err *e)
{
	struct source *s = sums->source;
	u8 block[BLOCK];
	struct tags t;
	int r;

	if (!s->ops->read_image || s->size < DESCRIPTOR + BLOCK)
		return 0;
	r = s->ops->read_image(s, DESCRIPTOR, block, BLOCK, e);
	if (r < 0)
		return fail_source(e, r, "%s", s->path);
	if (memcmp(block, "\1CD001", 6) != 0)
		return 0;
	t = take_field((const char *)block + FIELD);
	if (!t.has_digest)
		return 0;
	if (!take_tags(s, &t, get_le32(block + VOLUME_SIZE), &sums->image))
		sums_warn(sums, "the checksum implanted in the image is damaged");
	else if (!digest_available(t.kind))
		sums_warn(sums,
		          "the checksum implanted in the image is of no use here: libcrypto of this host has no %s",
		          digest_name(t.kind));
	else
		return 0;
	sums->image.is_there = false;
	return 0;
}

/* ---- the bytes that are summed */

/* Fills what of [from, from + len) lies in the piece of the image at `off`. */
static void blank(u8 *piece, u64 off, size_t piece_len, u64 from, u64 len, int with)
{
	u64 begin = MAX(from, off), end = MIN(from + len, off + piece_len);

	if (begin < end)
		memset(piece + (begin - off), with, end - begin);
}

static int read_blanked(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	struct sums *sums = ctx;
	const struct sums_image *m = &sums->image;
	struct source *s = sums->source;
	size_t there = off < m->size ? (size_t)MIN(m->size - off, (u64)len) : 0;
	int r = there ? s->ops->read_image(s, off, buf, there, e) : 0;

	if (r < 0)
		return fail_source(e, r, "%s", s->path);
	memset((u8 *)buf + there, 0, len - there);
	blank(buf, off, there, DESCRIPTOR + FIELD, FIELD_SIZE, ' ');
	if (m->is_suse)
		blank(buf, off, there, 0, MBR_SIZE, 0);
	if (m->signature)
		blank(buf, off, there, m->signature + SIGNATURE_MAGIC_SIZE, SIGNATURE_SIZE - SIGNATURE_MAGIC_SIZE, 0);
	return 0;
}

struct input sums_image_input(struct sums *sums)
{
	return (struct input){ .read = read_blanked, .ctx = sums };
}
