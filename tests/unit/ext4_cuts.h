/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loss of power, by enumeration: an update is recorded write by write; then each state that the medium can be left in
 * is made and judged. Between two flushes any of the sectors may have been written and any not.
 */
#ifndef LIVESTICK_TEST_EXT4_CUTS_H
#define LIVESTICK_TEST_EXT4_CUTS_H

#include "tests/unit/ext4_scene.h"

/* ---- judging one state */

static bool same_bytes(const struct judge *j, const u8 *inode, u64 size, const struct text *t, const u8 *bytes)
{
	AUTO_FREE u8 *found = NULL;

	if (!t || size != t->size)
		return false;
	size = size > LOOKED_AT ? J_BLOCK : size;
	found = j_content(j, inode, size);
	return memcmp(found, bytes, size) == 0;
}

static int judge_file(void *ctx, const char *path, const struct judge *j, const u8 *inode, u64 size)
{
	struct scene *s = ctx;

	if (size == UINT64_MAX)
		return 0;
	for (size_t i = 0; i < s->n_fated; i++) {
		struct fated *f = &s->fated[i];
		bool is_old, is_new;

		if (strcmp(path, f->old ? f->old->path : f->new->path) != 0)
			continue;
		f->seen = true;
		is_old = same_bytes(j, inode, size, f->old, f->old_bytes);
		is_new = same_bytes(j, inode, size, f->new, f->new_bytes);
		if (f->fate == IN_PLACE)
			return size == f->new->size ? 0 : -1;
		if (f->fate == LEFT)
			return size == f->new->size || size == 0 ? 0 : -1;
		if (f->fate == STAYS || f->fate == REPLACED)
			return is_old || is_new ? 0 : -1;
		return is_old || is_new || size == 0 ? 0 : -1;
	}
	/* What e2fsck found without a name. */
	return strncmp(path, "/lost+found/", 12) == 0 && size == 0 ? 0 : -1;
}

static void note_bad(struct scene *s, const char *where, const char *why)
{
	if (s->n_bad++ == 0)
		snprintf(s->first_bad, sizeof(s->first_bad), "%s: %s", where, why);
}

static bool judge_now(struct scene *s, const char *where)
{
	struct judge j = { .v = s->work + START, .size = s->size, .file = judge_file, .ctx = s };

	for (size_t i = 0; i < s->n_fated; i++)
		s->fated[i].seen = false;
	if (!judge_volume(&j)) {
		note_bad(s, where, j.why);
		return false;
	}
	for (size_t i = 0; i < s->n_fated; i++) {
		enum fate fate = s->fated[i].fate;

		if (!s->fated[i].seen && (fate == STAYS || fate == REPLACED || fate == IN_PLACE)) {
			note_bad(s, where, s->fated[i].old->path);
			return false;
		}
	}
	return true;
}

/* A device that can take back what was written to it. */
struct undo {
	struct device d;
	u8 *mem;
	struct old {
		u64 off;
		size_t len;
		u8 *data;
	} * old;
	size_t n, cap;
};

static int undo_read(struct device *d, u64 off, void *buf, size_t len)
{
	memcpy(buf, ((struct undo *)d)->mem + off, len);
	return 0;
}

static int undo_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct undo *u = (struct undo *)d;

	*ARRAY_ADD(u->old, u->n, u->cap) = (struct old){ off, len, memcpy(xcalloc(1, len), u->mem + off, len) };
	memcpy(u->mem + off, buf, len);
	return 0;
}

static struct undo undo_over(struct scene *s)
{
	static const struct device_ops ops = { .read = undo_read, .write = undo_write };

	return (
	    struct undo){ .d = { .ops = &ops, .name = (char *)"stick", .size = AREA(s), .sector_size = 512, .fd = -1 },
		          .mem = s->work };
}

static void take_back(struct undo *u)
{
	for (size_t i = u->n; i-- > 0;) {
		memcpy(u->mem + u->old[i].off, u->old[i].data, u->old[i].len);
		free(u->old[i].data);
	}
	free(u->old);
}

/* The updater takes the state as it is, and reaches what is wanted from there. */
static void run_again(struct scene *s, const char *where, bool fsck_too)
{
	AUTO_FREE char *path = sandbox_path("again.img");
	struct undo undo = undo_over(s);
	struct change c = s->change;
	AUTO_ERR struct err e = { 0 };
	char why[256];

	s->n_again++;
	if (change_run(&c, &undo.d, START, s->size, &e) < 0)
		note_bad(s, where, e.text);
	else if (!holds_exactly(s->work + START, s->size, &s->after, LOOKED_AT, why))
		note_bad(s, where, why);
	if (fsck_too) {
		save(path, s->work, AREA(s));
		if (sandbox_run("e2fsck -fn '%s" OFFSET "'", path) != 0)
			note_bad(s, where, sandbox_said());
	}
	take_back(&undo);
}

