/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A private copy of some stretches of a device in a file that has no name, as large as the part that it stands for and
 * with holes for all that was not copied. It is for programs and libraries that want a path, and that may open it for
 * writing: the stick itself is never opened by anybody but device_open().
 *
 *	r = shadow_new(d, start, size, &s, e);
 *	r = shadow_copy(s, 0, 64 * KIB, e);
 *	... argv: shadow_path(s), fds: shadow_fd(s) ...
 *	shadow_free(s);
 */
#ifndef LIVESTICK_MEDIA_SHADOW_H
#define LIVESTICK_MEDIA_SHADOW_H

#include "src/media/device.h"

struct shadow;

/* Of `size` bytes at byte `start` of `under`, which must outlive it. The file lies in TMPDIR (else /var/tmp), or in
 * memory where that cannot be. */
MUST_CHECK int shadow_new(struct device *under, u64 start, u64 size, struct shadow **ret, struct err *e);

/* Copies; what lies behind the end is left out. Zeros stay holes. Offsets count from the start of the part. -EINTR. */
MUST_CHECK int shadow_copy(struct shadow *s, u64 off, u64 len, struct err *e);

/* Puts other bytes there than the device has. */
MUST_CHECK int shadow_put(struct shadow *s, u64 off, const void *data, size_t len, struct err *e);

/* What is in it now. */
MUST_CHECK int shadow_read(const struct shadow *s, u64 off, void *buf, size_t len, struct err *e);

/*
 * Calls `fn` for each stretch of sectors that holds something else than in `d`, a device of the part's size that holds
 * the same bytes that were copied: what somebody has written into the shadow since. Ascending, 1 MiB at a time at most;
 * `was` is of the device. Stops at nonzero and returns that. What was copied from the start on without a gap is
 * compared as a whole; of the rest what is a hole counts as not copied. -EINTR.
 */
typedef int shadow_change(void *ctx, u64 off, const u8 *was, const u8 *now, size_t len, struct err *e);
MUST_CHECK int shadow_changes(struct shadow *s, struct device *d, shadow_change *fn, void *ctx, struct err *e);

/* Writes them into `to`. */
MUST_CHECK int shadow_apply(struct shadow *s, struct device *to, struct err *e);

/*
 * The path of it for a program that gets shadow_fd() as its first descriptor (spawn.h). By no other way: a process that
 * no debugger may look at lets none of its children into its own /proc/PID/fd. In this process /proc/self/fd is good.
 */
const char *shadow_path(const struct shadow *s);
int shadow_fd(const struct shadow *s);
u64 shadow_copied(const struct shadow *s);
/* NULL is allowed. */
void shadow_free(struct shadow *s);

static inline void shadow_freep(struct shadow **s)
{
	shadow_free(*s);
}

#define AUTO_SHADOW CLEANUP(shadow_freep)

#endif
