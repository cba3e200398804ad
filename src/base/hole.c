/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/hole.h"

#include <errno.h>
#include <sys/stat.h>

#define STEPS_MAX 1000 /* small holes in a row */

static bool is_inside(int fd, u64 off, u64 len)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && off <= (u64)st.st_size && len <= (u64)st.st_size - off;
}

/* Where data begins from `at` on, or `end`; -errno where that cannot be asked. */
static i64 next_data(int fd, u64 at, u64 end)
{
	off_t data = lseek(fd, (off_t)at, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? (i64)end : -errno;
	return MIN((i64)data, (i64)end);
}

u64 hole_look(int fd, u64 off, u64 len, bool *ret_hole)
{
	const u64 end = off + len;
	u64 at = off;

	*ret_hole = false;
	if (len < HOLE_MIN || !is_inside(fd, off, len))
		return len;
	for (int i = 0; end - at >= HOLE_MIN; i++) {
		i64 data = next_data(fd, at, end);
		off_t hole;

		if (data < (i64)at)
			break;
		/* The rest is told by the next call: between two the caller looks whether it was interrupted. */
		if (i == STEPS_MAX)
			return at - off;
		if ((u64)data - at >= HOLE_MIN) {
			*ret_hole = at == off;
			return at == off ? (u64)data - off : at - off;
		}
		hole = lseek(fd, (off_t)data, SEEK_HOLE);
		if (hole <= data || (u64)hole >= end)
			break;
		at = (u64)hole;
	}
	return len;
}
