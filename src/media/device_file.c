/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "src/base/hole.h"
#include "src/media/device.h"

#define BOUNCE     MIB       /* bytes that are copied at a time where memory or a range is not aligned */
#define BEHIND     (4 * MIB) /* without O_DIRECT: as much is being filled while as much is on its way */
#define FILE_ALIGN 4096      /* what file systems want of O_DIRECT at most */
#define LOCK_TRIES 30        /* of 100 ms each */

#define SYNC_AND_WAIT (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

struct span {
	u64 from, to;
};

/*
 * The same file by two descriptors. What is aligned goes past the page cache by `direct`; the rest (the ends of
 * ranges in a plain file) by `d.fd`, and is pushed out at once, so that the two never hold different opinions about
 * a page. When O_DIRECT is refused, now or at the first try, everything goes by `d.fd`, and writing back is kept at
 * our heels: a cache that fills up and then stalls for minutes would make the progress a lie.
 */
struct file_device {
	struct device d;
	bool writable, cannot_punch;
	int direct; /* -1: refused */
	u32 align;  /* of offset, length and memory, for `direct` */
	u8 *bounce;
	struct span filling, draining;
	u64 filled; /* bytes written into `filling` */
	int failed; /* first failed writing back: the kernel tells it once, and what it dropped is lost */
};

static bool is_aligned(const struct file_device *f, u64 off, const void *buf, size_t len)
{
	return ((off | len | (uintptr_t)buf) & (f->align - 1)) == 0;
}

static void stop_direct(struct file_device *f)
{
	close(f->direct);
	f->direct = -1;
	f->d.past_cache = false;
}

static int write_all(int fd, u64 off, const u8 *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		off += (u64)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* At least `need` bytes, at most `len`: a plain file may end inside the last aligned block. */
static int read_all(int fd, u64 off, u8 *buf, size_t len, size_t need)
{
	for (size_t done = 0; done < need;) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* nothing: the file has been cut short */
		done += (size_t)n;
	}
	return 0;
}

static int sync_span(struct file_device *f, struct span s, unsigned flags)
{
	if (s.from < s.to && sync_file_range(f->d.fd, (off_t)s.from, (off_t)(s.to - s.from), flags) < 0)
		f->failed = f->failed ? f->failed : -errno;
	return f->failed;
}

/* Without O_DIRECT: counts what was written; starts writing back a full span and waits for the one before it. */
static int write_behind(struct file_device *f, u64 off, size_t len)
{
	f->filling = f->filled ? (struct span){ MIN(f->filling.from, off), MAX(f->filling.to, off + len) }
	                       : (struct span){ off, off + len };
	f->filled += len;
	if (f->filled < BEHIND)
		return 0;
	sync_span(f, f->filling, SYNC_FILE_RANGE_WRITE);
	sync_span(f, f->draining, SYNC_AND_WAIT);
	f->draining = f->filling;
	f->filled = 0;
	return f->failed;
}

static int write_buffered(struct file_device *f, u64 off, const u8 *buf, size_t len)
{
	int r = write_all(f->d.fd, off, buf, len);

	if (r < 0)
		return r;
	if (f->direct < 0)
		return write_behind(f, off, len);
	r = sync_span(f, (struct span){ off, off + len }, SYNC_AND_WAIT);
	/* The whole block: the kernel keeps a page of which only a part is meant. */
	posix_fadvise(f->d.fd, (off_t)align_down(off, f->align), f->align, POSIX_FADV_DONTNEED);
	return r;
}

/* -EINVAL: the file system took the flag but not the write. */
static int write_direct(struct file_device *f, u64 off, const u8 *buf, size_t len)
{
	if (!is_aligned(f, off, buf, len))
		buf = memcpy(f->bounce, buf, len);
	return write_all(f->direct, off, buf, len);
}

static int file_write(struct device *d, u64 off, const void *buf, size_t len)
{
	struct file_device *f = (struct file_device *)d;
	const u8 *from = buf;

	while (len > 0) {
		size_t inside = off & (f->align - 1);
		bool direct = f->direct >= 0 && inside == 0 && len >= f->align;
		size_t n = MIN(len, BOUNCE);
		int r;

		if (direct)
			n = align_down(n, f->align);
		else if (f->direct >= 0)
			n = MIN(n, f->align - inside);
		r = direct ? write_direct(f, off, from, n) : write_buffered(f, off, from, n);
		if (direct && r == -EINVAL) {
			stop_direct(f);
			continue;
		}
		if (r < 0)
			return r;
		off += n;
		from += n;
		len -= n;
	}
	return 0;
}

