/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/targz.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

static la_ssize_t append(struct archive *a, void *out, const void *data, size_t len)
{
	(void)a;
	buf_add(out, data, len);
	return (la_ssize_t)len;
}

/* Writing to memory fails for want of memory, and for entries that no caller has. */
static void must(struct archive *a, bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "livestick: archive: %s\n", archive_error_string(a));
	abort();
}

static void add(struct archive *a, struct archive_entry *to, const struct targz_entry *e, i64 time)
{
	size_t len = e->text ? strlen(e->text) : 0;

	archive_entry_clear(to);
	archive_entry_set_pathname(to, e->path);
	archive_entry_set_mode(to, (e->text ? S_IFREG : e->target ? S_IFLNK : S_IFDIR) | e->mode);
	archive_entry_set_uid(to, 0);
	archive_entry_set_gid(to, 0);
	archive_entry_set_mtime(to, time, 0);
	archive_entry_set_size(to, (la_int64_t)len);
	if (e->target)
		archive_entry_set_symlink(to, e->target);
	must(a, archive_write_header(a, to) == ARCHIVE_OK);
	must(a, !len || archive_write_data(a, e->text, len) == (la_ssize_t)len);
}

void targz_make(const struct targz_entry *e, size_t n, i64 time, struct buf *out)
{
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();

	if (!a || !entry)
		abort();
	must(a, archive_write_set_format_ustar(a) == ARCHIVE_OK);
	must(a, archive_write_add_filter_gzip(a) == ARCHIVE_OK);
	/* Else the time of day is in it. */
	must(a, archive_write_set_filter_option(a, "gzip", "timestamp", NULL) == ARCHIVE_OK);
	must(a, archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK);
	must(a, archive_write_open(a, out, NULL, append, NULL) == ARCHIVE_OK);
	for (size_t i = 0; i < n; i++)
		add(a, entry, &e[i], time);
	must(a, archive_write_close(a) == ARCHIVE_OK);
	archive_entry_free(entry);
	archive_write_free(a);
}
