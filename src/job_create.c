/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/job_create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "src/base/hole.h"
#include "src/base/thread.h"
#include "src/discard.h"

int create_source_read(const struct create_request *q, struct create_source *ret, struct err *e)
{
	int r;

	*ret = (struct create_source){ 0 };
	r = facts_read(q->source, &q->facts, &ret->facts, e);
	if (r == 0 && plan_can_link(&ret->facts, &q->plan))
		r = facts_find_same(&ret->facts, e);
	if (r == 0 && q->answers)
		r = answers_read(&ret->facts, q->answers_option, q->answers, &ret->answers, e);
	if (r < 0)
		create_source_free(ret);
	return r;
}

void create_source_free(struct create_source *s)
{
	answers_free(&s->answers);
	facts_free(&s->facts);
	*s = (struct create_source){ 0 };
}

/* Nodes may carry any date; one that FAT cannot hold says nothing. */
static int newest(void *ctx, const struct node *n)
{
	i64 *time = ctx;

	if (n->mtime > *time && n->mtime < 4102444800) /* 2100 */
		*time = n->mtime;
	return 0;
}

/* The request as the plan wants it: the answers are read by now. */
static struct plan_options options(const struct create_job *j)
{
	struct plan_options o = j->request->plan;

	o.answers = j->request->answers ? &j->from->answers : NULL;
	if (j->request->time_from_source)
		source_each(j->from->facts.source, newest, &o.time);
	return o;
}

static int load_host(struct create_job *j, struct err *e)
{
	return host_load(j->request->plan.table == TABLE_GPT, j->from->facts.efi.why_not != NULL, &j->host, e);
}

/* A new plain file of the size that was asked for; never over something that exists. */
static int make_target_file(struct create_job *j, struct err *e)
{
	const struct create_request *q = j->request;
	AUTO_CLOSE int fd = open(q->target, O_WRONLY | O_CLOEXEC | (q->target_is_made ? 0 : O_CREAT | O_EXCL), 0644);

	if (fd < 0)
		return fail(e, -errno, "%s: %s", q->target, strerror(errno));
	j->is_new_file = true;
	if (ftruncate(fd, (off_t)align_down(q->make_size, 4096)) < 0)
		return fail(e, -errno, "%s: %s", q->target, strerror(errno));
	return 0;
}

static dev_t source_device(const struct create_job *j)
{
	struct stat st;

	return stat(j->request->source, &st) == 0 ? st.st_dev : 0;
}

/* A plan fails because of the source, of the target's size, or of an option. */
static int plan_failed(const struct create_job *j, int r, struct err *e)
{
	if (e->code == EXIT_USAGE)
		return r;
	return fail(e, r, "%s", r == -ENOSPC ? j->request->target : j->request->source);
}

/* A plain file has the sectors that the drive has for which it is made. */
static u32 sector_size(const struct create_job *j)
{
	if (j->device && j->device->is_block)
		return j->device->sector_size;
	return j->request->sector_size ? j->request->sector_size : 512;
}

/* Once more when the drive has other sectors than were thought. */
static int begin_plan(struct create_job *j, struct err *e)
{
	const struct plan_options o = options(j);
	int r;

	plan_free(TAKE(j->plan));
	r = plan_begin(&j->from->facts, &j->host, sector_size(j), &o, &j->plan, e);
	return r < 0 ? plan_failed(j, r, e) : 0;
}

/* What the user will be shown; asked before anything is opened, so that a wrong drive is not even locked. */
static int check_target(struct create_job *j, struct err *e)
{
	const struct create_request *q = j->request;
	enum target_kind kind;
	int r = begin_plan(j, e);

	if (r < 0)
		return r;
	j->guard.need = plan_smallest(j->plan);
	r = guard_target(q->target, q->make_size != 0, &kind, e);
	if (r < 0)
		return r;
	j->guard.path = q->target;
	j->guard.source_path = q->source;
	j->guard.source_dev = source_device(j);
	j->guard.allow_fixed = q->allow_fixed;
	if (q->make_size && kind != TARGET_MISSING && !q->target_is_made)
		return fail_refused(e, -EEXIST, "%s: exists already; leave --size out to write onto it", q->target);
	if (q->make_size)
		return 0;
	return guard_check(&drives_real_roots, &j->guard, NULL, &j->drive, e);
}

