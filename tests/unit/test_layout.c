/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/layout.h"

#include <errno.h>

#include "tests/lib/test.h"

#define TIB      (1024 * GIB)
#define STICK_8  8000000000ULL
#define STICK_16 16000000000ULL

/* A system of `system` bytes, a persistence partition of at least 64 MiB, an MBR. */
static struct layout_request request(u64 device, u64 system)
{
	return (struct layout_request){
		.table = TABLE_MBR,
		.sector_size = 512,
		.device_size = device,
		.boot_one = system,
		.boot_two = 2 * system,
		.data = true,
		.data_min = 64 * MIB,
	};
}

/* What must be true of every layout. */
static void check_rules(const struct layout_request *q, const struct layout *l)
{
	u64 at = LAYOUT_HEAD;

	CHECK_U64(l->n_parts, (q->esp ? 1u : 0u) + (q->data ? 2 : 1));
	CHECK(l->slots == 1 || l->slots == 2);
	CHECK_U64(l->sector_size, q->sector_size);
	CHECK_U64(l->device_size, q->device_size);
	CHECK(l->table == q->table);
	for (size_t i = 0; i < l->n_parts; i++) {
		CHECK_U64(l->part[i].start, at);
		CHECK_U64(l->part[i].start % MIB, 0);
		CHECK_U64(l->part[i].size % MIB, 0);
		CHECK(l->part[i].size > 0);
		at += l->part[i].size;
	}
	CHECK(at + LAYOUT_TAIL <= q->device_size);
	if (q->table == TABLE_MBR)
		CHECK(at < (u64)q->sector_size << 32);
	CHECK(layout_part(l, PART_BOOT)->size >= (l->slots == 2 ? q->boot_two : q->boot_one));
	CHECK(layout_part(l, PART_BOOT)->size <= (q->boot_max ? q->boot_max : 2 * TIB - MIB));
	CHECK_U64(layout_part(l, PART_ESP) ? layout_part(l, PART_ESP)->size : 0, align_up(q->esp, MIB));
	if (q->data)
		CHECK(layout_part(l, PART_DATA)->size >= (q->data_size ? q->data_size : q->data_min));
	else
		CHECK(layout_part(l, PART_DATA) == NULL);
}

static bool make(const struct layout_request *q, struct layout *l)
{
	AUTO_ERR struct err e = { 0 };

	if (!CHECK_OK(layout_make(q, l, &e), &e))
		return false;
	check_rules(q, l);
	return true;
}

#define CHECK_REFUSED(q, r, words)                                                                                     \
	({                                                                                                             \
		AUTO_ERR struct err e_ = { 0 };                                                                        \
		struct layout l_ = { 0 };                                                                              \
		CHECK_U64(layout_make(&(q), &l_, &e_), r);                                                             \
		CHECK(e_.code == EXIT_REFUSED);                                                                        \
		CHECK(e_.text &&strstr(e_.text, words));                                                               \
		if (e_.text && !strstr(e_.text, words))                                                                \
			test_fail(__FILE__, __LINE__, "it says: %s", e_.text);                                         \
		CHECK_U64(l_.n_parts, 0);                                                                              \
	})

TEST(small_system_gets_two_slots_on_8_gb)
{
	struct layout_request q = request(STICK_8, GIB);
	struct layout l;

	if (!make(&q, &l))
		return;
	CHECK_U64(l.slots, 2);
	CHECK_U64(l.part[0].size, 2 * GIB);
	CHECK(l.part[1].size > 5 * GIB);
	/* 8,000,000,000 bytes are 7629.39 MiB; the last whole one that leaves 1 MiB behind is number 7628. */
	CHECK_U64(l.part[1].start + l.part[1].size, 7628 * MIB);
}

TEST(large_system_gets_one_slot_on_8_gb_and_two_on_16_gb)
{
	struct layout_request q = request(STICK_8, 3 * GIB);
	struct layout l;

	if (!make(&q, &l))
		return;
	CHECK_U64(l.slots, 1);
	CHECK_U64(l.part[0].size, 3 * GIB);
	CHECK_U64(l.part[1].size, 7627 * MIB - 3 * GIB);
	q.device_size = STICK_16;
	if (!make(&q, &l))
		return;
	CHECK_U64(l.slots, 2);
	CHECK_U64(l.part[0].size, 6 * GIB);
}

