/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/progress.h"

#include <pthread.h>
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
	unsigned next_line;           /* the percentage that is worth the next line */
	size_t columns;               /* of the bar that stands on the terminal's line, 0: none does */
	struct progress_group *group; /* NULL: alone, and nobody locks */
	char *name;                   /* escaped; of a member only */
};

struct progress_group {
	pthread_mutex_t lock;
	enum progress_mode mode;
	FILE *out;
	double (*clock)(void);
	struct progress **member;
	size_t n, cap;
	double shown; /* the bar of all */
	size_t columns;
};

static void lock(struct progress *p)
{
	if (p && p->group)
		pthread_mutex_lock(&p->group->lock);
}

static void unlock(struct progress *p)
{
	if (p && p->group)
		pthread_mutex_unlock(&p->group->lock);
}

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

/* Spaces over what a longer line has left standing. */
static void cover(struct buf *b, size_t *columns)
{
	size_t before = *columns;

	*columns = b->len - 1;
	if (before > *columns)
		buf_addf(b, "%*s", (int)(before - *columns), "");
}

static void show_bar(struct progress *p, struct buf *b)
{
	unsigned full = percent(p) * BAR_CELLS / 100;

	buf_adds(b, "\r[");
	for (unsigned i = 0; i < BAR_CELLS; i++)
		buf_adds(b, i < full ? "#" : ".");
	buf_adds(b, "]");
	add_figures(b, p);
	cover(b, &p->columns);
}

/* "sdb  40 %  sdc  37 %   31.2 MB/s  1:10 left": the time is that of the slowest. */
static void show_group_bar(struct progress_group *g, struct buf *b)
{
	double bytes_per_second = 0, left = 0;

	buf_adds(b, "\r");
	for (size_t i = 0; i < g->n; i++) {
		struct progress *p = g->member[i];
		const char *slash = strrchr(p->name, '/');
		double s = seconds_left(p);

		buf_addf(b, "%s%s %3u %%", i ? "  " : "", slash ? slash + 1 : p->name, percent(p));
		bytes_per_second += p->ended || !p->what ? 0 : speed(p);
		left = left < 0 || (p->what && s < 0) ? -1 : MAX(left, p->what ? s : 0);
	}
	buf_addf(b, "   %.1f MB/s", bytes_per_second / 1e6);
	if (left > 0) {
		buf_adds(b, "  ");
		add_time(b, left);
		buf_adds(b, " left");
	}
	cover(b, &g->columns);
}

static void show_line(struct progress *p, struct buf *b)
{
	if (p->name)
		buf_addf(b, "%s: ", p->name);
	buf_addf(b, "%s:", p->what);
	add_figures(b, p);
	buf_adds(b, "\n");
	p->next_line = percent(p) / LINE_PERCENT * LINE_PERCENT + LINE_PERCENT;
}

/* What was escaped has no control characters. */
static void add_json_text(struct buf *b, const char *s)
{
	buf_adds(b, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_adds(b, "\\");
		buf_add(b, s, 1);
	}
	buf_adds(b, "\"");
}

static void show_json(const struct progress *p, struct buf *b)
{
	double left = seconds_left(p);

	buf_adds(b, "{\"format\":1,\"event\":\"progress\",");
	if (p->name) {
		buf_adds(b, "\"target\":");
		add_json_text(b, p->name);
		buf_adds(b, ",");
	}
	buf_addf(b, "\"what\":\"%s\",\"done\":%llu,\"total\":%llu,", p->what, (unsigned long long)p->done,
	         (unsigned long long)p->total);
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
		if (p->group)
			show_group_bar(p->group, &b);
		else
			show_bar(p, &b);
		break;
	case PROGRESS_LINES:
		show_line(p, &b);
		break;
	case PROGRESS_JSON:
		show_json(p, &b);
		break;
	}
	*(p->group && p->mode == PROGRESS_BAR ? &p->group->shown : &p->shown) = p->now;
	fputs(b.s, p->out);
	fflush(p->out);
}

static bool is_time_to_show(const struct progress *p)
{
	if (p->mode == PROGRESS_LINES)
		return percent(p) >= p->next_line;
	return p->now - (p->group && p->mode == PROGRESS_BAR ? p->group->shown : p->shown) >= SHOW_EVERY;
}

static void break_bar(struct progress *p)
{
	size_t *columns = p->group ? &p->group->columns : &p->columns;

	if (*columns == 0)
		return;
	*columns = 0;
	fputc('\n', p->out);
	fflush(p->out);
}

void progress_begin(struct progress *p, const char *what, u64 total)
{
	if (!p)
		return;
	lock(p);
	if (!p->group)
		break_bar(p);
	p->what = what;
	p->total = total;
	p->done = 0;
	p->ended = false;
	p->begun = p->now = p->clock();
	p->next_line = LINE_PERCENT;
	if (p->mode != PROGRESS_LINES)
		show(p);
	unlock(p);
}

void progress_add(struct progress *p, u64 bytes)
{
	u64 room;

	if (!p || !p->what)
		return;
	lock(p);
	/* One byte is kept back for progress_end(): before the last flush nobody may read "all of it" anywhere. */
	room = p->total ? p->total - 1 - p->done : 0;
	p->done += MIN(bytes, room);
	p->now = p->clock();
	if (is_time_to_show(p))
		show(p);
	unlock(p);
}

void progress_end(struct progress *p)
{
	if (!p || !p->what)
		return;
	lock(p);
	p->done = p->total;
	p->ended = true;
	p->now = p->clock();
	show(p);
	if (!p->group)
		break_bar(p);
	p->what = NULL;
	unlock(p);
}

void progress_break(struct progress *p)
{
	if (!p)
		return;
	lock(p);
	break_bar(p);
	unlock(p);
}

void progress_free(struct progress *p)
{
	progress_break(p);
	free(p);
}

struct progress_group *progress_group_new(enum progress_mode mode, FILE *out, double (*clock)(void))
{
	struct progress_group *g = xcalloc(1, sizeof(*g));

	pthread_mutex_init(&g->lock, NULL);
	g->mode = mode;
	g->out = out;
	g->clock = clock;
	return g;
}

struct progress *progress_group_add(struct progress_group *g, const char *name)
{
	struct progress *p = progress_new(g->mode, g->out, g->clock);

	p->group = g;
	p->name = escaped(name);
	*ARRAY_ADD(g->member, g->n, g->cap) = p;
	return p;
}

void progress_group_free(struct progress_group *g)
{
	if (!g)
		return;
	if (g->n)
		break_bar(g->member[0]);
	for (size_t i = 0; i < g->n; i++) {
		free(g->member[i]->name);
		free(g->member[i]);
	}
	pthread_mutex_destroy(&g->lock);
	free(g->member);
	free(g);
}
