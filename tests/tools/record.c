/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs a real job on a stick with a recorder, or a device that breaks, in the job's place: for tests/torture.py.
 *
 *	record LOG create SOURCE TARGET [ext4]          ids from the seed "torture"; TARGET exists and is overwritten
 *	record LOG upgrade SOURCE TARGET [in-place]
 *	record LOG rollback TARGET
 *	record LOG -w N|-f N [-e ERRNO] [-t TORN] [-d] VERB ...    write or flush N fails; -d: all after it, too
 *
 * LOG gets every write that reached the device, and every flush: u64 offset, u64 length, bytes; a flush is two times
 * 2^64-1 (little-endian). Errors go to stderr as the program would print them; exit status as the program's.
 */
#include <errno.h>
#include <fcntl.h>

#include "src/job_create.h"
#include "src/job_rollback.h"
#include "src/job_upgrade.h"
#include "src/media/device_test.h"

static struct fault fault;
static bool breaks;

struct stand_in {
	struct device *real, *recorder, *front;
};

/* Takes the place of *slot. */
static void stand_in(struct stand_in *s, struct device **slot)
{
	s->real = *slot;
	s->recorder = s->front = device_new_recorder(s->real, true);
	s->recorder->fd = s->real->fd;
	if (breaks) {
		s->front = device_new_failing(s->recorder, fault);
		s->front->fd = s->real->fd;
	}
	*slot = s->front;
}

static void stand_aside(struct stand_in *s, struct device **slot, FILE *log)
{
	size_t n = 0;
	const struct record *r = device_records(s->recorder, &n);

	for (size_t i = 0; i < n; i++) {
		u64 head[2] = { r[i].off, r[i].len };

		if (r[i].is_flush)
			head[0] = head[1] = UINT64_MAX;
		fwrite(head, sizeof(head), 1, log);
		if (!r[i].is_flush)
			fwrite(r[i].data, 1, r[i].len, log);
	}
	*slot = s->real;
	if (s->front != s->recorder)
		device_free(s->front);
	device_free(s->recorder);
}

static int create(char **argv, FILE *log, struct err *e)
{
	struct create_request q = { .source = argv[0], .target = argv[1] };
	struct create_source source;
	struct create_job j;
	struct stand_in s;
	int r;

	q.plan.boot_fs = argv[2] ? BOOT_FS_EXT4 : BOOT_FS_FAT32;
	q.plan.time = 1700000000;
	seed_from_text("torture", &q.plan.seed);
	r = create_source_read(&q, &source, e);
	if (r < 0)
		return r;
	r = create_job_prepare(&q, &source, &j, e);
	if (r == 0) {
		stand_in(&s, &j.device);
		r = create_jobs_run(&j, 1, e);
		stand_aside(&s, &j.device, log);
		create_job_free(&j);
	}
	create_source_free(&source);
	return r;
}

static int upgrade(char **argv, FILE *log, struct err *e)
{
	const struct upgrade_request q = {
		.source = argv[0], .target = argv[1], .in_place = argv[2] != NULL, .time = 1700000000
	};
	struct upgrade_job j;
	struct stand_in s;
	int r = upgrade_job_prepare(&q, &j, e);

	if (r < 0)
		return r;
	stand_in(&s, &j.target.device);
	r = upgrade_job_run(&j, e);
	stand_aside(&s, &j.target.device, log);
	fprintf(stderr, "%s", j.warnings.s ? j.warnings.s : "");
	upgrade_job_free(&j);
	return r;
}

static int rollback(char **argv, FILE *log, struct err *e)
{
	const struct target_request q = { .path = argv[0], .writable = true };
	struct rollback_job j;
	struct stand_in s;
	int r = rollback_job_prepare(&q, NULL, &j, e);

	if (r < 0)
		return r;
	stand_in(&s, &j.target.device);
	r = rollback_job_run(&j, e);
	stand_aside(&s, &j.target.device, log);
	rollback_job_free(&j);
	return r;
}

static const struct {
	const char *name;
	int min_args;
	int (*run)(char **argv, FILE *log, struct err *e);
} verbs[] = { { "create", 2, create }, { "upgrade", 2, upgrade }, { "rollback", 1, rollback } };

static void parse(int argc, char **argv)
{
	int c;

	fault.error = EIO;
	while ((c = getopt(argc, argv, "+w:f:e:t:d")) != -1) {
		breaks = true;
		if (c == 'w')
			fault.at_write = strtoull(optarg, NULL, 0);
		else if (c == 'f')
			fault.at_flush = strtoull(optarg, NULL, 0);
		else if (c == 'e')
			fault.error = atoi(optarg);
		else if (c == 't')
			fault.torn = strtoull(optarg, NULL, 0);
		else
			fault.dies = true;
	}
}

int main(int argc, char **argv)
{
	AUTO_ERR struct err e = { 0 };
	FILE *log = argc > 2 ? fopen(argv[1], "wb") : NULL;
	int r = -EINVAL;

	if (!log)
		return 2;
	parse(argc - 1, argv + 1);
	argv += 1 + optind;
	argc -= 1 + optind;
	for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[0], verbs[i].name) == 0 && argc > verbs[i].min_args)
			r = verbs[i].run(argv + 1, log, &e);
	if (fclose(log) != 0)
		return 2;
	if (r < 0)
		fprintf(stderr, "livestick: %s\n", e.text ? e.text : strerror(-r));
	return r < 0 ? (e.code == EXIT_OK ? EXIT_FAILED : (int)e.code) : 0;
}
