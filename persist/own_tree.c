/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/own_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <lzma.h>
#include <sys/stat.h>

#define FILES_MAX 300000

/* ---- the list */

struct own_file *own_tree_add(struct own_tree *t, const char *path, u32 mode, i64 mtime)
{
	unsigned order = (unsigned)t->n;
	struct own_file *f = ARRAY_ADD(t->file, t->n, t->cap);

	*f = (struct own_file){ .path = xstrdup(path), .mode = mode, .mtime = mtime, .order = order };
	return f;
}

static void file_free(struct own_file *f)
{
	free(f->path);
	free(f->target);
	free(f->owned);
}

void own_tree_free(struct own_tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		file_free(&t->file[i]);
	free(t->file);
	*t = (struct own_tree){ 0 };
}

/* So that what is in a directory comes after it, and at once. */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (u8)*a < (u8)*b ? -1 : 1;
}

static int by_path(const void *a, const void *b)
{
	const struct own_file *x = a, *y = b;
	int r = compare_paths(x->path, y->path);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

static void sort(struct own_tree *t)
{
	size_t n = 0;

	if (t->n)
		qsort(t->file, t->n, sizeof(*t->file), by_path);
	for (size_t i = 0; i < t->n; i++) {
		if (n && strcmp(t->file[n - 1].path, t->file[i].path) == 0)
			file_free(&t->file[--n]);
		t->file[n++] = t->file[i];
	}
	t->n = n;
}

static int path_of(const void *key, const void *file)
{
	return compare_paths(key, ((const struct own_file *)file)->path);
}

/* Where the last directory ends that both paths have. */
static size_t common_dir(const char *a, const char *b)
{
	size_t len = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			len = i + 1;
	return len;
}

/*
 * The directories on the way to file number `i` of the first `n`, which are sorted; those that are not there are added.
 * What it has in common with the one before was looked at for that.
 */
static int need_parents(struct own_tree *t, size_t i, size_t n, i64 mtime, struct err *e)
{
	AUTO_FREE char *path = xstrdup(t->file[i].path); /* the list moves */
	const char *p = path + (i ? common_dir(path, t->file[i - 1].path) : 0);

	for (; (p = strchr(p, '/')); p++) {
		AUTO_FREE char *dir = xstrndup(path, (size_t)(p - path));
		const struct own_file *f = bsearch(dir, t->file, n, sizeof(*f), path_of);

		if (f && !S_ISDIR(f->mode))
			return fail_source(e, -EINVAL, "%s is not a directory, and has %s in it", dir, path);
		if (t->n >= FILES_MAX)
			return fail_source(e, -EFBIG, "%s: is one of more than %d files and directories", path,
			                   FILES_MAX);
		if (!f)
			own_tree_add(t, dir, S_IFDIR | 0755, mtime);
	}
	return 0;
}

int own_tree_settle(struct own_tree *t, i64 mtime, struct err *e)
{
	size_t n;
	int r = 0;

	sort(t);
	n = t->n;
	for (size_t i = 0; i < n && r == 0; i++)
		r = need_parents(t, i, n, mtime, e);
	sort(t);
	return r;
}

/* ---- the archive */

static la_ssize_t take(struct archive *a, void *ctx, const void *data, size_t len)
{
	(void)a;
	buf_add(ctx, data, len);
	return (la_ssize_t)len;
}

static int failed(struct archive *a, struct err *e)
{
	const char *why = archive_error_string(a);

	return fail(e, -EIO, "our own initrd cannot be made: %s", why ? why : "libarchive fails");
}

static void fill_entry(struct archive_entry *entry, const struct own_file *f, u32 number)
{
	archive_entry_clear(entry);
	archive_entry_copy_pathname(entry, f->path);
	archive_entry_set_mode(entry, f->mode);
	archive_entry_set_ino64(entry, number);
	archive_entry_set_nlink(entry, S_ISDIR(f->mode) ? 2 : 1);
	archive_entry_set_uid(entry, f->uid);
	archive_entry_set_gid(entry, f->gid);
	archive_entry_set_mtime(entry, (time_t)MAX(0, MIN(f->mtime, (i64)UINT32_MAX)), 0);
	archive_entry_set_size(entry, (la_int64_t)f->len);
	if (f->target)
		archive_entry_copy_symlink(entry, f->target);
	if (S_ISCHR(f->mode) || S_ISBLK(f->mode)) {
		archive_entry_set_rdevmajor(entry, f->device_major);
		archive_entry_set_rdevminor(entry, f->device_minor);
	}
}

static int write_file(struct archive *a, struct archive_entry *entry, const struct own_file *f, u32 number,
                      struct err *e)
{
	fill_entry(entry, f, number);
	if (archive_write_header(a, entry) != ARCHIVE_OK)
		return failed(a, e);
	if (f->len && archive_write_data(a, f->data, f->len) != (la_ssize_t)f->len)
		return failed(a, e);
	return 0;
}

/* The names of libarchive's filters; its gzip writes the time unless told not to. */
static int set_up(struct archive *a, const char *compression)
{
	int r = archive_write_set_format_cpio_newc(a);

	if (r == ARCHIVE_OK && strcmp(compression, "gzip") == 0)
		r = archive_write_add_filter_gzip(a);
	else if (r == ARCHIVE_OK && strcmp(compression, "zstd") == 0)
		r = archive_write_add_filter_zstd(a);
	if (r == ARCHIVE_OK && strcmp(compression, "gzip") == 0)
		r = archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
	if (r == ARCHIVE_OK)
		r = archive_write_set_bytes_in_last_block(a, 1);
	return r;
}

static int write_archive(const struct own_tree *t, const char *compression, struct buf *out, struct err *e)
{
	struct archive_entry *entry = archive_entry_new();
	struct archive *a = archive_write_new();
	int r = 0;

	if (set_up(a, compression) != ARCHIVE_OK || archive_write_open(a, out, NULL, take, NULL) != ARCHIVE_OK)
		r = failed(a, e);
	for (size_t i = 0; i < t->n && r == 0; i++)
		r = write_file(a, entry, &t->file[i], (u32)i + 1, e);
	if (r == 0 && archive_write_close(a) != ARCHIVE_OK)
		r = failed(a, e);
	archive_write_free(a);
	archive_entry_free(entry);
	return r;
}

/* The kernel's xz knows CRC32 only (lib/xz), and libarchive's makes CRC64. 1 MiB suffices for it, and for its users. */
static int pack_xz(const struct buf *in, struct buf *out, struct err *e)
{
	lzma_options_lzma o;
	lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &o }, { LZMA_VLI_UNKNOWN, NULL } };
	size_t room = lzma_stream_buffer_bound(in->len), len = 0;
	AUTO_FREE u8 *data = xcalloc(1, room);

	if (lzma_lzma_preset(&o, LZMA_PRESET_DEFAULT) ||
	    lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, (const u8 *)in->s, in->len, data, &len, room) !=
	        LZMA_OK)
		return fail(e, -EIO, "our own initrd cannot be made: it cannot be compressed by xz");
	buf_add(out, data, len);
	return 0;
}

int own_tree_pack(const struct own_tree *t, const char *compression, struct buf *ret, struct err *e)
{
	AUTO_BUF struct buf plain = { 0 };
	int r;

	if (strcmp(compression, "xz") != 0)
		return write_archive(t, compression, ret, e);
	r = write_archive(t, "none", &plain, e);
	return r < 0 ? r : pack_xz(&plain, ret, e);
}
