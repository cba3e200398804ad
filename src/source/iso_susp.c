/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * System Use fields: two letters, length, version, then what the letters say. Numbers are recorded twice, little
 * endian first (ECMA 7.3.3). A "CE" field says where more fields are; a hostile image may let it point anywhere.
 */
#include "src/source/iso.h"

#include <errno.h>
#include <sys/stat.h>

/*
 * A target of 4096 bytes takes three blocks, extended attributes of 64 KiB (xorriso's AAIP) take 32; more areas than
 * that in one record are a loop.
 */
#define CE_HOPS_MAX 40
#define CE_AREA_MAX (64 * KIB)

enum {
	FIELD_HEAD = 4, /* letters, length, version */
	NM_CURRENT = 2,
	NM_PARENT = 4,
	SL_CONTINUE = 1,
	SL_CURRENT = 2,
	SL_PARENT = 4,
	SL_ROOT = 8,
};

struct area {
	u64 off;
	u32 len;
};

struct reading {
	struct rr *rr;
	struct area next; /* from CE; len 0: none */
	bool joins;       /* the next component of a symlink belongs to the one before */
};

static int field_nm(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	struct rr *rr = g->rr;
	const char *text = (const char *)p + 5;
	size_t n;

	if (len < 5)
		return fail_source(e, -EINVAL, "damaged Rock Ridge name");
	n = len - 5;
	if (p[4] & (NM_CURRENT | NM_PARENT)) { /* meant for records that are no entries; the name check refuses it */
		text = "..";
		n = p[4] & NM_PARENT ? 2 : 1;
	}
	if (n > sizeof(rr->name) - rr->name_len)
		return fail_source(e, -ENAMETOOLONG, "a name is longer than %d bytes", RR_NAME_MAX);
	memcpy(rr->name + rr->name_len, text, n);
	rr->name_len += n;
	return 0;
}

static int field_px(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	if (len < 12)
		return fail_source(e, -EINVAL, "damaged Rock Ridge attributes");
	g->rr->mode = get_le32(p + 4);
	return 0;
}

static int add_target(struct rr *rr, const void *text, size_t len, struct err *e)
{
	if (len > sizeof(rr->target) - rr->target_len)
		return fail_source(e, -ENAMETOOLONG, "a symlink's target is longer than %d bytes", SOURCE_TARGET_MAX);
	memcpy(rr->target + rr->target_len, text, len);
	rr->target_len += len;
	return 0;
}

/* One component of a symlink (RRIP 4.1.3.1): flags, length, text. */
static int add_component(struct reading *g, const u8 *c, struct err *e)
{
	struct rr *rr = g->rr;
	const void *text = c + 2;
	size_t len = c[1];
	int r = 0;

	if (c[0] & SL_ROOT)
		rr->target_len = len = 0;
	else if (c[0] & (SL_CURRENT | SL_PARENT)) {
		text = "..";
		len = c[0] & SL_PARENT ? 2 : 1;
	}
	if ((c[0] & SL_ROOT) || (rr->target_len && !g->joins && rr->target[rr->target_len - 1] != '/'))
		r = add_target(rr, "/", 1, e);
	if (r == 0)
		r = add_target(rr, text, len, e);
	g->joins = c[0] & SL_CONTINUE;
	return r;
}

static int field_sl(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	for (size_t at = 5; at < len;) {
		int r;

		if (len - at < 2 || len - at - 2 < p[at + 1])
			return fail_source(e, -EINVAL, "damaged Rock Ridge symlink");
		r = add_component(g, p + at, e);
		if (r < 0)
			return r;
		at += 2U + p[at + 1];
	}
	return 0;
}

static int field_cl(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	if (len < 12 || get_le32(p + 4) == 0)
		return fail_source(e, -EINVAL, "damaged Rock Ridge relocation");
	g->rr->relocated_to = get_le32(p + 4);
	return 0;
}

