/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order of writes, on a real live ISO and the real job, with a recording device in the job's place: erase, one
 * ascending pass, boot sectors, table; a flush after each.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <sys/stat.h>

#include "src/job_create.h"
#include "src/media/device_test.h"

#define STICK_SIZE (8 * GIB)

static char iso[4096];

struct run {
	char dir[64];
	char target[96];
	struct create_request request;
	struct create_source source;
	struct create_job job;
	struct device *file, *recorder;
	const struct record *record;
	size_t n;
	bool ok;
};

static void make_file(const char *path, const char *head, u64 size)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(head, 1, strlen(head), f) == strlen(head));
	CHECK(f && fseeko(f, (off_t)size - 8, SEEK_SET) == 0 && fputs(*head ? "OLD TAIL" : "", f) >= 0);
	CHECK(f && fclose(f) == 0 && truncate(path, (off_t)size) == 0);
}

/* Writes the ISO onto a file of `size` that begins with `old`, and keeps the records. */
static void begin(struct run *x, enum table_type table, const char *old)
{
	struct err e = { 0 };

	*x = (struct run){ .dir = "/var/tmp/livestick-order.XXXXXX" };
	CHECK(mkdtemp(x->dir) != NULL);
	snprintf(x->target, sizeof(x->target), "%s/stick.img", x->dir);
	make_file(x->target, old, STICK_SIZE);
	x->request.source = iso;
	x->request.target = x->target;
	x->request.plan.table = table;
	seed_from_text("order", &x->request.plan.seed);
	if (!CHECK_OK(create_source_read(&x->request, &x->source, &e), &e) ||
	    !CHECK_OK(create_job_prepare(&x->request, &x->source, &x->job, &e), &e))
		return;
	x->file = x->job.device;
	x->recorder = device_new_recorder(x->file, false);
	x->recorder->fd = x->file->fd;
	x->job.device = x->recorder;
	x->ok = CHECK_OK(create_jobs_run(&x->job, 1, &e), &e);
	x->record = device_records(x->recorder, &x->n);
	err_clear(&e);
}

static void end(struct run *x)
{
	if (x->file) {
		create_job_free(&x->job);
		create_source_free(&x->source);
		device_free(x->file);
	}
	unlink(x->target);
	rmdir(x->dir);
}

/* The records from `*i` to the next flush: ascending, without overlap; adds up stretches and bytes. */
static void check_ascending(const struct run *x, size_t *i, u64 *bytes, u64 *stretches)
{
	u64 at = 0;
	bool first = true;

	for (; *i < x->n && !x->record[*i].is_flush; ++*i) {
		const struct record *r = &x->record[*i];

		CHECK(r->len > 0 && r->off % 512 == 0 && r->len % 512 == 0);
		CHECK(first || r->off >= at);
		CHECK(r->off + r->len <= STICK_SIZE);
		*stretches += first || r->off != at;
		*bytes += r->len;
		at = r->off + r->len;
		first = false;
	}
	CHECK(*i < x->n && x->record[*i].is_flush);
	++*i;
}

static int by_offset(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

/* How many bytes were written more than once, over the whole run. */
static u64 written_twice(const struct run *x)
{
	struct record *sorted = xcalloc(x->n, sizeof(*sorted));
	u64 twice = 0, end_of_last = 0;
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++)
		if (!x->record[i].is_flush)
			sorted[n++] = x->record[i];
	qsort(sorted, n, sizeof(*sorted), by_offset);
	for (size_t i = 0; i < n; i++) {
		u64 stop = sorted[i].off + sorted[i].len;

		if (sorted[i].off < end_of_last)
			twice += MIN(stop, end_of_last) - sorted[i].off;
		end_of_last = MAX(end_of_last, stop);
	}
	free(sorted);
	return twice;
}

TEST(a_fresh_stick_is_written_once_in_ascending_order_with_the_table_last)
{
	struct run x;
	u64 bytes = 0, stretches = 0, payload = 0;
	size_t i = 0;

	begin(&x, TABLE_MBR, "");
	if (x.ok) {
		check_ascending(&x, &i, &bytes, &stretches); /* pass */
		CHECK(x.record[0].off == 512);
		CHECK(stretches <= 8);
		check_ascending(&x, &i, &bytes, &stretches); /* commit: BOOT's boot sector */
		CHECK_U64(x.record[i - 2].off, MIB);
		CHECK_U64(x.record[i - 2].len, 512);
		check_ascending(&x, &i, &bytes, &stretches); /* seal: sector 0 */
		CHECK_U64(x.record[i - 2].off, 0);
		CHECK_U64(x.record[i - 2].len, 512);
		CHECK_U64(i, x.n);
		CHECK_U64(written_twice(&x), 0);
		CHECK(stretches <= 10);
		payload = x.job.plan->efi_bytes + x.job.plan->copy_bytes;
		CHECK(bytes <= payload + payload / 100 + 8 * MIB);
	}
	end(&x);
}