TEST(second_slot_comes_exactly_when_data_keeps_enough)
{
	struct layout_request q = request(2 * GIB + GIB + 2 * MIB, GIB);
	struct layout l;

	if (make(&q, &l))
		CHECK_U64(l.slots, 2);
	q.device_size--;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);

	/* 2 GiB of DATA are enough, however large the system. */
	q = request(20 * GIB + 2 * GIB + 2 * MIB, 10 * GIB);
	if (make(&q, &l))
		CHECK_U64(l.slots, 2);
	q.device_size--;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);

	/* A larger smallest DATA counts more than both. */
	q = request(2 * GIB + 3 * GIB + 2 * MIB, GIB);
	q.data_min = 3 * GIB;
	if (make(&q, &l))
		CHECK_U64(l.slots, 2);
	q.device_size--;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);
}

TEST(two_slots_on_demand)
{
	struct layout_request q = request(STICK_8, 3 * GIB);
	struct layout l;

	q.slots = 2;
	if (make(&q, &l))
		CHECK_U64(l.slots, 2);
	q.device_size = 6 * GIB + 64 * MIB + 2 * MIB;
	make(&q, &l);
	q.device_size--;
	CHECK_REFUSED(
	    q, -ENOSPC,
	    "too small for two systems and a persistence partition of 64.0 MiB: has 6.06 GiB (6511656959 bytes), "
	    "needs 6.06 GiB (6511656960 bytes): 1 bytes more");
	q.slots = 1;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);
}

TEST(data_size_is_kept_and_boot_takes_the_rest)
{
	struct layout_request q = request(STICK_16, GIB);
	struct layout l;

	q.data_size = 4 * GIB + 1;
	if (!make(&q, &l))
		return;
	CHECK_U64(l.slots, 2);
	CHECK_U64(l.part[1].size, 4 * GIB + MIB);
	CHECK_U64(l.part[1].start + l.part[1].size, align_down(STICK_16 - MIB, MIB));
	CHECK_U64(l.part[0].size, l.part[1].start - MIB);

	/* Two systems beside it do not fit, one does. */
	q = request(STICK_8, GIB);
	q.data_size = 6 * GIB;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);
	q.data_size = 7 * GIB;
	CHECK_REFUSED(q, -ENOSPC, "one system and a persistence partition of 7.00 GiB");
	CHECK_REFUSED(q, -ENOSPC, "(8592031744 bytes): 565 MiB (592031744 bytes) more");
}

TEST(without_data_boot_takes_everything)
{
	struct layout_request q = request(STICK_8, GIB);
	struct layout l;

	q.data = false;
	if (make(&q, &l)) {
		CHECK_U64(l.part[0].size, 7627 * MIB);
		CHECK_U64(l.slots, 2);
	}
	q.device_size = 2 * GIB;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);
	/* FAT32 ends at 2 TiB, with either size of sector. */
	q.device_size = 10 * TIB;
	q.table = TABLE_GPT;
	if (make(&q, &l))
		CHECK_U64(l.part[0].size, 2 * TIB - MIB);
	q.sector_size = 4096;
	if (make(&q, &l))
		CHECK_U64(l.part[0].size, 2 * TIB - MIB);
}

TEST(mbr_ends_at_2_tib)
{
	struct layout_request q = request(4 * TIB, GIB);
	struct layout l;

	if (make(&q, &l))
		CHECK_U64(l.part[1].start + l.part[1].size, 2 * TIB - MIB);
	q.data_size = 3 * TIB;
	CHECK_REFUSED(q, -ENOSPC, "an MBR reaches only 2199023255552 bytes");
	q.table = TABLE_GPT;
	if (make(&q, &l))
		CHECK_U64(l.part[1].size, 3 * TIB);
	q.data_size = 0;
	if (make(&q, &l))
		CHECK_U64(l.part[1].start + l.part[1].size, 4 * TIB - MIB);
	q.table = TABLE_MBR;
	q.sector_size = 4096;
	if (make(&q, &l))
		CHECK_U64(l.part[1].start + l.part[1].size, 4 * TIB - MIB);
}

