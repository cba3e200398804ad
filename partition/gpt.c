/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partition/gpt.h"

#include <errno.h>
#include <stdarg.h>
#include <zlib.h>

#include "src/base/buf.h"

/* Offsets in a header. */
#define HEADER_SIZE 12
#define HEADER_CRC  16
#define MY_LBA      24
#define OTHER_LBA   32
#define FIRST_LBA   40
#define LAST_LBA    48
#define DISK_GUID   56
#define ENTRIES_LBA 72
#define N_ENTRIES   80
#define ENTRY_SIZE  84
#define ENTRIES_CRC 88
#define HEADER_LEN  92 /* the smallest header */

#define ENTRIES_MAX MIB /* bytes; more than any program makes */

void gpt_report_free(struct gpt_report *g)
{
	free(g->header);
	free(g->backup);
	free(g->protective);
	*g = (struct gpt_report){ 0 };
}

static char *sentence(const char *fmt, ...) PRINTF_LIKE(1, 2);
static char *sentence(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return text;
}

/* What can be said of the sector alone; NULL: good. */
static char *judge_header(struct device *d, u8 *b, u64 lba)
{
	u32 len = get_le32(b + HEADER_SIZE), crc = get_le32(b + HEADER_CRC), entry = get_le32(b + ENTRY_SIZE);
	u64 n = get_le32(b + N_ENTRIES), sectors = d->size / d->sector_size, bytes = n * entry;
	bool right;

	if (memcmp(b, "EFI PART", 8) != 0)
		return sentence("there is no header in sector %llu", (unsigned long long)lba);
	if (len < HEADER_LEN || len > d->sector_size)
		return sentence("the header says that it has %u bytes", len);
	put_le32(b + HEADER_CRC, 0);
	right = crc == crc32(0, b, len);
	put_le32(b + HEADER_CRC, crc);
	if (!right)
		return sentence("the checksum of the header is wrong");
	if (get_le64(b + MY_LBA) != lba)
		return sentence("the header says that it lies in sector %llu, and lies in %llu",
		                (unsigned long long)get_le64(b + MY_LBA), (unsigned long long)lba);
	if (entry < 128 || (entry & (entry - 1)) || !n || bytes > ENTRIES_MAX)
		return sentence("%llu entries of %u bytes make no sense", (unsigned long long)n, entry);
	if (get_le64(b + ENTRIES_LBA) >= sectors ||
	    div_round_up(bytes, d->sector_size) > sectors - get_le64(b + ENTRIES_LBA))
		return sentence("the entries lie outside of the device");
	if (get_le64(b + FIRST_LBA) > get_le64(b + LAST_LBA) || get_le64(b + LAST_LBA) >= sectors)
		return sentence("the room for partitions (sectors %llu to %llu) reaches outside of the device",
		                (unsigned long long)get_le64(b + FIRST_LBA),
		                (unsigned long long)get_le64(b + LAST_LBA));
	return NULL;
}

static int judge_entries(struct device *d, const u8 *b, char **ret, struct err *e)
{
	u64 len = (u64)get_le32(b + N_ENTRIES) * get_le32(b + ENTRY_SIZE);
	AUTO_FREE u8 *entries = xcalloc(1, len);
	int r = device_read(d, get_le64(b + ENTRIES_LBA) * d->sector_size, entries, len, e);

	if (r == 0 && crc32(0, entries, (uInt)len) != get_le32(b + ENTRIES_CRC))
		*ret = sentence("the checksum of the entries is wrong");
	return r;
}

/* Reads the sector and judges it with its entries. */
static int check_one(struct device *d, u64 lba, u8 *b, char **ret, struct err *e)
{
	int r = device_read(d, lba * d->sector_size, b, d->sector_size, e);

	if (r < 0)
		return r;
	*ret = judge_header(d, b, lba);
	return *ret ? 0 : judge_entries(d, b, ret, e);
}

static char *compare(const u8 *a, const u8 *b)
{
	static const struct {
		size_t off, len;
		const char *what;
	} same[] = {
		{ FIRST_LBA, 16, "the room for partitions" },
		{ DISK_GUID, 16, "the id of the disk" },
		{ N_ENTRIES, 8, "the number of entries" },
		{ ENTRIES_CRC, 4, "the entries" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (memcmp(a + same[i].off, b + same[i].off, same[i].len) != 0)
			return sentence("it is not what the first one is: %s", same[i].what);
	if (get_le64(b + OTHER_LBA) != get_le64(a + MY_LBA))
		return sentence("it says that the first header is in sector %llu",
		                (unsigned long long)get_le64(b + OTHER_LBA));
	return NULL;
}

static int check_backup(struct device *d, const u8 *first, struct gpt_report *g, struct err *e)
{
	AUTO_FREE u8 *b = xcalloc(1, d->sector_size);
	u64 last = d->size / d->sector_size - 1, at = last;
	int r;

	if (!g->header && get_le64(first + OTHER_LBA) != last)
		at = get_le64(first + OTHER_LBA);
	if (at > last) {
		g->backup =
		    sentence("the device ends before it: %llu sectors are missing", (unsigned long long)(at - last));
		return 0;
	}
	r = check_one(d, at, b, &g->backup, e);
	if (r < 0 || g->backup)
		return r;
	if (!g->header)
		g->backup = compare(first, b);
	if (!g->backup && at != last)
		g->backup = sentence("it lies %llu sectors before the end of the device, as when a smaller device was "
		                     "copied to this one",
		                     (unsigned long long)(last - at));
	return 0;
}

static int check_protective(struct device *d, struct gpt_report *g, struct err *e)
{
	AUTO_FREE u8 *b = xcalloc(1, d->sector_size);
	u64 rest = d->size / d->sector_size - 1;
	int r = device_read(d, 0, b, d->sector_size, e);
	const u8 *p = b + 446;

	if (r < 0)
		return r;
	if (get_le16(b + 510) != 0xaa55)
		g->protective = sentence("sector 0 has no signature");
	else if (p[4] != 0xee || get_le32(p + 8) != 1)
		g->protective = sentence("its first entry does not protect the table");
	else if (get_le32(p + 12) != MIN(rest, UINT32_MAX) && get_le32(p + 12) != UINT32_MAX)
		g->protective = sentence("it protects %u sectors, and the device has %llu", get_le32(p + 12),
		                         (unsigned long long)rest);
	for (size_t i = 16; i < 64 && !g->protective; i++)
		if (p[i])
			g->protective = sentence("it has other partitions beside the one that protects");
	return 0;
}

int gpt_check(struct device *d, struct gpt_report *ret, struct err *e)
{
	AUTO_FREE u8 *b = xcalloc(1, d->sector_size);
	struct gpt_report g = { 0 };
	int r = d->size < 3 * (u64)d->sector_size ? fail(e, -EINVAL, "%s: is too small for a GPT", d->name) : 0;

	if (r == 0)
		r = check_one(d, 1, b, &g.header, e);
	if (r == 0)
		r = check_backup(d, b, &g, e);
	if (r == 0)
		r = check_protective(d, &g, e);
	if (r < 0) {
		gpt_report_free(&g);
		return r;
	}
	*ret = g;
	return 0;
}
