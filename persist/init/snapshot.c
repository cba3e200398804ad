/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "persist/init/ask.h"
#include "persist/init/check.h"
#include "persist/init/dm.h"
#include "persist/init/files.h"
#include "persist/init/say.h"
#include "persist/init/stick.h"

#define STORE_MIN  (8 * MIB)
#define LEAVE_FREE (2 * MIB) /* of DATA, for all else */
#define FULL       90        /* percent of the store: then the user is asked */

struct origin {
	char path[1024];
	u64 size;
	char mark[64]; /* what its content is, in a word */
};

/* Which image is it? Its first MiB has the superblock, the checksums of all bitmaps, and the oldest inodes. */
static int mark_origin(int fd, struct origin *o)
{
	static u8 bytes[MIB];
	u64 hash = 0xcbf29ce484222325; /* FNV-1a */
	size_t len = 0;
	ssize_t n = 0;

	while (len < sizeof(bytes) && (n = read(fd, bytes + len, sizeof(bytes) - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return -errno;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	snprintf(o->mark, sizeof(o->mark), "%016llx %llu\n", (unsigned long long)hash, (unsigned long long)o->size);
	return 0;
}

static int look_at_origin(const struct run *run, struct origin *o)
{
	TEXT(path, sizeof(o->path));
	struct stat st;
	int fd, r;

	stick_image_path(run, 0, &path);
	if (!text_copy(o->path, sizeof(o->path), path.s))
		return -ENAMETOOLONG;
	fd = open(o->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0) {
		o->size = align_down((u64)st.st_size, 512);
		r = mark_origin(fd, o);
	}
	close(fd);
	return r;
}

/* ---- the store */

struct store {
	char path[200], origin[200], new[200]; /* snapshot.img, snapshot.origin, snapshot.new */
};

static struct store store_of(const struct run *run)
{
	struct store s;

	snprintf(s.path, sizeof(s.path), "%s/snapshot.img", run->changes);
	snprintf(s.origin, sizeof(s.origin), "%s/snapshot.origin", run->changes);
	snprintf(s.new, sizeof(s.new), "%s/snapshot.new", run->changes);
	return s;
}

/* Bytes for all blocks of an image: a head, and for each 256 chunks one more with the list of them (16 bytes each). */
static u64 store_size(u64 origin)
{
	u64 chunks = div_round_up(origin, DM_CHUNK);

	return (chunks + chunks / 256 + 16) * DM_CHUNK;
}

/*
 * A store that cannot take a block is lost as a whole, so its room is reserved, not only promised: else anything else
 * on DATA could fill it up. What is not written yet reads as zeros, which is how a new store begins.
 */
static int reserve(int fd, u64 size)
{
	if (fallocate(fd, 0, 0, (off_t)size) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int room_for_store(const struct run *run, u64 want, u64 *ret_size)
{
	struct statvfs v;
	u64 room;

	if (statvfs(run->changes, &v) < 0)
		return -errno;
	room = (u64)v.f_bavail * v.f_frsize;
	if (run->saving && room < want + LEAVE_FREE)
		want = room > LEAVE_FREE ? align_down(room - LEAVE_FREE, DM_CHUNK) : 0;
	*ret_size = want;
	return want < STORE_MIN ? -ENOSPC : 0;
}

/* Under its name only when it is whole. */
static int make_store(const struct run *run, const struct origin *o, const struct store *s, u64 size)
{
	int fd, r;

	fd = open(s->new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* In memory only what is used shall count. */
	r = run->saving ? reserve(fd, size) : (ftruncate(fd, (off_t)size) < 0 ? -errno : 0);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	close(fd);
	if (r == 0)
		r = file_write(s->origin, o->mark);
	if (r == 0 && rename(s->new, s->path) < 0)
		r = -errno;
	if (r < 0)
		unlink(s->new);
	return r;
}

/* snapshot.img becomes snapshot.img.old-1, or the next number that is free; with it goes what image it belongs to. */
static int put_aside(const struct store *s)
{
	for (unsigned i = 1; i < 100; i++) {
		TEXT(old, 220);
		TEXT(old_origin, 220);
		struct stat st;

		text_add(&old, "%s.old-%u", s->path, i);
		text_add(&old_origin, "%s.old-%u", s->origin, i);
		if (lstat(old.s, &st) == 0)
			continue;
		if (rename(s->path, old.s) < 0 || (rename(s->origin, old_origin.s) < 0 && errno != ENOENT))
			return -errno;
		say("the old changes are in %s", old.s);
		return 0;
	}
	return -EEXIST;
}

/* The question about a store that is of no use. With 'n' it is put aside when this returns. */
static int ask_about(struct run *run, const struct origin *o, const struct store *s, const char *letters)
{
	TEXT(some, 8);
	u64 size;
	char letter;
	int r = 0;

	for (; *letters; letters++) {
		if (*letters == 'n' && room_for_store(run, store_size(o->size), &size) < 0)
			say("there is no room for new changes beside the old ones");
		else
			text_add(&some, "%c", *letters);
	}
	letter = ask(run, some.s);
	if (letter == 'n')
		r = put_aside(s);
	return r < 0 ? r : letter;
}

static bool is_made_on(const struct store *s, const struct origin *o)
{
	char mark[sizeof(o->mark)];

	return file_read(s->origin, mark, sizeof(mark)) > 0 && strcmp(mark, o->mark) == 0;
}

/*
 * A store that is large enough for all blocks of the image can never overflow; for a smaller one it is only a question
 * of time. 0: it may be made.
 */
static int ask_for_less(struct run *run, u64 want, u64 size)
{
	TEXT(all, 32);
	TEXT(some, 32);
	char letter;

	text_add_size(&all, want);
	text_add_size(&some, size);
	say("changes can grow to %s, and DATA has room for %s of them: when that is used up, ALL of them are lost",
	    all.s, some.s);
	letter = ask(run, "cfr");
	return letter == 'f' ? 0 : letter;
}

static int new_store(struct run *run, const struct origin *o, const struct store *s)
{
	u64 want = store_size(o->size), size = 0;
	int r;

	unlink(s->new); /* of a start that was cut short */
	r = room_for_store(run, want, &size);
	if (r == 0 && size < want)
		r = ask_for_less(run, want, size);
	run->is_fresh = true;
	return r ? r : make_store(run, o, s, size);
}

/* Sees to it that there is a store, and that it belongs to the image. Else as look_at_device(). */
static int open_store(struct run *run, const struct origin *o, const struct store *s)
{
	struct stat st;
	bool is_there = lstat(s->path, &st) == 0;

	if (is_there && !S_ISREG(st.st_mode))
		return -EINVAL;
	if (is_there && !is_made_on(s, o)) {
		say("the saved changes belong to another version of the system, and would make rubbish of this one");
		return ask_about(run, o, s, "cnr");
	}
	return is_there ? 0 : new_store(run, o, s);
}

/* ---- the snapshot */

static int make_device(const struct run *run, const struct origin *o, const struct store *s)
{
	struct loop origin, store;
	int r = loop_attach(o->path, true, &origin);

	if (r < 0)
		return r;
	r = loop_attach(s->path, false, &store);
	if (r == 0) {
		r = dm_snapshot_make(&origin, &store, o->size, run->saving);
		close(store.fd);
	}
	close(origin.fd);
	return r;
}

/* 0: it may be used. 'n': the user wants to begin anew, the old store is put aside. Else a letter, or -errno. */
static int look_at_device(struct run *run, const struct origin *o, const struct store *s)
{
	struct dm_status status;
	TEXT(words, 80);
	int r = dm_snapshot_status(&status);

	if (r < 0)
		return r;
	if (status.is_valid && (status.total == 0 || status.used * 100 / status.total < FULL))
		return 0;
	text_add_size(&words, status.used);
	text_add(&words, " of ");
	text_add_size(&words, status.total);
	if (status.is_valid)
		say("the room for changes is nearly used up (%s), and when it is, all of them are lost", words.s);
	else
		say("the saved changes cannot be used: there was no room left for them, or they could not be written");
	r = ask_about(run, o, s, status.is_valid ? "cfnr" : "cnr");
	if (r == 'n')
		snapshot_undo();
	return r == 'f' ? 0 : r;
}

static int mount_device(const struct run *run)
{
	const char *type = run->conf.image[0].type;
	int r = mount(DM_NODE, NEW_ROOT, type, MS_NOATIME, NULL) < 0 ? -errno : 0;

	if (r == -ENODEV)
		r = mount(DM_NODE, NEW_ROOT, "ext4", MS_NOATIME, NULL) < 0 ? -errno : 0;
	if (r < 0)
		say_kernels_words("dm-");
	return r;
}

static int try_mount(struct run *run, const struct origin *o, const struct store *s)
{
	int r = open_store(run, o, s);

	if (r == 0)
		r = make_device(run, o, s);
	if (r == 0 && run->saving)
		r = look_at_device(run, o, s);
	if (r == 0)
		r = check_ext(run, "the system with its changes", DM_NODE);
	return r ? r : mount_device(run);
}

int snapshot_mount(struct run *run)
{
	struct store s = store_of(run);
	struct origin o;
	int r = look_at_origin(run, &o);

	if (r == 0)
		do {
			r = try_mount(run, &o, &s);
		} while (r == 'n');
	if (r < 0)
		say("the system cannot be put together with its changes in %s: %s", s.path, strerror(-r));
	return r;
}

void snapshot_undo(void)
{
	umount2(NEW_ROOT, MNT_DETACH);
	dm_remove();
}
