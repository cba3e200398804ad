/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names in directory records, for when Rock Ridge has none. */
#ifndef LIVESTICK_SOURCE_ISO_NAME_H
#define LIVESTICK_SOURCE_ISO_NAME_H

#include "src/base/buf.h"
#include "src/base/err.h"

/*
 * Appends the name whose record has these `len` bytes, as Linux shows it: plain letters small, Joliet's UTF-16 as
 * UTF-8, both without the version ";1" and a dot before that. The result is not checked yet.
 */
MUST_CHECK int iso_name(bool joliet, const u8 *id, size_t len, struct buf *name, struct err *e);

#endif
