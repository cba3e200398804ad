/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "src/base/progress.h"
#include "tests/lib/test.h"

static double now;

static double test_clock(void)
{
	return now;
}

/* What a progress has printed so far. */
struct screen {
	FILE *out;
	char *text;
	size_t len, seen;
	struct progress *p;
};

static void screen_open(struct screen *s, enum progress_mode mode)
{
	now = 1000;
	s->seen = 0;
	s->out = open_memstream(&s->text, &s->len);
	s->p = progress_new(mode, s->out, test_clock);
}

static void screen_free(struct screen *s)
{
	progress_free(s->p);
	fclose(s->out);
	free(s->text);
}

#define AUTO_SCREEN CLEANUP(screen_free)

static void add_after(struct screen *s, double seconds, u64 bytes)
{
	now += seconds;
	progress_add(s->p, bytes);
}

/* What was printed since the last call. */
static const char *fresh(struct screen *s)
{
	size_t from = s->seen;

	fflush(s->out);
	s->seen = s->len;
	return s->text + from;
}

TEST(nothing_is_allowed_everywhere)
{
	AUTO_SCREEN struct screen s;

	progress_begin(NULL, "write", 1);
	progress_add(NULL, 1);
	progress_break(NULL);
	progress_end(NULL);
	progress_free(NULL);
	screen_open(&s, PROGRESS_NONE);
	progress_add(s.p, 5); /* before any job */
	progress_end(s.p);
	progress_begin(s.p, "write", MIB);
	add_after(&s, 10, MIB);
	progress_end(s.p);
	progress_break(s.p);
	CHECK_STR(fresh(&s), "");
}

TEST(bar_is_drawn_over_itself)
{
	AUTO_SCREEN struct screen s;

	screen_open(&s, PROGRESS_BAR);
	progress_begin(s.p, "write", 2800 * MIB);
	CHECK_STR(fresh(&s), "\r[..........]   0 %  0.00 KiB of 2.73 GiB  0.0 MB/s");
	add_after(&s, 64, 1204 * MIB);
	CHECK_STR(fresh(&s), "\r[####......]  43 %  1.18 GiB of 2.73 GiB  19.7 MB/s  1:25 left");
	add_after(&s, 0.25, 1400 * MIB);
	CHECK_STR(fresh(&s), "\r[#########.]  93 %  2.54 GiB of 2.73 GiB  42.5 MB/s  0:05 left");
	add_after(&s, 10000, 0);
	CHECK_STR(fresh(&s), "\r[#########.]  93 %  2.54 GiB of 2.73 GiB  0.3 MB/s  12:38 left");
	add_after(&s, 1, 0);
	CHECK_STR(fresh(&s), "\r[#########.]  93 %  2.54 GiB of 2.73 GiB  0.3 MB/s  12:38 left");
	progress_end(s.p);
	CHECK_STR(fresh(&s), "\r[##########] 100 %  2.73 GiB of 2.73 GiB  0.3 MB/s  in 2:47:45\n");
	progress_break(s.p);
	CHECK_STR(fresh(&s), "");
}

TEST(bar_wipes_what_a_longer_one_left)
{
	AUTO_SCREEN struct screen s;

	screen_open(&s, PROGRESS_BAR);
	progress_begin(s.p, "write", 100 * MIB);
	add_after(&s, 0.5, 50 * MIB);
	fresh(&s);
	add_after(&s, 9.5, 40 * MIB);
	CHECK_STR(fresh(&s), "\r[#########.]  90 %  90.00 MiB of 100.00 MiB  9.4 MB/s  0:01 left  ");
	add_after(&s, 1, 0);
	CHECK_STR(fresh(&s), "\r[#########.]  90 %  90.00 MiB of 100.00 MiB  8.6 MB/s  0:01 left");
}

TEST(bar_is_drawn_four_times_a_second_and_fits_the_terminal)
{
	AUTO_SCREEN struct screen s;
	size_t drawn = 0;

	screen_open(&s, PROGRESS_BAR);
	progress_begin(s.p, "write", 1023 * GIB);
	fresh(&s);
	for (int i = 0; i < 1024 * 4; i++) {
		const char *text;

		add_after(&s, 1.0 / 1024, 200 * MIB);
		text = fresh(&s);
		drawn += text[0] != '\0';
		CHECK(strlen(text) <= 1 + 79);
	}
	CHECK_U64(drawn, 16);
	add_after(&s, 1e9, 1);
	CHECK(strlen(fresh(&s)) <= 1 + 79);
}

