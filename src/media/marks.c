/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/marks.h"

#include <errno.h>

#define SECTOR     512 /* the smallest there is: a place is told to this grain, whatever the device's sectors are */
#define MAGIC_SIZE 16

struct kept {
	u64 off;
	size_t len;
	u8 *data;
	bool failed; /* to be marked: what is there now is not known, and writing it may fail again */
};

struct marks {
	struct device *d;
	u8 magic[MAGIC_SIZE];
	struct kept *kept;
	size_t n, cap;
};

struct marks *marks_new(struct device *d, const struct seed *seed)
{
	struct marks *m = xcalloc(1, sizeof(*m));

	m->d = d;
	id_uuid(seed, "mark", m->magic);
	return m;
}

static void forget(struct marks *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->kept[i].data);
	m->n = 0;
}

void marks_free(struct marks *m)
{
	if (!m)
		return;
	forget(m);
	free(m->kept);
	free(m);
}

bool device_place_fails(int r)
{
	switch (-r) {
	case EIO:
	case ENODATA: /* the kernel's word for a sector that cannot be read */
	case EREMOTEIO:
	case ENOSPC: /* beyond the end, as some bridges say */
	case EILSEQ:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* Magic, where it is meant to be, and bytes that follow from both: xorshift64 (Marsaglia, 2003). */
static void make_sector(const struct marks *m, u64 at, u8 *to)
{
	u64 x = (get_le64(m->magic) ^ at * 0x9e3779b97f4a7c15ULL) | 1;

	memcpy(to, m->magic, MAGIC_SIZE);
	put_le64(to + MAGIC_SIZE, at);
	for (size_t i = MAGIC_SIZE + 8; i < SECTOR; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		put_le64(to + i, x);
	}
}

static bool is_marked(const struct marks *m, u64 off, size_t len)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->kept[i].off <= off && off + len <= m->kept[i].off + m->kept[i].len)
			return true;
	return false;
}

static int keep(struct marks *m, u64 off, size_t len, struct err *e)
{
	AUTO_FREE u8 *data = NULL;
	int r;

	if (is_marked(m, off, len))
		return 0;
	data = xcalloc(1, len);
	r = device_read(m->d, off, data, len, e);
	if (r == 0)
		*ARRAY_ADD(m->kept, m->n, m->cap) = (struct kept){ .off = off, .len = len, .data = TAKE(data) };
	return r;
}

int marks_write(struct marks *m, u64 off, size_t len, struct err *e)
{
	AUTO_FREE u8 *data = xcalloc(1, len);
	size_t before = m->n;
	int r = keep(m, off, len, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < len; i += SECTOR)
		make_sector(m, off + i, data + i);
	r = device_write(m->d, off, data, len, e);
	if (r < 0 && m->n > before)
		m->kept[before].failed = true;
	return r;
}

/* Which place a sector was made for; false: it is no mark. */
static bool tell_place(const struct marks *m, const u8 *sector, u64 *ret)
{
	u8 same[SECTOR];

	if (memcmp(sector, m->magic, MAGIC_SIZE) != 0)
		return false;
	*ret = get_le64(sector + MAGIC_SIZE);
	make_sector(m, *ret, same);
	return memcmp(sector, same, SECTOR) == 0;
}

int marks_read(struct marks *m, u64 off, size_t len, struct mark_found *ret, struct err *e)
{
	AUTO_FREE u8 *data = xcalloc(1, len);
	int r = device_read(m->d, off, data, len, e);

	*ret = (struct mark_found){ .state = MARK_OWN };
	if (r < 0 && device_place_fails(r)) {
		err_clear(e);
		ret->state = MARK_FAILS;
		return 0;
	}
	for (size_t i = 0; r == 0 && i < len && ret->state != MARK_OTHER; i += SECTOR) {
		u64 from;

		if (!tell_place(m, data + i, &from))
			ret->state = MARK_LOST;
		else if (from != off + i)
			*ret = (struct mark_found){ MARK_OTHER, off + i, from };
	}
	return r;
}

/* In as few writes as `skip` leaves room for. */
static int put_back_one(struct device *d, const struct kept *k, bool (*skip)(void *ctx, u64 off, size_t len), void *ctx,
                        struct err *e)
{
	size_t from = 0;
	int r = 0;

	for (size_t at = 0; at < k->len && r == 0; at += d->sector_size) {
		bool last = at + d->sector_size >= k->len, spared = skip && skip(ctx, k->off + at, d->sector_size);
		size_t end = spared ? at : at + d->sector_size;

		if ((spared || last) && end > from)
			r = device_write(d, k->off + from, k->data + from, end - from, e);
		if (spared)
			from = at + d->sector_size;
	}
	return r;
}

int marks_put_back(struct marks *m, bool (*skip)(void *ctx, u64 off, size_t len), void *ctx, struct err *e)
{
	int first = 0;

	for (size_t i = m->n; i-- > 0;) {
		AUTO_ERR struct err why = { 0 };
		const struct kept *k = &m->kept[i];
		int r = put_back_one(m->d, k, skip, ctx, &why);

		if (k->failed && device_place_fails(r))
			r = 0;
		if (r < 0 && first == 0)
			first = fail(e, r, "%s", why.text);
	}
	forget(m);
	return first ? first : device_flush(m->d, e);
}
