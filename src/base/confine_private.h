/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of confine.h share; nobody else includes it. */
#ifndef LIVESTICK_BASE_CONFINE_PRIVATE_H
#define LIVESTICK_BASE_CONFINE_PRIVATE_H

#include "src/base/confine.h"

/* gcc tells by a macro, clang by a feature. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#define CONFINE_SANITIZER true
#else
#define CONFINE_SANITIZER false
#endif

/* Landlock: a set of rules is made, filled and put in force. Rights are those of landlock_rights. */
enum landlock_rights {
	LANDLOCK_READS = 1,  /* files, and names in directories */
	LANDLOCK_WRITES = 2, /* what is in a file that exists */
	LANDLOCK_RUNS = 4,   /* programs */
	LANDLOCK_MAKES = 8,  /* and removes: files and directories of a directory */
	LANDLOCK_LISTS = 16, /* names in directories only */
	LANDLOCK_CONTROLS = 32 /* ioctls of a device */,
	LANDLOCK_RMDIRS = 64, /* empty directories of a directory */
};

struct landlock {
	int fd;  /* -errno: there is none */
	int abi; /* 0: the kernel has no Landlock, or it is not in use */
};

void landlock_new(struct landlock *ret);
/* What does not exist needs no rule. The second takes a descriptor that was opened for anything, O_PATH too. */
void landlock_allow(const struct landlock *l, const char *path, unsigned rights);
void landlock_allow_fd(const struct landlock *l, int fd, unsigned rights);
/* Frees too. -errno: it is not in force. */
MUST_CHECK int landlock_enforce(struct landlock *l);

/* -errno: it is not in force. */
MUST_CHECK int seccomp_begin(bool runs_programs, bool sockets);
MUST_CHECK int seccomp_close(bool opens);

#endif
