/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/own_extra.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "src/base/progress.h"

#define EXTRA        "extra/"
#define COMPARED_MAX 100000000 /* as a program: some seconds */
#define PIECE        (64 * KIB)
#define PATH_MAX_LEN 1000
#define NAME_MAX_LEN 255

static const char *const names[] = { "etc", "root", "home", "var", "opt", "usr" };
static const char *const suffixes[] = { ".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst" };

static void warn(struct own_extra *x, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void warn(struct own_extra *x, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	*ARRAY_ADD(x->warning, x->n_warnings, x->cap_warnings) = text;
}

static int too_much(const char *name, struct err *e)
{
	return fail_source(e, -EFBIG, "%s: what comes over the system's root is more than %llu MiB or %d files", name,
	                   OWN_EXTRA_BYTES_MAX / MIB, OWN_EXTRA_FILES_MAX);
}

/* Counts it against the bounds before it is read. */
static int count(struct own_extra *x, u64 size, const char *name, struct err *e)
{
	if (++x->files > OWN_EXTRA_FILES_MAX || size > OWN_EXTRA_BYTES_MAX - x->bytes)
		return too_much(name, e);
	x->bytes += size;
	return 0;
}

/* ---- archives */

struct tar {
	struct own_extra *x;
	const struct node *n;
	const char *name; /* for sentences: "/etc.tar.bz2" */
	const char *base; /* "etc" */
	struct archive *a;
	struct input in;
	u64 off;
	u8 *piece;
	struct err *e;
	int read_failed;
	size_t first; /* its first entry of the tree */
	size_t n_left_out;
};

static la_ssize_t read_piece(struct archive *a, void *ctx, const void **ret)
{
	struct tar *t = ctx;
	size_t len = (size_t)MIN(PIECE, t->n->size - t->off);

	t->read_failed = interrupted ? fail(t->e, -EINTR, "%s: interrupted", t->name)
	                             : input_read(&t->in, t->off, t->piece, len, t->e);
	if (t->read_failed < 0) {
		archive_set_error(a, EIO, "cannot be read");
		return -1;
	}
	t->off += len;
	*ret = t->piece;
	return (la_ssize_t)len;
}

static int damaged(struct tar *t)
{
	const char *why = archive_error_string(t->a);

	if (t->read_failed < 0)
		return t->read_failed;
	return fail_source(t->e, -EINVAL, "%s: is no tar archive, or damaged: %s", t->name,
	                   why ? why : "no reason is known");
}

static bool is_name(const char *p, size_t len)
{
	return len > 0 && len <= NAME_MAX_LEN && !(len <= 2 && memcmp(p, "..", len) == 0);
}

/* "./etc//passwd" is "etc/passwd"; "" is the top. NULL: leads elsewhere, or is longer than paths are. The caller frees.
 */
static char *clean_path(const char *path)
{
	struct buf b = { 0 };

	buf_adds(&b, "");
	if (*path == '/')
		b.len = PATH_MAX_LEN + 1;
	for (const char *p = path; *p && b.len <= PATH_MAX_LEN;) {
		size_t len = strcspn(p, "/");

		if (len > 1 || *p != '.') {
			if (!is_name(p, len)) {
				b.len = PATH_MAX_LEN + 1;
				break;
			}
			buf_adds(&b, b.len ? "/" : "");
			buf_add(&b, p, len);
		}
		p += len;
		p += strspn(p, "/");
	}
	if (b.len <= PATH_MAX_LEN)
		return b.s;
	free(b.s);
	return NULL;
}

/* As it is in the archive; what is kept as UTF-8 there comes so, whatever the locale is. */
static const char *text_of(const char *bytes, const char *utf8)
{
	return bytes ? bytes : utf8;
}

static int read_data(struct tar *t, struct own_file *f, u64 size)
{
	u8 *data = xcalloc(1, size + 1);
	u64 done = 0;

	f->owned = data;
	f->data = data;
	while (done < size) {
		la_ssize_t n = archive_read_data(t->a, data + done, size - done);

		if (n <= 0)
			return n == 0 ? fail_source(t->e, -EINVAL, "%s: is cut short", t->name) : damaged(t);
		done += (u64)n;
	}
	f->len = size;
	return 0;
}

/* What another name of the archive has. */
static int copy_link(struct tar *t, struct own_file *f, const char *target)
{
	AUTO_FREE char *path = clean_path(target);
	int r = -ENOENT;

	for (size_t i = t->x->tree->n - 1; path && i > t->first && r == -ENOENT; i--) {
		const struct own_file *o = &t->x->tree->file[i - 1];

		if (++t->x->compared > COMPARED_MAX)
			return too_much(t->name, t->e);
		if (!S_ISREG(o->mode) || strcmp(o->path, path) != 0)
			continue;
		r = count(t->x, o->len, t->name, t->e);
		f->owned = xcalloc(1, o->len + 1);
		memcpy(f->owned, o->data, o->len);
		f->data = f->owned;
		f->len = o->len;
		f->mode = o->mode;
		f->uid = o->uid;
		f->gid = o->gid;
		f->mtime = o->mtime;
	}
	if (r != -ENOENT)
		return r;
	return fail_source(t->e, -EINVAL, "%s: has a hard link to %s, which is not before it", t->name, target);
}

static int add_entry(struct tar *t, struct archive_entry *entry, const char *path)
{
	const char *hard = text_of(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry));
	const char *soft = text_of(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry));
	u32 type = (u32)archive_entry_filetype(entry);
	u64 size = archive_entry_size(entry) > 0 ? (u64)archive_entry_size(entry) : 0;
	struct own_file *f;
	int r;

	if (!hard && type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
		t->n_left_out++;
		return 0;
	}
	if (type == S_IFLNK && (!soft || !*soft || strlen(soft) > PATH_MAX_LEN))
		return fail_source(t->e, -EINVAL, "%s: has a symlink to nothing, %s", t->name, path);
	r = count(t->x, type == S_IFREG && !hard ? size : 0, t->name, t->e);
	if (r < 0)
		return r;
	f = own_tree_add(t->x->tree, path, type | ((u32)archive_entry_perm(entry) & 07777), archive_entry_mtime(entry));
	f->uid = (u32)archive_entry_uid(entry);
	f->gid = (u32)archive_entry_gid(entry);
	if (hard)
		return copy_link(t, f, hard);
	if (type == S_IFLNK)
		f->target = xstrdup(soft);
	return type == S_IFREG ? read_data(t, f, size) : 0;
}

