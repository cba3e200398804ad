/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Marks: blocks each sector of which says where it was meant to be. They are written to a device to find out what it
 * does with what it is given. What was there before is read first and kept, and can be put back.
 *
 *	struct marks *m = marks_new(d, &seed);
 *	r = marks_write(m, off, MARK_SIZE, e);
 *	r = device_flush(d, e);
 *	r = marks_read(m, off, MARK_SIZE, &found, e);
 *	r = marks_put_back(m, NULL, NULL, e);           newest first, then a flush
 *	marks_free(m);
 */
#ifndef LIVESTICK_MEDIA_MARKS_H
#define LIVESTICK_MEDIA_MARKS_H

#include "src/base/id.h"
#include "src/media/device.h"

/* Offsets and lengths of marks are multiples of this; a whole number of sectors on every device. */
#define MARK_SIZE 4096

struct marks;

enum mark_state {
	MARK_OWN,   /* all of it is as it was written */
	MARK_OTHER, /* a sector of it is a mark of another place */
	MARK_LOST,  /* neither */
	MARK_FAILS, /* reading fails */
};

struct mark_found {
	enum mark_state state;
	u64 at, from; /* MARK_OTHER: where such a sector is, and where it was meant to be */
};

/* `d` must outlive the marks. */
struct marks *marks_new(struct device *d, const struct seed *seed);
void marks_free(struct marks *m);

/* Keeps what is there, unless it has been marked already, and writes marks. */
MUST_CHECK int marks_write(struct marks *m, u64 off, size_t len, struct err *e);

/*
 * What is at a place, marked or not. 0 also where reading fails as on a medium that is damaged or ends there
 * (device_place_fails()); what goes beyond that place, as -ENODEV, is returned.
 */
MUST_CHECK int marks_read(struct marks *m, u64 off, size_t len, struct mark_found *ret, struct err *e);

/*
 * Writes back what was there, newest first, and flushes; the marks are forgotten. With `skip` all but the sectors that
 * it is true for. It goes on after an error; the first one is returned.
 */
MUST_CHECK int marks_put_back(struct marks *m, bool (*skip)(void *ctx, u64 off, size_t len), void *ctx, struct err *e);

/* Whether this failure of reading or writing speaks of the place, and not of the device or of the connection to it. */
bool device_place_fails(int r);

#endif
