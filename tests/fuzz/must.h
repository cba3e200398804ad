/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a header promises of whatever it was given: the fuzzer stops where that is broken. */
#ifndef LIVESTICK_TESTS_FUZZ_MUST_H
#define LIVESTICK_TESTS_FUZZ_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "broken promise: %s\n", #cond), abort()))

#endif
