/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs a real job on a stick with a recorder, or a device that breaks, in the job's place: for tests/torture.py.
 *
 *	record LOG create SOURCE TARGET [OPTION]...     ids from the seed "torture"; TARGET exists and is overwritten.
 *	                                                OPTION: ext4, gpt, 4096 (sectors), serial (console of the
 *kernel), older-loader: the host's BIOS loader as it may have been before, with another letter in what each file says
 *	record LOG upgrade SOURCE TARGET [OPTION]...    OPTION: in-place, older-loader, repair
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

static int change_word(struct blob *file, const char *word, char to, struct err *e)
{
	u8 *at = memmem(file->data, file->len, word, strlen(word));

	if (!at)
		return fail(e, -ENOENT, "the loader does not say \"%s\"", word);
	*at = (u8)to;
	return 0;
}

/* Texts only: it starts what it did. The checksum of the core is made right when it is patched again. */
static int make_older(struct host *h, struct err *e)
{
	int r = change_word(&h->syslinux.sys, "Copyright", 'c', e);

	return r < 0 ? r : change_word(&h->module[0], "Press [Tab]", 'p', e);
}

static int create_older(struct create_job *j, struct err *e)
{
	const struct volume_file *sys = volume_find(&j->plan->boot_files, STICK_DIR "/ldlinux.sys");
	u64 start = layout_part(&j->plan->layout, PART_BOOT)->start;
	int r = make_older(&j->host, e);

	return r < 0 ? r : syslinux_patch(&j->host.syslinux, (sys->device_off - start) / 512, STICK_DIR, e);
}

static int upgrade_to_older(struct upgrade_job *j, struct err *e)
{
	struct bios b = { 0 };
	int r;

	if (!j->has_bios)
		return 0;
	r = make_older(&j->host, e);
	if (r == 0)
		r = bios_read(j->target.device, &j->target.stick, &b, e);
	if (r == 0)
		r = bios_differs(&b, &j->host, &j->bios_differs, e);
	bios_free(&b);
	return r;
}

static bool has_option(char **argv, const char *option)
{
	for (; *argv; argv++)
		if (strcmp(*argv, option) == 0)
			return true;
	return false;
}

static int create(char **argv, FILE *log, struct err *e)
{
	struct create_request q = { .source = argv[0], .target = argv[1] };
	char **option = argv + 2;
	struct create_source source;
	struct create_job j;
	struct stand_in s;
	int r;

	q.plan.boot_fs = has_option(option, "ext4") ? BOOT_FS_EXT4 : BOOT_FS_FAT32;
	q.plan.table = has_option(option, "gpt") ? TABLE_GPT : TABLE_MBR;
	q.plan.append = has_option(option, "serial") ? "console=ttyS0,115200" : NULL;
	q.sector_size = has_option(option, "4096") ? 4096 : 512;
	q.plan.time = 1700000000;
	seed_from_text("torture", &q.plan.seed);
	r = create_source_read(&q, &source, e);
	if (r < 0)
		return r;
	r = create_job_prepare(&q, &source, &j, e);
	if (r == 0) {
		stand_in(&s, &j.device);
		r = has_option(option, "older-loader") ? create_older(&j, e) : 0;
		if (r == 0)
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
		.source = argv[0],
		.target = argv[1],
		.in_place = has_option(argv + 2, "in-place"),
		.repair = has_option(argv + 2, "repair"),
		.time = 1700000000,
	};
	struct upgrade_job j;
	struct stand_in s;
	int r = upgrade_job_prepare(&q, &j, e);

	if (r < 0)
		return r;
	if (has_option(argv + 2, "older-loader"))
		r = upgrade_to_older(&j, e);
	stand_in(&s, &j.target.device);
	if (r == 0)
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
