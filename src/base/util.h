/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Words that every file uses: integer names, little-endian access, cleanup bound to a scope.
 *
 * Sizes and offsets are bytes in u64 everywhere; a count of sectors or clusters says so in its name.
 */
#ifndef LIVESTICK_BASE_UTIL_H
#define LIVESTICK_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Cleanup at the end of the scope, only for what cannot fail: memory and descriptors that were read from. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define AUTO_FREE   CLEANUP(util_free)
#define AUTO_CLOSE  CLEANUP(util_close)

static inline void util_free(void *p)
{
	free(*(void **)p);
}

static inline void util_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Hands a pointer over: the scope's cleanup then sees NULL. */
#define TAKE(p)                                                                                                        \
	({                                                                                                             \
		__typeof__(p) taken_ = (p);                                                                            \
		(p) = NULL;                                                                                            \
		taken_;                                                                                                \
	})

static inline bool mem_is_zero(const u8 *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* `align` is a power of two. */
static inline u64 align_down(u64 n, u64 align)
{
	return n & ~(align - 1);
}

/* `align` is a power of two; the caller knows that n + align does not overflow. */
static inline u64 align_up(u64 n, u64 align)
{
	return align_down(n + align - 1, align);
}

static inline u64 div_round_up(u64 n, u64 by)
{
	return n / by + (n % by != 0);
}

static inline u16 get_le16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static inline u32 get_le32(const u8 *p)
{
	return p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

static inline u64 get_le64(const u8 *p)
{
	return get_le32(p) | (u64)get_le32(p + 4) << 32;
}

static inline void put_le16(u8 *p, u16 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

static inline void put_le32(u8 *p, u32 v)
{
	put_le16(p, (u16)v);
	put_le16(p + 2, (u16)(v >> 16));
}

static inline void put_le64(u8 *p, u64 v)
{
	put_le32(p, (u32)v);
	put_le32(p + 4, (u32)(v >> 32));
}

/*
 * Memory for `n` things of `size` bytes, zeroed; for growing an array see array_grow(). Both end the program with a
 * message when there is no memory: a plan of some megabytes that cannot be held is nothing that a caller can mend,
 * and nothing has been written at that time.
 */
MUST_CHECK void *xcalloc(size_t n, size_t size);
MUST_CHECK char *xstrdup(const char *s);
MUST_CHECK char *xstrndup(const char *s, size_t n);

/* Room for `n` elements of `size` bytes in an array that may move; new room is not zeroed. */
MUST_CHECK void *array_resize(void *array, size_t n, size_t size);

/* Makes room for element `n` in an array of `*cap` elements; returns the (moved) array. New room is not zeroed. */
MUST_CHECK void *array_grow(void *array, size_t n, size_t *cap, size_t size);

/* One more element at the end of `array` (a pointer variable) of `n` elements; the new element is zeroed. */
#define ARRAY_ADD(array, n, cap)                                                                                       \
	({                                                                                                             \
		(array) = array_grow((array), (n), &(cap), sizeof(*(array)));                                          \
		memset(&(array)[n], 0, sizeof(*(array)));                                                              \
		&(array)[(n)++];                                                                                       \
	})

/* These do not compile: struct buf does their work with bounds. (The headers that declare them are in above.) */
#undef strcpy
#undef strcat
#undef sprintf
#undef strtok
#define strcpy(a, b) use_buf_instead_of_strcpy
#define strcat(a, b) use_buf_instead_of_strcat
#define sprintf(...) use_buf_instead_of_sprintf
#define strtok(a, b) use_strspn_instead_of_strtok

#endif