/* Asked of the open device: is it still allowed, and is it what was first looked at? */
static int check_opened(struct create_job *j, struct err *e)
{
	AUTO_DRIVE struct drive now = { 0 };
	int r = guard_check(&drives_real_roots, &j->guard, j->device, &now, e);

	return r == 0 && !j->is_new_file ? guard_same(&j->drive, &now, e) : r;
}

static int open_target(struct create_job *j, struct err *e)
{
	const struct create_request *q = j->request;
	int r = 0;

	if (q->make_size && q->dry_run)
		return 0;
	if (q->make_size)
		r = make_target_file(j, e);
	if (r == 0)
		r = device_open(q->target, !q->dry_run, &j->device, e);
	return r < 0 ? r : check_opened(j, e);
}

/* libblkid looks at the end of the device first: where that is not there, it can tell nothing. */
static int check_end(struct create_job *j, struct err *e)
{
	struct device *d = j->device;
	AUTO_FREE u8 *sector = xcalloc(1, d->sector_size);
	int r = d->is_block ? device_read(d, d->size - d->sector_size, sector, d->sector_size, e) : 0;

	return r < 0 ? fail(e, r, "it is broken, or smaller than it says") : 0;
}

static int scan_target(struct create_job *j, struct err *e)
{
	struct stat st;
	int r;

	if (!j->device)
		return 0;
	j->target_is_empty = !j->device->is_block && fstat(j->device->fd, &st) == 0 && st.st_blocks == 0;
	r = check_end(j, e);
	return r < 0 ? r : scan_device(j->device, &j->scan, e);
}

static int check_sector_size(struct create_job *j, struct err *e)
{
	const struct create_request *q = j->request;

	if (j->device && j->device->is_block && q->sector_size && q->sector_size != j->device->sector_size)
		return fail_as(e, EXIT_USAGE, -EINVAL, "--sector-size %u: %s has sectors of %u bytes", q->sector_size,
		               q->target, j->device->sector_size);
	if (j->device && j->device->size % sector_size(j) && !j->device->is_block)
		return fail_refused(e, -EINVAL, "%s: is no whole number of sectors of %u bytes", q->target,
		                    sector_size(j));
	if (j->device)
		j->device->sector_size = sector_size(j);
	return 0;
}

static int make_plan(struct create_job *j, struct err *e)
{
	u64 size = j->device ? j->device->size : align_down(j->request->make_size, 4096);
	int r = j->plan->wanted.sector_size == sector_size(j) ? 0 : begin_plan(j, e);

	if (r < 0)
		return r;
	r = plan_finish(j->plan, &j->host, size, e);
	return r < 0 ? plan_failed(j, r, e) : 0;
}

static int lay_out(struct create_job *j, struct err *e)
{
	int r = build_make(j->plan, &j->host, &j->build, e);

	/* The layout has made room, so what does not go is a file that FAT cannot hold. */
	return r < 0 ? fail_source(e, r, "%s", j->request->source) : 0;
}

/* All of the file is a hole, and its file system says so: then zeros will take no room. */
static bool is_one_hole(const struct device *d)
{
	bool hole;

	return hole_look(d->fd, 0, d->size, &hole) == d->size && hole;
}

/* An image file is sparse: what it will take of its file system shows only while it is written. */
static int check_room(struct create_job *j, struct err *e)
{
	struct statvfs fs;
	struct stat st;
	u64 need = writelist_bytes(j->build.pass), room;

	if (!j->device || j->device->is_block || fstat(j->device->fd, &st) < 0 || fstatvfs(j->device->fd, &fs) < 0)
		return 0;
	if (fs.f_blocks == 0) /* a file system that does not count, as many in user space */
		return 0;
	room = (u64)fs.f_bavail * fs.f_frsize + (u64)st.st_blocks * 512;
	if (need > room && is_one_hole(j->device))
		need -= writelist_holes(j->build.pass);
	if (need > room)
		return fail(e, -ENOSPC, "%s: its file system has %llu bytes left, %llu will be written",
		            j->request->target, (unsigned long long)room, (unsigned long long)need);
	return 0;
}

