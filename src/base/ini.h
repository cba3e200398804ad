/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A text of "[section]" and "key = value", one to a line, as .treeinfo files are. */
#ifndef LIVESTICK_BASE_INI_H
#define LIVESTICK_BASE_INI_H

#include "src/base/util.h"

/* The first value of `key` in `section`; NULL: there is none. The caller frees. */
MUST_CHECK char *ini_value(const char *text, const char *section, const char *key);

#endif
