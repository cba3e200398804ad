/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/switch.h"

#include <errno.h>

#include "src/plan.h"

#define SWITCH_CFG STICK_DIR "/switch.cfg"

static int find_sector(struct device *d, const struct stick *s, u64 *ret_off, struct err *e)
{
	AUTO_UPDATER struct updater *u = NULL;
	u64 size = 0;
	int r = stick_open_boot(s, d, &u, e);

	if (r == 0)
		r = update_place(u, SWITCH_CFG, ret_off, &size, e);
	if (r == 0 && (size != MENU_SWITCH_SIZE || *ret_off % MENU_SWITCH_SIZE))
		r = fail(e, -EUCLEAN, SWITCH_CFG ": does not lie in one sector");
	return r;
}

int switch_write(struct device *d, const struct stick *s, const struct menu_switch *to, u64 *ret_written, struct err *e)
{
	AUTO_FREE u8 *now = xcalloc(1, d->sector_size), *wanted = xcalloc(1, d->sector_size);
	u64 off = 0, sector;
	int r = find_sector(d, s, &off, e);

	if (r < 0)
		return r;
	sector = align_down(off, d->sector_size);
	r = device_read(d, sector, wanted, d->sector_size, e);
	if (r < 0)
		return r;
	memcpy(now, wanted, d->sector_size);
	menu_write_switch(to, (char *)wanted + (off - sector));
	if (memcmp(now, wanted, d->sector_size) == 0)
		return 0;
	r = device_write(d, sector, wanted, d->sector_size, e);
	if (r == 0)
		r = device_flush(d, e);
	if (r == 0)
		r = device_read(d, sector, now, d->sector_size, e);
	if (r == 0 && memcmp(now, wanted, d->sector_size) != 0)
		r = fail(e, -EIO, SWITCH_CFG ": reads as something else than was written: the stick is broken");
	if (r == 0 && ret_written)
		*ret_written += d->sector_size;
	return r;
}
