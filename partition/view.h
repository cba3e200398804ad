/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A partition table that is there already, as one library tells it: libfdisk (view_read(), here) or libparted
 * (second.h). Untrusted, as everything that is read from a stick. Reads only.
 */
#ifndef LIVESTICK_PARTITION_VIEW_H
#define LIVESTICK_PARTITION_VIEW_H

#include "src/base/buf.h"
#include "src/media/device.h"

struct view_part {
	unsigned number; /* as the table counts, from 1 */
	u64 start, size; /* bytes */
	char *type;      /* "0x0c", a GUID in lower case; libparted 3.5 does not tell: "" */
	char *name;      /* GPT; else "" */
	char *uuid;      /* GPT, lower case; else, and by libparted, "" */
	bool active;     /* MBR active flag, GPT legacy-boot attribute */
	bool esp;        /* an EFI system partition, by its type */
	bool lba;        /* MBR: a type with addresses of sectors (0x0c, 0x0e, 0x0f) */
};

struct view {
	char *kind;             /* "dos", "gpt"; others as the library calls them; "": no table */
	char *id;               /* "0xdeadbeef", a GUID in lower case; by libparted "" */
	struct view_part *part; /* in the order of their numbers */
	size_t n, cap;
	struct buf remarks; /* what the library found wrong, sentences with "; " between; empty: nothing */
};

/* The device must have a descriptor (-ENOTSUP in memory). An empty device is no failure. */
MUST_CHECK int view_read(struct device *d, struct view *ret, struct err *e);
void view_free(struct view *v);

/* For the readers: a new part, its texts "". */
struct view_part *view_add(struct view *v);
/* For the readers: adds to `remarks` what is not there yet; line feeds become blanks. */
void view_remark(struct view *v, const char *text);

/* 0, or -EUCLEAN and where they do not tell the same. `a_name` and `b_name` are who told it. */
MUST_CHECK int view_compare(const struct view *a, const char *a_name, const struct view *b, const char *b_name,
                            struct err *e);

/* NULL: there is none of this number. */
const struct view_part *view_find(const struct view *v, unsigned number);

#endif
