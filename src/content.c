/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/content.h"

#include <errno.h>
#include <stdarg.h>

#include "src/fs/reader.h"

#define PIECE MIB

/* Where the volume has a file of the manifest. */
struct place {
	const char *path; /* borrowed from the manifest */
	bool is_there;
	u64 size;
	u32 place;
};

struct places {
	struct place *place; /* sorted by path */
	size_t n;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

static struct place *find(const struct places *p, const char *path)
{
	const struct place key = { .path = path };

	return p->n ? bsearch(&key, p->place, p->n, sizeof(*p->place), compare) : NULL;
}

static int note_place(void *ctx, const struct reader_entry *entry)
{
	struct place *at = entry->is_file ? find(ctx, entry->path) : NULL;

	if (at) {
		at->is_there = true;
		at->size = entry->size;
		at->place = entry->place;
	}
	return interrupted ? -EINTR : 0;
}

static int find_places(struct reader *r, const struct manifest *m, struct places *ret, struct err *e)
{
	ret->place = xcalloc(m->n_files + 1, sizeof(*ret->place));
	ret->n = m->n_files;
	for (size_t i = 0; i < m->n_files; i++)
		ret->place[i].path = m->file[i].path;
	qsort(ret->place, ret->n, sizeof(*ret->place), compare);
	return reader_each(r, note_place, ret, e);
}

static void add_fault(struct content *c, enum content_what what, const char *path, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void add_fault(struct content *c, enum content_what what, const char *path, const char *fmt, ...)
{
	struct content_fault *f = ARRAY_ADD(c->fault, c->n, c->cap);
	va_list ap;

	*f = (struct content_fault){ .what = what, .path = xstrdup(path) };
	va_start(ap, fmt);
	if (vasprintf(&f->sentence, fmt, ap) < 0)
		abort();
	va_end(ap);
}

static int hash_file(struct reader *r, const struct place *at, u8 *piece, struct progress *p,
                     u8 ret_digest[SHA256_SIZE], struct err *e)
{
	const struct reader_entry entry = { .path = at->path, .size = at->size, .is_file = true, .place = at->place };
	struct sha256 *hash = sha256_new();
	int ret = 0;

	for (u64 off = 0; ret == 0 && off < at->size; off += PIECE) {
		size_t len = (size_t)MIN(PIECE, at->size - off);

		ret = interrupted ? fail(e, -EINTR, "interrupted") : reader_read(r, &entry, off, piece, len, e);
		if (ret == 0) {
			sha256_add(hash, piece, len);
			progress_add(p, len);
		}
	}
	sha256_end(hash, ret_digest);
	return ret;
}

static int check_file(struct reader *r, const struct manifest_file *f, const struct place *at, u8 *piece,
                      struct progress *p, struct content *c, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	u8 digest[SHA256_SIZE];
	int ret;

	if (!at->is_there) {
		add_fault(c, CONTENT_MISSING, f->path, "%s: is missing", f->path);
		return 0;
	}
	if (at->size != f->size) {
		add_fault(c, CONTENT_SIZE, f->path, "%s: has %llu bytes instead of %llu", f->path,
		          (unsigned long long)at->size, (unsigned long long)f->size);
		return 0;
	}
	ret = hash_file(r, at, piece, p, digest, &why);
	if (ret == -EINTR)
		return fail(e, ret, "interrupted");
	if (ret < 0) {
		add_fault(c, CONTENT_UNREADABLE, f->path, "%s: cannot be read: %s", f->path,
		          why.text ? why.text : strerror(-ret));
	} else if (memcmp(digest, f->digest, SHA256_SIZE) != 0) {
		add_fault(c, CONTENT_DIFFERS, f->path, "%s: is not what was written: its SHA-256 differs", f->path);
	} else {
		c->files++;
		c->bytes += f->size;
	}
	return 0;
}

u64 content_bytes(const struct manifest *m)
{
	u64 sum = 0;

	for (size_t i = 0; i < m->n_files; i++)
		sum += m->file[i].size;
	return sum;
}

int content_check(struct device *window, const struct manifest *m, struct progress *progress, struct content *ret,
                  struct err *e)
{
	AUTO_READER struct reader *r = NULL;
	AUTO_FREE u8 *piece = xcalloc(1, PIECE);
	struct places places = { 0 };
	int status = reader_open(window, &r, e);

	if (status == 0)
		status = find_places(r, m, &places, e);
	for (size_t i = 0; status == 0 && i < m->n_files; i++)
		status = check_file(r, &m->file[i], find(&places, m->file[i].path), piece, progress, ret, e);
	free(places.place);
	return status;
}

int content_ok(const struct content *c, struct err *e)
{
	if (!c->n)
		return 0;
	if (c->n == 1)
		return fail(e, -EUCLEAN, "%s", c->fault[0].sentence);
	return fail(e, -EUCLEAN, "%s (and %zu more files are not as they were written)", c->fault[0].sentence,
	            c->n - 1);
}

int content_verify(struct device *window, const struct manifest *m, struct progress *progress, struct err *e)
{
	struct content found = { 0 };
	int r;

	progress_begin(progress, "check", content_bytes(m));
	r = content_check(window, m, progress, &found, e);
	progress_end(progress);
	if (r == 0)
		r = content_ok(&found, e);
	content_free(&found);
	return r;
}

void content_free(struct content *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->fault[i].path);
		free(c->fault[i].sentence);
	}
	free(c->fault);
	*c = (struct content){ 0 };
}
