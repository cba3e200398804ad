/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/verify.h"

#include "src/stick.h"
#include "src/verify_content.h"

static int run(const struct verify_request *q, struct device *d, const struct stick *s, struct checks *c, struct err *e)
{
	const struct verify_content_request content = { .target = q->target,
		                                        .source = q->source,
		                                        .progress = q->progress };

	return verify_content(d, s, &content, c, e);
}

int verify_run(const struct verify_request *q, struct checks *ret, struct err *e)
{
	AUTO_DEVICE struct device *d = NULL;
	struct stick s = { 0 };
	int r = device_open(q->target, false, &d, e);

	if (r == 0)
		r = stick_read(d, &s, e);
	if (r == 0)
		r = run(q, d, &s, ret, e);
	stick_free(&s);
	return r;
}
