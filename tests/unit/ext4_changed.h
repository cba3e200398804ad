/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of ext4_update.h share: volumes in memory, what is wanted of them, and the judges. */
#ifndef LIVESTICK_TEST_EXT4_CHANGED_H
#define LIVESTICK_TEST_EXT4_CHANGED_H

#include <errno.h>
#include <fcntl.h>

#include "src/fs/ext4_update.h"
#include "tests/unit/ext4_image.h"
#include "tests/unit/ext4_judge.h"

/* ---- a device that is one piece of memory */

struct flat {
	struct device d;
	u8 *mem;
};

static int flat_read(struct device *d, u64 off, void *buf, size_t len)
{
	memcpy(buf, ((struct flat *)d)->mem + off, len);
	return 0;
}

static int flat_write(struct device *d, u64 off, const void *buf, size_t len)
{
	memcpy(((struct flat *)d)->mem + off, buf, len);
	return 0;
}

/* `mem` is borrowed. */
UNUSED static struct flat flat_over(u8 *mem, u64 size)
{
	static const struct device_ops ops = { .read = flat_read, .write = flat_write };

	return (struct flat){ { .ops = &ops, .name = (char *)"stick", .size = size, .sector_size = 512, .fd = -1 },
		              mem };
}

/* ---- contents that tell from which file and which version they are */

struct text {
	char path[100];
	u64 size;
	u32 version;
	char from[100]; /* the path of which it has the bytes, when that is another one */
	u32 same_as;    /* in the list it is in: see volume.h */
	bool is_left;   /* it leaves a file of other names that stay: made anew even with the same size */
};

UNUSED static void text_bytes(const struct text *t, u64 off, u8 *buf, size_t len)
{
	u32 seed = t->version * 2654435761U;

	for (const char *p = *t->from ? t->from : t->path; *p; p++)
		seed = seed * 31 + (u8)*p;
	for (size_t i = 0; i < len; i++) {
		u64 at = off + i;
		u32 x = (seed + (u32)(at / 8)) * 2246822519U;

		x ^= x >> 15;
		buf[i] = (u8)(x >> at % 8 * 3);
	}
}

static int text_read(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	(void)e;
	text_bytes(ctx, off, buf, len);
	return 0;
}

UNUSED static struct volume_file *add_versioned(struct volume_files *v, struct text *t)
{
	struct volume_file *f =
	    volume_add(v, t->path, t->size, (struct input){ .read = text_read, .ctx = t }, 1600000000 + t->version);

	f->same_as = t->same_as;
	return f;
}

/* Another name of the file `first`. */
static void text_same(struct text *t, const char *path, const struct text *list, u32 first)
{
	*t = list[first];
	snprintf(t->from, sizeof(t->from), "%s", list[first].path);
	snprintf(t->path, sizeof(t->path), "%s", path);
	t->same_as = first + 1;
}

/* ---- what a volume shall hold */

struct shelf {
	struct text *text;
	size_t n, cap;
};

UNUSED static struct text *shelf_find(const struct shelf *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->text[i].path, path) == 0)
			return &s->text[i];
	return NULL;
}

UNUSED static void shelf_put(struct shelf *s, const char *path, u64 size, u32 version)
{
	struct text *t = shelf_find(s, path);

	if (!t)
		t = ARRAY_ADD(s->text, s->n, s->cap);
	memset(t, 0, sizeof(*t));
	snprintf(t->path, sizeof(t->path), "%s", path);
	t->size = size;
	t->version = version;
}

/* As it is in another list. */
UNUSED static void shelf_set(struct shelf *s, const struct text *text)
{
	struct text *t;

	shelf_put(s, text->path, text->size, text->version);
	t = shelf_find(s, text->path);
	memcpy(t->from, text->from, sizeof(t->from));
}

UNUSED static void shelf_put_same(struct shelf *s, const char *path, const char *first)
{
	struct text *t = ARRAY_ADD(s->text, s->n, s->cap);

	text_same(t, path, s->text, (u32)(shelf_find(s, first) - s->text));
}

UNUSED static void shelf_drop(struct shelf *s, const char *path)
{
	struct text *t = shelf_find(s, path);

	if (t)
		*t = s->text[--s->n];
}

UNUSED static void shelf_free(struct shelf *s)
{
	free(s->text);
	*s = (struct shelf){ 0 };
}

/* ---- an update */

struct change {
	const char *remove[300];
	size_t n_remove;
	struct text put[300];
	bool replace[300];
	size_t n_put;
	struct volume_update wanted;
};

