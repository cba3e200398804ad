/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of a stick after all of it has been looked at: its structure (verify_structure.h), its contents
 * (verify_content.h). The stick is opened for reading only.
 */
#ifndef LIVESTICK_VERIFY_H
#define LIVESTICK_VERIFY_H

#include "src/base/checks.h"
#include "src/base/progress.h"

struct verify_request {
	const char *target;
	const char *source; /* compare with it, not with the manifests; NULL */
	struct progress *progress;
};

/*
 * What is wrong with the stick is in *ret, which is to be freed in every case; failures are of the run: no device, a
 * source that cannot be used, -EINTR.
 */
MUST_CHECK int verify_run(const struct verify_request *q, struct checks *ret, struct err *e);

#endif