/* The second run is cut, too: after each sector that it writes. */
static void run_twice(struct scene *s, const char *where)
{
	struct undo undo = undo_over(s);
	AUTO_DEVICE struct device *recorder = device_new_recorder(&undo.d, true);
	struct change c = s->change;
	AUTO_ERR struct err e = { 0 };
	const struct record *r;
	size_t n;

	s->n_twice++;
	if (change_run(&c, recorder, START, s->size, &e) < 0)
		note_bad(s, where, e.text);
	take_back(&undo);
	undo = undo_over(s);
	r = device_records(recorder, &n);
	for (size_t i = 0; i < n; i++)
		for (size_t at = 0; at < r[i].len; at += SECTOR) {
			undo_write(&undo.d, r[i].off + at, r[i].data + at, SECTOR);
			judge_now(s, where);
		}
	take_back(&undo);
}

/* e2fsck mends the state, and all that must be there still is. Then the update reaches what is wanted. */
static void fsck_state(struct scene *s, const char *where)
{
	AUTO_FREE char *path = sandbox_path("state.img");
	u8 *kept = new_area(AREA(s));
	struct change c = s->change;
	AUTO_ERR struct err e = { 0 };

	s->n_fscked++;
	memcpy(kept, s->work, AREA(s));
	save(path, s->work, AREA(s));
	if (sandbox_run("e2fsck -fy '%s" OFFSET "'", path) > 1 || sandbox_run("e2fsck -fn '%s" OFFSET "'", path) != 0)
		note_bad(s, where, sandbox_said());
	load(path, s->work, AREA(s));
	if (judge_now(s, where) && change_run(&c, &s->flat.d, START, s->size, &e) < 0)
		note_bad(s, where, e.text);
	memcpy(s->work, kept, AREA(s));
	munmap(kept, AREA(s));
}

/* GRUB reads each file that must be there. */
static void read_by_grub(struct scene *s, const char *where)
{
	AUTO_FREE char *path = sandbox_path("grub.img"), *file = sandbox_path("grub.file");

	save(path, s->work + START, s->size);
	for (size_t i = 0; i < s->n_fated; i++) {
		const struct fated *f = &s->fated[i];
		bool same = false;

		if ((f->fate != STAYS && f->fate != REPLACED) || f->old->size > LOOKED_AT)
			continue;
		for (int new = 0; new < 1 + (f->fate == REPLACED) && !same; new ++) {
			const struct text *t = new ? f->new : f->old;

			save(file, new ? f->new_bytes : f->old_bytes, t->size);
			same = sandbox_run("grub-fstest %s cat '(loop0)%s' | cmp - %s", path, t->path, file) == 0;
		}
		if (!same)
			note_bad(s, where, "GRUB does not read a file");
	}
}

/* Each file that must be there has its bytes in the directory `dir`. */
static void compare_mounted(struct scene *s, const char *dir, const char *where)
{
	AUTO_FREE char *old = sandbox_path("old"), *new = sandbox_path("new");

	for (size_t i = 0; i < s->n_fated; i++) {
		const struct fated *f = &s->fated[i];

		if ((f->fate != STAYS && f->fate != REPLACED) || f->old->size > LOOKED_AT)
			continue;
		save(old, f->old_bytes, f->old->size);
		if (f->new)
			save(new, f->new_bytes, f->new->size);
		if (sandbox_run("cmp %s%s %s || cmp %s%s %s", dir, f->old->path, old, dir, f->old->path,
		                f->new ? new : old) != 0)
			note_bad(s, where, "the kernel does not read a file");
	}
}

/*
 * The kernel mounts the state for reading, as an initrd does, and reads everything. Then, as a user may before the next
 * update, for writing: it fills the volume to the brim, and writes over nothing.
 */
static void mount_state(struct scene *s, const char *where)
{
	AUTO_FREE char *path = sandbox_path("mounted.img"), *dir = sandbox_path("mnt");

	if (!can_mount(dir))
		return;
	s->n_mounted++;
	save(path, s->work, AREA(s));
	for (int rw = 0; rw < 2; rw++) {
		if (sandbox_run("for i in $(seq 50); do said=$(LC_ALL=C mount -t ext4 -o %s,loop,offset=%llu,"
		                "sizelimit=%llu %s %s 2>&1) && exit; echo $said; case $said in *'loop "
		                "device'*|*'already mounted'*) sleep 0.2 ;; "
		                "*) exit 1 ;; esac; done; exit 1",
		                rw ? "rw" : "ro", (unsigned long long)START, (unsigned long long)s->size, path,
		                dir) != 0) {
			note_bad(s, where, sandbox_said());
			return;
		}
		if (rw)
			sandbox_run(
			    "cd %s; mkdir n; for i in $(seq 200); do echo x >n/$i; done; "
			    "tr '\\0' x </dev/zero | dd of=n/big bs=64k; sync; echo 2 >/proc/sys/vm/drop_caches",
			    dir);
		else if (sandbox_run("cd %s && find . -type f -exec cat {} + >/dev/null", dir) != 0)
			note_bad(s, where, "the kernel does not read all files");
		compare_mounted(s, dir, where);
		if (sandbox_run("umount %s", dir) != 0)
			note_bad(s, where, sandbox_said());
	}
}