TEST(break_makes_room_for_a_message)
{
	AUTO_SCREEN struct screen s;

	screen_open(&s, PROGRESS_BAR);
	progress_break(s.p);
	CHECK_STR(fresh(&s), "");
	progress_begin(s.p, "write", MIB);
	fresh(&s);
	progress_break(s.p);
	CHECK_STR(fresh(&s), "\n");
	progress_break(s.p);
	CHECK_STR(fresh(&s), "");
	/* The bar goes on below the message, and a second job below the first. */
	add_after(&s, 1, MIB / 2);
	CHECK_STR(fresh(&s), "\r[#####.....]  50 %  512.00 KiB of 1.00 MiB  0.5 MB/s  0:01 left");
	progress_begin(s.p, "check", MIB);
	CHECK_STR(fresh(&s), "\n\r[..........]   0 %  0.00 KiB of 1.00 MiB  0.0 MB/s");
}

TEST(lines_come_each_tenth)
{
	AUTO_SCREEN struct screen s;

	screen_open(&s, PROGRESS_LINES);
	progress_begin(s.p, "write", 1000 * MIB);
	CHECK_STR(fresh(&s), "");
	for (int i = 0; i < 99; i++)
		add_after(&s, 0.01, MIB);
	CHECK_STR(fresh(&s), "");
	add_after(&s, 0.01, MIB);
	CHECK_STR(fresh(&s), "write:  10 %  100.00 MiB of 1000.00 MiB  104.9 MB/s  0:09 left\n");
	add_after(&s, 0.1, 0);
	CHECK_STR(fresh(&s), "");
	add_after(&s, 0.9, 356 * MIB);
	CHECK_STR(fresh(&s), "write:  45 %  456.00 MiB of 1000.00 MiB  239.1 MB/s  0:02 left\n");
	add_after(&s, 1, 43 * MIB);
	CHECK_STR(fresh(&s), "");
	add_after(&s, 0, MIB);
	CHECK_STR(fresh(&s), "write:  50 %  500.00 MiB of 1000.00 MiB  174.8 MB/s  0:03 left\n");
	progress_end(s.p);
	CHECK_STR(fresh(&s), "write: 100 %  1000.00 MiB of 1000.00 MiB  349.5 MB/s  in 0:03\n");
}

TEST(json_is_an_object_a_line)
{
	AUTO_SCREEN struct screen s;

	screen_open(&s, PROGRESS_JSON);
	progress_begin(s.p, "write", 3000000);
	CHECK_STR(fresh(&s), "{\"format\":1,\"event\":\"progress\",\"what\":\"write\",\"done\":0,\"total\":3000000,"
	                     "\"bytes_per_second\":0,\"seconds_left\":null}\n");
	add_after(&s, 0.2, 500000);
	CHECK_STR(fresh(&s), "");
	add_after(&s, 0.3, 500000);
	CHECK_STR(fresh(&s),
	          "{\"format\":1,\"event\":\"progress\",\"what\":\"write\",\"done\":1000000,\"total\":3000000,"
	          "\"bytes_per_second\":2000000,\"seconds_left\":1}\n");
	add_after(&s, 0.5, 2000000);
	CHECK_STR(fresh(&s),
	          "{\"format\":1,\"event\":\"progress\",\"what\":\"write\",\"done\":2999999,\"total\":3000000,"
	          "\"bytes_per_second\":2999999,\"seconds_left\":0}\n");
	progress_end(s.p);
	CHECK_STR(fresh(&s),
	          "{\"format\":1,\"event\":\"progress\",\"what\":\"write\",\"done\":3000000,\"total\":3000000,"
	          "\"bytes_per_second\":3000000,\"seconds_left\":0}\n");
}

/* Too many bytes, huge totals, no bytes at all, a clock that stands still: never over 99 % before the end. */
TEST(hundred_percent_comes_from_the_end_only)
{
	static const u64 totals[] = { 0, 1, 2, 512, MIB, 4096 * GIB, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(totals); i++)
		for (double step = 0; step < 2; step++) {
			AUTO_SCREEN struct screen s;

			screen_open(&s, step ? PROGRESS_BAR : PROGRESS_LINES);
			progress_begin(s.p, "write", totals[i]);
			add_after(&s, step, totals[i] / 2);
			add_after(&s, step, totals[i]);
			add_after(&s, step, UINT64_MAX);
			CHECK(!strstr(fresh(&s), "100 %"));
			progress_end(s.p);
			CHECK(strstr(fresh(&s), "100 %"));
			progress_add(s.p, 1);
			progress_end(s.p);
			CHECK_STR(fresh(&s), "");
		}
}

