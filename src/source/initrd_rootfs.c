/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file system that the kernel fills from an initrd: what its init/initramfs.c asks for, and what ramfs then does.
 * Devices and owners are not kept.
 */
#include "src/source/initrd_private.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <search.h>
#include <sys/stat.h>

/*
 * A full Debian initrd has 3,000 entries, a large live system that is an initrd as a whole some 100,000. A step is some
 * 50 ns; without the bound on steps an archive of symlinks to symlinks could take hours.
 */
#define ENTRIES_MAX 200000
#define NAMES_MAX   (64 * MIB) /* names, paths, targets */
#define TEXTS_MAX   (64 * MIB)
#define STEPS_MAX   (64 * MIB)
#define LINKS_MAX   40 /* the kernel's, on one path */

/* A name in a directory. Stays when the file is removed, with `file` NULL: the name may come again. */
struct node {
	struct node *parent; /* NULL: the root */
	struct rootfs_file *file;
	u32 n_children; /* those that have a file */
	u16 name_len;
	size_t path_len;
	char *path; /* made at the end */
	char name[];
};

/* Where the first name of a file with several was. */
struct link {
	u32 ino, dev_major, dev_minor, type;
	struct node *node;
};

struct rootfs {
	const char *const *texts;
	struct node *root;
	void *by_name;  /* tsearch: of struct node, by parent and name */
	void *by_inode; /* tsearch: of struct link, of one archive */
	struct node **node;
	size_t n, cap; /* parents before children */
	u64 names_size, texts_size, steps;
};

static struct node *node_new(struct node *parent, const char *name, size_t len)
{
	struct node *n = xcalloc(1, sizeof(*n) + len + 1);

	n->parent = parent;
	n->name_len = (u16)len;
	memcpy(n->name, name, len);
	return n;
}

struct rootfs *rootfs_new(const char *const *texts)
{
	struct rootfs *fs = xcalloc(1, sizeof(*fs));

	fs->texts = texts;
	fs->root = node_new(NULL, "", 0);
	fs->root->file = xcalloc(1, sizeof(*fs->root->file));
	*fs->root->file = (struct rootfs_file){ .n_names = 1, .mode = S_IFDIR | 0755 };
	return fs;
}

static void keep(void *p)
{
	(void)p;
}

static void drop_text(struct rootfs *fs, struct rootfs_file *f)
{
	if (f->text)
		fs->texts_size -= f->size;
	free(f->text);
	f->text = NULL;
}

static void file_release(struct rootfs *fs, struct rootfs_file *f)
{
	if (!f || --f->n_names)
		return;
	drop_text(fs, f);
	free(f->target);
	free(f);
}

void rootfs_free(struct rootfs *fs)
{
	tdestroy(fs->by_inode, free);
	tdestroy(fs->by_name, keep);
	for (size_t i = 0; i < fs->n; i++) {
		file_release(fs, fs->node[i]->file);
		free(fs->node[i]->path);
		free(fs->node[i]);
	}
	file_release(fs, fs->root->file);
	free(fs->root);
	free(fs->node);
	free(fs);
}

/* ---- names */

static int by_name(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	if (x->parent != y->parent)
		return (uintptr_t)x->parent < (uintptr_t)y->parent ? -1 : 1;
	if (x->name_len != y->name_len)
		return x->name_len < y->name_len ? -1 : 1;
	return memcmp(x->name, y->name, x->name_len);
}

static struct node *lookup(const struct rootfs *fs, struct node *parent, const char *name, size_t len)
{
	/* A key of the greatest size, on the stack. */
	union {
		struct node node;
		u8 room[sizeof(struct node) + INITRD_NAME_MAX + 1];
	} key;
	void *found;

	key.node.parent = parent;
	key.node.name_len = (u16)len;
	memcpy(key.room + offsetof(struct node, name), name, len);
	found = tfind(&key.node, &fs->by_name, by_name);
	return found ? *(struct node **)found : NULL;
}

static bool is_type(const struct node *n, u32 type)
{
	return n && n->file && (n->file->mode & S_IFMT) == type;
}