/* Through `bounce`, unless everything is aligned; `len` is at most half of it. */
static int read_direct(struct file_device *f, u64 off, u8 *buf, size_t len)
{
	u64 start = align_down(off, f->align);
	size_t before = off - start;
	int r;

	if (is_aligned(f, off, buf, len))
		return read_all(f->direct, off, buf, len, len);
	r = read_all(f->direct, start, f->bounce, align_up(before + len, f->align), before + len);
	if (r == 0)
		memcpy(buf, f->bounce + before, len);
	return r;
}

static int file_read(struct device *d, u64 off, void *buf, size_t len)
{
	struct file_device *f = (struct file_device *)d;
	u8 *to = buf;

	while (len > 0) {
		size_t n = MIN(len, BOUNCE / 2);
		int r = f->direct >= 0 ? read_direct(f, off, to, n) : read_all(f->d.fd, off, to, n, n);

		if (f->direct >= 0 && r == -EINVAL) {
			stop_direct(f);
			continue;
		}
		if (r < 0)
			return r;
		off += n;
		to += n;
		len -= n;
	}
	return 0;
}

/*
 * One fdatasync() is enough for both descriptors, they have the same inode; a second would only make the stick empty
 * its cache again. Afterwards the page cache is dropped, so that reading without O_DIRECT asks the medium too.
 */
static int file_flush(struct device *d)
{
	struct file_device *f = (struct file_device *)d;

	if (!f->failed && fdatasync(d->fd) < 0)
		f->failed = -errno;
	f->draining = (struct span){ 0 };
	f->filled = 0;
	posix_fadvise(d->fd, 0, 0, POSIX_FADV_DONTNEED);
	return f->failed;
}

static bool is_hole(const struct device *d, u64 off, u64 len)
{
	bool hole;

	return hole_look(d->fd, off, len, &hole) == len && hole;
}

/*
 * Punching is believed only where the file system then tells of a hole: one in user space may take it for a wish
 * (nbdfuse makes a discard of it), and what such a one leaves there is anything.
 */
static bool file_make_hole(struct device *d, u64 off, u64 len)
{
	struct file_device *f = (struct file_device *)d;

	if (is_hole(d, off, len))
		return true;
	if (!f->cannot_punch)
		f->cannot_punch =
		    fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) < 0 ||
		    !is_hole(d, off, len);
	return !f->cannot_punch;
}

