/* SPDX-License-Identifier: GPL-3.0-or-later */
/* File systems: what both kinds share. */
#include <ctype.h>
#include <errno.h>

#include "src/base/spawn.h"
#include "src/verify_structure_fs.h"

/* A judge that is busy for longer reads a damaged copy round and round. */
#define JUDGE_SECONDS 3600

#define FINDINGS_MAX 3

/* ---- the judges */

/* The lines in which a judge counts its steps, or asks what nobody answers. */
static bool is_finding(const char *line, size_t len)
{
	static const char *const other[] = { "e2fsck ",  "fsck.fat ", "Pass ",     "Checking ",     "Fix? no",
		                             "Recreate", "Clear? ",   "Salvage? ", "Ignore error? " };

	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		if (strncmp(line, other[i], strlen(other[i])) == 0)
			return false;
	return len > 0 && !memmem(line, len, ": ***", 5) && !memmem(line, len, " files, ", 8) &&
	       !memmem(line, len, " blocks", 7);
}

void fs_findings(const struct buf *output, struct buf *ret)
{
	const char *line = output->len ? output->s : "", *end;
	size_t n = 0;

	buf_adds(ret, "");
	for (; *line && n < FINDINGS_MAX; line = end + (*end == '\n')) {
		end = line + strcspn(line, "\n");
		while (line < end && isspace((unsigned char)*line))
			line++;
		if (!is_finding(line, (size_t)(end - line)))
			continue;
		buf_adds(ret, n++ ? "; " : "");
		buf_add(ret, line, (size_t)(end - line));
	}
}

int fs_judge(const struct shadow *copy, const char *const argv[], const char *package, struct buf *ret_findings,
             struct err *e)
{
	const int fd = shadow_fd(copy);
	const struct spawn s = { .argv = argv, .package = package, .seconds = JUDGE_SECONDS, .fds = &fd, .n_fds = 1 };
	AUTO_BUF struct buf output = { 0 };
	int r = spawn_run(&s, &output, e);

	/* e2fsck -n ends with 0 also where it was told no, and where it passed over a checksum. */
	if (r == 0 && !strstr(output.s, "? no\n") && !strstr(output.s, "IGNORED"))
		return 0;
	/* Another exit status is what it has found, killed by a signal is not. */
	if (r < 0 && (r != -EIO || !strstr(e->text, "ended with exit status")))
		return r;
	fs_findings(&output, ret_findings);
	if (ret_findings->len == 0)
		buf_adds(ret_findings, e->text ? e->text : "something that it does not name");
	err_clear(e);
	return 1;
}

int fs_copy_stretch(void *ctx, u64 off, u64 len)
{
	struct fs_copy *c = ctx;

	return shadow_copy(c->shadow, off, len, c->e);
}

/* ---- our own reading */

const struct path_entry *path_list_find(const struct path_list *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++)
		if ((list->folded ? strcasecmp : strcmp)(list->entry[i].path, path) == 0)
			return &list->entry[i];
	return NULL;
}

static int list_entry(void *ctx, const struct reader_entry *entry)
{
	struct path_list *list = ctx;
	struct path_entry *to = ARRAY_ADD(list->entry, list->n, list->cap);

	to->path = xstrdup(entry->path);
	to->size = entry->size;
	to->place = entry->place;
	to->is_dir = entry->is_dir;
	to->is_file = entry->is_file;
	return interrupted ? -EINTR : 0;
}

/* Lists all, and follows each file to its end. */
static int read_all(struct place *p, struct err *e)
{
	int r = reader_each(p->reader, list_entry, &p->list, e);

	if (r == -EINTR && !e->text)
		return fail(e, r, "interrupted");
	for (size_t i = 0; r == 0 && i < p->list.n; i++) {
		const struct path_entry *x = &p->list.entry[i];
		const struct reader_entry entry = {
			.path = x->path, .size = x->size, .place = x->place, .is_file = true
		};
		u64 off, len;

		if (!x->is_file || x->size == 0)
			continue;
		r = interrupted ? fail(e, -EINTR, "interrupted")
		                : reader_where(p->reader, &entry, x->size - 1, &off, &len, e);
		if (r == -ENOTSUP) {
			err_clear(e);
			r = 0;
		}
	}
	return r;
}

