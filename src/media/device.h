/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one seam to the stick: nothing outside src/media opens it, reads it or writes it. Offsets are bytes from the
 * start of the device; a device has no position. Ranges are checked here, in one place.
 *
 * What stands behind the seam: a block device or a plain file (device_open), memory (device_new_memory), a partition
 * of another device (device_new_window), another device as it would be after some writes (device_new_overlay,
 * device_new_scratch), a file inside a source (device_new_input), and for the tests a recorder and a device that fails
 * (device_test.h).
 */
#ifndef LIVESTICK_MEDIA_DEVICE_H
#define LIVESTICK_MEDIA_DEVICE_H

#include "src/base/input.h"

struct device;

struct device_ops {
	/* All of `len` bytes or -errno; the range lies inside the device. */
	int (*read)(struct device *d, u64 off, void *buf, size_t len);
	int (*write)(struct device *d, u64 off, const void *buf, size_t len);
	/* Everything written before is on the medium when this returns 0. NULL: nothing to do. */
	int (*flush)(struct device *d);
	/* See device_make_hole(). NULL: never. */
	bool (*make_hole)(struct device *d, u64 off, u64 len);
	/* See device_discard(). NULL: -EOPNOTSUPP. */
	int (*discard)(struct device *d, u64 off, u64 len);
	/* See device_share(); NULL, all four: never. */
	u32 (*share_grain)(const struct device *d);
	int (*share)(struct device *d, u64 off, int fd, u64 fd_off, u64 len);
	int (*read_own)(void *d, u64 off, void *buf, size_t len, struct err *e);
	int (*place_own)(void *d, u64 off, struct input_place *ret);
	void (*free)(struct device *d);
};

/* Each kind of device has this as its first member. */
struct device {
	const struct device_ops *ops;
	char *name; /* as the user calls it */
	u64 size;
	u32 sector_size; /* what the table and the file systems count in: 512 or 4096 */
	bool is_block;   /* a block device, not a file or memory */
	bool past_cache; /* what is read comes from the medium, not from the kernel's memory; may end at any reading */
	const struct device *part_of; /* a window: sentences name the place there, `part_off` further */
	u64 part_off;
	int fd; /* for libraries that must have one, to read from: -1 where there is none */
};

/*
 * Opens what `path` names, for reading only or for writing too; never makes a file. For writing, a block device is
 * opened with O_EXCL, so that neither a mount nor a second writer can have it; there is no shared opening for writing.
 * The lock (flock) keeps udev and other writers away for as long as the device is open. Data goes past the page cache
 * (O_DIRECT) where the file system can; where it cannot, no more than 8 MiB wait unwritten. The tail of a plain file
 * that is no whole sector does not count and is left alone.
 *
 * -EBUSY: somebody uses it. -EROFS: write-protected. These, no medium, and what is no file or block device are
 * classed as refused. Who may be written at all is guard.h's matter, to be asked with this open device.
 */
MUST_CHECK int device_open(const char *path, bool writable, struct device **ret, struct err *e);

/* `size` bytes of zeros that take memory only where they are written, in pieces of 4 KiB. */
struct device *device_new_memory(const char *name, u64 size, u32 sector_size);

/* Calls `fn` for each stretch of a memory device that was ever written (4 KiB grain), ascending; stops at nonzero. */
int device_memory_each(struct device *d, int (*fn)(void *ctx, u64 off, const u8 *data, size_t len), void *ctx);

/* A part of another device, which must outlive it; offsets count from the start of the part. */
struct device *device_new_window(struct device *under, const char *name, u64 off, u64 size);

/*
 * Reads through to another device, which must outlive it, and keeps what is written to itself in memory: `under` is
 * never written. Writes need not be whole sectors.
 */
struct device *device_new_overlay(struct device *under);

/*
 * Calls `fn` for each stretch of sectors of an overlay that holds other bytes than when this was called last, or at
 * first than the device below; ascending, 4 KiB at a time at most. Stops at nonzero: from there on all counts as
 * changed still.
 */
int device_overlay_changes(struct device *d, int (*fn)(void *ctx, u64 off, const u8 *data, size_t len), void *ctx);

/* The bytes in this range count as changed then, whatever they are: somebody else wrote there. */
MUST_CHECK int device_overlay_mark(struct device *d, u64 off, size_t len, struct err *e);

/*
 * The same for a guest that may write as much as it likes: what is written goes into a file without a name in `dir`, in
 * blocks of 4 KiB.
 */
MUST_CHECK int device_new_scratch(struct device *under, const char *dir, struct device **ret, struct err *e);
/* The last error of that file (a full file system), which whoever used the device took for one of the device; else 0.
 */
int device_scratch_failed(const struct device *d);
/* How much of a range was written, in blocks; and each of these blocks, ascending. Stops at nonzero. */
u64 device_scratch_written(const struct device *d, u64 off, u64 len);
int device_scratch_each(struct device *d, u64 off, u64 len, int (*fn)(void *ctx, u64 off, const u8 *data, size_t len),
                        void *ctx);

/* `size` bytes of an input, for reading only. What the input refers to must outlive the device. */
struct device *device_new_input(const char *name, struct input in, u64 size);

/*
 * -ERANGE: outside the device, nothing was done; else what the system says, and a part may have been done. Writes are
 * whole sectors, at any place in memory. A flush that failed is final: what was written before it may be lost, and
 * every later flush gives the same error. A device is used by one thread at a time.
 */
MUST_CHECK int device_read(struct device *d, u64 off, void *buf, size_t len, struct err *e);
MUST_CHECK int device_write(struct device *d, u64 off, const void *buf, size_t len, struct err *e);
MUST_CHECK int device_flush(struct device *d, struct err *e);

/*
 * Whether these bytes, HOLE_MIN at least (hole.h), are a hole now and so read as zeros; a plain file has holes, or gets
 * them. False: they are what they were, or some of them zeros; who wants zeros there must write them. A block device
 * has none: what a device says of blocks that it was told to forget is not to be trusted.
 */
bool device_make_hole(struct device *d, u64 off, u64 len);
/* False: there is no need to ask for one hole after the other. */
bool device_has_holes(const struct device *d);

/*
 * Tells a block device that these bytes are of no use any more. What is read there afterwards is anything. -errno,
 * mostly -EOPNOTSUPP: it cannot, and nothing has changed; or it failed on the way.
 */
MUST_CHECK int device_discard(struct device *d, u64 off, u64 len);

/*
 * A plain file and another one, open for reading, may have blocks in common (FICLONERANGE, ioctl_ficlonerange(2)): in
 * multiples of the grain, a power of two; 0: never. What is in the other file reads so here when this returns 0, and no
 * longer depends on that file. -errno: nothing is known of the range. -EOPNOTSUPP, -EXDEV and -ENOTTY are for all time.
 */
u32 device_share_grain(const struct device *d);
MUST_CHECK int device_share(struct device *d, u64 off, int fd, u64 fd_off, u64 len);
/*
 * What has been shared, as an input that may be read by another thread while other places are written; offsets are
 * those of the device.
 */
struct input device_own_input(struct device *d);

void device_free(struct device *d);

static inline void device_freep(struct device **d)
{
	device_free(*d);
}

#define AUTO_DEVICE CLEANUP(device_freep)

#endif
