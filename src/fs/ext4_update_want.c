/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an update means for nodes and names. Nothing is allocated here but numbers of inodes.
 */
#include "src/fs/ext4_update_private.h"

#include <errno.h>
#include <limits.h>

#include "src/fs/ext4_new.h"

#define LOST_FOUND "lost+found"

/* ---- paths */

/* The next name of a path; false: there is none. */
static bool next_name(const char **path, const char **ret, size_t *ret_len)
{
	*path += strspn(*path, "/");
	*ret = *path;
	*ret_len = strcspn(*path, "/");
	*path += *ret_len;
	return *ret_len > 0;
}

static bool is_last(const char *rest)
{
	return rest[strspn(rest, "/")] == '\0';
}

static int check_path(const char *path, bool is_dir, struct err *e)
{
	const char *rest = path, *name;
	size_t len, n = 0;

	if (strlen(path) >= PATH_MAX)
		return fail_source(e, -EINVAL, "%s: is not a path that ext4 can hold", path);
	for (; next_name(&rest, &name, &len); n++)
		if (len > EXT2_NAME_LEN || (len <= 2 && memcmp(name, "..", len) == 0))
			return fail_source(e, -EINVAL, "%s: is not a path that ext4 can hold", path);
	return n || is_dir ? 0 : fail_source(e, -EINVAL, "%s: is not a path that ext4 can hold", path);
}

/* A name in a directory; the directory at the top is in none: then `name` is NONE. */
struct place {
	size_t dir, name;
};

static size_t root_of(const struct ext4_update *x)
{
	size_t at = 0;

	while (x->node[at].number != EXT2_ROOT_INO)
		at++;
	return at;
}

static struct ext4_name *name_at(const struct ext4_update *x, struct place p)
{
	return &x->node[p.dir].name[p.name];
}

/* What is there now. With `mark`, the directories on the way are marked as wanted. False: there is nothing. */
static bool look_up(struct ext4_update *x, const char *path, bool mark, struct place *ret)
{
	struct place p = { root_of(x), NONE };
	const char *rest = path, *s;
	size_t len;

	while (next_name(&rest, &s, &len)) {
		if (p.name != NONE)
			p.dir = name_at(x, p)->now;
		if (!LINUX_S_ISDIR(x->node[p.dir].mode))
			return false;
		p.name = ext4_find_name(x, p.dir, s, len, false);
		if (p.name == NONE)
			return false;
		if (mark && !is_last(rest) && LINUX_S_ISDIR(x->node[name_at(x, p)->now].mode))
			name_at(x, p)->wanted = true;
	}
	*ret = p;
	return true;
}

int ext4_find_path(struct ext4_update *x, const char *path, size_t *ret, struct err *e)
{
	struct place p;

	if (!look_up(x, path, false, &p))
		return fail(e, -ENOENT, "%s: has no %s", x->window->name, path);
	*ret = p.name == NONE ? p.dir : name_at(x, p)->now;
	return 0;
}

/* ---- what goes */

static bool is_lost_found(const struct ext4_update *x, const struct ext4_name *n)
{
	return n->len == strlen(LOST_FOUND) && memcmp(ext4_name_text(x, n), LOST_FOUND, n->len) == 0;
}

static bool holds_something(const struct ext4_update *x, size_t dir)
{
	for (size_t i = 0; i < x->node[dir].n_names; i++)
		if (x->node[dir].name[i].then != NONE)
			return true;
	return false;
}

/* Directories that hold nothing any more go, from `dir` upwards. */
static void drop_empty(struct ext4_update *x, size_t dir)
{
	while (x->node[dir].parent != dir && !holds_something(x, dir)) {
		size_t parent = x->node[dir].parent, i = 0;

		while (x->node[parent].name[i].now != dir)
			i++;
		if (x->node[parent].name[i].wanted || is_lost_found(x, &x->node[parent].name[i]))
			return;
		x->node[parent].name[i].then = NONE;
		dir = parent;
	}
}

static void remove_path(struct ext4_update *x, const char *path)
{
	struct place p;
	size_t node;

	if (!look_up(x, path, false, &p) || p.name == NONE)
		return;
	node = name_at(x, p)->now;
	if (LINUX_S_ISDIR(x->node[node].mode)) {
		drop_empty(x, node);
		return;
	}
	if (name_at(x, p)->wanted)
		return;
	name_at(x, p)->then = NONE;
	drop_empty(x, p.dir);
}

/* The paths of `put` stay, and the directories on the way to them. */
static int mark_wanted(struct ext4_update *x, struct err *e)
{
	for (size_t i = 0; i < x->wanted->put.n; i++) {
		const struct volume_file *f = &x->wanted->put.file[i];
		int r = check_path(f->path, f->is_dir, e);
		struct place p;

		if (r < 0)
			return r;
		if (look_up(x, f->path, true, &p) && p.name != NONE &&
		    f->is_dir == !!LINUX_S_ISDIR(x->node[name_at(x, p)->now].mode))
			name_at(x, p)->wanted = true;
	}
	return 0;
}

/* ---- what comes */

