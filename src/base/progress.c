/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/progress.h"

#include <time.h>

#include "src/base/buf.h"

#define BAR_CELLS    10
#define SHOW_EVERY   0.25 /* seconds, of a bar and of JSON */
#define LINE_PERCENT 10
#define LONGEST      359999.0 /* 99:59:59, what a time is never said to be longer than */

_Atomic sig_atomic_t interrupted;

struct progress {
	enum progress_mode mode;
	FILE *out;
	double (*clock)(void);
	const char *what; /* NULL: no job is under way */
	u64 total, done;
	bool ended;
	double begun, now, shown;
	unsigned next_line; /* the percentage that is worth the next line */
	size_t columns;     /* of the bar that stands on the terminal's line, 0: none does */
};

static double monotonic_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct progress *progress_new(enum progress_mode mode, FILE *out, double (*clock)(void))
{
	struct progress *p = xcalloc(1, sizeof(*p));

	p->mode = mode;
	p->out = out;
	p->clock = clock ? clock : monotonic_seconds;
	return p;
}

static unsigned percent(const struct progress *p)
{
	if (p->ended || p->total == 0)
		return p->ended ? 100 : 0;
	return (unsigned)((unsigned __int128)p->done * 100 / p->total);
}

static double speed(const struct progress *p)
{
	return p->now > p->begun ? (double)p->done / (p->now - p->begun) : 0;
}

/* Negative: nobody can know. */
static double seconds_left(const struct progress *p)
{
	double bytes_per_second = speed(p);

	if (p->ended)
		return 0;
	return bytes_per_second > 0 ? MIN((double)(p->total - p->done) / bytes_per_second, LONGEST) : -1;
}

static void add_time(struct buf *b, double seconds)
{
	unsigned s = (unsigned)(MIN(seconds, LONGEST) + 0.5);

	if (s >= 3600)
		buf_addf(b, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
	else
		buf_addf(b, "%u:%02u", s / 60, s % 60);
}

/* Two decimals always, unlike buf_add_size(): figures that are drawn over and over should keep their width. */
static void add_size(struct buf *b, u64 bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes / 1024;
	size_t i = 0;

	for (; n >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		n /= 1024;
	buf_addf(b, "%.2f %s", n, units[i]);
}

static void add_figures(struct buf *b, const struct progress *p)
{
	double left = seconds_left(p);

	buf_addf(b, " %3u %%  ", percent(p));
	add_size(b, p->done);
	buf_adds(b, " of ");
	add_size(b, p->total);
	buf_addf(b, "  %.1f MB/s", speed(p) / 1e6);
	if (p->ended) {
		buf_adds(b, "  in ");
		add_time(b, p->now - p->begun);
	} else if (left >= 0) {
		buf_adds(b, "  ");
		add_time(b, left);
		buf_adds(b, " left");
	}
}

static void show_bar(struct progress *p, struct buf *b)
{
	unsigned full = percent(p) * BAR_CELLS / 100;
	size_t before = p->columns;

	buf_adds(b, "\r[");
	for (unsigned i = 0; i < BAR_CELLS; i++)
		buf_adds(b, i < full ? "#" : ".");
	buf_adds(b, "]");
	add_figures(b, p);
	p->columns = b->len - 1;
	/* Spaces over what a longer line has left standing. */
	if (before > p->columns)
		buf_addf(b, "%*s", (int)(before - p->columns), "");
}

static void show_line(struct progress *p, struct buf *b)
{
	buf_addf(b, "%s:", p->what);
	add_figures(b, p);
	buf_adds(b, "\n");
	p->next_line = percent(p) / LINE_PERCENT * LINE_PERCENT + LINE_PERCENT;
}

static void show_json(const struct progress *p, struct buf *b)
{
	double left = seconds_left(p);

	buf_addf(b, "{\"format\":1,\"event\":\"progress\",\"what\":\"%s\",\"done\":%llu,\"total\":%llu,", p->what,
	         (unsigned long long)p->done, (unsigned long long)p->total);
	buf_addf(b, "\"bytes_per_second\":%llu,", (unsigned long long)(speed(p) + 0.5));
	if (left >= 0)
		buf_addf(b, "\"seconds_left\":%llu}\n", (unsigned long long)(left + 0.5));
	else
		buf_adds(b, "\"seconds_left\":null}\n");
}

static void show(struct progress *p)
{
	AUTO_BUF struct buf b = { 0 };

	switch (p->mode) {
	case PROGRESS_NONE:
		return;
	case PROGRESS_BAR:
		show_bar(p, &b);
		break;
	case PROGRESS_LINES:
		show_line(p, &b);
		break;
	case PROGRESS_JSON:
		show_json(p, &b);
		break;
	}
	p->shown = p->now;
	fputs(b.s, p->out);
	fflush(p->out);
}

void progress_begin(struct progress *p, const char *what, u64 total)
{
	if (!p)
		return;
	progress_break(p);
	p->what = what;
	p->total = total;
	p->done = 0;
	p->ended = false;
	p->begun = p->now = p->clock();
	p->next_line = LINE_PERCENT;
	if (p->mode != PROGRESS_LINES)
		show(p);
}

void progress_add(struct progress *p, u64 bytes)
{
	u64 room;

	if (!p || !p->what)
		return;
	/* One byte is kept back for progress_end(): before the last flush nobody may read "all of it" anywhere. */
	room = p->total ? p->total - 1 - p->done : 0;
	p->done += MIN(bytes, room);
	p->now = p->clock();
	if (p->mode == PROGRESS_LINES ? percent(p) >= p->next_line : p->now - p->shown >= SHOW_EVERY)
		show(p);
}

void progress_end(struct progress *p)
{
	if (!p || !p->what)
		return;
	p->done = p->total;
	p->ended = true;
	p->now = p->clock();
	show(p);
	progress_break(p);
	p->what = NULL;
}

void progress_break(struct progress *p)
{
	if (!p || p->columns == 0)
		return;
	p->columns = 0;
	fputc('\n', p->out);
	fflush(p->out);
}

void progress_free(struct progress *p)
{
	progress_break(p);
	free(p);
}
