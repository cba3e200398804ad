/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a list does when the device, the source or the user stops it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include "src/media/device_test.h"
#include "src/media/writelist.h"
#include "tests/lib/test.h"

#define DEVICE_SIZE  (24 * MIB)
#define HANG_SECONDS 20 /* after that a test counts as hanging */

struct source {
	const u8 *data;
	u64 fail_at; /* the byte that cannot be read; 0: none */
	bool without_words;
	unsigned pause_us; /* before each reading */
};

static int source_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct source *s = ctx;

	if (s->pause_us)
		usleep(s->pause_us);
	if (!s->fail_at || off + len <= s->fail_at) {
		memcpy(buf, s->data + off, len);
		return 0;
	}
	if (s->without_words)
		return -EIO;
	return fail_source(e, -EUCLEAN, "debian.iso: cannot be read at byte %llu", (unsigned long long)s->fail_at);
}

static struct input source_input(struct source *s)
{
	return (struct input){ .read = source_read, .ctx = s };
}

/* 15 writes: an input of 10 MiB and a bit, a gap, 3 MiB of zeros and memory at an odd place. */
struct example {
	struct writelist *w;
	struct source source;
	u8 *data;
};

#define EXAMPLE_WRITES 15

static void example_make(struct example *x)
{
	*x = (struct example){ .w = writelist_new(), .data = xcalloc(11 * MIB, 1) };
	memset(x->data, 1, 11 * MIB);
	x->source = (struct source){ .data = x->data };
	writelist_add_input(x->w, 4096, 10 * MIB + 700, source_input(&x->source), NULL);
	writelist_add_memory(x->w, 10 * MIB + 4796, x->data, 324);
	writelist_add_zero(x->w, 12 * MIB, 3 * MIB);
	writelist_add_memory(x->w, 15 * MIB, x->data, 512);
}

static void example_free(struct example *x)
{
	writelist_free(x->w);
	free(x->data);
}

#define AUTO_EXAMPLE CLEANUP(example_free)

TEST(each_failing_write_is_told)
{
	for (u64 at = 1; at <= EXAMPLE_WRITES + 1; at++) {
		const struct fault fault = { .at_write = at, .error = at % 2 ? EIO : ENOSPC, .dies = at % 3 == 0 };
		AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
		AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
		AUTO_DEVICE struct device *failing = device_new_failing(recorder, fault);
		AUTO_EXAMPLE struct example x;
		AUTO_ERR struct err e = { 0 };
		size_t n;
		int r;

		alarm(HANG_SECONDS);
		example_make(&x);
		CHECK_OK(writelist_finish(x.w, &e), &e);
		r = writelist_run(x.w, failing, NULL, &e);
		device_records(recorder, &n);
		if (at <= EXAMPLE_WRITES) {
			CHECK_U64(-r, fault.error);
			CHECK_FAILS(r, &e, "stick: write at byte ");
			/* Not a write after the failed one, and no flush. */
			CHECK_U64(n, at - 1);
		} else {
			CHECK_OK(r, &e);
			CHECK_U64(n, EXAMPLE_WRITES + 1);
		}
		alarm(0);
	}
}

TEST(failing_flush_is_told)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_DEVICE struct device *failing = device_new_failing(d, (struct fault){ .at_flush = 1, .error = EIO });
	AUTO_EXAMPLE struct example x;
	AUTO_ERR struct err e = { 0 };

	example_make(&x);
	CHECK_OK(writelist_finish(x.w, &e), &e);
	CHECK_U64(-writelist_run(x.w, failing, NULL, &e), EIO);
	CHECK_FAILS(-1, &e, "stick: flush: Input/output error");
}

TEST(each_failing_read_is_told)
{
	for (u64 at = 1; at < 10 * MIB; at += MIB / 2)
		for (int without_words = 0; without_words < 2; without_words++) {
			AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
			AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
			AUTO_EXAMPLE struct example x;
			AUTO_ERR struct err e = { 0 };
			const struct record *log;
			size_t n;

			alarm(HANG_SECONDS);
			example_make(&x);
			x.source.fail_at = at;
			x.source.without_words = without_words;
			CHECK_OK(writelist_finish(x.w, &e), &e);
			CHECK_U64(-writelist_run(x.w, recorder, NULL, &e), without_words ? EIO : EUCLEAN);
			CHECK_U64(e.code, without_words ? EXIT_OK : EXIT_SOURCE);
			CHECK_FAILS(-1, &e,
			            without_words ? "Input/output error" : "debian.iso: cannot be read at byte");
			log = device_records(recorder, &n);
			for (size_t i = 0; i < n; i++)
				CHECK(!log[i].is_flush && log[i].off + log[i].len <= 4096 + at);
			alarm(0);
		}
}