static size_t add_node(struct ext4_update *x, size_t dir, u16 mode, i64 mtime)
{
	*ARRAY_ADD(x->node, x->n_nodes, x->cap_nodes) = (struct ext4_live){
		.mode = mode,
		.xattr = NONE,
		.is_new = true,
		.is_whole = true,
		.mtime = mtime,
		.parent = dir,
	};
	return x->n_nodes - 1;
}

static size_t make_dir(struct ext4_update *x, size_t dir, const char *s, size_t len)
{
	size_t node = add_node(x, dir, LINUX_S_IFDIR | 0755, x->fs->now);

	ext4_add_name(x, dir, s, len)->then = node;
	return node;
}

/* The directory in which `path` shall be, made when it is missing; and the name there. */
static int reach_parent(struct ext4_update *x, const char *path, size_t *ret_dir, const char **ret_name,
                        size_t *ret_len, struct err *e)
{
	const char *rest = path;
	size_t dir = root_of(x);

	while (next_name(&rest, ret_name, ret_len) && !is_last(rest)) {
		size_t i = ext4_find_name(x, dir, *ret_name, *ret_len, true);

		dir = i == NONE ? make_dir(x, dir, *ret_name, *ret_len) : x->node[dir].name[i].then;
		if (!LINUX_S_ISDIR(x->node[dir].mode))
			return fail(e, -ENOTDIR, "%s: \"%.*s\" is a file and cannot hold others", path, (int)*ret_len,
			            *ret_name);
	}
	*ret_dir = dir;
	return 0;
}

static bool ascends(const struct ext4_runs *runs)
{
	for (size_t i = 1; i < runs->n; i++)
		if (runs->run[i].block < runs->run[i - 1].block)
			return false;
	return true;
}

/*
 * What becomes of a file that is there. One with names that this update does not name is somebody else's too: it only
 * loses its name here, and a new one is made. One that cannot be written in place although its size is right (it has
 * holes; it lies in pieces, and must not, or not in the order in which it is hashed) is replaced.
 */
static enum ext4_how how_to_change(const struct ext4_live *node, const struct volume_file *f,
                                   const struct ext4_put *put)
{
	const struct ext4_runs *runs = &node->body.runs;

	if (!LINUX_S_ISREG(node->mode))
		return HOW_NEW;
	if (f->replace)
		return HOW_REPLACE;
	if (node->size != f->size || f->is_hole || node->names_now > put->n_there)
		return HOW_NEW;
	if (f->size == 0)
		return HOW_KEEP;
	return node->is_whole && (!f->hash || ascends(runs)) && (!f->system_file || runs->n == 1) ? HOW_PLACE
	                                                                                          : HOW_REPLACE;
}

static void put_new(struct ext4_update *x, const struct volume_file *f, struct ext4_put *put, struct ext4_name *name,
                    size_t dir)
{
	u16 type = f->is_dir ? LINUX_S_IFDIR : LINUX_S_IFREG;

	put->node = name->then = add_node(x, dir, (u16)(type | (f->mode & 07777)), f->mtime);
	x->node[put->node].size = f->is_dir ? 0 : f->size;
	name->is_put = true;
}

static void put_file(struct ext4_update *x, const struct volume_file *f, struct ext4_put *put, struct place p)
{
	struct ext4_name *name = name_at(x, p);
	AUTO_FREE char *text = NULL;

	put->node = name->then;
	put->how = how_to_change(&x->node[name->then], f, put);
	name->is_put = true;
	if (put->how != HOW_NEW)
		return;
	name->then = NONE;
	text = xstrndup(ext4_name_text(x, name), name->len);
	put_new(x, f, put, ext4_add_name(x, p.dir, text, strlen(text)), p.dir);
}

/* Another name of a file that was put before. A name that leads elsewhere goes first. */
static void put_other_name(struct ext4_update *x, const struct volume_file *f, struct ext4_put *put, struct place p,
                           const char *s, size_t len)
{
	struct ext4_name *name = p.name == NONE ? NULL : name_at(x, p);

	put->node = x->put[f->same_as - 1].node;
	if (name && name->then != put->node) {
		name->then = NONE;
		name = NULL;
	}
	if (!name)
		name = ext4_add_name(x, p.dir, s, len);
	name->then = put->node;
	name->is_put = true;
}

static void put_first(struct ext4_update *x, const struct volume_file *f, struct ext4_put *put, struct place p,
                      const char *s, size_t len)
{
	if (p.name != NONE) {
		put_file(x, f, put, p);
		return;
	}
	put->how = f->is_dir || f->size == 0 ? HOW_KEEP : HOW_NEW;
	put_new(x, f, put, ext4_add_name(x, p.dir, s, len), p.dir);
}

/* A directory that is there, or was made as the parent of something before. */
static void put_dir(struct ext4_update *x, const struct volume_file *f, struct ext4_put *put, struct place p)
{
	struct ext4_live *node = &x->node[name_at(x, p)->then];

	if (!node->is_new)
		return;
	put->node = name_at(x, p)->then;
	node->mode = (u16)(LINUX_S_IFDIR | (f->mode & 07777));
	node->mtime = f->mtime;
}

