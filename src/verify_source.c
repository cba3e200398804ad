/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/verify_source.h"

#include <errno.h>

#include "src/content.h"
#include "src/plan.h"
#include "src/source/sums.h"

/* ---- a stick of ours */

static bool is_made_from(const struct manifest *m, const struct source *s)
{
	const char *volume = manifest_get(m, "volume"), *created = manifest_get(m, "volume-created");

	return volume && *volume && strcmp(volume, s->volume_id) == 0 && created && strcmp(created, s->created) == 0;
}

static const struct manifest *choose_slot(const struct stick *s, const struct source *source)
{
	enum slot started = s->menu_switch.slot == 'b' ? SLOT_B : SLOT_A;

	for (int i = 0; i < N_SLOTS; i++)
		if (s->has_slot[i] && is_made_from(&s->slot[i], source))
			return &s->slot[i];
	return s->has_slot[started] ? &s->slot[started] : NULL;
}

/* The source's path of a file in a slot; NULL: it is none of the source's. */
static const char *path_in_source(const char *path)
{
	if (strncmp(path, STICK_DIR "/", sizeof(STICK_DIR)) == 0)
		return NULL;
	return strncmp(path, SLOT_B_DIR "/", sizeof(SLOT_B_DIR)) == 0 ? path + sizeof(SLOT_B_DIR) - 1 : path;
}

static int hash_node(const struct node *n, struct progress *p, u8 ret_digest[SHA256_SIZE], struct err *e)
{
	AUTO_FREE u8 *piece = xcalloc(1, MIB);
	const struct input in = node_input(n);
	struct sha256 *hash = sha256_new();
	int r = 0;

	for (u64 off = 0; r == 0 && off < n->size; off += MIB) {
		size_t len = (size_t)MIN(MIB, n->size - off);

		r = interrupted ? fail(e, -EINTR, "interrupted") : input_read(&in, off, piece, len, e);
		if (r == 0) {
			sha256_add(hash, piece, len);
			progress_add(p, len);
		}
	}
	sha256_end(hash, ret_digest);
	return r < 0 ? fail_source(e, r, "%s", n->source->path) : 0;
}

/* Makes of the slot's manifest the one that it would have if it were made from the source now. */
static int expect(struct manifest *m, const struct source *source, struct progress *p, struct checks *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_files; i++) {
		struct manifest_file *f = &m->file[i];
		const char *path = path_in_source(f->path);
		const struct node *n = path ? source_find_exact(source, path) : NULL;

		if (n && n->type == NODE_FILE) {
			f->size = n->size;
			r = hash_node(n, p, f->hash->digest, e);
		} else if (path) {
			checks_add(c, "source", CHECK_BAD, "%s: is not in %s", path, source->path);
		}
	}
	return r;
}

static int compare(struct device *boot, const struct manifest *wanted, const char *source, struct progress *p,
                   struct checks *c, struct err *e)
{
	AUTO_BUF struct buf good = { 0 };
	struct content found = { 0 };
	size_t bad = checks_count(c, CHECK_BAD);
	int r;

	progress_begin(p, "check", content_bytes(wanted));
	r = content_check(boot, wanted, p, &found, e);
	progress_end(p);
	for (size_t i = 0; i < found.n; i++)
		checks_add(c, "source", CHECK_BAD, "%s", found.fault[i].sentence);
	buf_addf(&good, "%llu files, ", (unsigned long long)found.files);
	buf_add_size(&good, found.bytes);
	buf_addf(&good, ", are those of %s", source);
	if (r < 0 || checks_count(c, CHECK_BAD) == bad)
		r = checks_add_result(c, "source", r, false, good.s, e);
	content_free(&found);
	return r;
}

int verify_source_ours(struct device *boot, const struct stick *s, struct source *source, struct progress *progress,
                       struct checks *c, struct err *e)
{
	const struct manifest *slot = choose_slot(s, source);
	struct manifest wanted = { 0 };
	int r;

	if (!slot) {
		checks_add(c, "source", CHECK_BAD, "there is no system on the stick to compare");
		return 0;
	}
	manifest_copy(slot, NULL, 0, &wanted);
	progress_begin(progress, "read", content_bytes(&wanted));
	r = expect(&wanted, source, progress, c, e);
	progress_end(progress);
	if (r == 0)
		r = compare(boot, &wanted, source->path, progress, c, e);
	manifest_free(&wanted);
	return r;
}

