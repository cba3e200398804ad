/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef LIVESTICK_BASE_SEND_H
#define LIVESTICK_BASE_SEND_H

#include "src/base/util.h"

/* All of `len` bytes into a socket, without SIGPIPE. -EPIPE: whoever listened has gone. */
MUST_CHECK int send_all(int fd, const void *bytes, size_t len);

#endif