/* Whichever is seen first: one of the two is told, and nothing hangs. */
TEST(both_sides_may_fail)
{
	for (u64 at = 1; at <= 10; at++) {
		AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
		AUTO_DEVICE struct device *failing =
		    device_new_failing(d, (struct fault){ .at_write = at, .error = ENOSPC });
		AUTO_EXAMPLE struct example x;
		AUTO_ERR struct err e = { 0 };
		int r;

		alarm(HANG_SECONDS);
		example_make(&x);
		x.source.fail_at = 4 * MIB;
		CHECK_OK(writelist_finish(x.w, &e), &e);
		r = writelist_run(x.w, failing, NULL, &e);
		if (r == -ENOSPC)
			CHECK_FAILS(r, &e, "stick: write at byte ");
		else
			CHECK_FAILS(r, &e, "debian.iso: ");
		CHECK(r == -ENOSPC || r == -EUCLEAN);
		alarm(0);
	}
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static void interrupt_after_ms(long ms)
{
	const struct itimerval t = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	const struct sigaction action = { .sa_handler = on_alarm };

	interrupted = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static void interrupts_over(void)
{
	signal(SIGALRM, SIG_DFL);
	interrupted = 0;
}

/* Each reading takes 50 ms: the writer mostly waits. 11 readings would take 550 ms. */
TEST(interrupt_while_waiting_for_the_reader)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
	AUTO_EXAMPLE struct example x;
	AUTO_ERR struct err e = { 0 };
	size_t n;

	example_make(&x);
	x.source.pause_us = 50000;
	CHECK_OK(writelist_finish(x.w, &e), &e);
	interrupt_after_ms(120);
	CHECK_U64(-writelist_run(x.w, recorder, NULL, &e), EINTR);
	CHECK_STR(e.text, "interrupted");
	device_records(recorder, &n);
	CHECK(n < 8);
	interrupts_over();
}

/* A hundred files of a sector each, for one write; all of them would take 2 s. */
TEST(interrupt_while_one_write_is_put_together)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	static const u8 sector[512];
	struct source source = { .data = sector, .pause_us = 20000 };
	struct writelist *w = writelist_new();
	AUTO_ERR struct err e = { 0 };
	struct timespec begun, ended;

	for (u64 i = 0; i < 100; i++)
		writelist_add_input(w, i * 512, 512, source_input(&source), NULL);
	CHECK_OK(writelist_finish(w, &e), &e);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	interrupt_after_ms(100);
	CHECK_U64(-writelist_run(w, d, NULL, &e), EINTR);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	CHECK_STR(e.text, "interrupted");
	CHECK(ended.tv_sec - begun.tv_sec <= 1);
	interrupts_over();
	writelist_free(w);
}

TEST(interrupt_before_the_first_write)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_DEVICE struct device *recorder = device_new_recorder(d, false);
	AUTO_EXAMPLE struct example x;
	AUTO_ERR struct err e = { 0 };
	size_t n;

	example_make(&x);
	CHECK_OK(writelist_finish(x.w, &e), &e);
	interrupted = 1;
	CHECK_U64(-writelist_run(x.w, recorder, NULL, &e), EINTR);
	interrupts_over();
	CHECK_STR(e.text, "interrupted");
	device_records(recorder, &n);
	CHECK_U64(n, 0);
}

/* A slow device; the reader has filled all it may and waits. */
struct slow {
	struct device d;
	unsigned writes;
};

static int slow_write(struct device *d, u64 off, const void *buf, size_t len)
{
	const struct timespec t = { .tv_nsec = 50 * 1000 * 1000 };

	(void)off, (void)buf, (void)len;
	((struct slow *)d)->writes++;
	nanosleep(&t, NULL);
	return 0;
}

TEST(interrupt_while_writing)
{
	static const struct device_ops ops = { .write = slow_write };
	char name[] = "slow";
	struct slow slow = { .d = { .ops = &ops, .name = name, .size = DEVICE_SIZE, .sector_size = 512, .fd = -1 } };
	AUTO_EXAMPLE struct example x;
	AUTO_ERR struct err e = { 0 };

	example_make(&x);
	CHECK_OK(writelist_finish(x.w, &e), &e);
	interrupt_after_ms(120);
	CHECK_U64(-writelist_run(x.w, &slow.d, NULL, &e), EINTR);
	CHECK(slow.writes <= 5);
	interrupts_over();
}

TEST(progress_counts_what_was_written)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", DEVICE_SIZE, 512);
	AUTO_EXAMPLE struct example x;
	AUTO_ERR struct err e = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len, lines = 0;
	FILE *out = open_memstream(&text, &len);
	struct progress *p = progress_new(PROGRESS_LINES, out, NULL);

	example_make(&x);
	CHECK_OK(writelist_finish(x.w, &e), &e);
	CHECK_U64(writelist_bytes(x.w), 13 * MIB + 1024 + 512);
	progress_begin(p, "write", writelist_bytes(x.w));
	CHECK_OK(writelist_run(x.w, d, p, &e), &e);
	fflush(out);
	CHECK(strstr(text, "write:  9") && !strstr(text, "100 %"));
	progress_end(p);
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	CHECK(lines >= 9 && lines <= 11);
	CHECK(strstr(text, "write: 100 %  13.00 MiB of 13.00 MiB"));
	progress_free(p);
	fclose(out);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