/* ---- another's */

struct comparison {
	const struct source *stick;
	struct progress *progress;
	struct checks *checks;
	u8 *ours, *theirs;
	u64 files, bytes;
	struct err *e;
};

/* 1: equal; 0: not; or a failure of reading the source. What cannot be read on the stick is told here. */
static int same_bytes(struct comparison *x, const struct node *n, const struct node *on_stick, const char *path)
{
	const struct input a = node_input(n), b = node_input(on_stick);

	for (u64 off = 0; off < n->size; off += MIB) {
		AUTO_ERR struct err why = { 0 };
		size_t len = (size_t)MIN(MIB, n->size - off);
		int r = interrupted ? fail(x->e, -EINTR, "interrupted") : input_read(&a, off, x->ours, len, x->e);

		if (r < 0)
			return r;
		if (input_read(&b, off, x->theirs, len, &why) < 0) {
			checks_add(x->checks, "source", CHECK_BAD, "%s: cannot be read: %s", path, why.text);
			return 0;
		}
		for (size_t i = 0; i < len; i++) {
			if (x->ours[i] == x->theirs[i])
				continue;
			checks_add(x->checks, "source", CHECK_BAD, "%s: differs at byte %llu", path,
			           (unsigned long long)(off + i));
			return 0;
		}
		progress_add(x->progress, len);
	}
	return 1;
}

static int compare_node(void *ctx, const struct node *n)
{
	struct comparison *x = ctx;
	AUTO_FREE char *path = NULL;
	const struct node *on_stick;
	int r;

	if (n->type != NODE_FILE)
		return 0;
	path = node_path(n);
	on_stick = source_find(x->stick, path);
	if (!on_stick || on_stick->type != NODE_FILE) {
		checks_add(x->checks, "source", CHECK_BAD, "%s: is missing", path);
		return 0;
	}
	if (on_stick->size != n->size) {
		checks_add(x->checks, "source", CHECK_BAD, "%s: has %llu bytes instead of %llu", path,
		           (unsigned long long)on_stick->size, (unsigned long long)n->size);
		return 0;
	}
	r = same_bytes(x, n, on_stick, path);
	x->files += r == 1;
	x->bytes += r == 1 ? n->size : 0;
	return MIN(r, 0);
}

static int add_size(void *ctx, const struct node *n)
{
	*(u64 *)ctx += n->size;
	return 0;
}

int verify_source_trees(struct source *stick, struct source *source, struct progress *p, struct checks *c,
                        struct err *e)
{
	AUTO_FREE u8 *mem = xcalloc(2, MIB);
	AUTO_BUF struct buf good = { 0 };
	struct comparison x = { stick, p, c, mem, mem + MIB, 0, 0, e };
	size_t bad = checks_count(c, CHECK_BAD);
	u64 bytes = 0;
	int r;

	source_each(source, add_size, &bytes);
	progress_begin(p, "compare", bytes);
	r = source_each(source, compare_node, &x);
	progress_end(p);
	if (r < 0)
		return r == -EINTR ? r : fail_source(e, r, "%s", source->path);
	buf_addf(&good, "%llu files, ", (unsigned long long)x.files);
	buf_add_size(&good, x.bytes);
	if (checks_count(c, CHECK_BAD) == bad)
		checks_add(c, "source", CHECK_OK, "%s, are those of %s", good.s, source->path);
	return 0;
}

int verify_own_sums(struct source *stick, struct progress *p, struct checks *c, struct err *e)
{
	AUTO_SUMS struct sums *sums = NULL;
	AUTO_BUF struct buf good = { 0 };
	int r = sums_read(stick, &sums, e);

	if (r == 0 && !sums->n_sums && !sums->image.is_there) {
		checks_add(c, "content", CHECK_UNKNOWN,
		           "there are no checksums on it: compare with what it was made from (--source)");
		return 0;
	}
	if (r == 0) {
		progress_begin(p, "check", sums_bytes(sums, NULL, NULL));
		r = sums_check(sums, NULL, NULL, p, e);
		progress_end(p);
		buf_add_size(&good, sums_bytes(sums, NULL, NULL));
		buf_adds(&good, " are as the checksums on the medium say (read with the kernel's cache)");
	}
	return checks_add_result(c, "content", r, false, good.s, e);
}
