/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/send.h"

#include <errno.h>
#include <sys/socket.h>

int send_all(int fd, const void *bytes, size_t len)
{
	const u8 *from = bytes;

	while (len > 0) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}