UNUSED static void change_remove(struct change *c, const char *path)
{
	c->remove[c->n_remove++] = path;
}

UNUSED static void change_put(struct change *c, const char *path, u64 size, u32 version, bool replace)
{
	struct text *t = &c->put[c->n_put];

	snprintf(t->path, sizeof(t->path), "%s", path);
	t->size = size;
	t->version = version;
	c->replace[c->n_put++] = replace;
}

/* Another name of what was put before as `first`. */
UNUSED static void change_put_same(struct change *c, const char *path, const char *first)
{
	u32 i = 0;

	while (strcmp(c->put[i].path, first) != 0)
		i++;
	text_same(&c->put[c->n_put++], path, c->put, i);
}

/* To be called for each run anew; freed by change_end(). */
UNUSED static struct volume_update *change_begin(struct change *c)
{
	c->wanted = (struct volume_update){ .remove = c->remove, .n_remove = c->n_remove };
	for (size_t i = 0; i < c->n_put; i++)
		add_versioned(&c->wanted.put, &c->put[i])->replace = c->replace[i];
	return &c->wanted;
}

UNUSED static void change_end(struct change *c)
{
	volume_files_free(&c->wanted.put);
}

/* Opens, plans and runs it. */
UNUSED static int change_run(struct change *c, struct device *d, u64 start, u64 size, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	int r = ext4_update_open(d, start, size, &u, e);

	if (r == 0)
		r = update_plan(u, change_begin(c), e);
	if (r == 0)
		r = update_run(u, d, NULL, e);
	update_close(TAKE(u));
	change_end(c);
	return r;
}

/* ---- judging */

/* What was found of a shelf. */
struct expected {
	const struct shelf *shelf;
	bool *seen;
	u64 look_at; /* bytes of a file at most */
};

UNUSED static bool is_text(const struct judge *j, const u8 *inode, u64 size, const struct text *t, u64 look_at)
{
	AUTO_FREE u8 *found = NULL, *right = NULL;

	if (size != t->size)
		return false;
	size = MIN(size, look_at);
	found = j_content(j, inode, size);
	right = xcalloc(1, size);
	text_bytes(t, 0, right, size);
	return memcmp(found, right, size) == 0;
}

static int expect_file(void *ctx, const char *path, const struct judge *j, const u8 *inode, u64 size)
{
	struct expected *x = ctx;
	const struct text *t = shelf_find(x->shelf, path);

	if (size == UINT64_MAX)
		return 0;
	if (!t)
		return -1;
	x->seen[t - x->shelf->text] = true;
	return is_text(j, inode, size, t, x->look_at) ? 0 : -1;
}

/* The volume in `mem` holds exactly what is on the shelf, as far as the first `look_at` bytes of each file tell. */
UNUSED static bool holds_exactly(const u8 *mem, u64 size, const struct shelf *s, u64 look_at, char why[256])
{
	AUTO_FREE bool *seen = xcalloc(s->n, sizeof(*seen));
	struct expected x = { s, seen, look_at };
	struct judge j = { .v = mem, .size = size, .file = expect_file, .ctx = &x };
	bool ok = judge_volume(&j);

	snprintf(why, 256, "%s", j.why);
	for (size_t i = 0; i < s->n && ok; i++)
		if (!seen[i]) {
			snprintf(why, 256, "%s is missing", s->text[i].path);
			ok = false;
		}
	return ok;
}

UNUSED static void save(const char *path, const u8 *mem, u64 size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (u64 at = 0; fd >= 0 && at < size; at += MIB) {
		static const u8 zeros[MIB];
		size_t n = MIN(MIB, size - at);

		if (memcmp(mem + at, zeros, n) != 0 && pwrite(fd, mem + at, n, (off_t)at) != (ssize_t)n)
			break;
	}
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		test_fail(__FILE__, __LINE__, "%s: cannot be written", path);
	close(fd);
}

/* ---- one volume on which updates follow each other */

UNUSED static void load(const char *path, u8 *mem, u64 size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, mem, size, 0) != (ssize_t)size)
		test_fail(__FILE__, __LINE__, "%s: cannot be read", path);
	close(fd);
}

/* A volume in memory with what is on the shelf, as ext4.h makes it. */
struct stick {
	u8 *mem;
	u64 size; /* of the volume; it begins at START */
	struct flat flat;
	struct shelf shelf;
	char *path; /* of the image file for the judges */
};

UNUSED static void stick_free(struct stick *s)
{
	free(s->mem);
	free(s->path);
	shelf_free(&s->shelf);
}