/* What a path leads to: a name in a directory, which may have no node yet, or the node of a directory itself. */
struct place {
	struct node *parent, *node;
	size_t len;
	char name[INITRD_NAME_MAX + 1]; /* "": `node` itself, by "/", "." or ".." */
};

struct walk {
	const struct rootfs *fs;
	struct node *at;
	const char *rest; /* of the path, in `path` */
	unsigned n_links;
	u64 steps;
	char path[2 * INITRD_PATH_MAX];
};

/* Puts the target of a link in place of the `len` bytes that name it. */
static int enter_link(struct walk *w, const char *target, size_t len)
{
	size_t target_len = strlen(target), left = strlen(w->rest + len) + 1;

	if (++w->n_links > LINKS_MAX)
		return -ELOOP;
	if (target_len + left > sizeof(w->path))
		return -ENAMETOOLONG;
	memmove(w->path + target_len, w->rest + len, left);
	memcpy(w->path, target, target_len);
	w->rest = w->path;
	w->steps += (target_len + left) / 8;
	if (*target == '/')
		w->at = w->fs->root;
	return 0;
}

/* One component of `len` bytes. 1: it is the place; 0: go on; or -errno. */
static int walk_component(struct walk *w, size_t len, bool follow_last, struct place *ret)
{
	const char *name = w->rest;
	bool is_last = !name[len + strspn(name + len, "/")];
	struct node *child;

	w->steps += 8;
	w->rest += len;
	if (len == 1 && name[0] == '.')
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		w->at = w->at->parent ? w->at->parent : w->at;
		return 0;
	}
	if (len > INITRD_NAME_MAX)
		return -ENAMETOOLONG;
	child = lookup(w->fs, w->at, name, len);
	if (is_last && (!follow_last || !is_type(child, S_IFLNK))) {
		*ret = (struct place){ .parent = w->at, .node = child, .len = len };
		memcpy(ret->name, name, len);
		return 1;
	}
	if (is_type(child, S_IFLNK)) {
		w->rest -= len;
		return enter_link(w, child->file->target, len);
	}
	if (!is_type(child, S_IFDIR))
		return child && child->file ? -ENOTDIR : -ENOENT;
	w->at = child;
	return 0;
}

/* -errno as the kernel's own walk; the steps are added to `*steps`. */
static int walk(const struct rootfs *fs, const char *path, bool follow_last, struct place *ret, u64 *steps)
{
	struct walk w = { .fs = fs, .at = fs->root };
	size_t len = strlen(path);
	int r = 0;

	if (len >= INITRD_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w.path, path, len + 1);
	w.rest = w.path;
	while (r == 0) {
		w.rest += strspn(w.rest, "/");
		len = strcspn(w.rest, "/");
		if (len == 0) {
			*ret = (struct place){ .parent = w.at->parent, .node = w.at };
			break;
		}
		r = walk_component(&w, len, follow_last, ret);
	}
	*steps += w.steps;
	return r < 0 ? r : 0;
}

/* The path of a name in a directory; `len` as its path_len. */
static void path_of(const struct node *parent, const char *name, size_t name_len, size_t len, char *ret)
{
	ret[len] = '\0';
	memcpy(ret + len - name_len, name, name_len);
	for (len -= name_len; parent->parent; parent = parent->parent) {
		ret[--len] = '/';
		memcpy(ret + len - parent->name_len, parent->name, parent->name_len);
		len -= parent->name_len;
	}
}

static size_t path_len(const struct node *parent, size_t name_len)
{
	return (parent->parent ? parent->path_len + 1 : 0) + name_len;
}

/* ---- changes */

static int too_much(struct err *e, const char *what)
{
	return fail_source(e, -EFBIG, "has more %s than any initrd has: it is damaged or hostile", what);
}

static int add_names(struct rootfs *fs, size_t size, struct err *e)
{
	fs->names_size += size;
	return fs->names_size > NAMES_MAX ? too_much(e, "names") : 0;
}

/* Gives `p` a file (taking over one name of it), or none. */
static void put_file(struct place *p, struct rootfs_file *f)
{
	p->node->file = f;
	if (f)
		p->parent->n_children++;
	else
		p->parent->n_children--;
}

static void remove_file(struct rootfs *fs, struct place *p)
{
	file_release(fs, p->node->file);
	put_file(p, NULL);
}