static int put_path(struct ext4_update *x, const struct volume_file *f, struct ext4_put *put, struct err *e)
{
	const char *s;
	size_t len;
	struct place p = { 0 };
	int r = reach_parent(x, f->path, &p.dir, &s, &len, e);
	bool is_there, is_dir;

	if (r < 0 || len == 0)
		return r;
	p.name = ext4_find_name(x, p.dir, s, len, true);
	is_there = p.name != NONE;
	is_dir = is_there && LINUX_S_ISDIR(x->node[name_at(x, p)->then].mode);
	if (is_there && is_dir && !f->is_dir)
		return fail(e, -EISDIR, "%s: is a directory on the volume", f->path);
	if (is_there && !is_dir && f->is_dir)
		return fail(e, -ENOTDIR, "%s: is no directory on the volume", f->path);
	if (is_there && !is_dir && name_at(x, p)->is_put)
		return fail_source(e, -EEXIST, "%s: is there twice", f->path);
	if (is_dir)
		put_dir(x, f, put, p);
	else if (f->same_as)
		put_other_name(x, f, put, p, s, len);
	else
		put_first(x, f, put, p, s, len);
	return 0;
}

/* ---- names and numbers of nodes */

static void count_names(struct ext4_update *x)
{
	for (size_t i = 0; i < x->n_nodes; i++)
		for (size_t k = 0; k < x->node[i].n_names; k++)
			if (x->node[i].name[k].then != NONE)
				x->node[x->node[i].name[k].then].names_left++;
	x->node[root_of(x)].names_left = 1;
}

/* What is replaced in one write gets its new bytes under all of its names: there must be none of somebody else's. */
static int check_other_names(const struct ext4_update *x, struct err *e)
{
	for (size_t i = 0; i < x->n_put; i++)
		if (x->put[i].how == HOW_REPLACE && x->node[x->put[i].node].names_left > x->put[i].n_names)
			return fail(e, -ENOTSUP,
			            "%s: has other names (hard links), and is not changed before they are gone",
			            x->wanted->put.file[i].path);
	return 0;
}

/* Free are those that nobody has, and of what is gone before they are used. */
static bool is_free_number(const struct ext4_update *x, u32 number, size_t *at)
{
	if (!ext2fs_test_inode_bitmap2(x->fs->inode_map, number))
		return true;
	while (*at < x->n_found && x->node[*at].number < number)
		++*at;
	return *at < x->n_found && x->node[*at].number == number && x->node[*at].names_left == 0;
}

static int give_numbers(struct ext4_update *x, struct err *e)
{
	u32 number = EXT2_GOOD_OLD_FIRST_INO, count = x->fs->super->s_inodes_count;
	size_t at = 0;

	for (size_t i = x->n_found; i < x->n_nodes; i++) {
		while (number <= count && !is_free_number(x, number, &at))
			number++;
		if (number > count)
			return fail(e, -ENOSPC, "%s: has no room for %zu new files and directories, but only for %zu",
			            x->window->name, x->n_nodes - x->n_found, i - x->n_found);
		x->node[i].number = number++;
	}
	return 0;
}

/* The node of a file that is there; NONE. */
static size_t node_now(struct ext4_update *x, const struct volume_file *f)
{
	struct place p;

	return look_up(x, f->path, false, &p) && p.name != NONE ? name_at(x, p)->now : NONE;
}

static int count_wanted_names(struct ext4_update *x, struct err *e)
{
	const struct volume_files *put = &x->wanted->put;
	AUTO_FREE u16 *names = NULL;
	int r = volume_count_names(put, &names, e);

	for (size_t i = 0; r == 0 && i < put->n; i++) {
		const struct volume_file *f = &put->file[i];
		size_t first = f->same_as ? f->same_as - 1 : i;

		x->put[i].n_names = names[i];
		if (!f->is_dir && (first == i || node_now(x, f) == node_now(x, &put->file[first])))
			x->put[first].n_there++;
	}
	return r;
}

/* The clock: nothing that comes may be newer than the volume says it was written, and no other one is asked. */
static void set_time(struct ext4_update *x)
{
	i64 now = x->fs->super->s_wtime;

	for (size_t i = 0; i < x->wanted->put.n; i++)
		now = MAX(now, x->wanted->put.file[i].mtime);
	x->fs->now = ext4_clamp_time(now);
}

int ext4_want(struct ext4_update *x, struct err *e)
{
	const struct volume_files *put = &x->wanted->put;
	int r;

	x->put = xcalloc(put->n, sizeof(*x->put));
	x->n_put = put->n;
	set_time(x);
	r = mark_wanted(x, e);
	if (r == 0)
		r = count_wanted_names(x, e);
	for (size_t i = 0; i < x->wanted->n_remove && r == 0; i++)
		remove_path(x, x->wanted->remove[i]);
	for (size_t i = 0; i < put->n && r == 0; i++)
		r = put_path(x, &put->file[i], &x->put[i], e);
	if (r < 0)
		return r;
	count_names(x);
	r = check_other_names(x, e);
	return r < 0 ? r : give_numbers(x, e);
}