TEST(on_gpt_sector_0_is_last_too)
{
	struct run x;
	u64 bytes = 0, stretches = 0;
	size_t i = 0;

	begin(&x, TABLE_GPT, "");
	if (x.ok) {
		check_ascending(&x, &i, &bytes, &stretches);
		check_ascending(&x, &i, &bytes, &stretches);
		check_ascending(&x, &i, &bytes, &stretches);
		CHECK_U64(x.record[i - 2].off, 0);
		CHECK_U64(x.record[i - 2].len, 512);
		CHECK_U64(i, x.n);
		CHECK_U64(written_twice(&x), 0);
	}
	end(&x);
}

TEST(what_was_there_is_erased_first_and_nothing_else_is_written_twice)
{
	struct run x;
	u64 bytes = 0, stretches = 0;
	size_t i = 0;

	begin(&x, TABLE_MBR, "AN OLD BOOT SECTOR");
	if (x.ok) {
		check_ascending(&x, &i, &bytes, &stretches); /* erase */
		CHECK_U64(i, 3);
		CHECK_U64(x.record[0].off, 0);
		CHECK_U64(x.record[0].len, 1024);
		CHECK_U64(x.record[1].off, STICK_SIZE - 512);
		check_ascending(&x, &i, &bytes, &stretches);
		check_ascending(&x, &i, &bytes, &stretches);
		check_ascending(&x, &i, &bytes, &stretches);
		CHECK_U64(i, x.n);
		CHECK_U64(written_twice(&x), 3 * 512);
	}
	end(&x);
}

/* Every prefix but the whole leaves no table: sector 0 is zeros until the last write. */
TEST(a_run_that_ends_early_leaves_no_table)
{
	struct run x;
	struct err e = { 0 };
	struct device *dying;
	u8 sector[512], zeros[512] = { 0 };
	u64 n_writes;

	begin(&x, TABLE_MBR, "AN OLD BOOT SECTOR");
	n_writes = x.n;
	end(&x);
	for (u64 at = 1; at < n_writes; at += at < 4 || at + 6 > n_writes ? 1 : 7) {
		x = (struct run){ .dir = "/var/tmp/livestick-order.XXXXXX" };
		CHECK(mkdtemp(x.dir) != NULL);
		snprintf(x.target, sizeof(x.target), "%s/stick.img", x.dir);
		make_file(x.target, "AN OLD BOOT SECTOR", STICK_SIZE);
		x.request = (struct create_request){ .source = iso, .target = x.target };
		if (!CHECK_OK(create_source_read(&x.request, &x.source, &e), &e) ||
		    !CHECK_OK(create_job_prepare(&x.request, &x.source, &x.job, &e), &e))
			break;
		x.file = x.job.device;
		dying = device_new_failing(x.file, (struct fault){ .at_write = at, .error = EIO, .dies = true });
		dying->fd = x.file->fd;
		x.job.device = dying;
		if (create_jobs_run(&x.job, 1, &e) == 0)
			at = n_writes;
		else
			CHECK(e.text && strstr(e.text, at == 1 ? "" : "is not finished and does not boot"));
		err_clear(&e);
		CHECK_OK(device_read(x.file, 0, sector, sizeof(sector), &e), &e);
		if (at > 1 && at < n_writes)
			CHECK(memcmp(sector, zeros, sizeof(zeros)) == 0);
		end(&x);
	}
}

int main(int argc, char **argv)
{
	FILE *p = popen("tests/iso/small.sh 2>/dev/null | tail -n 1", "r");

	if (!p || !fgets(iso, sizeof(iso), p) || pclose(p) != 0) {
		puts("not ok the_small_live_iso_can_be_built");
		return 1;
	}
	iso[strcspn(iso, "\n")] = '\0';
	return test_main(argc, argv);
}
