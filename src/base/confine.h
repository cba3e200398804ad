/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Least power: what a run does not need is given up, in two stages, before the bytes of a source or of a stick can do
 * harm with it.
 *
 *	confine_begin(&plan, &c);     the arguments are known, nothing of a source or a stick was read yet
 *	...                           both are opened and read, programs are run, the user is asked
 *	confine_close(&c, opens);     all is open: before the first write, and before a thread is started
 *	...                           the pass
 *	confine_free(&c);
 *
 * Begun: no new privileges; of root's capabilities only those with which files of others are opened; no debugger, no
 * core dump; Landlock: only what the plan names and the system's own files can be read, only the target and a private
 * directory ($TMPDIR from then on) can be written, only the system's programs run, with what they run confined alike;
 * seccomp: no sockets, mounts, modules, namespaces, other processes' memory, typing into the terminal, ...
 *
 * Closed: no capability, and not root but nobody; Landlock: nothing can be opened but what CONFINE_OPENS_* says;
 * seccomp: a list of what a pass needs, everything else fails with ENOSYS. No program can be run any more.
 *
 * Each layer is of the kernel's making, and a kernel (or the container around us) may lack it: the run goes on without,
 * and confine_words() tells. Both functions bind the calling thread and what it starts, so there must be no other.
 * Descriptors that are open stay as they are. A denied call fails, it never kills: a stick must not be left half
 * written because some library wanted to know the time zone.
 *
 * Under AddressSanitizer what LeakSanitizer needs is left at exit: /proc, a tracer of our own, being dumped. All else
 * is the same (docs/security.md).
 */
#ifndef LIVESTICK_BASE_CONFINE_H
#define LIVESTICK_BASE_CONFINE_H

#include "src/base/buf.h"

struct confine_plan {
	const char *source;  /* what is read: a file, a directory with all that is in it, a device. NULL: nothing */
	char *const *target; /* n of them: read too, and written if `writes`; what does not exist is made by others */
	size_t n_targets;
	const char *file;     /* one more file that is read, or NULL */
	const char *results;  /* a directory in which files are made, or NULL */
	const char *programs; /* one more directory from which programs may run, or NULL */
	bool writes;
	bool runs_programs; /* and there is to be a private directory for them */
	bool runs_qemu;     /* its window wants fonts and a display: all may be read, /dev/kvm and UNIX sockets used */
};

/* Zeroed before the first use. */
struct confined {
	struct buf active, missing; /* of the last stage: "no new privileges, Landlock ABI 7, seccomp" */
	struct buf scratch;         /* the private directory */
	bool has_begun;
	int source; /* a source directory, by O_PATH, whose files are opened when they are needed; or -1 */
};

/* What is still opened, for reading, after confine_close(). A source directory's files always are. */
enum confine_opens {
	CONFINE_OPENS_NOTHING,
	CONFINE_OPENS_SYSFS, /* libblkid asks there what a device is */
};

void confine_begin(const struct confine_plan *plan, struct confined *ret);
void confine_close(struct confined *c, enum confine_opens opens);
/* Removes the private directory, unless confine_close() has. What was given up stays given up. */
void confine_free(struct confined *c);

/* "capabilities dropped, uid 65534, no new privileges, Landlock ABI 7, seccomp; not: ..." */
void confine_words(const struct confined *c, struct buf *out);

/*
 * For a helper process that keeps the capability `keep` (or none: -1) and root's identity for one deed: everything else
 * that can be given up without knowing the deed is.
 */
void confine_helper(int keep);

#endif