static void judge_state(struct scene *s, const char *where)
{
	AUTO_UPDATER struct updater *u = NULL;
	AUTO_ERR struct err e = { 0 };

	s->n_states++;
	if (!judge_now(s, where))
		return;
	if (ext4_update_open(&s->flat.d, START, s->size, &u, &e) < 0)
		note_bad(s, where, e.text);
	if (s->n_states % s->again_every == 0)
		run_again(s, where, s->n_states % s->fsck_every == 0);
	if (s->n_states % s->fsck_every == 0)
		fsck_state(s, where);
	if (s->n_states % s->grub_every == 0)
		read_by_grub(s, where);
	if (s->n_states % s->kernel_every == 0)
		mount_state(s, where);
	if (s->n_states % s->twice_every == 0)
		run_twice(s, where);
}

/* ---- the states between two flushes */

static void swap_sector(struct scene *s, const struct sector *x, u8 kept[SECTOR], bool there)
{
	u8 *p = s->work + x->off;

	if (there) {
		memcpy(kept, p, SECTOR);
		memcpy(p, x->data, SECTOR);
	} else {
		memcpy(p, kept, SECTOR);
	}
}

/* Judges the state in which the sectors are written for which `pick` says so. */
static void judge_subset(struct scene *s, const struct epoch *p, const bool *pick, const char *where)
{
	AUTO_FREE u8 *kept = xcalloc(p->n, SECTOR);

	for (size_t i = 0; i < p->n; i++)
		if (pick[i])
			swap_sector(s, &p->sector[i], kept + i * SECTOR, true);
	judge_state(s, where);
	for (size_t i = p->n; i-- > 0;)
		if (pick[i])
			swap_sector(s, &p->sector[i], kept + i * SECTOR, false);
}

#define ALL_SUBSETS    10  /* sectors, of which every subset is judged */
#define RANDOM_SUBSETS 300 /* else */

static void judge_epoch(struct scene *s, size_t number)
{
	const struct epoch *p = &s->epoch[number];
	AUTO_FREE bool *pick = xcalloc(p->n, sizeof(*pick));
	char where[80];

	for (u32 set = 0; p->n <= ALL_SUBSETS && set < 1U << p->n; set++) {
		for (size_t i = 0; i < p->n; i++)
			pick[i] = set >> i & 1;
		snprintf(where, sizeof(where), "after flush %zu, sectors 0x%x", number, set);
		judge_subset(s, p, pick, where);
	}
	if (p->n <= ALL_SUBSETS)
		return;
	for (size_t n = 0; n < p->n; n++) {
		for (int kind = 0; kind < 3; kind++) {
			static const char *const kinds[] = { "the first", "all but", "only" };

			for (size_t i = 0; i < p->n; i++)
				pick[i] = kind == 0 ? i <= n : kind == 1 ? i != n : i == n;
			snprintf(where, sizeof(where), "after flush %zu, %s %zu", number, kinds[kind], n);
			judge_subset(s, p, pick, where);
		}
	}
	for (int k = 0; k < RANDOM_SUBSETS; k++) {
		unsigned odds = (unsigned)rand_r(&s->seed) % 7 + 1;

		for (size_t i = 0; i < p->n; i++)
			pick[i] = (unsigned)rand_r(&s->seed) % 8 < odds;
		snprintf(where, sizeof(where), "after flush %zu, random set %d", number, k);
		judge_subset(s, p, pick, where);
	}
}

static void apply_epoch(struct scene *s, const struct epoch *p)
{
	for (size_t i = 0; i < p->n; i++)
		memcpy(s->work + p->sector[i].off, p->sector[i].data, SECTOR);
}

static void judge_all(struct scene *s)
{
	s->n_states = s->n_bad = s->n_fscked = s->n_again = s->n_twice = s->n_mounted = 0;
	s->first_bad[0] = '\0';
	s->seed = 1;
	memcpy(s->work, s->mem, AREA(s));
	s->flat = flat_over(s->work, AREA(s));
	for (size_t i = 0; i < s->n_epochs; i++) {
		judge_epoch(s, i);
		apply_epoch(s, &s->epoch[i]);
	}
	judge_state(s, "at the end");
}

#endif
