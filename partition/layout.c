/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/layout.h"

#include <errno.h>

#include "src/base/buf.h"

/* FAT32 counts sectors in 32 bits; the last MiB below 2 TiB is left out so that every reader's "<" and "<=" agree. */
#define FAT32_MAX (2048 * GIB - MIB)

/* More than this DATA need not have to be worth a second slot. */
#define DATA_ENOUGH (2 * GIB)

/* What a user asks for may be any number: sums stay at the largest instead of wrapping round. */
static u64 add_sizes(u64 a, u64 b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static u64 whole_mib(u64 n)
{
	return n > UINT64_MAX - MIB ? UINT64_MAX : align_up(n, MIB);
}

/* How large a device must be for partitions of this size. */
static u64 device_for(const struct layout_request *q, u64 boot, u64 data)
{
	u64 parts = add_sizes(whole_mib(q->esp), add_sizes(whole_mib(boot), whole_mib(data)));

	return add_sizes(LAYOUT_HEAD + LAYOUT_TAIL, parts);
}

static u64 boot_max(const struct layout_request *q)
{
	return q->boot_max ? align_down(q->boot_max, MIB) : FAT32_MAX;
}

/* Bytes between head and tail that BOOT and DATA may take. */
static u64 room(const struct layout_request *q)
{
	u64 size = q->device_size;

	if (q->table == TABLE_MBR)
		size = MIN(size, ((u64)q->sector_size << 32) - MIB + LAYOUT_TAIL);
	if (size < LAYOUT_HEAD + LAYOUT_TAIL)
		return 0;
	size = align_down(size - LAYOUT_TAIL, MIB) - LAYOUT_HEAD;
	return size - MIN(size, whole_mib(q->esp));
}

static u64 least_data(const struct layout_request *q)
{
	if (!q->data)
		return 0;
	return q->data_size ? q->data_size : MAX(q->data_min, MIB);
}

static bool fits(const struct layout_request *q, u64 boot, u64 data)
{
	return add_sizes(whole_mib(boot), whole_mib(data)) <= room(q);
}

static bool worth_two_slots(const struct layout_request *q)
{
	u64 data = least_data(q);

	if (q->data && !q->data_size)
		data = MAX(data, MIN(DATA_ENOUGH, q->boot_one));
	return q->boot_two <= boot_max(q) && fits(q, q->boot_two, data);
}

/* "1.40 GiB (1503238553 bytes)" */
static void add_exact(struct buf *b, u64 bytes)
{
	buf_add_size(b, bytes);
	if (bytes >= KIB)
		buf_addf(b, " (%llu bytes)", (unsigned long long)bytes);
}

static int too_small(const struct layout_request *q, const char *what, u64 needed, struct err *e)
{
	AUTO_BUF struct buf has = { 0 }, needs = { 0 }, more = { 0 };

	add_exact(&has, q->device_size);
	add_exact(&needs, needed);
	if (needed <= q->device_size)
		return fail_refused(e, -ENOSPC,
		                    "%s: needs %s of the target, but an MBR reaches only %llu bytes; use a GPT", what,
		                    needs.s, (unsigned long long)q->sector_size << 32);
	add_exact(&more, needed - q->device_size);
	return fail_refused(e, -ENOSPC, "target is too small for %s: has %s, needs %s: %s more", what, has.s, needs.s,
	                    more.s);
}

static int check(const struct layout_request *q, u64 boot, unsigned slots, struct err *e)
{
	AUTO_FREE char *data = size_text(least_data(q));
	AUTO_BUF struct buf what = { 0 };

	if (fits(q, boot, least_data(q)))
		return 0;
	buf_adds(&what, slots == 2 ? "two systems" : "one system");
	if (q->data)
		buf_addf(&what, " and a persistence partition of %s", data);
	return too_small(q, what.s, device_for(q, boot, least_data(q)), e);
}

static void add_part(struct layout *l, enum part_role role, u64 size)
{
	const struct part *last = l->n_parts ? &l->part[l->n_parts - 1] : NULL;

	if (size)
		l->part[l->n_parts++] = (struct part){
			.role = role,
			.start = last ? last->start + last->size : LAYOUT_HEAD,
			.size = size,
		};
}

int layout_make(const struct layout_request *q, struct layout *ret, struct err *e)
{
	unsigned slots = q->slots;
	u64 boot, data = 0;
	int r;

	if (q->sector_size != 512 && q->sector_size != 4096)
		return fail_refused(e, -EINVAL, "target has sectors of %u bytes: only 512 and 4096 are supported",
		                    (unsigned)q->sector_size);
	if (!slots)
		slots = worth_two_slots(q) ? 2 : 1;
	boot = slots == 2 ? q->boot_two : q->boot_one;
	r = check(q, boot, slots, e);
	if (r < 0)
		return r;
	boot = whole_mib(boot);
	if (boot > boot_max(q))
		return fail_refused(e, -ENOSPC, "the system needs %llu bytes, more than the %llu of a boot partition",
		                    (unsigned long long)boot, (unsigned long long)boot_max(q));
	if (q->data)
		data = q->data_size ? whole_mib(q->data_size) : room(q) - boot;
	boot = MIN(room(q) - data, boot_max(q));

	*ret = (struct layout){
		.table = q->table,
		.sector_size = q->sector_size,
		.device_size = q->device_size,
		.slots = slots,
	};
	add_part(ret, PART_ESP, whole_mib(q->esp));
	add_part(ret, PART_BOOT, boot);
	add_part(ret, PART_DATA, data);
	return 0;
}

u64 layout_smallest(const struct layout_request *q)
{
	return device_for(q, q->boot_one, least_data(q));
}

const struct part *layout_part(const struct layout *l, enum part_role role)
{
	for (size_t i = 0; i < l->n_parts; i++)
		if (l->part[i].role == role)
			return &l->part[i];
	return NULL;
}
