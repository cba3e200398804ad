/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/media/nbd_serve.h"

#include <errno.h>
#include <sys/socket.h>

#include "src/base/buf.h"
#include "src/base/send.h"
#include "src/base/thread.h"

#define INIT_MAGIC         0x4e42444d41474943ULL /* "NBDMAGIC" */
#define OPTION_MAGIC       0x49484156454f5054ULL /* "IHAVEOPT" */
#define REPLY_MAGIC        0x0003e889045565a9ULL
#define REQUEST_MAGIC      0x25609513U
#define SIMPLE_REPLY_MAGIC 0x67446698U

#define FLAG_FIXED_NEWSTYLE 1
#define FLAG_NO_ZEROES      2

enum { OPT_EXPORT_NAME = 1, OPT_ABORT = 2, OPT_LIST = 3, OPT_INFO = 6, OPT_GO = 7 };
enum { REP_ACK = 1, REP_SERVER = 2, REP_INFO = 3 };
#define REP_ERR_UNSUP 0x80000001U
enum { INFO_EXPORT = 0, INFO_BLOCK_SIZE = 3 };

/* HAS_FLAGS, SEND_FLUSH, SEND_FUA */
#define EXPORT_FLAGS (1 | 4 | 8)

enum { CMD_READ = 0, CMD_WRITE = 1, CMD_DISC = 2, CMD_FLUSH = 3 };
#define CMD_FLAG_FUA 1

/* Errors as the protocol numbers them; they are Linux' own numbers. */
enum { NBD_EIO = 5, NBD_EINVAL = 22, NBD_ENOSPC = 28 };

#define OPTION_MAX  4096 /* bytes of an option's data: names are not looked at */
#define OPTIONS_MAX 1000 /* options before transmission begins */
#define DATA_MAX    (4 * MIB)

struct nbd_server {
	struct device *d;
	int fd;
	pthread_t thread;
	u8 *data; /* of one request */
	pthread_mutex_t lock;
	struct nbd_counts counts; /* under the lock */
	int r;                    /* what the thread ended with, and why */
	struct err e;
};

/* ---- bytes in network order */

static void add_be16(struct buf *b, u16 n)
{
	const u8 bytes[] = { (u8)(n >> 8), (u8)n };

	buf_add(b, bytes, sizeof(bytes));
}

static void add_be32(struct buf *b, u32 n)
{
	add_be16(b, (u16)(n >> 16));
	add_be16(b, (u16)n);
}

static void add_be64(struct buf *b, u64 n)
{
	add_be32(b, (u32)(n >> 32));
	add_be32(b, (u32)n);
}

static u32 get_be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static u64 get_be64(const u8 *p)
{
	return (u64)get_be32(p) << 32 | get_be32(p + 4);
}

