/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine whose sysfs and proc say anything: that of tests/fixtures/machines/laptop-luks-lvm, with a stick. Input:
 * the first text is /proc/self/mountinfo; lines of 0x01 PATH begin those of other files, of which only the ones that
 * are there count. What was read must keep the promises of src/media/drives.h, mounts.h and guard.h. For libFuzzer;
 * with -DFUZZ_MAIN a program that does the same with each file that it is given.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/media/guard.h"
#include "src/media/mounts.h"
#include "tests/fuzz/must.h"
#include "tests/lib/machine.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define FIRST "proc/self/mountinfo"

/* A file of the machine, and what it says at first. */
struct fact {
	char *path;
	struct buf text;
	bool is_changed;
};

static struct machine machine;
static struct fact *facts;
static size_t n_facts, cap_facts;

static int remember(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct fact f = { .path = xstrdup(path) };
	char piece[4096];
	ssize_t n;
	int fd;

	(void)st, (void)ftw;
	if (type != FTW_F || strncmp(path, machine.dev, strlen(machine.dev)) == 0) {
		free(f.path);
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	buf_adds(&f.text, "");
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(&f.text, piece, (size_t)n);
	close(fd);
	*ARRAY_ADD(facts, n_facts, cap_facts) = f;
	return 0;
}

static void forget(void)
{
	for (size_t i = 0; i < n_facts; i++) {
		free(facts[i].path);
		buf_free(&facts[i].text);
	}
	free(facts);
	machine_free(&machine);
}

static void set_up(void)
{
	if (machine.dir)
		return;
	machine_unpack("laptop-luks-lvm", NULL, &machine);
	MUST(nftw(machine.dir, remember, 16, FTW_PHYS) == 0 && n_facts > 20);
	atexit(forget);
}

static void put(const char *path, const void *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	MUST(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	close(fd);
}

static void change(const char *path, size_t len, const u8 *text, size_t size)
{
	for (size_t i = 0; i < n_facts; i++) {
		const char *name = facts[i].path + strlen(machine.dir) + 1;

		if (strlen(name) != len || memcmp(name, path, len) != 0)
			continue;
		put(facts[i].path, text, size);
		facts[i].is_changed = true;
	}
}

static void change_all(const u8 *data, size_t size)
{
	const u8 *end = data + size;

	for (const u8 *at = data, *stop; at <= end; at = stop + 1) {
		const u8 *line = at;

		stop = memchr(at, 1, (size_t)(end - at));
		if (!stop)
			stop = end;
		if (at == data) {
			change(FIRST, strlen(FIRST), at, (size_t)(stop - at));
			continue;
		}
		at = memchr(at, '\n', (size_t)(stop - at));
		if (at)
			change((const char *)line, (size_t)(at - line), at + 1, (size_t)(stop - at - 1));
	}
}

static void check_text(const char *text)
{
	MUST(text && strlen(text) <= 4096);
}

static void check_drive(const struct drive *d)
{
	MUST(*d->name && strchr(d->path, '/') && d->transport);
	check_text(d->vendor);
	check_text(d->model);
	check_text(d->serial);
	check_text(d->backing);
	MUST(d->n_stack > 0 && d->stack[0].dev == d->dev);
	for (size_t i = 0; i < d->n_stack; i++)
		MUST(d->stack[i].under <= i && drive_block(d, d->stack[i].dev));
	for (size_t i = 0; i < d->n_reasons; i++)
		MUST(d->reasons[i] && *d->reasons[i]);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_DRIVES struct drives all = { 0 }, judged = { 0 };
	AUTO_MOUNTS struct mounts mounts = { 0 };
	AUTO_ERR struct err e = { 0 };

	set_up();
	change_all(data, size);
	MUST(drives_list(&machine.roots, &all, &e) == 0 || e.text);
	err_clear(&e);
	if (mounts_read(&machine.roots, &mounts, &e) < 0) {
		MUST(e.text && mounts.n_mounts == 0);
		err_clear(&e);
		MUST(guard_list(&machine.roots, &judged, &e) < 0 && e.text);
	} else if (guard_list(&machine.roots, &judged, &e) == 0) {
		MUST(judged.n == all.n);
		for (size_t i = 0; i < judged.n; i++)
			check_drive(&judged.drive[i]);
	}
	for (size_t i = 0; i < n_facts; i++) {
		if (facts[i].is_changed)
			put(facts[i].path, facts[i].text.s, facts[i].text.len);
		facts[i].is_changed = false;
	}
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
