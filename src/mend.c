/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/mend.h"

#include <errno.h>

#include "src/base/scratch.h"
#include "src/base/spawn.h"
#include "src/mend_parts.h"

#define PIECE       MIB
#define SECONDS     1800
#define CHANGED_MAX (256 * MIB) /* of a BOOT that is worth mending */

/* Of FAT: where the boot sector says that the volume was not unmounted, and where its backup is. */
#define FAT_MARK   65
#define FAT_BACKUP 50

/* ---- the copy */

/* All of BOOT: which blocks are metadata is what a damaged volume cannot be asked. */
static int fill(struct shadow *c, struct device *boot, struct progress *p, struct err *e)
{
	int r = 0;

	progress_begin(p, "copy", boot->size);
	for (u64 off = 0; r == 0 && off < boot->size; off += PIECE) {
		size_t len = (size_t)MIN(PIECE, boot->size - off);

		r = shadow_copy(c, off, len, e);
		if (r == -ENOSPC)
			return fail(e, r,
			            "a copy of BOOT (up to %llu bytes) has no room in %s; TMPDIR names another place",
			            (unsigned long long)boot->size, scratch_parent());
		progress_add(p, len);
	}
	progress_end(p);
	return r == -EINTR ? fail(e, r, "nothing was written") : r;
}

/* ---- the program */

static int run_on_copy(const struct shadow *c, const char *const argv[], const char *package, struct buf *said,
                       struct err *e)
{
	const int fd = shadow_fd(c);
	const struct spawn s = {
		.argv = argv, .package = package, .tmpdir = scratch_parent(), .seconds = SECONDS, .fds = &fd, .n_fds = 1
	};

	return spawn_run(&s, said, e);
}

/* What it says goes to the user; its exit status does not tell "mended" from "failed" well enough: it is asked again.
 */
static int run_repair(const struct shadow *c, const char *const argv[], const char *package, struct buf *said,
                      struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int r = run_on_copy(c, argv, package, said, &why);

	return r == 0 || r == -EIO ? 0 : fail(e, r, "%s", why.text);
}

/* The name of the copy tells the user nothing. */
static void rename_copy(struct buf *said, const char *path)
{
	struct buf b = { 0 };

	for (const char *at = said->s, *next; at && *at; at = next) {
		next = strstr(at, path);
		buf_addf(&b, "%.*s%s", (int)(next ? (size_t)(next - at) : strlen(at)), at, next ? "BOOT" : "");
		next = next ? next + strlen(path) : at + strlen(at);
	}
	buf_free(said);
	*said = b;
}

static int ask_again(const struct shadow *c, const char *const argv[], const char *package, struct err *e)
{
	int r = run_on_copy(c, argv, package, NULL, e);

	return r == -EIO ? fail(e, -EUCLEAN, "it cannot be mended") : r;
}

static int mend_fat(const struct shadow *c, struct buf *said, struct err *e)
{
	const char *path = shadow_path(c);
	const char *const repair[] = { "fsck.fat", "-a", path, NULL }, *const ask[] = { "fsck.fat", "-n", path, NULL };
	int r = run_repair(c, repair, "dosfstools", said, e);

	return r < 0 ? r : ask_again(c, ask, "dosfstools", e);
}

/* First what can be mended without a choice; then all. */
static int mend_ext4(const struct shadow *c, struct buf *said, struct err *e)
{
	const char *path = shadow_path(c);
	const char *const preen[] = { "e2fsck", "-f", "-p", path, NULL };
	const char *const repair[] = { "e2fsck", "-f", "-y", path, NULL };
	const char *const ask[] = { "e2fsck", "-f", "-n", path, NULL };
	AUTO_ERR struct err why = { 0 };
	int r = run_repair(c, preen, "e2fsprogs", said, e);

	if (r < 0 || ask_again(c, ask, "e2fsprogs", &why) == 0)
		return r;
	r = run_repair(c, repair, "e2fsprogs", said, e);
	return r < 0 ? r : ask_again(c, ask, "e2fsprogs", e);
}

/* fsck.fat leaves a backup boot sector alone that says something else. */
static int copy_boot_sector(struct shadow *c, u64 volume, struct err *e)
{
	u8 sector[4096], backup[4096];
	u32 at, size;
	int r = shadow_read(c, 0, sector, sizeof(sector), e);

	size = get_le16(sector + 11);
	at = get_le16(sector + FAT_BACKUP);
	if (r < 0 || (size != 512 && size != 4096) || at == 0 || at >= get_le16(sector + 14) ||
	    (u64)(at + 1) * size > volume)
		return r;
	r = shadow_read(c, (u64)at * size, backup, size, e);
	return r < 0 || memcmp(sector, backup, size) == 0 ? r : shadow_put(c, (u64)at * size, sector, size, e);
}

static int run_program(struct shadow *c, const struct stick *s, struct buf *said, struct err *e)
{
	int r = s->boot_is_ext4 ? mend_ext4(c, said, e) : mend_fat(c, said, e);

	rename_copy(said, shadow_path(c));
	return r < 0 || s->boot_is_ext4 ? r : copy_boot_sector(c, s->boot_size, e);
}

/* What that has changed must be good as well. */
static int keep_checksums(struct shadow *c, const struct stick *s, struct device *boot, struct err *e)
{
	const char *const ask[] = { "e2fsck", "-f", "-n", shadow_path(c), NULL };
	int r = s->boot_is_ext4 ? mend_keep_checksums(c, boot, e) : 0;

	return r > 0 ? ask_again(c, ask, "e2fsprogs", e) : r;
}

