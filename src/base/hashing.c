/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/hashing.h"

#include <errno.h>

#include "src/base/thread.h"

#define SLOTS     4
#define ALIGNMENT 4096 /* what O_DIRECT wants at most */

/* A piece of a file, or (`ret_digest`) its end. */
struct job {
	struct sha256 *hash;
	size_t len;
	u8 *ret_digest;
};

struct hashing {
	u8 *mem; /* SLOTS pieces; job number n has number n % SLOTS */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under `lock` */
	struct job job[SLOTS];
	u64 given, done;
	bool stop;
};

static u8 *piece_of(struct hashing *h, u64 number)
{
	return h->mem + number % SLOTS * HASHING_PIECE;
}

static void do_job(const struct job *j, const u8 *piece)
{
	if (j->ret_digest)
		sha256_end(j->hash, j->ret_digest);
	else
		sha256_add(j->hash, piece, j->len);
}

static void *worker(void *arg)
{
	struct hashing *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct job j;

		while (h->given == h->done && !h->stop)
			pthread_cond_wait(&h->changed, &h->lock);
		if (h->given == h->done)
			break;
		j = h->job[h->done % SLOTS];
		pthread_mutex_unlock(&h->lock);
		do_job(&j, piece_of(h, h->done));
		pthread_mutex_lock(&h->lock);
		h->done++;
		pthread_cond_signal(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

int hashing_new(struct hashing **ret, struct err *e)
{
	struct hashing *h = xcalloc(1, sizeof(*h));
	void *mem = NULL;
	int r = -posix_memalign(&mem, ALIGNMENT, SLOTS * HASHING_PIECE);

	h->mem = mem;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	if (r == 0)
		r = thread_start(&h->thread, worker, h);
	if (r < 0) {
		free(h->mem);
		free(h);
		return fail(e, r, "no thread for hashing: %s", strerror(-r));
	}
	*ret = h;
	return 0;
}

u8 *hashing_piece(struct hashing *h)
{
	u64 number;

	pthread_mutex_lock(&h->lock);
	while (h->given - h->done == SLOTS)
		pthread_cond_wait(&h->changed, &h->lock);
	number = h->given;
	pthread_mutex_unlock(&h->lock);
	return piece_of(h, number);
}

static void give(struct hashing *h, struct job j)
{
	pthread_mutex_lock(&h->lock);
	while (h->given - h->done == SLOTS)
		pthread_cond_wait(&h->changed, &h->lock);
	h->job[h->given % SLOTS] = j;
	h->given++;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void hashing_add(struct hashing *h, struct sha256 *to, size_t len)
{
	give(h, (struct job){ .hash = to, .len = len });
}

void hashing_end(struct hashing *h, struct sha256 *of, u8 *ret_digest)
{
	give(h, (struct job){ .hash = of, .ret_digest = ret_digest });
}

void hashing_wait(struct hashing *h)
{
	pthread_mutex_lock(&h->lock);
	while (h->given != h->done)
		pthread_cond_wait(&h->changed, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

void hashing_free(struct hashing *h)
{
	if (!h)
		return;
	hashing_wait(h);
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h->mem);
	free(h);
}
