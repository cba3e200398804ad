/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unpacks what the kernel's decompressors unpack: gzip, bzip2, xz, lzma, lzop (LZO), lz4 (its legacy format only) and
 * zstd; one stream, whatever follows it. For what is packed in kernels, and for their modules. Bounded like an initrd
 * (initrd.h): bytes unpacked, also in proportion to the bytes read, and memory.
 */
#ifndef LIVESTICK_SOURCE_UNPACK_H
#define LIVESTICK_SOURCE_UNPACK_H

#include "src/base/buf.h"
#include "src/base/input.h"

/* "gzip" and so on, told by the first bytes; NULL: nothing that is known. */
const char *unpack_name(const u8 *data, size_t len);

/* Gets all bytes, in order, in pieces that are not empty; what is negative ends the unpacking and is returned. */
typedef int unpack_sink(void *ctx, const u8 *data, size_t len, struct err *e);

/*
 * Every sentence begins with `name`; all but -EINTR, and what the sink says, are classed EXIT_SOURCE. -EINVAL: damaged
 * or not packed; -ENODATA: cut short; -EFBIG: beyond the bounds; else what reading `in` gave.
 */
MUST_CHECK int unpack(struct input in, u64 size, const char *name, unpack_sink *sink, void *ctx, struct err *e);

/* The same into memory, added to `ret`: -EFBIG beyond `max` bytes. */
MUST_CHECK int unpack_to(struct input in, u64 size, const char *name, size_t max, struct buf *ret, struct err *e);

#endif
