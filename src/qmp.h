/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * QEMU's monitor protocol (QMP), as far as it is needed: one command after the other, events passed over.
 * https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
#ifndef LIVESTICK_QMP_H
#define LIVESTICK_QMP_H

#include "src/base/buf.h"
#include "src/base/err.h"

struct qmp {
	int fd; /* a connected socket; the caller's */
	bool ready;
	struct buf in; /* what was read and not yet looked at */
};

/*
 * Sends a command, a JSON object, and waits for its answer. -EREMOTEIO: QEMU refuses, its words are the sentence;
 * -ETIMEDOUT: no answer within `seconds`; -EPIPE: it has gone; -EPROTO; -EINTR.
 */
MUST_CHECK int qmp_command(struct qmp *q, const char *command, unsigned seconds, struct err *e);
void qmp_free(struct qmp *q);

#endif
