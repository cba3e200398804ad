/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a GPT is whole: both headers, both lists of entries, the protective MBR. Libraries take what they can get and
 * mend the rest; this says what is wrong. Format: UEFI 2.10, sections 5.2.3 and 5.3. Reads only.
 */
#ifndef LIVESTICK_PARTITION_GPT_H
#define LIVESTICK_PARTITION_GPT_H

#include "src/media/device.h"

/* Sentences; NULL: good. */
struct gpt_report {
	char *header;     /* the first header and its entries */
	char *backup;     /* the second ones, and whether they are those of the first */
	char *protective; /* sector 0 */
};

/* Failures are those of reading. */
MUST_CHECK int gpt_check(struct device *d, struct gpt_report *ret, struct err *e);
void gpt_report_free(struct gpt_report *g);

#endif