static int field_re(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	(void)p, (void)len, (void)e;
	g->rr->is_relocated = true;
	return 0;
}

static int field_zf(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	(void)p, (void)len, (void)e;
	g->rr->is_compressed = true;
	return 0;
}

static int field_ce(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	if (len < 28)
		return fail_source(e, -EINVAL, "damaged continuation of Rock Ridge fields");
	g->next.off = (u64)get_le32(p + 4) * ISO_BLOCK + get_le32(p + 12);
	g->next.len = get_le32(p + 20);
	return 0;
}

static const struct field {
	char letters[3];
	int (*take)(struct reading *g, const u8 *p, size_t len, struct err *e);
} fields[] = {
	{ "NM", field_nm }, { "PX", field_px }, { "SL", field_sl }, { "CL", field_cl },
	{ "RE", field_re }, { "CE", field_ce }, { "ZF", field_zf }, { "Z2", field_zf },
};

static int take_field(struct reading *g, const u8 *p, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (memcmp(p, fields[i].letters, 2) == 0)
			return fields[i].take(g, p, p[2], e);
	return 0;
}

/* The fields of one area. It ends with "ST", with fewer bytes than a field has, or with zeros. */
static int read_area(struct reading *g, const u8 *p, size_t len, struct err *e)
{
	while (len >= FIELD_HEAD && p[0] && memcmp(p, "ST", 2) != 0) {
		int r;

		if (p[2] < FIELD_HEAD || p[2] > len)
			return fail_source(e, -EINVAL, "damaged System Use field");
		r = take_field(g, p, e);
		if (r < 0)
			return r;
		len -= p[2];
		p += p[2];
	}
	return 0;
}

static int read_areas(struct iso *iso, struct reading *g, const u8 *area, size_t len, struct err *e)
{
	int r = read_area(g, area, len, e);

	for (int hops = 0; r == 0 && g->next.len; hops++) {
		AUTO_FREE u8 *more = NULL;
		struct area now = g->next;

		if (hops >= CE_HOPS_MAX)
			return fail_source(e, -ELOOP, "the Rock Ridge fields of an entry have no end");
		if (now.len > CE_AREA_MAX || !iso_inside(iso, now.off, now.len))
			return fail_source(e, -EINVAL, "damaged continuation of Rock Ridge fields");
		more = xcalloc(now.len, 1);
		g->next.len = 0;
		r = iso_read_meta(iso, now.off, more, now.len, e);
		if (r == 0)
			r = read_area(g, more, now.len, e);
	}
	return r;
}

int rr_read(struct iso *iso, const u8 *area, size_t len, struct rr *ret, struct err *e)
{
	struct reading g = { .rr = ret };

	ret->name_len = ret->target_len = 0;
	ret->mode = ret->relocated_to = 0;
	ret->is_relocated = ret->is_compressed = false;
	return read_areas(iso, &g, area, len, e);
}

int rr_detect(struct iso *iso, const u8 *area, size_t len, bool *ret_is_rr, u8 *ret_skip, struct err *e)
{
	static const u8 sp[] = { 'S', 'P', 7, 1, 0xbe, 0xef }; /* SUSP 5.3; a seventh byte says what to skip */
	enum { XA = 14 };                                      /* CD-ROM XA has its own 14 bytes in front */
	struct rr rr;
	int r;

	*ret_is_rr = false;
	if (len >= XA + 7 && memcmp(area, sp, sizeof(sp)) != 0) {
		area += XA;
		len -= XA;
	}
	if (len < 7 || memcmp(area, sp, sizeof(sp)) != 0)
		return 0;
	r = rr_read(iso, area, len, &rr, e);
	if (r < 0)
		return r;
	*ret_is_rr = rr.mode != 0; /* SUSP has other users; only Rock Ridge says a mode, and must (RRIP 4.1.1) */
	*ret_skip = area[6];
	return 0;
}
