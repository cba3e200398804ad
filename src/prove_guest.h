/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One start of a stick in QEMU, watched on its serial console: how far it comes, and commands for it if the console
 * offers a shell.
 *
 *	r = guest_start(&machine, seconds, &guest, e);
 *	r = guest_watch(guest, family, &state, e);
 *	if (state == GUEST_SHELL)
 *		r = guest_run(guest, "sync", &output, e);
 *	r = guest_cut(guest, e);                               the power is cut; what was heard stays
 *	guest_free(guest);
 */
#ifndef LIVESTICK_PROVE_GUEST_H
#define LIVESTICK_PROVE_GUEST_H

#include "src/console.h"
#include "src/qemu.h"

enum guest_state {
	GUEST_SHELL, /* a shell that answers */
	GUEST_LOGIN, /* it asks for a name, and none of those that are known is let in */
	GUEST_QUIET, /* a kernel has started, and then nothing happened any more, on the console and on the stick */
	GUEST_MUTE,  /* the same, but not even a kernel was heard of */
	GUEST_DEAD,  /* it says itself that it cannot go on: `why` */
	GUEST_ENDED, /* QEMU has ended: the guest has switched off, restarted, or QEMU broke: `why` */
	GUEST_LATE,  /* the time is up */
};

struct guest;

struct guest_facts {
	enum guest_state state;
	double seconds;   /* since the power came on */
	char *why;        /* of DEAD and ENDED: a sentence; else NULL */
	u64 said;         /* of DEAD: where on the console it says so */
	char *kernel;     /* "6.1.0-40-amd64"; NULL: none has said so */
	bool has_initrd;  /* its initrd's init was started */
	char *user;       /* of SHELL, if it had to log in; else NULL */
	bool qemu_broke;  /* ENDED before the guest said a word, and QEMU has complained */
	bool kvm_broke;   /* ENDED or LATE because KVM could not go on */
	bool timer_broke; /* the kernel gave up on the emulated timer, as it may on a busy machine: try again */
};

MUST_CHECK int guest_start(const struct qemu_machine *m, unsigned seconds, struct guest **ret, struct err *e);

/*
 * Until one of the states is reached; -EINTR. `family` (may be NULL) tells which names live systems of it let in. What
 * it has found is the guest's.
 */
MUST_CHECK int guest_watch(struct guest *g, const char *family, const struct guest_facts **ret, struct err *e);

/*
 * Runs a command in the guest's shell; *output gets what it prints. Returns its exit status, -ETIMEDOUT when it does
 * not end within `seconds`, -EPIPE when QEMU has ended, -EINTR.
 */
MUST_CHECK int guest_run(struct guest *g, const char *command, unsigned seconds, struct buf *output, struct err *e);

const struct console *guest_console(const struct guest *g);
struct pc *guest_pc(struct guest *g);

/* Cuts the power. An error of the stick's is returned; QEMU's own end was told already. */
int guest_cut(struct guest *g, struct err *e);
/* Cuts it, if that was not done. */
void guest_free(struct guest *g);

#endif
