/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/qmp.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "src/base/progress.h"
#include "src/base/send.h"

/* A line of the protocol. QEMU's greeting has some hundred bytes. */
#define LINE_MAX_BYTES (64 * KIB)

static i64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (i64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One more piece into q->in. */
static int receive(struct qmp *q, i64 deadline, struct err *e)
{
	struct pollfd fd = { .fd = q->fd, .events = POLLIN };
	i64 left = deadline - now_ms();
	char piece[4096];
	ssize_t n;

	if (interrupted)
		return fail(e, -EINTR, "interrupted");
	if (left <= 0)
		return fail(e, -ETIMEDOUT, "QEMU's monitor does not answer");
	if (poll(&fd, 1, (int)MIN(left, 100)) <= 0)
		return 0;
	n = recv(q->fd, piece, sizeof(piece), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return fail(e, -EPIPE, "QEMU's monitor has gone");
	if (n > 0)
		buf_add(&q->in, piece, (size_t)n);
	return q->in.len > LINE_MAX_BYTES ? fail(e, -EPROTO, "QEMU's monitor talks too much") : 0;
}

/* The next line, without its end; the caller frees. */
static int next_line(struct qmp *q, i64 deadline, char **ret, struct err *e)
{
	for (;;) {
		char *end = q->in.len ? memchr(q->in.s, '\n', q->in.len) : NULL;
		struct buf rest = { 0 };
		int r;

		if (end) {
			*ret = xstrndup(q->in.s, (size_t)(end - q->in.s));
			buf_add(&rest, end + 1, q->in.len - (size_t)(end + 1 - q->in.s));
			buf_free(&q->in);
			q->in = rest;
			return 0;
		}
		r = receive(q, deadline, e);
		if (r < 0)
			return r;
	}
}

/* 1: it is the answer. The greeting and events are none. */
static int look_at(const char *line, struct err *e)
{
	struct json_object *o = json_tokener_parse(line), *error = NULL, *words = NULL;
	int r = 0;

	if (!o)
		return fail(e, -EPROTO, "QEMU's monitor says what is no JSON");
	if (json_object_object_get_ex(o, "error", &error)) {
		json_object_object_get_ex(error, "desc", &words);
		r = fail(e, -EREMOTEIO, "QEMU: %s", words ? json_object_get_string(words) : "refuses");
	} else if (json_object_object_get_ex(o, "return", NULL)) {
		r = 1;
	}
	json_object_put(o);
	return r;
}

static int converse(struct qmp *q, const char *command, i64 deadline, struct err *e)
{
	int r = send_all(q->fd, command, strlen(command));

	if (r < 0)
		return fail(e, r, "QEMU's monitor has gone");
	while (r == 0) {
		AUTO_FREE char *line = NULL;

		r = next_line(q, deadline, &line, e);
		if (r == 0)
			r = look_at(line, e);
	}
	return MIN(r, 0);
}

int qmp_command(struct qmp *q, const char *command, unsigned seconds, struct err *e)
{
	i64 deadline = now_ms() + (i64)seconds * 1000;
	int r = 0;

	if (!q->ready)
		r = converse(q, "{\"execute\":\"qmp_capabilities\"}\n", deadline, e);
	q->ready = q->ready || r == 0;
	return r == 0 ? converse(q, command, deadline, e) : r;
}

void qmp_free(struct qmp *q)
{
	buf_free(&q->in);
}
