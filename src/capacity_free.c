/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/capacity_free.h"

#include <errno.h>

#include "src/base/buf.h"
#include "src/fs/reader.h"

#define GPT_BACKUP_SECTORS 34

struct gathering {
	struct free_places *to;
	u64 start, size; /* of the volume on the device */
};

static int gather(void *ctx, u64 off, u64 len)
{
	struct gathering *g = ctx;
	u64 from, end;

	/* A volume may say that it is larger than its partition; what is behind that is somebody else's. */
	if (off >= g->size)
		return 0;
	from = align_up(g->start + off, MARK_SIZE);
	end = align_down(g->start + off + MIN(len, g->size - off), MARK_SIZE);
	if (end > from)
		*ARRAY_ADD(g->to->run, g->to->n, g->to->cap) = (struct run){ from, end - from };
	return 0;
}

static void note(struct free_places *f, const char *why)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s%s%s", f->note ? f->note : "", f->note ? "; " : "", why);
	free(f->note);
	f->note = b.s;
}

/* Whether a partition that is not this one has a part of it. */
static bool is_shared(const struct stick *s, u64 start, u64 size)
{
	for (size_t i = 0; i < s->scan.n_parts; i++) {
		const struct scan_part *part = &s->scan.part[i];

		if (part->number && part->start != start && part->start < start + size &&
		    start < part->start + part->size)
			return true;
	}
	return false;
}

/* A volume that does not tell what is free has nothing that may be written. */
static void gather_volume(struct device *d, const struct stick *s, const char *name, u64 start, u64 size,
                          struct free_places *f)
{
	AUTO_ERR struct err why = { 0 };
	AUTO_DEVICE struct device *window = device_new_window(d, name, start, size);
	AUTO_READER struct reader *v = NULL;
	struct gathering g = { .to = f, .start = start, .size = size };
	size_t before = f->n;
	int r = is_shared(s, start, size) ? fail(&why, -EUCLEAN, "%s: overlaps another partition", name)
	                                  : reader_open(window, &v, &why);

	if (r == 0)
		r = reader_each_free(v, gather, &g, &why);
	if (r < 0) {
		f->n = before;
		note(f, why.text);
	}
}

/* Zeros on our sticks; the backup of a GPT is at its end. */
static void gather_tail(struct device *d, const struct stick *s, struct free_places *f)
{
	struct gathering g = { .to = f, .size = d->size };
	u64 from = d->size > MIB ? d->size - MIB : d->size, end = d->size;

	if (strcmp(s->scan.table, "dos") != 0)
		end -= MIN(end, (u64)GPT_BACKUP_SECTORS * d->sector_size);
	for (size_t i = 0; i < s->scan.n_parts; i++)
		from = MAX(from, s->scan.part[i].start + s->scan.part[i].size);
	if (from < end)
		gather(&g, from, end - from);
}

static int ascending(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

/* Of a volume that contradicts itself nothing is surely free. */
static bool overlap(const struct free_places *f)
{
	for (size_t i = 1; i < f->n; i++)
		if (f->run[i - 1].off + f->run[i - 1].len > f->run[i].off)
			return true;
	return false;
}

int free_places_find(struct device *d, const struct stick *s, struct free_places *ret, struct err *e)
{
	const struct scan_part *data = stick_data(s);
	struct free_places f = { 0 };

	gather_volume(d, s, "BOOT", s->boot_start, s->boot_size, &f);
	if (data)
		gather_volume(d, s, "DATA", data->start, data->size, &f);
	gather_tail(d, s, &f);
	qsort(f.run, f.n, sizeof(*f.run), ascending);
	if (overlap(&f)) {
		free_places_free(&f);
		return fail(e, -EUCLEAN, "%s: a place is free twice", d->name);
	}
	*ret = f;
	return 0;
}

void free_places_free(struct free_places *f)
{
	free(f->run);
	free(f->note);
	*f = (struct free_places){ 0 };
}

u64 free_places_pick(void *ctx, u64 wanted, u64 limit)
{
	const struct free_places *f = ctx;
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (f->run[middle].off + f->run[middle].len <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == f->n)
		return UINT64_MAX;
	wanted = MAX(wanted, f->run[low].off);
	return wanted < limit ? wanted : UINT64_MAX;
}

struct run free_places_run(const struct free_places *f, u64 len)
{
	struct run best = { 0 };

	for (size_t i = 0; i < f->n && best.len < len; i++)
		if (f->run[i].len > best.len)
			best = (struct run){ f->run[i].off, MIN(len, f->run[i].len) };
	return best;
}