/* ---- what has changed */

struct changes {
	struct mend *m;
	struct mend_order *order;
	u64 start; /* of BOOT, on the device */
};

static void add_piece(const struct changes *c, unsigned step, u64 off, const u8 *was, const u8 *now, size_t len)
{
	struct mend *m = c->m;
	struct mend_piece *p = ARRAY_ADD(m->piece, m->n, m->cap);

	*p = (struct mend_piece){ .off = c->start + off, .len = len, .step = step };
	p->was = xcalloc(1, len);
	p->now = xcalloc(1, len);
	memcpy(p->was, was, len);
	memcpy(p->now, now, len);
	m->bytes += len;
}

/* Sectors beside each other that are written in the same step are one piece. */
static int add_change(void *ctx, u64 off, const u8 *was, const u8 *now, size_t len, struct err *e)
{
	struct changes *c = ctx;
	u32 sector = mend_order_sector(c->order);

	for (size_t at = 0, end; at < len; at = end) {
		unsigned step = 0, next = 0;
		u8 *first = NULL;
		int r = mend_order_step(c->order, off + at, &step, e);

		for (end = at; r == 0 && end < len && (end == at || next == step);) {
			end += sector;
			if (end < len)
				r = mend_order_step(c->order, off + end, &next, e);
		}
		if (r < 0)
			return r;
		if (mend_order_before(c->order, step, off + at, was + at, now + at, end - at, &first))
			add_piece(c, MEND_ENTRIES_NEW, off + at, was + at, first, end - at);
		free(first);
		add_piece(c, step, off + at, was + at, now + at, end - at);
	}
	return c->m->bytes > CHANGED_MAX
	           ? fail(e, -EUCLEAN, "more than %llu MiB would have to be mended", CHANGED_MAX / MIB)
	           : 0;
}

static int by_step(const void *a, const void *b)
{
	const struct mend_piece *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

static int find_changes(struct mend *m, struct shadow *c, const struct stick *s, struct device *boot, struct err *e)
{
	struct changes changes = { .m = m, .start = s->boot_start };
	int r = mend_order_new(c, boot, s->boot_is_ext4, &changes.order, e);

	if (r == 0)
		r = shadow_changes(c, boot, add_change, &changes, e);
	mend_order_free(changes.order);
	if (m->n)
		qsort(m->piece, m->n, sizeof(m->piece[0]), by_step);
	return r == -EINTR ? fail(e, r, "nothing was written") : r;
}

static int show(struct mend *m, struct device *d, struct err *e)
{
	int r = 0;

	m->shown = device_new_overlay(d);
	m->shown->fd = d->fd; /* the partition table is read from it, which stays as it is */
	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = device_write(m->shown, m->piece[i].off, m->piece[i].now, m->piece[i].len, e);
	return r;
}

int mend_make(struct device *d, const struct stick *s, struct progress *p, struct mend **ret, struct err *e)
{
	AUTO_DEVICE struct device *boot = device_new_window(d, d->name, s->boot_start, s->boot_size);
	AUTO_SHADOW struct shadow *c = NULL;
	struct mend *m = xcalloc(1, sizeof(*m));
	int r = shadow_new(d, s->boot_start, s->boot_size, &c, e);

	if (r == 0)
		r = fill(c, boot, p, e);
	if (r == 0)
		r = run_program(c, s, &m->said, e);
	if (r == 0)
		r = keep_checksums(c, s, boot, e);
	if (r == 0)
		r = find_changes(m, c, s, boot, e);
	if (r == 0 && m->n)
		r = show(m, d, e);
	if (r < 0 || m->n == 0)
		mend_free(TAKE(m));
	if (r == 0)
		*ret = m;
	return r;
}

static int check_same(const struct mend *m, struct device *d, struct err *e)
{
	for (size_t i = 0; i < m->n; i++) {
		AUTO_FREE u8 *is = xcalloc(1, m->piece[i].len);
		int r = device_read(d, m->piece[i].off, is, m->piece[i].len, e);

		if (r < 0)
			return r;
		if (memcmp(is, m->piece[i].was, m->piece[i].len) != 0)
			return fail(e, -ESTALE, "%s: has changed since it was looked at", d->name);
	}
	return 0;
}

int mend_write(struct mend *m, struct device *d, struct err *e)
{
	int r = check_same(m, d, e);

	for (size_t i = 0; r == 0 && i < m->n; i++) {
		if (i > 0 && m->piece[i].step != m->piece[i - 1].step)
			r = device_flush(d, e);
		if (r == 0)
			r = device_write(d, m->piece[i].off, m->piece[i].now, m->piece[i].len, e);
	}
	return r == 0 ? device_flush(d, e) : r;
}

void mend_free(struct mend *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->piece[i].was);
		free(m->piece[i].now);
	}
	free(m->piece);
	buf_free(&m->said);
	device_free(m->shown);
	free(m);
}

int mend_is_marked(struct device *d, const struct stick *s, bool *ret, struct err *e)
{
	u8 sector[512];
	int r = s->boot_is_ext4 ? 0 : device_read(d, s->boot_start, sector, sizeof(sector), e);

	if (r == 0)
		*ret = !s->boot_is_ext4 && (sector[FAT_MARK] & 1);
	return r;
}