#define AUTO_STICK CLEANUP(stick_free)

UNUSED static void make_stick(struct stick *s, u64 size)
{
	struct ext4_options o = loader_options(size);
	struct volume_files v = { 0 };
	AUTO_MADE struct made m = { 0 };
	AUTO_ERR struct err e = { 0 };

	s->size = size;
	s->mem = xcalloc(1, START + size);
	memset(s->mem, 0xa5, START + size);
	s->flat = flat_over(s->mem, START + size);
	s->path = sandbox_path("updated.img");
	for (size_t i = 0; i < s->shelf.n; i++)
		add_versioned(&v, &s->shelf.text[i]);
	m = make(&o, &v);
	CHECK_OK(writelist_run(m.w, &s->flat.d, NULL, &e), &e);
	volume_files_free(&v);
}

/* All judges agree that the volume is sound and holds the shelf. */
UNUSED static void check_stick(struct stick *s, int line)
{
	char why[256];

	if (!holds_exactly(s->mem + START, s->size, &s->shelf, UINT64_MAX, why))
		test_fail(__FILE__, line, "%s", why);
	save(s->path, s->mem, START + s->size);
	if (sandbox_run("e2fsck -fn '%s" OFFSET "'", s->path) != 0)
		test_fail(__FILE__, line, "e2fsck: %s", sandbox_said());
}

#define CHECK_STICK(s) check_stick(s, __LINE__)

UNUSED static void apply(struct stick *s, struct change *c, int line)
{
	AUTO_ERR struct err e = { 0 };

	if (change_run(c, &s->flat.d, START, s->size, &e) < 0)
		test_fail(__FILE__, line, "%s", e.text);
	for (size_t i = 0; i < c->n_remove; i++)
		shelf_drop(&s->shelf, c->remove[i]);
	for (size_t i = 0; i < c->n_put; i++)
		shelf_set(&s->shelf, &c->put[i]);
	check_stick(s, line);
}

/* Runs it and gives back what it said; nothing may be written when it fails. */
UNUSED static int try(struct stick *s, struct change *c, struct err *e)
{
	AUTO_FREE u8 *before = xcalloc(1, START + s->size);
	int r;

	memcpy(before, s->mem, START + s->size);
	r = change_run(c, &s->flat.d, START, s->size, e);
	if (r < 0 && memcmp(before, s->mem, START + s->size) != 0)
		test_fail(__FILE__, __LINE__, "something was written");
	return r;
}

/* Changes the volume as debugfs does. */
PRINTF_LIKE(2, 3) UNUSED static void by_debugfs(struct stick *s, const char *fmt, ...)
{
	AUTO_FREE char *script = sandbox_path("script");
	FILE *f = fopen(script, "we");
	va_list ap;

	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
	save(s->path, s->mem, START + s->size);
	CHECK_U64(sandbox_run("debugfs -w -f %s '%s" OFFSET "'", script, s->path), 0);
	load(s->path, s->mem, START + s->size);
}

UNUSED static bool can_mount(const char *dir)
{
	return geteuid() == 0 && sandbox_run("mkdir -p %s && mount -t tmpfs none %s && umount %s", dir, dir, dir) == 0;
}

UNUSED static void usual_files(struct shelf *s)
{
	shelf_put(s, "/live/vmlinuz", 500000, 1);
	shelf_put(s, "/live/filesystem.squashfs", 3000000, 1);
	shelf_put(s, "/livestick/a.cfg", 600, 1);
	shelf_put(s, "/livestick/switch.cfg", 512, 1);
	shelf_put(s, "/mine.txt", 7, 1);
}

UNUSED static bool exists(struct stick *s, const char *path)
{
	CHECK_U64(sandbox_run("debugfs -R 'stat %s' '%s" OFFSET "' 2>&1", path, s->path), 0);
	return !strstr(sandbox_said(), "File not found");
}

/* The file in the saved image has the bytes of `t`. */
UNUSED static void check_bytes(struct stick *s, const char *path, const struct text *t)
{
	AUTO_FREE char *right = sandbox_path("right");
	AUTO_FREE u8 *bytes = xcalloc(1, t->size);

	text_bytes(t, 0, bytes, t->size);
	save(right, bytes, t->size);
	CHECK_U64(sandbox_run("debugfs -R 'cat %s' '%s" OFFSET "' 2>/dev/null | cmp - %s", path, s->path, right), 0);
}

#define APPLY(s, c) apply(s, c, __LINE__)

#endif