/* In this order; nothing is written by any of them (a new file stays all holes). */
static int (*const checks[])(struct create_job *, struct err *) = {
	load_host, check_target, open_target, check_sector_size, scan_target, make_plan, lay_out, check_room,
};

int create_job_prepare(const struct create_request *q, const struct create_source *from, struct create_job *ret,
                       struct err *e)
{
	int r = 0;

	*ret = (struct create_job){ .request = q, .from = from };
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = interrupted ? fail(e, -EINTR, "interrupted; nothing was written") : checks[i](ret, e);
	if (r < 0)
		create_job_free(ret);
	return r;
}

/*
 * The old table must not lead to half-written partitions when the run ends early: sector 0, an old GPT header and its
 * backup go first, if there is anything in them. These are the only sectors that are written twice.
 */
static int erase_old_table(struct create_job *j, struct err *e)
{
	struct device *d = j->device;
	AUTO_FREE u8 *now = xcalloc(2, d->sector_size), *zeros = xcalloc(2, d->sector_size);
	const struct {
		u64 off;
		size_t len;
	} place[] = { { 0, 2 * d->sector_size }, { d->size - d->sector_size, d->sector_size } };
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		int r = device_read(d, place[i].off, now, place[i].len, e);

		if (r == 0 && memcmp(now, zeros, place[i].len) != 0) {
			j->state = STICK_ERASED;
			any = true;
			r = device_write(d, place[i].off, zeros, place[i].len, e);
		}
		if (r < 0)
			return r;
	}
	return any ? device_flush(d, e) : 0;
}

/* Behind the erasing, so that the old table cannot come back from what a drive has been told to forget. */
static int discard(struct create_job *j, struct err *e)
{
	j->state = j->device->is_block ? STICK_ERASED : j->state;
	return discard_drive(j->device, j->capacity, j->request->progress, e);
}

/*
 * Of drives only: a plain file has the size that it has. What is told here is told before anything is lost; a stick
 * that is good so far keeps the marks until the pass has driven them out of its cache.
 */
static int probe_capacity(struct create_job *j, struct err *e)
{
	AUTO_FREE char *words = NULL;
	struct capacity c = { 0 };
	int r;

	if (!j->device->is_block)
		return 0;
	j->probed = true;
	r = capacity_begin(j->device, j->request->progress, &j->capacity, &c, e);
	if (j->capacity || c.spoilt)
		j->state = STICK_ERASED;
	if (r < 0)
		return r;
	words = capacity_sentence(&c);
	return c.kind == CAPACITY_GOOD ? 0 : fail_refused(e, -EMEDIUMTYPE, "%s", words);
}

static bool was_written(void *ctx, u64 off, size_t len)
{
	const struct build *b = &((struct create_job *)ctx)->build;

	return writelist_touches(b->pass, off, len) || writelist_touches(b->commit, off, len) ||
	       writelist_touches(b->seal, off, len);
}

static int probe_again(struct create_job *j, struct err *e)
{
	AUTO_FREE char *words = NULL;
	struct capacity c;
	int r = j->capacity ? capacity_end(j->capacity, was_written, j, &c, e) : 0;

	if (r < 0 || !j->capacity)
		return r;
	words = capacity_sentence(&c);
	return c.kind == CAPACITY_GOOD ? 0 : fail(e, -EMEDIUMTYPE, "%s", words);
}

static int write_pass(struct create_job *j, struct err *e)
{
	struct progress *p = j->request->progress;
	int r;

	j->state = STICK_ERASED;
	progress_begin(p, "write", writelist_bytes(j->build.pass));
	r = writelist_share(j->build.pass, j->device, e);
	return r < 0 ? r : writelist_run(j->build.pass, j->device, p, e);
}

static int check_source_same(struct create_job *j, struct err *e)
{
	return source_changed(j->from->facts.source, e);
}

static int write_commit(struct create_job *j, struct err *e)
{
	return writelist_run(j->build.commit, j->device, NULL, e);
}