TEST(own_clock_runs)
{
	struct screen s = { 0 };

	s.out = open_memstream(&s.text, &s.len);
	s.p = progress_new(PROGRESS_LINES, s.out, NULL);
	progress_begin(s.p, "write", MIB);
	usleep(2000);
	progress_end(s.p);
	CHECK(strstr(s.text, "write: 100 %  1.00 MiB of 1.00 MiB  "));
	CHECK(!strstr(s.text, "  0.0 MB/s"));
	screen_free(&s);
}

/* ---- several at once */

struct two {
	struct screen screen; /* its progress is the first member */
	struct progress_group *group;
	struct progress *second;
};

static void two_open(struct two *t, enum progress_mode mode)
{
	now = 1000;
	t->screen.seen = 0;
	t->screen.out = open_memstream(&t->screen.text, &t->screen.len);
	t->group = progress_group_new(mode, t->screen.out, test_clock);
	t->screen.p = progress_group_add(t->group, "/dev/sdb");
	t->second = progress_group_add(t->group, "/tmp/a\"b\n.img");
	progress_begin(t->screen.p, "write", 100 * MIB);
	progress_begin(t->second, "write", 200 * MIB);
}

static void two_free(struct two *t)
{
	progress_group_free(t->group);
	fclose(t->screen.out);
	free(t->screen.text);
}

TEST(lines_of_several_name_their_target)
{
	struct two t;

	two_open(&t, PROGRESS_LINES);
	add_after(&t.screen, 1, 20 * MIB);
	CHECK_STR(fresh(&t.screen), "/dev/sdb: write:  20 %  20.00 MiB of 100.00 MiB  21.0 MB/s  0:04 left\n");
	progress_add(t.second, 20 * MIB);
	CHECK_STR(fresh(&t.screen),
	          "/tmp/a\"b\\x0a.img: write:  10 %  20.00 MiB of 200.00 MiB  21.0 MB/s  0:09 left\n");
	two_free(&t);
}

TEST(objects_of_several_name_their_target)
{
	struct two t;

	two_open(&t, PROGRESS_JSON);
	fresh(&t.screen);
	now += 1;
	progress_add(t.second, 20 * MIB);
	CHECK_STR(fresh(&t.screen),
	          "{\"format\":1,\"event\":\"progress\",\"target\":\"/tmp/a\\\"b\\\\x0a.img\",\"what\":\"write\","
	          "\"done\":20971520,\"total\":209715200,\"bytes_per_second\":20971520,\"seconds_left\":9}\n");
	two_free(&t);
}

/* One line for all; when one has ended the other goes on. */
TEST(a_bar_of_several_is_one)
{
	struct two t;

	two_open(&t, PROGRESS_BAR);
	fresh(&t.screen);
	add_after(&t.screen, 1, 20 * MIB);
	CHECK_STR(fresh(&t.screen), "\rsdb  20 %  a\"b\\x0a.img   0 %   21.0 MB/s");
	progress_add(t.second, 20 * MIB); /* too early for another */
	CHECK_STR(fresh(&t.screen), "");
	now += 1;
	progress_add(t.second, 20 * MIB);
	CHECK_STR(fresh(&t.screen), "\rsdb  20 %  a\"b\\x0a.img  20 %   41.9 MB/s  0:08 left");
	now += 2;
	progress_end(t.screen.p);
	CHECK_STR(fresh(&t.screen), "\rsdb 100 %  a\"b\\x0a.img  20 %   21.0 MB/s  0:08 left");
	now += 1;
	progress_add(t.second, 100 * MIB);
	CHECK_STR(fresh(&t.screen), "\rsdb 100 %  a\"b\\x0a.img  70 %   29.4 MB/s  0:02 left");
	progress_end(t.second);
	CHECK_STR(fresh(&t.screen), "\rsdb 100 %  a\"b\\x0a.img 100 %   0.0 MB/s            ");
	progress_break(t.second);
	CHECK_STR(fresh(&t.screen), "\n");
	two_free(&t);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
