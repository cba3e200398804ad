/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Threads beside the one that main() runs in. */
#ifndef LIVESTICK_BASE_THREAD_H
#define LIVESTICK_BASE_THREAD_H

#include <pthread.h>

#include "src/base/util.h"

/*
 * As pthread_create(), but the new thread gets no signals: they are left to the calling thread, so that no system call
 * of the new one is cut short by one. -EAGAIN: no thread can be had.
 */
MUST_CHECK int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg);

#endif