static int write_seal(struct create_job *j, struct err *e)
{
	int r = writelist_run(j->build.seal, j->device, NULL, e);

	if (r == 0) {
		j->state = STICK_COMPLETE;
		progress_end(j->request->progress);
	}
	return r;
}

static const struct {
	const char *what;
	int (*run)(struct create_job *, struct err *);
} steps[] = {
	{ "reading the source", check_source_same }, /* while the user was asked */
	{ "looking whether it is as large as it says", probe_capacity },
	{ "erasing the old partition table", erase_old_table },
	{ "discarding what was on it", discard },
	{ "writing", write_pass },
	{ "reading the source", check_source_same },
	{ "looking again whether it is as large as it says", probe_again },
	{ "writing the boot sectors", write_commit },
	{ "writing the partition table", write_seal },
};

/* The user must know what is left of the stick. */
static int say_state(struct create_job *j, int r, struct err *e)
{
	const char *name = j->request->target;

	progress_break(j->request->progress);
	if (j->is_new_file)
		return fail(e, r, "%s: not made, the unfinished file is removed", name);
	if (j->state == STICK_UNTOUCHED)
		return fail(e, r, "%s: %sit is as it was", name, j->probed ? "" : "nothing was written, ");
	return fail(e, r, "%s: is not finished and does not boot, what was on it is lost; run create again", name);
}

int create_job_ask(struct create_job *j, struct err *e)
{
	const struct create_request *q = j->request;

	return q->confirm ? q->confirm(q->confirm_ctx, j, e) : 0;
}

int create_job_recheck(struct create_job *j, struct err *e)
{
	return check_opened(j, e);
}

static int run(struct create_job *j, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = interrupted ? fail(e, -EINTR, "interrupted") : steps[i].run(j, e);

		if (r < 0)
			return say_state(j, fail(e, r, "%s", steps[i].what), e);
	}
	return 0;
}

/* ---- several at once */

struct runner {
	struct create_job *job;
	pthread_t thread;
	bool has_thread;
	int r;
	struct err err;
};

static void *run_one(void *arg)
{
	struct runner *x = arg;

	x->r = run(x->job, &x->err);
	return NULL;
}

static void start(struct runner *x)
{
	int r = thread_start(&x->thread, run_one, x);

	x->has_thread = r == 0;
	if (!x->has_thread)
		x->r = say_state(x->job, fail(&x->err, r, "no thread: %s", strerror(-r)), &x->err);
}

/* The first failure is the run's, with the sentences of all. */
static int settle(struct runner *x, size_t n, struct err *e)
{
	AUTO_BUF struct buf all = { 0 };
	enum exit_code code = EXIT_OK;
	size_t failed = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (x[i].r == 0)
			continue;
		r = r ? r : x[i].r;
		code = code ? code : x[i].err.code;
		buf_addf(&all, "%s%s", failed++ ? "; " : "", x[i].err.text);
		err_clear(&x[i].err);
	}
	if (!failed)
		return 0;
	fail(e, r, "%zu of %zu sticks failed: %s", failed, n, all.s);
	e->code = code;
	return r;
}

int create_jobs_run(struct create_job *job, size_t n, struct err *e)
{
	AUTO_FREE struct runner *x = NULL;

	if (n == 1)
		return run(job, e);
	x = xcalloc(n, sizeof(*x));
	for (size_t i = 0; i < n; i++) {
		x[i].job = &job[i];
		writelist_side_by_side(job[i].build.pass, n);
		start(&x[i]);
	}
	for (size_t i = 0; i < n; i++)
		if (x[i].has_thread)
			pthread_join(x[i].thread, NULL);
	return settle(x, n, e);
}

void create_job_free(struct create_job *j)
{
	capacity_free(j->capacity);
	build_free(&j->build);
	plan_free(j->plan);
	scan_free(&j->scan);
	drive_free(&j->drive);
	device_free(j->device);
	host_free(&j->host);
	if (j->is_new_file && !j->request->target_is_made && j->state != STICK_COMPLETE)
		unlink(j->request->target);
	*j = (struct create_job){ 0 };
}