static int read_entries(struct tar *t)
{
	struct archive_entry *entry;
	int r = 0, got;

	while (r == 0 && (got = archive_read_next_header(t->a, &entry)) != ARCHIVE_EOF) {
		const char *name = NULL;
		AUTO_FREE char *path = NULL;

		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			return damaged(t);
		name = text_of(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry));
		path = name ? clean_path(name) : NULL;
		if (!path)
			return fail_source(t->e, -EINVAL, "%s: has a name that leads elsewhere: %s", t->name,
			                   name ? name : "(none)");
		if (*path)
			r = add_entry(t, entry, path);
	}
	return r;
}

/* An archive of a directory's contents, made in that directory, has no name of it. */
static bool has_base(const struct tar *t)
{
	size_t len = strlen(t->base);

	for (size_t i = t->first; i < t->x->tree->n; i++) {
		const char *path = t->x->tree->file[i].path;

		if (strncmp(path, t->base, len) == 0 && (path[len] == '/' || !path[len]))
			return true;
	}
	return false;
}

static void put_below(struct tar *t)
{
	const char *dir = has_base(t) ? "" : t->base;

	for (size_t i = t->first; i < t->x->tree->n; i++) {
		struct own_file *f = &t->x->tree->file[i];
		struct buf path = { 0 };

		buf_addf(&path, EXTRA "%s%s%s", dir, *dir ? "/" : "", f->path);
		free(f->path);
		f->path = path.s;
	}
}

