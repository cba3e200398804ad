/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/content.h"

#include <errno.h>
#include <stdarg.h>

#include "src/base/hashing.h"
#include "src/fs/reader.h"

#define BLOCK 4096ULL /* how fine a place that cannot be read is told */

/* Where the volume has a file of the manifest. */
struct place {
	const char *path; /* borrowed from the manifest */
	bool is_there;
	u64 size;
	u32 place;
	size_t read_as; /* the file of the manifest with which it was read; NONE: it was not yet */
};

#define NONE SIZE_MAX

struct places {
	struct place *place; /* sorted by path */
	size_t n;
	struct place **by_number; /* those that are there, sorted by place */
	size_t n_there;
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

static int by_number(const void *a, const void *b)
{
	const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;

	return x->place != y->place ? (x->place < y->place ? -1 : 1) : strcmp(x->path, y->path);
}

/* The first of the names that a file has (hard links): what is read once counts for all. */
static struct place *first_name(const struct places *p, struct place *at)
{
	size_t low = 0, high = p->n_there;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->by_number[middle]->place < at->place)
			low = middle + 1;
		else
			high = middle;
	}
	return p->by_number[low]->size == at->size ? p->by_number[low] : at;
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
	int status;

	ret->place = xcalloc(m->n_files + 1, sizeof(*ret->place));
	ret->n = m->n_files;
	ret->by_number = xcalloc(m->n_files + 1, sizeof(struct place *));
	for (size_t i = 0; i < m->n_files; i++)
		ret->place[i] = (struct place){ .path = m->file[i].path, .read_as = NONE };
	qsort(ret->place, ret->n, sizeof(*ret->place), compare);
	status = reader_each(r, note_place, ret, e);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->place[i].is_there)
			ret->by_number[ret->n_there++] = &ret->place[i];
	qsort(ret->by_number, ret->n_there, sizeof(struct place *), by_number);
	return status;
}

static void add_fault(struct content *c, enum content_what what, size_t file, const char *path, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

static void add_fault(struct content *c, enum content_what what, size_t file, const char *path, const char *fmt, ...)
{
	struct content_fault *f = ARRAY_ADD(c->fault, c->n, c->cap);
	va_list ap;

	*f = (struct content_fault){ .what = what, .file = file, .path = xstrdup(path) };
	va_start(ap, fmt);
	if (vasprintf(&f->sentence, fmt, ap) < 0)
		abort();
	va_end(ap);
}

/* A checking on its way. */
struct checking {
	struct reader *reader;
	struct hashing *hashing;
	struct progress *progress;
	struct content *found;
	bool *is_read;   /* by file of the manifest, like the following */
	size_t *read_as; /* which digest is its */
	u8 (*digest)[SHA256_SIZE];
};

/* Where in a piece that cannot be read the first bad block begins: -EINTR, or 0 and the sentence of that block. */
static int find_bad_block(struct checking *c, const struct reader_entry *entry, u64 off, size_t len, u8 *piece,
                          u64 *ret_off, struct err *why)
{
	for (u64 at = off; at < off + len; at += BLOCK) {
		int r;

		if (interrupted)
			return -EINTR;
		err_clear(why);
		r = reader_read(c->reader, entry, at, piece, (size_t)MIN(BLOCK, off + len - at), why);
		if (r < 0) {
			*ret_off = at;
			return 0;
		}
	}
	return fail(why, 0, "it could be, but only at a second try: the stick is dying");
}

static int note_unreadable(struct checking *c, size_t file, const struct reader_entry *entry, u64 off, size_t len,
                           u8 *piece)
{
	AUTO_ERR struct err why = { 0 };
	u64 bad = off;
	int r = find_bad_block(c, entry, off, len, piece, &bad, &why);

	if (r == 0)
		add_fault(c->found, CONTENT_UNREADABLE, file, entry->path, "%s: cannot be read at byte %llu of it: %s",
		          entry->path, (unsigned long long)bad, why.text);
	return r;
}

static int read_file(struct checking *c, size_t file, const struct reader_entry *entry)
{
	struct sha256 *hash = sha256_new();
	int r = 0;

	c->is_read[file] = true;
	for (u64 off = 0; r == 0 && c->is_read[file] && off < entry->size; off += HASHING_PIECE) {
		AUTO_ERR struct err why = { 0 };
		size_t len = (size_t)MIN(HASHING_PIECE, entry->size - off);
		u8 *piece = hashing_piece(c->hashing);

		if (interrupted) {
			r = -EINTR;
		} else if (reader_read(c->reader, entry, off, piece, len, &why) < 0) {
			c->is_read[file] = false;
			r = note_unreadable(c, file, entry, off, len, piece);
		} else {
			hashing_add(c->hashing, hash, len);
			progress_add(c->progress, len);
		}
	}
	hashing_end(c->hashing, hash, c->digest[file]);
	return r;
}

static int check_file(struct checking *c, size_t file, const struct manifest_file *f, const struct places *places)
{
	struct place *at = find(places, f->path), *first;
	const struct reader_entry entry = { .path = f->path, .size = at->size, .is_file = true, .place = at->place };

	if (!at->is_there) {
		add_fault(c->found, CONTENT_MISSING, file, f->path, "%s: is missing", f->path);
		return 0;
	}
	if (at->size != f->size) {
		add_fault(c->found, CONTENT_SIZE, file, f->path, "%s: has %llu bytes instead of %llu", f->path,
		          (unsigned long long)at->size, (unsigned long long)f->size);
		return 0;
	}
	first = first_name(places, at);
	if (first->read_as == NONE || !c->is_read[first->read_as]) {
		first->read_as = c->read_as[file] = file;
		return read_file(c, file, &entry);
	}
	c->read_as[file] = first->read_as;
	c->is_read[file] = true;
	progress_add(c->progress, f->size);
	return 0;
}

static void judge(struct checking *c, const struct manifest *m)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const struct manifest_file *f = &m->file[i];

		if (!c->is_read[i])
			continue;
		if (memcmp(c->digest[c->read_as[i]], f->hash->digest, SHA256_SIZE) != 0) {
			add_fault(c->found, CONTENT_DIFFERS, i, f->path,
			          "%s: is not what was written: its SHA-256 differs", f->path);
		} else {
			c->found->files++;
			c->found->bytes += f->size;
		}
	}
}