/* The node for a place that has no file. */
static int make_node(struct rootfs *fs, struct place *p, struct err *e)
{
	size_t len = path_len(p->parent, p->len);

	if (p->node)
		return 0;
	if (fs->n == ENTRIES_MAX)
		return too_much(e, "entries");
	if (len >= INITRD_PATH_MAX)
		return too_much(e, "levels");
	p->node = node_new(p->parent, p->name, p->len);
	p->node->path_len = len;
	*ARRAY_ADD(fs->node, fs->n, fs->cap) = p->node;
	if (!tsearch(p->node, &fs->by_name, by_name))
		return fail(e, -ENOMEM, "out of memory");
	return add_names(fs, len + p->len + 2, e);
}

static int make_file(struct rootfs *fs, struct place *p, u32 mode, struct err *e)
{
	int r = make_node(fs, p, e);

	if (r < 0)
		return r;
	put_file(p, xcalloc(1, sizeof(*p->node->file)));
	p->node->file->n_names = 1;
	p->node->file->mode = mode;
	return 0;
}

/* The kernel's clean_path(): what is of another type goes away, as far as unlink() or rmdir() can take it. */
static void clean(struct rootfs *fs, struct place *p, u32 type)
{
	if (p->len == 0 || !p->node || !p->node->file || is_type(p->node, type))
		return;
	if (!is_type(p->node, S_IFDIR) || p->node->n_children == 0)
		remove_file(fs, p);
}

static void set_attributes(struct rootfs_file *f, const struct cpio_entry *n)
{
	f->mode = (f->mode & S_IFMT) | (n->mode & 07777);
	f->mtime = n->mtime;
	f->archive = n->archive;
}

static bool is_wanted(struct rootfs *fs, const struct place *p)
{
	char path[INITRD_PATH_MAX];
	size_t len = path_len(p->parent, p->len);

	if (!fs->texts || len >= sizeof(path))
		return false;
	path_of(p->parent, p->name, p->len, len, path);
	fs->steps += len;
	for (const char *const *glob = fs->texts; *glob; glob++)
		if (fnmatch(*glob, path, 0) == 0)
			return true;
	return false;
}

/* ---- the kinds of entries */

static int by_inode(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct link, node));
}

/* The kernel's maybe_link(): has the entry an earlier name, and if so, is it the same file now? Or -errno. */
enum { NOT_A_LINK, LINKED, NOT_LINKABLE };

static int try_link(struct rootfs *fs, const struct cpio_entry *n, struct place *p, struct err *e)
{
	struct link *l, **found;
	struct node *old;
	int r;

	if (n->nlink < 2)
		return NOT_A_LINK;
	fs->steps += 64; /* these take memory, and ENTRIES_MAX does not count them */
	l = xcalloc(1, sizeof(*l));
	*l = (struct link){ n->ino, n->dev_major, n->dev_minor, n->mode & S_IFMT, NULL };
	found = tsearch(l, &fs->by_inode, by_inode);
	if (!found) {
		free(l);
		return fail(e, -ENOMEM, "out of memory");
	}
	if (*found == l) {
		r = make_node(fs, p, e);
		l->node = p->node;
		return r < 0 ? r : NOT_A_LINK;
	}
	free(l);
	old = (*found)->node;
	clean(fs, p, 0);
	if (!is_type(old, n->mode & S_IFMT) || (p->node && p->node->file))
		return NOT_LINKABLE;
	r = make_node(fs, p, e);
	if (r < 0)
		return r;
	old->file->n_names++;
	put_file(p, old->file);
	return LINKED;
}

/* The size is new; there is room for a text when somebody wants it. */
static void set_size(struct rootfs *fs, struct rootfs_file *f, u64 size)
{
	drop_text(fs, f);
	f->size = size;
	if (!f->wanted || size > INITRD_TEXT_MAX || size > TEXTS_MAX - fs->texts_size)
		return;
	f->text = xcalloc(1, size + 1);
	fs->texts_size += size;
}

static int add_regular(struct rootfs *fs, const struct cpio_entry *n, struct place *p, struct rootfs_file **ret_file,
                       struct err *e)
{
	int linked = try_link(fs, n, p, e), r;
	struct rootfs_file *f;