/* The kernel forgets what it has of them, too. */
static int file_discard(struct device *d, u64 off, u64 len)
{
	u64 range[] = { off, len };

	return ioctl(d->fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

/* All that can share have blocks of 4 KiB at least on the machines that there are. */
static u32 file_share_grain(const struct device *d)
{
	struct statfs fs;
	u64 block = fstatfs(d->fd, &fs) == 0 && fs.f_bsize > 0 ? (u64)fs.f_bsize : 0;

	if (block > MIB || block & (block - 1))
		return 0;
	return block ? (u32)MAX(block, FILE_ALIGN) : 0;
}

static int file_share(struct device *d, u64 off, int fd, u64 fd_off, u64 len)
{
	struct file_clone_range range = { fd, fd_off, len, off };

	return ioctl(d->fd, FICLONERANGE, &range) < 0 ? -errno : 0;
}

/* Nothing of the device but its descriptor is used, for others use the rest at the same time. */
static int file_read_own(void *ctx, u64 off, void *buf, size_t len, struct err *e)
{
	const struct device *d = ctx;
	int r = read_all(d->fd, off, buf, len, len);

	return r < 0 ? fail(e, r, "%s: read at byte %llu: %s", d->name, (unsigned long long)off, strerror(-r)) : 0;
}

static int file_place_own(void *ctx, u64 off, struct input_place *ret)
{
	const struct device *d = ctx;

	*ret = (struct input_place){ fcntl(d->fd, F_DUPFD_CLOEXEC, 0), off, d->size - off };
	return ret->fd < 0 ? -errno : 0;
}

static void file_free(struct device *d)
{
	struct file_device *f = (struct file_device *)d;

	/* The kernel must see the new partitions; one that cannot (a plain loop device) has none to forget either. */
	if (d->is_block && f->writable)
		ioctl(d->fd, BLKRRPART);
	util_close(&f->direct);
	util_close(&d->fd);
	free(f->bounce);
}

static const struct device_ops file_ops = {
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.make_hole = file_make_hole,
	.discard = file_discard,
	.share_grain = file_share_grain,
	.share = file_share,
	.read_own = file_read_own,
	.place_own = file_place_own,
	.free = file_free,
};

static int fail_busy(const char *path, struct err *e)
{
	return fail_refused(e, -EBUSY, "%s: is in use by the system or another program", path);
}

static int fail_write_protected(const char *path, struct err *e)
{
	return fail_refused(e, -EROFS, "%s: is write-protected", path);
}

static int fail_open(const char *path, bool writable, int error, struct err *e)
{
	switch (error) {
	case ENOENT:
		return fail(e, -error, "%s: no such file or device", path);
	case EBUSY:
		return fail_busy(path, e);
	case EISDIR:
		return fail_refused(e, -error, "%s: is a directory, not a file or a block device", path);
	case ENOMEDIUM:
		return fail_refused(e, -error, "%s: has no medium", path);
	case EROFS:
		return fail_write_protected(path, e);
	case EPERM:
	case EACCES:
		/* The kernel says the same of a device that is read-only, whatever the rights on its node are. */
		if (eaccess(path, writable ? R_OK | W_OK : R_OK) == 0)
			return fail_write_protected(path, e);
		return fail(e, -error, "%s: no right to %s it (being root or in the group of the device helps)", path,
		            writable ? "write" : "read");
	default:
		return fail(e, -error, "%s: %s", path, strerror(error));
	}
}

/* udev holds a shared lock for a moment after a stick was plugged in or closed: that is no other program yet. */
static int lock(const char *path, int fd, bool writable, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	for (int tries = LOCK_TRIES; flock(fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0; tries--) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(e, -errno, "%s: cannot be locked: %s", path, strerror(errno));
		if (tries == 0)
			return fail_busy(path, e);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int ask_block(struct device *d, bool writable, struct err *e)
{
	int sector_size = 0, read_only = 0;
	u64 size = 0;

	if (ioctl(d->fd, BLKGETSIZE64, &size) < 0 || ioctl(d->fd, BLKSSZGET, &sector_size) < 0 ||
	    ioctl(d->fd, BLKROGET, &read_only) < 0)
		return fail(e, -errno, "%s: does not tell its size: %s", d->name, strerror(errno));
	if (size == 0)
		return fail_refused(e, -ENOMEDIUM, "%s: has no medium (size 0)", d->name);
	if (writable && read_only)
		return fail_write_protected(d->name, e);
	if (sector_size != 512 && sector_size != 4096)
		return fail_refused(e, -EINVAL, "%s: has sectors of %d bytes, not 512 or 4096", d->name, sector_size);
	d->size = size;
	d->sector_size = (u32)sector_size;
	d->is_block = true;
	return 0;
}

static int ask_kind(struct device *d, bool writable, struct err *e)
{
	struct stat st;

	if (fstat(d->fd, &st) < 0)
		return fail(e, -errno, "%s: %s", d->name, strerror(errno));
	if (S_ISBLK(st.st_mode))
		return ask_block(d, writable, e);
	if (!S_ISREG(st.st_mode))
		return fail_refused(e, -EINVAL, "%s: is neither a file nor a block device", d->name);
	d->sector_size = 512;
	d->size = align_down((u64)st.st_size, d->sector_size);
	return 0;
}

/* By the descriptor and not by the path again: nobody can have put something else in its place. */
static int open_direct(int fd, bool writable)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (writable ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
}

int device_open(const char *path, bool writable, struct device **ret, struct err *e)
{
	struct file_device *f = xcalloc(1, sizeof(*f));
	AUTO_DEVICE struct device *d = &f->d;
	void *bounce;
	int r;

	d->ops = &file_ops;
	d->name = xstrdup(path);
	f->writable = writable;
	f->direct = -1;
	/* O_NONBLOCK: a pipe, or a drive that waits for a medium, must not hang us. On files it has no meaning. */
	d->fd = open(path, (writable ? O_RDWR | O_EXCL : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (d->fd < 0)
		return fail_open(path, writable, errno, e);
	r = ask_kind(d, writable, e);
	if (r < 0)
		return r;
	r = lock(path, d->fd, writable, e);
	if (r < 0)
		return r;
	f->align = d->is_block ? d->sector_size : FILE_ALIGN;
	r = posix_memalign(&bounce, FILE_ALIGN, BOUNCE);
	if (r != 0)
		return fail(e, -r, "%s: %s", path, strerror(r));
	f->bounce = bounce;
	f->direct = open_direct(d->fd, writable);
	d->past_cache = f->direct >= 0;
	*ret = TAKE(d);
	return 0;
}