static int open_tar(struct tar *t)
{
	if (archive_read_support_format_tar(t->a) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(t->a) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(t->a) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(t->a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(t->a) != ARCHIVE_OK ||
	    archive_read_open(t->a, t, NULL, read_piece, NULL) != ARCHIVE_OK)
		return damaged(t);
	return 0;
}

static int add_tar(struct own_extra *x, const struct node *n, const char *base, struct err *e)
{
	AUTO_FREE char *name = node_path(n);
	struct tar t = { .x = x, .n = n, .name = name, .base = base, .in = node_input(n), .e = e, .first = x->tree->n };
	int r;

	t.a = archive_read_new();
	t.piece = xcalloc(1, PIECE);
	r = open_tar(&t);
	if (r == 0)
		r = read_entries(&t);
	if (r == 0)
		put_below(&t);
	if (r == 0 && t.n_left_out)
		warn(x, "%s: %zu devices, pipes or sockets in it are left out", name, t.n_left_out);
	archive_read_free(t.a);
	free(t.piece);
	return r;
}

/* ---- rootcopy */

/* An ISO's permissions are not known: programs are told by how they begin. */
static u32 mode_of(const char *data, size_t len)
{
	bool is_program = (len >= 4 && memcmp(data,
	                                      "\x7f"
	                                      "ELF",
	                                      4) == 0) ||
	                  (len >= 3 && memcmp(data, "#!/", 3) == 0) || (len >= 4 && memcmp(data, "#! /", 4) == 0);

	return S_IFREG | (is_program ? 0755 : 0644);
}

static int add_node(struct own_extra *x, const struct node *n, const char *path, struct err *e)
{
	AUTO_FREE char *data = NULL;
	struct own_file *f;
	size_t len = 0;
	int r = count(x, n->size, "rootcopy", e);

	if (r == 0 && interrupted)
		r = fail(e, -EINTR, "interrupted");
	if (r == 0 && n->type == NODE_FILE)
		r = node_load(n, OWN_EXTRA_BYTES_MAX, &data, &len, e);
	if (r < 0)
		return r;
	f = own_tree_add(x->tree, path,
	                 n->type == NODE_DIR       ? S_IFDIR | 0755
	                 : n->type == NODE_SYMLINK ? S_IFLNK | 0777
	                                           : mode_of(data, len),
	                 n->mtime);
	f->target = n->target ? xstrdup(n->target) : NULL;
	f->len = len;
	f->data = f->owned = TAKE(data);
	return 0;
}

/* Trees of sources are not deep. */
static int add_below(struct own_extra *x, const struct node *dir, const char *path, struct err *e)
{
	for (size_t i = 0; i < dir->n_children; i++) {
		const struct node *n = dir->children[i];
		AUTO_BUF struct buf below = { 0 };
		int r;

		buf_addf(&below, "%s%s", path, n->name);
		r = add_node(x, n, below.s, e);
		if (r == 0 && n->type == NODE_DIR) {
			buf_adds(&below, "/");
			r = add_below(x, n, below.s, e);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- a directory of the medium */

static const struct node *child(const struct node *dir, const char *name, enum node_type type)
{
	for (size_t i = 0; i < dir->n_children; i++)
		if (dir->children[i]->type == type && strcmp(dir->children[i]->name, name) == 0)
			return dir->children[i];
	return NULL;
}

int own_extra_add(struct own_extra *x, const struct node *dir, struct err *e)
{
	const struct node *copy = child(dir, "rootcopy", NODE_DIR);
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (size_t k = 0; k < ARRAY_SIZE(suffixes) && r == 0; k++) {
			AUTO_BUF struct buf name = { 0 };
			const struct node *n;

			buf_addf(&name, "%s%s", names[i], suffixes[k]);
			n = child(dir, name.s, NODE_FILE);
			if (n)
				r = add_tar(x, n, names[i], e);
		}
	return r == 0 && copy ? add_below(x, copy, EXTRA, e) : r;
}