	if (linked < 0 || linked == NOT_LINKABLE)
		return MIN(linked, 0);
	if (!p->node || !p->node->file) {
		r = make_file(fs, p, S_IFREG, e);
		if (r < 0)
			return r;
	}
	if (!is_type(p->node, S_IFREG)) /* a directory that is not empty */
		return 0;
	f = p->node->file;
	set_attributes(f, n);
	f->wanted = f->wanted || is_wanted(fs, p);
	if (linked == NOT_A_LINK || n->size > 0)
		set_size(fs, f, n->size);
	*ret_file = f;
	return 0;
}

static int add_symlink(struct rootfs *fs, const struct cpio_entry *n, struct place *p, struct err *e)
{
	int r;

	clean(fs, p, 0);
	if ((p->node && p->node->file) || !*n->target || strlen(n->target) >= INITRD_PATH_MAX)
		return 0;
	r = make_file(fs, p, S_IFLNK, e);
	if (r < 0)
		return r;
	p->node->file->target = xstrdup(n->target);
	set_attributes(p->node->file, n);
	return add_names(fs, strlen(n->target) + 1, e);
}

/* A directory, a device, a pipe or a socket. */
static int add_other(struct rootfs *fs, const struct cpio_entry *n, struct place *p, struct err *e)
{
	int r = S_ISDIR(n->mode) ? NOT_A_LINK : try_link(fs, n, p, e);

	if (r != NOT_A_LINK)
		return MIN(r, 0);
	if (!p->node || !p->node->file) {
		r = make_file(fs, p, n->mode & S_IFMT, e);
		if (r < 0)
			return r;
	}
	if (is_type(p->node, n->mode & S_IFMT))
		set_attributes(p->node->file, n);
	return 0;
}

static bool is_known_type(u32 mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISBLK(mode) || S_ISCHR(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

int rootfs_add(struct rootfs *fs, const struct cpio_entry *n, struct rootfs_file **ret_file, struct err *e)
{
	struct place p;
	int r = walk(fs, n->name, false, &p, &fs->steps);

	*ret_file = NULL;
	if (fs->steps > STEPS_MAX)
		return too_much(e, "symlinks and directories");
	if (r < 0 || (p.len == 0 && !S_ISDIR(n->mode)))
		return 0;
	if (S_ISLNK(n->mode))
		return add_symlink(fs, n, &p, e);
	clean(fs, &p, n->mode & S_IFMT);
	if (S_ISREG(n->mode))
		return add_regular(fs, n, &p, ret_file, e);
	return is_known_type(n->mode) ? add_other(fs, n, &p, e) : 0;
}

void rootfs_end_archive(struct rootfs *fs)
{
	tdestroy(fs->by_inode, free);
	fs->by_inode = NULL;
}

/* ---- at the end */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct initrd_entry *)a)->path, ((const struct initrd_entry *)b)->path);
}

struct initrd_entry *rootfs_entries(struct rootfs *fs, size_t *ret_n)
{
	struct initrd_entry *entry = xcalloc(fs->n + 1, sizeof(*entry));
	size_t n_entries = 0;

	for (size_t i = 0; i < fs->n; i++) {
		struct node *n = fs->node[i];
		const struct rootfs_file *f = n->file;

		if (!f)
			continue;
		n->path = xcalloc(1, n->path_len + 1);
		path_of(n->parent, n->name, n->name_len, n->path_len, n->path);
		entry[n_entries++] = (struct initrd_entry){ .path = n->path,
			                                    .target = f->target,
			                                    .text = f->text,
			                                    .size = f->size,
			                                    .mode = f->mode,
			                                    .mtime = f->mtime,
			                                    .archive = f->archive };
	}
	qsort(entry, n_entries, sizeof(*entry), by_path);
	*ret_n = n_entries;
	return entry;
}

const char *rootfs_find(const struct rootfs *fs, const char *path)
{
	struct place p;
	u64 steps = 0;

	if (walk(fs, path, true, &p, &steps) < 0 || !p.node || !p.node->file)
		return NULL;
	return p.node->path; /* NULL: the root */
}