TEST(too_small_says_exact_numbers)
{
	struct layout_request q = request(512 * MIB, 923 * MIB);

	CHECK_REFUSED(q, -ENOSPC,
	              "target is too small for one system and a persistence partition of 64.0 MiB: has 512 MiB "
	              "(536870912 bytes), needs 989 MiB (1037041664 bytes): 477 MiB (500170752 bytes) more");
	q.data = false;
	CHECK_REFUSED(q, -ENOSPC, "too small for one system: has");
	q.device_size = 0;
	CHECK_REFUSED(q, -ENOSPC, "has 0 bytes, needs");
	q.device_size = MIB;
	CHECK_REFUSED(q, -ENOSPC, "needs 925 MiB");
}

TEST(smallest_is_the_smallest)
{
	static const u64 sizes[] = { 1, 40 * MIB, 700 * MIB + 12345, 5 * GIB };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned data = 0; data < 3; data++) {
			struct layout_request q = request(0, sizes[i]);
			struct layout l;

			q.data = data > 0;
			q.data_size = data == 2 ? 100 * MIB : 0;
			q.device_size = layout_smallest(&q);
			make(&q, &l);
			q.device_size--;
			CHECK_REFUSED(q, -ENOSPC, "1 bytes more");
		}
}

TEST(absurd_numbers_do_not_wrap)
{
	struct layout_request q = request(STICK_8, GIB);
	struct layout l;

	q.data_size = UINT64_MAX;
	CHECK_REFUSED(q, -ENOSPC, "(18446744073709551615 bytes)");
	q.data_size = 0;
	q.boot_one = q.boot_two = UINT64_MAX - 5;
	CHECK_REFUSED(q, -ENOSPC, "too small");
	q.boot_one = GIB;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);
	q.device_size = UINT64_MAX;
	q.table = TABLE_GPT;
	if (make(&q, &l))
		CHECK_U64(l.slots, 1);
	q.boot_one = 3 * TIB;
	CHECK_REFUSED(q, -ENOSPC, "of a boot partition");
	q.sector_size = 520;
	CHECK_REFUSED(q, -EINVAL, "sectors of 520 bytes");
	q.sector_size = 0;
	CHECK_REFUSED(q, -EINVAL, "sectors of 0 bytes");
}

/* BOOT as ext4: no firmware reads it, so a small ESP comes first; BOOT may be larger than a FAT32. */
TEST(esp_in_front)
{
	struct layout_request q = request(STICK_8, GIB);
	struct layout l;

	q.esp = 35 * MIB + 1;
	if (make(&q, &l)) {
		CHECK_U64(l.n_parts, 3);
		CHECK(l.part[0].role == PART_ESP && l.part[1].role == PART_BOOT && l.part[2].role == PART_DATA);
		CHECK_U64(l.part[0].size, 36 * MIB);
	}
	q.device_size = layout_smallest(&q);
	CHECK_U64(q.device_size, LAYOUT_HEAD + 36 * MIB + GIB + 64 * MIB + LAYOUT_TAIL);
	make(&q, &l);
	q.device_size--;
	CHECK_REFUSED(q, -ENOSPC, "1 bytes more");

	q = request(20 * TIB, 3 * TIB);
	q.table = TABLE_GPT;
	q.esp = 36 * MIB;
	q.boot_max = 16 * TIB;
	q.data_size = GIB;
	q.slots = 1;
	if (make(&q, &l))
		CHECK_U64(layout_part(&l, PART_BOOT)->size, 16 * TIB);
	q.boot_one = 17 * TIB;
	CHECK_REFUSED(q, -ENOSPC, "of a boot partition");
	q.esp = UINT64_MAX;
	CHECK_REFUSED(q, -ENOSPC, "too small");
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
