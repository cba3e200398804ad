/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the checksum reader share (sums*.c only). */
#ifndef LIVESTICK_SOURCE_SUMS_PRIVATE_H
#define LIVESTICK_SOURCE_SUMS_PRIVATE_H

#include "src/source/private.h"
#include "src/source/sums.h"

/* What the name of a file says of it as a list. */
struct sums_name {
	bool is_list;
	bool of_any_kind; /* the length of a digest tells its kind */
	enum digest_kind kind;
	size_t beside; /* "linuxfs.md5": as many bytes of the name may be another file's; 0: they are not */
};

struct sums_name sums_name(const char *name);

/* What a line says. */
struct sums_line {
	enum digest_kind kind;
	u8 digest[DIGEST_SIZE_MAX];
	char path[SOURCE_TARGET_MAX]; /* without escapes; "": the line has only a digest */
};

/* Reads a line of `len` bytes, any bytes; false if it says nothing. */
bool sums_line(const char *line, size_t len, const struct sums_name *list, struct sums_line *ret);

/* From SUMS_WARNINGS_MAX on, warnings are dropped. */
void sums_warn(struct sums *sums, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- sums_image.c */

/* Finds the implanted sum. */
MUST_CHECK int sums_read_image(struct sums *sums, struct err *e);
/* What it is of: image.size + image.n_zeros bytes. */
struct input sums_image_input(struct sums *sums);

#endif