/* What an update of BOOT would rely on, checked as it does: chains end where sizes say, nothing belongs to two. */
static int read_as_update(struct look *l, struct fs_found *f, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	int r = stick_open_boot(l->s, l->d, &u, e);

	for (size_t i = 0; r == 0 && i < u->n_leftover; i++)
		buf_addf(&f->leftover, "%s%s", i ? ", " : "", u->leftover[i]);
	return r;
}

const char *fs_harmless(const struct fs_found *f)
{
	return f->leftover.len
	           ? "; no file is touched by that, an upgrade that was cut may leave it, and the next one mends it"
	           : "";
}

static int open_reader(struct place *p, struct err *e)
{
	int r = reader_open(p->replayed ? p->replayed : p->window, &p->reader, e);

	p->list.folded = p->is_fat;
	if (r == 0)
		r = read_all(p, e);
	p->is_sound = r == 0;
	return r;
}

static int add_read(struct look *l, struct place *p, struct fs_found *f, struct err *e)
{
	AUTO_BUF struct buf good = { 0 };
	int r = open_reader(p, e);

	if (r == 0 && l->s->is_ours && p == l->boot)
		r = read_as_update(l, f, e);
	if (r == -EINTR)
		return r;
	buf_addf(&good, "%s: %zu files and directories", p->role, p->list.n);
	if (r < 0)
		fail(e, r, "%s", p->role);
	return checks_add_result(l->c, "fs-read", r, r == -ENOTSUP || r == -ENOMEM || r == -EFBIG, good.s, e);
}

/* ---- ids */

static void add_id(struct look *l, struct place *p)
{
	const char *key = p == l->boot ? "boot-uuid" : p == l->data ? "data-uuid" : NULL;
	const char *want = key && l->s->is_ours ? manifest_get(&l->s->manifest, key) : NULL;

	if (!want)
		return;
	if (strcasecmp(want, p->part->fs_uuid) == 0)
		checks_add(l->c, "fs-id", CHECK_OK, "%s: has the UUID %s", p->role, want);
	else if (!*p->part->fs_uuid)
		checks_add(l->c, "fs-id", CHECK_BAD,
		           "%s: libblkid finds no file system in it, so nobody finds it by %s", p->role, want);
	else
		checks_add(l->c, "fs-id", CHECK_BAD, "%s: has the UUID %s, and the manifest says %s", p->role,
		           p->part->fs_uuid, want);
}

static bool is_fat_type(const struct scan_part *part)
{
	static const char *const fat[] = { "0x01", "0x04", "0x06", "0x0b",
		                           "0x0c", "0x0e", "0xef", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" };

	for (size_t i = 0; i < ARRAY_SIZE(fat); i++)
		if (strcmp(part->type, fat[i]) == 0)
			return true;
	return false;
}

/* By what is in it; by the table when that cannot be told any more. */
static void tell_kind(const struct look *l, struct place *p)
{
	const char *fs = p->part->fs;

	p->is_fat = strcmp(fs, "vfat") == 0;
	p->is_ext = strncmp(fs, "ext", 3) == 0;
	if (p->is_fat || p->is_ext)
		return;
	if (l->s->is_ours) {
		p->is_ext = p == l->data || (p == l->boot && l->s->boot_is_ext4);
		p->is_fat = !p->is_ext;
	} else if (!*fs && !l->is_hybrid) {
		p->is_fat = is_fat_type(p->part);
		p->is_ext = strcmp(p->part->type, "0x83") == 0;
	}
}

int look_fs(struct look *l, struct place *p, struct err *e)
{
	struct fs_found f = { 0 };
	int r = 0;

	tell_kind(l, p);
	if (!p->is_fat && !p->is_ext)
		return 0;
	/* A journal is replayed before anything is read. */
	if (p->is_ext)
		r = fs_replay(l, p, &f, e);
	if (r == 0 && !f.is_given_up)
		r = add_read(l, p, &f, e);
	if (r == 0 && !f.is_given_up)
		r = p->is_fat ? look_fat(l, p, &f, e) : look_ext(l, p, &f, e);
	if (r == 0)
		add_id(l, p);
	buf_free(&f.leftover);
	return r;
}
