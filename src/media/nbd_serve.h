/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A device for another program: a server of the Network Block Device protocol with one client, on a socket that both
 * have from socketpair(). A virtual machine so has the stick without opening it, and every byte it writes passes here.
 *
 *	r = nbd_serve_start(device, &server, &fd, e);       give `fd` to the client, then close it
 *	...
 *	r = nbd_serve_stop(server, e);                      after the client has ended: the device is ours again
 *
 * The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, the fixed newstyle handshake,
 * simple replies; READ, WRITE, FLUSH, DISC and the flag FUA.
 */
#ifndef LIVESTICK_MEDIA_NBD_SERVE_H
#define LIVESTICK_MEDIA_NBD_SERVE_H

#include "src/media/device.h"

struct nbd_server;

struct nbd_counts {
	u64 read, written; /* bytes */
	u64 flushes;
	u64 requests; /* all of them: whether something goes on */
};

/* Begins to serve, in a thread of its own, which alone uses `d` until nbd_serve_stop(). */
MUST_CHECK int nbd_serve_start(struct device *d, struct nbd_server **ret, int *ret_client_fd, struct err *e);

/* May be called while it serves. */
struct nbd_counts nbd_serve_counts(struct nbd_server *s);

/*
 * Ends the connection, whatever the client is doing. A request that has begun is finished first. -EIO: the device gave
 * an error, the first of which the sentence names; the client got it too. -EPROTO: the client spoke something else.
 */
MUST_CHECK int nbd_serve_stop(struct nbd_server *s, struct err *e);

#endif
