/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ext2, ext3, ext4. e2fsck judges a copy of the metadata, for which nothing of the files' contents is read. A volume
 * that was not unmounted is judged as it will be when the next kernel has mounted it: with its journal replayed, and
 * what a mount or `e2fsck -p` puts right without asking put right. That is what the journal is for, and no fault.
 */
#include <errno.h>

#include "src/fs/ext4_metadata.h"
#include "src/fs/ext4_read.h"
#include "src/verify_structure_fs.h"

#define PACKAGE "e2fsprogs"

static int copy_metadata(struct device *d, enum ext4_metadata what, struct shadow **ret, struct err *e)
{
	AUTO_SHADOW struct shadow *s = NULL;
	struct fs_copy copy = { .e = e };
	int r = shadow_new(d, 0, d->size, &s, e);

	copy.shadow = s;
	if (r == 0)
		r = ext4_each_metadata(d, what, fs_copy_stretch, &copy, e);
	if (r == 0)
		*ret = TAKE(s);
	return r;
}

/* e2fsck replays the journal of the copy; what it has written goes over the device's bytes in p->replayed. */
static int replay(struct place *p, struct buf *findings, struct err *e)
{
	AUTO_SHADOW struct shadow *s = NULL;
	AUTO_DEVICE struct device *over = device_new_overlay(p->window);
	int r = copy_metadata(p->window, EXT4_METADATA_REPLAY, &s, e);

	if (r == 0) {
		const char *const argv[] = { "e2fsck", "-y", "-E", "journal_only", shadow_path(s), NULL };

		r = fs_judge(s, argv, PACKAGE, findings, e);
	}
	/* It ends with 1 where it has replayed something; whether that was well done is told by what is read then. */
	if (r == 1) {
		buf_clear(findings);
		r = 0;
	}
	if (r == 0)
		r = shadow_apply(s, over, e);
	if (r == 0)
		p->replayed = TAKE(over);
	return r;
}

static int still_needs_recovery(struct device *d)
{
	AUTO_EXT4 struct ext4_volume *v = NULL;
	AUTO_ERR struct err ignored = { 0 };

	return ext4_open(d, &v, &ignored) < 0 || ext4_get_facts(v)->needs_recovery;
}

static int add_replayed(struct look *l, struct place *p, struct fs_found *f, struct err *e)
{
	AUTO_BUF struct buf findings = { 0 };
	int r = replay(p, &findings, e);

	if (r == 0 && still_needs_recovery(p->replayed))
		r = fail(e, -EUCLEAN, "its journal cannot be replayed");
	if (r < 0) {
		device_free(p->replayed);
		p->replayed = NULL;
		fail(e, r, "%s: was not unmounted", p->role);
		return checks_add_result(l->c, "fs-clean", r, r != -EUCLEAN, "", e);
	}
	f->needed_recovery = true;
	checks_add(l->c, "fs-clean", CHECK_OK,
	           "%s: was not unmounted; it is judged as it will be when its journal has been replayed, which the "
	           "next start does",
	           p->role);
	return 0;
}

int fs_replay(struct look *l, struct place *p, struct fs_found *f, struct err *e)
{
	struct ext4_facts facts;
	struct ext4_volume *v;
	int r = ext4_open(p->window, &v, e);

	if (r < 0) {
		f->is_given_up = true;
		return checks_add_result(l->c, "fs-check", r, r == -ENOTSUP, "", e);
	}
	facts = *ext4_get_facts(v);
	ext4_close(v);
	f->was_not_clean = facts.was_not_clean;
	if (facts.needs_recovery)
		return add_replayed(l, p, f, e);
	checks_add(l->c, "fs-clean", CHECK_OK, "%s: %s", p->role,
	           facts.was_not_clean ? "was not unmounted, or its kernel met errors; fs-check tells how it is"
	                               : "was unmounted");
	return 0;
}

/* `-p` puts right what a mount would, or the next update, and leaves all else for `-n` to find. */
static int judge(struct place *p, bool preen, struct buf *findings, struct err *e)
{
	AUTO_SHADOW struct shadow *s = NULL;
	int r = copy_metadata(p->replayed ? p->replayed : p->window, EXT4_METADATA_ALL, &s, e);

	if (r < 0)
		return r;
	const char *const first[] = { "e2fsck", "-fp", shadow_path(s), NULL };
	const char *const then[] = { "e2fsck", "-fn", shadow_path(s), NULL };

	if (preen)
		r = fs_judge(s, first, PACKAGE, findings, e);
	buf_clear(findings);
	return r < 0 ? r : fs_judge(s, then, PACKAGE, findings, e);
}

int look_ext(struct look *l, struct place *p, const struct fs_found *f, struct err *e)
{
	AUTO_BUF struct buf findings = { 0 };
	bool preen = f->was_not_clean || (l->is_unfinished && f->leftover.len);
	int r = judge(p, preen, &findings, e);

	if (r < 0) {
		fail(e, r, "%s", p->role);
		return checks_add_result(l->c, "fs-check", r, r != -EUCLEAN, "", e);
	}
	if (r > 0)
		checks_add(l->c, "fs-check", CHECK_BAD, "%s: e2fsck says: %s%s", p->role, findings.s, fs_harmless(f));
	else if (preen && f->leftover.len)
		checks_add(l->c, "fs-check", CHECK_OK, "%s: is sound; an upgrade that was cut left: %s", p->role,
		           f->leftover.s);
	else
		checks_add(l->c, "fs-check", CHECK_OK, "%s: e2fsck finds nothing%s", p->role,
		           preen ? " but what a mount puts right" : "");
	return 0;
}
