/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stick that takes addresses modulo its real size shows all that it holds again behind that size. So whoever knows a
 * stretch in which no sector is like another finds it again by reading at steps of half its length, and need not write.
 */
#include <errno.h>

#include "src/capacity_parts.h"

#define SECTOR      512
#define WINDOWS_MAX 16  /* stretches of BOOT that are looked at for one that will do */
#define COMPARISONS 192 /* places that must be alike */
#define CANDIDATES  64  /* sizes that are tried: files may have copies on an honest stick too */
#define NO_TWIN     UINT64_MAX

/* A sector of the known stretch; sorted by `hash`. */
struct known {
	u64 hash, off;
};

struct twin {
	struct device *d;
	const struct stick *s;
	struct known *known;
	size_t n;
	u64 rejected[CANDIDATES];
	size_t n_rejected;
};

/* FNV-1a over words, good enough to be looked up by; what is found is compared in full. */
static u64 hash_of(const u8 *sector)
{
	u64 h = 14695981039346656037ULL;

	for (size_t i = 0; i < SECTOR; i += 8)
		h = (h ^ get_le64(sector + i)) * 1099511628211ULL;
	return h ^ h >> 29;
}

static bool is_uniform(const u8 *data, size_t len)
{
	return memcmp(data, data + 1, len - 1) == 0;
}

static int by_hash(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/*
 * A search at steps of half the stretch meets one block of each half: of every two that are half a stretch apart, one
 * at least must be known.
 */
static bool is_met_everywhere(const struct twin *t, u64 off, size_t len)
{
	const size_t half = len / 2 / MARK_SIZE;
	AUTO_FREE bool *met = xcalloc(half, sizeof(*met));
	size_t missing = 0;

	for (size_t i = 0; i < t->n; i++)
		met[(t->known[i].off - off) / MARK_SIZE % half] = true;
	for (size_t i = 0; i < half; i++)
		missing += !met[i];
	return missing == 0;
}

/* Takes the stretch if its sectors are one of a kind, as far as it must be. */
static int learn(struct twin *t, u64 off, size_t len, struct err *e)
{
	AUTO_FREE u8 *data = xcalloc(1, len);
	int r = device_read(t->d, off, data, len, e);
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < len && r == 0; i += SECTOR)
		if (!is_uniform(data + i, SECTOR))
			t->known[n++] = (struct known){ hash_of(data + i), off + i };
	qsort(t->known, n, sizeof(*t->known), by_hash);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && t->known[end].hash == t->known[i].hash; end++)
			;
		if (end == i + 1)
			t->known[kept++] = t->known[i];
	}
	t->n = kept;
	if (r == 0 && !is_met_everywhere(t, off, len))
		t->n = 0;
	return r;
}

static int find_known(struct twin *t, struct run *ret, struct err *e)
{
	const u64 len = capacity_run_length(t->d->size);
	u64 at = align_up(t->s->boot_start, MIB), end = t->s->boot_start + t->s->boot_size;
	int r = 0;

	t->known = xcalloc(len / SECTOR, sizeof(*t->known));
	for (int i = 0; i < WINDOWS_MAX && at + len <= end && r == 0; i++, at += len / 2) {
		r = capacity_interrupted(e);
		if (r == 0)
			r = learn(t, at, len, e);
		if (r == 0 && t->n) {
			*ret = (struct run){ at, len };
			return 0;
		}
	}
	return r;
}

/* Whether a place and the one `distance` behind it hold the same; what is uniform tells nothing. */
static int alike(struct twin *t, u64 at, u64 distance, bool *ret_same, bool *ret_tells, struct err *e)
{
	u8 a[MARK_SIZE], b[MARK_SIZE];
	int r = device_read(t->d, at, a, sizeof(a), e);

	if (r == 0)
		r = device_read(t->d, at + distance, b, sizeof(b), e);
	*ret_same = memcmp(a, b, sizeof(a)) == 0;
	*ret_tells = !is_uniform(a, sizeof(a));
	return r;
}

/*
 * The table, the beginning of BOOT and many places by chance must be there twice; a copy of one file has neither of the
 * first two.
 */
static int is_twin(struct twin *t, u64 distance, bool *ret, struct err *e)
{
	const u64 room = align_down(t->d->size - distance, MARK_SIZE);
	u64 at = 0, chance = 1;
	int r = 0, tell = 0;

	*ret = true;
	for (int i = 0; i < COMPARISONS && r == 0 && *ret; i++) {
		bool same, tells;

		if (at + MARK_SIZE <= room) {
			r = alike(t, at, distance, &same, &tells, e);
			*ret = r == 0 && same;
			tell += r == 0 && tells;
		}
		chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
		at = i == 0 ? t->s->boot_start : align_down((chance >> 16) % room, MARK_SIZE);
	}
	*ret = *ret && tell >= 2;
	return r;
}

static const struct known *look_up(const struct twin *t, const u8 *sector)
{
	struct known key = { .hash = hash_of(sector) };

	return bsearch(&key, t->known, t->n, sizeof(*t->known), by_hash);
}

/* A place where a known sector is a second time: is it the stick's doing? */
static int judge(struct twin *t, const struct known *k, u64 at, u64 *ret_real, struct err *e)
{
	u64 distance = at > k->off ? at - k->off : 0;
	bool twin = false;
	int r = 0;

	for (size_t i = 0; i < t->n_rejected && distance; i++)
		if (t->rejected[i] == distance)
			distance = 0;
	if (!distance || t->n_rejected == CANDIDATES)
		return 0;
	r = is_twin(t, distance, &twin, e);
	if (twin)
		*ret_real = distance;
	else
		t->rejected[t->n_rejected++] = distance;
	return r;
}

static int search(struct twin *t, struct run run, struct progress *p, u64 *ret_real, struct err *e)
{
	const u64 end = capacity_search_end(t->d->size), step = run.len / 2;
	u8 block[MARK_SIZE];
	int r = 0;

	progress_begin(p, "search", end / step * MARK_SIZE);
	for (u64 at = run.off + run.len; at + MARK_SIZE <= end && r == 0 && !*ret_real; at += step) {
		r = capacity_interrupted(e);
		if (r == 0)
			r = device_read(t->d, at, block, sizeof(block), e);
		if (r < 0 && device_place_fails(r)) {
			err_clear(
			    e); /* a bad sector is no matter of size; that all fail from here on is seen by writing */
			r = 0;
			continue;
		}
		progress_add(p, MARK_SIZE);
		for (size_t i = 0; i < sizeof(block) && r == 0 && !*ret_real; i += SECTOR) {
			const struct known *k = is_uniform(block + i, SECTOR) ? NULL : look_up(t, block + i);

			if (k)
				r = judge(t, k, at + i, ret_real, e);
		}
	}
	if (r == 0)
		progress_end(p);
	return r;
}

int capacity_find_twin(struct device *d, const struct stick *s, struct progress *p, u64 *ret_real, bool *ret_searched,
                       struct err *e)
{
	struct twin t = { .d = d, .s = s };
	struct run run = { 0 };
	int r = s && s->is_ours ? find_known(&t, &run, e) : 0;

	*ret_real = 0;
	*ret_searched = run.len != 0;
	if (r == 0 && run.len)
		r = search(&t, run, p, ret_real, e);
	free(t.known);
	return r;
}
