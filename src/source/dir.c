/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A directory as a source. Files are opened from its descriptor, component by component and never through a symlink,
 * so nothing outside is read whatever happens to the tree meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "src/source/private.h"

struct dir_source {
	struct source source;
	int fd;
	size_t n_left_out; /* devices, pipes and sockets */
};

/* A descriptor that the caller closes, or -errno. */
static int open_node(const struct dir_source *d, const struct node *n, int flags)
{
	AUTO_CLOSE int parent = -1;
	int fd;

	if (!n->parent)
		fd = openat(d->fd, ".", flags | O_CLOEXEC);
	else {
		parent = open_node(d, n->parent, O_PATH | O_DIRECTORY);
		if (parent < 0)
			return parent;
		fd = openat(parent, n->name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	}
	return fd < 0 ? -errno : fd;
}

static int compare_stat(const struct node *n, const struct stat *st, struct err *e)
{
	bool same_inode = n->n_extents == 0 || (n->extents[0].off == st->st_ino && n->extents[0].len == st->st_dev);
	bool same_type = n->type == NODE_DIR    ? S_ISDIR(st->st_mode)
	                 : n->type == NODE_FILE ? S_ISREG(st->st_mode)
	                                        : S_ISLNK(st->st_mode);

	if (!same_type || !same_inode || (n->type == NODE_FILE && (u64)st->st_size != n->size) ||
	    st->st_mtime != n->mtime)
		return fail_source(e, -ESTALE, "was changed while it was in use");
	return 0;
}

static int read_all(int fd, u64 off, u8 *buf, size_t len, struct err *e)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_source(e, -errno, "%s", strerror(errno));
		if (n == 0)
			return fail_source(e, -ESTALE, "was changed while it was in use");
		buf += n;
		off += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

/* The file as it was when the tree was read; the caller closes. */
static int open_same(struct source *s, const struct node *n, int *ret_fd, struct err *e)
{
	AUTO_CLOSE int fd = open_node((struct dir_source *)s, n, O_RDONLY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return fail_source(e, fd, "%s", strerror(-fd));
	if (fstat(fd, &st) < 0)
		return fail_source(e, -errno, "%s", strerror(errno));
	r = compare_stat(n, &st, e);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int read_node(struct source *s, const struct node *n, u64 off, void *buf, size_t len, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int r = open_same(s, n, &fd, e);

	return r < 0 ? r : read_all(fd, off, buf, len, e);
}

static int place_node(struct source *s, const struct node *n, u64 off, struct input_place *ret)
{
	AUTO_ERR struct err untold = { 0 };

	*ret = (struct input_place){ .off = off, .len = n->size - off };
	return open_same(s, n, &ret->fd, &untold);
}

/* ---- the walk: one descriptor a level, SOURCE_DEPTH_MAX levels */

struct walk {
	struct dir_source *source;
	const struct node *blamed; /* whose path goes in front of a failure */
	struct err *e;
};

static int walk_dir(struct walk *w, struct node *dir, int fd, int depth);

static int take_link(struct node *n, int dir_fd, struct err *e)
{
	char target[SOURCE_TARGET_MAX];
	ssize_t len = readlinkat(dir_fd, n->name, target, sizeof(target));

	if (len < 0)
		return fail_source(e, -errno, "%s", strerror(errno));
	return source_set_target(n, target, (size_t)len, e);
}

static int take_file(struct node *n, int dir_fd, const struct stat *st, struct err *e)
{
	if (faccessat(dir_fd, n->name, R_OK, AT_EACCESS) < 0)
		return fail_source(e, -errno, "%s", strerror(errno));
	n->size = (u64)st->st_size;
	if (st->st_nlink > 1 && n->size)
		source_add_extent(n, st->st_ino, st->st_dev);
	return 0;
}

static int take_dir(struct walk *w, struct node *n, int dir_fd, int depth)
{
	int fd;

	if (depth > SOURCE_DEPTH_MAX)
		return fail_source(w->e, -E2BIG, "is deeper than %d directories", SOURCE_DEPTH_MAX);
	fd = openat(dir_fd, n->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_source(w->e, -errno, "%s", strerror(errno));
	n->type = NODE_DIR;
	return walk_dir(w, n, fd, depth);
}

static int take_entry(struct walk *w, struct node *dir, int dir_fd, const char *name, int depth)
{
	struct stat st;
	struct node *n;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_source(w->e, -errno, "%s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
		w->source->n_left_out++;
		return 0;
	}
	r = source_add(dir, name, strlen(name), &n, w->e);
	if (r < 0)
		return r;
	n->mtime = st.st_mtime;
	w->blamed = n;
	return S_ISLNK(st.st_mode)   ? take_link(n, dir_fd, w->e)
	       : S_ISDIR(st.st_mode) ? take_dir(w, n, dir_fd, depth + 1)
	                             : take_file(n, dir_fd, &st, w->e);
}

/* Takes `fd`. */
static int walk_dir(struct walk *w, struct node *dir, int fd, int depth)
{
	DIR *stream = fdopendir(fd);
	int r = 0;

	if (!stream) {
		r = fail_source(w->e, -errno, "%s", strerror(errno));
		close(fd);
		return r;
	}
	while (r == 0) {
		struct dirent *entry;

		w->blamed = dir;
		errno = 0;
		entry = readdir(stream);
		if (!entry) {
			r = errno ? fail_source(w->e, -errno, "%s", strerror(errno)) : 0;
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = take_entry(w, dir, fd, entry->d_name, depth);
	}
	closedir(stream);
	return r;
}

/* ---- has it changed */

struct check {
	const struct dir_source *source;
	struct err *e;
};

static int check_node(void *ctx, const struct node *n)
{
	const struct check *c = ctx;
	AUTO_CLOSE int fd = open_node(c->source, n, O_PATH);
	AUTO_FREE char *path = NULL;
	struct stat st;
	int r = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : 0;

	r = r < 0 ? fail_source(c->e, r, "%s", strerror(-r)) : compare_stat(n, &st, c->e);
	if (r == 0)
		return 0;
	path = node_path(n);
	return fail(c->e, r, "%s", path);
}

/* A new file changes the time of its directory, so nodes that are there tell of those that are not. */
static int dir_changed(struct source *s, struct err *e)
{
	struct check c = { (struct dir_source *)s, e };
	int r = check_node(&c, s->root);

	return r < 0 ? r : source_each(s, check_node, &c);
}

static void free_dir(struct source *s)
{
	struct dir_source *d = (struct dir_source *)s;

	close(d->fd);
	free(d);
}

static const struct source_ops dir_ops = {
	.read = read_node,
	.place = place_node,
	.changed = dir_changed,
	.free = free_dir,
};

static int read_tree(struct dir_source *d, struct err *e)
{
	struct walk w = { d, d->source.root, e };
	AUTO_FREE char *path = NULL;
	struct stat st;
	int fd, r;

	if (fstat(d->fd, &st) < 0)
		return fail_source(e, -errno, "%s", strerror(errno));
	d->source.root->mtime = st.st_mtime;
	fd = open_node(d, d->source.root, O_RDONLY | O_DIRECTORY); /* the walk takes one */
	if (fd < 0)
		return fail_source(e, fd, "%s", strerror(-fd));
	r = walk_dir(&w, d->source.root, fd, 0);
	if (r < 0) {
		path = node_path(w.blamed);
		return fail(e, r, "%s", path);
	}
	if (d->n_left_out)
		source_warn(&d->source, "%zu devices, pipes or sockets in it are left out", d->n_left_out);
	return source_sort(&d->source, e);
}

int dir_open_fd(int fd, const char *path, struct source **ret, struct err *e)
{
	struct dir_source *d = xcalloc(1, sizeof(*d));
	int r;

	d->fd = fd;
	source_init(&d->source, &dir_ops, path, "directory");
	r = read_tree(d, e);
	if (r < 0) {
		source_free(&d->source);
		return fail(e, r, "%s", path);
	}
	*ret = &d->source;
	return 0;
}
