/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/verify.h"

#include <errno.h>

#include "src/capacity.h"
#include "src/open.h"
#include "src/verify_content.h"
#include "src/verify_structure.h"

/* All that is open at the same time. */
struct verifying {
	const struct verify_request *request;
	struct target target;
	struct verify_content_request content;
	struct err why_no_medium;
	struct checks *checks;
};

/* Only the probe of the size writes: then the guard is asked, and nobody else may have the stick. */
static int open_stick(struct verifying *v, struct err *e)
{
	struct target_request q = v->request->target;
	int r;

	q.accept = TARGET_ANY;
	q.writable = true;
	if (v->request->capacity)
		return target_open(&q, &v->target, e);
	r = device_open(q.path, false, &v->target.device, e);
	return r < 0 ? r : stick_read(v->target.device, &v->target.stick, e);
}

/* Of a stick of somebody else's, what can be read as a medium. That it cannot is told among the checks. */
static int open_medium(struct verifying *v, struct err *e)
{
	const char *path = v->request->target.path;
	int r;

	if (v->target.stick.is_ours)
		return 0;
	r = open_source(path, &v->content.medium, &v->why_no_medium);
	v->content.why_no_medium = v->why_no_medium.text;
	return r == -EINTR ? fail(e, r, "interrupted") : 0;
}

static int open_all(struct verifying *v, struct err *e)
{
	int r = open_stick(v, e);

	if (r == 0 && v->request->source)
		r = open_source(v->request->source, &v->content.source, e);
	return r < 0 ? r : open_medium(v, e);
}

static int look(struct verifying *v, struct err *e)
{
	const struct verify_request *q = v->request;
	struct device *d = v->target.device;
	const struct stick *s = &v->target.stick;
	struct prove_request prove = q->prove;
	int r = q->boots ? prove_choose(q->firmwares, s, prove.firmware, e) : 0;

	if (r == 0)
		r = verify_structure(d, s, v->checks, e);
	if (r == 0 && !q->boots && q->settled)
		q->settled(q->settled_ctx);
	if (r == 0 && q->capacity)
		r = capacity_probe(d, s, q->progress, v->checks, e);
	if (r == 0)
		r = verify_content(d, s, &v->content, v->checks, e);
	return r == 0 && q->boots ? prove_boot(d, s, &prove, q->progress, v->checks, e) : r;
}

int verify_run(const struct verify_request *q, struct checks *ret, struct err *e)
{
	struct verifying v = { .request = q, .checks = ret, .content = { .progress = q->progress } };
	int r = open_all(&v, e);

	if (r == 0)
		r = look(&v, e);
	source_free(v.content.medium);
	source_free(v.content.source);
	err_clear(&v.why_no_medium);
	target_free(&v.target);
	return r;
}
