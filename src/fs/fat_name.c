/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/fs/fat_name.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "src/base/utf8.h"

/* Why FAT cannot hold this character, or NULL. U+FFFF fills the last entry of a long name up. */
static const char *char_fault(u32 c)
{
	if (c < 0x20)
		return "it has a control character";
	if (c < 0x80 && strchr("\"*/:<>?\\|", (int)c))
		return "it has one of \" * / : < > ? \\ |";
	return c == 0xffff ? "it has the character U+FFFF" : NULL;
}

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

int fat_name_units(const char *name, size_t len, u16 ret_units[FAT_NAME_UNITS], const char **ret_why)
{
	const u8 *p = (const u8 *)name, *end = p + len;
	const char *why;
	int n = 0;

	if (len == 0)
		return refuse(ret_why, "it is empty");
	while (p < end) {
		u32 c = 0;
		size_t len_here = utf8_decode(p, end, &c);

		if (len_here == 0)
			return refuse(ret_why, "it is not UTF-8");
		p += len_here;
		why = char_fault(c);
		if (why)
			return refuse(ret_why, why);
		if (n + (c > 0xffff) >= FAT_NAME_UNITS)
			return refuse(ret_why, "it is longer than 255 characters");
		if (c > 0xffff) {
			ret_units[n++] = (u16)(0xd800 | (c - 0x10000) >> 10);
			c = 0xdc00 | (c & 0x3ff);
		}
		ret_units[n++] = (u16)c;
	}
	if (end[-1] == '.' || end[-1] == ' ')
		return refuse(ret_why, "it ends in a dot or a blank");
	return n;
}

static void add_char(struct buf *b, u32 c)
{
	u8 s[4];

	buf_add(b, s, utf8_encode(c, s));
}

static bool is_high(u16 unit)
{
	return unit >> 10 == 0xd800 >> 10;
}

static bool is_low(u16 unit)
{
	return unit >> 10 == 0xdc00 >> 10;
}

void fat_name_add_utf8(struct buf *b, const u16 *units, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_high(units[i]) && i + 1 < n && is_low(units[i + 1])) {
			add_char(b, 0x10000 + ((units[i] & 0x3ffU) << 10 | (units[i + 1] & 0x3ffU)));
			i++;
		} else {
			add_char(b, is_high(units[i]) || is_low(units[i]) ? 0xfffd : units[i]);
		}
	}
}

static const struct {
	u16 first, last, down;
} folds[] = {
	{ 'a', 'z', 0x20 },       { 0x00e0, 0x00f6, 0x20 }, /* U+00D7 and U+00F7 are signs, not letters */
	{ 0x00f8, 0x00fe, 0x20 }, { 0x03b1, 0x03c1, 0x20 }, { 0x03c2, 0x03c2, 0x1f }, /* the other small sigma */
	{ 0x03c3, 0x03c9, 0x20 }, { 0x0430, 0x044f, 0x20 }, { 0x0450, 0x045f, 0x50 },
};

static u16 fold(u16 unit)
{
	for (size_t i = 0; i < ARRAY_SIZE(folds) && unit >= folds[i].first; i++)
		if (unit <= folds[i].last)
			return (u16)(unit - folds[i].down);
	return unit;
}

void fat_name_add_folded(struct buf *b, const u16 *units, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_char(b, fold(units[i]));
}

/* Fills a part of an alias from units[from..to); true if it says all of the name's part. */
static bool fill_alias(u8 *part, size_t size, const u16 *units, size_t from, size_t to, bool *ret_lower)
{
	size_t used = 0;
	bool whole = true;

	for (size_t i = from; i < to; i++) {
		u16 c = units[i] < 0x80 ? fold(units[i]) : 0;
		bool good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'()-@^_`{}~", c));

		*ret_lower = *ret_lower || c != units[i];
		whole = whole && good && used < size;
		if (units[i] == ' ' || units[i] == '.' || is_low(units[i]) || used == size)
			continue;
		part[used++] = good ? (u8)c : '_';
	}
	return whole;
}

enum fat_alias_kind fat_alias_of(const u16 *units, size_t n, u8 ret_alias[FAT_ALIAS_SIZE])
{
	size_t start = 0, dot = n;
	bool lower = false, whole;

	while (start < n && (units[start] == '.' || units[start] == ' '))
		start++;
	for (size_t i = start; i < n; i++)
		if (units[i] == '.')
			dot = i;
	memset(ret_alias, ' ', FAT_ALIAS_SIZE);
	whole = fill_alias(ret_alias, 8, units, start, dot, &lower) && start == 0;
	if (dot < n)
		whole = fill_alias(ret_alias + 8, 3, units, dot + 1, n, &lower) && whole;
	if (!whole)
		return FAT_ALIAS_LOSSY;
	return lower ? FAT_ALIAS_CASE : FAT_ALIAS_SAME;
}