static int by_file(const void *a, const void *b)
{
	size_t x = ((const struct content_fault *)a)->file, y = ((const struct content_fault *)b)->file;

	return (x > y) - (x < y);
}

u64 content_bytes(const struct manifest *m)
{
	u64 sum = 0;

	for (size_t i = 0; i < m->n_files; i++)
		sum += m->file[i].size;
	return sum;
}

static int check_files(struct checking *c, const struct manifest *m, const struct places *places, struct err *e)
{
	size_t before = c->found->n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_files; i++)
		r = check_file(c, i, &m->file[i], places);
	hashing_wait(c->hashing);
	if (r < 0)
		return fail(e, r, "interrupted");
	judge(c, m);
	if (c->found->n > before)
		qsort(c->found->fault + before, c->found->n - before, sizeof(*c->found->fault), by_file);
	return 0;
}

int content_check(struct device *window, const struct manifest *m, struct progress *progress, struct content *ret,
                  struct err *e)
{
	AUTO_READER struct reader *r = NULL;
	AUTO_HASHING struct hashing *hashing = NULL;
	AUTO_FREE bool *is_read = xcalloc(m->n_files + 1, sizeof(*is_read));
	AUTO_FREE size_t *read_as = xcalloc(m->n_files + 1, sizeof(*read_as));
	AUTO_FREE void *digest = xcalloc(m->n_files + 1, SHA256_SIZE);
	struct checking c = {
		.progress = progress, .found = ret, .is_read = is_read, .read_as = read_as, .digest = digest
	};
	struct places places = { 0 };
	int status = reader_open(window, &r, e);

	if (status == 0)
		status = hashing_new(&hashing, e);
	c.reader = r;
	c.hashing = hashing;
	if (status == 0)
		status = find_places(r, m, &places, e);
	if (status == 0)
		status = check_files(&c, m, &places, e);
	free(places.place);
	free(places.by_number);
	return status == -EINTR && !e->text ? fail(e, status, "interrupted") : status;
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
