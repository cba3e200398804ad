/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of a stick after all of it has been looked at, in this order: its structure (verify_structure.h), its
 * size if that is asked for (capacity.h), its contents (verify_content.h), and if that is asked for whether it starts
 * and keeps what was saved (prove.h). Nothing is written to the stick, but for the probe of its size.
 */
#ifndef LIVESTICK_VERIFY_H
#define LIVESTICK_VERIFY_H

#include "src/prove.h"
#include "src/target.h"

struct verify_request {
	struct target_request target; /* opened for writing only with `capacity` */
	const char *source;           /* compare with it, not with the manifests; NULL */
	bool capacity;                /* probe its size: guarded and opened exclusively, as for a change */
	bool boots;                   /* start it, as `prove` says */
	const char *firmwares;        /* by which, for prove_choose() */
	struct prove_request prove;   /* without the firmwares */
	struct progress *progress;
	/* Called once, when no program has to be started any more and all is open: not at all with `boots`. */
	void (*settled)(void *ctx);
	void *settled_ctx;
};

/*
 * What is wrong with the stick is in *ret, which is to be freed in every case; failures are of the run: no device, a
 * source that cannot be used, -EINTR.
 */
MUST_CHECK int verify_run(const struct verify_request *q, struct checks *ret, struct err *e);

#endif