/* An open hash table, never more than half full. */
struct alias_slot {
	bool used;
	u8 alias[FAT_ALIAS_SIZE];
	u32 dir;
};

struct fat_aliases {
	size_t n_slots; /* a power of two */
	struct alias_slot *slot;
};

struct fat_aliases *fat_aliases_new(size_t most_names)
{
	struct fat_aliases *a = xcalloc(1, sizeof(*a));

	a->n_slots = 16;
	while (a->n_slots < 2 * most_names)
		a->n_slots *= 2;
	a->slot = xcalloc(a->n_slots, sizeof(*a->slot));
	return a;
}

static size_t alias_hash(u32 dir, const u8 alias[FAT_ALIAS_SIZE])
{
	u64 head = get_le64(alias), tail = alias[8] | (u64)alias[9] << 8 | (u64)alias[10] << 16 | (u64)dir << 24;
	u64 h = (head ^ 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;

	h = (h ^ h >> 32 ^ tail) * 0xc4ceb9fe1a85ec53;
	return (size_t)(h ^ h >> 29);
}

bool fat_aliases_add(struct fat_aliases *a, u32 dir, const u8 alias[FAT_ALIAS_SIZE])
{
	size_t mask = a->n_slots - 1, i = alias_hash(dir, alias) & mask;

	for (; a->slot[i].used; i = (i + 1) & mask)
		if (a->slot[i].dir == dir && memcmp(a->slot[i].alias, alias, FAT_ALIAS_SIZE) == 0)
			return false;
	a->slot[i].used = true;
	a->slot[i].dir = dir;
	memcpy(a->slot[i].alias, alias, FAT_ALIAS_SIZE);
	return true;
}

/* Puts `tail` behind the first `keep` characters of the name, or behind fewer where it is shorter. */
static void put_tail(u8 alias[FAT_ALIAS_SIZE], const char *tail, size_t keep)
{
	size_t n = 0, len = strlen(tail);

	while (n < keep && alias[n] != ' ')
		n++;
	memcpy(alias + n, tail, len);
	memset(alias + n + len, ' ', 8 - n - len);
}

void fat_aliases_choose(struct fat_aliases *a, u32 dir, u32 *counter, u8 alias[FAT_ALIAS_SIZE])
{
	u8 base[FAT_ALIAS_SIZE];
	char tail[8];

	memcpy(base, alias, sizeof(base));
	for (unsigned i = 1; i <= 4; i++) {
		snprintf(tail, sizeof(tail), "~%u", i);
		put_tail(alias, tail, 6);
		if (fat_aliases_add(a, dir, alias))
			return;
		memcpy(alias, base, sizeof(base));
	}
	/* A directory has fewer names than there are numbers, so one is free, and no number is tried twice. */
	do {
		memcpy(alias, base, sizeof(base));
		snprintf(tail, sizeof(tail), "%04X~1", (*counter)++ & 0xffff);
		put_tail(alias, tail, 2);
	} while (!fat_aliases_add(a, dir, alias));
}

void fat_aliases_free(struct fat_aliases *a)
{
	if (!a)
		return;
	free(a->slot);
	free(a);
}

u8 fat_alias_checksum(const u8 alias[FAT_ALIAS_SIZE])
{
	u8 sum = 0;

	for (unsigned i = 0; i < FAT_ALIAS_SIZE; i++)
		sum = (u8)((sum >> 1 | sum << 7) + alias[i]);
	return sum;
}

unsigned fat_entry_count(size_t n)
{
	return 1 + (unsigned)div_round_up(n, FAT_ENTRY_UNITS);
}

unsigned fat_entry_unit_at(unsigned i)
{
	return i < 5 ? 1 + 2 * i : i < 11 ? 14 + 2 * (i - 5) : 28 + 2 * (i - 11);
}

static void put_time(u8 *p, i64 mtime, u16 *ret_date)
{
	const i64 first = 315532800, last = 4354819198; /* 1980-01-01 00:00:00 and 2107-12-31 23:59:58 */
	time_t t = (time_t)(mtime < first ? first : mtime > last ? last : mtime);
	struct tm tm;

	gmtime_r(&t, &tm);
	*ret_date = (u16)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
	put_le16(p, (u16)(tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2));
	put_le16(p + 2, *ret_date);
}

static u8 *put_short(u8 *p, const struct fat_short *s)
{
	u16 date;

	memset(p, 0, FAT_ENTRY_SIZE);
	memcpy(p, s->alias, FAT_ALIAS_SIZE);
	p[11] = s->attributes;
	put_time(p + 14, s->mtime, &date); /* made */
	put_time(p + 22, s->mtime, &date); /* changed */
	put_le16(p + 18, date);            /* last read: only a day */
	put_le16(p + 20, (u16)(s->cluster >> 16));
	put_le16(p + 26, (u16)s->cluster);
	put_le32(p + 28, s->size);
	return p + FAT_ENTRY_SIZE;
}

u8 *fat_entry_put(u8 *p, const u16 *units, size_t n, const struct fat_short *s)
{
	unsigned pieces = fat_entry_count(n) - 1;

	/* The last piece comes first; behind the name's end stand one 0 and then 0xffff. */
	for (unsigned piece = pieces; piece > 0; piece--, p += FAT_ENTRY_SIZE) {
		memset(p, 0, FAT_ENTRY_SIZE);
		p[0] = (u8)(piece | (piece == pieces ? 0x40 : 0));
		p[11] = FAT_LONG_NAME;
		p[13] = fat_alias_checksum(s->alias);
		for (unsigned i = 0; i < FAT_ENTRY_UNITS; i++) {
			size_t at = (piece - 1) * FAT_ENTRY_UNITS + i;

			put_le16(p + fat_entry_unit_at(i), at < n ? units[at] : at == n ? 0 : 0xffff);
		}
	}
	return put_short(p, s);
}

void fat_long_name_take(struct fat_long_name *l, const u8 *slot)
{
	unsigned number = slot[0] & 0x3f;

	if (slot[0] & 0x40) {
		l->begun = number >= 1 && number <= 20;
		l->missing = number;
		l->checksum = slot[13];
		l->n_units = number * FAT_ENTRY_UNITS;
	}
	if (!l->begun || number == 0 || number != l->missing || slot[13] != l->checksum) {
		l->begun = false;
		return;
	}
	l->missing--;
	for (unsigned i = 0; i < FAT_ENTRY_UNITS; i++)
		l->units[l->missing * FAT_ENTRY_UNITS + i] = get_le16(slot + fat_entry_unit_at(i));
}

void fat_long_name_drop(struct fat_long_name *l)
{
	l->begun = false;
}

unsigned fat_long_name_pieces(const struct fat_long_name *l, const u8 *slot)
{
	return l->begun && !l->missing && l->checksum == fat_alias_checksum(slot) ? l->n_units / FAT_ENTRY_UNITS : 0;
}

static bool is_name(const struct buf *name)
{
	u16 units[FAT_NAME_UNITS];
	const char *why;

	return fat_name_units(name->s, name->len, units, &why) > 0;
}

static void add_alias_part(struct buf *b, const u8 *part, size_t n, bool lower)
{
	while (n > 0 && part[n - 1] == ' ')
		n--;
	for (size_t i = 0; i < n; i++) {
		bool change = lower && part[i] >= 'A' && part[i] <= 'Z';
		u16 c = part[i] >= 0x80 ? 0xfffd : (u16)(change ? part[i] + 0x20 : part[i]);

		fat_name_add_utf8(b, &c, 1);
	}
}

static bool get_alias(const u8 *slot, struct buf *ret)
{
	u8 alias[FAT_ALIAS_SIZE];

	memcpy(alias, slot, sizeof(alias));
	if (alias[0] == 0x05)
		alias[0] = FAT_DELETED; /* which as it is would say "deleted" */
	buf_clear(ret);
	/* Two bits of Windows NT say that the base or the extension is in lower case. */
	add_alias_part(ret, alias, 8, slot[12] & 0x08);
	if (memcmp(alias + 8, "   ", 3) != 0) {
		buf_adds(ret, ".");
		add_alias_part(ret, alias + 8, 3, slot[12] & 0x10);
	}
	return ret->s && is_name(ret);
}

bool fat_slot_name(const struct fat_long_name *l, const u8 *slot, struct buf *ret)
{
	size_t n = 0;

	if (!fat_long_name_pieces(l, slot))
		return get_alias(slot, ret);
	while (n < l->n_units && l->units[n])
		n++;
	buf_clear(ret);
	fat_name_add_utf8(ret, l->units, n);
	return (ret->s && is_name(ret)) || get_alias(slot, ret);
}

bool fat_slot_is_dots(const u8 *slot)
{
	return memcmp(slot, ".          ", FAT_ALIAS_SIZE) == 0 || memcmp(slot, "..         ", FAT_ALIAS_SIZE) == 0;
}
