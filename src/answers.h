/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file of answers for an unattended installation: kickstart for Anaconda, preseed for debian-installer. */
#ifndef LIVESTICK_ANSWERS_H
#define LIVESTICK_ANSWERS_H

#include "bootinst/syslinux.h"
#include "src/facts.h"

struct answers {
	const char *option; /* "kickstart", "preseed"; NULL: there is none */
	struct blob text;
	char *note; /* of its check: that there was none, or what was found that does no harm; NULL: all is well */
};

/*
 * Reads the file, and has `ksvalidator` (of pykickstart) look through a kickstart where that is in the user's PATH, by
 * the syntax of the source's release. Where it does not know that, it goes by its newest, and what it finds is a note.
 * Failures are classed EXIT_USAGE: the file cannot be read or has a NUL, it has errors, or the source is not one that
 * takes answers of this kind.
 */
MUST_CHECK int answers_read(const struct facts *f, const char *option, const char *path, struct answers *ret,
                            struct err *e);
/* The directory from which the validator of this option's files runs and reads; NULL: one of the system, or none. Freed
 * by the caller. */
MUST_CHECK char *answers_program_dir(const char *option);
void answers_free(struct answers *a);

#endif