/* -EPIPE: the client has gone. */
static int take(struct nbd_server *s, void *buf, size_t len)
{
	u8 *to = buf;

	while (len > 0) {
		ssize_t n = recv(s->fd, to, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- handshake */

static int reply_option(struct nbd_server *s, u32 option, u32 type, const struct buf *data)
{
	AUTO_BUF struct buf b = { 0 };

	add_be64(&b, REPLY_MAGIC);
	add_be32(&b, option);
	add_be32(&b, type);
	add_be32(&b, data ? (u32)data->len : 0);
	if (data)
		buf_add(&b, data->s, data->len);
	return send_all(s->fd, b.s, b.len);
}

/* What the export is, as the answer to INFO and GO. */
static int tell_export(struct nbd_server *s, u32 option)
{
	AUTO_BUF struct buf export = { 0 }, sizes = { 0 };
	int r;

	add_be16(&export, INFO_EXPORT);
	add_be64(&export, s->d->size);
	add_be16(&export, EXPORT_FLAGS);
	add_be16(&sizes, INFO_BLOCK_SIZE);
	add_be32(&sizes, s->d->sector_size);
	add_be32(&sizes, 4096);
	add_be32(&sizes, DATA_MAX);
	r = reply_option(s, option, REP_INFO, &export);
	if (r == 0)
		r = reply_option(s, option, REP_INFO, &sizes);
	return r == 0 ? reply_option(s, option, REP_ACK, NULL) : r;
}

/* The answer to EXPORT_NAME, which has a form of its own. */
static int tell_old(struct nbd_server *s, bool no_zeroes)
{
	static const u8 zeroes[124];
	AUTO_BUF struct buf b = { 0 };

	add_be64(&b, s->d->size);
	add_be16(&b, EXPORT_FLAGS);
	if (!no_zeroes)
		buf_add(&b, zeroes, sizeof(zeroes));
	return send_all(s->fd, b.s, b.len);
}

static int tell_list(struct nbd_server *s)
{
	AUTO_BUF struct buf name = { 0 };
	int r;

	add_be32(&name, 0); /* the export without a name is the only one */
	r = reply_option(s, OPT_LIST, REP_SERVER, &name);
	return r == 0 ? reply_option(s, OPT_LIST, REP_ACK, NULL) : r;
}

/* 1: transmission begins. Whatever name the client asks for, there is one export. */
static int answer_option(struct nbd_server *s, u32 option, bool no_zeroes)
{
	int r;

	switch (option) {
	case OPT_EXPORT_NAME:
		r = tell_old(s, no_zeroes);
		return r == 0 ? 1 : r;
	case OPT_GO:
		r = tell_export(s, option);
		return r == 0 ? 1 : r;
	case OPT_INFO:
		return tell_export(s, option);
	case OPT_LIST:
		return tell_list(s);
	case OPT_ABORT:
		r = reply_option(s, option, REP_ACK, NULL);
		return r == 0 ? -EPIPE : r;
	default:
		return reply_option(s, option, REP_ERR_UNSUP, NULL);
	}
}

static int shake_hands(struct nbd_server *s)
{
	AUTO_BUF struct buf hello = { 0 };
	u8 head[16], data[OPTION_MAX];
	u32 flags;
	int r;

	add_be64(&hello, INIT_MAGIC);
	add_be64(&hello, OPTION_MAGIC);
	add_be16(&hello, FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES);
	r = send_all(s->fd, hello.s, hello.len);
	if (r == 0)
		r = take(s, head, 4);
	if (r < 0)
		return r;
	flags = get_be32(head);
	if (flags & ~(u32)(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES))
		return fail(&s->e, -EPROTO, "NBD client: unknown flags 0x%x", flags);
	for (int i = 0; i < OPTIONS_MAX; i++) {
		u32 option, len;

		r = take(s, head, 16);
		if (r < 0)
			return r;
		option = get_be32(head + 8);
		len = get_be32(head + 12);
		if (get_be64(head) != OPTION_MAGIC || len > sizeof(data))
			return fail(&s->e, -EPROTO, "NBD client: option %u makes no sense", option);
		r = take(s, data, len);
		if (r == 0)
			r = answer_option(s, option, flags & FLAG_NO_ZEROES);
		if (r != 0)
			return MIN(r, 0);
	}
	return fail(&s->e, -EPROTO, "NBD client: more than %d options", OPTIONS_MAX);
}

/* ---- transmission */

struct request {
	u16 flags, type;
	u8 cookie[8];
	u64 off;
	u32 len;
};

static void count(struct nbd_server *s, const struct request *q)
{
	pthread_mutex_lock(&s->lock);
	s->counts.requests++;
	if (q->type == CMD_READ)
		s->counts.read += q->len;
	else if (q->type == CMD_WRITE)
		s->counts.written += q->len;
	else if (q->type == CMD_FLUSH)
		s->counts.flushes++;
	pthread_mutex_unlock(&s->lock);
}

struct nbd_counts nbd_serve_counts(struct nbd_server *s)
{
	struct nbd_counts c;

	pthread_mutex_lock(&s->lock);
	c = s->counts;
	pthread_mutex_unlock(&s->lock);
	return c;
}

/* The first error of the device is kept for us; the client is told of each by number. */
static u32 number_of(struct nbd_server *s, int r, struct err *e)
{
	if (r == 0)
		return 0;
	if (s->r == 0) {
		s->r = r;
		s->e = *e;
		*e = (struct err){ 0 };
	}
	err_clear(e);
	return r == -ENOSPC ? NBD_ENOSPC : NBD_EIO;
}

/* The device's answer, as an error number of the protocol; 0: done. */
static u32 carry_out(struct nbd_server *s, const struct request *q)
{
	AUTO_ERR struct err e = { 0 };
	int r;

	if (q->type == CMD_FLUSH)
		return number_of(s, device_flush(s->d, &e), &e);
	if (q->type != CMD_READ && q->type != CMD_WRITE)
		return NBD_EINVAL;
	if (q->off > s->d->size || q->len > s->d->size - q->off || q->off % s->d->sector_size ||
	    q->len % s->d->sector_size)
		return q->type == CMD_WRITE ? NBD_ENOSPC : NBD_EINVAL;
	if (q->type == CMD_READ)
		return number_of(s, device_read(s->d, q->off, s->data, q->len, &e), &e);
	r = device_write(s->d, q->off, s->data, q->len, &e);
	if (r == 0 && (q->flags & CMD_FLAG_FUA))
		r = device_flush(s->d, &e);
	return number_of(s, r, &e);
}

static int answer(struct nbd_server *s, const struct request *q, u32 error)
{
	AUTO_BUF struct buf b = { 0 };
	int r;

	add_be32(&b, SIMPLE_REPLY_MAGIC);
	add_be32(&b, error);
	buf_add(&b, q->cookie, sizeof(q->cookie));
	r = send_all(s->fd, b.s, b.len);
	if (r == 0 && q->type == CMD_READ && error == 0)
		r = send_all(s->fd, s->data, q->len);
	return r;
}

static int take_request(struct nbd_server *s, struct request *ret)
{
	u8 head[28];
	int r = take(s, head, sizeof(head));

	if (r < 0)
		return r;
	if (get_be32(head) != REQUEST_MAGIC)
		return fail(&s->e, -EPROTO, "NBD client: a request makes no sense");
	ret->flags = (u16)(head[4] << 8 | head[5]);
	ret->type = (u16)(head[6] << 8 | head[7]);
	memcpy(ret->cookie, head + 8, sizeof(ret->cookie));
	ret->off = get_be64(head + 16);
	ret->len = get_be32(head + 24);
	if (ret->len > DATA_MAX && (ret->type == CMD_READ || ret->type == CMD_WRITE))
		return fail(&s->e, -EPROTO, "NBD client: a request for %u bytes, %llu are the most", ret->len,
		            (unsigned long long)DATA_MAX);
	return ret->type == CMD_WRITE ? take(s, s->data, ret->len) : 0;
}

static int transmit(struct nbd_server *s)
{
	for (;;) {
		struct request q;
		u32 error;
		int r = take_request(s, &q);

		if (r < 0)
			return r;
		if (q.type == CMD_DISC)
			return -EPIPE;
		error = carry_out(s, &q);
		count(s, &q);
		r = answer(s, &q, error);
		if (r < 0)
			return r;
	}
}

static void *serve(void *arg)
{
	struct nbd_server *s = arg;
	int r = shake_hands(s);

	if (r == 0)
		r = transmit(s);
	if (r != -EPIPE && s->r == 0)
		s->r = r;
	/* A client that waits for an answer must not wait for ever. */
	shutdown(s->fd, SHUT_RDWR);
	return NULL;
}

/* ---- from outside */

static void free_server(struct nbd_server *s)
{
	util_close(&s->fd);
	pthread_mutex_destroy(&s->lock);
	err_clear(&s->e);
	free(s->data);
	free(s);
}

int nbd_serve_start(struct device *d, struct nbd_server **ret, int *ret_client_fd, struct err *e)
{
	struct nbd_server *s;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return fail(e, -errno, "socketpair: %s", strerror(errno));
	s = xcalloc(1, sizeof(*s));
	s->d = d;
	s->fd = fds[0];
	s->data = xcalloc(1, DATA_MAX);
	pthread_mutex_init(&s->lock, NULL);
	r = thread_start(&s->thread, serve, s); /* `interrupted` is for who waits for the guest */
	if (r < 0) {
		free_server(s);
		close(fds[1]);
		return fail(e, r, "a thread cannot be started: %s", strerror(-r));
	}
	*ret = s;
	*ret_client_fd = fds[1];
	return 0;
}

int nbd_serve_stop(struct nbd_server *s, struct err *e)
{
	int r;

	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	r = s->r;
	if (r < 0)
		r = fail(e, r == -EPROTO ? -EPROTO : -EIO, "%s", s->e.text ? s->e.text : strerror(-r));
	free_server(s);
	return r;
}
